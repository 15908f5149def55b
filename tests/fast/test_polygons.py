"""Measures of polygons against shapely; their pixels against the runs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import shapely

from annokit_fast import polygons, rle
from benchmarks import workloads
from tests.fast import shapes


@pytest.fixture(scope="module")
def nested():
    """Polygons with holes, some of them closed by repeating the first vertex."""
    rings, owners = [], [0]
    for i, ring in enumerate(workloads.rings("coco", 200, seed=9)):
        middle = shapely.Polygon(ring).buffer(0).representative_point()
        hole = 0.1 * (ring - ring[0]) + [middle.x, middle.y]
        rings += [ring] if i % 3 else [ring, hole]
        if i % 2:
            rings[-1] = np.concatenate([rings[-1], rings[-1][:1]])
        owners.append(len(rings))
    return rings, *shapes.ragged(rings), np.array(owners)


def test_measures_are_shapely_s(nested):
    rings, coords, offsets, owners = nested
    parts = [rings[i:j] for i, j in pairwise(owners)]
    expected = [shapely.Polygon(part[0], part[1:]) for part in parts]
    np.testing.assert_allclose(polygons.area(coords, offsets, owners), shapely.area(expected), rtol=1e-9)
    np.testing.assert_allclose(
        polygons.perimeter(coords, offsets, owners), shapely.length(expected), rtol=1e-9
    )
    np.testing.assert_array_equal(polygons.bounds(coords, offsets, owners), shapely.bounds(expected))
    turns = [not shapely.is_ccw(shapely.LinearRing(ring)) for ring in rings]
    simple = [shapely.Polygon(ring).is_valid for ring in rings]
    found = polygons.is_clockwise(coords, offsets)
    assert [a for a, s in zip(found, simple, strict=True) if s] == [
        not b for b, s in zip(turns, simple, strict=True) if s
    ]


def test_areas_far_from_the_origin_keep_their_digits():
    square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]) + 1e8
    assert polygons.area(square, [0, 4], [0, 1]).tolist() == [1.0]


def test_containing_points(nested):
    rings, coords, offsets, owners = nested
    where = np.random.default_rng(0).uniform(0, 640, (300, 2))
    found = polygons.contains_points(coords, offsets, owners, where)
    for i in range(len(owners) - 1):
        part = rings[owners[i] : owners[i + 1]]
        shape = shapely.Polygon(part[0], part[1:])
        if shape.is_valid:
            np.testing.assert_array_equal(found[i], shapely.contains_xy(shape, where))


def test_clipped_area_is_that_of_the_intersection():
    rings = [ring for ring in workloads.rings("coco", 200, seed=3) if shapely.Polygon(ring).is_valid]
    coords, offsets = shapes.ragged(rings)
    rng = np.random.default_rng(0)
    low = rng.uniform(0, [640, 480], (len(rings), 2))
    sides = np.concatenate([low, low + rng.uniform(0, 200, (len(rings), 2))], axis=1)
    found = polygons.clip_to_box(coords, offsets, np.arange(len(rings) + 1), sides)
    expected = [
        shapely.Polygon(ring).intersection(shapely.box(*side)).area
        for ring, side in zip(rings, sides, strict=True)
    ]
    np.testing.assert_allclose(polygons.area(*found), expected, rtol=1e-9, atol=1e-7)
    kept = polygons.bounds(*found)
    inside = ~np.isnan(kept[:, 0])
    assert (kept[inside, :2] >= sides[inside, :2]).all()
    assert (kept[inside, 2:] <= sides[inside, 2:]).all()


def test_a_zigzag_grows_many_corners_when_clipped():
    zigzag = np.array([[x, 10.0 * (x % 2)] for x in range(101)] + [[50, -40]])
    assert shapely.Polygon(zigzag).is_valid
    found = polygons.clip_to_box(zigzag, [0, 102], [0, 1], [0, 4, 100, 6])
    expected = shapely.Polygon(zigzag).intersection(shapely.box(0, 4, 100, 6)).area
    np.testing.assert_allclose(polygons.area(*found), [expected])


@pytest.mark.parametrize("rule", ["coco", "center"])
def test_pixels_are_those_of_the_runs(nested, rule):
    _, coords, offsets, owners = nested
    batch = rle.from_polygons(coords, offsets, owners, 480, 640, rule)
    dense = polygons.to_masks(coords, offsets, owners, 480, 640, rule)
    np.testing.assert_array_equal(dense, rle.decode(batch))
    np.testing.assert_array_equal(
        polygons.to_mask(coords, offsets, owners, 480, 640, rule), dense.any(axis=0).astype(np.uint8)
    )
    np.testing.assert_array_equal(
        polygons.to_label_map(coords, offsets, owners, 480, 640, rule=rule), rle.to_label_map(batch)
    )
    out = np.empty((len(batch), 640, 480), np.uint8).transpose(0, 2, 1)
    assert polygons.to_masks(coords, offsets, owners, 480, 640, rule, out=out) is out


def test_nothing_in_nothing_out():
    assert polygons.to_masks([], [0], [0], 3, 4).shape == (0, 3, 4)
    assert polygons.to_mask([], [0], [0], 3, 4).tolist() == [[0] * 4] * 3
    assert polygons.area([], [0], [0]).shape == (0,)
    assert polygons.area([], [0, 0], [0, 1]).tolist() == [0.0]


@pytest.mark.parametrize(
    "owners", [[0, 1, 2, 3, 4, 5, 6], [0, 2, 4, 6], [0, 0, 2, 3, 4, 5, 6], [0, 1, 1, 3, 4, 5, 6]]
)
@pytest.mark.parametrize("objects", [None, [0, 3], [0, 1, 1, 3]])
def test_painting_is_decoding_the_runs(owners, objects):
    coords, offsets = shapes.ragged([*shapes.random_rings(5), np.empty((0, 2))])
    if objects is not None:
        objects = [*objects[:-1], len(owners) - 1]
    expected = rle.decode(rle.from_polygons(coords, offsets, owners, 30, 40, object_offsets=objects))
    found = polygons.to_masks(coords, offsets, owners, 30, 40, object_offsets=objects)
    np.testing.assert_array_equal(found, expected)
    for out in (
        np.full(found.shape, 7, np.uint8),
        np.full((len(found), 40, 30), 7, np.uint8).transpose(0, 2, 1),
    ):
        assert polygons.to_masks(coords, offsets, owners, 30, 40, object_offsets=objects, out=out) is out
        np.testing.assert_array_equal(out, expected)
    with pytest.raises(ValueError, match="writeable uint8"):
        polygons.to_masks(coords, offsets, owners, 30, 40, object_offsets=objects, out=found[:, :-1])
