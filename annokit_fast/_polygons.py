"""Kernels on ragged polygons: sums over rings. Every ring closes itself; a repeated last vertex changes nothing."""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs
# ruff: noqa: FURB136 - a select compiles to one instruction, min() also looks for NaN

from __future__ import annotations

import numpy as np

from annokit_fast import _plain
from annokit_fast._jit import jit, jit_or, jit_when_busy


@jit
def _signed_area(coords, begin, end):
    """Shoelace sum around the first vertex, so that rings far from the origin lose nothing; in four lanes."""
    if end - begin < 3:
        return 0.0
    x0, y0 = coords[begin, 0], coords[begin, 1]
    a = b = c = d = 0.0
    j = begin + 1
    while j + 4 < end:
        a += (coords[j, 0] - x0) * (coords[j + 1, 1] - y0) - (coords[j + 1, 0] - x0) * (coords[j, 1] - y0)
        b += (coords[j + 1, 0] - x0) * (coords[j + 2, 1] - y0) - (coords[j + 2, 0] - x0) * (
            coords[j + 1, 1] - y0
        )
        c += (coords[j + 2, 0] - x0) * (coords[j + 3, 1] - y0) - (coords[j + 3, 0] - x0) * (
            coords[j + 2, 1] - y0
        )
        d += (coords[j + 3, 0] - x0) * (coords[j + 4, 1] - y0) - (coords[j + 4, 0] - x0) * (
            coords[j + 3, 1] - y0
        )
        j += 4
    while j + 1 < end:
        a += (coords[j, 0] - x0) * (coords[j + 1, 1] - y0) - (coords[j + 1, 0] - x0) * (coords[j, 1] - y0)
        j += 1
    return 0.5 * ((a + b) + (c + d))


@jit_or(_plain.areas, _plain.LIGHT)
def area(coords, rings, polygons, out):
    for i in range(polygons.size - 1):
        total = 0.0
        for r in range(polygons[i], polygons[i + 1]):
            part = abs(_signed_area(coords, rings[r], rings[r + 1]))
            total += part if r == polygons[i] else -part
        out[i] = total


@jit
def _box(coords, begin, end):
    """Smallest and largest x and y of at least one point; in two lanes, each comparison waiting for fewer others."""
    left = right = other_left = other_right = coords[begin, 0]
    top = bottom = other_top = other_bottom = coords[begin, 1]
    for j in range(begin, end - 1, 2):
        x, y = coords[j, 0], coords[j, 1]
        left = x if x < left else left
        right = x if x > right else right
        top = y if y < top else top
        bottom = y if y > bottom else bottom
        x, y = coords[j + 1, 0], coords[j + 1, 1]
        other_left = x if x < other_left else other_left
        other_right = x if x > other_right else other_right
        other_top = y if y < other_top else other_top
        other_bottom = y if y > other_bottom else other_bottom
    x, y = coords[end - 1, 0], coords[end - 1, 1]
    left = min(left, other_left, x)
    right = max(right, other_right, x)
    top = min(top, other_top, y)
    bottom = max(bottom, other_bottom, y)
    return left, top, right, bottom


@jit_or(_plain.bounds, _plain.LIGHT)
def bounds(coords, rings, polygons, out):
    for i in range(polygons.size - 1):
        begin, end = rings[polygons[i]], rings[polygons[i + 1]]
        if begin == end:
            out[i, :] = np.nan
            continue
        left, top, right, bottom = _box(coords, begin, end)
        out[i, 0] = left
        out[i, 1] = top
        out[i, 2] = right
        out[i, 3] = bottom


@jit
def _length(coords, begin, end, part):
    """Sum of the edges of a ring of at least one point: roots for a part at once, so that they vectorise."""
    x, y = coords[end - 1, 0] - coords[begin, 0], coords[end - 1, 1] - coords[begin, 1]
    a = np.sqrt(x * x + y * y)
    b = c = d = 0.0
    flat = coords[begin:end].reshape(-1)
    edges = end - begin - 1
    for first in range(0, edges, part.size):
        m = min(part.size, edges - first)
        points = flat[2 * first : 2 * (first + m) + 2]
        for k in range(m):
            x = points[2 * k + 2] - points[2 * k]
            y = points[2 * k + 3] - points[2 * k + 1]
            part[k] = np.sqrt(x * x + y * y)
        k = 0
        while k + 4 <= m:
            a += part[k]
            b += part[k + 1]
            c += part[k + 2]
            d += part[k + 3]
            k += 4
        while k < m:
            a += part[k]
            k += 1
    return (a + b) + (c + d)


