"""Objects as COCO annotation entries, a batch at a time: segmentation, area and bbox."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from annokit.formats._coco_wire import COUNTS, POSITION
from annokit.geometry import FARTHEST, mask_batch, object_boxes, to_rle
from annokit.model import Box, Geometry, Keypoints, Mask, ObjectAnnotation, Polygon, RotatedBox
from annokit.model.base import Floats
from annokit.report import Report, kind_of

if TYPE_CHECKING:
    from annokit_fast.rle import RleBatch

__all__ = ["entries", "own_keys"]

_UNDRAWN = 65_535.0  # a square of that many pixels just fits in 32 bits
_BOOKKEEPING = (POSITION, COUNTS)
_Size = tuple[int | None, int | None]
_Outlined = Polygon | RotatedBox  # unions that are asked for each object are made once
_Drawn = Polygon | Box | RotatedBox
_Pointed = Polygon | Keypoints


def entries(
    sizes: Sequence[_Size], objects: Sequence[ObjectAnnotation], report: Report, *, results: bool = False
) -> list[dict[str, Any] | None]:
    """The entry of each object without its id and that of its image; None where it had to be lost, which is accounted.

    `sizes` are the heights and widths of the images. Keys an object brought from COCO are kept. `results`
    have a score, outlines as runs, and of all other keys only those that were there.
    """
    made: list[dict[str, Any] | None] = [None] * len(objects)
    good = _sound(objects, sizes, report, results)
    chosen = [objects[i] for i in good]
    boxes = object_boxes(chosen)
    areas, strings = _rasterised(chosen, boxes, [sizes[i] for i in good], results)
    derived = 0
    for place, index in enumerate(good):
        one, box = chosen[place], boxes[place]
        shape, kept = one.geometry, _kept(one)
        entry: dict[str, Any] = {"category_id": None}
        drawn = _segmentation(shape, kept, strings.get(place), sizes[index], results)
        if drawn is not None:
            entry["segmentation"] = drawn
        if isinstance(shape, Keypoints):
            entry |= _keypoints(shape, results)
        if not results:
            entry["area"] = areas.get(place)
        if not results or one.box is not None or isinstance(shape, Box):
            entry["bbox"] = (0.0, 0.0, 0.0, 0.0) if box is None else (box.x, box.y, box.width, box.height)
        if not kept and not results:
            entry["iscrowd"] = int(one.is_crowd)
            derived += isinstance(shape, Box)
        if one.confidence is not None:
            entry["score"] = one.confidence
        elif results:
            entry["score"] = 1.0
            report.note("no-score", kind_of(one), "results need a score, and it has none: 1 is written")
        if one.track_id is not None:
            entry["track_id"] = one.track_id
        if kept:
            entry |= own_keys(kept)
            if "iscrowd" in kept and one.is_crowd != (str(kept["iscrowd"]) in ("1", "true", "True")):
                entry["iscrowd"] = int(one.is_crowd)  # changed since it was read
        made[index] = entry
    if derived:
        report.count("derived", "object:box", derived)
    return made


def own_keys(kept: dict[str, Any]) -> dict[str, Any]:
    """What an annotation from COCO brought along, without annokit's own notes."""
    return {key: value for key, value in kept.items() if key not in _BOOKKEEPING}


def _keypoints(shape: Keypoints, results: bool) -> dict[str, Any]:
    rows = zip(shape.coords.tolist(), shape.visibility.tolist(), strict=True)
    values = [value for (x, y), flag in rows for value in (x, y, flag)]
    number = {} if results else {"num_keypoints": int((shape.visibility > 0).sum())}
    return {"keypoints": values} | number


def _sound(
    objects: Sequence[ObjectAnnotation], sizes: Sequence[_Size], report: Report, results: bool
) -> list[int]:
    """Indices of the objects COCO can hold; the others are lost here."""
    everything = _coordinates([one.geometry for one in objects])
    fits = bool((np.abs(everything) <= FARTHEST).all())  # looked at one by one only when some do not
    good = []
    for index, one in enumerate(objects):
        code, why = _fault(one, sizes[index], results)
        if not (fits or code or (np.abs(_coordinates([one.geometry])) <= FARTHEST).all()):
            code, why = "bad-geometry", f"coordinates are not finite, or beyond {FARTHEST:.0f}"
        if code:
            report.lose(code, kind_of(one), why, example=one.id)
        else:
            good.append(index)
    return good


def _coordinates(shapes: Sequence[Geometry]) -> Floats:
    """All coordinates of all shapes in one array."""
    edges = [edge for shape in shapes if isinstance(shape, Box) for edge in shape.xyxy]
    outlines = [outline for shape in shapes if (outline := _outline(shape)) is not None]
    return np.concatenate([np.array(edges, float).reshape(-1, 2), *outlines])


def _outline(shape: Geometry) -> Floats | None:
    if isinstance(shape, _Pointed):
        return shape.coords
    return shape.corners if isinstance(shape, RotatedBox) else None


