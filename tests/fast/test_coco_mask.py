"""The drop-in does what pycocotools.mask does, and refuses what makes that crash or lie."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco

from annokit_fast import coco_mask
from tests.fast import shapes


def same(call):
    ours, theirs = call(coco_mask), call(coco)
    assert type(ours) is type(theirs)
    if isinstance(theirs, np.ndarray):
        assert ours.dtype == theirs.dtype
        assert ours.flags.f_contiguous == theirs.flags.f_contiguous or theirs.ndim < 2
        np.testing.assert_array_equal(ours, theirs)
    else:
        assert ours == theirs


@pytest.fixture(scope="module")
def objects():
    rng = np.random.default_rng(0)
    return coco.encode(
        np.asfortranarray(np.stack([shapes.random_mask(rng, 9, 12) for _ in range(30)], axis=-1))
    )


def test_polygons_boxes_and_uncompressed_runs():
    rings = [ring.ravel().tolist() for ring in shapes.random_rings(200)]
    boxes = np.random.default_rng(0).uniform(-5, 50, (50, 4))
    same(lambda module: module.frPyObjects(rings, 40, 50))
    same(lambda module: module.frPyObjects(boxes, 40, 50))
    assert coco_mask.frPyObjects(boxes.tolist(), 40, 50) == coco.frPyObjects(boxes, 40, 50)
    assert coco_mask.frPyObjects(boxes[0].tolist(), 40, 50) == coco.frPyObjects(boxes[:1], 40, 50)[0]
    assert coco_mask.frPyObjects(rings[0], 40, 50) == coco.frPyObjects(rings[:1], 40, 50)[0]
    same(lambda module: module.frPyObjects([{"size": [2, 3], "counts": [1, 2, 3]}], 2, 3))
    same(lambda module: module.frPyObjects({"size": [2, 3], "counts": [6]}, 2, 3))


def test_one_object_or_many(objects):
    same(lambda module: module.decode(objects))
    same(lambda module: module.decode(objects[3]))
    same(lambda module: module.area(objects))
    same(lambda module: module.area(objects[3]))
    same(lambda module: module.toBbox(objects))
    same(lambda module: module.toBbox(objects[3]))
    same(lambda module: module.encode(coco.decode(objects)))
    same(lambda module: module.encode(coco.decode(objects[3])))


def test_text_is_taken_for_bytes(objects):
    text = [{"size": one["size"], "counts": one["counts"].decode()} for one in objects]
    np.testing.assert_array_equal(coco_mask.decode(text), coco.decode(objects))


@pytest.mark.parametrize("count", [0, 1, 2, 7])
@pytest.mark.parametrize("intersect", [False, True, 0, 1])
def test_merge(objects, count, intersect):
    same(lambda module: module.merge(objects[:count], intersect))


def test_overlaps_of_masks_and_boxes(objects):
    crowd = [0, 1] * 10
    same(lambda module: module.iou(objects[:10], objects[10:], crowd))
    boxes = np.random.default_rng(1).uniform(0, 30, (30, 4))
    same(lambda module: module.iou(boxes[:10], boxes[10:], crowd))
    same(lambda module: module.iou(boxes[:10].tolist(), boxes[10:].tolist(), crowd))
    same(lambda module: module.iou([], objects, [0] * 30))
    same(lambda module: module.iou(objects, [], []))
    wide = [{"size": [9, 13], "counts": coco.encode(np.ones((9, 13), np.uint8, order="F"))["counts"]}]
    same(lambda module: module.iou(objects[:10], wide, [0]))


def test_more_than_255_masks_have_areas(objects):
    assert len(coco_mask.area(objects * 10)) == 300


def test_any_nonzero_pixel_is_foreground():
    assert coco_mask.encode(np.array([[1, 2], [255, 0]], np.uint8)) == {"size": [2, 2], "counts": b"031"}


BAD = {
    "counts short of the size": lambda: coco_mask.decode({"size": [10, 10], "counts": [5, 5]}),
    "counts beyond the size": lambda: coco_mask.toBbox({"size": [4, 4], "counts": [5, 500]}),
    "counts in no pixels": lambda: coco_mask.toBbox({"size": [0, 0], "counts": [5, 5]}),
    "a string cut short": lambda: coco_mask.decode({"size": [9, 9], "counts": b"1o"}),
    "other characters": lambda: coco_mask.decode({"size": [9, 9], "counts": b"1 !~"}),
    "characters beyond ASCII": lambda: coco_mask.decode({"size": [9, 9], "counts": "1\u00e4"}),
    "a negative count": lambda: coco_mask.area({"size": [3, 3], "counts": [-1, 10]}),
    "a negative size": lambda: coco_mask.area({"size": [-3, 3], "counts": [0]}),
    "too many pixels": lambda: coco_mask.area({"size": [2**16, 2**16], "counts": [0]}),
    "NaN": lambda: coco_mask.frPyObjects([[0, 0, 5, np.nan, 5, 5]], 9, 9),
    "infinity": lambda: coco_mask.frPyObjects([[0, 0, 5, np.inf, 5, 5]], 9, 9),
    "a huge coordinate": lambda: coco_mask.frPyObjects([[0, 0, 5, -1e9, 5, 5]], 9, 9),
    "an odd number of coordinates": lambda: coco_mask.frPyObjects([[0, 0, 5, 0, 5, 5, 3]], 9, 9),
    "two numbers": lambda: coco_mask.frPyObjects([[0, 0]], 9, 9),
    "different sizes merged": lambda: coco_mask.merge([{"size": [1, 2], "counts": [2]}, {"size": [2, 2], "counts": [4]}]),
    "different sizes decoded": lambda: coco_mask.decode([{"size": [1, 2], "counts": [2]}, {"size": [2, 2], "counts": [4]}]),
    "masks against boxes": lambda: coco_mask.iou([{"size": [1, 2], "counts": [2]}], [[0, 0, 1, 1]], [0]),
    "crowds of another number": lambda: coco_mask.iou([[0, 0, 1, 1]], [[0, 0, 1, 1]], [0, 1]),
    "four dimensions": lambda: coco_mask.encode(np.zeros((1, 1, 1, 1), np.uint8)),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_crashes_or_lies_is_refused(case):
    with pytest.raises(ValueError, match=r"expected|ends"):
        BAD[case]()


@pytest.mark.parametrize("counts", [[1.5, 2.5], ["a"], None])
def test_counts_that_are_no_whole_numbers(counts):
    with pytest.raises((TypeError, ValueError)):
        coco_mask.decode({"size": [2, 2], "counts": counts})
