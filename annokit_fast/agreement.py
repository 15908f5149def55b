"""How far annotators agree, who marked the same thing, and what follows: on codes and offsets, many at once.

`match` and `assign` pair two annotators' objects; `cluster_boxes`, `cluster` and `merge_boxes` those of any number;
`majority` and `staple` make one mask of several. `units`, `alpha` and `pair_agreement` measure agreement on values;
`responses`, `votes`, `tally`, `expect` and `maximise` are the steps of Dawid and Skene's algorithm and its kin.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from annokit_fast import _agreement
from annokit_fast._agreement_clusters import cluster, cluster_boxes, merge_boxes
from annokit_fast._agreement_em import ONE, Responses, expect, maximise, responses, tally, votes
from annokit_fast._agreement_masks import Staple, majority, staple
from annokit_fast._agreement_units import Units, alpha, alpha_without, pair_agreement, units
from annokit_fast._checks import Array, freeze, ragged, vector
from annokit_fast._threads import in_parts
from annokit_fast.boxes import _checked

__all__ = [
    "ONE",
    "Matches",
    "Responses",
    "Staple",
    "Units",
    "alpha",
    "alpha_without",
    "assign",
    "cluster",
    "cluster_boxes",
    "expect",
    "majority",
    "match",
    "maximise",
    "merge_boxes",
    "pair_agreement",
    "responses",
    "staple",
    "tally",
    "units",
    "votes",
]


def __dir__() -> list[str]:
    return __all__


class Matches(NamedTuple):
    """Matched pairs of all problems, in order of the first index within a problem.

    Attributes
    ----------
    a, b : (k,) int64
        Indices into the boxes (or rows and columns) of all problems.
    scores : (k,) float64
        IoU, or the given score, of each pair; always above 0.
    offsets : (g + 1,) int64
        Problem i has the pairs ``offsets[i]`` to ``offsets[i + 1]``.
    """

    a: Array
    b: Array
    scores: Array
    offsets: Array


def match(
    a: Any, a_offsets: Any, b: Any, b_offsets: Any, minimum: float = 0.0, *, threads: int = 1
) -> Matches:
    """Pair the boxes of two annotators so that the sum of IoU is largest, for many pairs of annotators in one call.

    Parameters
    ----------
    a, b : (n, 4) and (m, 4) float64
        Boxes x1, y1, x2, y2 of all problems.
    a_offsets, b_offsets : (g + 1,) int64
        Problem i has the boxes ``a_offsets[i]`` to ``a_offsets[i + 1]`` of `a`, and so for `b`.
    minimum : float
        Boxes with a smaller IoU are never paired. Boxes that do not meet never are.
    threads : int
        Threads to split the problems over.

    Returns
    -------
    Matches
        The sum of scores is that of ``scipy.optimize.linear_sum_assignment`` on the IoU with smaller ones set to 0.
        Between assignments of one sum, which one comes out is fixed but not specified.

    Raises
    ------
    ValueError
        Shapes and offsets that do not fit, numbers that are not finite.

    Examples
    --------
    >>> from annokit_fast import agreement
    >>> found = agreement.match([[0, 0, 2, 2], [5, 5, 6, 6]], [0, 2], [[5, 5, 6, 7]], [0, 1])
    >>> found.a.tolist(), found.b.tolist(), found.scores.tolist(), found.offsets.tolist()
    ([1], [0], [0.5], [0, 1])
    >>> agreement.match([], [0], [], [0]).a.tolist()
    []
    """
    first, second = _checked(a, "a"), _checked(b, "b")
    rows = ragged(a_offsets, len(first), "a_offsets", "boxes of a")
    columns = ragged(b_offsets, len(second), "b_offsets", "boxes of b")
    return _matched(first, rows, second, columns, freeze(np.empty(0)), minimum, threads)


def assign(scores: Any, a_offsets: Any, b_offsets: Any, minimum: float = 0.0, *, threads: int = 1) -> Matches:
    """`match` on scores of any kind, such as `rle.iou_grouped` gives them.

    Parameters
    ----------
    scores : (total,) float64
        The matrices of all problems, row by row, one after the other; 0 and below is never paired.
    a_offsets, b_offsets : (g + 1,) int64
        Problem i has ``a_offsets[i + 1] - a_offsets[i]`` rows, and so columns.
    minimum : float
        Smaller scores are never paired.
    threads : int
        Threads to split the problems over.

    Examples
    --------
    >>> from annokit_fast import agreement
    >>> found = agreement.assign([0.9, 0.8, 0.8, 0.1], [0, 2], [0, 2])
    >>> found.a.tolist(), found.b.tolist(), found.scores.tolist()
    ([0, 1], [1, 0], [0.8, 0.8])
    >>> agreement.assign([], [0], [0]).offsets.tolist()
    [0]
    """
    values = vector(scores, np.float64, "scores")
    if not np.isfinite(values).all():
        raise ValueError("scores: expected finite numbers")
    rows = vector(a_offsets, np.int64, "a_offsets")
    rows = ragged(rows, int(rows[-1]) if len(rows) else 0, "a_offsets", "rows")
    columns = vector(b_offsets, np.int64, "b_offsets")
    columns = ragged(columns, int(columns[-1]) if len(columns) else 0, "b_offsets", "columns")
    if len(rows) == len(columns):
        total = int((np.diff(rows) * np.diff(columns)).sum())
        if total != len(values):
            raise ValueError(f"scores: expected {total} numbers for these offsets, got {len(values)}")
    empty = freeze(np.empty((0, 4)))
    given = values if len(values) else freeze(np.empty(0))
    return _matched(empty, rows, empty, columns, given, minimum, threads)


def _matched(
    a: Array, rows: Array, b: Array, columns: Array, given: Array, minimum: float, threads: int
) -> Matches:
    if len(rows) != len(columns):
        raise ValueError(
            f"a_offsets, b_offsets: expected the same length, got {len(rows)} and {len(columns)}"
        )
    tall, wide = np.diff(rows), np.diff(columns)
    most, least = np.minimum(tall, wide), max(float(minimum), 0.0)
    starts = np.concatenate([[0], np.cumsum(tall * wide)])

    def found(start: int, stop: int) -> tuple[Array, Array, Array]:
        size = int(most[start:stop].sum())
        pairs, values = np.empty((size, 2), np.int64), np.empty(size, np.float64)
        ends = np.zeros(stop - start + 1, np.int64)
        scores = given[starts[start] : starts[stop]] if len(given) else given
        mine = slice(start, stop + 1)
        count = _agreement.match(a, rows[mine], b, columns[mine], scores, least, pairs, values, ends)
        return pairs[:count], values[:count], np.diff(ends)

    parts = in_parts(found, len(rows) - 1, threads)
    pairs, values, counts = (np.concatenate(column) for column in zip(*parts, strict=True))
    ends = np.concatenate([[0], np.cumsum(counts)])
    return Matches(pairs[:, 0].copy(), pairs[:, 1].copy(), values, ends)
