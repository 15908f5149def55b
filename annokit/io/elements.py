"""Files of many JSON objects, whatever way they hold them: one a line, one array, or one object alone.

Suffixes do not tell: what platforms save as ``.json`` is often NDJSON, and the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Raw

from annokit.errors import InputError, Where
from annokit.io.faults import BAD_JSON, decode_error
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.io.lines import Block, cut_lines, iter_blocks
from annokit.io.salvage import decoder
from annokit.io.source import Source

__all__ = ["cut_elements", "is_document", "iter_element_blocks"]

_BLANK = b" \t\r\n"


def is_document(head: bytes) -> bool:
    r"""Whether a file that starts like this is one JSON document; else it has one object a line.

    Examples
    --------
    >>> is_document(b'[{"id": 1}, {"id": 2}]'), is_document(b'{\n  "id": 1\n}')
    (True, True)
    >>> is_document(b'{"id": 1}\n{"id": 2}'), is_document(b'{"id": 1}')
    (False, False)
    >>> is_document(b'{"id": 1}\nbroken')
    False
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip(_BLANK)
    if text[:1] == b"[":
        return True
    first, _, rest = text.partition(b"\n")
    # the second line of an object over several lines starts with a key, that of NDJSON with an object
    return rest.lstrip(_BLANK)[:1] not in (b"", b"{") and not _is_json(first)


def _is_json(line: bytes) -> bool:
    """Whether a line is whole by itself: what follows it, even if broken, is another record."""
    try:
        decoder(Raw).decode(line)
    except BAD_JSON:
        return False
    return True


def iter_element_blocks(
    source: Source, limits: Limits = DEFAULT_LIMITS, block: int = 4 << 20
) -> Iterator[Block]:
    r"""The objects of `source` as blocks of lines, one object a line.

    The elements of an array become lines of the same length at the same place, with blanks for what stands
    between them; their line numbers count the elements.

    Raises
    ------
    InputError
        The file is empty, or is an array that is not JSON.

    Examples
    --------
    >>> [block.data for block in iter_element_blocks(Source(b'[{"a": 1},\n {"a": 2}]'))]
    [b'{"a": 1}\n  {"a": 2}']
    """
    if source.span is not None:
        yield from iter_blocks(source, limits, block)
        return
    if is_document(source.head()):
        yield from _document_blocks(source, limits, block)
        return
    empty = True
    for found in iter_blocks(source, limits, block):
        yield found
        empty = empty and not found.too_long and found.data.isspace()
    if empty:
        raise InputError("expected JSON, got an empty file", where=Where(source.name), code="empty")


def cut_elements(source: Source, size: int, *, numbered: bool = True) -> list[Source]:
    """`cut_lines` for a file with one object a line; one JSON document, or a folder, stays whole."""
    if source.is_dir or is_document(source.head()):
        return [source]
    return cut_lines(source, size, numbered=numbered)


def _document_blocks(source: Source, limits: Limits, block: int) -> Iterator[Block]:
    data = source.read_bytes(limits)
    number = 1
    for texts in _parts(_spread(data, _elements(data, source.name)), block):
        yield Block(b"\n".join(text for _, text in texts), source.name, number, texts[0][0])
        number += len(texts)


def _elements(data: bytes, name: str) -> list[Raw]:
    text = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return decoder(list[Raw]).decode(text) if text.lstrip(_BLANK)[:1] == b"[" else [Raw(text)]
    except BAD_JSON as error:
        found = decode_error(error, raw=text)
        found.where = Where(name, path=found.where.path)
        raise found from None


def _spread(data: bytes, elements: Iterable[Raw]) -> Iterator[tuple[int, bytes]]:
    """Each element as one line, with blanks for what stands before it, and its place in `data`."""
    end = -1
    for raw in elements:
        start = data.find(raw, max(end, 0))
        line = b" " * (start - end - 1) if end >= 0 else b""
        place, end = (end + 1 if line else start), start + len(raw)
        yield place, line + bytes(raw).translate(_ONE_LINE)


_ONE_LINE = bytes.maketrans(b"\n\r", b"  ")
"""Line ends can only stand between the tokens of valid JSON, where a blank is as good."""


def _parts(texts: Iterable[tuple[int, bytes]], size: int) -> Iterator[list[tuple[int, bytes]]]:
    """Lists of about `size` bytes."""
    part: list[tuple[int, bytes]] = []
    total = 0
    for text in texts:
        part.append(text)
        total += len(text[1])
        if total >= size:
            yield part
            part, total = [], 0
    if part:
        yield part
