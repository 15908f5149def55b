"""Numbers out of JSON text in numpy, eight letters at a time: for coordinates as most files have them.

A number of up to sixteen letters, its sign aside, is one or two 64-bit words, of which a few operations on whole arrays
make an integer and a power of ten. Both are exact, so that their quotient is the nearest float (W. Clinger, "How to Read
Floating Point Numbers Accurately", PLDI 1990). What is written in another way is left to the caller, all of it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from annokit_fast._checks import Array

__all__ = ["lines", "points", "rings"]

_MOST = 16
"""How many letters a number has at most."""

_CHUNK = 8192
"""How many numbers are read at a time: as many as the processor's caches hold, with what comes in between."""

_TENS = 10.0 ** np.arange(_MOST + 1)


def _word(letters: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(letters[:8].ljust(8, b"\0"), "little"))


_ONES, _TOPS = _word(b"\x01" * 8), _word(b"\x80" * 8)
_ZEROS = _word(b"0" * 8)
_POINTS = _word(b"." * 8) ^ _ZEROS
_LAST = np.array([_word(b"\0" * (8 - n) + b"\xff" * n) for n in range(9)])
"""What keeps so many letters at the end of a word."""

# numpy's integers, so that no operation leaves 64 bits without a sign
_NONE, _ONE, _SEVEN, _TEN, _LETTER = map(np.uint64, (0, 1, 7, 10, 0xFF))
_BYTE, _TWO_BYTES, _FOUR_BYTES, _SEVEN_BYTES = map(np.uint64, (8, 16, 32, 56))
_EIGHT_DIGITS, _EXACT = np.uint64(10**8), np.uint64(1 << 53)
_PAIRS = np.uint64(0x000000FF000000FF)
_WEIGHTS = np.uint64(100 + (10**6 << 32)), np.uint64(1 + (10**4 << 32))


class _Numbers(NamedTuple):
    """Numbers, and where each starts and stops in the text; at its sign, if it has one."""

    letters: Array
    values: Array
    starts: Array
    stops: Array


def rings(text: memoryview, offsets: Array, limit: float) -> tuple[Array, Array, Array] | None:
    """All numbers, how many each ring has, and how many rings each text; None unless all texts are plain."""
    found = _numbers(text, limit)
    if found is None or not _framed(found, b"[[", b"]]"):
        return None
    letters, values, starts, stops = found
    inside = _stands(letters, stops[:-1], starts[1:], b", " if starts[1] - stops[0] == 2 else b",")
    gaps = np.flatnonzero(~inside)
    before, after = stops[gaps], starts[gaps + 1]
    is_text = _stands(letters, before, after, b"]][[")
    is_ring = _stands(letters, before, after, b"],[") | _stands(letters, before, after, b"], [")
    lengths = np.diff(gaps, prepend=-1, append=len(values) - 1)
    if not (is_text | is_ring).all() or (lengths & 1).any() or not _cut(before[is_text] + 2, offsets):
        return None
    return values, lengths, np.diff(np.flatnonzero(is_text), prepend=-1, append=len(gaps))


def points(text: memoryview, offsets: Array, limit: float) -> tuple[Array, Array] | None:
    """All points, and how many each text has; None unless all texts are plain, with x before y."""
    found = _numbers(text, limit)
    if found is None or len(found.values) % 2:
        return None
    letters, values, starts, stops = found
    wide = starts[1] - stops[0] > 5
    head, middle, between = (
        (b'[{"x": ', b', "y": ', b'}, {"x": ') if wide else (b'[{"x":', b',"y":', b'},{"x":')
    )
    before, after = stops[1:-1:2], starts[2::2]
    is_point = _stands(letters, before, after, between)
    gaps = np.flatnonzero(~is_point)
    if not (
        _framed(found, head, b"}]")
        and _stands(letters, stops[::2], starts[1::2], middle).all()
        and _stands(letters, before[gaps], after[gaps], b"}]" + head).all()
        and _cut(before[gaps] + 2, offsets)
    ):
        return None
    return values.reshape(-1, 2), np.diff(gaps, prepend=-1, append=len(before))


def lines(text: memoryview) -> tuple[Array, Array] | None:
    """All numbers, and how many each line has; None unless there is nothing else but blanks."""
    found = _numbers(text, np.inf)
    if found is None:
        return None
    ends = np.flatnonzero(found.letters == ord("\n"))
    blanks = len(ends) + np.count_nonzero(found.letters == ord(" "))
    if blanks + (found.stops - found.starts).sum() != len(text):
        return None
    return found.values, np.diff(np.searchsorted(found.starts, ends), prepend=0, append=len(found.starts))


def _framed(found: _Numbers, head: bytes, tail: bytes) -> bool:
    """Whether nothing else stands before the first number and after the last one."""
    first, last = found.starts[0], found.stops[-1]
    return bytes(found.letters[_PAD:first]) == head and bytes(found.letters[last:-_PAD]) == tail


def _cut(places: Array, offsets: Array) -> bool:
    """Whether the texts end in these places, but for the last one."""
    return np.array_equal(places - _PAD, offsets[1:-1])


