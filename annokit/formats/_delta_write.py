"""What goes into a Delta table, made as a Parquet file first: a commit is not begun before all is accounted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec.structs import replace

from annokit.dataset import Dataset
from annokit.formats import _parquet_write
from annokit.model import DataRow
from annokit.report import Report
from annokit.run import Run
from annokit.tables import SCHEMAS

__all__ = ["DATA_ROWS", "join", "make"]

DATA_ROWS = "data_rows.parquet"
"""Beside the annotations: all data rows by source and id, in order, those without annotations too."""

_KEYS = ["source", "id"]


def make(dataset: Dataset, source_name: str | None, run: Run) -> Iterator[Mapping[str, pa.RecordBatch]]:
    """The tables of a dataset, or of a part of one, as pieces; the source goes by the name it was given."""

    def named(rows: Iterator[DataRow], _run: Run) -> Iterator[DataRow]:
        for row in rows:
            yield row if source_name is None else replace(row, source=source_name)

    return _parquet_write.make(dataset.through(named), run)


def join(
    made: Iterable[Mapping[str, pa.RecordBatch]], dataset: Dataset, target: Path, report: Report
) -> None:
    """The annotations table as the Parquet file `target`, and `DATA_ROWS` beside it."""
    keys: list[pa.RecordBatch] = []

    def noted() -> Iterator[Mapping[str, pa.RecordBatch]]:
        for piece in made:
            keys.append(piece["data_rows"].select(_KEYS))
            yield piece

    _parquet_write.join(noted(), dataset, target, report)
    schema = pa.schema([SCHEMAS["data_rows"].field(name) for name in _KEYS])
    pq.write_table(pa.Table.from_batches(keys, schema), target.with_name(DATA_ROWS))
