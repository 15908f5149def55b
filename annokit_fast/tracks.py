"""Geometry of every frame from key frames, and the fewest key frames that give it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from annokit_fast import _tracks
from annokit_fast._boxes import all_finite
from annokit_fast._checks import Array, freeze, output, ragged, vector
from annokit_fast._threads import in_parts

__all__ = ["fewest_keyframes", "interpolate"]


def __dir__() -> list[str]:
    return __all__


def interpolate(
    keyframes: Any,
    values: Any,
    track_offsets: Any,
    frames: Any,
    *,
    segments: Any = None,
    segment_offsets: Any = None,
    angles: Sequence[int] = (),
    out: Array | None = None,
    threads: int = 1,
) -> Array:
    """Values of every frame, on straight lines between key frames.

    Parameters
    ----------
    keyframes : (k,) int64
        Frames of all tracks, 0-based, rising within each track.
    values : (k, d) float64
        What is known at them: boxes (d = 4), points (d = 2), the flat vertices of lines of equal length, rotated
        boxes with an angle among the columns.
    track_offsets : (t + 1,) int64
        Track i has the key frames ``track_offsets[i]`` to ``track_offsets[i + 1]``.
    frames : int, or (f,) int64
        A number of frames: all from 0 on. An array: only these.
    segments : (s, 2) int64, optional
        First and last frame (inclusive) of every stretch in which a track is visible, rising within a track. Each
        must hold a key frame. Lines never run from one segment to the next. Without them, a track is visible
        everywhere.
    segment_offsets : (t + 1,) int64
        Track i has the segments ``segment_offsets[i]`` to ``segment_offsets[i + 1]``; goes with `segments`.
    angles : sequence of int
        Columns of `values` in degrees, that turn the short way round. Between key frames they may leave 0 to 360.
    out : (t, f, d) float64, optional
    threads : int
        Threads to split the tracks over.

    Returns
    -------
    (t, f, d) float64
        Key frames exactly as given; before a segment's first key frame and after its last, their values; NaN
        outside all segments, and for a track without key frames.

    Raises
    ------
    ValueError
        Shapes and offsets that do not fit, key frames or segments that do not rise, a segment without a key frame.

    Examples
    --------
    >>> from annokit_fast import tracks
    >>> tracks.interpolate([1, 3], [[0.0], [4.0]], [0, 2], 5)[0, :, 0].tolist()
    [0.0, 0.0, 2.0, 4.0, 4.0]
    >>> tracks.interpolate([0, 4], [[350.0], [10.0]], [0, 2], [2], angles=[0]).tolist()
    [[[360.0]]]
    >>> tracks.interpolate([], [], [0], 5).shape
    (0, 5, 0)
    """
    keys = vector(keyframes, np.int64, "keyframes")
    known = _known(values, len(keys))
    tracks = ragged(track_offsets, len(keys), "track_offsets", "key frames")
    _rising(keys, tracks, "keyframes")
    pieces, ends = _pieces(segments, segment_offsets, tracks)
    owned = np.empty((len(pieces), 2), np.int64)
    bad = _tracks.piece_keys(keys, tracks, pieces, ends, owned)
    if bad >= 0:
        raise ValueError(
            f"segments: expected a key frame in each, got none in {pieces[bad].tolist()} (index {bad})"
        )
    turning = np.zeros(known.shape[1] if len(angles) else 0, np.bool_)
    turning[list(angles)] = True
    asked = np.asarray(frames)
    wanted = vector(asked.reshape(-1) if asked.ndim == 0 else asked, np.int64, "frames")
    if asked.ndim == 0 and wanted[0] < 0:
        raise ValueError(f"frames: expected a number of frames >= 0, got {wanted[0]}")
    count = int(wanted[0]) if asked.ndim == 0 else len(wanted)
    result = output(out, (len(tracks) - 1, count, known.shape[1]), np.float64)
    at, turns = freeze(owned), freeze(turning)

    def fill(start: int, stop: int) -> None:
        mine = ends[start : stop + 1]
        if asked.ndim == 0:
            _tracks.every_frame(keys, known, turns, pieces, at, mine, result[start:stop])
        else:
            _tracks.some_frames(keys, known, turns, pieces, at, mine, wanted, result[start:stop])

    in_parts(fill, len(tracks) - 1, threads)
    return result


def fewest_keyframes(frames: Any, values: Any, track_offsets: Any, within: float = 0.5) -> Array:
    """A smallest set of frames from which `interpolate` gives all others within a tolerance.

    Parameters
    ----------
    frames : (k,) int64
        Frames of all tracks, rising within each.
    values : (k, d) float64
        What is known at them.
    track_offsets : (t + 1,) int64
        Track i has the frames ``track_offsets[i]`` to ``track_offsets[i + 1]``.
    within : float
        How far each interpolated value may be from the known one.

    Returns
    -------
    (k,) bool
        The frames to keep: the first and the last of each track, and as few between them as will do. No smaller
        subset of the frames will, their values being kept as they are; between sets of one size, which one comes
        out is fixed but not specified.

    Raises
    ------
    ValueError
        Shapes and offsets that do not fit, frames that do not rise, numbers that are not finite, a tolerance below 0.

    Notes
    -----
    The shortest path in the graph of frames that can follow each other (Imai and Iri 1988), with the cone test of
    O'Rourke 1981 for its edges. Time is at most quadratic in the frames between two kept ones.

    Examples
    --------
    >>> from annokit_fast import tracks
    >>> tracks.fewest_keyframes([0, 1, 2, 3], [[0.0], [1.0], [2.0], [9.0]], [0, 4]).tolist()
    [True, False, True, True]
    >>> tracks.fewest_keyframes([], [], [0]).tolist()
    []
    """
    keys = vector(frames, np.int64, "frames")
    known = _known(values, len(keys))
    tracks = ragged(track_offsets, len(keys), "track_offsets", "frames")
    _rising(keys, tracks, "frames")
    if not within >= 0:
        raise ValueError(f"within: expected a number >= 0, got {within}")
    kept = np.zeros(len(keys), np.bool_)
    _tracks.fewest(keys, known, tracks, float(within), kept)
    return kept


def _known(values: Any, count: int) -> Array:
    """Finite values, a row for each of `count` frames."""
    known = np.asarray(values)
    known = vector(
        known.reshape(0, 0) if known.size == 0 and known.ndim == 1 else known, np.float64, "values", 2
    )
    if len(known) != count:
        raise ValueError(f"values: expected one row per frame ({count}), got {len(known)}")
    if not all_finite(known.reshape(-1)):
        raise ValueError("values: expected finite numbers")
    return known


def _pieces(segments: Any, segment_offsets: Any, tracks: Array) -> tuple[Array, Array]:
    """Segments and their offsets; without any, one that holds every frame for each track with key frames."""
    if segments is None:
        present = np.diff(tracks) > 0
        ends = np.zeros(len(tracks), np.int64)
        np.cumsum(present, out=ends[1:])
        everywhere = np.tile(np.array([-(2**62), 2**62], np.int64), (int(ends[-1]), 1))
        return freeze(everywhere), freeze(ends)
    array = np.asarray(segments)
    array = vector(array.reshape(0, 2) if array.size == 0 else array, np.int64, "segments", 2)
    if array.shape[1] != 2:
        raise ValueError(f"segments: expected shape (s, 2), got {array.shape}")
    if segment_offsets is None:
        raise ValueError("segment_offsets: expected offsets beside segments, got None")
    ends = ragged(segment_offsets, len(array), "segment_offsets", "segments")
    if len(ends) != len(tracks):
        raise ValueError(
            f"segment_offsets: expected {len(tracks)} offsets, as track_offsets, got {len(ends)}"
        )
    backward = np.flatnonzero(array[:, 1] < array[:, 0])
    if len(backward):
        raise ValueError(f"segments: expected first <= last, got {array[backward[0]].tolist()}")
    _rising(freeze(array.reshape(-1)), freeze(2 * ends), "segments", pairs=True)
    return array, ends


def _rising(values: Array, offsets: Array, name: str, *, pairs: bool = False) -> None:
    """Refuse values that do not rise within their track; a segment, a pair, may be one frame long."""
    at = _tracks.falls(values, offsets, pairs)
    if at >= 0:
        raise ValueError(
            f"{name}: expected rising frames within a track, got {values[at - 1]} then {values[at]}"
        )
