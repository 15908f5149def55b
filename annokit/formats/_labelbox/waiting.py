"""Records of one data row that stand apart in a file, brought together in the order of the first ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from annokit.io.elements import is_document, iter_element_blocks
from annokit.io.faults import BAD_JSON
from annokit.io.lines import Line, iter_lines
from annokit.io.salvage import decoder
from annokit.io.source import Source, Span
from annokit.run import Run

__all__ = ["Waiting", "cut_between_rows", "totals"]

T = TypeVar("T")


class Waiting(Generic[T]):
    """Records of data rows that may have more to come.

    Parameters
    ----------
    totals : Counter
        How many records each data row has, whether they can be read or not.
    """

    def __init__(self, totals: Counter[str | None]) -> None:
        self._left = totals
        self._rows: dict[str, list[T]] = {}

    def add(self, row_id: str | None, record: T | None) -> None:
        """Take one record of a data row, or note that there was one that could not be read."""
        self._left[row_id] -= 1
        if record is not None and row_id is not None:
            self._rows.setdefault(row_id, []).append(record)

    def complete(self, everything: bool = False) -> Iterator[list[T]]:
        """The rows up to the first one that may have more to come, each as its records."""
        ready = []
        for row_id in self._rows:
            if self._left[row_id] > 0 and not everything:
                break
            ready.append(row_id)
        for row_id in ready:
            yield self._rows.pop(row_id)


def totals(
    source: Source, run: Run, tp: Any, id_of: Callable[[Any], str], record_id: Callable[[bytes], str | None]
) -> Counter[str | None]:
    """How many records each data row has: a first pass that decodes nothing but `tp`."""
    found: Counter[str | None] = Counter()
    for block in iter_element_blocks(source, run.limits):
        try:
            found.update(map(id_of, decoder(tp).decode_lines(block.data)))
        except BAD_JSON:
            found.update(record_id(line.data) for line in block.lines())
    return found


def cut_between_rows(source: Source, size: int, record_id: Callable[[bytes], str | None]) -> list[Source]:
    """`cut_lines`, but only where no data row has records on both sides; all lines are looked at for that, twice."""
    if source.is_dir or source.span is not None or source.size <= size or is_document(source.head()):
        return [source]

    def records() -> Iterator[tuple[Line, str | None]]:
        return ((line, record_id(line.data)) for line in iter_lines(source, source.limits))

    last = {row_id: line.byte_offset for line, row_id in records() if row_id is not None}
    starts, ends = [(0, 1)], -1  # where the last record of all rows so far is
    for line, row_id in records():
        if line.byte_offset > ends and line.byte_offset - starts[-1][0] >= size:
            starts.append((line.byte_offset, line.number))
        ends = ends if row_id is None else max(ends, last[row_id])
    stops = [*(offset for offset, _ in starts[1:]), source.size]
    spans = [Span(start, stop, number) for (start, number), stop in zip(starts, stops, strict=True)]
    return [source.within(span) for span in spans] if len(spans) > 1 else [source]
