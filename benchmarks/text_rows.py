"""Rows of the comparison table: numbers out of text, and into text."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

from annokit_fast import text
from benchmarks.peers import Case, comparison, equal


def _coords(kind: str, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Rings of 40 vertices in images of 640 x 480: to two decimals as tools write them, or as they come."""
    count = max(3, int(5000 * scale))
    coords = np.random.default_rng(0).uniform(0, [640, 480], (40 * count, 2))
    return np.round(coords, 2) if kind == "2 decimals" else coords, np.arange(count + 1) * 40


@comparison("text.parse_rings", "2 decimals", "full")
def _parse_rings(kind: str, scale: float) -> Case:
    coords, offsets = _coords(kind, scale)
    texts = [json.dumps([coords[a:b].ravel().tolist()]).encode() for a, b in pairwise(offsets)]
    buffer, bounds = b"".join(texts), np.cumsum([0, *map(len, texts)])
    whole = b"".join((b"[", b",".join(texts), b"]"))
    decode = msgspec.json.Decoder(list[list[list[float]]]).decode
    return Case(
        coords.size,
        lambda: text.parse_rings(buffer, bounds),
        {"msgspec lists": lambda: decode(whole)},
        {"msgspec lists": 1.0},
        {"msgspec lists": lambda ours, lists: equal(ours[0].ravel(), np.ravel(lists))},
    )


class _Point(msgspec.Struct, gc=False):
    x: float
    y: float


@comparison("text.parse_points", "2 decimals", "full")
def _parse_points(kind: str, scale: float) -> Case:
    coords, offsets = _coords(kind, scale)
    texts = [
        msgspec.json.encode([{"x": x, "y": y} for x, y in coords[a:b].tolist()]) for a, b in pairwise(offsets)
    ]
    buffer, bounds = b"".join(texts), np.cumsum([0, *map(len, texts)])
    whole = b"".join((b"[", b",".join(texts), b"]"))
    decode = msgspec.json.Decoder(list[list[_Point]]).decode

    def check(ours: Any, lists: Any) -> None:
        equal(ours[0], [(point.x, point.y) for points in lists for point in points])

    return Case(
        coords.size,
        lambda: text.parse_points(buffer, bounds),
        {"msgspec structs": lambda: decode(whole)},
        {"msgspec structs": 1.0},
        {"msgspec structs": check},
    )


@comparison("text.yolo_rings", "2 decimals", "full")
def _yolo_rings(kind: str, scale: float) -> Case:
    coords, offsets = _coords(kind, scale)
    classes, sizes = np.arange(len(offsets) - 1) % 80, np.full((len(offsets) - 1, 2), (640.0, 480.0))
    shares, row = (coords / [640, 480]).reshape(-1, 80).tolist(), b"%d" + b" %.6f" * 80 + b"\n"

    def with_percent() -> bytes:
        return b"".join(
            [row % (index, *numbers) for index, numbers in zip(classes.tolist(), shares, strict=True)]
        )

    return Case(
        coords.size,
        lambda: text.yolo_rings(classes, coords, offsets, sizes),
        {"'%.6f'": with_percent},
        {"'%.6f'": 8.0},
        {"'%.6f'": lambda ours, theirs: equal(ours[0], np.frombuffer(theirs, np.uint8))},
    )


@comparison("text.json_rings", "2 decimals")
def _json_rings(kind: str, scale: float) -> Case:
    coords, offsets = _coords(kind, scale)
    owners, encode = np.arange(len(offsets)), msgspec.json.encode
    flat = coords.reshape(-1, 80)
    return Case(
        coords.size,
        lambda: text.json_rings(coords, offsets, owners),
        {"tolist, msgspec": lambda: b"".join([encode([ring.tolist()]) for ring in flat])},
        {"tolist, msgspec": 2.0},
        {"tolist, msgspec": lambda ours, theirs: equal(ours[0], np.frombuffer(theirs, np.uint8))},
    )
