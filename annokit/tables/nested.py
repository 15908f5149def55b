"""One row a data row, with everything in it as lists: what may be sent elsewhere row by row, and put together again."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from annokit.errors import Where
from annokit.tables.columns import list_column, no_rows, number_column, numbers
from annokit.tables.from_arrow import Chunk
from annokit.tables.schema import SCHEMAS, TABLES, conform

__all__ = ["LISTED", "NESTED", "nested", "unnested"]

LISTED = tuple(name for name in TABLES if name != "data_rows")
"""The tables that stand in a data row as lists."""

_STRUCTS = {name: pa.struct([field.with_nullable(True) for field in SCHEMAS[name]]) for name in LISTED}

NESTED = pa.schema(
    [*SCHEMAS["data_rows"], *(pa.field(name, pa.list_(kind)) for name, kind in _STRUCTS.items())],
    SCHEMAS["data_rows"].metadata | {b"annokit.table": b"nested"},
)
"""The columns of the data rows, and each other table as a list of its rows."""


def nested(piece: Mapping[str, pa.RecordBatch]) -> pa.RecordBatch:
    """The tables of whole data rows, as `annokit.tables.batches` makes them, in one; nothing is copied.

    Examples
    --------
    >>> from annokit.model import DataRow, Label
    >>> from annokit.tables import batches
    >>> [piece] = batches([DataRow(id="r1", labels=(Label(id="l1"), Label(id="l2"))), DataRow(id="r2")])
    >>> [[label["id"] for label in row["labels"]] for row in nested(piece).to_pylist()]
    [['l1', 'l2'], []]
    """
    rows = piece["data_rows"]
    index = numbers(rows.column("data_row_index"))
    columns = list(rows.columns)
    for name, kind in _STRUCTS.items():
        inner = piece[name]
        starts = np.searchsorted(numbers(inner.column("data_row_index")), index)
        structs = pa.StructArray.from_arrays(inner.columns, fields=list(kind))
        columns.append(list_column(np.diff(starts, append=len(inner)), structs))
    return pa.record_batch(columns, NESTED)


def unnested(batch: pa.RecordBatch, where: Where | None = None) -> dict[str, Chunk]:
    """The tables of rows that `nested` made, for `annokit.tables.data_rows`; rows are numbered anew, from 0.

    A column that is missing has no values; a list that is missing is empty.

    Raises
    ------
    DecodeError
        A column of another type, or without a value where one is needed.

    Examples
    --------
    >>> from annokit.model import DataRow, Label
    >>> from annokit.tables import batches, data_rows
    >>> row = DataRow(id="r1", labels=(Label(id="l1"),))
    >>> [piece] = batches([row])
    >>> data_rows(unnested(nested(piece)), print) == [row]
    True
    """
    place = where or Where("<nested>")
    places = np.arange(len(batch))
    found = {"data_rows": _numbered(batch, places)}
    for name in LISTED:
        found[name] = no_rows(SCHEMAS[name])
        if name in batch.schema.names:
            lists = batch.column(name)
            lengths = numbers(lists.value_lengths().fill_null(0))
            inner = pa.RecordBatch.from_struct_array(lists.flatten())
            found[name] = _numbered(inner, np.repeat(places, lengths))
    return {name: Chunk(conform(one, name, place), place.file or "", 0) for name, one in found.items()}


def _numbered(batch: pa.RecordBatch, indices: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.RecordBatch:
    names = [name for name in batch.schema.names if name != "data_row_index"]
    columns = [batch.column(name) for name in names]
    return pa.record_batch([*columns, number_column(indices, pa.int64())], [*names, "data_row_index"])
