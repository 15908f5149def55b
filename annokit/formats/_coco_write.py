"""Writing COCO instances: annotations stream to a spool, the document is put together at the end."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from annokit.dataset import Dataset
from annokit.formats._base import Options
from annokit.formats._classes import Classes
from annokit.formats._coco_entries import entries
from annokit.io.batches import batched
from annokit.io.gc import paused_gc
from annokit.model import Box, DataRow, Mask, MaskReference, ObjectAnnotation, Polygon, RotatedBox
from annokit.report import Report, census, kind_of
from annokit.run import Run

__all__ = ["WriteOptions", "write"]

_BATCH = 500
_ENCODER = msgspec.json.Encoder()


class WriteOptions(Options, frozen=True):
    """How COCO is written."""

    ids: Annotated[
        dict[str, int] | None,
        Meta(description="category id of each class; by default the source's own, else 1 to n"),
    ] = None


def write(dataset: Dataset, target: Path, options: WriteOptions, run: Run) -> None:
    """Write all rows to `target`, images in the order of the rows.

    Ids, areas and other keys that came from COCO go back as they were, annotations in the file's own
    order. From other sources ids count from 1, areas are those of the pixels pycocotools draws, and a
    box gets its rectangle as segmentation (derived).
    """
    ontology, report = dataset.ontology, run.report
    classes = Classes(ontology, merge_names=False)
    categories = _Categories(classes, options.ids)
    with tempfile.TemporaryFile(dir=target.parent) as handle, target.open("wb") as out:
        spool = _Spool(handle, report)
        out.write(b"{")
        for key, value in ontology.extra.get("coco", {}).items():
            out.write(_ENCODER.encode(key) + b":" + _ENCODER.encode(value) + b",\n")
        out.write(b'"images":[\n')
        _write_rows(dataset.rows(run), out, categories, spool)
        out.write(b'\n],\n"annotations":[\n')
        spool.copy_to(out)
        out.write(b'\n],\n"categories":' + _ENCODER.encode(categories.entries()) + b"}\n")
    classes.account(report)


def _write_rows(rows: Iterable[DataRow], out: IO[bytes], categories: _Categories, spool: _Spool) -> None:
    """Write the images, and put their annotations into the spool."""
    image_ids, annotation_ids = _Ids(), _Ids()
    separator = b""
    for batch in batched(rows, _BATCH):
        ids = [image_ids.give(row.extra.get("coco", {}).get("id"), row.source) for row in batch]
        for row, image_id in zip(batch, ids, strict=True):
            out.write(separator + _ENCODER.encode(_image(row, image_id)))
            spool.report.count("written", "data_rows")
            separator = b",\n"
        places = [
            (row, image_id, annotation)
            for row, image_id in zip(batch, ids, strict=True)
            for annotation in _writable(row, spool.report)
        ]
        objects = [annotation for _, _, annotation in places]
        sizes = [(row.asset.height, row.asset.width) for row, _, _ in places]
        with paused_gc():
            made = entries(sizes, objects, spool.report)
            for (row, image_id, annotation), entry in zip(places, made, strict=True):
                if entry is not None:
                    kept = annotation.extra.get("coco", {})
                    entry["id"] = annotation_ids.give(kept.get("id"), row.source)
                    entry["image_id"] = image_id
                    entry["category_id"] = categories.id_of(annotation)
                    position = kept.get("position") if annotation_ids.source == row.source else None
                    spool.add(kind_of(annotation), _ENCODER.encode(entry), position)


def _writable(row: DataRow, report: Report) -> list[ObjectAnnotation]:
    """The objects of a row that COCO can hold; everything else is accounted here."""
    kept = []
    for label in row.labels:
        report.count("written", "labels")
        for annotation in label.annotations:
            code, why = ("no-place", "COCO instances hold boxes, polygons and masks only")
            if isinstance(annotation, ObjectAnnotation):
                code, why = _reason_against(annotation)
                if not code:
                    kept.append(annotation)
                    _lose_answers(annotation, row, report)
                    continue
            report.lose_all(code, census(annotation), why, example=row.name)
    return kept


def _reason_against(annotation: ObjectAnnotation) -> tuple[str, str]:
    geometry = annotation.geometry
    if isinstance(geometry, MaskReference):
        return (
            "mask-not-fetched",
            "the mask is a URL only (`annokit masks list` names them, --masks reads them)",
        )
    if not isinstance(geometry, Polygon | Box | RotatedBox | Mask):
        return "no-place", "COCO instances hold boxes, polygons and masks only"
    if annotation.space != "pixel" or annotation.frame is not None or annotation.page is not None:
        return "not-an-image", "COCO instances hold pixels of one image only"
    return "", ""


def _lose_answers(annotation: ObjectAnnotation, row: DataRow, report: Report) -> None:
    for question in annotation.classifications:
        report.lose_all(
            "no-place", census(question), "COCO instances have no place for answers", example=row.name
        )


def _image(row: DataRow, image_id: int | str) -> dict[str, Any]:
    kept = row.extra.get("coco", {})
    entry = {"id": image_id, "file_name": row.external_id if kept else row.name}
    entry |= {"width": row.asset.width, "height": row.asset.height}
    known = {name: value for name, value in entry.items() if value is not None}
    return known | {name: value for name, value in kept.items() if name != "id"}


class _Ids:
    """Ids of one kind: those of the first source as they are, all others counted on from there."""

    def __init__(self) -> None:
        self.source: str | None = None
        self._last = 0
        self._started = False

    def give(self, own: int | str | None, source: str | None) -> int | str:
        """The id of the next thing, which comes from `source` and was called `own` there."""
        if not self._started:
            self.source, self._started = source, True
        if own is None or source != self.source:
            self._last += 1
            return self._last
        if isinstance(own, int):
            self._last = max(self._last, own)
        return own


class _Categories:
    """Category ids: the given ones, else the source's if it has one for every class, else 1 to n."""

    def __init__(self, classes: Classes, given: Mapping[str, int] | None) -> None:
        self._classes = classes
        own = [tool.extra.get("coco", {}).get("id") for tool in classes.tools]
        if given is not None:
            classes.require_all(given)
            own = [given[name] for name in classes.names]
        if None in own or (given is None and len(set(own)) < len(own)):
            own = list(range(1, len(own) + 1))
        self._ids: list[int] = own

    def id_of(self, annotation: ObjectAnnotation) -> int:
        """The category id of an object."""
        index = self._classes.index(annotation)
        while len(self._ids) <= index:
            self._ids.append(max(self._ids, default=0) + 1)
        return self._ids[index]

    def entries(self) -> list[dict[str, Any]]:
        """The categories as they stand in the file."""
        return [
            {"supercategory": "", **tool.extra.get("coco", {}), "id": self._ids[index], "name": tool.name}
            if not tool.extra.get("coco")
            else {**tool.extra["coco"], "id": self._ids[index], "name": tool.name}
            for index, tool in enumerate(self._classes.tools)
        ]


class _Spool:
    """Encoded annotations on disk, with their places, so that memory does not grow with their number."""

    def __init__(self, handle: IO[bytes], report: Report) -> None:
        self.report = report
        self._handle = handle
        self._ends = array("q", [0])
        self._positions = array("q")

    def add(self, kind: str, entry: bytes, position: int | None) -> None:
        """Append one annotation; `position` is its place in the source's own order."""
        self._ends.append(self._ends[-1] + self._handle.write(entry))
        self._positions.append(-1 if position is None else position)
        self.report.count("written", kind)

    def copy_to(self, out: IO[bytes]) -> None:
        """Write all annotations, in the source's order if it has one for each."""
        positions = np.frombuffer(self._positions, np.int64)
        order: Sequence[int] = range(len(positions))
        if len(positions) and positions.min() >= 0:
            order = np.argsort(positions, kind="stable").tolist()
        separator = b""
        self._handle.flush()
        for index in order:
            self._handle.seek(self._ends[index])
            out.write(separator + self._handle.read(self._ends[index + 1] - self._ends[index]))
            separator = b",\n"
