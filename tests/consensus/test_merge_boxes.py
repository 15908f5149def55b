"""Everybody's boxes as one set: better than any one annotator, whatever the order."""

from __future__ import annotations

import ast
import csv
import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from annokit import consensus
from annokit.errors import UsageError
from annokit_fast import agreement


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes on a coarse grid, so that equal ones and equal overlaps are frequent."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 30))
    corner = rng.integers(0, 5, (count, 2)) * 2.0
    return (
        rng.integers(0, 3, count),
        rng.integers(0, 4, count),
        np.hstack([corner, corner + rng.integers(1, 4, (count, 2))]),
    )


@given(seed=st.integers(0, 20_000))
def test_no_order_and_no_name_matters(seed: int) -> None:
    item, who, boxes = drawn(seed)
    rng = np.random.default_rng(seed)
    order, people = rng.permutation(len(item)), rng.permutation(4)
    one = consensus.merge_boxes(item, who, boxes)
    other = consensus.merge_boxes(item[order], people[who[order]], boxes[order])
    np.testing.assert_array_equal(one.boxes, other.boxes)
    np.testing.assert_array_equal(one.confidence, other.confidence)
    np.testing.assert_array_equal(one.item, other.item)
    assert [len(m) for m in one.members] == [len(m) for m in other.members]


@given(seed=st.integers(0, 20_000))
def test_members_are_of_one_item_and_of_different_annotators(seed: int) -> None:
    item, who, boxes = drawn(seed)
    found = consensus.merge_boxes(item, who, boxes, quorum=0)
    assert sorted(np.concatenate([[], *found.members]).tolist()) == list(range(len(item)))
    for name, members in zip(found.item, found.members, strict=True):
        assert (item[members] == name).all()
        assert len(set(who[members])) == len(members)
    assert ((found.confidence > 0) & (found.confidence <= 1)).all()


def test_who_drew_nothing_counts() -> None:
    box = [[0, 0, 4, 4]]
    assert consensus.merge_boxes(["a"], ["x"], box).confidence.tolist() == [1.0]
    assigned = [("a", "x"), ("a", "y"), ("a", "z"), ("b", "y")]
    assert consensus.merge_boxes(["a"], ["x"], box, assigned=assigned).confidence.tolist() == [1 / 3]
    assert len(consensus.merge_boxes(["a"], ["x"], box, assigned=assigned, quorum=0.5).boxes) == 0


def test_skilled_annotators_count_more() -> None:
    boxes = [[0, 0, 10, 10], [0, 0, 10, 12], [0, 0, 10, 14]]
    found = consensus.merge_boxes([1] * 3, list("abc"), boxes, skill=[0.1, 0.1, 0.9])
    assert found.boxes.tolist() == [boxes[2]]


@pytest.mark.parametrize(("problem", "arguments", "options"), [
    ("shape", ([1], [1], [[0, 0, 1]]), {}),
    ("link", ([1], [1], [[0, 0, 1, 1]]), {"link": 0}),
    ("quorum", ([1], [1], [[0, 0, 1, 1]]), {"quorum": 2}),
    ("finite", ([1], [1], [[0, 0, 1, float("nan")]]), {}),
    ("one length", ([1, 2], [1], [[0, 0, 1, 1]]), {}),
])  # fmt: skip
def test_bad_boxes(problem: str, arguments: Any, options: Any) -> None:
    with pytest.raises(UsageError, match=problem):
        consensus.merge_boxes(*arguments, **options)


def score(a: Any, b: np.ndarray) -> float:
    """The sum of matched IoU over all boxes, a matched pair being one."""
    mine = np.asarray(a, float).reshape(-1, 4)
    if not len(mine) + len(b):
        return 1.0
    found = agreement.match(mine, [0, len(mine)], b, [0, len(b)])
    return float(found.scores.sum() / (len(mine) + len(b) - len(found.a)))


def test_a_real_set_against_its_gold(shared: Path) -> None:
    """The defaults reach .60, above the most central annotator and above weighted boxes fusion."""
    folder = shared / "consensus" / "boxes"
    gold = {
        name: np.array([np.ravel(ast.literal_eval(box)) for box in boxes]).reshape(-1, 4)
        for name, boxes in json.loads((folder / "gold.json").read_text()).items()
    }
    people: dict[str, dict[str, list[list[float]]]] = {}
    with (folder / "responses.csv").open() as handle:
        for row in csv.DictReader(handle):
            corners = np.array(ast.literal_eval(row["boxes"])).reshape(-1, 2, 2)
            people.setdefault(row["item"], {})[row["annotator"]] = (
                np.sort(corners, axis=1).reshape(-1, 4).tolist()
            )
    flat = [(t, w, box) for t, by in people.items() for w, boxes in by.items() for box in boxes]
    item, who, boxes = zip(*flat, strict=True)
    assigned = [(t, w) for t, by in people.items() for w in by]
    found = consensus.merge_boxes(item, who, boxes, assigned=assigned)
    merged = np.mean([score(found.boxes[found.item == name], gold[name]) for name in gold])
    medoid = np.mean([score(_central(people[name]), gold[name]) for name in gold])
    assert merged >= 0.60
    assert merged > medoid
    fusion = pytest.importorskip("ensemble_boxes")
    assert merged > np.mean([score(_fused(fusion, people[name]), gold[name]) for name in gold])


def _central(people: dict[str, list[list[float]]]) -> list[list[float]]:
    arrays = {who: np.array(boxes).reshape(-1, 4) for who, boxes in people.items()}
    near = {w: sum(score(arrays[w], b) for other, b in arrays.items() if other != w) for w in sorted(arrays)}
    return people[max(near, key=lambda w: near[w])]


def _fused(fusion: Any, people: dict[str, list[list[float]]]) -> np.ndarray:
    """At its best: with as many votes as our quorum asks for."""
    most = 1 + max((max(box) for boxes in people.values() for box in boxes), default=0)
    lists = [(np.array(boxes).reshape(-1, 4) / most).tolist() for boxes in people.values()]
    ones = [[1.0] * len(boxes) for boxes in lists]
    boxes, share, _ = fusion.weighted_boxes_fusion(lists, ones, ones, iou_thr=0.55)
    kept: np.ndarray = boxes[share >= 0.3] * most
    return kept
