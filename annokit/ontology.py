"""Ontologies: the platform's JSON there and back, and one made in a few lines of Python.

Source of the format: the JSON of Labelbox's ontologies, as the `OntologyBuilder` of its SDK writes it. What the model
has no field for is kept in ``extra["labelbox"]``.

Examples
--------
>>> made = ontology(
...     tools=[tool("car", "box", questions=[radio("colour", ["red", "blue"], required=True)])],
...     questions=[checklist("weather", ["dry", option("wet", [text("how much")])])],
... )
>>> again = parse(to_json(made))  # the platform wants a colour for each tool
>>> again.tools[0].color, again.classifications == made.classifications
('#ff0000', True)
>>> ontology().tools
()
"""

from __future__ import annotations

import colorsys
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from annokit.dataset import Dataset, OntologyBuilder
from annokit.errors import AnnokitError, InputError, LimitExceeded, UsageError, Where, shown
from annokit.io.faults import told
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.io.output import staged_file
from annokit.io.records import decode_document, encode_document
from annokit.io.salvage import Wire
from annokit.io.source import Source
from annokit.model import (
    Classification,
    ObjectAnnotation,
    Ontology,
    Option,
    Relationship,
    Tool,
    Track,
)

__all__ = [
    "TOOL_TYPES",
    "checklist",
    "derive",
    "ontology",
    "option",
    "parse",
    "radio",
    "read",
    "text",
    "to_json",
    "tool",
    "tool_type",
    "write",
]

_NAME = "labelbox"
_KINDS = {
    "rectangle": "box",
    "polygon": "polygon",
    "raster-segmentation": "mask",
    "superpixel": "mask",
    "point": "point",
    "line": "line",
    "named-entity": "text_span",
    "edge": "relationship",
}
_TOOLS = {kind: word for word, kind in reversed(_KINDS.items())} | {
    "mask_reference": "raster-segmentation",
    "rotated_box": "polygon",
    "token_span": "named-entity",
}
_TYPES = {"date": "text", "number": "text"}
_OTHERS = (
    "message-single-selection",
    "message-multi-selection",
    "message-ranking",
    "marker",
    "step-reasoning",
    "fact-checking",
    "prompt-issue-scoring",
)
"""Words of tools that have no kind here."""
_QUESTIONS = ("radio", "checklist", "text")
TOOL_TYPES = (*_KINDS, *_OTHERS)
"""The platform's words for its tools."""


class _Option(Wire, rename="camel"):
    label: str | None = None
    value: str | None = None
    feature_schema_id: str | None = None
    options: list[_Question] | None = None


class _Question(Wire, rename="camel"):
    type: str
    instructions: str | None = None
    name: str | None = None
    required: bool | None = None
    options: list[_Option] | None = None
    feature_schema_id: str | None = None


class _Tool(Wire, rename="camel"):
    tool: str
    name: str
    required: bool | None = None
    color: str | None = None
    classifications: list[_Question] | None = None
    feature_schema_id: str | None = None


class _Ontology(Wire):
    tools: list[_Tool] | msgspec.UnsetType = msgspec.UNSET
    classifications: list[_Question] | msgspec.UnsetType = msgspec.UNSET


def ontology(tools: Sequence[Tool] = (), questions: Sequence[Tool] = ()) -> Ontology:
    """An ontology of tools, which mark objects, and of questions about the whole data row."""
    return Ontology(tools=tuple(tools), classifications=tuple(questions))


def tool(
    name: str,
    kind: str,
    *,
    color: str | None = None,
    required: bool = False,
    questions: Sequence[Tool] = (),
) -> Tool:
    """A class of objects.

    Parameters
    ----------
    kind : str
        `box`, `polygon`, `mask`, `point`, `line`, `text_span` or `relationship`; or the platform's word for
        a tool that has no kind here, such as `message-ranking`.
    color : str, optional
        As ``#rrggbb``; `to_json` gives one to a tool without.
    questions : sequence of Tool
        What is asked about each object.

    Examples
    --------
    >>> tool("car", "box").kind
    'box'
    """
    return Tool(name=name, kind=kind, color=color, required=required, classifications=tuple(questions))


def radio(name: str, options: Sequence[str | Option], *, required: bool = False) -> Tool:
    """A question with one answer.

    >>> [one.name for one in radio("weather", ["dry", "wet"]).options]
    ['dry', 'wet']
    """
    return _asking("radio", name, options, required)


