"""One consensus label for every data row, that says where it comes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from annokit.consensus._ballots import Ballots, Subject, Verdict
from annokit.consensus._boxes import enough
from annokit.consensus._classes import Method, check_method
from annokit.consensus._score import row_clusters
from annokit.consensus._shapes import Shaping, merged_shape
from annokit.consensus._submissions import (
    Path,
    Submission,
    name_of,
    option_of,
    questions_of,
    submissions,
)
from annokit.dataset import Dataset
from annokit.errors import UsageError
from annokit.model import Answer, Classification, DataRow, Label, ObjectAnnotation, Point, Relationship, Track
from annokit.model.annotation import Provenance
from annokit.report import Census, census
from annokit.run import Run
from annokit.similarity import Marked, Rules, similarities

__all__ = ["merge", "verdicts"]

_CLASS: Subject = ("class",)
_NAME = "consensus"
"""The key of `extra` under which the votes stand."""


class _Group(NamedTuple):
    """Objects of different annotators that mark the same thing."""

    members: list[tuple[int, Marked]]
    """Place of the annotator among the row's, and what that one drew."""
    scores: Any


class _Choices(NamedTuple):
    link: float
    quorum: float
    rules: Rules
    shaping: Shaping
    weighted: bool


def merge(
    dataset: Dataset,
    *,
    method: Method = "map-dawid-skene",
    link: float = 0.3,
    quorum: float = 0.3,
    geometry: Literal["median", "skill"] = "median",
    polygons: Literal["medoid", "vote"] = "medoid",
    masks: Literal["majority", "staple"] = "majority",
    reach: float = 20.0,
) -> Dataset:
    """The dataset with one consensus label for each data row that has labels.

    Objects of different annotators that mark the same thing become one object; its class and every answer are those
    that `aggregate` finds over the whole dataset. The label has ``origin="consensus"``; each object has in
    ``sources`` the labels and annotations it is made of, and in ``extra["consensus"]`` who drew it and how many
    looked. What too few drew, and links between such objects, is accounted as superseded. The order of labels and
    objects makes no difference.

    The dataset is read twice: once for all votes, then again each time it is iterated.

    Parameters
    ----------
    dataset : Dataset
    method : str
        How classes and answers are agreed on, see `aggregate`.
    link : float
        The least mean score of objects that are the same thing, 0 to 1; see `score` for scores.
    quorum : float
        The least share of a row's annotators who must have drawn an object, answered a question or made a link.
    geometry : {"median", "skill"}
        Boxes: the median of each side, of all alike or weighted by how near an annotator's objects are to others'.
    polygons : {"medoid", "vote"}
        The one polygon that agrees most with the others, or the outline of the pixels more than half hold.
    masks : {"majority", "staple"}
        The pixels more than half hold, or STAPLE's estimate.
    reach : float
        Pixels, for points and lines; see `score`.

    Returns
    -------
    Dataset

    Raises
    ------
    UsageError
        Choices there are none of.

    Examples
    --------
    >>> from annokit.model import Box, DataRow, Label, ObjectAnnotation
    >>> def label(who, x):
    ...     car = ObjectAnnotation(tool_name="car", geometry=Box(x=x, y=0, width=10, height=10), id=f"{who}-1")
    ...     return Label(id=f"by {who}", annotator_id=who, annotations=(car,))
    >>> row = DataRow(id="r1", labels=(label("ann", 0), label("bob", 1), label("cid", 2)))
    >>> merged = next(iter(merge(Dataset.from_rows([row])))).labels[0]
    >>> merged.origin, merged.objects[0].geometry, [one.label_id for one in merged.objects[0].sources]
    ('consensus', Box(x=1.0, y=0.0, width=10.0, height=10.0), ['by ann', 'by bob', 'by cid'])
    >>> list(merge(Dataset.from_rows([])))
    []
    """
    check_method(method)
    enough(quorum, 1)
    if not 0.0 < link <= 1.0:
        raise UsageError(f"expected a link above 0, up to 1, got {link}")
    if geometry not in ("median", "skill"):
        raise UsageError(f"expected geometry median or skill, got {geometry!r}")
    rules = Rules("agnostic", reach).check()
    choices = _Choices(link, quorum, rules, Shaping(polygons, masks).check(), geometry == "skill")
    return dataset.through(_Merging(dataset, method, choices).step)


