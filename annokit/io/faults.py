"""What msgspec says about bad JSON, as annokit's errors with the full JSON path."""

from __future__ import annotations

import re
from typing import TypeAlias

import msgspec
from msgspec import Raw

from annokit.errors import AnnokitError, DecodeError, LimitExceeded, Where, shown

__all__ = ["BAD_JSON", "BadJson", "Spot", "decode_error", "spot_path", "told", "worded"]

BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a msgspec decoder raises on bad input."""

BadJson: TypeAlias = msgspec.DecodeError | UnicodeDecodeError | RecursionError

Spot: TypeAlias = "str | tuple[Spot, object]"
"""A JSON path that is only written out when something is wrong there: the spot around it and the key."""

_MESSAGE = re.compile(r"(?s)(.*?)(?: - at (`key` in )?`(\$.*)`)?")
_NOT_UTF_8 = "Invalid UTF-8"
"""What msgspec says from 0.23 on; before, Python said it."""
_REPHRASED = (
    (re.compile(r"JSON is malformed: "), "not valid JSON: "),
    (re.compile(r"Input data was truncated"), "not valid JSON: it ends too early"),
    (re.compile(r"(?s)Object missing required field `(.*)`"), r'expected the key "\1", got none'),
    (re.compile(r"(?s)Object contains unknown field `(.*)`"), r'unknown key "\1"'),
    (re.compile(r"Expected "), "expected "),
    (re.compile(r"Invalid "), "invalid "),
    (re.compile(r"Number out"), "number out"),
)


def decode_error(
    error: BadJson, path: str = "$", raw: bytes | Raw | None = None
) -> DecodeError | LimitExceeded:
    """What a msgspec decoder raised on `raw`, the text at `path`, as an annokit error.

    Examples
    --------
    >>> try:
    ...     msgspec.json.decode(b'{"a": [1, "x"]}', type=dict[str, list[int]])
    ... except msgspec.DecodeError as error:
    ...     print(decode_error(error, "$.rows[3]"))
    $.rows[3][...][1]: expected int, got str
    """
    if isinstance(error, RecursionError):
        return LimitExceeded("the JSON is nested too deeply to be decoded", where=Where(path=path))
    if isinstance(error, UnicodeDecodeError) or str(error).startswith(_NOT_UTF_8):
        return _encoding_error(error, path, raw)
    found = _MESSAGE.fullmatch(str(error))
    text, key, rest = found.groups() if found else (str(error), None, None)
    code = "bad-shape" if isinstance(error, msgspec.ValidationError) else "bad-json"
    problem = f"{'key: ' if key else ''}{_rephrased(text)}"
    if raw is not None and rest is None and problem.startswith("expected ") and ", got " not in problem:
        problem += f", got {_excerpt(raw)}"
    return DecodeError(problem, where=Where(path=path + (rest or "$")[1:]), code=code)


def worded(error: BadJson) -> str:
    """What a decoder raised in one line: where, and what was expected.

    Examples
    --------
    >>> try:
    ...     msgspec.convert({"file": 1}, msgspec.defstruct("Named", [("file", str)]))
    ... except msgspec.ValidationError as error:
    ...     print(worded(error))
    file: expected str, got int
    """
    found = decode_error(error)
    place = str(found.where.path).lstrip("$.")
    return f"{place}: {found.problem}" if place else found.problem


def told(error: AnnokitError | BadJson, path: str = "$") -> AnnokitError:
    """An error of ours as it is; what a decoder raised on the text at `path` as one of ours."""
    return error if isinstance(error, AnnokitError) else decode_error(error, path)


def _encoding_error(error: BadJson, path: str, raw: bytes | Raw | None) -> DecodeError:
    """Bytes that are not UTF-8, with their place in `raw`: the exception only knows it inside one string."""
    try:
        str(b"" if raw is None else memoryview(raw), "utf-8")
    except UnicodeDecodeError as placed:
        error = placed
    got = "other bytes"
    if isinstance(error, UnicodeDecodeError):
        got = f"byte 0x{error.object[error.start]:02x} at byte {error.start}"
    return DecodeError(f"expected UTF-8, got {got}", where=Where(path=path), code="bad-encoding")


def _rephrased(text: str) -> str:
    for pattern, replacement in _REPHRASED:
        if pattern.match(text):
            return shown(pattern.sub(replacement, text, count=1).replace("`", ""), 300)
    return shown(text, 300)


def _excerpt(raw: bytes | Raw) -> str:
    return shown(bytes(memoryview(raw)[:400]).decode("utf-8", "replace"))


def spot_path(spot: Spot) -> str:
    """The JSON path of a spot.

    >>> spot_path(((("$", "labels"), 0), "a b"))
    '$.labels[0]["a b"]'
    """
    if isinstance(spot, str):
        return spot
    parent, key = spot
    if isinstance(key, int):
        return f"{spot_path(parent)}[{key}]"
    if isinstance(key, str) and re.fullmatch(r"[\w-]+", key):
        return f"{spot_path(parent)}.{key}"
    return f"{spot_path(parent)}[{msgspec.json.encode(key).decode()}]"
