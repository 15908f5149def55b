"""Tracks as segments of key frames, and as images of masks, in Labelbox import NDJSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from annokit.formats._labelbox.shapes import NoPlace
from annokit.formats._labelbox.tracks import runs
from annokit.model import Classification, Geometry, MaskReference, Track
from annokit.model.base import Bools, Indices

__all__ = ["images_of", "is_of_masks", "mask_json", "segments_json"]

_DATA = "data:image/png;base64,"
_KINDS = ("box", "point", "line")


def segments_json(
    track: Track,
    shape: Callable[[Geometry], dict[str, Any]],
    questions: Callable[[Sequence[Classification]], list[dict[str, Any]]],
) -> list[dict[str, Any]]:
    """A segment for each stretch in which the object is visible, with its key frames.

    The first and the last known frame of a stretch are written, too, and those at which an answer changes:
    without them the platform would show less, or something else.

    Raises
    ------
    NoPlace
        Segments are of boxes, points and lines, in frames of which a shape is known.
    """
    if track.kind not in _KINDS:
        raise NoPlace(f"a video of Labelbox has no {track.kind}s in its segments")
    ranged = [one for one in track.classifications if one.frames]
    kept = track.is_keyframe | _changes(track.frames, ranged)
    made, written = [], np.zeros(len(track.frames), bool)
    for start, end in _stretches(track):
        inside = np.flatnonzero((track.frames >= start) & (track.frames <= end))
        if not len(inside):
            raise NoPlace("no frame of a segment has a shape")
        chosen = [place for place in inside.tolist() if kept[place] or place in (inside[0], inside[-1])]
        written[chosen] = True
        made.append({"keyframes": [_keyframe(track, place, shape, questions, ranged) for place in chosen]})
    if not made or (kept & ~written).any():
        raise NoPlace("a key frame stands in no segment")
    shown = track.frames[written].tolist()
    if not all(any(_holds(one, frame) for frame in shown) for one in ranged):
        raise NoPlace("an answer holds in none of the frames that have a shape")
    return made


def _keyframe(
    track: Track,
    place: int,
    shape: Callable[[Geometry], dict[str, Any]],
    questions: Callable[[Sequence[Classification]], list[dict[str, Any]]],
    ranged: Sequence[Classification],
) -> dict[str, Any]:
    frame = int(track.frames[place])
    made = {"frame": frame + 1} | shape(track.geometry(place))
    asked = questions([one for one in ranged if _holds(one, frame)])
    return made | ({"classifications": asked} if asked else {})


def _holds(one: Classification, frame: int) -> bool:
    return any(part.start <= frame <= part.end for part in one.frames)


def _stretches(track: Track) -> list[tuple[int, int]]:
    ranges = track.segments if len(track.segments) else runs(track.frames) if len(track.frames) else ()
    found = [(int(start), int(end)) for start, end in ranges]
    edges = [edge for pair in found for edge in pair]
    if edges != sorted(edges) or len({pair[0] for pair in found}) < len(found):
        raise NoPlace("segments stand one after the other, and do not end before they start")
    return found


def _changes(frames: Indices, ranged: Sequence[Classification]) -> Bools:
    """Where other answers hold than in the frame before."""
    held = np.array([[_holds(one, frame) for one in ranged] for frame in frames.tolist()], bool)
    changed = np.zeros(len(frames), bool)
    if ranged and len(frames):
        changed[0] = held[0].any()
        changed[1:] = (held[1:] != held[:-1]).any(axis=1)
    return changed


def is_of_masks(one: Track) -> bool:
    """Whether it is a track of images in which the object has one colour throughout."""
    colors = {mask.color if isinstance(mask, MaskReference) else None for mask in one.masks}
    return one.kind == "mask" and len(colors) == 1 and None not in colors


def images_of(one: Track) -> tuple[str, ...]:
    """Where the images of a track are."""
    return tuple([mask.uri for mask in one.masks if isinstance(mask, MaskReference)])


def mask_json(tracks: Sequence[Track], names: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The images that several tracks share, with the colour of each track."""
    first = tracks[0]
    frames = [
        {"index": frame + 1} | _image(mask.uri)
        for frame, mask in zip(first.frames.tolist(), first.masks, strict=True)
        if isinstance(mask, MaskReference)
    ]
    instances = [
        {"colorRGB": list(mask.color)} | name
        for track, name in zip(tracks, names, strict=True)
        if isinstance(mask := track.masks[0], MaskReference) and mask.color is not None
    ]
    return {"masks": {"frames": frames, "instances": instances}}


def _image(uri: str) -> dict[str, str]:
    return {"imBytes": uri.removeprefix(_DATA)} if uri.startswith(_DATA) else {"instanceURI": uri}
