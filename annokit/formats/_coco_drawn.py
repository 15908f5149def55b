"""The shapes of objects as COCO writes them, a batch at a time: segmentations, areas and boxes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Container, Sequence
from itertools import chain, pairwise, repeat
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from msgspec import Raw
from msgspec.structs import astuple

from annokit.formats._coco_wire import COUNTS
from annokit.geometry import Outlines, box_corners, box_rows, drawn, mask_batch, outlined
from annokit.model import Box, Keypoints, Mask, ObjectAnnotation, Polygon, RotatedBox
from annokit.model.base import Indices

if TYPE_CHECKING:
    from annokit_fast.rle import RleBatch

__all__ = ["Drawn", "Size", "as_runs", "kept_of"]

Size: TypeAlias = tuple[int | None, int | None]
_Sides: TypeAlias = Sequence[float]
_Outlined = Polygon | RotatedBox  # a union that is asked for each object is made once
_NOTHING: dict[str, Any] = {}


def kept_of(one: ObjectAnnotation) -> dict[str, Any]:
    """What an object brought from COCO."""
    kept: dict[str, Any] = one.extra.get("coco", _NOTHING)
    return kept


def outgrows(one: ObjectAnnotation, stated: Box, results: bool) -> bool:
    """Whether an object is drawn, and on more pixels than can be counted where only its box says how many."""
    kept, is_box = kept_of(one), type(one.geometry) is Box
    is_drawn = not (results or kept) if is_box else isinstance(one.geometry, _Outlined) and "area" not in kept
    return is_drawn and math.ceil(stated.y + stated.height) * math.ceil(stated.x + stated.width) >= 1 << 32


def as_runs(one: ObjectAnnotation, results: bool) -> bool:
    """Whether an outline is written as RLE: lists of rings have no holes, and pycocotools loads no results
    of them.
    """
    shape = one.geometry
    if isinstance(shape, Polygon) and shape.has_holes:
        return True
    return results and isinstance(shape, _Outlined) and not kept_of(one)


class Drawn:
    """What COCO writes of the shapes of some objects, in columns.

    Attributes
    ----------
    objects : sequence of ObjectAnnotation
        All of them fit to be drawn.
    kept : list of dict
        What each brought from COCO.
    segmentations : list
        None where there is none, or where the object brings its own.
    areas : list of float or None
        None where the object brings its own.
    sides : list of sequence of float, or None
        x, y, width and height of the box that is stated, else of the one around the shape, if there is one.
    """

    def __init__(self, objects: Sequence[ObjectAnnotation], sizes: Sequence[Size], results: bool) -> None:
        self.objects, self._sizes, self._results = objects, sizes, results
        self.kept = [kept_of(one) for one in objects]
        self.sides = _sides(objects)
        self.areas: list[float | None] = [None] * len(objects)
        self.segmentations: list[Any] = [None] * len(objects)
        places: defaultdict[type, list[int]] = defaultdict(list)
        for index, one in enumerate(objects):
            plain = type(one.geometry) is not Box or not (results or self.kept[index])
            places[type(one.geometry) if plain else Keypoints].append(index)
        self._measure_boxes(places[Keypoints])
        self._draw_outlines(places[Polygon] + places[RotatedBox] + places[Box])
        self._draw_masks(places[Mask])

    def _measure_boxes(self, places: Sequence[int]) -> None:
        """Areas of boxes: of what has no segmentation, and so no pixels to count."""
        for index in places:
            sides = self.sides[index]
            self.areas[index] = 0.0 if sides is None else sides[2] * sides[3]

    def _draw_outlines(self, places: Sequence[int]) -> None:
        """Segmentations, and areas of what brings none; polygons come first in `places`, and boxes last."""
        runs = {i for i in places if as_runs(self.objects[i], self._results)}
        new = [i for i in places if i in runs or "area" not in self.kept[i]]
        flat = self._flattened(new)
        if new:
            self._rasterise(new, flat, runs)
        rest = [i for i in places if i not in runs]
        if rest:
            _put(self.segmentations, rest, _rings(flat if rest == new else self._flattened(rest)))

    def _rasterise(self, places: Sequence[int], flat: Outlines, runs: Container[int]) -> None:
        sizes = [self._sizes[i] for i in places]
        if any(None in size for size in set(sizes)):
            sizes = [_canvas(self.sides[i], self._sizes[i]) for i in places]
        canvas = np.fromiter(chain.from_iterable(sizes), np.int64, 2 * len(places)).reshape(-1, 2)
        pixels = drawn(flat, canvas[:, 0], canvas[:, 1])
        _put(self.areas, places, _areas(pixels))
        spelt = [k for k, i in enumerate(places) if i in runs]
        if spelt:
            for k, counts in zip(spelt, _strings(pixels[np.array(spelt)]), strict=True):
                self.segmentations[places[k]] = {"size": self._sizes[places[k]], "counts": counts}

    def _flattened(self, places: Sequence[int]) -> Outlines:
        """Polygons, rotated boxes and boxes, in this order, in flat arrays."""
        shapes = [self.objects[i].geometry for i in places]
        corners = [shape.corners for shape in shapes if isinstance(shape, RotatedBox)]
        boxes, _ = box_rows([shape for shape in shapes if isinstance(shape, Box)])
        four = np.concatenate([np.array(corners, np.float64).reshape(-1, 4, 2), box_corners(boxes)])
        return outlined([shape for shape in shapes if isinstance(shape, Polygon)], four)

    def _draw_masks(self, places: Sequence[int]) -> None:
        masks = {i: mask for i in places if isinstance(mask := self.objects[i].geometry, Mask)}
        new = [i for i in masks if "area" not in self.kept[i]]
        if new:
            _put(self.areas, new, _areas(mask_batch([masks[i] for i in new])))
        counts: dict[int, Any] = {
            i: mask.counts.tolist() for i, mask in masks.items() if self.kept[i].get(COUNTS) == "list"
        }
        short = [i for i in masks if i not in counts]
        if short:
            counts |= zip(short, _strings(mask_batch([masks[i] for i in short])), strict=True)
        for index, mask in masks.items():
            self.segmentations[index] = {"size": (mask.height, mask.width), "counts": counts[index]}


def _sides(objects: Sequence[ObjectAnnotation]) -> list[_Sides | None]:
    stated = [one.geometry if one.box is None else one.box for one in objects]
    rows, found = box_rows(stated)
    return [
        astuple(box) if type(box) is Box else row if there else None
        for box, row, there in zip(stated, rows.tolist(), found.tolist(), strict=True)
    ]


def _canvas(sides: _Sides | None, size: Size) -> Size:
    """Height and width to draw on: the image's, else just enough for the shape."""
    if None not in size:
        return size
    x, y, width, height = sides or (0.0, 0.0, 0.0, 0.0)
    return max(math.ceil(y + height), 0), max(math.ceil(x + width), 0)


