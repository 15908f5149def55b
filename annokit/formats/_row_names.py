"""What the data rows of an output are called, where tools or the format itself tell them apart by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from msgspec.structs import replace

from annokit.model import DataRow
from annokit.report import Report

__all__ = ["ID_TAKEN", "RowIds", "RowNames"]

ID_TAKEN = "another one of the file has its id, so it is given a new one"

_WHY = "several images have one file name, and tools that go by it see one of them"


class RowNames:
    """Names the names that several data rows of an output have.

    Examples
    --------
    >>> report, names = Report(), RowNames()
    >>> [names.count(name, report) for name in ("a.jpg", "b.jpg", "a.jpg")]
    [True, True, False]
    >>> names.account(report)
    >>> report.total("written"), report.total("merged"), report.losses[0].examples
    (2, 1, ['a.jpg'])
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def update(self, names: Iterable[str]) -> None:
        """Take in the names of rows that the format itself tells apart."""
        self._counts.update(names)

    def count(self, name: str, report: Report) -> bool:
        """Count a row that is its name as written, or merged with the first of that name; whether it is the first."""
        self._counts[name] += 1
        is_first = self._counts[name] == 1
        report.count("written" if is_first else "merged", "data_rows")
        return is_first

    def account(self, report: Report, why: str = _WHY, *, lossy: bool = False) -> None:
        """Tell which names several rows have."""
        for name, n in self._counts.items():
            if n > 1:
                report.note("name-taken", "data_rows", why, example=name, n=n, lossy=lossy)


class RowIds:
    """Ids of data rows; a number is that of one name, since files of several sources may number their rows alike.

    Examples
    --------
    >>> report, ids = Report(), RowIds()
    >>> rows = [DataRow(id="1", external_id=name) for name in ("a.jpg", "b.jpg", "a.jpg", "b.jpg")]
    >>> [ids.own(row, report).id for row in rows], report.losses[0].code, report.losses[0].count
    (['1', '1-2', '1', '1-2'], 'id-taken', 2)
    """

    def __init__(self) -> None:
        self._names: dict[str, str | None] = {}
        """Whose each id is; of those made here nobody else's."""
        self._made: dict[tuple[str, str], str] = {}
        self._counts: Counter[str] = Counter()

    def own(self, row: DataRow, report: Report) -> DataRow:
        """The row, with another id if its own is that of another name; what has no name is the row of its id."""
        name = self._names.get(row.id, row.id)
        if name == row.id:
            name = self._names[row.id] = row.name
        is_its = row.name in (name, row.id) or not row.id.isdecimal()  # a platform gives no id twice
        if name is not None and is_its:
            return row
        report.note("id-taken", "data_rows", ID_TAKEN, example=row.name, lossy=True)
        return replace(row, id=self._another(row))

    def _another(self, row: DataRow) -> str:
        """An id that no row before it had: the row's own and a number."""
        key = row.id, row.name
        while key not in self._made:
            self._counts[row.id] += 1
            made = f"{row.id}-{self._counts[row.id] + 1}"
            if made not in self._names:
                self._names[made], self._made[key] = None, made
        return self._made[key]
