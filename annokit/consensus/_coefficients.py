"""How far annotators agree beyond chance: Krippendorff's alpha, Cohen's and Fleiss' kappa, Gwet's AC1 and AC2."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Self, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from annokit.consensus._columns import Repeats, coded, counting, ordered_sum
from annokit.errors import UsageError
from annokit_fast.agreement import Units, pair_agreement, units
from annokit_fast.agreement import alpha as kernel_alpha

__all__ = ["Estimate", "Level", "alpha", "fleiss", "gwet_ac1", "kappa"]

Level: TypeAlias = Literal["nominal", "ordinal", "interval", "ratio"]
_Weights: TypeAlias = Literal["linear", "quadratic"] | None
_Drawn: TypeAlias = NDArray[np.int64]


class Estimate(float):
    """A coefficient: a float that knows the interval holding 95 % of those of resampled items.

    `low` and `high` are NaN where no bootstrap was asked for.
    """

    low: float
    high: float

    def __new__(cls, value: float, low: float = float("nan"), high: float = float("nan")) -> Self:
        made = super().__new__(cls, value)
        made.low, made.high = low, high
        return made


class _Given(NamedTuple):
    """Responses as codes: item, annotator, label, without missing labels."""

    items: NDArray[np.int32]
    annotators: NDArray[np.int32]
    labels: NDArray[np.int32]
    n_items: int
    n_annotators: int
    values: pa.Array

    def units(self) -> Units:
        """The labels of every item side by side."""
        return units(self.items, self.labels, n_items=self.n_items, n_codes=len(self.values))


def alpha(
    item: Any,
    annotator: Any,
    label: Any,
    *,
    level: Level = "nominal",
    order: Sequence[Any] | None = None,
    repeats: Repeats = "keep",
    bootstrap: int = 0,
    seed: int = 0,
) -> Estimate:
    """Krippendorff's alpha: 1 is perfect agreement, 0 what chance would give, below 0 worse than that.

    Any number of annotators, any of whom may have left out any item. Memory and time grow with the number of
    responses; there is never a table of annotators by items.

    Parameters
    ----------
    item, annotator, label : sequences or Arrow columns of ints or strings, of equal length
        One response each; a missing label (None, NaN) is no response. Numbers may be floats at `interval` and `ratio`.
    level : {"nominal", "ordinal", "interval", "ratio"}
        How far apart two labels are: equal or not; by rank; by difference; by difference relative to size.
    order : sequence, optional
        All labels in rising order. Needed for text at `ordinal`.
    repeats : {"keep", "last"}
        Of several answers of an annotator to one item all count, or the last in order.
    bootstrap : int
        Draw so many samples of items, for the interval.
    seed : int
        Of these draws.

    Returns
    -------
    Estimate
        A float; NaN when no item has two labels, or all labels are equal.

    Raises
    ------
    UsageError
        Columns that do not fit each other or the level.

    References
    ----------
    K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011).

    Examples
    --------
    >>> item, annotator = [1, 1, 2, 2, 3, 3], ["a", "b", "a", "b", "a", "b"]
    >>> round(alpha(item, annotator, ["cat", "cat", "dog", "dog", "cat", "dog"]), 4)
    0.4444
    >>> found = alpha(item, annotator, [1, 1, 2, 2, 3, 4], level="interval", bootstrap=100)
    >>> found.low < found < found.high
    True
    >>> alpha([], [], [])
    nan
    """
    given = _given(item, annotator, label, repeats, order)
    _check_level(level, given.values, order)
    numbers = given.values if order is None and level in ("interval", "ratio") else range(len(given.values))
    found, values = given.units(), np.asarray(numbers, np.float64)

    def measure(drawn: _Drawn | None) -> float:
        return kernel_alpha(found, values, level=level, repeats=drawn)

    return _estimated(measure, given.n_items, bootstrap, seed)


def _check_level(level: str, values: pa.Array, order: Sequence[Any] | None) -> None:
    if level not in ("nominal", "ordinal", "interval", "ratio"):
        raise UsageError(f"expected a level nominal, ordinal, interval or ratio, got {level!r}")
    numeric = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    if level in ("interval", "ratio") and (not numeric or order is not None) and len(values):
        raise UsageError(f"expected numbers as labels at level {level}, without order, got {values.type}")
    numbers = (
        np.asarray(values, np.float64) if level in ("interval", "ratio") and len(values) else np.empty(0)
    )
    wrong = numbers[~np.isfinite(numbers) | ((numbers < 0) & (level == "ratio"))]
    if len(wrong):
        sort = "numbers of 0 or more" if level == "ratio" else "finite numbers"
        raise UsageError(f"expected {sort} as label at level {level}, got {wrong[0]}")
    if level == "ordinal" and not numeric and order is None and len(values):
        raise UsageError("expected an order for labels that are text", hint='order=["low", "middle", "high"]')


def _given(
    item: Any, annotator: Any, label: Any, repeats: Repeats, order: Sequence[Any] | None = None
) -> _Given:
    items, annotators = coded(item, "item"), coded(annotator, "annotator")
    labels = coded(label, "label", order=order, missing=True)
    there = counting(items, annotators, labels, repeats)
    return _Given(
        items.codes[there],
        annotators.codes[there],
        labels.codes[there],
        len(items.values),
        len(annotators.values),
        labels.values,
    )


def _estimated(
    measure: Callable[[_Drawn | None], float], n_items: int, bootstrap: int, seed: int
) -> Estimate:
    """The coefficient, and with a bootstrap the middle 95 % of those of resampled items."""
    if bootstrap < 0:
        raise UsageError(f"expected a bootstrap of 0 or more samples, got {bootstrap}")
    value = measure(None)
    if not bootstrap:
        return Estimate(value)
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(bootstrap if n_items else 0):
        drawn = np.bincount(rng.integers(0, n_items, n_items), minlength=n_items).astype(np.int64)
        found.append(measure(drawn))
    known = np.array(found)[~np.isnan(found)] if found else np.empty(0)
    if not len(known):
        return Estimate(value)
    low, high = np.quantile(known, [0.025, 0.975]).tolist()
    return Estimate(value, low, high)


def fleiss(
    item: Any,
    annotator: Any,
    label: Any,
    *,
    repeats: Repeats = "keep",
    bootstrap: int = 0,
    seed: int = 0,
) -> Estimate:
    """Fleiss' kappa for any number of annotators an item.

    The mean agreement of the pairs of each item with two or more labels, against that of labels drawn from all of
    theirs. Where items have different numbers of labels, each item counts the same.

    Parameters
    ----------
    item, annotator, label, repeats, bootstrap, seed
        As for `alpha`.

    Returns
    -------
    Estimate

    References
    ----------
    J. L. Fleiss, Measuring nominal scale agreement among many raters (1971).

    Examples
    --------
    >>> round(fleiss([1, 1, 2, 2, 3, 3], [0, 1, 0, 1, 0, 1], ["x", "x", "y", "y", "x", "y"]), 4)
    0.3333
    >>> fleiss([], [], [])
    nan
    """
    given = _given(item, annotator, label, repeats)
    found = given.units()
    shares = pair_agreement(found, np.eye(len(given.values)))
    several = np.diff(found.offsets) > 1
    owners = np.repeat(np.arange(given.n_items), np.diff(found.offsets))

    def measure(drawn: _Drawn | None) -> float:
        times = several * (1 if drawn is None else drawn)
        if not times.any():
            return float("nan")
        totals = np.bincount(found.codes, times[owners], len(given.values))
        agreed = ordered_sum(shares[several] * times[several]) / times.sum()
        return _beyond(agreed, ordered_sum((totals / totals.sum()) ** 2))

    return _estimated(measure, given.n_items, bootstrap, seed)


def gwet_ac1(
    item: Any,
    annotator: Any,
    label: Any,
    *,
    weights: _Weights = None,
    order: Sequence[Any] | None = None,
    repeats: Repeats = "keep",
    bootstrap: int = 0,
    seed: int = 0,
) -> Estimate:
    """Gwet's AC1, and AC2 with `weights`: steady where one label is far more frequent than the others.

    Parameters
    ----------
    item, annotator, label, order, repeats, bootstrap, seed
        As for `alpha`.
    weights : {"linear", "quadratic"}, optional
        AC2: labels near each other, by their places in order, agree in part.

    Returns
    -------
    Estimate

    References
    ----------
    K. L. Gwet, Computing inter-rater reliability and its variance in the presence of high agreement (2008).

    Examples
    --------
    >>> round(gwet_ac1([1, 1, 2, 2, 3, 3], [0, 1, 0, 1, 0, 1], ["x", "x", "y", "y", "x", "y"]), 4)
    0.3333
    >>> gwet_ac1([], [], [])
    nan
    """
    given = _given(item, annotator, label, repeats, order)
    found, table = given.units(), _weights(given.values, weights, order)
    shares = pair_agreement(found, table)
    sizes = np.diff(found.offsets)
    owners = np.repeat(np.arange(given.n_items), sizes)
    kinds, of_kind = np.unique(sizes, return_inverse=True)

    def measure(drawn: _Drawn | None) -> float:
        times = np.ones(given.n_items, np.int64) if drawn is None else drawn
        several = (sizes > 1) & (times > 0)
        if not several.any() or len(given.values) < 2:
            return float("nan")
        agreed = ordered_sum(shares[several] * times[several]) / times[several].sum()
        cells = of_kind[owners] * len(given.values) + found.codes
        counts = np.bincount(cells, times[owners], len(kinds) * len(given.values)).reshape(len(kinds), -1)
        likely = (counts[kinds > 0] / kinds[kinds > 0, None]).sum(axis=0) / times[sizes > 0].sum()
        chance = table.sum() * ordered_sum(likely * (1 - likely)) / (len(likely) * (len(likely) - 1))
        return _beyond(agreed, chance)

    return _estimated(measure, given.n_items, bootstrap, seed)


def kappa(
    item: Any,
    annotator: Any,
    label: Any,
    *,
    weights: _Weights = None,
    order: Sequence[Any] | None = None,
    repeats: Repeats = "keep",
    bootstrap: int = 0,
    seed: int = 0,
) -> Estimate:
    """Cohen's kappa of two annotators; of more, the mean over all pairs that share items (Light's kappa).

    Parameters
    ----------
    item, annotator, label, order, repeats, bootstrap, seed
        As for `alpha`. An annotator may label an item once, unless the last answer counts.
    weights : {"linear", "quadratic"}, optional
        Labels near each other, by their places in order, agree in part.

    Returns
    -------
    Estimate
        A float; NaN where both always say the same one label.

    References
    ----------
    J. Cohen, A coefficient of agreement for nominal scales (1960), Weighted kappa (1968); R. J. Light, Measures of
    response agreement for qualitative data (1971).

    Examples
    --------
    >>> round(kappa([1, 1, 2, 2, 3, 3], [0, 1, 0, 1, 0, 1], ["x", "x", "y", "y", "x", "y"]), 4)
    0.4
    >>> kappa([], [], [])
    nan
    """
    given = _given(item, annotator, label, repeats, order)
    table, pairs = _weights(given.values, weights, order), _pairs(given)

    def measure(drawn: _Drawn | None) -> float:
        found = [_cohen(*pair, table, drawn) for pair in pairs]
        known = np.array([value for value in found if not np.isnan(value)])
        return ordered_sum(known) / len(known) if len(known) else float("nan")

    return _estimated(measure, given.n_items, bootstrap, seed)


_Pair: TypeAlias = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]


def _pairs(given: _Given) -> list[_Pair]:
    """For each pair of annotators the items both labelled, and the labels of the one and of the other."""
    order = np.lexsort((given.items, given.annotators))
    items, labels = given.items[order], given.labels[order]
    ends = np.searchsorted(given.annotators[order], np.arange(given.n_annotators + 1))
    spans = [slice(first, last) for first, last in itertools.pairwise(ends)]
    if any((np.diff(items[span]) == 0).any() for span in spans):
        raise UsageError(
            "expected one label of an annotator for an item", hint='repeats="last" keeps the last of each'
        )
    found = []
    for one, other in itertools.combinations(spans, 2):
        shared, a, b = np.intersect1d(items[one], items[other], assume_unique=True, return_indices=True)
        if len(shared):
            found.append((shared, labels[one][a], labels[other][b]))
    return found


def _cohen(
    items: NDArray[np.int32],
    a: NDArray[np.int32],
    b: NDArray[np.int32],
    table: NDArray[np.float64],
    drawn: _Drawn | None,
) -> float:
    count = len(table)
    times = None if drawn is None else drawn[items]
    joint = np.bincount(a.astype(np.int64) * count + b, times, count * count).reshape(count, count)
    total = joint.sum()
    if not total:
        return float("nan")
    expected = np.outer(joint.sum(axis=1), joint.sum(axis=0)) / total**2
    return _beyond(ordered_sum(table * joint) / total, ordered_sum(table * expected))


def _weights(values: pa.Array, kind: _Weights, order: Sequence[Any] | None) -> NDArray[np.float64]:
    """1 for equal labels, down to 0 for the two farthest apart."""
    count = len(values)
    if kind is None:
        return np.eye(count)
    _check_level("ordinal", values, order)
    if kind not in ("linear", "quadratic"):
        raise UsageError(f"expected weights linear, quadratic or None, got {kind!r}")
    apart = np.abs(np.subtract.outer(np.arange(count), np.arange(count))) / max(count - 1, 1)
    table: NDArray[np.float64] = 1 - apart ** (1 if kind == "linear" else 2)
    return table


def _beyond(agreed: float, chance: float) -> float:
    return float("nan") if chance == 1 else float((agreed - chance) / (1 - chance))
