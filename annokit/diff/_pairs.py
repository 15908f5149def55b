"""Which annotation after is which before: what is as it was, then by id, then by the best overlap, in one class first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from annokit.diff._moved import stayed
from annokit.io.limits import Limits
from annokit.model.base import Floats
from annokit.similarity import Marked, Rules, look_of, similarities

__all__ = ["Contradicted", "Pair", "paired"]


class Pair(NamedTuple):
    """Places before and after, and the overlap of the two."""

    before: int
    after: int
    overlap: float


class Contradicted(Exception):
    """What is as it was has another id, and its own is borne by something else: ids are numbers only."""


def paired(
    before: Sequence[Marked], after: Sequence[Marked], minimum: float, limits: Limits, *, by_id: bool
) -> list[Pair]:
    """The pairs, each annotation in one at most.

    What is as it was, class and shape, is one thing; of several equal ones those of one id. Then, if `by_id`, what has the
    same id on both sides, wherever it went. The others of one class are matched so that the sum of overlaps is largest,
    then what is left over, whatever its class; `minimum` is the least overlap of a match.

    Raises
    ------
    Contradicted
        Only if `by_id`.
    """
    looks = [look_of(one) for one in before], [look_of(one) for one in after]
    known = _by_id(before, after) if by_id else {}
    equal = _unchanged(before, after, looks, known)
    _check_ids(equal, known)
    done = {i for i, _ in equal}
    equal += [(i, j) for i, j in known.items() if i not in done and looks[0][i] == looks[1][j]]
    found = [Pair(i, j, 1.0) for i, j in equal]
    rows, columns = _left(len(before), {i for i, _ in equal}), _left(len(after), {j for _, j in equal})
    if rows and columns:
        ours, theirs = [before[i] for i in rows], [after[j] for j in columns]
        overlap = similarities(ours, theirs, Rules(), limits)
        row_of, column_of = ({place: n for n, place in enumerate(side)} for side in (rows, columns))
        left = {row_of[i]: column_of[j] for i, j in known.items() if i in row_of}
        matches = _matched(ours, theirs, overlap, left, minimum)
        found += [Pair(rows[i], columns[j], float(overlap[i, j])) for i, j in matches]
    return sorted(found)


def _by_id(before: Sequence[Marked], after: Sequence[Marked]) -> dict[int, int]:
    """The places of what has one id, which no other thing on either side has."""
    counts = [Counter(one.id for one in side) for side in (before, after)]
    places = {one.id: j for j, one in enumerate(after)}
    return {
        i: places[one.id]
        for i, one in enumerate(before)
        if one.id is not None and all(count[one.id] == 1 for count in counts)
    }


def _check_ids(as_they_were: Iterable[tuple[int, int]], known: Mapping[int, int]) -> None:
    back = {j: i for i, j in known.items()}
    if any(known.get(i, j) != j or back.get(j, i) != i for i, j in as_they_were):
        raise Contradicted


def _unchanged(
    before: Sequence[Marked],
    after: Sequence[Marked],
    looks: tuple[Sequence[bytes], Sequence[bytes]],
    known: Mapping[int, int],
) -> list[tuple[int, int]]:
    """The places of what is as it was: found without looking at overlaps, which is most of it."""
    ours, theirs = (
        [(one.tool_name, look) for one, look in zip(side, own, strict=True)]
        for side, own in zip((before, after), looks, strict=True)
    )
    found = [(i, j) for i, j in known.items() if ours[i] == theirs[j]]
    places: dict[tuple[str, bytes], list[int]] = {}
    for j in reversed(_left(len(after), {j for _, j in found})):
        places.setdefault(theirs[j], []).append(j)
    for i in _left(len(before), {i for i, _ in found}):
        same = places.get(ours[i])
        if same:
            found.append((i, same.pop()))
    return found


def _left(count: int, taken: set[int]) -> list[int]:
    return [place for place in range(count) if place not in taken]


def _matched(
    before: Sequence[Marked],
    after: Sequence[Marked],
    overlap: Floats,
    known: Mapping[int, int],
    minimum: float,
) -> list[tuple[int, int]]:
    """The places of what has not moved, of what is known to be one, and of the best matches: of one class first."""
    from annokit_fast import agreement

    names = [one.tool_name for one in before], [one.tool_name for one in after]
    same_class = np.equal.outer(*names)
    found = _rounded(before, after, np.where(same_class, overlap, 0.0), known, minimum)
    _check_ids(found, known)
    taken = {i for i, _ in found}
    found += [(i, j) for i, j in known.items() if i not in taken]
    for allowed in (same_class, True):
        rows = _left(len(before), {i for i, _ in found})
        columns = _left(len(after), {j for _, j in found})
        if rows and columns:
            scores = np.where(allowed, overlap, 0.0)[np.ix_(rows, columns)]
            pairs = agreement.assign(scores.ravel(), [0, len(rows)], [0, len(columns)], max(minimum, 1e-9))
            found += [(rows[i], columns[j]) for i, j in zip(pairs.a.tolist(), pairs.b.tolist(), strict=True)]
    return found


def _rounded(
    before: Sequence[Marked],
    after: Sequence[Marked],
    overlap: Floats,
    known: Mapping[int, int],
    minimum: float,
) -> list[tuple[int, int]]:
    """The places of what is as it was but for rounding; of several such those of one id, then the nearest."""
    near = [(i, j) for i, j in np.argwhere(overlap >= minimum).tolist()]
    near.sort(key=lambda pair: (known.get(pair[0]) != pair[1], -overlap[pair]))
    found: dict[int, int] = {}
    taken: set[int] = set()
    for i, j in near:
        if i not in found and j not in taken and stayed(before[i], after[j], float(overlap[i, j])):
            found[i] = j
            taken.add(j)
    return list(found.items())
