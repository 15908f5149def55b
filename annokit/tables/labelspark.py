"""LabelSpark's three tables, from any source and without Spark: bronze, flat and silver.

One row per label; of a video one row per label and frame. Two labels of one data row stay two rows: LabelSpark joined
classifications and counts on the data row, so that n labels became n x n rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from annokit.errors import UsageError, shown
from annokit.geometry.frames import chosen_frames, frames_of
from annokit.io.batches import batched
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.model import Classification, DataRow, Label, ObjectAnnotation, Ontology, Tool, Track
from annokit.tables.bronze import BRONZE, bronze_entry
from annokit.tables.columns import no_rows

__all__ = [
    "BRONZE",
    "FLAT",
    "SilverNames",
    "bronze",
    "bronze_batches",
    "flat",
    "flat_batches",
    "silver",
    "silver_batches",
]

_BATCH = 2000


class _Shot(NamedTuple):
    """One label of an image, or of one frame of a video; the indices count from 0."""

    data_row_index: int
    label_index: int
    row: DataRow
    label: Label
    frame: int | None


def _shots(rows: Iterable[DataRow], limits: Limits, first: int = 0) -> Iterator[_Shot]:
    for index, row in enumerate(rows, first):
        frames = chosen_frames(row, "all", limits) if row.asset.media_type == "video" else ()
        if not frames:
            for place, label in enumerate(row.labels):
                yield _Shot(index, place, row, label, row.asset.frame)
        for still in frames_of(row, frames, limits) if frames else ():
            for place, label in enumerate(still.row.labels):
                yield _Shot(index, place, row, label, still.row.asset.frame)


def bronze(rows: Iterable[DataRow], *, limits: Limits = DEFAULT_LIMITS) -> pa.Table:
    """The labels as LabelSpark's `get_annotations` returned them: the columns of the legacy export.

    Parameters
    ----------
    rows : iterable of DataRow
        A dataset, too.
    limits : Limits
        How many frames a video may have.

    Returns
    -------
    pyarrow.Table
        `Label` is a struct of ``frameNumber`` (from 1, videos only), ``objects``, ``classifications`` and
        ``relationships``. A nested classification stands as a sibling after the one it is nested in, as in that
        export. A shape for which it has no key (masks as runs, holes, rotated boxes) stands in ``geometry``, as
        JSON. Times are timestamps, flags booleans, and no agreement is null, not -1. The last columns, `source`,
        `data_row_index` and `label_index`, are the keys of the other tables.

    Examples
    --------
    >>> bronze([DataRow(id="r1", external_id="a.jpg", labels=(Label(id="l1"),))]).column("DataRow ID").to_pylist()
    ['r1']
    >>> bronze([]).num_rows
    0
    """
    return pa.Table.from_batches(bronze_batches(rows, limits=limits), BRONZE)


def bronze_batches(
    rows: Iterable[DataRow], *, first: int = 0, limits: Limits = DEFAULT_LIMITS
) -> Iterator[pa.RecordBatch]:
    """`bronze`, piece by piece; `data_row_index` counts from `first` on."""
    for batch in batched(_shots(rows, limits, first), _BATCH):
        yield pa.RecordBatch.from_pylist([_bronze_entry(one) for one in batch], BRONZE)


def _bronze_entry(one: _Shot) -> dict[str, Any]:
    keys = {"data_row_index": one.data_row_index, "label_index": one.label_index}
    return bronze_entry(one.row, one.label, one.frame) | keys


def flat(rows: Iterable[DataRow], *, limits: Limits = DEFAULT_LIMITS) -> pa.Table:
    """`bronze` with one column for each leaf, as LabelSpark's `flatten_bronze_table` named them.

    ``Label.objects.title``, ``Label.objects.bbox.top``, ... are lists over the objects of a label, null where an
    object has no such key, so that lists of one row align by position. What is a list inside that list
    (``Label.objects.polygon``) stays one column.

    >>> "Label.objects.bbox.top" in flat([]).column_names
    True
    """
    return pa.Table.from_batches(flat_batches(rows, limits=limits), FLAT)


def flat_batches(
    rows: Iterable[DataRow], *, first: int = 0, limits: Limits = DEFAULT_LIMITS
) -> Iterator[pa.RecordBatch]:
    """`flat`, piece by piece; `data_row_index` counts from `first` on."""
    for batch in bronze_batches(rows, first=first, limits=limits):
        yield _flattened(batch)


def _flattened(batch: pa.RecordBatch) -> pa.RecordBatch:
    leaves: dict[str, pa.Array] = {}
    for name in batch.schema.names:
        leaves |= _leaves(name, batch.column(name))
    return pa.record_batch(leaves)


def _leaves(name: str, column: pa.Array) -> dict[str, pa.Array]:
    kind = column.type
    if pa.types.is_struct(kind):
        found: dict[str, pa.Array] = {}
        for field, inner in zip(kind, column.flatten(), strict=True):
            found |= _leaves(f"{name}.{field.name}", inner)
        return found
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        nulls = column.is_null() if column.null_count else None
        return {
            key: pa.ListArray.from_arrays(column.offsets, leaf, mask=nulls)
            for key, leaf in _inner_leaves(name, column.values)
        }
    return {name: column}


def _inner_leaves(name: str, values: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    """The leaves of structs in a list, down to the next list."""
    if not pa.types.is_struct(values.type):
        yield name, values
        return
    for field, inner in zip(values.type, values.flatten(), strict=True):
        yield from _inner_leaves(f"{name}.{field.name}", inner)


FLAT = _flattened(no_rows(BRONZE)).schema
"""The columns of the flat table."""

_INT, _TEXT, _REAL, _BOOL = pa.int64(), pa.string(), pa.float64(), pa.bool_()
_FIXED = pa.schema(
    [
        pa.field("data_row_index", _INT, nullable=False),
        pa.field("label_index", _INT, nullable=False),
        ("source", _TEXT),
        ("data_row_id", _TEXT),
        ("name", _TEXT),
        ("split", _TEXT),
        ("frame", _INT),
        ("label_id", _TEXT),
        ("annotator_id", _TEXT),
        ("project_name", _TEXT),
        ("asset_url", _TEXT),
        ("label_url", _TEXT),
        ("created_at", pa.timestamp("us", "UTC")),
        ("seconds", _REAL),
        ("has_open_issues", _BOOL),
        ("skipped", _BOOL),
        ("agreement", _REAL),
        ("benchmark_score", _REAL),
    ]
)
"""The columns every silver table has."""


def silver(
    rows: Iterable[DataRow], ontology: Ontology | None = None, *, limits: Limits = DEFAULT_LIMITS
) -> pa.Table:
    """One row per label (and frame), with a column for each question and a count for each class: for queries.

    Parameters
    ----------
    rows : iterable of DataRow
        A dataset, too.
    ontology : Ontology, optional
        Its questions and classes have columns even where they do not occur.
    limits : Limits
        How many frames a video may have.

    Returns
    -------
    pyarrow.Table
        `data_row_index`, `label_index`, `source` (the keys of the other tables), `data_row_id`, `name`, `split`, `frame`
        (0-based, null but for videos), `label_id`, `annotator_id`, `project_name`, `asset_url`, `label_url` (the label
        on the platform), `created_at`, `seconds`, `has_open_issues`, `skipped`, `agreement`, `benchmark_score`;
        then a text column for each question about the data row, nested ones too, by its title, several answers joined
        by commas; then ``CLASS.count`` for each class of objects, 0 where there is none. A name that is taken, in
        whatever case, gets ``_2``, since SQL does not tell cases apart.

    Examples
    --------
    >>> from annokit.model import Box
    >>> car = ObjectAnnotation(tool_name="car", geometry=Box(x=0, y=0, width=4, height=2))
    >>> table = silver([DataRow(id="r1", labels=(Label(annotations=(car, car)), Label()))])
    >>> table.column("car.count").to_pylist()
    [2, 0]
    >>> silver([]).num_rows
    0
    """
    names = SilverNames(ontology or Ontology())
    pieces = [_piece(batch, names) for batch in batched(_shots(rows, limits), _BATCH)]
    return pa.Table.from_batches([_fitted(piece, names.schema()) for piece in pieces], names.schema())


def silver_batches(
    rows: Iterable[DataRow], ontology: Ontology, *, first: int = 0, limits: Limits = DEFAULT_LIMITS
) -> Iterator[pa.RecordBatch]:
    """`silver`, piece by piece, with the columns of the ontology; `data_row_index` counts from `first` on.

    Raises
    ------
    UsageError
        There is a class or a question that the ontology does not have.
    """
    names = SilverNames(ontology)
    schema = names.schema()
    for batch in batched(_shots(rows, limits, first), _BATCH):
        piece = _piece(batch, names)
        more = [name for name in piece if name not in schema.names]
        if more:
            problem = f"expected the classes and questions of the ontology, got {shown(more[0])}"
            raise UsageError(problem, hint="give an ontology that has all, or none to have it found")
        yield _fitted(piece, schema)


def _fitted(columns: dict[str, pa.Array], schema: pa.Schema) -> pa.RecordBatch:
    """Columns in the order of the schema; where a class does not occur its count is 0."""
    count = len(columns["data_row_index"])
    absent = {_TEXT: pa.nulls(count, _TEXT), _INT: pa.array(np.zeros(count, np.int64))}
    return pa.record_batch(
        [columns[field.name] if field.name in columns else absent[field.type] for field in schema], schema
    )


class SilverNames:
    """What the columns of questions and classes are called, each name once whatever the case.

    >>> from annokit.model import Tool
    >>> SilverNames(Ontology(tools=(Tool(name="car"),))).schema().names[-1]
    'car.count'
    """

    def __init__(self, ontology: Ontology) -> None:
        self._taken = {name.lower() for name in _FIXED.names}
        self.questions: dict[str, str] = {}
        self.counts: dict[str, str] = {}
        for question in ontology.classifications:
            self._ask(question)
        for tool in ontology.tools:
            self.count(tool.name)

    def _ask(self, question: Tool) -> None:
        """A question, then those that follow it."""
        self.question(question.name)
        for nested in (*question.classifications, *(q for o in question.options for q in o.classifications)):
            self._ask(nested)

    def schema(self) -> pa.Schema:
        """The columns of the silver table so far."""
        questions = [pa.field(name, _TEXT) for name in self.questions.values()]
        return pa.schema([*_FIXED, *questions, *(pa.field(name, _INT) for name in self.counts.values())])

    def question(self, title: str) -> str:
        if title not in self.questions:
            self.questions[title] = self._free(title)
        return self.questions[title]

    def count(self, tool: str) -> str:
        if tool not in self.counts:
            self.counts[tool] = self._free(f"{tool}.count")
        return self.counts[tool]

    def _free(self, name: str) -> str:
        free, number = name, 1
        while free.lower() in self._taken:
            number += 1
            free = f"{name}_{number}"
        self._taken.add(free.lower())
        return free


def _piece(shots: Sequence[_Shot], names: SilverNames) -> dict[str, pa.Array]:
    columns = {
        field.name: pa.array([_FIXED_OF[field.name](one) for one in shots], field.type) for field in _FIXED
    }
    answers = [_answers(one.label) for one in shots]
    for title in dict.fromkeys(title for found in answers for title in found):
        columns[names.question(title)] = pa.array([found.get(title) for found in answers], _TEXT)
    counts = [_counts(one.label) for one in shots]
    for tool in dict.fromkeys(tool for found in counts for tool in found):
        columns[names.count(tool)] = pa.array([found[tool] for found in counts], _INT)
    return columns


_FIXED_OF: dict[str, Any] = {
    "data_row_index": lambda one: one.data_row_index,
    "label_index": lambda one: one.label_index,
    "source": lambda one: one.row.source,
    "data_row_id": lambda one: one.row.id,
    "name": lambda one: one.row.name,
    "split": lambda one: one.row.split,
    "frame": lambda one: one.frame,
    "label_id": lambda one: one.label.id,
    "annotator_id": lambda one: one.label.annotator_id,
    "project_name": lambda one: one.label.project_name,
    "asset_url": lambda one: one.row.asset.uri,
    "label_url": lambda one: one.label.url,
    "created_at": lambda one: one.label.created_at,
    "seconds": lambda one: one.label.seconds_to_create,
    "has_open_issues": lambda one: one.label.has_open_issues,
    "skipped": lambda one: one.label.skipped,
    "agreement": lambda one: one.label.consensus_score,
    "benchmark_score": lambda one: one.label.benchmark_score,
}


def _answers(label: Label) -> dict[str, str]:
    """The answers of a label by the title of the question."""
    found: dict[str, list[str]] = {}
    for one in label.classifications:
        _collect(one, found)
    return {title: ",".join(answers) for title, answers in found.items() if answers}


def _collect(question: Classification, found: dict[str, list[str]]) -> None:
    mine = found.setdefault(question.tool_name, [])
    mine += [answer.name for answer in question.answers]
    if question.text is not None:
        mine.append(question.text)
    for nested in question.classifications:
        _collect(nested, found)
    for answer in question.answers:
        for nested in answer.classifications:
            _collect(nested, found)


def _counts(label: Label) -> Counter[str]:
    marked = (one for one in label.annotations if isinstance(one, ObjectAnnotation | Track))
    return Counter(one.tool_name for one in marked)
