"""Kernels for how far many annotators agree on units: grouping, tallies, Krippendorff's disagreements.

Sums of floats are taken in sorted order and everything else in integers, so that results do not depend on the order
in which units or annotators come, not even in the last bit.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from annokit_fast._checks import Array, freeze, vector
from annokit_fast._jit import jit

__all__ = [
    "LEVELS",
    "Level",
    "Units",
    "alpha",
    "alpha_without",
    "codes_of",
    "group",
    "pair_agreement",
    "units",
]

Level = Literal["nominal", "ordinal", "interval", "ratio"]
LEVELS = ("nominal", "ordinal", "interval", "ratio")
NOMINAL, ORDINAL, INTERVAL, RATIO = 0, 1, 2, 3


class Units(NamedTuple):
    """The values given to every unit, side by side and rising within it; made by `units`.

    Attributes
    ----------
    offsets : (units + 1,) int64
        Unit t has the values ``offsets[t]`` to ``offsets[t + 1]``.
    codes : (n,) int32
        Codes of values.
    n_codes, largest : int
        How many codes there are, and the size of the largest unit.
    """

    offsets: Array
    codes: Array
    n_codes: int
    largest: int


def codes_of(values: Any, name: str, count: int) -> Array:
    """Codes from 0 to below `count`, as int32."""
    array = vector(values, np.int32, name)
    if len(array) and not (array.min() >= 0 and array.max() < count):
        wrong = array.min() if array.min() < 0 else array.max()
        raise ValueError(f"{name}: expected codes from 0 to below {count}, got {wrong}")
    return array


def group(items: Array, values: Array, n_items: int) -> tuple[Array, Array]:
    """Offsets of the items, and the values of each side by side in the order they came (int32)."""
    offsets, grouped = np.zeros(n_items + 1, np.int64), np.empty(len(values), np.int32)
    _group(items, values, offsets, grouped)
    return freeze(offsets), freeze(grouped)


def units(items: Any, codes: Any, *, n_items: int, n_codes: int) -> Units:
    """Values in the order the coefficients want them.

    Parameters
    ----------
    items, codes : (n,) integers
        The unit and the value of each response, as codes from 0; values in their own order.
    n_items, n_codes : int
        How many of each there are.

    Raises
    ------
    ValueError
        Codes out of range, columns of different lengths.

    Examples
    --------
    >>> from annokit_fast import agreement
    >>> given = agreement.units([0, 1, 0], [1, 0, 0], n_items=2, n_codes=2)
    >>> given.offsets.tolist(), given.codes.tolist()
    ([0, 2, 3], [0, 1, 0])
    >>> agreement.units([], [], n_items=0, n_codes=0).largest
    0
    """
    item, code = codes_of(items, "items", n_items), codes_of(codes, "codes", n_codes)
    if len(item) != len(code):
        raise ValueError(f"codes: expected one per item ({len(item)}), got {len(code)}")
    offsets, grouped = np.zeros(n_items + 1, np.int64), np.empty(len(code), np.int32)
    _group(item, code, offsets, grouped)
    _sort_units(offsets, grouped)
    largest = int(np.diff(offsets).max()) if n_items else 0
    return Units(freeze(offsets), freeze(grouped), n_codes, largest)


def alpha(given: Units, values: Any = None, *, level: Level = "nominal", repeats: Any = None) -> float:
    """Krippendorff's alpha, from the values of each unit alone: there is no table of annotators by units.

    Parameters
    ----------
    given : Units
        Units of one value say nothing of agreement and are left out.
    values : (n_codes,) float64, optional
        What the codes stand for, rising; needed for `interval` and `ratio`.
    level : {"nominal", "ordinal", "interval", "ratio"}
        How far apart two values are (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability).
    repeats : (units,) int64, optional
        How often each unit counts, as drawn by a bootstrap; by default once.

    Returns
    -------
    float
        1 for perfect agreement, 0 for what chance would give; NaN where fewer than two values occur.

    Raises
    ------
    ValueError
        An unknown level, values that do not rise or, for `ratio`, are negative.

    Examples
    --------
    >>> from annokit_fast import agreement
    >>> given = agreement.units([0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 0, 1], n_items=3, n_codes=2)
    >>> round(agreement.alpha(given), 4)
    0.4444
    >>> agreement.alpha(agreement.units([], [], n_items=0, n_codes=0))
    nan
    """
    if level not in LEVELS:
        raise ValueError(f"level: expected one of {', '.join(LEVELS)}, got {level!r}")
    if values is None and level in ("interval", "ratio"):
        raise ValueError(f"values: expected what the codes stand for at level {level}, got None")
    numbers = np.arange(given.n_codes) if values is None else values
    numbers = vector(numbers, np.float64, "values")
    if len(numbers) != given.n_codes:
        raise ValueError(f"values: expected one per code ({given.n_codes}), got {len(numbers)}")
    if not (np.isfinite(numbers).all() and (np.diff(numbers) > 0).all()):
        raise ValueError("values: expected finite numbers that rise")
    if level == "ratio" and len(numbers) and numbers[0] < 0:
        raise ValueError(f"values: expected numbers >= 0 at level ratio, got {numbers[0]}")
    times = vector(
        np.ones(len(given.offsets) - 1, np.int64) if repeats is None else repeats, np.int64, "repeats"
    )
    if len(times) != len(given.offsets) - 1:
        raise ValueError(f"repeats: expected one per unit ({len(given.offsets) - 1}), got {len(times)}")
    found: float = _alpha(given.offsets, given.codes, numbers, LEVELS.index(level), times, given.largest)
    return found


def pair_agreement(given: Units, weights: Any) -> Array:
    """For every unit the mean weight of the pairs of its values: NaN for units of fewer than two.

    Parameters
    ----------
    given : Units
    weights : (n_codes, n_codes) float64
        How far two values agree, symmetric; the identity matrix for "equal or not".

    Examples
    --------
    >>> import numpy as np
    >>> from annokit_fast import agreement
    >>> given = agreement.units([0, 0, 0, 1], [0, 0, 1, 1], n_items=2, n_codes=2)
    >>> agreement.pair_agreement(given, np.eye(2)).round(3).tolist()
    [0.333, nan]
    """
    table = vector(weights, np.float64, "weights", 2)
    if table.shape != (given.n_codes, given.n_codes):
        raise ValueError(f"weights: expected shape {(given.n_codes, given.n_codes)}, got {table.shape}")
    shares = np.empty(len(given.offsets) - 1)
    _pair_agreement(given.offsets, given.codes, table, shares)
    return shares


def alpha_without(given: Units, annotators: Any, items: Any, codes: Any, *, n_annotators: int) -> Array:
    """Nominal alpha as it would be without each annotator in turn: (n_annotators,) float64.

    Parameters
    ----------
    given : Units
        Made of `items` and `codes`.
    annotators, items, codes : (n,) integers
        Who gave which value to which unit, as codes from 0; at most one value of an annotator for a unit.

    Examples
    --------
    >>> from annokit_fast import agreement
    >>> items, codes = [0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 1]
    >>> given = agreement.units(items, codes, n_items=2, n_codes=2)
    >>> agreement.alpha_without(given, [0, 1, 2, 0, 1, 2], items, codes, n_annotators=3).tolist()
    [0.0, 0.0, 1.0]
    """
    who = codes_of(annotators, "annotators", n_annotators)
    item, code = codes_of(items, "items", len(given.offsets) - 1), codes_of(codes, "codes", given.n_codes)
    if not len(who) == len(item) == len(code):
        raise ValueError(f"expected columns of one length, got {len(who)}, {len(item)} and {len(code)}")
    (offsets, own_items), (_, own_codes) = group(who, item, n_annotators), group(who, code, n_annotators)
    found = np.empty(n_annotators)
    _without_each(
        given.offsets, given.codes, offsets, own_items, own_codes, given.n_codes, given.largest, found
    )
    return found


@jit
def _group(items, values, offsets, grouped):
    """Counting sort: the values of every item side by side, in the order they came."""
    for i in range(items.size):
        offsets[items[i] + 1] += 1
    for t in range(offsets.size - 1):
        offsets[t + 1] += offsets[t]
    at = offsets[:-1].copy()
    for i in range(items.size):
        grouped[at[items[i]]] = values[i]
        at[items[i]] += 1


@jit
def _sort_units(offsets, codes):
    for t in range(offsets.size - 1):
        first, last = offsets[t], offsets[t + 1]
        if last - first > 40:
            codes[first:last] = np.sort(codes[first:last])
            continue
        for i in range(first + 1, last):
            code = codes[i]
            j = i - 1
            while j >= first and codes[j] > code:
                codes[j + 1] = codes[j]
                j -= 1
            codes[j + 1] = code


@jit
def _tally(offsets, codes, repeats, totals, pairs):
    """Of units with two or more values: values by code, and by unit size the ordered pairs that agree."""
    for t in range(offsets.size - 1):
        first, last = offsets[t], offsets[t + 1]
        if last - first < 2 or repeats[t] == 0:
            continue
        start = first
        for i in range(first, last):
            totals[codes[i]] += repeats[t]
            if i + 1 == last or codes[i + 1] != codes[i]:
                same = i + 1 - start
                pairs[last - first] += same * (same - 1) * repeats[t]
                start = i + 1


@jit
def _sum(values):
    """A sum that does not depend on the order of the values."""
    total = 0.0
    for value in np.sort(values):
        total += value
    return total


@jit
def _ratio(a, b):
    return 0.0 if a == b else ((a - b) / (a + b)) ** 2


@jit
def _within_unit(codes, values, level):
    """Sum of differences over the ordered pairs of one unit, divided by its size less one."""
    size = codes.size
    total = 0.0
    if level == RATIO:
        for i in range(size):
            for j in range(i):
                total += 2.0 * _ratio(values[codes[i]], values[codes[j]])
        return total / (size - 1)
    mean = 0.0
    for i in range(size):
        mean += values[codes[i]]
    mean /= size
    for i in range(size):
        total += (values[codes[i]] - mean) ** 2
    return 2.0 * size * total / (size - 1)


@jit
def _expected(totals, values, n, level):
    """Sum of differences over all ordered pairs of values, whatever their units."""
    total = 0.0
    if level == RATIO:
        for k in range(values.size):
            for j in range(k):
                if totals[j] and totals[k]:
                    total += 2.0 * totals[j] * totals[k] * _ratio(values[j], values[k])
        return total
    mean = 0.0
    for k in range(values.size):
        mean += totals[k] * values[k]
    mean /= n
    for k in range(values.size):
        total += totals[k] * (values[k] - mean) ** 2
    return 2.0 * n * total


@jit
def _midranks(totals, ranks):
    """Krippendorff's ordinal metric is the interval metric on these."""
    below = 0
    for k in range(totals.size):
        ranks[k] = below + totals[k] / 2.0
        below += totals[k]


