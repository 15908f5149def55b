"""What changed between two states of the same labels: a model's guesses and what people made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypeVar

import msgspec
from msgspec.structs import replace

from annokit.dataset import Dataset, RowKey
from annokit.diff._answers import compared
from annokit.diff._moved import restated, stayed
from annokit.diff._pairs import Contradicted, paired
from annokit.errors import UsageError
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.model import Classification, DataRow, ObjectAnnotation, Relationship, Track
from annokit.run import Run
from annokit.select import choose_labels
from annokit.similarity import Marked

__all__ = ["Change", "ClassChanges", "Diff", "QuestionChanges", "diff"]

_T = TypeVar("_T")


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is not as it was.

    Attributes
    ----------
    what : str
        `added`, `removed`, `moved` or `reclassified` for objects and tracks; `box` where the box stated beside a shape
        is another, and `crowd` where one of the two stands for a group; `added`, `removed` or `changed` for the answers
        to a question, `added` or `removed` for links.
    kind : str
        `object`, `track`, `classification` or `relationship`.
    data_row : str
        Its name.
    before, after : str or None
        The class, or the answers.
    overlap : float or None
        How far the shape is the same before and after, see `annokit.similarity.similarities`; of `box`, the two boxes.
    """

    what: str
    kind: Literal["object", "track", "classification", "relationship"]
    data_row: str
    before: str | None = None
    after: str | None = None
    question: str | None = None
    id: str | None = None
    overlap: float | None = None


class ClassChanges(msgspec.Struct, frozen=True):
    """How many objects and tracks of a class are as they were, and what became of the others.

    What was reclassified counts where it was before, moved or not; `changed` is what neither moved nor was reclassified,
    but has another stated box or is a crowd in one state only. `mean_overlap` is over all that are in both states; None
    where there are none.
    """

    name: str
    before: int
    after: int
    same: int
    moved: int
    reclassified: int
    changed: int
    added: int
    removed: int
    mean_overlap: float | None


class QuestionChanges(msgspec.Struct, frozen=True):
    """How often a question was answered the same, otherwise, or in one state only."""

    question: str
    same: int
    changed: int
    added: int
    removed: int


class Diff(msgspec.Struct, frozen=True, omit_defaults=True):
    """Two states of the same labels compared.

    Attributes
    ----------
    data_rows : int
        How many are in both states; only these are compared.
    only_before, only_after : list of str
        The names of the others.
    total : ClassChanges
    classes : list of ClassChanges
        In order of first appearance.
    questions : list of QuestionChanges
    changes : list of Change
        Everything that is not as it was, in order of the rows after.
    unreadable : int
        Records of either that cannot be read.
    ids_contradicted_in : str or None
        The first data row in which something stands as it was under another id, while its own id is borne by something
        else: ids are numbers only then, and were not used.
    told_by_order : list of str
        Names that several data rows of one state have, and of which ids do not tell which is which.
    """

    data_rows: int
    only_before: list[str]
    only_after: list[str]
    total: ClassChanges
    classes: list[ClassChanges]
    questions: list[QuestionChanges]
    changes: list[Change]
    unreadable: int
    ids_contradicted_in: str | None = None
    told_by_order: list[str] = []


def diff(
    before: Dataset,
    after: Dataset,
    *,
    labels: str | None = None,
    minimum_overlap: float = 0.5,
    limits: Limits = DEFAULT_LIMITS,
) -> Diff:
    """Compare two states of the same data rows: what was added, removed, moved, reclassified, answered otherwise.

    Data rows are the same if their ids, global keys or external ids are; of several of one name those of one id, the others
    in their order, see `Diff.told_by_order`. In a data row, what is as it was is one thing, and
    so are annotations of one id; the others are matched by overlap, those of one class first, so that the sum of
    overlaps is largest. Ids that are contradicted anywhere are not used, see `Diff.ids_contradicted_in`.

    Parameters
    ----------
    before, after : Dataset
        The first is held in memory.
    labels : str, optional
        Which labels of a data row, see `annokit.select.choose_labels`.
    minimum_overlap : float
        The least overlap by which things without a common id are taken for one, above 0 up to 1.
    limits : Limits

    Examples
    --------
    >>> from annokit.model import Box, Label
    >>> def row(name, x):
    ...     car = ObjectAnnotation(tool_name=name, geometry=Box(x=x, y=0, width=10, height=10))
    ...     return Dataset.from_rows([DataRow(id="r1", labels=(Label(annotations=(car,)),))])
    >>> found = diff(row("car", 0), row("bus", 1))
    >>> [(one.what, one.before, one.after, round(one.overlap, 2)) for one in found.changes]
    [('reclassified', 'car', 'bus', 0.82)]
    >>> diff(Dataset.from_rows([]), Dataset.from_rows([])).total.before
    0
    """
    if not 0 < minimum_overlap <= 1:
        raise UsageError(f"expected a least overlap above 0, up to 1, got {minimum_overlap}")
    run = Run(on_error="skip", limits=limits)
    ours = list(choose_labels(before, labels).rows(run))
    theirs = choose_labels(after, labels)
    found = _compared(ours, theirs, _Tally(minimum_overlap, limits), run)
    if found.ids_contradicted_in is not None:
        again = _compared(ours, theirs, _Tally(minimum_overlap, limits, by_id=False), run)
        return replace(again, ids_contradicted_in=found.ids_contradicted_in)
    return found


