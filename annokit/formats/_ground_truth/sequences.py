"""Labels of videos: ``SeqLabel.json``, the frames of a sequence with what is marked in each.

Objects with an identity become tracks, others objects of their frame. Cuboids of point clouds are kept as
they came. Frames are those of the file, from 0 on; ids come as strings or as numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Raw, field

from annokit.errors import AnnokitError, DecodeError, InputError, Where, shown
from annokit.geometry import parse_points
from annokit.io.faults import BAD_JSON, Spot, decode_error, spot_path
from annokit.io.salvage import Reject, Wire, decoder, salvage
from annokit.model import (
    Annotation,
    Answer,
    Box,
    Classification,
    FrameRange,
    Geometry,
    Line,
    ObjectAnnotation,
    Point,
    Polygon,
    Track,
    Unknown,
)

__all__ = ["FORMAT_NAME", "SequenceLabels", "SequenceReader", "is_sequence"]

FORMAT_NAME = "ground-truth"
_LISTS = ("tracking-annotations", "detection-annotations")
_KEYS = frozenset(_LISTS)


_NO_TEXT = Raw(b"")
"""Stands for vertices a mark does not have."""


class _Mark(Wire, rename="kebab"):
    unit = "object:box"
    class_id: int | str | None = None
    object_id: str | None = None
    object_name: str | None = None
    label_category_attributes: dict[str, Any] | None = None
    left: float | None = None
    top: float | None = None
    width: float | None = None
    height: float | None = None
    x: float | None = None
    y: float | None = None
    vertices: Raw = _NO_TEXT


class _Frame(Wire):
    number: int | str | None = field(name="frame-no", default=None)
    number_3d: int | str | None = field(name="frame-number", default=None)
    frame: str | None = None
    name_3d: str | None = field(name="frame-name", default=None)
    attributes: dict[str, Any] | None = field(name="frame-attributes", default=None)
    annotations: list[_Mark] = []
    polygons: list[_Mark] = []
    polylines: list[_Mark] = []
    keypoints: list[_Mark] = []


class _Seen(NamedTuple):
    """One mark in its frame."""

    frame: int
    mark: _Mark
    shape: Geometry


class SequenceLabels(NamedTuple):
    """What a file holds: annotations, the names of its frames by number, how many frames there are."""

    annotations: tuple[Annotation, ...]
    frame_names: dict[str, str]
    frame_count: int


def is_sequence(members: Iterable[str]) -> bool:
    """Whether these are the top keys of a SeqLabel.json (of one sensor)."""
    return not _KEYS.isdisjoint(members)


class SequenceReader:
    """Reads the text of one SeqLabel.json.

    Parameters
    ----------
    names : mapping
        The class of each class id; without it the object's name says (``car:1``), else the id.
    reject : callable
        Called as ``reject(kind, path, error, raw)``.
    """

    def __init__(self, names: Mapping[str, str], reject: Reject) -> None:
        self._names, self._reject = names, reject

    def read(self, raw: bytes) -> SequenceLabels:
        """Its tracks and objects.

        Raises
        ------
        DecodeError
            It is no such file.
        """
        try:
            members: dict[str, Raw] = decoder(dict[str, Raw]).decode(raw)
        except BAD_JSON as error:
            raise decode_error(error, "$", raw) from None
        sensors = {None: members} if is_sequence(members) else self._sensors(members)
        annotations: list[Annotation] = []
        frames: dict[str, str] = {}
        highest = -1
        for sensor, lists in sensors.items():
            spot: Spot = "$" if sensor is None else ("$", sensor)
            for key in (key for key in _LISTS if key in lists):
                found = self._frames(lists[key], (spot, key))
                annotations += self._annotations(found, sensor, (spot, key))
                frames |= {str(n): name for n, one in found if (name := one.frame or one.name_3d)}
                highest = max([highest, *[number for number, _ in found]])
        return SequenceLabels(tuple(annotations), frames, highest + 1)

    def _sensors(self, members: dict[str, Raw]) -> dict[str | None, dict[str, Raw]]:
        """The parts of a file about several sensors: a lidar and its cameras."""
        found: dict[str | None, dict[str, Raw]] = {}
        for sensor, raw in members.items():
            try:
                lists = decoder(dict[str, Raw]).decode(raw)
            except BAD_JSON:
                continue
            if is_sequence(lists):
                found[sensor] = lists
        if not found:
            raise DecodeError("expected tracking-annotations or detection-annotations, got none of them")
        return found

    def _frames(self, raw: Raw, spot: Spot) -> list[tuple[int, _Frame]]:
        def left_out(unit: str, path: str, error: AnnokitError, part: bytes) -> None:
            self._reject(unit, path, error, part)

        frames = salvage(raw, list[_Frame], spot_path(spot), reject=left_out)
        return [(_number(frame, index, (spot, index)), frame) for index, frame in enumerate(frames)]

    def _annotations(
        self, frames: Sequence[tuple[int, _Frame]], sensor: str | None, spot: Spot
    ) -> Iterator[Annotation]:
        tracked: dict[tuple[str, str], list[_Seen]] = {}
        for index, (number, frame) in enumerate(frames):
            for seen in self._seen(number, frame, (spot, index)):
                identity = seen.mark.object_id or seen.mark.object_name
                if identity is None or isinstance(seen.shape, Unknown):
                    yield self._object(seen, sensor)
                else:
                    tracked.setdefault((identity, seen.shape.kind), []).append(seen)
        for (identity, _), marks in tracked.items():
            try:
                yield self._track(identity, marks, sensor)
            except InputError as error:
                self._reject("tracks", spot_path(spot), error, identity.encode())
        yield from _questions([(number, frame.attributes or {}) for number, frame in frames])

    def _seen(self, number: int, frame: _Frame, spot: Spot) -> Iterator[_Seen]:
        """The marks of a frame that have a shape."""
        for key in ("annotations", "polygons", "polylines", "keypoints"):
            marks: list[_Mark] = getattr(frame, key)
            shapes = iter(parse_points([one.vertices for one in marks if one.vertices is not _NO_TEXT]))
            for index, mark in enumerate(marks):
                points = None if mark.vertices is _NO_TEXT else next(shapes)
                try:
                    if isinstance(points, AnnokitError):
                        raise points
                    yield _Seen(number, mark, _shape(mark, points, key))
                except AnnokitError as error:
                    kind = f"object:{_KINDS.get(key, 'box')}"
                    path = spot_path(((spot, key), index))
                    self._reject(kind, path, error, msgspec.json.encode(mark.object_name))

    def _class(self, mark: _Mark) -> str:
        known = self._names.get(str(mark.class_id))
        own = (mark.extra or {}).get("label")
        named = (mark.object_name or "").rpartition(":")[0]
        return known or (own if isinstance(own, str) else "") or named or str(mark.class_id)

    def _object(self, seen: _Seen, sensor: str | None) -> ObjectAnnotation:
        attributes = seen.mark.label_category_attributes or {}
        return ObjectAnnotation(
            tool_name=self._class(seen.mark),
            geometry=seen.shape,
            id=seen.mark.object_id,
            value=_text(seen.mark.class_id),
            frame=seen.frame,
            classifications=tuple(
                [
                    Classification(tool_name=name, kind="radio", answers=(Answer(name=_said(value)),))
                    for name, value in attributes.items()
                ]
            ),
            extra=_extra(seen.mark, sensor),
        )

    def _track(self, identity: str, marks: Sequence[_Seen], sensor: str | None) -> Track:
        first = marks[0]
        marks = sorted(marks, key=lambda seen: seen.frame)
        points = [_points(seen.shape) for seen in marks]
        frames = [seen.frame for seen in marks]
        return Track(
            tool_name=self._class(first.mark),
            kind=first.shape.kind,  # type: ignore[arg-type]  # one of the shapes made here
            frames=frames,  # type: ignore[arg-type]  # made an array by the record
            is_keyframe=np.ones(len(frames), np.bool_),
            values=np.concatenate(points),
            offsets=np.cumsum([0, *map(len, points)]),
            segments=_runs(frames),  # type: ignore[arg-type]
            id=identity,
            value=_text(first.mark.class_id),
            classifications=tuple(
                _questions([(seen.frame, seen.mark.label_category_attributes or {}) for seen in marks])
            ),
            extra=_extra(first.mark, sensor),
        )


_KINDS = {"polygons": "polygon", "polylines": "line", "keypoints": "point"}


def _number(frame: _Frame, index: int, spot: Spot) -> int:
    """The number of a frame; its place in the list where it has none."""
    stated = frame.number if frame.number is not None else frame.number_3d
    if stated is None:
        return index
    try:
        number = int(stated)
    except ValueError:
        number = -1
    if number < 0:
        where = Where(path=spot_path((spot, "frame-no")))
        raise DecodeError(f"expected the number of a frame, got {shown(stated)}", where=where)
    return number


def _shape(mark: _Mark, points: Any, key: str) -> Geometry:
    if mark.extra and "center-x" in mark.extra:
        known = {
            name: value for name in ("length", "width", "height") if (value := getattr(mark, name, None))
        }
        return Unknown(what="cuboid", payload=known | mark.extra)
    if points is not None:
        return Polygon(coords=points) if key == "polygons" else Line(coords=points)
    if mark.x is not None and mark.y is not None:
        return Point(x=mark.x, y=mark.y)
    sides = (mark.left, mark.top, mark.width, mark.height)
    if None in sides:
        raise DecodeError("expected left, top, width and height, or vertices, or x and y")
    left, top, width, height = (side or 0.0 for side in sides)
    return Box(x=left, y=top, width=width, height=height)


def _points(shape: Geometry) -> Any:
    """The rows a track has for a shape."""
    if isinstance(shape, Box):
        return np.array([(shape.x, shape.y), (shape.width, shape.height)])
    if isinstance(shape, Point):
        return np.array([(shape.x, shape.y)])
    return shape.coords  # type: ignore[union-attr]  # a polygon or a line


def _runs(frames: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each stretch of consecutive frames.

    >>> _runs([0, 1, 2, 5])
    [(0, 2), (5, 5)]
    """
    breaks = [after for before, after in pairwise(frames) if after > before + 1]
    ends = [before for before, after in pairwise(frames) if after > before + 1]
    return list(zip([frames[0], *breaks], [*ends, frames[-1]], strict=True))


def _questions(stated: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[Classification]:
    """Attributes that may change from frame to frame: a question each, with the frames of every answer."""
    frames: dict[str, dict[str, list[int]]] = {}
    for number, attributes in sorted(stated, key=lambda one: one[0]):
        for name, value in attributes.items():
            frames.setdefault(name, {}).setdefault(_said(value), []).append(number)
    for name, answers in frames.items():
        yield Classification(
            tool_name=name,
            kind="radio",
            answers=tuple(
                [
                    Answer(name=said, frames=tuple([FrameRange(start=a, end=b) for a, b in _runs(numbers)]))
                    for said, numbers in answers.items()
                ]
            ),
        )


def _said(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _text(class_id: int | str | None) -> str | None:
    return None if class_id is None else str(class_id)


def _extra(mark: _Mark, sensor: str | None) -> dict[str, Any]:
    kept: dict[str, Any] = (
        {} if isinstance(mark.extra, dict) and "center-x" in mark.extra else dict(mark.extra or {})
    )
    if mark.object_name is not None:
        kept["object-name"] = mark.object_name
    if sensor is not None:
        kept["sensor"] = sensor
    return {FORMAT_NAME: kept} if kept else {}
