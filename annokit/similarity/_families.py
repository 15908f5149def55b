"""The scores of objects that can be compared with each other, a function for each family."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from annokit.geometry import object_boxes, outline_of
from annokit.geometry.pixels import pixels_of
from annokit.io.limits import Limits
from annokit.model import Box, Keypoints, Mask, ObjectAnnotation
from annokit.model.base import Floats
from annokit.similarity._sides import each_pair, made

if TYPE_CHECKING:
    from annokit.similarity import Rules

__all__ = ["FAMILIES"]

_Objects: TypeAlias = Sequence[ObjectAnnotation]

# The constants of COCO's 17 body keypoints, twice the standard deviations of annotators; others take the mean.
_COCO_BODY = 2 * np.array(
    [26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]
) / 1000  # fmt: skip
_OTHER_POINT = 0.1


def _shapes(objects: _Objects) -> list[Any]:
    return [one.geometry for one in objects]


def _areas(ours: _Objects, theirs: _Objects, _rules: Rules, limits: Limits) -> Floats:
    from annokit_fast import boxes

    shapes = _shapes([*ours, *theirs])
    if all(isinstance(shape, Box) for shape in shapes):
        return np.asarray(boxes.iou(*made(_corners, ours, theirs)))
    mask = next((shape for shape in shapes if isinstance(shape, Mask)), None)
    if mask is None:
        return _overlaps(*made(lambda some: [_solid(shape) for shape in _shapes(some)], ours, theirs))
    if not all(isinstance(shape, Mask) for shape in shapes):
        limits.check("max_pixels", mask.width * mask.height)
    return _in_pixels(ours, theirs, mask.width, mask.height)


def _corners(objects: _Objects) -> Floats:
    return np.array([shape.xyxy for shape in _shapes(objects)])


def _in_pixels(ours: _Objects, theirs: _Objects, width: int, height: int) -> Floats:
    """Everything drawn at one size; a mask of another covers nothing."""
    from annokit_fast import rle

    def drawn(some: _Objects) -> Any:
        return pixels_of(some, np.full((len(some), 2), (width, height)))[0]

    return rle.iou(*made(drawn, ours, theirs))


def _solid(shape: Any) -> Any:
    """A shape as a valid area of shapely."""
    import shapely

    polygon = outline_of(shape)
    parts = []
    for exterior, *holes in filter(None, polygon.parts()):  # a part may have no ring
        if len(exterior) >= 3:
            whole = shapely.Polygon(exterior, [hole for hole in holes if len(hole) >= 3])
            parts.append(whole if whole.is_valid else whole.buffer(0))
    return shapely.union_all(parts) if len(parts) != 1 else parts[0]


def _overlaps(ours: Sequence[Any], theirs: Sequence[Any]) -> Floats:
    """Intersection over union of every pair that meets, computed once and in one order; with itself 0."""
    import shapely

    scores = np.zeros((len(ours), len(theirs)))
    i, j = shapely.STRtree(theirs).query(ours, predicate="intersects")
    if theirs is ours:
        i, j = i[i < j], j[i < j]
    first, second = np.array(ours, object)[i], np.array(theirs, object)[j]
    both = shapely.area(shapely.intersection(first, second))
    union = shapely.area(first) + shapely.area(second) - both
    scores[i, j] = np.divide(both, union, out=np.zeros(len(both)), where=union > 0)
    return scores + scores.T if theirs is ours else scores


def _points(ours: _Objects, theirs: _Objects, rules: Rules, _limits: Limits) -> Floats:
    a, b = made(lambda some: np.array([(shape.x, shape.y) for shape in _shapes(some)]), ours, theirs)
    apart = np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1))
    return np.asarray(np.maximum(0.0, 1.0 - apart / rules.reach))


def _lines(ours: _Objects, theirs: _Objects, rules: Rules, _limits: Limits) -> Floats:
    return _overlaps(*made(lambda some: [_thick(s, rules.reach) for s in _shapes(some)], ours, theirs))


def _thick(line: Any, reach: float) -> Any:
    import shapely

    spread = shapely.LineString if len(line.coords) > 1 else shapely.MultiPoint
    return spread(line.coords).buffer(reach)


def _keypoints(ours: _Objects, theirs: _Objects, _rules: Rules, _limits: Limits) -> Floats:
    return each_pair(_oks, *made(_sized, ours, theirs))


def _sized(objects: _Objects) -> list[tuple[Any, Box | None]]:
    return list(zip(_shapes(objects), object_boxes(objects), strict=True))


def _oks(one: tuple[Keypoints, Box | None], other: tuple[Keypoints, Box | None]) -> float:
    """Mean over the points marked in either; 0 for those marked in one alone."""
    a, b = one[0], other[0]
    sizes = [box.width * box.height for box in (one[1], other[1]) if box is not None]
    area = sum(sizes) / max(len(sizes), 1)
    if len(a.coords) != len(b.coords) or area <= 0:
        return 0.0
    either, both = (a.visibility > 0) | (b.visibility > 0), (a.visibility > 0) & (b.visibility > 0)
    if not either.any():
        return 0.0
    falloff = _COCO_BODY if len(both) == len(_COCO_BODY) else np.full(len(both), _OTHER_POINT)
    apart = ((a.coords - b.coords) ** 2).sum(axis=1)
    near = np.exp(-apart / (2 * area * falloff**2))
    return float(near[both].sum() / either.sum())


def _spans(ours: _Objects, theirs: _Objects, rules: Rules, _limits: Limits) -> Floats:
    more = rules.ends == "inclusive"
    return _stretches(*made(lambda some: [(s.start, s.end + more) for s in _shapes(some)], ours, theirs))


def _times(ours: _Objects, theirs: _Objects, _rules: Rules, _limits: Limits) -> Floats:
    return _stretches(*made(lambda some: [(s.start_ms, s.end_ms) for s in _shapes(some)], ours, theirs))


def _stretches(ours: Sequence[tuple[float, float]], theirs: Sequence[tuple[float, float]]) -> Floats:
    (starts, ends), (others, stops) = np.array(ours, np.float64).T, np.array(theirs, np.float64).T
    both = np.maximum(np.minimum(ends[:, None], stops) - np.maximum(starts[:, None], others), 0.0)
    all_of = np.maximum(ends[:, None], stops) - np.minimum(starts[:, None], others)
    return np.asarray(np.divide(both, all_of, out=np.zeros_like(both), where=all_of > 0))


def _tokens(ours: _Objects, theirs: _Objects, _rules: Rules, _limits: Limits) -> Floats:
    return each_pair(lambda a, b: len(a & b) / max(len(a | b), 1), *made(_token_sets, ours, theirs))


def _token_sets(objects: _Objects) -> list[set[tuple[int, str]]]:
    return [
        {(group.page, token) for group in shape.groups for token in group.tokens}
        for shape in _shapes(objects)
    ]


FAMILIES: dict[str, Callable[[Any, Any, Rules, Limits], Floats]] = {
    "area": _areas,
    "point": _points,
    "line": _lines,
    "keypoints": _keypoints,
    "text_span": _spans,
    "time_range": _times,
    "token_span": _tokens,
}
