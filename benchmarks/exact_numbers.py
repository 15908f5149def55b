"""The part of `exact` that compares numbers in text with what Python makes of them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from annokit_fast import _jit, _text_words, text

_GROUP = 10_000


def number_checks(total: int, seed: int) -> Iterator[tuple[str, Any, Any]]:
    """Numbers read and written by us and by Python, a group at a time."""
    _jit.lose_patience()
    draw = random.Random(seed)
    for start in range(0, total, _GROUP):
        count = min(_GROUP, total - start)
        words = [draw.choice(_WORDS)(draw) for _ in range(count)]
        yield "text.parse_rings", *_read(words)
        yield "parse_rings without a kernel", *_read_short([_short(draw) for _ in range(count)])
        shares = np.array([draw.choice(_SHARES)(draw) for _ in range(2 * count)])
        yield "text.yolo_rings", *_written(shares, draw.randint(1, 15) if start % 2 else 6)
        values = np.array([draw.choice(_VALUES)(draw) for _ in range(2 * count)])
        yield "text.json_rings", *_spelt(values)


def _read(words: list[str]) -> tuple[Any, Any]:
    """The bits of those numbers that the kernel takes; the others are left to the caller."""
    texts = [f"[[{word},0]]".encode() for word in words]
    coords, _, _, plain = text.parse_rings(b"".join(texts), np.cumsum([0, *map(len, texts)]), math.inf)
    wanted = [float(word) for word, good in zip(words, plain.tolist(), strict=True) if good]
    return coords[:, 0].view(np.int64).tolist(), np.array(wanted).view(np.int64).tolist()


def _read_short(words: list[str]) -> tuple[Any, Any]:
    """The bits of numbers of up to 16 letters, as numpy reads them."""
    buffer = ("[[" + ",".join([*words, *words]) + "]]").encode()
    found = _text_words.rings(memoryview(buffer), np.array([0, len(buffer)]), math.inf)
    assert found is not None
    return found[0].view(np.int64).tolist(), np.array([*map(float, [*words, *words])]).view(np.int64).tolist()


def _written(shares: np.ndarray, decimals: int) -> tuple[Any, Any]:
    pairs = shares.reshape(-1, 2)
    ones = np.ones_like(pairs)
    buffer, _ = text.yolo_rings([0] * len(pairs), pairs, np.arange(len(pairs) + 1), ones, decimals)
    made = buffer.tobytes().decode().splitlines()
    return made, [f"0 {x:.{decimals}f} {y:.{decimals}f}" for x, y in pairs.tolist()]


def _spelt(values: np.ndarray) -> tuple[Any, Any]:
    """The texts of pairs of numbers that are short, and those that repr gives."""
    pairs = values.reshape(-1, 2)
    buffer, offsets = text.json_rings(pairs, np.arange(len(pairs) + 1), np.arange(len(pairs) + 1))
    bounds, letters = offsets.tolist(), buffer.tobytes().decode()
    made = [letters[a:b] for a, b in pairwise(bounds)]
    return made, [one and f"[[{x!r},{y!r}]]" for one, (x, y) in zip(made, pairs.tolist(), strict=True)]


def _digits(draw: random.Random) -> str:
    digits = str(draw.randint(1, 9)) + "".join(draw.choices("0123456789", k=draw.randint(0, 18)))
    point = draw.randint(0, len(digits))
    word = (digits[:point] or "0") + ("." + digits[point:] if point < len(digits) else "")
    if draw.random() < 0.3:
        word += (
            draw.choice("eE")
            + draw.choice(["", "+", "-"])
            + str(draw.randint(0, draw.choice([5, 30, 80, 330])))
        )
    return draw.choice(["", "-"]) + word


def _short(draw: random.Random) -> str:
    """A number of at most 15 digits, which need not all be of use."""
    whole = str(draw.randrange(10 ** draw.randint(1, 14)))
    places = "".join(draw.choices("0123456789", k=draw.randint(0, 15 - len(whole))))
    return draw.choice(["", "-"]) * (whole != "0") + whole + ("." + places if places else "")


def _halfway(draw: random.Random) -> str:
    """What is half way between two floats, exactly or cut after some digits, one more or one less."""
    value = draw.uniform(0, 1) * 2.0 ** draw.randint(-40, 53)
    half = (Fraction(value) + Fraction(math.nextafter(value, math.inf))) / 2
    places = draw.randint(0, 25)
    return f"{max(1, int(half * 10**places) + draw.choice([0, 0, 1, -1]))}e-{places}"


_WORDS = [
    _digits,
    _digits,
    _halfway,
    _halfway,
    lambda draw: f"{draw.uniform(0, 640):.2f}",
    lambda draw: repr(draw.uniform(-4000, 4000)),
    lambda draw: repr(draw.uniform(0, 1) * 10.0 ** draw.randint(-320, 300)),
    lambda draw: repr(5e-324 * draw.randint(0, 1 << 52)),
    lambda draw: f"{(2**53 + 2 * draw.randint(0, 10**6) + 1) * 5 ** (k := draw.randint(0, 2))}e-{k}",
]
_SHARES = [
    lambda draw: draw.uniform(0, 1),
    lambda draw: draw.uniform(0, 9),
    lambda draw: round(draw.uniform(0, 640), 2) / 640,
    lambda draw: draw.randint(0, 1080) / draw.choice([480, 512, 640, 1024, 1080]),
    lambda draw: (2 * draw.randint(0, 60) + 1) / 2 ** draw.randint(7, 16),
    lambda draw: (draw.randint(0, 10**6) + 0.5) / 10**6,
    lambda draw: math.nextafter((draw.randint(0, 10**6) + 0.5) / 10**6, draw.choice([0, 9])),
]
_VALUES = [
    lambda draw: round(draw.uniform(-4000, 4000), draw.randint(0, 9)),
    lambda draw: round(draw.uniform(0, 640), 2),
    lambda draw: draw.uniform(-1, 1) * 10.0 ** draw.randint(-8, 8),
    lambda draw: float(draw.randint(-(10**7), 10**7)),
    lambda draw: draw.choice([0.0, -0.0, 1e-4, 9.9e-5, 999999.5, 1e6, 0.30000000000000004]),
]
