"""How far the annotators of each data row agree, object by object and answer by answer."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from annokit.consensus._clusters import check_link, row_clusters
from annokit.consensus._coefficients import Estimate, alpha
from annokit.consensus._columns import ordered_sum
from annokit.consensus._joined import Alone, alone, over_joined
from annokit.consensus._labelbox import labelbox_scores
from annokit.consensus._submissions import (
    Answered,
    Path,
    Submission,
    chosen_gold,
    each_pair,
    key_of,
    submissions,
    unit_of,
)
from annokit.dataset import Dataset
from annokit.errors import UsageError
from annokit.io.output import staged_folder
from annokit.model import DataRow
from annokit.run import Run
from annokit.similarity import Marked, Rules, family_of, similarities
from annokit.workers import Workers

__all__ = ["UNSEEN", "Scores", "score"]

_FINE, _COUNT = 2.0**30, 2.0**-40
"""Scores are whole multiples of 2**-30 so that sums are exact; of equal sums the one with more pairs is best."""
_NOTHING = ""
UNSEEN = ("mask_reference", "unknown")

_PAIRS = pa.schema(
    [
        ("data_row_id", pa.string()),
        ("data_row", pa.string()),
        ("annotator_a", pa.string()),
        ("annotator_b", pa.string()),
        ("score", pa.float64()),
    ]
)
_CLASSES = pa.schema(
    [
        *_PAIRS,
        ("class", pa.string()),
        ("kind", pa.string()),
        ("matched", pa.int64()),
        ("only_a", pa.int64()),
        ("only_b", pa.int64()),
    ]
)
_MATCHES = pa.schema(
    [
        *_PAIRS,
        ("class_a", pa.string()),
        ("class_b", pa.string()),
        ("annotation_a", pa.string()),
        ("annotation_b", pa.string()),
    ]
)


@dataclass(frozen=True)
class Scores:
    """What `score` found, as Arrow tables.

    Attributes
    ----------
    pairs : Table
        For each data row and pair of annotators the score, 0 to 1.
    classes : Table
        The same for each class of objects and each question, with the numbers of objects that were matched, and that
        one of them alone has.
    matches : Table
        Every match of objects with its score; an object without one has a row of its own, the other side missing.
    units : Table
        What `alphas` are made of: unit, annotator, label.
    not_compared : dict of str to int
        Objects left out because nothing says what they cover, by kind: masks that are URLs, say.
    data_rows, annotators : int
        How many were read that have a label, whether or not there is another to compare it with.
    in_one_source : int
        How many data rows only one of several sources has; see `joined` for which are the same.
    told_by_id : tuple of str
        Names that one of several sources has twice, and of which rows stay alone, since no other has their id.
    """

    pairs: pa.Table
    classes: pa.Table
    matches: pa.Table
    units: pa.Table
    not_compared: dict[str, int] = field(default_factory=dict)
    data_rows: int = 0
    annotators: int = 0
    in_one_source: int = 0
    told_by_id: tuple[str, ...] = ()

    @property
    def agreement(self) -> float:
        """The mean score over data rows; NaN where no row has two annotators."""
        return _mean(self.rows["score"].to_numpy())

    @cached_property
    def rows(self) -> pa.Table:
        """Each data row: annotators, mean and lowest score of its pairs, the lowest rows first."""
        return _grouped(self.pairs, ["data_row_id", "data_row"]).sort_by("score")

    @cached_property
    def by_class(self) -> pa.Table:
        """Each class and question: the mean score, the pairs it stands on, matched and unmatched objects."""
        found = self.classes.group_by(["class", "kind"], use_threads=False).aggregate(
            [(name, "sum") for name in ("matched", "only_a", "only_b")]
        )
        return (
            _grouped(self.classes, ["class", "kind"])
            .append_column("matched", found["matched_sum"])
            .append_column(
                "unmatched", pa.array(np.asarray(found["only_a_sum"]) + np.asarray(found["only_b_sum"]))
            )
        )

    @cached_property
    def by_pair(self) -> pa.Table:
        """Each pair of annotators: the mean score over the data rows they share, the lowest first."""
        return _grouped(self.pairs, ["annotator_a", "annotator_b"]).sort_by("score")

    def alphas(self, *, bootstrap: int = 0, seed: int = 0) -> dict[str, Estimate]:
        """Krippendorff's alpha of the classes of objects, drawing nothing being one, and of each question."""
        found = {}
        for name in self.units["question"].unique().to_pylist():
            part = self.units.filter(pc.equal(self.units["question"], name))
            columns = [part[column] for column in ("unit", "annotator", "label")]
            found[name or "objects"] = alpha(*columns, bootstrap=bootstrap, seed=seed)
        return found

    def tables(self) -> dict[str, pa.Table]:
        """All tables by name."""
        names = ("rows", "pairs", "classes", "matches", "by_class", "by_pair", "units")
        return {name: getattr(self, name) for name in names}

    def save(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write every table as Parquet into a new folder."""
        with staged_folder(folder, overwrite=overwrite) as place:
            for name, table in self.tables().items():
                pq.write_table(table, place / f"{name}.parquet")


def score(
    dataset: Dataset,
    *,
    against: str | None = None,
    classes: Literal["strict", "lenient", "agnostic"] = "strict",
    minimum: float = 0.0,
    reach: float = 20.0,
    link: float = 0.5,
    ends: Literal["exclusive", "inclusive"] = "exclusive",
    parity: Literal["labelbox"] | None = None,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Scores:
    """How far the annotators of each data row agree, by data row, by class and by pair of annotators.

    The objects of two annotators are matched so that the sum of their scores is largest. Then the score of a pair
    is this sum over the number of things either has, a matched pair being one thing. A question is a thing, too:
    answers agree by the options both chose over those either did, texts when they are equal, and not at all where
    one of the two did not answer. Two that both say nothing agree fully.

    Of an annotator with several labels the newest counts; skipped labels do not.

    Parameters
    ----------
    dataset : Dataset
    against : str, optional
        Score every annotator against `benchmark` (the label the platform calls so) or ``annotator:ID``, not all
        pairs.
    classes : {"strict", "lenient", "agnostic"}
        Objects of different classes are never matched; only where nothing of their class is; or regardless.
    minimum : float
        Objects with a smaller score are not matched.
    reach : float
        Pixels: how far apart points may be to be the same in part, and how thick lines are to either side.
    link : float
        The least mean score of objects of all annotators that are one unit of `Scores.alphas`, above 0, up to 1. It
        has no effect on scores. It is higher than that of `merge` (.3), so that a class is only compared where
        annotators drew much the same.
    ends : {"exclusive", "inclusive"}
        Whether the end of a text span is its last character or the one after it; inside annokit the latter.
    parity : "labelbox", optional
        The scores that Labelbox's SDK computes (``metrics.iou``), with all it does its own way: greedy matching
        within a class, the mean over classes, masks of a class united, points and lines made 70 pixels thick, the
        closed ends of text. The other choices have no effect then.
    workers : int
        How many processes share the work, see `annokit.write`; the scores are the same.
    progress : callable, optional
        Called with the number of input bytes just dealt with.

    Returns
    -------
    Scores

    Raises
    ------
    UsageError
        Unknown choices; no data row has a label to score against.

    Examples
    --------
    >>> from annokit.model import Box, DataRow, Label, ObjectAnnotation
    >>> def label(who, *boxes):
    ...     shapes = [Box(x=x, y=0, width=w, height=10) for x, w in boxes]
    ...     objects = tuple(ObjectAnnotation(tool_name="car", geometry=shape) for shape in shapes)
    ...     return Label(annotator_id=who, annotations=objects)
    >>> row = DataRow(id="r1", labels=(label("ann", (0, 10), (50, 10)), label("bob", (0, 5))))
    >>> score(Dataset.from_rows([row])).pairs["score"].to_pylist()
    [0.25]
    >>> score(Dataset.from_rows([])).agreement
    nan
    """
    rules = Rules(classes, reach, ends).check()
    if parity not in (None, "labelbox"):
        raise UsageError(f"expected parity labelbox or None, got {parity!r}")
    if not 0.0 <= minimum <= 1.0:
        raise UsageError(f"expected a minimum from 0 to 1, got {minimum}")
    check_link(link)
    if against is not None:
        chosen_gold(against)  # an unknown one is said before anything is read
    scoring = _Scoring(against, rules, minimum, link, parity)
    run = Run(on_error="skip", limits=dataset.limits, progress=progress)
    found = _Columns()
    with Workers(workers) as pool:
        for part in over_joined(dataset, scoring.columns, run, pool):
            found.take(part)
    if against is not None and not found.any_gold:
        raise UsageError(f"no data row has a label for {against!r}", hint="annokit info lists the annotators")
    return found.scores(alone(dataset.outline))


class _Scoring(NamedTuple):
    """How rows are scored, whichever process does it."""

    against: str | None
    rules: Rules
    minimum: float
    link: float
    parity: str | None

    def columns(self, rows: Iterable[DataRow]) -> _Columns:
        """The scores of rows that nothing is joined to."""
        found = _Columns()
        gold_of = None if self.against is None else chosen_gold(self.against)
        for row in rows:
            people = submissions(row)
            found.data_rows += bool(people)
            found.annotators.update(person.annotator for person in people)
            if self.parity is None:
                people = [_comparable(one, found) for one in people]
            gold = None if gold_of is None else gold_of(row, people)
            found.any_gold = found.any_gold or gold is not None
            if gold_of is not None and gold is None:
                continue
            if self.parity == "labelbox":
                _score_parity(found, row, people, gold)
            else:
                _score_row(found, row, people, gold, self.rules, self.minimum, self.link)
        return found


class _Columns:
    """The tables while they grow: lists of tuples."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Any, ...]] = []
        self.classes: list[tuple[Any, ...]] = []
        self.matches: list[tuple[Any, ...]] = []
        self.units: list[tuple[str, str, str, str]] = []
        self.not_compared: Counter[str] = Counter()
        self.data_rows = 0
        self.annotators: set[str] = set()
        self.any_gold = False

    def take(self, part: _Columns) -> None:
        """Add the scores of other rows."""
        self.pairs += part.pairs
        self.classes += part.classes
        self.matches += part.matches
        self.units += part.units
        self.not_compared.update(part.not_compared)
        self.data_rows += part.data_rows
        self.annotators |= part.annotators
        self.any_gold = self.any_gold or part.any_gold

    def scores(self, left: Alone) -> Scores:
        """All of it as tables."""
        units = pa.schema([(name, pa.string()) for name in ("question", "unit", "annotator", "label")])
        return Scores(
            _table(self.pairs, _PAIRS),
            _table(self.classes, _CLASSES),
            _table(self.matches, _MATCHES),
            _table(self.units, units),
            dict(self.not_compared),
            self.data_rows,
            len(self.annotators),
            len(left.in_one_source),
            tuple(dict.fromkeys(left.told_by_id)),
        )


def _table(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(c, t) for c, t in zip(columns, schema.types, strict=True)], schema=schema)


