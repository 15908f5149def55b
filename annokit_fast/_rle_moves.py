"""Kernels that change the frame of run-length masks: complement, shift into another frame, resize.

Runs are cut at column ends where needed; pixels are never written.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs

from __future__ import annotations

import numpy as np

from annokit_fast._jit import jit


@jit
def complement(counts, offsets):
    """Background and foreground exchanged."""
    n = offsets.size - 1
    out = np.empty(counts.size + n, np.uint32)
    ends = np.zeros(n + 1, np.int64)
    o = 0
    for i in range(n):
        begin, stop = offsets[i], offsets[i + 1]
        if counts[begin] == 0 and stop - begin > 1:
            begin += 1
        elif counts[begin] != 0:
            out[o] = 0
            o += 1
        m = stop - begin
        out[o : o + m] = counts[begin:stop]
        o += m
        ends[i + 1] = o
    return out[:o].copy(), ends


@jit
def _room(buffer, used, more):
    """`buffer`, or a larger copy of it, with place for `more` items after the first `used`."""
    if used + more <= buffer.size:
        return buffer
    larger = np.empty(2 * buffer.size + more, buffer.dtype)
    larger[:used] = buffer[:used]
    return larger


@jit
def _add(out, o, begin, edge, start, stop):
    """Append the foreground [start, stop) after `edge`; joined to the run before where it touches it."""
    if start == edge and o - begin >= 2:
        out[o - 1] += stop - start
        return o
    out[o] = start - edge
    out[o + 1] = stop - start
    return o + 2


@jit
def _close(out, o, edge, pixels):
    if pixels > edge or pixels == 0:
        out[o] = pixels - edge
        return o + 1
    return o


@jit
def shift(counts, offsets, heights, widths, dx, dy, new_heights, new_widths):
    """The pixel x, y of every mask at x + dx, y + dy of a frame of another size; what falls outside is dropped."""
    n = offsets.size - 1
    out = np.empty(counts.size + 2 * n + 64, np.uint32)
    ends = np.zeros(n + 1, np.int64)
    o = 0
    for i in range(n):
        height, width = np.int64(heights[i]), np.int64(widths[i])
        tall, wide = np.int64(new_heights[i]), np.int64(new_widths[i])
        right, down = np.int64(dx[i]), np.int64(dy[i])
        top, bottom = max(-down, 0), min(tall - down, height)
        first, last = max(-right, 0), min(wide - right, width)
        begin = o
        edge = position = np.int64(0)
        for k in range(offsets[i], offsets[i + 1] - 1, 2):
            start = position + np.int64(counts[k])
            position = start + np.int64(counts[k + 1])
            if start == position or top >= bottom:
                continue
            column = max(start // height, first)
            until = min((position - 1) // height + 1, last)
            out = _room(out, o, 2 * max(until - column, 0) + 4)
            for c in range(column, until):
                low = max(start - c * height, top)
                high = min(position - c * height, bottom)
                if low < high:
                    base = (c + right) * tall + down
                    o = _add(out, o, begin, edge, base + low, base + high)
                    edge = base + high
        out = _room(out, o, 4)
        o = _close(out, o, edge, tall * wide)
        ends[i + 1] = o
    return out[:o].copy(), ends


@jit
def _first_targets(source, target, firsts):
    """For every source index, the first target index whose middle falls on it or beyond."""
    for s in range(source + 1):
        low = 2 * target * s - source
        firsts[s] = min(max(-((-low) // (2 * source)), 0), target)


@jit
def resize(counts, offsets, heights, widths, new_heights, new_widths):
    """Every new pixel takes the old pixel under its middle."""
    n = offsets.size - 1
    out = np.empty(counts.size + 2 * n + 64, np.uint32)
    ends = np.zeros(n + 1, np.int64)
    tallest = widest = 0
    for i in range(n):
        tallest = max(tallest, np.int64(heights[i]))
        widest = max(widest, np.int64(widths[i]))
    rows = np.zeros(tallest + 1, np.int64)
    columns = np.zeros(widest + 1, np.int64)
    pieces = np.empty((tallest + 2, 2), np.int64)
    o = 0
    for i in range(n):
        height, width = np.int64(heights[i]), np.int64(widths[i])
        tall, wide = np.int64(new_heights[i]), np.int64(new_widths[i])
        begin = o
        edge = np.int64(0)
        k, stop = offsets[i], offsets[i + 1]
        if height * width > 0 and k + 1 < stop:
            _first_targets(height, tall, rows)
            _first_targets(width, wide, columns)
            start = np.int64(counts[k])
            end = start + np.int64(counts[k + 1])
            c = start // height
            while k + 1 < stop and c < width:
                base = c * height
                m = 0
                while k + 1 < stop and start < base + height:
                    low = rows[max(start - base, 0)]
                    high = rows[min(end - base, height)]
                    if low < high:
                        pieces[m, 0] = low
                        pieces[m, 1] = high
                        m += 1
                    if end > base + height:
                        break
                    k += 2
                    if k + 1 < stop:
                        start = end + np.int64(counts[k])
                        end = start + np.int64(counts[k + 1])
                out = _room(out, o, 2 * m * (columns[c + 1] - columns[c]) + 4)
                for x in range(columns[c], columns[c + 1]):
                    for q in range(m):
                        o = _add(out, o, begin, edge, x * tall + pieces[q, 0], x * tall + pieces[q, 1])
                        edge = x * tall + pieces[q, 1]
                c += 1
        out = _room(out, o, 4)
        o = _close(out, o, edge, tall * wide)
        ends[i + 1] = o
    return out[:o].copy(), ends
