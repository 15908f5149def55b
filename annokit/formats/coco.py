"""COCO instances: one JSON document of images, annotations and categories.

Source of the format: https://cocodataset.org/#format-data and pycocotools. Ids, areas and every key the
model has no field for are kept in ``extra["coco"]`` and written back.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from annokit.dataset import Dataset, Outline, RowKey
from annokit.errors import (
    AnnokitError,
    DecodeError,
    GeometryError,
    InputError,
    ReferenceProblem,
    Where,
    shown,
)
from annokit.formats import _coco_shapes, _coco_write
from annokit.formats._base import Format, Head, Options, Reader, Writer
from annokit.geometry import FARTHEST
from annokit.io.batches import batched
from annokit.io.gc import paused_gc
from annokit.io.records import decode_document
from annokit.io.salvage import Wire, decoder
from annokit.io.source import Source
from annokit.model import Asset, Box, DataRow, Geometry, Label, Mask, ObjectAnnotation, Ontology, Tool
from annokit.run import Run

__all__ = ["FORMAT"]

_Id: TypeAlias = int | str
_Size: TypeAlias = Annotated[int, Meta(ge=0)] | UnsetType | None
_BATCH = 500
_KINDS = {"image": "data_rows", "annotation": "object:unknown", "category": "categories"}
_RUNS = re.compile(rb'"counts"\s*:\s*\[')
_CROWD = {0: False, 1: True, "0": False, "1": True, "false": False, "true": True}


class ReadOptions(Options, frozen=True):
    """How COCO is read."""

    image_dir: Annotated[str | None, Meta(description="folder with the image files")] = None


class _Image(Wire):
    unit = "image"
    id: _Id
    file_name: str
    width: _Size = UNSET
    height: _Size = UNSET
    license: Any = UNSET
    coco_url: Any = UNSET
    flickr_url: Any = UNSET
    date_captured: Any = UNSET


class _Annotation(Wire):
    unit = "annotation"
    image_id: _Id
    category_id: int
    id: _Id | UnsetType | None = UNSET
    bbox: tuple[float, float, float, float] | UnsetType = UNSET
    segmentation: Raw = Raw(b"")
    area: float | UnsetType | None = UNSET
    iscrowd: int | bool | str | UnsetType = UNSET
    keypoints: Any = UNSET
    num_keypoints: Any = UNSET
    attributes: Any = UNSET
    score: float | UnsetType | None = UNSET


class _Category(Wire):
    unit = "category"
    id: int
    name: str
    supercategory: Any = UNSET
    keypoints: Any = UNSET
    skeleton: Any = UNSET


class _Document(Wire):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category] = []
    info: Any = UNSET
    licenses: Any = UNSET


class _Rejected(msgspec.Struct):
    unit: str
    error: AnnokitError
    raw: bytes


class _RawDocument(msgspec.Struct):
    annotations: list[Raw]


class _File:
    """One COCO file; the document decoded for the outline serves the first pass over the rows too."""

    def __init__(self, source: Source, options: ReadOptions) -> None:
        self.source = source
        self.image_dir = Path(options.image_dir) if options.image_dir else None
        self._ready: tuple[_Document, list[_Rejected]] | None = None

    def outline(self) -> Outline:
        self._ready = self._decoded()
        document = self._ready[0]
        keys = [RowKey(image.file_name, str(image.id)) for image in document.images]
        return Outline(_ontology(document), keys)

    def _decoded(self, run: Run | None = None) -> tuple[_Document, list[_Rejected]]:
        rejected: list[_Rejected] = []

        def reject(unit: str, _path: str, error: AnnokitError, raw: bytes) -> None:
            rejected.append(_Rejected(unit, error, raw))

        with paused_gc():
            limits = {} if run is None else {"limits": run.limits}
            document = decode_document(self.source, _Document, reject=reject, **limits)
        _refuse_other_tasks(document, rejected, self.source.name)
        return document, rejected

    def rows(self, run: Run) -> Iterator[DataRow]:
        document, rejected = self._ready or self._decoded(run)
        self._ready = None
        for left_out in rejected:
            context = partial(_context, document, left_out.unit)
            kind = _KINDS[left_out.unit]
            run.reject(left_out.error, kind, left_out.raw, format="coco", context=context)
        yield from _Pass(self, document, rejected, run).rows()
        run.advance(self.source.size)


class _Pass:
    """One pass over the rows of a decoded document."""

    def __init__(self, file: _File, document: _Document, rejected: list[_Rejected], run: Run) -> None:
        self.file, self.document, self.run = file, document, run
        self.images = {image.id: image for image in document.images}
        self.categories = {category.id: category for category in document.categories}
        gone = {found for left_out in rejected if (found := _index(left_out.error)) is not None}
        total = len(document.annotations) + len(gone)
        self.positions = [i for i in range(total) if i not in gone] if gone else range(total)

    def rows(self) -> Iterator[DataRow]:
        waiting = self._grouped()
        for images in batched(self.document.images, _BATCH):
            with paused_gc():
                found = [(image, pair) for image in images for pair in waiting.pop(image.id, ())]
                shapes = _coco_shapes.shapes_of([pair[1] for _, pair in found])
                objects: dict[int, list[ObjectAnnotation]] = {}
                for (image, (position, wire)), shape in zip(found, shapes, strict=True):
                    made = self._object(image, position, wire, shape)
                    if made is not None:
                        objects.setdefault(id(image), []).append(made)
                rows = [self._row(image, objects.get(id(image), [])) for image in images]
            yield from rows

    def _grouped(self) -> dict[_Id, list[tuple[int, _Annotation]]]:
        """The annotations of each image, with their positions; those of no image or of two are rejected."""
        copies = Counter(image.id for image in self.document.images)
        waiting: dict[_Id, list[tuple[int, _Annotation]]] = {image.id: [] for image in self.document.images}
        for position, wire in zip(self.positions, self.document.annotations, strict=True):
            if copies[wire.image_id] == 1:
                waiting[wire.image_id].append((position, wire))
            else:
                what = "an image" if not copies[wire.image_id] else "one image"
                problem = f"expected {what} with id {shown(wire.image_id)}, got {copies[wire.image_id]}"
                self._reject(position, wire, ReferenceProblem(problem))
        self.document.annotations = []
        return waiting

    def _object(
        self, image: _Image, position: int, wire: _Annotation, shape: Geometry | AnnokitError
    ) -> ObjectAnnotation | None:
        category = self.categories.get(wire.category_id)
        error = shape if isinstance(shape, AnnokitError) else _fault(image, wire, shape)
        if category is None:
            error = ReferenceProblem(f"expected a category with id {wire.category_id}, got none")
        if error is not None or category is None or isinstance(shape, AnnokitError):
            self._reject(position, wire, error or GeometryError("no shape"), image, category)
            return None
        return ObjectAnnotation(
            tool_name=category.name,
            tool_id=str(category.id),
            geometry=shape,
            id=None if wire.id is UNSET or wire.id is None else str(wire.id),
            box=None if wire.bbox is UNSET or isinstance(shape, Box) else _box(wire.bbox),
            confidence=None if wire.score is UNSET else wire.score,
            is_crowd=wire.iscrowd is not UNSET and _CROWD[wire.iscrowd],
            extra={"coco": _kept(position, wire, shape)},
        )

    def _row(self, image: _Image, objects: Sequence[ObjectAnnotation]) -> DataRow:
        known = {"id": image.id, **_set(image, ("license", "coco_url", "flickr_url", "date_captured"))}
        return DataRow(
            id=str(image.id),
            external_id=image.file_name,
            source=self.file.source.name,
            asset=Asset(
                uri=self._uri(image.file_name), width=image.width or None, height=image.height or None
            ),
            labels=(Label(annotations=tuple(objects)),),
            extra={"coco": known | (image.extra or {})},
        )

    def _uri(self, file_name: str) -> str:
        """The image file, when the folder is known and the name stays inside it."""
        folder = self.file.image_dir
        if folder is None or "\0" in file_name:
            return file_name
        path = folder / file_name
        return str(path) if path.resolve().is_relative_to(folder.resolve()) else file_name

    def _reject(
        self,
        position: int,
        wire: _Annotation,
        error: AnnokitError,
        image: _Image | None = None,
        category: _Category | None = None,
    ) -> None:
        path = f"$.annotations[{position}]"
        if error.where.path and error.where.path != "$":
            path += f".segmentation{error.where.path[1:]}"
        record = str(image.id) if image else str(wire.image_id)
        error.where = Where(self.file.source.name, record=record, path=path)
        self.run.reject(
            error,
            "object:unknown",
            self._raws[position],
            format="coco",
            context=lambda: {
                "images": [_plain(image)] if image else [],
                "categories": [_plain(category)] if category else [],
                "annotations": [None],
            },
        )

    @cached_property
    def _raws(self) -> list[bytes]:
        """The exact bytes of every annotation, read again because something was wrong."""
        data = self.file.source.read_bytes(self.run.limits).removeprefix(b"\xef\xbb\xbf")
        return [bytes(raw) for raw in decoder(_RawDocument).decode(data).annotations]


def _refuse_other_tasks(document: _Document, rejected: Sequence[_Rejected], file: str) -> None:
    """One clear line for files that are COCO, but not of instances."""
    first = next((r for r in rejected if r.unit == "annotation"), None)
    if document.annotations or first is None:
        return
    for key, task in ((b'"caption"', "captions"), (b'"segments_info"', "panoptic")):
        if key in first.raw:
            raise InputError(
                f"expected COCO instances, got COCO {task}", where=Where(file), code="not-read-yet"
            )


def _fault(image: _Image, wire: _Annotation, shape: Geometry) -> AnnokitError | None:
    """What is wrong with an annotation whose shape could be read."""
    if wire.iscrowd is not UNSET and wire.iscrowd not in _CROWD:
        return DecodeError(f"expected iscrowd 0 or 1, got {shown(wire.iscrowd)}")
    if wire.bbox is not UNSET and (max(wire.bbox) > FARTHEST or min(wire.bbox) < -FARTHEST):
        return GeometryError(f"expected a bbox within {FARTHEST:.0f} of 0, got {shown(wire.bbox)}")
    if isinstance(shape, Mask) and image.height and image.width:
        size = (shape.height, shape.width)
        if size != (image.height, image.width):
            return GeometryError(
                f"expected an RLE of the image's size {image.height, image.width}, got {size}"
            )
    return None


def _box(bbox: tuple[float, float, float, float]) -> Box:
    x, y, width, height = bbox
    return Box(x=x, y=y, width=width, height=height)


def _kept(position: int, wire: _Annotation, shape: Geometry) -> dict[str, Any]:
    """What the model has no field for: see `_coco_write` for the way back."""
    kept: dict[str, Any] = {"position": position}
    if wire.id is not UNSET:
        kept["id"] = wire.id
    if wire.area is not UNSET:
        kept["area"] = wire.area
    if wire.iscrowd is not UNSET:
        kept["iscrowd"] = wire.iscrowd
    if wire.num_keypoints is not UNSET or wire.attributes is not UNSET or wire.keypoints is not UNSET:
        kept |= _set(wire, ("keypoints", "num_keypoints", "attributes"))
    if isinstance(shape, Box) and len(wire.segmentation):
        kept["segmentation"] = decoder(Any).decode(wire.segmentation)
    if isinstance(shape, Mask) and _RUNS.search(wire.segmentation):
        kept["counts"] = "list"
    return kept | wire.extra if wire.extra else kept


def _set(wire: Wire, names: Sequence[str]) -> dict[str, Any]:
    """The fields among `names` that the input has."""
    return {name: value for name in names if (value := getattr(wire, name)) is not UNSET}


def _ontology(document: _Document) -> Ontology:
    tools = []
    for category in document.categories:
        kept = {"id": category.id, **_set(category, ("supercategory", "keypoints", "skeleton"))}
        extra = {"coco": kept | (category.extra or {})}
        tools.append(Tool(name=category.name, id=str(category.id), extra=extra))
    top = _set(document, ("info", "licenses")) | (document.extra or {})
    return Ontology(tools=tuple(tools), extra={"coco": top} if top else {})


def _index(error: AnnokitError) -> int | None:
    """The index of the annotation an error of the decoder is about."""
    found = re.match(r"\$\.annotations\[(\d+)\]", error.where.path or "")
    return int(found[1]) if found else None


def _context(document: _Document, unit: str) -> dict[str, Any]:
    """The document around one record that could not be decoded."""
    if unit == "image":
        return {"images": [None], "annotations": []}
    if unit == "category":
        return {"images": [], "annotations": [], "categories": [None]}
    # which image and category it belongs to is not known, so all of them stand by
    return {
        "images": [_plain(image) for image in document.images],
        "categories": [_plain(category) for category in document.categories],
        "annotations": [None],
    }


def _plain(wire: Wire) -> Any:
    known = {name: getattr(wire, name) for name in wire.__struct_fields__ if name != "extra"}
    return {name: value for name, value in known.items() if value is not UNSET} | (wire.extra or {})


def _sniff(head: Head) -> bool:
    return re.match(rb'[\s\xef\xbb\xbf]*\{\s*"', head.data) is not None and (
        re.search(rb'"(images|annotations|categories)"\s*:\s*\[', head.data) is not None
        and b'"data_row"' not in head.data
        and b'"source-ref"' not in head.data
    )


def _read(source: Source, options: ReadOptions) -> Dataset:
    file = _File(source, options)
    return Dataset(file.rows, outline=file.outline, source=source.name, size=source.size)


FORMAT = Format(
    name="coco",
    title="COCO instances JSON",
    sniff=_sniff,
    reader=Reader(read=_read, options=ReadOptions),
    writer=Writer(write=_coco_write.write, options=_coco_write.WriteOptions, target="file"),
)
