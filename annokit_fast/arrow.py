"""Arrow columns as the arrays the kernels take, without copying their values.

A list column of Arrow is flat values and offsets, as is everything here. pyarrow is not imported: the column brings
its own methods.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from annokit_fast._checks import Array, freeze, vector

__all__ = ["ragged"]


def __dir__() -> list[str]:
    return __all__


def ragged(column: Any, columns: int = 1) -> tuple[Array, ...]:
    """Values and offsets of a column of lists, of lists of lists, or of binary.

    Parameters
    ----------
    column : pyarrow.Array or pyarrow.ChunkedArray
        Of (large) lists to any depth, with numbers innermost, or numbers in lists of fixed size (GeoArrow's points);
        or of (large) binary or strings. Without nulls. A chunked array of several chunks is copied into one.
    columns : int
        How many numbers of an innermost list are one item: 2 for lists of x, y, x, y.

    Returns
    -------
    values : (total,) or (total, columns)
        A view of the column's memory; uint8 for binary and strings.
    *offsets : (n + 1,) int64
        From the innermost lists to the column's rows, each starting at 0: what `polygons.area`,
        `rle.from_polygons`, `rle.from_strings` and `rle.RleBatch` take next.

    Raises
    ------
    TypeError
        Not an Arrow column, or not of lists or binary.
    ValueError
        Nulls, or innermost lists that `columns` does not divide.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from annokit_fast import arrow, polygons, rle
    >>> rings = pa.array([[[0, 0, 4, 0, 4, 4]], []], pa.list_(pa.list_(pa.float64())))
    >>> polygons.area(*arrow.ragged(rings, columns=2)).tolist()
    [8.0, 0.0]
    >>> rle.from_strings(*arrow.ragged(pa.array([b"123"])), 3, 2).counts.tolist()
    [1, 2, 3]
    >>> [array.tolist() for array in arrow.ragged(pa.array([], pa.list_(pa.uint32())))]
    [[], [0]]
    """
    if hasattr(column, "combine_chunks"):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if not hasattr(column, "buffers"):
        raise TypeError(f"column: expected an Arrow array, got {type(column).__name__}")
    offsets: list[Array] = []
    while hasattr(column, "values") and hasattr(column, "offsets"):
        _refuse_nulls(column)
        column, ends = column.values, column.offsets.to_numpy()
        column = column.slice(ends[0], ends[-1] - ends[0])
        offsets.insert(0, ends.astype(np.int64) - ends[0])
    _refuse_nulls(column)
    if str(column.type).removeprefix("large_") in ("binary", "string"):
        values, ends = _bytes(column)
        offsets.insert(0, ends)
    elif hasattr(column.type, "list_size"):
        values = column.flatten().to_numpy().reshape(-1, column.type.list_size)
    else:
        values = column.to_numpy()
    if not offsets:
        raise TypeError(f"column: expected lists or binary, got {column.type}")
    if columns > 1:
        values, offsets[0] = _items(values, offsets[0], columns)
    return freeze(values), *map(freeze, offsets)


def _refuse_nulls(column: Any) -> None:
    if column.null_count:
        raise ValueError(
            f"column: expected no nulls, got {column.null_count} (leave them out with drop_null)"
        )


def _bytes(column: Any) -> tuple[Array, Array]:
    """The bytes of all rows and their offsets."""
    _, ends, data = column.buffers()
    wide = str(column.type).startswith("large_")
    starts = np.frombuffer(ends, np.int64 if wide else np.int32)[column.offset :][: len(column) + 1]
    text = np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8)
    return text[starts[0] : starts[-1]], starts.astype(np.int64) - starts[0]


def _items(values: Array, ends: Array, columns: int) -> tuple[Array, Array]:
    odd = np.flatnonzero(ends % columns)
    if len(odd):
        i = odd[0] - 1
        raise ValueError(
            f"column: expected a multiple of {columns} numbers in each list, got {ends[i + 1] - ends[i]} in list {i}"
        )
    return vector(values, values.dtype, "values").reshape(-1, columns), ends // columns
