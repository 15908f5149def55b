"""Data rows as Arrow record batches, one for each table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from annokit.model import Classification, DataRow, Label, ObjectAnnotation, Relationship
from annokit.tables.jsontext import to_json
from annokit.tables.schema import SCHEMAS, record_batch
from annokit.tables.shapes_to_arrow import Marked, shape_columns

__all__ = ["annotations_table", "batches"]

_SIZE = 4096


class _Place(NamedTuple):
    """Where an annotation stands: the numbers count from 0, so rows of one id stay apart."""

    data_row_index: int
    label_index: int
    annotation_index: int
    source: str | None
    data_row_id: str
    name: str
    label_id: str | None
    annotator_id: str | None


class _Question(NamedTuple):
    """A classification at any depth, with its place among those of its owner."""

    what: Classification
    owner: str
    classification_index: int
    parent_index: int | None
    parent_answer: int | None
    path: tuple[str, ...]


class _Entries:
    """What goes into the tables, until there is enough for a batch."""

    def __init__(self, next_index: int) -> None:
        self.next_index = next_index
        self.weight = 0
        self.rows: list[tuple[int, DataRow]] = []
        self.labels: list[tuple[_Place, Label]] = []
        self.marked: list[tuple[_Place, Marked]] = []
        self.questions: list[tuple[_Place, _Question]] = []
        self.relationships: list[tuple[_Place, Relationship]] = []

    def add(self, row: DataRow) -> None:
        self.rows.append((self.next_index, row))
        self.weight += 1 + sum(len(label.annotations) for label in row.labels)
        name = row.name
        for label_index, label in enumerate(row.labels):
            context = (row.source, row.id, name, label.id, label.annotator_id)
            self.labels.append((_Place(self.next_index, label_index, 0, *context), label))
            for index, annotation in enumerate(label.annotations):
                here = _Place(self.next_index, label_index, index, *context)
                if isinstance(annotation, Relationship):
                    self.relationships.append((here, annotation))
                elif isinstance(annotation, Classification):
                    self._ask(here, "label", (annotation,))
                else:
                    self.marked.append((here, annotation))
                    owner = "object" if type(annotation) is ObjectAnnotation else "track"
                    self._ask(here, owner, annotation.classifications)
        self.next_index += 1

    def _ask(self, place: _Place, owner: str, classifications: Sequence[Classification]) -> None:
        found: list[_Question] = []
        for question in classifications:
            _visit(question, _Question(question, owner, 0, None, None, ()), found)
        self.questions += [(place, question) for question in found]


def _visit(what: Classification, parent: _Question, found: list[_Question]) -> None:
    """Append a classification and all under it: `parent` has the place it takes but for its own number."""
    here = parent._replace(what=what, classification_index=len(found))
    found.append(here)
    path = (*here.path, what.tool_name)
    below = here._replace(parent_index=here.classification_index, parent_answer=None, path=path)
    for nested in what.classifications:
        _visit(nested, below, found)
    for index, answer in enumerate(what.answers):
        for nested in answer.classifications:
            _visit(nested, below._replace(parent_answer=index, path=(*path, answer.name)), found)


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
            yield {name: _MAKERS[name](entries) for name in names}
            entries = _Entries(entries.next_index)
    if entries.rows:
        yield {name: _MAKERS[name](entries) for name in names}


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


def _fields(things: Sequence[Any], *names: str) -> dict[str, Any]:
    return {name: list(map(attrgetter(name), things)) for name in names}


def _places(places: Sequence[_Place]) -> dict[str, Any]:
    return {name: list(map(attrgetter(name), places)) for name in _Place._fields}


def _extras(things: Sequence[Any]) -> list[bytes | None]:
    return [to_json(thing.extra) for thing in things]


def _structs(tuples: Iterable[Sequence[Any]]) -> list[list[dict[str, Any]] | None]:
    """Tuples of small records as lists of dicts; null where there are none."""
    return [[msgspec.structs.asdict(record) for record in records] or None for records in tuples]


def _data_rows(entries: _Entries) -> pa.RecordBatch:
    rows = [row for _, row in entries.rows]
    assets = [row.asset for row in rows]
    columns = _fields(rows, "id", "source", "global_key", "external_id", "name", "split")
    columns |= _fields(assets, "uri", "media_type", "width", "height", "mime_type", "text")
    columns |= _fields(assets, "frame_count", "frame_rate", "frame")
    columns |= {
        "data_row_index": [index for index, _ in entries.rows],
        "metadata": [to_json(row.metadata) for row in rows],
        "attachments": _structs(row.attachments for row in rows),
        "asset_extra": _extras(assets),
        "extra": _extras(rows),
    }
    return record_batch("data_rows", columns)


def _labels(entries: _Entries) -> pa.RecordBatch:
    labels = [label for _, label in entries.labels]
    plain = [name for name in SCHEMAS["labels"].names if name in Label.__struct_fields__]
    columns = _places([place for place, _ in entries.labels]) | _fields(labels, *plain)
    columns |= {"reviews": _structs(label.reviews for label in labels), "extra": _extras(labels)}
    return record_batch("labels", columns)


def _annotations(entries: _Entries) -> pa.RecordBatch:
    marked: list[Any] = [annotation for _, annotation in entries.marked]
    is_object = [type(annotation) is ObjectAnnotation for annotation in marked]
    columns = _places([place for place, _ in entries.marked])
    columns |= _fields(marked, "tool_name", "tool_id", "value", "id", "confidence")
    columns |= {
        name: [getattr(a, name) if yes else None for a, yes in zip(marked, is_object, strict=True)]
        for name in ("is_crowd", "space", "page", "frame", "track_id")
    }
    columns |= {
        "type": ["object" if yes else "track" for yes in is_object],
        "kind": [a.geometry.kind if yes else a.kind for a, yes in zip(marked, is_object, strict=True)],
        "sources": _structs(a.sources if yes else () for a, yes in zip(marked, is_object, strict=True)),
        "extra": _extras(marked),
    }
    return record_batch("annotations", columns | shape_columns(marked))


def _classifications(entries: _Entries) -> pa.RecordBatch:
    questions = [question for _, question in entries.questions]
    records = [question.what for question in questions]
    columns = _places([place for place, _ in entries.questions])
    columns |= _fields(records, "kind", "tool_name", "tool_id", "value", "id", "confidence", "text")
    columns |= _fields(records, "message_id")
    columns |= _fields(questions, *(name for name in _Question._fields if name != "what"))
    columns |= {
        "answers": [[answer.name for answer in record.answers] for record in records],
        "answer_details": [_answer_details(record) for record in records],
        "frames": _structs(record.frames for record in records),
        "extra": _extras(records),
    }
    return record_batch("classifications", columns)


def _answer_details(record: Classification) -> bytes | None:
    """What there is to each answer but its name and what is nested in it; None when that is nothing."""
    details = [msgspec.to_builtins(answer) for answer in record.answers]
    for detail in details:
        del detail["name"]
        detail.pop("classifications", None)
    return to_json(details) if any(details) else None


def _relationships(entries: _Entries) -> pa.RecordBatch:
    records = [record for _, record in entries.relationships]
    columns = _places([place for place, _ in entries.relationships])
    columns |= _fields(records, "tool_name", "tool_id", "value", "id", "directed")
    columns |= {
        "source_annotation_id": [record.source for record in records],
        "target_annotation_id": [record.target for record in records],
        "extra": _extras(records),
    }
    return record_batch("relationships", columns)


_MAKERS = {
    "data_rows": _data_rows,
    "labels": _labels,
    "annotations": _annotations,
    "classifications": _classifications,
    "relationships": _relationships,
}
