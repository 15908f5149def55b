"""Writing a dataset, part by part where its source and the format allow it, here or in worker processes.

The parts depend on the input alone, so the output is the same for any number of workers.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from annokit import passes
from annokit.dataset import Dataset, Outline
from annokit.errors import AccountingError
from annokit.formats import Options, Pieces, Writer, writer_of
from annokit.io.limits import Limits
from annokit.passes import outlines_of
from annokit.reading import Part
from annokit.report import Report
from annokit.run import OnError, Run
from annokit.steps import Steps
from annokit.workers import Workers

__all__ = ["write_rows"]


def write_rows(
    dataset: Dataset,
    steps: Steps,
    format: str,
    target: Path,
    scratch: Path,
    options: Options,
    run: Run,
    workers: Workers,
) -> None:
    """Lead a dataset through the steps and write it to `target`, accounted in `run`; `scratch` is for what is on its way.

    Raises
    ------
    AccountingError
        The writer stopped before the last row.
    """
    writer = writer_of(format)
    groups = _cut(dataset, steps, writer)
    parts = list(chain.from_iterable(groups))
    if len(parts) > 1:
        _, found = outlines_of(groups, workers)
        dataset.set_outline(lambda: found)
    chosen = steps.through(dataset, run.report)
    if len(parts) < 2 or writer.pieces is None or not writer.pieces.suits(chosen, options):
        writer.write(chosen, target, options, run)
        _check_finished(run)
        return
    outlines = (dataset.outline, chosen.outline)
    job = _Job(
        parts, dataset.paths, outlines, steps, format, options, target, run.on_error, run.limits, scratch
    )
    writer.pieces.join(job.pieces(run, workers), chosen, target, options, run)


def _cut(dataset: Dataset, steps: Steps, writer: Writer[Any]) -> list[list[Part]]:
    """The parts of each source; nothing where the rows cannot be written apart."""
    if writer.pieces is None or not steps.row_by_row:
        return []
    return [whole.cut(passes.PART) for whole in dataset.parts if isinstance(whole, Part)]


def _check_finished(run: Run) -> None:
    if not run.finished:
        raise AccountingError("the writer stopped before the last row", hint="a bug in annokit")


class _Job(NamedTuple):
    """All that is needed to make the pieces of any part.

    `outlines` are those of the whole dataset, before and after the steps.
    """

    parts: Sequence[Part]
    paths: tuple[Path, ...]
    outlines: tuple[Outline, Outline]
    steps: Steps
    format: str
    options: Options
    target: Path
    on_error: OnError
    limits: Limits
    scratch: Path

    def pieces(self, run: Run, workers: Workers) -> Iterator[Any]:
        """The pieces of all parts, in order; what is counted and put aside on the way goes into `run`."""
        made = self._here(run) if workers.count == 1 else self._elsewhere(run, workers)
        return self._accounted(made, run)

    def _accounted(self, made: Iterator[tuple[Iterator[Any], Report]], run: Run) -> Iterator[Any]:
        for index, (pieces, report) in enumerate(made):
            yield from pieces
            run.add(report, self._quarantine(index))

    def _here(self, run: Run) -> Iterator[tuple[Iterator[Any], Report]]:
        for index in range(len(self.parts)):
            report = Report()
            yield self.make(index, report, run.advance), report

    def _elsewhere(self, run: Run, workers: Workers) -> Iterator[tuple[Iterator[Any], Report]]:
        file = self.scratch / "job"
        file.write_bytes(pickle.dumps(self, pickle.HIGHEST_PROTOCOL))
        tasks = [(file, index) for index in range(len(self.parts))]
        return _found(workers.map(_work, tasks), run)

    def make(
        self, index: int, report: Report, progress: Callable[[int], None] | None = None
    ) -> Iterator[Any]:
        """The pieces of one part."""
        before, after = self.outlines
        dataset = self.parts[index].dataset(lambda: before)
        dataset.paths = self.paths
        chosen = self.steps.through(dataset, Report())  # classes are accounted once, not for each part
        chosen.set_outline(lambda: after)
        run = Run(
            on_error=self.on_error,
            report=report,
            quarantine=self._quarantine(index),
            limits=self.limits,
            progress=progress,
        )
        pieces: Pieces[Any] | None = writer_of(self.format).pieces
        with run:
            yield from pieces.make(chosen, self.target, self.options, run) if pieces else ()
        _check_finished(run)

    def _quarantine(self, index: int) -> Path:
        return self.scratch / f"{index}.quarantine"


def _found(made: Iterator[tuple[Path, Report, int]], run: Run) -> Iterator[tuple[Iterator[Any], Report]]:
    for place, report, size in made:
        run.advance(size)
        yield _unpickled(place), report


@lru_cache(maxsize=1)
def _job(file: Path) -> _Job:
    job: _Job = pickle.loads(file.read_bytes())  # noqa: S301  # written by the process that started this one
    return job


def _work(task: tuple[Path, int]) -> tuple[Path, Report, int]:
    """In a worker: make the pieces of a part, in a file where the first process finds them; and bytes that were read."""
    job, index = _job(task[0]), task[1]
    report, place, sizes = Report(), job.scratch / f"{index}.pieces", list[int]()
    with place.open("wb") as out:
        for piece in job.make(index, report, sizes.append):
            pickle.dump(piece, out, pickle.HIGHEST_PROTOCOL)
    return place, report, sum(sizes)


def _unpickled(place: Path) -> Iterator[Any]:
    with place.open("rb") as file:
        while file.peek(1):
            yield pickle.load(file)  # noqa: S301  # as above
    place.unlink()
