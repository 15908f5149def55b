"""The columns of each table, by name and type, and how a table from elsewhere is fitted to them.

Only types that Spark, DuckDB, pandas, polars and Hugging Face `datasets` all read: signed integers,
doubles, strings, binary, booleans, lists, structs and UTC timestamps.

Most columns are the fields of the models. The others:

``data_row_index``, ``label_index``, ``annotation_index``
    The place of a data row, of a label in it, and of an annotation of any type in that, from 0: the keys
    to join on. Ids are not, since they may be missing and may repeat.
``name``
    The name of the data row, as files are called after it.
annotations: ``type``, ``kind``
    ``object`` or ``track``, and the shape: ``box``, ``polygon``, ``mask``, ...
annotations: ``x``, ``y``, ``width``, ``height``, ``box_stated``, ``area``
    The box that the source states beside the shape (``box_stated``), else the one around it; null for
    what has no extent in pixels. The area of boxes, polygons (less their holes) and masks.
annotations: ``rings``, ``points``, ``mask``
    Polygons as parts > rings > x, y in turns; lines, points, keypoints and rotated boxes as x, y in
    turns; masks as COCO's compressed counts.
annotations: ``payload``
    JSON of what the other columns cannot hold whole: tracks, token selections, unknown kinds.
classifications: ``owner``, ``annotation_index``
    ``label`` for a question about the data row itself; else ``object`` or ``track``, and which.
classifications: ``classification_index``, ``parent_index``, ``parent_answer``, ``path``
    Its place among those of its owner; for a nested one, what it is nested in, which answer of that, and
    the names from the outermost question to there.
classifications: ``answers``, ``answer_details``
    The names of the chosen options; JSON of all else there is to them.
``extra``, ``metadata``, ``asset_extra``
    JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pyarrow as pa

from annokit.errors import DecodeError, InputError, Where
from annokit.model import SCHEMA_VERSION
from annokit.tables.columns import column, json_column

__all__ = ["SCHEMAS", "TABLES", "check_version", "conform", "record_batch"]

_INT, _SMALL, _REAL, _TEXT, _BOOL = pa.int64(), pa.int32(), pa.float64(), pa.string(), pa.bool_()
_TIME, _TEXTS = pa.timestamp("us", "UTC"), pa.list_(pa.string())
_VERSION = b"annokit.schema_version"
_JSON = frozenset({"extra", "metadata", "asset_extra", "answer_details", "payload"})
_Columns = tuple[pa.DataType, str]
"""Columns of one type, by name."""


def _struct(*columns: _Columns) -> pa.DataType:
    return pa.struct([(name, kind) for kind, names in columns for name in names.split()])


def _schema(table: str, required: str, *columns: _Columns) -> pa.Schema:
    """The columns of a table; those named in `required` have a value in every row."""
    metadata = {
        _VERSION: str(SCHEMA_VERSION),
        "annokit.table": table,
        "annokit.coordinates": "pixels, origin top left, x right, y down, unless column space says otherwise; "
        "frames count from 0; text_end is exclusive",
        "annokit.rings": "parts > rings > x0, y0, x1, y1, ...; the first ring of a part is its exterior, "
        "the others are holes; vertices as they were read, no closing vertex added",
    }
    fields = [(name, kind) for kind, names in columns for name in names.split()]
    needed = required.split()
    return pa.schema([pa.field(name, kind, name not in needed) for name, kind in fields], metadata)


_KEY = "data_row_index label_index annotation_index"
_PLACE = ((_INT, _KEY), (_TEXT, "source data_row_id name label_id annotator_id"))

SCHEMAS: dict[str, pa.Schema] = {
    "data_rows": _schema(
        "data_rows",
        "data_row_index id",
        (_INT, "data_row_index"),
        (_TEXT, "source id name global_key external_id split uri media_type mime_type"),
        (_INT, "width height frame_count"),
        (_REAL, "frame_rate"),
        (_INT, "frame"),
        (_TEXT, "text metadata"),
        (pa.list_(_struct((_TEXT, "kind value name id"))), "attachments"),
        (_TEXT, "asset_extra extra"),
    ),
    "labels": _schema(
        "labels",
        "data_row_index label_index",
        (_INT, "data_row_index label_index"),
        (_TEXT, "source data_row_id name id annotator_id"),
        (_TIME, "started_at created_at updated_at"),
        (_REAL, "seconds_to_create seconds_to_review"),
        (_TEXT, "status origin"),
        (_BOOL, "skipped is_benchmark is_selected has_open_issues"),
        (_REAL, "consensus_score benchmark_score"),
        (_TEXT, "project_id project_name url"),
        (
            pa.list_(_struct((_REAL, "score"), (_TEXT, "reviewer_id"), (_TIME, "created_at"), (_TEXT, "id"))),
            "reviews",
        ),
        (_TEXT, "extra"),
    ),
    "annotations": _schema(
        "annotations",
        f"{_KEY} type kind tool_name",
        *_PLACE,
        (_TEXT, "id type kind tool_name tool_id value"),
        (_REAL, "confidence x y width height"),
        (_BOOL, "box_stated"),
        (_REAL, "area"),
        (_BOOL, "is_crowd"),
        (_TEXT, "space"),
        (_INT, "page frame"),
        (_TEXT, "track_id"),
        (pa.list_(pa.list_(pa.list_(_REAL))), "rings"),
        (pa.list_(_REAL), "points"),
        (pa.list_(pa.int8()), "visibility"),
        (_struct((_SMALL, "height width"), (pa.binary(), "counts")), "mask"),
        (_TEXT, "uri"),
        (pa.list_(_SMALL), "color"),
        (_INT, "text_start text_end"),
        (_TEXT, "text message_id"),
        (_REAL, "start_ms end_ms"),
        (_INT, "frame_count keyframe_count"),
        (_TEXT, "payload"),
        (pa.list_(_struct((_TEXT, "label_id annotation_id"))), "sources"),
        (_TEXT, "extra"),
    ),
    "classifications": _schema(
        "classifications",
        f"{_KEY} classification_index owner kind tool_name",
        *_PLACE,
        (_TEXT, "owner"),
        (_INT, "classification_index parent_index parent_answer"),
        (_TEXTS, "path"),
        (_TEXT, "id kind tool_name tool_id value"),
        (_TEXTS, "answers"),
        (_TEXT, "text"),
        (_REAL, "confidence"),
        (pa.list_(_struct((_INT, "start end"))), "frames"),
        (_TEXT, "message_id answer_details extra"),
    ),
    "relationships": _schema(
        "relationships",
        f"{_KEY} tool_name",
        *_PLACE,
        (_TEXT, "id tool_name tool_id value source_annotation_id target_annotation_id"),
        (_BOOL, "directed"),
        (_TEXT, "extra"),
    ),
    "ontology": _schema(
        "ontology",
        "index role",
        (_INT, "index parent_index"),
        (_TEXT, "role name kind id value color"),
        (_BOOL, "required"),
        (_TEXTS, "keypoints"),
        (pa.list_(pa.list_(_INT)), "skeleton"),
        (_TEXT, "extra"),
    ),
}
"""The schema of every table; `None` never stands in a column that is not nullable."""

TABLES = tuple(name for name in SCHEMAS if name != "ontology")
"""The tables made from data rows."""


def record_batch(table: str, columns: Mapping[str, Any]) -> pa.RecordBatch:
    """Columns, as values (JSON as what it says) or Arrow arrays, in the order and types of a table's schema."""
    schema = SCHEMAS[table]
    return pa.record_batch([_array(columns[name], name, kind) for name, kind in _fields(table)], schema)


