"""What became of the answers to questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from annokit.model import Classification

__all__ = ["answers_of", "compared"]


def answers_of(questions: Iterable[Classification]) -> dict[str, str]:
    """The answers by the title of the question, nested ones too; several are listed in order."""
    found: dict[str, list[str]] = {}
    for question in questions:
        _collect(question, found)
    return {title: ", ".join(answers) for title, answers in found.items()}


def _collect(question: Classification, found: dict[str, list[str]]) -> None:
    mine = found.setdefault(question.tool_name, [])
    mine += sorted([_worded(answer.name, answer.frames) for answer in question.answers])
    if question.text is not None:
        mine.append(question.text)
    for nested in (*question.classifications, *[q for a in question.answers for q in a.classifications]):
        _collect(nested, found)


def _worded(name: str, frames: Iterable[object]) -> str:
    ranges = ", ".join(f"{part.start}-{part.end}" for part in frames)  # type: ignore[attr-defined]
    return f"{name} ({ranges})" if ranges else name


def compared(
    before: Iterable[Classification], after: Iterable[Classification], counts: dict[str, Counter[str]]
) -> Iterator[tuple[str, str, str | None, str | None]]:
    """Count each question as same, added, removed or changed; yields what is not the same: what, title, was, is."""
    ours, theirs = answers_of(before), answers_of(after)
    for title in {**ours, **theirs}:
        was, now = ours.get(title), theirs.get(title)
        what = "added" if was is None else "removed" if now is None else "same" if was == now else "changed"
        counts.setdefault(title, Counter())[what] += 1
        if what != "same":
            yield what, title, was, now