@jit
def _nominal(totals, pairs, sizes):
    """Alpha of integer tallies; `sizes` counts the values in units of each size."""
    n = 0
    for k in range(totals.size):
        n += totals[k]
    apart = 0.0
    for m in range(2, pairs.size):
        if sizes[m]:
            apart += (sizes[m] * (m - 1) - pairs[m]) / (m - 1)
    same = 0
    for k in range(totals.size):
        same += totals[k] * (totals[k] - 1)
    expected = n * (n - 1) - same
    return np.nan if expected == 0 else 1.0 - (n - 1) * apart / expected


@jit
def _alpha(offsets, codes, values, level, repeats, largest):
    """Krippendorff's alpha with every unit taken `repeats` times; NaN where only one value occurs."""
    totals = np.zeros(values.size, np.int64)
    pairs = np.zeros(largest + 1, np.int64)
    _tally(offsets, codes, repeats, totals, pairs)
    if level == NOMINAL:
        sizes = np.zeros(largest + 1, np.int64)
        for t in range(offsets.size - 1):
            size = offsets[t + 1] - offsets[t]
            sizes[size] += size * repeats[t]
        return _nominal(totals, pairs, sizes)
    n = totals.sum()
    if n == 0:
        return np.nan
    numbers = values.copy()
    if level == ORDINAL:
        _midranks(totals, numbers)
    parts = np.zeros(offsets.size - 1)
    for t in range(offsets.size - 1):
        if offsets[t + 1] - offsets[t] > 1 and repeats[t]:
            parts[t] = repeats[t] * _within_unit(codes[offsets[t] : offsets[t + 1]], numbers, level)
    expected = _expected(totals, numbers, n, level)
    return np.nan if expected == 0.0 else 1.0 - (n - 1) * _sum(parts) / expected


