"""Measures of ragged polygons, and their pixels.

Polygons are flat arrays: `coords` (p, 2) float64 in pixels, x to the right, y down; ring i has the vertices
``ring_offsets[i]`` to ``ring_offsets[i + 1]`` and closes itself; polygon i has the rings ``polygon_offsets[i]`` to
``polygon_offsets[i + 1]``, the first its exterior, the others its holes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from annokit_fast import _polygons
from annokit_fast._checks import Array, output, parts, points, ragged

__all__ = ["area", "bounds", "is_clockwise", "perimeter"]


def __dir__() -> list[str]:
    return __all__


def area(coords: Any, ring_offsets: Any, polygon_offsets: Any, out: Array | None = None) -> Array:
    """Areas in square pixels: (n,) float64, the first ring's minus the others'.

    By the shoelace formula: a ring that crosses itself counts what it winds around once more than against it.

    Examples
    --------
    >>> from annokit_fast import polygons
    >>> square, hole = [[0, 0], [4, 0], [4, 4], [0, 4]], [[1, 1], [2, 1], [2, 2], [1, 2]]
    >>> polygons.area(square + hole, [0, 4, 8], [0, 2]).tolist()
    [15.0]
    >>> polygons.area([], [0], [0, 0]).tolist()
    [0.0]
    """
    xy, rings, owners = parts(coords, ring_offsets, polygon_offsets)
    result = output(out, (len(owners) - 1,), np.float64)
    _polygons.area(xy, rings, owners, result)
    return result


def bounds(coords: Any, ring_offsets: Any, polygon_offsets: Any, out: Array | None = None) -> Array:
    """Boxes x1, y1, x2, y2 around all rings: (n, 4) float64; four NaN where a polygon has no point.

    Examples
    --------
    >>> from annokit_fast import polygons
    >>> polygons.bounds([[0, 1], [4, 1], [2, 3]], [0, 3], [0, 1, 1]).tolist()
    [[0.0, 1.0, 4.0, 3.0], [nan, nan, nan, nan]]
    """
    xy, rings, owners = parts(coords, ring_offsets, polygon_offsets)
    result = output(out, (len(owners) - 1, 4), np.float64)
    _polygons.bounds(xy, rings, owners, result)
    return result


def perimeter(coords: Any, ring_offsets: Any, polygon_offsets: Any, out: Array | None = None) -> Array:
    """Lengths of all rings of each polygon, holes included, in pixels: (n,) float64.

    Examples
    --------
    >>> from annokit_fast import polygons
    >>> polygons.perimeter([[0, 0], [3, 0], [3, 4]], [0, 3], [0, 1, 1]).tolist()
    [12.0, 0.0]
    """
    xy, rings, owners = parts(coords, ring_offsets, polygon_offsets)
    result = output(out, (len(owners) - 1,), np.float64)
    _polygons.perimeter(xy, rings, owners, result)
    return result


def is_clockwise(coords: Any, ring_offsets: Any) -> Array:
    """Whether each ring turns clockwise as seen on screen (y down): (r,) bool, by the sign of its area.

    False for a ring without area. With y up, as in shapely, the answer is the other way round.

    Examples
    --------
    >>> from annokit_fast import polygons
    >>> polygons.is_clockwise([[0, 0], [4, 0], [4, 4]], [0, 3, 3]).tolist()
    [True, False]
    """
    xy = points(coords)
    rings = ragged(ring_offsets, len(xy), "ring_offsets", "points")
    result = np.empty(len(rings) - 1, np.bool_)
    _polygons.is_clockwise(xy, rings, result)
    return result