class _Merging:
    """The votes of the whole dataset, counted when the first row is asked for."""

    def __init__(self, dataset: Dataset, method: Method, choices: _Choices) -> None:
        self._dataset, self._method, self._choices = dataset, method, choices
        self._verdicts: dict[tuple[Subject, str], Verdict] | None = None
        self._nearness: dict[str, float] = {}

    def step(self, rows: Iterator[DataRow], run: Run) -> Iterator[DataRow]:
        """Every row with its labels made one."""
        if self._verdicts is None:
            self._verdicts = self._counted()
        for row in rows:
            people = submissions(row)
            if not people:
                yield row
                continue
            merged, dropped = self._merged(row, people, self._verdicts)
            _account(row, merged, dropped, run)
            yield replace(row, labels=(merged,))

    def _counted(self) -> dict[tuple[Subject, str], Verdict]:
        ballots = Ballots(self._method)
        near: dict[str, list[float]] = {}
        for row in self._dataset.rows(Run(on_error="skip", limits=self._dataset.limits)):
            people = submissions(row)
            for path, who, answer in _answers(people):
                ballots.add(("row", *path), _item(row), who, answer)
            for number, group in enumerate(_groups(people, self._choices)):
                _vote(ballots, _item(row, number), people, group)
                _note_nearness(near, people, group)
        self._nearness = {who: float(np.sort(values).mean()) for who, values in near.items()}
        return ballots.settle()

    def _merged(
        self, row: DataRow, people: Sequence[Submission], verdicts: dict[tuple[Subject, str], Verdict]
    ) -> tuple[Label, Counter[str]]:
        least = enough(self._choices.quorum, len(people))
        dropped: Counter[str] = Counter()
        kept: list[ObjectAnnotation | Track] = []
        ends: dict[tuple[int, str], str] = {}
        for number, group in enumerate(_groups(people, self._choices)):
            if len(group.members) < least:
                for _, one in group.members:
                    dropped.update(census(one))
                continue
            made = self._object(row, number, people, group, verdicts)
            kept.append(made)
            ends |= {(who, one.id): str(made.id) for who, one in group.members if one.id is not None}
        annotations = [
            *kept,
            *_row_answers(_item(row), people, verdicts, least),
            *_links(people, ends, least, dropped),
        ]
        votes = {"annotators": [person.annotator for person in people], "method": self._method}
        label = Label(
            id=f"consensus:{row.id}",
            origin="consensus",
            annotations=tuple(annotations),
            project_id=people[0].label.project_id,
            project_name=people[0].label.project_name,
            extra={_NAME: votes},
        )
        return label, dropped

    def _object(
        self,
        row: DataRow,
        number: int,
        people: Sequence[Submission],
        group: _Group,
        verdicts: dict[tuple[Subject, str], Verdict],
    ) -> ObjectAnnotation | Track:
        item = _item(row, number)
        verdict = verdicts[_CLASS, item]
        name = next(iter(verdict.answer))
        size = (row.asset.height, row.asset.width) if row.asset.height and row.asset.width else None
        nearness = [self._nearness.get(people[who].annotator, 1.0) for who, _ in group.members]
        weights = np.maximum(np.array(nearness), 1e-3) if self._choices.weighted else np.ones(len(nearness))
        objects = [one for _, one in group.members]
        shape = merged_shape(objects, group.scores, weights, self._choices.shaping, size)
        model = next((one for one in objects if one.tool_name == name), objects[0])
        made = ObjectAnnotation(
            tool_name=name,
            geometry=shape if not isinstance(shape, Track) else _PLACE,
            id=_id(row, number),
            tool_id=model.tool_id,
            value=model.value,
            classifications=_object_answers(item, group, verdicts),
            confidence=len(objects) / len(people) * verdict.confidence * _closeness(group.scores),
            sources=_sources(people, group),
            extra={_NAME: _votes(people, group)},
        )
        if isinstance(shape, Track):
            return _as_track(shape, made)
        if isinstance(model, Track):
            return made
        return replace(made, space=model.space, page=model.page, frame=model.frame, is_crowd=model.is_crowd)


_PLACE = Point(x=0, y=0)


def _as_track(shape: Track, made: ObjectAnnotation) -> Track:
    """A merged track; it has no `sources`, so they stand beside the votes."""
    votes = made.extra[_NAME] | {"sources": [[one.label_id, one.annotation_id] for one in made.sources]}
    return replace(
        shape,
        tool_name=made.tool_name,
        id=made.id,
        tool_id=made.tool_id,
        value=made.value,
        classifications=made.classifications,
        confidence=made.confidence,
        extra={_NAME: votes},
    )


def _item(row: DataRow, number: int | None = None) -> str:
    """What votes on a row, or on one thing in it, are filed under: ids are unique within a source."""
    return f"{row.source}\n{row.id}" + ("" if number is None else f"\n{number}")


def _id(row: DataRow, number: int) -> str:
    return f"{row.id}:{number}"


