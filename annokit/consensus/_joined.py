"""Data rows that come more than once, from several sources, made one: each annotator may have a file of their own."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import TypeVar

from msgspec.structs import replace

from annokit.dataset import Dataset, Outline, RowKey
from annokit.io.batches import batched
from annokit.model import DataRow, Label
from annokit.passes import Parts
from annokit.run import Run
from annokit.workers import Workers

__all__ = ["joined", "over_joined"]

_T = TypeVar("_T")
_R = TypeVar("_R")

_BATCH = 256
"""Rows made one that a worker gets at once."""


def joined(dataset: Dataset) -> Dataset:
    """The dataset with the data rows of one id and name made one row that has the labels of all.

    Which rows come again is told by the outline; only those are held, each until its last one has come. A row that
    is made one with others is accounted as merged. `score`, `merge` and the like begin with this.

    Parameters
    ----------
    dataset : Dataset
        Of several sources, see `annokit.read`.

    Returns
    -------
    Dataset
        A label that neither has an id nor says whose it is, alone in its row and file, is by its file.

    Examples
    --------
    >>> rows = [DataRow(id="r1", source=who, labels=(Label(),)) for who in ("ann.json", "bob.json")]
    >>> [[label.annotator_id for label in row.labels] for row in joined(Dataset.from_rows(rows))]
    [['ann.json', 'bob.json']]
    >>> list(joined(Dataset.from_rows([])))
    []
    """

    def step(rows: Iterator[DataRow], run: Run) -> Iterator[DataRow]:
        again = _Again(dataset.outline.keys)
        for row in rows:
            yield from again.take(row, run)
        yield from again.rest(run)

    return dataset.through(step, _once)


def over_joined(
    dataset: Dataset, task: Callable[[Iterator[DataRow]], _R], run: Run, workers: Workers
) -> list[_R]:
    """What `task` makes of the rows of `joined`, in a few pieces: of those of each part, then of those made one.

    Parameters
    ----------
    dataset : Dataset
    task : callable
        Given data rows. It may be called in another process, see `Parts.map`.
    run : Run
        Takes the account.
    workers : Workers
        Each row is read by one of them. Rows that come again are brought together here, and shared anew.
    """
    parts = Parts(dataset, workers)
    outlines = parts.outlines()
    again = _Again(key for outline in outlines for key in outline.keys)
    held = [frozenset(key for key in outline.keys if key in again.left) for outline in outlines]
    apart: list[_R] = []

    def made_one() -> Iterator[DataRow]:
        for one in parts.map(partial(_apart, task), run, held):
            if isinstance(one, DataRow):
                yield from again.take(one, run)
            else:
                apart.append(one)
        yield from again.rest(run)

    together = list(workers.map(partial(_all_of, task), batched(made_one(), _BATCH)))
    return apart + together


def _apart(
    task: Callable[[Iterator[DataRow]], _R], dataset: Dataset, run: Run, again: frozenset[RowKey]
) -> Iterator[_R | DataRow]:
    """The rows of a part that come again, as they are, and what is made of all others."""
    held: list[DataRow] = []

    def others() -> Iterator[DataRow]:
        for row in dataset.rows(run):
            if RowKey(row.name, row.id) in again:
                held.append(row)
            else:
                yield row

    made = task(others())
    yield from held
    yield made


def _all_of(task: Callable[[Iterator[DataRow]], _R], rows: Sequence[DataRow]) -> _R:
    return task(iter(rows))


class _Again:
    """Rows of which the outline says that they come again; each is held until its last one has come."""

    def __init__(self, keys: Iterable[RowKey]) -> None:
        self.left = {key: n for key, n in Counter(keys).items() if n > 1}
        self._held: defaultdict[RowKey, list[DataRow]] = defaultdict(list)

    def take(self, row: DataRow, run: Run) -> Iterator[DataRow]:
        """The rows that are whole, now that this one has come."""
        key = RowKey(row.name, row.id)
        if key not in self.left:
            yield row
            return
        self._held[key].append(row)
        self.left[key] -= 1
        if not self.left[key]:
            yield from _together(self._held.pop(key), run)

    def rest(self, run: Run) -> Iterator[DataRow]:
        """Those of which some could not be read."""
        for those in self._held.values():
            yield from _together(those, run)


def _once(found: Outline) -> Outline:
    return replace(found, keys=list(dict.fromkeys(found.keys)))


def _together(rows: Sequence[DataRow], run: Run) -> Iterator[DataRow]:
    """One row of those that show the same: some formats number their rows and know no other name."""
    for _, same in groupby(sorted(rows, key=_shown), _shown):
        those = list(same)
        run.report.count("merged", "data_rows", len(those) - 1)
        yield _one(those) if len(those) > 1 else those[0]


def _shown(row: DataRow) -> tuple[str, int]:
    return row.asset.text or "", -1 if row.asset.frame is None else row.asset.frame


def _one(rows: Sequence[DataRow]) -> DataRow:
    apart = len({row.source for row in rows}) == len(rows)
    return replace(
        rows[0],
        asset=next((row.asset for row in rows if row.asset.height), rows[0].asset),
        metadata=_union(row.metadata for row in rows),
        attachments=_union(row.attachments for row in rows),
        labels=tuple(label for row in rows for label in (_signed(row) if apart else row.labels)),
    )


def _signed(row: DataRow) -> Sequence[Label]:
    """Its labels; one that nobody signed is by its file, as each file is somebody's."""
    if len(row.labels) == 1:
        (label,) = row.labels
        if label.annotator_id is None and label.id is None and label.origin != "model":
            return [replace(label, annotator_id=row.source)]
    return row.labels


def _union(several: Iterable[Sequence[_T]]) -> tuple[_T, ...]:
    found: list[_T] = []
    for some in several:
        found += [one for one in some if one not in found]
    return tuple(found)
