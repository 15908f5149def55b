"""A scene as SVG, written by hand: every text is escaped, every number finite."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape

from annokit.model.base import Floats
from annokit.view._scene import Canvas, Dot, Item, Path, Photo, Scene, Words, printable

__all__ = ["to_svg"]

_SANS = "'DejaVu Sans', Verdana, 'Segoe UI', Helvetica, Arial, sans-serif"
_MONO = "'DejaVu Sans Mono', Menlo, Consolas, monospace"


def to_svg(scene: Scene) -> bytes:
    """The scene as one self-contained SVG document."""
    size = f'width="{_number(scene.width)}" height="{_number(scene.height)}"'
    box = f'viewBox="0 0 {_number(scene.width)} {_number(scene.height)}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} font-family="{_SANS}">',
        *_photo(scene),
        *_items(scene.items, scene.width, scene.height),
        "</svg>",
    ]
    return "\n".join(lines).encode() + b"\n"


def _items(items: Iterable[Item], width: float, height: float) -> Iterator[str]:
    for item in items:
        match item:
            case Path():
                yield _path(item)
            case Dot():
                yield _dot(item)
            case Words():
                yield _words(item)
            case Photo():
                yield f'<use href="#photo" transform="scale({_number(width)} {_number(height)})"/>'
            case Canvas():
                place = f'x="{_number(item.x)}" y="{_number(item.y)}"'
                size = f'width="{_number(item.width)}" height="{_number(item.height)}"'
                yield f'<svg {place} {size} overflow="hidden">'
                yield from _items(item.items, item.width, item.height)
                yield "</svg>"


def _path(path: Path) -> str:
    data = " ".join(_points(ring) + ("Z" if path.closed else "") for ring in path.rings if len(ring))
    fill = f'fill="{path.color}" fill-opacity="{_number(path.fill)}"' if path.fill else 'fill="none"'
    line = ""
    if path.line:
        line = f' stroke="{path.color}" stroke-width="{_number(path.line)}" stroke-linejoin="round"'
        line += f' stroke-opacity="{_number(path.strength)}"' if path.strength < 1 else ""
    return _titled("path", f'd="{data}" {fill} fill-rule="evenodd"{line}', path.title)


def _points(ring: Floats) -> str:
    return "M" + " ".join(f"{_number(x)},{_number(y)}" for x, y in ring.tolist())


def _dot(dot: Dot) -> str:
    place = f'cx="{_number(dot.x)}" cy="{_number(dot.y)}" r="{_number(dot.radius)}"'
    fill, line = (dot.color, "#ffffff") if dot.filled else ("none", dot.color)
    return _titled("circle", f'{place} fill="{fill}" stroke="{line}" stroke-width="1.5"', dot.title)


def _titled(tag: str, attributes: str, title: str) -> str:
    inside = f"<title>{_text(title)}</title>" if title else ""
    return f"<{tag} {attributes}>{inside}</{tag}>" if inside else f"<{tag} {attributes}/>"


def _words(words: Words) -> str:
    style = ' font-weight="bold"' if words.bold else ""
    style += f' font-family="{_MONO}"' if words.mono else ""
    place = f'x="{_number(words.x)}" y="{_number(words.y)}" font-size="{_number(words.size)}"'
    return f'<text {place} fill="{words.color}"{style} xml:space="preserve">{_text(words.text)}</text>'


def _photo(scene: Scene) -> Iterator[str]:
    """The image once, one unit wide and high, for all panels to use.

    It is shown as it is stored: no rotation by its EXIF data, which the shapes do not know of.
    """
    if scene.photo is not None:
        data, media_type = scene.photo
        link = f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
        style = 'preserveAspectRatio="none" style="image-orientation:none"'
        yield f'<defs><image id="photo" width="1" height="1" {style} href="{link}"/></defs>'


def _text(text: str) -> str:
    return escape(printable(text))


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