def _groups(people: Sequence[Submission], choices: _Choices) -> list[_Group]:
    """What the annotators of a row drew, by what it is; in an order that depends on what is drawn alone."""
    objects = [one for person in people for one in person.objects]
    if len(people) == 1:
        return [_Group([(0, one)], np.ones((1, 1))) for one in objects]
    scores = similarities(objects, objects, choices.rules)
    found = []
    for members in row_clusters(people, objects, scores, choices.link):
        places = [place for _, place in members]
        found.append(
            _Group([(who, objects[place]) for who, place in members], scores[np.ix_(places, places)])
        )
    return found


def _vote(ballots: Ballots, item: str, people: Sequence[Submission], group: _Group) -> None:
    for who, one in group.members:
        annotator = people[who].annotator
        ballots.add(_CLASS, item, annotator, frozenset([one.tool_name]))
        for path, answer in questions_of(one.classifications).items():
            ballots.add(("object", *path), item, annotator, answer)


def _note_nearness(near: dict[str, list[float]], people: Sequence[Submission], group: _Group) -> None:
    """How far each annotator's object is the same as those of the others."""
    count = len(group.members)
    for place, (who, _) in enumerate(group.members):
        if count > 1:
            others = (np.sort(group.scores[place]).sum() - 1.0) / (count - 1)
            near.setdefault(people[who].annotator, []).append(float(others))


def _closeness(scores: Any) -> float:
    """The mean score between different members; 1 for one alone."""
    count = len(scores)
    return 1.0 if count == 1 else float((np.sort(scores, axis=None).sum() - count) / (count * (count - 1)))


def _answers(people: Sequence[Submission]) -> Iterator[tuple[Path, str, Any]]:
    for person in people:
        for path, answer in person.answers.items():
            yield path, person.annotator, answer


def _sources(people: Sequence[Submission], group: _Group) -> tuple[Provenance, ...]:
    """Label and annotation of every member, in order of annotators; what has no id by its place in the row."""
    found = []
    for who, one in sorted(group.members, key=lambda member: member[0]):
        label = people[who].label
        place = next(i for i, a in enumerate(label.annotations) if a is one)
        name = f"labels[{people[who].place}]" if label.id is None else label.id
        found.append(Provenance(label_id=name, annotation_id=one.id or f"annotations[{place}]"))
    return tuple(found)


def _votes(people: Sequence[Submission], group: _Group) -> dict[str, Any]:
    votes = Counter(one.tool_name for _, one in group.members)
    return {
        "annotators": [people[who].annotator for who, _ in sorted(group.members, key=lambda m: m[0])],
        "of": len(people),
        "votes": dict(sorted(votes.items())),
    }


def _row_answers(
    item: str, people: Sequence[Submission], verdicts: dict[tuple[Subject, str], Verdict], least: int
) -> list[Classification]:
    answered = Counter(path for person in people for path in person.answers)
    asked = {path for path, n in answered.items() if n >= least}
    given = [(person.annotator, person.label.classifications, person.answers) for person in people]
    return _built((), asked, given, lambda path: verdicts[("row", *path), item], len(people))


def _object_answers(
    item: str, group: _Group, verdicts: dict[tuple[Subject, str], Verdict]
) -> tuple[Classification, ...]:
    given = [(str(who), one.classifications, questions_of(one.classifications)) for who, one in group.members]
    asked = {path for _, _, answers in given for path in answers}
    return tuple(_built((), asked, given, lambda path: verdicts[("object", *path), item], len(group.members)))


_Given = tuple[str, Iterable[Classification], dict[Path, Any]]


def _built(
    above: Path, asked: set[Path], given: Sequence[_Given], verdict: Any, many: int
) -> list[Classification]:
    """The questions right below a path, with the agreed answers and what follows from these."""
    found = []
    for path in sorted(path for path in asked if path[:-1] == above):
        model = _first(above, path, [classifications for _, classifications, _ in given])
        agreed: Verdict = verdict(path)
        votes = [answers[path] for _, _, answers in given if path in answers]
        extra = {_NAME: {"votes": _counted(votes), "of": many}}
        common = {"id": None, "confidence": agreed.confidence, "extra": extra}
        if isinstance(agreed.answer, str):
            found.append(replace(model, text=agreed.answer, answers=(), **common))
            continue
        options = _options(above, path, [classifications for _, classifications, _ in given])
        answers = [
            replace(
                options.get(name, Answer(name=name)),
                classifications=tuple(_built((*path, name), asked, given, verdict, many)),
            )
            for name in sorted(agreed.answer)
        ]
        below = tuple(_built((*path, ""), asked, given, verdict, many))
        found.append(replace(model, answers=tuple(answers), classifications=below, **common))
    return found


def _counted(votes: Iterable[Any]) -> dict[str, int]:
    names = [name for vote in votes for name in ([vote] if isinstance(vote, str) else vote)]
    return dict(sorted(Counter(names).items()))