def _comparable(person: Submission, found: _Columns) -> Submission:
    """A submission without the objects of which nothing says what they cover."""
    kept = [one for one in person.objects if family_of(one) not in UNSEEN]
    found.not_compared.update(family_of(one) for one in person.objects if family_of(one) in UNSEEN)
    return person._replace(objects=kept)


class _Match(NamedTuple):
    """Places of objects that were matched, -1 for none, and their score."""

    a: int
    b: int
    score: float


def _score_row(
    found: _Columns,
    row: DataRow,
    people: Sequence[Submission],
    gold: Submission | None,
    rules: Rules,
    minimum: float,
    link: float,
) -> None:
    if len(people) < 2:
        return
    objects = [one for person in people for one in person.objects]
    ends = np.cumsum([0, *[len(person.objects) for person in people]]).tolist()
    scores = np.rint(similarities(objects, objects, rules) * _FINE) / _FINE
    for i, j in each_pair(people, gold):
        part = scores[ends[i] : ends[i + 1], ends[j] : ends[j + 1]]
        matches = _matched(people[i].objects, people[j].objects, part, rules.classes, minimum)
        head = (row.id, row.name, people[i].annotator, people[j].annotator)
        _add_pair(found, head, people[i], people[j], matches)
    _add_units(found, row, people, objects, scores, link)


