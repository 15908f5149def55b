"""What is wrong with shapes: a batch of data rows at a time, in arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from annokit.geometry import bounding_boxes, mask_batch, outline_areas, to_rle
from annokit.geometry.boxes import bounding_box
from annokit.geometry.ragged import ends, flattened
from annokit.geometry.tracks import at_frame
from annokit.model import (
    Annotation,
    Box,
    DataRow,
    Keypoints,
    Line,
    Mask,
    ObjectAnnotation,
    Point,
    Polygon,
    RotatedBox,
    Track,
)
from annokit.report import kind_of
from annokit.validate._findings import Findings, Severity

__all__ = ["Item", "check_shapes", "items", "rings_of"]

_SLACK = 0.01
"""Pixels a shape may stand out of its image: what decimals cost."""
_BOX_SLACK = 1.5
"""Pixels a stated box may be off: it may be rounded outwards, or count the last pixel."""
_AREA_SLACK = 0.05
_FLAT = {"pixel": 1e-9, "geo": 1e-15}
"""Areas that are none; of a square degree a parking space is a billionth."""
_SPATIAL = (Box, RotatedBox, Polygon, Line, Point, Keypoints)


class Item(NamedTuple):
    """An object and the data row it stands in."""

    row: DataRow
    object: ObjectAnnotation


def items(rows: Sequence[DataRow]) -> list[Item]:
    """All objects of the rows, and those that tracks are in their key frames."""
    return [
        Item(row, shown)
        for row in rows
        for label in row.labels
        for one in label.annotations
        for shown in _shown(one)
    ]


def _shown(one: Annotation) -> Iterable[ObjectAnnotation]:
    if isinstance(one, ObjectAnnotation):
        yield one
    elif isinstance(one, Track):
        for frame in one.frames[one.is_keyframe].tolist():
            shape = at_frame(one, frame)
            if shape is not None:
                yield ObjectAnnotation(tool_name=one.tool_name, geometry=shape, id=one.id, frame=frame)


def check_shapes(found: Findings, objects: Sequence[Item]) -> None:
    """Everything about shapes: finite, of enough points, with an area, valid; inside of their image, or on the earth."""
    placed = [item for item in objects if item.object.space in _FLAT and _is_finite(found, item)]
    _check_boxes(found, placed)
    _check_lines_and_masks(found, placed)
    _check_earth(found, [item for item in placed if item.object.space == "geo"])
    for space in _FLAT:
        here = [item for item in placed if item.object.space == space]
        _check_polygons(found, [item for item in here if isinstance(item.object.geometry, Polygon)])
    finite = [item for item in placed if item.object.space == "pixel"]
    _check_places(found, [item for item in finite if isinstance(item.object.geometry, _SPATIAL)])
    _check_stated_boxes(found, [item for item in finite if item.object.box is not None])
    _check_areas(found, [item for item in finite if _stated_area(item.object) is not None])


def _add(found: Findings, item: Item, code: str, severity: Severity, message: str, detail: str = "") -> None:
    one = item.object
    name = one.id or f"{one.tool_name!r}"
    if one.frame is not None:
        detail = f"frame {one.frame}, {detail}".removesuffix(", ")
    found.add(code, kind_of(one), severity, message, row=item.row, annotation=name, detail=detail or None)


def _numbers(one: ObjectAnnotation) -> NDArray[Any]:
    shape = one.geometry
    if isinstance(shape, Box):
        return np.array([shape.x, shape.y, shape.width, shape.height])
    if isinstance(shape, Point):
        return np.array([shape.x, shape.y])
    if isinstance(shape, RotatedBox):
        return shape.corners
    return shape.coords if isinstance(shape, Polygon | Line | Keypoints) else np.empty(0)


def _is_finite(found: Findings, item: Item) -> bool:
    if np.isfinite(_numbers(item.object)).all():
        return True
    _add(found, item, "not-finite", "error", "a coordinate is not a finite number")
    return False


def _check_earth(found: Findings, objects: Sequence[Item]) -> None:
    """Degrees of longitude and latitude."""
    for item in objects:
        shape = item.object.geometry
        numbers = np.array(shape.xyxy) if isinstance(shape, Box) else _numbers(item.object)
        if (np.abs(numbers.reshape(-1, 2)) > (180, 90)).any():
            _add(
                found,
                item,
                "off-earth",
                "warning",
                "it is not within 180 degrees of longitude and 90 of latitude",
            )


def _check_boxes(found: Findings, objects: Sequence[Item]) -> None:
    for item in objects:
        boxes = (item.object.geometry, item.object.box)
        for box in (box for box in boxes if isinstance(box, Box)):
            if (box.width < 0 or box.height < 0) and item.object.space == "pixel":  # on maps, up is more
                _add(found, item, "negative-size", "error", "a box has a negative size")
            elif box.width == 0 or box.height == 0:
                _add(found, item, "zero-area", "error", "it covers nothing: its width or height is 0")


def _check_lines_and_masks(found: Findings, objects: Sequence[Item]) -> None:
    for item in objects:
        shape, asset = item.object.geometry, item.row.asset
        if isinstance(shape, Line) and len(shape.coords) < 2:
            _add(found, item, "too-few-points", "error", "a line has less than 2 points")
        elif isinstance(shape, Keypoints) and not (shape.visibility > 0).any():
            _add(found, item, "zero-area", "warning", "not one of its points is there")
        elif isinstance(shape, Mask):
            if not shape.counts[1::2].any():
                _add(found, item, "zero-area", "error", "a mask has no pixel")
            if asset.width and asset.height and (shape.height, shape.width) != (asset.height, asset.width):
                detail = f"{shape.height} x {shape.width} in {asset.height} x {asset.width}"
                _add(found, item, "mask-size", "error", "a mask has another size than its image", detail)


class Rings(NamedTuple):
    """The rings of many polygons in flat arrays, closing vertices left out."""

    coords: NDArray[np.float64]
    offsets: NDArray[np.int64]
    """Where each ring starts."""
    parts: NDArray[np.int64]
    """Where each part starts in the rings."""
    owners: NDArray[np.int64]
    """The polygon of each part."""


def rings_of(polygons: Sequence[Polygon]) -> Rings:
    """All rings, each without a last vertex that repeats its first."""
    coords, ring_offsets, parts, objects = flattened(polygons)
    starts, stops = ring_offsets[:-1], ring_offsets[1:]
    sizes = np.diff(ring_offsets)
    long = np.flatnonzero(sizes > 1)
    closed = long[(coords[starts[long]] == coords[stops[long] - 1]).all(axis=1)]
    keep = np.ones(len(coords), bool)
    keep[stops[closed] - 1] = False
    sizes[closed] -= 1
    return Rings(coords[keep], ends(sizes), parts, np.repeat(np.arange(len(polygons)), np.diff(objects)))


def _check_polygons(found: Findings, objects: Sequence[Item]) -> None:
    """Those of one space."""
    rings = rings_of([_polygon(item) for item in objects])
    sizes = np.diff(rings.offsets)
    ring_part = np.repeat(np.arange(len(rings.owners)), np.diff(rings.parts))
    ring_owner = rings.owners[ring_part]
    short = set(ring_owner[sizes < 3].tolist())
    short |= {i for i, item in enumerate(objects) if not len(_polygon(item).coords)}
    for index in sorted(short):
        _add(found, objects[index], "too-few-points", "error", "a ring has less than 3 different points")
    repeated = (rings.coords[1:] == rings.coords[:-1]).all(axis=1)
    ring_of = np.repeat(np.arange(len(sizes)), sizes)
    twice = repeated & (ring_of[1:] == ring_of[:-1])
    for index in np.unique(ring_owner[ring_of[1:][twice]]).tolist():
        _add(found, objects[index], "repeated-point", "warning", "a vertex is repeated at once")
    whole = [part for part in range(len(rings.owners)) if int(rings.owners[part]) not in short]
    _check_parts(found, objects, rings, whole)


def _polygon(item: Item) -> Polygon:
    return cast(Polygon, item.object.geometry)


def _check_parts(found: Findings, objects: Sequence[Item], rings: Rings, parts: Sequence[int]) -> None:
    """Area and validity of the parts whose rings have points enough."""
    import shapely

    if not parts:
        return
    chosen = np.concatenate([np.arange(rings.parts[p], rings.parts[p + 1]) for p in parts])
    sizes = np.diff(rings.offsets)[chosen]
    points = np.concatenate([np.arange(rings.offsets[r], rings.offsets[r + 1]) for r in chosen])
    lines = shapely.linearrings(rings.coords[points], indices=np.repeat(np.arange(len(chosen)), sizes))
    counts = [int(rings.parts[p + 1] - rings.parts[p]) for p in parts]
    shapes = shapely.polygons(lines, indices=np.repeat(np.arange(len(parts)), counts))
    owners = [int(rings.owners[part]) for part in parts]
    flat = shapely.area(shapely.convex_hull(shapes)) <= _FLAT[objects[0].object.space]
    for index in _unique(owners, flat):
        _add(found, objects[index], "zero-area", "error", "a polygon has no area: its points are on one line")
    invalid = np.flatnonzero(~shapely.is_valid(shapes) & ~flat)
    for code, index in sorted({(_fault(shapes[place]), owners[place]) for place in invalid.tolist()}):
        hint = " (--repair make-valid)" if objects[index].object.space == "pixel" else ""
        _add(found, objects[index], code, "warning", f"{_FAULTS[code]}{hint}")


def _unique(owners: Sequence[int], mask: NDArray[np.bool_]) -> list[int]:
    return sorted({owners[place] for place in np.flatnonzero(mask).tolist()})


_FAULTS = {
    "self-intersection": "a ring crosses or touches itself",
    "hole-outside": "a hole is not inside its exterior ring",
    "rings-cross": "a hole crosses its exterior ring or another hole",
}


def _fault(shape: Any) -> str:
    """What an invalid polygon suffers from."""
    import shapely

    rings = shapely.polygons(shapely.get_rings(shape))
    if not shapely.is_valid(rings).all():
        return "self-intersection"
    disjoint = ~shapely.intersects(rings[0], rings[1:])
    return "hole-outside" if disjoint.any() else "rings-cross"


def _check_places(found: Findings, objects: Sequence[Item]) -> None:
    """Where shapes stand in their images."""
    sized = [item for item in objects if item.row.asset.width and item.row.asset.height]
    for item, box in zip(sized, bounding_boxes([item.object.geometry for item in sized]), strict=True):
        width, height = item.row.asset.width or 0, item.row.asset.height or 0
        if box is None:
            continue
        left, top, right, bottom = box.xyxy
        if right < -_SLACK or bottom < -_SLACK or left > width + _SLACK or top > height + _SLACK:
            _add(found, item, "outside", "error", "it is wholly outside its image")
        elif min(left, top) < -_SLACK or right > width + _SLACK or bottom > height + _SLACK:
            _add(found, item, "partly-outside", "warning", "it reaches out of its image (--repair clip)")


def _check_stated_boxes(found: Findings, objects: Sequence[Item]) -> None:
    drawn = bounding_boxes([item.object.geometry for item in objects])
    for item, box in zip(objects, drawn, strict=True):
        stated = item.object.box
        if stated is None or box is None or isinstance(item.object.geometry, Keypoints | Point):
            continue
        off = max(abs(a - b) for a, b in zip(stated.xyxy, box.xyxy, strict=True))
        if off > _BOX_SLACK:
            detail = f"off by {off:.1f} px"
            _add(found, item, "box-disagrees", "warning", "the stated box is not that of the shape", detail)


def _stated_area(one: ObjectAnnotation) -> float | None:
    area = one.extra.get("coco", {}).get("area")
    return float(area) if isinstance(area, int | float) else None


def _check_areas(found: Findings, objects: Sequence[Item]) -> None:
    """COCO's `area` should be that of the pixels; the area of the outline, which many tools write, will do."""
    for item, areas in _areas(objects):
        stated = _stated_area(item.object) or 0.0
        if all(abs(stated - area) > max(4.0, _AREA_SLACK * max(stated, area)) for area in areas):
            detail = f"stated {stated:g}, pixels {areas[0]:g}"
            _add(
                found, item, "area-disagrees", "warning", "the stated area is not that of the pixels", detail
            )