def _stands(letters: Array, starts: Array, stops: Array, what: bytes) -> Array:
    """Where it is just this that stands from the one place to the other."""
    found: Array = stops - starts == len(what)
    if len(what) == 1:
        found &= letters[starts] == ord(what)
        return found
    found &= _words(letters, starts) & ~_LAST[max(8 - len(what), 0)] == _word(what)
    if len(what) > 8:
        found &= _words(letters, stops - 8) == _word(what[-8:])
    return found


_PAD = 16
"""How many letters more there are on each side, so that words may reach beyond the text."""


def _words(letters: Array, places: Array) -> Any:
    """The eight letters from each place on."""
    window: Array = np.ndarray(
        (len(letters) - 7,), "V8", letters, 0, (1,)
    )  # V8 need not be aligned, as integers do
    return window[places].view("<u8")


def _numbers(text: memoryview, limit: float) -> _Numbers | None:
    """All runs of digits, points and signs, if each is a number that can be read here, up to `limit` by its size."""
    letters = np.zeros(len(text) + 2 * _PAD, np.uint8)
    letters[_PAD:-_PAD] = np.frombuffer(text, np.uint8)
    is_part = letters - np.uint8(ord("-")) <= ord("9") - ord("-")
    edges = np.flatnonzero(is_part[1:] != is_part[:-1]) + 1
    starts, stops = edges[::2], edges[1::2]
    negative = letters[starts] == ord("-")
    firsts = starts + negative
    if not (len(starts) > 1 and (stops - firsts).max() <= _MOST and _good(letters, firsts, negative)):
        return None
    values, points = np.empty(len(starts)), 0
    for start in range(0, len(starts), _CHUNK):
        part = slice(start, start + _CHUNK)
        read = _read(letters, firsts[part], stops[part], values[part])
        if read is None:
            return None
        points += read
    if points != np.count_nonzero(letters == ord(".")) or not values.max() <= limit:
        return None
    np.negative(values, out=values, where=negative)
    return _Numbers(letters, values, starts, stops)


def _good(letters: Array, firsts: Array, negative: Array) -> bool:
    """Whether signs stand at starts alone, and all numbers start with a digit; with 0 only before a point, or alone.

    A whole -0 is left out as well: it has no sign as a JSON number.
    """
    heads = letters[firsts]
    zeros = np.flatnonzero(heads == ord("0"))
    after = letters[firsts[zeros] + 1]
    return bool(
        np.count_nonzero(letters == ord("-")) == np.count_nonzero(negative)
        and not np.count_nonzero(letters == ord("/"))  # stands among points and digits
        and _is_digit(heads).all()
        and not (_is_digit(after) | (negative[zeros] & (after != ord(".")))).any()
    )


def _is_digit(letters: Array) -> Array:
    found: Array = letters - np.uint8(ord("0")) <= 9
    return found


def _read(letters: Array, firsts: Array, stops: Array, values: Array) -> int | None:
    """Put numbers without sign in `values`, and tell how many have a point; None where one is no number, or not exact."""
    lengths = stops - firsts
    low = (_words(letters, stops - 8) ^ _ZEROS) & _LAST.take(np.minimum(lengths, 8))
    if lengths.max() <= 8:
        low, decimals, has_point = _pointless(low, _NONE)
        numerators = _integers(low)
    else:
        high = (_words(letters, stops - 16) ^ _ZEROS) & _LAST.take(np.maximum(lengths - 8, 0))
        low, decimals, has_point = _pointless(low, high >> _SEVEN_BYTES)
        high, more, is_before = _pointless(np.where(has_point, high << _BYTE, high), _NONE)
        decimals, has_point = np.where(is_before, more + 8, decimals), has_point | is_before
        numerators = _integers(high) * _EIGHT_DIGITS + _integers(low)
    if (numerators >= _EXACT).any() or (has_point & (decimals == 0)).any():
        return None
    np.divide(numerators.astype(np.float64), _TENS.take(decimals), out=values)
    return int(np.count_nonzero(has_point))


def _pointless(words: Any, below: Any) -> tuple[Any, Any, Any]:
    """Words without their point, what is before it and the letter `below` moved up; decimals; and if there is a point."""
    others = words ^ _POINTS
    found = (others - _ONES) & ~others & _TOPS  # the top bit of a letter that is 0 now
    before = (found >> _SEVEN) - _ONE
    after = ~(before << _BYTE | _LETTER)
    has_point = found != _NONE
    moved = (words & before) << _BYTE | words & after | below
    return np.where(has_point, moved, words), np.bitwise_count(after) >> 3, has_point


def _integers(digits: Any) -> Any:
    """What eight digits say: pairs first, and then all four of them by two products."""
    pairs = digits * _TEN + (digits >> _BYTE)
    return ((pairs & _PAIRS) * _WEIGHTS[0] + (pairs >> _TWO_BYTES & _PAIRS) * _WEIGHTS[1]) >> _FOUR_BYTES
