"""Whether labels use an ontology as it is meant: tools, kinds, questions, options, and required answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from annokit.errors import shown
from annokit.model import (
    Answer,
    Classification,
    DataRow,
    Label,
    ObjectAnnotation,
    Ontology,
    Option,
    Relationship,
    Tool,
    Track,
)
from annokit.ontology import TOOL_TYPES, tool_type
from annokit.report import kind_of
from annokit.validate._findings import Findings

__all__ = ["check_against", "check_tools"]

_SAME = {"mask_reference": "mask", "token_span": "text_span", "rotated_box": "polygon"}
_TEXTS = ("text", "date", "number")


def check_tools(found: Findings, ontology: Ontology) -> None:
    """Tools of types that the platform does not have, as far as is known: a typo, or a new one."""
    for tool in ontology.tools:
        word = tool_type(tool)
        if word not in TOOL_TYPES:
            problem = f"the ontology has a tool of an unknown type; known are {', '.join(TOOL_TYPES)}"
            detail = f"{shown(tool.name)} is of type {shown(word)}"
            found.add("ontology-unknown-type", "categories", "warning", problem, detail=detail)


def check_against(found: Findings, row: DataRow, ontology: Ontology) -> None:
    """Everything about one row."""
    for label in row.labels:
        checked = _Check(found, row)
        for one in label.annotations:
            if isinstance(one, Classification):
                checked.question(one, ontology.classifications)
            else:
                checked.object(one, ontology.tools)
        if not label.skipped:
            _check_required(checked, label, ontology)


def _check_required(checked: _Check, label: Label, ontology: Ontology) -> None:
    checked.required(label.classifications, ontology.classifications, "labels", label.id)
    for tool in ontology.tools:
        marked: list[Any] = [*label.objects, *label.tracks, *label.relationships]
        if tool.required and not any(_is(one.tool_name, one.tool_id, tool) for one in marked):
            checked.add("ontology-required", "labels", f"the ontology requires a {tool.name!r}", label.id)


def _is(name: str, tool_id: str | None, tool: Tool | Option) -> bool:
    return (tool_id is not None and tool_id == tool.id) or name in (tool.name, tool.value)


class _Check:
    """Compares the annotations of one row with the tools of an ontology."""

    def __init__(self, found: Findings, row: DataRow) -> None:
        self._found, self._row = found, row

    def add(self, code: str, kind: str, message: str, annotation: str | None) -> None:
        """One more fault."""
        self._found.add(code, kind, "error", message, row=self._row, annotation=annotation)

    def object(self, one: ObjectAnnotation | Track | Relationship, tools: Sequence[Tool]) -> None:
        """An object: its class, the kind of its shape, its answers."""
        if isinstance(one, Relationship):
            kind = "relationship"
        else:
            kind = one.kind if isinstance(one, Track) else one.geometry.kind
        kind, counted = _SAME.get(kind, kind), kind_of(one)
        named = [tool for tool in tools if _is(one.tool_name, one.tool_id, tool)]
        fits = [tool for tool in named if tool.kind == kind or kind == "unknown"]
        if not named:
            self.add("ontology-no-tool", counted, f"the ontology has no tool {one.tool_name!r}", one.id)
        elif not fits:
            kinds = " or ".join(dict.fromkeys(str(tool.kind) for tool in named))
            problem = f"{one.tool_name!r} is a {kinds} in the ontology, not a {kind}"
            self.add("ontology-wrong-kind", counted, problem, one.id)
        elif not isinstance(one, Relationship):
            for question in one.classifications:
                self.question(question, fits[0].classifications)
            self.required(one.classifications, fits[0].classifications, counted, one.id)

    def question(self, one: Classification, tools: Sequence[Tool]) -> None:
        """A question: whether it is asked there, its kind, its answers and what is asked below them."""
        tool = next((tool for tool in tools if _is(one.tool_name, one.tool_id, tool)), None)
        if tool is None:
            problem = f"the ontology asks no {one.tool_name!r} there"
            self.add("ontology-no-question", "classifications", problem, one.id)
            return
        if one.kind != tool.kind and not (one.kind in _TEXTS and tool.kind in _TEXTS):
            problem = f"{one.tool_name!r} is a {tool.kind} question in the ontology, not a {one.kind} one"
            self.add("ontology-wrong-kind", "classifications", problem, one.id)
            return
        for answer in one.answers:
            self._answer(answer, tool)

    def _answer(self, one: Answer, tool: Tool) -> None:
        option = next((option for option in tool.options if _is(one.name, one.option_id, option)), None)
        if option is None:
            problem = f"{tool.name!r} has no option {one.name!r} in the ontology"
            self.add("ontology-no-option", "classifications", problem, one.id)
            return
        for question in one.classifications:
            self.question(question, option.classifications)
        self.required(one.classifications, option.classifications, "classifications", one.id)

    def required(
        self, asked: Sequence[Classification], tools: Sequence[Tool], kind: str, annotation: str | None
    ) -> None:
        """Required questions without an answer."""
        for tool in tools:
            answered = any(
                _is(one.tool_name, one.tool_id, tool) and (one.answers or one.text) for one in asked
            )
            if tool.required and not answered:
                self.add("ontology-required", kind, f"{tool.name!r} needs an answer", annotation)
