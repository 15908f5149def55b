"""The keys of Labelbox import NDJSON (model-assisted labelling and ground truth), as typed structs for decoding."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from msgspec import UNSET, Meta, Raw, field

from annokit.formats._labelbox.shared import NO_TEXT
from annokit.geometry import FARTHEST
from annokit.io.salvage import Wire

__all__ = ["Answer", "Box", "Line", "Mask", "Masks", "Question", "Segment"]

_Number: TypeAlias = Annotated[float, Meta(ge=-FARTHEST, le=FARTHEST)]
_Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
_Count: TypeAlias = Annotated[int, Meta(ge=0)]
_Level: TypeAlias = Annotated[int, Meta(ge=0, le=255)]


class _Camel(Wire, rename="camel"):
    """Base of all."""


class DataRow(_Camel):
    id: str | None = None
    global_key: str | None = None


class Box(_Camel):
    top: _Number
    left: _Number
    height: _Number  # negative on maps
    width: _Number


class Point(_Camel):
    x: _Number
    y: _Number


class Mask(_Camel):
    """A URL with a colour, a PNG in base64, or runs as old clients wrote them."""

    instance_uri: str | None = field(name="instanceURI", default=None)
    color_rgb: tuple[_Level, _Level, _Level] | None = field(name="colorRGB", default=None)
    png: str | None = None
    size: tuple[_Count, _Count] | None = None
    counts: list[_Count] | None = None


class Location(_Camel):
    start: _Count
    end: int


class Selection(_Camel):
    token_ids: list[str]
    page: int
    group_id: str | None = None


class Frames(_Camel):
    start: _Count
    end: _Count


class Answer(_Camel):
    """A chosen option, or a text (`value`) that holds in some frames."""

    name: str | None = None
    schema_id: str | None = None
    value: str | None = None
    frames: list[Frames] = []
    confidence: _Share | None = None
    custom_metrics: Any = UNSET
    classifications: list[Question] = []


class Question(_Camel):
    name: str | None = None
    schema_id: str | None = None
    answer: Answer | str | list[Answer] | None = None
    answers: Answer | str | list[Answer] | None = None
    frames: list[Frames] = []
    message_id: str | None = None
    confidence: _Share | None = None
    custom_metrics: Any = UNSET


class Keyframe(_Camel):
    frame: _Count
    bbox: Box | None = None
    point: Point | None = None
    line: Raw = NO_TEXT
    classifications: list[Question] = []


class Segment(_Camel):
    keyframes: list[Keyframe]


class MaskFrame(_Camel):
    index: _Count
    instance_uri: str | None = field(name="instanceURI", default=None)
    im_bytes: str | None = None


class Instance(_Camel):
    color_rgb: tuple[_Level, _Level, _Level] = field(name="colorRGB")
    name: str | None = None
    schema_id: str | None = None


class Masks(_Camel):
    """Masks of a video: one image a frame, in which each object has its colour."""

    frames: list[MaskFrame]
    instances: list[Instance]


class Relationship(_Camel):
    target: str
    source: str | None = None
    type: str = "unidirectional"


class Line(Question, kw_only=True):
    """One annotation of a data row."""

    unit = "annotation"
    data_row: DataRow
    uuid: str | None = None
    classifications: list[Question] = []
    is_benchmark_reference_label: bool = False
    bbox: Box | None = None
    polygon: Raw = NO_TEXT
    line: Raw = NO_TEXT
    point: Point | None = None
    mask: Mask | None = None
    location: Location | None = None
    text_selections: list[Selection] | None = None
    relationship: Relationship | None = None
    segments: list[Segment] | None = None
    masks: Masks | None = None
    page: int | None = None
    length_unit: Any = field(name="unit", default=UNSET)
    group_key: Any = UNSET
    message_evaluation_task: Any = UNSET
    metric_value: Any = UNSET
    metric_name: Any = UNSET
    feature_name: Any = UNSET
    subclass_name: Any = UNSET
    aggregation: Any = UNSET

    def __post_init__(self) -> None:
        given = [key for key in (self.data_row.id, self.data_row.global_key) if key is not None]
        if len(given) != 1:
            raise ValueError("expected a dataRow with either an id or a globalKey")
