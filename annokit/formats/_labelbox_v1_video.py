"""Tracks out of the frames that Labelbox's legacy export lists for a video."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from msgspec import UNSET
from msgspec.structs import replace

from annokit.errors import GeometryError
from annokit.formats import _labelbox_v1_wire as wire
from annokit.formats._labelbox import NO_TEXT
from annokit.formats._labelbox_v1_objects import NAME, ObjectBuilder, classifications
from annokit.model import (
    Annotation,
    Asset,
    Box,
    Classification,
    FrameRange,
    Geometry,
    Line,
    Mask,
    MaskReference,
    Point,
    Polygon,
    Track,
)
from annokit.model.base import Floats, Indices

__all__ = ["video_annotations"]

_KINDS = {Box: "box", Point: "point", Line: "line", Polygon: "polygon", MaskReference: "mask", Mask: "mask"}


def video_annotations(
    frames: Sequence[wire.Frame], builder: ObjectBuilder, asset: Asset
) -> tuple[Annotation, ...]:
    """A track for each identity, and the questions about frames with the ranges in which they hold.

    Raises
    ------
    InputError
        An object that cannot be read, changes its kind of shape, or stands in one frame twice.
    """
    ordered = sorted(frames, key=lambda frame: frame.frame_number)
    tracks: dict[str, list[tuple[int, wire.Object]]] = {}
    for frame in ordered:
        for one in frame.objects:
            if one.feature_id is None:
                raise GeometryError(f"expected a featureId in frame {frame.frame_number}, got none")
            tracks.setdefault(one.feature_id, []).append((frame.frame_number - 1, one))
    asked = _ranged([(frame.frame_number - 1, frame.classifications) for frame in ordered])
    return *(_track(entries, builder, asset) for entries in tracks.values()), *asked


def _track(entries: Sequence[tuple[int, wire.Object]], builder: ObjectBuilder, asset: Asset) -> Track:
    first = entries[0][1]
    shapes = [builder.shape(one, asset, {})[0] for _, one in entries]
    kinds = {_KINDS.get(type(shape), "") for shape in shapes}
    if len(kinds) > 1 or "" in kinds:
        raise GeometryError(f"expected shapes of one kind in the track {first.feature_id}")
    points = [_points(shape) for shape in shapes]
    frames = np.array([frame for frame, _ in entries], np.int64)
    return Track(
        tool_name=first.title,
        kind=kinds.pop(),  # type: ignore[arg-type]  # a set of the words in _KINDS
        frames=frames,
        is_keyframe=np.array([one.keyframe is not False for _, one in entries]),
        values=np.concatenate(points),
        offsets=np.cumsum([0, *map(len, points)]),
        masks=tuple([shape for shape in shapes if isinstance(shape, Mask | MaskReference)]),
        segments=_runs(frames),
        id=first.feature_id,
        tool_id=first.schema_id,
        value=first.value,
        classifications=_ranged([(frame, one.classifications) for frame, one in entries]),
        extra=_kept(entries),
    )


def _points(shape: Geometry) -> Floats:
    """The rows a track holds of a shape."""
    if isinstance(shape, Box):
        return np.array([(shape.x, shape.y), (shape.width, shape.height)])
    if isinstance(shape, Point):
        return np.array([(shape.x, shape.y)])
    return shape.coords if isinstance(shape, Line | Polygon) else np.empty((0, 2))


def _runs(frames: Indices) -> Indices:
    """First and last of each run of consecutive frames."""
    breaks = np.flatnonzero(np.diff(frames) > 1)
    return np.stack([frames[np.r_[0, breaks + 1]], frames[np.r_[breaks, len(frames) - 1]]], axis=1)


def _ranged(asked: Sequence[tuple[int, wire.Questions]]) -> tuple[Classification, ...]:
    """Each question once, with the frames in which it has the same answer."""
    found: dict[bytes, tuple[Classification, list[int]]] = {}
    for frame, questions in asked:
        for one in classifications(questions):
            found.setdefault(msgspec.json.encode(one), (one, []))[1].append(frame)
    return tuple(
        [
            replace(
                one, frames=tuple([FrameRange(start=a, end=b) for a, b in _runs(np.array(frames)).tolist()])
            )
            for one, frames in found.values()
        ]
    )


def _kept(entries: Sequence[tuple[int, wire.Object]]) -> dict[str, dict[str, object]]:
    """The colour, and what single frames have beside their shape: under their number in the export."""
    first = entries[0][1]
    kept: dict[str, object] = {} if first.color is UNSET else {"color": first.color}
    frames = {str(frame + 1): more for frame, one in entries if (more := _kept_of_frame(one))}
    if frames:
        kept["frames"] = frames
    return {NAME: kept} if kept else {}


def _kept_of_frame(one: wire.Object) -> dict[str, object]:
    is_mask = one.bbox is None and one.point is None and one.polygon is one.line is NO_TEXT
    link = {} if is_mask or one.instance_uri is None else {"instanceURI": one.instance_uri}
    return link | (one.extra or {})
