"""A data row as a scene: a panel for each label, side by side, and a legend of the classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from annokit.errors import shown
from annokit.model import Annotation, Classification, DataRow, Label, ObjectAnnotation, Relationship, TextSpan
from annokit.report import kind_of
from annokit.view._colors import Palette
from annokit.view._scene import Canvas, Item, Path, Photo, Scene, Words, box_ring, text_width
from annokit.view._shapes import Mark, answered, draw_shapes, shape_mark
from annokit.view._text import SpanMark, draw_text, span_mark

__all__ = ["compose"]

_MARGIN, _GAP, _LINE = 16.0, 20.0, 17.0
_GREY = "#52606d"
_ALONE, _BESIDE = (640.0, 1280.0), (480.0, 720.0)
"""The least and the greatest long side of a panel: alone, and beside others."""
_COLUMNS = 3
_MOST_CLASSES = 60
_NOTHING = (640.0, 80.0)
"""The canvas of a row of unknown size that has nothing to draw."""
_BOLD = 1.1


@dataclass(slots=True)
class _Content:
    """What one label has: shapes or spans to draw, and lines of text for what cannot be drawn."""

    label: Label
    shapes: list[Mark] = field(default_factory=list)
    spans: list[SpanMark] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


_Classes = Counter[tuple[str, str]]
"""How often each class name and colour occurs."""


def compose(row: DataRow, palette: Palette, photo: tuple[bytes, str] | None) -> Scene:
    """The picture of a row, with the image behind its shapes where there is one."""
    classes: _Classes = Counter()
    contents = [_sorted_out(row, label, palette, classes) for label in row.labels or (Label(),)]
    size = _size(row, [mark for content in contents for mark in content.shapes])
    panels = [_panel(row, content, size, has_photo=photo is not None) for content in contents]
    widest = max(panel.width for panel in panels)
    columns = min(len(panels), _COLUMNS)
    width = max(widest * columns + _GAP * (columns - 1), 360.0) + 2 * _MARGIN
    items = _heading(row, width - 2 * _MARGIN)
    y = _grid(panels, widest, 68.0, items)
    y = _legend(classes, width - _MARGIN, y, items)
    paper = Path([box_ring(0, 0, width, y)], "#ffffff", fill=1.0)
    return Scene(width, y, [paper, *items], photo)


def _sorted_out(row: DataRow, label: Label, palette: Palette, classes: _Classes) -> _Content:
    content = _Content(label)
    for annotation in label.annotations:
        _take_in(annotation, row, palette, content, classes)
    return content


def _take_in(
    annotation: Annotation, row: DataRow, palette: Palette, content: _Content, classes: _Classes
) -> None:
    if isinstance(annotation, Classification):
        content.notes.append(answered(annotation))
        return
    name = shown(annotation.tool_name, 32)
    if isinstance(annotation, Relationship):
        ends = [shown(end or "?", 20) for end in (annotation.source, annotation.target)]
        content.notes.append(f"{name}: {ends[0]} → {ends[1]}")
        return
    tool, color = palette.tool(annotation)
    classes[name, color] += 1
    text = row.asset.text
    if text is None and (shape := shape_mark(annotation, row, tool, color)):
        content.shapes.append(shape)
    elif text is not None and (span := span_mark(annotation, text, color, name)):
        content.spans.append(span)
    else:
        content.notes.append(f"{name}: {_kind(annotation)}, not drawn")


def _size(row: DataRow, marks: Sequence[Mark]) -> tuple[float, float]:
    """The row's own size, else what the shapes need."""
    if row.asset.width and row.asset.height:
        return float(row.asset.width), float(row.asset.height)
    if not marks:
        return _NOTHING
    corner = np.max([mark.outline.all_points().max(axis=0) for mark in marks], axis=0)
    width, height = np.clip(corner * 1.05, 1.0, None).tolist()
    return width, height


def _heading(row: DataRow, width: float) -> list[Item]:
    asset = row.asset
    facts = [shown(asset.media_type)]
    if asset.width and asset.height:
        facts.append(f"{asset.width} x {asset.height}")
    if row.id != row.name:
        facts.append(f"id {shown(row.id)}")
    return [
        Words(_MARGIN, 34, _cut(shown(row.name, 200), width / _BOLD, 18), 18, bold=True),
        Words(_MARGIN, 54, _cut("  ·  ".join(facts), width, 12), 12, _GREY),
    ]


