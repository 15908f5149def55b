"""COCO's JSON as it stands in the file, for all tasks of the family."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from annokit.errors import AnnokitError, DecodeError, InputError, Where, shown
from annokit.formats._base import Head
from annokit.formats._coco.twice import repeated_keys
from annokit.io.gc import paused_gc
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.io.records import decode_document
from annokit.io.salvage import Wire
from annokit.io.source import Source
from annokit.model import Ontology, Tool

__all__ = [
    "ABSENT",
    "COUNTS",
    "POSITION",
    "Annotation",
    "Category",
    "Decoded",
    "Document",
    "Id",
    "Image",
    "Rejected",
    "decoded",
    "is_document",
    "is_panoptic",
    "ontology_of",
    "plain",
    "present",
    "repeated",
]

Id: TypeAlias = int | str
Size: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)] | UnsetType | None
_LISTS = ("annotations", "images", "categories")
ABSENT = "(absent)"
"""In what is kept of a file: the lists it does without."""
POSITION, COUNTS = "(position)", "(counts)"
"""In what is kept of an annotation: its place in the file, and whether its runs are a list."""


class Image(Wire):
    """An image."""

    unit = "image"
    id: Id
    file_name: str
    width: Size = UNSET
    height: Size = UNSET
    license: Any = UNSET
    coco_url: Any = UNSET
    flickr_url: Any = UNSET
    date_captured: Any = UNSET


class Annotation(Wire):
    """An annotation or a result: an object, a caption, or a category of the whole image."""

    unit = "annotation"
    image_id: Id
    category_id: int | UnsetType = UNSET
    id: Id | UnsetType | None = UNSET
    bbox: tuple[float, float, float, float] | UnsetType = UNSET
    segmentation: Raw = Raw(b"")
    area: float | UnsetType | None = UNSET
    iscrowd: int | bool | str | UnsetType = UNSET
    keypoints: list[float] | UnsetType | None = UNSET
    num_keypoints: Any = UNSET
    attributes: Any = UNSET
    caption: str | UnsetType = UNSET
    score: float | UnsetType | None = UNSET


class Category(Wire):
    """A class."""

    unit = "category"
    id: int
    name: str
    supercategory: Any = UNSET
    keypoints: Any = UNSET
    skeleton: Any = UNSET


class Document(Wire):
    """A file of any task but panoptic."""

    images: list[Image]
    annotations: list[Annotation] | UnsetType = UNSET
    categories: list[Category] | UnsetType = UNSET
    info: Any = UNSET
    licenses: Any = UNSET


class Rejected(msgspec.Struct):
    """What could not be decoded."""

    unit: str
    error: AnnokitError
    raw: bytes


class Decoded(msgspec.Struct):
    """A file, what had to be left out of it, and the paths of the keys that stand in it twice."""

    document: Document
    rejected: list[Rejected]
    twice: list[str]


def decoded(source: Source, limits: Limits = DEFAULT_LIMITS) -> Decoded:
    """Decode a file; InputError where it is none of ours, or has one of its lists twice."""
    raw = source.read_bytes(limits)
    held = Source(raw)
    held.name = source.name
    rejected: list[Rejected] = []

    def reject(unit: str, _path: str, error: AnnokitError, part: bytes) -> None:
        rejected.append(Rejected(unit, error, part))

    with paused_gc():
        document = decode_document(held, Document, reject=reject, limits=limits)
    _check(document, source.name)
    twice = repeated(raw, document.annotations or [], rejected)
    for path in twice:
        if path in [f"$.{name}" for name in _LISTS]:
            problem = "expected the key once, got it twice, and the second would replace the first"
            raise InputError(problem, where=Where(source.name, path=path), code="duplicate-key")
    _reject_nul(document, rejected, source.name)
    return Decoded(document, rejected, twice)


def _check(document: Document, file: str) -> None:
    """Refuse what could be decoded, but is another kind of file."""
    if document.annotations is UNSET and document.extra:  # with other keys it is misspelt, not left out
        got = ", ".join(f'"{shown(key, 40)}"' for key in plain(document))
        raise DecodeError(f'expected the key "annotations", got {got}', where=Where(file, path="$"))
    if document.annotations and "segments_info" in (document.annotations[0].extra or {}):
        problem, hint = "expected COCO annotations with shapes, got COCO panoptic", "--from coco-panoptic"
        raise InputError(problem, where=Where(file), hint=hint, code="other-format")


def repeated(raw: bytes, annotations: Sequence[Annotation], rejected: Sequence[Rejected]) -> list[str]:
    """The paths of keys that stand in one object twice, of which the decoder took the last.

    Counting the keys that decide what an annotation means tells for next to nothing that there are none;
    only where they are more than expected is it looked for.
    """
    expected = {
        "annotations": 1,
        "image_id": len(annotations),
        "category_id": sum([one.category_id is not UNSET for one in annotations]),
        "bbox": sum([one.bbox is not UNSET for one in annotations]),
        "segmentation": sum([len(one.segmentation) > 0 for one in annotations]),
    }
    words = raw.translate(None, b"0123456789., ")  # no key has one of these, and most of a file is numbers
    for key, most in expected.items():
        quoted = f'"{key}"'.encode()
        if words.count(quoted) > most + sum(one.raw.count(quoted) for one in rejected):
            return list(repeated_keys(raw))
    return []


def _reject_nul(document: Document, rejected: list[Rejected], file: str) -> None:
    """Reject images whose file name has a NUL: no file is called that."""
    bad = {index for index, image in enumerate(document.images) if "\0" in image.file_name}
    for index in sorted(bad):
        image = document.images[index]
        where = Where(file, record=str(image.id), path=f"$.images[{index}].file_name")
        error = InputError("expected the name of a file, got one with a NUL in it", where=where)
        rejected.append(Rejected("image", error, msgspec.json.encode(plain(image))))
    if bad:
        document.images = [image for index, image in enumerate(document.images) if index not in bad]


def present(wire: Wire, names: Sequence[str]) -> dict[str, Any]:
    """The fields among `names` that the input has."""
    return {name: value for name in names if (value := getattr(wire, name)) is not UNSET}


def plain(wire: Wire) -> dict[str, Any]:
    """A record as the input had it."""
    names = [name for name in wire.__struct_fields__ if name != "extra"]
    return present(wire, names) | (wire.extra or {})


def ontology_of(
    categories: Sequence[Category] | UnsetType, top: dict[str, Any], absent: Sequence[str]
) -> Ontology:
    """The classes of a file, with the keys at its top and the names of the lists it does without."""
    kept = top | ({ABSENT: list(absent)} if absent else {})
    return Ontology(
        tools=tuple(_tool(category) for category in categories or ()), extra={"coco": kept} if kept else {}
    )


def _tool(category: Category) -> Tool:
    """A class; a skeleton that does not fit its keypoints stays with the keys the model has no field for."""
    kept = {"id": category.id, **present(category, ("supercategory", "keypoints", "skeleton"))}
    names, bones = kept.get("keypoints"), kept.get("skeleton")
    keypoints: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
    if names and isinstance(names, list) and all(isinstance(name, str) for name in names):
        keypoints = tuple(kept.pop("keypoints"))
        if bones and _is_skeleton(bones, len(keypoints)):
            skeleton = tuple((first - 1, second - 1) for first, second in kept.pop("skeleton"))
    return Tool(
        name=category.name,
        id=str(category.id),
        keypoints=keypoints,
        skeleton=skeleton,
        extra={"coco": kept | (category.extra or {})},
    )


def _is_skeleton(bones: Any, count: int) -> bool:
    """Whether it is a list of pairs of keypoints, which are numbered from 1 there."""
    return isinstance(bones, list) and all(
        isinstance(bone, list)
        and len(bone) == 2
        and all(type(end) is int and 1 <= end <= count for end in bone)
        for bone in bones
    )


_SEGMENTS = b'"segments_info"'
_SHAPES = (b'"bbox"', b'"segmentation"', b'"caption"')
_WINDOW = 1 << 20


def is_document(head: Head) -> bool:
    """Whether it looks like COCO's document of images, annotations and categories, panoptic or not."""
    return (
        re.match(rb'[\s\xef\xbb\xbf]*\{\s*"', head.data) is not None
        and re.search(rb'"(images|annotations|categories)"\s*:\s*\[', head.data) is not None
        and re.search(rb'"(data_row|source-ref|(tracking|detection)-annotations)"', head.data) is None
    )


def is_panoptic(head: Head) -> bool:
    """Whether a COCO document has segments; where its start does not tell, it is read on to the first annotation."""
    for window in _windows(head):
        if _SEGMENTS in window:
            return True
        if any(key in window for key in _SHAPES):
            return False
    return False


def _windows(head: Head) -> Iterator[bytes]:
    """The start of a file, then all of it; a key that is cut stands whole in the next one."""
    yield head.data
    if head.path is not None:
        with head.path.open("rb") as handle:
            window = handle.read(_WINDOW)
            while window:
                yield window
                more = handle.read(_WINDOW)
                window = more and window[-len(_SEGMENTS) :] + more
