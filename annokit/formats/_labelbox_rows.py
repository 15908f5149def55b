"""Data rows of Labelbox export v2 out of its decoded lines, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import UNSET

from annokit.errors import InputError
from annokit.formats import _labelbox_wire as wire
from annokit.formats._labelbox import (
    NO_TEXT,
    Batch,
    Masks,
    attachments_of,
    given,
    located,
    media_word,
    metadata_of,
    reviews_of,
)
from annokit.formats._labelbox_objects import ObjectBuilder, classification
from annokit.io.faults import Spot, decode_error, spot_path
from annokit.model import Asset, DataRow, Label, ObjectAnnotation, Relationship

__all__ = ["RowBuilder"]

_NAME = "labelbox"
_NOT_READ_YET = {
    "timestamp": "audio",
    "groups": "DICOM",
    "frames": "video",
    "segments": "video",
    "key_frame_feature_map": "video",
}
"""Keys in place of `objects`, and the media that have them."""
_NOTHING, _NO_DETAILS, _NO_EFFORT = wire.Annotations(), wire.LabelDetails(), wire.Performance()
_NO_MEDIA = wire.Media()


class RowBuilder:
    """Makes the data rows of one batch of lines; what cannot be one is rejected."""

    def __init__(self, batch: Batch[wire.Row], masks: Masks) -> None:
        self._batch = batch
        self._shapes = ObjectBuilder(
            [one for _, row in batch.records for one in _objects(row)], batch.run, masks
        )

    def rows(self) -> list[DataRow]:
        """The data rows in the order of the lines."""
        rows = []
        for number, row in self._batch.records:
            try:
                rows.append(self._row(number, row))
            except RecursionError as error:  # questions below questions, deeper than Python goes
                self._batch.reject(number, "$", decode_error(error), "data_rows")
        return rows

    def _row(self, number: int, row: wire.Row) -> DataRow:
        known = row.data_row
        asset = _asset(row)
        references = _benchmarks(row)
        labels = []
        for project_id, project in row.projects.items():
            spot: Spot = ((("$", "projects"), project_id), "labels")
            for index, label in enumerate(project.labels):
                made = self._label(number, (spot, index), project_id, project, label, asset, references)
                if made is not None:
                    labels.append(made)
        return DataRow(
            id=known.id,
            asset=asset,
            global_key=known.global_key,
            external_id=known.external_id,
            source=self._batch.block.file,
            metadata=metadata_of(row.metadata_fields) if row.metadata_fields else (),
            attachments=attachments_of(row.attachments) if row.attachments else (),
            labels=tuple(labels),
            extra=_extra(_kept_of_row(row)),
        )

    def _label(
        self,
        number: int,
        spot: Spot,
        project_id: str,
        project: wire.Project,
        label: wire.Label,
        asset: Asset,
        references: set[str],
    ) -> Label | None:
        said = label.annotations or _NOTHING
        unread = [media for key, media in _NOT_READ_YET.items() if getattr(said, key) is not NO_TEXT]
        if unread:
            error = InputError(f"labels of {unread[0]} are not read yet", code="not-read-yet")
            self._batch.reject(number, spot_path(spot), error, "labels")
            return None
        details, effort = label.label_details or _NO_DETAILS, label.performance_details or _NO_EFFORT
        workflow = project.project_details if isinstance(project.project_details, dict) else {}
        status = workflow.get("workflow_status")
        return Label(
            id=label.id,
            annotator_id=details.created_by,
            created_at=details.created_at,
            updated_at=details.updated_at,
            seconds_to_create=effort.seconds_to_create,
            seconds_to_review=effort.seconds_to_review,
            status=status if isinstance(status, str) else None,
            skipped=effort.skipped is True,
            is_benchmark=label.id in references,
            is_selected=label.id is not None and workflow.get("selected_label_id") == label.id,
            consensus_score=effort.consensus_score,
            benchmark_score=effort.benchmark_score,
            project_id=project_id,
            project_name=project.name,
            url=_url(project_id, label.id),
            reviews=reviews_of(details.reviews, "created_by", "created_at"),
            annotations=(
                *self._objects(number, spot, said.objects, asset),
                *[classification(one) for one in said.classifications],
                *[_relationship(one) for one in said.relationships],
            ),
            extra=_extra(_kept_of_label(label)),
        )

    def _objects(
        self, number: int, spot: Spot, objects: Sequence[wire.Object], asset: Asset
    ) -> list[ObjectAnnotation]:
        made = []
        for index, one in enumerate(objects):
            try:
                made.append(self._shapes.object(one, asset))
            except InputError as error:
                path = spot_path((((spot, "annotations"), "objects"), index))
                self._batch.reject(number, path, error)
        return made


def _objects(row: wire.Row) -> Iterator[wire.Object]:
    for project in row.projects.values():
        for label in project.labels:
            if label.annotations is not None:
                yield from label.annotations.objects


def _benchmarks(row: wire.Row) -> set[str]:
    """The labels that others of the row were compared with."""
    efforts = [label.performance_details for one in row.projects.values() for label in one.labels]
    return {found for effort in efforts if effort is not None and (found := effort.benchmark_reference_label)}


def _asset(row: wire.Row) -> Asset:
    media = row.media_attributes or _NO_MEDIA
    word = media_word(media.mime_type, (one.annotation_kind for one in _objects(row)))
    data = row.data_row.row_data
    uri, text = located(data if isinstance(data, str) else None, word)
    return Asset(
        uri=uri,
        text=text,
        media_type=word,
        width=media.width,
        height=media.height,
        mime_type=media.mime_type,
        frame_count=media.frame_count,
        frame_rate=media.frame_rate,
        extra=_extra(media.extra),
    )


def _url(project_id: str, label_id: str | None) -> str | None:
    """The label in the platform's editor, as legacy exports spell it."""
    return f"https://editor.labelbox.com?project={project_id}&label={label_id}" if label_id else None


