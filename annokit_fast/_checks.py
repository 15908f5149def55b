"""Checks at the edge: every array reaches a kernel read-only, C-contiguous and in one dtype, or is refused here.

One dtype and one layout per argument means one compiled version per kernel.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from annokit_fast import _plain
from annokit_fast._jit import jit_or, jit_when_busy

__all__ = [
    "MAX_COORDINATE",
    "MAX_PIXELS",
    "MAX_SIDE",
    "Array",
    "freeze",
    "output",
    "parts",
    "per_item",
    "points",
    "ragged",
    "sizes",
    "vector",
]

Array = npt.NDArray[Any]

MAX_PIXELS = 2**32
"""Counts are uint32: a mask must have fewer pixels than this."""

MAX_SIDE = 2**31 - 1
"""Heights and widths are int32."""

MAX_COORDINATE = float(2**26)
"""Largest absolute coordinate that rasterises exactly as pycocotools does (its 5x grid is int32)."""


LARGEST = float(np.finfo(np.float64).max)
"""No limit but that numbers are finite."""


def freeze(array: Array) -> Array:
    """A read-only view of `array`, or the array itself if it is read-only."""
    if not array.flags.writeable:
        return array
    view = array[:]
    view.setflags(write=False)
    return view


def vector(values: Any, dtype: npt.DTypeLike, name: str, ndim: int = 1) -> Array:
    """`values` as a read-only C-contiguous array of `dtype`; copied only where dtype or layout ask for it."""
    if type(values) is np.ndarray and values.ndim == ndim and values.dtype == dtype:
        flags = values.flags
        if flags.carray:  # nothing to do but to make a view: the case where every microsecond counts
            view = values[:]
            view.setflags(write=False)
            return view
        if flags.c_contiguous and flags.aligned:
            return values
    array = values if isinstance(values, np.ndarray) else np.asarray(values)
    if array.ndim != ndim:
        if array.size or ndim != 1:
            raise ValueError(f"{name}: expected {ndim} dimension(s), got shape {array.shape}")
        array = array.reshape(0)
    if array.dtype != dtype:
        array = _converted(array, np.dtype(dtype), name)
    flags = array.flags
    return freeze(array if flags.c_contiguous and flags.aligned else np.array(array, order="C"))


def _converted(array: Array, wanted: np.dtype[Any], name: str) -> Array:
    if array.size == 0:
        return array.astype(wanted, casting="unsafe")
    if wanted.kind == "f" and array.dtype.kind in "fiu":
        return array.astype(wanted)
    if wanted.kind in "iu" and array.dtype.kind in "iu":
        converted = array.astype(wanted)
        if not (converted == array).all():
            limits = np.iinfo(wanted)
            raise ValueError(
                f"{name}: expected values from {limits.min} to {limits.max}, got {array.min()} to {array.max()}"
            )
        return converted
    if wanted.kind == "b" and array.dtype.kind in "biu":
        return np.not_equal(array, 0)
    raise TypeError(f"{name}: expected an array of {wanted}, got {array.dtype}")


def points(values: Any, name: str = "coords", limit: float = LARGEST) -> Array:
    """Coordinates as float64 (n, 2), finite and at most `limit` in size; a flat x, y, x, y array is taken too."""
    array = _pairs(values, name)
    bad = _first_outside(array, float(limit))
    if bad >= 0:
        value = array[bad].tolist()
        if not np.isfinite(array[bad]).all():
            raise ValueError(f"{name}: expected finite numbers, got {value} at index {bad}")
        raise ValueError(f"{name}: expected numbers within +-{limit:.0f}, got {value} at index {bad}")
    return array


def _pairs(values: Any, name: str) -> Array:
    array = values if isinstance(values, np.ndarray) else np.asarray(values)
    if array.ndim == 1 and array.size % 2 == 0:
        array = array.reshape(-1, 2)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"{name}: expected shape (n, 2), or a flat array of x, y pairs, got {array.shape}")
    return vector(array, np.float64, name, ndim=2)


def ragged(values: Any, size: int, name: str, of: str) -> Array:
    """Offsets as int64, starting at 0, never falling, ending at `size`."""
    array = vector(values, np.int64, name)
    problem = _offsets_problem(array, size)
    if problem == _EMPTY:
        raise ValueError(f"{name}: expected at least one offset (0 alone for no {of}), got none")
    if problem == _START:
        raise ValueError(f"{name}: expected to start at 0, got {array[0]}")
    if problem == _END:
        raise ValueError(f"{name}: expected to end at {size} (the number of {of}), got {array[-1]}")
    if problem >= 0:
        raise ValueError(
            f"{name}: expected values that never fall, got {array[problem - 1]} then {array[problem]}"
        )
    return array


def parts(
    coords: Any, ring_offsets: Any, polygon_offsets: Any, limit: float = LARGEST
) -> tuple[Array, Array, Array]:
    """The three arrays of ragged polygons, checked against one another."""
    xy = _pairs(coords, "coords")
    rings = vector(ring_offsets, np.int64, "ring_offsets")
    polygons = vector(polygon_offsets, np.int64, "polygon_offsets")
    if not _polygons_good(xy, rings, polygons, float(limit)):
        points(xy, "coords", limit)
        ragged(rings, len(xy), "ring_offsets", "points")
        ragged(polygons, len(rings) - 1, "polygon_offsets", "rings")
    return xy, rings, polygons


def per_item(values: Any, count: int, dtype: npt.DTypeLike, name: str) -> Array:
    """`values` as a vector of length `count`; a single number is repeated."""
    array = values if isinstance(values, np.ndarray) else np.asarray(values)
    if array.ndim == 0:
        array = np.full(count, vector(array.reshape(1), dtype, name)[0])
    array = vector(array, dtype, name)
    if len(array) != count:
        raise ValueError(f"{name}: expected one number, or {count}, got {len(array)}")
    return array


def sizes(heights: Any, widths: Any, count: int) -> tuple[Array, Array]:
    """Heights and widths as int32 vectors of length `count`, none negative, fewer than 2**32 pixels each."""
    plain = type(heights) is int and type(widths) is int
    if plain and 0 <= heights <= MAX_SIDE and 0 <= widths <= MAX_SIDE and heights * widths < MAX_PIXELS:
        return _constant(heights, count), _constant(widths, count)
    tall = per_item(heights, count, np.int32, "heights")
    wide = per_item(widths, count, np.int32, "widths")
    bad = _first_bad_size(tall, wide)
    if bad >= 0:
        raise ValueError(
            f"heights, widths: expected sizes >= 0 with fewer than 2**32 pixels, got {tall[bad]} x {wide[bad]} "
            f"at index {bad}"
        )
    return tall, wide


def _constant(value: int, count: int) -> Array:
    """`count` times `value`, in memory that nobody can write."""
    if count <= _FEW:
        return _few(value)[:count]
    array = np.full(count, value, np.int32)
    array.setflags(write=False)
    return array


@functools.lru_cache(maxsize=64)
def _few(value: int) -> Array:
    array = np.full(_FEW, value, np.int32)
    array.setflags(write=False)
    return array[:]


def output(out: Any, shape: tuple[int, ...], dtype: npt.DTypeLike, name: str = "out") -> Array:
    """`out` if it is a writeable array of this shape and dtype; a new one, not yet filled, if it is None."""
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{name}: expected a numpy array, got {type(out).__name__}")
    if out.shape != shape or out.dtype != np.dtype(dtype):
        raise ValueError(
            f"{name}: expected shape {shape} of {np.dtype(dtype)}, got {out.shape} of {out.dtype}"
        )
    if not (out.flags.writeable and out.flags.c_contiguous and out.flags.aligned):
        raise ValueError(f"{name}: expected a writeable C-contiguous array")
    return out


_FEW = 64

_EMPTY, _START, _END = -2, -3, -4


@jit_when_busy
def _offsets_problem(offsets: Array, size: int) -> int:
    if offsets.size == 0:
        return _EMPTY
    if offsets[0] != 0:
        return _START
    for i in range(1, offsets.size):
        if offsets[i] < offsets[i - 1]:
            return i
    if offsets[-1] != size:
        return _END
    return -1


@jit_when_busy
def _first_outside(coords: Array, limit: float) -> int:
    """Index of the first point with a number beyond `limit`, which a NaN always is, or -1."""
    flat = coords.reshape(-1)
    bad = 0
    for i in range(flat.size):
        bad += not (abs(flat[i]) <= limit)
    if bad:
        for i in range(flat.size):
            if not (abs(flat[i]) <= limit):
                return i // 2
    return -1


@jit_or(_plain.has_good_polygons, _plain.LIGHT)
def _polygons_good(coords: Array, rings: Array, polygons: Array, limit: float) -> bool:
    """Whether nothing is wrong: one call in place of three where, as nearly always, all is well."""
    if _first_outside(coords, limit) >= 0 or _offsets_problem(rings, coords.shape[0]) != -1:
        return False
    return _offsets_problem(polygons, rings.size - 1) == -1


@jit_when_busy
def _first_bad_size(heights: Array, widths: Array) -> int:
    for i in range(heights.size):
        height = np.int64(heights[i])
        width = np.int64(widths[i])
        if height < 0 or width < 0 or height * width >= MAX_PIXELS:
            return i
    return -1
