"""The twins of light kernels: numpy, the same bits, for when there is too little to compile for.

A twin gives `NotImplemented` where it does not know what the kernel would give. It is asked what the public functions
have checked: finite coordinates, and offsets from 0 to the end. Floats are summed by `np.bincount`, which
adds in order as the kernels do; `np.add.reduceat` does not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "HEAVY",
    "LIGHT",
    "Array",
    "areas",
    "bounds",
    "check_sums",
    "has_good_polygons",
    "rle_areas",
    "strings",
]

Array = npt.NDArray[Any]

LIGHT, HEAVY = 1 / 4000, 1 / 400
"""The work of a twin on one number, on the scale on which `text` has that of its own: kernels save 5 ns, or 50 ns."""


def has_good_polygons(coords: Array, rings: Array, polygons: Array, limit: float) -> Any:
    """Whether nothing is wrong; when something is, the kernel finds out."""
    good = _rise(rings, len(coords)) and _rise(polygons, len(rings) - 1)
    near = not coords.size or (coords.max() <= limit and coords.min() >= -limit)
    return True if good and near else NotImplemented


def _rise(offsets: Array, size: int) -> bool:
    if not offsets.size or offsets[0] != 0 or offsets[-1] != size:
        return False
    return bool((offsets[1:] >= offsets[:-1]).all())


def areas(coords: Array, rings: Array, polygons: Array, out: Array) -> None:
    """Areas of polygons: the first ring's minus the others'."""
    parts = np.abs(_signed_areas(coords, rings[polygons[0] : polygons[-1] + 1]))
    owners = np.repeat(np.arange(len(out)), np.diff(polygons))
    parts[1:][owners[1:] == owners[:-1]] *= -1.0
    out[:] = np.bincount(owners, parts, len(out))


def _signed_areas(coords: Array, rings: Array) -> Array:
    """Shoelace sums around the first vertex, over the same four lanes as in the kernel."""
    sizes = np.diff(rings)
    filled = sizes > 0
    starts, counts = rings[:-1][filled] - rings[0], sizes[filled]
    x, y = coords[rings[0] : rings[-1]].T.copy()
    x -= np.repeat(x[starts], counts)
    y -= np.repeat(y[starts], counts)
    terms = x[:-1] * y[1:]
    terms -= x[1:] * y[:-1]
    sums = np.bincount(_lanes(starts, counts)[:-1], terms, 4 * len(starts) + 1)
    a, b, c, d = sums[:-1].reshape(-1, 4).T
    result = np.zeros(len(sizes))
    result[filled] = 0.5 * ((a + b) + (c + d))
    return result


def _lanes(starts: Array, counts: Array) -> Array:
    """For each vertex the lane its edge is added to: four a ring in turns, the first for what no four are left of.

    The first vertex, from which all is measured, and the last have no edge; what stands there goes to a lane of its own.
    """
    firsts = np.arange(0, 4 * len(starts), 4)
    lanes: Array = np.arange(counts.sum())
    lanes -= np.repeat(starts + 1, counts)
    lanes &= 3
    lanes += np.repeat(firsts, counts)
    edges = np.maximum(counts - 2, 0)
    for k in range(3):
        left = np.flatnonzero(edges & 3 > k)
        lanes[starts[left] + 1 + (edges[left] & -4) + k] = firsts[left]
    lanes[starts] = lanes[starts + counts - 1] = 4 * len(starts)
    return lanes


def bounds(coords: Array, rings: Array, polygons: Array, out: Array) -> Any:
    """Boxes x1, y1, x2, y2 around all rings of polygons."""
    edges = rings[polygons]
    filled = edges[:-1] < edges[1:]
    starts, points = edges[:-1][filled], coords[: edges[-1]]
    x, y = points.T.copy()
    sides = (
        [least.reduceat(v, starts) for least in (np.minimum, np.maximum) for v in (x, y)]
        if len(starts)
        else 0.0
    )
    out[~filled] = np.nan
    out[filled] = np.transpose(sides)
    if (out == 0).any() and (np.signbit(points) & (points == 0)).any():
        return NotImplemented  # which of two zeros is less, is a matter of their order
    return None


def check_sums(counts: Array, offsets: Array, heights: Array, widths: Array) -> int:
    """Index of the first mask whose counts do not add up to its pixels, or -1."""
    bad = _sums(counts, offsets) != heights.astype(np.int64) * widths
    bad |= offsets[:-1] == offsets[1:]
    return int(np.argmax(bad)) if bad.any() else -1


def rle_areas(counts: Array, offsets: Array, out: Array) -> None:
    """Foreground pixels of every mask."""
    out[:] = _sums(np.where(_places(counts, offsets) & 1, counts, 0), offsets)


def _sums(counts: Array, offsets: Array) -> Array:
    totals = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=totals[1:])
    sums: Array = np.diff(totals[offsets])
    return sums


def _places(counts: Array, offsets: Array) -> Array:
    """The place of each count in its mask."""
    places = np.arange(len(counts))
    places[offsets[0] : offsets[-1]] -= np.repeat(offsets[:-1], np.diff(offsets))
    return places


def strings(counts: Array, offsets: Array) -> tuple[Array, Array]:
    """COCO's text of counts: from the fourth on the difference to two before, five bits a character."""
    left = counts.astype(np.int64)
    left[2:] -= counts[:-2]
    early = offsets[:-1, None] + np.arange(3)
    early = early[early < offsets[1:, None]]
    left[early] = counts[early]
    where, lengths = np.arange(len(counts)), np.ones(len(counts), np.int64)
    found = []
    while len(where):
        five = left & 31
        left >>= 5
        more = np.flatnonzero(left != -(five >> 4))
        five[more] += 32
        found.append((where, five + 48))
        where, left = where[more], left[more]
        lengths[where] += 1
    totals = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(lengths, out=totals[1:])
    text = np.empty(totals[-1], np.uint8)
    for k, (places, characters) in enumerate(found):
        text[totals[places] + k] = characters
    return text, totals[offsets]
