"""Kernels that turn polygons and row-major runs into column-major runs.

All of them work on toggles: places in a column where the mask changes. A column's toggles, sorted, with equal ones
cancelling in pairs, are the run ends of that column; toggle row `height` of one column is row 0 of the next.

The helpers take and return plain arrays and numbers:
  starts    int64: place of each line's next item; its differences while counting, zero again after use
  rows, xs  int32: the items, grouped by line
  out, o    uint32 output and the number of counts written so far
"""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs

from __future__ import annotations

import numpy as np

from annokit_fast import _plain_raster
from annokit_fast._jit import jit, jit_or


@jit
def _room(buffer, used, more):
    """`buffer`, or a larger copy of it, with place for `more` items after the first `used`."""
    if used + more <= buffer.size:
        return buffer
    larger = np.empty(2 * buffer.size + more, buffer.dtype)
    larger[:used] = buffer[:used]
    return larger


@jit
def _sort(values, start, stop):
    """Shell sort of a short slice, in place; plain insertion below 10 items."""
    gap = 1
    while 9 * gap < stop - start:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(start + gap, stop):
            value = values[i]
            j = i - gap
            while j >= start and values[j] > value:
                values[j + gap] = values[j]
                j -= gap
            values[j + gap] = value
        gap //= 3


@jit
def _counted(starts, first, last):
    """Turn differences of counts into the first position of each column; returns the total. Columns [first, last)."""
    total = 0
    depth = 0
    for c in range(first, last):
        depth += starts[c]
        starts[c] = total
        total += depth
    return total


@jit
def _emit(starts, rows, first, last, height, width, out, o):
    """Write one mask's counts; `starts` holds each column's END here (filling moved it) and is zeroed again."""
    begin = o
    edge = 0
    position = 0
    base = first * height
    for c in range(first, last):
        stop = starts[c]
        starts[c] = 0
        if stop - position == 2:
            low = min(rows[position], rows[position + 1])
            high = max(rows[position], rows[position + 1])
            if low != high:
                toggle = base + low
                if toggle == edge and o > begin:
                    o -= 1
                    edge -= np.int64(out[o])
                else:
                    out[o] = toggle - edge
                    o += 1
                    edge = toggle
                out[o] = base + high - edge
                o += 1
                edge = base + high
        else:
            _sort(rows, position, stop)
            for i in range(position, stop):
                toggle = base + rows[i]
                if toggle == edge and o > begin:
                    o -= 1
                    edge -= np.int64(out[o])
                else:
                    out[o] = toggle - edge
                    o += 1
                    edge = toggle
        position = stop
        base += height
    starts[last] = 0
    if height * width > edge or o == begin:
        out[o] = height * width - edge
        o += 1
    return o


