"""Rows of the comparison table: boxes, polygons, tracks and matching."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from annokit_fast import agreement, boxes, polygons, tracks
from benchmarks import workloads
from benchmarks.peers import (
    Case,
    available,
    close,
    coco,
    comparison,
    equal,
    optimize,
    powerboxes,
    shapely,
    share,
)


@comparison("boxes.iou out=", "100x100", "1000x1000", "10000x1000")
def _box_iou(kind: str, scale: float) -> Case:
    n, m = (max(2, int(int(side) * scale)) for side in kind.split("x"))
    a, b, out = workloads.boxes(n, 1), workloads.boxes(m, 2), np.empty((n, m))
    a_sizes, b_sizes = boxes.convert(a, "xyxy", "xywh"), boxes.convert(b, "xyxy", "xywh")
    crowd = np.zeros(m, np.uint8)
    return Case(
        n * m,
        lambda: boxes.iou(a, b, out),
        available(
            pycocotools=(coco, lambda: coco.iou(a_sizes, b_sizes, crowd)),
            powerboxes=(powerboxes, lambda: powerboxes.iou_distance(a, b)),
            **{"powerboxes parallel": (powerboxes, lambda: powerboxes.parallel_iou_distance(a, b))},
            **{"limit: fill": (np, lambda: out.fill(1.0))},
        ),
        {"pycocotools": 15.0, "powerboxes": 3.0 if n <= 100 else 5.0 if n <= 1000 else 8.0},
        {
            "pycocotools": lambda _, theirs: equal(boxes.iou(a_sizes, b_sizes, layout="xywh"), theirs),
            "powerboxes": lambda ours, theirs: close(ours, 1 - theirs),
        },
    )


@comparison("boxes.giou out=", "1000x1000")
def _box_giou(_: str, scale: float) -> Case:
    n = max(2, int(1000 * scale))
    a, b, out = workloads.boxes(n, 1), workloads.boxes(n, 2), np.empty((n, n))
    return Case(
        n * n,
        lambda: boxes.giou(a, b, out),
        available(
            powerboxes=(powerboxes, lambda: powerboxes.giou_distance(a, b)),
            **{"limit: fill": (np, lambda: out.fill(1.0))},
        ),
        {"powerboxes": 10.0},
        {"powerboxes": lambda ours, theirs: close(ours, 1 - theirs)},
    )


@comparison("boxes.iou_paired", "1M")
def _box_pairs(_: str, scale: float) -> Case:
    n = max(2, int(1_000_000 * scale))
    a, b, out = workloads.boxes(n, 1), workloads.boxes(n, 2), np.empty(n)

    def with_numpy() -> Any:
        size = (np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])).clip(0)
        both = size[:, 0] * size[:, 1]
        areas = [(side[:, 2] - side[:, 0]) * (side[:, 3] - side[:, 1]) for side in (a, b)]
        return both / (areas[0] + areas[1] - both)

    return Case(
        n, lambda: boxes.iou_paired(a, b, out), {"numpy": with_numpy}, {"numpy": 10.0}, {"numpy": close}
    )


@comparison("boxes.iou_rotated", "300x300")
def _box_rotated(_: str, scale: float) -> Case:
    n = max(2, int(300 * scale))
    a, b = workloads.rotated_boxes(n, 1), workloads.rotated_boxes(n, 2)
    return Case(
        n * n,
        lambda: boxes.iou_rotated(a, b),
        available(powerboxes=(powerboxes, lambda: powerboxes.rotated_iou_distance(a, b))),
        {"powerboxes": 1.0},
        {"powerboxes": lambda ours, theirs: np.testing.assert_allclose(ours, 1 - theirs, atol=2e-6)},
    )


@comparison("boxes.nms", "1000", "5000")
def _nms(kind: str, scale: float) -> Case:
    found, scores = workloads.crowded_boxes(max(4, int(int(kind) * scale)))
    return Case(
        len(found),
        lambda: boxes.nms(found, scores, 0.5),
        available(powerboxes=(powerboxes, lambda: powerboxes.nms(found, scores, 0.5, 0.0))),
        {"powerboxes": 2.0},
        {"powerboxes": equal},
    )


def _measure(name: str, with_shapely: Callable[[Any], Any]) -> Callable[[str, float], Case]:
    def build(kind: str, scale: float) -> Case:
        parts = workloads.rings(kind, share(kind, scale, 2000, 20))
        coords, offsets = workloads.ragged(parts)
        at = np.arange(len(parts) + 1)
        ours = getattr(polygons, name)
        return Case(
            len(parts),
            lambda: ours(coords, offsets, at),
            available(
                **{"shapely loop": (shapely, lambda: [with_shapely(shapely.Polygon(part)) for part in parts])}
            ),
            {"shapely loop": 10.0},
            {"shapely loop": close},
        )

    return build


comparison("polygons.area", "coco", "large")(_measure("area", lambda shape: shape.area))
comparison("polygons.bounds", "coco", "large")(_measure("bounds", lambda shape: shape.bounds))
comparison("polygons.perimeter", "coco", "large")(_measure("perimeter", lambda shape: shape.length))


@comparison("polygons.contains_points", "coco")
def _contains(kind: str, scale: float) -> Case:
    parts = workloads.rings(kind, share(kind, scale, 200, 20))
    coords, offsets = workloads.ragged(parts)
    where = np.random.default_rng(0).uniform(0, [640, 480], (100, 2))
    at = np.arange(len(parts) + 1)
    shapes = [shapely.Polygon(part).buffer(0) for part in parts if shapely is not None]
    return Case(
        len(parts) * len(where),
        lambda: polygons.contains_points(coords, offsets, at, where),
        available(
            shapely=(shapely, lambda: [[shape.contains(shapely.Point(p)) for p in where] for shape in shapes])
        ),
        {"shapely": 10.0},
    )


@comparison("tracks.interpolate out=", "200x1000", "2000x1000")
def _interpolate(kind: str, scale: float) -> Case:
    count, frames = max(2, int(int(kind.split("x")[0]) * scale)), 1000
    keys, values, ends = workloads.key_frames(count, frames)
    out = np.empty((count, frames, 4))
    theirs = np.empty((count, frames, 4))
    asked = np.arange(frames)

    def with_numpy() -> Any:
        for t in range(count):
            part = slice(ends[t], ends[t + 1])
            for c in range(4):
                theirs[t, :, c] = np.interp(asked, keys[part], values[part, c])
        return theirs

    return Case(
        count * frames,
        lambda: tracks.interpolate(keys, values, ends, frames, out=out),
        {"np.interp": with_numpy, "limit: fill": lambda: out.fill(1.0)},
        {"np.interp": 15.0, "limit: fill": 1 / 1.3},
        {"np.interp": lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)},
    )


@comparison("tracks.fewest_keyframes", "200x1000")
def _fewest_keyframes(kind: str, scale: float) -> Case:
    count, frames = max(2, int(int(kind.split("x")[0]) * scale)), 1000
    keys, values, ends = workloads.key_frames(count, frames)
    dense = tracks.interpolate(keys, values, ends, frames).reshape(-1, 4)
    every, starts = np.tile(np.arange(frames), count), np.arange(count + 1) * frames

    def with_numpy() -> Any:
        return [_shortest(dense[start : start + frames]) for start in starts[:-1].tolist()]

    def check(kept: Any, shortest: Any) -> None:
        assert np.add.reduceat(kept, starts[:-1]).tolist() == shortest

    return Case(
        count * frames,
        lambda: tracks.fewest_keyframes(every, dense, starts),
        {"numpy": with_numpy},
        {"numpy": 10.0},
        {"numpy": check},
    )


def _shortest(values: Any, within: float = 0.5) -> int:
    """The fewest frames of one track: the same cones, a column of slopes at a time."""
    steps = np.full(len(values), np.iinfo(np.int64).max)
    steps[0] = 1
    for i in range(len(values) - 1):
        spans = np.arange(1, len(values) - i)[:, None]
        slopes = (values[i + 1 :] - values[i]) / spans
        low = np.maximum.accumulate(slopes - within / spans)[:-1]
        high = np.minimum.accumulate(slopes + within / spans)[:-1]
        fits = ((slopes[1:] >= low) & (slopes[1:] <= high)).all(axis=1)
        after = np.concatenate([[i + 1], i + 2 + np.flatnonzero(fits)])
        steps[after] = np.minimum(steps[after], steps[i] + 1)
    return int(steps[-1])


@comparison("agreement.match", "about 10 boxes")
def _match(_: str, scale: float) -> Case:
    problems = max(3, int(2000 * scale))
    a, rows, b, columns = workloads.annotator_pairs(problems)

    def with_scipy() -> Any:
        totals = np.empty(problems)
        for g in range(problems):
            one, two = a[rows[g] : rows[g + 1], None], b[None, columns[g] : columns[g + 1]]
            size = (np.minimum(one[..., 2:], two[..., 2:]) - np.maximum(one[..., :2], two[..., :2])).clip(0)
            both = size[..., 0] * size[..., 1]
            areas = [(side[..., 2] - side[..., 0]) * (side[..., 3] - side[..., 1]) for side in (one, two)]
            overlap = both / (areas[0] + areas[1] - both)
            totals[g] = overlap[optimize.linear_sum_assignment(overlap, maximize=True)].sum()
        return totals

    def check(found: agreement.Matches, totals: Any) -> None:
        sums = [found.scores[i:j].sum() for i, j in zip(found.offsets, found.offsets[1:], strict=False)]
        np.testing.assert_allclose(sums, totals, rtol=1e-12, atol=1e-12)

    return Case(
        problems,
        lambda: agreement.match(a, rows, b, columns),
        available(**{"numpy + scipy": (optimize, with_scipy)}),
        {"numpy + scipy": 15.0},
        {"numpy + scipy": check},
    )
