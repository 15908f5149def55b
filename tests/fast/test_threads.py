"""Any number of threads gives the same bits."""

from __future__ import annotations

import numpy as np
import pytest

from annokit_fast import agreement, boxes, polygons, rle, tracks
from benchmarks import workloads
from tests.fast import shapes

COUNT = 37
COORDS, RINGS = shapes.ragged(workloads.rings("coco", COUNT, seed=5))
SHAPE = COORDS, RINGS, np.arange(COUNT + 1)
OBJECTS = [0, 1, 1, 5, 12, COUNT]
MASKS = rle.from_polygons(*SHAPE, 480, 640)
MIXED = rle.RleBatch.concatenate([MASKS, rle.resize_nearest(MASKS[:9], 31, 17)])
GROUPS = [0, 1, 4, 20, COUNT]
A, B = workloads.boxes(COUNT, 1), workloads.boxes(23, 2)
PROBLEMS = workloads.annotator_pairs(19)
KEYS = workloads.key_frames(COUNT, 90)
TURNED = workloads.rotated_boxes(COUNT)


def images():
    return rle.iou_grouped(MASKS, GROUPS, MASKS, GROUPS, threads=1)[0]


CALLS = {
    "from_polygons": lambda t: rle.from_polygons(*SHAPE, 480, 640, threads=t),
    "from_polygons center": lambda t: rle.from_polygons(*SHAPE, 480, 640, "center", threads=t),
    "from_polygons objects": lambda t: rle.from_polygons(*SHAPE, 480, 640, object_offsets=OBJECTS, threads=t),
    "encode": lambda t: rle.encode(rle.decode(MASKS), threads=t),
    "encode rows": lambda t: rle.encode(np.ascontiguousarray(rle.decode(MASKS)), threads=t),
    "decode": lambda t: rle.decode(MASKS, threads=t),
    "decode mixed": lambda t: np.concatenate([m.ravel() for m in rle.decode(MIXED, threads=t)]),
    "decode rows": lambda t: rle.decode(MASKS, np.ones((COUNT, 480, 640), np.uint8), threads=t),
    "decode columns": lambda t: rle.decode(
        MASKS, np.ones((COUNT, 640, 480), np.uint8).transpose(0, 2, 1), threads=t
    ),
    "to_strings": lambda t: rle.to_strings(MASKS, threads=t),
    "from_strings": lambda t: rle.from_strings(*rle.to_strings(MASKS), 480, 640, threads=t),
    "area": lambda t: rle.area(MASKS, threads=t),
    "bounds": lambda t: rle.bounds(MIXED, threads=t),
    "merge": lambda t: rle.merge(MASKS, GROUPS, "xor", threads=t),
    "complement": lambda t: rle.complement(MIXED, threads=t),
    "crop": lambda t: rle.crop(MIXED, [-3, 5, 300, 200], threads=t),
    "pad": lambda t: rle.pad(MIXED, 1, 2, 3, -4, threads=t),
    "resize_nearest": lambda t: rle.resize_nearest(MIXED, 33, 77, threads=t),
    "iou": lambda t: rle.iou(MASKS, MASKS[:11], np.arange(11) % 2, threads=t),
    "iou_grouped": lambda t: rle.iou_grouped(MASKS, GROUPS, MASKS, GROUPS, np.arange(COUNT) % 2, threads=t),
    "to_polygons": lambda t: rle.to_polygons(MIXED, 8, threads=t),
    "polygons.area": lambda t: polygons.area(*SHAPE, threads=t),
    "polygons.bounds": lambda t: polygons.bounds(*SHAPE, threads=t),
    "polygons.perimeter": lambda t: polygons.perimeter(*SHAPE, threads=t),
    "contains_points": lambda t: polygons.contains_points(*SHAPE, COORDS[::7], threads=t),
    "to_masks": lambda t: polygons.to_masks(*SHAPE, 480, 640, threads=t),
    "to_masks objects": lambda t: polygons.to_masks(*SHAPE, 480, 640, object_offsets=OBJECTS, threads=t),
    "to_masks holes": lambda t: polygons.to_masks(*SHAPE[:2], GROUPS, 480, 640, threads=t),
    "boxes.iou": lambda t: boxes.iou(A, B, crowd=np.arange(23) % 2, threads=t),
    "giou": lambda t: boxes.giou(A, B, threads=t),
    "iou_paired": lambda t: boxes.iou_paired(A, A[::-1], threads=t),
    "iou_rotated": lambda t: boxes.iou_rotated(TURNED, TURNED, threads=t),
    "interpolate": lambda t: tracks.interpolate(*KEYS, 90, threads=t),
    "interpolate some": lambda t: tracks.interpolate(*KEYS, [3, 80, 2], threads=t),
    "match": lambda t: agreement.match(*PROBLEMS, threads=t),
    "assign": lambda t: agreement.assign(images(), GROUPS, GROUPS, threads=t),
}


def arrays(found):
    if isinstance(found, rle.RleBatch):
        return [found.counts, found.offsets, found.heights, found.widths]
    return list(found) if isinstance(found, tuple) else [found]


@pytest.mark.parametrize("name", CALLS)
def test_any_number_of_threads_gives_the_same_bits(name):
    alone = arrays(CALLS[name](1))
    for threads in (2, 3, 50):
        for one, other in zip(alone, arrays(CALLS[name](threads)), strict=True):
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            assert one.tobytes() == other.tobytes()


def test_every_function_that_takes_threads_is_here():
    modules = {"polygons": polygons, "boxes": boxes, "tracks": tracks, "agreement": agreement, "rle": rle}
    for module in modules.values():
        for name in module.__all__:
            code = getattr(getattr(module, name), "__code__", None)
            if (
                code is not None
                and "threads" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            ):
                assert name in CALLS or f"{module.__name__.split('.')[-1]}.{name}" in CALLS, name


def test_nothing_in_nothing_out():
    empty = rle.RleBatch([], [0], [], [])
    assert len(rle.merge(empty, [0], threads=4)) == 0
    assert rle.to_strings(empty, threads=4)[1].tolist() == [0]
    assert agreement.match([], [0], [], [0], threads=4).a.tolist() == []


@pytest.mark.parametrize("threads", [0, -1, 1.5, None])
def test_other_numbers_of_threads_are_refused(threads):
    with pytest.raises(ValueError, match="threads: expected a whole number"):
        rle.area(MASKS, threads=threads)


def test_the_faulty_mask_is_named_by_its_place_in_the_batch():
    text, ends = rle.to_strings(MASKS)
    text[ends[30]] = 1
    with pytest.raises(ValueError, match="mask 30: expected characters"):
        rle.from_strings(text, ends, 480, 640, threads=2)