@jit_when_busy
def perimeter(coords, rings, polygons, out):
    part = np.empty(256)
    for i in range(polygons.size - 1):
        total = 0.0
        for r in range(polygons[i], polygons[i + 1]):
            if rings[r] < rings[r + 1]:
                total += _length(coords, rings[r], rings[r + 1], part)
        out[i] = total


@jit_when_busy
def is_clockwise(coords, rings, out):
    for r in range(rings.size - 1):
        out[r] = _signed_area(coords, rings[r], rings[r + 1]) > 0.0


@jit
def contains(coords, rings, polygons, boxes, where, out):
    """Whether each polygon holds each point: inside its first ring, and in no other."""
    for i in range(polygons.size - 1):
        for k in range(where.shape[0]):
            x, y = where[k, 0], where[k, 1]
            out[i, k] = False
            if not (boxes[i, 0] <= x <= boxes[i, 2] and boxes[i, 1] <= y <= boxes[i, 3]):
                continue
            for r in range(polygons[i], polygons[i + 1]):
                inside = False
                begin, end = rings[r], rings[r + 1]
                if begin < end:
                    ax, ay = coords[end - 1, 0], coords[end - 1, 1]
                    for j in range(begin, end):
                        bx, by = coords[j, 0], coords[j, 1]
                        if (ay > y) != (by > y):
                            # The edge passes to the right of the point when the turn and its direction agree.
                            turn = (bx - ax) * (y - ay) - (x - ax) * (by - ay)
                            inside ^= (turn > 0.0) == (by > ay)
                        ax, ay = bx, by
                if r == polygons[i]:
                    out[i, k] = inside
                    if not inside:
                        break
                elif inside:
                    out[i, k] = False
                    break


@jit
def _keep_side(points, n, axis, limit, sign, to):
    """Vertices of a ring cut at a vertical or horizontal line; returns their number."""
    m = 0
    other = 1 - axis
    for j in range(n):
        after = j + 1 if j + 1 < n else 0
        side = sign * (points[j, axis] - limit)
        side_after = sign * (points[after, axis] - limit)
        if side >= 0.0:
            to[m, 0] = points[j, 0]
            to[m, 1] = points[j, 1]
            m += 1
        if (side > 0.0 > side_after) or (side < 0.0 < side_after):
            t = side / (side - side_after)
            to[m, axis] = limit
            to[m, other] = points[j, other] + t * (points[after, other] - points[j, other])
            m += 1
    return m


@jit_when_busy
def clip(coords, rings, polygons, boxes):
    """Rings cut at the four sides of each polygon's box; those that vanish are left out."""
    most = 0
    for r in range(rings.size - 1):
        most = max(most, rings[r + 1] - rings[r])
    points = np.empty((16 * most + 16, 2))
    other = np.empty((16 * most + 16, 2))
    out = np.empty((2 * coords.shape[0] + 64, 2))
    ring_ends = np.zeros(rings.size, np.int64)
    polygon_ends = np.zeros(polygons.size, np.int64)
    o = 0
    kept = 0
    for i in range(polygons.size - 1):
        for r in range(polygons[i], polygons[i + 1]):
            n = rings[r + 1] - rings[r]
            points[:n] = coords[rings[r] : rings[r + 1]]
            for side in range(4):
                n = _keep_side(points, n, side & 1, boxes[i, side], 1.0 if side < 2 else -1.0, other)
                points, other = other, points
            if n < 3:
                if r == polygons[i]:
                    break
                continue
            if o + n > out.shape[0]:
                larger = np.empty((2 * (o + n), 2))
                larger[:o] = out[:o]
                out = larger
            out[o : o + n] = points[:n]
            o += n
            kept += 1
            ring_ends[kept] = o
        polygon_ends[i + 1] = kept
    return out[:o].copy(), ring_ends[: kept + 1].copy(), polygon_ends
