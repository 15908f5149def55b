"""Keys that a JSON object has twice, of which a decoder would silently take the last."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from annokit.io.faults import Spot, spot_path

__all__ = ["repeated_keys"]


class _Twice(dict[str, Any]):
    """An object with a key that it has twice."""

    key = ""


def _noted(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    twice = _Twice(made)
    twice.key = Counter(key for key, _ in pairs).most_common(1)[0][0]
    return twice


def repeated_keys(raw: bytes) -> Iterator[str]:
    """The path of a repeated key for each object of valid JSON that has one; slow, since it looks at all.

    >>> list(repeated_keys(b'{"a": [{"b": 1, "b": 2}]}'))
    ['$.a[0].b']
    """
    whole = json.loads(raw.removeprefix(b"\xef\xbb\xbf"), object_pairs_hook=_noted, parse_int=str)
    waiting: list[tuple[Spot, Any]] = [("$", whole)]
    while waiting:
        spot, value = waiting.pop()
        if isinstance(value, _Twice):
            yield spot_path((spot, value.key))
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        waiting.extend(((spot, key), inner) for key, inner in pairs if isinstance(inner, dict | list))
