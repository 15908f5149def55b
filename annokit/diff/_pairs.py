"""Which annotation after is which before: by id, then by the best overlap, in one class first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from annokit.io.limits import Limits
from annokit.model.base import Floats
from annokit.similarity import Marked, Rules, look_of, similarities

__all__ = ["Pair", "paired"]


class Pair(NamedTuple):
    """Places before and after, and the overlap of the two."""

    before: int
    after: int
    overlap: float


def paired(before: Sequence[Marked], after: Sequence[Marked], minimum: float, limits: Limits) -> list[Pair]:
    """The pairs, each annotation in one at most.

    What has the same id on both sides is one thing, wherever it went; so is what is as it was, class and shape. The others
    of one class are matched so that the sum of overlaps is largest, then what is left over, whatever its class; `minimum`
    is the least overlap of a match.
    """
    looks = [look_of(one) for one in before], [look_of(one) for one in after]
    known = _by_id(before, after)
    equal = [(i, j) for i, j in known if looks[0][i] == looks[1][j]]
    equal += _unchanged(before, after, looks, known)
    found = [Pair(i, j, 1.0) for i, j in equal]
    rows, columns = _left(len(before), {i for i, _ in equal}), _left(len(after), {j for _, j in equal})
    if rows and columns:
        ours, theirs = [before[i] for i in rows], [after[j] for j in columns]
        overlap = similarities(ours, theirs, Rules(), limits)
        row_of, column_of = ({place: n for n, place in enumerate(side)} for side in (rows, columns))
        moved = [(row_of[i], column_of[j]) for i, j in known if i in row_of]
        matches = _matched(ours, theirs, overlap, moved, minimum)
        found += [Pair(rows[i], columns[j], float(overlap[i, j])) for i, j in matches]
    return sorted(found)


def _by_id(before: Sequence[Marked], after: Sequence[Marked]) -> list[tuple[int, int]]:
    """The places of what has one id, which no other thing on either side has."""
    counts = [Counter(one.id for one in side) for side in (before, after)]
    places = {one.id: j for j, one in enumerate(after)}
    return [
        (i, places[one.id])
        for i, one in enumerate(before)
        if one.id is not None and all(count[one.id] == 1 for count in counts)
    ]


def _unchanged(
    before: Sequence[Marked],
    after: Sequence[Marked],
    looks: tuple[Sequence[bytes], Sequence[bytes]],
    known: Sequence[tuple[int, int]],
) -> list[tuple[int, int]]:
    """The places of what is as it was: found without looking at overlaps, which is most of it."""
    places: dict[tuple[str, bytes], list[int]] = {}
    for j in reversed(_left(len(after), {j for _, j in known})):
        places.setdefault((after[j].tool_name, looks[1][j]), []).append(j)
    found = []
    for i in _left(len(before), {i for i, _ in known}):
        same = places.get((before[i].tool_name, looks[0][i]))
        if same:
            found.append((i, same.pop()))
    return found


def _left(count: int, taken: set[int]) -> list[int]:
    return [place for place in range(count) if place not in taken]


def _matched(
    before: Sequence[Marked],
    after: Sequence[Marked],
    overlap: Floats,
    known: Sequence[tuple[int, int]],
    minimum: float,
) -> list[tuple[int, int]]:
    """The places of what is known to be one, and of the best matches: of one class first, then of any."""
    from annokit_fast import agreement

    names = [one.tool_name for one in before], [one.tool_name for one in after]
    found = list(known)
    for allowed in (np.equal.outer(*names), True):
        rows = _left(len(before), {i for i, _ in found})
        columns = _left(len(after), {j for _, j in found})
        if rows and columns:
            scores = np.where(allowed, overlap, 0.0)[np.ix_(rows, columns)]
            pairs = agreement.assign(scores.ravel(), [0, len(rows)], [0, len(columns)], max(minimum, 1e-9))
            found += [(rows[i], columns[j]) for i, j in zip(pairs.a.tolist(), pairs.b.tolist(), strict=True)]
    return found
