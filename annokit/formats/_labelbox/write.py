"""Write Labelbox export v2: one data row a line, with its labels by project and by model run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from annokit.dataset import Dataset
from annokit.formats._base import NoOptions
from annokit.formats._labelbox.shapes import (
    NoPlace,
    block_of,
    classification_json,
    kept_of,
    kind_word,
    known,
    merged,
    object_json,
    relationship_json,
)
from annokit.formats._labelbox.shared import media_word, reviews_of
from annokit.formats._labelbox.write_frames import BLOCKS, Frames
from annokit.formats._row_names import RowIds
from annokit.model import (
    Annotation,
    Classification,
    DataRow,
    Label,
    ObjectAnnotation,
    Relationship,
    Review,
    Track,
)
from annokit.report import census, named_label
from annokit.run import Run

__all__ = ["count_classes", "moment", "new_id", "review_json", "write"]

_PREDICTIONS = ("predictions", "predictions", "predictions")
_MIME = {
    "video": "video/mp4",
    "audio": "audio/mpeg",
    "html": "text/html",
    "text": "text/plain",
    "pdf": "application/pdf",
    "conversation": "application/vnd.labelbox.conversational",
    "dicom": "application/dicom",
}
"""Said only where nothing else in the row tells its medium."""

_TELLING = (("groups", "dicom"), ("timestamp", "audio"), ("frames", "video"))


def write(dataset: Dataset, target: Path, _options: NoOptions, run: Run) -> None:
    """Write all rows; an export without rows is an empty array, since an empty file could be a torn one."""
    writer, ids = _Writer(run), RowIds()
    with target.open("wb") as out:
        for row in dataset.rows(run):
            out.write(msgspec.json.encode(writer.row(ids.own(row, run.report))) + b"\n")
            run.report.count("written", "data_rows")
        if not out.tell():
            out.write(b"[]\n")
    count_classes(dataset, writer.classes, run)


def count_classes(dataset: Dataset, used: set[tuple[str | None, str]], run: Run) -> None:
    """Account the classes: an export names those its objects have."""
    tools = {(tool.id, tool.name) for tool in dataset.ontology.tools}
    unused = len(dataset.ontology.tools) - len(used & tools)
    run.report.count("written", "categories", len(dataset.ontology.tools) - unused)
    if unused:
        why = "nothing that was written is of this class, and the format has no list of classes"
        run.report.count("unsupported", "categories", unused)
        run.report.note("class-unused", "categories", why, n=unused)


class _Writer:
    """Makes the lines and accounts what is on them."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.classes: set[tuple[str | None, str]] = set()
        self._keys: set[str] = set()  # the blocks that the labels of the row have

    def row(self, row: DataRow) -> dict[str, Any]:
        """One line."""
        self._keys.clear()
        kept = kept_of(row)
        own = {"row_data", "details", "data_row", "projects", "experiments"}
        data_row = {
            "id": row.id,
            "global_key": row.global_key,
            "external_id": row.external_id,
            "row_data": kept.get("row_data", row.asset.text if row.asset.uri is None else row.asset.uri),
            "details": kept.get("details"),
        }
        projects, experiments = self._labels(row, kept)
        made = {
            "data_row": merged(known(data_row), block_of(kept, "data_row")),
            "media_attributes": _media(row, self._keys) or None,
            "attachments": [
                known({"id": one.id, "type": one.kind, "value": one.value, "name": one.name})
                for one in row.attachments
            ],
            "metadata_fields": [
                known({"schema_id": one.id, "schema_name": one.name, "schema_kind": one.kind})
                | {"value": one.value}
                for one in row.metadata
            ],
            "projects": projects,
            "experiments": experiments,
        }
        empty = ("attachments", "metadata_fields", "experiments")
        made = {key: value for key, value in known(made).items() if value or key not in empty}
        return merged(made, {key: value for key, value in kept.items() if key not in own})

    def _labels(self, row: DataRow, kept: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The labels by project, and by experiment and run."""
        projects: dict[str, Any] = {}
        experiments: dict[str, Any] = {}
        for number, label in enumerate(row.labels):
            self._run.report.count("written", "labels")
            made = self._label(row, number, label)
            run = _run_of(label)
            if run is None:
                _project(projects, label)["labels"].append(made)
            else:
                experiment, name, place = run
                runs = experiments.setdefault(experiment, {"runs": {}})["runs"]
                runs.setdefault(name, {}).setdefault(place, []).append(made)
        for name in block_of(kept, "projects"):
            found = block_of(kept["projects"], name)
            projects[name] = merged(projects.get(name, {"labels": []}), found)
        return projects, merged(experiments, block_of(kept, "experiments"))

    def _label(self, row: DataRow, number: int, label: Label) -> dict[str, Any]:
        kept = kept_of(label)
        block = self._annotations(row, number, label)
        self._keys.update(block)
        made = {
            "label_kind": "Video" if "frames" in block else "Default",
            "version": "1.0.0",
            "id": label.id,
            "label_details": _details(label, kept),
            "performance_details": _performance(row, label),
            "annotations": block,
        }
        if "annotations" in kept and kept["annotations"] is None and not label.annotations:
            del made["annotations"]
        given = {key: kept[key] for key in ("label_kind", "version") if key in kept}
        made = {key: value for key, value in (made | given).items() if value or key == "annotations"}
        return merged(made, {k: v for k, v in kept.items() if k not in ("run", "annotations")})

    def _annotations(self, row: DataRow, number: int, label: Label) -> dict[str, Any]:
        media, kept = row.asset.media_type, block_of(kept_of(label), "annotations")
        block: dict[str, list[Any]] = {"objects": [], "classifications": [], "relationships": []}
        frames = Frames(media, self._run, kept)
        for place, one in enumerate(label.annotations):
            found = census(one)
            try:
                self._place(one, block, frames, new_id(row.id, number, place))
            except NoPlace as error:
                why = str(error)
                self._run.report.lose_all("no-place", found, why, example=named_label(row, label))
                continue
            self._run.report.count_all("written", found)
            if isinstance(one, ObjectAnnotation | Track):
                self.classes.add((one.tool_id, one.tool_name))
        left = {key: value for key, value in kept.items() if key not in BLOCKS}
        if media == "dicom" or "groups" in kept:
            made = block | frames.grouped()
        elif media == "audio" or "timestamp" in kept:
            made = block | {"segments": frames.single().get("segments")}
        elif media == "video" or frames.used:
            made = block | frames.single()
        else:
            return merged(block, left)
        return merged({k: v for k, v in made.items() if v or k not in ("objects", "relationships")}, left)

    def _place(self, one: Annotation, block: dict[str, list[Any]], frames: Frames, new: str) -> None:
        """Put an annotation where it belongs."""
        if isinstance(one, Track):
            frames.add_track(one, one.id or new)
        elif isinstance(one, Classification):
            if one.frames and frames.add_question(one, one.id or new):
                return
            said = one if one.id or not one.frames else replace(one, id=new)
            block["classifications"].append(classification_json(said))
        elif isinstance(one, Relationship):
            block["relationships"].append(relationship_json(one))
        elif one.frame is not None:
            raise NoPlace("an object of one frame is a track in Labelbox")
        else:
            block["objects"].append(object_json(one, frames.media))
            _note_left_behind(one, self._run)


def _note_left_behind(one: ObjectAnnotation, run: Run) -> None:
    left = [
        word
        for word, found in (
            ("its being a crowd", one.is_crowd),
            ("what it was merged of", one.sources),
            ("the box stated beside its shape", one.box),
        )
        if found
    ]
    if left:
        why = f"a Labelbox export has no place for {' and '.join(left)}"
        run.report.note("object-details", f"object:{one.geometry.kind}", why, lossy=one.is_crowd)


def _run_of(label: Label) -> tuple[str, str, str] | None:
    """Experiment, run, and the key of the list in it, for what is of a model run."""
    try:
        return msgspec.convert(kept_of(label).get("run"), tuple[str, str, Literal["labels", "predictions"]])
    except msgspec.ValidationError:
        return _PREDICTIONS if label.origin == "model" else None


def _project(projects: dict[str, Any], label: Label) -> dict[str, Any]:
    name = label.project_id or ""
    if name not in projects:
        projects[name] = known({"name": label.project_name}) | {"labels": []}
    project: dict[str, Any] = projects[name]
    if label.is_selected or label.status is not None:
        details = project.setdefault("project_details", {})
        details.update(known({"workflow_status": label.status}))
        details.update({"selected_label_id": label.id} if label.is_selected else {})
    return project


def _media(row: DataRow, keys: set[str]) -> dict[str, Any]:
    asset = row.asset
    made = {
        "height": asset.height,
        "width": asset.width,
        "mime_type": asset.mime_type or _needed_mime(row, keys),
        "frame_rate": asset.frame_rate,
        "frame_count": asset.frame_count,
    }
    return merged(known(made), kept_of(asset))


def _needed_mime(row: DataRow, keys: set[str]) -> str | None:
    """A MIME type, where a reader would take the row for another medium without one."""
    media = row.asset.media_type
    told = next((word for key, word in _TELLING if key in keys), None) or media_word(
        None,
        (kind_word(one.geometry.kind, media, one.space) for label in row.labels for one in label.objects),
    )
    return None if told == media else _MIME.get(media)


def _details(label: Label, kept: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "created_at": moment(label.created_at),
        "updated_at": moment(label.updated_at),
        "created_by": label.annotator_id,
    }
    if (
        reviews_of(block_of(kept, "label_details").get("reviews"), "created_by", "created_at")
        != label.reviews
    ):
        made["reviews"] = [review_json(one, "created_by", "created_at") for one in label.reviews]
    return known(made)


def review_json(one: Review, author: str, created: str) -> dict[str, Any]:
    """A review; the exports spell two of its keys differently."""
    return known({"id": one.id, "score": one.score, created: moment(one.created_at), author: one.reviewer_id})


def _performance(row: DataRow, label: Label) -> dict[str, Any]:
    made: dict[str, Any] = {
        "seconds_to_create": label.seconds_to_create,
        "seconds_to_review": label.seconds_to_review,
        "benchmark_score": label.benchmark_score,
        "consensus_score": label.consensus_score,
    }
    if label.benchmark_score is not None:
        reference = next((one.id for one in row.labels if one.is_benchmark), None)
        made["benchmark_reference_label"] = reference
    found = known(made)
    return found | {"skipped": label.skipped} if found or label.skipped else found


def moment(value: datetime | None) -> str | None:
    """A time as the exports write it: with milliseconds, or more digits where it has them."""
    if value is None:
        return None
    return value.isoformat(timespec="microseconds" if value.microsecond % 1000 else "milliseconds")


def new_id(*parts: object) -> str:
    """An id in the platform's form for what has none, the same in every run.

    >>> len(new_id("row", 1)), new_id("row", 1) == new_id("row", 1)
    (25, True)
    """
    return "c" + hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:24]
