"""One colour for each class, the same in every picture of a dataset."""

from __future__ import annotations

import colorsys
import re

from annokit.model import ObjectAnnotation, Ontology, Tool, Track

__all__ = ["Palette", "ink_on"]

# Okabe and Ito's colours without black, then Paul Tol's muted ones: told apart by every kind of sight.
_COLORS = (
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#f0e442",
    "#d55e00",
    "#cc79a7",
    "#0072b2",
    "#44aa99",
    "#cc6677",
    "#ddcc77",
    "#88ccee",
    "#aa4499",
    "#999933",
    "#117733",
    "#882255",
    "#332288",
)
_GOLDEN = 0.6180339887498949


class Palette:
    """The tool and the colour of each class: the ontology's own, else by its place in the ontology."""

    def __init__(self, ontology: Ontology | None) -> None:
        self._tools: list[Tool] = []
        self._by_key: dict[tuple[str | None, str], int] = {}
        for tool in ontology.tools if ontology else ():
            self._add(tool)

    def _add(self, tool: Tool) -> int:
        self._tools.append(tool)
        self._by_key.setdefault((None, tool.name), len(self._tools) - 1)
        return self._by_key.setdefault((tool.id, tool.name), len(self._tools) - 1)

    def tool(self, annotation: ObjectAnnotation | Track) -> tuple[Tool, str]:
        """Its class, which is taken in when it is new, and the colour."""
        name, tool_id = annotation.tool_name, annotation.tool_id
        place = self._by_key.get((tool_id, name), self._by_key.get((None, name)))
        if place is None:
            place = self._add(Tool(name=name, id=tool_id))
        tool = self._tools[place]
        return tool, _plain(tool.color) or _color(place)


def _plain(color: str | None) -> str | None:
    """A colour as #rrggbb; None for anything else, which must not get into a picture."""
    found = re.fullmatch(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})", color or "")
    if found is None:
        return None
    digits = found[1].lower()
    return f"#{digits}" if len(digits) == 6 else "#" + "".join(digit * 2 for digit in digits)


def _color(place: int) -> str:
    if place < len(_COLORS):
        return _COLORS[place]
    lightness = (0.45, 0.6, 0.72)[place % 3]
    red, green, blue = colorsys.hls_to_rgb(place * _GOLDEN % 1.0, lightness, 0.65)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def ink_on(color: str) -> str:
    """Black or white, whichever can be read on a colour.

    >>> ink_on("#f0e442"), ink_on("#332288")
    ('#000000', '#ffffff')
    """
    red, green, blue = bytes.fromhex(color[1:])
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 130 else "#ffffff"
