"""Data rows, their assets, and the labels annotators submitted for them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from annokit.model.annotation import Annotation, Classification, ObjectAnnotation, Relationship, Track
from annokit.model.base import Record

__all__ = ["Asset", "Attachment", "DataRow", "Label", "MetadataField", "Review"]


class Asset(Record, kw_only=True):
    """The media of a data row. Sizes are as stored, whatever an EXIF orientation says.

    An image that is one frame of the video at `uri` has its 0-based number in `frame`.
    """

    uri: str | None = None
    media_type: str = "image"
    width: int | None = None
    height: int | None = None
    mime_type: str | None = None
    text: str | None = None
    frame_count: int | None = None
    frame_rate: float | None = None
    frame: int | None = None
    extra: dict[str, Any] = {}

    def shows(self, one: ObjectAnnotation) -> bool:
        """Whether an object is pixels of this one image: not of a page, another frame, or the globe."""
        return one.space == "pixel" and one.page is None and one.frame in (None, self.frame)


class Review(Record, kw_only=True):
    """A reviewer's verdict on a label."""

    score: float | None = None
    reviewer_id: str | None = None
    created_at: datetime | None = None
    id: str | None = None


class MetadataField(Record, kw_only=True):
    """A named value attached to a data row; enums may hold several."""

    name: str
    value: Any = None
    id: str | None = None
    kind: str | None = None


class Attachment(Record, kw_only=True):
    """Something shown beside the asset."""

    kind: str
    value: str
    name: str | None = None
    id: str | None = None


class Label(Record, tag="label", tag_field="type", kw_only=True):
    """One annotator's whole submission for a data row.

    Attributes
    ----------
    annotator_id : str or None
        Who: an address, a worker id.
    started_at, created_at, updated_at : datetime or None
        When the annotator took the task up, handed the label in, last changed it.
    seconds_to_create, seconds_to_review : float or None
        Time spent.
    is_benchmark, is_selected : bool
        The platform calls this the reference label, or the one it picked among several.
    consensus_score, benchmark_score : float or None
        The platform's own agreement scores, 0 to 1.
    skipped : bool
        The annotator passed the row on without labelling it.
    url : str or None
        The label on the platform.
    origin : str
        `human`, `model` or `consensus`.
    """

    id: str | None = None
    annotator_id: str | None = None
    started_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    seconds_to_create: float | None = None
    seconds_to_review: float | None = None
    status: str | None = None
    skipped: bool = False
    is_benchmark: bool = False
    is_selected: bool = False
    consensus_score: float | None = None
    benchmark_score: float | None = None
    has_open_issues: bool | None = None
    project_id: str | None = None
    project_name: str | None = None
    url: str | None = None
    origin: Literal["human", "model", "consensus"] = "human"
    reviews: tuple[Review, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    extra: dict[str, Any] = {}

    @property
    def changed_at(self) -> datetime:
        """When it was changed or made, in UTC if nothing else is said; long ago where that is unknown."""
        moment = self.updated_at or self.created_at or datetime.min
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    @property
    def objects(self) -> list[ObjectAnnotation]:
        """The annotations that are objects, in order."""
        return [a for a in self.annotations if type(a) is ObjectAnnotation]

    @property
    def classifications(self) -> list[Classification]:
        """The annotations that are classifications of the whole data row, in order."""
        return [a for a in self.annotations if type(a) is Classification]

    @property
    def relationships(self) -> list[Relationship]:
        """The annotations that link others, in order."""
        return [a for a in self.annotations if type(a) is Relationship]

    @property
    def tracks(self) -> list[Track]:
        """The annotations that span frames, in order."""
        return [a for a in self.annotations if type(a) is Track]


class DataRow(Record, tag="data_row", tag_field="type", kw_only=True):
    """The thing to be labelled, and every label it has.

    Attributes
    ----------
    id : str
        The platform's id; unique within `source`.
    global_key, external_id : str or None
        The user's own names for it.
    source : str or None
        The file it was read from.
    split : str or None
        `train`, `val`, `test` where the source says so.
    """

    id: str
    asset: Asset = Asset()
    global_key: str | None = None
    external_id: str | None = None
    source: str | None = None
    split: str | None = None
    metadata: tuple[MetadataField, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    labels: tuple[Label, ...] = ()
    extra: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """A file name for this row: global key, else external id, else the URL's last part, else the id."""
        return self.global_key or self.external_id or _last_part(self.asset.uri) or self.id


def _last_part(uri: str | None) -> str:
    return "" if uri is None else uri.partition("?")[0].rstrip("/").rpartition("/")[2]
