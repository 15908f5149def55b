"""Rings and masks for the tests, by hypothesis and by seed."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays


def random_rings(count, seed=5, low=-30.0, high=90.0):
    """Rings that cross themselves and the image edge, on free, whole, half and tenth coordinates."""
    rng = np.random.default_rng(seed)
    rings = []
    for i in range(count):
        points = rng.uniform(low, high, (rng.integers(3, 40 if i % 7 == 0 else 12), 2))
        step = (0, 1, 2, 10)[i % 4]
        rings.append(np.round(points * step) / step if step else points)
    return rings


def ragged(rings):
    """Coordinates and offsets of a list of rings."""
    offsets = np.zeros(len(rings) + 1, np.int64)
    np.cumsum([len(ring) for ring in rings], out=offsets[1:])
    return np.concatenate([*rings, np.empty((0, 2))]), offsets


def random_mask(rng, height, width):
    """Noise of any density, or a few rectangles toggled over one another."""
    if rng.random() < 0.5:
        return (rng.random((height, width)) < rng.random()).astype(np.uint8)
    mask = np.zeros((height, width), np.uint8)
    for _ in range(rng.integers(0, 6)):
        y, x = rng.integers(0, height + 1), rng.integers(0, width + 1)
        mask[y : y + rng.integers(0, height + 1), x : x + rng.integers(0, width + 1)] ^= 1
    return mask


masks = st.tuples(st.integers(0, 12), st.integers(0, 12)).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 1, 255]))
)
"""Masks from 0 x 0 on, foreground 1 or 255."""


def _grid(step):
    return st.integers(-20 * step, 40 * step).map(lambda value: value / step)


_coordinate = st.one_of(
    _grid(1), _grid(2), _grid(10), st.floats(-20, 40), st.sampled_from([-1e6, 1e6, -(2.0**26), 2.0**26, -0.0])
)

rings = st.lists(st.tuples(_coordinate, _coordinate), max_size=9).flatmap(
    lambda points: st.just(np.array(points + points[:1] * (len(points) % 2), np.float64).reshape(-1, 2))
)
"""Rings of 0 to 10 points, some repeated; on whole, half and tenth coordinates, free ones, and far outside."""
