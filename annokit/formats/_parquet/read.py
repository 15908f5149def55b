"""Reading the tables: row groups of all files in step, a few hundred data rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from annokit import tables
from annokit.dataset import Dataset, OntologyBuilder, Outline, RowKey
from annokit.errors import AnnokitError, DecodeError, InputError, Where, shown
from annokit.formats._parquet.write import ONTOLOGY
from annokit.io.gc import paused_gc
from annokit.io.source import Source
from annokit.model import Asset, DataRow, Ontology, parse
from annokit.run import Run
from annokit.tables import Chunk

__all__ = ["is_ours", "read"]

_ROWS = 256
_ANNOTATIONS = 4096


def is_ours(path: Path) -> bool:
    """Whether a Parquet file is an annotations table of annokit, or too damaged to tell."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        return True
    return metadata.get(b"annokit.table") == b"annotations"


def read(source: Source) -> Dataset:
    """The dataset of a folder of tables, or of an annotations table alone."""
    opened: _Folder | _File = _Folder(source) if source.is_dir else _File(source)
    return Dataset(opened.rows, outline=opened.outline, source=source.name, size=opened.size)


class _Folder:
    """All tables."""

    def __init__(self, source: Source) -> None:
        self._tables = {
            name: _Table(Source(str(Path(source.path or source.name) / f"{name}.parquet")), name)
            for name in tables.SCHEMAS
        }
        self.size = sum(table.source.size for table in self._tables.values())

    def outline(self) -> Outline:
        table = self._tables["ontology"]
        batches = [chunk.batch for chunk in table.chunks(_ANNOTATIONS)]
        nodes = pa.Table.from_batches(batches, tables.SCHEMAS["ontology"])
        return Outline(tables.to_ontology(nodes, Where(table.source.name)), list(self._keys()))

    def _keys(self) -> Iterator[RowKey]:
        for chunk in self._tables["data_rows"].chunks(_ANNOTATIONS):
            for entry in chunk.batch.select(["id", "global_key", "external_id", "uri"]).to_pylist():
                asset = Asset(uri=entry.pop("uri"))
                row = DataRow(asset=asset, **entry)
                yield RowKey(row.name, row.id)

    def rows(self, run: Run) -> Iterator[DataRow]:
        data_rows = self._tables["data_rows"]
        others = {name: _Cursor(self._tables[name]) for name in tables.TABLES if name != "data_rows"}
        progress = _Progress(run, self.size, data_rows.length)
        for chunk in data_rows.rising_chunks(_ROWS, 1):
            last = chunk.batch.column("data_row_index")[-1].as_py()
            found = {name: cursor.upto(last) for name, cursor in others.items()}
            yield from _made({**found, "data_rows": chunk}, run)
            progress.advance(len(chunk.batch))
        none = Chunk(_empty("data_rows"), data_rows.source.name, data_rows.length)
        left = {name: cursor.upto(None) for name, cursor in others.items()}
        yield from _made({**left, "data_rows": none}, run)


class _File:
    """The annotations table alone."""

    def __init__(self, source: Source) -> None:
        self._table = _Table(source, "annotations")
        self.size = source.size

    def outline(self) -> Outline:
        builder, keys = OntologyBuilder(), []
        for row in self.rows(Run(on_error="skip")):
            keys.append(RowKey(row.name, row.id))
            builder.add_row(row)
        stated = self._table.metadata.get(ONTOLOGY)
        ontology = None if stated is None else parse(stated)
        return Outline(ontology if isinstance(ontology, Ontology) else builder.build(), keys)

    def rows(self, run: Run) -> Iterator[DataRow]:
        progress = _Progress(run, self.size, self._table.length)
        for chunk in _whole_rows(self._table.rising_chunks(_ANNOTATIONS, 0)):
            yield from _made(tables.with_rows_and_labels(chunk), run)
            progress.advance(len(chunk.batch))


def _made(chunks: dict[str, Chunk], run: Run) -> list[DataRow]:
    def reject(error: AnnokitError, kind: str) -> None:
        run.reject(error, kind, format="parquet")

    with paused_gc():
        return tables.data_rows(chunks, reject)


