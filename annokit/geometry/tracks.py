"""Tracks in time: the shape in any frame, in every frame, and the fewest key frames that give it.

The rules are the platform's. Boxes, points, and lines and polygons of equally many vertices go straight from one
known frame to the next inside a segment, and hold still before its first and after its last; other lines and
polygons hold until the next known frame. A mask is there in its own frames only. Between segments nothing is
visible; a track without segments is visible from its first to its last known frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from annokit.errors import GeometryError
from annokit.geometry.ragged import ends
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.model import Geometry, Track
from annokit.model.base import Floats, Indices

__all__ = ["Piece", "at_frame", "dense_boxes", "filled", "pieces", "thinned"]


class Piece(NamedTuple):
    """Frames `first` to `last`, both included, whose shapes follow from the entries `start` to `stop`."""

    first: int
    last: int
    start: int
    stop: int


def pieces(track: Track) -> list[Piece]:
    """The stretches of a track over which it moves without a break, in order.

    A segment in which nothing is known gives none; a known frame outside of all segments stands alone.

    >>> track = Track(tool_name="car", kind="point", frames=[2, 4], is_keyframe=[True, True], values=[(0, 0), (2, 8)])
    >>> pieces(track)
    [Piece(first=2, last=4, start=0, stop=2)]
    >>> pieces(Track(tool_name="car", kind="box", frames=[], is_keyframe=[]))
    []
    """
    frames, found, done, shown = track.frames, list[Piece](), 0, -1
    for first, last in _segments(track):
        first = max(first, shown + 1)  # segments that overlap are one stretch, cut in two
        start, stop = np.searchsorted(frames, [first, last + 1]).tolist()
        if start < stop:
            found += _alone(frames, done, start)
            found += _unbroken(track, Piece(first, last, start, stop))
            done, shown = stop, last
    return found + _alone(frames, done, len(frames))


def _segments(track: Track) -> list[list[int]]:
    if len(track.segments) or not len(track.frames):
        return sorted(track.segments.tolist())
    return [[int(track.frames[0]), int(track.frames[-1])]]


def _alone(frames: Indices, start: int, stop: int) -> list[Piece]:
    return [
        Piece(frame, frame, start + i, start + i + 1) for i, frame in enumerate(frames[start:stop].tolist())
    ]


def _unbroken(track: Track, piece: Piece) -> list[Piece]:
    """A piece cut where the number of vertices changes; masks are cut everywhere."""
    first, last, start, stop = piece
    if track.kind in ("box", "point"):
        return [piece]
    if track.kind == "mask":
        return _alone(track.frames, start, stop)
    counts = np.diff(track.offsets[start : stop + 1])
    cuts = [start, *(start + 1 + np.flatnonzero(np.diff(counts))).tolist(), stop]
    begins = [first, *track.frames[cuts[1:-1]].tolist(), last + 1]
    return [Piece(begins[i], begins[i + 1] - 1, cuts[i], cuts[i + 1]) for i in range(len(cuts) - 1)]


def filled(track: Track, limits: Limits = DEFAULT_LIMITS) -> Track:
    """The track with an entry for every frame in which it is visible; those that were known stay as they are.

    Raises
    ------
    LimitExceeded
        More than `max_frames` of them.
    GeometryError
        Numbers that are not finite.

    Examples
    --------
    >>> ends = {"frames": [0, 2], "is_keyframe": [True, True], "values": [(0, 0), (2, 8)]}
    >>> filled(Track(tool_name="car", kind="point", **ends)).values.tolist()
    [[0.0, 0.0], [1.0, 4.0], [2.0, 8.0]]
    """
    shown = pieces(track)
    lengths = [piece.last - piece.first + 1 for piece in shown]
    limits.check("max_frames", sum(lengths))
    if sum(lengths) == len(track.frames):
        return track
    parts = [_between(track, piece) for piece in shown]
    frames = np.concatenate([np.arange(piece.first, piece.last + 1) for piece in shown])
    keys = np.zeros(len(frames), np.bool_)
    keys[np.searchsorted(frames, track.frames)] = track.is_keyframe
    return replace(
        track,
        frames=frames,
        is_keyframe=keys,
        values=np.concatenate([part.reshape(-1, 2) for part in parts]),
        offsets=ends([rows for part in parts for rows in [part.shape[1] // 2] * len(part)]),
    )


def _between(track: Track, piece: Piece, frames: Indices | None = None) -> Floats:
    """The flat values of the frames of a piece, or of some of them."""
    from annokit_fast import tracks

    keys, known = track.frames[piece.start : piece.stop], _flat(track, piece)
    asked = np.arange(piece.first, piece.last + 1) if frames is None else frames
    try:
        found: Floats = tracks.interpolate(keys, known, [0, len(known)], asked)[0]
        return found
    except ValueError as error:
        raise GeometryError(f"cannot fill in the track {track.id}: {error}") from error


def _flat(track: Track, piece: Piece) -> Floats:
    """The values of the known frames of a piece, a row each."""
    start, stop = track.offsets[piece.start], track.offsets[piece.stop]
    count = piece.stop - piece.start
    return track.values[start:stop].reshape(count, 2 * int(stop - start) // count)


def at_frame(track: Track, frame: int) -> Geometry | None:
    """The shape in one frame (0-based); None where the object is not visible.

    >>> ends = {"frames": [0, 4], "is_keyframe": [True, True], "values": [(0, 0), (10, 10), (8, 4), (10, 10)]}
    >>> at_frame(Track(tool_name="car", kind="box", **ends), 1)
    Box(x=2.0, y=1.0, width=10.0, height=10.0)
    >>> at_frame(Track(tool_name="car", kind="box", **ends), 5) is None
    True
    """
    for piece in pieces(track):
        if piece.first <= frame <= piece.last:
            place = int(np.searchsorted(track.frames, frame))
            if place < len(track.frames) and track.frames[place] == frame:
                return track.geometry(place)
            values = _between(track, piece, np.array([frame])).reshape(-1, 2)
            alone = replace(
                track,
                frames=np.array([frame]),
                is_keyframe=np.array([False]),
                values=values,
                offsets=ends([len(values)]),
            )
            return alone.geometry(0)
    return None


def dense_boxes(tracks: Sequence[Track], frames: int) -> Floats:
    """The boxes of many tracks in the frames 0 to `frames` - 1 as one array.

    Parameters
    ----------
    tracks : sequence of Track
        Of boxes.
    frames : int

    Returns
    -------
    float64 (t, f, 4)
        x, y, width and height, NaN where a track is not visible.

    Examples
    --------
    >>> ends = {"frames": [0, 2], "is_keyframe": [True, True], "values": [(0, 0), (10, 10), (8, 4), (10, 10)]}
    >>> dense_boxes([Track(tool_name="car", kind="box", **ends)], 4)[0, :, 0].tolist()
    [0.0, 4.0, 8.0, nan]
    >>> dense_boxes([], 4).shape
    (0, 4, 4)
    """
    from annokit_fast import tracks as kernels

    for track in tracks:
        if track.kind != "box":
            raise GeometryError(f"expected tracks of boxes, got {track.kind} (track {track.id})")
    shown = [pieces(track) for track in tracks]
    if not tracks:
        return np.empty((0, frames, 4))
    return kernels.interpolate(
        np.concatenate([track.frames for track in tracks]),
        np.concatenate([track.values.reshape(-1, 4) for track in tracks]),
        ends([len(track.frames) for track in tracks]),
        frames,
        segments=[piece[:2] for found in shown for piece in found],
        segment_offsets=ends([len(found) for found in shown]),
    )


def thinned(track: Track, within: float = 0.5) -> Track:
    """The track with the fewest of its frames from which `filled` gives all others, as key frames.

    Parameters
    ----------
    within : float
        How far, in pixels, an edge of a box, or a vertex in x or y, may be from where it was.

    Returns
    -------
    Track
        The first and last known frame of every piece, and as few between them as will do: no smaller
        choice of known frames is within the tolerance (`annokit_fast.tracks.fewest_keyframes`). Masks keep all.

    Raises
    ------
    GeometryError
        Numbers that are not finite, or a tolerance below 0.

    Examples
    --------
    >>> steady = {"frames": [0, 1, 2], "is_keyframe": [True] * 3, "values": [(0, 0), (1, 1), (2, 2)]}
    >>> thinned(Track(tool_name="car", kind="point", **steady)).frames.tolist()
    [0, 2]
    """
    if track.kind == "mask":
        return track
    found = [np.empty(0, np.bool_), *[_needed(track, piece, within) for piece in pieces(track)]]
    kept = np.flatnonzero(np.concatenate(found))
    rows = [np.arange(track.offsets[i], track.offsets[i + 1]) for i in kept.tolist()]
    return replace(
        track,
        frames=track.frames[kept],
        is_keyframe=np.ones(len(kept), np.bool_),
        values=track.values[np.concatenate([np.empty(0, np.int64), *rows])],
        offsets=ends([len(part) for part in rows]),
    )


def _needed(track: Track, piece: Piece, within: float) -> Indices:
    from annokit_fast import tracks

    values = _flat(track, piece)
    if track.kind == "box":
        values = np.hstack([values[:, :2], values[:, :2] + values[:, 2:]])  # edges are what people see
    frames = track.frames[piece.start : piece.stop]
    try:
        return tracks.fewest_keyframes(frames, values, [0, len(frames)], within)
    except ValueError as error:
        raise GeometryError(f"cannot thin the track {track.id}: {error}") from error
