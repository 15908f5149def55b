"""Kernels that write numbers as text: with a fixed number of decimals, exactly rounded, or as short as they allow."""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs

from __future__ import annotations

import numpy as np

from annokit_fast._jit import jit

_TENS = 10.0 ** np.arange(23)
_SPLIT = 134217729.0
"""2**27 + 1: halves a float into two of 26 bits (Dekker)."""


@jit
def _scaled(value, scale):
    """``value * scale`` as a whole number, as if the product were exact before it is rounded; halves to even."""
    product = value * scale
    whole = np.int64(product)
    above = product - whole
    if above == 0.5:  # common: x / 640 has such products for every second x
        shifted = _SPLIT * value
        high = shifted - (shifted - value)
        shifted = _SPLIT * scale
        scale_high = shifted - (shifted - scale)
        low, scale_low = value - high, scale - scale_high
        error = ((high * scale_high - product) + high * scale_low + low * scale_high) + low * scale_low
        return whole + (error > 0 or (error == 0 and whole & 1 == 1))
    return whole + (above > 0.5)


@jit
def _put_digits(out, at, number, count):
    """The last `count` digits of a number, two at a time; returns what stands before them."""
    left, place = np.uint64(number), at + count  # unsigned, so that a division is a multiplication
    while place > at + 1:
        rest = left // np.uint64(100)
        pair = np.uint32(left - rest * np.uint64(100))
        tens = (pair * np.uint32(103)) >> np.uint32(10)  # a tenth of what is below 100
        place -= 2
        out[place], out[place + 1] = 48 + tens, 48 + pair - tens * np.uint32(10)
        left = rest
    if place > at:
        rest = left // np.uint64(10)
        out[at] = 48 + left - rest * np.uint64(10)
        left = rest
    return np.int64(left)


@jit
def _put_integer(out, at, number):
    """A whole number from 0 on; returns where it ends."""
    count, rest = 1, number // 10
    while rest > 0:
        count += 1
        rest //= 10
    _put_digits(out, at, number, count)
    return at + count


@jit
def _put_share(out, at, value, scale, decimals):
    """A blank and a number from 0 to below 10; returns where it ends."""
    whole = _put_digits(out, at + 3, _scaled(value, scale), decimals)
    out[at], out[at + 1], out[at + 2] = 32, 48 + whole, ord(".")
    return at + 3 + decimals


@jit
def rows(classes, values, offsets, scores, decimals, out, ends):
    """One row of text each: its class, its values, its score unless that is NaN; returns where the last ends."""
    at, scale = 0, 10.0**decimals
    for k in range(classes.size):
        ends[k] = at
        at = _put_integer(out, at, classes[k])
        for i in range(offsets[k], offsets[k + 1]):
            at = _put_share(out, at, values[i], scale, decimals)
        if scores[k] == scores[k]:
            at = _put_share(out, at, scores[k], scale, decimals)
        out[at] = ord("\n")
        at += 1
    ends[classes.size] = at
    return at


@jit
def pose_rows(classes, values, scores, decimals, out, ends):
    """As `rows`: four values of a box, then of each keypoint two and a digit."""
    at, scale = 0, 10.0**decimals
    for k in range(classes.size):
        ends[k] = at
        at = _put_integer(out, at, classes[k])
        for i in range(values.shape[1]):
            if i > 4 and i % 3 == 0:
                out[at], out[at + 1] = 32, 48 + np.int64(values[k, i])
                at += 2
            else:
                at = _put_share(out, at, values[k, i], scale, decimals)
        if scores[k] == scores[k]:
            at = _put_share(out, at, scores[k], scale, decimals)
        out[at] = ord("\n")
        at += 1
    ends[classes.size] = at
    return at


@jit
def json_rings(coords, ring_offsets, text_offsets, out, ends):
    """One JSON list of rings each, of the shortest numbers; an empty text where a number needs more than 9 decimals."""
    at = 0
    for k in range(text_offsets.size - 1):
        ends[k] = at
        end = _put_rings(coords, ring_offsets, text_offsets[k], text_offsets[k + 1], out, at)
        at = max(at, end)
    ends[text_offsets.size - 1] = at


@jit
def _put_rings(coords, ring_offsets, first, stop, out, at):
    """The rings from `first` to before `stop`; returns where they end, or -1 where a number is not so short."""
    out[at] = ord("[")
    at += 1
    for r in range(first, stop):
        out[at] = ord("[")
        at += 1
        for i in range(2 * ring_offsets[r], 2 * ring_offsets[r + 1]):
            at = _put_shortest(out, at, coords[i])
            if at < 0:
                return -1
            out[at] = ord(",")
            at += 1
        at -= ring_offsets[r + 1] > ring_offsets[r]  # the last number has no comma behind it
        out[at], out[at + 1] = ord("]"), ord(",")
        at += 2
    at -= stop > first
    out[at] = ord("]")
    return at + 1


@jit
def _put_shortest(out, at, value):
    """The shortest text that is read as `value`, as Python's repr; -1 below 1e-4, from 1e6 on, or beyond 9 decimals."""
    if np.signbit(value):
        out[at] = ord("-")
        at += 1
        value = -value
    if not (value == 0 or 1e-4 <= value < 1e6):
        return -1
    for decimals in range(1, 10):
        product = np.rint(value * _TENS[decimals])
        if product / _TENS[decimals] == value:
            whole = np.int64(product) // np.int64(_TENS[decimals])
            at = _put_integer(out, at, whole)
            out[at] = ord(".")
            _put_digits(out, at + 1, np.int64(product), decimals)
            return at + 1 + decimals
    return -1