def _matched(
    a: Sequence[Marked], b: Sequence[Marked], scores: NDArray[np.float64], classes: str, minimum: float
) -> list[_Match]:
    """The best matches, and the objects without one."""
    if [key_of(one) for one in b] < [key_of(one) for one in a]:  # whose side is first must not matter
        return [_Match(j, i, s) for i, j, s in _matched(b, a, scores.T, classes, minimum)]
    from annokit_fast import agreement

    same = np.array([[one.tool_name == other.tool_name for other in b] for one in a], bool)
    same = same.reshape(scores.shape)
    allowed = (scores > 0) & (scores >= minimum) & (same | (classes != "strict"))
    worth = np.where(allowed, scores + _COUNT + (same & (classes == "lenient")), 0.0)
    pairs = agreement.assign(worth.ravel(), [0, len(a)], [0, len(b)])
    found = [
        _Match(i, j, float(scores[i, j])) for i, j in zip(pairs.a.tolist(), pairs.b.tolist(), strict=True)
    ]
    there = {match.a for match in found}, {match.b for match in found}
    found += [_Match(i, -1, 0.0) for i in range(len(a)) if i not in there[0]]
    found += [_Match(-1, j, 0.0) for j in range(len(b)) if j not in there[1]]
    return found


def _add_pair(
    found: _Columns, head: tuple[str, ...], a: Submission, b: Submission, matches: Sequence[_Match]
) -> None:
    by_class: dict[tuple[str, str], list[_Match]] = {}
    for match in matches:
        one = a.objects[match.a] if match.a >= 0 else b.objects[match.b]
        by_class.setdefault((one.tool_name, "object"), []).append(match)
        other = b.objects[match.b] if match.b >= 0 else None
        found.matches.append((
            *head, match.score,
            one.tool_name if match.a >= 0 else None, other.tool_name if other is not None else None,
            one.id if match.a >= 0 else None, other.id if other is not None else None,
        ))  # fmt: skip
    answers = {path: _answer_score(a.answers.get(path), b.answers.get(path)) for path in _paths(a, b)}
    things = [match.score for match in matches] + list(answers.values())
    if not things and (a.label.objects or b.label.objects):
        return  # nothing of theirs can be compared
    found.pairs.append((*head, _share(things)))
    for (name, kind), some in sorted(by_class.items()):
        lone = sum(m.b < 0 for m in some), sum(m.a < 0 for m in some)
        matched = len(some) - sum(lone)
        found.classes.append((*head, _share([m.score for m in some]), name, kind, matched, *lone))
    for path, value in answers.items():
        there = path in a.answers, path in b.answers
        counts = int(all(there)), int(not there[1]), int(not there[0])
        found.classes.append((*head, value, " / ".join(path), "question", *counts))


