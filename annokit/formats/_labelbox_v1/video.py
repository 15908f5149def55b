"""Tracks out of the frames that Labelbox's legacy export lists for a video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import UNSET

from annokit.errors import GeometryError
from annokit.formats._labelbox.shared import NO_TEXT
from annokit.formats._labelbox.tracks import columns, ranged, runs
from annokit.formats._labelbox_v1 import wire
from annokit.formats._labelbox_v1.objects import NAME, ObjectBuilder, classifications
from annokit.model import Annotation, Asset, Track

__all__ = ["video_annotations"]


def video_annotations(
    frames: Sequence[wire.Frame], builder: ObjectBuilder, asset: Asset
) -> tuple[Annotation, ...]:
    """A track for each identity, and the questions about frames with the ranges in which they hold.

    Raises
    ------
    InputError
        An object that cannot be read, changes its kind of shape, or stands in one frame twice.
    """
    ordered = sorted(frames, key=lambda frame: frame.frame_number)
    tracks: dict[str, list[tuple[int, wire.Object]]] = {}
    for frame in ordered:
        for one in frame.objects:
            if one.feature_id is None:
                raise GeometryError(f"expected a featureId in frame {frame.frame_number}, got none")
            tracks.setdefault(one.feature_id, []).append((frame.frame_number - 1, one))
    asked = ranged((frame.frame_number - 1, classifications(frame.classifications)) for frame in ordered)
    return *(_track(entries, builder, asset) for entries in tracks.values()), *asked


def _track(entries: Sequence[tuple[int, wire.Object]], builder: ObjectBuilder, asset: Asset) -> Track:
    first = entries[0][1]
    beside: list[dict[str, Any]] = [{} for _ in entries]
    shapes = [builder.shape(one, asset, more)[0] for (_, one), more in zip(entries, beside, strict=True)]
    frames = np.array([frame for frame, _ in entries], np.int64)
    return Track(
        tool_name=first.title,
        frames=frames,
        is_keyframe=np.array([one.keyframe is not False for _, one in entries]),
        segments=runs(frames),
        id=first.feature_id,
        tool_id=first.schema_id,
        value=first.value,
        classifications=ranged((frame, classifications(one.classifications)) for frame, one in entries),
        extra=_kept(entries, beside),
        **columns(shapes, str(first.feature_id)),
    )


def _kept(
    entries: Sequence[tuple[int, wire.Object]], beside: Sequence[dict[str, Any]]
) -> dict[str, dict[str, object]]:
    """The colour, and what single frames have beside their shape: under their number in the export."""
    first = entries[0][1]
    kept: dict[str, object] = {} if first.color is UNSET else {"color": first.color}
    frames = {
        str(frame + 1): more
        for (frame, one), shape in zip(entries, beside, strict=True)
        if (more := shape | _kept_of_frame(one))
    }
    if frames:
        kept["frames"] = frames
    return {NAME: kept} if kept else {}


def _kept_of_frame(one: wire.Object) -> dict[str, object]:
    is_mask = one.bbox is None and one.point is None and one.polygon is one.line is NO_TEXT
    link = {} if is_mask or one.instance_uri is None else {"instanceURI": one.instance_uri}
    return link | (one.extra or {})
