"""Tracks and ranged answers out of the frames, segments and key frames of Labelbox export v2.

Frames count from 1 there, from 0 in the model. A track has the frames that the file lists: all of them, or the
key frames alone where the export was made without interpolated frames.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace

from annokit.errors import GeometryError, InputError, Where, shown
from annokit.formats._labelbox import wire
from annokit.formats._labelbox.objects import NAME, ObjectBuilder, classification, classifications
from annokit.formats._labelbox.tracks import columns, keyframe_flags, ranged, runs
from annokit.io.faults import Spot, spot_path
from annokit.model import Annotation, Asset, Classification, FrameRange, Geometry, Track
from annokit.model.base import Indices
from annokit.run import Run

__all__ = ["FrameReader"]

_NUMBER = re.compile(r"[1-9][0-9]{0,14}")
_Entries = list[tuple[int, wire.Object]]


class FrameReader:
    """Reads what stands under `frames`, with the segments and key frames of the same label.

    Parameters
    ----------
    segments, keyframes : mapping or None
        By the id of a track or of a question, as they stand in the label.
    group : str or None
        The plane of a DICOM volume.
    base : int
        What is taken from the numbers in `segments`: 1 for frames, 0 for milliseconds.
    """

    def __init__(
        self,
        builder: ObjectBuilder,
        asset: Asset,
        run: Run,
        segments: Mapping[str, Any] | None,
        keyframes: Mapping[str, Any] | None,
        *,
        group: str | None = None,
        base: int = 1,
    ) -> None:
        self._builder, self._asset, self._run = builder, asset, run
        self._segments, self._keyframes = dict(segments or {}), dict(keyframes or {})
        self._absent = {
            key: None
            for key, found in (("segments", segments), ("key_frame_feature_map", keyframes))
            if found is None
        }
        self._group, self._base = group, base
        self._spot: Spot = ("$", "annotations")
        if group is not None:
            self._spot = ((self._spot, "groups"), group)

    def left(self) -> dict[str, Any]:
        """The segments and key frames that belong to nothing, and None for what the label does not have."""
        found = {"segments": self._segments, "key_frame_feature_map": self._keyframes}
        return {key: left for key, left in found.items() if left} | self._absent

    def annotations(self, frames: Mapping[str, wire.Frame]) -> list[Annotation]:
        """The tracks, and the questions about frames with the ranges in which they hold.

        Raises
        ------
        InputError
            A frame has no number from 1 on, or a track cannot be read.
        """
        self._run.limits.check("max_frames", len(frames))
        ordered = _numbered(frames, (self._spot, "frames"))
        tracks: dict[str, _Entries] = {}
        for number, frame in ordered:
            for track, one in frame.objects.items():
                tracks.setdefault(track, []).append((number, one))
        made: list[Annotation] = [self._track(track, entries) for track, entries in tracks.items()]
        asked = ranged((number, classifications(frame.classifications)) for number, frame in ordered)
        return [*made, *(_marked(one, self._kept({"in_frames": True})) for one in asked)]

    def question(self, one: wire.Classification) -> Classification:
        """A question of the whole label, with the ranges in which it holds where segments say so."""
        made = classification(one)
        ranges = _ranges(self._segments.pop(made.id, None) if made.id else None, self._base)
        frames = tuple([FrameRange(start=start, end=end) for start, end in ranges.tolist()])
        return replace(made, frames=frames) if frames else made

    def _kept(self, kept: dict[str, Any]) -> dict[str, Any]:
        return kept if self._group is None else {"group": self._group} | kept

    def _track(self, track: str, entries: _Entries) -> Track:
        first = entries[0][1]
        frames = np.array([frame for frame, _ in entries], np.int64)
        shapes, leftovers = [], {}
        for frame, one in entries:
            kept: dict[str, Any] = {}
            shapes.append(self._shape(track, frame, one, kept))
            if more := _left_over(one, first, track, kept):
                leftovers[str(frame + 1)] = more
        kept = {} if first.annotation_kind is None else {"annotation_kind": first.annotation_kind}
        segments = self._segments.pop(track, None)
        if segments is None and "segments" not in self._absent:
            kept["segments"] = None
        flags = self._is_keyframe(track, frames, kept)
        if leftovers:
            kept["frames"] = leftovers
        kept = self._kept(kept)
        return Track(
            tool_name=first.name,
            frames=frames,
            is_keyframe=np.array(flags),
            segments=runs(frames) if segments is None else _ranges(segments, 1),
            id=track,
            tool_id=first.feature_schema_id,
            value=first.value,
            classifications=ranged((frame, classifications(one.classifications)) for frame, one in entries),
            confidence=first.confidence,
            extra={NAME: kept} if kept else {},
            **columns(shapes, track),
        )

    def _shape(self, track: str, frame: int, one: wire.Object, kept: dict[str, Any]) -> Geometry:
        try:
            return self._builder.shape(one, self._asset, kept)[0]
        except InputError as error:
            spot: Spot = ((((self._spot, "frames"), str(frame + 1)), "objects"), track)
            error.where = error.where.at(path=spot_path(spot) + (error.where.path or "$")[1:])
            raise

    def _is_keyframe(self, track: str, frames: Indices, kept: dict[str, Any]) -> list[bool]:
        """Both forms of the map are read: the frames with true or false, and the list of key frames."""
        found = self._keyframes.pop(track, None)
        numbers = [str(frame + 1) for frame in frames.tolist()]
        flags = keyframe_flags(found, numbers)
        if found != dict(zip(numbers, flags, strict=True)) and "key_frame_feature_map" not in self._absent:
            kept["key_frame_feature_map"] = found
        return flags


def _numbered(frames: Mapping[str, wire.Frame], spot: Spot) -> list[tuple[int, wire.Frame]]:
    """Frames by their number from 0 on, rising."""
    found = []
    for key, frame in frames.items():
        if _NUMBER.fullmatch(key) is None:
            problem = f"expected the number of a frame, from 1 on, got {shown(key)}"
            raise GeometryError(problem, where=Where(path=spot_path(spot)))
        found.append((int(key) - 1, frame))
    return sorted(found, key=lambda entry: entry[0])


def _ranges(value: Any, base: int) -> Indices:
    """First and last of each segment, as the model counts them."""
    try:
        found = msgspec.convert([] if value is None else value, list[tuple[int, int]])
    except msgspec.ValidationError:
        found = [(0, -1)]
    ranges = np.array(found, np.int64).reshape(-1, 2) - base
    if (ranges[:, 0] < 0).any() or (ranges[:, 0] > ranges[:, 1]).any():
        raise GeometryError(
            f"expected segments as pairs of a first and a last frame, from {base} on, got {shown(value)}",
            where=Where(path="$.annotations.segments"),
        )
    return ranges


def _marked(one: Classification, kept: dict[str, Any]) -> Classification:
    return replace(one, extra={NAME: one.extra.get(NAME, {}) | kept})


def _left_over(one: wire.Object, first: wire.Object, track: str, kept: dict[str, Any]) -> dict[str, Any]:
    """What a frame says that the track has no place for."""
    if one.feature_id != track:
        kept["feature_id"] = one.feature_id
    pairs: Iterable[tuple[str, Any, Any]] = (
        ("name", one.name, first.name),
        ("value", one.value, first.value),
        ("feature_schema_id", one.feature_schema_id, first.feature_schema_id),
        ("confidence", one.confidence, first.confidence),
    )
    kept.update((key, here) for key, here, there in pairs if here != there)
    if kept.get("annotation_kind") == first.annotation_kind:
        kept.pop("annotation_kind", None)
    return kept
