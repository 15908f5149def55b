"""What goes into a Delta table, made as a Parquet file first: a commit is not begun before all is accounted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from msgspec.structs import replace

from annokit.dataset import Dataset
from annokit.errors import OutputError, Where, shown
from annokit.formats._parquet import write as tables
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

    return tables.make(dataset.through(named), run)


def join(
    made: Iterable[Mapping[str, pa.RecordBatch]], dataset: Dataset, target: Path, report: Report
) -> None:
    """The annotations table as the Parquet file `target`, and `DATA_ROWS` beside it.

    Raises
    ------
    OutputError
        A data row comes twice, or an id twice in one label: no later state could be merged into such a table.
    """
    keys: list[pa.RecordBatch] = []
    seen: set[tuple[str | None, str | None]] = set()

    def noted() -> Iterator[Mapping[str, pa.RecordBatch]]:
        for piece in made:
            rows = piece["data_rows"].select(_KEYS)
            _check_rows(rows, seen)
            _check_ids(piece["annotations"])
            keys.append(rows)
            yield piece

    tables.join(noted(), dataset, target, report)
    schema = pa.schema([SCHEMAS["data_rows"].field(name) for name in _KEYS])
    pq.write_table(pa.Table.from_batches(keys, schema), target.with_name(DATA_ROWS))


def _check_rows(rows: pa.RecordBatch, seen: set[tuple[str | None, str | None]]) -> None:
    for key in zip(*(column.to_pylist() for column in rows.columns), strict=True):
        if key in seen:
            raise OutputError(
                f"the data row {shown(key[1])} of {shown(key[0])} comes twice",
                where=Where(key[0]),
                hint="sources of one --source-name must not share ids",
            )
        seen.add(key)


def _check_ids(annotations: pa.RecordBatch) -> None:
    """Refuse an id that is twice in a label, which goes by its own id or else by annotator and number."""
    found = pa.table(annotations.select(["data_row_index", "label_id", "id", "frame"]))
    nameless = pc.is_null(annotations["label_id"])
    for name in ("annotator_id", "label_index"):
        column = annotations[name]
        found = found.append_column(name, pc.if_else(nameless, column, pa.scalar(None, column.type)))
    counts = (
        found.filter(pc.is_valid(found["id"])).group_by(found.schema.names).aggregate([([], "count_all")])
    )
    twice = counts.filter(pc.greater(counts["count_all"], 1)).slice(0, 1).to_pylist()
    if twice:
        at = pc.index(annotations["data_row_index"], twice[0]["data_row_index"]).as_py()
        row_id, source = (shown(annotations[name][at].as_py()) for name in ("data_row_id", "source"))
        raise OutputError(
            f"the source has several annotations of id {shown(twice[0]['id'])} in the data row {row_id} of {source}",
            where=Where(annotations["source"][at].as_py()),
            hint="ids must be unique in a label to merge by them",
        )
