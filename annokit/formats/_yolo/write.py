"""Writing YOLO datasets in Ultralytics' layout: detect, segment, pose and obb; classify stands beside."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, TypeGuard

import numpy as np
from msgspec import Meta

from annokit.dataset import Dataset
from annokit.errors import AccountingError, UsageError
from annokit.formats._base import NOT_FETCHED, Options, Pieces
from annokit.formats._classes import Classes
from annokit.formats._image_files import NAMES_FILE, ImageDir, Images, Page, Pages, split_folders
from annokit.formats._yolo import classify, data_yaml
from annokit.formats._yolo.layout import label_path
from annokit.formats._yolo.points import corners, poses
from annokit.formats._yolo.shapes import Drawn, boxes, outlines
from annokit.formats._yolo.text import box_rows, pose_rows, ring_rows
from annokit.io.batches import batched
from annokit.io.output import write_many
from annokit.io.photos import Photos, folders_of
from annokit.model import (
    Annotation,
    Asset,
    Box,
    DataRow,
    Keypoints,
    Mask,
    MaskReference,
    ObjectAnnotation,
    Ontology,
    Polygon,
    RotatedBox,
    Tool,
)
from annokit.model.base import Bytes, Floats, Indices
from annokit.report import Report, census, kind_of, kinds_of
from annokit.run import Run

__all__ = ["PIECES", "WriteOptions", "write"]

_BATCH = 200
_AREAL = frozenset((Box, RotatedBox, Polygon, Mask))
_LOSSES = {
    "no-place": "label files hold boxes and polygons only",
    "too-many-points": "it has more keypoints than kpt_shape of the dataset says",
    "not-an-image": "label files hold pixels of one image only",
    "mask-not-fetched": NOT_FETCHED,
    "crowd": "it stands for a group of objects (--crowd keep writes it as one)",
    "zero-area": "it covers nothing, or less than the last decimal can say",
    "outside-image": "it lies outside the image",
    "too-few-points": "a polygon needs three vertices",
    "not-finite": "its coordinates are not finite",
}
_CHANGES = {
    "clipped": ("it was cut at the border of the image", False),
    "parts-joined": ("its parts were joined along lines, since a row has one ring", True),
    "holes-joined": ("its holes were tied to the outside along lines, since a row has one ring", True),
    "part-dropped": ("a part or a hole of fewer than three vertices was left out", True),
    "mask-outlined": ("a mask is written as the outline of its pixels", False),
    "corners": ("a box is written as its four corners", False),
    "corners-moved": ("corners outside of the image were moved to its border, each by itself", True),
    "box-corners": ("a box is written as its four corners", False),
    "rotated-only": ("the obb task keeps the smallest rotated rectangle around a shape", True),
    "point-outside": ("a keypoint outside of the image is written as absent", True),
    "box-made": ("it has no box, so the one around it is written", False),
    "no-keypoints": ("it has no keypoints, so its box is written with all of them absent", True),
    "box-only": ("the detect task keeps the box of a shape, not the shape", True),
    "no-identity": ("training labels have no place for the track of an object", False),
    "no-confidence": ("training labels have no place for a confidence (--confidence writes it)", True),
    "confidence-range": ("its confidence is not from 0 to 1, and is left out", True),
    "duplicate-row": ("the row is in its file already; Ultralytics drops one of them when training", False),
    "rounded": ("coordinates are shares of the image with a fixed number of decimals", False),
}


_DERIVED = {
    "corners": "object:polygon",
    "box-corners": "object:rotated_box",
    "rotated-only": "object:rotated_box",
    "box-made": "object:box",
}


class WriteOptions(Options, frozen=True):
    """How YOLO is written."""

    task: Annotated[
        Literal["detect", "segment", "pose", "obb", "classify"],
        Meta(
            description="write boxes, polygons with one ring each, boxes with keypoints, rotated boxes, or "
            "images in folders of their answer"
        ),
    ] = "detect"
    decimals: Annotated[int, Meta(ge=1, le=15, description="decimals of the coordinates")] = 6
    crowd: Annotated[
        Literal["skip", "keep"],
        Meta(description="objects that stand for a group: leave out, or write as one"),
    ] = "skip"
    images: Annotated[Images, Meta(description="put the image files beside the labels")] = "none"
    image_dir: ImageDir = None
    ids: Annotated[
        dict[str, int] | None, Meta(description="class number of each class, 0 to n - 1 without gaps")
    ] = None
    confidence: Annotated[
        bool, Meta(description="write confidences at the end of rows, as predictions have them")
    ] = False
    question: Annotated[
        str | None, Meta(description="classify: whose answers are the classes, when there are several")
    ] = None


class Piece(NamedTuple):
    """What remains to be joined when the label files of some rows are written.

    Attributes
    ----------
    names : bytes
        Their lines of `NAMES_FILE`.
    folders : dict of str to str
        The folders of their splits, and of those before them in the same part.
    found : tuple of Tool
        Classes that occurred, but are not in the ontology.
    """

    names: bytes
    folders: dict[str, str]
    found: tuple[Tool, ...] = ()


def make(dataset: Dataset, target: Path, options: WriteOptions, run: Run) -> Iterator[Piece]:
    """Write the labels, and if asked the images, of a dataset or a part of one below `target`.

    Classes are numbered as the ontology has them, tools of one name being one class. What a label file
    cannot hold is lost under a name; shapes are cut at the border of the image, so that a trainer refuses
    no file.
    """
    classes = _classes(dataset.ontology, options.ids, Report())
    draw = _drawing(options.task, _point_count(dataset, options))
    photos = Photos(folders_of(dataset.paths, options.image_dir))
    names = io.BytesIO()
    pages = Pages(dataset.outline.keys, target, names, options.images, photos, run.report, label_path)
    for rows in batched(dataset.rows(run), _BATCH):
        _write_batch(pages.open(rows), target, classes, options, draw, run.report)
        yield Piece(names.getvalue(), pages.folders)
        names.seek(0)
        names.truncate()
    if classes.found_later:
        yield Piece(b"", {}, classes.found_later)


def join(pieces: Iterator[Piece], dataset: Dataset, target: Path, options: WriteOptions, run: Run) -> None:
    """Write names.ndjson and data.yaml."""
    classes = _classes(dataset.ontology, options.ids, run.report)
    folders: dict[str, str] = {}
    with (target / NAMES_FILE).open("wb") as out:
        for piece in pieces:
            out.write(piece.names)
            folders |= piece.folders
            classes.add_found(piece.found)
    extra = dict(dataset.ontology.extra.get("yolo", {}))
    own = _own_keys(options, classes.tools, _point_count(dataset, options), extra)
    extra = {key: value for key, value in extra.items() if key not in data_yaml.POSE_KEYS}
    splits = split_folders(folders, target, run.report)
    (target / "data.yaml").write_bytes(data_yaml.dump(classes.names, splits, extra, own))
    classes.account(run.report)


def suits(dataset: Dataset, options: WriteOptions) -> bool:
    """Whether parts can be written apart: not rows that only their order tells apart."""
    keys = dataset.outline.keys
    return options.task in ("detect", "segment", "obb") and len(set(keys)) == len(keys)


PIECES = Pieces(make=make, join=join, suits=suits)


def write(dataset: Dataset, target: Path, options: WriteOptions, run: Run) -> None:
    """Write all rows below `target`: labels for every one, names.ndjson, data.yaml and, if asked, images."""
    (classify.write if options.task == "classify" else PIECES.write)(dataset, target, options, run)


def _own_keys(
    options: WriteOptions, tools: Sequence[Tool], points: int, extra: Mapping[str, Any]
) -> dict[str, Any]:
    """What data.yaml says of the rows, where they do not say it themselves."""
    own: dict[str, Any] = {"task": options.task} if options.task in ("segment", "obb") else {}
    if options.task == "pose":
        own["kpt_shape"] = [points, 3]
        flip = extra.get("flip_idx")
        if isinstance(flip, list) and sorted(map(str, flip)) == sorted(map(str, range(points))):
            own["flip_idx"] = flip
        named = {index: list(tool.keypoints) for index, tool in enumerate(tools) if tool.keypoints}
        bones = {
            index: [list(bone) for bone in tool.skeleton] for index, tool in enumerate(tools) if tool.skeleton
        }
        own |= {key: value for key, value in (("kpt_names", named), ("kpt_skeleton", bones)) if value}
    return own | ({"confidence": True} if options.confidence else {})


def _point_count(dataset: Dataset, options: WriteOptions) -> int:
    """How many keypoints each row has: as the source says, else as many as any object has."""
    if options.task != "pose":
        return 0
    shape = dataset.ontology.extra.get("yolo", {}).get("kpt_shape")
    known = [len(tool.keypoints) for tool in dataset.ontology.tools]
    if shape or any(known):
        return int(max(*known, shape[0] if shape else 0, 0))
    return max(
        (
            len(one.geometry.coords)
            for row in dataset.rows(Run(on_error="skip"))
            for label in row.labels
            for one in label.objects
            if isinstance(one.geometry, Keypoints)
        ),
        default=1,
    )


_Draw: TypeAlias = tuple[
    Callable[[Sequence[ObjectAnnotation], Floats, int], Drawn], Callable[..., tuple[Bytes, Indices]]
]


def _drawing(task: str, points: int) -> _Draw:
    """How objects become shapes, and shapes rows of text."""
    ways: dict[str, _Draw] = {
        "detect": (boxes, box_rows),
        "segment": (outlines, ring_rows),
        "obb": (corners, ring_rows),
        "pose": (partial(poses, points=points), pose_rows),
    }
    return ways[task]


def _classes(ontology: Ontology, ids: Mapping[str, int] | None, report: Report) -> Classes:
    """The classes in the ontology's order, or as `ids` numbers them."""
    if ids is None:
        return Classes(ontology)
    if sorted(ids.values()) != list(range(len(ids))):
        raise UsageError(f"expected class numbers from 0 to {len(ids) - 1}, each once, got others in ids")
    Classes(ontology).require_all(ids)
    known = {tool.name for tool in ontology.tools}
    added = [Tool(name=name) for name in ids if name not in known]
    report.count("read", "categories", len(added))
    tools = sorted((*ontology.tools, *added), key=lambda tool: ids[tool.name])
    return Classes(Ontology(tools=tuple(tools)))


