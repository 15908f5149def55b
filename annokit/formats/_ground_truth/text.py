"""What the offsets of text spans count: characters, or the 16-bit units of the browser they were marked in."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Literal, TypeAlias

from annokit.run import Run

__all__ = ["Offsets", "Unit"]

Unit: TypeAlias = Literal["auto", "characters", "utf16"]
_Span: TypeAlias = tuple[int, int]


class Offsets:
    """Turns offsets into those of Python: characters, the end exclusive.

    The guide does not say which are meant, and below U+10000 they are the same. A job counts one way, so `auto`
    takes characters unless the spans met so far, all together, fit the words of their texts better as UTF-16.
    """

    def __init__(self, unit: Unit, run: Run) -> None:
        self._unit, self._run = unit, run
        self._for_utf16 = 0
        """How much better the spans met so far fit as UTF-16."""

    def spans(self, spans: Sequence[_Span], text: str | None) -> Sequence[_Span]:
        """The spans of one answer in characters of `text`; as they are where the text is not known."""
        if self._unit == "characters" or text is None or text.isascii() or max(text) < "\U00010000":
            return spans
        converted = _from_utf16(spans, text)
        if self._unit == "auto":
            self._for_utf16 += _misfits(spans, text) - _misfits(converted, text)
            if self._for_utf16 <= 0:
                return spans
            message = (
                "offsets were taken for UTF-16, which fits the words better (--offsets says what they are)"
            )
            self._run.report.note("utf16-offsets", "object:text_span", message, n=len(spans))
        return converted


def _from_utf16(spans: Sequence[_Span], text: str) -> list[_Span]:
    """The place of each UTF-16 offset in characters; one inside of a character is at its start."""
    starts = list(accumulate((1 + (char > "\uffff") for char in text), initial=0))

    def place(offset: int) -> int:
        if offset >= starts[-1]:
            return len(text) + offset - starts[-1]
        index = bisect_left(starts, offset)
        return index if index < len(starts) and starts[index] == offset else index - 1

    return [(place(start), place(end)) for start, end in spans]


def _misfits(spans: Sequence[_Span], text: str) -> int:
    """How many ends of spans lie outside of the text, inside a word, or leave a blank in the span."""

    def cuts(at: int) -> bool:
        return 0 < at < len(text) and text[at - 1].isalnum() and text[at].isalnum()

    return sum(
        2 * (end > len(text)) + cuts(start) + cuts(end) + (text[start:end] != text[start:end].strip())
        for start, end in spans
    )
