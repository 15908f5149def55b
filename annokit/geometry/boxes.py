"""The bounding boxes of shapes, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from msgspec.structs import astuple

from annokit.geometry.measures import ring_bounds
from annokit.geometry.ragged import Outlines, ends, types_of
from annokit.geometry.raster import mask_batch
from annokit.model import Box, Geometry, Keypoints, Line, Mask, ObjectAnnotation, Point, Polygon, RotatedBox
from annokit.model.base import Bools, Floats, Indices

__all__ = ["bounding_box", "bounding_boxes", "box_rows", "flat_boxes", "object_boxes"]


def bounding_box(geometry: Geometry) -> Box | None:
    """The box around a shape; None for shapes without extent in pixels, and for empty ones.

    >>> bounding_box(Line(coords=[(1, 5), (3, 2)]))
    Box(x=1.0, y=2.0, width=2.0, height=3.0)
    >>> bounding_box(Line(coords=[])) is None
    True
    """
    return bounding_boxes([geometry])[0]


def object_boxes(annotations: Sequence[ObjectAnnotation]) -> list[Box | None]:
    """For each object the box its source states, else the one around its shape."""
    boxes = bounding_boxes([a.geometry if a.box is None else a.box for a in annotations])
    return [a.box or box for a, box in zip(annotations, boxes, strict=True)]


def bounding_boxes(geometries: Sequence[Geometry]) -> list[Box | None]:
    """`bounding_box` for each of many shapes."""
    rows, found = box_rows(geometries)
    return [
        geometry if type(geometry) is Box else Box(x=x, y=y, width=width, height=height) if there else None
        for geometry, (x, y, width, height), there in zip(
            geometries, rows.tolist(), found.tolist(), strict=True
        )
    ]


def box_rows(geometries: Sequence[Geometry | None]) -> tuple[Floats, Bools]:
    """The boxes around many shapes as numbers.

    Returns
    -------
    float64 (n, 4)
        x, y, width, height; 0 where there is no box.
    bool (n,)
        Where there is one.

    Examples
    --------
    >>> rows, found = box_rows([Line(coords=[(1, 5), (3, 2)]), None])
    >>> rows.tolist(), found.tolist()
    ([[1.0, 2.0, 2.0, 3.0], [0.0, 0.0, 0.0, 0.0]], [True, False])
    """
    rows, found = np.zeros((len(geometries), 4)), np.zeros(len(geometries), np.bool_)
    kinds, kind_of = types_of(geometries)
    for number, kind in enumerate(kinds):
        measure = _MEASURES.get(kind)
        if measure is not None and len(kinds) == 1:
            rows[:], found[:] = measure(geometries)
        elif measure is not None:
            at = np.flatnonzero(kind_of == number)
            rows[at], found[at] = measure([geometries[i] for i in at.tolist()])
    return rows, found


def _of_boxes(boxes: Sequence[Any]) -> tuple[Floats, bool]:
    rows = np.empty((len(boxes), 4))
    rows[:, 0] = [box.x for box in boxes]
    rows[:, 1] = [box.y for box in boxes]
    rows[:, 2] = [box.width for box in boxes]
    rows[:, 3] = [box.height for box in boxes]
    return rows, True


def _of_points(points: Sequence[Any]) -> tuple[Floats, bool]:
    rows = np.zeros((len(points), 4))
    rows[:, :2] = np.fromiter(chain.from_iterable(map(astuple, points)), np.float64).reshape(-1, 2)
    return rows, True


def _of_coords(shapes: Sequence[Any]) -> tuple[Floats, Bools]:
    return _around([shape.coords for shape in shapes])


def _of_corners(shapes: Sequence[Any]) -> tuple[Floats, Bools]:
    return _around([shape.corners for shape in shapes])


def _of_keypoints(shapes: Sequence[Any]) -> tuple[Floats, Bools]:
    return _around([shape.coords[shape.visibility > 0] for shape in shapes])


def _around(shapes: Sequence[Floats]) -> tuple[Floats, Bools]:
    """Boxes around points; none around no points."""
    return _boxes(np.concatenate(shapes), ends([len(shape) for shape in shapes]))


def flat_boxes(shapes: Outlines) -> tuple[Floats, Bools]:
    """`box_rows` of polygons that are flat already."""
    return _boxes(shapes.coords, shapes.ring_offsets[shapes.part_offsets[shapes.object_offsets]])


def _boxes(coords: Floats, offsets: Indices) -> tuple[Floats, Bools]:
    rows, found = ring_bounds(coords, offsets), np.diff(offsets) > 0
    rows[:, 2:] -= rows[:, :2]
    rows[~found] = 0.0
    return rows, found


def _of_masks(masks: Sequence[Any]) -> tuple[Floats, Bools]:
    from annokit_fast import rle

    rows = rle.bounds(mask_batch(masks))
    found: Bools = (rows[:, 2:] != 0).all(axis=1)
    return rows, found


_MEASURES: dict[type, Callable[[Sequence[Any]], tuple[Floats, Bools | bool]]] = {
    Box: _of_boxes,
    Point: _of_points,
    Polygon: _of_coords,
    Line: _of_coords,
    RotatedBox: _of_corners,
    Keypoints: _of_keypoints,
    Mask: _of_masks,
}
