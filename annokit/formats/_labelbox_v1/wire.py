"""The keys of Labelbox's legacy export, as typed structs for decoding."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeAlias

from msgspec import UNSET, Meta, Raw, field

from annokit.formats._labelbox.shared import NO_TEXT
from annokit.geometry import FARTHEST
from annokit.io.salvage import Wire

__all__ = ["Answer", "BBox", "Body", "Classification", "Entry", "Frame", "Object", "Point", "Questions"]

_Number: TypeAlias = Annotated[float, Meta(ge=-FARTHEST, le=FARTHEST)]


class _Camel(Wire, rename="camel"):
    """Base of the structs below an entry."""


class BBox(Wire):
    top: _Number
    left: _Number
    height: _Number  # negative on maps
    width: _Number


class Point(Wire):
    x: _Number
    y: _Number


class Answer(_Camel):
    title: str
    feature_id: str | None = None
    schema_id: str | None = None
    value: str | None = None
    classifications: Questions = []


class Classification(_Camel):
    unit = "classification"
    title: str
    feature_id: str | None = None
    schema_id: str | None = None
    value: str | None = None
    answer: Answer | str | list[Answer] | None = None
    answers: list[Answer] | None = None
    classifications: Questions = []


Questions: TypeAlias = list[Classification | list[Classification]]
"""Some exports wrap the questions below an object in a second list."""


class Object(_Camel):
    """One object; `instanceURI` is its mask, and stands beside any other shape, too."""

    unit = "object"
    title: str
    feature_id: str | None = None
    schema_id: str | None = None
    value: str | None = None
    color: Any = UNSET
    instance_uri: str | None = field(name="instanceURI", default=None)
    classifications: Questions = []
    keyframe: bool | None = None
    bbox: BBox | None = None
    polygon: Raw = NO_TEXT
    line: Raw = NO_TEXT
    point: Point | None = None
    data: Any = None
    format: Any = UNSET
    version: Any = UNSET
    type: str | None = None
    geometry: Any = None
    page: int | None = None
    length_unit: Any = field(name="unit", default=UNSET)


class Frame(_Camel):
    frame_number: Annotated[int, Meta(ge=1)]
    objects: list[Object] = []
    classifications: Questions = []


class Body(Wire):
    """What an annotator said; nothing at all where the row was skipped."""

    objects: list[Object] | None = None
    classifications: Questions = []
    relationships: list[dict[str, Any]] = []
    frames: str | None = None


class Entry(Wire):
    """One label, with what is known of its data row."""

    unit = "label"
    data_row_id: str = field(name="DataRow ID")
    id: str | None = field(name="ID", default=None)
    labeled_data: Any = field(name="Labeled Data", default=None)
    label: Body | list[Frame] | None = field(name="Label", default=None)
    created_by: str | None = field(name="Created By", default=None)
    created_at: datetime | None = field(name="Created At", default=None)
    updated_at: datetime | None = field(name="Updated At", default=None)
    project_name: str | None = field(name="Project Name", default=None)
    dataset_name: Any = field(name="Dataset Name", default=UNSET)
    external_id: str | None = field(name="External ID", default=None)
    global_key: str | None = field(name="Global Key", default=None)
    view_label: str | None = field(name="View Label", default=None)
    seconds_to_label: float | None = field(name="Seconds to Label", default=None)
    seconds_to_review: float | None = field(name="Seconds to Review", default=None)
    seconds_to_create: float | None = field(name="Seconds to Create", default=None)
    agreement: float | None = field(name="Agreement", default=None)
    benchmark_agreement: float | None = field(name="Benchmark Agreement", default=None)
    benchmark_id: Any = field(name="Benchmark ID", default=UNSET)
    is_benchmark: int | bool | None = field(name="Is Benchmark", default=None)
    reviews: Any = field(name="Reviews", default=UNSET)
    has_open_issues: int | bool | None = field(name="Has Open Issues", default=None)
    skipped: bool | None = field(name="Skipped", default=None)
    data_split: str | None = field(name="Data Split", default=None)
    media_type: str | None = None
    media_attributes: Any = field(name="Media Attributes", default=UNSET)
    metadata: Any = field(name="DataRow Metadata", default=UNSET)
    workflow: Any = field(name="DataRow Workflow Info", default=UNSET)
