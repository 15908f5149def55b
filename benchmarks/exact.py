"""Any difference to pycocotools, or to Python? ``python -m benchmarks exact [--polygons N] [--masks N] [--numbers N]``.

Random polygons (that cross themselves and the edges of the image, on free, whole, half, tenth and fifth coordinates,
a few far outside) and random masks go through `annokit_fast.coco_mask` and through pycocotools. Every result is
compared bit by bit; the exit code is 1 when anything differs.

Numbers are read by `annokit_fast.text` and by Python's ``float``, and written by it and by ``"%.6f"`` and ``repr``: of 1
to 19 digits, with exponents, half way between two floats, subnormal, and shares of images that end in a tie.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from annokit_fast import coco_mask
from benchmarks.exact_numbers import number_checks

SIZES = [(1, 1), (3, 4), (17, 5), (40, 50), (64, 64), (120, 160), (480, 640)]
GROUP = 100


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks exact", description=__doc__)
    parser.add_argument("--polygons", type=int, default=200_000, help="how many random polygons")
    parser.add_argument("--masks", type=int, default=20_000, help="how many random masks")
    parser.add_argument("--numbers", type=int, default=1_000_000, help="how many random numbers")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    begin = time.perf_counter()
    compared, different = differences(options.polygons, options.masks, options.numbers, options.seed)
    for name, count in compared.items():
        print(f"{name}: {count:,} compared, {different[name]:,} different")
    print(f"seed {options.seed}, {time.perf_counter() - begin:.0f} s")
    return 1 if different.total() else 0


def differences(polygons: int, masks: int, numbers: int, seed: int) -> tuple[Counter[str], Counter[str]]:
    """How many results of each function were compared, and how many of them were different."""
    compared: Counter[str] = Counter()
    different: Counter[str] = Counter()
    for checks in (_polygon_checks(polygons, seed), _mask_checks(masks, seed), number_checks(numbers, seed)):
        for name, ours, theirs in checks:
            pairs = list(zip(ours, theirs, strict=True))
            compared[name] += len(pairs)
            different[name] += sum(not np.array_equal(one, other) for one, other in pairs)
    return compared, different


def _polygon_checks(total: int, seed: int) -> Iterator[tuple[str, Any, Any]]:
    from pycocotools import mask as peer

    rng = np.random.default_rng(seed)
    for start in range(0, total, GROUP):
        height, width = SIZES[int(rng.integers(len(SIZES)))]
        rings = [random_ring(rng, height, width) for _ in range(min(GROUP, total - start))]
        flat = [ring.ravel().tolist() for ring in rings]
        yield (
            "frPyObjects",
            coco_mask.frPyObjects(flat, height, width),
            peer.frPyObjects(flat, height, width),
        )


def random_ring(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """3 to 40 points around the image, one ring in fifty far outside it."""
    count = int(rng.integers(3, 41 if rng.random() < 0.2 else 12))
    reach = 50.0 if rng.random() < 0.02 else 0.4
    points = rng.uniform(-reach, 1 + reach, (count, 2)) * [width, height]
    if rng.random() < 0.3:  # small beside the image
        points = points * 0.1 + rng.uniform(0, 1, 2) * [width, height]
    step = (0, 1, 2, 5, 10)[int(rng.integers(5))]
    found: np.ndarray = np.round(points * step) / step if step else points
    return found


def _mask_checks(total: int, seed: int) -> Iterator[tuple[str, Any, Any]]:
    from pycocotools import mask as peer

    rng = np.random.default_rng(seed)
    for start in range(0, total, GROUP):
        count = min(GROUP, total - start)
        height, width = (int(side) for side in rng.integers(1, 41, 2))
        dense = np.asfortranarray(random_masks(rng, height, width, count))
        runs = peer.encode(dense)
        crowd = (rng.random(count) < 0.3).astype(np.uint8)
        yield "encode", coco_mask.encode(dense), runs
        yield "decode", coco_mask.decode(runs).T, peer.decode(runs).T
        for name in ("area", "toBbox"):
            yield name, getattr(coco_mask, name)(runs), getattr(peer, name)(runs)
        yield "iou", coco_mask.iou(runs, runs, crowd), peer.iou(runs, runs, crowd)
        pairs = [runs[i : i + 3] for i in range(count)]
        for intersect in (False, True):
            yield (
                "merge",
                [coco_mask.merge(some, intersect) for some in pairs],
                [peer.merge(some, intersect) for some in pairs],
            )


def random_masks(rng: np.random.Generator, height: int, width: int, count: int) -> np.ndarray:
    """Masks (h, w, n): noise of any density, or a few rectangles toggled over one another."""
    masks = (rng.random((height, width, count)) < rng.random(count)).astype(np.uint8)
    for i in range(0, count, 2):
        masks[:, :, i] = 0
        for _ in range(rng.integers(0, 6)):
            y, x = rng.integers(0, height), rng.integers(0, width)
            masks[y : rng.integers(y, height + 1), x : rng.integers(x, width + 1), i] ^= 1
    return masks
