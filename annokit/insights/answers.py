"""The flat tables everything else is made of: one row an answer, one row a class named in an answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from annokit.dataset import Dataset
from annokit.model import Annotation, Classification, DataRow, Label, ObjectAnnotation, Track
from annokit.passes import Parts
from annokit.run import Run
from annokit.workers import Workers

__all__ = ["ANSWERS", "ANSWER_LABELS", "DERIVED", "NOTHING", "Answers", "read_answers"]

NOTHING = "(nothing)"
"""The label of an answer in which nothing was marked or chosen."""

_TEXT = "(text)"
_RESPONSES = "ground-truth-responses"
_TIME = pa.timestamp("us", "UTC")
_BATCH = 50_000

ANSWERS = pa.schema(
    {
        "answer": pa.int64(),
        "data_row": pa.int64(),
        "data_row_id": pa.string(),
        "name": pa.string(),
        "source": pa.string(),
        "project": pa.string(),
        "worker": pa.string(),
        "element": pa.string(),
        "kind": pa.string(),
        "label": pa.string(),
        "labels": pa.int64(),
        "marks": pa.int64(),
        "started_at": _TIME,
        "submitted_at": _TIME,
        "submitted_epoch": pa.float64(),
        "day": pa.date32(),
        "active_seconds": pa.float64(),
        "wall_seconds": pa.float64(),
        "iteration": pa.int64(),
        "record": pa.string(),
        "batch_time": pa.string(),
        "identity_provider_type": pa.string(),
        "issuer": pa.string(),
        "sub": pa.string(),
        "path": pa.string(),
    }
)
"""Columns of `answers` as read."""

DERIVED = pa.schema(
    {"nth": pa.int64(), "seconds": pa.float64(), "seconds_from": pa.string(), "completes": pa.bool_()}
)
"""Columns that ``sql/answers.duckdb.sql`` adds to them."""

ANSWER_LABELS = pa.schema(
    {
        "answer": pa.int64(),
        "element": pa.string(),
        "kind": pa.string(),
        "label": pa.string(),
        "marks": pa.int64(),
    }
)


class Answers(NamedTuple):
    """What was read.

    Attributes
    ----------
    answers, answer_labels : pyarrow.Table
        With the columns of `ANSWERS` and `ANSWER_LABELS`.
    data_rows, skipped, not_human, unreadable : int
        Data rows there are; labels in which the annotator passed; labels of a model or a consensus; records
        that could not be read. None of the last three is an answer.
    """

    answers: pa.Table
    answer_labels: pa.Table
    data_rows: int
    skipped: int
    not_human: int
    unreadable: int


class _Given(NamedTuple):
    """One class named in an answer; `marks` how many times."""

    element: str
    kind: str
    label: str


def read_answers(
    dataset: Dataset,
    time_zone: str = "UTC",
    since: datetime | None = None,
    progress: Callable[[int], None] | None = None,
    workers: int = 1,
) -> Answers:
    """Every answer of every annotator of a dataset.

    Parameters
    ----------
    dataset : Dataset
        Of any format with annotators; times are used where they are there.
    time_zone : str
        The team's, as `Europe/Berlin`: whose days `day` counts.
    since : datetime, optional
        Leave out answers submitted before, and those without a time.
    progress : callable, optional
        Called with the number of input bytes just dealt with.
    workers : int
        How many processes share the work, see `annokit.write`; they read the same.

    Examples
    --------
    >>> from annokit.model import Box
    >>> car = ObjectAnnotation(tool_name="car", geometry=Box(x=1, y=2, width=3, height=4))
    >>> row = DataRow(id="r1", labels=(Label(annotator_id="ann", annotations=(car, car)),))
    >>> read = read_answers(Dataset.from_rows([row]))
    >>> read.answer_labels.to_pylist()
    [{'answer': 0, 'element': 'objects', 'kind': 'box', 'label': 'car', 'marks': 2}]
    >>> read_answers(Dataset.from_rows([])).answers.num_rows
    0
    """
    run = Run(on_error="skip", limits=dataset.limits, progress=progress)
    read_part = partial(_read, zone=ZoneInfo(time_zone), since=since)
    with Workers(workers) as pool:
        found = list(Parts(dataset, pool).map(read_part, run))
    return _joined(found)._replace(unreadable=run.report.total("skipped"))


def _read(dataset: Dataset, run: Run, zone: ZoneInfo, since: datetime | None) -> Iterator[Answers]:
    """The answers of a part, numbered from 0."""
    builder = _Builder(zone, since)
    for row in dataset.rows(run):
        builder.add(row)
    yield builder.build()


def _joined(parts: Sequence[Answers]) -> Answers:
    """All answers, numbered throughout."""
    answers, labels, first, row = [], [], 0, 0
    for part in parts:
        answers.append(_shifted(_shifted(part.answers, "answer", first), "data_row", row))
        labels.append(_shifted(part.answer_labels, "answer", first))
        first += part.answers.num_rows
        row += part.data_rows
    counts = [sum(column) for column in zip(*(part[2:] for part in parts), strict=True)]
    return Answers(pa.concat_tables(answers), pa.concat_tables(labels), *counts)


def _shifted(table: pa.Table, name: str, by: int) -> pa.Table:
    """The table with a number added to a column."""
    return table.set_column(table.schema.get_field_index(name), name, pc.add(table[name], by))


class _Builder:
    """Collects rows in lists and turns them into Arrow batch by batch."""

    def __init__(self, zone: ZoneInfo, since: datetime | None) -> None:
        self._zone, self._since = zone, since
        self._answers: list[tuple[Any, ...]] = []
        self._labels: list[tuple[Any, ...]] = []
        self._batches: tuple[list[pa.RecordBatch], list[pa.RecordBatch]] = ([], [])
        self._count = self._data_rows = self._skipped = self._not_human = 0

    def add(self, row: DataRow) -> None:
        """Take in every answer of a data row."""
        for label in row.labels:
            if label.origin != "human":
                self._not_human += 1
            elif label.skipped:
                self._skipped += 1
            elif self._since is None or (label.created_at is not None and label.created_at >= self._since):
                self._add(row, label)
        self._data_rows += 1
        if len(self._answers) >= _BATCH:
            self._flush()

    def _add(self, row: DataRow, label: Label) -> None:
        given = Counter(_given(label)) or Counter({_Given(_element(label), "none", NOTHING): 1})
        self._labels += [(self._count, *one, marks) for one, marks in given.items()]
        first = next(iter(given))
        told = label.extra.get(_RESPONSES, {})
        identity = told.get("identity") or {}
        submitted = label.created_at
        self._answers.append(
            (
                *(self._count, self._data_rows, row.id, row.name, row.source),
                *(label.project_name or label.project_id, label.annotator_id or None),
                *(first.element, first.kind, first.label if len(given) == 1 else None),
                *(len(given) if first.label != NOTHING else 0, sum(given.values())),
                *(label.started_at, submitted),
                submitted.timestamp() if submitted else None,
                submitted.astimezone(self._zone).date() if submitted else None,
                *(label.seconds_to_create, _wall(label)),
                *(told.get("iteration"), told.get("record"), told.get("batch_time")),
                *(identity.get("identityProviderType"), identity.get("issuer"), identity.get("sub")),
                told.get("path"),
            )
        )
        self._count += 1

    def _flush(self) -> None:
        for batches, schema, rows in (
            (self._batches[0], ANSWERS, self._answers),
            (self._batches[1], ANSWER_LABELS, self._labels),
        ):
            columns = list(zip(*rows, strict=True)) or [()] * len(schema)
            arrays = [pa.array(one, field.type) for one, field in zip(columns, schema, strict=True)]
            batches.append(pa.RecordBatch.from_arrays(arrays, schema=schema))
            rows.clear()

    def build(self) -> Answers:
        self._flush()
        answers = pa.Table.from_batches(self._batches[0], ANSWERS)
        labels = pa.Table.from_batches(self._batches[1], ANSWER_LABELS)
        return Answers(answers, labels, self._data_rows, self._skipped, self._not_human, 0)


def _wall(label: Label) -> float | None:
    """Seconds from taking the task up to handing it in."""
    if label.started_at is None or label.created_at is None:
        return None
    return (label.created_at - label.started_at).total_seconds()


def _given(label: Label) -> Iterator[_Given]:
    for annotation in label.annotations:
        element = _told_element(annotation)
        if isinstance(annotation, Classification):
            element = element or annotation.tool_name
            for answer in annotation.answers:
                yield _Given(element, annotation.kind, answer.name)
            if not annotation.answers:
                text = annotation.text is not None
                yield _Given(element, annotation.kind, _TEXT if text else NOTHING)
        elif isinstance(annotation, ObjectAnnotation):
            yield _Given(element or "objects", annotation.geometry.kind, annotation.tool_name)
        elif isinstance(annotation, Track):
            yield _Given(element or "objects", "track", annotation.tool_name)


def _told_element(annotation: Annotation) -> str | None:
    element: str | None = annotation.extra.get(_RESPONSES, {}).get("element")
    return element


def _element(label: Label) -> str:
    """The question that was answered with nothing."""
    elements = label.extra.get(_RESPONSES, {}).get("elements") or ["objects"]
    return str(elements[0])
