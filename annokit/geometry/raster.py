"""Shapes as run-length masks and back, through the kernels of `annokit_fast`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from annokit.errors import GeometryError
from annokit.geometry.ragged import Outlines, concatenated, ends, flattened
from annokit.model import Box, Mask, Polygon, RotatedBox
from annokit.model.base import Floats, Indices, as_readonly

if TYPE_CHECKING:
    from annokit_fast.rle import RleBatch

__all__ = ["Areal", "box_corners", "drawn", "mask_batch", "masks_of", "outline_of", "outlined", "to_rle"]

Areal: TypeAlias = Polygon | Box | RotatedBox | Mask
"""The shapes that cover pixels."""


_NOTHING = as_readonly([0], np.dtype(np.uint32))
_ONE_RING = as_readonly([0, 4], np.dtype(np.int64))
_ONE_PART = as_readonly([0, 1], np.dtype(np.int64))


def outline_of(shape: Polygon | Box | RotatedBox) -> Polygon:
    """A box as the polygon of its four corners; a polygon as it is.

    >>> outline_of(Box(x=1, y=2, width=3, height=4)).coords.tolist()
    [[1.0, 2.0], [4.0, 2.0], [4.0, 6.0], [1.0, 6.0]]
    """
    if isinstance(shape, Polygon):
        return shape
    corners = shape.corners if isinstance(shape, RotatedBox) else np.array(_corners(shape))
    corners.flags.writeable = False
    return Polygon(coords=corners, ring_offsets=_ONE_RING, part_offsets=_ONE_PART)


def _corners(box: Box) -> list[tuple[float, float]]:
    left, top, right, bottom = box.xyxy
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _outlines(shapes: Sequence[Polygon | Box | RotatedBox]) -> list[Polygon]:
    """`outline_of` each; the corners of all boxes are views into one array."""
    boxes = [_corners(shape) for shape in shapes if isinstance(shape, Box)]
    corners = iter(as_readonly(np.array(boxes, float).reshape(-1, 4, 2), np.dtype(np.float64)))
    return [
        Polygon(coords=next(corners), ring_offsets=_ONE_RING, part_offsets=_ONE_PART)
        if isinstance(shape, Box)
        else outline_of(shape)
        for shape in shapes
    ]


def to_rle(shapes: Sequence[Polygon | Box | RotatedBox], heights: Indices, widths: Indices) -> RleBatch:
    """The pixels of each shape by COCO's rule: in a part the first ring minus its holes, parts united.

    Parameters
    ----------
    shapes : sequence
        With finite coordinates within `FARTHEST` of the origin.
    heights, widths : int (n,)
        The image size of each.

    Raises
    ------
    GeometryError
        When a coordinate is not that.
    """
    return drawn(flattened(_outlines(shapes)), heights, widths)


def outlined(flat: Outlines, corners: Floats) -> Outlines:
    """Polygons that are flat already, and behind them (n, 4, 2) corners of what has four.

    >>> triangle = flattened([Polygon(coords=[(0, 0), (4, 0), (4, 4)])])
    >>> outlined(triangle, box_corners(np.ones((2, 4)))).ring_offsets.tolist()
    [0, 3, 7, 11]
    """
    more = np.arange(1, len(corners) + 1)
    return Outlines(
        np.concatenate([flat.coords, corners.reshape(-1, 2)]),
        *(
            np.concatenate([offsets, offsets[-1] + step * more])
            for offsets, step in zip(flat[1:], (4, 1, 1), strict=True)
        ),
    )


def box_corners(rows: Floats) -> Floats:
    """The corners (n, 4, 2) of boxes given as x, y, width and height.

    >>> box_corners(np.array([(1.0, 2.0, 3.0, 4.0)])).tolist()
    [[[1.0, 2.0], [4.0, 2.0], [4.0, 6.0], [1.0, 6.0]]]
    """
    far = rows[:, :2] + rows[:, 2:]
    sides: Floats = np.concatenate([rows[:, :2], far], axis=1)
    return sides[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)


def drawn(flat: Outlines, heights: Indices, widths: Indices) -> RleBatch:
    """`to_rle` of polygons that are flat already."""
    from annokit_fast import rle

    try:
        return rle.from_polygons(*flat[:3], heights, widths, object_offsets=flat.object_offsets)
    except ValueError as error:
        raise GeometryError(f"cannot draw a polygon: {error}") from error


def mask_batch(masks: Sequence[Mask]) -> RleBatch:
    """Many masks as one batch for the kernels, which want a count even of no pixels."""
    from annokit_fast.rle import RleBatch

    counts = [mask.counts if len(mask.counts) else _NOTHING for mask in masks]
    return RleBatch(
        concatenated(counts, np.uint32),
        ends([len(one) for one in counts]),
        np.array([mask.height for mask in masks], np.int32),
        np.array([mask.width for mask in masks], np.int32),
    )


def masks_of(batch: RleBatch) -> list[Mask]:
    """A batch of the kernels as model masks, views into it."""
    counts = batch.counts
    counts.flags.writeable = False
    bounds = batch.offsets.tolist()
    sizes = zip(batch.heights.tolist(), batch.widths.tolist(), strict=True)
    return [
        Mask(counts=counts[bounds[i] : bounds[i + 1]], height=height, width=width)
        for i, (height, width) in enumerate(sizes)
    ]
