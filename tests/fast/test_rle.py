"""Run-length masks against pycocotools, rasterio and dense pixels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from numba import config
from pycocotools import mask as coco

from annokit_fast import polygons, rle
from tests.fast import naive, shapes

RINGS = 200 if config.DISABLE_JIT else 2000
SIZES = [(1.0, 50, 60), (0.05, 3, 4), (13.0, 700, 900), (1.0, 1, 1), (1.0, 0, 5)]


@pytest.mark.parametrize(("scale", "height", "width"), SIZES)
def test_coco_rule_is_bit_equal_to_pycocotools(scale, height, width):
    rings = [ring * scale for ring in shapes.random_rings(RINGS)]
    coords, offsets = shapes.ragged(rings)
    batch = rle.from_polygons(coords, offsets, np.arange(len(rings) + 1), height, width)
    expected = coco.frPyObjects([ring.ravel().tolist() for ring in rings], height, width)
    assert batch.to_coco() == expected
    assert rle.RleBatch.from_coco(expected) == batch
    areas = [coco.area(expected[i : i + 200]) for i in range(0, len(expected), 200)]
    np.testing.assert_array_equal(rle.area(batch), np.concatenate(areas))
    if height:
        np.testing.assert_array_equal(rle.bounds(batch), coco.toBbox(expected))


@pytest.mark.parametrize("half", [False, True])
def test_center_rule_is_bit_equal_to_rasterio(half):
    features = pytest.importorskip("rasterio.features")
    rings = [np.round(ring) / 2 if half else ring for ring in shapes.random_rings(800)]
    coords, offsets = shapes.ragged(rings)
    found = rle.decode(rle.from_polygons(coords, offsets, np.arange(len(rings) + 1), 50, 60, rule="center"))
    for ring, mask in zip(rings, found, strict=True):
        shape = {"type": "Polygon", "coordinates": [[*ring.tolist(), ring[0].tolist()]]}
        np.testing.assert_array_equal(
            mask, features.rasterize([(shape, 1)], out_shape=(50, 60), dtype="uint8")
        )


def test_center_rule_with_holes_and_parts_is_rasterio_s():
    features = pytest.importorskip("rasterio.features")
    rng = np.random.default_rng(1)
    for _ in range(100):
        x, y = np.round(rng.uniform(0, 8, 2) * 2) / 2
        square = np.array([[0, 0], [9, 0], [9, 9], [0, 9]]) + np.array([x, y])
        hole = (np.array([[3, 3], [3, 6], [6, 6], [6, 3]]) + np.array([x, y]))[:: rng.choice([1, -1])]
        far = square + 12
        coords, offsets = shapes.ragged([square, hole, far])
        found = rle.decode(rle.from_polygons(coords, offsets, [0, 2, 3], 32, 32, "center", [0, 2]))
        closed = [[*ring.tolist(), ring[0].tolist()] for ring in (square, hole, far)]
        shape = {"type": "MultiPolygon", "coordinates": [[closed[0], closed[1]], [closed[2]]]}
        np.testing.assert_array_equal(
            found[0], features.rasterize([(shape, 1)], out_shape=(32, 32), dtype="uint8")
        )


@settings(max_examples=150, deadline=None)
@given(ring=shapes.rings)
def test_both_rules_equal_their_slow_twins(ring):
    near = np.clip(ring, -30, 60)
    for draw, rule in ((naive.coco_ring, "coco"), (naive.center_ring, "center")):
        found = rle.decode(rle.from_polygons(near, [0, len(near)], [0, 1], 15, 20, rule))[0]
        flat = (near[:, 1] == np.roll(near[:, 1], 1)) & (near[:, 1] % 1 == 0.5)
        if rule == "coco" or not flat.any():
            np.testing.assert_array_equal(found, draw(near, 15, 20))


@settings(max_examples=60, deadline=None)
@given(ring=shapes.rings)
def test_points_far_outside_cost_nothing_and_leave_valid_runs(ring):
    for rule in ("coco", "center"):
        batch = rle.from_polygons(ring, [0, len(ring)], [0, 1], 15, 20, rule)
        assert rle.RleBatch(batch.counts, batch.offsets, 15, 20).canonical() == batch


def test_holes_and_objects_are_differences_and_unions():
    rings = shapes.random_rings(400)
    coords, offsets = shapes.ragged(rings)
    objects = np.array([0, 1, 1, 4, 200])
    for rule in ("coco", "center"):
        found = rle.from_polygons(coords, offsets, np.arange(0, 401, 2), 50, 60, rule, objects)
        single = rle.decode(rle.from_polygons(coords, offsets, np.arange(401), 50, 60, rule)).astype(bool)
        pieces = single[0::2] & ~single[1::2]
        for i, mask in enumerate(rle.decode(found)):
            np.testing.assert_array_equal(mask, pieces[objects[i] : objects[i + 1]].any(axis=0))
        assert found.canonical() == found


def test_images_without_pixels_have_one_empty_run():
    coords, offsets = shapes.ragged(shapes.random_rings(20))
    for height, width in ((0, 0), (0, 7), (7, 0)):
        for rule in ("coco", "center"):
            batch = rle.from_polygons(coords, offsets, np.arange(21), height, width, rule)
            assert batch.counts.tolist() == [0] * 20


def test_images_of_different_sizes_in_one_batch():
    rings = shapes.random_rings(300)
    coords, offsets = shapes.ragged(rings)
    rng = np.random.default_rng(0)
    heights, widths = rng.integers(1, 80, (2, 300))
    batch = rle.from_polygons(coords, offsets, np.arange(301), heights, widths)
    for i, ring in enumerate(rings):
        assert batch[i].to_coco() == coco.frPyObjects(
            [ring.ravel().tolist()], int(heights[i]), int(widths[i])
        )
    assert all(
        np.array_equal(mask, rle.decode(one)[0]) for mask, one in zip(rle.decode(batch), batch, strict=True)
    )
    assert rle.from_polygons(coords, offsets, np.arange(301), heights, widths, threads=3) == batch


@settings(max_examples=200, deadline=None)
@given(mask=shapes.masks)
def test_dense_masks_there_and_back(mask):
    height, width = mask.shape
    batch = rle.encode(mask)
    assert batch.counts.tolist() == naive.counts(mask)
    assert (
        rle.encode(np.asfortranarray(mask))
        == rle.encode(mask != 0)
        == rle.encode(mask.astype(np.int32))
        == batch
    )
    np.testing.assert_array_equal(rle.decode(batch)[0], mask != 0)
    np.testing.assert_array_equal(rle.decode(batch)[0], naive.decode(batch.counts, height, width))
    for order in ("C", "F"):
        out = np.full((1, height, width), 9, np.uint8, order=order)
        rle.decode(batch, out)
        np.testing.assert_array_equal(out[0], mask != 0)
    assert rle.area(batch)[0] == np.count_nonzero(mask)
    assert rle.bounds(batch)[0].tolist() == naive.coco_bounds(mask)
    assert rle.RleBatch.from_coco(batch.to_coco()) == batch
    assert rle.RleBatch.from_coco(batch.to_coco(compressed=False)) == batch


def test_large_masks_of_every_alignment():
    rng = np.random.default_rng(0)
    memory = (rng.random(200_000) < 0.003).cumsum().astype(np.uint8) % 2 * 200
    for start in range(9):
        for height, width in ((257, 129), (31, 1000), (7, 3)):
            mask = memory[start : start + 3 * height * width].reshape(3, height, width)
            for stack in (mask, mask.transpose(0, 2, 1)):
                found = rle.encode(stack)
                expected = coco.encode(np.asfortranarray((stack != 0).transpose(1, 2, 0).astype(np.uint8)))
                assert found.to_coco() == expected
                assert rle.encode(stack, threads=2) == found


def test_random_masks_do_all_that_dense_ones_do():
    rng = np.random.default_rng(0)
    for _ in range(400):
        height, width = rng.integers(0, 14, 2)
        mask = shapes.random_mask(rng, height, width)
        batch = rle.encode(mask)
        assert rle.complement(batch) == rle.encode(1 - mask)
        x, y = rng.integers(-5, 10, 2)
        across, down = rng.integers(0, 12, 2)
        assert rle.crop(batch, [x, y, across, down]) == rle.encode(naive.crop(mask, x, y, across, down))
        top, bottom, left, right = rng.integers(0, 4, 4)
        assert rle.pad(batch, top, bottom, left, right) == rle.encode(
            np.pad(mask, ((top, bottom), (left, right)))
        )
        if mask.size:
            tall, wide = (int(side) for side in rng.integers(1, 20, 2))
            assert rle.resize_nearest(batch, tall, wide) == rle.encode(naive.resize_nearest(mask, tall, wide))


@pytest.mark.parametrize("connectivity", [4, 8])
def test_outlines_give_the_same_mask_back(connectivity):
    ndimage = pytest.importorskip("scipy.ndimage")
    rng = np.random.default_rng(connectivity)
    masks = [shapes.random_mask(rng, *rng.integers(0, 12, 2)) for _ in range(400)]
    batch = rle.RleBatch.concatenate([rle.encode(mask) for mask in masks])
    coords, rings, pieces, objects = rle.to_polygons(batch, connectivity)
    for rule in ("coco", "center"):
        assert rle.from_polygons(coords, rings, pieces, batch.heights, batch.widths, rule, objects) == batch
    for mask, parts in zip(masks, np.diff(objects), strict=True):
        assert ndimage.label(mask, np.ones((3, 3)) if connectivity == 8 else None)[1] == parts
    outer = np.zeros(len(rings) - 1, bool)
    outer[pieces[:-1]] = True
    np.testing.assert_array_equal(polygons.is_clockwise(coords, rings), outer)
    assert polygons.area(coords, rings, pieces).sum() == sum(int(mask.sum()) for mask in masks)


def test_outlines_have_no_needless_corner():
    coords, rings, _, _ = rle.to_polygons(rle.encode(np.pad(np.ones((5, 7), bool), 2)))
    assert rings.tolist() == [0, 4]
    assert coords.tolist() == [[2, 2], [9, 2], [9, 7], [2, 7]]


@pytest.mark.parametrize(("op", "dense"), [
    ("union", np.bitwise_or), ("intersection", np.bitwise_and), ("xor", np.bitwise_xor),
    ("difference", lambda a, b: a & ~b & 1),
])  # fmt: skip
def test_merge_of_groups(op, dense):
    rng = np.random.default_rng(2)
    masks = np.stack([shapes.random_mask(rng, 9, 11) for _ in range(120)])
    batch = rle.encode(masks)
    groups = np.unique(np.concatenate([[0, 120], rng.integers(1, 120, 40)]))
    found = rle.merge(batch, groups, op)
    for i, (first, stop) in enumerate(pairwise(groups)):
        expected = masks[first]
        for mask in masks[first + 1 : stop]:
            expected = dense(expected, mask)
        assert found[i] == rle.encode(expected)
        if op in ("union", "intersection"):
            assert found[i].to_coco()[0] == coco.merge(batch[first:stop].to_coco(), op == "intersection")


def test_overlaps_are_bit_equal_with_crowds_and_in_groups():
    rng = np.random.default_rng(3)
    masks = np.stack([shapes.random_mask(rng, 15, 14) for _ in range(60)])
    batch = rle.encode(masks)
    theirs = batch.to_coco()
    crowd = rng.random(30) < 0.4
    found = rle.iou(batch[:30], batch[30:], crowd)
    np.testing.assert_array_equal(found, coco.iou(theirs[:30], theirs[30:], crowd.astype(np.uint8)))
    assert found[4, 5] == naive.mask_iou(masks[4], masks[35], crowd[5])
    values, ends = rle.iou_grouped(batch[:30], [0, 10, 10, 30], batch[30:], [0, 5, 6, 30], crowd)
    assert ends.tolist() == [0, 50, 50, 530]
    np.testing.assert_array_equal(values[:50].reshape(10, 5), found[:10, :5])
    np.testing.assert_array_equal(values[50:].reshape(20, 24), found[10:, 6:])


def test_label_map_says_who_wins():
    rng = np.random.default_rng(4)
    masks = np.stack([shapes.random_mask(rng, 12, 10) for _ in range(6)])
    batch = rle.encode(masks)
    last, area = np.zeros((12, 10), int), np.zeros((12, 10), int)
    for i, mask in enumerate(masks):
        last[mask > 0] = i + 1
    for i in np.argsort(-masks.sum(axis=(1, 2)), kind="stable"):
        area[masks[i] > 0] = i + 1
    np.testing.assert_array_equal(rle.to_label_map(batch), last)
    np.testing.assert_array_equal(rle.to_label_map(batch, order="area"), area)
    for labels, dtype in (
        ([1, 2, 3, 4, 5, 255], np.uint8),
        ([0, 1, 2, 3, 4, 300], np.uint16),
        ([7] * 5 + [70000], np.int32),
    ):
        found = rle.to_label_map(batch, labels)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, np.concatenate([[0], labels])[last])


def test_runs_that_are_not_canonical_mean_the_same():
    batch = rle.RleBatch([1, 0, 2, 1, 0, 0, 2, 3, 1, 0], [0, 5, 10], [2, 2], [2, 3])
    clean = batch.canonical()
    assert [clean.counts[i:j].tolist() for i, j in pairwise(clean.offsets)] == [[3, 1], [0, 2, 3, 1]]
    for one, other in zip(rle.decode(batch), rle.decode(clean), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(rle.area(batch), rle.area(clean))
    np.testing.assert_array_equal(rle.bounds(batch), rle.bounds(clean))
    assert rle.complement(batch).canonical() == rle.complement(clean)
    for one, other in zip(rle.to_polygons(batch), rle.to_polygons(clean), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_batch_is_a_sequence_of_batches():
    batch = rle.encode(np.stack([np.eye(3), np.zeros((3, 3)), np.ones((3, 3))]).astype(bool))
    assert len(batch) == 3
    assert list(batch) == [batch[0], batch[1], batch[-1]]
    assert batch[1:] == batch[[1, 2]] == batch[np.array([False, True, True])]
    assert batch[::-1] == batch[2] + batch[1] + batch[0]
    assert len(batch[[]]) == len(batch[5:]) == len(rle.RleBatch.concatenate([])) == 0
    assert batch != batch[:2]
    with pytest.raises(IndexError):
        batch[3]
    with pytest.raises(ValueError, match="read-only"):
        batch.counts[0] = 1


def test_arrays_that_fit_are_not_copied():
    counts, offsets = np.array([4], np.uint32), np.array([0, 1])
    size = np.array([2], np.int32)
    batch = rle.RleBatch(counts, offsets, size, size)
    assert np.shares_memory(batch.counts, counts)
    assert np.shares_memory(batch.offsets, offsets)
