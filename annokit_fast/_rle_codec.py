"""Kernels between runs, pixels and COCO strings, and the sums over runs.

Signs: `counts`, `offsets` as in RleBatch; a mask's runs alternate background, foreground, starting with background.
Every count is widened to int64 before arithmetic.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs

from __future__ import annotations

import numpy as np

from annokit_fast._jit import jit

ENDS_EARLY, BAD_CHARACTER, BAD_COUNT, BAD_SUM = 1, 2, 3, 4

_WORD_OF_ONES = np.uint64(0x0101010101010101)


@jit
def check_sums(counts, offsets, heights, widths):
    """Index of the first mask whose counts do not add up to its pixels, or -1."""
    for i in range(offsets.size - 1):
        total = np.int64(0)
        for k in range(offsets[i], offsets[i + 1]):
            total += np.int64(counts[k])
        if total != np.int64(heights[i]) * np.int64(widths[i]) or offsets[i] == offsets[i + 1]:
            return i
    return -1


@jit
def area(counts, offsets, out):
    for i in range(offsets.size - 1):
        total = np.int64(0)
        for k in range(offsets[i] + 1, offsets[i + 1], 2):
            total += np.int64(counts[k])
        out[i] = total


@jit
def bounds(counts, offsets, heights, out):
    """x, y, width, height of the foreground; the column is carried along, divided for only after a long gap."""
    for i in range(offsets.size - 1):
        height = np.int64(heights[i])
        left = top = np.int64(1) << 40
        right = bottom = np.int64(-1)
        column = base = position = np.int64(0)
        for k in range(offsets[i], offsets[i + 1] - 1, 2):
            start = position + np.int64(counts[k])
            position = start + np.int64(counts[k + 1])
            if position == start:
                continue
            if start - base > 8 * height:
                column = start // height
                base = column * height
            while start >= base + height:
                base += height
                column += 1
            y0 = start - base
            y1 = position - 1 - base
            x1 = column
            if y1 >= height:
                x1 = (position - 1) // height
                y0 = np.int64(0)
                y1 = height - 1
            left = min(left, column)
            right = max(right, x1)
            top = min(top, y0)
            bottom = max(bottom, y1)
        if right < 0:
            out[i, :] = 0.0
        else:
            out[i, 0] = left
            out[i, 1] = top
            out[i, 2] = right - left + 1
            out[i, 3] = bottom - top + 1


@jit
def decode(counts, offsets, starts, clear, out):
    """Paint masks into flat column-major pixels, mask i from `starts[i]` on; `clear` writes the background too."""
    for i in range(offsets.size - 1):
        position = starts[i]
        for k in range(offsets[i], offsets[i + 1] - 1, 2):
            begin = position + np.int64(counts[k])
            if clear:
                out[position:begin] = 0
            position = begin + np.int64(counts[k + 1])
            out[begin:position] = 1
        if clear:
            out[position : starts[i + 1]] = 0


@jit
def _room(buffer, used, more):
    """`buffer`, or a larger copy of it, with place for `more` items after the first `used`."""
    if used + more <= buffer.size:
        return buffer
    larger = np.empty(2 * buffer.size + more, buffer.dtype)
    larger[:used] = buffer[:used]
    return larger


@jit
def _scan_bytes(pixels, begin, stop, value, edge, out, o):
    """Run ends among single bytes; any nonzero byte is foreground."""
    for p in range(begin, stop):
        here = pixels[p] != 0
        if here != value:
            out[o] = p - edge
            o += 1
            edge = p
            value = here
    return value, edge, o


@jit
def encode(pixels, words, skip, n, size):
    """Runs of `n` masks of `size` bytes one after the other; `words` is `pixels[skip:]` eight bytes at a time."""
    out = np.empty(64 + 64 * n, np.uint32)
    offsets = np.zeros(n + 1, np.int64)
    o = 0
    for i in range(n):
        begin = i * size
        stop = begin + size
        first = max((begin - skip + 7) // 8, 0)
        last = max((stop - skip) // 8, first)
        head = min(8 * first + skip, stop)
        out = _room(out, o, 32)
        value, edge, o = _scan_bytes(pixels, begin, head, False, begin, out, o)
        pattern = _WORD_OF_ONES * np.uint64(value)
        for q in range(first, last):
            word = words[q]
            if word == pattern:
                continue
            p = skip + 8 * q
            out = _room(out, o, 32)
            value, edge, o = _scan_bytes(pixels, p, p + 8, value, edge, out, o)
            pattern = _WORD_OF_ONES * np.uint64(pixels[p + 7])
        value, edge, o = _scan_bytes(pixels, max(head, skip + 8 * last), stop, value, edge, out, o)
        out[o] = stop - edge
        o += 1
        offsets[i + 1] = o
    return out[:o].copy(), offsets


@jit
def to_strings(counts, offsets):
    """COCO's text of counts: from the fourth on the difference to two before, five bits a character."""
    out = np.empty(7 * counts.size, np.uint8)
    ends = np.zeros(offsets.size, np.int64)
    o = 0
    for i in range(offsets.size - 1):
        first = offsets[i]
        for k in range(first, offsets[i + 1]):
            x = np.int64(counts[k])
            if k - first > 2:
                x -= np.int64(counts[k - 2])
            if -512 <= x < 512:
                two = np.int64((x < -16) | (x > 15))
                out[o] = ((x & 31) | (two << 5)) + 48
                if two:
                    out[o + 1] = ((x >> 5) & 31) + 48
                o += 1 + two
            else:
                more = True
                while more:
                    c = x & 31
                    x >>= 5
                    more = x != -1 if c & 16 else x != 0
                    out[o] = (c | 32 if more else c) + 48
                    o += 1
        ends[i + 1] = o
    return out[:o].copy(), ends


