"""Annotations out of the decoded lines of Labelbox import NDJSON."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import UNSET

from annokit.errors import AnnokitError, DecodeError, GeometryError, Where
from annokit.formats._labelbox.objects import NAME as EXPORT
from annokit.formats._labelbox.shared import NO_TEXT, Batch, parse_rings, plain, polygon_of
from annokit.formats._labelbox.tracks import box_columns, columns, final, ranged
from annokit.formats._labelbox_import import wire
from annokit.geometry import masks_of, parse_points
from annokit.io.images import read_png_pixels
from annokit.model import (
    Annotation,
    Answer,
    Box,
    Classification,
    FrameRange,
    Geometry,
    Line,
    Mask,
    MaskReference,
    ObjectAnnotation,
    Point,
    Relationship,
    TextSpan,
    TokenGroup,
    TokenSpan,
    Track,
    Unknown,
)
from annokit.model.annotation import Space
from annokit.model.base import Floats
from annokit.run import Run

__all__ = ["NAME", "PLANES", "AnnotationBuilder", "medium"]

NAME = "labelbox-import"
PLANES = {"axial": "Axial", "sagittal": "Sagittal", "coronal": "Coronal"}
"""The planes of a volume, as import files spell them and as exports do."""
_METRIC = ("metric_value", "metric_name", "feature_name", "subclass_name", "aggregation")


class AnnotationBuilder:
    """Makes the annotations of one batch of lines; the points of all its outlines are parsed at once.

    `media` is what the user says the data rows are; of audio, numbers of frames are milliseconds.
    """

    def __init__(self, batch: Batch[wire.Line], media: str | None) -> None:
        self._run: Run = batch.run
        self._space: Space = "geo" if media in ("geo", "tiled") else "pixel"
        self._base = 0 if media == "audio" else 1
        lines = [line for _, line in batch.records]
        rings = [line for line in lines if line.polygon is not NO_TEXT]
        keyframes = [
            one for line in lines if line.segments for part in line.segments for one in part.keyframes
        ]
        drawn: list[Any] = [*lines, *keyframes]
        paths = [one for one in drawn if one.line is not NO_TEXT]
        shapes = parse_rings([line.polygon for line in rings], self._run)
        self._points = dict(zip(map(id, rings), shapes, strict=True))
        self._points |= zip(map(id, paths), parse_points([one.line for one in paths]), strict=True)

    def annotations(self, line: wire.Line) -> Sequence[Annotation]:
        """The annotations of a line: one, but for texts over frames and for the masks of a video.

        Raises
        ------
        InputError
            It is none, or one that cannot be; the path in the error starts at the line.
        """
        if line.segments is not None:
            return [self._track(line, line.segments)]
        if line.masks is not None:
            return self._masks(line, line.masks)
        if line.relationship is not None:
            return [_relationship(line, line.relationship)]
        if line.answer is not None or line.answers is not None:
            return self._questions(line, _kept(line, ("group_key",)))
        return [self._object(line)]

    def _object(self, line: wire.Line) -> ObjectAnnotation:
        kept = _kept(line, ("length_unit", "custom_metrics", "group_key"))
        shape = self._shape(line, kept)
        name = line.name if line.name is not None else line.schema_id
        if name is None:
            name = str(line.metric_name) if line.metric_value is not UNSET and line.metric_name else "metric"
        return ObjectAnnotation(
            tool_name=name,
            geometry=shape,
            id=line.uuid,
            tool_id=line.schema_id,
            classifications=self._below(line.classifications),
            confidence=line.confidence,
            space="page" if line.page is not None or isinstance(shape, TokenSpan) else self._space,
            page=line.page,
            extra={NAME: kept} if kept else {},
        )

    def _shape(self, line: wire.Line, kept: dict[str, Any]) -> Geometry:
        """The shape by the first key that has one."""
        if line.bbox is not None:
            return _box(line.bbox, kept)
        if line.polygon is not NO_TEXT:
            return polygon_of(self._sound(line, "polygon"))
        if line.line is not NO_TEXT:
            return Line(coords=self._sound(line, "line"))
        if line.point is not None:
            return Point(x=line.point.x, y=line.point.y)
        if line.mask is not None:
            return _mask(line.mask, kept, self._run)
        if line.location is not None:
            return _span(line.location, line.message_id)
        if line.text_selections is not None:
            groups = [
                TokenGroup(page=one.page, tokens=tuple(one.token_ids), id=one.group_id)
                for one in line.text_selections
            ]
            return TokenSpan(groups=tuple(groups))
        return _unknown(line, kept)

    def _sound(self, one: Any, key: str) -> Floats:
        points = self._points[id(one)]
        if isinstance(points, AnnokitError):
            points.where = Where(path=f"$.{key}{(points.where.path or '$')[1:]}")
            raise points
        return points

    def _questions(self, line: wire.Line, kept: dict[str, Any]) -> list[Classification]:
        """A question; of texts over frames, one for each text."""
        given = line.answer if line.answer is not None else line.answers
        texts = [one for one in given if one.value is not None] if isinstance(given, list) else []
        if not texts:
            return [self._question(line, kept, uuid=line.uuid)]
        return [
            Classification(
                tool_name=_name(line),
                kind="text",
                text=one.value,
                tool_id=line.schema_id,
                id=line.uuid,
                confidence=one.confidence,
                frames=self._ranges(one.frames or line.frames),
                message_id=line.message_id,
                classifications=self._below(one.classifications),
                extra=_extra(line, kept | _metrics(one) | {"values": True}),
            )
            for one in texts
        ]

    def _question(self, one: wire.Question, kept: dict[str, Any], uuid: str | None = None) -> Classification:
        given = one.answer if one.answer is not None else one.answers
        kind: Any = (
            "radio" if isinstance(given, wire.Answer) else "text" if isinstance(given, str) else "checklist"
        )
        answers = [given] if isinstance(given, wire.Answer) else given if isinstance(given, list) else []
        return Classification(
            tool_name=_name(one),
            kind=kind,
            answers=tuple([self._answer(answer) for answer in answers]),
            text=given if isinstance(given, str) else None,
            tool_id=one.schema_id,
            id=uuid,
            confidence=one.confidence,
            frames=self._ranges(one.frames),
            message_id=one.message_id,
            extra=_extra(one, kept | _metrics(one)),
        )

    def _below(self, questions: Sequence[wire.Question]) -> tuple[Classification, ...]:
        return tuple([self._question(one, dict(one.extra or {})) for one in questions]) if questions else ()

    def _answer(self, one: wire.Answer) -> Answer:
        kept = (one.extra or {}) | _metrics(one)
        return Answer(
            name=_name(one),
            option_id=one.schema_id,
            confidence=one.confidence,
            classifications=self._below(one.classifications),
            frames=self._ranges(one.frames),
            extra={NAME: kept} if kept else {},
        )

    def _ranges(self, frames: Sequence[wire.Frames]) -> tuple[FrameRange, ...]:
        if not frames:
            return ()
        for one in frames:
            if one.end < one.start:
                raise GeometryError(
                    f"expected frames that end after their start, got {one.start} to {one.end}"
                )
        pairs = [(self._frame(one.start), self._frame(one.end)) for one in frames]
        return tuple([FrameRange(start=start, end=end) for start, end in pairs])

    def _frame(self, number: int) -> int:
        """A frame from 0 on; some files have a frame 0, though the platform's first is 1."""
        if number < self._base:
            why = "a frame 0, which the platform does not have, is taken for the first"
            self._run.report.note("frame-zero", "classifications", why, lossy=True)
            return 0
        return number - self._base

    def _track(self, line: wire.Line, segments: Sequence[wire.Segment]) -> Track:
        """The key frames of one object, stretch by stretch."""
        if not all(part.keyframes for part in segments) or not segments:
            raise DecodeError("expected key frames in every segment", where=Where(path="$.segments"))
        found = sorted((one for part in segments for one in part.keyframes), key=lambda one: one.frame)
        self._run.limits.check("max_frames", len(found))
        kept = _kept(line, ("custom_metrics", "group_key"))
        frames = [self._frame(one.frame) for one in found]
        edges = [sorted(one.frame for one in part.keyframes) for part in segments]
        over = [
            (frame, self._below(one.classifications))
            for frame, one in zip(frames, found, strict=True)
            if one.classifications
        ]
        return Track(
            tool_name=_name(line),
            frames=final(frames, np.int64),
            is_keyframe=final([True] * len(found), bool),
            segments=final([(self._frame(edge[0]), self._frame(edge[-1])) for edge in edges], np.int64),
            id=line.uuid,
            tool_id=line.schema_id,
            classifications=(*self._below(line.classifications), *ranged(over)),
            confidence=line.confidence,
            extra=_extra(line, kept),
            **self._columns(found, _name(line)),
        )

    def _columns(self, found: Sequence[wire.Keyframe], name: str) -> Mapping[str, Any]:
        """The shapes of key frames; boxes, which most are, without making each of them."""
        rows = [
            (one.bbox.left, one.bbox.top, one.bbox.width, one.bbox.height)
            for one in found
            if one.bbox is not None and one.bbox.width >= 0 and one.bbox.height >= 0
        ]
        if len(rows) < len(found):
            return columns([self._keyframe(one) for one in found], name)
        return box_columns(rows)

    def _keyframe(self, one: wire.Keyframe) -> Geometry:
        if one.bbox is not None:
            return _box(one.bbox, {})
        if one.point is not None:
            return Point(x=one.point.x, y=one.point.y)
        if one.line is not NO_TEXT:
            return Line(coords=self._sound(one, "line"))
        problem = f"expected a bbox, a point or a line in frame {one.frame}"
        raise DecodeError(problem, where=Where(path="$.segments"))

    def _masks(self, line: wire.Line, masks: wire.Masks) -> list[Track]:
        """A track for each colour of the images; an image in the line itself becomes a data URL."""
        frames = sorted(masks.frames, key=lambda one: one.index)
        uris = [
            one.instance_uri
            if one.instance_uri is not None
            else f"data:image/png;base64,{one.im_bytes or ''}"
            for one in frames
        ]
        numbers = np.array([self._frame(one.index) for one in frames], np.int64)
        kept = _kept(line, ("group_key",))
        return [
            Track(
                tool_name=_name(one),
                kind="mask",
                frames=numbers,
                is_keyframe=np.ones(len(numbers), bool),
                masks=tuple([MaskReference(uri=uri, color=one.color_rgb) for uri in uris]),
                segments=np.column_stack([numbers, numbers]),
                tool_id=one.schema_id,
                id=line.uuid,
                extra=_extra(line, kept),
            )
            for one in masks.instances
        ]


