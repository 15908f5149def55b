"""Objects and classifications of Labelbox export v2 out of their decoded structs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from operator import attrgetter, is_not
from typing import Any, TypeAlias

from msgspec import UNSET
from numpy import ndarray

from annokit.errors import AnnokitError, DecodeError, GeometryError, Where
from annokit.formats._labelbox import wire
from annokit.formats._labelbox.shared import NO_TEXT, Masks, parse_rings, plain, polygon_of
from annokit.geometry import parse_points
from annokit.geometry.geojson import geo_shape, is_exact
from annokit.io.salvage import Wire
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
    Polygon,
    TextSpan,
    TokenGroup,
    TokenSpan,
    Unknown,
)
from annokit.model.annotation import Space
from annokit.model.base import Floats
from annokit.run import Run

__all__ = ["NAME", "ObjectBuilder", "classification", "classifications"]

NAME = "labelbox"
_ABSENT: dict[str, Any] = {
    "bounding_box": None,
    "polygon": NO_TEXT,
    "line": NO_TEXT,
    "point": None,
    "mask": None,
    "composite_mask": None,
    "location": None,
    "conversational_location": None,
    "geojson": None,
    "selected_message": None,
    "selected_messages": None,
    "ranked_messages": None,
}
"""The keys that hold shapes, in the order in which they count, and what stands for each where it is not."""

_Plain: TypeAlias = Box | Polygon | MaskReference
_shapes_of: Callable[[wire.Object], tuple[Any, ...]] = attrgetter(*_ABSENT)


class ObjectBuilder:
    """Makes objects; the points of all polygons and lines it will be asked for are parsed at once."""

    def __init__(self, objects: Sequence[wire.Object], run: Run, masks: Masks) -> None:
        self._masks = masks
        rings = [one for one in objects if one.polygon is not NO_TEXT]
        lines = [one for one in objects if one.line is not NO_TEXT]
        shapes = parse_rings([one.polygon for one in rings], run)
        self._rings = dict(zip(map(id, rings), shapes, strict=True))
        self._lines = dict(zip(map(id, lines), parse_points([one.line for one in lines]), strict=True))
        self._plain = dict(zip(map(id, objects), self._plain_shapes(objects), strict=True))

    def object(self, one: wire.Object, asset: Asset) -> ObjectAnnotation:
        """The object.

        Raises
        ------
        InputError
            It has no shape, or one that cannot be; the path in the error starts at the object.
        """
        shape: Geometry | None = self._plain[id(one)]
        space: Space = "pixel"
        if shape is not None:
            kind = one.annotation_kind
            extra = {} if kind is None else {NAME: {"annotation_kind": kind}}
        else:
            kept: dict[str, Any] = {}
            shape, space = self.shape(one, asset, kept)
            extra = {NAME: kept} if kept else {}
        return ObjectAnnotation(
            tool_name=one.name,
            geometry=shape,
            id=one.feature_id,
            tool_id=one.feature_schema_id,
            value=one.value,
            classifications=classifications(one.classifications) if one.classifications else (),
            confidence=one.confidence,
            space=space if one.page_number is None else "page",
            page=one.page_number,
            extra=extra,
        )

    def _plain_shapes(self, objects: Sequence[wire.Object]) -> list[_Plain | None]:
        """The shape of each object that has one of the usual four and nothing beside it; None asks `_shape`.

        One loop without calls, since all objects go through it.
        """
        found: list[_Plain | None] = []
        for one in objects:
            shape: _Plain | None = None
            box, mask, colored = one.bounding_box, one.mask, one.composite_mask
            if (
                one.extra is None
                and one.line is NO_TEXT
                and one.page_dimensions is UNSET
                and one.point is None
                and one.location is None
                and one.conversational_location is None
                and one.geojson is None
                and one.selected_message is None
                and one.selected_messages is None
                and one.ranked_messages is None
            ):
                if one.polygon is not NO_TEXT:
                    ring = self._rings[id(one)]
                    if box is None and mask is None and colored is None and type(ring) is ndarray:
                        shape = polygon_of(ring)
                elif mask is None and colored is None:
                    if box is not None and box.extra is None:
                        shape = Box(x=box.left, y=box.top, width=box.width, height=box.height)
                elif box is None and self._masks.none:
                    shape = _plain_reference(mask, colored)
            found.append(shape)
        return found

    def shape(self, one: wire.Object, asset: Asset, kept: dict[str, Any]) -> tuple[Geometry, Space]:
        """The shape by the first key that has one; what it does not hold of the input goes to `kept`."""
        if one.annotation_kind is not None:
            kept["annotation_kind"] = one.annotation_kind
        plain = self._plain[id(one)]
        if plain is not None:
            return plain, "pixel"
        found = list(compress(_ABSENT, map(is_not, _shapes_of(one), _ABSENT.values())))
        shape, space = self._shape(found[0] if found else "", one, asset, kept)
        if len(found) > 1 or one.extra or one.page_dimensions is not UNSET:
            _keep_more(one, found[1:], shape, kept)
        return shape, space

    def _shape(
        self, key: str, one: wire.Object, asset: Asset, kept: dict[str, Any]
    ) -> tuple[Geometry, Space]:
        """The shape under `key`; what it does not hold of the input goes to `kept`."""
        if key == "polygon":
            return polygon_of(_sound(self._rings[id(one)], key)), "pixel"
        if key == "line":
            return Line(coords=_sound(self._lines[id(one)], key)), "pixel"
        value: Any = getattr(one, key) if key else None
        if isinstance(value, Wire) and value.extra:
            kept[key] = value.extra
        if key == "bounding_box":
            return Box(x=value.left, y=value.top, width=value.width, height=value.height), "pixel"
        if key in ("mask", "composite_mask"):
            color = value.color_rgb if key == "composite_mask" else None
            shape = self._masks.resolve(MaskReference(uri=value.url, color=color), asset)
            if not isinstance(shape, MaskReference):
                kept[key] = plain(value)
            return shape, "pixel"
        if key in _OTHERS:
            return _OTHERS[key](value, kept)
        return _unknown(key, one), "pixel"


def _plain_reference(mask: wire.Mask | None, colored: wire.CompositeMask | None) -> MaskReference | None:
    if mask is None and colored is not None and colored.extra is None:
        return MaskReference(uri=colored.url, color=colored.color_rgb)
    if colored is None and mask is not None and mask.extra is None:
        return MaskReference(uri=mask.url)
    return None


def _sound(points: Floats | AnnokitError, key: str) -> Floats:
    if isinstance(points, AnnokitError):
        points.where = Where(path=f"$.{key}{(points.where.path or '$')[1:]}")
        raise points
    return points


def _point(value: wire.Point, _kept: dict[str, Any]) -> tuple[Geometry, Space]:
    return Point(x=value.x, y=value.y), "pixel"


def _location(value: wire.Location, kept: dict[str, Any]) -> tuple[Geometry, Space]:
    """Tokens of a document, else characters of a text."""
    if value.groups is None:
        return _span(value, None), "pixel"
    if value.start is not None or any(group.extra for group in value.groups):
        kept["location"] = plain(value)
    groups = [
        TokenGroup(page=group.page_number, tokens=tuple(group.tokens), id=group.id, text=group.text)
        for group in value.groups
    ]
    return TokenSpan(groups=tuple(groups)), "page"


def _message(value: wire.ConversationLocation, kept: dict[str, Any]) -> tuple[Geometry, Space]:
    if value.location.extra:
        kept["conversational_location"] = plain(value)
    return _span(value.location, value.message_id), "pixel"


def _span(value: wire.Location, message_id: str | None) -> TextSpan:
    """Characters of a text: the platform counts the last one in."""
    start, end = value.start, value.end
    if start is None or end is None or not 0 <= start <= end:
        raise GeometryError(f"expected a start from 0 on and an end not before it, got {start} and {end}")
    return TextSpan(start=start, end=end + 1, text=value.token, message_id=message_id)


def _geo(value: Any, kept: dict[str, Any]) -> tuple[Geometry, Space]:
    """GeoJSON; a box is a polygon there, and only the annotation's kind tells."""
    if not isinstance(value, dict):
        raise DecodeError("expected a GeoJSON object", where=Where(path="$.geojson"))
    is_box = kept.get("annotation_kind") == "GeoBoundingBox"
    coordinates = value.get("coordinates")
    shape = geo_shape("rectangle" if is_box else str(value.get("type")), coordinates)
    if isinstance(shape, Box) and not is_exact(shape, coordinates):
        kept["geojson"] = value
    return shape or Unknown(what="geojson", payload={"geojson": value}), "geo"


