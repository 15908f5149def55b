"""Kernels between runs, pixels and COCO strings, and the sums over runs.

Signs: `counts`, `offsets` as in RleBatch; a mask's runs alternate background, foreground, starting with background.
Every count is widened to int64 before arithmetic.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs

from __future__ import annotations

import numpy as np

from annokit_fast import _plain
from annokit_fast._jit import jit, jit_or, jit_when_busy

ENDS_EARLY, BAD_CHARACTER, BAD_COUNT, BAD_SUM = 1, 2, 3, 4

_WORD_OF_ONES = np.uint64(0x0101010101010101)


@jit_or(_plain.check_sums, _plain.LIGHT)
def check_sums(counts, offsets, heights, widths):
    """Index of the first mask whose counts do not add up to its pixels, or -1."""
    for i in range(offsets.size - 1):
        total = np.int64(0)
        for k in range(offsets[i], offsets[i + 1]):
            total += np.int64(counts[k])
        if total != np.int64(heights[i]) * np.int64(widths[i]) or offsets[i] == offsets[i + 1]:
            return i
    return -1


@jit_when_busy
def one_size(heights, widths):
    """Whether all masks have the size of the first."""
    others = 0
    for i in range(1, heights.size):
        others += (heights[i] != heights[0]) | (widths[i] != widths[0])
    return others == 0


@jit_or(_plain.rle_areas, _plain.LIGHT)
def area(counts, offsets, out):
    for i in range(offsets.size - 1):
        total = np.int64(0)
        for k in range(offsets[i] + 1, offsets[i + 1], 2):
            total += np.int64(counts[k])
        out[i] = total


@jit_when_busy
def bounds(counts, offsets, heights, out):
    """x, y, width, height of the foreground. Runs come column by column, so the first and the last one give x and width.

    The start of the column is carried along, and divided for only after a gap of a column or more.
    """
    for i in range(offsets.size - 1):
        height = np.int64(heights[i])
        top = np.int64(1) << 40
        bottom = first = last = np.int64(-1)
        base = position = np.int64(0)
        for k in range(offsets[i], offsets[i + 1] - 1, 2):
            start = position + np.int64(counts[k])
            position = start + np.int64(counts[k + 1])
            if position == start:
                continue
            following = base + height
            base = following if start >= following else base
            if start >= base + height:
                base = start // height * height
            if first < 0:
                first = start
            last = position - 1
            y0 = start - base
            y1 = last - base
            if y1 >= height:
                y0 = np.int64(0)
                y1 = height - 1
            top = min(top, y0)
            bottom = max(bottom, y1)
        if first < 0:
            out[i, :] = 0.0
        else:
            left = first // height
            out[i, 0] = left
            out[i, 1] = top
            out[i, 2] = last // height - left + 1
            out[i, 3] = bottom - top + 1


@jit
def decode(counts, offsets, heights, widths, clear, out):
    """Paint masks into flat column-major pixels, one mask after the other; `clear` writes the background too."""
    begin = np.int64(0)
    for i in range(offsets.size - 1):
        position = begin
        begin += np.int64(heights[i]) * np.int64(widths[i])
        for k in range(offsets[i], offsets[i + 1] - 1, 2):
            start = position + np.int64(counts[k])
            if clear:
                out[position:start] = 0
            position = start + np.int64(counts[k + 1])
            out[start:position] = 1
        if clear:
            out[position:begin] = 0


@jit
def paint(counts, offsets, order, labels, out):
    """Paint masks with their labels into flat column-major pixels, in the order given."""
    for i in order:
        position = np.int64(0)
        for k in range(offsets[i], offsets[i + 1] - 1, 2):
            start = position + np.int64(counts[k])
            position = start + np.int64(counts[k + 1])
            out[start:position] = labels[i]


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
    """Run ends among single bytes, without a branch; any nonzero byte is foreground. Needs a free place in `out`."""
    for p in range(begin, stop):
        here = np.int64(pixels[np.uint64(p)] != 0)
        change = here ^ value
        out[np.uint64(o)] = p - edge
        o += change
        edge = p if change else edge
        value = here
    return value, edge, o


@jit
def _differs(words, begin, stop, pattern):
    """Whether any word is not the pattern; without a branch, so that it vectorises."""
    differ = np.uint64(0)
    for k in range(begin, stop):
        differ |= words[np.uint64(k)] ^ pattern
    return differ != 0


@jit
def encode(pixels, n, size):
    """Runs of `n` masks of `size` bytes, one after the other.

    Sixteen words of eight bytes are compared at once with the last byte seen, then four, then one; only words that
    differ are looked at byte by byte.
    """
    skip = min(-pixels.ctypes.data & 7, pixels.size)
    words = pixels[skip : skip + (pixels.size - skip) // 8 * 8].view(np.uint64)
    out = np.empty(512 + 64 * n, np.uint32)
    offsets = np.zeros(n + 1, np.int64)
    o = 0
    for i in range(n):
        begin = i * size
        stop = begin + size
        first = max((begin - skip + 7) // 8, 0)
        last = max((stop - skip) // 8, first)
        head = min(8 * first + skip, stop)
        if o + 16 > out.size:
            out = _room(out, o, 16)
        value, edge, o = _scan_bytes(pixels, begin, head, np.int64(0), begin, out, o)
        pattern = _WORD_OF_ONES * np.uint64(value)
        blocks = first + (last - first) // 16 * 16
        for q in range(first, blocks, 16):
            if not _differs(words, q, q + 16, pattern):
                continue
            if o + 144 > out.size:
                out = _room(out, o, 144)
            for k in range(q, q + 16, 4):
                if not _differs(words, k, k + 4, pattern):
                    continue
                for j in range(k, k + 4):
                    if words[np.uint64(j)] != pattern:
                        p = skip + 8 * j
                        value, edge, o = _scan_bytes(pixels, p, p + 8, value, edge, out, o)
                        pattern = _WORD_OF_ONES * np.uint64(pixels[np.uint64(p + 7)])
        if o + 160 > out.size:
            out = _room(out, o, 160)
        value, edge, o = _scan_bytes(pixels, max(head, skip + 8 * blocks), stop, value, edge, out, o)
        out[o] = stop - edge
        o += 1
        offsets[i + 1] = o
    return out[:o].copy(), offsets


@jit_or(_plain.strings, _plain.HEAVY)
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


@jit_when_busy
def from_strings(text, ends, heights, widths):
    """Counts and offsets of COCO strings; then what is wrong (0 for nothing), and with which mask.

    Plain branches, which processors guess well, beat reading one- and two-character numbers without a branch by a
    factor of two to three. Bits that no good character or count has are gathered, and looked at once per mask.
    """
    n = ends.size - 1
    out = np.empty(text.size + n, np.uint32)
    offsets = np.zeros(n + 1, np.int64)
    o = 0
    for i in range(n):
        p = ends[i]
        end = ends[i + 1]
        first = o
        before = last = total = characters = numbers = np.int64(0)
        fault = 0
        while p < end:
            c = np.int64(text[np.uint64(p)]) - 48
            p += 1
            characters |= c
            x = ((c & 31) ^ 16) - 16
            if c & 32:
                bits = c & 31
                shift = 0
                while c & 32:
                    if p >= end or shift > 50:
                        fault = max(fault, ENDS_EARLY if p >= end else BAD_COUNT)
                        break
                    c = np.int64(text[np.uint64(p)]) - 48
                    p += 1
                    characters |= c
                    shift += 5
                    bits |= (c & 31) << shift
                x = bits - ((c & 16) << (shift + 1))
            if o > first + 2:
                x += before
            before = last
            last = x
            numbers |= x
            total += x
            out[np.uint64(o)] = x & 0xFFFFFFFF
            o += 1
        pixels = np.int64(heights[i]) * np.int64(widths[i])
        if characters & ~63:
            return out, offsets, BAD_CHARACTER, i
        if fault == ENDS_EARLY:
            return out, offsets, ENDS_EARLY, i
        if fault or numbers >> 32:
            return out, offsets, BAD_COUNT, i
        if first == o and pixels == 0:
            out[o] = 0
            o += 1
        if total != pixels:
            return out, offsets, BAD_SUM, i
        offsets[i + 1] = o
    return out[:o].copy(), offsets, 0, 0
