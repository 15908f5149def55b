"""Data rows that come more than once, from several sources, made one: each annotator may have a file of their own."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, groupby
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from annokit.dataset import Dataset, Outline, RowKey, signed
from annokit.io.batches import batched
from annokit.model import DataRow
from annokit.passes import Parts
from annokit.run import Run
from annokit.workers import Workers

__all__ = ["Alone", "alone", "joined", "over_joined"]

_T = TypeVar("_T")
_R = TypeVar("_R")

_BATCH = 256
"""Rows made one that a worker gets at once."""


def joined(dataset: Dataset) -> Dataset:
    """The dataset with the data rows that are one made one row that has the labels of all.

    Rows of several sources are one if their names are: global key, else external id, else the file's name, else the id.
    Where one of the sources has a name twice, ids tell its rows apart, and those of one id and name are one; the sources that
    have it once are one by name all the same. Which rows come again is told by the outline; only those are held, each
    until its last one has come. A row that is made one with others is accounted as merged. `score`, `merge` and the like
    begin with this.

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
    >>> from annokit.model import Label
    >>> rows = [DataRow(id="r1", source=who, labels=(Label(),)) for who in ("ann.json", "bob.json")]
    >>> [[label.annotator_id for label in row.labels] for row in joined(Dataset.from_rows(rows))]
    [['ann.json', 'bob.json']]
    >>> list(joined(Dataset.from_rows([])))
    []
    """

    def step(rows: Iterator[DataRow], run: Run) -> Iterator[DataRow]:
        again, left = _Again(dataset.outline), alone(dataset.outline)
        if left.in_one_source:
            why = "only one of the sources has it"
            run.report.note_each("one-source", "data_rows", why, left.in_one_source)
        if left.told_by_id:
            why = "its name stands twice in one of the sources, and no other row has its id"
            run.report.note_each("name-twice", "data_rows", why, left.told_by_id)
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
    again, several = _Again(dataset.outline), bool(dataset.outline.sources)
    held = [frozenset(key for key in outline.keys if again.comes_again(key)) for outline in outlines]
    apart: list[_R] = []

    def made_one() -> Iterator[DataRow]:
        for one in parts.map(partial(_apart, task, several), run, held):
            if isinstance(one, DataRow):
                yield from again.take(one, run)
            else:
                apart.append(one)
        yield from again.rest(run)

    together = list(workers.map(partial(_all_of, task), batched(made_one(), _BATCH)))
    return apart + together


def _apart(
    task: Callable[[Iterator[DataRow]], _R],
    several: bool,
    dataset: Dataset,
    run: Run,
    again: frozenset[RowKey],
) -> Iterator[_R | DataRow]:
    """The rows of a part that come again, as they are, and what is made of all others; `several` sources have parts."""
    held: list[DataRow] = []

    def others() -> Iterator[DataRow]:
        for row in dataset.rows(run):
            if RowKey(row.name, row.id) in again:
                held.append(row)
            else:
                yield signed(row) if several else row

    made = task(others())
    yield from held
    yield made


def _all_of(task: Callable[[Iterator[DataRow]], _R], rows: Sequence[DataRow]) -> _R:
    return task(iter(rows))


class _Again:
    """Rows of which the outline says that they come again; each is held until its last one has come."""

    def __init__(self, outline: Outline) -> None:
        self._same, self._several = _Same(outline.sources), bool(outline.sources)
        counts = Counter(map(self._same.row_of, outline.keys))
        self._left = {one: n for one, n in counts.items() if n > 1}
        self._held: defaultdict[RowKey | str, list[DataRow]] = defaultdict(list)

    def comes_again(self, key: RowKey) -> bool:
        """Whether another row is the same."""
        return self._same.row_of(key) in self._left

    def take(self, row: DataRow, run: Run) -> Iterator[DataRow]:
        """The rows that are whole, now that this one has come."""
        one = self._same.row_of(RowKey(row.name, row.id))
        if one not in self._left:
            yield signed(row) if self._several else row
            return
        self._held[one].append(row)
        self._left[one] -= 1
        if not self._left[one]:
            yield from _together(self._held.pop(one), run)

    def rest(self, run: Run) -> Iterator[DataRow]:
        """Those of which some could not be read."""
        for those in self._held.values():
            yield from _together(those, run)


class _Same:
    """Which rows are one: of several sources those of one name, unless a source has it twice; its rows are told by id.

    The sources that have such a name once have one row of it, too: that of its id, where just one of them says which.
    What has no name but its id is the row of that id, if there is one such name only: files may number their rows alike.
    """

    def __init__(self, sources: Sequence[Sequence[RowKey]]) -> None:
        self._several = bool(sources)
        names: defaultdict[str, set[str]] = defaultdict(set)
        for key in chain.from_iterable(sources):
            if key.name != key.id:
                names[key.id].add(key.name)
        self._name_of = {id_: next(iter(some)) for id_, some in names.items() if len(some) == 1}
        again = [_names_twice(keys) for keys in sources]
        self.twice = set[str]().union(*again)
        """Names that a source has twice."""
        apart, once = set[RowKey](), set[RowKey]()
        for keys, those in zip(sources, again, strict=True):
            for key in keys:
                if key.name in self.twice:
                    (apart if key.name in those else once).add(key)
        both = Counter(key.name for key in apart & once)
        self._apart = {key for key in apart if key not in once or both[key.name] > 1}

    def row_of(self, key: RowKey) -> RowKey | str:
        """What is equal for rows that are one."""
        if not self._several:
            return key
        name = self._name_of.get(key.id, key.name) if key.name == key.id else key.name
        own = RowKey(name, key.id)
        return own if own in self._apart else name


def _names_twice(keys: Sequence[RowKey]) -> set[str]:
    ids: dict[str, str] = {}
    return {key.name for key in keys if ids.setdefault(key.name, key.id) != key.id}


class Alone(NamedTuple):
    """The names of the data rows that are not made one with a row of another source, by the reason."""

    in_one_source: list[str]
    told_by_id: list[str]


def alone(outline: Outline) -> Alone:
    """The data rows of several sources that only one has, and those that a name that stands twice keeps apart."""
    same, left = _Same(outline.sources), Alone([], [])
    found = Counter(one for keys in outline.sources for one in dict.fromkeys(map(same.row_of, keys)))
    for one in (one for one, n in found.items() if n == 1):
        name = one if isinstance(one, str) else one.name
        (left.told_by_id if name in same.twice else left.in_one_source).append(name)
    return left


def _once(found: Outline) -> Outline:
    same, first = _Same(found.sources), dict[RowKey | str, RowKey]()
    for key in found.keys:
        first.setdefault(same.row_of(key), key)
    return replace(found, keys=list(first.values()), sources=())


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
        labels=tuple(label for row in rows for label in (signed(row) if apart else row).labels),
    )


def _union(several: Iterable[Sequence[_T]]) -> tuple[_T, ...]:
    found: list[_T] = []
    for some in several:
        found += [one for one in some if one not in found]
    return tuple(found)
