"""Kernels on ragged polygons: sums over rings. Every ring closes itself; a repeated last vertex changes nothing."""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs
# ruff: noqa: FURB136 - a select compiles to one instruction, min() also looks for NaN

from __future__ import annotations

import numpy as np

from annokit_fast._jit import jit


@jit
def _signed_area(coords, begin, end):
    """Shoelace sum around the first vertex, so that rings far from the origin lose nothing."""
    if end - begin < 3:
        return 0.0
    x0, y0 = coords[begin, 0], coords[begin, 1]
    total = 0.0
    ax, ay = coords[begin + 1, 0] - x0, coords[begin + 1, 1] - y0
    for j in range(begin + 2, end):
        bx, by = coords[j, 0] - x0, coords[j, 1] - y0
        total += ax * by - bx * ay
        ax, ay = bx, by
    return 0.5 * total


@jit
def area(coords, rings, polygons, out):
    for i in range(polygons.size - 1):
        total = 0.0
        for r in range(polygons[i], polygons[i + 1]):
            part = abs(_signed_area(coords, rings[r], rings[r + 1]))
            total += part if r == polygons[i] else -part
        out[i] = total


@jit
def bounds(coords, rings, polygons, out):
    for i in range(polygons.size - 1):
        begin, end = rings[polygons[i]], rings[polygons[i + 1]]
        if begin == end:
            out[i, :] = np.nan
            continue
        left = right = coords[begin, 0]
        top = bottom = coords[begin, 1]
        for j in range(begin + 1, end):
            x, y = coords[j, 0], coords[j, 1]
            left = x if x < left else left
            right = x if x > right else right
            top = y if y < top else top
            bottom = y if y > bottom else bottom
        out[i, 0] = left
        out[i, 1] = top
        out[i, 2] = right
        out[i, 3] = bottom


@jit
def perimeter(coords, rings, polygons, out):
    for i in range(polygons.size - 1):
        total = 0.0
        for r in range(polygons[i], polygons[i + 1]):
            begin, end = rings[r], rings[r + 1]
            if begin == end:
                continue
            ax, ay = coords[end - 1, 0], coords[end - 1, 1]
            for j in range(begin, end):
                bx, by = coords[j, 0], coords[j, 1]
                total += np.sqrt((bx - ax) * (bx - ax) + (by - ay) * (by - ay))
                ax, ay = bx, by
        out[i] = total


@jit
def is_clockwise(coords, rings, out):
    for r in range(rings.size - 1):
        out[r] = _signed_area(coords, rings[r], rings[r + 1]) > 0.0
