"""Whether ids and names are those of one record only, over all rows there are."""

from __future__ import annotations

from typing import NamedTuple

from annokit.model import Box, DataRow, Polygon
from annokit.report import kind_of
from annokit.validate._findings import Example, Finding, Findings, Severity

__all__ = ["Called", "Repeats", "called"]


class Called(NamedTuple):
    """How a data row and its annotations are called; so much of it has to be seen together with all others."""

    source: str | None
    name: str
    id: str
    annotations: list[tuple[str, str]]
    """Id and kind of those that have an id."""
    drawn: str | None
    """`box` or `polygon`, where all it has of these two is of one kind."""


def called(row: DataRow) -> Called:
    """What a row and its annotations are called, and how its objects are drawn."""
    annotations = [(one.id, kind_of(one)) for label in row.labels for one in label.annotations if one.id]
    shapes = [one.geometry for label in row.labels for one in label.objects]
    kinds = {shape.kind for shape in shapes if isinstance(shape, Box | Polygon)}
    return Called(row.source, row.name, row.id, annotations, kinds.pop() if len(kinds) == 1 else None)


class Repeats:
    """Looks for ids and names that come again; only hashes of them are kept.

    Parameters
    ----------
    found : Findings
        Where faults go.
    id_severity : {"error", "warning"}
        How bad a repeated annotation id is.
    """

    def __init__(self, found: Findings, id_severity: Severity) -> None:
        self._found, self._id_severity = found, id_severity
        self._ids: set[int] = set()
        self._names: set[int] = set()
        self._annotations: set[int] = set()

    def check(self, row: Called) -> None:
        """One more row."""
        if _seen(self._ids, f"{row.source}\0{row.id}"):
            self._add(row, "repeated-id", "data_rows", "error", "two data rows have one id")
        if _seen(self._names, row.name):
            message = "two data rows have one name; files get a hash each"
            self._add(row, "repeated-name", "data_rows", "warning", message)
        for one, kind in row.annotations:
            video = f"{row.id}\0" if kind == "tracks" else ""  # an identity is one within its video
            if _seen(self._annotations, f"{row.source}\0{video}{one}"):
                message = "two annotations have one id"
                self._add(row, "repeated-annotation-id", kind, self._id_severity, message, one)

    def _add(
        self,
        row: Called,
        code: str,
        kind: str,
        severity: Severity,
        message: str,
        annotation: str | None = None,
    ) -> None:
        example = Example(row.source, row.name, annotation)
        self._found.take(Finding(code, kind, severity, 1, message, [example]))


def _seen(before: set[int], name: str) -> bool:
    value = hash(name)
    if value in before:
        return True
    before.add(value)
    return False