def checklist(name: str, options: Sequence[str | Option], *, required: bool = False) -> Tool:
    """A question with any number of answers."""
    return _asking("checklist", name, options, required)


def text(name: str, *, required: bool = False) -> Tool:
    """A question whose answer is a text."""
    return _asking("text", name, (), required)


def option(name: str, questions: Sequence[Tool] = ()) -> Option:
    """A possible answer, with the questions that follow it.

    >>> option("wet", [text("how much")]).classifications[0].name
    'how much'
    """
    return Option(name=name, classifications=tuple(questions))


def _asking(kind: str, name: str, options: Sequence[str | Option], required: bool) -> Tool:
    made = tuple([Option(name=one) if isinstance(one, str) else one for one in options])
    return Tool(name=name, kind=kind, required=required, options=made)


def read(path: str | os.PathLike[str], *, limits: Limits = DEFAULT_LIMITS) -> Ontology:
    """Read the platform's JSON.

    Raises
    ------
    InputError
        It is no ontology; the place is in the message.
    """
    return _decoded(Source(Path(path)), limits)


def parse(data: bytes | Mapping[str, Any]) -> Ontology:
    """The ontology of JSON text, or of a parsed document: what `to_json` writes.

    Raises
    ------
    InputError
        It is no ontology; the place is in the message.

    Examples
    --------
    >>> parse(b'{"tools": [{"tool": "rectangle", "name": "car"}]}').tools[0].kind
    'box'
    """
    raw = data if isinstance(data, bytes) else encode_document(data)
    return _decoded(Source(raw), DEFAULT_LIMITS)


def _decoded(source: Source, limits: Limits) -> Ontology:
    def reject(_unit: str, _path: str, error: AnnokitError, _raw: bytes) -> None:
        raise error

    found = decode_document(source, _Ontology, reject=reject, limits=limits)
    if found.tools is msgspec.UNSET and found.classifications is msgspec.UNSET:
        keys = ", ".join(shown(key, 40) for key in list(found.extra or {})[:12]) or "none"
        problem = f"expected an ontology with tools or classifications, got the keys {keys}"
        raise InputError(problem, where=Where(source.name))
    try:
        return _read(found, source.name)
    except (RecursionError, LimitExceeded) as error:
        raise LimitExceeded(told(error).problem, where=Where(source.name)) from None


def _read(found: _Ontology, name: str) -> Ontology:
    return Ontology(
        tools=tuple([_read_tool(one) for one in found.tools or ()]),
        classifications=tuple([_read_question(one, name) for one in found.classifications or ()]),
        extra=_extra(found.extra),
    )


def derive(dataset: Dataset) -> Ontology:
    """The tools and questions that a dataset uses, of the kinds in which it uses them.

    A class that is drawn in two ways becomes two tools of one name. Options that nobody picked are not known,
    and what the platform has no tool for (keypoints, times of audio) is left out.

    Examples
    --------
    >>> from annokit.model import Box, DataRow, Label, ObjectAnnotation
    >>> car = ObjectAnnotation(tool_name="car", geometry=Box(x=0, y=0, width=4, height=4))
    >>> found = derive(Dataset.from_rows([DataRow(id="r", labels=(Label(annotations=(car,)),))]))
    >>> [(one.name, one.kind) for one in found.tools]
    [('car', 'box')]
    >>> derive(Dataset.from_rows([])).tools
    ()
    """
    tools: dict[str, OntologyBuilder] = {}
    questions = OntologyBuilder()
    for one in (one for row in dataset for label in row.labels for one in label.annotations):
        if isinstance(one, Classification):
            questions.add_classification(one)
            continue
        kind = one.geometry.kind if isinstance(one, ObjectAnnotation) else "relationship"
        word = _TOOLS.get(one.kind if isinstance(one, Track) else kind)
        if word is not None:
            builder = tools.setdefault(word, OntologyBuilder())
            seen = builder.add_tool(one.tool_name, one.tool_id, _KINDS[word], one.value)
            seen.ask(() if isinstance(one, Relationship) else one.classifications)
    return Ontology(
        tools=tuple([tool for builder in tools.values() for tool in builder.build().tools]),
        classifications=tuple([one for one in questions.build().classifications if one.kind != "unknown"]),
    )


def _extra(kept: Mapping[str, Any] | None) -> dict[str, Any]:
    return {_NAME: dict(kept)} if kept else {}


