"""The ontology as a table, one row a tool, question or option, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from annokit.errors import ReferenceProblem, Where
from annokit.model import Ontology, Option, Tool
from annokit.tables.jsontext import built, from_json
from annokit.tables.schema import SCHEMAS, record_batch

__all__ = ["from_ontology", "to_ontology"]

_OWN = ("name", "kind", "id", "value", "color", "required", "keypoints", "skeleton")
_Children = dict[tuple[int | None, str], list[Any]]


def from_ontology(ontology: Ontology) -> pa.Table:
    """A row for each node, parents before children; `parent_index` is null at the top.

    `role` is `tool` (marks objects), `classification` (asks) or `option` (an answer); what only one
    format knows of the whole ontology stands in a row of role `ontology`.

    >>> from_ontology(Ontology(tools=(Tool(name="car", kind="box"),))).select(["role", "name"]).to_pylist()
    [{'role': 'tool', 'name': 'car'}]
    """
    nodes: list[dict[str, Any]] = []
    if ontology.extra:
        _add(nodes, "ontology", None, ontology)
    _add_tools(nodes, "tool", None, ontology.tools)
    _add_tools(nodes, "classification", None, ontology.classifications)
    columns = {name: [node[name] for node in nodes] for name in SCHEMAS["ontology"].names}
    return pa.Table.from_batches([record_batch("ontology", columns)])


def _add(nodes: list[dict[str, Any]], role: str, parent: int | None, node: Any) -> int:
    own = {name: getattr(node, name, None) for name in _OWN}
    place = {"index": len(nodes), "role": role, "parent_index": parent}
    nodes.append(place | own | {"extra": node.extra})
    return len(nodes) - 1


def _add_tools(nodes: list[dict[str, Any]], role: str, parent: int | None, tools: Iterable[Tool]) -> None:
    for tool in tools:
        here = _add(nodes, role, parent, tool)
        for option in tool.options:
            _add_tools(nodes, "classification", _add(nodes, "option", here, option), option.classifications)
        _add_tools(nodes, "classification", here, tool.classifications)


def to_ontology(table: pa.Table, where: Where) -> Ontology:
    """The ontology of such a table.

    Raises
    ------
    AnnokitError
        A row that cannot be what its role says, or that stands under none of the rows before it.
    """
    children: _Children = {}
    for node in sorted(table.to_pylist(), key=lambda node: node["index"], reverse=True):
        siblings = children.setdefault((node["parent_index"], node["role"]), [])
        siblings.append(_record(node, children))
    tools, questions = (_under(children, None, role) for role in ("tool", "classification"))
    extra = {} if not (whole := _under(children, None, "ontology")) else whole[0].extra
    if children:
        parent, role = next(iter(children))
        raise ReferenceProblem(f"expected row {parent} before the {role} under it", where=where)
    return Ontology(tools=tools, classifications=questions, extra=extra)


def _record(node: dict[str, Any], children: _Children) -> Tool | Option | Ontology:
    own = {name: node[name] for name in _OWN}
    if node["extra"] is not None:
        own["extra"] = from_json(node["extra"], dict[str, Any], "extra")
    if node["role"] == "ontology":
        return built(Ontology, {"extra": own.get("extra")})
    questions = _under(children, node["index"], "classification")
    if node["role"] == "option":
        return built(Option, own | {"classifications": questions})
    return built(
        Tool, own | {"classifications": questions, "options": _under(children, node["index"], "option")}
    )


def _under(children: _Children, parent: int | None, role: str) -> tuple[Any, ...]:
    return tuple(reversed(children.pop((parent, role), [])))
