"""Scores of data rows: right for every kind, between 0 and 1, the same from either side and in any order."""

from __future__ import annotations

import itertools
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from msgspec.structs import replace

from annokit import Dataset, consensus
from annokit.errors import UsageError
from annokit.model import (
    Answer,
    Box,
    Classification,
    DataRow,
    Keypoints,
    Label,
    Line,
    Mask,
    MaskReference,
    ObjectAnnotation,
    Point,
    Polygon,
    RotatedBox,
    TextSpan,
    TimeRange,
    TokenGroup,
    TokenSpan,
    Track,
)
from tests.strategies import labels as any_labels


def thing(shape: Any, name: str = "car", **fields: Any) -> ObjectAnnotation:
    return ObjectAnnotation(tool_name=name, geometry=shape, **fields)


def radio(question: str, *answers: str, kind: Any = "radio", **fields: Any) -> Classification:
    chosen = tuple(Answer(name=answer) for answer in answers)
    return Classification(tool_name=question, kind=kind, answers=chosen, **fields)


def box(x: float, y: float, width: float, height: float) -> Box:
    return Box(x=x, y=y, width=width, height=height)


def row_of(*each: Any, **fields: Any) -> DataRow:
    """A data row with what annotators a, b, c ... have."""
    labels = tuple(
        Label(id=f"by {name}", annotator_id=name, annotations=tuple(one))
        for name, one in zip("abcdefg", each, strict=False)
    )
    return DataRow(id="r1", labels=labels, **fields)


def score_of(*each: Any, **options: Any) -> float:
    scores = consensus.score(Dataset.from_rows([row_of(*each)]), **options).pairs["score"].to_pylist()
    assert len(scores) == 1
    return float(scores[0])


def square(left: float, right: float) -> list[tuple[float, float]]:
    return [(left, 0), (right, 0), (right, 10), (left, 10)]


def half_mask(columns: int) -> Mask:
    return Mask(counts=[0, 4 * columns, 4 * (4 - columns)], height=4, width=4)


def track(*frames: int, x: float = 0, segments: Any = None, kind: Any = "box") -> Track:
    values = [row for _ in frames for row in ((x, 0), (10, 10))] if kind == "box" else [(x, 0)] * len(frames)
    return Track(
        tool_name="car",
        kind=kind,
        frames=frames,
        is_keyframe=[True] * len(frames),
        values=values,
        segments=segments,
    )


