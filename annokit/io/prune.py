"""One part of a JSON document: its exact text, and the document with nothing but what that part needs."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from annokit.io.salvage import decoder

__all__ = ["path_steps", "surroundings", "text_at"]

_STEP = re.compile(r'\.([\w-]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]')


def path_steps(path: str) -> list[str | int]:
    """The keys and indices of a JSON path as errors spell it.

    >>> path_steps('$.projects["a b"].labels[0]')
    ['projects', 'a b', 'labels', 0]
    """
    found = _STEP.findall(path)
    return [name or (int(index) if index else msgspec.json.decode(quoted)) for name, index, quoted in found]


def text_at(raw: bytes | Raw, path: str) -> bytes:
    """The exact text of the part of a JSON document that `path` leads to.

    >>> text_at(b'{"a": [1,  {"b": 2.50}]}', "$.a[1].b")
    b'2.50'
    """
    for step in path_steps(path):
        kind = list[Raw] if isinstance(step, int) else dict[str, Raw]
        raw = decoder(kind).decode(raw)[step]
    return bytes(raw)


def surroundings(raw: bytes | Raw, path: str, units: Collection[str] = ()) -> Any:
    """The document with None where `path` leads, and nothing beside it that is a record of its own.

    Of a list on the way only the element on the way is kept.

    Parameters
    ----------
    raw : bytes or msgspec.Raw
        The JSON text of the document.
    path : str
        A path that exists in it.
    units : collection of str
        The keys whose members or elements are records of their own. One beside the way is emptied, in one
        on the way only that member is kept; all other keys keep their values.

    Examples
    --------
    >>> row = b'{"id": 1, "tags": ["x"], "labels": [{"n": 0}, {"n": 1, "marks": [{"m": 2}, {"m": 3}]}]}'
    >>> surroundings(row, "$.labels[1].marks[0]", units=("labels", "marks"))
    {'id': 1, 'tags': ['x'], 'labels': [{'n': 1, 'marks': [None]}]}
    >>> surroundings(row, "$.tags", units=("labels",))
    {'id': 1, 'tags': None, 'labels': []}
    """
    return _around(raw, path_steps(path), units, alone=False)


def _around(raw: bytes | Raw, steps: Sequence[str | int], units: Collection[str], *, alone: bool) -> Any:
    if not steps:
        return None
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        return [_around(decoder(list[Raw]).decode(raw)[step], rest, units, alone=False)]
    members = decoder(dict[str, Raw]).decode(raw)
    kept = {}
    for key, value in members.items():
        if key == step:
            kept[key] = _around(value, rest, units, alone=key in units)
        elif not alone:
            kept[key] = _emptied(value) if key in units else decoder(Any).decode(value)
    return kept


def _emptied(raw: Raw) -> Any:
    value = decoder(Any).decode(raw)
    return type(value)() if isinstance(value, list | dict) else value
