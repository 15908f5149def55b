"""Lists of different lengths as flat arrays with offsets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annokit.model.base import Indices

__all__ = ["concatenated", "ends", "lengths", "windows"]


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
