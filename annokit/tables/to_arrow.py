"""Data rows as Arrow record batches, one for each table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from msgspec import to_builtins
from msgspec.structs import astuple

from annokit.geometry.ragged import ends
from annokit.io.gc import paused_gc
from annokit.model import Asset, Classification, DataRow, Label, ObjectAnnotation, Relationship, Track
from annokit.model.base import Indices, Record
from annokit.tables.columns import column, no_rows, number_column, repeated
from annokit.tables.schema import SCHEMAS, record_batch
from annokit.tables.shapes_to_arrow import shape_columns

__all__ = ["annotations_table", "batches"]

_SIZE = 4096
_UNMARKED = frozenset({Classification, Relationship})


_QUESTION = ("what", "owner", "classification_index", "parent_index", "parent_answer", "path")
_Question = tuple[Classification, str, int, int | None, int | None, tuple[str, ...]]
"""A classification at any depth, with its place among those of its owner: a plain tuple, being one of many."""


class _Listed(NamedTuple):
    """Things of one kind: which label each stands in, counted through the batch and rising, and its place in that."""

    things: Sequence[Any]
    labels: Indices
    places: Indices


class _Entries:
    """What goes into the tables of a batch; `first` is the number of its first data row."""

    def __init__(self, rows: Sequence[DataRow], first: int) -> None:
        self.rows = rows
        self.row_index: Indices = np.arange(first, first + len(rows))
        self._label_counts = np.array([len(row.labels) for row in rows], np.int64)
        _, self.label_index = _owners(self._label_counts)
        self.labels = [label for row in rows for label in row.labels]
        self._annotations: list[Any] = [one for label in self.labels for one in label.annotations]
        self._label_of, self._place = _owners([len(label.annotations) for label in self.labels])

    @cached_property
    def _kinds(self) -> list[type]:
        return list(map(type, self._annotations))

    @cached_property
    def marked(self) -> _Listed:
        """Objects and tracks."""
        if _UNMARKED.isdisjoint(self._kinds):
            return _Listed(self._annotations, self._label_of, self._place)
        return self._listed([i for i, kind in enumerate(self._kinds) if kind not in _UNMARKED])

    @cached_property
    def relationships(self) -> _Listed:
        return self._listed([i for i, kind in enumerate(self._kinds) if kind is Relationship])

    @cached_property
    def questions(self) -> _Listed:
        """Classifications at any depth, in the order of what they are asked of."""
        owners, found = list[int](), list[_Question]()
        for index, one in self._asking():
            known = len(found)
            _ask(one, known, found)
            owners += [index] * (len(found) - known)
        return _Listed(found, self._label_of[owners], self._place[owners])

    def _asking(self) -> list[tuple[int, ObjectAnnotation | Track | Classification]]:
        """What is a classification or has some, with its number."""
        return [
            (index, one)
            for index, (kind, one) in enumerate(zip(self._kinds, self._annotations, strict=True))
            if kind is Classification or (kind is not Relationship and one.classifications)
        ]

    def _listed(self, chosen: list[int]) -> _Listed:
        return _Listed([self._annotations[i] for i in chosen], self._label_of[chosen], self._place[chosen])

    @cached_property
    def names(self) -> list[str]:
        """The name of each data row."""
        return [row.name for row in self.rows]

    @cached_property
    def label_places(self) -> dict[str, pa.Array]:
        """The columns that say where each label stands; the numbers count from 0, so rows of one id stay apart."""
        of_rows = {
            "data_row_index": number_column(self.row_index, pa.int64()),
            "source": column([row.source for row in self.rows], pa.string()),
            "data_row_id": column([row.id for row in self.rows], pa.string()),
            "name": column(self.names, pa.string()),
        }
        return {name: repeated(values, self._label_counts) for name, values in of_rows.items()} | {
            "label_index": number_column(self.label_index, pa.int64()),
            "label_id": column([label.id for label in self.labels], pa.string()),
            "annotator_id": column([label.annotator_id for label in self.labels], pa.string()),
        }

    def places(self, listed: _Listed) -> dict[str, pa.Array]:
        """The columns that say where each of some things stands."""
        counts = np.bincount(listed.labels, minlength=len(self.labels))
        of_labels = {name: repeated(values, counts) for name, values in self.label_places.items()}
        return of_labels | {"annotation_index": number_column(listed.places, pa.int64())}


class Tables(dict[str, pa.RecordBatch]):
    """The tables of some data rows. Pickled, each is one message of Arrow's: column by column takes five times as long."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, ({name: batch.serialize() for name, batch in self.items()},)


