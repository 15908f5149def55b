"""What of an object the rows of obb and pose can hold: four corners, or a box and keypoints, inside the image."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from msgspec.structs import replace

from annokit.formats._yolo.rings import covers_nothing
from annokit.formats._yolo.shapes import EDGE, Drawn, boxes, mask_parts
from annokit.geometry import outline_of
from annokit.model import Box, Keypoints, Mask, ObjectAnnotation, Polygon, RotatedBox
from annokit.model.base import Floats

__all__ = ["corners", "poses"]

_LARGEST = 1e9
"""The largest coordinate of which GEOS surely makes a rectangle."""

_NO_POINTS = Keypoints(coords=np.empty((0, 2)), visibility=np.empty(0, np.int8))


@np.errstate(invalid="ignore", over="ignore")
def corners(objects: Sequence[ObjectAnnotation], sizes: Floats, decimals: int) -> Drawn:
    """Four corners of each object, each moved into the image; what no longer covers anything is lost."""
    lost: dict[int, str] = {}
    changed: list[tuple[int, str]] = []
    found: dict[int, Floats] = {}
    four = _four_corners(objects)
    for index, (one, (given, code), size) in enumerate(zip(objects, four, sizes, strict=True)):
        why = _reason(given, size, decimals)
        if why:
            lost[index] = why
            continue
        found[index] = np.clip(given, 0.0, size)
        if np.abs(found[index] - given).max() > EDGE:
            changed.append((index, "clipped" if isinstance(one.geometry, Box) else "corners-moved"))
        if code:
            changed.append((index, code))
    kept = np.array(list(found), np.int64)
    values = np.concatenate([*found.values(), np.empty((0, 2))])
    return Drawn(kept, values, 4 * np.arange(len(kept) + 1), lost, changed)


def _four_corners(objects: Sequence[ObjectAnnotation]) -> list[tuple[Floats, str]]:
    """The corners of each object, and the code of what had to be done to have four."""
    outlines = [
        geometry.coords if isinstance(geometry, Polygon) else _mask_points(geometry)
        for one in objects
        if not isinstance(geometry := one.geometry, Box | RotatedBox)
    ]
    rectangles = iter(_smallest_rectangles(outlines))
    found: list[tuple[Floats, str]] = []
    for one in objects:
        geometry = one.geometry
        if isinstance(geometry, RotatedBox):
            found.append((geometry.corners, ""))
        elif isinstance(geometry, Box):
            found.append((outline_of(geometry).coords, "box-corners"))
        else:
            found.append((next(rectangles), "rotated-only"))
    return found


def _mask_points(geometry: object) -> Floats:
    """The vertices around the pixels of a mask."""
    parts = mask_parts([geometry])[0] if isinstance(geometry, Mask) else []
    return np.concatenate([*(ring for part in parts for ring in part), np.empty((0, 2))])


def _smallest_rectangles(outlines: Sequence[Floats]) -> list[Floats]:
    """The rectangle of least area around each of some sets of points; as few points as it has where there is none.

    Of points far away GEOS makes no rectangle, and where areas are infinite what happens to lie in memory: these are
    brought near first, by a power of two, which changes no digit.
    """
    import shapely

    out = list(outlines)
    scales: dict[int, float] = {}
    for index, points in enumerate(outlines):
        farthest = np.abs(points).max(initial=0.0)
        scale = 2.0 ** -int(np.frexp(farthest)[1]) if farthest > _LARGEST else 1.0
        if np.isfinite(points).all() and not covers_nothing(points * scale):
            scales[index] = scale
    if scales:
        numbers = np.repeat(np.arange(len(scales)), [len(outlines[index]) for index in scales])
        points = np.concatenate([outlines[index] * scale for index, scale in scales.items()])
        areas = shapely.oriented_envelope(shapely.multipoints(points, indices=numbers))
        coords, numbers = shapely.get_coordinates(areas, return_index=True)
        firsts = np.searchsorted(numbers, np.arange(len(scales) + 1)).tolist()
        for (index, scale), (start, end) in zip(scales.items(), pairwise(firsts), strict=True):
            out[index] = coords[start : min(start + 4, end)] / scale
    return out


def _reason(points: Floats, size: Floats, decimals: int) -> str:
    """Why corners cannot be written; empty where they can."""
    if not np.isfinite(points).all():
        return "not-finite"
    if len(points) != 4 or covers_nothing(points):
        return "zero-area"
    inside = np.clip(points, 0.0, size)
    if covers_nothing(inside):
        return "outside-image"
    small = np.ptp(inside, axis=0) <= size * (0.5 * 10.0**-decimals)
    return "zero-area" if small.any() else ""


def poses(objects: Sequence[ObjectAnnotation], sizes: Floats, decimals: int, points: int) -> Drawn:
    """The box and `points` keypoints of each object: values (n, 4 + 3 * points) in pixels.

    A point is x, y and its visibility. One outside of the image is written as absent, since nothing can
    stand there; missing ones at the end are absent, too, and so are all of an object that has none: a
    trainer would learn that there is nothing, if it were left out.
    """
    drawn = boxes(objects, sizes, decimals)
    lost, changed = dict(drawn.lost), list(drawn.changed)
    rows = []
    for index, box in zip(drawn.kept.tolist(), drawn.values, strict=True):
        one, geometry = objects[index], objects[index].geometry
        marked = geometry if isinstance(geometry, Keypoints) else _NO_POINTS
        if len(marked.coords) > points:
            lost[index] = "too-many-points"
            continue
        triples, left_out = _triples(marked, sizes[index], points)
        rows.append(np.concatenate([box, triples.ravel()]))
        changed += [(index, "no-keypoints")] * (marked is _NO_POINTS)
        changed += [(index, "point-outside")] * left_out
        changed += [(index, "box-made")] * (one.box is None and not isinstance(geometry, Box))
    kept = np.array([i for i in drawn.kept.tolist() if i not in lost], np.int64)
    values = np.array(rows, np.float64).reshape(-1, 4 + 3 * points)
    changed = [(i, code) for i, code in changed if i not in lost]
    return replace(
        drawn, kept=kept, values=values, offsets=np.arange(len(kept) + 1), lost=lost, changed=changed
    )


def _triples(geometry: Keypoints, size: Floats, points: int) -> tuple[Floats, bool]:
    """x, y and visibility of each point, and whether one that was marked lies outside."""
    triples = np.zeros((points, 3))
    coords = geometry.coords
    inside = ((coords >= -EDGE) & (coords <= size + EDGE)).all(axis=1)
    found = np.flatnonzero(inside)
    triples[found, :2] = np.clip(coords[found], 0.0, size)
    triples[found, 2] = geometry.visibility[found]
    return triples, bool((~inside & (geometry.visibility > 0)).any())
