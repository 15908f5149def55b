"""Flat arrays with offsets to Arrow's list columns and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from annokit.errors import DecodeError, Where
from annokit.geometry.ragged import ends
from annokit.model.base import Floats, Indices

__all__ = ["flat_values", "list_array"]


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
