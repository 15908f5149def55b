"""Two sides of a comparison, which may be one and the same list."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from annokit.model.base import Floats

__all__ = ["each_pair", "made"]

_One = TypeVar("_One")
_Made = TypeVar("_Made")


def made(
    make: Callable[[Sequence[_One]], _Made], ours: Sequence[_One], theirs: Sequence[_One]
) -> list[_Made]:
    """What `make` makes of both sides: one thing where they are one."""
    first = make(ours)
    return [first, first if theirs is ours else make(theirs)]


def each_pair(compare: Callable[[_One, _One], float], ours: Sequence[_One], theirs: Sequence[_One]) -> Floats:
    """The score of every pair by a comparison to which order makes no difference; where sides are one, 0 with itself.

    >>> each_pair(lambda a, b: a * b, [2.0, 3.0], [5.0]).tolist()
    [[10.0], [15.0]]
    """
    scores = np.zeros((len(ours), len(theirs)))
    if theirs is ours:
        for i, j in itertools.combinations(range(len(ours)), 2):
            scores[i, j] = scores[j, i] = compare(ours[i], ours[j])
    else:
        for i, j in itertools.product(range(len(ours)), range(len(theirs))):
            scores[i, j] = compare(ours[i], theirs[j])
    return scores
