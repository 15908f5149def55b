"""The numbers of classes and answers in a manifest that is written."""

from __future__ import annotations

import re
from collections.abc import Sequence

from annokit.dataset import Dataset
from annokit.formats._classes import Classes
from annokit.model import ObjectAnnotation

__all__ = ["Ids"]


class Ids:
    """The numbers of classes and answers: those of the source where each has one of its own."""

    def __init__(self, dataset: Dataset, classes: Classes) -> None:
        self._classes = classes
        self._tools = _numbered([(tool.name, tool.value) for tool in classes.tools])
        self._answers = {
            question.name: _numbered([(option.name, option.value) for option in question.options])
            for question in dataset.ontology.classifications
        }

    def of_objects(self, objects: Sequence[ObjectAnnotation]) -> list[int]:
        """The id of the class of each."""
        self._classes.indices(objects)
        return [_number(self._tools, one.tool_name) for one in objects]

    def of_answer(self, question: str, answer: str) -> int:
        """The id of an answer to a question."""
        return _number(self._answers.setdefault(question, {}), answer)


def _numbered(named: Sequence[tuple[str, str | None]]) -> dict[str, int]:
    """A number for each name: the one it has, if all have their own; else its place."""
    values = dict(named)
    own = [int(value) for value in values.values() if value is not None and re.fullmatch(r"\d{1,9}", value)]
    if len(own) == len(values) == len(set(own)):
        return dict(zip(values, own, strict=True))
    return {name: place for place, name in enumerate(values)}


def _number(numbers: dict[str, int], name: str) -> int:
    if name not in numbers:
        numbers[name] = max(numbers.values(), default=-1) + 1
    return numbers[name]
