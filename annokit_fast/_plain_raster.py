"""The twin of `_rle_raster.coco_rings` in numpy: all edges of all rings at once, the same counts.

As in the kernel, an edge has one toggle in each column it crosses, where pycocotools' line through five times as many
columns steps from 5c + 2 to 5c + 3. Toggles of all rings are sorted as one list; equal ones cancel in pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from annokit_fast._plain import Array

__all__ = ["coco_rings"]

_MOST = 200_000
"""Toggles that are worth making here, at 0.3 us each: for more the kernel is loaded."""


def coco_rings(coords: Array, ring_offsets: Array, heights: Array, widths: Array) -> Any:
    """Counts and offsets of every ring by the coco rule, each in its own image."""
    tall, wide = heights.astype(np.int64), widths.astype(np.int64)
    owners = np.repeat(np.arange(len(tall)), np.diff(ring_offsets))
    xs, ys = (5.0 * coords + 0.5).astype(np.int64).T
    columns = np.minimum((np.maximum(xs, -2) + 2) // 5, wide[owners])
    before = _before(ring_offsets)
    ends = np.flatnonzero(columns != columns[before])
    starts = before[ends]
    crossed = np.abs(columns[ends] - columns[starts])
    if crossed.sum() > _MOST:
        return NotImplemented
    edges = np.repeat(np.arange(len(ends)), crossed)
    column = (
        np.arange(len(edges))
        + (np.minimum(columns[ends], columns[starts]) - np.cumsum(crossed) + crossed)[edges]
    )
    fifth = _fifths(xs[starts], ys[starts], xs[ends], ys[ends], edges, column)
    ring = owners[ends][edges]
    row = np.minimum((np.maximum(fifth, -2) + 2) // 5, tall[ring])
    bases = np.concatenate([[0], np.cumsum(tall * wide + 1)])
    return _counts(bases[ring] + column * tall[ring] + row, bases)


def _before(ring_offsets: Array) -> Array:
    """The vertex before each, in its ring."""
    before = np.arange(-1, ring_offsets[-1] - 1)
    filled = np.diff(ring_offsets) > 0
    before[ring_offsets[:-1][filled]] = ring_offsets[1:][filled] - 1
    return before


def _fifths(x0: Array, y0: Array, x1: Array, y1: Array, edges: Array, column: Array) -> Array:
    """In which fifth of a row each edge steps out of the middle of a column."""
    wide, high = np.abs(x1 - x0), np.abs(y1 - y0)
    is_steep = wide < high
    back = np.where(is_steep, y1 < y0, x1 < x0)
    x0, x1, y0, y1 = (
        np.where(back, x1, x0),
        np.where(back, x0, x1),
        np.where(back, y1, y0),
        np.where(back, y0, y1),
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(is_steep, (x1 - x0) / high, (y1 - y0) / wide)
        steps = np.where(is_steep, high / (x1 - x0), 0.0)
    x0, y0, slope, steps, is_steep = (values[edges] for values in (x0, y0, slope, steps, is_steep))
    fifths: Array = (y0 + slope * (5 * column + np.where(slope >= 0, 2, 3) - x0) + 0.5).astype(np.int64)
    if is_steep.any():
        kept = [values[is_steep] for values in (x0, slope, steps, column)]
        fifths[is_steep] = y0[is_steep] + _steps(*kept) - 1
    return fifths


def _steps(start: Array, slope: Array, steps: Array, column: Array) -> Array:
    """The first step down at which a steep edge is beyond the middle of a column, however its place is rounded."""
    limit = 5 * column + 3
    found: Array = ((limit - 0.5 - start) * steps).astype(np.int64) + 1

    def is_beyond(step: Array) -> Array:
        past: Array = ((start + slope * step + 0.5).astype(np.int64) >= limit) == (slope > 0)
        return past

    while (early := (found > 0) & is_beyond(found - 1)).any():
        found -= early
    while (late := ~is_beyond(found)).any():
        found += late
    return found


def _counts(toggles: Array, bases: Array) -> tuple[Array, Array]:
    """Runs between the toggles of each ring, which stand from its base on, and its last pixel."""
    places, times = np.unique(toggles, return_counts=True)
    ends = np.union1d(places[times & 1 == 1], bases[1:] - 1)
    offsets = np.searchsorted(ends, bases)
    counts = np.diff(ends, prepend=0)
    counts[offsets[:-1]] = ends[offsets[:-1]] - bases[:-1]
    return counts.astype(np.uint32), offsets