def _compared(before: list[DataRow], after: Dataset, tally: _Tally, earlier: Run) -> Diff:
    """All rows compared, or those up to the first that contradicts ids."""
    run = Run(on_error="skip", limits=earlier.limits)
    ours, only_after, count, contradicted = _Rows(before, after.outline.keys), list[str](), 0, None
    for row in after.rows(run):
        was = ours.take(row)
        if was is None:
            only_after.append(row.name)
            continue
        count += 1
        try:
            tally.compare(was, row)
        except Contradicted:
            contradicted = row.name
            break
    return Diff(
        data_rows=count,
        only_before=[row.name for row in ours.left()],
        only_after=only_after,
        total=tally.total(),
        classes=tally.classes(),
        questions=[
            QuestionChanges(title, found["same"], found["changed"], found["added"], found["removed"])
            for title, found in tally.questions.items()
        ],
        changes=tally.changes,
        unreadable=earlier.report.total("skipped") + run.report.total("skipped"),
        ids_contradicted_in=contradicted,
        told_by_order=list(ours.told_by_order),
    )


class _Rows:
    """Data rows to be found again by any of their names, each once: of several of one name those of one id first."""

    def __init__(self, rows: Sequence[DataRow], others: Sequence[RowKey]) -> None:
        self._rows = dict(enumerate(rows))
        self._places: dict[str, list[int]] = {}
        self._same: dict[RowKey, list[int]] = {}
        for place, row in self._rows.items():
            self._same.setdefault(_own(row), []).append(place)
            for key in _keys(row):
                self._places.setdefault(key, []).append(place)
        self._awaited, ours = Counter(others), [_own(row) for row in rows]
        self._twice = _several(ours) | _several(others)
        self._names = _several(key.name for key in ours) | _several(key.name for key in others)
        self.told_by_order: dict[str, None] = {}

    def take(self, row: DataRow) -> DataRow | None:
        own = _own(row)
        self._awaited[own] -= 1
        place = next(self._candidates(row), None)
        if place is None:
            return None
        was = self._rows.pop(place)
        self._same[_own(was)].remove(place)
        if own in self._twice or (own.name in self._names and was.id != own.id):
            self.told_by_order[own.name] = None
        return was

    def _candidates(self, row: DataRow) -> Iterator[int]:
        """The places of rows that may be this one, best first."""
        yield from self._same.get(_own(row), ())
        for key in _keys(row):
            for place in self._places.get(key, ()):
                if place in self._rows and self._is_free(place) and not _counted(key, row, self._rows[place]):
                    yield place

    def _is_free(self, place: int) -> bool:
        """Whether no row that is still to come has its name and id."""
        own = _own(self._rows[place])
        return self._awaited[own] < len(self._same[own])

    def left(self) -> list[DataRow]:
        return list(self._rows.values())


def _own(row: DataRow) -> RowKey:
    return RowKey(row.name, row.id)


def _several(things: Iterable[_T]) -> set[_T]:
    return {one for one, n in Counter(things).items() if n > 1}


def _keys(row: DataRow) -> list[str]:
    names = (row.global_key, row.external_id, row.name, row.id)
    return list(dict.fromkeys(name for name in names if name is not None))


def _counted(key: str, one: DataRow, other: DataRow) -> bool:
    """Whether what two rows share is a number that each file gives its own rows, as COCO does: both have a name beside it."""
    return key.isdecimal() and key == one.id == other.id and one.name != key != other.name


