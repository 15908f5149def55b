"""How far two tracks are the same over all frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from annokit.geometry.tracks import filled, pieces
from annokit.io.limits import Limits
from annokit.model import ObjectAnnotation, Track
from annokit.model.base import Floats, Indices
from annokit.similarity._sides import each_pair, made

__all__ = ["track_scores"]

_Compare = Callable[[Sequence[ObjectAnnotation], Sequence[ObjectAnnotation]], Floats]


def track_scores(ours: Sequence[Track], theirs: Sequence[Track], compare: _Compare, limits: Limits) -> Floats:
    """Spatio-temporal overlap of every pair of tracks of one kind.

    The scores of the shapes in the frames both are visible in, added up, over the number of frames either is visible
    in; frames between key frames are interpolated first.
    """
    tracks = ours if theirs is ours else [*ours, *theirs]
    shown = sum(piece.last - piece.first + 1 for track in tracks for piece in pieces(track))
    limits.check("max_frames", shown)
    whole = made(lambda some: [filled(track, limits) for track in some], ours, theirs)
    return each_pair(lambda a, b: _score(a, b, compare), *whole)


def _score(a: Track, b: Track, compare: _Compare) -> float:
    shared, at_a, at_b = np.intersect1d(a.frames, b.frames, assume_unique=True, return_indices=True)
    if not len(shared):
        return 0.0
    together = np.sort(_frame_scores(a, at_a, b, at_b, compare)).sum()
    return float(together / (len(a.frames) + len(b.frames) - len(shared)))


def _frame_scores(a: Track, at_a: Indices, b: Track, at_b: Indices, compare: _Compare) -> Floats:
    if a.kind == "box":
        from annokit_fast import boxes

        return np.asarray(boxes.iou_paired(_corners(a)[at_a], _corners(b)[at_b]))
    pairs = zip(at_a.tolist(), at_b.tolist(), strict=True)
    return np.array([compare([_still(a, i)], [_still(b, j)])[0, 0] for i, j in pairs])


def _still(track: Track, index: int) -> ObjectAnnotation:
    return ObjectAnnotation(tool_name="", geometry=track.geometry(index))


def _corners(track: Track) -> Floats:
    """The boxes of all frames as x1, y1, x2, y2."""
    flat = track.values.reshape(-1, 4).copy()
    flat[:, 2:] += flat[:, :2]
    return flat
