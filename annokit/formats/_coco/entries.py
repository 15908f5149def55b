"""Objects as COCO annotation entries, a batch at a time: the fields, and what cannot be written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from annokit.formats._coco.drawn import Drawn, Shapes, Size, as_runs, outgrows
from annokit.formats._coco.wire import COUNTS, POSITION
from annokit.geometry import FARTHEST, Outlines, box_rows
from annokit.model import Box, Geometry, Keypoints, Mask, ObjectAnnotation, Polygon, RotatedBox
from annokit.model.base import Floats
from annokit.report import Report, kind_of

__all__ = ["Entry", "entries", "own_keys"]

_UNDRAWN = 65_535.0  # a square of that many pixels just fits in 32 bits
_TOO_LARGE = "no-size", "it is too large to be drawn where the image size is not known"
_BOOKKEEPING = ("id", POSITION, COUNTS)
_Outlined = Polygon | RotatedBox  # unions that are asked for each object are made once
_Pointed = Polygon | Keypoints
_NO_SIDES = 0.0, 0.0, 0.0, 0.0
_NO_BOX = Box(x=0.0, y=0.0, width=0.0, height=0.0)


class Entry(msgspec.Struct, gc=False):
    """What most entries are: a shape, and nothing else that COCO has a place for."""

    category_id: int
    segmentation: Any
    area: Any
    bbox: Any
    iscrowd: int


def entries(
    sizes: Sequence[Size],
    objects: Sequence[ObjectAnnotation],
    ids_of: Callable[[Sequence[ObjectAnnotation]], list[int]],
    report: Report,
    *,
    results: bool = False,
) -> list[Entry | dict[str, Any] | None]:
    """The entry of each object without its id and that of its image; None where it had to be lost, which is accounted.

    `sizes` are the heights and widths of the images. Keys an object brought from COCO are kept. `results`
    have a score, outlines as runs, and of all other keys only those that were there.
    """
    shapes = Shapes(objects)
    good = _sound(shapes, sizes, report, results)
    if len(good) < len(objects):
        shapes, sizes = Shapes([objects[i] for i in good]), [sizes[i] for i in good]
    drawn = Drawn(shapes, sizes, results)
    columns = ids_of(drawn.objects), drawn.objects, drawn.kept, drawn.segmentations, drawn.areas, drawn.sides
    found: list[Entry | dict[str, Any] | None] = [
        _entry(one, number, own, (shape, area, sides or _NO_SIDES), report, results)
        if own or results or shape is None or one.confidence is not None or one.track_id is not None
        else Entry(number, shape, area, sides or _NO_SIDES, int(one.is_crowd))
        for number, one, own, shape, area, sides in zip(*columns, strict=True)
    ]
    if not results:
        _count_derived(drawn, report)
    if len(found) == len(objects):
        return found
    made: list[Entry | dict[str, Any] | None] = [None] * len(objects)
    for index, entry in zip(good, found, strict=True):
        made[index] = entry
    return made


def _count_derived(drawn: Drawn, report: Report) -> None:
    """The rectangles that nobody drew, and the rotated ones that are rectangles no more."""
    pairs = zip(drawn.objects, drawn.kept, strict=True)
    derived = [type(one.geometry) is Box and not own for one, own in pairs].count(True)
    if derived:
        report.count("derived", "object:box", derived)
    rotated = [type(one.geometry) for one in drawn.objects].count(RotatedBox)
    if rotated:
        report.note("as-polygon", "object:rotated_box", "a rotated box is a polygon in COCO", n=rotated)


def _entry(
    one: ObjectAnnotation,
    number: int,
    own: dict[str, Any],
    drawn: tuple[Any, Any, Any],
    report: Report,
    results: bool,
) -> dict[str, Any]:
    """An entry that may have any key."""
    segmentation, area, sides = drawn
    entry: dict[str, Any] = {"category_id": None}
    if segmentation is not None:
        entry["segmentation"] = segmentation
    if isinstance(one.geometry, Keypoints):
        entry |= _keypoints(one.geometry, results)
    if not results:
        entry["area"] = area
    if not results or one.box is not None or isinstance(one.geometry, Box):
        entry["bbox"] = sides
    if not own and not results:
        entry["iscrowd"] = int(one.is_crowd)
    if one.confidence is not None:
        entry["score"] = one.confidence
    elif results:
        entry["score"] = 1.0
        report.note("no-score", kind_of(one), "results need a score, and it has none: 1 is written")
    if one.track_id is not None:
        entry["track_id"] = one.track_id
    entry |= own_keys(own)
    entry["category_id"] = number
    if "iscrowd" in own and one.is_crowd != (str(own["iscrowd"]) in ("1", "true", "True")):
        entry["iscrowd"] = int(one.is_crowd)  # changed since it was read
    return entry


def own_keys(kept: dict[str, Any]) -> dict[str, Any]:
    """What an annotation from COCO brought along, without its id and annokit's own notes."""
    return {key: value for key, value in kept.items() if key not in _BOOKKEEPING}


