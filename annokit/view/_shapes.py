"""Shapes in an image: fills and outlines, with a tag that names the class of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annokit.errors import shown
from annokit.model import Classification, DataRow, Geometry, ObjectAnnotation, Tool, Track
from annokit.model.base import Floats
from annokit.view._colors import ink_on
from annokit.view._outline import Outline, outline
from annokit.view._scene import Dot, Item, Path, Words, box_ring, text_width

__all__ = ["Mark", "answered", "draw_shapes", "shape_mark"]

_FILL = {"mask": 0.45, "box": 0.1, "rotated_box": 0.1, "polygon": 0.35}
_LINE, _HALO, _DOT = 2.0, 4.0, 4.5
_TAG_SIZE, _TAG_HEIGHT, _TAG_PAD = 12.0, 17.0, 4.0
_MOST_TAGS = 200
_FAR = 1e5
"""Pixels from the canvas; drawing programs choke on coordinates much farther out."""

_Rect = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Mark:
    """One shape to draw, in pixels of its row."""

    outline: Outline
    kind: str
    color: str
    name: str
    title: str


def shape_mark(annotation: ObjectAnnotation | Track, row: DataRow, tool: Tool, color: str) -> Mark | None:
    """How to draw an annotation; None where it has no place in an image. A track shows its first frame."""
    scale: tuple[float, float] = (1.0, 1.0)
    geometry: Geometry
    if isinstance(annotation, Track):
        if not len(annotation.frames):
            return None
        geometry = annotation.geometry(0)
        frame: int | None = int(annotation.frames[0])
    else:
        geometry, frame = annotation.geometry, annotation.frame
        if annotation.space == "normalised" and row.asset.width and row.asset.height:
            scale = (row.asset.width, row.asset.height)
        elif annotation.space != "pixel":
            return None
    found = outline(geometry, tool.skeleton)
    if found is None:
        return None
    name = _name(annotation, frame)
    title = "\n".join([name, *map(answered, annotation.classifications)])
    return Mark(found.scaled(*scale), geometry.kind, color, name, title)


def _name(annotation: ObjectAnnotation | Track, frame: int | None) -> str:
    parts = [shown(annotation.tool_name, 32)]
    if annotation.confidence is not None:
        parts.append(f"{annotation.confidence:.2f}")
    if frame is not None:
        parts.append(f"frame {frame}")
    if isinstance(annotation, ObjectAnnotation):
        parts += ["(crowd)"] * annotation.is_crowd
        parts += [f"page {annotation.page}"] * (annotation.page is not None)
    return " ".join(parts)


def answered(classification: Classification) -> str:
    """A question with its answers on one line, nested ones in brackets."""
    nested = [answered(inner) for inner in classification.classifications]
    answers = [shown(classification.text, 60)] if classification.text is not None else []
    for answer in classification.answers:
        inner = [answered(question) for question in answer.classifications]
        answers.append(shown(answer.name, 32) + (f" ({'; '.join(inner)})" if inner else ""))
    text = f"{shown(classification.tool_name, 32)}: {', '.join(answers) or '-'}"
    return text + (f" ({'; '.join(nested)})" if nested else "")


def draw_shapes(marks: Sequence[Mark], scale: float, width: float, height: float) -> list[Item]:
    """All shapes on a canvas, the large ones first, and their tags above them."""
    placed = [(mark, mark.outline.scaled(scale, scale, _FAR)) for mark in marks]
    placed.sort(key=lambda pair: -_area(pair[1]))
    items = [item for mark, where in placed for item in _draw(mark, where)]
    if len(placed) <= _MOST_TAGS:
        taken: list[_Rect] = []
        for mark, where in placed:
            items += _tag(mark, where, width, height, taken)
    return items


def _area(where: Outline) -> float:
    points = where.all_points()
    return float(np.prod(np.ptp(points, axis=0)))


def _draw(mark: Mark, where: Outline) -> list[Item]:
    items: list[Item] = []
    for coords, closed in ((where.rings, True), (where.lines, False)):
        if coords:
            fill = _FILL[mark.kind] if closed else 0.0
            items.append(Path(coords, "#000000", line=_HALO, strength=0.35, closed=closed))
            items.append(Path(coords, mark.color, fill, _LINE, closed=closed, title=mark.title))
    for (x, y), filled in zip(where.points.tolist(), where.filled, strict=True):
        items.append(Dot(x, y, _DOT, mark.color, filled, mark.title))
    return items


def _tag(mark: Mark, where: Outline, width: float, height: float, taken: list[_Rect]) -> list[Item]:
    """The class name on its colour, inside the canvas and beside the other tags where there is room."""
    wide = text_width(mark.name, _TAG_SIZE) + 2 * _TAG_PAD
    spots = [
        (min(max(x, 0.0), max(width - wide, 0.0)), min(max(y, 0.0), max(height - _TAG_HEIGHT, 0.0)))
        for x, y in _spots(np.clip(where.all_points(), 0, (width, height)), wide)
    ]
    x, y = next((spot for spot in spots if not _covered(spot, wide, taken)), spots[0])
    taken.append((x, y, x + wide, y + _TAG_HEIGHT))
    ground = Path([box_ring(x, y, wide, _TAG_HEIGHT)], mark.color, fill=0.85)
    return [ground, Words(x + _TAG_PAD, y + 12.8, mark.name, _TAG_SIZE, ink_on(mark.color))]


def _spots(points: Floats, wide: float) -> list[tuple[float, float]]:
    """Where a tag may go: above the highest point, below, beside, inside, and a little further off."""
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    peak = float(points[points[:, 1] <= top + 1, 0].min())
    above, middle = top - _TAG_HEIGHT, (top + bottom - _TAG_HEIGHT) / 2
    spots = [(peak, above), (left, bottom), (right, middle), (left - wide, middle), (peak, top)]
    return spots + [(peak, above - step * _TAG_HEIGHT) for step in (1, 2, 3)]


def _covered(spot: tuple[float, float], wide: float, taken: Sequence[_Rect]) -> bool:
    x, y = spot
    return any(
        x < right and x + wide > left and y < bottom and y + _TAG_HEIGHT > top
        for left, top, right, bottom in taken
    )
