"""What has no columns of its own as JSON text: `extra`, payloads, metadata."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np

from annokit.errors import DecodeError, GeometryError, Where
from annokit.io.faults import BAD_JSON, decode_error
from annokit.model.base import Indices

__all__ = ["built", "from_json", "json_lines"]

_T = TypeVar("_T")


def _array(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


_ENCODER = msgspec.json.Encoder(enc_hook=_array)


def json_lines(values: Sequence[Any]) -> tuple[bytes, Indices]:
    """The JSON texts of values one after the other, and the length of each.

    >>> text, lengths = json_lines([{"a": 1}, [2]])
    >>> text, lengths.tolist()
    (b'{"a":1}[2]', [7, 3])
    """
    lines = _ENCODER.encode_lines(values)
    stops = np.flatnonzero(np.frombuffer(lines, np.uint8) == ord("\n"))
    if len(stops) == len(values):
        return lines.replace(b"\n", b""), np.diff(stops, prepend=-1) - 1
    texts = [_ENCODER.encode(value) for value in values]  # raw text among them has line breaks of its own
    return b"".join(texts), np.array([len(text) for text in texts])


def from_json(text: str | None, kind: type[_T] | Any, column: str) -> _T | Any:
    """The value of a JSON column; a DecodeError that names the column when it cannot be one."""
    if text is None:
        raise DecodeError("expected JSON, got null", where=Where(path=f"$.{column}"))
    try:
        return msgspec.json.decode(text, type=kind, dec_hook=lambda _kind, value: np.array(value))
    except BAD_JSON as error:
        raise decode_error(error, f"$.{column}") from error
    except GeometryError as error:
        error.where = Where(path=f"$.{column}")
        raise


def built(kind: type[_T], values: dict[str, Any]) -> _T:
    """The record with these values; nulls are left to its defaults."""
    try:
        return msgspec.convert({name: value for name, value in values.items() if value is not None}, kind)
    except msgspec.ValidationError as error:
        raise decode_error(error) from error