def _rings(flat: Outlines) -> list[Any]:
    """The rings of each shape: as JSON where a kernel is at hand and can write all numbers, else as lists."""
    from annokit_fast import text

    owners = flat.part_offsets[flat.object_offsets]
    numbers, ends = flat.coords.ravel(), (2 * flat.ring_offsets).tolist()
    texts = _texts(flat, owners) if text.is_compiled() else repeat(b"", len(owners) - 1)
    return [
        Raw(written) if written else [numbers[a:b].tolist() for a, b in pairwise(ends[first : stop + 1])]
        for written, (first, stop) in zip(texts, pairwise(owners.tolist()), strict=True)
    ]


def _texts(flat: Outlines, owners: Indices) -> list[bytes]:
    from annokit_fast import text

    letters, bounds = text.json_rings(flat.coords, flat.ring_offsets, owners)
    whole = letters.tobytes()
    return [whole[a:b] for a, b in pairwise(bounds.tolist())]


def _areas(pixels: RleBatch) -> list[float]:
    from annokit_fast import rle

    areas: list[float] = rle.area(pixels).tolist()
    return areas


def _strings(pixels: RleBatch) -> list[str]:
    """Compressed counts as text."""
    from annokit_fast import rle

    buffer, offsets = rle.to_strings(pixels)
    text = buffer.tobytes().decode("ascii")
    return [text[a:b] for a, b in pairwise(offsets.tolist())]


def _put(column: list[Any], places: Sequence[int], values: Sequence[Any]) -> None:
    for index, value in zip(places, values, strict=True):
        column[index] = value