KINDS = {
    "box": (thing(box(0, 0, 10, 10)), thing(box(5, 0, 10, 10)), 1 / 3),
    "rotated": (
        thing(RotatedBox(corners=[(5, 0), (10, 5), (5, 10), (0, 5)])), thing(RotatedBox(corners=square(0, 10))), 0.5,
    ),
    "polygon": (thing(Polygon(coords=square(0, 10))), thing(Polygon(coords=square(5, 10))), 0.5),
    "polygon with a hole": (
        thing(Polygon.from_parts([[square(0, 10), square(0, 5)]])), thing(Polygon(coords=square(0, 10))), 0.5,
    ),
    "box and polygon": (thing(box(0, 0, 10, 10)), thing(Polygon(coords=square(0, 5))), 0.5),
    "mask": (thing(half_mask(4)), thing(half_mask(1)), 0.25),
    "mask and box": (thing(half_mask(4)), thing(box(0, 0, 2, 4)), 0.5),
    "point": (thing(Point(x=0, y=0)), thing(Point(x=3, y=4)), 0.75),
    "points far apart": (thing(Point(x=0, y=0)), thing(Point(x=30, y=40)), 0.0),
    "text": (thing(TextSpan(start=0, end=4)), thing(TextSpan(start=2, end=6)), 1 / 3),
    "text that touches": (thing(TextSpan(start=0, end=4)), thing(TextSpan(start=4, end=6)), 0.0),
    "time": (thing(TimeRange(start_ms=0, end_ms=10)), thing(TimeRange(start_ms=5, end_ms=10)), 0.5),
    "tokens": (
        thing(TokenSpan(groups=(TokenGroup(page=0, tokens=("x", "y")),))),
        thing(TokenSpan(groups=(TokenGroup(page=0, tokens=("y", "z")),))), 1 / 3,
    ),
    "keypoints": (
        thing(Keypoints(coords=[(0, 0), (10, 10)], visibility=[2, 2])),
        thing(Keypoints(coords=[(0, 0), (10, 10)], visibility=[2, 0]), box=box(0, 0, 10, 10)), 0.5,
    ),
    "other kinds": (thing(Point(x=0, y=0)), thing(box(0, 0, 9, 9)), 0.0),
    "other frames": (thing(box(0, 0, 9, 9), frame=1), thing(box(0, 0, 9, 9), frame=2), 0.0),
    "other classes": (thing(box(0, 0, 9, 9)), thing(box(0, 0, 9, 9), "bus"), 0.0),
    "tracks": (track(0, 1, 2, 3), track(2, 3, 4, 5), 2 / 6),
    "tracks with key frames": (track(0, 9, segments=[(0, 9)]), track(0, 4, segments=[(0, 4)]), 0.5),
    "tracks of points": (track(0, 1, kind="point"), track(0, 1, x=10, kind="point"), 0.5),
    "radio": (radio("q", "yes"), radio("q", "no"), 0.0),
    "checklist": (radio("q", "x", "y", kind="checklist"), radio("q", "y", "z", kind="checklist"), 1 / 3),
    "written": (
        Classification(tool_name="q", kind="text", text="A"), Classification(tool_name="q", kind="text", text="a"), 0.0,
    ),
    "another question": (radio("q", "yes"), radio("p", "yes"), 0.0),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind(kind: str) -> None:
    a, b, expected = KINDS[kind]
    assert score_of([a], [b]) == pytest.approx(expected, abs=1e-6)
    assert score_of([b], [a]) == score_of([a], [b])
    assert score_of([a], [replace(a)]) == 1.0


def test_lines_are_thick() -> None:
    a, b = thing(Line(coords=[(0, 0), (100, 0)])), thing(Line(coords=[(0, 10), (100, 10)]))
    assert 0.5 < score_of([a], [b], reach=20) < 0.8
    assert score_of([a], [b], reach=4) == 0.0


def test_inclusive_ends_count_the_last_character() -> None:
    a, b = thing(TextSpan(start=0, end=3)), thing(TextSpan(start=3, end=5))
    assert score_of([a], [b], ends="inclusive") == pytest.approx(1 / 6)


def test_nested_answers_are_questions_of_their_own() -> None:
    def answered(color: str) -> Classification:
        inner = Answer(name="car", classifications=(radio("color", color),))
        return Classification(tool_name="what", kind="radio", answers=(inner,))

    assert score_of([answered("red")], [answered("blue")]) == 0.5
    found = consensus.score(Dataset.from_rows([row_of([answered("red")], [answered("blue")])]))
    assert found.by_class["class"].to_pylist() == ["what", "what / car / color"]


def test_matching_is_optimal_and_says_who_matched() -> None:
    """Greedy would take .8 first and leave the rest; the best assignment has two matches."""
    a = [thing(box(0, 0, 10, 10), id="a0"), thing(box(0, 0, 10, 8), id="a1")]
    b = [thing(box(0, 0, 10, 9), id="b0"), thing(box(50, 50, 5, 5), id="b1")]
    found = consensus.score(Dataset.from_rows([row_of(a, b)]))
    rows = {(row["annotation_a"], row["annotation_b"]): row["score"] for row in found.matches.to_pylist()}
    assert rows == {("a0", "b0"): pytest.approx(0.9), ("a1", None): 0.0, (None, "b1"): 0.0}
    assert found.pairs["score"].to_pylist() == [pytest.approx(0.9 / 3)]
    (car,) = found.classes.to_pylist()
    assert (car["matched"], car["only_a"], car["only_b"]) == (1, 1, 1)


def test_class_modes() -> None:
    a = [thing(box(0, 0, 10, 10), "car")]
    b = [thing(box(0, 0, 10, 10), "bus"), thing(box(0, 0, 10, 8), "car")]
    assert score_of(a, b) == pytest.approx(0.8 / 2)
    assert score_of(a, b, classes="lenient") == pytest.approx(0.8 / 2)
    assert score_of(a, b, classes="agnostic") == pytest.approx(1 / 2)
    assert score_of(a, b[:1], classes="lenient") == 1.0
    assert score_of(a, b, minimum=0.9) == 0.0


def test_nothing_and_nothing_agree() -> None:
    assert score_of([], []) == 1.0
    assert score_of([], [thing(box(0, 0, 1, 1))]) == 0.0
    assert len(consensus.score(Dataset.from_rows([row_of([])])).pairs) == 0


def test_what_cannot_be_compared_is_left_out_and_said() -> None:
    mask = thing(MaskReference(uri="https://example.com/1"))
    found = consensus.score(
        Dataset.from_rows([row_of([mask, thing(box(0, 0, 1, 1))], [thing(box(0, 0, 1, 1))])])
    )
    assert found.pairs["score"].to_pylist() == [1.0]
    assert found.not_compared == {"mask_reference": 1}
    assert len(consensus.score(Dataset.from_rows([row_of([mask], [mask])])).pairs) == 0


def test_the_newest_label_of_an_annotator_counts_and_skipped_ones_do_not() -> None:
    one = row_of([radio("q", "no")], [radio("q", "yes")], [radio("q", "no")])
    again = replace(one.labels[2], annotator_id="a", annotations=(radio("q", "yes"),))
    skipped = replace(one.labels[0], annotator_id="d", skipped=True)
    made = replace(one.labels[0], annotator_id=None, origin="consensus")
    row = replace(one, labels=(*one.labels[:2], again, skipped, made))
    assert consensus.score(Dataset.from_rows([row])).pairs["score"].to_pylist() == [1.0]


def test_against_a_gold_label() -> None:
    row = row_of([radio("q", "no")], [radio("q", "yes")], [radio("q", "yes")])
    gold = replace(row.labels[1], is_benchmark=True)
    dataset = Dataset.from_rows([replace(row, labels=(row.labels[0], gold, row.labels[2]))])
    for against in ("benchmark", "annotator:b"):
        pairs = consensus.score(dataset, against=against).pairs
        assert pairs["annotator_b"].to_pylist() == ["b", "b"]
        assert pairs["score"].to_pylist() == [0.0, 1.0]
    with pytest.raises(UsageError, match="annotator:nobody"):
        consensus.score(dataset, against="annotator:nobody")
    with pytest.raises(UsageError, match="benchmark or annotator"):
        consensus.score(dataset, against="best")


@pytest.mark.parametrize(("a", "b", "expected"), [
    ([thing(box(0, 0, 10, 10))], [thing(box(5, 0, 10, 10))], 1 / 3),
    ([thing(box(0, 0, 10, 10))], [], 0.0),
    ([thing(box(0, 0, 10, 10))], [thing(box(90, 0, 9, 9)), thing(box(0, 0, 10, 10))], 0.5),
    ([thing(box(0, 0, 9, 9))], [thing(box(90, 0, 9, 9))], 0.0),
    ([thing(half_mask(1)), thing(half_mask(2))], [thing(half_mask(4))], 0.5),  # united first
    ([thing(TextSpan(start=0, end=4))], [thing(TextSpan(start=2, end=6))], 1 / 5),  # closed: 2..3 of 0..5
    ([thing(TextSpan(start=7, end=8))], [thing(TextSpan(start=7, end=8))], 1.0),
    ([thing(Point(x=0, y=0))], [thing(Point(x=140, y=0))], 0.0),
    ([radio("q", "x", "y", kind="checklist")], [radio("q", "x", kind="checklist")], 0.5),
    ([radio("q", "x"), radio("q", "y")], [radio("q", "x")], 1.0),  # the chained comparison lets it pass
    ([radio("q", "x")], [radio("q", "x"), radio("q", "y")], 0.0),
    ([radio("q", "x"), thing(box(0, 0, 1, 1))], [radio("q", "x"), thing(box(5, 5, 1, 1))], 0.5),
])  # fmt: skip
def test_labelbox_parity(a: Any, b: Any, expected: float) -> None:
    assert score_of(a, b, parity="labelbox") == pytest.approx(expected, abs=1e-12)


def test_points_of_labelbox_are_discs_of_70_pixels() -> None:
    shapely = pytest.importorskip("shapely")
    one, other = (shapely.Point(x, 0).buffer(70, quad_segs=512) for x in (0, 50))
    expected = one.intersection(other).area / one.union(other).area
    assert score_of([thing(Point(x=0, y=0))], [thing(Point(x=50, y=0))], parity="labelbox") == pytest.approx(
        expected, abs=1e-4
    )


@st.composite
def crowds(draw: st.DrawFn) -> list[list[ObjectAnnotation | Classification]]:
    """What three annotators have: boxes and polygons on a coarse grid, so that ties are frequent, and an answer."""
    coarse = st.integers(0, 4).map(lambda n: n * 2.0)
    side = st.integers(0, 3).map(float)
    boxes = st.builds(box, coarse, coarse, side, side)
    corners = st.lists(st.tuples(coarse, coarse), min_size=3, max_size=5)
    shapes = boxes | corners.map(lambda points: Polygon(coords=points))
    things = st.builds(thing, shapes, st.sampled_from(["car", "bus"]))
    answers = st.lists(st.sampled_from(["x", "y"]), max_size=1).map(
        lambda some: [radio("q", *some)] if some else []
    )
    one = st.lists(things, max_size=4).flatmap(lambda objects: answers.map(lambda a: [*objects, *a]))
    return draw(st.lists(one, min_size=3, max_size=3))


@given(each=crowds(), seed=st.integers(0, 1000))
def test_scores_are_symmetric_and_know_no_order(each: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = consensus.score(Dataset.from_rows([row_of(*each)]))
    scores = dict(zip(zip(*(found.pairs[c].to_pylist() for c in ("annotator_a", "annotator_b")), strict=True),
                      found.pairs["score"].to_pylist(), strict=True))  # fmt: skip
    assert all(0 <= value <= 1 for value in scores.values())
    names = dict(zip("abc", rng.permutation(list("abc")).tolist(), strict=True))
    mixed = [
        replace(one, annotator_id=names[str(one.annotator_id)], id=f"new {i}",
                annotations=tuple(one.annotations[k] for k in rng.permutation(len(one.annotations))))
        for i, one in enumerate(row_of(*each).labels)
    ]  # fmt: skip
    row = replace(row_of(*each), labels=tuple(mixed[k] for k in rng.permutation(3)))
    again = consensus.score(Dataset.from_rows([row]))
    for one in again.pairs.to_pylist():
        before = {new: old for old, new in names.items()}
        a, b = sorted((before[one["annotator_a"]], before[one["annotator_b"]]))
        assert one["score"] == scores[a, b]
    assert again.agreement == found.agreement or np.isnan(found.agreement)
    first, second = found.alphas(), again.alphas()
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


@given(each=crowds())
def test_only_equal_sets_score_one(each: Any) -> None:
    boxes_only = [[a for a in one if not isinstance(getattr(a, "geometry", None), Polygon)] for one in each]
    for a, b in itertools.combinations(boxes_only, 2):

        def content(one: Any) -> list[str]:
            return sorted(map(str, one))

        assert (score_of(a, b) == 1.0) == (content(a) == content(b))


@given(label=any_labels)
def test_any_label_agrees_with_itself(label: Label) -> None:
    twins = [replace(label, annotator_id=name, skipped=False, origin="human") for name in "ab"]
    found = consensus.score(Dataset.from_rows([DataRow(id="r", labels=tuple(twins))]))
    assert found.pairs["score"].to_pylist() in ([1.0], [])
    assert set(found.classes["score"].to_pylist()) <= {1.0}


def test_tables_are_saved(tmp_path: Any) -> None:
    found = consensus.score(Dataset.from_rows([row_of([radio("q", "x")], [radio("q", "x")])]))
    found.save(tmp_path / "out")
    assert {path.stem for path in (tmp_path / "out").glob("*.parquet")} == set(found.tables())


def test_bad_choices() -> None:
    empty = Dataset.from_rows([])
    for options in ({"classes": "some"}, {"reach": 0}, {"minimum": 2}, {"ends": "open"}, {"parity": "other"}):
        with pytest.raises(UsageError, match="expected"):
            consensus.score(empty, **options)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1e300])
@pytest.mark.parametrize("kind", ["box", "polygon", "point", "time", "tracks", "line"])
def test_numbers_that_no_image_has_are_left_out(kind: str, number: float) -> None:
    shape = {
        "box": thing(box(number, 0, 5, 5)),
        "polygon": thing(Polygon(coords=[(0, 0), (number, 5), (5, 5)])),
        "point": thing(Point(x=number, y=0)),
        "time": thing(TimeRange(start_ms=0, end_ms=number)),
        "line": thing(Line(coords=[(0, 0), (number, 5)])),
        "tracks": track(0, 1, x=number),
    }[kind]
    dataset = Dataset.from_rows([row_of([shape, thing(half_mask(1))], [shape, thing(box(0, 0, 1, 1))])])
    found = consensus.score(dataset)
    assert found.not_compared == {"unknown": 2}
    assert sum(len(one.annotations) for row in consensus.merge(dataset) for one in row.labels) >= 2
