"""Kernels that read numbers from JSON text: the plain shapes of coordinates only, every number exactly rounded."""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs

from __future__ import annotations

import numpy as np

from annokit_fast._jit import jit

_TENS = 10.0 ** np.arange(23)
"""Powers of ten that are floats without rounding."""

_LEAST, _MOST = -64, 64
_MOST_DIGITS = 18


def _power_of_five(exponent: int) -> int:
    """The 128 leading bits of ``5**exponent``; those of a reciprocal are rounded up."""
    power: int = 5 ** abs(exponent)
    if exponent >= 0:
        return power << 128 >> power.bit_length()
    return (1 << (power.bit_length() + 127)) // power + 1


_FIVES = np.array(
    [(five >> 64, five & 0xFFFFFFFFFFFFFFFF) for five in map(_power_of_five, range(_LEAST, _MOST + 1))],
    np.uint64,
)
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@jit
def _product(a, b):
    """High and low 64 bits of ``a * b``, without a sum that could overflow."""
    a_high, a_low, b_high, b_low = a >> _HALF, a & _LOW, b >> _HALF, b & _LOW
    low = a_low * b_low
    middle = a_high * b_low + (low >> _HALF)
    other = a_low * b_high + (middle & _LOW)
    return a_high * b_high + (middle >> _HALF) + (other >> _HALF), (other << _HALF) | (low & _LOW)


@jit
def _rounded(mantissa, exponent):
    """``mantissa * 10**exponent`` as the nearest float, ties to even: the algorithm of Eisel and Lemire.

    For a mantissa from 1 to 2**63 - 1 and an exponent from -64 to 64, which leaves out subnormal and infinite results.
    D. Lemire, "Number Parsing at a Gigabyte per Second", Software: Practice and Experience 51 (2021). That 128 bits
    are always enough is shown in N. Mushtak, D. Lemire, "Fast Number Parsing Without Fallback" (2023).
    """
    word, shift = np.uint64(mantissa), 0
    for step in (32, 16, 8, 4, 2, 1):
        if word >> np.uint64(64 - step) == 0:
            word <<= np.uint64(step)
            shift += step
    high, low = _product(word, _FIVES[exponent - _LEAST, 0])
    if high & np.uint64(0x1FF) == np.uint64(0x1FF):
        carry, _ = _product(word, _FIVES[exponent - _LEAST, 1])
        if low > _ALL - carry:
            high += np.uint64(1)
            low -= _ALL - carry + np.uint64(1)
        else:
            low += carry
    top = np.int64(high >> np.uint64(63))
    drop = np.uint64(top + 9)
    bits = high >> drop
    if low <= np.uint64(1) and -4 <= exponent <= 23 and bits & np.uint64(3) == 1 and bits << drop == high:
        bits -= np.uint64(1)  # exactly half way, and the float below is even
    bits = (bits + (bits & np.uint64(1))) >> np.uint64(1)
    return np.ldexp(np.float64(bits), ((217706 * exponent) >> 16) + top - shift + 11)


@jit
def _number(text, i):
    """The number that begins at `i`, and where it ends; that is -1 where it is none, or not plain.

    Plain is what JSON allows, with at most 18 digits beside leading zeros and within the powers of ten above.
    """
    negative = text[i] == ord("-")
    if negative:
        i += 1
    first, mantissa, digits, exponent = i, np.int64(0), 0, 0
    while 48 <= text[i] <= 57:
        if digits == _MOST_DIGITS:  # one more might not fit into 63 bits
            return 0.0, -1
        mantissa = mantissa * 10 + np.int64(text[i] - 48)
        digits += mantissa > 0
        i += 1
    if i == first or (i > first + 1 and text[first] == 48):
        return 0.0, -1
    whole = i
    if text[i] == ord("."):
        i += 1
        first = i
        while 48 <= text[i] <= 57:
            if digits == _MOST_DIGITS:
                return 0.0, -1
            mantissa = mantissa * 10 + np.int64(text[i] - 48)
            digits += mantissa > 0
            i += 1
        if i == first:
            return 0.0, -1
        exponent = first - i
    if text[i] == ord("e") or text[i] == ord("E"):
        power, i = _exponent(text, i + 1)
        if i < 0:
            return 0.0, -1
        exponent += power
    if mantissa == 0:
        return (-0.0 if negative and i > whole else 0.0), i  # a whole number has no -0
    if digits <= 15 and -22 <= exponent <= 22:  # both are floats, so the quotient or product is rounded once
        value = np.float64(mantissa)
        value = value / _TENS[-exponent] if exponent < 0 else value * _TENS[exponent]
    elif _LEAST <= exponent <= _MOST:
        value = _rounded(mantissa, exponent)
    else:
        return 0.0, -1
    return (-value if negative else value), i


