"""Whether a track is visible when its key frames say so."""

from __future__ import annotations

from annokit.model import DataRow, Track
from annokit.validate._findings import Findings

__all__ = ["check_tracks"]

_REVERSED = "a segment ends before it starts"
_OUTSIDE = "key frames are outside of its segments: formats disagree on whether it is visible there"


def check_tracks(found: Findings, row: DataRow) -> None:
    """The segments of the tracks of a row, and where their key frames are."""
    for track in (track for label in row.labels for track in label.tracks):
        for first, last in track.segments[track.segments[:, 1] < track.segments[:, 0]].tolist():
            detail = f"frames {first} to {last}"
            found.add(
                "segment-reversed", "tracks", "error", _REVERSED, row=row, annotation=track.id, detail=detail
            )
        if outside := _outside(track):
            detail = f"frame {outside[0]}"
            found.add(
                "keyframe-outside", "tracks", "warning", _OUTSIDE, row=row, annotation=track.id, detail=detail
            )


def _outside(track: Track) -> list[int]:
    """The key frames outside of all segments; a track without segments is visible from its first frame to its last."""
    frames, segments = track.frames[track.is_keyframe], track.segments
    if not len(segments):
        return []
    seen = (frames[:, None] >= segments[:, 0]) & (frames[:, None] <= segments[:, 1])
    outside: list[int] = frames[~seen.any(axis=1)].tolist()
    return outside
