"""One shape out of those of several annotators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from annokit.consensus._tracks import median_track
from annokit.errors import UsageError
from annokit.geometry import mask_batch, masks_of, to_rle
from annokit.model import (
    Box,
    Geometry,
    Keypoints,
    Mask,
    ObjectAnnotation,
    Point,
    Polygon,
    TimeRange,
    Track,
)
from annokit.similarity import Marked, family_of

__all__ = ["Shaping", "merged_shape"]


class Shaping(NamedTuple):
    """How shapes are merged.

    Attributes
    ----------
    polygons : {"medoid", "vote"}
        The polygon that agrees most with the others, vertices as drawn; or the outline of the pixels that more than
        half of them hold.
    masks : {"majority", "staple"}
        The pixels that more than half hold; or STAPLE's estimate.
    """

    polygons: str = "medoid"
    masks: str = "majority"

    def check(self) -> Shaping:
        """This, or a UsageError."""
        if self.polygons not in ("medoid", "vote"):
            raise UsageError(f"expected polygons medoid or vote, got {self.polygons!r}")
        if self.masks not in ("majority", "staple"):
            raise UsageError(f"expected masks majority or staple, got {self.masks!r}")
        return self


def merged_shape(
    members: Sequence[Marked],
    scores: NDArray[np.float64],
    weights: NDArray[np.float64],
    shaping: Shaping,
    size: tuple[int, int] | None,
) -> Geometry | Track:
    """The shape of a group of objects that mark the same thing.

    Boxes: the median of each side, weighted. Points, time ranges and the points of keypoints: medians. Masks and
    polygons: as `shaping` says. Tracks of boxes and points: `median_track`. Everything else, and groups of several
    kinds: the member with the highest sum of scores with the others.

    Parameters
    ----------
    members : sequence
        At least one, in an order that depends on what is drawn alone.
    scores : (n, n) float64
        Their scores with each other.
    weights : (n,) float64
        What each counts.
    size : (int, int), optional
        Height and width of the image.
    """
    if len(members) == 1:
        return _shape(members[0])
    medoid = _shape(members[_central(scores)])
    if family_of(members[0]) == "unknown":
        return medoid
    if isinstance(members[0], Track):
        tracks = [one for one in members if isinstance(one, Track)]
        return median_track(tracks) or medoid
    shapes = [one.geometry for one in members if isinstance(one, ObjectAnnotation)]
    if len({type(shape) for shape in shapes}) > 1:
        return medoid
    if isinstance(shapes[0], Box):
        return _box([shape.xyxy for shape in shapes if isinstance(shape, Box)], weights)
    if isinstance(shapes[0], Mask):
        return _mask([shape for shape in shapes if isinstance(shape, Mask)], shaping)
    if isinstance(shapes[0], Polygon) and shaping.polygons == "vote" and size is not None:
        return _outline([shape for shape in shapes if isinstance(shape, Polygon)], size) or medoid
    return _medians(shapes) or medoid


def _shape(one: Marked) -> Geometry | Track:
    return one if isinstance(one, Track) else one.geometry


def _central(scores: NDArray[np.float64]) -> int:
    """The first of those with the highest sum."""
    return int(np.sort(scores, axis=1).sum(axis=1).argmax())


def _box(corners: Sequence[tuple[float, ...]], weights: NDArray[np.float64]) -> Box:
    from annokit_fast import agreement

    merged, _ = agreement.merge_boxes(corners, [0, len(corners)], weights)
    left, top, right, bottom = merged[0].tolist()
    return Box(x=left, y=top, width=right - left, height=bottom - top)


def _mask(masks: Sequence[Mask], shaping: Shaping) -> Mask:
    from annokit_fast import agreement

    batch, groups = mask_batch(masks), [0, len(masks)]
    if shaping.masks == "staple":
        return masks_of(agreement.staple(batch, groups).masks)[0]
    return masks_of(agreement.majority(batch, groups))[0]


def _outline(polygons: Sequence[Polygon], size: tuple[int, int]) -> Polygon | None:
    """The outline of the pixels that more than half hold; None where there are none."""
    from annokit_fast import agreement, rle

    sides = (np.full(len(polygons), side, np.int64) for side in size)
    won = agreement.majority(to_rle(polygons, *sides), [0, len(polygons)])
    coords, rings, parts, _ = rle.to_polygons(won)
    return Polygon(coords=coords, ring_offsets=rings, part_offsets=parts) if len(coords) else None


def _medians(shapes: Sequence[Any]) -> Geometry | None:
    first = shapes[0]
    if isinstance(first, Point):
        x, y = np.median([(shape.x, shape.y) for shape in shapes], axis=0).tolist()
        return Point(x=x, y=y)
    if isinstance(first, TimeRange):
        start, end = np.median([(shape.start_ms, shape.end_ms) for shape in shapes], axis=0).tolist()
        return TimeRange(start_ms=start, end_ms=end)
    if isinstance(first, Keypoints) and len({len(shape.coords) for shape in shapes}) == 1:
        return _keypoints(shapes)
    return None


def _keypoints(shapes: Sequence[Keypoints]) -> Keypoints:
    """Each point is there if at least half marked it, as visible as most of these say, at the median of theirs."""
    seen = np.stack([shape.visibility for shape in shapes])
    where = np.stack([shape.coords for shape in shapes])
    coords, visibility = np.zeros(where.shape[1:]), np.zeros(seen.shape[1], np.int8)
    for k in range(seen.shape[1]):
        marked = seen[:, k] > 0
        if 2 * marked.sum() >= len(shapes):
            coords[k] = np.median(where[marked, k], axis=0)
            visibility[k] = 2 if 2 * (seen[marked, k] == 2).sum() >= marked.sum() else 1
    return Keypoints(coords=coords, visibility=visibility)