@cache
def _fields(table: str) -> list[tuple[str, pa.DataType]]:
    """Names and types, which a schema makes anew whenever it is asked."""
    return [(field.name, field.type) for field in SCHEMAS[table]]


def _array(values: Any, name: str, kind: pa.DataType) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    try:
        return json_column(values) if name in _JSON else column(values, kind)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
        raise InputError(f"column {name} cannot hold a value: {error}") from error


def check_version(metadata: dict[bytes, bytes] | None, where: Where) -> None:
    """Refuse a table that a newer annokit wrote; one without a version was rewritten by another tool."""
    version = (metadata or {}).get(_VERSION, b"0")
    if not version.isdigit() or int(version) > SCHEMA_VERSION:
        found = version.decode("utf-8", "replace")
        raise DecodeError(
            f"expected tables of schema {SCHEMA_VERSION} or older, got {found}",
            where=where,
            hint="update annokit",
        )


def conform(batch: pa.RecordBatch, table: str, where: Where) -> pa.RecordBatch:
    """`batch` with exactly the columns of `table`: cast where that loses nothing, null where absent.

    Raises
    ------
    DecodeError
        A column of another type, or nulls in, or no, column that must have values.
    """
    schema = SCHEMAS[table]
    columns = [_conformed(batch, field, where.at(path=f"$.{field.name}")) for field in schema]
    return pa.record_batch(columns, schema)


def _conformed(batch: pa.RecordBatch, field: pa.Field, where: Where) -> pa.Array:
    if field.name not in batch.schema.names:
        if not field.nullable:
            raise DecodeError("expected this column, got none", where=where)
        return pa.nulls(len(batch), field.type)
    column = batch.column(field.name)
    if column.type != field.type:
        try:
            column = column.cast(field.type)
        except pa.ArrowException as error:
            raise DecodeError(f"expected {field.type}, got {column.type}", where=where) from error
    if not field.nullable and column.null_count:
        raise DecodeError(f"expected a value in every row, got {column.null_count} nulls", where=where)
    return column
