"""Run-length masks in another frame: complement, crop, pad, resize. Public through `rle`.

`threads` splits the masks over threads; the results are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from annokit_fast import _rle_moves
from annokit_fast._checks import Array, freeze, per_item, sizes, vector
from annokit_fast._rle_batch import RleBatch, made_in_parts, trusted

__all__ = ["complement", "crop", "pad", "resize_nearest"]


def complement(batch: RleBatch, *, threads: int = 1) -> RleBatch:
    """Background and foreground exchanged.

    Examples
    --------
    >>> from annokit_fast import rle
    >>> rle.complement(rle.RleBatch([1, 3], [0, 2], 2, 2)).counts.tolist()
    [0, 1, 3]
    >>> len(rle.complement(rle.RleBatch([], [0], [], [])))
    0
    """

    def turned(start: int, stop: int) -> RleBatch:
        part = batch[start:stop]
        counts, offsets = _rle_moves.complement(part.counts, part.offsets)
        return trusted(counts, offsets, part.heights, part.widths)

    return made_in_parts(turned, len(batch), threads)


def crop(batch: RleBatch, boxes: Any, *, threads: int = 1) -> RleBatch:
    """The part of every mask inside a box, as a mask of the box's size.

    Parameters
    ----------
    batch : RleBatch
    boxes : (n, 4) int64, or (4,) for all
        x, y, width, height in whole pixels. What lies outside the image is background.

    Raises
    ------
    ValueError
        Another shape, a negative width or height, 2**32 pixels or more.

    Examples
    --------
    >>> from annokit_fast import rle
    >>> rle.crop(rle.RleBatch([4, 1, 4], [0, 3], 3, 3), [1, 1, 2, 2]).counts.tolist()
    [0, 1, 3]
    >>> len(rle.crop(rle.RleBatch([], [0], [], []), [0, 0, 1, 1]))
    0
    """
    values = np.asarray(boxes)
    if values.ndim == 1 and values.size == 4:
        values = np.tile(values, (len(batch), 1))
    if values.shape != (len(batch), 4):
        raise ValueError(f"boxes: expected shape ({len(batch)}, 4) or (4,), got {values.shape}")
    x, y, width, height = (vector(column, np.int64, "boxes") for column in values.T)
    return _shifted(batch, -x, -y, height, width, threads)


def pad(
    batch: RleBatch, top: Any = 0, bottom: Any = 0, left: Any = 0, right: Any = 0, *, threads: int = 1
) -> RleBatch:
    """Every mask with background added around it.

    Parameters
    ----------
    batch : RleBatch
    top, bottom, left, right : int, or (n,) int64
        Pixels to add; negative numbers cut off.

    Raises
    ------
    ValueError
        A size below 0, or 2**32 pixels or more.

    Examples
    --------
    >>> from annokit_fast import rle
    >>> rle.pad(rle.RleBatch([0, 1], [0, 2], 1, 1), top=1, right=1).counts.tolist()
    [1, 1, 2]
    """
    above, below, before, after = (
        per_item(side, len(batch), np.int64, name)
        for side, name in ((top, "top"), (bottom, "bottom"), (left, "left"), (right, "right"))
    )
    tall, wide = batch.heights + above + below, batch.widths + before + after
    return _shifted(batch, before, above, tall, wide, threads)


def _shifted(batch: RleBatch, dx: Array, dy: Array, heights: Array, widths: Array, threads: int) -> RleBatch:
    frame = (freeze(dx), freeze(dy), *sizes(heights, widths, len(batch)))
    return _reframed(_rle_moves.shift, batch, frame, threads)


def _reframed(
    kernel: Callable[..., tuple[Array, Array]], batch: RleBatch, frame: tuple[Array, ...], threads: int
) -> RleBatch:
    """Each mask through a kernel, with its numbers of `frame`; the last two are the new heights and widths."""

    def moved(start: int, stop: int) -> RleBatch:
        part, mine = batch[start:stop], [values[start:stop] for values in frame]
        counts, offsets = kernel(part.counts, part.offsets, part.heights, part.widths, *mine)
        return trusted(counts, offsets, *mine[-2:])

    return made_in_parts(moved, len(batch), threads)


def resize_nearest(batch: RleBatch, heights: Any, widths: Any, *, threads: int = 1) -> RleBatch:
    """Every mask at another size; a new pixel takes the old pixel under its middle.

    Row ``y`` comes from row ``floor((y + 0.5) * old_height / new_height)``, computed in whole numbers, and columns
    likewise: the rule of Pillow's NEAREST and OpenCV's INTER_NEAREST_EXACT.

    Parameters
    ----------
    batch : RleBatch
    heights, widths : int, or (n,) int32
        New sizes in pixels.

    Examples
    --------
    >>> from annokit_fast import rle
    >>> rle.resize_nearest(rle.RleBatch([1, 1], [0, 2], 2, 1), 4, 1).counts.tolist()
    [2, 2]
    >>> len(rle.resize_nearest(rle.RleBatch([], [0], [], []), 4, 4))
    0
    """
    return _reframed(_rle_moves.resize, batch, sizes(heights, widths, len(batch)), threads)
