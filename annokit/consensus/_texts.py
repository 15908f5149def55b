"""The text spans of a dataset: each class of a text merged character by character, over all texts at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from annokit.consensus._methods import Method
from annokit.consensus._spans import MOST_CHARACTERS, merge_spans
from annokit.consensus._submissions import Submission
from annokit.model import ObjectAnnotation, TextSpan
from annokit.similarity import Marked

__all__ = ["Stretch", "span_of", "stretches"]

_Place: TypeAlias = tuple[str, str, str]
"""Class, message, and what else keeps spans of a data row apart: space, page and frame."""
_Mark: TypeAlias = tuple[tuple[str, _Place], str, int, int]
"""The text (data row and place), who, and the characters."""


class Stretch(NamedTuple):
    """Characters that annotators agree on."""

    place: _Place
    start: int
    end: int
    confidence: float

    def shared(self, one: Marked) -> int:
        """How many of its characters an object has; 0 for one of another class or message."""
        span = span_of(one)
        if span is None or _place(one, span) != self.place:
            return 0
        return max(min(self.end, span.end) - max(self.start, span.start), 0)


def span_of(one: Marked) -> TextSpan | None:
    """The stretch of text an object is; None of other shapes, and of spans without characters or past any text."""
    shape = one.geometry if isinstance(one, ObjectAnnotation) else None
    return shape if isinstance(shape, TextSpan) and 0 <= shape.start < shape.end <= MOST_CHARACTERS else None


def stretches(rows: Mapping[str, Sequence[Submission]], method: Method) -> dict[str, list[Stretch]]:
    """What is agreed on in each data row, by class and then place in the text.

    Parameters
    ----------
    rows : mapping of str to submissions
        Everybody who read a data row, by what it is filed under. Who marked nothing of a class that others marked
        there says that none of its characters are in.
    method : str
        As for `merge_spans`.
    """
    marks: defaultdict[str, list[_Mark]] = defaultdict(list)
    for item, people in rows.items():
        for person in people:
            for one in person.objects:
                if span := span_of(one):
                    place = _place(one, span)
                    marks[one.tool_name].append(((item, place), person.annotator, span.start, span.end))
    readers = {item: [person.annotator for person in people] for item, people in rows.items()}
    found: defaultdict[str, list[Stretch]] = defaultdict(list)
    for _, of_class in sorted(marks.items()):
        for item, stretch in _settled(of_class, readers, method):
            found[item].append(stretch)
    return found


def _settled(
    marks: Sequence[_Mark], readers: Mapping[str, Sequence[str]], method: Method
) -> list[tuple[str, Stretch]]:
    texts = sorted({text for text, *_ in marks})
    number = {text: code for code, text in enumerate(texts)}
    codes = [number[text] for text, *_ in marks]
    _, who, start, end = zip(*marks, strict=True)
    assigned = [(number[text], reader) for text in texts for reader in readers[text[0]]]
    merged = merge_spans(codes, who, start, end, assigned=assigned, method=method)
    columns = (merged.item, merged.start, merged.end, merged.confidence)
    return [
        (texts[code][0], Stretch(texts[code][1], first, last, confidence))
        for code, first, last, confidence in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _place(one: Marked, span: TextSpan) -> _Place:
    apart = (one.space, one.page, one.frame) if isinstance(one, ObjectAnnotation) else ()
    return one.tool_name, span.message_id or "", repr(apart)