@jit
def _long_number(text, p, end):
    """One number of any length; returns (value, next position), the position minus what is wrong on failure."""
    x = np.int64(0)
    shift = 0
    while p < end and shift < 60:
        c = np.int64(text[p]) - 48
        if c & ~63:
            return np.int64(0), np.int64(-BAD_CHARACTER)
        p += 1
        x |= (c & 31) << shift
        shift += 5
        if not c & 32:
            if c & 16:
                x -= np.int64(1) << shift
            return x, p
    return np.int64(0), np.int64(-ENDS_EARLY if p >= end else -BAD_COUNT)


@jit
def from_strings(text, ends, heights, widths):
    """Counts and offsets of COCO strings; then what is wrong (0 for nothing), and with which mask."""
    n = ends.size - 1
    out = np.empty(text.size + n, np.uint32)
    offsets = np.zeros(n + 1, np.int64)
    o = 0
    for i in range(n):
        p = ends[i]
        end = ends[i + 1]
        first = o
        before = last = total = np.int64(0)
        wrong = np.int64(0)
        while p < end:
            c = np.int64(text[p]) - 48
            d = np.int64(text[p + 1]) - 48 if p + 1 < end else np.int64(0)
            two = (c >> 5) & 1
            wrong |= c
            if two & ((d >> 5) | (p + 1 >= end)):
                x, p = _long_number(text, p, end)
                if p < 0:
                    return out, offsets, -p, i
            else:
                wrong |= d & -two
                short = ((c & 31) ^ 16) - 16
                long = (((c & 31) | ((d & 31) << 5)) ^ 512) - 512
                x = long if two else short
                p += 1 + two
            if o - first > 2:
                x += before
            if x < 0 or x > 0xFFFFFFFF:
                return out, offsets, np.int64(BAD_CHARACTER if wrong & ~63 else BAD_COUNT), i
            before = last
            last = x
            total += x
            out[o] = x
            o += 1
        if wrong & ~63:
            return out, offsets, np.int64(BAD_CHARACTER), i
        if first == o and np.int64(heights[i]) * np.int64(widths[i]) == 0:
            out[o] = 0
            o += 1
        if total != np.int64(heights[i]) * np.int64(widths[i]):
            return out, offsets, np.int64(BAD_SUM), i
        offsets[i + 1] = o
    return out[:o].copy(), offsets, np.int64(0), 0
