"""How good each annotator is, how fast, and what is odd about them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from annokit.consensus._classes import Aggregate, aggregate
from annokit.consensus._columns import coded, ordered_sum
from annokit.consensus._joined import over_joined
from annokit.consensus._methods import Method
from annokit.consensus._score import Scores, score
from annokit.consensus._submissions import submissions
from annokit.dataset import Dataset
from annokit.errors import UsageError
from annokit.model import DataRow
from annokit.run import Run
from annokit.workers import Workers

__all__ = ["Thresholds", "annotators"]

_PRIOR = 4.0
"""Made-up data rows at everybody's mean agreement that each annotator's own are shrunk with."""
_Z = 1.959964
_SCHEMA = pa.schema(
    [
        ("annotator", pa.string()),
        ("labels", pa.int64()),
        ("objects", pa.int64()),
        ("answers", pa.int64()),
        ("seconds", pa.float64()),
        ("median_seconds", pa.float64()),
        ("compared", pa.int64()),
        ("agreement", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("skill", pa.float64()),
        ("vitality", pa.float64()),
        ("flags", pa.list_(pa.string())),
        (
            "confusion",
            pa.list_(
                pa.struct(
                    [
                        ("question", pa.string()),
                        ("agreed", pa.string()),
                        ("answered", pa.string()),
                        ("count", pa.float64()),
                    ]
                )
            ),
        ),
    ]
)


class Thresholds(NamedTuple):
    """From where on something about an annotator is flagged.

    Attributes
    ----------
    least : int
        Labels, or answers, below which nothing is.
    too_fast : float
        A share of the median over all annotators of their median seconds.
    always : float
        The share of one answer, where others who saw the same gave it in less than this less .2.
    no_better : float
        Skill above what answering at random has, as a share of the way to 1.
    disagrees : float
        The upper end of the interval of agreement, below the mean of all by this.
    """

    least: int = 5
    too_fast: float = 1 / 3
    always: float = 0.95
    no_better: float = 0.2
    disagrees: float = 0.15


def annotators(
    dataset: Dataset,
    *,
    method: Method = "map-dawid-skene",
    thresholds: Thresholds | None = None,
    scores: Scores | None = None,
    workers: int = 1,
) -> pa.Table:
    """One row for each annotator: how much, how fast, how far others agree, and what looks odd.

    Parameters
    ----------
    dataset : Dataset
    method : str
        How skill and confusion are found, see `aggregate`. Classes of objects, with "nothing" for an object one did
        not draw, and each question are aggregated apart; skill is the mean over answers.
    thresholds : Thresholds, optional
        From where on something is flagged.
    scores : Scores, optional
        Of this dataset, where they are there already.
    workers : int
        How many processes share the reading, see `score`.

    Returns
    -------
    Table
        ``labels``, ``objects``, ``answers``: counts. ``seconds``, ``median_seconds``: for making labels; missing
        where the source says none. ``compared``: data rows shared with others. ``agreement``: the mean score with
        others over these, shrunk towards everybody's as if by four more rows; ``low``, ``high``: its 95 % interval
        (Wilson's, a data row counting once). ``skill``: how often answers are right, by the aggregation.
        ``vitality``: Krippendorff's alpha with this annotator less alpha without (KaLOS, 2026): below 0 agreement
        is better without. ``flags``: what is odd, with the threshold. ``confusion``: what was answered where
        something else is agreed. Annotators in order of their names.

    Examples
    --------
    >>> from annokit.model import Answer, Classification, DataRow, Label
    >>> def label(who, answer):
    ...     asked = Classification(tool_name="what", kind="radio", answers=(Answer(name=answer),))
    ...     return Label(annotator_id=who, annotations=(asked,))
    >>> given = {"ann": "cccddd", "bob": "cccddd", "cid": "dcdcdd"}
    >>> rows = [DataRow(id=str(i), labels=tuple(label(w, a[i]) for w, a in given.items())) for i in range(6)]
    >>> table = annotators(Dataset.from_rows(rows))
    >>> table["annotator"].to_pylist(), [v > 0 for v in table["vitality"].to_pylist()]
    (['ann', 'bob', 'cid'], [True, True, False])
    >>> annotators(Dataset.from_rows([])).num_rows
    0
    """
    limits = Thresholds() if thresholds is None else thresholds
    work = _work(dataset, workers)
    found = score(dataset, workers=workers) if scores is None else scores
    agreement = _agreement(found)
    judged = _judged(found.units, method, limits)
    usual = [one.seconds for one in work.values() if one.seconds]
    fast = float(np.median([np.median(s) for s in usual])) if usual else math.nan
    rows = []
    for name in sorted(work):
        one, near, skill = work[name], agreement.of(name), judged.get(name, _Judged())
        flags = _flags(one, near, skill, fast, agreement.mean, limits)
        rows.append((
            name, one.labels, one.objects, skill.answers,
            math.fsum(one.seconds) if one.seconds else None,
            float(np.median(one.seconds)) if one.seconds else None,
            near.rows, _known(near.shrunk), _known(near.low), _known(near.high),
            _known(skill.skill), _known(skill.vitality), flags, skill.confusion,
        ))  # fmt: skip
    columns = list(zip(*rows, strict=True)) or [()] * len(_SCHEMA)
    return pa.table([pa.array(c, t) for c, t in zip(columns, _SCHEMA.types, strict=True)], schema=_SCHEMA)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


class _Work:
    """What an annotator did."""

    def __init__(self) -> None:
        self.labels = self.objects = 0
        self.seconds: list[float] = []


def _work(dataset: Dataset, workers: int) -> dict[str, _Work]:
    run = Run(on_error="skip", limits=dataset.limits)
    found: defaultdict[str, _Work] = defaultdict(_Work)
    with Workers(workers) as pool:
        for part in over_joined(dataset, _work_of, run, pool):
            for name, one in part.items():
                found[name].labels += one.labels
                found[name].objects += one.objects
                found[name].seconds += one.seconds
    return found


def _work_of(rows: Iterable[DataRow]) -> dict[str, _Work]:
    found: defaultdict[str, _Work] = defaultdict(_Work)
    for row in rows:
        for person in submissions(row):
            one = found[person.annotator]
            one.labels += 1
            one.objects += len(person.objects)
            if person.label.seconds_to_create is not None:
                one.seconds.append(person.label.seconds_to_create)
    return found


class _Near(NamedTuple):
    rows: int = 0
    shrunk: float = math.nan
    low: float = math.nan
    high: float = math.nan


class _Agreement(NamedTuple):
    mean: float
    by_name: dict[str, list[float]]

    def of(self, name: str) -> _Near:
        """The mean over data rows, shrunk, with its interval."""
        rows = self.by_name.get(name, [])
        if not rows:
            return _Near()
        total = ordered_sum(np.array(rows))
        shrunk = (total + _PRIOR * self.mean) / (len(rows) + _PRIOR)
        return _Near(len(rows), shrunk, *wilson(total / len(rows), len(rows)))


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share; of a mean of numbers from 0 to 1 it is rather too wide.

    E. B. Wilson, Probable inference, the law of succession, and statistical inference (1927).

    >>> [round(end, 3) for end in wilson(0.5, 10)]
    [0.237, 0.763]
    """
    middle = share + _Z**2 / (2 * count)
    spread = _Z * math.sqrt(max(share * (1 - share), 0.0) / count + _Z**2 / (4 * count**2))
    whole = 1 + _Z**2 / count
    return max(0.0, (middle - spread) / whole), min(1.0, (middle + spread) / whole)


def _agreement(scores: Scores) -> _Agreement:
    """For every annotator the mean score with others in each data row."""
    pairs = scores.pairs
    values = pairs["score"].to_pylist()
    per_row: defaultdict[tuple[str, tuple[str, str]], list[float]] = defaultdict(list)
    for side in ("annotator_a", "annotator_b"):
        rows = zip(*(pairs[column].to_pylist() for column in ("data_row_id", "data_row")), strict=True)
        for name, row, value in zip(pairs[side].to_pylist(), rows, values, strict=True):
            per_row[name, row].append(value)
    found: defaultdict[str, list[float]] = defaultdict(list)
    for (name, _), some in per_row.items():
        found[name].append(ordered_sum(np.array(some)) / len(some))
    return _Agreement(scores.agreement, found)


class _Judged(NamedTuple):
    """What the aggregations say of an annotator."""

    answers: int = 0
    skill: float = math.nan
    chance: float = math.nan
    vitality: float = math.nan
    confusion: Sequence[dict[str, Any]] = ()
    always: str = ""


def _judged(units: pa.Table, method: Method, limits: Thresholds) -> dict[str, _Judged]:
    """Every annotator over all questions, those with more answers counting more."""
    parts: defaultdict[str, list[_Judged]] = defaultdict(list)
    for question in units["question"].unique().to_pylist():
        part = units.filter(pc.equal(units["question"], question))
        try:
            for name, judged in _judge(part, question or "objects", method, limits).items():
                parts[name].append(judged)
        except UsageError:  # free text: a confusion of everything with everything says nothing of skill
            continue
    return {name: _joined(some) for name, some in parts.items()}


def _joined(parts: Sequence[_Judged]) -> _Judged:
    total = sum(part.answers for part in parts)

    def mean(values: Sequence[float]) -> float:
        known = [(v, p.answers) for v, p in zip(values, parts, strict=True) if not math.isnan(v)]
        return sum(v * n for v, n in known) / sum(n for _, n in known) if known else math.nan

    return _Judged(
        total,
        mean([part.skill for part in parts]),
        mean([part.chance for part in parts]),
        mean([part.vitality for part in parts]),
        [cell for part in parts for cell in part.confusion],
        next((part.always for part in parts if part.always), ""),
    )


def _judge(part: pa.Table, question: str, method: Method, limits: Thresholds) -> dict[str, _Judged]:
    found = aggregate(part["unit"], part["annotator"], part["label"], method=method)
    vitality = _vitality(part)
    cells = _cells(part, found)
    always = _always(part, limits)
    chance = float(np.sum(found.prior**2))
    return {
        name: _Judged(
            int(found.answers[w]), float(found.skill[w]), chance, vitality[name],
            _confused(cells[w], found, question), always.get(name, ""),
        )
        for w, name in enumerate(found.annotator.tolist())
    }  # fmt: skip


def _cells(part: pa.Table, found: Aggregate) -> NDArray[np.float64]:
    """How often each annotator gave each answer where each label is agreed, in expectation."""
    at = {unit: place for place, unit in enumerate(found.item.tolist())}
    classes = {label: place for place, label in enumerate(found.classes.tolist())}
    people = {name: place for place, name in enumerate(found.annotator.tolist())}
    cells = np.zeros((len(people), len(classes), len(classes)))
    for unit, who, label in zip(*(part[c].to_pylist() for c in ("unit", "annotator", "label")), strict=True):
        cells[people[who], :, classes[label]] += found.posterior[at[unit]]
    return cells


def _confused(cells: NDArray[np.float64], found: Aggregate, question: str) -> list[dict[str, Any]]:
    """The cells with half an answer or more."""
    return [
        {
            "question": question,
            "agreed": found.classes[k] or "(nothing)",
            "answered": found.classes[y] or "(nothing)",
            "count": round(float(cells[k, y]), 2),
        }
        for k, y in np.argwhere(cells >= 0.5).tolist()
    ]


def _vitality(part: pa.Table) -> dict[str, float]:
    """Alpha of all less alpha without each annotator."""
    from annokit_fast import agreement

    unit, who, label = (coded(part[name], name) for name in ("unit", "annotator", "label"))
    units = agreement.units(unit.codes, label.codes, n_items=len(unit.values), n_codes=len(label.values))
    without = agreement.alpha_without(units, who.codes, unit.codes, label.codes, n_annotators=len(who.values))
    found = agreement.alpha(units) - without
    return dict(zip(who.values.to_pylist(), found.tolist(), strict=True))


def _always(part: pa.Table, limits: Thresholds) -> dict[str, str]:
    """For every annotator the most frequent answer with its share, and the share others who saw the same have."""
    by_unit: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for unit, who, label in zip(*(part[c].to_pylist() for c in ("unit", "annotator", "label")), strict=True):
        by_unit[unit].append((who, label))
    own: defaultdict[str, list[str]] = defaultdict(list)
    others: defaultdict[str, list[str]] = defaultdict(list)
    for given in by_unit.values():
        for who, label in given:
            own[who].append(label)
            others[who] += [other for person, other in given if person != who]
    found = {}
    for who, labels in own.items():
        top = max(sorted(set(labels)), key=labels.count)
        share = labels.count(top) / len(labels)
        rest = others[who].count(top) / len(others[who]) if others[who] else 1.0
        if len(labels) >= 2 * limits.least and share >= limits.always and rest < share - 0.2:
            found[who] = f"always the same: {top or '(nothing)'} in {share:.0%}, others {rest:.0%}"
    return found


def _flags(
    one: _Work, near: _Near, skill: _Judged, fast: float, mean: float, limits: Thresholds
) -> list[str]:
    found = []
    if len(one.seconds) >= limits.least and float(np.median(one.seconds)) < fast * limits.too_fast:
        own = float(np.median(one.seconds))
        found.append(f"too fast: median {own:.3g} s, under {limits.too_fast:.2g} of {fast:.3g} s")
    if skill.always:
        found.append(skill.always)
    bar = skill.chance + (1 - skill.chance) * limits.no_better
    if skill.answers >= 2 * limits.least and skill.skill < bar:
        found.append(f"no better than chance: skill {skill.skill:.2f}, under {bar:.2f}")
    if near.rows >= limits.least and near.high < mean - limits.disagrees:
        found.append(f"disagrees: at most {near.high:.2f}, {limits.disagrees:g} under the mean of {mean:.2f}")
    return found
