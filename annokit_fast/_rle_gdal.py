"""What GDAL burns beside the pixels whose centre a ring holds: flat edges that lie on pixel middles.

GDAL turns every ring clockwise and then fills the pixels along horizontal edges that run to the left on the middle of
a pixel row, whatever the parity says. Such edges are rare, and found here in a pass of their own.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs

from __future__ import annotations

import numpy as np

from annokit_fast._jit import jit


@jit
def _near(coords, i, j):
    return abs(coords[i, 0] - coords[j, 0]) < 1e-5 and abs(coords[i, 1] - coords[j, 1]) < 1e-5


@jit
def _clockwise(coords, begin, end):
    """OGR's answer (y up): the turn at the lowest, then rightmost vertex; the signed area where that is not clear."""
    if end - begin > 1 and coords[begin, 0] == coords[end - 1, 0] and coords[begin, 1] == coords[end - 1, 1]:
        end -= 1
    pivot = begin
    unclear = False
    for j in range(begin + 1, end):
        if coords[j, 1] < coords[pivot, 1] or (
            coords[j, 1] == coords[pivot, 1] and coords[j, 0] > coords[pivot, 0]
        ):
            pivot = j
            unclear = False
        elif coords[j, 1] == coords[pivot, 1] and coords[j, 0] == coords[pivot, 0]:
            unclear = True
    before = pivot - 1 if pivot > begin else end - 1
    after = pivot + 1 if pivot + 1 < end else begin
    if not (unclear or _near(coords, before, pivot) or _near(coords, after, pivot)):
        turn = (coords[after, 0] - coords[pivot, 0]) * (coords[before, 1] - coords[pivot, 1]) - (
            coords[before, 0] - coords[pivot, 0]
        ) * (coords[after, 1] - coords[pivot, 1])
        if turn != 0.0:
            return turn < 0.0
    area = 0.0
    for j in range(begin, end):
        following = coords[j + 1, 1] if j + 1 < end else coords[begin, 1]
        preceding = coords[j - 1, 1] if j > begin else coords[begin, 1]
        area += coords[j, 0] * (following - preceding)
    area += coords[begin, 0] * (coords[begin, 1] - coords[end - 1, 1])
    return area < 0.0


@jit
def _is_flat(ay, by, height):
    """A horizontal edge that lies on pixel middles."""
    return ay == by and 0.0 < ay < height and ay == np.floor(ay) + 0.5


@jit
def _filled(ax, ay, bx, by, height, clockwise):
    return _is_flat(ay, by, height) and ((ax > bx) if clockwise else (ax < bx))


@jit
def _flat_spans(coords, begin, end, height, width):
    """First and last + 1 of the pixels along each filled edge, counted row by row; both sorted on their own."""
    found = 0
    ay = coords[end - 1, 1]
    for j in range(begin, end):
        found += _is_flat(ay, coords[j, 1], height)
        ay = coords[j, 1]
    starts = np.empty(found, np.int64)
    stops = np.empty(found, np.int64)
    if found == 0:
        return starts, stops
    clockwise = _clockwise(coords, begin, end)
    m = 0
    ax, ay = coords[end - 1, 0], coords[end - 1, 1]
    for j in range(begin, end):
        bx, by = coords[j, 0], coords[j, 1]
        if _filled(ax, ay, bx, by, height, clockwise):
            left = np.int64(min(max(np.floor(min(ax, bx) + 0.5), 0.0), np.float64(width)))
            right = np.int64(min(max(np.floor(max(ax, bx) + 0.5), 0.0), np.float64(width)))
            if left < right:
                starts[m] = np.int64(ay) * width + left
                stops[m] = np.int64(ay) * width + right
                m += 1
        ax, ay = bx, by
    starts[:m].sort()
    stops[:m].sort()
    return starts[:m], stops[:m]


@jit
def flat_rings(coords, ring_offsets, heights, widths):
    """Row-major counts and offsets of what GDAL adds to each ring; no counts where that is nothing."""
    n = ring_offsets.size - 1
    out = np.empty(64, np.uint32)
    offsets = np.zeros(n + 1, np.int64)
    o = 0
    for i in range(n):
        offsets[i + 1] = o
        begin = ring_offsets[i]
        end = ring_offsets[i + 1]
        if begin == end:
            continue
        height = np.int64(heights[i])
        width = np.int64(widths[i])
        starts, stops = _flat_spans(coords, begin, end, height, width)
        if starts.size == 0:
            continue
        if o + 2 * starts.size + 1 > out.size:
            larger = np.empty(2 * out.size + 2 * starts.size + 1, np.uint32)
            larger[:o] = out[:o]
            out = larger
        edge = np.int64(0)
        first = starts[0]
        for k in range(starts.size):
            # As many spans have ended here as have begun: nothing covers what lies before the next.
            if k + 1 == starts.size or starts[k + 1] > stops[k]:
                out[o] = first - edge
                out[o + 1] = stops[k] - first
                o += 2
                edge = stops[k]
                first = starts[min(k + 1, starts.size - 1)]
        out[o] = height * width - edge
        o += 1
        offsets[i + 1] = o
    return out[:o].copy(), offsets
