"""Writing COCO instances: annotations stream to a spool, the document is put together at the end."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, compress
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from annokit.dataset import Dataset
from annokit.formats._base import NOT_FETCHED, Options, Pieces
from annokit.formats._classes import Classes
from annokit.formats._coco.drawn import Size
from annokit.formats._coco.entries import Entry, entries, own_keys
from annokit.formats._coco.spool import Batch, Spool, headless
from annokit.formats._coco.wire import ABSENT, POSITION
from annokit.geometry.pixels import images_only
from annokit.io.batches import batched
from annokit.io.gc import paused_gc
from annokit.model import (
    Annotation,
    Asset,
    Box,
    Classification,
    DataRow,
    Keypoints,
    Mask,
    MaskReference,
    ObjectAnnotation,
    Polygon,
    RotatedBox,
    Tool,
    Track,
)
from annokit.report import Report, census, kind_of
from annokit.run import Run

__all__ = ["PIECES", "Categories", "WriteOptions", "encoded", "image_entry"]

_BATCH = 500
_ENCODER = msgspec.json.Encoder()
_NOTHING: dict[str, Any] = {}
_Writable = ObjectAnnotation | Classification
_SHAPES = frozenset((Polygon, Box, RotatedBox, Mask, Keypoints))


class WriteOptions(Options, frozen=True):
    """How COCO is written."""

    ids: Annotated[
        dict[str, int] | None,
        Meta(description="category id of each class; by default the source's own, else 1 to n"),
    ] = None


def make(dataset: Dataset, _target: Path, options: WriteOptions, run: Run) -> Iterator[Batch]:
    """The images and annotations of a dataset, or of a part of one."""
    report = run.report
    classes = Classes(dataset.ontology, merge_names=False)
    categories = Categories(classes, options.ids)
    for rows, batch in encoded(images_only(dataset.rows(run), report), categories, report):
        report.count("written", "data_rows", len(rows))
        for row in rows:
            if row.asset.width is None or row.asset.height is None:
                why = "the image has no size there, which tools that draw masks need"
                report.note("no-image-size", "data_rows", why, example=row.name, lossy=True)
        images = [image_entry(row) for row in rows]
        yield batch._replace(images=headless(images), names=[image["file_name"] for image in images])
        del rows, batch, images  # their memory serves the next ones
    if classes.found_later:
        yield Batch([], [], [], [], [], [], [], found=classes.found_later)


def join(batches: Iterator[Batch], dataset: Dataset, target: Path, options: WriteOptions, run: Run) -> None:
    """Write the document to `target`, images in the order of the rows.

    Ids, areas and other keys that came from COCO go back as they were, annotations in the file's own
    order. From other sources ids count from 1, areas are those of the pixels pycocotools draws (for
    keypoints, of their box), and a box gets its rectangle as segmentation (derived).
    """
    ontology, report = dataset.ontology, run.report
    classes = Classes(ontology, merge_names=False)
    categories = Categories(classes, options.ids)
    kept = ontology.extra.get("coco", {})
    with tempfile.TemporaryFile(dir=target.parent) as handle, target.open("wb") as out:
        spool = Spool(handle)
        out.write(b"{")
        for key, value in kept.items():
            if key != ABSENT:
                out.write(_ENCODER.encode(key) + b":" + _ENCODER.encode(value) + b",\n")
        out.write(b'"images":[\n')
        separator = b",\n"  # none before the first image
        for batch in batches:
            classes.add_found(batch.found)
            images = spool.add(batch)
            out.write(images.removeprefix(separator))
            separator = b""
        out.write(b"\n]")
        absent = kept.get(ABSENT, ())
        if len(spool) or "annotations" not in absent:
            out.write(b',\n"annotations":[\n')
            spool.copy_to(out)
            out.write(b"\n]")
        has_captions = not kept and report.kinds["classifications"]["written"] > 0
        if classes.tools or not ("categories" in absent or has_captions):  # pycocotools wants all or none
            out.write(b',\n"categories":' + _ENCODER.encode(categories.entries()))
        out.write(b"}\n")
    spool.account(report)
    classes.account(report)


PIECES = Pieces(make=make, join=join)


def encoded(
    rows: Iterable[DataRow], categories: Categories, report: Report, *, results: bool = False
) -> Iterator[tuple[Sequence[DataRow], Batch]]:
    """The rows, some at a time, with their annotations; the images are left to the caller."""
    has_captions = len(categories) == 0
    for batch in batched(rows, _BATCH):
        with paused_gc():
            places, annotations = _writable(batch, has_captions, report)
            sizes = [(row.asset.height, row.asset.width) for row in batch]
            made = _made([sizes[k] for k in places], annotations, categories, report, results)
            fits = [entry is not None for entry in made]
            written = [*compress(annotations, fits)]
            kinds = Counter(map(kind_of, written))
            report.count_all("written", kinds + Counter(labels=sum([len(row.labels) for row in batch])))
            kept = [one.extra.get("coco", _NOTHING) for one in written]
            coded = Batch(
                own_images=[row.extra.get("coco", _NOTHING).get("id") for row in batch],
                sources=[row.source for row in batch],
                images=[],
                rows=[*compress(places, fits)],
                own=[own.get("id") for own in kept] if any(kept) else [None] * len(kept),
                positions=[own.get(POSITION) for own in kept] if any(kept) else [None] * len(kept),
                entries=headless([*compress(made, fits)]),
            )
            del annotations, written, made, kept
        yield batch, coded
        del batch, coded  # their memory serves the next ones


def _made(
    sizes: Sequence[Size],
    annotations: Sequence[_Writable],
    categories: Categories,
    report: Report,
    results: bool,
) -> list[Entry | dict[str, Any] | None]:
    """The entries of annotations, in order."""
    objects = [one for one in annotations if isinstance(one, ObjectAnnotation)]
    shown = [size for size, one in zip(sizes, annotations, strict=True) if isinstance(one, ObjectAnnotation)]
    made = entries(shown, objects, categories.ids_of, report, results=results)
    if len(made) == len(annotations):
        return made
    drawn = iter(made)
    return [
        next(drawn) if isinstance(one, ObjectAnnotation) else categories.filled_in(_answer(one), one, report)
        for one in annotations
    ]


def _answer(one: Classification) -> dict[str, Any]:
    """The entry of a caption, or of the category of a whole image."""
    entry: dict[str, Any] = {} if one.confidence is None else {"score": one.confidence}
    if one.text is not None:
        return entry | {"caption": one.text} | own_keys(one.extra.get("coco", {}))
    return entry | own_keys(one.extra["coco"])


def _writable(
    rows: Sequence[DataRow], has_captions: bool, report: Report
) -> tuple[list[int], list[_Writable]]:
    """The annotations that COCO can hold, and the place of the row of each; everything else is accounted here."""
    places: list[int] = []
    kept: list[_Writable] = []
    lost = _Lost(report)
    for place, row in enumerate(rows):
        name = row.name
        for annotation in chain.from_iterable([label.annotations for label in row.labels]):
            if (  # what most are: an object of the image with nothing below it
                type(annotation) is ObjectAnnotation
                and type(annotation.geometry) in _SHAPES
                and annotation.space == "pixel"
                and annotation.page is annotation.frame is None
                and not annotation.classifications
            ):
                places.append(place)
                kept.append(annotation)
                continue
            reason = _reason_against(annotation, row.asset, has_captions)
            if reason is not _FITS or not isinstance(annotation, _Writable):
                lost.add(reason, annotation, name)
                continue
            places.append(place)
            kept.append(annotation)
            if annotation.classifications or isinstance(annotation, Classification):
                lost.add_answers(annotation, name)
    lost.tell()
    return places, kept


def _reason_against(annotation: Annotation, asset: Asset, has_captions: bool) -> tuple[str, str]:
    if isinstance(annotation, ObjectAnnotation):
        shape = annotation.geometry
        if type(shape) in _SHAPES:
            return _FITS if asset.shows(annotation) else _ELSEWHERE
        return _MASK if isinstance(shape, MaskReference) else _NO_SHAPE
    if isinstance(annotation, Classification):
        is_caption = annotation.kind == "text" and annotation.text is not None and has_captions
        return _FITS if "coco" in annotation.extra or is_caption else _NO_ANSWER
    return _NO_TRACK if isinstance(annotation, Track) else _NO_SHAPE


_FITS = "", ""
_ELSEWHERE = "not-an-image", "COCO holds pixels of one image only"
_MASK = "mask-not-fetched", NOT_FETCHED
_NO_SHAPE = "no-place", "COCO holds boxes, polygons, masks and keypoints only"
_NO_ANSWER = "no-place", "COCO has no place for answers, but for captions where there are no classes"
_NO_TRACK = "no-place", "COCO has no tracks (--video-frames makes images of the frames)"


class _Lost:
    """What is lost of some rows, told to the report in one go: there may be more of it than of what is written."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._names: defaultdict[tuple[tuple[str, str], str], list[str]] = defaultdict(list)

    def add(self, reason: tuple[str, str], annotation: Annotation, name: str) -> None:
        """Lose an annotation of the row of this name, with what stands below it."""
        if _is_alone(annotation):
            self._names[reason, kind_of(annotation)].append(name)
            return
        self.tell()
        self._report.lose_all(reason[0], census(annotation), reason[1], example=name)

    def add_answers(self, annotation: _Writable, name: str) -> None:
        """Lose what stands below an annotation of the row of this name."""
        if not _is_alone(annotation):
            nested = census(annotation)
            nested[kind_of(annotation)] -= 1
            self.tell()
            self._report.lose_all("no-place", +nested, "COCO has no place for answers", example=name)

    def tell(self) -> None:
        """Account what was lost so far."""
        for ((code, why), kind), names in self._names.items():
            self._report.lose_each(code, kind, why, names)
        self._names.clear()


