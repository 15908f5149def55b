"""Shapes as columns of the annotations table: one flat array a kind, never lists of numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from annokit.geometry import box_rows, mask_batch, outline_areas, outline_of
from annokit.geometry.boxes import flat_boxes
from annokit.geometry.measures import flat_areas
from annokit.geometry.ragged import Outlines, concatenated, flattened, types_of
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
)
from annokit.model.base import Bools, Floats, Indices
from annokit.tables.columns import (
    flag_column,
    list_column,
    number_column,
    packed_column,
    struct_column,
    text_column,
)
from annokit.tables.schema import SCHEMAS

if TYPE_CHECKING:
    from annokit_fast.rle import RleBatch

__all__ = ["shape_columns"]

_S = TypeVar("_S", bound=Geometry)
_NOWHERE: Indices = np.empty(0, np.int64)
_MASK = SCHEMAS["annotations"].field("mask").type

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


def shape_columns(
    annotations: Sequence[ObjectAnnotation | Track],
    geometries: Sequence[Geometry | None],
    boxes: Sequence[Box | None],
) -> dict[str, Any]:
    """The columns that say where each annotation is; `payload` holds whole what the others cannot.

    Of a track there is no geometry; `boxes` are those that sources state.
    """
    shapes = _Shapes(geometries, boxes)
    payloads: list[Any] = [None] * len(annotations)
    for place in shapes.others():
        payloads[place] = _payload(annotations[place])
    stated = np.frombuffer(bytes([box is not None for box in boxes]), np.bool_)
    rows, found = _box_rows(shapes, boxes, stated)
    sides = zip(("x", "y", "width", "height"), rows.T, strict=True)
    return (
        {name: shapes.field(kind, field) for name, (kind, field) in _COLUMNS.items()}
        | {name: number_column(side, pa.float64(), found) for name, side in sides}
        | _type_columns(annotations, shapes)
        | {
            "box_stated": flag_column(stated),
            "area": _areas(shapes, rows),
            "rings": _rings(shapes),
            "points": _points(shapes),
            "visibility": _visibility(shapes),
            "mask": _masks(shapes),
            "payload": payloads,
        }
    )


class _Shapes:
    """The shapes of a batch that columns hold whole, by their kind."""

    def __init__(self, geometries: Sequence[Geometry | None], boxes: Sequence[Box | None]) -> None:
        self.count = len(geometries)
        self.kinds, self.kind_of = types_of(geometries)
        self._places = {kind: np.flatnonzero(self.kind_of == i) for i, kind in enumerate(self.kinds)}
        self._geometries = geometries
        self._found: dict[type, list[Any]] = {}
        self._keep(Box, lambda place: boxes[place] is None or boxes[place] == geometries[place])
        self._keep(Mask, lambda place: _is_usual(geometries[place]))

    def _keep(self, kind: type, holds: Callable[[int], bool]) -> None:
        if kind in self._places:
            kept = [place for place in self._places[kind].tolist() if holds(place)]
            self._places[kind] = np.array(kept, np.int64)

    def of(self, kind: type[_S]) -> tuple[Indices, list[_S]]:
        """Where those of a kind stand, and they themselves."""
        places = self._places.get(kind, _NOWHERE)
        if kind not in self._found:
            self._found[kind] = [self._geometries[place] for place in places.tolist()]
        return places, self._found[kind]

    def field(self, kind: type, name: str) -> list[Any]:
        """A field of all shapes of a kind; None for the others."""
        values: list[Any] = [None] * self.count
        for place in self._places.get(kind, _NOWHERE).tolist():
            values[place] = getattr(self._geometries[place], name)
        return values

    def others(self) -> list[int]:
        """Where something stands that no column holds whole."""
        held = np.zeros(self.count, np.bool_)
        for kind in _IN_COLUMNS:
            held[self._places.get(kind, _NOWHERE)] = True
        return np.flatnonzero(~held).tolist()

    def measured(self, but: type | None = None) -> list[Geometry | None]:
        """The shapes as those have it that measure them: without masks no kernel takes, and those of one kind."""
        without = {but}
        return [
            None if type(one) in without or (type(one) is Mask and not _is_usual(one)) else one
            for one in self._geometries
        ]

    @cached_property
    def polygons(self) -> Outlines:
        return flattened(self.of(Polygon)[1])

    @cached_property
    def masks(self) -> RleBatch:
        return mask_batch(self.of(Mask)[1])


_IN_COLUMNS = (Box, Polygon, RotatedBox, Line, Point, Keypoints, Mask, MaskReference, TextSpan, TimeRange)


def _is_usual(mask: Any) -> bool:
    """Whether the kernels take it: fewer than 2**32 pixels, and at least one run."""
    return len(mask.counts) > 0 and max(mask.height * mask.width, mask.height, mask.width) < 1 << 31


def _payload(annotation: ObjectAnnotation | Track) -> Geometry | Track:
    if isinstance(annotation, ObjectAnnotation):
        return annotation.geometry
    return replace(
        annotation,
        tool_name="",
        tool_id=None,
        value=None,
        id=None,
        classifications=(),
        confidence=None,
        extra={},
    )


def _type_columns(annotations: Sequence[ObjectAnnotation | Track], shapes: _Shapes) -> dict[str, Any]:
    """Which are tracks, with how many frames, and the shape of each."""
    if Track in map(type, annotations):
        tracks = [one if isinstance(one, Track) else None for one in annotations]
        return {
            "type": ["object" if track is None else "track" for track in tracks],
            "kind": [one.kind if isinstance(one, Track) else one.geometry.kind for one in annotations],
            "frame_count": [None if track is None else len(track.frames) for track in tracks],
            "keyframe_count": [None if track is None else int(track.is_keyframe.sum()) for track in tracks],
        }
    none = pa.nulls(shapes.count, pa.int64())
    kinds: list[Any] = shapes.kinds
    tags = [kind.__struct_config__.tag for kind in kinds]
    return {
        "type": ["object"] * shapes.count,
        "kind": text_column(tags, shapes.kind_of),
        "frame_count": none,
        "keyframe_count": none,
    }


def _box_rows(shapes: _Shapes, boxes: Sequence[Box | None], stated: Bools) -> tuple[Floats, Bools]:
    """The boxes that sources state, else those around the shapes: x, y, width and height, and whether there is one."""
    if stated.all():
        return box_rows(boxes)
    if stated.any():
        return box_rows([box or shape for shape, box in zip(shapes.measured(), boxes, strict=True)])
    places, _ = shapes.of(Polygon)
    rows, found = box_rows(shapes.measured(but=Polygon))
    rows[places], found[places] = flat_boxes(shapes.polygons)
    return rows, found


def _areas(shapes: _Shapes, boxes: Floats) -> pa.Array:
    """Square pixels: of a polygon its exteriors minus its holes, of a mask its pixels."""
    areas, known = np.full(shapes.count, np.nan), np.zeros(shapes.count, np.bool_)
    places, _ = shapes.of(Box)
    areas[places], known[places] = boxes[places, 2:].prod(axis=1), True
    places, rotated = shapes.of(RotatedBox)
    if rotated:
        areas[places] = outline_areas([outline_of(one) for one in rotated])
    places, polygons = shapes.of(Polygon)
    if polygons:
        areas[places] = flat_areas(shapes.polygons)
    places, _ = shapes.of(Mask)
    if len(places):
        from annokit_fast import rle

        areas[places] = rle.area(shapes.masks)
    return number_column(areas, pa.float64(), known | ~np.isnan(areas))


def _rings(shapes: _Shapes) -> pa.Array:
    flat = shapes.polygons
    coords = number_column(flat.coords.reshape(-1), pa.float64())
    rings = list_column(np.diff(flat.ring_offsets) * 2, coords)
    parts = list_column(np.diff(flat.part_offsets), rings)
    return _listed(shapes, shapes.of(Polygon)[0], np.diff(flat.object_offsets), parts)


def _points(shapes: _Shapes) -> pa.Array:
    points: dict[int, Floats] = {}
    for kind, field in ((Line, "coords"), (Keypoints, "coords"), (RotatedBox, "corners")):
        at, found = shapes.of(kind)
        points |= {place: getattr(one, field) for place, one in zip(at.tolist(), found, strict=True)}
    at, dots = shapes.of(Point)
    points |= {place: np.array([[one.x, one.y]], float) for place, one in zip(at.tolist(), dots, strict=True)}
    places = sorted(points)
    values = concatenated([points[place] for place in places], np.float64)
    lengths = [points[place].size for place in places]
    return _listed(shapes, places, lengths, number_column(values, pa.float64()))


def _visibility(shapes: _Shapes) -> pa.Array:
    places, found = shapes.of(Keypoints)
    values = concatenated([one.visibility for one in found], np.int8)
    lengths = [len(one.visibility) for one in found]
    return _listed(shapes, places, lengths, number_column(values, pa.int8()))


def _listed(
    shapes: _Shapes, places: Sequence[int] | Indices, lengths: Sequence[int] | Indices, values: pa.Array
) -> pa.Array:
    """A column of lists at these places, and of nulls elsewhere."""
    spread, valid = _spread(shapes, places, lengths)
    return list_column(spread, values, valid)


def _spread(
    shapes: _Shapes, places: Sequence[int] | Indices, values: Sequence[int] | Indices
) -> tuple[Indices, Bools]:
    """Whole numbers at these places and 0 elsewhere, and where they are."""
    spread, valid = np.zeros(shapes.count, np.int64), np.zeros(shapes.count, np.bool_)
    spread[places], valid[places] = values, True
    return spread, valid


def _masks(shapes: _Shapes) -> pa.Array:
    """Structs of height, width and COCO's compressed counts."""
    places, _ = shapes.of(Mask)
    if not len(places):
        return pa.nulls(shapes.count, _MASK)
    from annokit_fast import rle

    text, offsets = rle.to_strings(shapes.masks)
    (heights, valid), (widths, _), (lengths, _) = (
        _spread(shapes, places, values)
        for values in (shapes.masks.heights, shapes.masks.widths, np.diff(offsets))
    )
    counts = packed_column(text, lengths, pa.binary(), valid)
    sides = [number_column(side, pa.int32(), valid) for side in (heights, widths)]
    return struct_column([*sides, counts], _MASK, valid)
