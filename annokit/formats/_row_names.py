"""What the data rows of an output are called, where tools or the format itself tell them apart by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from annokit.report import Report

__all__ = ["RowNames"]

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
