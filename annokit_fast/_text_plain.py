"""The twins of the text kernels: plain Python, the same bytes and bits, for when there is too little to compile for."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain, pairwise
from operator import attrgetter
from typing import Any, TypeVar

import msgspec
import numpy as np

from annokit_fast._checks import Array

__all__ = ["json_rings", "points", "pose_rows", "rings", "rows"]

_T = TypeVar("_T")


class _Point(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    x: float
    y: float


_RINGS = msgspec.json.Decoder(list[list[float]])
_POINTS = msgspec.json.Decoder(list[_Point])


def rings(text: memoryview, offsets: Array, limit: float) -> tuple[Array, list[int], list[int]]:
    """All numbers, how many each ring has, and how many rings each text, or -1."""
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


def points(text: memoryview, offsets: Array, limit: float) -> tuple[Array, list[int]]:
    """All points, and how many each text has, or -1."""
    shapes = _decoded(_POINTS, text, offsets)
    coords = _coords(shapes)
    if not _are_near(coords, limit):
        shapes = [shape if _are_near(_coords([shape]), limit) else [] for shape in shapes]
        coords = _coords(shapes)
    return coords, [len(shape) or -1 for shape in shapes]


def _coords(shapes: Sequence[list[_Point]]) -> Array:
    found = [*chain.from_iterable(shapes)]
    coords = np.empty((len(found), 2))
    coords[:, 0] = np.fromiter(map(attrgetter("x"), found), np.float64, len(found))
    coords[:, 1] = np.fromiter(map(attrgetter("y"), found), np.float64, len(found))
    return coords


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


def rows(classes: Array, values: Array, offsets: Array, scores: Array, decimals: int) -> list[bytes]:
    """The row of each object: its class, its values, its score unless that is NaN."""
    numbers, bounds, share = values.tolist(), pairwise(offsets.tolist()), _share(decimals)
    return [
        (b"%d" + share * (stop - start) + b"%b\n") % (index, *numbers[start:stop], _score(score, share))
        for index, (start, stop), score in zip(classes.tolist(), bounds, scores.tolist(), strict=True)
    ]


def pose_rows(classes: Array, values: Array, scores: Array, decimals: int) -> list[bytes]:
    """As `rows`: four values of a box, then of each keypoint two and a digit."""
    share = _share(decimals)
    return [
        (b"%d" + 4 * share + b"%b%b\n") % (index, *row[:4], _keypoints(row[4:], share), _score(score, share))
        for index, row, score in zip(classes.tolist(), values.tolist(), scores.tolist(), strict=True)
    ]


def _share(decimals: int) -> bytes:
    """How a number is written: as ` %.6f`."""
    return b" %%.%df" % decimals


def _keypoints(numbers: Sequence[float], share: bytes) -> bytes:
    return (2 * share + b" %d") * (len(numbers) // 3) % tuple(numbers)


def _score(score: float, share: bytes) -> bytes:
    return b"" if math.isnan(score) else share % score


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