def _name(one: Any) -> str:
    """A name, else the schema id; writers leave out a name that is the id."""
    name = one.name if one.name is not None else one.schema_id
    if name is None:
        raise DecodeError('expected the key "name" or "schemaId", got neither')
    return str(name)


_WIRE = {
    "length_unit": "unit",
    "custom_metrics": "customMetrics",
    "group_key": "groupKey",
    "message_evaluation_task": "messageEvaluationTask",
    "metric_value": "metricValue",
    "metric_name": "metricName",
    "feature_name": "featureName",
    "subclass_name": "subclassName",
    "aggregation": "aggregation",
}


def _kept(line: wire.Line, fields: Sequence[str]) -> dict[str, Any]:
    """What a line has of some fields, and beside all that is known, under the names of the file."""
    kept = {_WIRE[key]: value for key in fields if (value := getattr(line, key)) is not UNSET}
    return kept | line.extra if line.extra else kept


def _extra(one: wire.Question, kept: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept; the plane of a volume under the name that exports have for it."""
    plane = one.group_key if isinstance(one, wire.Line) else None
    if not isinstance(plane, str):
        return {NAME: dict(kept)} if kept else {}
    left = {key: value for key, value in kept.items() if key != "groupKey" or plane not in PLANES}
    return {EXPORT: {"group": PLANES.get(plane, plane)}} | ({NAME: left} if left else {})


def _metrics(one: wire.Question | wire.Answer) -> dict[str, Any]:
    return {} if one.custom_metrics is UNSET else {"customMetrics": one.custom_metrics}


def _box(box: wire.Box, kept: dict[str, Any]) -> Box:
    """A box; on maps one may be drawn upwards, and then has a negative height."""
    x, y, width, height = box.left, box.top, box.width, box.height
    if width < 0 or height < 0:
        kept["bbox"] = plain(box)
        x, y, width, height = x + min(width, 0), y + min(height, 0), abs(width), abs(height)
    elif box.extra:
        kept["bbox"] = box.extra
    return Box(x=x, y=y, width=width, height=height)


def _span(place: wire.Location, message_id: str | None) -> TextSpan:
    """Characters of a text, the last one counted in."""
    if place.end < place.start:
        problem = f"expected an end not before the start {place.start}, got {place.end}"
        raise GeometryError(problem, where=Where(path="$.location.end"))
    return TextSpan(start=place.start, end=place.end + 1, message_id=message_id)


def _mask(mask: wire.Mask, kept: dict[str, Any], run: Run) -> Geometry:
    if mask.instance_uri is not None:
        return MaskReference(uri=mask.instance_uri, color=mask.color_rgb)
    if mask.png is not None:
        return _png_mask(mask.png, run)
    if mask.size is not None and mask.counts is not None:
        height, width = mask.size
        run.limits.check("max_pixels", height * width)
        kept["mask"] = "runs"
        return Mask(counts=np.array(mask.counts, np.uint32), height=height, width=width)
    raise DecodeError("expected an instanceURI or a png, got neither", where=Where(path="$.mask"))


def _png_mask(text: str, run: Run) -> Mask:
    """The pixels that are not 0."""
    from annokit_fast import rle

    try:
        pixels = read_png_pixels(io.BytesIO(base64.b64decode(text, validate=True)), run.limits)
    except binascii.Error as error:
        raise DecodeError(f"expected a PNG in base64: {error}", where=Where(path="$.mask.png")) from error
    return masks_of(rle.encode(pixels.any(axis=2) if pixels.ndim == 3 else pixels != 0))[0]


def _unknown(line: wire.Line, kept: dict[str, Any]) -> Unknown:
    """Metrics of a model and evaluations of a chat, as they came."""
    if line.message_evaluation_task is not UNSET:
        return Unknown(
            what="messageEvaluationTask", payload={"messageEvaluationTask": line.message_evaluation_task}
        )
    if line.metric_value is not UNSET:
        return Unknown(
            what="metric", payload={_WIRE[k]: v for k in _METRIC if (v := getattr(line, k)) is not UNSET}
        )
    if not line.extra:
        raise DecodeError(
            "expected an annotation, got none", hint="bbox, polygon, line, point, mask, answer, ..."
        )
    kept.clear()
    return Unknown(what=next(iter(line.extra)), payload=line.extra)


def _relationship(line: wire.Line, link: wire.Relationship) -> Relationship:
    kept = _kept(line, ())
    if link.extra:
        kept["relationship"] = link.extra
    return Relationship(
        tool_name=_name(line),
        source=link.source,
        target=link.target,
        directed=link.type != "bidirectional",
        id=line.uuid,
        tool_id=line.schema_id,
        extra={NAME: kept} if kept else {},
    )


_MEDIA: tuple[tuple[str, Callable[[wire.Line], bool]], ...] = (
    ("dicom", lambda line: line.group_key is not UNSET),
    ("video", lambda line: line.segments is not None or line.masks is not None or bool(line.frames)),
    (
        "conversation",
        lambda line: line.message_id is not None or line.message_evaluation_task is not UNSET,
    ),
    ("pdf", lambda line: line.page is not None or line.text_selections is not None),
    ("text", lambda line: line.location is not None),
)


def medium(lines: Sequence[wire.Line]) -> str:
    """The medium of a data row, as far as its annotations tell; else image."""
    return next((word for word, fits in _MEDIA if any(map(fits, lines))), "image")
