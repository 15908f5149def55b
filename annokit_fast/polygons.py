"""Measures of ragged polygons, and their pixels.

Polygons are flat arrays: `coords` (p, 2) float64 in pixels, x to the right, y down; ring i has the vertices
``ring_offsets[i]`` to ``ring_offsets[i + 1]`` and closes itself; polygon i has the rings ``polygon_offsets[i]`` to
``polygon_offsets[i + 1]``, the first its exterior, the others its holes. `threads` splits the polygons over threads;
the results are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from annokit_fast import _polygons, _rle_raster, rle
from annokit_fast._checks import (
    MAX_COORDINATE,
    MAX_PIXELS,
    MAX_SIDE,
    Array,
    freeze,
    output,
    parts,
    points,
    ragged,
    vector,
)
from annokit_fast._threads import in_parts

__all__ = [
    "area",
    "bounds",
    "clip_to_box",
    "contains_points",
    "is_clockwise",
    "perimeter",
    "to_label_map",
    "to_mask",
    "to_masks",
]


def __dir__() -> list[str]:
    return __all__


def area(
    coords: Any, ring_offsets: Any, polygon_offsets: Any, out: Array | None = None, *, threads: int = 1
) -> Array:
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
    shape = parts(coords, ring_offsets, polygon_offsets)
    return _measured(_polygons.area, shape, output(out, (len(shape[2]) - 1,), np.float64), threads)


def _measured(
    kernel: Callable[..., None], shape: tuple[Array, Array, Array], result: Array, threads: int
) -> Array:
    """`result`, a row for each polygon, filled by a kernel."""
    xy, rings, owners = shape

    def fill(start: int, stop: int) -> None:
        kernel(xy, rings, owners[start : stop + 1], result[start:stop])

    in_parts(fill, len(owners) - 1, threads)
    return result


def bounds(
    coords: Any, ring_offsets: Any, polygon_offsets: Any, out: Array | None = None, *, threads: int = 1
) -> Array:
    """Boxes x1, y1, x2, y2 around all rings: (n, 4) float64; four NaN where a polygon has no point.

    Examples
    --------
    >>> from annokit_fast import polygons
    >>> polygons.bounds([[0, 1], [4, 1], [2, 3]], [0, 3], [0, 1, 1]).tolist()
    [[0.0, 1.0, 4.0, 3.0], [nan, nan, nan, nan]]
    """
    shape = parts(coords, ring_offsets, polygon_offsets)
    return _measured(_polygons.bounds, shape, output(out, (len(shape[2]) - 1, 4), np.float64), threads)


def perimeter(
    coords: Any, ring_offsets: Any, polygon_offsets: Any, out: Array | None = None, *, threads: int = 1
) -> Array:
    """Lengths of all rings of each polygon, holes included, in pixels: (n,) float64.

    Examples
    --------
    >>> from annokit_fast import polygons
    >>> polygons.perimeter([[0, 0], [3, 0], [3, 4]], [0, 3], [0, 1, 1]).tolist()
    [12.0, 0.0]
    """
    shape = parts(coords, ring_offsets, polygon_offsets)
    return _measured(_polygons.perimeter, shape, output(out, (len(shape[2]) - 1,), np.float64), threads)


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


def contains_points(
    coords: Any,
    ring_offsets: Any,
    polygon_offsets: Any,
    where: Any,
    out: Array | None = None,
    *,
    threads: int = 1,
) -> Array:
    """Whether each polygon holds each point: (n, m) bool.

    Parameters
    ----------
    coords, ring_offsets, polygon_offsets
        n polygons.
    where : (m, 2) float64
        Points x, y.
    out : (n, m) bool, optional
    threads : int
        Threads to split the polygons over.

    Notes
    -----
    A point is in a ring when a line from it crosses the ring an odd number of times; in a polygon when it is in its
    first ring and in no other. A point exactly on an edge may fall on either side.

    Examples
    --------
    >>> from annokit_fast import polygons
    >>> polygons.contains_points([[0, 0], [4, 0], [4, 4]], [0, 3], [0, 1], [[3, 1], [1, 3]]).tolist()
    [[True, False]]
    >>> polygons.contains_points([], [0], [0], [[1, 1]]).shape
    (0, 1)
    """
    xy, rings, owners = parts(coords, ring_offsets, polygon_offsets)
    asked = points(where, "where")
    boxes = np.empty((len(owners) - 1, 4), np.float64)
    _polygons.bounds(xy, rings, owners, boxes)
    result = output(out, (len(owners) - 1, len(asked)), np.bool_)
    frames = freeze(boxes)

    def fill(start: int, stop: int) -> None:
        mine = owners[start : stop + 1]
        _polygons.contains(xy, rings, mine, frames[start:stop], asked, result[start:stop])

    in_parts(fill, len(owners) - 1, threads)
    return result


def clip_to_box(
    coords: Any, ring_offsets: Any, polygon_offsets: Any, boxes: Any
) -> tuple[Array, Array, Array]:
    """Polygons cut to boxes, by Sutherland and Hodgman's rule.

    Parameters
    ----------
    coords, ring_offsets, polygon_offsets
        n polygons.
    boxes : (n, 4) float64, or (4,) for all
        x1, y1, x2, y2.

    Returns
    -------
    coords, ring_offsets, polygon_offsets
        As many polygons; rings that vanish are left out, and with a first ring its holes.

    Notes
    -----
    Areas are right, and so are the pixels drawn. What the rule cannot do: a ring that falls apart comes back as one
    ring whose pieces hang together by edges along the side of the box, and so is not valid in the sense of shapely.
    For separate pieces use ``shapely.clip_by_rect``.

    Examples
    --------
    >>> from annokit_fast import polygons
    >>> square = [[0, 0], [4, 0], [4, 4], [0, 4]]
    >>> coords, rings, owners = polygons.clip_to_box(square, [0, 4], [0, 1], [2, 1, 9, 9])
    >>> polygons.area(coords, rings, owners).tolist()
    [6.0]
    >>> polygons.clip_to_box(square, [0, 4], [0, 1], [5, 5, 9, 9])[2].tolist()
    [0, 0]
    """
    xy, rings, owners = parts(coords, ring_offsets, polygon_offsets)
    count = len(owners) - 1
    sides = np.asarray(boxes)
    if sides.ndim == 1 and sides.size == 4:
        sides = np.tile(sides, (count, 1))
    sides = vector(sides, np.float64, "boxes", 2)
    if sides.shape != (count, 4):
        raise ValueError(f"boxes: expected shape ({count}, 4) or (4,), got {sides.shape}")
    if not (sides[:, :2] <= sides[:, 2:]).all():
        raise ValueError("boxes: expected x1 <= x2 and y1 <= y2, no NaN")
    clipped, ring_ends, polygon_ends = _polygons.clip(xy, rings, owners, sides)
    return clipped, ring_ends, polygon_ends


def to_masks(
    coords: Any,
    ring_offsets: Any,
    polygon_offsets: Any,
    height: int,
    width: int,
    rule: Literal["coco", "center"] = "coco",
    object_offsets: Any = None,
    out: Array | None = None,
    *,
    threads: int = 1,
) -> Array:
    """Dense masks of polygons: (n, height, width) uint8, each column-major, 1 inside.

    The pixels are those of `rle.from_polygons`; see there for `rule` and `object_offsets`, and `rle.decode` for `out`.

    Examples
    --------
    >>> from annokit_fast import polygons
    >>> polygons.to_masks([[0, 0], [2, 0], [2, 2], [0, 2]], [0, 4], [0, 1], 2, 3).tolist()
    [[[1, 1, 0], [1, 1, 0]]]
    >>> polygons.to_masks([], [0], [0], 2, 3).shape
    (0, 2, 3)
    """
    if rule == "coco" and type(height) is int and type(width) is int:
        coords, ring_offsets, polygon_offsets = parts(coords, ring_offsets, polygon_offsets, MAX_COORDINATE)
        shape = coords, ring_offsets, polygon_offsets
        painted = _painted(*shape, height, width, object_offsets, out, threads)
        if painted is not None:
            return painted
    batch = rle.from_polygons(
        coords, ring_offsets, polygon_offsets, height, width, rule, object_offsets, threads
    )
    if len(batch) == 0:
        return output(out, (0, height, width), np.uint8)
    masks = rle.decode(batch, out, threads=threads)
    assert isinstance(masks, np.ndarray)  # noqa: S101 - one size, so never a list
    return masks


def _painted(
    xy: Array,
    rings: Array,
    owners: Array,
    height: int,
    width: int,
    object_offsets: Any,
    out: Array | None,
    threads: int,
) -> Array | None:
    """Masks without runs between; None where holes or the layout of `out` need them."""
    if len(owners) != len(rings) or len(rings) == 1:
        return None
    if height < 0 or width < 0 or height * width >= MAX_PIXELS or max(height, width) > MAX_SIDE:
        return None  # refused further on, with what is wrong
    objects = owners
    if object_offsets is not None:
        objects = ragged(object_offsets, len(owners) - 1, "object_offsets", "polygons")
    shape = (len(objects) - 1, width, height)
    if out is None:
        pixels = np.zeros(shape, np.uint8)
    elif isinstance(out, np.ndarray) and out.ndim == 3 and out.dtype == np.uint8:
        pixels = out.transpose(0, 2, 1)
        if pixels.shape != shape or not pixels.flags.carray:
            return None
    else:
        return None

    def paint(start: int, stop: int) -> bool:
        coords, ring_ends, one_each, members = rle.some_polygons(xy, rings, owners, objects, start, stop)
        mine = pixels[start:stop].reshape(-1)
        done: bool = _rle_raster.coco_masks(
            coords, ring_ends, one_each, members, height, width, out is not None, mine
        )
        return done

    if not all(in_parts(paint, len(objects) - 1, threads)):
        return None
    return pixels.transpose(0, 2, 1) if out is None else out


def to_mask(
    coords: Any,
    ring_offsets: Any,
    polygon_offsets: Any,
    height: int,
    width: int,
    rule: Literal["coco", "center"] = "coco",
) -> Array:
    """One dense mask of all polygons together: (height, width) uint8, column-major.

    Examples
    --------
    >>> from annokit_fast import polygons
    >>> polygons.to_mask([[0, 0], [2, 0], [2, 2], [0, 2]], [0, 4], [0, 1], 2, 3).tolist()
    [[1, 1, 0], [1, 1, 0]]
    >>> polygons.to_mask([], [0], [0], 1, 2).tolist()
    [[0, 0]]
    """
    count = len(polygon_offsets) - 1
    masks = to_masks(coords, ring_offsets, polygon_offsets, height, width, rule, [0, max(count, 0)])
    return masks.reshape(width, height).T if masks.size == 0 else masks.transpose(0, 2, 1)[0].T


def to_label_map(
    coords: Any,
    ring_offsets: Any,
    polygon_offsets: Any,
    height: int,
    width: int,
    labels: Any = None,
    order: Literal["last", "area"] = "last",
    rule: Literal["coco", "center"] = "coco",
    object_offsets: Any = None,
    out: Array | None = None,
) -> Array:
    """One image that says which polygon covers each pixel; see `rle.to_label_map`.

    Examples
    --------
    >>> from annokit_fast import polygons
    >>> two = [[0, 0], [2, 0], [2, 1], [0, 1], [1, 0], [3, 0], [3, 1], [1, 1]]
    >>> polygons.to_label_map(two, [0, 4, 8], [0, 1, 2], 1, 3).tolist()
    [[1, 2, 2]]
    """
    batch = rle.from_polygons(coords, ring_offsets, polygon_offsets, height, width, rule, object_offsets)
    return rle.to_label_map(batch, labels, order, out)
