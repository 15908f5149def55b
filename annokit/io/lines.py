"""NDJSON cut into blocks and lines, at byte 0x0A only, with the place of every line.

A block is what a whole-batch decoder takes; lines are for the block in which something is wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from annokit.errors import Where
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.io.source import Source, Span, reading

__all__ = ["Block", "Line", "count_newlines", "cut_lines", "iter_blocks", "iter_lines", "newlines"]

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is not blank, without its line end.

    Attributes
    ----------
    data : bytes
        Its bytes; empty when it is too long.
    number : int
        Its number in the file, 1-based, blank lines counted.
    byte_offset : int
        Where it starts in the file.
    too_long : int
        0, or its length when it is over the limit and was skipped.
    """

    data: bytes
    number: int
    byte_offset: int
    too_long: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of one file, or one line that is too long to be held (`too_long` is then its length).

    Attributes
    ----------
    data : bytes
        The lines with their line ends; the last line of a file may lack one.
    file : str
        Name of the source, for messages.
    number : int
        Number of its first line, 1-based.
    byte_offset : int
        Where it starts in the file.
    too_long : int
        0, or the length of the one line it stands for.
    counted_from : int
        The byte from which lines are counted, where nobody counted those before it.
    """

    data: bytes
    file: str
    number: int
    byte_offset: int
    too_long: int = 0
    counted_from: int = 0

    def lines(self) -> Iterator[Line]:
        r"""Its lines, blank ones left out.

        >>> [(line.number, line.data) for line in Block(b"{}\r\n\n[]", "x", 1, 0).lines()]
        [(1, b'{}'), (3, b'[]')]
        """
        if self.too_long:
            yield Line(b"", self.number, self.byte_offset, self.too_long)
        offset = self.byte_offset
        for number, data in enumerate(self.data.split(b"\n"), self.number):
            if data.strip(b" \t\r"):
                yield Line(data.removesuffix(b"\r"), number, offset)
            offset += len(data) + 1

    def line(self, number: int) -> Line:
        """The line with this number, which must be in the block and not blank."""
        return next(line for line in self.lines() if line.number == number)

    def where(self, line: Line) -> Where:
        """The place of one of its lines, for messages."""
        file = f"{self.file}@{self.counted_from}" if self.counted_from else self.file
        return Where(file, line=line.number, byte_offset=line.byte_offset)


def iter_blocks(source: Source, limits: Limits = DEFAULT_LIMITS, block: int = 4 << 20) -> Iterator[Block]:
    """Cut `source` into blocks of about `block` bytes that end where a line ends.

    A UTF-8 byte order mark is left out. A line over `max_line_bytes` is not held in memory: it becomes a
    block of its own without data.
    """
    most = limits.max_line_bytes + 1
    start, stop, line = source.span or Span(0, sys.maxsize, 1)
    counted_from = start if line is None else 0
    with source.open() as handle, reading(source.name):
        offset = start or (len(_BOM) if handle.read(len(_BOM)) == _BOM else 0)
        number = line or 1
        while offset < stop:
            room = min(most, stop - offset)
            data = _whole_lines(handle, offset, min(block, room), room)
            if not data:
                return
            found = Block(data, source.name, number, offset, counted_from=counted_from)
            length = len(data)
            if len(data) == most and data.find(b"\n") < 0:
                length = _line_length(handle, offset + most) + most
                found = Block(b"", source.name, number, offset, length, counted_from)
                length += 1
            yield found
            number += count_newlines(data) or 1
            offset += length


def cut_lines(source: Source, size: int, *, numbered: bool = True) -> list[Source]:
    r"""Cut a file of lines into parts of about `size` bytes that end where a line ends.

    Parameters
    ----------
    source : Source
    size : int
        The parts depend on it and on the file alone.
    numbered : bool
        Whether lines are counted as in the whole file, which reads it once; else from the start of a part.

    Examples
    --------
    >>> [part.span for part in cut_lines(Source(b"[1]\n[2]\n[3]\n"), 5)]
    [Span(start=0, stop=8, line=1), Span(start=8, stop=12, line=3)]
    >>> [part.span for part in cut_lines(Source(b""), 5)]
    [None]
    """
    if source.span is not None or source.size <= size:
        return [source]
    spans, start, line, end = [], 0, 1, source.size
    with source.open() as handle, reading(source.name):
        while start < end:
            stop = _next_line(handle, start + size) if start + size < end else end
            spans.append(Span(start, stop, line if numbered else None))
            line += _newlines(handle, start, stop) if numbered else 0
            start = stop
    return [source.within(span) for span in spans]


def newlines(data: bytes) -> NDArray[np.intp]:
    r"""Where lines end, found many bytes at a time: `bytes.count` looks at one after the other.

    >>> newlines(b"{}\n\n[]").tolist()
    [2, 3]
    """
    return np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))


def count_newlines(data: bytes) -> int:
    r"""How many there are, in half the time it takes to say where.

    >>> count_newlines(b"{}\n\n[]")
    2
    """
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord("\n")))


def _next_line(handle: BinaryIO, start: int) -> int:
    """Where the first line that does not start before `start` starts, or the end of the file."""
    handle.seek(start - 1)
    while chunk := handle.read(1 << 16):
        newline = chunk.find(b"\n")
        if newline >= 0:
            return handle.tell() - len(chunk) + newline + 1
    return handle.tell()


def _newlines(handle: BinaryIO, start: int, stop: int) -> int:
    """How many lines end between two places."""
    handle.seek(start)
    found = 0
    while start < stop and (chunk := handle.read(min(1 << 20, stop - start))):
        found += count_newlines(chunk)
        start += len(chunk)
    return found


def _whole_lines(handle: BinaryIO, offset: int, size: int, most: int) -> bytes:
    """About `size` bytes from `offset`, cut after a newline; more, up to `most`, where the line is long."""
    while True:
        handle.seek(offset)
        data = handle.read(size)
        if len(data) < size:
            return data
        cut = data.rfind(b"\n") + 1
        if cut or size == most:
            return data[:cut] if cut else data
        size = min(4 * size, most)


def _line_length(handle: BinaryIO, start: int) -> int:
    """How far the newline after `start` is, or the end of the file, without keeping what is between."""
    handle.seek(start)
    length = 0
    while chunk := handle.read(1 << 20):
        newline = chunk.find(b"\n")
        if newline >= 0:
            return length + newline
        length += len(chunk)
    return length


def iter_lines(source: Source, limits: Limits = DEFAULT_LIMITS) -> Iterator[Line]:
    """Every line of `source` that is not blank, with its place.

    Examples
    --------
    >>> [line.data for line in iter_lines(Source(b'{"a": 1}\\n{"a": 2}\\n'))]
    [b'{"a": 1}', b'{"a": 2}']
    """
    for block in iter_blocks(source, limits):
        yield from block.lines()
