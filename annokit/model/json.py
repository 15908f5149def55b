"""Records as JSON and back, with the version of the schema they were written by."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

import msgspec
import numpy as np

from annokit.errors import DecodeError
from annokit.model.annotation import Annotation
from annokit.model.label import DataRow, Label
from annokit.model.ontology import Ontology

__all__ = ["SCHEMA_VERSION", "dump", "parse", "to_json"]

SCHEMA_VERSION = 1
"""Rises when a field changes its meaning; new fields with defaults do not count."""

TopLevel: TypeAlias = DataRow | Label | Ontology | Annotation


class _Versioned(msgspec.Struct):
    annokit_schema: int
    record: TopLevel


def to_json(value: Any) -> Any:
    """What msgspec is to write for what it does not know: the numbers and texts in numpy's arrays and scalars."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


def _from_json(_kind: Any, value: Any) -> Any:
    return np.array(value)  # the record itself coerces and checks it


_ENCODER = msgspec.json.Encoder(enc_hook=to_json)


@cache
def _decoder() -> msgspec.json.Decoder[_Versioned]:
    """Made when it is asked for: it looks through all types of the model, which takes some milliseconds."""
    return msgspec.json.Decoder(_Versioned, dec_hook=_from_json)


def dump(record: TopLevel) -> bytes:
    """One line of JSON that `parse` turns back into an equal record.

    >>> parse(dump(DataRow(id="r1"))) == DataRow(id="r1")
    True
    """
    return _ENCODER.encode(_Versioned(annokit_schema=SCHEMA_VERSION, record=record))


def parse(data: bytes | str) -> TopLevel:
    """The record `dump` wrote.

    Raises
    ------
    DecodeError
        Not JSON, not a record, or written by a newer schema than this version knows.
    """
    try:
        found = _decoder().decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"expected a record written by annokit: {error}") from error
    if found.annokit_schema > SCHEMA_VERSION:
        raise DecodeError(
            f"expected schema {SCHEMA_VERSION} or older, got {found.annokit_schema}", hint="update annokit"
        )
    return found.record
