"""Writing the tables: batches go to open files, in row groups of one size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from annokit import tables
from annokit.dataset import Dataset
from annokit.model import DataRow, Label, dump
from annokit.model.base import Indices
from annokit.report import Report
from annokit.run import Run
from annokit.tables.columns import number_column

__all__ = ["ONTOLOGY", "join", "make"]

ONTOLOGY = b"annokit.ontology"
"""The key of the file metadata under which the annotations table carries the classes, as JSON."""

_INDEX = "data_row_index"
_GROUP = 16384
_GROUP_BYTES = 64 << 20
_SHOWN = 8


def make(dataset: Dataset, run: Run) -> Iterator[Mapping[str, pa.RecordBatch]]:
    """The tables of a dataset, or of a part of one, as pieces of whole data rows."""
    return tables.batches(_checked(dataset.rows(run), run.report))


def join(
    made: Iterable[Mapping[str, pa.RecordBatch]], dataset: Dataset, target: Path, report: Report
) -> None:
    """All tables into `target` if it is a folder, else the annotations table as that file."""
    ontology, pieces = dataset.ontology, _numbered(made)
    if target.is_dir():
        _write_folder(pieces, target, dump(ontology), report)
        with _TableFile(target / "ontology.parquet", tables.SCHEMAS["ontology"]) as out:
            out.add(tables.from_ontology(ontology))
    else:
        _write_file(pieces, target, dump(ontology), report)
    report.count("written", "categories", len(ontology.tools))


def _numbered(pieces: Iterable[Mapping[str, pa.RecordBatch]]) -> Iterator[Mapping[str, pa.RecordBatch]]:
    """The pieces, with data rows counted over all of them, where those of a part count from 0 again."""
    rows = 0
    for piece in pieces:
        indices = piece["data_rows"].column(_INDEX)
        shift = rows - indices[0].as_py() if len(indices) else 0
        rows += len(indices)
        yield {name: _shifted(batch, shift) for name, batch in piece.items()} if shift else piece


def _shifted(batch: pa.RecordBatch, shift: int) -> pa.RecordBatch:
    place = batch.schema.get_field_index(_INDEX)
    field = batch.schema.field(place)
    return batch.set_column(
        place, field, number_column(tables.numbers(batch.column(place)) + shift, field.type)
    )


def _write_folder(
    pieces: Iterable[Mapping[str, pa.RecordBatch]], target: Path, ontology: bytes, report: Report
) -> None:
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(_TableFile(target / f"{name}.parquet", _schema(name, ontology)))
            for name in tables.TABLES
        }
        for piece in pieces:
            for name, batch in piece.items():
                files[name].add(pa.Table.from_batches([batch]))
                if name != "annotations":
                    report.count("written", name, len(batch))
            _count_annotations(piece["annotations"], report)


def _write_file(
    pieces: Iterable[Mapping[str, pa.RecordBatch]], target: Path, ontology: bytes, report: Report
) -> None:
    with _TableFile(target, _schema("annotations", ontology)) as file:
        for piece in pieces:
            file.add(pa.Table.from_batches([piece["annotations"]]))
            _count_annotations(piece["annotations"], report)
            _lose_others(piece, report)


def _schema(table: str, ontology: bytes) -> pa.Schema:
    """The table's schema; the annotations table has the classes with it, since it may be used alone."""
    schema = tables.SCHEMAS[table]
    return schema.with_metadata(schema.metadata | {ONTOLOGY: ontology}) if table == "annotations" else schema


def _count_annotations(batch: pa.RecordBatch, report: Report) -> None:
    kinds = batch.column("kind").to_pylist()
    keyframes = batch.column("keyframe_count")  # of tracks alone
    if keyframes.null_count < len(batch):
        counts = keyframes.to_pylist()
        kinds = [kind for kind, count in zip(kinds, counts, strict=True) if count is None]
        report.count("written", "tracks", len(batch) - len(kinds))
        report.count("written", "keyframes", sum(filter(None, counts)))
    for kind, count in Counter(kinds).items():
        report.count("written", f"object:{kind}", count)


def _lose_others(piece: Mapping[str, pa.RecordBatch], report: Report) -> None:
    """Account what the annotations table has no place for."""
    elsewhere = "write to a folder (--to parquet)"
    for table, key in (("data_rows", ["data_row_index"]), ("labels", ["data_row_index", "label_index"])):
        is_kept = np.zeros(len(piece[table]), np.bool_)
        is_kept[np.searchsorted(_numbers(piece[table], key), _numbers(piece["annotations"], key))] = True
        problem = f"without objects or tracks it has no row in the annotations table; {elsewhere}"
        names = piece[table].column("name")
        _lose(report, "no-annotations", table, problem, names, np.flatnonzero(~is_kept))
        n = int(is_kept.sum())
        report.count("written", table, n)
        if n:
            report.note("annotations-alone", table, f"only names are kept; {elsewhere}", n=n, lossy=True)
    for table in ("classifications", "relationships"):
        names = piece[table].column("name")
        problem = f"they have a table of their own; {elsewhere}"
        _lose(report, "annotations-alone", table, problem, names, np.arange(len(names)))


def _lose(report: Report, code: str, table: str, problem: str, names: pa.Array, lost: Indices) -> None:
    """Account rows of a table; the names of the first ones are enough for examples."""
    for place in lost[:_SHOWN].tolist():
        report.lose(code, table, problem, example=names[place].as_py())
    if len(lost) > _SHOWN:
        report.lose(code, table, problem, n=len(lost) - _SHOWN)


def _numbers(batch: pa.RecordBatch, key: Sequence[str]) -> Indices:
    """One rising number for each key of a row, or of a row and something below 2**32 in it."""
    numbers = np.zeros(len(batch), np.int64)
    for name in key:
        numbers = numbers << 32 | tables.numbers(batch.column(name))
    return numbers


def _checked(rows: Iterable[DataRow], report: Report) -> Iterator[DataRow]:
    """The rows; times that no zone goes with are named, since the tables hold UTC."""
    for row in rows:
        for label in row.labels:
            if _has_naive_time(label):
                report.note("no-time-zone", "labels", "a time without zone is taken as UTC", example=row.name)
        yield row


def _has_naive_time(label: Label) -> bool:
    if label.created_at is label.updated_at is None and not label.reviews:
        return False
    times = [label.created_at, label.updated_at, *(review.created_at for review in label.reviews)]
    return any(time is not None and time.tzinfo is None for time in times)


class _TableFile:
    """One Parquet file; rows are held back until a row group is full, so that the bytes depend on nothing else."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._held: list[pa.Table] = []
        self._rows = self._bytes = 0
        self._out = pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._flush(1)
        self._out.close()

    def add(self, table: pa.Table) -> None:
        """Take rows with the columns of the file."""
        self._hold(table.replace_schema_metadata(self._schema.metadata))
        self._flush(1 if self._bytes >= _GROUP_BYTES else _GROUP)

    def _hold(self, table: pa.Table) -> None:
        self._held.append(table)
        self._rows += len(table)
        self._bytes += table.nbytes

    def _flush(self, least: int) -> None:
        """Write full row groups, and a shorter one if `least` rows are left."""
        if self._rows < least:
            return
        left = pa.concat_tables(self._held)
        self._held, self._rows, self._bytes = [], 0, 0
        while len(left) >= least:
            self._out.write_table(left.slice(0, _GROUP), row_group_size=_GROUP)
            left = left.slice(_GROUP)
        self._hold(left)