class _Tally:
    """Counts over all data rows."""

    def __init__(self, minimum: float, limits: Limits, *, by_id: bool = True) -> None:
        self._minimum, self._limits, self._by_id = minimum, limits, by_id
        self._counts: dict[str, Counter[str]] = {}
        self._overlaps: dict[str, float] = {}
        self.questions: dict[str, Counter[str]] = {}
        self.changes: list[Change] = []

    def compare(self, before: DataRow, after: DataRow) -> None:
        """One data row in both states."""
        ours, theirs = (_marked(row) for row in (before, after))
        pairs = paired(ours, theirs, self._minimum, self._limits, by_id=self._by_id)
        matched = {pair.before: pair for pair in pairs}
        for i, one in enumerate(ours):
            pair = matched.get(i)
            if pair is None:
                self._count(one.tool_name, "before", "removed")
                self._change("removed", one, after, before=one.tool_name)
            else:
                self._pair(one, theirs[pair.after], pair.overlap, after)
        kept = {pair.after for pair in pairs}
        for j, other in enumerate(theirs):
            if j not in kept:
                self._count(other.tool_name, "after", "added")
                self._change("added", other, after, after=other.tool_name)
        self._answers(_questions(before), _questions(after), after)
        self._links(before, after, {ours[p.before].id: theirs[p.after].id for p in pairs})

    def _pair(self, one: Marked, other: Marked, overlap: float, row: DataRow) -> None:
        moved = "same" if stayed(one, other, overlap) else "moved"
        beside = list(restated(one, other, moved, overlap))
        what = "reclassified" if one.tool_name != other.tool_name else moved
        self._count(one.tool_name, "before", "changed" if beside and what == "same" else what)
        self._count(other.tool_name, "after")
        self._overlaps[one.tool_name] = self._overlaps.get(one.tool_name, 0.0) + overlap
        for change, extent in beside if what == "same" else [(what, overlap), *beside]:
            self._change(change, one, row, before=one.tool_name, after=other.tool_name, overlap=extent)
        self._answers(one.classifications, other.classifications, row)

    def _answers(
        self, before: Iterable[Classification], after: Iterable[Classification], row: DataRow
    ) -> None:
        for what, question, was, now in compared(before, after, self.questions):
            self.changes.append(Change(what, "classification", row.name, was, now, question))

    def _links(self, before: DataRow, after: DataRow, renamed: dict[str | None, str | None]) -> None:
        """Links are the same if both their ends are."""
        ours = Counter(
            (a.tool_name, renamed.get(a.source), renamed.get(a.target)) for a in _relationships(before)
        )
        theirs = Counter((a.tool_name, a.source, a.target) for a in _relationships(after))
        for name, *_ in (ours - theirs).elements():
            self.changes.append(Change("removed", "relationship", after.name, before=name))
        for name, *_ in (theirs - ours).elements():
            self.changes.append(Change("added", "relationship", after.name, after=name))

    def _count(self, name: str, *columns: str) -> None:
        self._counts.setdefault(name, Counter()).update(columns)

    def _change(
        self,
        what: str,
        one: Marked,
        row: DataRow,
        *,
        before: str | None = None,
        after: str | None = None,
        overlap: float | None = None,
    ) -> None:
        kind: Literal["object", "track"] = "object" if isinstance(one, ObjectAnnotation) else "track"
        self.changes.append(Change(what, kind, row.name, before, after, None, one.id, overlap))

    def classes(self) -> list[ClassChanges]:
        """A line for each class."""
        return [_line(name, found, self._overlaps.get(name, 0.0)) for name, found in self._counts.items()]

    def total(self) -> ClassChanges:
        """All classes together."""
        return _line("", sum(self._counts.values(), Counter()), sum(self._overlaps.values()))


def _line(name: str, counts: Counter[str], overlaps: float) -> ClassChanges:
    both = counts["same"] + counts["moved"] + counts["reclassified"] + counts["changed"]
    return ClassChanges(
        name=name,
        before=counts["before"],
        after=counts["after"],
        same=counts["same"],
        moved=counts["moved"],
        reclassified=counts["reclassified"],
        changed=counts["changed"],
        added=counts["added"],
        removed=counts["removed"],
        mean_overlap=overlaps / both if both else None,
    )


def _marked(row: DataRow) -> list[Marked]:
    return [a for label in row.labels for a in label.annotations if isinstance(a, ObjectAnnotation | Track)]


def _questions(row: DataRow) -> list[Classification]:
    return [a for label in row.labels for a in label.classifications]


def _relationships(row: DataRow) -> Iterator[Relationship]:
    for label in row.labels:
        yield from label.relationships
