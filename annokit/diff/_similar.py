"""How much two annotations of one data row are the same thing: 0 to 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from annokit.geometry import bounding_boxes
from annokit.geometry.pixels import pixels_of
from annokit.geometry.tracks import dense_boxes, pieces
from annokit.io.limits import Limits
from annokit.model import (
    Box,
    DataRow,
    Geometry,
    Mask,
    ObjectAnnotation,
    Point,
    Polygon,
    RotatedBox,
    TextSpan,
    TimeRange,
    Track,
)
from annokit.model.base import Floats

__all__ = ["Marked", "shape_key", "similarities"]

Marked: TypeAlias = ObjectAnnotation | Track

_AREAL = (Box, RotatedBox, Polygon, Mask)
_REACH = 10.0
"""Points are compared as squares that reach so many pixels to every side."""


def similarities(before: Sequence[Marked], after: Sequence[Marked], row: DataRow, limits: Limits) -> Floats:
    """The overlap of everything marked before with everything marked after.

    Returns
    -------
    float64 (n, m)
        Intersection over union: of areas (pixels, unless both are boxes), of the boxes around lines and keypoints, of
        squares of 20 pixels around points, of characters, of time, of boxes summed over frames for tracks. What has
        no extent is 1 where it is equal. 0 between things that cannot be compared, or are in other frames or pages.
    """
    found = np.zeros((len(before), len(after)))
    for family in (_areal, _spread, _spans, _times, _track_boxes):
        family(before, after, row, limits, found)
    if len({_place(one) for one in (*before, *after)}) > 1:
        apart = [[_place(one) != _place(other) for other in after] for one in before]
        found[np.array(apart, np.bool_).reshape(found.shape)] = 0.0
    alone = np.flatnonzero(~found.any(axis=0)).tolist()
    for i in np.flatnonzero(~found.any(axis=1)).tolist():
        for j in alone:
            found[i, j] = float(shape_key(before[i]) == shape_key(after[j]))
    return found


def shape_key(one: Marked) -> object:
    """What is equal for things that are equal in shape and place."""
    if isinstance(one, Track):
        values: tuple[object, ...] = (one.kind, one.frames, one.values, one.offsets, one.segments, one.masks)
    else:
        shape = one.geometry
        values = (shape.kind, *[getattr(shape, name) for name in shape.__struct_fields__])
    return (_place(one), *map(_hashable, values))


def _hashable(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tobytes()
    return value if isinstance(value, int | float | str) else repr(value)


def _place(one: Marked) -> object:
    """What has to be equal for two shapes to be compared at all."""
    return "track" if isinstance(one, Track) else (one.frame, one.page, one.space)


def _picked(
    things: Sequence[Marked], kinds: type | tuple[type, ...]
) -> tuple[list[int], list[ObjectAnnotation]]:
    found = [
        (i, a)
        for i, a in enumerate(things)
        if isinstance(a, ObjectAnnotation) and isinstance(a.geometry, kinds)
    ]
    return [i for i, _ in found], [a for _, a in found]


def _areal(
    before: Sequence[Marked], after: Sequence[Marked], row: DataRow, limits: Limits, found: Floats
) -> None:
    (rows, ours), (columns, theirs) = _picked(before, _AREAL), _picked(after, _AREAL)
    if not rows or not columns:
        return
    found[np.ix_(rows, columns)] = _boxes_iou([a.geometry for a in ours], [b.geometry for b in theirs])
    drawn = [i for i, one in enumerate(ours) if not isinstance(one.geometry, Box)]
    others = [j for j, one in enumerate(theirs) if not isinstance(one.geometry, Box)]
    if not drawn and not others:
        return
    width, height = _size([*ours, *theirs], row)
    if not 0 < width * height <= limits.max_pixels:
        return
    from annokit_fast import rle

    first, lost = pixels_of(ours, np.full((len(ours), 2), (width, height)))
    second, gone = pixels_of(theirs, np.full((len(theirs), 2), (width, height)))
    overlap = rle.iou(first, second)
    for i in range(len(ours)):
        for j in range(len(theirs)):
            if (i in drawn or j in others) and i not in lost and j not in gone:
                found[rows[i], columns[j]] = overlap[i, j]


def _size(objects: Sequence[ObjectAnnotation], row: DataRow) -> tuple[int, int]:
    """Width and height of the image; of what is marked in it, where they are not said."""
    if row.asset.width and row.asset.height:
        return row.asset.width, row.asset.height
    masks = [a.geometry for a in objects if isinstance(a.geometry, Mask)]
    if masks:
        return masks[0].width, masks[0].height
    boxes = [box for box in bounding_boxes([a.geometry for a in objects]) if box is not None]
    ends = np.array([(0.0, 0.0), *[box.xyxy[2:] for box in boxes]]).max(axis=0)
    return (0, 0) if not np.isfinite(ends).all() else (int(ends[0]) + 1, int(ends[1]) + 1)


def _boxes_iou(ours: Sequence[Geometry], theirs: Sequence[Geometry]) -> Floats:
    """The overlap of the boxes around shapes; 0 for shapes that have none."""
    from annokit_fast import boxes

    sides = [
        np.array([(np.nan,) * 4 if box is None else box.xyxy for box in bounding_boxes(shapes)])
        for shapes in (ours, theirs)
    ]
    good = [np.isfinite(side).all(axis=1) for side in sides]
    found = np.zeros((len(ours), len(theirs)))
    found[np.ix_(*good)] = boxes.iou(sides[0][good[0]], sides[1][good[1]])
    return found


def _spread(
    before: Sequence[Marked], after: Sequence[Marked], _row: DataRow, _limits: Limits, found: Floats
) -> None:
    """Points, lines and keypoints, by a box around them."""
    sides = []
    for things in (before, after):
        boxes = [(i, _reach(a.geometry)) for i, a in enumerate(things) if isinstance(a, ObjectAnnotation)]
        sides.append([(i, box) for i, box in boxes if box is not None])
    if all(sides):
        (rows, ours), (columns, theirs) = (zip(*side, strict=True) for side in sides)
        found[np.ix_(rows, columns)] = _boxes_iou(ours, theirs)


def _reach(shape: Geometry) -> Box | None:
    if isinstance(shape, (*_AREAL, TextSpan, TimeRange)):
        return None
    if isinstance(shape, Point):
        return Box(x=shape.x - _REACH, y=shape.y - _REACH, width=2 * _REACH, height=2 * _REACH)
    [box] = bounding_boxes([shape])
    return box


def _spans(
    before: Sequence[Marked], after: Sequence[Marked], _row: DataRow, _limits: Limits, found: Floats
) -> None:
    (rows, ours), (columns, theirs) = _picked(before, TextSpan), _picked(after, TextSpan)
    for i, one in zip(rows, ours, strict=True):
        for j, other in zip(columns, theirs, strict=True):
            a, b = one.geometry, other.geometry
            if isinstance(a, TextSpan) and isinstance(b, TextSpan) and a.message_id == b.message_id:
                found[i, j] = _overlap(a.start, a.end, b.start, b.end)


def _times(
    before: Sequence[Marked], after: Sequence[Marked], _row: DataRow, _limits: Limits, found: Floats
) -> None:
    (rows, ours), (columns, theirs) = _picked(before, TimeRange), _picked(after, TimeRange)
    for i, one in zip(rows, ours, strict=True):
        for j, other in zip(columns, theirs, strict=True):
            a, b = one.geometry, other.geometry
            if isinstance(a, TimeRange) and isinstance(b, TimeRange):
                found[i, j] = _overlap(a.start_ms, a.end_ms, b.start_ms, b.end_ms)


def _overlap(start: float, end: float, other_start: float, other_end: float) -> float:
    both = min(end, other_end) - max(start, other_start)
    return max(both / ((end - start) + (other_end - other_start) - both), 0.0) if both > 0 else 0.0


def _track_boxes(
    before: Sequence[Marked], after: Sequence[Marked], _row: DataRow, limits: Limits, found: Floats
) -> None:
    """Tracks of boxes: what they have in common over all frames, of all that either has."""
    sides = [
        [(i, a) for i, a in enumerate(s) if isinstance(a, Track) and a.kind == "box"] for s in (before, after)
    ]
    tracks = [a for side in sides for _, a in side]
    if not all(sides):
        return
    count = max((piece.last for track in tracks for piece in pieces(track)), default=-1) + 1
    limits.check("max_frames", count * len(tracks))
    ours, theirs = (_corners(dense_boxes([a for _, a in side], count)) for side in sides)
    for i, one in zip([i for i, _ in sides[0]], ours, strict=True):
        for j, other in zip([j for j, _ in sides[1]], theirs, strict=True):
            found[i, j] = _volume_iou(one, other)


def _corners(dense: Floats) -> Floats:
    corners: Floats = np.concatenate([dense[..., :2], dense[..., :2] + dense[..., 2:].clip(0)], axis=-1)
    return np.nan_to_num(corners, nan=0.0)


def _volume_iou(one: Floats, other: Floats) -> float:
    both = (
        (np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2]))
        .clip(0)
        .prod(axis=1)
        .sum()
    )
    either = sum((side[:, 2:] - side[:, :2]).prod(axis=1).sum() for side in (one, other)) - both
    return float(both / either) if either > 0 else 0.0