def _keypoints(shape: Keypoints, results: bool) -> dict[str, Any]:
    rows = zip(shape.coords.tolist(), shape.visibility.tolist(), strict=True)
    values = [value for (x, y), flag in rows for value in (x, y, flag)]
    number = {} if results else {"num_keypoints": int((shape.visibility > 0).sum())}
    return {"keypoints": values} | number


def _sound(shapes: Shapes, sizes: Sequence[Size], report: Report, results: bool) -> Sequence[int]:
    """Indices of the objects COCO can hold; the others are lost here."""
    objects = shapes.objects
    suspects = _suspects(shapes, sizes)
    everything = _coordinates([objects[i].geometry for i in suspects])
    fits = bool((np.abs(everything) <= FARTHEST).all())  # looked at one by one only when some do not
    lost = set()
    for index in suspects:
        one = objects[index]
        code, why = _fault(one, sizes[index], results)
        if not (fits or code or (np.abs(_coordinates([one.geometry])) <= FARTHEST).all()):
            code, why = "bad-geometry", f"coordinates are not finite, or beyond {FARTHEST:.0f}"
        if code:
            report.lose(code, kind_of(one), why, example=one.id)
            lost.add(index)
    return [index for index in range(len(objects)) if index not in lost] if lost else range(len(objects))


def _suspects(shapes: Shapes, sizes: Sequence[Size]) -> Sequence[int]:
    """Indices of the objects to look at one by one: all but polygons and boxes, where these are sound together."""
    stated = [one.box for one in shapes.objects if one.box is not None]
    if (
        all(map(math.isfinite, {one.confidence or 0.0 for one in shapes.objects}))
        and not any(None in size or _fault_of_size(_NO_BOX, size)[0] for size in set(sizes))
        and _are_rings(shapes.polygons)
        and _are_boxes(shapes.boxes)
        and _are_boxes(box_rows(stated)[0])
    ):
        others = [places for kind, places in shapes.places.items() if kind not in (Polygon, Box)]
        return sorted(chain.from_iterable(others))
    return range(len(shapes.objects))


def _are_rings(flat: Outlines) -> bool:
    """Whether each polygon has a ring, no ring too few vertices, and none lies too far out."""
    have_rings = (np.diff(flat.part_offsets[flat.object_offsets]) > 0).all()
    large = (np.diff(flat.ring_offsets) >= 3).all()
    return bool(have_rings and large and (np.abs(flat.coords) <= FARTHEST).all())


def _are_boxes(rows: Floats) -> bool:
    """Whether no side is negative, and none lies too far out."""
    near = np.abs(rows) <= FARTHEST, rows[:, :2] + rows[:, 2:] <= FARTHEST, rows[:, 2:] >= 0
    return all(bool(one.all()) for one in near)


def _coordinates(shapes: Sequence[Geometry]) -> Floats:
    """All coordinates of all shapes in one array."""
    edges = [edge for shape in shapes if isinstance(shape, Box) for edge in shape.xyxy]
    outlines = [outline for shape in shapes if (outline := _outline(shape)) is not None]
    return np.concatenate([np.array(edges, float).reshape(-1, 2), *outlines])


def _outline(shape: Geometry) -> Floats | None:
    if isinstance(shape, _Pointed):
        return shape.coords
    return shape.corners if isinstance(shape, RotatedBox) else None


def _fault(one: ObjectAnnotation, size: Size, results: bool) -> tuple[str, str]:
    shape = one.geometry
    if isinstance(shape, Polygon):
        rings = len(shape.ring_offsets) - 1
        fewest = len(shape.coords) if rings == 1 else min(np.diff(shape.ring_offsets), default=0)
        if fewest < 3:
            return "too-few-points", "a ring has fewer than 3 vertices"
    if None in size and as_runs(one, results):
        return "no-size", "the outline is written as RLE, which needs the image size"
    stated = one.box if one.box is not None or not isinstance(shape, Box) else shape
    if stated is not None and not (stated.width >= 0 and stated.height >= 0 and _is_near(stated)):
        return "bad-geometry", "its box is not finite, or has a negative size"
    if one.confidence is not None and not math.isfinite(one.confidence):
        return "bad-geometry", "its confidence is not finite"
    if None in size and stated is not None and outgrows(one, stated, results):
        return _TOO_LARGE
    return _fault_of_size(shape, size)


def _is_near(box: Box) -> bool:
    is_placed = abs(box.x) <= FARTHEST and abs(box.y) <= FARTHEST
    return is_placed and abs(box.width) <= FARTHEST and abs(box.height) <= FARTHEST


def _fault_of_size(shape: Geometry, size: Size) -> tuple[str, str]:
    """What keeps pixels from being counted."""
    if isinstance(shape, Mask):
        same = None in size or size == (shape.height, shape.width)
        if not same or not shape.height or not shape.width:
            return "mask-size", "the mask has another size than its image, or none"
    height, width = size
    if height is not None and width is not None:
        if height < 0 or width < 0 or max(height, width) >= 1 << 31 or height * width >= 1 << 32:
            return "image-size", "no image is that large"
    elif isinstance(shape, _Outlined) and (_coordinates([shape]) > _UNDRAWN).any():
        return _TOO_LARGE
    return "", ""
