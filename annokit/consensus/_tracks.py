"""Tracks: how far two are the same over all frames, and one out of several."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from annokit.geometry.tracks import filled
from annokit.model import ObjectAnnotation, Track

__all__ = ["median_track", "track_scores"]

_Compare = Callable[[Sequence[ObjectAnnotation]], NDArray[np.float64]]


def track_scores(tracks: Sequence[Track], compare: _Compare) -> NDArray[np.float64]:
    """Spatio-temporal overlap of every pair of tracks of one kind.

    The scores of the shapes in the frames both are visible in, added up, over the number of frames either is visible
    in; frames between key frames are interpolated first.
    """
    whole = [filled(track) for track in tracks]
    scores = np.zeros((len(whole), len(whole)))
    for i, j in itertools.combinations(range(len(whole)), 2):
        a, b = whole[i], whole[j]
        shared, at_a, at_b = np.intersect1d(a.frames, b.frames, assume_unique=True, return_indices=True)
        if len(shared):
            together = np.sort(_frame_scores(a, at_a, b, at_b, compare)).sum()
            scores[i, j] = scores[j, i] = together / (len(a.frames) + len(b.frames) - len(shared))
    return scores


def _frame_scores(
    a: Track, at_a: NDArray[np.int64], b: Track, at_b: NDArray[np.int64], compare: _Compare
) -> NDArray[np.float64]:
    if a.kind == "box":
        from annokit_fast import boxes

        return np.asarray(boxes.iou_paired(_corners(a)[at_a], _corners(b)[at_b]))
    pairs = zip(at_a.tolist(), at_b.tolist(), strict=True)
    return np.array([compare([_still(a, i), _still(b, j)])[0, 1] for i, j in pairs])


def _still(track: Track, index: int) -> ObjectAnnotation:
    return ObjectAnnotation(tool_name="", geometry=track.geometry(index))


def _corners(track: Track) -> NDArray[np.float64]:
    """The boxes of all frames as x1, y1, x2, y2."""
    flat = track.values.reshape(-1, 4).copy()
    flat[:, 2:] += flat[:, :2]
    return flat


def median_track(tracks: Sequence[Track]) -> Track | None:
    """Of tracks of boxes or points: in each frame at least half of them are visible in, the median of these.

    Every frame is a key frame. None for other kinds, and where no frame is left.
    """
    kind = tracks[0].kind
    if kind not in ("box", "point"):
        return None
    whole = [filled(track) for track in tracks]
    frames = np.concatenate([track.frames for track in whole])
    values = np.concatenate([track.values.reshape(len(track.frames), -1) for track in whole])
    found, counts = np.unique(frames, return_counts=True)
    kept = found[2 * counts >= len(tracks)]
    if not len(kept):
        return None
    merged = np.stack([np.median(values[frames == frame], axis=0) for frame in kept])
    return Track(
        tool_name=tracks[0].tool_name,
        kind=kind,
        frames=kept,
        is_keyframe=np.ones(len(kept), np.bool_),
        values=merged.reshape(-1, 2),
        segments=_stretches(kept),
    )


def _stretches(frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """First and last of each run of frames."""
    breaks = np.flatnonzero(np.diff(frames) > 1)
    firsts, lasts = np.append(frames[0], frames[breaks + 1]), np.append(frames[breaks], frames[-1])
    return np.stack([firsts, lasts], axis=1)
