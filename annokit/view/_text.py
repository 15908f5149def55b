"""A text with its marked spans, wrapped to lines of a monospaced font."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from annokit.model import Annotation, ObjectAnnotation, TextSpan
from annokit.view._scene import MONO_ADVANCE, Canvas, Item, Path, Words, box_ring

__all__ = ["SpanMark", "draw_text", "span_mark"]

_SIZE, _TAG_SIZE = 14.0, 10.0
_ADVANCE = _SIZE * MONO_ADVANCE
_LINE, _PAD = 36.0, 14.0
_CELLS = 84


@dataclass(frozen=True, slots=True)
class SpanMark:
    """One stretch of characters to mark."""

    start: int
    end: int
    color: str
    name: str


def span_mark(annotation: Annotation, text: str, color: str, name: str) -> SpanMark | None:
    """How to mark an annotation in a text; None when it is no span of it."""
    shape = annotation.geometry if isinstance(annotation, ObjectAnnotation) else None
    if not isinstance(shape, TextSpan) or shape.message_id is not None:
        return None
    start, end = max(shape.start, 0), min(shape.end, len(text))
    return SpanMark(start, end, color, name) if start < end else None


def draw_text(text: str, marks: Sequence[SpanMark], top: float) -> Canvas:
    """The text as a canvas, every span on its colour with its class name above its start."""
    lines = list(_wrapped(text))
    width = _CELLS * _ADVANCE + 2 * _PAD
    height = len(lines) * _LINE + 2 * _PAD
    items: list[Item] = [Path([box_ring(0, 0, width, height)], "#f7f9fb", fill=1.0)]
    for number, (start, end) in enumerate(lines):
        baseline = _PAD + number * _LINE + 25
        edges = _edges(text[start:end])
        for mark in marks:
            first, last = max(mark.start, start) - start, min(mark.end, end) - start
            if first < last:
                items += _marked(mark, edges[first], edges[last], baseline, tagged=mark.start >= start)
        items += _words(text[start:end], edges, baseline)
    return Canvas(0, top, width, height, items)


def _wrapped(text: str) -> Iterator[tuple[int, int]]:
    """Where each line starts and ends; broken at spaces where there are any."""
    start = 0
    for paragraph in text.split("\n"):
        stop = start + len(paragraph)
        while _cells(text[start : min(stop, start + _CELLS + 1)]) > _CELLS:
            end = start + _CELLS
            while _cells(text[start:end]) > _CELLS:
                end -= 1
            space = text.rfind(" ", start, end)
            end = space + 1 if space > start else end
            yield start, end
            start = end
        yield start, stop
        start = stop + 1


def _cells(text: str) -> int:
    return sum(map(_cell, text))


def _cell(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _edges(line: str) -> list[float]:
    """The left edge of every character, and the right one of the last."""
    edges = [_PAD]
    for character in line:
        edges.append(edges[-1] + _cell(character) * _ADVANCE)
    return edges


def _marked(mark: SpanMark, left: float, right: float, baseline: float, *, tagged: bool) -> list[Item]:
    ground = box_ring(left - 1, baseline - 13, right - left + 2, 18)
    under = box_ring(left - 1, baseline + 4, right - left + 2, 2)
    items: list[Item] = [
        Path([ground], mark.color, fill=0.3, title=mark.name),
        Path([under], mark.color, fill=1.0),
    ]
    if tagged:
        items.append(Words(left, baseline - 15, mark.name, _TAG_SIZE, "#52606d"))
    return items


def _words(line: str, edges: Sequence[float], baseline: float) -> Iterator[Item]:
    """Word by word at its own place, so that no renderer's font moves the text off its marks."""
    start = 0
    for word in line.split(" "):
        if word:
            yield Words(edges[start], baseline, word, _SIZE, mono=True)
        start += len(word) + 1
