"""Which annotation after is which before: by id, then by the best overlap, in one class first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from annokit.diff._similar import Marked, shape_key, similarities
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

    What has the same id on both sides is one thing, wherever it went; so is what is as it was, class and shape. The others
    of one class are matched so that the sum of overlaps is largest, then what is left over, whatever its class; `minimum`
    is the least overlap of a match.
    """
    known = _by_id(before, after)
    equal = [(i, j) for i, j in known if shape_key(before[i]) == shape_key(after[j])]
    equal += _unchanged(before, after, known)
    found = [Pair(i, j, 1.0) for i, j in equal]
    same_before, same_after = {i for i, _ in equal}, {j for _, j in equal}
    rows = [i for i in range(len(before)) if i not in same_before]
    columns = [j for j in range(len(after)) if j not in same_after]
    overlap = np.zeros((len(before), len(after)))
    if rows and columns:
        ours, theirs = [before[i] for i in rows], [after[j] for j in columns]
        overlap[np.ix_(rows, columns)] = similarities(ours, theirs, row, limits)
    found += [Pair(i, j, float(overlap[i, j])) for i, j in known if i not in same_before]
    for same_class in (True, False):
        found += _matched(before, after, overlap, found, minimum, same_class)
    return sorted(found)


def _by_id(before: Sequence[Marked], after: Sequence[Marked]) -> list[tuple[int, int]]:
    """The places of what has one id, which no other thing on either side has."""
    places = {one.id: j for j, one in enumerate(after) if one.id is not None}
    return [
        (i, places[one.id])
        for i, one in enumerate(before)
        if one.id is not None and one.id in places and _is_once(one.id, before, after)
    ]


def _unchanged(
    before: Sequence[Marked], after: Sequence[Marked], known: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """The places of what is as it was: found without looking at overlaps, which is most of it."""
    taken = {i for i, _ in known}, {j for _, j in known}
    places: dict[object, list[int]] = {}
    for j in range(len(after) - 1, -1, -1):
        if j not in taken[1]:
            places.setdefault((after[j].tool_name, shape_key(after[j])), []).append(j)
    found = []
    for i, one in enumerate(before):
        left = places.get((one.tool_name, shape_key(one))) if i not in taken[0] else None
        if left:
            found.append((i, left.pop()))
    return found


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
