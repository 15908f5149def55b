"""Objects and classifications of Labelbox's legacy export out of their decoded structs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta

from annokit.errors import AnnokitError, DecodeError, GeometryError, Where
from annokit.formats._labelbox.shared import NO_TEXT, Masks, parse_rings, plain, polygon_of
from annokit.formats._labelbox_v1 import wire
from annokit.geometry import parse_points
from annokit.geometry.geojson import geo_shape, is_exact
from annokit.io.faults import decode_error
from annokit.model import (
    Answer,
    Asset,
    Box,
    Classification,
    Geometry,
    Line,
    MaskReference,
    ObjectAnnotation,
    Point,
    TextSpan,
    Unknown,
)
from annokit.model.annotation import Space
from annokit.model.base import Floats
from annokit.run import Run

__all__ = ["NAME", "ObjectBuilder", "classifications"]

NAME = "labelbox-v1"
_SHAPES = ("bbox", "polygon", "line", "point", "data", "geometry")


class ObjectBuilder:
    """Makes objects; the points of all polygons and lines it will be asked for are parsed at once."""

    def __init__(self, objects: Iterable[wire.Object], run: Run, masks: Masks) -> None:
        self._masks = masks
        objects = list(objects)
        rings = [one for one in objects if one.polygon is not NO_TEXT]
        lines = [one for one in objects if one.line is not NO_TEXT]
        shapes = parse_rings([one.polygon for one in rings], run)
        self._points = dict(zip(map(id, rings), shapes, strict=True))
        self._points |= zip(map(id, lines), parse_points([one.line for one in lines]), strict=True)

    def object(self, one: wire.Object, asset: Asset) -> ObjectAnnotation:
        """The object.

        Raises
        ------
        InputError
            It has no shape, or one that cannot be; the path in the error starts at the object.
        """
        kept: dict[str, Any] = {}
        shape, space = self.shape(one, asset, kept)
        return ObjectAnnotation(
            tool_name=one.title,
            geometry=shape,
            id=one.feature_id,
            tool_id=one.schema_id,
            value=one.value,
            classifications=classifications(one.classifications),
            space=space if one.page is None else "page",
            page=one.page,
            extra=_extra(_kept(one, shape) | kept),
        )

    def shape(self, one: wire.Object, asset: Asset, kept: dict[str, Any]) -> tuple[Geometry, Space]:
        """The shape by the first key that has one; what it does not hold of the input goes to `kept`."""
        present = [key for key in _SHAPES if getattr(one, key) not in (None, NO_TEXT)]
        kept.update((key, plain(getattr(one, key))) for key in present[1:])
        key = present[0] if present else ""
        if key == "bbox":
            return _box(one, asset, kept), "pixel"
        if key == "polygon":
            return polygon_of(self._sound(one, key)), "pixel"
        if key == "line":
            return Line(coords=self._sound(one, key)), "pixel"
        if one.point is not None:
            if one.point.extra:
                kept["point"] = one.point.extra
            return Point(x=one.point.x, y=one.point.y), "pixel"
        if key == "data":
            return _span(one.data, one.format, kept), "pixel"
        if key == "geometry":
            return _geo(one, kept), "geo"
        if one.instance_uri is not None:
            return self._masks.resolve(MaskReference(uri=one.instance_uri), asset), "pixel"
        if one.extra:
            return Unknown(what=next(iter(one.extra)), payload=one.extra), "pixel"
        raise DecodeError("expected a shape, got none", hint=f"one of {', '.join(_SHAPES)} or instanceURI")

    def _sound(self, one: wire.Object, key: str) -> Floats:
        points = self._points[id(one)]
        if isinstance(points, AnnokitError):
            points.where = Where(path=f"$.{key}{(points.where.path or '$')[1:]}")
            raise points
        return points


def _extra(kept: dict[str, Any]) -> dict[str, Any]:
    return {NAME: kept} if kept else {}


def _kept(one: wire.Object, shape: Geometry) -> dict[str, Any]:
    """What an object has no field for, under the names of the export."""
    kept = {"color": one.color, "format": one.format, "version": one.version, "unit": one.length_unit}
    kept = {key: value for key, value in kept.items() if value is not UNSET}
    if one.type is not None:
        kept["type"] = one.type
    if one.instance_uri is not None and not isinstance(shape, MaskReference):
        kept["instanceURI"] = one.instance_uri
    if one.keyframe is not None:
        kept["keyframe"] = one.keyframe
    return kept if isinstance(shape, Unknown) and shape.payload is one.extra else kept | (one.extra or {})


def _box(one: wire.Object, asset: Asset, kept: dict[str, Any]) -> Box:
    """A box; on maps one may be drawn upwards, and then has a negative height."""
    box = one.bbox
    if box is None:
        raise DecodeError("expected a bbox, got none")
    if box.extra:
        kept["bbox"] = box.extra
    x, y, width, height = box.left, box.top, box.width, box.height
    if width < 0 or height < 0:
        if asset.media_type != "tiled":
            key, value = ("width", width) if width < 0 else ("height", height)
            raise GeometryError(f"expected a number >= 0, got {value}", where=Where(path=f"$.bbox.{key}"))
        kept["bbox"] = plain(box)
        x, y, width, height = x + min(width, 0), y + min(height, 0), abs(width), abs(height)
    return Box(x=x, y=y, width=width, height=height)


class _Location(msgspec.Struct):
    start: Annotated[int, Meta(ge=0)]
    end: int


class _Data(msgspec.Struct):
    location: _Location


def _span(data: Any, form: Any, kept: dict[str, Any]) -> Geometry:
    """Characters of a text, the last one counted in; another payload as it is."""
    if (
        not isinstance(data, dict)
        or not isinstance(place := data.get("location"), dict)
        or "start" not in place
    ):
        return Unknown(what=form if isinstance(form, str) else "data", payload={"data": data})
    try:
        found = msgspec.convert(data, _Data).location
    except msgspec.ValidationError as error:
        raise decode_error(error, "$.data") from None
    if found.end < found.start:
        problem = f"expected an end not before the start {found.start}, got {found.end}"
        raise GeometryError(problem, where=Where(path="$.data.location.end"))
    if len(place) > 2 or len(data) > 1:
        kept["data"] = data
    return TextSpan(start=found.start, end=found.end + 1)


def _geo(one: wire.Object, kept: dict[str, Any]) -> Geometry:
    """A shape on a map, in longitude and latitude."""
    coordinates = one.geometry.get("coordinates") if isinstance(one.geometry, dict) else None
    shape = geo_shape(one.type or "", coordinates)
    if isinstance(shape, Box) and not is_exact(shape, coordinates):
        kept["geometry"] = one.geometry
    return shape or Unknown(what=one.type or "geometry", payload={"geometry": one.geometry})


def classifications(questions: wire.Questions) -> tuple[Classification, ...]:
    """The questions of a list, and of the lists in it."""
    flat = [one for entry in questions for one in (entry if isinstance(entry, list) else [entry])]
    return tuple([_classification(one) for one in flat])


def _classification(one: wire.Classification) -> Classification:
    """A question; its answer is an object (radio), a text, or a list (checklist, or `answer` for a dropdown)."""
    picked, kept = one.answer, dict(one.extra or {})
    listed: Sequence[wire.Answer] = one.answers or ()
    if isinstance(picked, list):
        listed, kept["answer"] = (*picked, *listed), "list"
    kind: Any = "unknown"
    if isinstance(picked, wire.Answer):
        kind, listed = "radio", (picked, *listed)
    elif isinstance(picked, list) or one.answers is not None:
        kind = "checklist"
    elif isinstance(picked, str):
        kind = "text"
    return Classification(
        tool_name=one.title,
        kind=kind,
        answers=tuple([_answer(answer) for answer in listed]),
        text=picked if isinstance(picked, str) else None,
        tool_id=one.schema_id,
        id=one.feature_id,
        value=one.value,
        classifications=classifications(one.classifications),
        extra=_extra(kept),
    )


def _answer(one: wire.Answer) -> Answer:
    return Answer(
        name=one.title,
        option_id=one.schema_id,
        id=one.feature_id,
        value=one.value,
        classifications=classifications(one.classifications),
        extra=_extra(one.extra or {}),
    )