def _read_tool(one: _Tool) -> Tool:
    kind = _KINDS.get(one.tool, one.tool)
    kept = dict(one.extra or {})
    if _TOOLS.get(kind, kind) != one.tool:
        kept["tool"] = one.tool
    return Tool(
        name=one.name,
        kind=kind,
        id=one.feature_schema_id,
        color=one.color,
        required=one.required is True,
        classifications=tuple([_read_question(below, one.name) for below in one.classifications or ()]),
        extra=_extra(kept),
    )


def _read_question(one: _Question, inside: str) -> Tool:
    name = one.instructions if one.instructions is not None else one.name
    if name is None:
        raise InputError('expected a question with "instructions" or "name"', where=Where(inside))
    return Tool(
        name=name,
        kind=one.type,
        id=one.feature_schema_id,
        value=one.name if one.name != name else None,
        required=one.required is True,
        options=tuple([_read_option(below, name) for below in one.options or ()]),
        extra=_extra(one.extra),
    )


def _read_option(one: _Option, inside: str) -> Option:
    name = one.label if one.label is not None else one.value
    if name is None:
        raise InputError('expected an option with "label" or "value"', where=Where(inside))
    return Option(
        name=name,
        id=one.feature_schema_id,
        value=one.value if one.value != name else None,
        classifications=tuple([_read_question(below, name) for below in one.options or ()]),
        extra=_extra(one.extra),
    )


def to_json(found: Ontology) -> dict[str, Any]:
    """The platform's JSON, as plain values; tools without a colour get one each.

    Raises
    ------
    UsageError
        A tool or a question is of a kind the platform does not have.
    """
    tools = [_tool_json(one, _color(place, len(found.tools))) for place, one in enumerate(found.tools)]
    return {
        "tools": tools,
        "classifications": [_question_json(one) for one in found.classifications],
    } | _kept(found)


def _kept(one: Ontology | Tool | Option) -> dict[str, Any]:
    kept = one.extra.get(_NAME)
    return kept if isinstance(kept, dict) else {}


def _ids(one: Tool | Option) -> dict[str, Any]:
    return {} if one.id is None else {"featureSchemaId": one.id}


def tool_type(one: Tool) -> str:
    """The platform's word for what a tool is.

    >>> tool_type(tool("car", "box"))
    'rectangle'
    """
    kept = _kept(one).get("tool")
    return kept if isinstance(kept, str) else _TOOLS.get(one.kind or "", one.kind or "")


def _color(place: int, total: int) -> str:
    """Hues all around, as the platform gives them."""
    red, green, blue = colorsys.hsv_to_rgb(place / max(total, 1), 1, 1)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def _tool_json(one: Tool, color: str) -> dict[str, Any]:
    kind = one.kind or ""
    if not kind or ("_" in kind and kind not in _TOOLS) or kind in _QUESTIONS:
        known = ", ".join(dict.fromkeys(_KINDS.values()))
        raise UsageError(
            f"{one.name!r} is of kind {one.kind}, for which the platform has no tool", hint=known
        )
    return (
        {
            "tool": _TOOLS.get(kind, kind),
            "name": one.name,
            "required": one.required,
            "color": one.color or color,
            "classifications": [_question_json(below) for below in one.classifications],
        }
        | _ids(one)
        | _kept(one)
    )


def _question_json(one: Tool) -> dict[str, Any]:
    if one.kind in (None, "unknown"):
        raise UsageError(f"the question {one.name!r} is of no kind", hint=", ".join(_QUESTIONS))
    return (
        {
            "type": one.kind,
            "instructions": one.name,
            "name": one.value or one.name,
            "required": one.required,
            "options": [_option_json(below) for below in one.options],
        }
        | _ids(one)
        | _kept(one)
    )


def _option_json(one: Option) -> dict[str, Any]:
    return (
        {
            "label": one.name,
            "value": one.value or one.name,
            "options": [_question_json(below) for below in one.classifications],
        }
        | _ids(one)
        | _kept(one)
    )


def write(found: Ontology, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write the platform's JSON to a file.

    Raises
    ------
    UsageError
        There is such a file already, or a tool is of a kind the platform does not have.
    """
    data = msgspec.json.format(msgspec.json.encode(to_json(found)), indent=1)
    with staged_file(path, overwrite=overwrite) as place:
        place.write_bytes(data + b"\n")
