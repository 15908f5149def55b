"""Coefficients against published tables, scikit-learn and worked examples."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given

from annokit import consensus
from annokit.errors import UsageError


def test_krippendorffs_published_tables(data: Path) -> None:
    tables = json.loads((data / "consensus" / "known_alphas.json").read_text())
    for table in tables.values():
        cells = [(t, a, v) for a, row in enumerate(table["data"]) for t, v in enumerate(row)]
        item, annotator, label = zip(*cells, strict=True)
        for level, expected in table["published"].items():
            assert round(consensus.alpha(item, annotator, label, level=level), 3) == expected


def test_text_needs_an_order_for_ranks() -> None:
    item, who, label = [1, 1, 2, 2, 3, 3], [0, 1] * 3, ["low", "high", "mid", "mid", "high", "high"]
    ranks = [{"low": 0, "mid": 1, "high": 2}[name] for name in label]
    found = consensus.alpha(item, who, label, level="ordinal", order=["low", "mid", "high"])
    assert found == consensus.alpha(item, who, ranks, level="ordinal")
    with pytest.raises(UsageError, match="order"):
        consensus.alpha(item, who, label, level="ordinal")
    with pytest.raises(UsageError, match="'low'"):
        consensus.alpha(item, who, label, level="ordinal", order=["mid", "high"])
    with pytest.raises(UsageError, match="numbers"):
        consensus.alpha(item, who, label, level="interval")


def table_of(rows: list[list[Any]]) -> tuple[list[int], list[int], list[Any]]:
    cells = [(t, a, v) for t, row in enumerate(rows) for a, v in enumerate(row) if v is not None]
    item, who, label = (list(column) for column in zip(*cells, strict=True))
    return item, who, label


def test_fleiss_own_example() -> None:
    """Fleiss (1971): 10 of his 30 patients, as the usual worked example has them; kappa .210."""
    counts = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    rows = [[k for k, n in enumerate(row) for _ in range(n)] for row in counts]
    assert round(consensus.fleiss(*table_of(rows)), 3) == 0.210


def test_gwets_worked_example() -> None:
    """Gwet (2008), table 1 of two raters: 118 + 2 agreements of 125; kappa is .349 and AC1 .954 or so by hand."""
    rows = [["+", "+"]] * 118 + [["+", "-"]] * 5 + [["-", "+"]] * 0 + [["-", "-"]] * 2
    po, share = 120 / 125, (118 + 5 + 118) / 250
    pe = 2 * share * (1 - share)
    assert math.isclose(consensus.gwet_ac1(*table_of(rows)), (po - pe) / (1 - pe), rel_tol=1e-12)


@given(seed=st.integers(0, 5000), weights=st.sampled_from([None, "linear", "quadratic"]))
def test_kappa_is_that_of_scikit_learn(seed: int, weights: Any) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 4, (2, 30))
    a[:4] = b[:4] = range(4)
    item, who = np.tile(np.arange(30), 2), np.repeat([0, 1], 30)
    expected = metrics.cohen_kappa_score(a, b, weights=weights)
    assert consensus.kappa(item, who, np.append(a, b), weights=weights) == pytest.approx(expected, abs=1e-12)


def test_kappa_of_more_than_two_is_the_mean_of_the_pairs() -> None:
    rows = [[0, 0, 1], [1, 1, 1], [0, 1, 0], [1, 0, 0], [1, 1, 0]]
    pairs = [[[row[i], row[j]] for row in rows] for i, j in ((0, 1), (0, 2), (1, 2))]
    mean = np.mean([consensus.kappa(*table_of(pair)) for pair in pairs])
    assert consensus.kappa(*table_of(rows)) == pytest.approx(mean)
    with pytest.raises(UsageError, match="one label"):
        consensus.kappa([1, 1], ["a", "a"], ["x", "y"])


MEASURES = [consensus.alpha, consensus.fleiss, consensus.gwet_ac1, consensus.kappa]


@pytest.mark.parametrize("measure", MEASURES)
@given(seed=st.integers(0, 5000))
def test_no_order_matters(measure: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = np.argwhere(rng.random((12, 5)) < 0.7)
    label = rng.integers(0, 3, len(grid))
    order, items, people = rng.permutation(len(grid)), rng.permutation(12), rng.permutation(5)
    one = measure(grid[:, 0], grid[:, 1], label)
    other = measure(items[grid[order, 0]], people[grid[order, 1]], label[order])
    np.testing.assert_array_equal(one, other)
    assert math.isnan(one) or one <= 1


@pytest.mark.parametrize("measure", MEASURES)
def test_intervals_hold_the_value_and_come_from_the_seed(measure: Any) -> None:
    rng = np.random.default_rng(0)
    rows = [[0, 0 if rng.random() < 0.8 else 1] if t % 2 else [1, 1] for t in range(60)]
    found = measure(*table_of(rows), bootstrap=200)
    assert found.low < found < found.high
    again = measure(*table_of(rows), bootstrap=200)
    assert (found.low, found.high) == (again.low, again.high)
    assert math.isnan(measure(*table_of(rows)).low)


def test_columns_come_in_any_kind() -> None:
    rows = table_of([[0, 1], [1, 1], [0, 0]])
    expected = consensus.alpha(*rows)
    chunked = pa.chunked_array([pa.array(rows[2][:3]), pa.array(rows[2][3:])])
    assert consensus.alpha(np.array(rows[0]), pa.array(map(str, rows[1])), chunked) == expected
    assert consensus.alpha(rows[0], rows[1], pa.array(map(str, rows[2])).dictionary_encode()) == expected
    missing = [*rows[2], None]
    assert consensus.alpha([*rows[0], 7], [*rows[1], 0], missing) == expected


@pytest.mark.parametrize(("problem", "columns"), [
    ("one length", ([1], [1, 2], [1])),
    ("missing", ([None], [1], [1])),
    ("ints or of strings", ([1, "a"], [1, 2], [1, 2])),
    ("ints or of strings", ([[1]], [1], [1])),
])  # fmt: skip
def test_columns_that_do_not_fit(problem: str, columns: Any) -> None:
    with pytest.raises(UsageError, match=problem):
        consensus.alpha(*columns)


def test_only_the_last_answer_counts_if_asked() -> None:
    item, who = [1, 1, 1, 2, 2, 2, 2], ["a", "b", "a", "a", "b", "b", "b"]
    label = ["x", "y", "y", "z", "x", "z", None]
    for measure in (consensus.alpha, consensus.fleiss, consensus.gwet_ac1, consensus.kappa):
        assert measure(item, who, label, repeats="last") == measure([1, 1, 2, 2], list("abab"), list("yyzz"))
    assert consensus.alpha(item, who, label) < 1 == consensus.alpha(item, who, label, repeats="last")
    with pytest.raises(UsageError, match="one label") as problem:
        consensus.kappa(item, who, label)
    assert 'repeats="last"' in str(problem.value.hint)
    with pytest.raises(UsageError, match="keep or last"):
        consensus.alpha(item, who, label, repeats="first")  # type: ignore[arg-type]
    assert math.isnan(consensus.alpha([], [], [], repeats="last"))


_NAN = float("nan")


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval", "ratio"])
@pytest.mark.parametrize(
    "label",
    [
        np.array([1, 1, 2, _NAN, 2, 2]),
        np.array([1, 1, 2, _NAN, 2, 2], np.float32),
        [1.0, 1.0, 2.0, _NAN, 2.0, 2.0],
        pa.array([1, 1, 2, _NAN, 2, 2]),
        pd.Series([1, 1, 2, _NAN, 2, 2]),
    ],
    ids=["float64", "float32", "list", "arrow", "pandas"],
)
def test_nan_is_a_missing_label(level: Any, label: Any) -> None:
    item, who = ["a", "a", "b", "b", "c", "c"], ["x", "y"] * 3
    assert consensus.alpha(item, who, label, level=level) == 1
    for measure in (consensus.fleiss, consensus.gwet_ac1, consensus.kappa):
        assert measure(item, who, label) == measure(item, who, [1, 1, 2, None, 2, 2]) == 1
    found = consensus.aggregate(["a"] * 6, list("uvwxyz"), label)
    assert found.classes.tolist() == [1, 2]


def test_nan_among_texts_is_missing_and_no_item() -> None:
    found = consensus.aggregate(["a"] * 3, ["x", "y", "z"], np.array(["cat", _NAN, _NAN], object))
    assert found.label.tolist() == ["cat"]
    with pytest.raises(UsageError, match="every place of item"):
        consensus.alpha(np.array([1, _NAN]), ["x", "y"], ["cat", "cat"])


@pytest.mark.parametrize(("level", "label"), [("interval", float("inf")), ("ratio", -1.0)])
def test_numbers_a_level_has_no_distance_for_are_refused(level: Any, label: float) -> None:
    with pytest.raises(UsageError, match=f"as label at level {level}"):
        consensus.alpha([1, 1], ["a", "b"], [1.0, label], level=level)
    with pytest.raises(UsageError, match="bootstrap of 0 or more"):
        consensus.fleiss([1, 1], ["a", "b"], [1, 2], bootstrap=-1)
