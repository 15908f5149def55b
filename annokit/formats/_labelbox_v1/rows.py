"""Data rows with one label each out of the entries of Labelbox's legacy export."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from annokit.errors import InputError, LimitExceeded
from annokit.formats._labelbox.shared import Batch, Masks, located, metadata_of, reviews_of
from annokit.formats._labelbox_v1 import wire
from annokit.formats._labelbox_v1.frames import FrameFolder
from annokit.formats._labelbox_v1.objects import NAME, ObjectBuilder, classifications
from annokit.formats._labelbox_v1.video import video_annotations
from annokit.io.faults import BAD_JSON, told
from annokit.io.salvage import decoder
from annokit.model import Annotation, Asset, DataRow, Label, Relationship

__all__ = ["RowBuilder", "joined"]

_KEPT_OF_ROW = {
    "dataset_name": "Dataset Name",
    "media_attributes": "Media Attributes",
    "workflow": "DataRow Workflow Info",
    "media_type": "media_type",
}
_VIDEOS = re.compile(r"\.(mp4|mov|avi|mkv|webm|m4v)(\?|$)", re.IGNORECASE)


class _Tiles(msgspec.Struct):
    tileLayerUrl: str  # noqa: N815  # the export's key


class RowBuilder:
    """Makes a data row with one label of each entry of one batch; what cannot be one is rejected."""

    def __init__(self, batch: Batch[wire.Entry], masks: Masks, frames: FrameFolder) -> None:
        self._batch, self._masks, self._frames = batch, masks, frames
        objects = (one for _, entry in batch.records for one in _objects(entry.label))
        self._shapes = ObjectBuilder(objects, batch.run, masks)

    def rows(self) -> Iterator[tuple[str, DataRow | None]]:
        """The id of each entry's data row, and the row where there is one."""
        for number, entry in self._batch.records:
            try:
                yield entry.data_row_id, self._row(number, entry)
            except (InputError, LimitExceeded, RecursionError) as error:
                self._batch.reject(number, "$", told(error), "labels")
                yield entry.data_row_id, None

    def _row(self, number: int, entry: wire.Entry) -> DataRow:
        asset, kept = _asset(entry)
        return DataRow(
            id=entry.data_row_id,
            asset=asset,
            global_key=entry.global_key,
            external_id=entry.external_id,
            source=self._batch.block.file,
            split=entry.data_split,
            metadata=metadata_of(entry.metadata) if entry.metadata else (),
            labels=(self._label(number, entry, asset),),
            extra={NAME: kept} if kept else {},
        )

    def _label(self, number: int, entry: wire.Entry, asset: Asset) -> Label:
        project = re.search(r"[?&]project=(\w+)", entry.view_label or "")
        effort = entry.seconds_to_create
        kept = _kept_of_label(entry)
        return Label(
            id=entry.id,
            annotator_id=entry.created_by,
            created_at=entry.created_at,
            updated_at=entry.updated_at,
            seconds_to_create=entry.seconds_to_label if effort is None else effort,
            seconds_to_review=entry.seconds_to_review,
            skipped=entry.skipped is True or _is_empty(entry.label),
            is_benchmark=bool(entry.is_benchmark),
            consensus_score=_score(entry.agreement),
            benchmark_score=_score(entry.benchmark_agreement),
            has_open_issues=None if entry.has_open_issues is None else bool(entry.has_open_issues),
            project_id=project[1] if project else None,
            project_name=entry.project_name,
            url=entry.view_label,
            reviews=reviews_of(entry.reviews, "createdBy", "createdAt"),
            annotations=self._annotations(number, entry, asset),
            extra={NAME: kept} if kept else {},
        )

    def _annotations(self, number: int, entry: wire.Entry, asset: Asset) -> tuple[Annotation, ...]:
        label, shapes = entry.label, self._shapes
        if label is None:
            return ()
        if isinstance(label, wire.Body) and label.frames is not None:
            label = self._frames.read(entry, label.frames)
            shapes = ObjectBuilder(_objects(label), self._batch.run, self._masks)
        if isinstance(label, list):
            self._batch.run.limits.check("max_frames", len(label))
            return video_annotations(label, shapes, asset)
        made: list[Annotation] = []
        for index, one in enumerate(label.objects or ()):
            try:
                made.append(self._shapes.object(one, asset))
            except InputError as error:
                self._batch.reject(number, f"$.Label.objects[{index}]", error)
        links = [_relationship(one) for one in label.relationships]
        return *made, *classifications(label.classifications), *links


