"""From COCO's records to data rows, for the tasks whose annotations stand in one list."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from msgspec import UNSET, Raw

from annokit.dataset import Outline, RowKey
from annokit.errors import AnnokitError, DecodeError, GeometryError, ReferenceProblem, Where, shown
from annokit.formats._coco.shapes import has_segmentation, shapes_of
from annokit.formats._coco.wire import (
    COUNTS,
    POSITION,
    Annotation,
    Category,
    Decoded,
    Document,
    Id,
    Image,
    Rejected,
    ontology_of,
    plain,
    present,
)
from annokit.geometry import FARTHEST
from annokit.io.batches import batched
from annokit.io.faults import BAD_JSON
from annokit.io.gc import paused_gc
from annokit.io.limits import Limits
from annokit.io.salvage import decoder
from annokit.io.source import Source
from annokit.model import (
    Answer,
    Asset,
    Box,
    Classification,
    DataRow,
    Geometry,
    Keypoints,
    Label,
    Mask,
    ObjectAnnotation,
    Polygon,
)
from annokit.run import Run

__all__ = ["File", "is_shapeless", "keys_of", "row_of"]

_BATCH = 200
_KINDS = {"image": "data_rows", "annotation": "object:unknown", "category": "categories"}
_RUNS = re.compile(rb'"counts"\s*:\s*\[')
_CROWD = {0: False, 1: True, "0": False, "1": True, "false": False, "true": True}
_Made = ObjectAnnotation | Classification
_Bbox: TypeAlias = tuple[float, float, float, float]


class File:
    """One file; what was decoded for the outline serves the first pass over the rows too.

    Parameters
    ----------
    source : Source
        The file, for messages and progress.
    decode : callable
        Decodes it.
    annotations_of : callable
        The exact bytes of every annotation, for the quarantine.
    format : str
        The name of the format; results are a list that a model made.
    image_dir : str, optional
        The folder of the images.
    """

    def __init__(
        self,
        source: Source,
        decode: Callable[[Limits], Decoded],
        annotations_of: Callable[[bytes], list[Raw]],
        *,
        format: Literal["coco", "coco-results"] = "coco",
        image_dir: str | None = None,
    ) -> None:
        self.source, self.format = source, format
        self.prefix = "$" if format == "coco-results" else "$.annotations"
        self.annotations_of = annotations_of
        self.image_dir = Path(image_dir) if image_dir else None
        self._decode = decode
        self._ready: Decoded | None = None

    def outline(self) -> Outline:
        """Classes and names, found by decoding the file."""
        self._ready = self._decode(self.source.limits)
        document = self._ready.document
        top = present(document, ("info", "licenses")) | (document.extra or {})
        absent = [name for name in ("annotations", "categories") if getattr(document, name) is UNSET]
        return Outline(ontology_of(document.categories, top, absent), keys_of(document.images))

    def rows(self, run: Run) -> Iterator[DataRow]:
        """The data rows."""
        found = self._ready or self._decode(run.limits)
        self._ready = None
        for left_out in found.rejected:
            context = partial(_context, found.document, left_out.unit, left_out.raw)
            kind = _KINDS[left_out.unit]
            run.reject(left_out.error, kind, left_out.raw, format=self.format, context=context)
        for path in found.twice:
            run.report.note(
                "duplicate-key",
                "object:unknown" if path.startswith(f"{self.prefix}[") else "data_rows",
                "a key stands in one object twice, and the last one is taken",
                example=path,
                lossy=True,
            )
        yield from _Pass(self, found, run).rows()
        run.advance(self.source.size)


class _Pass:
    """One pass over the rows of a decoded document."""

    def __init__(self, file: File, found: Decoded, run: Run) -> None:
        self.file, self.document, self.run = file, found.document, run
        self.annotations = found.document.annotations or []
        self.categories = {category.id: category for category in found.document.categories or ()}
        self.tool_ids = {number: str(number) for number in self.categories}
        self.named_twice = {
            key for key, n in Counter(one.id for one in found.document.categories or ()).items() if n > 1
        }
        gone = {index for left_out in found.rejected if (index := _index(left_out, file.prefix)) is not None}
        total = len(self.annotations) + len(gone)
        self.positions = [i for i in range(total) if i not in gone] if gone else range(total)
        self.shapeless = all(is_shapeless(one) for one in self.annotations)
        """Then every annotation is a caption, or a category of its image."""
        self.tools = {
            number: (category.name, str(number))
            for number, category in self.categories.items()
            if number not in self.named_twice and not self.shapeless
        }
        """The classes of objects."""

    def rows(self) -> Iterator[DataRow]:
        waiting = self._grouped()
        for images in batched(self.document.images, _BATCH):
            with paused_gc():
                rows = self._batch(images, [waiting.get(image.id, ()) for image in images])
            yield from rows

    def _batch(self, images: Sequence[Image], found: Sequence[Sequence[int]]) -> list[DataRow]:
        annotations, positions = self.annotations, self.positions
        shapes = iter(shapes_of([annotations[index] for indices in found for index in indices]))
        rows = []
        for image, indices in zip(images, found, strict=True):
            made = [
                self._plain(positions[index], annotations[index], shape)
                or self._annotation(image, positions[index], annotations[index], shape)
                for index, shape in zip(indices, shapes, strict=False)
            ]
            rows.append(self._row(image, tuple(filter(None, made))))
        return rows

    def _row(self, image: Image, annotations: tuple[_Made, ...]) -> DataRow:
        origin: Literal["human", "model"] = "model" if self.file.format == "coco-results" else "human"
        label = Label(origin=origin, annotations=annotations)
        return row_of(image, self.file.source.name, self.file.image_dir, (label,))

    def _grouped(self) -> dict[Id, list[int]]:
        """The indices of the annotations of each image; those of no image or of two are rejected."""
        copies = Counter(image.id for image in self.document.images)
        waiting: dict[Id, list[int]] = {key: [] for key, n in copies.items() if n == 1}
        for index, wire in enumerate(self.annotations):
            if (group := waiting.get(wire.image_id)) is not None:
                group.append(index)
            else:
                self._reject(self.positions[index], wire, _no_image(wire.image_id, copies[wire.image_id]))
        return waiting

    def _plain(
        self, position: int, wire: Annotation, shape: Geometry | AnnokitError
    ) -> ObjectAnnotation | None:
        """An object as most are, of which nothing is to be decided; None leaves it to `_annotation`.

        Both make the same of it: here without a call for each field, and without a word on what is wrong.
        """
        tool = self.tools.get(wire.category_id)  # type: ignore[arg-type]  # UNSET is no id
        bbox, number, area = wire.bbox, wire.id, wire.area
        is_crowd = _CROWD.get(wire.iscrowd)
        if (
            type(shape) is not Polygon
            or tool is None
            or bbox is UNSET
            or not _is_sound(bbox)
            or number is UNSET
            or number is None
            or area is UNSET
            or is_crowd is None
            or wire.keypoints is not UNSET
            or wire.num_keypoints is not UNSET
            or wire.attributes is not UNSET
            or wire.caption is not UNSET
            or wire.score is not UNSET
            or wire.extra
        ):
            return None
        x, y, width, height = bbox
        return ObjectAnnotation(
            tool_name=tool[0],
            tool_id=tool[1],
            geometry=shape,
            id=str(number),
            box=Box(x=x, y=y, width=width, height=height),
            is_crowd=is_crowd,
            extra={"coco": {POSITION: position, "id": number, "area": area, "iscrowd": wire.iscrowd}},
        )

    def _annotation(
        self, image: Image, position: int, wire: Annotation, shape: Geometry | AnnokitError
    ) -> _Made | None:
        """A caption, a category of the image, or an object; None where it was rejected."""
        if wire.caption is not UNSET and is_shapeless(wire):
            return _caption(position, wire, wire.caption)
        category = self.categories.get(wire.category_id)  # type: ignore[arg-type]  # UNSET is no id
        if category is not None and self.shapeless:
            return _image_category(position, wire, category)
        if not isinstance(shape, AnnokitError):
            shape = _fault(image, wire, shape) or shape
        if wire.keypoints:
            shape = _posed(wire, wire.keypoints, shape)
        if category is None:
            shape = _no_category(wire)
        elif self.named_twice and category.id in self.named_twice:
            shape = ReferenceProblem(f"expected one category with id {category.id}, got several")
        if isinstance(shape, AnnokitError) or category is None:
            self._reject(position, wire, shape, image, category)
            return None
        return ObjectAnnotation(
            tool_name=category.name,
            tool_id=self.tool_ids[category.id],
            geometry=shape,
            id=_id(wire),
            box=None if wire.bbox is UNSET or isinstance(shape, Box) else _box(wire.bbox),
            confidence=None if wire.score is UNSET else wire.score,
            is_crowd=wire.iscrowd is not UNSET and _CROWD[wire.iscrowd],
            extra={"coco": _kept(position, wire, shape)},
        )

    def _reject(
        self,
        position: int,
        wire: Annotation,
        error: Any,
        image: Image | None = None,
        category: Category | None = None,
    ) -> None:
        path = f"{self.file.prefix}[{position}]"
        if error.where.path and error.where.path != "$":
            path += f".segmentation{error.where.path[1:]}"
        record = str(image.id) if image else str(wire.image_id)
        error.where = Where(self.file.source.name, record=record, path=path)
        self.run.reject(
            error,
            "object:unknown",
            self._raws[position],
            format=self.file.format,
            context=lambda: {
                "images": [plain(image)] if image else [],
                "categories": [plain(category)] if category else self._all_categories,
                "annotations": [None],
            },
        )

    @cached_property
    def _all_categories(self) -> list[Any]:
        """What a mended category id may mean."""
        return [plain(category) for category in self.document.categories or ()]

    @cached_property
    def _raws(self) -> list[bytes]:
        """The exact bytes of every annotation, read again because something was wrong."""
        data = self.file.source.read_bytes(self.run.limits).removeprefix(b"\xef\xbb\xbf")
        return [bytes(raw) for raw in self.file.annotations_of(data)]


def keys_of(images: Sequence[Image]) -> list[RowKey]:
    """How the rows of the images are called."""
    return [RowKey(image.file_name or str(image.id), str(image.id)) for image in images]


def row_of(image: Image, source: str, folder: Path | None, labels: tuple[Label, ...]) -> DataRow:
    """The data row of an image."""
    known = {"id": image.id, **present(image, ("license", "coco_url", "flickr_url", "date_captured"))}
    if image.extra:
        known |= image.extra
    uri = _uri(image.file_name, folder) or None
    return DataRow(
        id=str(image.id),
        external_id=image.file_name or None,
        source=source,
        asset=Asset(uri=uri, width=image.width or None, height=image.height or None),
        labels=labels,
        extra={"coco": known},
    )


def _uri(file_name: str, folder: Path | None) -> str:
    """The image file, when the folder is known and the name stays inside it."""
    if folder is None:
        return file_name
    path = folder / file_name
    return str(path) if path.resolve().is_relative_to(folder.resolve()) else file_name


def is_shapeless(wire: Annotation) -> bool:
    return wire.bbox is UNSET and not wire.keypoints and not has_segmentation(wire)


def _id(wire: Annotation) -> str | None:
    return None if wire.id is UNSET or wire.id is None else str(wire.id)


def _no_image(number: Id, copies: int) -> ReferenceProblem:
    what = "one image" if copies else "an image"
    return ReferenceProblem(f"expected {what} with the id {number!r}, got {copies or 'none'}")


def _no_category(wire: Annotation) -> AnnokitError:
    if wire.category_id is UNSET:
        has = ", ".join(f'"{shown(key, 40)}"' for key in plain(wire))
        return DecodeError(f'expected the key "category_id", got {has}')
    return ReferenceProblem(f"expected a category with id {wire.category_id}, got none")


def _caption(position: int, wire: Annotation, text: str) -> Classification:
    kept = _kept(position, wire, None)
    del kept["caption"]
    score = None if wire.score is UNSET else wire.score
    return Classification(
        tool_name="caption", kind="text", text=text, id=_id(wire), confidence=score, extra={"coco": kept}
    )


def _image_category(position: int, wire: Annotation, category: Category) -> Classification:
    """The category of a whole image: what an annotation means in a file in which none has a shape."""
    answer = Answer(name=category.name, option_id=str(category.id))
    return Classification(
        tool_name="category",
        kind="radio",
        answers=(answer,),
        id=_id(wire),
        confidence=None if wire.score is UNSET else wire.score,
        extra={"coco": _kept(position, wire, None)},
    )


def _fault(image: Image, wire: Annotation, shape: Geometry) -> AnnokitError | None:
    """What is wrong with an annotation whose shape could be read."""
    if wire.iscrowd is not UNSET and wire.iscrowd not in _CROWD:
        return DecodeError(f"expected iscrowd 0 or 1, got {shown(wire.iscrowd)}")
    if wire.bbox is not UNSET and not _is_sound(wire.bbox):
        return _no_box(wire.bbox)
    if isinstance(shape, Mask) and image.height and image.width:
        size = (shape.height, shape.width)
        if size != (image.height, image.width):
            return GeometryError(
                f"expected an RLE of the image's size {image.height, image.width}, got {size}"
            )
    return None


def _is_sound(bbox: _Bbox) -> bool:
    x, y, width, height = bbox
    return 0 <= width <= FARTHEST and 0 <= height <= FARTHEST and abs(x) <= FARTHEST and abs(y) <= FARTHEST


def _no_box(bbox: _Bbox) -> GeometryError:
    if max(bbox) > FARTHEST or min(bbox) < -FARTHEST:
        return GeometryError(f"expected a bbox within {FARTHEST:.0f} of 0, got {shown(bbox)}")
    return GeometryError(f"expected a bbox of a width and height from 0 on, got {shown(bbox)}")


def _posed(
    wire: Annotation, values: Sequence[float], outline: Geometry | AnnokitError
) -> Geometry | AnnokitError:
    """The keypoints where one is not 0; what stands beside them has to be sound, but may be missing."""
    is_alone = wire.bbox is UNSET and not has_segmentation(wire)
    if isinstance(outline, AnnokitError) and not is_alone:
        return outline
    if len(values) % 3:
        return GeometryError(f"expected keypoints as x, y, v times their number, got {len(values)} values")
    if max(values) > FARTHEST or min(values) < -FARTHEST:
        return GeometryError(f"expected keypoints within {FARTHEST:.0f} of 0")
    if not any(values):
        return outline
    points = np.array(values).reshape(-1, 3)
    visibility = points[:, 2] if _has_flags(values) else 2 * (points[:, 2] > 0)
    return Keypoints(coords=points[:, :2], visibility=visibility)


def _has_flags(values: Sequence[float]) -> bool:
    """Whether every third value is 0, 1 or 2; models put their scores there."""
    return {0, 1, 2}.issuperset(values[2::3])


def _box(bbox: _Bbox) -> Box:
    x, y, width, height = bbox
    return Box(x=x, y=y, width=width, height=height)


_RARE = ("num_keypoints", "attributes", "caption")


def _kept(position: int, wire: Annotation, shape: Geometry | None) -> dict[str, Any]:
    """What the model has no field for: see `write` for the way back."""
    kept: dict[str, Any] = dict(wire.extra) if wire.extra else {}
    kept[POSITION] = position
    if wire.id is not UNSET:
        kept["id"] = wire.id
    if wire.area is not UNSET:
        kept["area"] = wire.area
    if wire.iscrowd is not UNSET:
        kept["iscrowd"] = wire.iscrowd
    if wire.num_keypoints is not UNSET or wire.attributes is not UNSET or wire.caption is not UNSET:
        kept |= present(wire, _RARE)
    if wire.keypoints is not UNSET and not (
        isinstance(shape, Keypoints) and _has_flags(wire.keypoints or ())
    ):
        kept["keypoints"] = wire.keypoints
    if shape is None and wire.category_id is not UNSET:
        kept["category_id"] = wire.category_id
    if isinstance(shape, Box | Keypoints) and len(wire.segmentation):
        kept["segmentation"] = decoder(Any).decode(wire.segmentation)
    if isinstance(shape, Mask) and _RUNS.search(wire.segmentation):
        kept[COUNTS] = "list"
    return kept


def _index(left_out: Rejected, prefix: str) -> int | None:
    """The index of an annotation that could not be decoded."""
    found = re.match(re.escape(prefix) + r"\[(\d+)\]", left_out.error.where.path or "")
    return int(found[1]) if found else None


def _context(document: Document, unit: str, raw: bytes) -> dict[str, Any]:
    """The document around one record that could not be decoded."""
    if unit == "image":
        return {"images": [None], "annotations": []}
    if unit == "category":
        return {"images": [], "annotations": [], "categories": [None]}
    try:
        owner = decoder(dict[str, Any]).decode(raw).get("image_id")
    except BAD_JSON:
        owner = None
    return {
        "images": [plain(image) for image in document.images if image.id == owner],
        "categories": [plain(category) for category in document.categories or ()],
        "annotations": [None],
    }
