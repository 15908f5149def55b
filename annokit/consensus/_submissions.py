"""What each annotator said of a data row: one label each, its objects in an order of their own, its answers by question."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

from annokit.errors import UsageError
from annokit.model import Classification, DataRow, Label, ObjectAnnotation, Track
from annokit.similarity import Marked, look_of

__all__ = [
    "Answered",
    "Path",
    "Submission",
    "chosen_gold",
    "each_pair",
    "key_of",
    "name_of",
    "option_of",
    "questions_of",
    "submissions",
    "unit_of",
    "who",
]

Path: TypeAlias = tuple[str, ...]
"""A question: its name; of a nested one the way to it, question, answer, question and so on."""

Answered: TypeAlias = "frozenset[str] | str"
"""The chosen options, or a text."""


class Submission(NamedTuple):
    """One annotator's label of a data row."""

    annotator: str
    label: Label
    place: int
    """Which of the row's labels it is."""
    objects: list[Marked]
    """In an order that depends on what is drawn alone."""
    answers: dict[Path, Answered]


def submissions(row: DataRow) -> list[Submission]:
    """The newest label of every annotator that was not skipped, by annotator; none that is a consensus already."""
    found: dict[str, tuple[Any, int, Label]] = {}
    for place, label in enumerate(row.labels):
        if label.skipped or label.origin == "consensus":
            continue
        name = who(label, place)
        entry = (label.changed_at, place, label)
        if name not in found or entry[:2] >= found[name][:2]:
            found[name] = entry
    return [
        Submission(name, label, place, _objects(label), questions_of(label.classifications))
        for name, (_, place, label) in sorted(found.items(), key=lambda pair: pair[0])
    ]


def who(label: Label, place: int) -> str:
    """The annotator of a label, or what stands for an unknown one."""
    if label.annotator_id is not None:
        return label.annotator_id
    return "model" if label.origin == "model" else f"label {label.id or place}"


def _objects(label: Label) -> list[Marked]:
    found = [a for a in label.annotations if isinstance(a, ObjectAnnotation | Track)]
    return sorted(found, key=lambda one: (key_of(one), one.id or ""))


def key_of(one: Marked) -> bytes:
    """What is drawn, where and as which class, as bytes: equal for what cannot be told apart."""
    return msgspec.json.encode(one.tool_name) + look_of(one)


def questions_of(classifications: Iterable[Classification]) -> dict[Path, Answered]:
    """All answers, nested ones too, by the way that leads to their question."""
    found: dict[Path, Answered] = {}
    for question in classifications:
        _take_in(found, question, ())
    return found


def _take_in(found: dict[Path, Answered], question: Classification, above: Path) -> None:
    path = (*above, name_of(question))
    if question.kind in ("radio", "checklist") or question.answers:
        before = found.get(path, frozenset())
        chosen = frozenset(option_of(answer.name, answer.frames) for answer in question.answers)
        found[path] = chosen | before if isinstance(before, frozenset) else chosen
    else:
        found[path] = question.text or ""
    for answer in question.answers:
        for nested in answer.classifications:
            _take_in(found, nested, (*path, answer.name))
    for nested in question.classifications:
        _take_in(found, nested, (*path, ""))


def name_of(question: Classification) -> str:
    """The question, and the message of a conversation it is asked about."""
    return (
        question.tool_name if question.message_id is None else f"{question.tool_name} @ {question.message_id}"
    )


def option_of(name: str, frames: Sequence[Any]) -> str:
    """The option, and the frames of a video it is chosen for."""
    return name if not frames else f"{name} @ {', '.join(f'{r.start}-{r.end}' for r in frames)}"


def chosen_gold(against: str) -> Callable[[DataRow, Sequence[Submission]], Submission | None]:
    """Which submission of a row the others are measured against: `benchmark`, or `annotator:ID`."""
    if against == "benchmark":
        return lambda _row, found: next((one for one in found if one.label.is_benchmark), None)
    if against.startswith("annotator:"):
        name = against.removeprefix("annotator:")
        return lambda _row, found: next((one for one in found if one.annotator == name), None)
    raise UsageError(f"expected what to score against, got {against!r}", hint="benchmark or annotator:ID")


def each_pair(found: Sequence[Submission], gold: Submission | None) -> Iterator[tuple[int, int]]:
    """The pairs to score: all, or every one with the gold, which comes last."""
    places = range(len(found))
    if gold is not None:
        at = found.index(gold)
        yield from ((i, at) for i in places if i != at)
        return
    yield from ((i, j) for i in places for j in places if i < j)


def unit_of(data_row_id: str, data_row: str) -> str:
    """The unit a data row is: of several sources two may have one id, or one name."""
    return f"{data_row_id}\n{data_row}"
