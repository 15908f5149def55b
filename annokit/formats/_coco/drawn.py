"""The shapes of objects as COCO writes them, a batch at a time: segmentations, areas and boxes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Container, Sequence
from functools import cached_property
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from msgspec import Raw
from msgspec.structs import astuple

from annokit.formats._coco.wire import COUNTS
from annokit.geometry import Outlines, box_corners, box_rows, drawn, mask_batch, outlined
from annokit.geometry.boxes import flat_boxes
from annokit.geometry.ragged import flattened
from annokit.model import Box, Keypoints, Mask, ObjectAnnotation, Polygon, RotatedBox
from annokit.model.base import Bools, Floats, Indices

if TYPE_CHECKING:
    from annokit_fast.rle import RleBatch

__all__ = ["Drawn", "Shapes", "Size", "as_runs", "kept_of"]

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


class Shapes:
    """Objects by the kind of their shape, with what several steps ask of all of a kind.

    Attributes
    ----------
    objects : sequence of ObjectAnnotation
    places : mapping of type to list of int
        Where each kind of shape stands.
    """

    def __init__(self, objects: Sequence[ObjectAnnotation]) -> None:
        self.objects = objects
        self.places: defaultdict[type, list[int]] = defaultdict(list)
        for index, one in enumerate(objects):
            self.places[type(one.geometry)].append(index)

    def all_of(self, kind: type) -> list[Any]:
        """The shapes of one kind."""
        return [self.objects[i].geometry for i in self.places[kind]]

    @cached_property
    def polygons(self) -> Outlines:
        """The polygons in flat arrays."""
        return flattened(self.all_of(Polygon))

    @cached_property
    def box_sides(self) -> list[_Sides]:
        """x, y, width and height of the shapes that are boxes."""
        return [*map(astuple, self.all_of(Box))]

    @cached_property
    def boxes(self) -> Floats:
        """`box_sides` as an array."""
        return np.array(self.box_sides, np.float64).reshape(-1, 4)

    def sides(self) -> list[_Sides | None]:
        """x, y, width and height of the box that is stated, else of the one around the shape, if there is one."""
        stated: list[_Sides | None] = [None if one.box is None else astuple(one.box) for one in self.objects]
        if None not in stated:
            return stated
        found: list[_Sides | None] = [None] * len(stated)
        _put(found, self.places[Box], self.box_sides)
        _put(found, self.places[Polygon], _present(*flat_boxes(self.polygons)))
        others = [i for kind, at in self.places.items() if kind not in (Box, Polygon) for i in at]
        _put(found, others, _present(*box_rows([self.objects[i].geometry for i in others])))
        return [one or other for one, other in zip(stated, found, strict=True)]


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

    def __init__(self, shapes: Shapes, sizes: Sequence[Size], results: bool) -> None:
        self.objects, self._shapes, self._sizes, self._results = shapes.objects, shapes, sizes, results
        self.kept: list[dict[str, Any]] = [one.extra.get("coco", _NOTHING) for one in shapes.objects]
        self.sides = shapes.sides()
        self.areas: list[float | None] = [None] * len(shapes.objects)
        self.segmentations: list[Any] = [None] * len(shapes.objects)
        places = shapes.places
        boxes = [i for i in places[Box] if not (results or self.kept[i])]
        drawn_boxes = set(boxes)
        self._measure_boxes(places[Keypoints] + [i for i in places[Box] if i not in drawn_boxes])
        self._draw_outlines(places[Polygon] + places[RotatedBox] + boxes)
        self._draw_masks(places[Mask])

    def _measure_boxes(self, places: Sequence[int]) -> None:
        """Areas of boxes: of what has no segmentation, and so no pixels to count."""
        for index in places:
            sides = self.sides[index]
            self.areas[index] = 0.0 if sides is None else sides[2] * sides[3]

    def _draw_outlines(self, places: Sequence[int]) -> None:
        """Segmentations, and areas of what brings none; polygons come first in `places`, and boxes last."""
        asked = places if self._results else self._with_holes()
        runs = {i for i in asked if as_runs(self.objects[i], self._results)}
        new = [i for i in places if i in runs or "area" not in self.kept[i]]
        flat = self._flattened(new)
        if new:
            self._rasterise(new, flat, runs)
        rest = [i for i in places if i not in runs]
        if rest:
            _put(self.segmentations, rest, _rings(flat if rest == new else self._flattened(rest)))

    def _with_holes(self) -> list[int]:
        """The polygons with more rings than parts."""
        flat = self._shapes.polygons
        rings = np.diff(flat.part_offsets[flat.object_offsets])
        found = np.flatnonzero(rings > np.diff(flat.object_offsets)).tolist()
        return [self._shapes.places[Polygon][k] for k in found]

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
        known = self._shapes
        if len(places) == len(known.places[Polygon]) + len(known.boxes) and not known.places[RotatedBox]:
            return outlined(known.polygons, box_corners(known.boxes))
        shapes = [self.objects[i].geometry for i in places]
        corners = [shape.corners for shape in shapes if isinstance(shape, RotatedBox)]
        boxes, _ = box_rows([shape for shape in shapes if isinstance(shape, Box)])
        four = np.concatenate([np.array(corners, np.float64).reshape(-1, 4, 2), box_corners(boxes)])
        return outlined(flattened([shape for shape in shapes if isinstance(shape, Polygon)]), four)

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


def _present(rows: Floats, found: Bools) -> list[_Sides | None]:
    """The rows there are."""
    sides: list[_Sides | None] = rows.tolist()
    for index in np.flatnonzero(~found).tolist():
        sides[index] = None
    return sides


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
    if not text.is_compiled():
        return _listed(flat, owners, range(len(owners) - 1))
    letters, bounds = text.json_rings(flat.coords, flat.ring_offsets, owners)
    whole = letters.tobytes()
    found: list[Any] = [Raw(whole[a:b]) for a, b in pairwise(bounds.tolist())]
    unwritten = np.flatnonzero(bounds[1:] == bounds[:-1]).tolist()
    _put(found, unwritten, _listed(flat, owners, unwritten))
    return found


def _listed(flat: Outlines, owners: Indices, places: Sequence[int]) -> list[Any]:
    """The rings of some shapes as lists."""
    numbers, ends, firsts = flat.coords.ravel(), (2 * flat.ring_offsets).tolist(), owners.tolist()
    return [[numbers[a:b].tolist() for a, b in pairwise(ends[firsts[k] : firsts[k + 1] + 1])] for k in places]


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
