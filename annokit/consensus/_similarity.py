"""How far two objects are the same, from 0 to 1, for every kind of object."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from annokit.consensus._submissions import Object, key_of
from annokit.consensus._tracks import track_scores
from annokit.errors import UsageError
from annokit.geometry import FARTHEST, mask_batch, masks_of, object_boxes, outline_of, to_rle
from annokit.model import (
    Box,
    Keypoints,
    Line,
    Mask,
    ObjectAnnotation,
    Point,
    TextSpan,
    TimeRange,
    TokenSpan,
    Track,
)

__all__ = ["Rules", "family_of", "similarities"]

_Scores: TypeAlias = NDArray[np.float64]

# The constants of COCO's 17 body keypoints, twice the standard deviations of annotators; others take the mean.
_COCO_BODY = 2 * np.array(
    [26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]
) / 1000  # fmt: skip
_OTHER_POINT = 0.1


class Rules(NamedTuple):
    """Choices of a comparison.

    Attributes
    ----------
    classes : {"strict", "lenient", "agnostic"}
        Objects of different classes: never the same; the same where nothing of the class is; the same.
    reach : float
        Pixels: two points so far apart, or farther, score 0; lines are as thick to either side.
    ends : {"exclusive", "inclusive"}
        Whether the characters of a span end before its end or at it.
    """

    classes: str = "strict"
    reach: float = 20.0
    ends: str = "exclusive"

    def check(self) -> Rules:
        """These rules, or a UsageError."""
        if self.classes not in ("strict", "lenient", "agnostic"):
            raise UsageError(f"expected classes strict, lenient or agnostic, got {self.classes!r}")
        if self.ends not in ("exclusive", "inclusive"):
            raise UsageError(f"expected ends exclusive or inclusive, got {self.ends!r}")
        if not self.reach > 0:
            raise UsageError(f"expected a reach above 0 pixels, got {self.reach}")
        return self


def similarities(objects: Sequence[Object], rules: Rules) -> _Scores:
    """The score of every pair of objects of one data row: symmetric (n, n), whatever their classes.

    Boxes, rotated boxes, polygons and masks: intersection over union. Points: 1 less their distance over
    `rules.reach`. Lines: the same as areas, each made as thick as `rules.reach` to either side. Keypoints: COCO's
    object keypoint similarity over the points marked in either. Text spans and time ranges: overlap over union.
    Tokens: shared over all. Tracks: `track_scores`. Objects of different kinds, frames, pages or spaces: 0; what
    is the same in every number: 1.
    """
    scores = np.zeros((len(objects), len(objects)))
    groups: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)
    for place, one in enumerate(objects):
        groups[_comparable(one)].append(place)
    for (family, *_), places in groups.items():
        if len(places) > 1:
            scores[np.ix_(places, places)] = _FAMILIES[family]([objects[i] for i in places], rules)
    keys = [key_of(one).partition(b",")[2] for one in objects]
    same = np.unique(np.array(keys, object), return_inverse=True)[1] if keys else np.empty(0, int)
    scores[same[:, None] == same[None, :]] = 1.0
    found: _Scores = np.minimum(scores, 1.0)
    return found


def family_of(one: Object) -> str:
    """Objects of one family can be compared; with numbers no image has, none can."""
    if isinstance(one, Track):
        return "track" if _within(one.values) else "unknown"
    shape = one.geometry
    if not (_near(shape) if isinstance(shape, Box | Point | TimeRange) else _within(_numbers(shape))):
        return "unknown"
    kind = shape.kind
    return "area" if kind in ("box", "rotated_box", "polygon", "mask") else kind


def _near(shape: Box | Point | TimeRange) -> bool:
    """`_within` for the numbers of a shape without an array: the case there are millions of."""
    return all(-FARTHEST <= getattr(shape, name) <= FARTHEST for name in shape.__struct_fields__)


def _numbers(shape: Any) -> NDArray[np.float64]:
    return np.asarray(getattr(shape, "coords", getattr(shape, "corners", ())), np.float64)


def _within(numbers: NDArray[np.float64]) -> bool:
    return bool((np.abs(numbers) <= FARTHEST).all())


def _comparable(one: Object) -> tuple[Any, ...]:
    family = family_of(one)
    family = family if family in _FAMILIES else "other"
    if isinstance(one, Track):
        return family, one.kind
    message = one.geometry.message_id if isinstance(one.geometry, TextSpan) else None
    return family, one.frame, one.page, one.space, message


def _areas(objects: Sequence[Object], _rules: Rules) -> _Scores:
    from annokit_fast import boxes, rle

    shapes = [one.geometry for one in objects if isinstance(one, ObjectAnnotation)]
    if all(isinstance(shape, Box) for shape in shapes):
        corners = np.array([shape.xyxy for shape in shapes if isinstance(shape, Box)])
        return np.asarray(boxes.iou(corners, corners))
    masks = [shape for shape in shapes if isinstance(shape, Mask)]
    if not masks:
        return _overlaps([_solid(shape) for shape in shapes])
    height, width = masks[0].height, masks[0].width
    drawn = [_drawn(shape, height, width) for shape in shapes]
    fits = np.array([mask is not None for mask in drawn])
    batch = mask_batch([mask for mask in drawn if mask is not None])
    scores = np.zeros((len(shapes), len(shapes)))
    scores[np.ix_(fits, fits)] = rle.iou(batch, batch)
    return scores


def _drawn(shape: Any, height: int, width: int) -> Mask | None:
    """A shape as a mask of this size; None for a mask of another."""
    if isinstance(shape, Mask):
        return shape if (shape.height, shape.width) == (height, width) else None
    return masks_of(to_rle([shape], np.array([height], np.int64), np.array([width], np.int64)))[0]


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


def _overlaps(solids: Sequence[Any]) -> _Scores:
    """Intersection over union of every pair that meets, computed once and in one order."""
    import shapely

    areas = shapely.area(solids)
    scores = np.zeros((len(solids), len(solids)))
    meet = shapely.STRtree(solids).query(solids, predicate="intersects")
    i, j = meet[:, meet[0] < meet[1]]
    geometries = np.array(solids, object)
    both = shapely.area(shapely.intersection(geometries[i], geometries[j]))
    union = areas[i] + areas[j] - both
    scores[i, j] = scores[j, i] = np.divide(both, union, out=np.zeros(len(both)), where=union > 0)
    return scores


def _points(objects: Sequence[Object], rules: Rules) -> _Scores:
    shapes = [one.geometry for one in objects if isinstance(one, ObjectAnnotation)]
    where = np.array([(shape.x, shape.y) for shape in shapes if isinstance(shape, Point)])
    apart = np.hypot(*(where[:, None] - where[None]).transpose(2, 0, 1))
    return np.asarray(np.maximum(0.0, 1.0 - apart / rules.reach))


def _lines(objects: Sequence[Object], rules: Rules) -> _Scores:
    import shapely

    shapes = [one.geometry for one in objects if isinstance(one, ObjectAnnotation)]
    thick = [
        shapely.LineString(shape.coords).buffer(rules.reach)
        if len(shape.coords) > 1
        else shapely.MultiPoint(shape.coords).buffer(rules.reach)
        for shape in shapes
        if isinstance(shape, Line)
    ]
    return _overlaps(thick)


def _keypoints(objects: Sequence[Object], _rules: Rules) -> _Scores:
    found = [one for one in objects if isinstance(one, ObjectAnnotation)]
    boxes = object_boxes(found)
    scores = np.zeros((len(found), len(found)))
    for i, j in itertools.combinations(range(len(found)), 2):
        a, b = found[i].geometry, found[j].geometry
        if isinstance(a, Keypoints) and isinstance(b, Keypoints) and len(a.coords) == len(b.coords):
            sizes = [box.width * box.height for box in (boxes[i], boxes[j]) if box is not None]
            scores[i, j] = scores[j, i] = _oks(a, b, sum(sizes) / max(len(sizes), 1))
    return scores


def _oks(a: Keypoints, b: Keypoints, area: float) -> float:
    """Mean over the points marked in either; 0 for those marked in one alone."""
    either, both = (a.visibility > 0) | (b.visibility > 0), (a.visibility > 0) & (b.visibility > 0)
    if not either.any() or area <= 0:
        return 0.0
    falloff = _COCO_BODY if len(both) == len(_COCO_BODY) else np.full(len(both), _OTHER_POINT)
    apart = ((a.coords - b.coords) ** 2).sum(axis=1)
    near = np.exp(-apart / (2 * area * falloff**2))
    return float(near[both].sum() / either.sum())


def _stretches(starts: NDArray[np.float64], ends: NDArray[np.float64]) -> _Scores:
    both = np.minimum(ends[:, None], ends) - np.maximum(starts[:, None], starts)
    all_of = np.maximum(ends[:, None], ends) - np.minimum(starts[:, None], starts)
    both = np.maximum(both, 0.0)
    return np.asarray(np.divide(both, all_of, out=np.zeros_like(both), where=all_of > 0))


def _spans(objects: Sequence[Object], rules: Rules) -> _Scores:
    shapes = [one.geometry for one in objects if isinstance(one, ObjectAnnotation)]
    found = np.array([(s.start, s.end) for s in shapes if isinstance(s, TextSpan)], np.float64)
    return _stretches(found[:, 0], found[:, 1] + (rules.ends == "inclusive"))


def _times(objects: Sequence[Object], _rules: Rules) -> _Scores:
    shapes = [one.geometry for one in objects if isinstance(one, ObjectAnnotation)]
    found = np.array([(s.start_ms, s.end_ms) for s in shapes if isinstance(s, TimeRange)], np.float64)
    return _stretches(found[:, 0], found[:, 1])


def _tokens(objects: Sequence[Object], _rules: Rules) -> _Scores:
    shapes = [one.geometry for one in objects if isinstance(one, ObjectAnnotation)]
    sets = [
        {(group.page, token) for group in shape.groups for token in group.tokens}
        for shape in shapes
        if isinstance(shape, TokenSpan)
    ]
    return np.array([[len(a & b) / max(len(a | b), 1) for b in sets] for a in sets])


def _tracks(objects: Sequence[Object], rules: Rules) -> _Scores:
    return track_scores(
        [one for one in objects if isinstance(one, Track)], lambda shapes: similarities(shapes, rules)
    )


def _nothing(objects: Sequence[Object], _rules: Rules) -> _Scores:
    return np.zeros((len(objects), len(objects)))


_FAMILIES: dict[str, Callable[[Sequence[Object], Rules], _Scores]] = {
    "area": _areas,
    "point": _points,
    "line": _lines,
    "keypoints": _keypoints,
    "text_span": _spans,
    "time_range": _times,
    "token_span": _tokens,
    "track": _tracks,
    "other": _nothing,
}
