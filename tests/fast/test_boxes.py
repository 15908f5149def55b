"""Boxes against plain loops, pycocotools and shapely."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco

from annokit_fast import boxes
from benchmarks import workloads
from tests.fast import naive

_whole = arrays(np.float64, st.tuples(st.integers(0, 6), st.just(4)), elements=st.integers(-3, 6).map(float))


@settings(max_examples=200, deadline=None)
@given(a=_whole, b=_whole)
def test_iou_of_any_boxes_even_inside_out(a, b):
    expected = [[naive.box_iou(one, other) for other in b] for one in a]
    np.testing.assert_array_equal(boxes.iou(a, b), np.array(expected).reshape(len(a), len(b)))
    pairs = min(len(a), len(b))
    np.testing.assert_array_equal(boxes.iou_paired(a[:pairs], b[:pairs]), np.diag(expected) if pairs else [])


@settings(max_examples=100, deadline=None)
@given(a=_whole, b=_whole, seed=st.integers(0, 9))
def test_iou_of_sizes_is_bit_equal_to_pycocotools(a, b, seed):
    crowd = np.random.default_rng(seed).random(len(b)) < 0.5
    a, b = a * 0.7, b * 0.7
    expected = np.reshape(coco.iou(a, b, crowd.astype(np.uint8)), (len(a), len(b)))
    valid = (a[:, 2:] > 0).all(1)[:, None] & (b[:, 2:] > 0).all(1)
    found = boxes.iou(a, b, crowd=crowd, layout="xywh")
    np.testing.assert_array_equal(np.where(valid, found, 0), np.where(valid, expected, 0))


def test_results_go_into_out():
    a, b = workloads.boxes(30, 1), workloads.boxes(20, 2)
    for overlap in (boxes.iou, boxes.giou):
        out = np.full((30, 20), np.nan)
        assert overlap(a, b, out) is out
        np.testing.assert_array_equal(out, overlap(a, b))


def test_giou_of_boxes_without_area_is_not_nan():
    point, line, box = [1, 1, 1, 1], [0, 0, 4, 0], [0, 0, 2, 2]
    found = boxes.giou([point, line, box], [point, line, box])
    assert np.isfinite(found).all()
    assert found[2, 2] == 1
    assert (found >= -1).all()


def test_rotated_boxes_against_shapely():
    a, b = workloads.rotated_boxes(60, 1), workloads.rotated_boxes(60, 2)
    b[:20] = a[:20]
    b[20:40, :4] = a[20:40, :4]
    corners = [boxes._corners(side, "side") for side in (a, b)]
    one, other = (shapely.polygons(side) for side in corners)
    both = shapely.area(shapely.intersection(one[:, None], other))
    expected = both / (shapely.area(one)[:, None] + shapely.area(other) - both)
    np.testing.assert_allclose(boxes.iou_rotated(a, b), expected, atol=1e-9)
    np.testing.assert_allclose(boxes.iou_rotated(corners[0], corners[1][:, ::-1]), expected, atol=1e-9)
    np.testing.assert_allclose(boxes.iou_rotated([[5, 5, 4, 0, 30]], [[5, 5, 4, 4, 0]]), [[0]])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), threshold=st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_nms(seed, threshold):
    found, scores = workloads.crowded_boxes(25, seed)
    scores = np.round(scores, 1)
    kinds = np.random.default_rng(seed).integers(0, 3, 25)
    assert boxes.nms(found, scores, threshold).tolist() == naive.nms(found, scores, threshold)
    expected = naive.nms(found, scores, threshold, kinds)
    assert boxes.nms(found, scores, threshold, kinds).tolist() == expected


@pytest.mark.parametrize("source", ["xyxy", "xywh", "cxcywh", "xyxy_norm", "xywh_norm", "cxcywh_norm"])
@pytest.mark.parametrize("target", ["xyxy", "xywh", "cxcywh", "xyxy_norm", "xywh_norm", "cxcywh_norm"])
def test_layouts_there_and_back(source, target):
    values = workloads.boxes(20)
    start = boxes.convert(values, "xyxy", source, width=640, height=480)
    there = boxes.convert(start, source, target, width=640, height=480)
    back = boxes.convert(there, target, "xyxy", width=640, height=480)
    np.testing.assert_allclose(back, values, rtol=1e-12)
