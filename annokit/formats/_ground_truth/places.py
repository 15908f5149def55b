"""What has a place in an augmented manifest, and where: the tasks of Ground Truth and their attributes."""

from __future__ import annotations

import re
from math import isfinite
from typing import Any, TypeGuard

from annokit.formats._base import NOT_FETCHED
from annokit.formats._ground_truth.paint import MOST_CLASSES
from annokit.formats._ground_truth.sequences import FORMAT_NAME
from annokit.model import (
    Annotation,
    Box,
    Classification,
    DataRow,
    Label,
    Mask,
    MaskReference,
    ObjectAnnotation,
    Polygon,
    TextSpan,
    Unknown,
)

__all__ = [
    "ATTRIBUTE_NAME",
    "LOSSES",
    "address_of",
    "as_it_came",
    "attribute_name",
    "fits_task",
    "has_address",
    "has_size",
    "is_plain_box",
    "reason_against",
    "told",
]

ATTRIBUTE_NAME = re.compile(r"[A-Za-z0-9](?:-*[A-Za-z0-9]){0,126}")
"""What a label attribute may be called."""

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|data:")
_ABSOLUTE = re.compile(r"\A(?:[A-Za-z]:)?[/\\](?:.*[/\\])?", re.DOTALL)
"""The folders of a path that means something on one machine only."""

LOSSES = {
    "no-place": "no built-in task of Ground Truth has a place for it",
    "no-size": "the width and height of the image are not known, which boxes and masks need",
    "attribute-taken": "the line has a label attribute of that name already (another label of the row)",
    "not-an-image": "a manifest holds pixels of one image only",
    "mask-not-fetched": NOT_FETCHED,
    "not-finite": "its coordinates are not finite",
    "image-size": "an image of more pixels than --max-pixels is not painted",
    "too-many-classes": f"a PNG has colours for {MOST_CLASSES} classes",
}
"""Why something is not written, by the code in the report."""


def has_address(row: DataRow) -> bool:
    """Whether its source says where the image is; a frame of a video is not at the address of the video."""
    return row.asset.frame is None and _ADDRESS.match(row.asset.uri or "") is not None


def address_of(row: DataRow, prefix: str) -> str:
    """Where the image of a row is: its own address, else its name behind the prefix.

    >>> from annokit.model import Asset
    >>> address_of(DataRow(id="1", external_id="sub/a.jpg", asset=Asset(uri="sub/a.jpg")), "s3://b/")
    's3://b/sub/a.jpg'
    """
    uri = row.asset.uri if row.asset.frame is None else None
    if uri and (not prefix or has_address(row)):
        return uri
    name = row.global_key or row.external_id or uri or row.id
    return f"{prefix}{_ABSOLUTE.sub('', name) if prefix else name}"


def told(label: Label) -> dict[str, Any]:
    """What a manifest said of the label beside its annotations."""
    found: dict[str, Any] = label.extra.get(FORMAT_NAME, {})
    return found


def as_it_came(label: Label) -> Any:
    """The value of an attribute of which only the reference, or what no type fits, is known; else None."""
    known = told(label)
    if "attribute" not in known:
        return None
    shapes = [one.geometry for one in label.annotations if isinstance(one, ObjectAnnotation)]
    if len(shapes) < max(len(label.annotations), 1):
        return None
    if all(isinstance(shape, MaskReference) for shape in shapes):
        return known.get("ref")
    unknown = [shape for shape in shapes if isinstance(shape, Unknown)]
    if len(unknown) < len(shapes):
        return None
    if all(shape.what == "cuboid" for shape in unknown):
        return {"annotations": [shape.payload for shape in unknown]}
    payload = unknown[0].payload
    return payload["ref"] if isinstance(payload, dict) and set(payload) == {"ref"} else payload


def reason_against(one: Annotation, row: DataRow, max_pixels: int) -> str:
    """The code of the reason why an annotation has no place, if there is one."""
    if isinstance(one, Classification):
        fits = one.kind == "checklist" or (one.kind == "radio" and len(one.answers) == 1)
        return "" if fits else "no-place"
    if not isinstance(one, ObjectAnnotation):
        return "no-place"
    shape = one.geometry
    if isinstance(shape, TextSpan):
        return "no-place" if shape.message_id is not None else ""
    if isinstance(shape, MaskReference):
        return "mask-not-fetched"
    if not isinstance(shape, Box | Polygon | Mask):
        return "no-place"
    if one.space != "pixel" or one.frame is not None or one.page is not None:
        return "not-an-image"
    if not has_size(row):
        return "no-size"
    if isinstance(shape, Box):
        return "" if all(map(isfinite, shape.xyxy)) else "not-finite"
    return "image-size" if (row.asset.width or 0) * (row.asset.height or 0) > max_pixels else ""


def is_plain_box(one: Annotation) -> TypeGuard[ObjectAnnotation]:
    """Whether it is a box of an image and no more, which has a place wherever the image has a size."""
    if type(one) is not ObjectAnnotation or type(one.geometry) is not Box or one.classifications:
        return False
    box, is_pixels = one.geometry, one.space == "pixel" and one.frame is None and one.page is None
    return is_pixels and isfinite(box.x + box.y + box.width + box.height)


def has_size(row: DataRow) -> bool:
    return row.asset.media_type == "image" and (row.asset.width or 0) > 0 and (row.asset.height or 0) > 0


def attribute_name(question: str) -> str:
    """A question's name as an attribute may be called.

    >>> attribute_name("Is it a bird?"), attribute_name("?")
    ('Is-it-a-bird', '')
    """
    return (
        question
        if ATTRIBUTE_NAME.fullmatch(question)
        else re.sub(r"[^A-Za-z0-9]+", "-", question).strip("-")[:127]
    )


def fits_task(kind: str, task: str) -> bool:
    """Whether the type a label came with is still right for a task."""
    own = kind.rpartition("/")[2]
    verified = own == "label-verification" and task.endswith("-classification")
    return own in (task, "custom") or verified or own.partition("-")[2] == task.partition("-")[2] != ""
