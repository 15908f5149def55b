"""Writing augmented manifests: a line a data row, a label attribute for each task its label has something of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from annokit.dataset import Dataset
from annokit.errors import UsageError
from annokit.formats._base import Options
from annokit.formats._classes import Classes
from annokit.formats._confidence import share_of
from annokit.formats._ground_truth.numbers import Ids
from annokit.formats._ground_truth.paint import MOST_CLASSES, color_of, painted
from annokit.formats._ground_truth.places import (
    ATTRIBUTE_NAME,
    LOSSES,
    address_of,
    as_it_came,
    attribute_name,
    fits_task,
    has_address,
    has_size,
    is_plain_box,
    reason_against,
    told,
)
from annokit.formats._ground_truth.sequences import FORMAT_NAME
from annokit.formats._row_names import RowNames
from annokit.io.names import NamesInTurn
from annokit.io.output import write_many
from annokit.model import (
    Annotation,
    Answer,
    Box,
    Classification,
    DataRow,
    Label,
    ObjectAnnotation,
    TextSpan,
)
from annokit.report import census, kind_of
from annokit.run import Run

__all__ = ["MANIFEST", "WriteOptions", "write"]

MANIFEST, MASKS = "output.manifest", "segmentation"
_ENCODER = msgspec.json.Encoder()
_S = TypeVar("_S", Box, TextSpan)
_ONE_ADDRESS = "several images have one name, so their lines have one address: they are one image there"
_NO_DATE = "1970-01-01T00:00:00.000000"


class WriteOptions(Options, frozen=True):
    """How manifests are written."""

    attribute: Annotated[
        str, Meta(description="label attribute of labels that come from elsewhere; questions have their own")
    ] = "label"
    job_name: Annotated[str, Meta(description="job of labels that come from elsewhere")] = "annokit"
    image_prefix: Annotated[
        str,
        Meta(
            description="what to put before the names of images without an address, as s3://bucket/images/; "
            "of an absolute path the last part is the name"
        ),
    ] = ""
    s3_prefix: Annotated[
        str, Meta(description="where the output will lie, as s3://bucket/job/: put before the names of masks")
    ] = ""


def write(dataset: Dataset, target: Path, options: WriteOptions, run: Run) -> None:
    """Write `MANIFEST` below `target`, and the PNGs of painted labels in `MASKS`."""
    if not ATTRIBUTE_NAME.fullmatch(options.attribute):
        problem = f"expected an attribute name of letters, digits and hyphens, got {options.attribute!r}"
        raise UsageError(problem)
    classes = Classes(dataset.ontology)
    names = NamesInTurn(lambda: ((key.name, key.id) for key in dataset.outline.keys))
    writer = _Writer(target, options, classes, Ids(dataset, classes), names, run)
    with (target / MANIFEST).open("wb") as out:
        for number, row in enumerate(dataset.rows(run)):
            out.write(_ENCODER.encode(writer.line(row, number)) + b"\n")
            run.report.count("written", "data_rows")
    writer.called.account(run.report, _ONE_ADDRESS, lossy=True)
    unused = [tool.name for tool in classes.tools if tool.name not in writer.used]
    for name in unused:
        message = "a manifest names only the classes of objects that are in it"
        run.report.lose("unused-class", "categories", message, example=name)
    classes.account(run.report, len(unused))


class _Part(NamedTuple):
    """A label attribute: its name, value and metadata."""

    name: str
    value: Any
    metadata: dict[str, Any]


class _Writer:
    """Makes the lines."""

    def __init__(
        self,
        target: Path,
        options: WriteOptions,
        classes: Classes,
        ids: Ids,
        names: NamesInTurn,
        run: Run,
    ) -> None:
        self._target, self._options, self._ids, self._names = target, options, ids, names
        self._report, self._limits = run.report, run.limits
        self._name = ""
        """What the files of the row at hand are called."""
        self._painted = 0
        """How many it has by now."""
        self.called = RowNames()
        """The images whose addresses are made of their names."""
        self.used: set[str] = set()
        """The classes of objects that were written."""
        self._has_boxes = any(tool.kind == "box" for tool in classes.tools)

    def line(self, row: DataRow, number: int) -> dict[str, Any]:
        """The members of one line."""
        self._name, self._painted = self._names.next(row.name, row.id), 0
        line = self._given(row, number)
        for label in row.labels:
            self._report.count("written", "labels")
            for part in self._parts(row, label, line):
                line |= {part.name: part.value, f"{part.name}-metadata": part.metadata}
        kept = row.extra.get(FORMAT_NAME, {})
        failed = {f"{name}-metadata": metadata for name, metadata in kept.get("failed", {}).items()}
        others = {key: value for key, value in kept.items() if key != "failed"}
        return {**others, **failed, **line}

    def _given(self, row: DataRow, number: int) -> dict[str, Any]:
        """What the row is, and what annokit would not know of it otherwise."""
        asset = row.asset
        if asset.text is not None and asset.uri is None:
            line: dict[str, Any] = {"source": asset.text}
        else:
            line = {"source-ref": address_of(row, self._options.image_prefix)}
            if not has_address(row):
                self.called.update(line.values())
        own = {
            "id": None if row.id == str(number) else row.id,
            "global_key": row.global_key,
            "external_id": row.external_id,
        }
        stated = {key: value for key, value in own.items() if value is not None}
        return line | ({"annokit": stated} if stated else {})

    def _parts(self, row: DataRow, label: Label, line: Mapping[str, Any]) -> Iterator[_Part]:
        """The label attributes a label becomes; what has no place in one is accounted."""
        base = told(label).get("attribute", self._options.attribute)
        if (kept := as_it_came(label)) is not None:
            yield from self._unless_taken(
                base, label.annotations, line, row, partial(self._kept, label, kept)
            )
            return
        found = self._sorted(row, label)
        if not label.annotations:
            yield from self._unless_taken(base, (), line, row, partial(self._empty, label, row))
        if found.boxes:
            yield from self._unless_taken(
                base, found.boxes, line, row, partial(self._boxes, label, found.boxes, row)
            )
        if found.spans:
            name = f"{base}-spans" if found.boxes else base
            yield from self._unless_taken(
                name, found.spans, line, row, partial(self._spans, label, found.spans, row)
            )
        if found.areas:
            name = base if base.endswith("-ref") else f"{base}-ref"
            yield from self._unless_taken(
                name, found.areas, line, row, partial(self._areas, label, found.areas, row)
            )
        for one in found.questions:
            name = attribute_name(one.tool_name) or base
            yield from self._unless_taken(name, [one], line, row, partial(self._question, label, one, row))

    def _unless_taken(
        self,
        name: str,
        annotations: Sequence[Annotation],
        line: Mapping[str, Any],
        row: DataRow,
        make: Callable[[], tuple[Any, dict[str, Any]] | None],
    ) -> Iterator[_Part]:
        if name in line:
            for one in annotations:
                self._lose("attribute-taken", one, row)
        elif (made := make()) is not None:
            yield _Part(name, *made)

    def _kept(self, label: Label, value: Any) -> tuple[Any, dict[str, Any]]:
        for one in label.annotations:
            self._report.count("written", kind_of(one))
            if isinstance(one, ObjectAnnotation):
                self.used.add(one.tool_name)
        return value, self._metadata(label, "", {})

    def _sorted(self, row: DataRow, label: Label) -> _Sorted:
        """The annotations by the task they fit; those that fit none are lost."""
        found, sized = _Sorted([], [], [], []), has_size(row)
        for one in label.annotations:
            if sized and is_plain_box(one):
                found.boxes.append(one)
                continue
            code = reason_against(one, row, self._limits.max_pixels)
            if code:
                self._lose(code, one, row)
            elif isinstance(one, Classification):
                found.questions.append(one)
            elif isinstance(one, ObjectAnnotation):
                shape = one.geometry
                places = {Box: found.boxes, TextSpan: found.spans}
                places.get(type(shape), found.areas).append(one)
                for question in one.classifications:
                    self._lose("no-place", question, row)
        return found

    def _empty(self, label: Label, row: DataRow) -> tuple[Any, dict[str, Any]] | None:
        """What a label without annotations says: that there is nothing to mark."""
        task = str(told(label).get("metadata", {}).get("type", "")).rpartition("/")[2]
        if not task and not (self._has_boxes and has_size(row)):
            return None
        if task == "text-span":
            return self._spans(label, (), row)
        if task in ("", "object-detection") and has_size(row):
            return self._boxes(label, (), row)
        return {}, self._metadata(label, "", {})

    def _boxes(
        self, label: Label, boxes: Sequence[ObjectAnnotation], row: DataRow
    ) -> tuple[Any, dict[str, Any]]:
        ids = self._ids.of_objects(boxes)
        entries = [
            {
                **one.extra.get(FORMAT_NAME, {}),
                "class_id": class_id,
                "left": box.x if box.x % 1 else int(box.x),
                "top": box.y if box.y % 1 else int(box.y),
                "width": box.width if box.width % 1 else int(box.width),
                "height": box.height if box.height % 1 else int(box.height),
            }
            for one, class_id, box in zip(boxes, ids, _shapes(boxes, Box), strict=True)
        ]
        if boxes:
            self._report.count("written", "object:box", len(boxes))
        self.used.update([one.tool_name for one in boxes])
        used = {str(class_id): one.tool_name for class_id, one in zip(ids, boxes, strict=True)}
        size = {"width": row.asset.width, "height": row.asset.height, "depth": told(label).get("depth", 3)}
        made = {"objects": self._confidences(boxes, "object:box", row), "class-map": used}
        return {"image_size": [size], "annotations": entries}, self._metadata(label, "object-detection", made)

    def _confidence(self, one: Classification | Answer, row: DataRow) -> float:
        return self._confidences([one], "classifications", row)[0]["confidence"]

    def _confidences(
        self, given: Sequence[ObjectAnnotation | Classification | Answer], kind: str, row: DataRow
    ) -> list[dict[str, float]]:
        unsaid = [row.name for one in given if one.confidence is None]
        if unsaid:
            message = "without a confidence it gets 0, as Ground Truth has it for one worker"
            self._report.note_each("no-confidence", kind, message, unsaid)
        return [{"confidence": share_of(one, self._report, row.name) or 0} for one in given]

    def _spans(
        self, label: Label, spans: Sequence[ObjectAnnotation], row: DataRow
    ) -> tuple[Any, dict[str, Any]]:
        entities = []
        for one, span in zip(spans, _shapes(spans, TextSpan), strict=True):
            own = one.extra.get(FORMAT_NAME, {})
            entities.append({**own, "label": one.tool_name, "startOffset": span.start, "endOffset": span.end})
            self._report.count("written", "object:text_span")
        self.used.update(one.tool_name for one in spans)
        names = [{"label": name} for name in dict.fromkeys(one.tool_name for one in spans)]
        value = {"annotations": {"labels": told(label).get("labels", names), "entities": entities}}
        return value, self._metadata(
            label, "text-span", {"entities": self._confidences(spans, "object:text_span", row)}
        )

    def _areas(
        self, label: Label, areas: Sequence[ObjectAnnotation], row: DataRow
    ) -> tuple[Any, dict[str, Any]] | None:
        if len({one.tool_name for one in areas}) > MOST_CLASSES:
            for one in areas:
                self._lose("too-many-classes", one, row)
            return None
        size = (row.asset.width or 0, row.asset.height or 0)
        canvas = painted(areas, size, row.name, self._report)
        if canvas is None:
            return None
        self.used.update(name for _, name, _ in canvas.classes)
        self._painted += 1
        folder = MASKS if self._painted == 1 else f"{MASKS}-{self._painted}"
        name = f"{folder}/{PurePosixPath(self._name).with_suffix('.png')}"
        write_many(self._target, [name], [canvas.png])
        colors = {
            str(number): {"class-name": tool, "hex-color": color_of(number), "confidence": confidence or 0}
            for number, tool, confidence in [(0, "BACKGROUND", None), *canvas.classes]
        }
        metadata = self._metadata(label, "semantic-segmentation", {"internal-color-map": colors})
        return f"{self._options.s3_prefix}{name}", metadata

    def _question(self, label: Label, one: Classification, row: DataRow) -> tuple[Any, dict[str, Any]]:
        """A class, or several; comments of workers go along."""
        self._report.count("written", "classifications")
        ids = [self._ids.of_answer(one.tool_name, answer.name) for answer in one.answers]
        media = "text" if row.asset.text is not None or row.asset.media_type == "text" else "image"
        made: dict[str, Any] = {}
        if comments := list(self._comments(one, row)):
            made["worker-feedback"] = [{"comment": text} for text in comments]
        if one.kind == "radio":
            made |= {
                "class-name": one.answers[0].name,
                "confidence": self._confidence(one, row),
            }
            return ids[0], self._metadata(label, f"{media}-classification", made)
        named = list(zip(map(str, ids), one.answers, strict=True))
        made["class-map"] = {key: answer.name for key, answer in named}
        made["confidence-map"] = {key: self._confidence(answer, row) for key, answer in named}
        return ids, self._metadata(label, f"{media}-classification-multilabel", made)

    def _comments(self, question: Classification, row: DataRow) -> Iterator[str]:
        """What workers said beside their answer; all else under a question is lost."""
        for answer in question.answers:
            for nested in answer.classifications:
                self._lose("no-place", nested, row)
        for nested in question.classifications:
            if nested.tool_name == "workerComment" and nested.text is not None and not nested.classifications:
                self._report.count("written", "classifications")
                yield nested.text
            else:
                self._lose("no-place", nested, row)

    def _metadata(self, label: Label, task: str, made: Mapping[str, Any]) -> dict[str, Any]:
        """The metadata the label came with, and what its annotations say now."""
        kept = told(label).get("metadata", {})
        moment = label.created_at or label.updated_at
        if moment is None:
            message = "a label that does not say when it was made gets the date 1970-01-01"
            self._report.note("no-date", "labels", message)
        kind = kept.get("type")
        if not (isinstance(kind, str) and (not task or fits_task(kind, task))):
            kind = f"groundtruth/{task}"
        merged = {**kept, **made}
        if "class-map" in made and isinstance(kept.get("class-map"), dict):
            merged["class-map"] = {**kept["class-map"], **made["class-map"]}
        return merged | {
            "type": kind,
            "human-annotated": "no" if label.origin == "model" else "yes",
            "creation-date": _NO_DATE if moment is None else _utc(moment),
            "job-name": label.project_name or f"labeling-job/{self._options.job_name}",
        }

    def _lose(self, code: str, one: Annotation, row: DataRow) -> None:
        self._report.lose_all(code, census(one), LOSSES[code], example=row.name)


class _Sorted(NamedTuple):
    """Annotations by the task they fit."""

    boxes: list[ObjectAnnotation]
    spans: list[ObjectAnnotation]
    areas: list[ObjectAnnotation]
    questions: list[Classification]


def _shapes(objects: Sequence[ObjectAnnotation], kind: type[_S]) -> list[_S]:
    return [one.geometry for one in objects if isinstance(one.geometry, kind)]


def _utc(moment: datetime) -> str:
    """As Ground Truth writes times: UTC, microseconds, no zone."""
    moment = moment.astimezone(UTC) if moment.tzinfo else moment
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds")
