"""Shapes as run-length masks and back, through the kernels of `annokit_fast`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from annokit.errors import GeometryError
from annokit.model import Box, Mask, Polygon, RotatedBox
from annokit.model.base import Indices

if TYPE_CHECKING:
    from annokit_fast.rle import RleBatch

__all__ = ["Areal", "mask_batch", "masks_of", "outline_of", "to_rle"]

Areal: TypeAlias = Polygon | Box | RotatedBox | Mask
"""The shapes that cover pixels."""


def outline_of(shape: Polygon | Box | RotatedBox) -> Polygon:
    """A box as the polygon of its four corners; a polygon as it is.

    >>> outline_of(Box(x=1, y=2, width=3, height=4)).coords.tolist()
    [[1.0, 2.0], [4.0, 2.0], [4.0, 6.0], [1.0, 6.0]]
    """
    if isinstance(shape, Box):
        left, top, right, bottom = shape.xyxy
        return Polygon(coords=np.array([(left, top), (right, top), (right, bottom), (left, bottom)]))
    return Polygon(coords=shape.corners) if isinstance(shape, RotatedBox) else shape


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
    from annokit_fast import rle

    polygons = [outline_of(shape) for shape in shapes]
    if not polygons:
        return rle.from_polygons(np.empty((0, 2)), [0], [0], [], [])
    try:
        return rle.from_polygons(
            np.concatenate([polygon.coords for polygon in polygons]),
            _joined([polygon.ring_offsets for polygon in polygons]),
            _joined([polygon.part_offsets for polygon in polygons]),
            heights,
            widths,
            object_offsets=_joined([np.array([0, len(p.part_offsets) - 1]) for p in polygons]),
        )
    except ValueError as error:
        raise GeometryError(f"cannot draw a polygon: {error}") from error


def mask_batch(masks: Sequence[Mask]) -> RleBatch:
    """Many masks as one batch for the kernels."""
    from annokit_fast.rle import RleBatch

    return RleBatch(
        np.concatenate([mask.counts for mask in masks]) if masks else np.empty(0, np.uint32),
        _joined([np.array([0, len(mask.counts)]) for mask in masks]),
        np.array([mask.height for mask in masks], np.int32),
        np.array([mask.width for mask in masks], np.int32),
    )


def masks_of(batch: RleBatch) -> list[Mask]:
    """A batch of the kernels as model masks, views into it."""
    counts = batch.counts
    counts.flags.writeable = False
    ends = batch.offsets.tolist()
    sizes = zip(batch.heights.tolist(), batch.widths.tolist(), strict=True)
    return [
        Mask(counts=counts[ends[i] : ends[i + 1]], height=height, width=width)
        for i, (height, width) in enumerate(sizes)
    ]


def _joined(offsets: Sequence[Indices]) -> Indices:
    """Offsets that each start at 0, as one array over the concatenated items."""
    lengths = [np.diff(part) for part in offsets]
    out = np.zeros(sum(map(len, lengths)) + 1, np.int64)
    if lengths:
        np.cumsum(np.concatenate(lengths), out=out[1:])
    return out