@jit
def _exponent(text, i):
    """The power of ten that begins at `i`, and where it ends; that is -1 where it is none, or beyond 999."""
    negative = text[i] == ord("-")
    if negative or text[i] == ord("+"):
        i += 1
    first, power = i, 0
    while 48 <= text[i] <= 57 and power < 1000:
        power = power * 10 + np.int64(text[i] - 48)
        i += 1
    return (-power if negative else power), (i if i > first and power < 1000 else -1)


@jit
def _past_blanks(text, i):
    while text[i] == 32 or text[i] == 10 or text[i] == 13 or text[i] == 9:
        i += 1
    return i


@jit
def rings(text, offsets, limit, coords, ring_ends, counts):
    """Read each text as a list of rings; `counts` gets the number of rings, or -1 where it is none.

    Returns how many numbers and how many rings were found in all. A text ends with a bracket, or is none of ours: so
    nothing is read beyond it.
    """
    n = r = 0
    for k in range(offsets.size - 1):
        start, stop = offsets[k], offsets[k + 1]
        end, rings_end = -1, r
        if stop - start > 2 and text[start] == ord("[") and text[stop - 1] == ord("]"):
            end, rings_end = _list_of_rings(text, start, stop - 1, limit, coords, n, ring_ends, r)
        counts[k] = -1
        if end >= 0:
            counts[k] = rings_end - r
            n, r = end, rings_end
    return n, r


@jit
def _list_of_rings(text, i, last, limit, coords, n, ring_ends, r):
    """The end of its numbers and of its rings; the first is -1 where it is no such list."""
    while i < last:
        i = _past_blanks(text, i + 1)
        if text[i] != ord("["):
            return -1, r
        start = n
        while text[i] == ord("[") if n == start else text[i] == ord(","):
            value, i = _number(text, _past_blanks(text, i + 1))
            if i < 0 or not abs(value) <= limit:
                return -1, r
            coords[n] = value
            n += 1
            i = _past_blanks(text, i)
        if text[i] != ord("]") or (n - start) % 2 or i == last:
            return -1, r
        ring_ends[r] = n // 2
        r += 1
        i = _past_blanks(text, i + 1)
        if text[i] != ord(","):
            break
    return (n if i == last else -1), r


@jit
def points(text, offsets, limit, coords, counts):
    """Read each text as a list of objects of an x and a y; `counts` gets their number, or -1 where it is none.

    Returns how many points were found in all.
    """
    n = 0
    for k in range(offsets.size - 1):
        start, stop = offsets[k], offsets[k + 1]
        end = -1
        if stop - start > 2 and text[start] == ord("[") and text[stop - 1] == ord("]"):
            end = _list_of_points(text, start, stop - 1, limit, coords, n)
        counts[k] = -1
        if end >= 0:
            counts[k] = end - n
            n = end
    return n


@jit
def _list_of_points(text, i, last, limit, coords, n):
    """The end of its points, or -1 where it is no such list."""
    while i < last:
        i = _past_blanks(text, i + 1)
        if text[i] != ord("{"):
            return -1
        first, i = _coordinate(text, i, last, limit, coords, n)
        if i < 0 or text[i] != ord(","):
            return -1
        second, i = _coordinate(text, i, last, limit, coords, n)
        if i < 0 or text[i] != ord("}") or first == second:
            return -1
        n += 1
        i = _past_blanks(text, i + 1)
        if text[i] != ord(","):
            break
    return n if i == last else -1


@jit
def _coordinate(text, i, last, limit, coords, n):
    """Put the number of ``"x": 1`` or ``"y": 1`` behind `i` into point `n`: its column, and what stands behind it."""
    i = _past_blanks(text, i + 1)
    if i + 3 > last or text[i] != ord('"') or text[i + 2] != ord('"'):
        return -1, -1
    column = np.int64(text[i + 1]) - ord("x")
    i = _past_blanks(text, i + 3)
    if not 0 <= column <= 1 or text[i] != ord(":"):
        return -1, -1
    value, i = _number(text, _past_blanks(text, i + 1))
    if i < 0 or not abs(value) <= limit:
        return -1, -1
    coords[2 * n + column] = value
    return column, _past_blanks(text, i)
