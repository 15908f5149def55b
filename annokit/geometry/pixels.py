"""The pixels of objects, whatever their shape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from annokit.geometry.raster import mask_batch, masks_of, outline_of, to_rle
from annokit.geometry.text import FARTHEST
from annokit.model import Box, DataRow, Mask, ObjectAnnotation, Polygon, RotatedBox
from annokit.model.base import Indices
from annokit.report import Report, census
from annokit.run import Run

if TYPE_CHECKING:
    from annokit_fast.rle import RleBatch

__all__ = ["drawable", "images_only", "pixels_of"]


def images_only(rows: Iterable[DataRow], report: Report) -> Iterator[DataRow]:
    """The rows that are images; others are lost by name."""
    for row in rows:
        if row.asset.media_type == "image":
            yield row
        else:
            why = "only images have a place (--video-frames makes some of videos)"
            report.lose_all("not-an-image", census(row), why, example=row.name)


def drawable(rows: Iterable[DataRow], run: Run) -> Iterator[DataRow]:
    """The rows whose images may be painted; those that are said to be larger are lost by name."""
    most = run.limits.max_pixels
    for row in rows:
        height, width = row.asset.height or 0, row.asset.width or 0
        if height < 0 or width < 0 or height * width > most:
            why = f"an image of more than {most} pixels is not painted (raise it with --max-pixels)"
            run.report.lose_all("image-size", census(row), why, example=row.name)
        else:
            yield row


def pixels_of(objects: Sequence[ObjectAnnotation], sizes: Indices) -> tuple[RleBatch, dict[int, str]]:
    """The pixels of each object by COCO's rule, and the code of the reason for those that have none.

    Parameters
    ----------
    objects : sequence
        Of shapes that cover pixels.
    sizes : int (n, 2)
        Width and height of the image of each.

    Returns
    -------
    RleBatch
        As many masks; those of lost objects are empty.
    dict of int to str
    """
    from annokit_fast import rle

    lost: dict[int, str] = {}
    empty = [_empty(*size) for size in sizes.tolist()]
    masks = list(empty)
    drawn: dict[int, Polygon | Box | RotatedBox] = {}
    for index, one in enumerate(objects):
        shape = one.geometry
        if isinstance(shape, Mask):
            if (shape.width, shape.height) == tuple(sizes[index].tolist()):
                masks[index] = shape
            else:
                lost[index] = "size-mismatch"
        elif isinstance(shape, Polygon | Box | RotatedBox):
            if (np.abs(outline_of(shape).coords) <= FARTHEST).all():
                drawn[index] = shape
            else:
                lost[index] = "not-finite"
    places = np.array(list(drawn), np.int64)
    made = to_rle(list(drawn.values()), sizes[places, 1], sizes[places, 0])
    for index, mask in zip(drawn, masks_of(made), strict=True):
        masks[index] = mask
    batch = mask_batch(masks)
    for index in np.flatnonzero(rle.area(batch) == 0).tolist():
        lost.setdefault(index, "zero-area")
    return batch, lost


def _empty(width: int, height: int) -> Mask:
    return Mask(counts=np.array([width * height], np.uint32), height=height, width=width)
