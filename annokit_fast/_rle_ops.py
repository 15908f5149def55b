"""Kernels that combine run-length masks by run ends, never by pixels."""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs

from __future__ import annotations

import numpy as np

from annokit_fast._jit import jit

UNION, INTERSECTION, DIFFERENCE, XOR = 0b1110, 0b1000, 0b0100, 0b0110
"""Truth tables of two masks: bit ``2 * first + second``."""


@jit
def _combine(a, a0, b, b0, pixels, table, out, o):
    """Counts of the masks at `a[a0:]` and `b[b0:]` combined by a truth table, written from `out[o]` on."""
    begin = o
    end_a = np.int64(a[a0])
    end_b = np.int64(b[b0])
    state = 0
    value = 0
    edge = 0
    while True:
        position = min(end_a, end_b)
        if position >= pixels:
            break
        if end_a == position:
            state ^= 2
            a0 += 1
            end_a += np.int64(a[a0])
        if end_b == position:
            state ^= 1
            b0 += 1
            end_b += np.int64(b[b0])
        if (table >> state) & 1 != value:
            value ^= 1
            if position == edge and o > begin:
                o -= 1
                edge -= np.int64(out[o])
            else:
                out[o] = position - edge
                o += 1
                edge = position
    if pixels > edge or o == begin:
        out[o] = pixels - edge
        o += 1
    return o


@jit
def _room(buffer, used, more):
    """`buffer`, or a larger copy of it, with place for `more` items after the first `used`."""
    if used + more <= buffer.size:
        return buffer
    larger = np.empty(2 * buffer.size + more, buffer.dtype)
    larger[:used] = buffer[:used]
    return larger


@jit
def uneven_group(groups, heights, widths):
    """The first group without masks, or with masks of different sizes, or -1."""
    for g in range(groups.size - 1):
        first = groups[g]
        if first == groups[g + 1]:
            return g
        for i in range(first + 1, groups[g + 1]):
            if heights[i] != heights[first] or widths[i] != widths[first]:
                return g
    return -1


@jit
def merge_groups(counts, offsets, groups, heights, widths, table):
    """One mask per group of neighbours, combined from left to right; sizes are per group."""
    n = groups.size - 1
    out = np.empty(counts.size + n + 64, np.uint32)
    out_offsets = np.zeros(n + 1, np.int64)
    left = np.empty(64, np.uint32)
    right = np.empty(64, np.uint32)
    o = 0
    for g in range(n):
        first, stop = groups[g], groups[g + 1]
        pixels = np.int64(heights[g]) * np.int64(widths[g])
        total = offsets[stop] - offsets[first]
        out = _room(out, o, total + 2)
        if stop == first:
            out[o] = pixels
            o += 1
        elif stop - first == 1:
            out[o : o + total] = counts[offsets[first] : offsets[stop]]
            o += total
        elif stop - first == 2:
            o = _combine(counts, offsets[first], counts, offsets[first + 1], pixels, table, out, o)
        else:
            left = _room(left, 0, total + 2)
            right = _room(right, 0, total + 2)
            _combine(counts, offsets[first], counts, offsets[first + 1], pixels, table, left, 0)
            for i in range(first + 2, stop - 1):
                _combine(left, 0, counts, offsets[i], pixels, table, right, 0)
                left, right = right, left
            o = _combine(left, 0, counts, offsets[stop - 1], pixels, table, out, o)
        out_offsets[g + 1] = o
    return out[:o].copy(), out_offsets


@jit
def _polygon(counts, offsets, added, added_offsets, first, stop, pixels, left, right):
    """The first ring minus the others, with what the rings add; returns (mask, number of counts, scratch)."""
    n = offsets[first + 1] - offsets[first]
    left[:n] = counts[offsets[first] : offsets[first + 1]]
    for r in range(first + 1, stop):
        n = _combine(left, 0, counts, offsets[r], pixels, DIFFERENCE, right, 0)
        left, right = right, left
    for r in range(first, stop):
        if added_offsets[r] < added_offsets[r + 1]:
            n = _combine(left, 0, added, added_offsets[r], pixels, UNION, right, 0)
            left, right = right, left
    return left, n, right


@jit
def assemble(counts, offsets, added, added_offsets, polygons, objects, heights, widths):
    """Objects from ring masks: per polygon the first ring minus the others, per object the union of its polygons."""
    n = objects.size - 1
    out = np.empty(counts.size + added.size + 2 * n + 64, np.uint32)
    out_offsets = np.zeros(n + 1, np.int64)
    left = np.empty(64, np.uint32)
    right = np.empty(64, np.uint32)
    union = np.empty(64, np.uint32)
    spare = np.empty(64, np.uint32)
    o = 0
    for i in range(n):
        pixels = np.int64(heights[i]) * np.int64(widths[i])
        first, stop = polygons[objects[i]], polygons[objects[i + 1]]
        total = offsets[stop] - offsets[first] + added_offsets[stop] - added_offsets[first] + 2
        left = _room(left, 0, total)
        right = _room(right, 0, total)
        union = _room(union, 0, total)
        spare = _room(spare, 0, total)
        out = _room(out, o, total)
        union[0] = pixels
        k = 1
        started = False
        for p in range(objects[i], objects[i + 1]):
            if polygons[p] == polygons[p + 1]:
                continue
            left, m, right = _polygon(
                counts, offsets, added, added_offsets, polygons[p], polygons[p + 1], pixels, left, right
            )
            if started:
                k = _combine(union, 0, left, 0, pixels, UNION, spare, 0)
                union, spare = spare, union
            else:
                union, left = left, union
                k = m
            started = True
        out[o : o + k] = union[:k]
        o += k
        out_offsets[i + 1] = o
    return out[:o].copy(), out_offsets
