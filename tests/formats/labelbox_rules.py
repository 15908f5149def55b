"""When two Labelbox documents say the same: what is empty may be left out, rings may be closed, times spelled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

__all__ = ["differences", "documents"]


def documents(path: Path) -> list[Any]:
    """The elements of an array, the lines of NDJSON, or one document."""
    text = path.read_text(encoding="utf-8")
    try:
        found = json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    return found if isinstance(found, list) else [found]


def differences(expected: Any, found: Any) -> list[tuple[str, Any, Any]]:
    """Path, expected and found value of everything that differs but in the declared ways."""
    return list(_differences(_normal(expected), _normal(found), "$"))


def _normal(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        members = {name: _normal(one, name) for name, one in value.items()}
        return {name: one for name, one in members.items() if one not in (None, [], {})}
    if isinstance(value, list):
        closed = key == "polygon" and len(value) > 1 and value[0] == value[-1]
        return [_normal(one) for one in (value[:-1] if closed else value)]
    if isinstance(value, str) and value[4:5] == "-" and value[10:11] == "T":
        return datetime.fromisoformat(value).timestamp()
    return value


def _differences(a: Any, b: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}):
            yield from _differences(a.get(key, "absent"), b.get(key, "absent"), f"{path}.{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for place, pair in enumerate(zip(a, b, strict=True)):
            yield from _differences(*pair, f"{path}[{place}]")
    elif a != b or isinstance(a, bool) is not isinstance(b, bool):
        yield path, a, b
