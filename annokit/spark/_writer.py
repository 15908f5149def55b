"""Shards: each task writes its rows as one dataset, and only when all have done so do they take their place, together."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql.datasource import DataSourceArrowWriter, WriterCommitMessage

from annokit.conversion import write
from annokit.dataset import Dataset, Outline, RowKey
from annokit.errors import OutputError, UsageError, Where, shown
from annokit.formats import writer_of
from annokit.io.output import StagedFolder, staged_folder
from annokit.io.place import OVERWRITE, writing
from annokit.model import Asset, DataRow, ObjectAnnotation, Ontology, Tool, Track
from annokit.report import Report
from annokit.run import Run
from annokit.spark._nested import check_nested, rows_of
from annokit.spark._options import Given, as_ontology, is_json, listed, local_path, typed
from annokit.steps import Steps

__all__ = ["Shards"]

_BY_NAME = ("conll", "geojson", "hf-ner", "labelbox", "labelbox-import", "labelbox-v1", "spacy")
"""Formats whose classes have no numbers, so that no two shards can number them differently."""

_NAMES = ("id", "global_key", "external_id", "uri")


class _Steps(Steps, frozen=True, kw_only=True):
    """What may be done to rows on the way: parameters of `annokit.write` of these names."""

    strict: bool = False


_STEPS = tuple(
    name for name in _Steps.__struct_fields__ if name != "note_details"
)  # that is up to the format


@dataclass
class _Written(WriterCommitMessage):
    """What a task wrote: which part of the frame, under which name, and the account of it."""

    partition: int
    name: str
    account: Report


class Shards(DataSourceArrowWriter):
    """Writes nested rows as shards of a format; sent to every task."""

    def __init__(self, options: Mapping[str, str], columns: list[str], overwrite: bool) -> None:
        given = Given(options)
        self._format = _format(given.take("format"))
        writer = writer_of(self._format)
        if writer.place is not None:
            raise UsageError(f"{self._format} is no format of shards", hint="Spark writes Delta itself")
        check_nested(columns)
        own = writer.options.__struct_fields__
        path, ontology, classes, repair = map(given.take, ("path", "ontology", "classes", "repair"))
        steps, others = given.take_all(_STEPS), given.take_all(own)
        given.finish(dict.fromkeys(("format", "ontology", *_STEPS, *own)))
        self._classes = None if classes is None else listed(classes)
        self._ontology = _ontology(self._format, ontology, self._classes)
        self._options = typed(_Steps, steps, "writing")
        self._options |= typed(writer.options, others, f"writing {self._format}")
        self._options |= {"repair": listed(repair)} if repair is not None else {}
        if "ontology" in own and ontology is not None and not is_json(ontology):
            self._options["ontology"] = ontology  # labelbox-import takes schema ids from the file, too
        if self._options.get("labels") not in (None, "all", "newest"):
            raise UsageError("expected labels all or newest: others ask for all rows at once")
        self._overwrite = overwrite
        self._suffix = writer.suffix if writer.target == "file" else ""
        self._target = Path(local_path(path or "")).absolute()
        self._job = self._target.with_name(f".{self._target.name}.annokit-spark-{uuid.uuid4().hex}")
        with _placing(self._target):  # what cannot be put there is refused before the job
            StagedFolder(self._target, overwrite=overwrite)
            self._job.mkdir(parents=True)

    def write(self, iterator: Iterator[pa.RecordBatch]) -> WriterCommitMessage:
        """In a task: its rows as one dataset, made on this machine's disk and then moved beside the target."""
        context = TaskContext.get()
        partition = context.partitionId() if context else 0
        with tempfile.TemporaryDirectory(prefix="annokit-") as folder:
            spool, made = Path(folder) / "rows.arrow", Path(folder) / f"shard{self._suffix}"
            if not _spooled(iterator, spool):
                return _Written(partition, "", Report())
            account = write(
                self._dataset(spool),
                made,
                format=self._format,
                classes=self._classes,
                report=Path(folder) / "report.json",
                **self._options,
            )
            name = uuid.uuid4().hex  # of this attempt alone
            with _placing(self._target):
                self._job.stat()  # a folder would be moved to where there is none, too
                shutil.move(made, self._job / name)
            return _Written(partition, name, account)

    def _dataset(self, spool: Path) -> Dataset:
        known = self._ontology
        if known is None:
            return Dataset(lambda _run: _rows(spool), source="spark")
        names = {tool.name for tool in known.tools}
        found = Outline(known, list(_keys(spool)))

        def rows(_run: Run) -> Iterator[DataRow]:
            return _rows(spool) if self._classes else _within(_rows(spool), names)

        return Dataset(rows, outline=lambda: found, source="spark")

    def commit(self, messages: list[WriterCommitMessage | None]) -> None:
        """On the driver: all shards take their place in one step, with the account of all in ``_SUCCESS``."""
        found = sorted(
            (one for one in messages if isinstance(one, _Written) and one.name),
            key=lambda one: one.partition,
        )
        account = Report(source="spark", target=str(self._target))
        with _placing(self._target), staged_folder(self._target, overwrite=self._overwrite) as place:
            for number, one in enumerate(found):
                (self._job / one.name).rename(place / f"part-{number:05d}{self._suffix}")
                if number:
                    one.account.forget("categories")  # the classes are those of all shards
                account.add(one.account)
            (place / "_SUCCESS").write_text(account.to_json(), encoding="utf-8", errors="backslashreplace")
        self.abort(messages)

    def abort(self, messages: list[WriterCommitMessage | None]) -> None:  # noqa: ARG002
        """On the driver: away with what tasks left, of attempts that failed, too."""
        shutil.rmtree(self._job, ignore_errors=True)


