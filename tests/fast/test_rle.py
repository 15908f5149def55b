"""Run-length masks against pycocotools, rasterio and dense numpy."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco

from annokit_fast import rle


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
    offsets = np.zeros(len(rings) + 1, np.int64)
    np.cumsum([len(ring) for ring in rings], out=offsets[1:])
    return np.concatenate([*rings, np.empty((0, 2))]), offsets


@pytest.mark.parametrize(
    ("scale", "height", "width"), [(1.0, 50, 60), (0.05, 3, 4), (13.0, 700, 900), (1.0, 1, 1), (1.0, 0, 5)]
)
def test_coco_rule_is_bit_equal_to_pycocotools(scale, height, width):
    rings = [ring * scale for ring in random_rings(3000)]
    coords, offsets = ragged(rings)
    batch = rle.from_polygons(coords, offsets, np.arange(len(rings) + 1), height, width)
    expected = coco.frPyObjects([ring.ravel().tolist() for ring in rings], height, width)
    assert batch.to_coco() == expected
    assert rle.RleBatch.from_coco(expected) == batch
    if height:
        np.testing.assert_array_equal(rle.bounds(batch), coco.toBbox(expected))
    np.testing.assert_array_equal(
        rle.area(batch), np.concatenate([coco.area(expected[i : i + 200]) for i in range(0, 3000, 200)])
    )


@pytest.mark.parametrize("half", [False, True])
def test_center_rule_is_bit_equal_to_rasterio(half):
    features = pytest.importorskip("rasterio.features")
    rings = random_rings(1500)
    if half:
        rings = [np.round(ring) / 2 for ring in rings]
    coords, offsets = ragged(rings)
    found = rle.decode(rle.from_polygons(coords, offsets, np.arange(len(rings) + 1), 50, 60, rule="center"))
    for ring, mask in zip(rings, found, strict=True):
        shape = {"type": "Polygon", "coordinates": [[*ring.tolist(), ring[0].tolist()]]}
        np.testing.assert_array_equal(
            mask, features.rasterize([(shape, 1)], out_shape=(50, 60), dtype="uint8")
        )


def test_holes_and_objects_are_differences_and_unions():
    rings = random_rings(400)
    coords, offsets = ragged(rings)
    polygons = np.arange(0, 401, 2)
    objects = np.array([0, 1, 1, 4, 200])
    found = rle.from_polygons(coords, offsets, polygons, 50, 60, object_offsets=objects)
    single = rle.decode(rle.from_polygons(coords, offsets, np.arange(401), 50, 60)).astype(bool)
    pieces = single[0::2] & ~single[1::2]
    for i, mask in enumerate(rle.decode(found)):
        expected = pieces[objects[i] : objects[i + 1]].any(axis=0)
        np.testing.assert_array_equal(mask, expected)
    assert found.canonical() == found
