"""The first pass over Labelbox export v2: names, ids and row keys, and nothing else is decoded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from annokit.dataset import OntologyBuilder, Outline, RowKey
from annokit.errors import LimitExceeded
from annokit.formats._labelbox import wire
from annokit.formats._labelbox.rows import RowBuilder
from annokit.formats._labelbox.shared import BLOCK, Batch, Masks, ReadOptions, located, media_word
from annokit.io.elements import iter_element_blocks
from annokit.io.faults import BAD_JSON
from annokit.io.gc import paused_gc
from annokit.io.lines import Block
from annokit.io.salvage import decoder
from annokit.io.source import Source
from annokit.model import Answer, Asset, Classification, DataRow
from annokit.run import Run

__all__ = ["outline"]

_KINDS = {
    "BoundingBox": "box",
    "Polygon": "polygon",
    "Polyline": "line",
    "Point": "point",
    "SegmentationMask": "mask",
    "EntityToken": "token_span",
    "TextEntity": "text_span",
}


class _Name(msgspec.Struct, frozen=True, gc=False):
    name: str
    feature_schema_id: str | None = None
    value: str | None = None


class _Answer(_Name, frozen=True, gc=False):
    classifications: tuple[_Question, ...] = ()


class _Text(msgspec.Struct, frozen=True, gc=False):
    """That there is one."""


class _Question(_Name, frozen=True, gc=False):
    radio_answer: _Answer | None = None
    checklist_answers: tuple[_Answer, ...] | None = None
    text_answer: _Text | None = None
    conversational_radio_answer: _Answer | None = None
    conversational_checklist_answers: tuple[_Answer, ...] | None = None
    conversational_text_answer: _Text | None = None


class _Object(_Name, frozen=True, gc=False):
    annotation_kind: str | None = None
    classifications: tuple[_Question, ...] = ()


class _Frame(msgspec.Struct, gc=False):
    objects: dict[str, _Object] = {}
    classifications: list[_Question] = []


class _Group(msgspec.Struct, gc=False):
    frames: dict[str, _Frame] = {}


class _Annotations(msgspec.Struct, gc=False):
    objects: list[_Object] = []
    classifications: list[_Question] = []
    frames: dict[str, _Frame] | None = None
    groups: dict[str, _Group] | None = None


class _Label(msgspec.Struct, gc=False):
    annotations: _Annotations | None = None


class _Project(msgspec.Struct, gc=False):
    labels: list[_Label] = []


class _ModelRun(_Project, gc=False):
    predictions: list[_Label] = []


class _Experiment(msgspec.Struct, gc=False):
    runs: dict[str, _ModelRun] = {}


class _DataRow(msgspec.Struct, gc=False):
    id: str
    global_key: str | None = None
    external_id: str | None = None
    row_data: Any = None


class _Media(msgspec.Struct, gc=False):
    mime_type: str | None = None


class _Row(msgspec.Struct, gc=False):
    data_row: _DataRow
    media_attributes: _Media | None = None
    projects: dict[str, _Project] = {}
    experiments: dict[str, _Experiment] = {}


class _Found(NamedTuple):
    """What some rows hold: each object and question that differs from those before it, once."""

    keys: list[RowKey]
    objects: Iterable[_Object]
    questions: Iterable[_Question]


def outline(source: Source) -> Outline:
    """The classes in order of first appearance and the keys of all rows; what cannot be read is passed over."""
    builder, keys = OntologyBuilder(), []
    seen: set[_Object | _Question] = set()
    for block in iter_element_blocks(source, source.limits):
        with paused_gc():
            try:
                found = _of_block(block.data)
                asked = _asked(found, seen)
            except (*BAD_JSON, LimitExceeded):
                for made in _read_fully(block):
                    builder.add_row(made)
                    keys.append(RowKey(made.name, made.id))
                continue
            for part in found:
                keys += part.keys
            for one, questions in asked.items():
                _take(one, questions, builder)
            seen.update(asked)
    return Outline(builder.build(), keys)


def _of_block(data: bytes) -> list[_Found]:
    """What a block holds, read in pieces that fit the processor's caches."""
    try:
        return [_found(piece) for piece in _pieces(data)]
    except BAD_JSON:  # what may be: an object over several lines, which was cut in two
        return [_found(data)]


