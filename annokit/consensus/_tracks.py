"""One track out of several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from annokit.geometry.tracks import filled
from annokit.model import Track

__all__ = ["median_track"]


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