def _fault(one: ObjectAnnotation, size: _Size, results: bool) -> tuple[str, str]:
    shape = one.geometry
    if isinstance(shape, Polygon):
        rings = len(shape.ring_offsets) - 1
        fewest = len(shape.coords) if rings == 1 else min(np.diff(shape.ring_offsets), default=0)
        if fewest < 3:
            return "too-few-points", "a ring has fewer than 3 vertices"
    if None in size and _as_runs(one, results):
        return "no-size", "the outline is written as RLE, which needs the image size"
    stated = one.box if one.box is not None or not isinstance(shape, Box) else shape
    if stated is not None and not (stated.width >= 0 and stated.height >= 0 and _is_near(stated)):
        return "bad-geometry", "its box is not finite, or has a negative size"
    if one.confidence is not None and not math.isfinite(one.confidence):
        return "bad-geometry", "its confidence is not finite"
    return _fault_of_size(shape, size)


def _is_near(box: Box) -> bool:
    is_placed = abs(box.x) <= FARTHEST and abs(box.y) <= FARTHEST
    return is_placed and abs(box.width) <= FARTHEST and abs(box.height) <= FARTHEST


def _fault_of_size(shape: Geometry, size: _Size) -> tuple[str, str]:
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
        return "no-size", "it is too large to be drawn where the image size is not known"
    return "", ""


def _segmentation(shape: Geometry, kept: dict[str, Any], runs: str | None, size: _Size, results: bool) -> Any:
    """What stands under `segmentation`; None for a box from COCO, which brings its own if it had one."""
    if isinstance(shape, Mask):
        counts = shape.counts.tolist() if kept.get(COUNTS) == "list" else runs
        return {"size": (shape.height, shape.width), "counts": counts}
    if runs is not None:
        return {"size": size, "counts": runs}
    if isinstance(shape, Polygon):
        rings = (shape.coords,) if len(shape.ring_offsets) == 2 else shape.rings()
        return [ring.ravel().tolist() for ring in rings]
    if isinstance(shape, RotatedBox):
        return [shape.corners.ravel().tolist()]
    if isinstance(shape, Box) and not (kept or results):
        left, top, right, bottom = map(float, shape.xyxy)
        return ((left, top, right, top, right, bottom, left, bottom),)
    return None


def _rasterised(
    objects: Sequence[ObjectAnnotation], boxes: Sequence[Box | None], sizes: Sequence[_Size], results: bool
) -> tuple[dict[int, float], dict[int, str]]:
    """Areas of the objects that bring none; compressed runs of masks and of outlines written as runs."""
    areas: dict[int, float] = {}
    strings: dict[int, str] = {}
    shapes: dict[int, _Drawn] = {}
    masks: dict[int, Mask] = {}
    for index, one in enumerate(objects):
        shape = one.geometry
        if isinstance(shape, Mask):
            masks[index] = shape
        elif isinstance(shape, Keypoints) or (isinstance(shape, Box) and (_kept(one) or results)):
            box = boxes[index]  # no segmentation is made, so there are no pixels to count
            areas[index] = 0.0 if box is None else box.width * box.height
        elif isinstance(shape, _Drawn) and ("area" not in _kept(one) or _as_runs(one, results)):
            shapes[index] = shape
    if shapes:
        canvas = np.array([_canvas(boxes[i], sizes[i]) for i in shapes], np.int64)
        drawn = to_rle(list(shapes.values()), canvas[:, 0], canvas[:, 1])
        _measure(drawn, list(shapes), areas)
        runs = [place for place, index in enumerate(shapes) if _as_runs(objects[index], results)]
        _spell(drawn[np.array(runs, np.int64)], [list(shapes)[place] for place in runs], strings)
    unmeasured = [i for i in masks if "area" not in _kept(objects[i])]
    if unmeasured:
        _measure(mask_batch([masks[i] for i in unmeasured]), unmeasured, areas)
    unspelt = [i for i in masks if _kept(objects[i]).get(COUNTS) != "list"]
    if unspelt:
        _spell(mask_batch([masks[i] for i in unspelt]), unspelt, strings)
    return areas, strings


def _kept(one: ObjectAnnotation) -> dict[str, Any]:
    kept: dict[str, Any] = one.extra.get("coco", {})
    return kept


def _as_runs(one: ObjectAnnotation, results: bool) -> bool:
    """Whether an outline is written as RLE: lists of rings have no holes, and pycocotools loads no results
    of them.
    """
    shape = one.geometry
    if isinstance(shape, Polygon) and shape.has_holes:
        return True
    return results and isinstance(shape, _Outlined) and not _kept(one)


def _canvas(box: Box | None, size: _Size) -> tuple[int, int]:
    """Height and width to draw on: the image's, else just enough for the shape."""
    height, width = size
    if height is None or width is None:
        _, _, right, bottom = (0.0, 0.0, 0.0, 0.0) if box is None else box.xyxy
        return max(math.ceil(bottom), 0), max(math.ceil(right), 0)
    return height, width


def _measure(batch: RleBatch, indices: Sequence[int], areas: dict[int, float]) -> None:
    from annokit_fast import rle

    areas.update(zip(indices, rle.area(batch).tolist(), strict=True))


def _spell(batch: RleBatch, indices: Sequence[int], strings: dict[int, str]) -> None:
    """Compressed counts as text."""
    if not len(indices):
        return
    from annokit_fast import rle

    buffer, offsets = rle.to_strings(batch)
    text, ends = buffer.tobytes().decode("ascii"), offsets.tolist()
    strings.update((index, text[ends[k] : ends[k + 1]]) for k, index in enumerate(indices))
