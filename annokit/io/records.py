"""Whole documents and blocks of lines as typed records: the fast decoder first, salvage when it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import numpy as np

from annokit.errors import AnnokitError, DecodeError, InputError, LimitExceeded, UsageError, Where
from annokit.io.faults import BAD_JSON, decode_error
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.io.lines import Block, Line, newlines
from annokit.io.salvage import Reject, decoder, salvage
from annokit.io.source import Source
from annokit.model.json import to_json

__all__ = ["decode_block", "decode_document", "encode_document"]

T = TypeVar("T")


def decode_document(source: Source, tp: type[T], *, reject: Reject, limits: Limits = DEFAULT_LIMITS) -> T:
    """Decode the whole of `source`; units that cannot be decoded go to `reject`.

    Raises
    ------
    InputError
        It is empty, is not JSON, or the fault is in no unit.
    LimitExceeded
        It is too large, or nested too deeply.

    Examples
    --------
    >>> decode_document(Source(b"[1, 2]"), list[int], reject=print)
    [1, 2]
    """
    raw = source.read_bytes(limits).removeprefix(b"\xef\xbb\xbf")
    if not raw or raw.isspace():
        raise InputError("expected JSON, got an empty file", where=Where(source.name), code="empty")
    try:
        value: T = decoder(tp).decode(raw)
    except BAD_JSON:
        return _salvaged(raw, tp, Where(source.name), reject)
    return value


def encode_document(document: Mapping[str, Any]) -> bytes:
    """The JSON text of a parsed document; numpy's scalars and arrays are the numbers and texts in them.

    Raises
    ------
    LimitExceeded
        It is nested too deeply.
    UsageError
        It holds what is no JSON.

    Examples
    --------
    >>> encode_document({"width": np.int64(640)})
    b'{"width":640}'
    """
    try:
        return msgspec.json.encode(document, enc_hook=to_json)
    except RecursionError as error:
        raise decode_error(error) from None
    except TypeError as error:
        raise UsageError(f"expected a parsed JSON document: {error}") from error


def decode_block(
    block: Block, tp: type[T], *, reject: Reject, limits: Limits = DEFAULT_LIMITS
) -> list[tuple[int, T]]:
    r"""Decode a block of lines into (line number, record); what cannot be decoded goes to `reject`.

    A line that gives no record is rejected as a whole, under the unit of `tp` or as ``"line"``.
    `Block.line` gives the bytes of a line back.

    Examples
    --------
    >>> block = Block(b'[1]\n\n[2]\n["x"]\n', "x.ndjson", 7, 90)
    >>> decode_block(block, list[int], reject=lambda unit, path, error, raw: print(unit, error))
    line x.ndjson:10 $[0]: expected int, got str
    [(7, [1]), (9, [2])]
    """
    try:
        records: list[T] = decoder(tp).decode_lines(block.data)
    except BAD_JSON:
        records = []
    if records and len(records) == _line_count(block.data):  # one a line: nothing else to look at
        return list(enumerate(records, block.number))
    return [pair for line in block.lines() for pair in _decoded_line(block, line, tp, reject, limits)]


def _line_count(data: bytes) -> int:
    """How many lines there are, or -1 when some may be blank."""
    found = newlines(data)
    return -1 if (np.diff(found) == 1).any() else len(found) + (not data.endswith(b"\n"))


def _decoded_line(
    block: Block, line: Line, tp: type[T], reject: Reject, limits: Limits
) -> list[tuple[int, T]]:
    """The record of one line, or nothing after `reject` was told."""
    where = block.where(line)
    try:
        if line.too_long:
            raise limits.exceeded("max_line_bytes", line.too_long, where)
        return [(line.number, _salvaged(line.data, tp, where, reject))]
    except (DecodeError, LimitExceeded) as error:
        reject(getattr(tp, "unit", None) or "line", "$", error, line.data)
        return []


def _salvaged(raw: bytes, tp: type[T], where: Where, reject: Reject) -> T:
    """`salvage`, with the place of `raw` in every error."""

    def placed(unit: str, path: str, error: AnnokitError, part: bytes) -> None:
        error.where = where.at(path=error.where.path)
        reject(unit, path, error, part)

    try:
        return salvage(raw, tp, reject=placed)
    except (DecodeError, LimitExceeded) as error:
        error.where = where.at(path=error.where.path)
        raise
