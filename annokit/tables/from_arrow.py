"""Data rows out of record batches of the tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, get_args

import pyarrow as pa
from msgspec.structs import replace

from annokit.errors import AnnokitError, DecodeError, ReferenceProblem, Where, shown
from annokit.model import (
    Answer,
    Asset,
    Box,
    Classification,
    DataRow,
    Label,
    MetadataField,
    ObjectAnnotation,
    Provenance,
    Relationship,
    Track,
)
from annokit.model.annotation import Space
from annokit.tables.columns import column
from annokit.tables.jsontext import built, from_json
from annokit.tables.schema import SCHEMAS, TABLES
from annokit.tables.shapes_from_arrow import Shape, shapes_of

__all__ = ["Chunk", "Reject", "data_rows", "with_rows_and_labels"]

Reject: TypeAlias = Callable[[AnnokitError, str], None]
"""Called with what is wrong with a record, and the kind it is accounted under."""

_Groups: TypeAlias = "dict[tuple[Any, ...], list[_Found]]"
_KEY = ("data_row_index", "label_index", "annotation_index")
_SPACES = get_args(Space)
_SHAPES = {"area", "rings", "points", "visibility", "mask", "uri", "color", "text_start", "text_end", "text"}
_SHAPES |= {"message_id", "start_ms", "end_ms", "frame_count", "keyframe_count", "payload"}


class Chunk(NamedTuple):
    """Neighbouring rows of a table: a batch with the table's schema, and where it stands in which file."""

    batch: pa.RecordBatch
    file: str
    first: int


def data_rows(chunks: Mapping[str, Chunk], reject: Reject) -> list[DataRow]:
    """The data rows of one chunk of every table, all of which have the same ``data_row_index``.

    What cannot be a record is rejected, and so is what stands on a data row, label or object that
    is not there.
    """
    return _Assembly(chunks, reject).rows()


def with_rows_and_labels(chunk: Chunk) -> dict[str, Chunk]:
    """All tables, as far as the annotations table alone knows them.

    Data rows and labels without objects are unknown to it, and so is all of them but their names.
    """
    rows: dict[int, dict[str, Any]] = {}
    labels: dict[tuple[int, int], dict[str, Any]] = {}
    names = ("data_row_index", "label_index", "source", "data_row_id", "name", "label_id", "annotator_id")
    for entry in chunk.batch.select(names).to_pylist():
        index, key = entry["data_row_index"], (entry["data_row_index"], entry["label_index"])
        own_id = entry["data_row_id"] or str(index)
        other_name = None if entry["name"] == own_id else entry["name"]
        rows.setdefault(index, entry | {"id": own_id, "external_id": other_name})
        labels.setdefault(key, entry | {"id": entry["label_id"]})
    made = {"data_rows": list(rows.values()), "labels": list(labels.values())}
    derived = {table: chunk._replace(batch=_derived(table, made.get(table, []))) for table in TABLES}
    return derived | {"annotations": chunk}