def _share(scores: Sequence[float]) -> float:
    return ordered_sum(np.array(scores)) / len(scores) if scores else 1.0


def _paths(a: Submission, b: Submission) -> list[Path]:
    return sorted({*a.answers, *b.answers})


def _answer_score(a: Answered | None, b: Answered | None) -> float:
    if a is None or b is None:
        return 0.0
    if isinstance(a, str) or isinstance(b, str):
        return float(a == b)
    return len(a & b) / len(a | b) if a | b else 1.0


def _add_units(
    found: _Columns,
    row: DataRow,
    people: Sequence[Submission],
    objects: Sequence[Marked],
    scores: NDArray[np.float64],
    link: float,
) -> None:
    """The units of alpha: what was drawn, with `_NOTHING` for who drew nothing there, and every question."""
    for number, members in enumerate(row_clusters(people, objects, scores, link)):
        drawn = {who: objects[place].tool_name for who, place in members}
        for who, person in enumerate(people):
            label = drawn.get(who, _NOTHING)
            found.units.append(("", f"{unit_of(row.id, row.name)}\n{number}", person.annotator, label))
    for person in people:
        for path, value in person.answers.items():
            text = value if isinstance(value, str) else "\n".join(sorted(value))
            found.units.append((" / ".join(path), unit_of(row.id, row.name), person.annotator, text))


def _score_parity(
    found: _Columns, row: DataRow, people: Sequence[Submission], gold: Submission | None
) -> None:
    for i, j in each_pair(people, gold):
        head = (row.id, row.name, people[i].annotator, people[j].annotator)
        features = labelbox_scores(people[i].label, people[j].label)
        if features:
            found.pairs.append((*head, _share(list(features.values()))))
        for (name, kind), value in features.items():
            found.classes.append((*head, value, name, kind, 0, 0, 0))


def _grouped(table: pa.Table, keys: list[str]) -> pa.Table:
    """Mean, lowest and count of the scores of each group."""
    found = table.group_by(keys, use_threads=False).aggregate([("score", "list")])
    lists = [np.asarray(values) for values in found["score_list"].to_pylist()]
    columns = {key: found[key] for key in keys}
    columns["score"] = pa.array([_mean(values) for values in lists], pa.float64())
    columns["lowest"] = pa.array([float(values.min()) for values in lists], pa.float64())
    columns["pairs"] = pa.array([len(values) for values in lists], pa.int64())
    return pa.table(columns)


def _mean(values: NDArray[np.float64]) -> float:
    return ordered_sum(values) / len(values) if len(values) else float("nan")