def joined(rows: Sequence[DataRow]) -> DataRow:
    """Several entries of one data row as one row; what they say of it differently stands with their labels."""
    first, labels = rows[0], list(rows[0].labels)
    for row in rows[1:]:
        said = row.extra.get(NAME, {})
        other = {key: value for key, value in said.items() if first.extra.get(NAME, {}).get(key) != value}
        if row.asset.uri != first.asset.uri:
            other["Labeled Data"] = row.asset.uri
        extra = {NAME: row.labels[0].extra.get(NAME, {}) | other}
        labels.append(replace(row.labels[0], extra=extra) if other else row.labels[0])
    return replace(first, labels=tuple(labels)) if len(rows) > 1 else first


def _objects(label: wire.Body | list[wire.Frame] | None) -> Iterator[wire.Object]:
    if isinstance(label, list):
        for frame in label:
            yield from frame.objects
    elif label is not None:
        yield from label.objects or ()


def _is_empty(label: wire.Body | list[wire.Frame] | None) -> bool:
    """Whether the label is ``{}``, as skipped ones are."""
    return label is None or label == wire.Body()


def _asset(entry: wire.Entry) -> tuple[Asset, dict[str, Any]]:
    """The asset, and what a data row has no field for."""
    kept = {
        key: value
        for name, key in _KEPT_OF_ROW.items()
        if (value := getattr(entry, name)) not in (UNSET, None, {})
    }
    if entry.metadata not in (UNSET, []) and not metadata_of(entry.metadata):
        kept["DataRow Metadata"] = entry.metadata
    data = entry.labeled_data if isinstance(entry.labeled_data, str) else None
    tiles = _tiles(data)
    if tiles is not None or data is not entry.labeled_data:
        kept["Labeled Data"] = entry.labeled_data
    word = entry.media_type or _media(entry, data, tiles)
    sizes = entry.media_attributes if isinstance(entry.media_attributes, dict) else {}
    height, width = sizes.get("height"), sizes.get("width")
    uri, text = (tiles, None) if tiles is not None else located(data, word)
    asset = Asset(
        uri=uri,
        text=text,
        media_type=word,
        height=height if type(height) is int else None,
        width=width if type(width) is int else None,
    )
    return asset, kept


def _tiles(data: str | None) -> str | None:
    """The layer of tiles, where the data of a row describes a map."""
    if data is None or not data.lstrip().startswith("{"):
        return None
    try:
        found: _Tiles = decoder(_Tiles).decode(data)
    except BAD_JSON:
        return None
    return found.tileLayerUrl


def _media(entry: wire.Entry, data: str | None, tiles: str | None) -> str:
    if tiles is not None:
        return "tiled"
    if isinstance(entry.label, list) or (entry.label is not None and entry.label.frames is not None):
        return "video"
    for one in _objects(entry.label):
        if one.page is not None:
            return "pdf"
        if one.format == "text.location":
            return "text"
    return "video" if _VIDEOS.search(data or "") else "image"


def _score(value: float | None) -> float | None:
    """-1 stands for no score."""
    return None if value is None or value < 0 else value


def _kept_of_label(entry: wire.Entry) -> dict[str, Any]:
    """What a label has no field for, under the names of the export."""
    kept = dict(entry.extra or {})
    if entry.is_benchmark is not None and not entry.is_benchmark:
        kept["Is Benchmark"] = entry.is_benchmark
    if entry.benchmark_id not in (UNSET, None):
        kept["Benchmark ID"] = entry.benchmark_id
    if entry.seconds_to_create is not None and entry.seconds_to_label is not None:
        kept["Seconds to Label"] = entry.seconds_to_label
    if entry.reviews not in (UNSET, []):
        kept["Reviews"] = entry.reviews
    if isinstance(entry.label, wire.Body) and entry.label.extra:
        kept["Label"] = entry.label.extra
    elif isinstance(entry.label, list):
        frames = {str(frame.frame_number): frame.extra for frame in entry.label if frame.extra}
        kept.update({"frames": frames} if frames else {})
    return kept


def _relationship(one: dict[str, Any]) -> Relationship:
    """A link between two objects; its form is not documented, so all of it is kept."""
    text = {key: value for key, value in one.items() if isinstance(value, str)}
    return Relationship(
        tool_name=text.get("title", text.get("name", "")),
        source=text.get("source"),
        target=text.get("target"),
        id=text.get("featureId"),
        tool_id=text.get("schemaId"),
        value=text.get("value"),
        extra={NAME: one},
    )