def _walk(
    above: Path, all_given: Iterable[Iterable[Classification]], prefix: Path = ()
) -> Iterator[Classification]:
    """All classifications that stand right below a path."""
    for classifications in all_given:
        for one in classifications:
            if prefix == above:
                yield one
                continue
            path = (*prefix, name_of(one))
            for answer in one.answers:
                if (*path, answer.name) == above[: len(path) + 1]:
                    yield from _walk(above, [answer.classifications], (*path, answer.name))
            if (*path, "") == above[: len(path) + 1]:
                yield from _walk(above, [one.classifications], (*path, ""))


def _first(above: Path, path: Path, all_given: Sequence[Iterable[Classification]]) -> Classification:
    """A classification that asks this question, whose ids and kind the merged one takes."""
    return next(one for one in _walk(above, all_given) if name_of(one) == path[-1])


def _options(above: Path, path: Path, all_given: Sequence[Iterable[Classification]]) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    for one in _walk(above, all_given):
        if name_of(one) == path[-1]:
            for answer in one.answers:
                found.setdefault(
                    option_of(answer.name, answer.frames), replace(answer, classifications=(), id=None)
                )
    return found


def _links(
    people: Sequence[Submission], ends: dict[tuple[int, str], str], least: int, dropped: Counter[str]
) -> list[Relationship]:
    """Links that enough annotators made between objects that are there."""
    votes: dict[tuple[str, str, str, bool], list[Relationship]] = {}
    for who, person in enumerate(people):
        for link in person.label.relationships:
            source, target = (ends.get((who, end or "")) for end in (link.source, link.target))
            if source is None or target is None:
                dropped.update(census(link))
            else:
                votes.setdefault((link.tool_name, source, target, link.directed), []).append(link)
    found = []
    for (_, source, target, _), links in sorted(votes.items(), key=lambda pair: pair[0]):
        if len(links) >= least:
            found.append(replace(links[0], id=None, source=source, target=target))
        else:
            for link in links:
                dropped.update(census(link))
    return found


def _account(row: DataRow, merged: Label, dropped: Census, run: Run) -> None:
    """Labels and what is in them are merged, or too few had it; what the consensus holds is made."""
    report = run.report
    whole: Counter[str] = Counter()
    for label in row.labels:
        whole.update(census(label))
    if dropped:
        report.count_all("superseded", dropped)
        why = "too few of the row's annotators have it (--quorum)"
        for kind, n in dropped.items():
            report.note("below-quorum", kind, why, example=row.name, n=n)
    report.count_all("merged", whole - dropped)
    report.count_all("made", census(merged))


_VERDICTS = pa.schema(
    [
        ("data_row_id", pa.string()),
        ("data_row", pa.string()),
        ("what", pa.string()),
        ("answer", pa.string()),
        ("votes", pa.int64()),
        ("of", pa.int64()),
        ("confidence", pa.float64()),
        ("annotators", pa.list_(pa.string())),
    ]
)


def verdicts(merged: Dataset) -> pa.Table:
    """What a merged dataset says, one row for each object and each answer about a data row.

    Parameters
    ----------
    merged : Dataset
        As `merge` makes it.

    Returns
    -------
    Table
        ``data_row_id``, ``data_row``; ``what`` (the kind of shape, or the question), ``answer`` (the class, or the
        answers), ``votes`` and ``of``: annotators who drew or said it, of how many; ``confidence``; ``annotators``,
        for objects.
    """
    rows = []
    for row in merged.rows(Run(on_error="skip", limits=merged.limits)):
        for label in row.labels:
            for one in label.annotations:
                found = None if isinstance(one, Relationship) else _verdict(one)
                if found is not None:
                    rows.append((row.id, row.name, *found))
    columns = list(zip(*rows, strict=True)) or [()] * len(_VERDICTS)
    return pa.table([pa.array(c, t) for c, t in zip(columns, _VERDICTS.types, strict=True)], schema=_VERDICTS)


def _verdict(one: ObjectAnnotation | Track | Classification) -> tuple[Any, ...] | None:
    votes = one.extra.get(_NAME)
    if votes is None:
        return None
    if isinstance(one, Classification):
        answer = one.text if one.text is not None else ", ".join(answer.name for answer in one.answers)
        chosen = [one.text] if one.text is not None else [answer.name for answer in one.answers]
        behind = min((votes["votes"].get(name, 0) for name in chosen), default=0)
        return one.tool_name, answer, behind, votes["of"], one.confidence, []
    kind = f"track of {one.kind}" if isinstance(one, Track) else one.geometry.kind
    return kind, one.tool_name, len(votes["annotators"]), votes["of"], one.confidence, votes["annotators"]
