"""The keys of Labelbox export v2, as typed structs for decoding.

A list of every key the platform's SDK, its tests and its documents show; what else a file has lands in
`extra`. Only names are required: exports leave out whatever was not asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, TypeAlias

from msgspec import UNSET, Meta, Raw

from annokit.formats._labelbox.shared import NO_TEXT
from annokit.geometry import FARTHEST
from annokit.io.salvage import Wire

__all__ = [
    "ANSWER_KEYS",
    "Annotations",
    "Answer",
    "Box",
    "Classification",
    "CompositeMask",
    "ConversationLocation",
    "Experiment",
    "Frame",
    "Group",
    "Label",
    "LabelDetails",
    "Location",
    "ModelRun",
    "Object",
    "Performance",
    "Point",
    "Project",
    "Row",
]

ANSWER_KEYS = (
    "radio_answer",
    "checklist_answers",
    "text_answer",
    "conversational_radio_answer",
    "conversational_checklist_answers",
    "conversational_text_answer",
)

_answers: Callable[[Classification], tuple[Any, ...]] = attrgetter(*ANSWER_KEYS)

_Place: TypeAlias = Annotated[float, Meta(ge=-FARTHEST, le=FARTHEST)]
_Pixels: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]
_Extent: TypeAlias = Annotated[float, Meta(ge=0, le=FARTHEST)]


class Box(Wire):
    top: _Place
    left: _Place
    height: _Extent
    width: _Extent


class Point(Wire):
    x: _Place
    y: _Place


class Mask(Wire):
    url: str


class CompositeMask(Wire):
    url: str
    color_rgb: tuple[int, int, int]


class TokenGroup(Wire):
    page_number: int
    tokens: list[str] = []
    id: str | None = None
    text: str | None = None


class Location(Wire):
    """A text span, or tokens of a document."""

    start: int | None = None
    end: int | None = None
    token: str | None = None
    groups: list[TokenGroup] | None = None


class ConversationLocation(Wire):
    message_id: str
    location: Location


class Text(Wire):
    content: str


class Answer(Wire):
    name: str
    feature_id: str | None = None
    feature_schema_id: str | None = None
    value: str | None = None
    confidence: float | None = None
    classifications: list[Classification] = []


class Classification(Wire):
    unit = "classification"
    name: str
    feature_id: str | None = None
    feature_schema_id: str | None = None
    value: str | None = None
    confidence: float | None = None
    message_id: str | None = None
    radio_answer: Answer | None = None
    checklist_answers: list[Answer] | None = None
    text_answer: Text | None = None
    conversational_radio_answer: Answer | None = None
    conversational_checklist_answers: list[Answer] | None = None
    conversational_text_answer: Text | None = None

    def __post_init__(self) -> None:
        if _answers(self).count(None) < len(ANSWER_KEYS) - 1:
            given = [key for key in ANSWER_KEYS if getattr(self, key) is not None]
            raise ValueError(f"expected one answer, got {' and '.join(given)}")


class Object(Wire):
    """One object with one of many shapes; the text of lists of points is parsed with that of other rows."""

    unit = "object"
    name: str
    feature_id: str | None = None
    feature_schema_id: str | None = None
    value: str | None = None
    annotation_kind: str | None = None
    classifications: list[Classification] = []
    bounding_box: Box | None = None
    polygon: Raw = NO_TEXT
    line: Raw = NO_TEXT
    point: Point | None = None
    mask: Mask | None = None
    composite_mask: CompositeMask | None = None
    location: Location | None = None
    conversational_location: ConversationLocation | None = None
    geojson: Any = None
    selected_message: Any = None
    selected_messages: Any = None
    ranked_messages: Any = None
    page_number: int | None = None
    page_dimensions: Any = UNSET
    confidence: float | None = None


class Frame(Wire):
    """What is to be seen in one frame; objects by the id of their track."""

    objects: dict[str, Object] = {}
    classifications: list[Classification] = []


class Group(Wire):
    """One of the planes of a DICOM volume."""

    name: str | None = None
    classifications: list[Classification] = []
    frames: dict[str, Frame] = {}


class Annotations(Wire):
    """Of one label. Video, audio and DICOM have keys of their own in place of `objects`."""

    objects: list[Object] = []
    classifications: list[Classification] = []
    relationships: list[dict[str, Any]] = []
    frames: dict[str, Frame] | None = None
    segments: dict[str, Any] | None = None
    key_frame_feature_map: dict[str, Any] | None = None
    timestamp: Any = UNSET
    groups: dict[str, Group] | None = None


class LabelDetails(Wire):
    created_at: datetime | None = None
    updated_at: datetime | None = None
    created_by: str | None = None
    content_last_updated_at: Any = UNSET
    reviews: Any = UNSET


class Performance(Wire):
    seconds_to_create: float | None = None
    seconds_to_review: float | None = None
    skipped: bool | None = None
    benchmark_score: float | None = None
    benchmark_reference_label: str | None = None
    consensus_score: float | None = None


class Label(Wire):
    unit = "label"
    id: str | None = None
    label_kind: Any = UNSET
    version: Any = UNSET
    label_details: LabelDetails | None = None
    performance_details: Performance | None = None
    annotations: Annotations | None = None


class Project(Wire):
    name: str | None = None
    labels: list[Label] = []
    project_details: Any = UNSET


class ModelRun(Wire):
    """What a model predicted, beside the labels it was run on."""

    unit = "run"
    name: str | None = None
    run_data_row_id: Any = UNSET
    data_split: Any = UNSET
    labels: list[Label] = []
    predictions: list[Label] = []


class Experiment(Wire):
    unit = "run"
    name: str | None = None
    runs: dict[str, ModelRun] = {}


class Media(Wire):
    height: _Pixels | None = None
    width: _Pixels | None = None
    mime_type: str | None = None
    frame_rate: float | None = None
    frame_count: int | None = None


class DataRow(Wire):
    id: str
    global_key: str | None = None
    external_id: str | None = None
    row_data: Any = None
    details: Any = UNSET


class Row(Wire):
    """One line: a data row with the labels of every project it is in."""

    unit = "row"
    data_row: DataRow
    media_attributes: Media | None = None
    attachments: Any = UNSET
    metadata_fields: Any = UNSET
    embeddings: Any = UNSET
    projects: dict[str, Project] = {}
    experiments: dict[str, Experiment] = {}
