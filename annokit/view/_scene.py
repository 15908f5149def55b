"""What a picture is made of, in pixels from the top left: one description, drawn as SVG or as PNG."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from annokit.model.base import Floats

__all__ = [
    "MONO_ADVANCE",
    "Canvas",
    "Dot",
    "Item",
    "Path",
    "Photo",
    "Scene",
    "Words",
    "box_ring",
    "printable",
    "text_width",
]

MONO_ADVANCE = 0.602
"""Width of a character of a monospaced font, as a share of its size."""


@dataclass(frozen=True, slots=True)
class Path:
    """Rings, or open lines, in one colour; rings within rings are holes (even-odd)."""

    rings: Sequence[Floats]
    color: str
    fill: float = 0.0
    """Opacity of the inside."""
    line: float = 0.0
    """Width of the outline."""
    strength: float = 1.0
    """Opacity of the outline."""
    closed: bool = True
    title: str = ""


@dataclass(frozen=True, slots=True)
class Dot:
    """A filled circle with a white rim, or only its outline."""

    x: float
    y: float
    radius: float
    color: str
    filled: bool = True
    title: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """One line of text; `y` is its baseline."""

    x: float
    y: float
    text: str
    size: float
    color: str = "#1f2933"
    bold: bool = False
    mono: bool = False


@dataclass(frozen=True, slots=True)
class Photo:
    """The scene's image, filling its canvas."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """A frame whose items have coordinates of their own and are cut off at its borders."""

    x: float
    y: float
    width: float
    height: float
    items: Sequence[Item]


Item: TypeAlias = Path | Dot | Words | Photo | Canvas


@dataclass(frozen=True, slots=True)
class Scene:
    """A whole picture; `photo` holds the bytes of the image and its media type."""

    width: float
    height: float
    items: Sequence[Item]
    photo: tuple[bytes, str] | None = field(default=None, repr=False)


def box_ring(x: float, y: float, width: float, height: float) -> Floats:
    """The four corners of a rectangle."""
    return np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])


_NOT_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def printable(text: str) -> str:
    """`text` without what neither XML nor a font takes: control characters and halves of pairs."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


_NARROW, _WIDE = frozenset(" !'(),.:;I[]fijlrt|"), frozenset("@MWmw%&")


def text_width(text: str, size: float) -> float:
    """About how wide a line of a sans-serif font is; rather too much than too little."""
    return size * sum(map(_advance, text))


def _advance(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 1.05
    if character in _NARROW:
        return 0.4
    if character in _WIDE:
        return 1.0
    return 0.72 if character.isupper() else 0.64
