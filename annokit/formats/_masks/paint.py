"""Objects as pixels, and pixels as label maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from annokit.model.base import Indices

if TYPE_CHECKING:
    from annokit_fast.rle import RleBatch

__all__ = ["Painted", "paint"]

Kind = Literal["semantic", "instance", "objects"]


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
