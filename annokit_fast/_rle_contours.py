"""Kernel from runs to rings along pixel edges.

Column by column, the ends of the column's intervals are horizontal edges. Such an edge goes on from column to column
while both have the same end in the same row; where it starts or stops there is a corner. Along the line between two
columns the corners, from top to bottom, are joined in pairs by vertical edges. Every corner thus has one horizontal
and one vertical neighbour, and the rings are read off by following them in turn, with the foreground on the right.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs

from __future__ import annotations

import numpy as np

from annokit_fast._jit import jit


@jit
def _larger(array, size):
    """A copy of `array` with place for `size` rows."""
    shape = (size, array.shape[1])
    larger = np.empty(shape, array.dtype)
    larger[: array.shape[0]] = array
    return larger


@jit
def _root(parents, i):
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


@jit
def _unite(parents, i, j):
    i = _root(parents, i)
    j = _root(parents, j)
    parents[max(i, j)] = min(i, j)


@jit
def _next_column(counts, state, stop, height, ends):
    """Interval ends of the next column into `ends`; `state` is (run index, start, end of that run, column)."""
    base = state[3] * height
    n = 0
    while state[1] < base + height:
        top = max(state[1] - base, 0)
        bottom = min(state[2] - base, height)
        if top < bottom:
            if n > 0 and ends[n - 1] == top:
                n -= 1
            else:
                ends[n] = top
                n += 1
            ends[n] = bottom
            n += 1
        if state[2] > base + height:
            break
        state[0] += 2
        if state[0] + 1 >= stop:
            state[1] = state[2] = np.int64(1) << 40
        else:
            state[1] = state[2] + np.int64(counts[state[0]])
            state[2] = state[1] + np.int64(counts[state[0] + 1])
    state[3] += 1
    return n


@jit
def _corner(corners, n, x, y, interval, end):
    """Columns: x, y, interval, corner at the other end of the horizontal edge, of the vertical one, end of interval."""
    corners[n, 0] = x
    corners[n, 1] = y
    corners[n, 2] = interval
    corners[n, 5] = end & 1


@jit
def _join_columns(
    x, left, m, left_from, left_first, right, n, right_from, right_first, corners, k, parents, eight
):
    """Corners on the line between two columns, and their links.

    `left` and `right` are the interval ends, `left_from` and `right_from` the corners their horizontal edges start
    at, `left_first` and `right_first` the numbers of their first intervals. Returns the number of corners.
    """
    a = b = 0
    begin = k
    while a < m or b < n:
        if b == n or (a < m and left[a] < right[b]):
            _corner(corners, k, x, left[a], left_first + a // 2, a)
            corners[k, 3] = left_from[a]
            corners[left_from[a], 3] = k
            k += 1
            a += 1
        elif a == m or right[b] < left[a]:
            _corner(corners, k, x, right[b], right_first + b // 2, b)
            right_from[b] = k
            k += 1
            b += 1
        else:
            if (a ^ b) & 1 == 0:
                right_from[b] = left_from[a]
            else:
                # Pixels touch at a corner only. The upper of the two corners goes with the edge above.
                end_first = (a & 1 == 1) != eight
                stopping = k if end_first else k + 1
                starting = k + 1 if end_first else k
                _corner(corners, stopping, x, left[a], left_first + a // 2, a)
                _corner(corners, starting, x, right[b], right_first + b // 2, b)
                corners[stopping, 3] = left_from[a]
                corners[left_from[a], 3] = stopping
                right_from[b] = starting
                k += 2
                if eight:
                    _unite(parents, left_first + a // 2, right_first + b // 2)
            a += 1
            b += 1
    for i in range(begin, k, 2):
        corners[i, 4] = i + 1
        corners[i + 1, 4] = i
    a = b = 0
    while a < m and b < n:
        if max(left[a], right[b]) < min(left[a + 1], right[b + 1]):
            _unite(parents, left_first + a // 2, right_first + b // 2)
        if left[a + 1] < right[b + 1]:
            a += 2
        else:
            b += 2
    return k


@jit
def _corners(counts, begin, stop, height, width, eight, corners, parents):
    """All corners of one mask; returns (corners, their number, the intervals' parents, their number)."""
    state = np.zeros(4, np.int64)
    state[0] = begin
    if begin + 1 < stop:
        state[1] = np.int64(counts[begin])
        state[2] = state[1] + np.int64(counts[begin + 1])
        state[3] = state[1] // height
    else:
        state[3] = width
    left = np.empty(height + 2, np.int64)
    right = np.empty(height + 2, np.int64)
    left_from = np.empty(height + 2, np.int64)
    right_from = np.empty(height + 2, np.int64)
    m = 0
    k = 0
    intervals = 0
    left_first = 0
    while state[3] < width and (m > 0 or state[1] < height * width):
        x = state[3]
        n = _next_column(counts, state, stop, height, right)
        if k + m + n + 2 > corners.shape[0]:
            corners = _larger(corners, 2 * (k + m + n + 2))
        if intervals + n // 2 > parents.shape[0]:
            parents = _larger(parents.reshape(-1, 1), 2 * intervals + n).reshape(-1)
        for i in range(intervals, intervals + n // 2):
            parents[i] = i
        k = _join_columns(
            x, left, m, left_from, left_first, right, n, right_from, intervals, corners, k, parents, eight
        )
        left, right = right, left
        left_from, right_from = right_from, left_from
        m = n
        left_first = intervals
        intervals += n // 2
    if k + m > corners.shape[0]:
        corners = _larger(corners, k + m)
    k = _join_columns(
        state[3], left, m, left_from, left_first, right, 0, right_from, intervals, corners, k, parents, eight
    )
    return corners, k, parents, intervals


@jit
def _follow(corners, first, out, o):
    """One ring from its first corner, the topmost of its leftmost, written from `out[o]` on; marks its corners."""
    i = corners[first, 3] if corners[first, 5] else first
    while corners[i, 3] >= 0:
        j = corners[i, 3]
        corners[i, 3] = -1
        corners[j, 3] = -1
        out[o, 0] = corners[i, 0]
        out[o, 1] = corners[i, 1]
        out[o + 1, 0] = corners[j, 0]
        out[o + 1, 1] = corners[j, 1]
        o += 2
        i = corners[j, 4]
    return o


@jit
def _ordered(found, n, parents, intervals, scratch, coords, o, ends, r, part_ends, p):
    """Copy a mask's rings so that each outline is followed by its holes; returns the three new ends."""
    heads = np.full(intervals, -1, np.int64)
    following = np.empty(n, np.int64)
    for k in range(n - 1, -1, -1):
        if found[k, 2]:
            root = _root(parents, found[k, 1])
            following[k] = heads[root]
            heads[root] = k
    for outline in range(n):
        if found[outline, 2]:
            continue
        k = outline
        holes = heads[_root(parents, found[outline, 1])]
        while k >= 0:
            begin = found[k - 1, 0] if k > 0 else 0
            m = found[k, 0] - begin
            coords[o : o + m] = scratch[begin : begin + m]
            o += m
            r += 1
            ends[r] = o
            k = holes
            holes = following[k] if k >= 0 else -1
        p += 1
        part_ends[p] = r
    return o, r, p


@jit
def _grown(ends, size):
    """A copy of `ends` with place for `size` numbers, or itself."""
    if size <= ends.size:
        return ends
    larger = np.empty(2 * size, ends.dtype)
    larger[: ends.size] = ends
    return larger


@jit
def outlines(counts, offsets, heights, widths, eight):
    """Coordinates, ring offsets, part offsets and object offsets of all masks."""
    n = offsets.size - 1
    corners = np.empty((64, 6), np.int64)
    parents = np.empty(64, np.int64)
    scratch = np.empty((64, 2), np.float64)
    found = np.empty((64, 3), np.int64)
    coords = np.empty((256, 2), np.float64)
    ring_ends = np.zeros(64, np.int64)
    part_ends = np.zeros(64, np.int64)
    object_ends = np.zeros(n + 1, np.int64)
    o = r = p = 0
    for i in range(n):
        height = np.int64(heights[i])
        width = np.int64(widths[i])
        m = 0
        if height * width > 0 and offsets[i + 1] - offsets[i] > 1:
            corners, k, parents, intervals = _corners(
                counts, offsets[i], offsets[i + 1], height, width, eight, corners, parents
            )
            if k > scratch.shape[0]:
                scratch = np.empty((2 * k, 2), np.float64)
            q = 0
            for first in range(k):
                if corners[first, 3] >= 0:
                    if m == found.shape[0]:
                        found = _larger(found, 2 * m)
                    found[m, 1] = corners[first, 2]
                    found[m, 2] = corners[first, 5]
                    q = _follow(corners, first, scratch, q)
                    found[m, 0] = q
                    m += 1
            if o + k > coords.shape[0]:
                coords = _larger(coords, 2 * (o + k))
            ring_ends = _grown(ring_ends, r + m + 1)
            part_ends = _grown(part_ends, p + m + 1)
            o, r, p = _ordered(found, m, parents, intervals, scratch, coords, o, ring_ends, r, part_ends, p)
        object_ends[i + 1] = p
    return coords[:o].copy(), ring_ends[: r + 1].copy(), part_ends[: p + 1].copy(), object_ends
