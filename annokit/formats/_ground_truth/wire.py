"""What a worker answered, as Ground Truth's response files have it.

Source of the shapes: the crowd HTML elements of the SageMaker developer guide, and real files. The key over an
element's value is the name its template gave it, so only the value tells what it is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import UNSET, Raw, UnsetType

from annokit.io.salvage import Wire

__all__ = [
    "SHAPES",
    "AnnotationData",
    "Answer",
    "Color",
    "Content",
    "DataObject",
    "Entity",
    "Image",
    "ImageSize",
    "Instance",
    "LooseAnswer",
    "LooseResponse",
    "Marked",
    "Outline",
    "Request",
    "Response",
    "Spot",
    "WorkerAnnotation",
]


class Marked(Wire, gc=False):
    """A box."""

    unit = "object:box"
    left: float
    top: float
    width: float
    height: float
    label: str | None = None


class Outline(Wire, gc=False):
    """A polygon, a polyline or a line."""

    unit = "object:outline"
    vertices: Raw
    label: str | None = None


class Spot(Wire, gc=False):
    """A keypoint: here each stands for itself."""

    unit = "object:point"
    x: float
    y: float
    label: str | None = None


class Entity(Wire, rename="camel", gc=False):
    """A span of text."""

    unit = "object:text_span"
    start_offset: int
    end_offset: int
    label: str | None = None


class Color(Wire, gc=False):
    """The colour of a class."""

    color: str


class Instance(Wire, gc=False):
    """The colour of one object."""

    color: str
    label: str | None = None


class Image(Wire, rename="camel", gc=False):
    """A PNG in base64."""

    png_image_data: str


class ImageSize(Wire, gc=False):
    """The size of the image the worker saw, as it is stored."""

    height: int
    width: int


class Content(Wire, rename="camel", gc=False):
    """What stands under the name of one of the crowd elements; each has a key of its own."""

    label: str | UnsetType = UNSET
    labels: list[str] | UnsetType = UNSET
    bounding_boxes: list[Marked] | UnsetType | None = UNSET
    polygons: list[Outline] | UnsetType | None = UNSET
    polylines: list[Outline] | UnsetType | None = UNSET
    lines: list[Outline] | UnsetType | None = UNSET
    keypoints: list[Spot] | UnsetType | None = UNSET
    entities: list[Entity] | UnsetType | None = UNSET
    instances: list[Instance] | UnsetType | None = UNSET
    label_mappings: dict[str, Color] | UnsetType | None = UNSET
    labeled_image: Image | None = None
    input_image_properties: ImageSize | None = None
    worker_comment: str | None = None
    initial_value_modified: Any = UNSET


SHAPES = (
    "label",
    "labels",
    "bounding_boxes",
    "polygons",
    "polylines",
    "lines",
    "keypoints",
    "entities",
    "instances",
    "label_mappings",
)
"""The keys that say which element it is."""


class _Submission(Wire, rename="camel", gc=False):
    """Who answered, and when."""

    unit = "label"
    worker_id: str | None = None
    submission_time: datetime | None = None
    acceptance_time: datetime | None = None
    time_spent_in_seconds: float | None = None
    worker_metadata: dict[str, Any] | None = None


class Answer(_Submission, rename="camel", gc=False):
    """One worker's answer, all elements of which are known."""

    answer_content: dict[str, Content | str] | None = None


class LooseAnswer(_Submission, rename="camel", gc=False):
    """One worker's answer, whatever it holds."""

    answer_content: dict[str, Raw] | None = None


class Response(Wire, gc=False):
    """A response file: the answers of all workers to one data object."""

    answers: list[Answer] | None


class LooseResponse(Wire, gc=False):
    """The same, whatever the answers hold."""

    answers: list[LooseAnswer] | None


class DataObject(Wire, rename="camel", gc=False):
    """What was to be labelled: an address, or the text itself."""

    s3_uri: str | None = None
    content: str | None = None


class AnnotationData(Wire, rename="camel", gc=False):
    """An answer as JSON text, or where it lies."""

    content: str | None = None
    s3_uri: str | None = None


class WorkerAnnotation(Wire, rename="camel", gc=False):
    """One worker's answer in a consolidation request: no times, and no more of the worker than the id."""

    unit = "label"
    annotation_data: AnnotationData
    worker_id: str | None = None


class Request(Wire, rename="camel", gc=False):
    """One data object of a consolidation request."""

    unit = "data_row"
    dataset_object_id: str
    annotations: list[WorkerAnnotation]
    data_object: DataObject | None = None
