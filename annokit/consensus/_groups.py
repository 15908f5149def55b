"""What the annotators of a data row drew, by what it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from annokit.consensus._clusters import row_clusters
from annokit.consensus._submissions import Submission
from annokit.consensus._texts import Stretch, span_of
from annokit.similarity import Marked, Rules, similarities

__all__ = ["Group", "groups", "stretched"]


class Group(NamedTuple):
    """Objects of different annotators that mark the same thing.

    Attributes
    ----------
    members : list
        Place of the annotator among the row's, and what that one drew.
    scores : (n, n) float64
        The scores of the members with each other; none of those of a stretch of text.
    stretch : Stretch, optional
        The agreed characters; an annotator may have several spans in it.
    """

    members: list[tuple[int, Marked]]
    scores: Any
    stretch: Stretch | None = None

    @property
    def voters(self) -> list[tuple[int, Marked]]:
        """One object of each annotator: of several in a stretch of text the one that has most of it."""
        if self.stretch is None:
            return self.members
        best: dict[int, Marked] = {}
        for who, one in self.members:
            if who not in best or self.stretch.shared(one) > self.stretch.shared(best[who]):
                best[who] = one
        return list(best.items())

    @property
    def closeness(self) -> float:
        """The mean score between different members; 1 for one alone."""
        count = len(self.scores)
        if count == 1:
            return 1.0
        return float((np.sort(self.scores, axis=None).sum() - count) / (count * (count - 1)))

    def nearness(self) -> list[tuple[int, float]]:
        """How far each annotator's object is the same as those of the others."""
        count = len(self.scores)
        return [
            (who, float((np.sort(self.scores[place]).sum() - 1.0) / (count - 1)))
            for place, (who, _) in enumerate(self.members)
            if count > 1
        ]


def groups(people: Sequence[Submission], rules: Rules, link: float) -> list[Group]:
    """Objects by what they mark, in an order that depends on what is drawn alone.

    Spans of text that several read are left to `stretched`.
    """
    if len(people) == 1:
        return [Group([(0, one)], np.ones((1, 1))) for one in people[0].objects]
    people = [
        person._replace(objects=[one for one in person.objects if span_of(one) is None]) for person in people
    ]
    objects = [one for person in people for one in person.objects]
    scores = similarities(objects, objects, rules)
    found = []
    for members in row_clusters(people, objects, scores, link):
        places = [place for _, place in members]
        found.append(Group([(who, objects[place]) for who, place in members], scores[np.ix_(places, places)]))
    return found


def stretched(people: Sequence[Submission], agreed: Sequence[Stretch]) -> list[Group]:
    """The spans that have characters of each agreed stretch."""
    drawn = [(who, one) for who, person in enumerate(people) for one in person.objects]
    return [
        Group([(who, one) for who, one in drawn if stretch.shared(one)], np.empty((0, 0)), stretch)
        for stretch in agreed
    ]
