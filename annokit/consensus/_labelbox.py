"""Scores as Labelbox's Python SDK computes them, where it differs from what its documentation says.

Source: labelbox-python, ``data/metrics/iou/calculation.py``, without subclasses. Written anew from its rules.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TypeGuard, TypeVar

import numpy as np
from numpy.typing import NDArray

from annokit.geometry import mask_batch
from annokit.model import Classification, Geometry, Label, Mask, ObjectAnnotation, Point, TextSpan, Track
from annokit.similarity import Marked, Rules, similarities

__all__ = ["labelbox_scores"]

_BUFFER = 70.0


def labelbox_scores(a: Label, b: Label) -> dict[tuple[str, str], float]:
    """The score of every feature of two labels: by class name and `object` or `question`."""
    found: dict[tuple[str, str], float] = {}
    objects = [
        _by_name([o for o in one.annotations if isinstance(o, ObjectAnnotation | Track)]) for one in (a, b)
    ]
    for name in sorted({*objects[0], *objects[1]}):
        found[name, "object"] = _objects(objects[0].get(name, []), objects[1].get(name, []))
    questions = [_by_name(one.classifications) for one in (a, b)]
    for name in sorted({*questions[0], *questions[1]}):
        found[name, "question"] = _answers(questions[0].get(name, []), questions[1].get(name, []))
    return found


_One = TypeVar("_One", ObjectAnnotation | Track, Classification)


def _by_name(annotations: Iterable[_One]) -> dict[str, list[_One]]:
    found: dict[str, list[_One]] = {}
    for one in annotations:
        found.setdefault(one.tool_name, []).append(one)
    return found


def _objects(a: Sequence[Marked], b: Sequence[Marked]) -> float:
    """Pairs by falling score, also those of score 0; whatever is left over counts 0."""
    if not a or not b:
        return 0.0
    masks = [[one.geometry for one in side if _is_mask(one)] for side in (a, b)]
    if masks[0] and masks[1]:
        return _united(masks[0], masks[1])
    scores = _spans(a, b) if _is_text(a[0]) else similarities(a, b, Rules(reach=_BUFFER))
    if isinstance(a[0], ObjectAnnotation) and isinstance(a[0].geometry, Point):
        scores = _discs(a, b)
    pairs = sorted(itertools.product(range(len(a)), range(len(b))), key=lambda pair: -scores[pair])
    used: tuple[set[int], set[int]] = set(), set()
    total = 0.0
    for i, j in pairs:
        if i not in used[0] and j not in used[1]:
            used[0].add(i)
            used[1].add(j)
            total += float(scores[i, j])
    return total / max(len(a), len(b))


def _is_mask(one: Marked) -> TypeGuard[ObjectAnnotation]:
    return isinstance(one, ObjectAnnotation) and isinstance(one.geometry, Mask)


def _is_text(one: Marked) -> bool:
    return isinstance(one, ObjectAnnotation) and isinstance(one.geometry, TextSpan)


def _united(a: Sequence[Geometry], b: Sequence[Geometry]) -> float:
    """Overlap of all masks of one side with all of the other."""
    from annokit_fast import rle

    batch = mask_batch([shape for shape in (*a, *b) if isinstance(shape, Mask)])
    if len({(mask.height, mask.width) for mask in (*a, *b) if isinstance(mask, Mask)}) > 1:
        return 0.0
    united = rle.merge(batch, [0, len(a), len(a) + len(b)])
    return float(rle.iou(united[:1], united[1:])[0, 0])


def _discs(a: Sequence[Marked], b: Sequence[Marked]) -> NDArray[np.float64]:
    """Overlap of discs around points."""
    shapes = [one.geometry for one in (*a, *b) if isinstance(one, ObjectAnnotation)]
    where = np.array([(s.x, s.y) if isinstance(s, Point) else (np.inf, np.inf) for s in shapes])
    apart = np.hypot(*(where[: len(a), None] - where[None, len(a) :]).transpose(2, 0, 1))
    half = np.minimum(apart / (2 * _BUFFER), 1.0)
    lens = 2 * np.arccos(half) - 2 * half * np.sqrt(1 - half**2)
    found: NDArray[np.float64] = lens / (2 * np.pi - lens)
    return found


def _spans(a: Sequence[Marked], b: Sequence[Marked]) -> NDArray[np.float64]:
    """Of closed ends, as the platform writes them: lengths are one too short on both sides of the division."""
    scores = np.zeros((len(a), len(b)))
    for (i, one), (j, other) in itertools.product(enumerate(a), enumerate(b)):
        first, second = (x.geometry if isinstance(x, ObjectAnnotation) else None for x in (one, other))
        if isinstance(first, TextSpan) and isinstance(second, TextSpan):
            both = min(first.end, second.end) - 1 - max(first.start, second.start)
            all_of = max(first.end, second.end) - 1 - min(first.start, second.start)
            scores[i, j] = 1.0 if all_of == 0 else max(both, 0) / all_of
    return scores


def _answers(a: Sequence[Classification], b: Sequence[Classification]) -> float:
    """The first answers; 0 where one side has none, or each has several and not as many."""
    if not a or not b or (len(a) != len(b) and len(b) != 1):
        return 0.0
    if a[0].kind == "text" or b[0].kind == "text":
        return float(a[0].text == b[0].text)
    one, other = ({answer.name for answer in side[0].answers} for side in (a, b))
    return len(one & other) / len(one | other) if one | other else 1.0
