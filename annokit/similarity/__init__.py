"""How far two objects or tracks of a data row are the same thing, from 0 to 1, for every kind of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from annokit.errors import UsageError
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.model import Track
from annokit.model.base import Floats, Indices
from annokit.similarity._families import FAMILIES
from annokit.similarity._marked import Marked, comparable, family_of, look_of
from annokit.similarity._tracks import track_scores

__all__ = ["Marked", "Rules", "family_of", "look_of", "similarities"]


class Rules(NamedTuple):
    """Choices of a comparison.

    Attributes
    ----------
    classes : {"strict", "lenient", "agnostic"}
        Objects of different classes: never the same; the same where nothing of the class is; the same. For those who
        match by the scores: these are of shapes alone.
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


_RULES = Rules()


def similarities(
    ours: Sequence[Marked],
    theirs: Sequence[Marked],
    rules: Rules = _RULES,
    limits: Limits = DEFAULT_LIMITS,
) -> Floats:
    """The score of everything in one list with everything in another, all of one data row, whatever their classes.

    Boxes, rotated boxes, polygons and masks: intersection over union; in pixels, as pycocotools draws them, where there
    is a mask among them. Points: 1 less their distance over `rules.reach`. Lines: the same as areas, each made as thick as
    `rules.reach` to either side. Keypoints: COCO's object keypoint similarity over the points marked in either. Text
    spans and time ranges: overlap over union. Tokens: shared over all. Tracks of one kind: the scores of the shapes in the
    frames both are visible in, added up, over the number of frames either is visible in. Objects of different kinds,
    frames, pages or spaces: 0; what is the same in every number: 1.

    Parameters
    ----------
    ours, theirs : sequence
        Where both are one list (``theirs is ours``) every pair is computed once.
    rules : Rules
    limits : Limits
        `max_pixels` for what is drawn beside a mask, `max_frames` for all tracks together.

    Returns
    -------
    float64 (n, m)

    Raises
    ------
    LimitExceeded

    Examples
    --------
    >>> from annokit.model import Box, ObjectAnnotation, Point
    >>> shapes = [Box(x=0, y=0, width=10, height=10), Box(x=5, y=0, width=5, height=10), Point(x=1, y=1)]
    >>> objects = [ObjectAnnotation(tool_name="car", geometry=shape) for shape in shapes]
    >>> similarities(objects[:1], objects).tolist()
    [[1.0, 0.5, 0.0]]
    >>> similarities([], objects).shape
    (0, 3)
    """
    scores = np.zeros((len(ours), len(theirs)))
    columns = _places(theirs)
    for group, rows in (columns if theirs is ours else _places(ours)).items():
        if group not in columns:
            continue
        first = [ours[i] for i in rows]
        second = first if theirs is ours else [theirs[j] for j in columns[group]]
        scores[np.ix_(rows, columns[group])] = _scores(group[0], first, second, rules, limits)
    looks: dict[bytes, int] = {}
    same = _numbered(theirs, looks)
    scores[(same if theirs is ours else _numbered(ours, looks))[:, None] == same] = 1.0
    found: Floats = np.minimum(scores, 1.0)
    return found


def _places(things: Sequence[Marked]) -> dict[tuple[Any, ...], list[int]]:
    """Where those stand that can be compared with each other."""
    found: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)
    for place, one in enumerate(things):
        found[comparable(one)].append(place)
    return found


def _numbered(things: Sequence[Marked], looks: dict[bytes, int]) -> Indices:
    """The number of what each looks like."""
    return np.array([looks.setdefault(look_of(one), len(looks)) for one in things], np.int64)


def _scores(
    family: str, ours: Sequence[Marked], theirs: Sequence[Marked], rules: Rules, limits: Limits
) -> Floats:
    if family == "track":
        tracks = [one for one in ours if isinstance(one, Track)]
        others = tracks if theirs is ours else [one for one in theirs if isinstance(one, Track)]
        return track_scores(tracks, others, lambda a, b: similarities(a, b, rules, limits), limits)
    compare = FAMILIES.get(family)
    return np.zeros((len(ours), len(theirs))) if compare is None else compare(ours, theirs, rules, limits)
