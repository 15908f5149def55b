"""Tracks out of the shapes that frames list, and the ranges in which answers hold; both exports share it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from annokit.errors import GeometryError
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.model import (
    Box,
    Classification,
    FrameRange,
    Geometry,
    Line,
    Mask,
    MaskReference,
    Point,
    Polygon,
)
from annokit.model.base import Floats, Indices

__all__ = ["box_columns", "columns", "final", "frames_in", "keyframe_flags", "ranged", "runs"]

_KINDS = {Box: "box", Point: "point", Line: "line", Polygon: "polygon", MaskReference: "mask", Mask: "mask"}


def columns(shapes: Sequence[Geometry], track: str) -> Mapping[str, Any]:
    """The shapes of one track, one a frame, as the fields `Track` has for them.

    Raises
    ------
    GeometryError
        They are of several kinds, or of one that tracks do not have.
    """
    kinds = {_KINDS.get(type(shape), "") for shape in shapes}
    if len(kinds) > 1 or "" in kinds:
        raise GeometryError(f"expected shapes of one kind in the track {track}")
    kind = kinds.pop()
    if kind == "mask":
        return {"kind": kind, "masks": tuple(shapes)}
    if kind == "box":
        rows = [(box.x, box.y, box.width, box.height) for box in shapes if type(box) is Box]
        return box_columns(rows)
    points = [_points(shape) for shape in shapes]
    offsets = np.cumsum([0, *map(len, points)])
    values = np.concatenate(points)
    return {"kind": kind, "values": final(values, np.float64), "offsets": final(offsets, np.int64)}


def box_columns(rows: Sequence[tuple[float, float, float, float]]) -> Mapping[str, Any]:
    """Boxes as left, top, width and height, as the fields of a track."""
    values = final(rows, np.float64).reshape(-1, 2)
    return {"kind": "box", "values": values, "offsets": final(range(0, len(values) + 1, 2), np.int64)}


def final(values: Any, dtype: Any) -> NDArray[Any]:
    """An array of its own that a track takes as it is: read-only, and of the right type."""
    array = np.array(values, dtype)
    array.flags.writeable = False
    return array


def _points(shape: Geometry) -> Floats:
    if isinstance(shape, Point):
        return np.array([(shape.x, shape.y)])
    return shape.coords if isinstance(shape, Line | Polygon) else np.empty((0, 2))


def runs(frames: Indices) -> Indices:
    """First and last of each run of consecutive frames.

    >>> runs(np.array([0, 1, 4])).tolist()
    [[0, 1], [4, 4]]
    """
    breaks = np.flatnonzero(np.diff(frames) > 1)
    return np.stack([frames[np.r_[0, breaks + 1]], frames[np.r_[breaks, len(frames) - 1]]], axis=1)


def ranged(asked: Iterable[tuple[int, Sequence[Classification]]]) -> tuple[Classification, ...]:
    """Each question once, with the frames in which it has the same answer."""
    found: dict[bytes, tuple[Classification, list[int]]] = {}
    for frame, questions in asked:
        for one in questions:
            found.setdefault(msgspec.json.encode(one), (one, []))[1].append(frame)
    return tuple(
        [
            replace(
                one, frames=tuple([FrameRange(start=a, end=b) for a, b in runs(np.array(frames)).tolist()])
            )
            for one, frames in found.values()
        ]
    )


def frames_in(ranges: Iterable[FrameRange], limits: Limits = DEFAULT_LIMITS) -> list[int]:
    """Every frame of some ranges, once and rising; no more than `max_frames`.

    >>> frames_in([FrameRange(start=4, end=5), FrameRange(start=0, end=1), FrameRange(start=5, end=6)])
    [0, 1, 4, 5, 6]
    """
    parts = list(ranges)
    limits.check("max_frames", sum(one.end - one.start + 1 for one in parts))
    return sorted({frame for one in parts for frame in range(one.start, one.end + 1)})


def keyframe_flags(found: Any, numbers: Sequence[str]) -> list[bool]:
    """Which frames are key frames, by either form of the platform's map; all are where it has nothing.

    >>> keyframe_flags({"7": True, "8": False}, ["7", "8"]), keyframe_flags([8], ["7", "8"])
    ([True, False], [False, True])
    """
    if isinstance(found, dict):
        return [found.get(number) is True for number in numbers]
    if isinstance(found, list):
        among = {str(number) for number in found}
        return [number in among for number in numbers]
    return [True] * len(numbers)
