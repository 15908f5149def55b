"""The bounding boxes of shapes, many at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from annokit.geometry.measures import ring_bounds
from annokit.geometry.ragged import ends
from annokit.geometry.raster import mask_batch
from annokit.model import Box, Geometry, Keypoints, Line, Mask, ObjectAnnotation, Point, Polygon, RotatedBox
from annokit.model.base import Floats

__all__ = ["bounding_box", "bounding_boxes", "object_boxes"]


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
    boxes: list[Box | None] = [None] * len(geometries)
    spread: list[int] = []
    masks: list[int] = []
    for index, geometry in enumerate(geometries):
        if isinstance(geometry, Box):
            boxes[index] = geometry
        elif isinstance(geometry, Point):
            boxes[index] = Box(x=geometry.x, y=geometry.y, width=0.0, height=0.0)
        elif isinstance(geometry, Mask):
            masks.append(index)
        elif _points(geometry) is not None:
            spread.append(index)
    for index, row in zip(spread, _around([_points(geometries[i]) for i in spread]), strict=True):
        boxes[index] = row
    for index, found in zip(masks, _around_masks([geometries[i] for i in masks]), strict=True):
        boxes[index] = found
    return boxes


def _points(geometry: Geometry) -> Floats | None:
    """The points a box has to hold, if there are any."""
    if isinstance(geometry, RotatedBox):
        return geometry.corners
    if isinstance(geometry, Keypoints):
        points = geometry.coords[geometry.visibility > 0]
    elif isinstance(geometry, Polygon | Line):
        points = geometry.coords
    else:
        return None
    return points if len(points) else None


def _around(shapes: Sequence[Floats | None]) -> list[Box]:
    parts = [shape for shape in shapes if shape is not None]
    if not parts:
        return []
    corners = ring_bounds(np.concatenate(parts), ends([len(part) for part in parts]))
    rows = np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]]).tolist()
    return [Box(x=x, y=y, width=width, height=height) for x, y, width, height in rows]


def _around_masks(masks: Sequence[Geometry]) -> list[Box | None]:
    if not masks:
        return []
    from annokit_fast import rle

    rows = rle.bounds(mask_batch([mask for mask in masks if isinstance(mask, Mask)])).tolist()
    return [Box(x=x, y=y, width=w, height=h) if w and h else None for x, y, w, h in rows]
