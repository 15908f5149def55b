"""JSON that stands in a column already: each cell is a document, and what it makes keeps columns beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import TaskContext
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

from annokit.errors import AnnokitError, UsageError, shown
from annokit.formats import parse_options, reader_of, uncut
from annokit.io.faults import BAD_JSON
from annokit.io.source import Source
from annokit.model import DataRow, Ontology
from annokit.reading import Part
from annokit.run import Run
from annokit.spark._options import as_ontology
from annokit.spark._problems import PROBLEMS, problems
from annokit.spark._source import table_name
from annokit.tables import named_batches, named_schema

__all__ = ["parse"]

_Documents: TypeAlias = dict[int, bytes]
"""The documents of a batch by their places; cells without one are left out."""

_TASK_ROWS = 1 << 40
"""Data rows that a task may make, so that those of two tasks never have one number."""


def parse(
    df: DataFrame,
    column: str,
    format: str,
    table: str = "annotations",
    *,
    keep: Sequence[str] = (),
    ontology: str | None = None,
    on_error: str = "raise",
    **options: Any,
) -> DataFrame:
    """A table of the labels in a column: each cell one document of a format, as a line of an export is.

    Parameters
    ----------
    df : DataFrame
    column : str
        Strings or binaries. A null, or a blank, is no document.
    format : str
        A name from `annokit.formats()` that is a file.
    table : str
        As the option `table` of the data source; with `problems`, what cannot be read.
    keep : sequence of str
        Columns of `df` that stand first in the result, beside what their row made. A key among them tells which cell a
        problem is in.
    ontology : str, optional
        For the table `silver`, which needs it: a file, or JSON; `annokit.spark.ontology` finds it in the table `nested`.
    on_error : {"raise", "skip"}
        Of a document that cannot be read: end with its place, or leave it out; then it stands in `problems`.
    **options
        The format's read options.

    Returns
    -------
    DataFrame
        `source` is the name of the column. `data_row_index` is unique, and the same as long as the frame has the same
        partitions.

    Raises
    ------
    UsageError
        An unknown format, table, column or option, or a column that would stand there twice.
    """
    if on_error not in ("raise", "skip"):
        raise UsageError(f"expected on_error raise or skip, got {on_error!r}")
    name = table_name(table)
    if name == "silver" and ontology is None:
        hint = 'ontology=annokit.spark.ontology(annokit.spark.parse(df, column, format, "nested"))'
        raise UsageError("expected an ontology, of which silver has its columns", hint=hint)
    parse_options(reader_of(format).options, options, f"reading {format}")
    found = as_ontology(ontology) if ontology is not None else None
    made = PROBLEMS if name == "problems" else named_schema(name, found)
    kept = df.select(*keep).schema
    taken = [one for one in keep if one in made.names]
    if taken:
        raise UsageError(f"the table has a column {taken[0]}, too", hint="rename the one to keep")
    schema = StructType([*kept.fields, *from_arrow_schema(made).fields])
    task = _Task(column, format, options, name, found, on_error == "skip")
    return df.select(*keep, df[column].alias(f"{column} document")).mapInArrow(task, schema)


class _Task:
    """What a task does: the last column has the documents, those before it are kept."""

    def __init__(
        self,
        column: str,
        format: str,
        options: dict[str, Any],
        table: str,
        ontology: Ontology | None,
        skip: bool,
    ) -> None:
        self._column, self._format, self._options = column, format, options
        self._table, self._ontology, self._skip = table, ontology, skip

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        context = TaskContext.get()
        first = context.partitionId() * _TASK_ROWS if context else 0
        for batch in batches:
            kept = batch.select(batch.schema.names[:-1])
            documents = _documents(batch.column(batch.num_columns - 1))
            if self._table == "problems":
                yield from self._problems(documents, kept)
                continue
            rows, places = self._rows(documents, kept)
            for made in named_batches(rows, self._table, ontology=self._ontology, first=first):
                yield _beside(kept, places[made.column("data_row_index").to_numpy() - first], made)
            first += len(rows)

    def _rows(self, documents: _Documents, kept: pa.RecordBatch) -> tuple[list[DataRow], NDArray[np.int64]]:
        """The data rows, and for each the place of its document."""
        rows = self._together(list(documents.values()))
        if rows is not None:
            return rows, np.array(list(documents), np.int64)
        found, places = list[DataRow](), list[int]()
        for place, document in documents.items():
            mine = self._read(document, kept, place)
            found += mine
            places += [place] * len(mine)
        return found, np.array(places, np.int64)

    def _together(self, documents: list[bytes]) -> list[DataRow] | None:
        """The rows of lines of an export, read as a block; None unless each line made exactly one."""
        if reader_of(self._format).cut is uncut:
            return None
        try:
            lines = [msgspec.json.format(one, indent=-1) if b"\n" in one else one for one in documents]
            run = Run(on_error="skip")
            rows = list(self._part(b"\n".join(lines)).dataset().rows(run))
        except (*BAD_JSON, AnnokitError):
            return None
        return rows if len(rows) == len(documents) and not run.report.total("skipped") else None

    def _read(self, document: bytes, kept: pa.RecordBatch, place: int) -> list[DataRow]:
        try:
            return list(self._part(document).dataset().rows(Run(on_error="skip" if self._skip else "raise")))
        except AnnokitError as error:
            beside = ", ".join(f"{name}={shown(kept[name][place].as_py())}" for name in kept.schema.names)
            error.where = error.where.at(file=f"{self._column} ({beside or _opening(document)})")
            raise

    def _problems(self, documents: _Documents, kept: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        if self._together(list(documents.values())) is None:
            for place, document in documents.items():
                for made in problems(self._part(document)):
                    yield _beside(kept, np.full(len(made), place), made)

    def _part(self, data: bytes) -> Part:
        source = Source(data)
        source.name = self._column
        return Part(source, self._format, self._options)


def _opening(document: bytes) -> str:
    """How a document begins: what there is to find it by where nothing is kept beside it."""
    return shown(document[:400].decode(errors="replace"))


def _documents(column: pa.Array) -> _Documents:
    texts = (
        (place, one.encode() if isinstance(one, str) else one) for place, one in enumerate(column.to_pylist())
    )
    return {place: text for place, text in texts if text and not text.isspace()}


def _beside(kept: pa.RecordBatch, places: NDArray[np.int64], made: pa.RecordBatch) -> pa.RecordBatch:
    """The rows, each with what is kept of the row of its document."""
    repeated = kept.take(pa.array(places, pa.int64()))
    names = [*kept.schema.names, *made.schema.names]
    return pa.RecordBatch.from_arrays([*repeated.columns, *made.columns], names)
