"""Every argument that does not fit is refused, with what was expected and what came."""

from __future__ import annotations

import numpy as np
import pytest

from annokit_fast import boxes, polygons, rle

SQUARE = [[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]
TWO = rle.RleBatch([4, 4], [0, 1, 2], 2, 2)
MIXED = rle.RleBatch([4, 9], [0, 1, 2], [2, 3], [2, 3])

VALUES = [
    ("start at 0", lambda: rle.from_polygons(SQUARE, [1, 4], [0, 1], 4, 4)),
    ("end at 4", lambda: rle.from_polygons(SQUARE, [0, 3], [0, 1], 4, 4)),
    ("never fall", lambda: rle.from_polygons(SQUARE, [0, 3, 2, 4], [0, 3], 4, 4)),
    ("at least one offset", lambda: rle.from_polygons(SQUARE, [], [0, 1], 4, 4)),
    ("end at 1", lambda: rle.from_polygons(SQUARE, [0, 4], [0, 2], 4, 4)),
    ("object_offsets", lambda: rle.from_polygons(SQUARE, [0, 4], [0, 1], 4, 4, object_offsets=[0, 2])),
    ("shape", lambda: rle.from_polygons([[1, 2, 3]], [0, 1], [0, 1], 4, 4)),
    ("finite", lambda: rle.from_polygons([[np.nan, 0]], [0, 1], [0, 1], 4, 4)),
    ("finite", lambda: polygons.area([[0, -np.inf]], [0, 1], [0, 1])),
    ("within", lambda: rle.from_polygons([[2.0**27, 0]], [0, 1], [0, 1], 4, 4)),
    ("2\\*\\*32", lambda: rle.from_polygons(SQUARE, [0, 4], [0, 1], 2**16, 2**16)),
    (">= 0", lambda: rle.from_polygons(SQUARE, [0, 4], [0, 1], -1, 4)),
    ("one number, or 1", lambda: rle.from_polygons(SQUARE, [0, 4], [0, 1], [4, 4], 4)),
    ("'coco' or 'center'", lambda: rle.from_polygons(SQUARE, [0, 4], [0, 1], 4, 4, "half")),
    ("threads", lambda: rle.from_polygons(SQUARE, [0, 4], [0, 1], 4, 4, threads=0)),
    ("add up to 4", lambda: rle.RleBatch([3], [0, 1], 2, 2)),
    ("add up to 4", lambda: rle.from_strings(b"3", [0, 1], 2, 2)),
    ("at least one count", lambda: rle.RleBatch([], [0, 0], 0, 0)),
    ("from 0 to", lambda: rle.RleBatch([-1, 5], [0, 2], 2, 2)),
    ("dimension", lambda: rle.RleBatch([[4]], [0, 1], 2, 2)),
    ("within a number", lambda: rle.from_strings(b"P", [0, 1], 2, 2)),
    ("characters", lambda: rle.from_strings(b"\x00", [0, 1], 2, 2)),
    ("characters", lambda: rle.from_strings(b"\xff", [0, 1], 2, 2)),
    ("counts from 0", lambda: rle.from_strings(b"O5", [0, 2], 2, 2)),
    ("counts from 0", lambda: rle.from_strings(b"oooooooooooooooooooooo0", [0, 23], 2, 2)),
    ("mask 1", lambda: rle.from_strings(b"4P", [0, 1, 2], 2, 2)),
    ("end at 1", lambda: rle.from_strings(b"4", [0, 2], 2, 2)),
    ("shape", lambda: rle.encode(np.zeros(3, bool))),
    ("writeable uint8", lambda: rle.decode(TWO, np.zeros((2, 2, 3), np.uint8))),
    ("writeable uint8", lambda: rle.decode(TWO, np.zeros((2, 2, 2), bool))),
    ("different sizes", lambda: rle.decode(MIXED, np.zeros((2, 2, 2), np.uint8))),
    ("one size within group 0", lambda: rle.merge(MIXED, [0, 2])),
    ("none in group 1", lambda: rle.merge(TWO, [0, 2, 2])),
    ("one of union", lambda: rle.merge(TWO, [0, 2], "sum")),
    ("one size", lambda: rle.iou(rle.encode(np.ones((2, 2), bool)), rle.encode(np.ones((3, 2), bool)))),
    ("one flag per mask", lambda: rle.iou(TWO, TWO, [True])),
    ("same length", lambda: rle.iou_grouped(TWO, [0, 2], TWO, [0, 1, 2])),
    ("4 or 8", lambda: rle.to_polygons(TWO, 6)),
    ("shape", lambda: rle.crop(TWO, [[0, 0, 1, 1]] * 3)),
    (">= 0", lambda: rle.crop(TWO, [0, 0, -1, 1])),
    (">= 0", lambda: rle.pad(TWO, top=-3)),
    (">= 0", lambda: rle.resize_nearest(TWO, -1, 2)),
    ("at least one mask", lambda: rle.to_label_map(TWO[:0])),
    ("one size", lambda: rle.to_label_map(MIXED)),
    ("2 numbers", lambda: rle.to_label_map(TWO, [1])),
    ("2 numbers", lambda: rle.to_label_map(TWO, [1, -1])),
    ("large enough", lambda: rle.to_label_map(TWO, [1, 300], out=np.zeros((2, 2), np.uint8, order="F"))),
    ("'last' or 'area'", lambda: rle.to_label_map(TWO, order="first")),
    ("shape", lambda: boxes.iou([[0, 0, 1]], [[0, 0, 1, 1]])),
    ("finite", lambda: boxes.iou([[0, 0, 1, np.nan]], [[0, 0, 1, 1]])),
    ("finite", lambda: boxes.iou_paired([[0, 0, 1, np.inf]], [[0, 0, 1, 1]])),
    ("as many boxes", lambda: boxes.iou_paired([[0, 0, 1, 1]], [])),
    ("shape", lambda: boxes.iou([[0, 0, 1, 1]], [[0, 0, 1, 1]], np.zeros((2, 2)))),
    ("C-contiguous", lambda: boxes.iou([[0, 0, 1, 1]] * 2, [[0, 0, 1, 1]] * 2, np.zeros((2, 2), order="F"))),
    ("layout", lambda: boxes.iou([[0, 0, 1, 1]], [[0, 0, 1, 1]], layout="yxyx")),
    ("shape", lambda: boxes.iou_rotated([[0, 0, 1, 1]], [[0, 0, 1, 1, 0]])),
    ("one per box", lambda: boxes.nms([[0, 0, 1, 1]], [])),
    ("NaN", lambda: boxes.nms([[0, 0, 1, 1]], [np.nan])),
    ("from 0 to 1", lambda: boxes.nms([[0, 0, 1, 1]], [1.0], 2)),
    ("one of xyxy", lambda: boxes.convert([[0, 0, 1, 1]], "xyxy", "xxyy")),
    ("image size", lambda: boxes.convert([[0, 0, 1, 1]], "xyxy", "xyxy_norm")),
    ("above 0", lambda: boxes.convert([[0, 0, 1, 1]], "xyxy", "xyxy_norm", width=0, height=1)),
    ("x1 <= x2", lambda: polygons.clip_to_box(SQUARE, [0, 4], [0, 1], [2, 0, 1, 1])),
    ("shape", lambda: polygons.clip_to_box(SQUARE, [0, 4], [0, 1], [[2, 0, 1, 1]] * 2)),
]

TYPES = [
    lambda: rle.RleBatch([4.0], [0, 1], 2, 2),
    lambda: rle.RleBatch([4], [0.0, 1.0], 2, 2),
    lambda: rle.from_polygons(SQUARE, [0, 4], [0, 1], 4.5, 4),
    lambda: rle.from_polygons([["a", "b"]], [0, 1], [0, 1], 4, 4),
    lambda: rle.encode(np.zeros((2, 2))),
    lambda: rle.area(TWO, [0, 0]),
    lambda: rle.RleBatch.from_coco([{"size": [2, 2]}]),
    lambda: rle.RleBatch.from_coco(["123"]),
]


@pytest.mark.parametrize(("message", "call"), VALUES)
def test_bad_values(message, call):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("call", TYPES)
def test_bad_types(call):
    with pytest.raises(TypeError, match="expected"):
        call()
