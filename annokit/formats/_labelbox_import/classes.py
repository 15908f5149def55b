"""How import files name classes: by name, by schema id, or both; an ontology knows the ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

from annokit.formats._labelbox.shapes import NoPlace
from annokit.model import Answer, Classification, ObjectAnnotation, Ontology, Relationship, Tool, Track

__all__ = ["ID_LENGTH", "By", "Namer"]

By: TypeAlias = Literal["name", "schema-id", "both"]
ID_LENGTH = 25
_SAME = {"mask_reference": "mask", "token_span": "text_span", "rotated_box": "polygon"}


class Namer:
    """Gives the keys `name` and `schemaId` of classes, questions and answers.

    Parameters
    ----------
    by : {"name", "schema-id", "both"}
        Which keys.
    ontology : Ontology or None
        Where ids are looked up; what it does not have is refused.
    """

    def __init__(self, by: By, ontology: Ontology | None) -> None:
        self._by, self._ontology = by, ontology

    def tool(self, one: ObjectAnnotation | Track | Relationship, kind: str) -> tuple[dict[str, Any], _Scope]:
        """The keys of an object, and where questions about it are looked up.

        Raises
        ------
        NoPlace
            It has no name, or the ontology has no such class.
        """
        if self._ontology is None:
            return self._keys(one.tool_name, one.tool_id), None
        wanted = _SAME.get(kind, kind)
        found = _found(self._ontology.tools, one.tool_name, one.tool_id, wanted)
        return self._of(found, one.tool_name, f"a {wanted.replace('_', ' ')}"), _below(found)

    def question(self, one: Classification, scope: _Scope, *, top: bool) -> tuple[dict[str, Any], _Answers]:
        """The keys of a question, and where its answers are looked up."""
        if self._ontology is None:
            return self._keys(one.tool_name, one.tool_id), None
        among = self._ontology.classifications if top else scope or ()
        found = _found(among, one.tool_name, one.tool_id, None)
        return self._of(found, one.tool_name, "a question"), found

    def answer(self, one: Answer, question: _Answers) -> tuple[dict[str, Any], _Scope]:
        """The keys of an answer, and where questions below it are looked up."""
        if question is None:
            return self._keys(one.name, one.option_id), None
        for option in question.options:
            if one.name in (option.name, option.value) or (one.option_id and one.option_id == option.id):
                return self._keys(option.name, option.id), option.classifications
        raise self._lacks(one.name, f"an answer to {question.name!r}")

    def _of(self, found: Tool | None, name: str, what: str) -> dict[str, Any]:
        if found is None:
            raise self._lacks(name, what)
        return self._keys(found.name, found.id)

    @staticmethod
    def _lacks(name: str, what: str) -> NoPlace:
        return NoPlace(f"the ontology has no {name!r} as {what}", "not-in-ontology")

    def _keys(self, name: str, schema_id: str | None) -> dict[str, Any]:
        """A name that is the id stands for none."""
        named = {"name": name} if name and name != schema_id else {}
        known = {"schemaId": schema_id} if schema_id and len(schema_id) == ID_LENGTH else {}
        if self._by == "name":
            known = {} if named else known
        elif self._by == "schema-id":
            if not known:
                raise NoPlace("no schema id of its class is known (--ontology FILE has them)", "no-schema-id")
            named = {}
        if not named | known:
            raise NoPlace("a class needs a name")
        return named | known


_Scope: TypeAlias = Sequence[Tool] | None
_Answers: TypeAlias = Tool | None


def _below(tool: Tool | None) -> Sequence[Tool]:
    return () if tool is None else tool.classifications


def _found(among: Iterable[Tool], name: str, schema_id: str | None, kind: str | None) -> Tool | None:
    """By id, else by name; of several of one name the one of the right kind."""
    fits = [
        tool
        for tool in among
        if (kind is None or tool.kind == kind)
        and (name in (tool.name, tool.value) or (schema_id and tool.id == schema_id))
    ]
    exact = [tool for tool in fits if schema_id and tool.id == schema_id]
    return next(iter(exact or fits), None)
