"""What of an object a label file can hold: its box for detect, one ring for segment, both inside the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from annokit.formats._yolo.rings import Parts, clipped, covers_nothing, joined, parts_within, united
from annokit.geometry import box_rows, mask_batch, outline_of, ring_areas, ring_bounds
from annokit.geometry.ragged import ends
from annokit.model import Box, Geometry, Mask, ObjectAnnotation, Polygon, RotatedBox
from annokit.model.base import Bools, Floats, Indices

__all__ = ["EDGE", "Drawn", "boxes", "mask_parts", "outlines"]

EDGE = 1e-6
"""Pixels by which a shape may stick out without being called clipped: the noise of x + width."""
_NOTHING = np.empty((0, 2))


class Drawn(msgspec.Struct, frozen=True):
    """What came of some objects.

    Attributes
    ----------
    kept : int64 (k,)
        The objects that can be written.
    values, offsets : float64, int64
        Their shapes: boxes (k, 4), or vertices (v, 2) with the start of each ring.
    lost : dict of int to str
        The others, with the code of the reason.
    changed : list of (int, str)
        Objects that were changed, and the code of the change.
    """

    kept: Indices
    values: Floats
    offsets: Indices
    lost: dict[int, str]
    changed: list[tuple[int, str]]


@np.errstate(invalid="ignore", over="ignore")  # coordinates that are not finite come out with a reason
def boxes(objects: Sequence[ObjectAnnotation], sizes: Floats, decimals: int) -> Drawn:
    """The box of each object, in images of these widths and heights."""
    xywh, _ = box_rows([one.geometry if one.box is None else one.box for one in objects])
    near, far = xywh[:, :2], xywh[:, :2] + xywh[:, 2:]
    low, high = np.clip(near, 0.0, sizes), np.clip(far, 0.0, sizes)
    extents = np.where((low == near) & (high == far), xywh[:, 2:], high - low)
    why = _reasons(near, far, extents, sizes, decimals)
    kept, lost = _sorted_out(why)
    moved = (np.abs(low - near) > EDGE) | (np.abs(high - far) > EDGE)
    changed = [(i, "clipped") for i in kept[(moved[:, 0] | moved[:, 1])[kept]].tolist()]
    return Drawn(kept, np.hstack([low, extents])[kept], np.arange(len(kept) + 1), lost, changed)


def _reasons(near: Floats, far: Floats, extents: Floats, sizes: Floats, decimals: int) -> NDArray[np.object_]:
    """Why something between two corners cannot be written; empty where it can."""
    reasons = (  # the last one holds
        (extents <= sizes * (0.5 * 10.0**-decimals), "zero-area"),
        ((far <= 0) | (near >= sizes), "outside-image"),
        (far <= near, "zero-area"),
        (~(np.isfinite(near) & np.isfinite(far)), "not-finite"),
    )
    why = np.full(len(near), "", object)
    for of_side, code in reasons:
        why[of_side[:, 0] | of_side[:, 1]] = code
    return why


def _sorted_out(why: NDArray[np.object_]) -> tuple[Indices, dict[int, str]]:
    """The objects that can be written, and why which others cannot."""
    good = why == ""
    return np.flatnonzero(good), {i: why[i] for i in np.flatnonzero(~good).tolist()}


@np.errstate(invalid="ignore", over="ignore")
def outlines(objects: Sequence[ObjectAnnotation], sizes: Floats, decimals: int) -> Drawn:
    """One ring for each object, in images of these widths and heights."""
    rings, changed = _single_rings(objects, sizes)
    coords, offsets = _flat(rings)
    short = np.flatnonzero(np.diff(offsets) < 3)
    near, far = _extents(coords, offsets)
    low, high = near, far
    out = np.flatnonzero(_sticks_out(near, far, sizes, 0.0)).tolist()
    if out:
        for i, ring in zip(out, clipped([rings[i] for i in out], sizes[out]), strict=True):
            rings[i] = ring
        coords, offsets = _flat(rings)
        low, high = _extents(coords, offsets)
        changed += [
            (out[i], "clipped") for i in np.flatnonzero(_sticks_out(near[out], far[out], sizes[out], EDGE))
        ]
    why = _reasons(near, far, high - low, sizes, decimals)
    flat = np.flatnonzero(ring_areas(coords, offsets) <= EDGE)
    why[[i for i in flat.tolist() if not why[i] and covers_nothing(rings[i])]] = "zero-area"
    why[[i for i, code in changed if code == "clipped" and why[i] == "zero-area"]] = "outside-image"
    why[[i for i in short.tolist() if _too_short(objects[i].geometry)]] = "too-few-points"
    kept, lost = _sorted_out(why)
    if lost:
        coords, offsets = _flat([rings[i] for i in kept.tolist()])
    return Drawn(kept, coords, offsets, lost, [(i, code) for i, code in changed if i not in lost])


def _single_rings(
    objects: Sequence[ObjectAnnotation], sizes: Floats
) -> tuple[list[Floats], list[tuple[int, str]]]:
    """Each shape as one ring, and what had to be done for it; those of many rings are cut with the image."""
    shapes = [one.geometry for one in objects]
    rings = [
        shape.coords if type(shape) is Polygon and len(shape.ring_offsets) == 2 else _NOTHING
        for shape in shapes
    ]
    changed: list[tuple[int, str]] = []
    polygons: dict[int, Parts] = {}
    masks: dict[int, Mask] = {}
    others = {index: shapes[index] for index, ring in enumerate(rings) if ring is _NOTHING}
    crowded = _frames({i: shape for i, shape in others.items() if isinstance(shape, Polygon)}, sizes)
    for index, geometry in others.items():
        if isinstance(geometry, Polygon) and not crowded[index][0]:
            rings[index] = geometry.coords
        elif isinstance(geometry, Polygon):
            polygons[index], codes = _parts_inside(geometry, sizes[index], crowded[index][1])
            changed += [(index, code) for code in codes]
        elif isinstance(geometry, Mask):
            masks[index] = geometry
            changed.append((index, "mask-outlined"))
        elif isinstance(geometry, Box | RotatedBox):
            rings[index] = outline_of(geometry).coords
            changed.append((index, "corners"))
    many = dict(zip(polygons, united(list(polygons.values())), strict=True))
    many |= zip(masks, mask_parts(list(masks.values())), strict=True)
    for (index, parts), ring in zip(many.items(), joined(list(many.values())), strict=True):
        rings[index] = ring
        changed += [(index, "parts-joined")] * (len(parts) > 1)
        changed += [(index, "holes-joined")] * any(len(part) > 1 for part in parts)
    return rings, changed


def _frames(polygons: Mapping[int, Polygon], sizes: Floats) -> dict[int, tuple[bool, bool]]:
    """Whether each polygon is finite, and whether it leaves its image."""
    near, far = _extents(*_flat([polygon.coords for polygon in polygons.values()]))
    beyond = (near < 0) | (far > sizes[[*polygons]])
    frames = zip(np.isfinite(near[:, 0]).tolist(), (beyond[:, 0] | beyond[:, 1]).tolist(), strict=True)
    return dict(zip(polygons, frames, strict=True))


def _parts_inside(polygon: Polygon, size: Floats, leaves: bool) -> tuple[Parts, list[str]]:
    """The parts of a polygon that can be drawn, cut with the image; and the codes of what that took."""
    parts = [
        [ring for ring in part if len(ring) >= 3] for part in polygon.parts() if part and len(part[0]) >= 3
    ]
    codes = ["part-dropped"] if sum(map(len, parts)) < len(polygon.ring_offsets) - 1 else []
    return (parts_within(parts, *size.tolist()), [*codes, "clipped"]) if leaves else (parts, codes)


def mask_parts(masks: Sequence[Mask]) -> list[Parts]:
    """The pixel-edge outlines of masks: parts > rings."""
    if not masks:
        return []
    from annokit_fast import rle

    coords, ring_offsets, part_offsets, object_offsets = rle.to_polygons(mask_batch(masks))
    rings = [coords[start:end] for start, end in pairwise(ring_offsets.tolist())]
    parts = [rings[start:end] for start, end in pairwise(part_offsets.tolist())]
    return [parts[start:end] for start, end in pairwise(object_offsets.tolist())]


def _too_short(geometry: Geometry) -> bool:
    return isinstance(geometry, Polygon) and len(geometry.coords) < 3


def _sticks_out(near: Floats, far: Floats, sizes: Floats, by: float) -> Bools:
    """Which of some shapes with finite corners leave their image by more than so many pixels."""
    beyond: Bools = (near < -by) | (far > sizes + by)
    gone: Bools = np.logical_or(beyond[:, 0], beyond[:, 1])
    return gone & np.isfinite(far - near).all(axis=1)


def _flat(rings: Sequence[Floats]) -> tuple[Floats, Indices]:
    return np.concatenate([*rings, _NOTHING]), ends([len(ring) for ring in rings])


def _extents(coords: Floats, offsets: Indices) -> tuple[Floats, Floats]:
    """The lowest and the highest x and y of each ring; 0 for an empty one."""
    corners = ring_bounds(coords, offsets)
    corners[np.diff(offsets) == 0] = 0.0
    return corners[:, :2], corners[:, 2:]