_OTHERS: dict[str, Callable[[Any, dict[str, Any]], tuple[Geometry, Space]]] = {
    "point": _point,
    "location": _location,
    "conversational_location": _message,
    "geojson": _geo,
}


def _unknown(key: str, one: wire.Object) -> Unknown:
    payload = {key: getattr(one, key)} if key else one.extra
    if not payload:
        raise DecodeError("expected a shape, got none", hint=f"one of {', '.join(_ABSENT)}")
    return Unknown(what=one.annotation_kind or next(iter(payload)), payload=payload)


def _keep_more(one: wire.Object, others: Sequence[str], shape: Geometry, kept: dict[str, Any]) -> None:
    """Keep what stands beside the shape: further shapes, the size of the page, unknown keys."""
    kept.update((key, plain(getattr(one, key))) for key in others)
    if one.page_dimensions is not UNSET:
        kept["page_dimensions"] = one.page_dimensions
    if not isinstance(shape, Unknown) or shape.payload is not one.extra:
        kept.update(one.extra or {})


def classification(one: wire.Classification) -> Classification:
    """A question with its answers, to any depth; answers of an unknown kind stand in `extra`."""
    picked = one.radio_answer or one.conversational_radio_answer
    listed = one.checklist_answers
    if listed is None:
        listed = one.conversational_checklist_answers
    text = one.text_answer or one.conversational_text_answer
    kept = one.extra
    if text is not None and text.extra:
        kept = (kept or {}) | {"text_answer": text.extra}
    return Classification(
        tool_name=one.name,
        kind="radio" if picked else "checklist" if listed is not None else "text" if text else "unknown",
        answers=(_answer(picked),) if picked else tuple([_answer(answer) for answer in listed or ()]),
        text=text.content if text else None,
        tool_id=one.feature_schema_id,
        id=one.feature_id,
        value=one.value,
        confidence=one.confidence,
        message_id=one.message_id,
        extra={NAME: kept} if kept else {},
    )


def classifications(questions: Sequence[wire.Classification]) -> tuple[Classification, ...]:
    """All questions of a list."""
    return tuple([classification(one) for one in questions]) if questions else ()


def _answer(one: wire.Answer) -> Answer:
    return Answer(
        name=one.name,
        option_id=one.feature_schema_id,
        id=one.feature_id,
        value=one.value,
        confidence=one.confidence,
        classifications=classifications(one.classifications) if one.classifications else (),
        extra={NAME: one.extra} if one.extra else {},
    )