class _Table:
    """One Parquet file that holds a table; its schema is checked before anything is read."""

    def __init__(self, source: Source, table: str) -> None:
        self.source, self.name = source, table
        with self._open() as file:
            schema, self.length = file.schema_arrow, file.metadata.num_rows
        self.metadata: dict[bytes, bytes] = schema.metadata or {}
        where = Where(source.name)
        tables.check_version(self.metadata, where)
        tables.conform(tables.no_rows(schema), table, where)
        self._columns = [name for name in tables.SCHEMAS[table].names if name in schema.names]

    @contextmanager
    def _open(self) -> Iterator[pq.ParquetFile]:
        with _damage_named(self.source), self.source.open() as handle:
            yield pq.ParquetFile(handle, page_checksum_verification=True)

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Up to `size` rows at a time, with exactly the columns of the table."""
        where, first = Where(self.source.name), 0
        with self._open() as file:
            for group in range(file.num_row_groups):  # all at once, and the whole file stays in memory
                for batch in file.iter_batches(size, [group], columns=self._columns):
                    yield Chunk(tables.conform(batch, self.name, where), self.source.name, first)
                    first += len(batch)
        if first != self.length:
            raise InputError(f"expected {self.length} rows, got {first}: the file is damaged", where=where)

    def rising_chunks(self, size: int, least_step: int) -> Iterator[Chunk]:
        """`chunks`, checked for the order in which tables are read together."""
        previous = -1
        for chunk in self.chunks(size):
            indices = _indices(chunk.batch)
            wrong = np.flatnonzero(np.diff(indices, prepend=previous) < least_step)
            if len(wrong):
                at = int(wrong[0])
                before = indices[at - 1] if at else previous
                raise DecodeError(
                    f"expected numbers that rise, got {indices[at]} after {before}",
                    where=Where(chunk.file, line=chunk.first + at + 1, path="$.data_row_index"),
                    hint="sort every table by data_row_index",
                )
            if len(indices):
                previous = int(indices[-1])
                yield chunk


class _Cursor:
    """Walks through a table in step with the data rows."""

    def __init__(self, table: _Table) -> None:
        self._chunks = table.rising_chunks(_ANNOTATIONS, 0)
        self._held = Chunk(_empty(table.name), table.source.name, 0)

    def upto(self, last: int | None) -> Chunk:
        """The rows of the data rows up to and with `last`; all that are left for None."""
        parts = [self._held]
        while last is None or not len(parts[-1].batch) or _indices(parts[-1].batch)[-1] <= last:
            more = next(self._chunks, None)
            if more is None:
                break
            parts.append(more)
        found, self._held = _cut(_joined(parts), last)
        return found


def _whole_rows(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Chunks cut anew, so that none ends within a data row."""
    held: Chunk | None = None
    for chunk in chunks:
        joined = chunk if held is None else _joined([held, chunk])
        found, held = _cut(joined, int(_indices(joined.batch)[-1]) - 1)
        if len(found.batch):
            yield found
    if held is not None:
        yield held


def _joined(chunks: list[Chunk]) -> Chunk:
    """Neighbouring chunks as one."""
    filled = [chunk for chunk in chunks if len(chunk.batch)] or chunks[:1]
    if len(filled) == 1:
        return filled[0]
    table = pa.Table.from_batches([chunk.batch for chunk in filled]).combine_chunks()
    return filled[0]._replace(batch=table.to_batches()[0])


def _cut(chunk: Chunk, last: int | None) -> tuple[Chunk, Chunk]:
    """The rows up to and with data row `last`, and those after it."""
    batch = chunk.batch
    end = len(batch) if last is None else int(np.searchsorted(_indices(batch), last, "right"))
    return chunk._replace(batch=batch.slice(0, end)), chunk._replace(
        batch=batch.slice(end), first=chunk.first + end
    )


def _indices(batch: pa.RecordBatch) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return tables.numbers(batch.column("data_row_index"))


def _empty(table: str) -> pa.RecordBatch:
    return tables.no_rows(tables.SCHEMAS[table])


class _Progress:
    """Tells the run of bytes in proportion to the rows that are done."""

    def __init__(self, run: Run, size: int, length: int) -> None:
        self._run, self._size, self._length = run, size, length
        self._rows = self._bytes = 0

    def advance(self, rows: int) -> None:
        """So many more rows are done."""
        self._rows += rows
        done = self._size * self._rows // max(self._length, 1)
        self._run.advance(done - self._bytes)
        self._bytes = done


@contextmanager
def _damage_named(source: Source) -> Iterator[None]:
    """Turn what pyarrow says about the bytes into an InputError that names the file."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # names that are not UTF-8
        problem = f"expected a whole Parquet file: {shown(str(error), 200)}"
        raise InputError(problem, where=Where(source.name)) from error
