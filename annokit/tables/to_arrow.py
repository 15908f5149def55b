"""Data rows as Arrow record batches, one for each table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from msgspec import to_builtins
from msgspec.structs import astuple

from annokit.io.gc import paused_gc
from annokit.model import Asset, Classification, DataRow, Label, ObjectAnnotation, Relationship, Track
from annokit.model.base import Record
from annokit.tables.columns import column, number_column
from annokit.tables.schema import SCHEMAS, record_batch
from annokit.tables.shapes_to_arrow import shape_columns

__all__ = ["annotations_table", "batches"]

_SIZE = 4096


class _Question(NamedTuple):
    """A classification at any depth, with its place among those of its owner."""

    what: Classification
    owner: str
    classification_index: int
    parent_index: int | None
    parent_answer: int | None
    path: tuple[str, ...]


class _Listed:
    """Things of one kind: which label each stands in, counted through the batch, and its place in that."""

    def __init__(self) -> None:
        self.things: list[Any] = []
        self.labels: list[int] = []
        self.places: list[int] = []

    def add(self, thing: Any, label: int, place: int) -> None:
        self.things.append(thing)
        self.labels.append(label)
        self.places.append(place)


class _Entries:
    """What goes into the tables, until there is enough for a batch."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.weight = 0
        self.rows: list[DataRow] = []
        self.labels: list[Label] = []
        self.row_of: list[int] = []
        self.label_index: list[int] = []
        self.marked, self.questions, self.relationships = _Listed(), _Listed(), _Listed()

    def add(self, row: DataRow) -> None:
        for place, label in enumerate(row.labels):
            self._add_annotations(label, len(self.labels))
            self.labels.append(label)
            self.row_of.append(len(self.rows))
            self.label_index.append(place)
        self.rows.append(row)
        self.weight += 1 + sum([len(label.annotations) for label in row.labels])

    def _add_annotations(self, label: Label, number: int) -> None:
        for place, annotation in enumerate(label.annotations):
            if isinstance(annotation, Relationship):
                self.relationships.add(annotation, number, place)
            elif isinstance(annotation, Classification):
                self._ask((annotation,), "label", number, place)
            else:
                self.marked.add(annotation, number, place)
                if annotation.classifications:
                    owner = "object" if type(annotation) is ObjectAnnotation else "track"
                    self._ask(annotation.classifications, owner, number, place)

    def _ask(self, classifications: Sequence[Classification], owner: str, number: int, place: int) -> None:
        found: list[_Question] = []
        for question in classifications:
            _visit(question, owner, None, None, (), found)
        for one in found:
            self.questions.add(one, number, place)

    @cached_property
    def row_index(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """The number of each data row."""
        return np.arange(self.first, self.first + len(self.rows))

    @cached_property
    def label_places(self) -> dict[str, pa.Array]:
        """The columns that say where each label stands; the numbers count from 0, so rows of one id stay apart."""
        of_rows = {
            "data_row_index": number_column(self.row_index, pa.int64()),
            "source": column([row.source for row in self.rows], pa.string()),
            "data_row_id": column([row.id for row in self.rows], pa.string()),
            "name": column([row.name for row in self.rows], pa.string()),
        }
        return _taken(of_rows, self.row_of) | {
            "label_index": column(self.label_index, pa.int64()),
            "label_id": column([label.id for label in self.labels], pa.string()),
            "annotator_id": column([label.annotator_id for label in self.labels], pa.string()),
        }

    def places(self, listed: _Listed) -> dict[str, pa.Array]:
        """The columns that say where each of some things stands."""
        return _taken(self.label_places, listed.labels) | {
            "annotation_index": column(listed.places, pa.int64())
        }


def _taken(columns: dict[str, pa.Array], places: Sequence[int]) -> dict[str, pa.Array]:
    chosen = column(places, pa.int64())
    return {name: values.take(chosen) for name, values in columns.items()}


def _visit(
    what: Classification,
    owner: str,
    parent: int | None,
    answer: int | None,
    path: tuple[str, ...],
    found: list[_Question],
) -> None:
    """Append a classification and all under it, parents before children."""
    number = len(found)
    found.append(_Question(what, owner, number, parent, answer, path))
    below = (*path, what.tool_name)
    for nested in what.classifications:
        _visit(nested, owner, number, None, below, found)
    for index, chosen in enumerate(what.answers):
        for nested in chosen.classifications:
            _visit(nested, owner, number, index, (*below, chosen.name), found)


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
    entries = _Entries(first)
    for row in rows:
        entries.add(row)
        if entries.weight >= size:
            yield _made(entries, names)
            entries = _Entries(entries.first + len(entries.rows))
    if entries.rows:
        yield _made(entries, names)


def _made(entries: _Entries, names: Sequence[str]) -> dict[str, pa.RecordBatch]:
    with paused_gc():
        return {name: record_batch(name, _MAKERS[name](entries)) for name in names}


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
            "name": [row.name for row in entries.rows],
            "asset_extra": assets["extra"],
        }
    )


def _labels(entries: _Entries) -> dict[str, Any]:
    return _fields(entries.labels, Label) | entries.label_places


def _annotations(entries: _Entries) -> dict[str, Any]:
    marked = entries.marked.things
    is_track = [type(one) is Track for one in marked]
    tuples = [_as_object(one) if track else astuple(one) for one, track in zip(marked, is_track, strict=True)]
    fields = _columns(ObjectAnnotation.__struct_fields__, tuples)
    shapes = zip(fields["geometry"], marked, strict=True)
    return (
        fields
        | entries.places(entries.marked)
        | {
            "type": ["track" if track else "object" for track in is_track],
            "kind": [one.kind if shape is None else shape.kind for shape, one in shapes],
        }
        | shape_columns(marked, fields["geometry"], fields["box"])
    )


def _as_object(track: Track) -> tuple[Any, ...]:
    """The fields an object has, as far as a track has them."""
    names = ObjectAnnotation.__struct_fields__
    return tuple([getattr(track, name) if name in Track.__struct_fields__ else None for name in names])


def _classifications(entries: _Entries) -> dict[str, Any]:
    asked = _columns(_Question._fields, entries.questions.things)
    records = asked["what"]
    return (
        _fields(records, Classification)
        | asked
        | entries.places(entries.questions)
        | {
            "answers": [[answer.name for answer in record.answers] for record in records],
            "answer_details": [_answer_details(record) for record in records],
        }
    )


def _answer_details(record: Classification) -> list[dict[str, Any]] | None:
    """What there is to each answer but its name and what is nested in it; None when that is nothing."""
    details = [to_builtins(answer) for answer in record.answers]
    for detail in details:
        del detail["name"]
        detail.pop("classifications", None)
    return details if any(details) else None


def _relationships(entries: _Entries) -> dict[str, Any]:
    fields = _fields(entries.relationships.things, Relationship)
    ends = {f"{end}_annotation_id": fields[end] for end in ("source", "target")}
    return fields | ends | entries.places(entries.relationships)


_MAKERS = {
    "data_rows": _data_rows,
    "labels": _labels,
    "annotations": _annotations,
    "classifications": _classifications,
    "relationships": _relationships,
}