def _write_batch(
    pages: Sequence[Page],
    target: Path,
    classes: Classes,
    options: WriteOptions,
    drawing: _Draw,
    report: Report,
) -> None:
    """Write the label files of some images, and account for all that is in their rows."""
    if not pages:
        return
    report.count("written", "data_rows", len(pages))
    report.count("written", "labels", sum(len(page.row.labels) for page in pages))
    found = [_objects(page.row, options, report) for page in pages]
    objects = [*chain.from_iterable(found)]
    places = np.repeat(np.arange(len(pages)), [len(some) for some in found])
    sizes = np.array([page.size for page in pages], np.float64)[places]
    draw, text = drawing
    drawn = draw(objects, sizes, options.decimals)
    kept = drawn.kept.tolist()
    written = objects if len(kept) == len(objects) else [objects[i] for i in kept]
    scores = _scores(written) if options.confidence else None
    indices = np.array(classes.indices(written), np.int64)
    rows, starts = text(indices, drawn.values, drawn.offsets, sizes[drawn.kept], options.decimals, scores)
    texts = _files(rows, starts[np.searchsorted(places[drawn.kept], np.arange(len(pages) + 1))], len(kept))
    write_many(target, [page.label for page in pages], texts)
    changes = _changes(written, kept, options) | {"duplicate-row": [kept[i] for i in _repeated_rows(texts)]}
    _account(objects, drawn, changes, lambda i: pages[places[i]].row.name, report)