def _received(messages: dict[str, pa.Buffer]) -> Tables:
    return Tables(
        {name: pa.ipc.read_record_batch(message, SCHEMAS[name]) for name, message in messages.items()}
    )


def _owners(counts: Sequence[int] | Indices) -> tuple[Indices, Indices]:
    """For each of many things that stand in others, so many in each: in which, and at which place there."""
    offsets = ends(counts)
    owners = np.repeat(np.arange(len(counts)), counts)
    return owners, np.arange(offsets[-1]) - offsets[owners]


def _ask(one: ObjectAnnotation | Track | Classification, first: int, found: list[_Question]) -> None:
    """Append a classification of a label, or those of an object or a track; they are counted from `first` on."""
    if isinstance(one, Classification):
        _visit(one, "label", first, None, None, (), found)
        return
    owner = "object" if type(one) is ObjectAnnotation else "track"
    for question in one.classifications:
        _visit(question, owner, first, None, None, (), found)


def _visit(
    what: Classification,
    owner: str,
    first: int,
    parent: int | None,
    answer: int | None,
    path: tuple[str, ...],
    found: list[_Question],
) -> None:
    """Append a classification and all under it, parents before children."""
    number = len(found) - first
    found.append((what, owner, number, parent, answer, path))
    for nested in what.classifications:
        _visit(nested, owner, first, number, None, (*path, what.tool_name), found)
    for index, chosen in enumerate(what.answers):
        for nested in chosen.classifications:
            _visit(nested, owner, first, number, index, (*path, what.tool_name, chosen.name), found)


def batches(
    rows: Iterable[DataRow], tables: Sequence[str] | None = None, size: int = _SIZE, first: int = 0
) -> Iterator[dict[str, pa.RecordBatch]]:
    """The rows of the tables, piece by piece, each piece holding whole data rows.

    Parameters
    ----------
    rows : iterable of DataRow
    tables : sequence of str, optional
        Which of `TABLES`; all by default.
    size : int
        About how many data rows and annotations make a piece.
    first : int
        Where `data_row_index` starts to count.

    Yields
    ------
    dict of str to pyarrow.RecordBatch
        A batch for each table; it may be empty.

    Examples
    --------
    >>> [piece] = batches([DataRow(id="r1")])
    >>> piece["data_rows"].column("id").to_pylist()
    ['r1']
    >>> list(batches([]))
    []
    """
    names = tuple(_MAKERS) if tables is None else tables
    held: list[DataRow] = []
    weight = 0
    for row in rows:
        held.append(row)
        weight += 1
        for label in row.labels:
            weight += len(label.annotations)
        if weight >= size:
            yield _made(held, first, names)
            first, held, weight = first + len(held), [], 0
    if held:
        yield _made(held, first, names)


def _made(rows: Sequence[DataRow], first: int, names: Sequence[str]) -> dict[str, pa.RecordBatch]:
    with paused_gc():
        entries = _Entries(rows, first)
        return Tables({name: _table(name, entries) for name in names})


def _table(name: str, entries: _Entries) -> pa.RecordBatch:
    things, made = _MAKERS[name]
    return record_batch(name, made(entries)) if things(entries) else _nothing(name)


@cache
def _nothing(name: str) -> pa.RecordBatch:
    return no_rows(SCHEMAS[name])


