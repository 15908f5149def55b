"""What has no columns of its own as JSON text: `extra`, payloads, metadata."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
import numpy as np

from annokit.errors import DecodeError, Where
from annokit.io.faults import BAD_JSON, decode_error

__all__ = ["built", "from_json", "to_json"]

_T = TypeVar("_T")


def _array(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


_ENCODER = msgspec.json.Encoder(enc_hook=_array)


def to_json(value: Any) -> bytes | None:
    """JSON text; None for None and for what is empty.

    >>> to_json({"coco": {"id": 1}})
    b'{"coco":{"id":1}}'
    >>> to_json({}) is None
    True
    """
    return None if value is None or value in ({}, (), []) else _ENCODER.encode(value)


def from_json(text: str | None, kind: type[_T] | Any, column: str) -> _T | Any:
    """The value of a JSON column; a DecodeError that names the column when it cannot be one."""
    if text is None:
        raise DecodeError("expected JSON, got null", where=Where(path=f"$.{column}"))
    try:
        return msgspec.json.decode(text, type=kind, dec_hook=lambda _kind, value: np.array(value))
    except BAD_JSON as error:
        raise decode_error(error, f"$.{column}") from error


def built(kind: type[_T], values: dict[str, Any]) -> _T:
    """The record with these values; nulls are left to its defaults."""
    try:
        return msgspec.convert({name: value for name, value in values.items() if value is not None}, kind)
    except msgspec.ValidationError as error:
        raise decode_error(error) from error