def _files(rows: Bytes, starts: Indices, count: int) -> list[bytes]:
    """The text of each file, of those that start at these places of the text of all rows."""
    letters = rows.tobytes()
    if letters.count(b"\n") != count:
        raise AccountingError(f"{count} objects drawn, but as many rows were not made")
    return [letters[start:end] for start, end in pairwise(starts.tolist())]


def _scores(objects: Sequence[ObjectAnnotation]) -> Floats:
    """The confidence of each object; NaN where it has none from 0 to 1."""
    return np.array([one.confidence if _has_score(one) else np.nan for one in objects], np.float64)


def _has_score(one: ObjectAnnotation) -> bool:
    return one.confidence is not None and 0.0 <= one.confidence <= 1.0


def _objects(row: DataRow, options: WriteOptions, report: Report) -> list[ObjectAnnotation]:
    """The objects of a row that a label file may hold; all else is accounted here."""
    return [
        one
        for label in row.labels
        for one in label.annotations
        if (  # what most are
            type(one) is ObjectAnnotation
            and type(one.geometry) in _AREAL
            and one.space == "pixel"
            and one.page is None
            and one.frame is None
            and not one.is_crowd
            and not one.classifications
        )
        or _may_stand(one, row, options, report)
    ]


def _may_stand(
    annotation: Annotation, row: DataRow, options: WriteOptions, report: Report
) -> TypeGuard[ObjectAnnotation]:
    """Whether a label file may hold an annotation; what it cannot is accounted."""
    if not isinstance(annotation, ObjectAnnotation):
        report.lose_all("no-place", census(annotation), _LOSSES["no-place"], example=row.name)
        return False
    for question in annotation.classifications:
        report.lose_all("no-place", census(question), _LOSSES["no-place"], example=row.name)
    code = _reason_against(annotation, row.asset, options)
    if code:
        report.lose(code, kind_of(annotation), _LOSSES[code], example=row.name)
    return not code


