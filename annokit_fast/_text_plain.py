"""The twins of the text kernels: plain Python, the same bytes and bits, for when there is too little to compile for."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Any, Never

import numpy as np

from annokit_fast._checks import Array

__all__ = ["json_rings", "points", "pose_rows", "rings", "rows"]


def rings(text: bytes, offsets: Array, limit: float) -> tuple[Array, list[int], list[int]]:
    """All numbers, how many each ring has, and how many rings each text, or -1."""
    found, counts = _each(text, offsets, lambda shape: all(_is_ring(ring, limit) for ring in shape))
    return _flat(found), [len(ring) for ring in found], counts


def points(text: bytes, offsets: Array, limit: float) -> tuple[Array, list[int]]:
    """All numbers, and how many points each text has, or -1."""
    found, counts = _each(text, offsets, lambda shape: all(_is_point(point, limit) for point in shape))
    return _flat([(point["x"], point["y"]) for point in found]), counts


def _each(text: bytes, offsets: Array, fits: Callable[[list[Any]], bool]) -> tuple[list[Any], list[int]]:
    """What stands in the lists that fit, and how much is in each; -1 for a text that is no such list."""
    found: list[Any] = []
    counts = []
    for start, stop in pairwise(offsets.tolist()):
        try:
            shape = json.loads(text[start:stop].decode("ascii"), parse_constant=_refuse)
        except (ValueError, RecursionError):
            shape = None
        good = isinstance(shape, list) and bool(shape) and fits(shape)
        counts.append(len(shape) if good else -1)
        found += shape if good else ()
    return found, counts


def _refuse(word: str) -> Never:
    raise ValueError(f"{word} is no number in JSON")


def _is_ring(ring: Any, limit: float) -> bool:
    return isinstance(ring, list) and bool(ring) and len(ring) % 2 == 0 and _are_near(ring, limit)


def _is_point(point: Any, limit: float) -> bool:
    return isinstance(point, dict) and point.keys() == {"x", "y"} and _are_near([*point.values()], limit)


def _are_near(numbers: Sequence[Any], limit: float) -> bool:
    return set(map(type, numbers)) <= {int, float} and -limit <= min(numbers) and max(numbers) <= limit


def _flat(lists: Sequence[Sequence[float]]) -> Array:
    return np.fromiter(chain.from_iterable(lists), np.float64)


def rows(classes: Array, values: Array, offsets: Array, scores: Array, decimals: int) -> list[bytes]:
    """The row of each object: its class, its values, its score unless that is NaN."""
    numbers, bounds = values.tolist(), pairwise(offsets.tolist())
    return [
        b"%d%b%b\n" % (index, _shares(numbers[start:stop], decimals), _score(score, decimals))
        for index, (start, stop), score in zip(classes.tolist(), bounds, scores.tolist(), strict=True)
    ]


def pose_rows(classes: Array, values: Array, scores: Array, decimals: int) -> list[bytes]:
    """As `rows`: four values of a box, then of each keypoint two and a digit."""
    return [
        b"%d%b%b%b\n"
        % (index, _shares(row[:4], decimals), _keypoints(row[4:], decimals), _score(score, decimals))
        for index, row, score in zip(classes.tolist(), values.tolist(), scores.tolist(), strict=True)
    ]


def _shares(numbers: Sequence[float], decimals: int) -> bytes:
    return b" %.*f" * len(numbers) % tuple(chain.from_iterable((decimals, number) for number in numbers))


def _keypoints(numbers: Sequence[float], decimals: int) -> bytes:
    triples = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
    return b"".join(b"%b %d" % (_shares((x, y), decimals), seen) for x, y, seen in triples)


def _score(score: float, decimals: int) -> bytes:
    return b"" if math.isnan(score) else _shares((score,), decimals)


def json_rings(coords: Array, ring_offsets: Array, text_offsets: Array) -> Iterator[bytes]:
    """A JSON list of rings each; nothing where a number is not short."""
    numbers, ends = coords.tolist(), (2 * ring_offsets).tolist()
    for first, stop in pairwise(text_offsets.tolist()):
        words = [list(map(repr, numbers[a:b])) for a, b in pairwise(ends[first : stop + 1])]
        short = all(map(_is_short, chain.from_iterable(words)))
        yield b"[%b]" % ",".join(f"[{','.join(ring)}]" for ring in words).encode() if short else b""


def _is_short(word: str) -> bool:
    """Whether a number has 9 decimals at most, and is 0 or from 1e-4 to below 1e6."""
    whole, _, decimals = word.removeprefix("-").partition(".")
    tiny = whole == "0" and decimals.startswith("0000")
    return len(decimals) <= 9 and len(whole) <= 6 and "e" not in word and not tiny
