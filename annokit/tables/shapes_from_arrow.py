"""Shapes out of the annotations table; coordinates are views into Arrow's buffers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from annokit.errors import AnnokitError, DecodeError, GeometryError, Where
from annokit.geometry import masks_of
from annokit.geometry.ragged import windows
from annokit.model import (
    Box,
    Geometry,
    Keypoints,
    Line,
    MaskReference,
    Point,
    Polygon,
    RotatedBox,
    TextSpan,
    TimeRange,
    Track,
)
from annokit.model.base import Floats, Indices
from annokit.tables.columns import column, flat_values, numbers
from annokit.tables.jsontext import from_json

__all__ = ["Shape", "shapes_of"]

Shape: TypeAlias = Geometry | Track
_Made: TypeAlias = "Shape | AnnokitError"
_COLUMNS: dict[str, tuple[str, ...]] = {
    "box": ("x", "y", "width", "height"),
    "mask_reference": ("uri", "color"),
    "text_span": ("text_start", "text_end", "text", "message_id"),
    "time_range": ("start_ms", "end_ms"),
}


def shapes_of(batch: pa.RecordBatch) -> list[_Made]:
    """The shape of each row of an annotations batch, a track for a track, or what is wrong with it.

    Raises
    ------
    DecodeError
        Lists with nulls in them.
    """
    shapes: list[Any] = [None] * len(batch)
    for kind, at in _places(batch).items():
        chosen = batch.take(column(at, pa.int64())) if len(at) < len(batch) else batch
        made = _BUILDERS[kind](chosen) if kind in _BUILDERS else [_no_shape(kind) for _ in at]
        for i, shape in zip(at, made, strict=True):
            shapes[i] = shape
    return shapes


def _places(batch: pa.RecordBatch) -> dict[str, list[int]]:
    """The rows of each kind; those with a payload under a kind of their own."""
    places: dict[str, list[int]] = {}
    columns = (batch.column(name).to_pylist() for name in ("type", "kind"))
    plain = batch.column("payload").is_null().to_pylist()
    for i, (what, kind, is_plain) in enumerate(zip(*columns, plain, strict=True)):
        payload = "track payload" if what == "track" else "object payload"
        key = kind if is_plain and what != "track" else payload
        places.setdefault(key, []).append(i)
    return places


def _no_shape(kind: str) -> DecodeError:
    known = ", ".join(name for name in _BUILDERS if " " not in name)
    return DecodeError(f"expected {known} or a payload, got {kind}", where=Where(path="$.kind"))


def _null(kind: str, column: str) -> DecodeError:
    return DecodeError(f"expected a value for a {kind}, got null", where=Where(path=f"$.{column}"))


def _each(
    kind: str, make: Callable[..., Geometry], optional: int = 0
) -> Callable[[pa.RecordBatch], list[_Made]]:
    """A builder from plain columns, of which all but the last `optional` must have a value."""
    names = _COLUMNS[kind]
    needed = len(names) - optional

    def build(batch: pa.RecordBatch) -> list[_Made]:
        rows = zip(*(batch.column(name).to_pylist() for name in names), strict=True)
        return [_null(kind, names[row.index(None)]) if None in row[:needed] else make(*row) for row in rows]

    return build


def _polygons(batch: pa.RecordBatch) -> list[_Made]:
    column = batch.column("rings")
    flat, (outer, parts, rings) = flat_values(column, Where(path="$.rings"))
    inner = parts[outer]  # the first ring of each polygon
    vertices = windows(rings, inner) // 2
    vertices.flags.writeable = False
    firsts = windows(parts, outer)
    own = np.arange(len(outer))  # every window is one longer than the list it is of
    spans = zip(
        _spans(rings[inner]), _spans(inner - inner[0] + own), _spans(outer - outer[0] + own), strict=True
    )
    odd = set((np.searchsorted(inner, np.flatnonzero(np.diff(rings) % 2), "right") - 1).tolist())
    shapes: list[_Made] = [
        _odd("rings")
        if k in odd
        else Polygon(
            coords=flat[start:stop].reshape(-1, 2),
            ring_offsets=vertices[ring:last_ring],
            part_offsets=firsts[part:last_part],
        )
        for k, ((start, stop), (ring, last_ring), (part, last_part)) in enumerate(spans)
    ]
    return _with_nulls(shapes, column, "polygon", "rings")


def _spans(offsets: Indices) -> Iterator[tuple[int, int]]:
    return pairwise(offsets.tolist())


def _odd(column: str) -> GeometryError:
    return GeometryError("expected x and y in turns, got an odd number", where=Where(path=f"$.{column}"))


def _with_nulls(shapes: list[_Made], column: pa.Array, kind: str, name: str) -> list[_Made]:
    if column.null_count:
        for i in np.flatnonzero(column.is_null().to_pylist()).tolist():
            shapes[i] = _null(kind, name)
    return shapes


def _pointed(kind: str, make: Callable[[Floats], Geometry]) -> Callable[[pa.RecordBatch], list[_Made]]:
    """A builder from the `points` column."""

    def build(batch: pa.RecordBatch) -> list[_Made]:
        return _with_nulls(
            [_tried(make, xy) for xy in _points(batch)], batch.column("points"), kind, "points"
        )

    return build


def _tried(make: Callable[..., Geometry], coords: Floats, *others: Any) -> _Made:
    if coords.size % 2:
        return _odd("points")
    try:
        return make(coords.reshape(-1, 2), *others)
    except GeometryError as error:
        error.where = Where(path="$.points")
        return error


def _points(batch: pa.RecordBatch) -> list[Floats]:
    flat, (offsets,) = flat_values(batch.column("points"), Where(path="$.points"))
    return [flat[start:end] for start, end in _spans(offsets)]


def _point(coords: Floats) -> Point:
    if len(coords) != 1:
        raise GeometryError(f"expected one point, got {len(coords)}")
    x, y = coords[0].tolist()
    return Point(x=x, y=y)


def _keypoints(batch: pa.RecordBatch) -> list[_Made]:
    def make(coords: Floats, visibility: Sequence[int] | None) -> Geometry:
        return Keypoints(coords=coords, visibility=visibility or [])  # type: ignore[arg-type]  # coerced

    visibility = batch.column("visibility").to_pylist()
    shapes = [_tried(make, xy, seen) for xy, seen in zip(_points(batch), visibility, strict=True)]
    return _with_nulls(shapes, batch.column("points"), "keypoints", "points")


def _masks(batch: pa.RecordBatch) -> list[_Made]:
    try:
        return _mask_batch(batch.column("mask"))
    except DecodeError as error:
        if len(batch) == 1:
            return [error]
        return [shape for i in range(len(batch)) for shape in _masks(batch.slice(i, 1))]


def _mask_batch(column: pa.StructArray) -> list[_Made]:
    from annokit_fast import rle

    heights, widths, counts = column.flatten()
    if heights.null_count or widths.null_count or counts.null_count:
        raise _null("mask", "mask")
    offsets = np.frombuffer(counts.buffers()[1], np.int32)[counts.offset :][: len(counts) + 1].astype(
        np.int64
    )
    data = counts.buffers()[2] or b""
    text = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]
    try:
        batch = rle.from_strings(text, offsets - offsets[0], numbers(heights), numbers(widths))
    except ValueError as error:
        raise DecodeError(
            f"expected COCO's compressed counts: {error}", where=Where(path="$.mask")
        ) from error
    return list(masks_of(batch))


def _payloads(kind: Any) -> Callable[[pa.RecordBatch], list[_Made]]:
    def read(text: str | None) -> _Made:
        try:
            return from_json(text, kind, "payload")
        except AnnokitError as error:
            return error

    return lambda batch: [read(text) for text in batch.column("payload").to_pylist()]


def _box(x: float, y: float, width: float, height: float) -> Box:
    return Box(x=x, y=y, width=width, height=height)


def _mask_reference(uri: str, color: list[int] | None) -> MaskReference:
    return MaskReference(uri=uri, color=tuple(color) if color else None)  # type: ignore[arg-type]  # three


def _text_span(start: int, end: int, text: str | None, message_id: str | None) -> TextSpan:
    return TextSpan(start=start, end=end, text=text, message_id=message_id)


def _time_range(start_ms: float, end_ms: float) -> TimeRange:
    return TimeRange(start_ms=start_ms, end_ms=end_ms)


_BUILDERS: dict[str, Callable[[pa.RecordBatch], list[_Made]]] = {
    "box": _each("box", _box),
    "polygon": _polygons,
    "rotated_box": _pointed("rotated_box", lambda xy: RotatedBox(corners=xy)),
    "line": _pointed("line", lambda xy: Line(coords=xy)),
    "point": _pointed("point", _point),
    "keypoints": _keypoints,
    "mask": _masks,
    "mask_reference": _each("mask_reference", _mask_reference, optional=1),
    "text_span": _each("text_span", _text_span, optional=2),
    "time_range": _each("time_range", _time_range),
    "object payload": _payloads(Geometry),
    "track payload": _payloads(Track),
}
"""How the shapes of a kind are made, all those of a batch at once."""
