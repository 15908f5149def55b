"""Reading COCO panoptic: one document, and beside it a PNG for each image whose colours are segment ids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import UNSET, Meta, UnsetType
from numpy.typing import NDArray

from annokit.dataset import Outline
from annokit.errors import (
    AnnokitError,
    InputError,
    LimitExceeded,
    ReferenceProblem,
    UnsafeInput,
    Where,
    shown,
)
from annokit.formats._base import Options
from annokit.formats._coco.read import keys_of, row_of
from annokit.formats._coco.wire import Category, Id, Image, Rejected, ontology_of, plain, present
from annokit.geometry import masks_of
from annokit.io.gc import paused_gc
from annokit.io.images import read_png_pixels
from annokit.io.limits import Limits
from annokit.io.records import decode_document
from annokit.io.salvage import Wire
from annokit.io.source import Source
from annokit.model import Box, DataRow, Label, ObjectAnnotation
from annokit.run import Run

__all__ = ["PanopticFile", "ReadOptions"]

_KINDS = {"image": "data_rows", "category": "categories"}


class ReadOptions(Options, frozen=True):
    """How COCO panoptic is read."""

    masks: Annotated[
        str | None, Meta(description="folder with the PNGs; by default the one beside the JSON, of its name")
    ] = None
    image_dir: Annotated[str | None, Meta(description="folder with the image files")] = None


class _Segment(Wire):
    unit = "segment"
    id: Annotated[int, Meta(ge=1, lt=1 << 24)]
    category_id: int
    area: float | UnsetType | None = UNSET
    bbox: tuple[float, float, float, float] | UnsetType = UNSET
    iscrowd: Annotated[int, Meta(ge=0, le=1)] | UnsetType = UNSET


class _Annotation(Wire):
    unit = "annotation"
    image_id: Id
    file_name: str
    segments_info: list[_Segment]


class _Document(Wire):
    images: list[Image]
    annotations: list[_Annotation]
    categories: list[Category]
    info: Any = UNSET
    licenses: Any = UNSET


class PanopticFile:
    """One panoptic document with its folder of PNGs."""

    def __init__(self, source: Source, options: ReadOptions) -> None:
        self.source = source
        self.image_dir = Path(options.image_dir) if options.image_dir else None
        beside = None if source.path is None else source.path.with_suffix("")
        self.folder = Path(options.masks) if options.masks else beside

    def outline(self) -> Outline:
        """Classes and names."""
        document, _ = self._decoded(self.source.limits)
        top = present(document, ("info", "licenses")) | (document.extra or {})
        return Outline(ontology_of(document.categories, top, ()), keys_of(document.images))

    def _decoded(self, limits: Limits) -> tuple[_Document, list[Rejected]]:
        rejected: list[Rejected] = []

        def reject(unit: str, _path: str, error: AnnokitError, part: bytes) -> None:
            rejected.append(Rejected(unit, error, part))

        with paused_gc():
            document = decode_document(self.source, _Document, reject=reject, limits=limits)
        return document, rejected

    def rows(self, run: Run) -> Iterator[DataRow]:
        """The data rows; the PNG of one is read when its turn comes."""
        document, rejected = self._decoded(run.limits)
        for left_out in rejected:
            kind = _KINDS.get(left_out.unit, "object:mask")
            run.reject(left_out.error, kind, left_out.raw, format="coco-panoptic")
        places = defaultdict(list)
        for index, annotation in enumerate(document.annotations):
            places[annotation.image_id].append(index)
        categories = {category.id: category for category in document.categories}
        for image in document.images:
            labels = [
                _Painted(self, image, index, document.annotations[index], categories, run).label()
                for index in places.pop(image.id, ())
            ]
            yield row_of(image, self.source.name, self.image_dir, tuple(filter(None, labels)) or (Label(),))
        for index in sorted(index for left_over in places.values() for index in left_over):
            wire = document.annotations[index]
            error = ReferenceProblem(f"expected one image with id {shown(wire.image_id)}, got none")
            self.reject(run, error, f"$.annotations[{index}]", wire.image_id, wire)
        run.advance(self.source.size)

    def reject(self, run: Run, error: AnnokitError, path: str, image_id: Id, wire: Wire) -> None:
        """Reject an annotation, or one segment of it."""
        error.where = error.where.at(file=self.source.name, record=str(image_id), path=path)
        run.reject(error, "object:mask", _encoded(wire), format="coco-panoptic")


def _encoded(wire: Wire) -> bytes:
    known = plain(wire)
    if isinstance(wire, _Annotation):
        known["segments_info"] = [plain(segment) for segment in wire.segments_info]
    return msgspec.json.encode(known)


class _Painted:
    """The annotation of one image, with its PNG."""

    def __init__(
        self,
        file: PanopticFile,
        image: Image,
        index: int,
        wire: _Annotation,
        categories: dict[int, Category],
        run: Run,
    ) -> None:
        self.file, self.image, self.wire, self.categories, self.run = file, image, wire, categories, run
        self.path = f"$.annotations[{index}]"

    def label(self) -> Label | None:
        """The segments as masks; None where the PNG could not be read, and all were rejected."""
        try:
            numbers = self._numbers()
        except (InputError, LimitExceeded) as error:
            self.file.reject(self.run, error, self.path, self.image.id, self.wire)
            return None
        objects = []
        for place, segment in enumerate(self.wire.segments_info):
            try:
                objects.append(self._object(segment, numbers))
            except InputError as error:
                path = f"{self.path}.segments_info[{place}]"
                self.file.reject(self.run, error, path, self.image.id, segment)
        self._note_unlisted(numbers)
        return Label(
            annotations=tuple(objects),
            extra={"coco": {"file_name": self.wire.file_name} | (self.wire.extra or {})},
        )

    def _numbers(self) -> NDArray[np.uint32]:
        """The segment id of each pixel: red + 256 green + 65536 blue, 0 where there is none."""
        folder, name = self.file.folder, self.wire.file_name
        if folder is None or not folder.is_dir():
            raise InputError(
                f"expected a folder of PNGs{'' if folder is None else f' {shown(str(folder))}'}, got none",
                hint="name it with --masks",
            )
        path = folder / name
        if "\0" in name or not path.resolve().is_relative_to(folder.resolve()):
            raise UnsafeInput(
                f"the file name {shown(name)} leads out of its folder", where=Where(path=self.path)
            )
        samples = read_png_pixels(path, self.run.limits).astype(np.uint32)
        if samples.ndim == 3:
            samples = samples @ np.array([1, 1 << 8, 1 << 16], np.uint32)
        size = (self.image.height, self.image.width)
        if all(size) and samples.shape != size:
            raise InputError(f"expected a PNG of the image's size {size}, got {samples.shape}")
        return samples

    def _object(self, segment: _Segment, numbers: NDArray[np.uint32]) -> ObjectAnnotation:
        from annokit_fast import rle

        category = self.categories.get(segment.category_id)
        if category is None:
            raise ReferenceProblem(f"expected a category with id {segment.category_id}, got none")
        pixels = numbers == segment.id
        if not pixels.any():
            raise InputError(f"expected pixels of segment {segment.id} in the PNG, got none")
        kept = {"id": segment.id, **present(segment, ("area", "iscrowd"))} | (segment.extra or {})
        box = None
        if segment.bbox is not UNSET:
            x, y, width, height = segment.bbox
            box = Box(x=x, y=y, width=width, height=height)
        return ObjectAnnotation(
            tool_name=category.name,
            tool_id=str(category.id),
            geometry=masks_of(rle.encode(pixels))[0],
            id=str(segment.id),
            box=box,
            is_crowd=segment.iscrowd == 1,
            extra={"coco": kept},
        )

    def _note_unlisted(self, numbers: NDArray[np.uint32]) -> None:
        listed = [0, *[segment.id for segment in self.wire.segments_info]]
        unlisted = int((~np.isin(numbers, listed)).sum())
        if unlisted:
            self.run.report.note(
                "unlisted-pixels",
                "object:mask",
                "pixels have the id of no segment that is listed, and are left out",
                example=self.wire.file_name,
                n=unlisted,
                lossy=True,
            )