def _areas(objects: Sequence[Item]) -> Iterator[tuple[Item, tuple[float, ...]]]:
    """Each object with the areas its shape may be said to have, that of the pixels first."""
    from annokit_fast import rle

    for item in objects:
        if isinstance(box := item.object.geometry, Box):
            yield item, (box.width * box.height,)
    masks = [item for item in objects if isinstance(item.object.geometry, Mask)]
    pixels = rle.area(mask_batch([cast(Mask, item.object.geometry) for item in masks]))
    yield from zip(masks, zip(pixels.tolist()), strict=True)
    drawn = [item for item in objects if isinstance(item.object.geometry, Polygon) and _can_draw(item)]
    polygons = [_polygon(item) for item in drawn]
    heights = np.array([item.row.asset.height for item in drawn], np.int64)
    widths = np.array([item.row.asset.width for item in drawn], np.int64)
    pixels = rle.area(to_rle(polygons, heights, widths))
    exact = outline_areas(polygons).tolist()
    for item, polygon, area, outline in zip(drawn, polygons, pixels.tolist(), exact, strict=True):
        box = item.object.box or bounding_box(polygon) or Box(x=0, y=0, width=0, height=0)
        yield item, (float(area), outline, box.width * box.height)


def _can_draw(item: Item) -> bool:
    asset, coords = item.row.asset, _polygon(item).coords
    return bool(
        asset.width
        and asset.height
        and asset.width * asset.height < 1 << 32
        and len(coords)
        and np.abs(coords).max() < 1 << 24
    )
