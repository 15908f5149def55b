"""Every exception annokit raises: one base class, few subclasses, each with the exit code of the CLI.

A message says where (file, line, data row, JSON path), what was expected, what came and what to try::

    export.ndjson:1042 data_row=ck12 $.bounding_box.width: expected a number >= 0, got -16.0
"""

from __future__ import annotations

import re
from typing import Any

__all__ = [
    "AccountingError",
    "AnnokitError",
    "DecodeError",
    "GeometryError",
    "InputError",
    "LimitExceeded",
    "LossyConversion",
    "OutputError",
    "ReferenceProblem",
    "UnsafeInput",
    "UsageError",
    "Where",
    "number_of",
    "shown",
]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(value: object, limit: int = 80) -> str:
    """`value` as it may stand in a message: short, control characters escaped, URL queries cut.

    Signed URLs carry secrets in their query, so it never reaches a log.

    >>> shown("https://host/mask.png?token=abc")
    'https://host/mask.png?...'
    >>> shown("")
    ''
    """
    text = value if isinstance(value, str) else repr(value)
    text = re.sub(r"(\w+://[^\s?]*)\?[^\s\"']*", r"\1?...", text)
    text = _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode(), text)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def number_of(count: int, noun: str) -> str:
    """A number of things, one of them in the singular.

    >>> number_of(1, "data row"), number_of(2500, "data row")
    ('1 data row', '2,500 data rows')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


class Where:
    """The place an error is about; every part is optional."""

    __slots__ = ("byte_offset", "file", "line", "path", "record")

    def __init__(
        self,
        file: str | None = None,
        *,
        line: int | None = None,
        byte_offset: int | None = None,
        record: str | None = None,
        path: str | None = None,
    ) -> None:
        self.file, self.line, self.byte_offset = file, line, byte_offset
        self.record, self.path = record, path

    def at(self, **parts: Any) -> Where:
        """This place with some parts replaced."""
        mine: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        mine.update(parts)
        return Where(mine.pop("file"), **mine)

    def to_dict(self) -> dict[str, Any]:
        """The parts that are known, for reports."""
        parts = {name: getattr(self, name) for name in ("file", "line", "byte_offset", "record", "path")}
        return {name: part for name, part in parts.items() if part is not None}

    def __str__(self) -> str:
        spot = shown(self.file, 200) if self.file else ""
        if self.line is not None:
            spot += f":{self.line}"
        elif self.byte_offset is not None:
            spot += f"@{self.byte_offset}"
        record = f"data_row={shown(self.record)}" if self.record else ""
        path = shown(self.path, 200) if self.path else ""
        return " ".join(part for part in (spot, record, path) if part)


class AnnokitError(Exception):
    """Base of everything annokit raises on purpose.

    Parameters
    ----------
    problem : str
        What was expected and what came, in one line.
    where : Where, optional
        The place in the input.
    hint : str, optional
        What to try next.
    code : str, optional
        A stable name for reports; each class has its own default.
    """

    code = "error"
    exit_code = 3

    def __init__(
        self, problem: str, *, where: Where | None = None, hint: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(problem)
        self.problem, self.where, self.hint = problem, where or Where(), hint
        self.code = code or type(self).code

    def __str__(self) -> str:
        place = str(self.where)
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}: {self.problem}{hint}" if place else f"{self.problem}{hint}"

    def to_dict(self) -> dict[str, Any]:
        """Code, problem, place and hint, for reports and `--json`."""
        return {"code": self.code, "problem": self.problem, "where": self.where.to_dict(), "hint": self.hint}


class UsageError(AnnokitError):
    """The call itself is off: an unknown format, an option that does not exist."""

    code = "usage"
    exit_code = 2


class InputError(AnnokitError):
    """The bytes of the input are at fault."""

    code = "bad-input"


class DecodeError(InputError):
    """Not JSON, not UTF-8, or not the shape the format promises; `where.path` is the JSON path."""

    code = "bad-shape"


class GeometryError(InputError):
    """A shape that cannot be one: not finite, an odd number of coordinates, counts that miss the size."""

    code = "bad-geometry"


class ReferenceProblem(InputError):
    """Something points at an image, a category or a label that is not there, or is there twice."""

    code = "bad-reference"


class LimitExceeded(AnnokitError):
    """A resource limit; the message names the limit and how to raise it."""

    code = "limit"
    exit_code = 4


class UnsafeInput(AnnokitError):
    """A name or archive entry that leads out of its folder, an XML entity, a URL that would be fetched."""

    code = "unsafe"
    exit_code = 5


class LossyConversion(AnnokitError):
    """Under ``strict``, the target cannot hold something the source has."""

    code = "lossy"
    exit_code = 6


class OutputError(AnnokitError):
    """Writing failed; the destination is untouched."""

    code = "output"
    exit_code = 7


class AccountingError(AnnokitError):
    """What was read is not what was written plus what was reported: a bug in annokit."""

    code = "accounting"
    exit_code = 70
