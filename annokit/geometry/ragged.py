"""Lists of different lengths as flat arrays with offsets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from annokit.model import Polygon
from annokit.model.base import Floats, Indices

__all__ = ["Outlines", "concatenated", "ends", "flattened", "lengths", "types_of", "windows"]


class Outlines(NamedTuple):
    """Many polygons in flat arrays, as the kernels of `annokit_fast` take them."""

    coords: Floats
    """(v, 2): the vertices of all rings."""
    ring_offsets: Indices
    """Where each ring starts in `coords`."""
    part_offsets: Indices
    """Where each part starts in the rings."""
    object_offsets: Indices
    """Where each polygon starts in the parts."""


def flattened(polygons: Sequence[Polygon]) -> Outlines:
    """Polygons one after the other in arrays of their own.

    >>> flattened([Polygon(coords=[(0, 0), (4, 0), (4, 4)]), Polygon(coords=[])]).ring_offsets.tolist()
    [0, 3, 3]
    >>> flattened([]).coords.shape
    (0, 2)
    """
    coords = [polygon.coords for polygon in polygons]
    sizes = np.fromiter(map(len, coords), np.int64, len(coords))
    ring_counts, rings = _spans([polygon.ring_offsets for polygon in polygons], sizes)
    part_counts, parts = _spans([polygon.part_offsets for polygon in polygons], ring_counts)
    return Outlines(
        concatenated(coords, np.float64).reshape(-1, 2), ends(rings), ends(parts), ends(part_counts)
    )


def _spans(offsets: Sequence[Indices], totals: Indices) -> tuple[Indices, Indices]:
    """How many spans each array of offsets has, and the length of each span; a single one is as long as the total."""
    counts = np.fromiter(map(len, offsets), np.int64, len(offsets)) - 1
    several = counts != 1
    if not several.any():
        return counts, totals
    spread = np.repeat(totals, counts)
    spread[np.repeat(several, counts)] = lengths([offsets[i] for i in np.flatnonzero(several).tolist()])
    return counts, spread


def ends(lengths: Sequence[int] | Indices) -> Indices:
    """Where items of these lengths begin and end when they stand one after the other.

    >>> ends([2, 0, 3]).tolist()
    [0, 2, 2, 5]
    """
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def lengths(offsets: Sequence[Indices]) -> Indices:
    """How many items each group has, over many arrays of offsets.

    >>> lengths([np.array([0, 2, 5]), np.array([0, 4])]).tolist()
    [2, 3, 4]
    """
    steps = np.diff(concatenated(offsets, np.int64))
    seams = np.cumsum([len(array) for array in offsets], dtype=np.int64)[:-1] - 1
    return np.delete(steps, seams)


def windows(offsets: Indices, firsts: Indices) -> Indices:
    """For each group of items its offsets counted from its own start, one group after the other.

    Parameters
    ----------
    offsets : int64 (items + 1,)
        Where each item starts.
    firsts : int64 (groups + 1,)
        The first item of each group.

    Returns
    -------
    int64, read-only
        Group k has one value more than items: those from ``firsts[k] - firsts[0] + k`` on.

    Examples
    --------
    >>> windows(np.array([0, 3, 7, 9]), np.array([0, 2, 3])).tolist()
    [0, 3, 7, 0, 2]
    """
    groups = np.repeat(np.arange(len(firsts) - 1), np.diff(firsts) + 1)
    places = np.arange(len(groups)) - groups + firsts[0]
    relative: Indices = offsets[places] - offsets[firsts[groups]]
    relative.flags.writeable = False
    return relative


def concatenated(arrays: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    """All values in one flat array; of no arrays, an empty one."""
    return np.concatenate(arrays).reshape(-1) if arrays else np.empty(0, dtype)


def types_of(values: Sequence[Any]) -> tuple[list[type], Indices]:
    """The types among values, and for each value which of them it has.

    >>> kinds, numbers = types_of([1, "a", 2])
    >>> kinds, numbers.tolist()
    ([<class 'int'>, <class 'str'>], [0, 1, 0])
    """
    found = list(map(type, values))
    kinds = list(dict.fromkeys(found))
    if len(kinds) < 2:
        return kinds, np.zeros(len(found), np.int64)
    numbers = {kind: number for number, kind in enumerate(kinds)}
    return kinds, np.fromiter(map(numbers.__getitem__, found), np.int64, len(found))
