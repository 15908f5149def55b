"""One consensus label for every data row, that says where it comes from."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from msgspec.structs import replace

from annokit.consensus._answers import VOTES, agreed_answers
from annokit.consensus._ballots import Ballots, Subject, Verdict
from annokit.consensus._boxes import enough
from annokit.consensus._clusters import check_link
from annokit.consensus._groups import Group, groups, stretched
from annokit.consensus._joined import joined
from annokit.consensus._methods import Method, check_method
from annokit.consensus._score import UNSEEN
from annokit.consensus._shapes import Shaping, merged_shape
from annokit.consensus._submissions import Submission, questions_of, submissions
from annokit.consensus._texts import Stretch, span_of, stretches
from annokit.dataset import Dataset
from annokit.errors import UsageError
from annokit.model import (
    Classification,
    DataRow,
    Geometry,
    Label,
    ObjectAnnotation,
    Point,
    Relationship,
    TextSpan,
    Track,
)
from annokit.model.annotation import Provenance
from annokit.report import census, kind_of
from annokit.run import Run
from annokit.similarity import Rules, family_of

__all__ = ["merge"]

_CLASS: Subject = ("class",)
_WHY = {
    "below-quorum": "too few of the row's annotators have it (--quorum)",
    "outvoted": "none of its characters are agreed on by those who read the text",
}
"""What is left out, by code."""
_NOT_COMPARED = "nothing says what it covers, so only equal ones became one"
_MASKS = " (`annokit masks list` names masks, --masks reads masks)"

_Verdicts: TypeAlias = dict[tuple[Subject, str], Verdict]
_Dropped: TypeAlias = defaultdict[str, Counter[str]]


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
    that `aggregate` finds over the whole dataset. Spans of text are merged character by character, each class and
    message apart, as `merge_spans` does it over the whole dataset. The label has ``origin="consensus"``; each object has in
    ``sources`` the labels and annotations it is made of, and in ``extra["consensus"]`` who drew it and how many
    looked. What too few drew, and links between such objects, is accounted as superseded (``below-quorum``), spans
    none of whose characters are agreed on as well (``outvoted``). The order of labels and objects makes no
    difference.

    The dataset is read twice: once for all votes, then again each time it is iterated.

    Parameters
    ----------
    dataset : Dataset
    method : str
        How classes and answers are agreed on, see `aggregate`.
    link : float
        The least mean score of objects that are the same thing, 0 to 1; see `score` for scores. Spans of text have
        no need of it.
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
    check_link(link)
    if geometry not in ("median", "skill"):
        raise UsageError(f"expected geometry median or skill, got {geometry!r}")
    rules = Rules("agnostic", reach).check()
    choices = _Choices(link, quorum, rules, Shaping(polygons, masks).check(), geometry == "skill")
    dataset = joined(dataset)
    return dataset.through(_Merging(dataset, method, choices).step)


class _Merging:
    """The votes of the whole dataset, counted when the first row is asked for."""

    def __init__(self, dataset: Dataset, method: Method, choices: _Choices) -> None:
        self._dataset, self._method, self._choices = dataset, method, choices
        self._verdicts: _Verdicts | None = None
        self._nearness: dict[str, float] = {}
        self._stretches: dict[str, list[Stretch]] = {}

    def step(self, rows: Iterator[DataRow], run: Run) -> Iterator[DataRow]:
        """Every row with its labels made one."""
        if self._verdicts is None:
            self._verdicts = self._counted()
        for row in rows:
            people = submissions(row)
            if not people:
                yield row
                continue
            _name_unseen(row, people, run)
            merged, dropped = self._merged(row, people, self._verdicts)
            _account(row, merged, dropped, run)
            yield replace(row, labels=(merged,))

    def _counted(self) -> _Verdicts:
        ballots = Ballots(self._method)
        near: defaultdict[str, list[float]] = defaultdict(list)
        readers: dict[str, list[Submission]] = {}
        drawn: dict[str, int] = {}
        for row in self._dataset.rows(Run(on_error="skip", limits=self._dataset.limits)):
            people, item = submissions(row), _item(row)
            for path, who, answer in _answers(people):
                ballots.add(("row", *path), item, who, answer)
            found = self._groups(people)
            for number, group in enumerate(found):
                _vote(ballots, _thing(item, number), people, group)
                for place, value in group.nearness():
                    near[people[place].annotator].append(value)
            if len(people) > 1 and any(span_of(one) for person in people for one in person.objects):
                readers[item], drawn[item] = people, len(found)
        self._nearness = {who: float(np.sort(values).mean()) for who, values in near.items()}
        self._stretches = stretches(readers, self._method)
        for item, agreed in self._stretches.items():
            for number, group in enumerate(stretched(readers[item], agreed), drawn[item]):
                _vote(ballots, _thing(item, number), readers[item], group)
        return ballots.settle()

    def _groups(self, people: Sequence[Submission]) -> list[Group]:
        return groups(people, self._choices.rules, self._choices.link)

    def _merged(
        self, row: DataRow, people: Sequence[Submission], verdicts: _Verdicts
    ) -> tuple[Label, _Dropped]:
        least, item = enough(self._choices.quorum, len(people)), _item(row)
        found = [*self._groups(people), *stretched(people, self._stretches.get(item, ()))]
        kept: list[ObjectAnnotation | Track] = []
        ends: dict[tuple[int, str], str] = {}
        for number, group in enumerate(found):
            if len(group.voters) >= least:
                made = self._object(row, number, people, group, verdicts)
                kept.append(made)
                ends = {
                    (who, one.id): str(made.id) for who, one in group.members if one.id is not None
                } | ends
        dropped = _left_out(people, found, least)
        annotations = [
            *kept,
            *_row_answers(item, people, verdicts, least),
            *_links(people, ends, least, dropped["below-quorum"]),
        ]
        votes = {"annotators": [person.annotator for person in people], "method": self._method}
        label = Label(
            id=f"consensus:{row.id}",
            origin="consensus",
            annotations=tuple(annotations),
            project_id=people[0].label.project_id,
            project_name=people[0].label.project_name,
            extra={VOTES: votes},
        )
        return label, dropped

    def _object(
        self, row: DataRow, number: int, people: Sequence[Submission], group: Group, verdicts: _Verdicts
    ) -> ObjectAnnotation | Track:
        item = _thing(_item(row), number)
        name, sure = _class(item, people, group, verdicts)
        objects = [one for _, one in group.voters]
        shape = self._shape(row, people, group)
        model = next((one for one in objects if one.tool_name == name), objects[0])
        made = ObjectAnnotation(
            tool_name=name,
            geometry=shape if not isinstance(shape, Track) else _PLACE,
            id=_id(row, number),
            tool_id=model.tool_id,
            value=model.value,
            classifications=_object_answers(item, group, verdicts),
            confidence=sure,
            sources=_sources(people, group),
            extra={VOTES: _votes(people, group)},
        )
        if isinstance(shape, Track):
            return _as_track(shape, made)
        if isinstance(model, Track):
            return made
        return replace(made, space=model.space, page=model.page, frame=model.frame, is_crowd=model.is_crowd)

    def _shape(self, row: DataRow, people: Sequence[Submission], group: Group) -> Geometry | Track:
        if group.stretch is not None:
            return _span(group.stretch, group)
        nearness = [self._nearness.get(people[who].annotator, 1.0) for who, _ in group.members]
        weights = np.maximum(np.array(nearness), 1e-3) if self._choices.weighted else np.ones(len(nearness))
        size = (row.asset.height, row.asset.width) if row.asset.height and row.asset.width else None
        objects = [one for _, one in group.members]
        return merged_shape(objects, group.scores, weights, self._choices.shaping, size)


def _class(item: str, people: Sequence[Submission], group: Group, verdicts: _Verdicts) -> tuple[str, float]:
    """The class of a merged object, and how sure it is that it is there as it is."""
    if group.stretch is not None:
        return group.stretch.place[0], group.stretch.confidence
    verdict = verdicts[_CLASS, item]
    share = len(group.members) / len(people)
    return next(iter(verdict.answer)), share * verdict.confidence * group.closeness


def _span(stretch: Stretch, group: Group) -> TextSpan:
    """The agreed characters, with their text as far as one member holds all of it."""
    spans = [
        one.geometry
        for _, one in group.voters
        if isinstance(one, ObjectAnnotation) and isinstance(one.geometry, TextSpan)
    ]
    holds = (one for one in spans if one.start <= stretch.start and stretch.end <= one.end and _exact(one))
    text = next((str(one.text)[stretch.start - one.start : stretch.end - one.start] for one in holds), None)
    return TextSpan(start=stretch.start, end=stretch.end, text=text, message_id=spans[0].message_id)


def _exact(span: TextSpan) -> bool:
    return span.text is not None and len(span.text) == span.end - span.start


def _left_out(people: Sequence[Submission], found: Sequence[Group], least: int) -> _Dropped:
    """Objects that no merged one is made of, by the code of why."""
    dropped: _Dropped = defaultdict(Counter)
    for group in found:
        if group.stretch is None and len(group.members) < least:
            for _, one in group.members:
                dropped["below-quorum"].update(census(one))
    agreed = [(group.stretch, len(group.voters) >= least) for group in found if group.stretch is not None]
    for one in (one for person in people for one in person.objects if len(people) > 1 and span_of(one)):
        enough_have = [many for stretch, many in agreed if stretch.shared(one)]
        if not any(enough_have):
            dropped["below-quorum" if enough_have else "outvoted"].update(census(one))
    return dropped


_PLACE = Point(x=0, y=0)


def _as_track(shape: Track, made: ObjectAnnotation) -> Track:
    """A merged track; it has no `sources`, so they stand beside the votes."""
    votes = made.extra[VOTES] | {"sources": [[one.label_id, one.annotation_id] for one in made.sources]}
    return replace(
        shape,
        tool_name=made.tool_name,
        id=made.id,
        tool_id=made.tool_id,
        value=made.value,
        classifications=made.classifications,
        confidence=made.confidence,
        extra={VOTES: votes},
    )


def _item(row: DataRow) -> str:
    """What votes on a row are filed under: ids are unique within a source."""
    return f"{row.source}\n{row.id}"


def _thing(item: str, number: int) -> str:
    """What votes on one thing in a row are filed under."""
    return f"{item}\n{number}"


def _id(row: DataRow, number: int) -> str:
    return f"{row.id}:{number}"


def _vote(ballots: Ballots, item: str, people: Sequence[Submission], group: Group) -> None:
    for who, one in group.voters:
        annotator = people[who].annotator
        if group.stretch is None:
            ballots.add(_CLASS, item, annotator, frozenset([one.tool_name]))
        for path, answer in questions_of(one.classifications).items():
            ballots.add(("object", *path), item, annotator, answer)


def _answers(people: Sequence[Submission]) -> Iterator[tuple[Any, str, Any]]:
    for person in people:
        for path, answer in person.answers.items():
            yield path, person.annotator, answer


def _sources(people: Sequence[Submission], group: Group) -> tuple[Provenance, ...]:
    """Label and annotation of every member, in order of annotators; what has no id by its place in the row."""
    found = []
    for who, one in sorted(group.members, key=lambda member: member[0]):
        label = people[who].label
        place = next(i for i, a in enumerate(label.annotations) if a is one)
        name = f"labels[{people[who].place}]" if label.id is None else label.id
        found.append(Provenance(label_id=name, annotation_id=one.id or f"annotations[{place}]"))
    return tuple(found)


def _votes(people: Sequence[Submission], group: Group) -> dict[str, Any]:
    votes = Counter(one.tool_name for _, one in group.voters)
    return {
        "annotators": [people[who].annotator for who, _ in sorted(group.voters, key=lambda m: m[0])],
        "of": len(people),
        "votes": dict(sorted(votes.items())),
    }


def _row_answers(
    item: str, people: Sequence[Submission], verdicts: _Verdicts, least: int
) -> list[Classification]:
    answered = Counter(path for person in people for path in person.answers)
    asked = {path for path, n in answered.items() if n >= least}
    given = [(person.label.classifications, person.answers) for person in people]
    return agreed_answers(asked, given, lambda path: verdicts[("row", *path), item])


def _object_answers(item: str, group: Group, verdicts: _Verdicts) -> tuple[Classification, ...]:
    given = [(one.classifications, questions_of(one.classifications)) for _, one in group.voters]
    asked = {path for _, answers in given for path in answers}
    return tuple(agreed_answers(asked, given, lambda path: verdicts[("object", *path), item]))


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


def _name_unseen(row: DataRow, people: Sequence[Submission], run: Run) -> None:
    """What several annotators may have drawn, but nobody can tell."""
    for one in (one for person in people for one in person.objects if len(people) > 1):
        if family_of(one) in UNSEEN:
            why = _NOT_COMPARED + _MASKS * (family_of(one) == "mask_reference")
            run.report.note("not-compared", kind_of(one), why, example=row.name)


def _account(row: DataRow, merged: Label, dropped: Mapping[str, Counter[str]], run: Run) -> None:
    """Labels and what is in them are merged, or too few had it; what the consensus holds is made."""
    report = run.report
    whole: Counter[str] = Counter()
    for label in row.labels:
        whole.update(census(label))
    for code, lost in dropped.items():
        whole -= lost
        report.count_all("superseded", lost)
        for kind, n in lost.items():
            report.note(code, kind, _WHY[code], example=row.name, n=n)
    report.count_all("merged", whole)
    report.count_all("made", census(merged))
