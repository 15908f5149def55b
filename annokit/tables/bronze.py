"""One label as a row of LabelSpark's bronze table: the keys of Labelbox's legacy export."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from annokit.model import (
    Box,
    Classification,
    DataRow,
    Geometry,
    Label,
    Line,
    MaskReference,
    ObjectAnnotation,
    Point,
    Polygon,
    Relationship,
    TextSpan,
    Track,
)
from annokit.model.base import Floats

__all__ = ["BRONZE", "bronze_entry"]

_TEXT, _REAL, _INT, _BOOL = pa.string(), pa.float64(), pa.int64(), pa.bool_()
_TIME = pa.timestamp("us", "UTC")
_NAMED = [("featureId", _TEXT), ("schemaId", _TEXT), ("title", _TEXT), ("value", _TEXT)]
_POINT = pa.struct([("x", _REAL), ("y", _REAL)])
_QUESTION = pa.struct(
    [
        *_NAMED,
        ("answer", pa.struct(_NAMED)),
        ("answers", pa.list_(pa.struct(_NAMED))),
        ("text", _TEXT),
    ]
)
_OBJECT = pa.struct(
    [
        *_NAMED,
        ("bbox", pa.struct([(name, _REAL) for name in ("top", "left", "height", "width")])),
        ("point", _POINT),
        ("polygon", pa.list_(_POINT)),
        ("line", pa.list_(_POINT)),
        ("data", pa.struct([("location", pa.struct([("start", _INT), ("end", _INT)]))])),
        ("instanceURI", _TEXT),
        ("geometry", _TEXT),
        ("page", _INT),
        ("classifications", pa.list_(_QUESTION)),
    ]
)
_LINK = pa.struct([*_NAMED, ("source", _TEXT), ("target", _TEXT), ("directed", _BOOL)])
_LABEL = pa.struct(
    [
        ("frameNumber", _INT),
        ("objects", pa.list_(_OBJECT)),
        ("classifications", pa.list_(_QUESTION)),
        ("relationships", pa.list_(_LINK)),
    ]
)

BRONZE = pa.schema(
    [
        ("ID", _TEXT),
        ("DataRow ID", _TEXT),
        ("Labeled Data", _TEXT),
        ("Label", _LABEL),
        ("Created By", _TEXT),
        ("Project Name", _TEXT),
        ("Created At", _TIME),
        ("Updated At", _TIME),
        ("Seconds to Label", _REAL),
        ("Seconds to Review", _REAL),
        ("External ID", _TEXT),
        ("Global Key", _TEXT),
        ("Agreement", _REAL),
        ("Is Benchmark", _BOOL),
        ("Benchmark Agreement", _REAL),
        ("View Label", _TEXT),
        ("Has Open Issues", _BOOL),
        ("Skipped", _BOOL),
        ("Data Split", _TEXT),
        ("media_type", _TEXT),
        ("source", _TEXT),
        pa.field("data_row_index", _INT, nullable=False),
        pa.field("label_index", _INT, nullable=False),
    ]
)
"""The columns of the bronze table: those of the export, and where a label stands."""


def bronze_entry(row: DataRow, label: Label, frame: int | None) -> dict[str, Any]:
    """The row of a label, or of one frame (0-based) of it, but for the indices."""
    return {
        "ID": label.id,
        "DataRow ID": row.id,
        "Labeled Data": row.asset.text if row.asset.uri is None else row.asset.uri,
        "Label": {
            "frameNumber": None if frame is None else frame + 1,
            "objects": [_object(a) for a in label.annotations if isinstance(a, ObjectAnnotation | Track)],
            "classifications": list(_questions(label.classifications)),
            "relationships": [_link(link) for link in label.relationships],
        },
        "Created By": label.annotator_id,
        "Project Name": label.project_name,
        "Created At": label.created_at,
        "Updated At": label.updated_at,
        "Seconds to Label": label.seconds_to_create,
        "Seconds to Review": label.seconds_to_review,
        "External ID": row.external_id,
        "Global Key": row.global_key,
        "Agreement": label.consensus_score,
        "Is Benchmark": label.is_benchmark,
        "Benchmark Agreement": label.benchmark_score,
        "View Label": label.url,
        "Has Open Issues": label.has_open_issues,
        "Skipped": label.skipped,
        "Data Split": row.split,
        "media_type": row.asset.media_type,
        "source": row.source,
    }


def _object(one: ObjectAnnotation | Track) -> dict[str, Any]:
    shape = _shape(one.geometry) if isinstance(one, ObjectAnnotation) else {"geometry": _json(one)}
    page = one.page if isinstance(one, ObjectAnnotation) else None
    return _named(one) | shape | {"page": page, "classifications": list(_questions(one.classifications))}


def _named(one: ObjectAnnotation | Track | Classification | Relationship) -> dict[str, Any]:
    return {"featureId": one.id, "schemaId": one.tool_id, "title": one.tool_name, "value": one.value}


def _shape(shape: Geometry) -> dict[str, Any]:
    """The shape under the key the export has for it, else as JSON."""
    if isinstance(shape, Box):
        return {"bbox": {"top": shape.y, "left": shape.x, "height": shape.height, "width": shape.width}}
    if isinstance(shape, Point):
        return {"point": {"x": shape.x, "y": shape.y}}
    if isinstance(shape, Line):
        return {"line": _points(shape.coords)}
    if isinstance(shape, Polygon) and len(shape.ring_offsets) == 2:
        return {"polygon": _points(shape.coords)}
    if isinstance(shape, TextSpan) and shape.message_id is None:
        return {"data": {"location": {"start": shape.start, "end": shape.end - 1}}}  # inclusive, as there
    if isinstance(shape, MaskReference) and shape.color is None:
        return {"instanceURI": shape.uri}
    return {"geometry": _json(shape)}


def _points(coords: Floats) -> list[dict[str, float]]:
    return [{"x": x, "y": y} for x, y in coords.tolist()]


def _json(record: Geometry | Track) -> str:
    return msgspec.json.encode(record, enc_hook=lambda array: array.tolist()).decode()


def _questions(questions: Sequence[Classification]) -> Iterator[dict[str, Any]]:
    """Questions, each followed by what is nested in it."""
    for one in questions:
        answers = [
            {"featureId": a.id, "schemaId": a.option_id, "title": a.name, "value": a.value}
            for a in one.answers
        ]
        is_single = one.kind == "radio" and len(answers) == 1
        yield _named(one) | {
            "answer": answers[0] if is_single else None,
            "answers": None if is_single or not answers else answers,
            "text": one.text,
        }
        yield from _questions(one.classifications)
        for answer in one.answers:
            yield from _questions(answer.classifications)


def _link(link: Relationship) -> dict[str, Any]:
    return _named(link) | {"source": link.source, "target": link.target, "directed": link.directed}
