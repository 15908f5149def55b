"""Lists of different lengths as flat arrays with offsets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from annokit.model import Polygon
from annokit.model.base import Floats, Indices

__all__ = ["Outlines", "concatenated", "ends", "flattened", "lengths", "windows"]


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
    return Outlines(
        concatenated([polygon.coords for polygon in polygons], np.float64).reshape(-1, 2),
        ends(lengths([polygon.ring_offsets for polygon in polygons])),
        ends(lengths([polygon.part_offsets for polygon in polygons])),
        ends([len(polygon.part_offsets) - 1 for polygon in polygons]),
    )


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
