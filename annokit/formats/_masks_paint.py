"""Objects as pixels, and pixels as label maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from annokit.geometry import FARTHEST, mask_batch, masks_of, outline_of, to_rle
from annokit.model import Box, Mask, ObjectAnnotation, Polygon, RotatedBox
from annokit.model.base import Indices

if TYPE_CHECKING:
    from annokit_fast.rle import RleBatch

__all__ = ["Painted", "paint", "pixels_of"]

Kind = Literal["semantic", "instance", "objects"]


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


class Painted(msgspec.Struct, frozen=True):
    """The pixels of one image.

    Attributes
    ----------
    batch : RleBatch
        Its objects.
    whole : (h, w) integers or None
        The label map; None where each object has a file of its own.
    hidden, covered : set of int
        Objects of which no pixel, and of which some pixels, are not in the label map.
    """

    batch: RleBatch
    whole: NDArray[np.generic] | None
    hidden: set[int]
    covered: set[int]

    def single(self, index: int) -> NDArray[np.generic]:
        """One object: 255 where it is, 0 elsewhere."""
        from annokit_fast import rle

        pixels: NDArray[np.generic] = rle.decode(self.batch[index : index + 1])[0] * np.uint8(255)
        return pixels


def paint(
    batch: RleBatch, size: tuple[int, int], numbers: Indices, kind: Kind, order: Literal["last", "area"]
) -> Painted:
    """The label map of some objects of one image: of their class numbers, or of 1 to n in their order."""
    from annokit_fast import rle

    if kind == "objects":
        return Painted(batch, None, set(), set())
    if not len(batch):
        return Painted(batch, np.zeros((size[1], size[0]), np.uint8), set(), set())
    instances = rle.to_label_map(batch, order=order)
    flat = instances.T.ravel()  # column by column, as the runs go
    areas = rle.area(batch)
    seen = np.bincount(flat, minlength=len(batch) + 1)[1:]
    lacking = np.flatnonzero(seen < areas).tolist()
    if kind == "semantic":
        top = int(numbers.max())
        values = np.concatenate([[0], numbers]).astype(np.uint8 if top <= 0xFF else np.uint16)
        flat = values[flat]
        for index in lacking:  # what an object of the same class took is there all the same
            seen[index] = np.count_nonzero(flat[_places(batch[index])] == numbers[index])
    hidden = {index for index in lacking if not seen[index]}
    covered = {index for index in lacking if 0 < seen[index] < areas[index]}
    return Painted(batch, flat.reshape(size).T, hidden, covered)


def _places(mask: RleBatch) -> Indices:
    """Which pixels a mask covers, counted column by column."""
    ends = np.cumsum(mask.counts, dtype=np.int64)
    lengths = mask.counts[1::2].astype(np.int64)
    firsts = ends[1::2] - np.cumsum(lengths)
    return np.repeat(firsts, lengths) + np.arange(int(lengths.sum()))
