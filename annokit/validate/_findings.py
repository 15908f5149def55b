"""What a check found: a stable code, how often, how bad, and where."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from annokit.model import DataRow

__all__ = ["Example", "Finding", "Findings", "Severity", "ValidationReport"]

Severity: TypeAlias = Literal["error", "warning"]
_EXAMPLES = 5


class Example(msgspec.Struct, frozen=True, omit_defaults=True):
    """One place: the file, the data row, the annotation, and what is special there."""

    file: str | None = None
    data_row: str | None = None
    annotation: str | None = None
    detail: str | None = None

    def __str__(self) -> str:
        return " ".join(part for part in (self.file, self.data_row, self.annotation, self.detail) if part)


class Finding(msgspec.Struct):
    """One kind of fault, in one kind of record."""

    code: str
    kind: str
    severity: Severity
    count: int
    message: str
    examples: list[Example]


class ValidationReport(msgspec.Struct, frozen=True):
    """Everything that was found, errors first.

    Attributes
    ----------
    data_rows, annotations : int
        How much was looked at.
    target : str or None
        The format it was judged for, beside what is wrong anywhere.
    findings : list of Finding
        Empty when nothing is wrong.
    """

    data_rows: int
    annotations: int
    target: str | None
    findings: list[Finding]

    @property
    def errors(self) -> int:
        """How many faults are errors."""
        return sum(found.count for found in self.findings if found.severity == "error")

    def of(self, code: str) -> int:
        """How often a fault of this code was found, whatever the kind."""
        return sum(found.count for found in self.findings if found.code == code)


class Findings:
    """Collects faults by code, kind and message."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], Finding] = {}

    def add(
        self,
        code: str,
        kind: str,
        severity: Severity,
        message: str,
        *,
        row: DataRow | None = None,
        annotation: str | None = None,
        detail: str | None = None,
    ) -> None:
        """One more fault."""
        example = Example(row.source if row else None, row.name if row else None, annotation, detail)
        self.take(Finding(code, kind, severity, 1, message, [example]))

    def take(self, finding: Finding) -> None:
        """Faults that were counted elsewhere."""
        known = self._found.setdefault((finding.code, finding.kind, finding.message), finding)
        if known is not finding:
            known.count += finding.count
            known.examples += finding.examples[: _EXAMPLES - len(known.examples)]

    def all(self) -> list[Finding]:
        """All so far, in the order they first struck."""
        return list(self._found.values())

    def sorted(self) -> list[Finding]:
        """Errors first, then the frequent."""
        return sorted(
            self._found.values(), key=lambda found: (found.severity, -found.count, found.code, found.kind)
        )
