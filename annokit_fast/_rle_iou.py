"""Kernel of the overlap of run-length masks: foreground intervals, areas and boxes once, then pairs that can meet."""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs

from __future__ import annotations

import numpy as np

from annokit_fast._jit import jit


@jit
def _intervals(counts, offsets, heights):
    """Starts and ends of the foreground runs, their offsets, and area, x1, y1, x2, y2 (exclusive) of every mask."""
    n = offsets.size - 1
    where = np.zeros(n + 1, np.int64)
    starts = np.empty(counts.size // 2 + 1, np.uint32)
    ends = np.empty(counts.size // 2 + 1, np.uint32)
    boxes = np.zeros((n, 5), np.int64)
    o = 0
    for i in range(n):
        height = np.int64(heights[i])
        position = area = base = column = np.int64(0)
        left = top = np.int64(1) << 40
        right = bottom = np.int64(0)
        for k in range(offsets[i], offsets[i + 1] - 1, 2):
            start = position + np.int64(counts[k])
            position = start + np.int64(counts[k + 1])
            if start == position:
                continue
            starts[o] = start
            ends[o] = position
            o += 1
            area += position - start
            if start - base > 8 * height:
                column = start // height
                base = column * height
            while start >= base + height:
                base += height
                column += 1
            y0, y1, x1 = start - base, position - base, column + 1
            if y1 > height:
                y0, y1, x1 = np.int64(0), height, (position - 1) // height + 1
            left = min(left, column)
            right = max(right, x1)
            top = min(top, y0)
            bottom = max(bottom, y1)
        where[i + 1] = o
        boxes[i, 0] = area
        boxes[i, 1] = left
        boxes[i, 2] = top
        boxes[i, 3] = right
        boxes[i, 4] = bottom
    return starts, ends, where, boxes


@jit
def _first_beyond(ends, low, high, value):
    """First index in [low, high) whose end lies beyond `value`."""
    while low < high:
        middle = (low + high) >> 1
        if ends[middle] <= value:
            low = middle + 1
        else:
            high = middle
    return low


@jit
def _shared(starts_a, ends_a, a, stop_a, starts_b, ends_b, b, stop_b):
    """Pixels in both; each step drops the interval that ends first, without a branch."""
    a = _first_beyond(ends_a, a, stop_a, starts_b[b])
    if a == stop_a:
        return np.int64(0)
    b = _first_beyond(ends_b, b, stop_b, starts_a[a])
    total = np.int64(0)
    while a < stop_a and b < stop_b:
        end_a = np.int64(ends_a[np.uint64(a)])
        end_b = np.int64(ends_b[np.uint64(b)])
        low = max(np.int64(starts_a[np.uint64(a)]), np.int64(starts_b[np.uint64(b)]))
        total += max(min(end_a, end_b) - low, 0)
        a += end_a <= end_b
        b += end_b <= end_a
    return total


@jit
def iou(
    counts_a, offsets_a, heights_a, widths_a, counts_b, offsets_b, heights_b, widths_b, groups, crowd, out
):
    """Overlaps of the masks of `a` with those of `b`, group by group; `groups` is (g, 2) offsets into a and b.

    Masks of different sizes whose boxes meet get -1, as in pycocotools.
    """
    starts_a, ends_a, where_a, boxes_a = _intervals(counts_a, offsets_a, heights_a)
    starts_b, ends_b, where_b, boxes_b = _intervals(counts_b, offsets_b, heights_b)
    o = 0
    for g in range(groups.shape[0] - 1):
        for i in range(groups[g, 0], groups[g + 1, 0]):
            for j in range(groups[g, 1], groups[g + 1, 1]):
                value = 0.0
                if (
                    boxes_a[i, 1] < boxes_b[j, 3]
                    and boxes_b[j, 1] < boxes_a[i, 3]
                    and boxes_a[i, 2] < boxes_b[j, 4]
                    and boxes_b[j, 2] < boxes_a[i, 4]
                ):
                    if heights_a[i] != heights_b[j] or widths_a[i] != widths_b[j]:
                        value = -1.0
                    else:
                        both = _shared(
                            starts_a,
                            ends_a,
                            where_a[i],
                            where_a[i + 1],
                            starts_b,
                            ends_b,
                            where_b[j],
                            where_b[j + 1],
                        )
                        if both > 0:
                            either = boxes_a[i, 0]
                            if not (crowd.size and crowd[j]):
                                either += boxes_b[j, 0] - both
                            value = both / either
                out[o] = value
                o += 1
