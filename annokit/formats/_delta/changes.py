"""Which annotations that come are not as the table has them.

Only these go into a merge: a commit then says what really changed, and DataFusion has to tell no rows apart, which
takes it gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from annokit.formats._delta.table import KEYS, query

if TYPE_CHECKING:
    from deltalake import DeltaTable

__all__ = ["changed"]

_Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]
_Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]


def changed(
    table: DeltaTable, place: str, batches: Iterable[pa.RecordBatch], known: _Flags
) -> Iterator[_Flags]:
    """For each batch, which of its rows the table has not, or not like that.

    Parameters
    ----------
    batches : iterable of RecordBatch
        All of one schema, with their places in the table.
    known : (n,) bool
        Which of the rows of all batches the table has.
    """
    names = {field.name for field in table.schema().fields}
    first = 0
    for batch in batches:
        flags = ~known[first : first + len(batch)]
        first += len(batch)
        at = np.flatnonzero(~flags)
        if len(at):
            mine = batch.take(pa.array(at))
            flags[at[_differing(mine, _theirs(table, place, mine, names))]] = True
        yield flags


def _theirs(table: DeltaTable, place: str, mine: pa.RecordBatch, names: set[str]) -> pa.RecordBatch:
    """The rows of the table that have the places of `mine`, in its order."""
    columns = [name for name in mine.schema.names if name in names]
    sql = f"SELECT {', '.join(columns)} FROM t WHERE {_among(mine.column(KEYS[0]).to_numpy())}"  # noqa: S608
    found = pa.Table.from_batches(list(query(table, sql, place))).combine_chunks()
    places = {key: at for at, key in enumerate(_keys(found))}
    rows = found.take(pa.array([places[key] for key in _keys(mine)]))
    made = [
        rows[field.name].combine_chunks() if field.name in names else pa.nulls(len(rows), field.type)
        for field in mine.schema
    ]
    return pa.record_batch(made, mine.schema)


def _among(indices: _Numbers) -> str:
    """The condition that a data row is one of these: a range where they are neighbours, which needs few files."""
    wanted = np.unique(indices)
    low, high = int(wanted[0]), int(wanted[-1])
    if high - low < 4 * len(wanted):
        return f"data_row_index BETWEEN {low} AND {high}"
    return f"data_row_index IN ({', '.join(map(str, wanted.tolist()))})"


def _keys(rows: pa.Table | pa.RecordBatch) -> Iterator[tuple[int, ...]]:
    return zip(*(rows.column(name).to_pylist() for name in KEYS), strict=True)


def _differing(one: pa.RecordBatch, other: pa.RecordBatch) -> list[int]:
    """The rows that are not equal: halves that are need no closer look."""
    if one.equals(other):
        return []
    if len(one) == 1:
        return [0]
    middle = len(one) // 2
    right = _differing(one.slice(middle), other.slice(middle))
    return _differing(one.slice(0, middle), other.slice(0, middle)) + [middle + at for at in right]
