"""Tracks and ranged answers as the frames, segments and key frames of Labelbox export v2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from annokit.formats._labelbox.shapes import (
    NoPlace,
    block_of,
    classification_json,
    head_json,
    kept_of,
    kind_word,
    known,
    merged,
    shape_json,
)
from annokit.formats._labelbox.tracks import frames_in, keyframe_flags, runs
from annokit.io.limits import Limits
from annokit.model import Classification, Track
from annokit.run import Run

__all__ = ["BLOCKS", "Frames"]

_OVERRIDES = ("feature_id", "feature_schema_id", "name", "value", "annotation_kind", "confidence")


BLOCKS = ("frames", "segments", "key_frame_feature_map", "groups")


class Frames:
    """What a label says of frames: of one video, or plane by plane."""

    def __init__(self, media: str, run: Run, kept: Mapping[str, Any]) -> None:
        self.media, self._limits, self._kept = media, run.limits, kept
        self._planes: dict[str | None, _FrameWriter] = {}
        self._ids: set[tuple[str, str]] = set()
        self.used = any(key in kept for key in BLOCKS)

    def _plane(self, one: Track | Classification | None) -> _FrameWriter:
        found = kept_of(one).get("group") if one is not None else None
        name = found if isinstance(found, str) else None
        if one is not None and name is None and self.media == "dicom":
            raise NoPlace("what stands in a volume needs the plane it was drawn in")
        if name not in self._planes:
            left = block_of(block_of(self._kept, "groups"), name) if name else self._kept
            self._planes[name] = _FrameWriter(self.media, self._limits, left)
        return self._planes[name]

    def add_track(self, track: Track, track_id: str) -> None:
        if (str(kept_of(track).get("group")), track_id) in self._ids:
            raise NoPlace("another track of the label has the same id")
        if not len(track.frames) or (track.segments < 0).any() or (np.diff(track.segments) < 0).any():
            raise NoPlace("a track needs frames, and segments that do not end before they start")
        for one in track.classifications:
            if not any(_holds(one, frame) for frame in track.frames.tolist()):
                raise NoPlace("an answer of the track holds in none of its frames")
        self.used = True
        self._plane(track).add_track(track, track_id)
        self._ids.add((str(kept_of(track).get("group")), track_id))

    def add_question(self, one: Classification, question_id: str) -> bool:
        """Take in a question with ranges; whether it stands in the frames, else it is one of the label."""
        if any(part.start < 0 or part.end < part.start for part in one.frames):
            raise NoPlace("a range of frames does not end before it starts")
        self.used = True
        per_option = any(answer.frames for answer in one.answers)
        if per_option or kept_of(one).keys() & {"in_frames", "group"}:
            self._plane(one).add_question(one)
            return True
        base = 0 if self.media == "audio" else 1
        ranges = [[part.start + base, part.end + base] for part in one.frames]
        self._plane(one).add_ranges(question_id, ranges)
        return False

    def single(self) -> dict[str, Any]:
        """The blocks of a video."""
        return self._plane(None).blocks()

    def grouped(self) -> dict[str, Any]:
        """The blocks of a volume: `groups`, with segments and key frames by plane."""
        names = [*block_of(self._kept, "groups"), *[name for name in self._planes if name is not None]]
        groups, segments, keyframes = {}, {}, dict[str, Any]()
        for name in dict.fromkeys(names):
            plane = self._planes.get(name) or _FrameWriter(self.media, self._limits)
            kept = block_of(block_of(self._kept, "groups"), name)
            blocks = plane.blocks()
            made = {"name": name, "classifications": [], "frames": blocks["frames"]}
            groups[name] = merged(made, {key: value for key, value in kept.items() if key not in BLOCKS})
            segments[name] = blocks.get("segments", {})
            for track, found in blocks.get("key_frame_feature_map", {}).items():
                keyframes.setdefault(track, {key: {} for key in dict.fromkeys(names)})[name] = found
        return {"groups": groups, "segments": segments, "key_frame_feature_map": keyframes}


class _FrameWriter:
    """Collects what a label says of the frames of a video, or of one plane of a volume.

    `left` is what the reader of the same label could attach to nothing.
    """

    def __init__(self, media: str, limits: Limits, left: Mapping[str, Any] = {}) -> None:
        self._media, self._limits, self._left = media, limits, left
        self._frames: dict[int, dict[str, Any]] = {}
        self._segments: dict[str, Any] = {}
        self._keyframes: dict[str, Any] = {}
        self._implied = {"segments": True, "key_frame_feature_map": True}

    def add_track(self, track: Track, track_id: str) -> None:
        """Take in a track.

        Raises
        ------
        NoPlace
            A shape or an answer has no place; nothing of the track was taken in.
        """
        kept = kept_of(track)
        made = [self._object(track, track_id, index, kept) for index in range(len(track.frames))]
        self._limits.check("max_frames", len(self._frames) + len(made))
        for frame, one in zip(track.frames.tolist(), made, strict=True):
            self._frame(frame)["objects"][track_id] = one
        spelled = _keyframes(track, kept)
        if spelled is not None:
            self._keyframes[track_id] = spelled
        follows = len(track.frames) > 0 and np.array_equal(runs(track.frames), track.segments)
        if not (follows and "segments" in kept):
            self._segments[track_id] = (track.segments + 1).tolist()
        self._implied["segments"] &= follows
        self._implied["key_frame_feature_map"] &= bool(track.is_keyframe.all())

    def add_question(self, one: Classification) -> None:
        """Take in a question about frames."""
        said = classification_json(one)
        frames = frames_in(one.frames, self._limits)
        for frame in frames:
            self._frame(frame)["classifications"].append(said)

    def add_ranges(self, question_id: str, ranges: list[list[int]]) -> None:
        """Take in where a question of the whole label holds."""
        self._segments[question_id] = ranges
        self._implied["segments"] = False

    def blocks(self) -> dict[str, Any]:
        """`frames`, `segments` and `key_frame_feature_map`."""
        frames = {str(number + 1): self._frames[number] for number in sorted(self._frames)}
        made = {"frames": frames, "segments": self._segments, "key_frame_feature_map": self._keyframes}
        for key, implied in self._implied.items():
            if implied and key in self._left and self._left[key] is None:
                del made[key]
        return merged(made, {key: value for key, value in self._left.items() if key in made})

    def _frame(self, number: int) -> dict[str, Any]:
        return self._frames.setdefault(number, {"objects": {}, "classifications": []})

    def _object(self, track: Track, track_id: str, index: int, kept: Mapping[str, Any]) -> dict[str, Any]:
        frame, shape = int(track.frames[index]), track.geometry(index)
        beside = block_of(block_of(kept, "frames"), str(frame + 1))
        made = head_json(track) | {
            "feature_id": track_id,
            "annotation_kind": kept.get("annotation_kind") or kind_word(shape.kind, self._media),
            "confidence": track.confidence,
            "classifications": [
                classification_json(one) for one in track.classifications if _holds(one, frame)
            ],
        }
        made |= {key: beside[key] for key in _OVERRIDES if key in beside}
        return merged(known(made) | shape_json(shape, "pixel", beside), beside)


def _holds(one: Classification, frame: int) -> bool:
    """Whether an answer holds in a frame; without ranges it holds in all."""
    return not one.frames or any(part.start <= frame <= part.end for part in one.frames)


def _keyframes(track: Track, kept: Mapping[str, Any]) -> Any:
    """The frames with true and false; in the form in which they stood, while that says the same."""
    numbers, flags = [str(frame + 1) for frame in track.frames.tolist()], track.is_keyframe.tolist()
    if "key_frame_feature_map" in kept:
        found = kept["key_frame_feature_map"]
        if flags == keyframe_flags(found, numbers):
            return found
    return dict(zip(numbers, flags, strict=True))