def _extra(kept: dict[str, Any] | None) -> dict[str, Any]:
    return {_NAME: kept} if kept else {}


def _kept_of_row(row: wire.Row) -> dict[str, Any]:
    """What a data row has no field for."""
    kept = given(row, ("embeddings", "experiments")) | given(row.data_row, ("details",))
    if not isinstance(row.data_row.row_data, str | None):
        kept["row_data"] = row.data_row.row_data
    for key, read in (("attachments", attachments_of), ("metadata_fields", metadata_of)):
        value = getattr(row, key)
        if value is not UNSET and value != [] and not read(value):
            kept[key] = value
    projects = {name: more for name, one in row.projects.items() if (more := _kept_of_project(one))}
    return kept | {"projects": projects} if projects else kept


def _kept_of_project(project: wire.Project) -> dict[str, Any]:
    kept = given(project, ("project_details",))
    return kept if project.labels else {"name": project.name} | kept


def _kept_of_label(label: wire.Label) -> dict[str, Any]:
    """What a label has no field for; blocks keep their names."""
    kept = given(label, ("label_kind", "version"))
    details, effort = label.label_details, label.performance_details
    blocks = {
        "label_details": given(details, ("content_last_updated_at", "reviews")) if details else None,
        "performance_details": effort.extra if effort else None,
        "annotations": label.annotations.extra if label.annotations else None,
    }
    if effort is not None and effort.benchmark_reference_label:
        reference = {"benchmark_reference_label": effort.benchmark_reference_label}
        blocks["performance_details"] = reference | (effort.extra or {})
    return kept | {key: block for key, block in blocks.items() if block}


def _relationship(one: dict[str, Any]) -> Relationship:
    """A link; where its ends stand is not documented, so they are read where they are found, and all is kept."""
    text = {key: value for key, value in one.items() if isinstance(value, str)}
    blocks = [one, *(value for value in one.values() if isinstance(value, dict))]
    ends = next((block for block in blocks if {"source", "target"} <= block.keys()), {})
    source, target = ends.get("source"), ends.get("target")
    return Relationship(
        tool_name=text.get("name", ""),
        source=source if isinstance(source, str) else None,
        target=target if isinstance(target, str) else None,
        directed=ends.get("type") != "bidirectional",
        id=text.get("feature_id"),
        tool_id=text.get("feature_schema_id"),
        value=text.get("value"),
        extra={_NAME: one},
    )
