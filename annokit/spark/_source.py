"""The data source: parts of the input become tasks, record batches come out; rows come back as shards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import pyarrow as pa
from pyspark.sql.datasource import DataSource, DataSourceReader, DataSourceWriter, InputPartition
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

from annokit.dataset import chained
from annokit.errors import UsageError, shown
from annokit.formats import NoOptions, reader_of
from annokit.model import Ontology
from annokit.reading import Part, parts
from annokit.spark._options import Given, as_ontology, locations, typed
from annokit.spark._problems import PROBLEMS, problems
from annokit.spark._writer import Shards
from annokit.tables import NAMED, named_schema

__all__ = ["TABLES", "AnnokitDataSource", "table_name"]

TABLES = (*NAMED, "problems")
_ALIASES = {"images": "data_rows", "answers": "classifications"}
_OPTIONS = ("format", "table", "splitBytes", "onError", "ontology")
_SPLIT, _OPENING = 32 << 20, 1 << 20


def table_name(name: str | None) -> str:
    """The table that was asked for; UsageError with the list where there is none."""
    found = _ALIASES.get((name or "annotations").lower(), (name or "annotations").lower())
    if found not in TABLES:
        raise UsageError(f"expected a table, got {shown(found)!r}", hint=", ".join((*TABLES, *_ALIASES)))
    return found


class AnnokitDataSource(DataSource):
    """Labels of every format that annokit reads, and shards of every format it writes.

    Reading: ``spark.read.format("annokit").option("format", "labelbox").load("/Volumes/.../export.ndjson")``; a path may be
    a pattern, or a folder of label files.

    Writing rows of the table `nested`: ``df.write.format("annokit").option("format", "coco").option("ontology",
    annokit.spark.ontology(df)).mode("overwrite").save("/Volumes/.../coco")``.

    Options
    -------
    format
        A name from `annokit.formats()`; when reading it is detected if it is not given.
    table
        `annotations` (the default), `data_rows` or `images`, `labels`, `classifications` or `answers`, `relationships`,
        `nested`, `bronze`, `flat`, `silver`; or `problems`, the records that cannot be read.
    splitBytes
        About how many bytes a task reads, where the format can be cut; 32 MiB.
    onError
        ``raise``, or ``skip``: what is left out then stands in the table `problems`.
    ontology
        A file, or JSON: of which `silver` has its columns, without which a first pass on the driver finds them; and in
        whose order writers number classes.
    classes
        Writing: names divided by commas, or a JSON list: only these, numbered in this order.
    others
        Those of the format, see `annokit.formats()`; writing, those of `annokit.write` that concern rows one by one, too.
    """

    @classmethod
    def name(cls) -> str:
        """What stands in ``spark.read.format(...)``."""
        return "annokit"

    def schema(self) -> StructType:
        """The columns of the table, found without a job."""
        found: StructType = from_arrow_schema(self._request.schema)
        return found

    def reader(self, schema: StructType) -> DataSourceReader:
        """What makes tasks of a read, and record batches of a task."""
        return _Reader(self._request, schema.fieldNames())

    def writer(self, schema: StructType, overwrite: bool) -> DataSourceWriter:
        """What makes shards of the rows of tasks."""
        return Shards(dict(self.options), schema.fieldNames(), overwrite)

    @cached_property
    def _request(self) -> _Request:
        return _Request.of(self.options)


class _Request(NamedTuple):
    """What is to be read, cut into parts."""

    tasks: list[list[Part]]
    table: str
    skip: bool
    ontology: Ontology | None

    @classmethod
    def of(cls, options: Mapping[str, str]) -> _Request:
        """Look at the options, and at the files, and cut them."""
        given = Given(options)
        name, table = given.take("format"), table_name(given.take("table"))
        on_error, ontology = given.take("on_error") or "raise", given.take("ontology")
        if on_error not in ("raise", "skip"):
            raise UsageError(f"expected onError raise or skip, got {shown(on_error)!r}")
        size = _positive(given.take("split_bytes"))
        paths = locations(given, name)
        own = reader_of(name).options if name else NoOptions
        reading = typed(own, given.take_all(own.__struct_fields__), f"reading {name}")
        given.finish((*_OPTIONS, *own.__struct_fields__))
        found = parts(paths, format=name, size=size, numbered=False, **reading)
        for part in found:
            _check_in_place(part)
        classes = as_ontology(ontology) if ontology else None
        if table == "silver" and classes is None:
            classes = chained([part.dataset() for part in found]).ontology
        return cls(_packed(found, size), table, on_error == "skip", classes)

    @property
    def schema(self) -> pa.Schema:
        """The columns."""
        return PROBLEMS if self.table == "problems" else named_schema(self.table, self.ontology)

    def read(self, part: Part) -> Iterator[pa.RecordBatch]:
        """The rows of a part of the input."""
        if self.table == "problems":
            return problems(part)
        return part.batches(self.table, ontology=self.ontology, on_error="skip" if self.skip else "raise")


def _packed(parts: list[Part], size: int) -> list[list[Part]]:
    """Neighbouring parts as tasks of about `size` bytes; opening a file costs as much as reading some of it."""
    tasks, room = list[list[Part]](), 0
    for part in parts:
        cost = size if part.source.is_dir else max(part.source.size, _OPENING)
        if cost > room:
            tasks.append([])
            room = size
        tasks[-1].append(part)
        room -= cost
    return tasks


def _positive(text: str | None) -> int:
    if text is None:
        return _SPLIT
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"expected a number of bytes as splitBytes, got {shown(text)!r}")
    return int(text)


def _check_in_place(part: Part) -> None:
    """Refuse what was unpacked on the driver, where no task would find it."""
    if part.source.origin != part.source.path:
        raise UsageError(f"tasks cannot read {shown(part.source.name)}, an archive", hint="unpack it first")


class _Reader(DataSourceReader):
    """Sent to every task; holds what is to be read, never labels."""

    def __init__(self, request: _Request, columns: list[str]) -> None:
        self._request, self._columns = request, columns

    def partitions(self) -> list[InputPartition]:
        """A task for each part, or for several small ones."""
        return [InputPartition(parts) for parts in self._request.tasks]

    def read(self, partition: InputPartition) -> Iterator[Any]:
        """The record batches of a task."""
        for part in partition.value:
            for batch in self._request.read(part):
                yield batch.select(self._columns)