def annotations_table(rows: Iterable[DataRow]) -> pa.Table:
    """The objects and tracks of all rows as one Arrow table.

    >>> from annokit.model import Box
    >>> car = ObjectAnnotation(tool_name="car", geometry=Box(x=1, y=2, width=3, height=4))
    >>> table = annotations_table([DataRow(id="r1", labels=(Label(annotations=(car,)),))])
    >>> table.select(["data_row_id", "tool_name", "x", "area"]).to_pylist()
    [{'data_row_id': 'r1', 'tool_name': 'car', 'x': 1.0, 'area': 12.0}]
    >>> annotations_table([]).num_rows
    0
    """
    made = [piece["annotations"] for piece in batches(rows, ["annotations"])]
    return pa.Table.from_batches(made, SCHEMAS["annotations"])


def _fields(records: Sequence[Record], kind: type[Record]) -> dict[str, Sequence[Any]]:
    """The fields of records of one kind, each as a column."""
    return _columns(kind.__struct_fields__, list(map(astuple, records)))


def _columns(names: Sequence[str], entries: Sequence[Sequence[Any]]) -> dict[str, Sequence[Any]]:
    return dict(zip(names, zip(*entries, strict=True) if entries else [()] * len(names), strict=True))


def _data_rows(entries: _Entries) -> dict[str, Any]:
    assets = _fields([row.asset for row in entries.rows], Asset)
    return (
        assets
        | _fields(entries.rows, DataRow)
        | {
            "data_row_index": number_column(entries.row_index, pa.int64()),
            "name": entries.names,
            "asset_extra": assets["extra"],
        }
    )


def _labels(entries: _Entries) -> dict[str, Any]:
    return _fields(entries.labels, Label) | entries.label_places


def _annotations(entries: _Entries) -> dict[str, Any]:
    marked = entries.marked.things
    has_tracks = Track in map(type, marked)
    tuples = (
        [_as_object(one) if type(one) is Track else astuple(one) for one in marked] if has_tracks else None
    )
    fields = _columns(ObjectAnnotation.__struct_fields__, tuples or list(map(astuple, marked)))
    return fields | entries.places(entries.marked) | shape_columns(marked, fields["geometry"], fields["box"])


def _as_object(track: Track) -> tuple[Any, ...]:
    """The fields an object has, as far as a track has them."""
    names = ObjectAnnotation.__struct_fields__
    return tuple([getattr(track, name) if name in Track.__struct_fields__ else None for name in names])


def _classifications(entries: _Entries) -> dict[str, Any]:
    asked = _columns(_QUESTION, entries.questions.things)
    records = asked["what"]
    return (
        _fields(records, Classification)
        | asked
        | entries.places(entries.questions)
        | {
            "answers": [[answer.name for answer in record.answers] for record in records],
            "answer_details": _answer_details(records),
        }
    )


def _answer_details(records: Sequence[Classification]) -> list[list[dict[str, Any]] | None]:
    """What there is to each answer but its name and what is nested in it; None where that is nothing."""
    listed = to_builtins([record.answers for record in records])
    for details in listed:
        for detail in details:
            del detail["name"]
            detail.pop("classifications", None)
    return [details if any(details) else None for details in listed]


def _relationships(entries: _Entries) -> dict[str, Any]:
    fields = _fields(entries.relationships.things, Relationship)
    ends = {f"{end}_annotation_id": fields[end] for end in ("source", "target")}
    return fields | ends | entries.places(entries.relationships)


_Part = tuple[Callable[[_Entries], Sequence[Any]], Callable[[_Entries], dict[str, Any]]]
_MAKERS: dict[str, _Part] = {
    "data_rows": (lambda entries: entries.rows, _data_rows),
    "labels": (lambda entries: entries.labels, _labels),
    "annotations": (lambda entries: entries.marked.things, _annotations),
    "classifications": (lambda entries: entries.questions.things, _classifications),
    "relationships": (lambda entries: entries.relationships.things, _relationships),
}
"""For each table of what it has rows, and what makes its columns."""
