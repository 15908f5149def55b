"""Write Labelbox's legacy export: a JSON array of entries, one a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from annokit.dataset import Dataset
from annokit.formats._base import NoOptions
from annokit.formats._labelbox.shapes import NoPlace, block_of, known, merged
from annokit.formats._labelbox.shared import reviews_of
from annokit.formats._labelbox.tracks import frames_in
from annokit.formats._labelbox.write import count_classes, moment, review_json
from annokit.formats._labelbox_v1.shapes import (
    classifications_json,
    kept_of,
    object_json,
    relationship_json,
    track_frames,
)
from annokit.formats._row_names import RowIds, RowNames
from annokit.model import (
    Annotation,
    Classification,
    DataRow,
    Label,
    ObjectAnnotation,
    Relationship,
    Track,
)
from annokit.report import census, named_label
from annokit.run import Run

__all__ = ["write"]

_ONE_ROW = "several data rows have one id, by which entries name theirs: they are one there"
_EDITOR = "https://editor.labelbox.com"


def write(dataset: Dataset, target: Path, _options: NoOptions, run: Run) -> None:
    """Write all rows; the entries of a data row stand together."""
    writer = _Writer(run)
    with target.open("wb") as out:
        for row in dataset.rows(run):
            for entry in writer.entries(row):
                out.write((b",\n" if out.tell() else b"[\n") + msgspec.json.encode(entry))
        out.write(b"\n]\n" if out.tell() else b"[]\n")
    writer.names.account(run.report, _ONE_ROW, lossy=True)
    count_classes(dataset, writer.classes, run)


class _Writer:
    """Makes the entries of data rows and accounts what is in them."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.classes: set[tuple[str | None, str]] = set()
        self.names = RowNames()
        self._ids = RowIds()

    def entries(self, row: DataRow) -> list[dict[str, Any]]:
        """An entry for each label."""
        if not row.labels:
            why = "a legacy export does not speak of data rows without labels"
            self._run.report.lose("no-label", "data_rows", why, example=row.name)
            return []
        own = self._ids.own(row, self._run.report)
        self.names.count(own.id, self._run.report)
        self._run.report.count("written", "labels", len(row.labels))
        return [self._entry(own, label) for label in row.labels]

    def _entry(self, row: DataRow, label: Label) -> dict[str, Any]:
        kept = kept_of(label)
        made = {
            "ID": label.id,
            "DataRow ID": row.id,
            "Labeled Data": row.asset.text if row.asset.uri is None else row.asset.uri,
            "Label": self._said(row, label),
            "Created By": label.annotator_id,
            "Project Name": label.project_name,
            "Created At": _moment(label.created_at),
            "Updated At": _moment(label.updated_at),
            "Seconds to Label": label.seconds_to_create,
            "Seconds to Review": label.seconds_to_review,
            "External ID": row.external_id,
            "Global Key": row.global_key,
            "Agreement": -1 if label.consensus_score is None else label.consensus_score,
            "Benchmark Agreement": -1 if label.benchmark_score is None else label.benchmark_score,
            "Is Benchmark": 1 if label.is_benchmark else None,
            "View Label": label.url,
            "Has Open Issues": None if label.has_open_issues is None else int(label.has_open_issues),
            "Skipped": label.skipped,
            "Data Split": row.split,
            "media_type": _needed_media(row, label),
        }
        if "Seconds to Label" in kept:  # newer exports have both
            made["Seconds to Create"] = label.seconds_to_create
        if reviews_of(kept.get("Reviews"), "createdBy", "createdAt") != label.reviews:
            made["Reviews"] = [review_json(one, "createdBy", "createdAt") for one in label.reviews]
        fields = [
            known({"schema_id": one.id, "schema_name": one.name, "schema_kind": one.kind})
            | {"value": one.value}
            for one in row.metadata
        ]
        sizes = known({"height": row.asset.height, "width": row.asset.width})
        made |= {
            key: value for key, value in (("DataRow Metadata", fields), ("Media Attributes", sizes)) if value
        }
        beside = {key: value for key, value in kept.items() if key not in ("Label", "frames")}
        spelled = ("Labeled Data", "Seconds to Label")
        made |= {key: kept_of(row)[key] for key in spelled if key in kept_of(row)}
        made |= {key: beside[key] for key in spelled if key in beside}
        return merged(merged(known(made), beside), kept_of(row))

    def _said(self, row: DataRow, label: Label) -> Any:
        """The objects and answers; of a video, frame by frame; nothing at all where the row was skipped."""
        kept = kept_of(label)
        objects: list[dict[str, Any]] = []
        asked: list[dict[str, Any]] = []
        links: list[dict[str, Any]] = []
        frames: dict[int, dict[str, Any]] = {}
        is_video = row.asset.media_type == "video" or any(isinstance(one, Track) for one in label.annotations)
        for one in label.annotations:
            found = census(one)
            try:
                if is_video:
                    self._in_frames(one, frames)
                elif isinstance(one, Classification):
                    asked += classifications_json([one])
                elif isinstance(one, Relationship):
                    links.append(relationship_json(one))
                elif isinstance(one, ObjectAnnotation):
                    objects.append(object_json(one))
            except NoPlace as error:
                self._run.report.lose_all(error.code, found, str(error), example=named_label(row, label))
                continue
            self._run.report.count_all("written", found)
            if isinstance(one, ObjectAnnotation | Track):
                self.classes.add((one.tool_id, one.tool_name))
        if is_video and (frames or not label.skipped):
            beside = block_of(kept, "frames")
            return [
                merged({"frameNumber": number + 1} | frames[number], block_of(beside, str(number + 1)))
                for number in sorted(frames)
            ]
        made = {"objects": objects, "classifications": asked} | ({"relationships": links} if links else {})
        return {} if label.skipped and not label.annotations else merged(made, block_of(kept, "Label"))

    def _in_frames(self, one: Annotation, frames: dict[int, dict[str, Any]]) -> None:
        if isinstance(one, Track):
            if one.id is None:
                raise NoPlace("a track of a legacy export has an id")
            if any(
                one.id == other["featureId"]
                for f in one.frames.tolist()
                for other in frames.get(f, _NONE)["objects"]
            ):
                raise NoPlace("another track of the label has the same id")
            for number, made in track_frames(one):
                frames.setdefault(number, {"objects": [], "classifications": []})["objects"].append(made)
        elif isinstance(one, Classification) and one.frames:
            said = classifications_json([one])
            for number in frames_in(one.frames, self._run.limits):
                frames.setdefault(number, {"objects": [], "classifications": []})["classifications"] += said
        else:
            raise NoPlace("in a video of a legacy export everything stands in frames")


_NONE: Mapping[str, Sequence[Any]] = {"objects": ()}


def _moment(value: datetime | None) -> str | None:
    """A time, in UTC with a Z."""
    text = moment(value)
    return text[:-6] + "Z" if text is not None and text.endswith("+00:00") else text


def _needed_media(row: DataRow, label: Label) -> str | None:
    """The medium, where a reader would take the entry for another one."""
    if "media_type" in kept_of(row):
        return None
    asset = row.asset
    implied = "video" if asset.media_type == "video" and label.tracks else "image"
    if any(one.space == "page" for one in label.objects):
        implied = "pdf"
    elif any(one.geometry.kind == "text_span" for one in label.objects):
        implied = "text"
    elif "Labeled Data" in kept_of(row):
        implied = asset.media_type
    return None if implied == asset.media_type else asset.media_type
