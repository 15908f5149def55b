"""What a format's own tools would drop or refuse, image by image, if they got the labels as they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from annokit.errors import UsageError
from annokit.model import (
    Box,
    DataRow,
    Keypoints,
    Mask,
    ObjectAnnotation,
    Polygon,
    RotatedBox,
    Track,
)
from annokit.model.base import Floats
from annokit.model.geometry import Shape
from annokit.report import kind_of
from annokit.validate._findings import Example, Finding, Findings
from annokit.validate._repeats import Called

__all__ = ["TARGETS", "check_files", "target_check"]

_Check: TypeAlias = Callable[[Findings, DataRow], None]

_YOLO_LOW, _YOLO_HIGH = -0.01, 1.01
"""Shares of the image beyond which Ultralytics' loader ignores the whole image (`verify_image_label`)."""

_MIXED = (
    "boxes and polygons: where rows of both are in one file, Ultralytics takes centre and size of a box for two points, "
    "and where they are in several, it drops all polygons; convert writes one kind (--task)"
)
_MIXED_FILES = "some images have boxes and others polygons: Ultralytics drops all polygons; convert writes one kind (--task)"
_YOLO_SMALLEST = 10


def target_check(target: str) -> _Check:
    """The check of a row for a format; UsageError with the list for others."""
    if target not in TARGETS:
        raise UsageError(f"no rules are known for {target!r}", hint=f"known: {', '.join(TARGETS)}")
    return TARGETS[target]


def _objects(row: DataRow) -> list[ObjectAnnotation]:
    return [one for label in row.labels for one in label.objects]


def _no_place(found: Findings, row: DataRow, target: str, shapes: tuple[type[Shape], ...]) -> None:
    """Annotations that the format has no place for."""
    for label in row.labels:
        for one in label.annotations:
            if not isinstance(one, ObjectAnnotation) or not isinstance(one.geometry, shapes):
                message = f"{target} has no place for it"
                found.add(f"{target}-no-place", kind_of(one), "warning", message, row=row, annotation=one.id)


def _no_size(found: Findings, row: DataRow, target: str) -> bool:
    known = bool(row.asset.width and row.asset.height)
    if not known:
        message = "without the height and width of the image it cannot be used"
        found.add(f"{target}-no-size", "data_rows", "error", message, row=row)
    return known


def _check_yolo(found: Findings, row: DataRow) -> None:
    _no_place(found, row, "yolo", (Box, RotatedBox, Polygon, Mask, Keypoints))
    if not _no_size(found, row, "yolo"):
        return
    if min(row.asset.width or 0, row.asset.height or 0) < _YOLO_SMALLEST:
        message = "Ultralytics refuses images below 10 px, and leaves them out"
        detail = f"{row.asset.height} x {row.asset.width}"
        found.add("yolo-too-small", "data_rows", "error", message, row=row, detail=detail)
    objects = [one for one in _objects(row) if isinstance(one.geometry, Box | Polygon)]
    if len({type(one.geometry) for one in objects}) > 1:
        found.add("yolo-mixed-rows", "data_rows", "warning", _MIXED, row=row)
    seen = set()
    for one in objects:
        shares = _shares(one, row)
        if shares.size and not (shares.min() >= _YOLO_LOW and shares.max() <= _YOLO_HIGH):
            message = "a coordinate beyond the image: the trainer ignores the whole image (--repair clip)"
            found.add("yolo-outside", kind_of(one), "error", message, row=row, annotation=one.id)
        key = (one.tool_name, shares.round(6).tobytes())
        if key in seen:
            message = "the same row twice: the trainer keeps one"
            found.add("yolo-duplicate", kind_of(one), "warning", message, row=row, annotation=one.id)
        seen.add(key)


def check_files(found: Findings, drawn: Mapping[str | None, Called]) -> None:
    """What Ultralytics makes of all label files together, of which `drawn` has one of each kind of rows."""
    if "box" in drawn and "polygon" in drawn:
        images = [drawn[kind] for kind in ("box", "polygon")]
        examples = [Example(one.source, one.name, detail=one.drawn) for one in images]
        found.take(Finding("yolo-mixed-files", "data_rows", "warning", 1, _MIXED_FILES, examples))


def _shares(one: ObjectAnnotation, row: DataRow) -> Floats:
    """The numbers of the label row, as shares of the image."""
    size = np.array([row.asset.width or 1, row.asset.height or 1], float)
    shape = one.geometry
    if isinstance(shape, Box):
        centre = (shape.x + shape.width / 2, shape.y + shape.height / 2)
        points: Floats = np.array([centre, (shape.width, shape.height)])
    else:
        points = shape.coords if isinstance(shape, Polygon) else np.empty((0, 2))
    return points / size  # type: ignore[no-any-return]  # numpy's division of arrays


def _check_coco(found: Findings, row: DataRow) -> None:
    _no_place(found, row, "coco", (Box, RotatedBox, Polygon, Mask, Keypoints))
    _no_size(found, row, "coco")
    for one in _objects(row):
        if isinstance(one.geometry, Polygon):
            sizes = np.diff(one.geometry.ring_offsets)
            if len(sizes) == 0 or sizes.min() < 3:
                message = "pycocotools takes a ring of 2 points for a box, and fails on one of less"
                found.add("coco-short-ring", kind_of(one), "error", message, row=row, annotation=one.id)


def _check_labelbox(found: Findings, row: DataRow) -> None:
    for label in row.labels:
        for one in label.annotations:
            if isinstance(one, Track):
                continue
            if isinstance(one, ObjectAnnotation) and isinstance(one.geometry, RotatedBox):
                message = "Labelbox has no rotated boxes"
                found.add("labelbox-no-place", kind_of(one), "warning", message, row=row, annotation=one.id)
            elif isinstance(one, ObjectAnnotation) and _is_complex(one.geometry):
                message = "a polygon of Labelbox is one ring: holes and further parts need a mask"
                found.add("labelbox-rings", kind_of(one), "warning", message, row=row, annotation=one.id)


def _is_complex(shape: Shape) -> bool:
    return isinstance(shape, Polygon) and len(shape.ring_offsets) > 2


TARGETS: dict[str, _Check] = {"yolo": _check_yolo, "coco": _check_coco, "labelbox": _check_labelbox}
