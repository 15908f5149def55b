"""The twins of the text kernels: numpy and msgspec, the same bytes and bits, for when there is too little to compile for.

Numbers as most files have them are read by `_text_words`; msgspec reads all others, and tells which texts are none of ours.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain, pairwise
from typing import Any, TypeVar

import msgspec
import numpy as np

from annokit_fast import _text_words
from annokit_fast._checks import Array

__all__ = ["json_rings", "points", "pose_rows", "rings", "rows"]

_T = TypeVar("_T")
_SPLIT = 134217729.0
"""2**27 + 1: halves a float into two of 26 bits."""


class _Point(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    x: float
    y: float


_RINGS = msgspec.json.Decoder(list[list[float]])
_POINTS = msgspec.json.Decoder(list[_Point])
_PACKED = msgspec.msgpack.Encoder()
_STRIDES = 23, 11
"""A point in MessagePack: a byte for a map of two, then twice a key in two, a byte for a float, and its eight."""


def rings(text: memoryview, offsets: Array, limit: float) -> tuple[Array, Any, Any]:
    """All numbers, how many each ring has, and how many rings each text, or -1."""
    if (found := _text_words.rings(text, offsets, limit)) is not None:
        return found
    shapes = _decoded(_RINGS, text, offsets)
    numbers, lengths = _flat(shapes)
    if not (_are_near(numbers, limit) and all(n and n % 2 == 0 for n in set(lengths))):
        shapes = [shape if all(_is_ring(ring, limit) for ring in shape) else [] for shape in shapes]
        numbers, lengths = _flat(shapes)
    return numbers, lengths, [len(shape) or -1 for shape in shapes]


def _flat(shapes: Sequence[list[list[float]]]) -> tuple[Array, list[int]]:
    """All numbers, and how many each ring has; packed ring by ring, since one by one would take twice the time."""
    found = [*chain.from_iterable(shapes)]
    lengths = [*map(len, found)]
    numbers = [_packer(length)(*ring) for ring, length in zip(found, lengths, strict=True)]
    return np.frombuffer(b"".join(numbers)), lengths


@lru_cache(1024)
def _packer(count: int) -> Callable[..., bytes]:
    return struct.Struct(f"{count}d").pack


def _is_ring(ring: list[float], limit: float) -> bool:
    return bool(ring) and len(ring) % 2 == 0 and _are_near(np.array(ring), limit)


def points(text: memoryview, offsets: Array, limit: float) -> tuple[Array, Any]:
    """All points, and how many each text has, or -1."""
    if (found := _text_words.points(text, offsets, limit)) is not None:
        return found
    shapes = _decoded(_POINTS, text, offsets)
    coords = _coords(shapes)
    if not _are_near(coords, limit):
        shapes = [shape if _are_near(_coords([shape]), limit) else [] for shape in shapes]
        coords = _coords(shapes)
    return coords, [len(shape) or -1 for shape in shapes]


def _coords(shapes: Sequence[list[_Point]]) -> Array:
    """The points as an array, out of MessagePack, where each takes the same bytes: a call, and none for a point."""
    found = [*chain.from_iterable(shapes)]
    packed = _PACKED.encode(found)
    start = len(packed) - _STRIDES[0] * len(found) + 4
    table: Array = np.ndarray((len(found), 2), ">f8", packed, start, _STRIDES) if found else np.empty((0, 2))
    return table.astype(np.float64)


def _decoded(decoder: msgspec.json.Decoder[list[_T]], text: memoryview, offsets: Array) -> list[list[_T]]:
    """The list that each text is; an empty one where it is none."""
    found = []
    for start, stop in pairwise(offsets.tolist()):
        try:
            found.append(decoder.decode(text[start:stop]))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            found.append([])
    return found


def _are_near(numbers: Array, limit: float) -> bool:
    return not numbers.size or bool(np.abs(numbers).max() <= limit)


def rows(classes: Array, values: Array, offsets: Array, scores: Array, decimals: int) -> tuple[Array, Array]:
    """The text of all rows, and where each starts: its class, its values, its score unless that is NaN."""
    letters = _shares(values, decimals)
    return _framed(classes, letters.ravel(), letters.shape[1] * np.diff(offsets), scores, decimals)


def pose_rows(classes: Array, values: Array, scores: Array, decimals: int) -> tuple[Array, Array]:
    """As `rows`: four values of a box, then of each keypoint two and a digit."""
    letters = _shares(values.ravel(), decimals)
    columns = np.arange(values.shape[1])
    is_digit = (columns > 4) & (columns % 3 == 0)
    kept = (~is_digit[:, None] | (np.arange(letters.shape[1]) < 2)).ravel()
    texts = letters.reshape(len(values), len(kept))[:, kept]
    return _framed(classes, texts.ravel(), np.full(len(values), texts.shape[1]), scores, decimals)


def _framed(
    classes: Array, letters: Array, lengths: Array, scores: Array, decimals: int
) -> tuple[Array, Array]:
    """Texts of these lengths, each between its class and its score."""
    heads, tails = [b"%d" % index for index in classes.tolist()], [b"\n"] * len(classes)
    for row in np.flatnonzero(~np.isnan(scores)).tolist():
        tails[row] = b" %.*f\n" % (decimals, scores[row])
    around = np.frombuffer(b"".join(chain.from_iterable(zip(heads, tails, strict=True))), np.uint8)
    pieces = np.column_stack([[*map(len, heads)], lengths, [*map(len, tails)]]).astype(np.int64)
    inside = np.repeat(np.tile((False, True, False), len(classes)), pieces.ravel())
    out = np.empty(len(inside), np.uint8)
    out[inside], out[~inside] = letters, around
    starts = np.zeros(len(classes) + 1, np.int64)
    np.cumsum(pieces.sum(axis=1), out=starts[1:])
    return out, starts


def _shares(values: Array, decimals: int) -> Array:
    """Each number as ` %.6f` writes it: (n, 3 + decimals) letters."""
    letters = np.empty((len(values), 3 + decimals), np.uint8)
    rest: Any = _scaled(values, 10.0**decimals).astype(np.uint32 if decimals < 9 else np.uint64)
    for place in range(2 + decimals, 2, -1):
        tenth = rest // 10
        letters[:, place] = rest - 10 * tenth + 48
        rest = tenth
    letters[:, 0], letters[:, 1], letters[:, 2] = ord(" "), rest + 48, ord(".")
    return letters


def _scaled(values: Array, scale: float) -> Array:
    """As `_text_format` rounds: the product as if it were exact before it is rounded, halves to even."""
    product = values * scale
    whole = product.astype(np.int64)
    above = product - whole
    whole += above > 0.5
    halves = np.flatnonzero(above == 0.5)
    error, odd = _error(values[halves], scale, product[halves]), whole[halves] & 1 == 1
    whole[halves] += (error > 0) | ((error == 0) & odd)
    return whole


def _error(values: Array, scale: float, products: Array) -> Array:
    """What products have lost by being rounded (Dekker)."""
    shifted, scale_shifted = _SPLIT * values, _SPLIT * scale
    high, scale_high = shifted - (shifted - values), scale_shifted - (scale_shifted - scale)
    low, scale_low = values - high, scale - scale_high
    return ((high * scale_high - products) + high * scale_low + low * scale_high) + low * scale_low


def json_rings(coords: Array, ring_offsets: Array, text_offsets: Array) -> list[bytes]:
    """A JSON list of rings each; nothing where a number is not short."""
    numbers, ends = coords.tolist(), (2 * ring_offsets).tolist()
    long = np.flatnonzero(~_are_short(coords))
    texts = [
        msgspec.json.encode([numbers[a:b] for a, b in pairwise(ends[first : stop + 1])])
        for first, stop in pairwise(text_offsets.tolist())
    ]
    owners = np.searchsorted(ring_offsets[text_offsets], long // 2, side="right") - 1
    for index in set(owners.tolist()):
        texts[index] = b""
    return texts


def _are_short(numbers: Array) -> Any:
    """Which numbers have 9 decimals at most, and are 0 or from 1e-4 to below 1e6: those msgspec writes as repr does."""
    size = np.abs(numbers)
    return (np.rint(numbers * 1e9) / 1e9 == numbers) & ((size == 0) | ((size >= 1e-4) & (size < 1e6)))
