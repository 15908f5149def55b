"""Answers of workers as annotations: what an element is, its value's shape says, never its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from msgspec import UNSET, Raw

from annokit.errors import AnnokitError, DecodeError, InputError, LimitExceeded
from annokit.formats._ground_truth import wire
from annokit.formats._ground_truth.pixels import Pixels
from annokit.formats._ground_truth.text import Offsets
from annokit.geometry import parse_points
from annokit.io.faults import BAD_JSON, Spot, decode_error, spot_path
from annokit.io.salvage import decoder, salvage
from annokit.model import (
    Annotation,
    Answer,
    Box,
    Classification,
    Geometry,
    Line,
    ObjectAnnotation,
    Point,
    Polygon,
    TextSpan,
    Unknown,
)

__all__ = ["Content", "ContentReader", "Element", "RejectObject", "kind_of_unit"]

Content: TypeAlias = wire.Content | str
RejectObject: TypeAlias = Callable[[str, str, AnnokitError, bytes], None]
"""Called as ``reject(kind, path, error, raw)`` with an object that cannot be read."""


class Element:
    """What one element became: annotations, and what the label keeps of it beside them.

    Attributes
    ----------
    size : (int, int) or None
        Height and width of the image the worker saw.
    media : str or None
        What kind of data the element marks, where that can be told.
    kept : dict or None
        Keys that became nothing.
    frame_count : int or None
        Of a video.
    is_plain : bool
        It is annotations and no more.
    """

    __slots__ = ("annotations", "frame_count", "is_plain", "kept", "media", "size")

    def __init__(
        self,
        annotations: tuple[Annotation, ...],
        size: tuple[int, int] | None = None,
        media: str | None = None,
        kept: dict[str, Any] | None = None,
        frame_count: int | None = None,
    ) -> None:
        self.annotations, self.size, self.media, self.kept = annotations, size, media, kept
        self.frame_count = frame_count
        self.is_plain = size is None and media is None and not kept


class ContentReader:
    """Makes annotations of the values under the names of elements.

    Parameters
    ----------
    format : str
        Under which name an annotation's `extra` says its element.
    pixels : Pixels
        Makes masks of the PNGs.
    offsets : Offsets
        What the offsets of text count.
    """

    def __init__(self, format: str, pixels: Pixels, offsets: Offsets) -> None:
        self._format, self._pixels, self._offsets = format, pixels, offsets
        self._radio = lru_cache(maxsize=4096)(lambda name, label: Element((self._new_radio(name, label),)))

    def known(
        self, name: str, content: Content, text: str | None, spot: Spot, reject: RejectObject
    ) -> Element:
        """The annotations of an element of which every key is known."""
        if isinstance(content, str):
            return Element((self._text(name, content),))
        if content.label is not UNSET and content.worker_comment is None and content.extra is None:
            return self._radio(name, content.label)
        return self._marked(name, content, text, spot, reject)

    def loose(self, name: str, raw: Raw, text: str | None, spot: Spot, reject: RejectObject) -> Element:
        """The annotations of an element, whatever stands there; what no shape fits is kept as it is."""

        def left_out(unit: str, place: str, error: AnnokitError, part: bytes) -> None:
            rejected.append((kind_of_unit(unit, place), place, error, part))

        rejected: list[tuple[str, str, AnnokitError, bytes]] = []
        try:
            content = salvage(raw, wire.Content | str, spot_path(spot), reject=left_out)
        except (DecodeError, LimitExceeded):
            content = None
        if isinstance(content, str) or (content is not None and is_shape(content)):
            for one in rejected:
                reject(*one)
            return self.known(name, content, text, spot, reject)
        try:
            return Element((self._plain(name, raw),))
        except BAD_JSON as error:
            reject("object:unknown", spot_path(spot), decode_error(error, spot_path(spot)), bytes(raw))
            return Element(())

    def _plain(self, name: str, raw: Raw) -> Annotation:
        """A field of a custom template: boxes that were ticked, a number; else what is not known."""
        value = decoder(Any).decode(raw)
        extra = self._extra(name)
        if isinstance(value, dict) and value and all(type(one) is bool for one in value.values()):
            extra[self._format]["values"] = value
            ticked = tuple([Answer(name=key) for key, one in value.items() if one])
            return Classification(tool_name=name, kind="checklist", answers=ticked, extra=extra)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return Classification(tool_name=name, kind="number", text=bytes(raw).decode(), extra=extra)
        return ObjectAnnotation(tool_name=name, geometry=Unknown(what=name, payload=value), extra=extra)

    def _marked(
        self, name: str, content: wire.Content, text: str | None, spot: Spot, reject: RejectObject
    ) -> Element:
        found: list[Annotation] = list(self._answers(name, content))
        found += [self._object(name, one, _box(one)) for one in content.bounding_boxes or ()]
        found += [self._object(name, one, Point(x=one.x, y=one.y)) for one in content.keypoints or ()]
        for key, made in (("polygons", Polygon), ("polylines", Line), ("lines", Line)):
            if outlines := getattr(content, key):
                found += self._outlines(name, outlines, made, (spot, key), reject)
        if content.entities:
            found += self._entities(name, content.entities, text)
        size = content.input_image_properties
        height_width = None if size is None else (size.height, size.width)
        found += self._painted(name, content, height_width, spot, reject)
        kept = dict(content.extra or {})
        if content.initial_value_modified is not UNSET:
            kept["initialValueModified"] = content.initial_value_modified
        return Element(tuple(found), height_width, None if content.entities is UNSET else "text", kept)

    def _answers(self, name: str, content: wire.Content) -> Iterator[Classification]:
        if content.label is not UNSET:
            yield self._commented(self._new_radio(name, content.label), content.worker_comment)
        if content.labels is not UNSET:
            answers = tuple([Answer(name=label) for label in content.labels])
            made = Classification(tool_name=name, kind="checklist", answers=answers, extra=self._extra(name))
            yield self._commented(made, content.worker_comment)

    def _commented(self, question: Classification, comment: str | None) -> Classification:
        if comment is None:
            return question
        said = Classification(tool_name="workerComment", kind="text", text=comment)
        return Classification(
            tool_name=question.tool_name,
            kind=question.kind,
            answers=question.answers,
            classifications=(said,),
            extra=question.extra,
        )

    def _outlines(
        self,
        name: str,
        outlines: Sequence[wire.Outline],
        made: type[Polygon | Line],
        spot: Spot,
        reject: RejectObject,
    ) -> Iterator[ObjectAnnotation]:
        shapes = parse_points([one.vertices for one in outlines])
        for index, (one, points) in enumerate(zip(outlines, shapes, strict=True)):
            if isinstance(points, AnnokitError):
                kind = "object:polygon" if made is Polygon else "object:line"
                reject(kind, spot_path(((spot, index), "vertices")), points, bytes(one.vertices))
            else:
                yield self._object(name, one, made(coords=points))

    def _entities(
        self, name: str, entities: Sequence[wire.Entity], text: str | None
    ) -> Iterator[ObjectAnnotation]:
        spans = self._offsets.spans([(one.start_offset, one.end_offset) for one in entities], text)
        for one, (start, end) in zip(entities, spans, strict=True):
            quoted = text[start:end] if text is not None and 0 <= start <= end <= len(text) else None
            yield self._object(name, one, TextSpan(start=start, end=end, text=quoted))

    def _painted(
        self,
        name: str,
        content: wire.Content,
        size: tuple[int, int] | None,
        spot: Spot,
        reject: RejectObject,
    ) -> Iterator[ObjectAnnotation]:
        """A mask for each instance, or for each class of which there are pixels."""
        instances = [(one.label or name, one.color, one.extra) for one in content.instances or ()]
        mappings = content.label_mappings or {}
        painted = instances + [(label, one.color, one.extra) for label, one in mappings.items()]
        if content.labeled_image is None or not painted:
            return
        try:
            masks = self._pixels.masks(
                content.labeled_image.png_image_data, [color for _, color, _ in painted], size
            )
        except (InputError, LimitExceeded) as error:
            for _ in painted:
                reject("object:mask", spot_path((spot, "labeledImage")), error, b"")
            return
        for index, ((label, color, more), mask) in enumerate(zip(painted, masks, strict=True)):
            if len(mask.counts) > 1 or index < len(instances):  # a class that was not used is no object
                extra = self._extra(name, {"color": color, **(more or {})})
                yield ObjectAnnotation(tool_name=label, geometry=mask, extra=extra)

    def _object(
        self, name: str, one: wire.Marked | wire.Outline | wire.Spot | wire.Entity, shape: Geometry
    ) -> ObjectAnnotation:
        return ObjectAnnotation(
            tool_name=one.label or name, geometry=shape, extra=self._extra(name, one.extra)
        )

    def _new_radio(self, name: str, label: str) -> Classification:
        return Classification(
            tool_name=name, kind="radio", answers=(Answer(name=label),), extra=self._extra(name)
        )

    def _text(self, name: str, text: str) -> Classification:
        return Classification(tool_name=name, kind="text", text=text, extra=self._extra(name))

    def _extra(self, name: str, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return {self._format: {"element": name, **more} if more else {"element": name}}


def _box(one: wire.Marked) -> Box:
    return Box(x=one.left, y=one.top, width=one.width, height=one.height)


def is_shape(content: wire.Content) -> bool:
    """Whether it has the key of one of the crowd elements."""
    return any(getattr(content, key) is not UNSET for key in wire.SHAPES)


def kind_of_unit(unit: str, path: str) -> str:
    """What an object that cannot be read is counted as.

    >>> kind_of_unit("object:outline", "$.answers[0].polygons[2]"), kind_of_unit("object:box", "$")
    ('object:polygon', 'object:box')
    """
    if unit != "object:outline":
        return unit
    return "object:polygon" if ".polygons[" in path else "object:line"
