"""One small call of every public function, with the argument types that all calls share."""

from __future__ import annotations

import numpy as np

from annokit_fast import agreement, boxes, coco_mask, polygons, rle, text, tracks
from annokit_fast._jit import lose_patience

__all__ = ["warm"]


def warm() -> None:
    """Compile every kernel, or load it from the cache."""
    lose_patience()
    square = np.array([[1.0, 0.5], [3.0, 0.5], [3.0, 2.0], [1.0, 2.0]])
    rings = np.array([0, 4])
    polygons_at = np.array([0, 1])
    _warm_masks(square, rings, polygons_at)
    shape = (square, rings, polygons_at)
    for measure in (polygons.area, polygons.bounds, polygons.perimeter):
        measure(*shape)
    polygons.to_masks(*shape, 4, 4)
    polygons.is_clockwise(square, rings)
    polygons.contains_points(*shape, square)
    polygons.clip_to_box(*shape, [0, 0, 2, 2])
    pair = np.array([[0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 3.0, 3.0]])
    for overlap in (boxes.iou, boxes.giou, boxes.iou_paired):
        overlap(pair, pair)
    boxes.iou_rotated(square[None], square[None])
    boxes.nms(pair, [0.5, 0.6])
    tracks.interpolate([0, 2], pair, [0, 2], 3)
    tracks.interpolate([0, 2], pair, [0, 2], [1])
    tracks.fewest_keyframes([0, 2], pair, [0, 2])
    _warm_agreement(pair)
    coco_mask.iou(pair, pair, [0, 1])
    _warm_text(square, rings, pair)


def _warm_agreement(pair: np.ndarray) -> None:
    agreement.match(pair, [0, 2], pair, [0, 2])
    agreement.cluster_boxes(pair, [0, 2], [0, 1])
    agreement.merge_boxes(pair, [0, 2])
    masks = rle.encode(np.ones((2, 1, 1), np.uint8))
    agreement.majority(masks, [0, 2])
    agreement.staple(masks, [0, 2])
    units = agreement.units([0, 0], [0, 1], n_items=1, n_codes=2)
    agreement.alpha(units)
    agreement.pair_agreement(units, np.eye(2))
    agreement.alpha_without(units, [0, 1], [0, 0], [0, 1], n_annotators=2)
    given = agreement.responses([0, 0], [0, 1], [0, 1], n_items=1, n_annotators=2, n_classes=2)
    agreement.votes(given)
    gains = agreement.tally(given, np.full((1, 2), 0.5))
    logs, flat, posterior = np.empty_like(gains), np.ones(2), np.empty((1, 2), np.int64)
    agreement.maximise(gains, 1.0, np.ones((2, 2)), flat, flat, logs)
    agreement.expect(
        given, logs, np.zeros(2, np.int64), np.array([-1]), posterior, np.zeros(2, np.int64), gains
    )


def _warm_text(square: np.ndarray, rings: np.ndarray, pair: np.ndarray) -> None:
    text.parse_rings(b"[[1,2]]", [0, 7])
    text.parse_points(b'[{"x":1,"y":2}]', [0, 15])
    text.json_rings(square, rings, [0, 1])
    text.yolo_rings([0], square, rings, [[4, 4]])
    text.yolo_keypoints([0, 0], pair, np.zeros((2, 1, 3)), [[4, 4]] * 2)


def _warm_masks(square: np.ndarray, rings: np.ndarray, polygons_at: np.ndarray) -> None:
    batch = rle.from_polygons(square, rings, polygons_at, 4, 4)
    rle.from_polygons(square, rings, polygons_at, 4, 4, "center")
    two = batch + batch
    rle.RleBatch(two.counts, two.offsets, two.heights, two.widths)
    dense = rle.decode(two)
    rle.encode(np.ascontiguousarray(dense))
    rle.from_strings(*rle.to_strings(two), 4, 4)
    rle.area(two)
    rle.bounds(two)
    rle.merge(two, [0, 2])
    rle.complement(two)
    rle.pad(two, 1)
    rle.resize_nearest(two, 2, 2)
    rle.iou(two, two)
    rle.to_polygons(two)
    rle.to_label_map(two)