@jit
def _coco_edges(xs, ys, columns, n, height, starts, rows):
    """Toggles of one ring: where pycocotools' 5x traced edges step from sub-column 5c+2 to 5c+3."""
    ax, ay, ac = xs[n - 1], ys[n - 1], columns[n - 1]
    for j in range(n):
        bx, by, bc = xs[j], ys[j], columns[j]
        if ac != bc:
            first = min(ac, bc)
            last = max(ac, bc)
            dx = abs(bx - ax)
            dy = abs(by - ay)
            steep = dx < dy
            back = by < ay if steep else bx < ax
            x0, y0 = (bx, by) if back else (ax, ay)
            x1, y1 = (ax, ay) if back else (bx, by)
            if not steep:
                slope = (y1 - y0) / dx
                start = np.float64(y0)
                t = np.float64(5 * first + (2 if slope >= 0 else 3) - x0)
                for c in range(first, last):
                    v = max(np.int32(start + slope * t + 0.5), np.int32(-2))
                    t += 5.0
                    row = np.int32(np.uint32(v + 2) // np.uint32(5))
                    at = starts[c]
                    rows[at] = min(row, height)
                    starts[c] = at + 1
            else:
                slope = (x1 - x0) / dy
                steps = dy / (x1 - x0)
                start = np.float64(x0)
                for c in range(first, last):
                    limit = 5 * c + 3
                    s = np.int64((limit - 0.5 - start) * steps) + 1
                    if slope > 0:
                        while s > 0 and np.int64(start + slope * (s - 1) + 0.5) >= limit:
                            s -= 1
                        while np.int64(start + slope * s + 0.5) < limit:
                            s += 1
                    else:
                        while s > 0 and np.int64(start + slope * (s - 1) + 0.5) < limit:
                            s -= 1
                        while np.int64(start + slope * s + 0.5) >= limit:
                            s += 1
                    v = max(np.int32(s - 1 + y0), np.int32(-2))
                    row = np.int32(np.uint32(v + 2) // np.uint32(5))
                    at = starts[c]
                    rows[at] = min(row, height)
                    starts[c] = at + 1
        ax, ay, ac = bx, by, bc


@jit
def _coco_ring(coords, begin, end, height, width, xs, ys, columns, starts, rows, out, o):
    """Counts of one ring by the coco rule, written from `out[o]` on."""
    n = end - begin
    first = width
    last = before = np.int64(0)
    for j in range(n):
        x = np.int32(5.0 * coords[begin + j, 0] + 0.5)
        xs[j] = x
        ys[j] = np.int32(5.0 * coords[begin + j, 1] + 0.5)
        column = min(np.int64(np.uint32(max(x, np.int32(-2)) + 2) // np.uint32(5)), width)
        columns[j] = column
        first = min(first, column)
        last = max(last, column)
        if j > 0:
            starts[min(before, column)] += 1
            starts[max(before, column)] -= 1
        before = column
    if first < last:
        starts[min(before, columns[0])] += 1
        starts[max(before, columns[0])] -= 1
        total = _counted(starts, first, last)
        if total > rows.size:
            rows = _room(rows, 0, total)
        if o + total + 1 > out.size:
            out = _room(out, o, total + 1)
        _coco_edges(xs, ys, columns, n, np.int32(height), starts, rows)
    else:
        first = last = np.int64(0)
        if o + 1 > out.size:
            out = _room(out, o, 1)
    o = _emit(starts, rows, first, last, height, width, out, o)
    return rows, out, o


@jit
def _longest(offsets):
    most = 0
    for i in range(offsets.size - 1):
        most = max(most, offsets[i + 1] - offsets[i])
    return most


@jit
def _reach(coords, axis, limits):
    """Columns (axis 0) or rows (axis 1) that any ring can touch, so that memory follows the rings, not the image."""
    far = -1.0
    for j in range(coords.shape[0]):
        far = max(far, coords[j, axis])
    most = 0
    for i in range(limits.size):
        most = max(most, np.int64(limits[i]))
    return min(np.int64(far) + 2, most)


@jit_or(_plain_raster.coco_rings, share=0.5, call=50, weight=0)
def coco_rings(coords, ring_offsets, heights, widths):
    """Counts and offsets of every ring by the coco rule, each in its own image."""
    n = ring_offsets.size - 1
    longest = _longest(ring_offsets)
    xs = np.empty(longest, np.int32)
    ys = np.empty(longest, np.int32)
    columns = np.empty(longest, np.int64)
    starts = np.zeros(_reach(coords, 0, widths) + 2, np.int64)
    rows = np.empty(256, np.int32)
    out = np.empty(64 + 32 * n + coords.shape[0], np.uint32)
    offsets = np.zeros(n + 1, np.int64)
    o = 0
    for i in range(n):
        height = np.int64(heights[i])
        width = np.int64(widths[i])
        rows, out, o = _coco_ring(
            coords, ring_offsets[i], ring_offsets[i + 1], height, width, xs, ys, columns, starts, rows, out, o
        )
        offsets[i + 1] = o
    return out[:o].copy(), offsets


@jit
def coco_masks(coords, ring_offsets, polygons, objects, height, width, clear, out):
    """Paint objects of polygons with one ring each straight into flat column-major pixels, all of one size.

    `clear` writes the background too. Returns False, with nothing done, where a polygon has not exactly one ring.
    """
    for i in range(polygons.size):
        if polygons[i] != i:
            return False
    longest = _longest(ring_offsets)
    xs = np.empty(longest, np.int32)
    ys = np.empty(longest, np.int32)
    columns = np.empty(longest, np.int64)
    starts = np.zeros(_reach(coords, 0, np.full(1, width)) + 2, np.int64)
    rows = np.empty(256, np.int32)
    runs = np.empty(256, np.uint32)
    for i in range(objects.size - 1):
        base = i * height * width
        gaps = clear and objects[i + 1] - objects[i] == 1
        if clear and not gaps:
            out[base : base + height * width] = 0
        for r in range(objects[i], objects[i + 1]):
            rows, runs, o = _coco_ring(
                coords,
                ring_offsets[r],
                ring_offsets[r + 1],
                height,
                width,
                xs,
                ys,
                columns,
                starts,
                rows,
                runs,
                0,
            )
            position = base
            for k in range(0, o - 1, 2):
                start = position + np.int64(runs[k])
                if gaps:
                    out[position:start] = 0
                position = start + np.int64(runs[k + 1])
                out[start:position] = 1
            if gaps:
                out[position : base + height * width] = 0
    return True


@jit
def _sweep(starts, xs, first, last, height, width, toggles, rows, out, o):
    """One mask from its rows: `xs[starts[r - 1] : starts[r]]` are the sorted x where row r changes, rows [first, last).

    Between two rows the mask changes where exactly one of the two changes: their x merged, equal ones cancelled.
    """
    spans = np.empty((starts[last - 1] + 1 if first < last else 1, 3), np.int64)
    n = 0
    above0 = above1 = np.int64(0)
    low = width
    high = np.int64(0)
    position = np.int64(0)
    for r in range(first, last + 1):
        here0 = position
        here1 = starts[r] if r < last else position
        position = here1
        a, b = above0, here0
        opened = np.int64(-1)
        while a < above1 or b < here1:
            if b == here1 or (a < above1 and xs[a] < xs[b]):
                x = np.int64(xs[a])
                a += 1
            elif a == above1 or xs[b] < xs[a]:
                x = np.int64(xs[b])
                b += 1
            else:
                a += 1
                b += 1
                continue
            if opened < 0:
                opened = x
            else:
                if opened < x:
                    spans[n, 0] = opened
                    spans[n, 1] = x
                    spans[n, 2] = r
                    n += 1
                    toggles[opened] += 1
                    toggles[x] -= 1
                    low = min(low, opened)
                    high = max(high, x)
                opened = np.int64(-1)
        above0, above1 = here0, here1
    if low >= high:
        low = high = np.int64(0)
    total = _counted(toggles, low, high)
    rows = _room(rows, 0, total)
    out = _room(out, o, total + 1)
    for i in range(n):
        row = np.int32(spans[i, 2])
        for c in range(spans[i, 0], spans[i, 1]):
            at = toggles[c]
            rows[at] = row
            toggles[c] = at + 1
    o = _emit(toggles, rows, low, high, height, width, out, o)
    return rows, out, o


@jit
def _center_rows(coords, begin, end, height, width, starts, xs):
    """Where a ring crosses the middle of each pixel row, as GDAL computes it; sorted by row, then x."""
    first = height
    last = np.int64(0)
    ax, ay = coords[end - 1, 0], coords[end - 1, 1]
    for j in range(begin, end):
        bx, by = coords[j, 0], coords[j, 1]
        r0 = np.int64(min(max(np.ceil(min(ay, by) - 0.5), 0.0), np.float64(height)))
        r1 = np.int64(min(max(np.ceil(max(ay, by) - 0.5), 0.0), np.float64(height)))
        if r0 < r1:
            starts[r0] += 1
            starts[r1] -= 1
            first = min(first, r0)
            last = max(last, r1)
        ax, ay = bx, by
    if first >= last:
        return xs, np.int64(0), np.int64(0)
    total = _counted(starts, first, last)
    starts[last] = 0
    xs = _room(xs, 0, total)
    ax, ay = coords[end - 1, 0], coords[end - 1, 1]
    for j in range(begin, end):
        bx, by = coords[j, 0], coords[j, 1]
        x1, y1, x2, y2 = (ax, ay, bx, by) if ay < by else (bx, by, ax, ay)
        r0 = np.int64(min(max(np.ceil(y1 - 0.5), 0.0), np.float64(height)))
        r1 = np.int64(min(max(np.ceil(y2 - 0.5), 0.0), np.float64(height)))
        for r in range(r0, r1):
            x = np.floor((r + 0.5 - y1) * (x2 - x1) / (y2 - y1) + x1 + 0.5)
            at = starts[r]
            xs[at] = np.int32(min(max(x, 0.0), np.float64(width)))
            starts[r] = at + 1
        ax, ay = bx, by
    position = np.int64(0)
    for r in range(first, last):
        _sort(xs, position, starts[r])
        position = starts[r]
    return xs, first, last


@jit
def center_rings(coords, ring_offsets, heights, widths):
    """Counts and offsets of every ring by the center rule, without the flat edges of `_rle_gdal`."""
    n = ring_offsets.size - 1
    starts = np.zeros(_reach(coords, 1, heights) + 2, np.int64)
    toggles = np.zeros(_reach(coords, 0, widths) + 2, np.int64)
    xs = np.empty(256, np.int32)
    rows = np.empty(256, np.int32)
    out = np.empty(64 + 32 * n + coords.shape[0], np.uint32)
    offsets = np.zeros(n + 1, np.int64)
    o = 0
    for i in range(n):
        height = np.int64(heights[i])
        width = np.int64(widths[i])
        begin = ring_offsets[i]
        end = ring_offsets[i + 1]
        first = last = np.int64(0)
        if begin < end:
            xs, first, last = _center_rows(coords, begin, end, height, width, starts, xs)
        rows, out, o = _sweep(starts, xs, first, last, height, width, toggles, rows, out, o)
        starts[first:last] = 0
        offsets[i + 1] = o
    return out[:o].copy(), offsets


@jit
def transpose(counts, offsets, heights, widths):
    """Column-major runs of masks whose row-major runs are given (or the other way round, with the sizes swapped)."""
    n = offsets.size - 1
    tallest = 0
    widest = 0
    for i in range(n):
        tallest = max(tallest, heights[i])
        widest = max(widest, widths[i])
    starts = np.zeros(tallest + 2, np.int64)
    toggles = np.zeros(widest + 2, np.int64)
    xs = np.empty(256, np.int32)
    rows = np.empty(256, np.int32)
    out = np.empty(64 + 2 * counts.size, np.uint32)
    out_offsets = np.zeros(n + 1, np.int64)
    o = 0
    for i in range(n):
        height = np.int64(heights[i])
        width = np.int64(widths[i])
        k = 0
        row = np.int64(0)
        base = np.int64(0)
        position = np.int64(0)
        xs = _room(xs, 0, offsets[i + 1] - offsets[i] + 2 * height + 2)
        for j in range(offsets[i], offsets[i + 1] - 1, 2):
            begin = position + np.int64(counts[j])
            position = begin + np.int64(counts[j + 1])
            if begin == position:
                continue
            while begin >= base + width:
                starts[row] = k
                row += 1
                base += width
            row_start = starts[row - 1] if row > 0 else 0
            if k > row_start and xs[k - 1] == begin - base:
                k -= 1
            else:
                xs[k] = begin - base
                k += 1
            while position > base + width:
                xs[k] = width
                starts[row] = k + 1
                xs[k + 1] = 0
                k += 2
                row += 1
                base += width
            xs[k] = position - base
            k += 1
        last = min(row + 1, height)
        for r in range(row, last):
            starts[r] = k
        rows, out, o = _sweep(starts, xs, np.int64(0), last, height, width, toggles, rows, out, o)
        starts[:last] = 0
        out_offsets[i + 1] = o
    return out[:o].copy(), out_offsets