def _reason_against(one: ObjectAnnotation, asset: Asset, options: WriteOptions) -> str:
    """The code of the reason why a label file cannot hold an object, if there is one."""
    if not asset.shows(one):
        return "not-an-image"
    if one.is_crowd and options.crowd == "skip":
        return "crowd"
    has_box = options.task in ("detect", "pose") and (one.box is not None or _is_pose(one, options))
    if type(one.geometry) in _AREAL or has_box:
        return ""
    return "mask-not-fetched" if isinstance(one.geometry, MaskReference) else "no-place"


def _is_pose(one: ObjectAnnotation, options: WriteOptions) -> bool:
    return options.task == "pose" and type(one.geometry) is Keypoints


def _changes(
    written: Sequence[ObjectAnnotation], kept: Sequence[int], options: WriteOptions
) -> dict[str, Sequence[int]]:
    """What the format itself does to which of the objects that are written."""
    boxed = options.task == "detect"
    scored = options.confidence
    return {
        "rounded": kept,
        "box-only": [
            i for i, one in zip(kept, written, strict=True) if boxed and type(one.geometry) is not Box
        ],
        "no-identity": [i for i, one in zip(kept, written, strict=True) if one.track_id is not None],
        "confidence-range" if scored else "no-confidence": [
            i
            for i, one in zip(kept, written, strict=True)
            if one.confidence is not None and not (scored and _has_score(one))
        ],
    }


def _repeated_rows(texts: Sequence[bytes]) -> Iterator[int]:
    """The rows, counted over all files, that stand in their file before."""
    first = 0
    for text in texts:
        rows = text.splitlines()
        if len(set(rows)) < len(rows):
            seen = {row: i for i, row in reversed(list(enumerate(rows)))}
            yield from (first + i for i, row in enumerate(rows) if seen[row] < i)
        first += len(rows)


def _account(
    objects: Sequence[ObjectAnnotation],
    drawn: Drawn,
    changes: Mapping[str, Sequence[int]],
    name_of: Callable[[int], str],
    report: Report,
) -> None:
    """Count what was written, and what was lost, changed or made under its name."""
    kinds = kinds_of(objects)
    for index, code in drawn.lost.items():
        report.lose(code, kinds[index], _LOSSES[code], example=name_of(index))
    report.count_all("written", Counter([kinds[index] for index in drawn.kept.tolist()]))
    for (code, kind), found in _grouped(drawn.changed, changes, kinds).items():
        message, lossy = _CHANGES[code]
        report.note(code, kind, message, example=name_of(found[0]), n=len(found), lossy=lossy)
        if code in _DERIVED:
            report.count("derived", _DERIVED[code], len(found))
        if code == "box-only":
            report.count("derived", "object:box", sum(objects[index].box is None for index in found))


def _grouped(
    drawn: Sequence[tuple[int, str]], changes: Mapping[str, Sequence[int]], kinds: Sequence[str]
) -> dict[tuple[str, str], list[int]]:
    """The objects of each change and kind, in the order in which they first struck."""
    grouped: dict[tuple[str, str], list[int]] = {}
    for index, code in drawn:
        grouped.setdefault((code, kinds[index]), []).append(index)
    own = {
        (code, kind): [index for index in found if kinds[index] == kind]
        for code, found in changes.items()
        for kind in {kinds[index] for index in found}
    }
    struck = sorted(own.items(), key=lambda group: (group[0][0] == "duplicate-row", group[1][0]))
    return grouped | dict(struck)  # that rows are alike is seen last, in the text
