"""Data rows that come more than once, from several sources, made one: each annotator may have a file of their own."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TypeVar

from msgspec.structs import replace

from annokit.dataset import Dataset, Outline, RowKey
from annokit.model import DataRow, Label
from annokit.run import Run

__all__ = ["joined"]

_T = TypeVar("_T")


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
        counts = Counter(dataset.outline.keys)
        left = {key: n for key, n in counts.items() if n > 1}
        held: defaultdict[RowKey, list[DataRow]] = defaultdict(list)
        for row in rows:
            key = RowKey(row.name, row.id)
            if key not in left:
                yield row
                continue
            held[key].append(row)
            left[key] -= 1
            if not left[key]:
                yield from _together(held.pop(key), run)
        for those in held.values():  # some of theirs could not be read
            yield from _together(those, run)

    return dataset.through(step, _once)


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
