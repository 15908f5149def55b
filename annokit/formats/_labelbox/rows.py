"""Data rows of Labelbox export v2 out of its decoded lines, a block at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from annokit.errors import LimitExceeded
from annokit.formats._labelbox import wire
from annokit.formats._labelbox.labels import LabelBuilder, Place, known_labels, objects_of, repeats
from annokit.formats._labelbox.objects import NAME
from annokit.formats._labelbox.shared import (
    Batch,
    Masks,
    attachments_of,
    given,
    located,
    media_word,
    metadata_of,
    plain,
)
from annokit.io.faults import told
from annokit.model import Asset, DataRow

__all__ = ["RowBuilder"]

_NO_MEDIA = wire.Media()


class RowBuilder:
    """Makes the data rows of one batch of lines; what cannot be one is rejected."""

    def __init__(self, batch: Batch[wire.Row], masks: Masks) -> None:
        self._batch = batch
        self._labels = LabelBuilder(batch, masks)

    def rows(self) -> list[DataRow]:
        """The data rows in the order of the lines."""
        rows = []
        for (number, row), found in zip(self._batch.records, self._labels.places, strict=True):
            try:
                rows.append(self._row(number, row, found))
            except (RecursionError, LimitExceeded) as error:  # questions below questions, too deep
                self._batch.reject(number, "$", told(error), "data_rows")
        return rows

    def _row(self, number: int, row: wire.Row, found: Sequence[Place]) -> DataRow:
        known = row.data_row
        asset = _asset(row, [label for place in found for label in place.labels])
        return DataRow(
            id=known.id,
            asset=asset,
            global_key=known.global_key,
            external_id=known.external_id,
            source=self._batch.block.file,
            metadata=metadata_of(row.metadata_fields) if row.metadata_fields else (),
            attachments=attachments_of(row.attachments) if row.attachments else (),
            labels=tuple(self._labels.labels(number, found, asset)),
            extra=_extra(_kept_of_row(row)),
        )


def _asset(row: wire.Row, labels: Sequence[wire.Label]) -> Asset:
    media = row.media_attributes or _NO_MEDIA
    word = _of_blocks(labels) or media_word(
        media.mime_type, (one.annotation_kind for label in labels for one in objects_of(label))
    )
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


def _of_blocks(labels: Sequence[wire.Label]) -> str | None:
    """The medium, where the labels have blocks that only one has."""
    said = [
        one
        for label in labels
        if (one := label.annotations) is not None
        if one.timestamp is not UNSET or one.groups is not None or one.frames is not None
    ]
    if not said:
        return None
    if any(one.groups is not None for one in said):
        return "dicom"
    if any(one.timestamp is not UNSET for one in said):
        return "audio"
    return "video" if any(one.frames is not None for one in said) else None


def _extra(kept: dict[str, Any] | None) -> dict[str, Any]:
    return {NAME: kept} if kept else {}


def _kept_of_row(row: wire.Row) -> dict[str, Any]:
    """What a data row has no field for."""
    kept = given(row, ("embeddings",)) if row.extra or row.embeddings is not UNSET else {}
    if row.data_row.details is not UNSET:
        kept["details"] = row.data_row.details
    if row.data_row.extra:
        kept["data_row"] = row.data_row.extra
    if not isinstance(row.data_row.row_data, str | None):
        kept["row_data"] = row.data_row.row_data
    if row.attachments is not UNSET and not attachments_of(row.attachments):
        kept["attachments"] = row.attachments
    if row.metadata_fields is not UNSET and not metadata_of(row.metadata_fields):
        kept["metadata_fields"] = row.metadata_fields
    projects = {name: more for name, one in row.projects.items() if (more := _kept_of_project(one))}
    if row.experiments:
        kept["experiments"] = _kept_of_experiments(row)
    return kept | {"projects": projects} if projects else kept


def _kept_of_project(project: wire.Project) -> dict[str, Any]:
    kept = given(project, ("project_details",))
    return kept if project.labels else {"name": project.name} | kept


def _kept_of_experiments(row: wire.Row) -> dict[str, Any]:
    """Experiments with their runs, less the labels that are read."""
    known = known_labels(row)
    kept: dict[str, Any] = {}
    for name, experiment in row.experiments.items():
        runs: dict[str, Any] = {}
        for run_name, run in experiment.runs.items():
            runs[run_name] = _named(run) | given(run, ("run_data_row_id", "data_split"))
            if repeats(run, known):
                runs[run_name]["labels"] = plain(run.labels)
        kept[name] = _named(experiment) | given(experiment, ()) | ({"runs": runs} if runs else {})
    return kept


def _named(one: wire.Experiment | wire.ModelRun) -> dict[str, Any]:
    return {} if one.name is None else {"name": one.name}
