"""Writing COCO panoptic: objects painted one over the other into a PNG for each image."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from annokit.dataset import Dataset
from annokit.formats._base import NOT_FETCHED
from annokit.formats._classes import Classes
from annokit.formats._coco.entries import own_keys
from annokit.formats._coco.spool import Ids, identified
from annokit.formats._coco.wire import POSITION
from annokit.formats._coco.write import Categories, WriteOptions, image_entry
from annokit.formats._row_names import RowNames
from annokit.geometry import FARTHEST
from annokit.geometry.pixels import drawable, images_only, pixels_of
from annokit.io.names import NamesInTurn
from annokit.io.output import write_many
from annokit.model import Box, DataRow, Mask, MaskReference, ObjectAnnotation, Polygon, RotatedBox
from annokit.report import Report, census, kind_of
from annokit.run import Run

__all__ = ["DOCUMENT", "FOLDER", "write"]

DOCUMENT, FOLDER = "panoptic.json", "panoptic"
_ENCODER = msgspec.json.Encoder()
_HIGHEST = (1 << 24) - 1


def write(dataset: Dataset, target: Path, options: WriteOptions, run: Run) -> None:
    """Write all rows: `DOCUMENT`, and the PNGs in `FOLDER`.

    A pixel has one segment: later objects of a row cover earlier ones. Ids of segments that came from COCO
    stay, others are counted on from 1 in each image. Area and box are those of the pixels, unless a segment
    brought its own and nothing covers it; those of COCO instances are measured anew.
    """
    report = run.report
    classes = Classes(dataset.ontology, merge_names=False)
    painter = _Painter(Categories(classes, options.ids), report)
    names = NamesInTurn(lambda: ((key.name, key.id) for key in dataset.outline.keys))
    (target / FOLDER).mkdir(parents=True)
    annotations: list[bytes] = []
    ids, called = Ids(), RowNames()
    with (target / DOCUMENT).open("wb") as out:
        out.write(b"{")
        for key, value in dataset.ontology.extra.get("coco", {}).items():
            out.write(_ENCODER.encode(key) + b":" + _ENCODER.encode(value) + b",\n")
        out.write(b'"images":[\n')
        for index, row in enumerate(drawable(images_only(dataset.rows(run), report), run)):
            image_id = ids.give(row.extra.get("coco", {}).get("id"), row.source)
            entry = image_entry(row)
            out.write(b",\n" * (index > 0) + identified(_ENCODER.encode(entry), b"id", image_id))
            called.update([entry["file_name"]])
            report.count("written", "data_rows")
            name = str(Path(names.next(row.name, row.id)).with_suffix(".png"))
            found = painter.paint(row)
            if found is not None:
                write_many(target / FOLDER, [name], [_png(found[1])])
                annotations.append(_ENCODER.encode(_annotation(row, image_id, name, found[0])))
        out.write(b'\n],\n"annotations":[\n')
        out.write(b",\n".join(annotations))
        out.write(b'\n],\n"categories":' + _ENCODER.encode(_categories(painter.categories)) + b"}\n")
    ids.account("data_rows", report)
    called.account(report)
    classes.account(report)


def _categories(categories: Categories) -> list[dict[str, Any]]:
    """The categories; things, where the source does not say that they are stuff."""
    return [{"isthing": 1} | entry for entry in categories.entries()]


def _annotation(row: DataRow, image_id: int | str, name: str, segments: list[Any]) -> dict[str, Any]:
    kept: dict[str, Any] = next((label.extra["coco"] for label in row.labels if "coco" in label.extra), {})
    return {**kept, "image_id": image_id, "file_name": name, "segments_info": segments}


def _png(numbers: NDArray[np.uint32]) -> bytes:
    """An image whose colours are the numbers: red + 256 green + 65536 blue."""
    from PIL import Image

    colors = np.stack([numbers & 255, numbers >> 8 & 255, numbers >> 16], axis=-1).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(colors).save(out, "PNG")
    return out.getvalue()


class _Painter:
    """Makes the segments of rows."""

    def __init__(self, categories: Categories, report: Report) -> None:
        self.categories, self.report = categories, report

    def paint(self, row: DataRow) -> tuple[list[dict[str, Any]], NDArray[np.uint32]] | None:
        """The segments of a row and the id of each pixel; None where the row has no size."""
        from annokit_fast import rle

        objects = self._objects(row)
        height, width = row.asset.height, row.asset.width
        if not height or not width:
            return None
        batch, lost = pixels_of(objects, np.tile(np.array([[width, height]], np.int64), (len(objects), 1)))
        drawn = rle.area(batch).tolist()
        for index, code in lost.items():
            self.report.lose(code, kind_of(objects[index]), _LOST[code], example=row.name)
        places = np.zeros((height, width), np.int64) if not objects else rle.to_label_map(batch, order="last")
        ids = _segment_ids(objects)
        segments = []
        for index, one in enumerate(objects):
            if index not in lost:
                segment = self._segment(row, one, drawn[index], places == index + 1)
                segments += [{"id": ids[index], **segment}] if segment else []
        return segments, np.array([0, *ids], np.uint32)[places]

    def _objects(self, row: DataRow) -> list[ObjectAnnotation]:
        """The objects of a row that have pixels in it; everything else is accounted here."""
        objects = []
        for label in row.labels:
            self.report.count("written", "labels")
            for annotation in label.annotations:
                code, why = _reason_against(annotation, row)
                if not code and isinstance(annotation, ObjectAnnotation):
                    objects.append(annotation)
                    nested = census(annotation)
                    del nested[kind_of(annotation)]
                    self.report.lose_all(
                        "no-place", nested, "COCO has no place for answers", example=row.name
                    )
                else:
                    self.report.lose_all(code, census(annotation), why, example=row.name)
        return objects

    def _segment(
        self, row: DataRow, one: ObjectAnnotation, drawn: int, seen: NDArray[np.bool_]
    ) -> dict[str, Any] | None:
        """The entry of an object of `drawn` pixels, without its id; None where nothing of it is seen."""
        area, kind = int(seen.sum()), kind_of(one)
        if not area:
            self.report.lose("covered", kind, "all its pixels are covered by later objects", example=row.name)
            return None
        own = one.extra.get("coco", {})
        kept = own_keys(own)
        kept.pop("segmentation", None)
        is_whole = area == drawn and POSITION not in own  # instances measure outlines, not pixels
        entry: dict[str, Any] = {"category_id": self.categories.id_of(one), "iscrowd": int(one.is_crowd)}
        self.report.count("written", kind)
        if one.confidence is not None:
            why = "panoptic segments have no place for a confidence"
            self.report.note("no-confidence", kind, why, example=row.name, lossy=True)
        if is_whole and one.box is not None:
            box = [one.box.x, one.box.y, one.box.width, one.box.height]
            return {"area": area, **kept, **entry, "bbox": box}
        if area < drawn:
            why = "pixels are covered by later objects, since a pixel has one segment"
            self.report.note("overlap", kind, why, example=row.name, n=drawn - area)
        if not is_whole:
            kept.pop("area", None)
        return {"area": area, **kept, **entry, "bbox": _around(seen)}


_LOST = {
    "size-mismatch": "the mask has another size than the image",
    "not-finite": f"coordinates are not finite, or beyond {FARTHEST:.0f}",
    "zero-area": "it has no pixel in the image",
}


def _segment_ids(objects: Sequence[ObjectAnnotation]) -> list[int]:
    """An id for each object: its own if it is one, else the next from 1 that is free."""
    own = [one.extra.get("coco", {}).get("id") for one in objects]
    taken = {number for number in own if type(number) is int and 0 < number <= _HIGHEST}
    free = (number for number in range(1, _HIGHEST + 1) if number not in taken)
    ids: list[int] = []
    for number in own:
        ids.append(number if number in taken and number not in ids else next(free))
    return ids


def _around(seen: NDArray[np.bool_]) -> list[int]:
    """Left, top, width and height of the pixels."""
    columns, rows = np.flatnonzero(seen.any(axis=0)).tolist(), np.flatnonzero(seen.any(axis=1)).tolist()
    return [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]


def _reason_against(annotation: Any, row: DataRow) -> tuple[str, str]:
    if not isinstance(annotation, ObjectAnnotation):
        return "no-place", "COCO panoptic holds what covers pixels only"
    if isinstance(annotation.geometry, MaskReference):
        return "mask-not-fetched", NOT_FETCHED
    if not isinstance(annotation.geometry, Polygon | Box | RotatedBox | Mask):
        return "no-place", "COCO panoptic holds what covers pixels only"
    if not row.asset.shows(annotation):
        return "not-an-image", "COCO holds pixels of one image only"
    if not row.asset.height or not row.asset.width:
        return "no-size", "segments are pixels, which need the image size"
    return "", ""