def _pieces(data: bytes) -> Iterator[memoryview]:
    start, view = 0, memoryview(data)
    while start < len(data):
        end = data.find(b"\n", start + BLOCK) + 1 or len(data)
        yield view[start:end]
        start = end


def _found(data: bytes | memoryview) -> _Found:
    rows: list[_Row] = decoder(_Row).decode_lines(data)
    objects: list[_Object] = []
    questions: list[_Question] = []
    for said in chain.from_iterable(map(_labels, rows)):
        if said.frames is None and said.groups is None:
            objects += said.objects
            questions += said.classifications
        else:
            frames = _frames(said)
            objects += chain(said.objects, *[frame.objects.values() for frame in frames])
            questions += chain(*[frame.classifications for frame in frames], said.classifications)
    keys = [RowKey(_name(row), row.data_row.id) for row in rows]
    return _Found(keys, dict.fromkeys(objects), dict.fromkeys(questions))


def _read_fully(block: Block) -> list[DataRow]:
    """The rows of a block in which something is wrong, as the reader will make them."""
    run = Run(on_error="skip")
    batch = Batch(block, run, wire.Row, format="labelbox", record_id=lambda _line: None, in_document=False)
    return RowBuilder(batch, Masks(ReadOptions(), run)).rows()


def _labels(row: _Row) -> list[_Annotations]:
    lists = [project.labels for project in row.projects.values()]
    for experiment in row.experiments.values():
        for run in experiment.runs.values():
            lists += run.labels, run.predictions
    return [said for labels in lists for label in labels if (said := label.annotations) is not None]


def _frames(found: _Annotations) -> list[_Frame]:
    """By their numbers, those of one plane after the other."""
    groups = [{} if found.frames is None else found.frames]
    groups += [group.frames for group in (found.groups or {}).values()]
    return [frame for numbered in groups for _, frame in sorted(numbered.items(), key=_number)]


def _name(row: _Row) -> str:
    known = row.data_row
    if name := known.global_key or known.external_id:
        return name
    kinds = (one.annotation_kind for said in _labels(row) for one in said.objects)
    data = known.row_data if isinstance(known.row_data, str) else None
    media = media_word(row.media_attributes.mime_type if row.media_attributes else None, kinds)
    return DataRow(id=known.id, asset=Asset(uri=located(data, media)[0])).name


def _asked(
    found: Iterable[_Found], seen: Collection[_Object | _Question]
) -> dict[_Object | _Question, list[Classification]]:
    """What is asked of each object, or by each question, that was not there before."""
    asked: dict[_Object | _Question, list[Classification]] = {}
    distinct: Iterator[_Object | _Question] = chain.from_iterable(
        (*part.objects, *part.questions) for part in found
    )
    for one in distinct:
        if one not in seen and one not in asked:
            questions = one.classifications if isinstance(one, _Object) else (one,)
            asked[one] = [_classification(question) for question in questions]
    return asked


def _take(one: _Object | _Question, questions: list[Classification], builder: OntologyBuilder) -> None:
    if isinstance(one, _Object):
        tool = builder.add_tool(one.name, one.feature_schema_id, _kind(one.annotation_kind), one.value)
        tool.ask(questions)
        return
    for question in questions:
        builder.add_classification(question)


def _number(entry: tuple[str, _Frame]) -> tuple[int, str]:
    return len(entry[0]), entry[0]


def _kind(annotation_kind: str | None) -> str | None:
    kind = annotation_kind or ""
    return next((word for end, word in _KINDS.items() if kind.endswith(end)), None)


def _classification(one: _Question) -> Classification:
    picked = one.radio_answer or one.conversational_radio_answer
    listed = one.checklist_answers or one.conversational_checklist_answers
    text = one.text_answer or one.conversational_text_answer
    answers = (picked,) if picked else listed or ()
    return Classification(
        tool_name=one.name,
        kind="radio" if picked else "checklist" if listed is not None else "text" if text else "unknown",
        answers=tuple([_answer(answer) for answer in answers]),
        tool_id=one.feature_schema_id,
        value=one.value,
    )


def _answer(one: _Answer) -> Answer:
    nested = tuple([_classification(question) for question in one.classifications])
    return Answer(name=one.name, option_id=one.feature_schema_id, value=one.value, classifications=nested)