@contextmanager
def _placing(target: Path) -> Iterator[None]:
    """What goes wrong at the target as an OutputError, and what to do about it in words of Spark."""
    try:
        with writing(target):
            yield
    except OutputError as error:
        error.hint = error.hint and error.hint.replace(OVERWRITE, '.mode("overwrite")')
        raise


def _format(name: str | None) -> str:
    if not name:
        raise UsageError("expected the option format", hint='.option("format", "coco")')
    return name


def _ontology(format: str, ontology: str | None, classes: list[str] | None) -> Ontology | None:
    """The classes of all shards; None where the format has them by name."""
    if ontology is not None:
        return as_ontology(ontology)
    if classes is not None:
        return Ontology(tools=tuple(Tool(name=name) for name in classes))
    if format in _BY_NAME:
        return None
    raise UsageError(
        f"expected the classes of {format}: each task would number those it sees",
        hint='.option("ontology", annokit.spark.ontology(df)), or .option("classes", "car,person")',
    )


def _spooled(batches: Iterator[pa.RecordBatch], place: Path) -> int:
    """Keep the rows, since writers go through them twice; how many there are."""
    count, out = 0, None
    for batch in batches:
        if out is None:
            out = pa.ipc.new_file(place, batch.schema)
        out.write_batch(batch)
        count += len(batch)
    if out is not None:
        out.close()
    return count


def _rows(spool: Path) -> Iterator[DataRow]:
    for batch in _batches(spool):
        yield from rows_of(batch)


def _within(rows: Iterator[DataRow], names: set[str]) -> Iterator[DataRow]:
    """The rows, all of whose classes have numbers that every shard knows."""
    for row in rows:
        marked = (one for label in row.labels for one in label.annotations)
        for one in marked:
            if isinstance(one, ObjectAnnotation | Track) and one.tool_name not in names:
                problem = f"expected the classes of the ontology, got {shown(one.tool_name)!r}"
                raise UsageError(problem, where=Where(record=row.name), hint="or choose some with classes")
        yield row


def _keys(spool: Path) -> Iterator[RowKey]:
    for batch in _batches(spool):
        for entry in batch.select([name for name in _NAMES if name in batch.schema.names]).to_pylist():
            row = DataRow(asset=Asset(uri=entry.pop("uri", None)), **entry)
            yield RowKey(row.name, row.id)


def _batches(spool: Path) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(str(spool)) as file:
        reader = pa.ipc.open_file(file)
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)
