"""What one annotator said of one data row: objects, classifications, relationships, tracks."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from msgspec.structs import force_setattr, replace

from annokit.errors import GeometryError, number_of
from annokit.model.base import Bools, Floats, Indices, Record, as_readonly, check_depth
from annokit.model.geometry import Box, Geometry, Line, Mask, MaskReference, Point, Polygon

__all__ = [
    "Annotation",
    "Answer",
    "Classification",
    "FrameRange",
    "ObjectAnnotation",
    "Provenance",
    "Relationship",
    "Space",
    "Track",
]

Space: TypeAlias = Literal["pixel", "geo", "page", "normalised"]


class FrameRange(Record, kw_only=True):
    """Frames `start` to `end`, 0-based, both included; of audio, which has no frames, milliseconds."""

    start: int
    end: int


class Answer(Record, kw_only=True):
    """One chosen option, with the classifications nested under it."""

    name: str
    option_id: str | None = None
    id: str | None = None
    value: str | None = None
    confidence: float | None = None
    classifications: tuple[Classification, ...] = ()
    frames: tuple[FrameRange, ...] = ()
    extra: dict[str, Any] = {}


class Classification(Record, tag="classification", tag_field="type", kw_only=True):
    """An answer to a question about a data row, an object or a frame.

    `answers` for radio (one) and checklist (any number); `text` for text, dates and numbers.
    """

    tool_name: str
    kind: Literal["radio", "checklist", "text", "date", "number", "unknown"]
    answers: tuple[Answer, ...] = ()
    text: str | None = None
    tool_id: str | None = None
    id: str | None = None
    value: str | None = None
    confidence: float | None = None
    frames: tuple[FrameRange, ...] = ()
    message_id: str | None = None
    classifications: tuple[Classification, ...] = ()
    extra: dict[str, Any] = {}

    def __post_init__(self) -> None:
        for holder in (self, *(self.answers or ())):
            if getattr(holder, "classifications", ()):  # few have any
                check_depth(self, "answers")
                return


class Provenance(Record, kw_only=True):
    """One annotation that went into a merged one."""

    label_id: str
    annotation_id: str


class ObjectAnnotation(Record, tag="object", tag_field="type", kw_only=True):
    """One marked object.

    Attributes
    ----------
    tool_name, tool_id, value : str
        The class: display name, the platform's stable id (`feature_schema_id`) and machine name.
    geometry : Geometry
        The shape.
    box : Box or None
        The bounding box where the source states one beside the geometry (COCO does); see `reshaped`.
    space, page, frame
        Coordinate space, page of a document, 0-based frame of a video.
    track_id : str or None
        The id of the track of which this is one frame.
    is_crowd : bool
        The shape stands for a group (COCO `iscrowd`).
    sources : tuple of Provenance
        The annotations merged into this one.
    extra : dict
        What only one format knows, under its name; only that format writes it back.
    """

    tool_name: str
    geometry: Geometry
    id: str | None = None
    tool_id: str | None = None
    value: str | None = None
    box: Box | None = None
    classifications: tuple[Classification, ...] = ()
    confidence: float | None = None
    space: Space = "pixel"
    page: int | None = None
    frame: int | None = None
    track_id: str | None = None
    is_crowd: bool = False
    sources: tuple[Provenance, ...] = ()
    extra: dict[str, Any] = {}

    def reshaped(self, geometry: Geometry) -> ObjectAnnotation:
        """The object with another shape, without what its source states of the old one: the box, and COCO's area.

        `msgspec.structs.replace` would keep both, and writers would write them.

        >>> from annokit.model import Box
        >>> old = ObjectAnnotation(tool_name="car", geometry=Box(x=0, y=0, width=2, height=2), extra={"coco": {"area": 4}})
        >>> new = old.reshaped(Box(x=0, y=0, width=3, height=3))
        >>> new.geometry.width, new.extra
        (3, {'coco': {}})
        """
        extra = self.extra
        if "area" in extra.get("coco", {}):
            extra = extra | {"coco": {key: value for key, value in extra["coco"].items() if key != "area"}}
        return replace(self, geometry=geometry, box=None, extra=extra)


class Relationship(Record, tag="relationship", tag_field="type", kw_only=True):
    """A named link between two annotations of one label, by their ids."""

    tool_name: str
    source: str | None = None
    target: str | None = None
    directed: bool = True
    id: str | None = None
    tool_id: str | None = None
    value: str | None = None
    extra: dict[str, Any] = {}


class Track(Record, tag="track", tag_field="type", kw_only=True):
    """One identity over the frames of a video, in columns.

    Attributes
    ----------
    kind : str
        The shape of every frame: `box`, `point`, `line`, `polygon` or `mask`.
    frames : int64 (n,)
        The 0-based frames with geometry, rising.
    is_keyframe : bool (n,)
        True where a person placed the shape, False where it was interpolated.
    values, offsets : float64 (k, 2), int64 (n + 1,)
        The points of frame i are ``values[offsets[i]:offsets[i + 1]]``; a box is two rows:
        (x, y) and (width, height), a point one. Empty for masks, which stand in `masks`.
    segments : int64 (m, 2)
        First and last frame (both included) of each stretch in which the object is visible.
    """

    tool_name: str
    kind: Literal["box", "point", "line", "polygon", "mask"]
    frames: Indices
    is_keyframe: Bools
    values: Floats = None  # type: ignore[assignment]  # filled in below
    offsets: Indices = None  # type: ignore[assignment]
    masks: tuple[Mask | MaskReference, ...] = ()
    segments: Indices = None  # type: ignore[assignment]
    id: str | None = None
    tool_id: str | None = None
    value: str | None = None
    classifications: tuple[Classification, ...] = ()
    confidence: float | None = None
    extra: dict[str, Any] = {}

    def __post_init__(self) -> None:
        frames = as_readonly(self.frames, np.dtype(np.int64), (None,))
        arrays = {
            "frames": frames,
            "is_keyframe": as_readonly(self.is_keyframe, np.dtype(np.bool_), (len(frames),)),
            "values": as_readonly(
                [] if self.values is None else self.values, np.dtype(np.float64), (None, 2)
            ),
            "offsets": self._spread(len(frames)),
            "segments": as_readonly(
                [] if self.segments is None else self.segments, np.dtype(np.int64), (None, 2)
            ),
        }
        if (frames[1:] <= frames[:-1]).any() or (len(frames) and frames[0] < 0):
            raise GeometryError("expected frames that rise from 0 on")
        if self.kind == "mask" and len(self.masks) != len(frames):
            raise GeometryError(f"expected a mask for each of {len(frames)} frames, got {len(self.masks)}")
        if arrays["offsets"][-1] != len(arrays["values"]) or _falls(arrays["offsets"]):
            raise GeometryError(f"expected offsets that rise to {len(arrays['values'])}")
        rows = _ROWS.get(self.kind)
        if rows and (np.diff(arrays["offsets"]) != rows).any():
            problem = f"expected {number_of(rows, 'row')} of values for each frame of a {self.kind} track"
            raise GeometryError(f"{problem}, got offsets {arrays['offsets'].tolist()[:8]}")
        for name, array in arrays.items():
            force_setattr(self, name, array)

    def _spread(self, frames: int) -> Indices:
        given: Any = self.offsets
        if given is not None:
            return as_readonly(given, np.dtype(np.int64), (frames + 1,))
        rows = _ROWS.get(self.kind)
        if rows is None and frames:
            raise GeometryError(f"expected offsets for a track of kind {self.kind}")
        return as_readonly(np.arange(frames + 1) * (rows or 0), np.int64)

    def geometry(self, index: int) -> Box | Point | Line | Polygon | Mask | MaskReference:
        """The shape of the `index`-th entry of `frames`."""
        if self.kind == "mask":
            return self.masks[index]
        points = self.values[self.offsets[index] : self.offsets[index + 1]]
        if self.kind == "box":
            (x, y), (width, height) = points.tolist()
            return Box(x=x, y=y, width=width, height=height)
        if self.kind == "point":
            x, y = points[0].tolist()
            return Point(x=x, y=y)
        return Line(coords=points) if self.kind == "line" else Polygon(coords=points)


_ROWS = {"box": 2, "point": 1, "mask": 0}
"""How many rows of `values` a frame has, where all have as many."""


def _falls(numbers: Indices) -> bool:
    return bool((numbers[1:] < numbers[:-1]).any())


Annotation: TypeAlias = ObjectAnnotation | Classification | Relationship | Track