def _panel(row: DataRow, content: _Content, size: tuple[float, float], *, has_photo: bool) -> Canvas:
    title = _title(content.label, len(row.labels))
    top = 22.0 if len(row.labels) != 1 or title else 0.0
    canvas = _drawing(row, content, size, top, has_photo=has_photo)
    width = max(canvas.width, 240.0)
    items: list[Item] = [Words(0, 14, _cut(title, width / _BOLD, 14), 14, bold=True)] if title else []
    items.append(canvas)
    y = top + canvas.height + 4
    for note, n in Counter(content.notes).items():
        y += _LINE
        items.append(Words(0, y - 3, _cut(note if n == 1 else f"{note}  ({n} times)", width, 12), 12, _GREY))
    return Canvas(0, 0, width, y + 2, items)


def _title(label: Label, labels: int) -> str:
    if labels == 0:
        return "no labels"
    name = label.annotator_id or (f"label {label.id}" if label.id and labels > 1 else "")
    marks = {
        "benchmark": label.is_benchmark,
        "selected": label.is_selected,
        "skipped": label.skipped,
        label.origin: label.origin != "human",
    }
    return "  ·  ".join([shown(name, 48)] * bool(name) + [word for word, on in marks.items() if on])


def _drawing(
    row: DataRow, content: _Content, size: tuple[float, float], top: float, *, has_photo: bool
) -> Canvas:
    if row.asset.text is not None:
        return draw_text(row.asset.text, content.spans, top)
    least, most = _ALONE if len(row.labels) < 2 else _BESIDE
    scale = min(max(*size, least), most) / max(size)
    width, height = max(size[0] * scale, 1.0), max(size[1] * scale, 1.0)
    ground: list[Item] = [Path([box_ring(0, 0, width, height)], "#e4e7eb", fill=1.0)]
    if has_photo:
        ground.append(Photo())
    return Canvas(0, top, width, height, [*ground, *draw_shapes(content.shapes, scale, width, height)])


def _grid(panels: Sequence[Canvas], widest: float, y: float, items: list[Item]) -> float:
    """Place the panels row by row; gives where the last row ends."""
    for start in range(0, len(panels), _COLUMNS):
        beside = panels[start : start + _COLUMNS]
        for column, panel in enumerate(beside):
            x = _MARGIN + column * (widest + _GAP)
            items.append(Canvas(x, y, panel.width, panel.height, panel.items))
        y += max(panel.height for panel in beside) + _GAP
    return y


def _legend(classes: _Classes, right: float, y: float, items: list[Item]) -> float:
    """Colour, name and count of each class, in as many lines as it takes; gives where it ends."""
    if not classes:
        return y
    x, y = _MARGIN, y + 4
    for (name, color), n in list(classes.items())[:_MOST_CLASSES]:
        text = f"{name}  {n}"
        wide = 18 + text_width(text, 12) + 14
        if x > _MARGIN and x + wide > right:
            x, y = _MARGIN, y + 22
        items.append(Path([box_ring(x, y - 8, 12, 12)], color, fill=1.0))
        items.append(Words(x + 18, y + 2, text, 12))
        x += wide
    if len(classes) > _MOST_CLASSES:
        y += 22
        items.append(Words(_MARGIN, y + 2, f"and {len(classes) - _MOST_CLASSES} more classes", 12, _GREY))
    return y + 22


def _cut(text: str, width: float, size: float) -> str:
    """`text` with its end cut off where it would not fit."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text, size) > width - size:
        text = text[:-1]
    return text + "…"


def _kind(annotation: Annotation) -> str:
    if isinstance(annotation, ObjectAnnotation) and isinstance(annotation.geometry, TextSpan):
        return f"characters {annotation.geometry.start} to {annotation.geometry.end}"
    kind = kind_of(annotation).removeprefix("object:").replace("_", " ")
    page = annotation.page if isinstance(annotation, ObjectAnnotation) else None
    return kind if page is None else f"{kind} on page {page}"
