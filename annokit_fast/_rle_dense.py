"""Run-length masks to and from pixels. Public through `rle`."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from annokit_fast import _rle_codec, _rle_raster
from annokit_fast._checks import Array, freeze, sizes, vector
from annokit_fast._rle_batch import RleBatch, ends_of, made_in_parts, trusted
from annokit_fast._threads import in_parts

__all__ = ["decode", "encode", "to_label_map"]


def encode(masks: Any, threads: int = 1) -> RleBatch:
    """Runs of dense masks.

    Parameters
    ----------
    masks : (h, w) or (n, h, w), bool or an integer dtype
        Any nonzero value is foreground. Both memory orders are read in place: each mask column-major (as
        pycocotools gives them), or row-major (numpy's default); other layouts are copied.
    threads : int
        Threads to split the masks over.

    Returns
    -------
    RleBatch
        One mask for (h, w), n for (n, h, w).

    Raises
    ------
    ValueError
        Another number of dimensions, or 2**32 pixels or more in a mask.
    TypeError
        Floats or other dtypes.

    Examples
    --------
    >>> import numpy as np
    >>> from annokit_fast import rle
    >>> rle.encode(np.array([[0, 1], [0, 7]], np.uint8)).counts.tolist()
    [2, 2]
    >>> rle.encode(np.zeros((0, 5), bool)).counts.tolist()
    [0]
    """
    stack = masks if isinstance(masks, np.ndarray) else np.asarray(masks)
    if stack.dtype.kind not in "biu":
        raise TypeError(f"masks: expected bool or whole numbers, got {stack.dtype}")
    if stack.dtype.itemsize > 1:
        stack = np.not_equal(stack, 0)
    if stack.ndim == 2:
        return _encoded(stack, stack.T, 1, stack.shape[0], stack.shape[1])
    if stack.ndim != 3:
        raise ValueError(f"masks: expected shape (h, w) or (n, h, w), got {stack.shape}")

    def part(start: int, stop: int) -> RleBatch:
        some = stack[start:stop]
        return _encoded(some, some.transpose(0, 2, 1), *some.shape)

    return made_in_parts(part, len(stack), threads)


def _encoded(rows: Array, columns: Array, n: int, height: int, width: int) -> RleBatch:
    """Runs of `n` masks, given as an array that is read row by row, and its transpose."""
    tall, wide = sizes(height, width, n)
    if columns.flags.c_contiguous:
        counts, offsets = _rle_codec.encode(_bytes(columns), n, height * width)
    else:
        counts, offsets = _rle_codec.encode(_bytes(np.ascontiguousarray(rows)), n, height * width)
        counts, offsets = _rle_raster.transpose(freeze(counts), freeze(offsets), tall, wide)
    return trusted(counts, offsets, tall, wide)


def _bytes(masks: Array) -> Array:
    flat = masks.reshape(-1)
    return freeze(flat if flat.dtype == np.uint8 else flat.view(np.uint8))


def decode(batch: RleBatch, out: Array | None = None, *, threads: int = 1) -> Array | list[Array]:
    """Dense masks of runs.

    Parameters
    ----------
    batch : RleBatch
    out : (n, h, w) uint8, optional
        Array to fill, for masks of one size. Fastest when each mask lies column-major in memory:
        ``np.empty((n, w, h), np.uint8).transpose(0, 2, 1)``.
    threads : int
        Threads to split the masks over.

    Returns
    -------
    (n, h, w) uint8, or a list of n (h, w) uint8
        An array when all sizes agree (column-major masks, as pycocotools'), else a list. 1 is foreground.

    Raises
    ------
    ValueError
        `out` of another shape or dtype, or not writeable.

    Examples
    --------
    >>> from annokit_fast import rle
    >>> rle.decode(rle.RleBatch([1, 2, 1], [0, 3], 2, 2)).tolist()
    [[[0, 1], [1, 0]]]
    >>> rle.decode(rle.RleBatch([], [0], [], [])).shape
    (0, 0, 0)
    """
    n = len(batch)
    tall, wide = batch.heights, batch.widths
    height, width = (int(tall[0]), int(wide[0])) if n else (0, 0)
    if n > 1 and not _rle_codec.one_size(tall, wide):
        if out is not None:
            raise ValueError("out: expected None for masks of different sizes, got an array")
        return _decode_each(batch, threads)
    if out is not None:
        return _decode_into(batch, out, (n, height, width), threads)
    flat = np.zeros(n * height * width, np.uint8)
    _paint(batch, flat, threads)
    return flat.reshape(n, width, height).transpose(0, 2, 1)


def _paint(batch: RleBatch, flat: Array, threads: int, clear: bool = False) -> None:
    """Masks into their column-major pixels, one after the other; `clear` writes the background too."""
    if threads == 1:
        _rle_codec.decode(batch.counts, batch.offsets, batch.heights, batch.widths, clear, flat)
        return
    ends = ends_of(batch.heights.astype(np.int64) * batch.widths)

    def paint(start: int, stop: int) -> None:
        tall, wide = batch.heights[start:stop], batch.widths[start:stop]
        pixels = flat[ends[start] : ends[stop]]
        _rle_codec.decode(batch.counts, batch.offsets[start : stop + 1], tall, wide, clear, pixels)

    in_parts(paint, len(batch), threads)


def _decode_each(batch: RleBatch, threads: int) -> list[Array]:
    ends = np.cumsum(batch.heights.astype(np.int64) * batch.widths)
    flat = np.zeros(int(ends[-1]), np.uint8)
    _paint(batch, flat, threads)
    pixels = np.split(flat, ends[:-1])
    return [p.reshape(w, h).T for p, w, h in zip(pixels, batch.widths, batch.heights, strict=True)]


def _decode_into(batch: RleBatch, out: Array, shape: tuple[int, int, int], threads: int) -> Array:
    if (
        not isinstance(out, np.ndarray)
        or out.shape != shape
        or out.dtype != np.uint8
        or not out.flags.writeable
    ):
        got = f"{out.shape} of {out.dtype}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ValueError(f"out: expected a writeable uint8 array of shape {shape}, got {got}")
    columns = out.transpose(0, 2, 1)
    if columns.flags.c_contiguous:
        _paint(batch, columns.reshape(-1), threads, clear=True)
    elif out.flags.c_contiguous:
        _paint(_transposed(batch, threads), out.reshape(-1), threads, clear=True)
    else:
        out[...] = decode(batch, threads=threads)
    return out


def _transposed(batch: RleBatch, threads: int) -> RleBatch:
    """The masks mirrored at their diagonals, so that rows become columns."""

    def mirrored(start: int, stop: int) -> RleBatch:
        part = batch[start:stop]
        counts, offsets = _rle_raster.transpose(part.counts, part.offsets, part.widths, part.heights)
        return trusted(counts, offsets, part.widths, part.heights)

    return made_in_parts(mirrored, len(batch), threads)


def to_label_map(
    batch: RleBatch,
    labels: Any = None,
    order: Literal["last", "area"] = "last",
    out: Array | None = None,
) -> Array:
    """One image that says which mask covers each pixel.

    Parameters
    ----------
    batch : RleBatch
        n masks of one size, at least one.
    labels : (n,) int64, optional
        Value of each mask, from 0 to 2**31 - 1; 1 to n without it. Background is 0.
    order : {"last", "area"}
        Where masks overlap: ``last`` lets the later one win, ``area`` the smaller one (the later of equals).
    out : (h, w) uint8, uint16 or int32, optional
        Array to fill, column-major (``order="F"``).

    Returns
    -------
    (h, w) uint8, uint16 or int32
        The smallest of these that holds all labels; column-major.

    Raises
    ------
    ValueError
        No mask, masks of different sizes, labels that do not fit, an unfit `out`.

    Examples
    --------
    >>> from annokit_fast import rle
    >>> two = rle.RleBatch([0, 2, 2, 1, 2, 1], [0, 3, 6], 2, 2)
    >>> rle.to_label_map(two).tolist(), rle.to_label_map(two[::-1], order="area").tolist()
    ([[1, 2], [2, 0]], [[2, 1], [2, 0]])
    """
    n = len(batch)
    if n == 0:
        raise ValueError("batch: expected at least one mask, got none (the size of the image is not known)")
    height, width = int(batch.heights[0]), int(batch.widths[0])
    if not _rle_codec.one_size(batch.heights, batch.widths):
        raise ValueError("batch: expected masks of one size, got different ones")
    if order not in ("last", "area"):
        raise ValueError(f"order: expected 'last' or 'area', got {order!r}")
    largest = n
    if labels is not None:
        labels = vector(labels, np.int64, "labels")
        if len(labels) != n or labels.min() < 0 or labels.max() > 2**31 - 1:
            raise ValueError(f"labels: expected {n} numbers from 0 to 2**31 - 1, got {labels.tolist()[:10]}")
        largest = int(labels.max())
    image = _label_image(out, height, width, largest)
    values = np.arange(1, n + 1, dtype=image.dtype) if labels is None else labels.astype(image.dtype)
    sequence = np.arange(n)
    if order == "area":
        areas = np.empty(n, np.int64)
        _rle_codec.area(batch.counts, batch.offsets, areas)
        sequence = np.argsort(-areas, kind="stable")
    _rle_codec.paint(batch.counts, batch.offsets, freeze(sequence), freeze(values), image.T.reshape(-1))
    return image


def _label_image(out: Array | None, height: int, width: int, largest: int) -> Array:
    if out is None:
        dtype = np.uint8 if largest < 2**8 else np.uint16 if largest < 2**16 else np.int32
        return np.zeros((width, height), dtype).T
    if not isinstance(out, np.ndarray) or out.shape != (height, width):
        raise ValueError(
            f"out: expected an array of shape {(height, width)}, got {getattr(out, 'shape', out)}"
        )
    if out.dtype not in (np.uint8, np.uint16, np.int32) or largest > np.iinfo(out.dtype).max:
        raise ValueError(f"out: expected uint8, uint16 or int32 large enough for {largest}, got {out.dtype}")
    if not (out.flags.writeable and out.flags.f_contiguous):
        raise ValueError("out: expected a writeable column-major array")
    out[...] = 0
    return out
