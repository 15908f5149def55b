"""The agreed answers to questions, about a data row or an object, with what follows from each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from msgspec.structs import replace

from annokit.consensus._ballots import Verdict
from annokit.consensus._submissions import Answered, Path, name_of, option_of
from annokit.model import Answer, Classification

__all__ = ["VOTES", "Given", "agreed_answers"]

VOTES = "consensus"
"""The key of `extra` under which the votes stand."""

Given: TypeAlias = tuple[Iterable[Classification], dict[Path, Answered]]
"""What one annotator answered, as it was given and by question."""


def agreed_answers(
    asked: set[Path], given: Sequence[Given], verdict: Callable[[Path], Verdict], above: Path = ()
) -> list[Classification]:
    """The questions right below a path, with the agreed answers and what follows from these.

    Parameters
    ----------
    asked : set of paths
        The questions that enough annotators answered.
    given : sequence
        What each annotator answered, in an order of theirs.
    verdict : callable
        What is agreed on a question.
    above : path
        The answer the questions follow from; by default none.
    """
    found, shown = [], [classifications for classifications, _ in given]
    for path in sorted(path for path in asked if path[:-1] == above):
        model = _first(above, path, shown)
        agreed = verdict(path)
        votes = [answers[path] for _, answers in given if path in answers]
        extra = {VOTES: {"votes": _counted(votes), "of": len(given)}}
        common = {"id": None, "confidence": agreed.confidence, "extra": extra}
        if isinstance(agreed.answer, str):
            found.append(replace(model, text=agreed.answer, answers=(), **common))
            continue
        options = _options(above, path, shown)
        answers = [
            replace(
                options.get(name, Answer(name=name)),
                classifications=tuple(agreed_answers(asked, given, verdict, (*path, name))),
            )
            for name in sorted(agreed.answer)
        ]
        below = tuple(agreed_answers(asked, given, verdict, (*path, "")))
        found.append(replace(model, answers=tuple(answers), classifications=below, **common))
    return found


def _counted(votes: Iterable[Any]) -> dict[str, int]:
    names = [name for vote in votes for name in ([vote] if isinstance(vote, str) else vote)]
    return dict(sorted(Counter(names).items()))


def _walk(
    above: Path, all_given: Iterable[Iterable[Classification]], prefix: Path = ()
) -> Iterator[Classification]:
    """All classifications that stand right below a path."""
    for classifications in all_given:
        for one in classifications:
            if prefix == above:
                yield one
                continue
            path = (*prefix, name_of(one))
            for answer in one.answers:
                if (*path, answer.name) == above[: len(path) + 1]:
                    yield from _walk(above, [answer.classifications], (*path, answer.name))
            if (*path, "") == above[: len(path) + 1]:
                yield from _walk(above, [one.classifications], (*path, ""))


def _first(above: Path, path: Path, all_given: Sequence[Iterable[Classification]]) -> Classification:
    """A classification that asks this question, whose ids and kind the merged one takes."""
    return next(one for one in _walk(above, all_given) if name_of(one) == path[-1])


def _options(above: Path, path: Path, all_given: Sequence[Iterable[Classification]]) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    for one in _walk(above, all_given):
        if name_of(one) == path[-1]:
            for answer in one.answers:
                found.setdefault(
                    option_of(answer.name, answer.frames), replace(answer, classifications=(), id=None)
                )
    return found