def _derived(table: str, entries: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    columns = [column([entry.get(field.name) for entry in entries], field.type) for field in SCHEMAS[table]]
    return pa.record_batch(columns, SCHEMAS[table])


class _Found(NamedTuple):
    """A record, and the row of the table it was made from."""

    record: Any
    entry: dict[str, Any]
    table: str
    row: int


class _Assembly:
    """Puts the rows of the tables together, from the answers up to the data rows.

    Every record takes out of its group what stands on it; what is left in the end stands on nothing.
    """

    def __init__(self, chunks: Mapping[str, Chunk], reject: Reject) -> None:
        self._chunks = chunks
        self._reject = reject

    def rows(self) -> list[DataRow]:
        """The data rows in the order of their table."""
        labels = _grouped(self._labels(), _KEY[:1])
        found = list(self._read("data_rows", lambda _i, entry: _data_row(entry, labels)))
        self._reject_orphans(labels, "data row")
        return [one.record for one in found]

    def _labels(self) -> Iterator[_Found]:
        annotations = _grouped(self._annotations(), _KEY[:2])
        yield from self._read("labels", lambda _i, entry: _label(entry, annotations))
        self._reject_orphans(annotations, "label")

    def _annotations(self) -> Iterator[_Found]:
        """Objects, tracks, relationships and questions about the whole data row."""
        questions = _grouped(self._questions(), (*_KEY, "owner"))
        for key in [key for key in questions if key[-1] == "label"]:
            yield from questions.pop(key)
        shapes = shapes_of(self._chunks["annotations"].batch)
        yield from self._read("annotations", lambda i, entry: _marked(entry, shapes[i], questions))
        self._reject_orphans(questions, "object")
        yield from self._read("relationships", lambda _i, entry: _relationship(entry))

    def _questions(self) -> list[_Found]:
        """The outermost questions, with all that is nested in them; parents stand before children."""
        nested: _Groups = {}
        outermost: list[_Found] = []
        for one in self._read("classifications", lambda _i, entry: _question(entry, nested), backwards=True):
            parent = one.entry["parent_index"]
            group = outermost if parent is None else nested.setdefault(_node(one.entry, parent), [])
            group.append(one)
        self._reject_orphans(nested, "classification")
        return outermost[::-1]

    def _read(
        self, table: str, make: Callable[[int, dict[str, Any]], Any], backwards: bool = False
    ) -> Iterator[_Found]:
        """The records `make` gets out of a table; where it cannot, the row is rejected."""
        batch = self._chunks[table].batch
        names = [name for name in batch.schema.names if table != "annotations" or name not in _SHAPES]
        entries = list(enumerate(batch.select(names).to_pylist()))
        for i, entry in reversed(entries) if backwards else entries:
            try:
                yield _Found(make(i, entry), entry, table, i)
            except AnnokitError as error:
                self._reject_at(table, i, entry, error)

    def _reject_at(self, table: str, i: int, entry: dict[str, Any], error: AnnokitError) -> None:
        chunk = self._chunks[table]
        record = entry["id"] if table == "data_rows" else entry["data_row_id"]
        error.where = error.where.at(file=chunk.file, line=chunk.first + i + 1, record=record)
        kind = table
        if table == "annotations":
            kind = "tracks" if entry["type"] == "track" else f"object:{entry['kind']}"
        self._reject(error, kind)

    def _reject_orphans(self, left: _Groups, what: str) -> None:
        for group in left.values():
            for one in group:
                problem = f"expected the {what} it belongs to in its table, got none"
                self._reject_at(one.table, one.row, one.entry, ReferenceProblem(problem))


def _grouped(found: Iterable[_Found], names: Sequence[str]) -> _Groups:
    groups: _Groups = {}
    for one in found:
        groups.setdefault(tuple([one.entry[name] for name in names]), []).append(one)
    return groups


def _taken(groups: _Groups, entry: Mapping[str, Any], order: str) -> tuple[Any, ...]:
    """The records that stand on this one, by their place in it."""
    key = tuple([entry[name] for name in _KEY[: _KEY.index(order)]])
    return tuple([one.record for one in sorted(groups.pop(key, []), key=lambda one: one.entry[order])])


def _node(entry: Mapping[str, Any], index: int) -> tuple[Any, ...]:
    return (*[entry[name] for name in _KEY], entry["owner"], index)


def _extra(entry: Mapping[str, Any], column: str = "extra") -> dict[str, Any]:
    text = entry[column]
    return {} if text is None else from_json(text, dict[str, Any], column)


def _data_row(entry: dict[str, Any], labels: _Groups) -> DataRow:
    own = {"labels": _taken(labels, entry, "label_index")}
    asset = built(Asset, entry | {"extra": _extra(entry, "asset_extra")})
    metadata = entry["metadata"] and from_json(entry["metadata"], tuple[MetadataField, ...], "metadata")
    return built(DataRow, entry | own | {"asset": asset, "metadata": metadata, "extra": _extra(entry)})


def _label(entry: dict[str, Any], annotations: _Groups) -> Label:
    own = {"annotations": _taken(annotations, entry, "annotation_index")}
    return built(Label, entry | own | {"extra": _extra(entry)})


def _relationship(entry: dict[str, Any]) -> Relationship:
    ends = {end: entry[f"{end}_annotation_id"] for end in ("source", "target")}
    return built(Relationship, entry | ends | {"extra": _extra(entry)})


def _question(entry: dict[str, Any], nested: _Groups) -> Classification:
    under: dict[int | None, list[Classification]] = {}
    for one in reversed(nested.pop(_node(entry, entry["classification_index"]), [])):
        under.setdefault(one.entry["parent_answer"], []).append(one.record)
    names = entry["answers"] or []
    details: list[dict[str, Any]] = [{}] * len(names)
    if entry["answer_details"] is not None:
        details = from_json(entry["answer_details"], list[dict[str, Any]], "answer_details")
    if len(details) != len(names):
        problem = f"expected details of {len(names)} answers, got {len(details)}"
        raise DecodeError(problem, where=Where(path="$.answer_details"))
    answers = [
        built(Answer, detail | {"name": name, "classifications": under.pop(index, ())})
        for index, (name, detail) in enumerate(zip(names, details, strict=True))
    ]
    own = {"answers": answers, "classifications": under.pop(None, ()), "extra": _extra(entry)}
    if under:
        raise ReferenceProblem(f"expected answers for all questions that follow one, got {len(names)}")
    return built(Classification, entry | own)


def _marked(
    entry: dict[str, Any], shape: Shape | AnnokitError, questions: _Groups
) -> ObjectAnnotation | Track:
    owned = questions.pop((*[entry[name] for name in _KEY], entry["type"]), [])
    if isinstance(shape, AnnokitError):
        raise shape
    common = {name: entry[name] for name in ("tool_name", "tool_id", "value", "id", "confidence")}
    common |= {"classifications": tuple([one.record for one in owned]), "extra": _extra(entry)}
    if isinstance(shape, Track):
        return replace(shape, **common)
    space: Space = entry["space"] or "pixel"
    if space not in _SPACES:
        raise DecodeError(f"expected {', '.join(_SPACES)}, got {shown(space)}", where=Where(path="$.space"))
    return ObjectAnnotation(
        geometry=shape,
        box=_stated_box(entry) if entry["box_stated"] else None,
        space=space,
        page=entry["page"],
        frame=entry["frame"],
        track_id=entry["track_id"],
        is_crowd=bool(entry["is_crowd"]),
        sources=tuple([built(Provenance, source) for source in entry["sources"] or ()]),
        **common,
    )


def _stated_box(entry: Mapping[str, Any]) -> Box:
    sides = {name: entry[name] for name in ("x", "y", "width", "height")}
    if None in sides.values():
        raise DecodeError("expected a box where box_stated is true, got nulls", where=Where(path="$.x"))
    return Box(**sides)
