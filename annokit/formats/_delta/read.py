"""Reading a Delta table: data rows by their number, some ten thousand annotations at a time.

The files of a table that was merged into are in no order, so they are asked for ranges of numbers; of a
file in order delta-rs reads only what a range has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from annokit.dataset import Dataset, OntologyBuilder, Outline, RowKey
from annokit.errors import AnnokitError, DecodeError, InputError, Where, shown
from annokit.formats._delta.table import KEYS, opened, query, stated_ontology
from annokit.io.gc import paused_gc
from annokit.io.source import Source
from annokit.model import DataRow, Ontology
from annokit.run import Run
from annokit.tables import Chunk, conform, data_rows, with_rows_and_labels

__all__ = ["read"]

_RANGE = 65536
"""About how many annotations are asked for at a time."""

_ROWS = 256

_KEYS_OF_ROWS = """
SELECT data_row_index, min(data_row_id) AS data_row_id, min(name) AS name, count(*) AS annotations,
    max(data_row_id) AS other_id, min(source) AS source, max(source) AS other_source
FROM t GROUP BY data_row_index ORDER BY data_row_index
"""


class _Keys(NamedTuple):
    """The data rows of a table, in order."""

    numbers: np.ndarray[tuple[int], np.dtype[np.int64]]
    names: list[RowKey]
    annotations: np.ndarray[tuple[int], np.dtype[np.int64]]


def read(source: Source, version: int | None) -> Dataset:
    """The dataset of a table, as it was at `version`."""
    if source.path is None or not source.is_dir:
        raise InputError("expected the folder of a Delta table, got a file", where=Where(source.name))
    table = _Table(source, version)
    return Dataset(table.rows, outline=table.outline, source=source.name, size=table.size)


class _Table:
    """A Delta table at one version."""

    def __init__(self, source: Source, version: int | None) -> None:
        self._source, self._name = source, source.name
        self._place = str(source.path)
        self._table = opened(self._place, version)
        self.size = sum(pa.table(self._table.get_add_actions())["size_bytes"].to_pylist())

    def outline(self) -> Outline:
        keys = self._keys()
        stated = stated_ontology(self._place, self._table.version())
        return Outline(stated or self._classes(), keys.names)

    def _classes(self) -> Ontology:
        builder = OntologyBuilder()
        for row in self.rows(Run(on_error="skip")):
            builder.add_row(row)
        return builder.build()

    def rows(self, run: Run) -> Iterator[DataRow]:
        """The data rows, in the order of their numbers."""
        keys = self._keys()
        total, done = int(keys.annotations.sum()), 0
        for start, end in _ranges(keys.annotations):
            chunk = self._range(int(keys.numbers[start]), int(keys.numbers[end - 1]), done)
            yield from self._made(chunk, run)
            before, done = done, done + len(chunk.batch)
            run.advance(self.size * done // total - self.size * before // total)

    def _made(self, chunk: Chunk, run: Run) -> Iterator[DataRow]:
        """Its data rows, a few hundred at a time."""

        def reject(error: AnnokitError, kind: str) -> None:
            run.reject(error, kind, format="delta")

        indices = chunk.batch.column("data_row_index").to_numpy()
        starts = np.flatnonzero(np.diff(indices, prepend=indices[0] - 1))[::_ROWS]
        for start, end in zip(starts, [*starts[1:], len(indices)], strict=True):
            part = Chunk(chunk.batch.slice(start, end - start), chunk.file, chunk.first + int(start))
            with paused_gc():
                made = data_rows(with_rows_and_labels(part), reject)
            yield from made

    def _range(self, first: int, last: int, before: int) -> Chunk:
        """The annotations of the data rows from number `first` to `last`, in order."""
        order = ", ".join(KEYS)
        sql = f"SELECT * FROM t WHERE data_row_index BETWEEN {first} AND {last} ORDER BY {order}"  # noqa: S608
        batches = list(query(self._table, sql, self._name))
        found = pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
        return Chunk(conform(found, "annotations", Where(self._name)), self._name, before)

    def _keys(self) -> _Keys:
        found = pa.Table.from_batches(query(self._table, _KEYS_OF_ROWS, self._name), _KEY_SCHEMA)
        names = []
        for entry in found.to_pylist():
            index, row_id = entry["data_row_index"], entry["data_row_id"]
            if index is None:
                problem = f"expected a number in every row, got {entry['annotations']} nulls"
                raise DecodeError(problem, where=Where(self._name, path="$.data_row_index"))
            if row_id != entry["other_id"] or entry["source"] != entry["other_source"]:
                raise DecodeError(
                    f"several data rows have the number {index}: {shown(row_id)}, {shown(entry['other_id'])}",
                    where=Where(self._name, path="$.data_row_index"),
                    hint="was something appended without annokit? read the version before, or overwrite it",
                )
            own = row_id or str(index)
            names.append(RowKey(entry["name"] or own, own))
        columns = [found[name].to_numpy() for name in ("data_row_index", "annotations")]
        return _Keys(columns[0], names, columns[1])


_KEY_SCHEMA = pa.schema(
    [
        ("data_row_index", pa.int64()),
        ("data_row_id", pa.string()),
        ("name", pa.string()),
        ("annotations", pa.int64()),
        ("other_id", pa.string()),
        ("source", pa.string()),
        ("other_source", pa.string()),
    ]
)


def _ranges(
    annotations: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> Iterator[tuple[int, int]]:
    """Ranges of data rows that have about `_RANGE` annotations together."""
    ends = np.cumsum(annotations)
    start = 0
    while start < len(ends):
        before = int(ends[start - 1]) if start else 0
        end = max(start + 1, int(np.searchsorted(ends, before + _RANGE, "right")))
        yield start, end
        start = end
