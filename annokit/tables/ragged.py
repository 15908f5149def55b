"""Lists of different lengths as flat arrays with offsets: to Arrow's list columns and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from annokit.errors import DecodeError, Where
from annokit.model.base import Floats, Indices

__all__ = ["concatenated", "ends", "flat_values", "lengths", "list_array", "windows"]


def ends(lengths: Sequence[int] | Indices) -> Indices:
    """Where items of these lengths begin and end when they stand one after the other.

    >>> ends([2, 0, 3]).tolist()
    [0, 2, 2, 5]
    """
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def lengths(offsets: Sequence[Indices]) -> Indices:
    """How many items each group has, over many arrays of offsets.

    >>> lengths([np.array([0, 2, 5]), np.array([0, 4])]).tolist()
    [2, 3, 4]
    """
    starts: Indices = concatenated([array[:-1] for array in offsets], np.int64)
    stops: Indices = concatenated([array[1:] for array in offsets], np.int64)
    return stops - starts


def windows(offsets: Indices, firsts: Indices) -> Indices:
    """For each group of items its offsets counted from its own start, one group after the other.

    Parameters
    ----------
    offsets : int64 (items + 1,)
        Where each item starts.
    firsts : int64 (groups + 1,)
        The first item of each group.

    Returns
    -------
    int64, read-only
        Group k has one value more than items: those from ``firsts[k] - firsts[0] + k`` on.

    Examples
    --------
    >>> windows(np.array([0, 3, 7, 9]), np.array([0, 2, 3])).tolist()
    [0, 3, 7, 0, 2]
    """
    groups = np.repeat(np.arange(len(firsts) - 1), np.diff(firsts) + 1)
    places = np.arange(len(groups)) - groups + firsts[0]
    relative: Indices = offsets[places] - offsets[firsts[groups]]
    relative.flags.writeable = False
    return relative


def concatenated(arrays: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    """All values in one flat array; of no arrays, an empty one."""
    return np.concatenate(arrays).reshape(-1) if arrays else np.empty(0, dtype)


def list_array(
    lengths: Sequence[int] | Indices, values: Any, valid: Sequence[bool] | None = None
) -> pa.Array:
    """A list column; where `valid` is False the entry is null, and its length must be 0."""
    offsets = pa.array(ends(lengths).astype(np.int32))
    nulls = None if valid is None else pa.array(~np.asarray(valid, np.bool_))
    return pa.ListArray.from_arrays(offsets, pa.array(values), mask=nulls)


def flat_values(column: pa.Array, where: Where) -> tuple[Floats, list[Indices]]:
    """The values of a list column, and the offsets of each level from the outermost on, without a copy."""
    levels: list[Indices] = []
    while pa.types.is_list(column.type):
        levels.append(column.offsets.to_numpy().astype(np.int64))
        column = column.values
        if column.null_count:
            raise DecodeError("expected lists without nulls in them", where=where)
    return column.to_numpy(), levels
