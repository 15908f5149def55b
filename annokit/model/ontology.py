"""The class catalogue: an ontology has tools, a tool that asks has options."""

from __future__ import annotations

from typing import Any

from annokit.model.base import DEEPEST, Record, check_depth

__all__ = ["Ontology", "Option", "Tool"]


class Option(Record, kw_only=True):
    """One possible answer, with the questions that follow it."""

    name: str
    id: str | None = None
    value: str | None = None
    classifications: tuple[Tool, ...] = ()
    extra: dict[str, Any] = {}


class Tool(Record, kw_only=True):
    """A class of objects (`kind` box, polygon, mask, ...) or a question (radio, checklist, text)."""

    name: str
    kind: str | None = None
    id: str | None = None
    value: str | None = None
    color: str | None = None
    required: bool = False
    options: tuple[Option, ...] = ()
    classifications: tuple[Tool, ...] = ()
    keypoints: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
    extra: dict[str, Any] = {}

    def __post_init__(self) -> None:
        check_depth(self, "options", DEEPEST + 1)  # with the object the questions are about


class Ontology(Record, tag="ontology", tag_field="type", kw_only=True):
    """All classes of a dataset, in a stable order.

    `tools` mark objects, `classifications` ask about the whole data row. Names may repeat, so
    annotations point at tools by id where the source has ids.
    """

    tools: tuple[Tool, ...] = ()
    classifications: tuple[Tool, ...] = ()
    extra: dict[str, Any] = {}
