"""Which annotation after is which before: by id, then by the best overlap, in one class first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from annokit.diff._similar import Marked, similarities
from annokit.io.limits import Limits
from annokit.model import DataRow
from annokit.model.base import Floats

__all__ = ["Pair", "paired"]


class Pair(NamedTuple):
    """Places before and after, and the overlap of the two."""

    before: int
    after: int
    overlap: float


def paired(
    before: Sequence[Marked], after: Sequence[Marked], row: DataRow, minimum: float, limits: Limits
) -> list[Pair]:
    """The pairs, each annotation in one at most.

    What has the same id on both sides is one thing, wherever it went. Then those of one class are matched so that the
    sum of overlaps is largest, then what is left over, whatever its class; `minimum` is the least overlap of a match.
    """
    overlap = similarities(before, after, row, limits)
    places = {one.id: j for j, one in enumerate(after) if one.id is not None}
    found = [
        Pair(i, places[one.id], float(overlap[i, places[one.id]]))
        for i, one in enumerate(before)
        if one.id is not None and one.id in places and _is_once(one.id, before, after)
    ]
    for same_class in (True, False):
        found += _matched(before, after, overlap, found, minimum, same_class)
    return sorted(found)


def _is_once(id: str, *sides: Sequence[Marked]) -> bool:
    return all(sum(one.id == id for one in side) == 1 for side in sides)


def _matched(
    before: Sequence[Marked],
    after: Sequence[Marked],
    overlap: Floats,
    taken: Sequence[Pair],
    minimum: float,
    same_class: bool,
) -> list[Pair]:
    from annokit_fast import agreement

    gone, found_again = {pair.before for pair in taken}, {pair.after for pair in taken}
    rows = [i for i in range(len(before)) if i not in gone]
    columns = [j for j in range(len(after)) if j not in found_again]
    if not rows or not columns:
        return []
    scores = overlap[np.ix_(rows, columns)]
    if same_class:
        ours, theirs = [before[i].tool_name for i in rows], [after[j].tool_name for j in columns]
        scores = np.where(np.equal.outer(ours, theirs), scores, 0.0)
    found = agreement.assign(scores.ravel(), [0, len(rows)], [0, len(columns)], max(minimum, 1e-9))
    return [
        Pair(rows[i], columns[j], score)
        for i, j, score in zip(found.a.tolist(), found.b.tolist(), found.scores.tolist(), strict=True)
    ]
