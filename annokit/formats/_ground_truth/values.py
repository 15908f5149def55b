"""The values of label attributes in a manifest, as its JSON has them."""

from __future__ import annotations

from typing import Any

import msgspec

from annokit.io.salvage import Wire

__all__ = ["Boxes", "Color", "Spans", "StatedBox"]


class StatedBox(Wire):
    unit = "object:box"
    left: float
    top: float
    width: float
    height: float
    class_id: int | str | None = None
    label: str | None = None


class Size(Wire):
    width: int
    height: int
    depth: int | None = None


class Boxes(Wire):
    annotations: list[StatedBox]
    image_size: list[Size] = []


class Entity(Wire, rename="camel"):
    unit = "object:text_span"
    label: str
    start_offset: int
    end_offset: int


class Entities(Wire):
    entities: list[Entity]
    labels: Any = None


class Spans(Wire):
    annotations: Entities


class Color(msgspec.Struct, rename="kebab"):
    class_name: str
    hex_color: str | None = None
    confidence: float | None = None
