"""Shapes as columns of the annotations table: one flat array a kind, never lists of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Any, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from annokit.geometry import bounding_boxes, mask_batch, outline_areas
from annokit.geometry.ragged import concatenated, ends, lengths
from annokit.model import (
    Box,
    Geometry,
    Keypoints,
    Line,
    Mask,
    MaskReference,
    ObjectAnnotation,
    Point,
    Polygon,
    RotatedBox,
    TextSpan,
    TimeRange,
    Track,
    Unknown,
)
from annokit.model.base import Floats
from annokit.tables.jsontext import to_json
from annokit.tables.lists import list_array

__all__ = ["Marked", "shape_columns"]

Marked: TypeAlias = ObjectAnnotation | Track
"""What a row of the annotations table stands for."""

_S = TypeVar("_S")
_NOTHING = Unknown(what="")
_COLUMNS: dict[str, tuple[type, str]] = {
    "uri": (MaskReference, "uri"),
    "color": (MaskReference, "color"),
    "text_start": (TextSpan, "start"),
    "text_end": (TextSpan, "end"),
    "text": (TextSpan, "text"),
    "message_id": (TextSpan, "message_id"),
    "start_ms": (TimeRange, "start_ms"),
    "end_ms": (TimeRange, "end_ms"),
}
"""Columns that hold one field of one kind of shape."""


def shape_columns(annotations: Sequence[Marked]) -> dict[str, Any]:
    """The columns that say where each annotation is; `payload` holds whole what the others cannot."""
    shapes = [_with_columns(annotation) for annotation in annotations]
    columns: dict[str, Any] = {
        name: [getattr(shape, field) if type(shape) is kind else None for shape in shapes]
        for name, (kind, field) in _COLUMNS.items()
    }
    return (
        columns
        | _box_columns(annotations)
        | {
            "area": _areas(shapes),
            "rings": _rings(_only(shapes, Polygon)),
            "points": _points(shapes),
            "visibility": [s.visibility if type(s) is Keypoints else None for s in shapes],
            "mask": _masks(_only(shapes, Mask)),
            "frame_count": [len(a.frames) if type(a) is Track else None for a in annotations],
            "keyframe_count": [int(a.is_keyframe.sum()) if type(a) is Track else None for a in annotations],
            "payload": [_payload(a) if s is None else None for a, s in zip(annotations, shapes, strict=True)],
        }
    )


def _with_columns(annotation: Marked) -> Geometry | None:
    """The shape, if the columns hold all of it."""
    if type(annotation) is not ObjectAnnotation:
        return None
    geometry = annotation.geometry
    if type(geometry) is Box:
        return geometry if annotation.box is None or annotation.box == geometry else None
    if type(geometry) is Mask:
        return geometry if _is_usual(geometry) else None
    return geometry if type(geometry) in _IN_COLUMNS else None


_IN_COLUMNS = {Polygon, RotatedBox, Line, Point, Keypoints, MaskReference, TextSpan, TimeRange}


def _is_usual(mask: Mask) -> bool:
    """Whether the kernels take it: fewer than 2**32 pixels, and at least one run."""
    return len(mask.counts) > 0 and max(mask.height * mask.width, mask.height, mask.width) < 1 << 31


def _payload(annotation: Marked) -> bytes | None:
    if isinstance(annotation, ObjectAnnotation):
        return to_json(annotation.geometry)
    bare = replace(
        annotation,
        tool_name="",
        tool_id=None,
        value=None,
        id=None,
        classifications=(),
        confidence=None,
        extra={},
    )
    return to_json(bare)


def _only(shapes: Sequence[Geometry | None], kind: type[_S]) -> list[_S | None]:
    return [shape if type(shape) is kind else None for shape in shapes]


def _box_columns(annotations: Sequence[Marked]) -> dict[str, Any]:
    boxes = bounding_boxes([_boxed(annotation) for annotation in annotations])
    names = ("x", "y", "width", "height")
    columns: dict[str, Any] = {
        name: [None if box is None else getattr(box, name) for box in boxes] for name in names
    }
    stated = [type(a) is ObjectAnnotation and a.box is not None for a in annotations]
    return columns | {"box_stated": stated}


def _boxed(annotation: Marked) -> Geometry:
    """The box its source states, else the shape a box is put around."""
    if type(annotation) is not ObjectAnnotation:
        return _NOTHING
    if annotation.box is not None:
        return annotation.box
    geometry = annotation.geometry
    return _NOTHING if type(geometry) is Mask and not _is_usual(geometry) else geometry


def _areas(shapes: Sequence[Geometry | None]) -> list[float | None]:
    """Square pixels: of a polygon its exteriors minus its holes, of a mask its pixels."""
    areas = [shape.width * shape.height if type(shape) is Box else None for shape in shapes]
    masks = [(i, shape) for i, shape in enumerate(shapes) if type(shape) is Mask]
    if masks:
        from annokit_fast import rle

        pixels = rle.area(mask_batch([mask for _, mask in masks])).tolist()
        for (i, _), area in zip(masks, pixels, strict=True):
            areas[i] = area
    outlines = [
        (i, _outline(shape)) for i, shape in enumerate(shapes) if type(shape) in (Polygon, RotatedBox)
    ]
    for (i, _), area in zip(outlines, outline_areas([one for _, one in outlines]).tolist(), strict=True):
        areas[i] = None if isnan(area) else area
    return areas


def _outline(shape: Any) -> Polygon:
    return Polygon(coords=shape.corners) if type(shape) is RotatedBox else shape


def _rings(shapes: Sequence[Polygon | None]) -> pa.Array:
    polygons = [shape for shape in shapes if shape is not None]
    coords = concatenated([polygon.coords for polygon in polygons], np.float64)
    rings = list_array(lengths([polygon.ring_offsets for polygon in polygons]) * 2, coords)
    parts = list_array(lengths([polygon.part_offsets for polygon in polygons]), rings)
    counts = [0 if shape is None else len(shape.part_offsets) - 1 for shape in shapes]
    return list_array(counts, parts, [shape is not None for shape in shapes])


def _points(shapes: Sequence[Geometry | None]) -> pa.Array:
    points = [_coords(shape) for shape in shapes]
    sizes = [0 if coords is None else coords.size for coords in points]
    values = concatenated([coords for coords in points if coords is not None], np.float64)
    return list_array(sizes, values, [coords is not None for coords in points])


def _coords(shape: Geometry | None) -> Floats | None:
    if isinstance(shape, Line | Keypoints):
        return shape.coords
    if isinstance(shape, RotatedBox):
        return shape.corners
    return np.array([[shape.x, shape.y]], np.float64) if isinstance(shape, Point) else None


def _masks(shapes: Sequence[Mask | None]) -> pa.Array:
    """Structs of height, width and COCO's compressed counts."""
    masks = [shape for shape in shapes if shape is not None]
    text, offsets = np.empty(0, np.uint8), np.zeros(1, np.int64)
    if masks:
        from annokit_fast import rle

        text, offsets = rle.to_strings(mask_batch(masks))
    present = np.array([shape is not None for shape in shapes], np.bool_)
    text_lengths = np.zeros(len(shapes), np.int64)
    text_lengths[present] = np.diff(offsets)
    buffers = [None, pa.py_buffer(ends(text_lengths).astype(np.int32)), pa.py_buffer(text)]
    counts = pa.Array.from_buffers(pa.binary(), len(shapes), buffers)
    height, width = (
        pa.array([getattr(mask, side, None) for mask in shapes], pa.int32()) for side in ("height", "width")
    )
    names = ["height", "width", "counts"]
    return pa.StructArray.from_arrays([height, width, counts], names, mask=pa.array(~present))
