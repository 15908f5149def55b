"""Every vote of a dataset by what it is about, counted once all of them are in."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import NamedTuple, TypeAlias

from annokit.consensus._classes import aggregate
from annokit.consensus._methods import Method
from annokit.consensus._submissions import Answered

__all__ = ["Ballots", "Subject", "Verdict"]

Subject: TypeAlias = tuple[str, ...]
"""What is voted on: one question, or the classes of objects."""


class Verdict(NamedTuple):
    """The agreed answer to one question about one thing.

    Attributes
    ----------
    answer : frozenset of str, or str
        The chosen options, or a text.
    confidence : float
        How sure it is, 0 to 1; of several options the least sure.
    """

    answer: Answered
    confidence: float


class Ballots:
    """Collects votes, then settles each subject over all items at once: who is often right there counts more.

    Options of which one is chosen are the classes of an aggregation. Where anybody chose several, or none, each
    option is a question of its own, yes or no. Of texts the most frequent wins, of equally frequent ones the first
    in order.
    """

    def __init__(self, method: Method) -> None:
        self._method = method
        self._votes: defaultdict[Subject, dict[tuple[str, str], Answered]] = defaultdict(dict)

    def add(self, subject: Subject, item: str, annotator: str, answer: Answered) -> None:
        """Take in one vote."""
        self._votes[subject][item, annotator] = answer

    def settle(self) -> dict[tuple[Subject, str], Verdict]:
        """The verdict on every subject and item."""
        found: dict[tuple[Subject, str], Verdict] = {}
        for subject, votes in self._votes.items():
            for item, verdict in self._settled(votes).items():
                found[subject, item] = verdict
        return found

    def _settled(self, votes: dict[tuple[str, str], Answered]) -> dict[str, Verdict]:
        if any(isinstance(answer, str) for answer in votes.values()):
            return _texts(votes)
        if all(len(answer) == 1 for answer in votes.values()):
            rows = [(item, who, next(iter(answer))) for (item, who), answer in sorted(votes.items())]
            items, people, labels = zip(*rows, strict=True)
            result = aggregate(items, people, labels, method=self._method)
            return {
                item: Verdict(frozenset([label]), confidence)
                for item, label, confidence in zip(
                    result.item.tolist(), result.label.tolist(), result.confidence.tolist(), strict=True
                )
            }
        return self._checklists(votes)

    def _checklists(self, votes: dict[tuple[str, str], Answered]) -> dict[str, Verdict]:
        options = sorted({option for answer in votes.values() for option in answer})
        chosen: dict[str, set[str]] = {item: set() for item, _ in votes}
        sure = dict.fromkeys(chosen, 1.0)
        for option in options:
            rows = [(item, who, int(option in answer)) for (item, who), answer in sorted(votes.items())]
            items, people, labels = zip(*rows, strict=True)
            result = aggregate(items, people, labels, method=self._method)
            verdicts = zip(
                result.item.tolist(), result.label.tolist(), result.confidence.tolist(), strict=True
            )
            for item, label, confidence in verdicts:
                chosen[item] |= {option} if label else set()
                sure[item] = min(sure[item], confidence)
        return {item: Verdict(frozenset(chosen[item]), sure[item]) for item in chosen}


def _texts(votes: dict[tuple[str, str], Answered]) -> dict[str, Verdict]:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (item, _), answer in votes.items():
        counts[item][answer if isinstance(answer, str) else "\n".join(sorted(answer))] += 1
    found = {}
    for item, texts in counts.items():
        text = min(texts, key=lambda one: (-texts[one], one))
        found[item] = Verdict(text, texts[text] / texts.total())
    return found
