"""Whether a track is visible where it has a shape."""

from __future__ import annotations

import numpy as np

from annokit.model import DataRow, Track
from annokit.validate._findings import Findings

__all__ = ["check_tracks"]

_REVERSED = "a segment ends before it starts"
_OUTSIDE = "it has a shape in frames outside of its segments: formats disagree on whether it is visible there"


def check_tracks(found: Findings, row: DataRow) -> None:
    """The segments of the tracks of a row, and the frames in which they have a shape."""
    for track in (track for label in row.labels for track in label.tracks):
        for first, last in track.segments[track.segments[:, 1] < track.segments[:, 0]].tolist():
            detail = f"frames {first} to {last}"
            found.add(
                "segment-reversed", "tracks", "error", _REVERSED, row=row, annotation=track.id, detail=detail
            )
        if outside := _outside(track):
            detail = f"frame {outside[0]}"
            found.add(
                "outside-segments", "tracks", "warning", _OUTSIDE, row=row, annotation=track.id, detail=detail
            )


def _outside(track: Track) -> list[int]:
    """The frames outside of all segments; a track without segments is visible from its first frame to its last."""
    frames, segments = track.frames, track.segments
    if not len(segments):
        return []
    firsts, lasts = segments[np.argsort(segments[:, 0])].T
    begun = np.searchsorted(firsts, frames, "right")
    latest = np.concatenate([[-1], np.maximum.accumulate(lasts)])[begun]
    outside: list[int] = frames[latest < frames].tolist()
    return outside