@jit
def _pair_agreement(offsets, codes, weights, shares):
    """For every unit the mean weight of its ordered pairs; NaN for units of fewer than two values."""
    for t in range(offsets.size - 1):
        first, last = offsets[t], offsets[t + 1]
        size = last - first
        if size < 2:
            shares[t] = np.nan
            continue
        total = 0.0
        for i in range(first, last):
            for j in range(first, i):
                total += 2.0 * weights[codes[i], codes[j]]
        shares[t] = total / (size * (size - 1))


@jit
def _leave(codes, gone, totals, pairs, sizes, sign):
    """Take one value out of a unit's share of the tallies (sign 1), or put it back (sign -1)."""
    size = codes.size
    same = 0
    for i in range(size):
        same += codes[i] == gone
    if size > 1:
        agreeing = 0
        for i in range(size):
            for j in range(size):
                agreeing += i != j and codes[i] == codes[j]
            totals[codes[i]] -= sign
        pairs[size] -= sign * agreeing
        sizes[size] -= sign * size
        if size > 2:
            pairs[size - 1] += sign * (agreeing - 2 * (same - 1))
            sizes[size - 1] += sign * (size - 1)
            for i in range(size):
                totals[codes[i]] += sign
            totals[gone] -= sign


@jit
def _without_each(offsets, codes, own_offsets, own_units, own_codes, n_values, largest, found):
    """Nominal alpha without each annotator in turn, touching only the units the annotator answered."""
    totals = np.zeros(n_values, np.int64)
    pairs = np.zeros(largest + 1, np.int64)
    sizes = np.zeros(largest + 1, np.int64)
    _tally(offsets, codes, np.ones(offsets.size - 1, np.int64), totals, pairs)
    for t in range(offsets.size - 1):
        sizes[offsets[t + 1] - offsets[t]] += offsets[t + 1] - offsets[t]
    for w in range(own_offsets.size - 1):
        for sign in (1, -1):
            for i in range(own_offsets[w], own_offsets[w + 1]):
                t = own_units[i]
                _leave(codes[offsets[t] : offsets[t + 1]], own_codes[i], totals, pairs, sizes, sign)
            if sign == 1:
                found[w] = _nominal(totals, pairs, sizes)
