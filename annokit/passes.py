"""One pass over a dataset, part by part where its source can be cut, here or in worker processes.

The parts depend on the input alone, and one worker goes through the same parts as many, so what comes out is the
same for any number of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, TypeVar

from annokit.dataset import Dataset, Outline, Parted, joined, merged
from annokit.io.limits import Limits
from annokit.report import Report
from annokit.run import OnError, Run
from annokit.workers import Workers

__all__ = ["PART", "Parts", "outlines_of"]

R = TypeVar("R")

PART = 8 << 20
"""About how many bytes make a part."""


class Parts:
    """The parts of a dataset, and the processes that share them.

    A dataset that is not read from sources, or is led through a step, is one part, and stays in this process.

    Examples
    --------
    >>> import annokit
    >>> def ids(dataset, run):
    ...     yield from [row.id for row in dataset.rows(run)]
    >>> with Workers(1) as workers:
    ...     list(Parts(annokit.read(b'{"data_row": {"id": "r1"}, "projects": {}}'), workers).map(ids, Run()))
    ['r1']
    """

    def __init__(self, dataset: Dataset, workers: Workers) -> None:
        self._dataset, self._workers = dataset, workers
        self._groups = [list(whole.cut(PART)) for whole in dataset.parts]
        self._parts = list(chain.from_iterable(self._groups))

    def outlines(self) -> list[Outline]:
        """The outline of each part; that of the dataset is known then, too."""
        if len(self._parts) < 2:
            return [self._dataset.outline]
        if self._dataset.part_outlines:
            return self._dataset.part_outlines
        found, whole = outlines_of(self._groups, self._workers)
        self._dataset.part_outlines = found
        self._dataset.set_outline(lambda: whole)
        return found

    def map(self, task: Callable[..., Iterator[R]], run: Run, *given: Sequence[Any]) -> Iterator[R]:
        """What `task` yields of each part, in order.

        Parameters
        ----------
        task : callable
            Given a dataset, a run, and one of each of `given`. Can be imported by its name, or is a `partial` of
            such a one, as it may be called in another process.
        run : Run
            Its error policy and limits hold for each part; what is counted goes into its report.
        *given : sequence
            Something for each part, in the order of `outlines`.
        """
        if len(self._parts) < 2:
            yield from task(self._dataset, run, *(one[0] for one in given))
            return
        tasks = [
            _Share(task, part, extra, run.on_error, run.limits)
            for part, *extra in zip(self._parts, *given, strict=True)
        ]
        if self._workers.count > 1:
            for results, report, size in self._workers.map(_finished, tasks):
                run.advance(size)
                yield from results
                run.add(report)
            return
        for share in tasks:
            report = Report()
            yield from share.results(report, run.advance)
            run.add(report)


class _Share:
    """A part, and what is to be done with it."""

    def __init__(
        self, task: Callable[..., Iterator[Any]], part: Parted, given: Sequence[Any], on_error: OnError, limits: Limits
    ) -> None:  # fmt: skip
        self._task, self._part, self._given = task, part, given
        self._on_error, self._limits = on_error, limits

    def results(self, report: Report, progress: Callable[[int], None]) -> Iterator[Any]:
        """What comes of it."""
        run = Run(on_error=self._on_error, report=report, limits=self._limits, progress=progress)
        yield from self._task(self._part.dataset(), run, *self._given)


def _finished(share: _Share) -> tuple[list[Any], Report, int]:
    """In a worker: all that comes of a part, its account, and how many bytes were read."""
    report, sizes = Report(), list[int]()
    return list(share.results(report, sizes.append)), report, sum(sizes)


def outlines_of(groups: Sequence[Sequence[Parted]], workers: Workers) -> tuple[list[Outline], Outline]:
    """The outline of each part of several sources, and that of them all."""
    found = list(workers.map(_outline_of, chain.from_iterable(groups)))
    each = iter(found)
    wholes = [[next(each) for _ in group] for group in groups]
    outlines = [group[0] if len(group) == 1 else joined(group) for group in wholes]
    return found, outlines[0] if len(outlines) == 1 else merged(outlines)


def _outline_of(part: Parted) -> Outline:
    return part.dataset().outline