def _is_alone(annotation: Annotation) -> bool:
    """Whether surely nothing stands below an annotation."""
    if type(annotation) is ObjectAnnotation:
        return not annotation.classifications
    if type(annotation) is not Classification or annotation.classifications:
        return False
    for answer in annotation.answers:  # noqa: SIM110  # half the time of `any`, which makes a generator
        if answer.classifications:
            return False
    return True


def image_entry(row: DataRow) -> dict[str, Any]:
    """The image of a row as it stands in the file, without its id."""
    kept = row.extra.get("coco", {})
    entry: dict[str, Any] = {"file_name": (kept and row.external_id) or row.name}
    entry |= {"width": row.asset.width, "height": row.asset.height}
    known = {name: value for name, value in entry.items() if value is not None}
    return known | {name: value for name, value in kept.items() if name != "id"}


class Categories:
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
        self._by_class: dict[tuple[str | None, str], int] = {}
        self._answered: set[int] = set()
        self._by_tool = {tool.id: number for tool, number in zip(classes.tools, own, strict=True)}

    def __len__(self) -> int:
        return len(self._ids)

    def filled_in(
        self, entry: dict[str, Any], annotation: Classification, report: Report
    ) -> dict[str, Any] | None:
        """An entry with the category it is about, if it is; None where a whole image's class is not written."""
        if not annotation.answers:
            return entry
        found = self._by_tool.get(annotation.answers[0].option_id)
        if found is None:
            why = "its category is not among the classes"
            report.lose("class-not-chosen", "classifications", why, example=annotation.id)
            return None
        self._answered.add(found)
        return entry | {"category_id": found}

    def id_of(self, annotation: ObjectAnnotation) -> int:
        """The category id of an object."""
        key = annotation.tool_id, annotation.tool_name
        found = self._by_class.get(key)
        if found is None:
            found = self._by_class[key] = self._id(self._classes.index(annotation))
        return found

    def ids_of(self, objects: Sequence[ObjectAnnotation]) -> list[int]:
        """The category id of each of many objects."""
        known = self._by_class
        return [
            known[key] if (key := (one.tool_id, one.tool_name)) in known else self.id_of(one)
            for one in objects
        ]

    @property
    def unused(self) -> list[str]:
        """The names of those that nothing written is of."""
        used = self._answered.union(self._by_class.values())
        return [tool.name for index, tool in enumerate(self._classes.tools) if self._id(index) not in used]

    def _id(self, index: int) -> int:
        while len(self._ids) <= index:
            self._ids.append(max(self._ids, default=0) + 1)
        return self._ids[index]

    def entries(self) -> list[dict[str, Any]]:
        """The categories as they stand in the file."""
        return [_category(tool, self._id(index)) for index, tool in enumerate(self._classes.tools)]


def _category(tool: Tool, id: int) -> dict[str, Any]:
    kept = tool.extra.get("coco") or {"supercategory": ""}
    entry = {**kept, "id": id, "name": tool.name}
    if tool.keypoints:
        entry["keypoints"] = tool.keypoints
    if tool.skeleton or (tool.keypoints and "id" not in kept):
        entry["skeleton"] = [(first + 1, second + 1) for first, second in tool.skeleton]
    return entry
