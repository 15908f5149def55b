"""Writing masks: every object becomes pixels, then a label map or a file of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from annokit.dataset import Dataset
from annokit.formats._base import NOT_FETCHED, Options
from annokit.formats._classes import Classes
from annokit.formats._image_files import NAMES_FILE, ImageDir, Images, Page, Pages
from annokit.formats._masks.files import csv_line, geotiff, label_map_of, mask_folder, png
from annokit.formats._masks.paint import Painted, paint
from annokit.geometry.georeference import Georeference, find_georeference
from annokit.geometry.pixels import drawable, pixels_of
from annokit.io.batches import batched
from annokit.io.output import write_many
from annokit.io.photos import Photos, folders_of
from annokit.model import Asset, Box, Mask, MaskReference, ObjectAnnotation, Polygon, RotatedBox
from annokit.report import Report, census, kind_of
from annokit.run import Run

__all__ = ["WriteOptions", "write"]

_BATCH = 50
"""Images at once: few, since their pixels are in memory."""

_AREAL = (Box, RotatedBox, Polygon, Mask)
_LOSSES = {
    "no-place": "masks hold what covers pixels only",
    "not-an-image": "masks hold pixels of one image only",
    "mask-not-fetched": NOT_FETCHED,
    "crowd": "it stands for a group of objects (--crowd keep draws it as one)",
    "zero-area": "it covers no pixel of the image",
    "size-mismatch": "its mask is of another size than the image",
    "not-finite": "its coordinates are not finite",
    "hidden": "other objects are drawn over all of it (--kind objects keeps overlaps)",
}


class WriteOptions(Options, frozen=True):
    """How masks are written."""

    kind: Annotated[
        Literal["semantic", "instance", "objects"],
        Meta(description="a map of classes, a map of objects, or a file for each object"),
    ] = "semantic"
    order: Annotated[
        Literal["last", "area"],
        Meta(description="which of two objects has the pixels both cover: the later one, or the smaller one"),
    ] = "last"
    crowd: Annotated[
        Literal["skip", "keep"],
        Meta(description="objects that stand for a group: leave out, or draw as one"),
    ] = "skip"
    images: Annotated[Images, Meta(description="put the image files beside the masks")] = "none"
    image_dir: ImageDir = None
    georeference: Annotated[
        bool,
        Meta(
            description="write GeoTIFFs where the images are GeoTIFFs, with their transform and CRS (annokit[geo])"
        ),
    ] = False


def write(dataset: Dataset, target: Path, options: WriteOptions, run: Run) -> None:
    """Write the masks of all rows below `target`, classes.csv, names.ndjson and, if asked, the images.

    Unless `kind` is `semantic`, objects.csv says which class each value or file is of.
    """
    classes = Classes(dataset.ontology)
    photos = Photos(folders_of(dataset.paths, options.image_dir))
    with (target / NAMES_FILE).open("wb") as names, (target / "objects.csv").open("wb") as table:
        table.write(csv_line("file", "value", "class_id", "class", "annotation_id"))
        pages = Pages(dataset.outline.keys, target, names, options.images, photos, run.report, label_map_of)
        writer = _Writer(target, options, classes, table, run.report, photos)
        for rows in batched(drawable(dataset.rows(run), run), _BATCH):
            writer.write(pages.open(rows))
    if options.kind == "semantic":
        (target / "objects.csv").unlink()
    lines = [csv_line("class_id", "class"), csv_line("0", "background")]
    lines += [csv_line(str(number), name) for number, name in enumerate(classes.names, 1)]
    (target / "classes.csv").write_bytes(b"".join(lines))
    classes.account(run.report)


class _Writer(msgspec.Struct, gc=False):
    """What stays the same from batch to batch."""

    target: Path
    options: WriteOptions
    classes: Classes
    table: IO[bytes]
    report: Report
    photos: Photos

    def write(self, pages: Sequence[Page]) -> None:
        """The masks of some images, with their account."""
        found = [list(self._objects(page)) for page in pages]
        sizes = np.repeat([page.size for page in pages] or [(0, 0)], [len(o) for o in found] or [0], axis=0)
        everything = list(chain.from_iterable(found))
        batch, lost = pixels_of(everything, sizes)
        names, files = [], []
        start = 0
        for page, objects in zip(pages, found, strict=True):
            places = range(start, start + len(objects))
            start += len(objects)
            self._lose(page, objects, [lost.get(i, "") for i in places])
            kept = [i for i in places if i not in lost]
            here = [everything[i] for i in kept]
            numbers = np.array([self.classes.index(one) + 1 for one in here], np.int64)
            painted = paint(
                batch[np.array(kept, np.int64)], page.size, numbers, self.options.kind, self.options.order
            )
            place = self._place(page)
            for name, image in self._files(page, painted, here, numbers, ".png" if place is None else ".tif"):
                names.append(name)
                files.append(png(image) if place is None else geotiff(image, place))
        write_many(self.target, names, files)

    def _place(self, page: Page) -> Georeference | None:
        """Where the pixels of an image are on earth, if that was asked for and is known."""
        file = self.photos.find(page.row.name, page.row.asset.uri) if self.options.georeference else None
        found = None if file is None else find_georeference(file.parent, file.name)
        if found is None and self.options.georeference:
            message = "no GeoTIFF of it is in the folder of images (--image-dir), so its mask is a PNG"
            self.report.note("not-on-earth", "data_rows", message, example=page.row.name, lossy=True)
        return found

    def _files(
        self,
        page: Page,
        painted: Painted,
        objects: Sequence[ObjectAnnotation],
        numbers: NDArray[np.int64],
        suffix: str,
    ) -> Iterator[tuple[str, NDArray[np.generic]]]:
        """The files of an image; each object that is in one is accounted and in the table."""
        shown = [index for index in range(len(objects)) if index not in painted.hidden]
        self._lose(page, objects, ["hidden" if i in painted.hidden else "" for i in range(len(objects))])
        self._account(page, [objects[i] for i in shown])
        for index in painted.covered:
            self.report.note(
                "overlapped",
                kind_of(objects[index]),
                "another object has some of its pixels (--kind objects keeps overlaps)",
                example=page.row.name,
                lossy=True,
            )
        stem = mask_folder(page.label)
        if painted.whole is not None:
            yield f"{stem}{suffix}", painted.whole
        for index in shown:
            file = f"{stem}{suffix}" if painted.whole is not None else f"{stem}/{index + 1}{suffix}"
            value = index + 1 if painted.whole is not None else 255
            one, number = objects[index], int(numbers[index])
            row = (file, str(value), str(number), one.tool_name, one.id or "")
            self.table.write(csv_line(*row))
            if painted.whole is None:
                yield file, painted.single(index)

    def _account(self, page: Page, objects: Sequence[ObjectAnnotation]) -> None:
        for one in objects:
            kind = kind_of(one)
            self.report.count("written", kind)
            if isinstance(one.geometry, Box | RotatedBox):
                message = "a box is drawn as if all of it were the object"
                self.report.note("box-filled", kind, message, example=page.row.name)
                self.report.count("derived", "object:mask")
            if one.confidence is not None:
                message = "masks have no place for a confidence"
                self.report.note("no-confidence", kind, message, example=page.row.name, lossy=True)

    def _lose(self, page: Page, objects: Sequence[ObjectAnnotation], codes: Sequence[str]) -> None:
        for one, code in zip(objects, codes, strict=True):
            if code:
                self.report.lose(code, kind_of(one), _LOSSES[code], example=page.row.name)

    def _objects(self, page: Page) -> Iterator[ObjectAnnotation]:
        """The objects of an image that may be drawn; all else in its row is accounted here."""
        row, report = page.row, self.report
        report.count("written", "data_rows")
        report.count("written", "labels", len(row.labels))
        for annotation in chain.from_iterable(label.annotations for label in row.labels):
            if not isinstance(annotation, ObjectAnnotation):
                report.lose_all("no-place", census(annotation), _LOSSES["no-place"], example=row.name)
                continue
            for question in annotation.classifications:
                report.lose_all("no-place", census(question), _LOSSES["no-place"], example=row.name)
            code = self._reason_against(annotation, row.asset)
            self._lose(page, [annotation], [code])
            if not code:
                yield annotation

    def _reason_against(self, one: ObjectAnnotation, asset: Asset) -> str:
        """The code of the reason why an object cannot be drawn, if there is one."""
        if not asset.shows(one):
            return "not-an-image"
        if one.is_crowd and self.options.crowd == "skip":
            return "crowd"
        if isinstance(one.geometry, _AREAL):
            return ""
        return "mask-not-fetched" if isinstance(one.geometry, MaskReference) else "no-place"
