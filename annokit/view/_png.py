"""A scene as PNG, drawn with Pillow: shapes at three times the size, then reduced, for smooth edges."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFont, UnidentifiedImageError

from annokit.errors import InputError, LimitExceeded
from annokit.io.limits import Limits
from annokit.model.base import Floats
from annokit.view._scene import Canvas, Dot, Item, Path, Photo, Scene, Words, printable

__all__ = ["to_png"]

_FINE = 3
_Box: TypeAlias = tuple[int, int, int, int]
_Points: TypeAlias = list[tuple[float, float]]
_Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


def to_png(scene: Scene, limits: Limits) -> bytes:
    """The scene as the bytes of a PNG file."""
    size = math.ceil(scene.width), math.ceil(scene.height)
    if math.prod(size) > limits.max_pixels:
        raise LimitExceeded(
            f"the picture has {size[0]} x {size[1]} pixels, over the limit max_pixels of {limits.max_pixels}",
            hint="draw it as SVG, which has no such limit",
        )
    image = Image.new("RGB", size, "white")
    _paint(image, scene.items, _decoded(scene.photo, limits))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _decoded(photo: tuple[bytes, str] | None, limits: Limits) -> Image.Image | None:
    if photo is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # checked here, by our limit
            image = Image.open(io.BytesIO(photo[0]))
        limits.check("max_pixels", image.width * image.height)
        return image.convert("RGB")
    except Image.DecompressionBombError as error:
        raise LimitExceeded(f"the row's image: {error}") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InputError(f"cannot decode the row's image: {error}") from error


def _paint(image: Image.Image, items: Iterable[Item], photo: Image.Image | None) -> None:
    for item in items:
        match item:
            case Path():
                _path(image, item)
            case Dot():
                _dot(image, item)
            case Words():
                font = _font(item.size, item.bold, item.mono)
                ImageDraw.Draw(image).text(
                    (item.x, item.y), printable(item.text), item.color, font, anchor="ls"
                )
            case Photo():
                if photo is not None:
                    image.paste(photo.resize(image.size, Image.Resampling.LANCZOS))
            case Canvas():
                left, top = round(item.x), round(item.y)
                inside = (left, top, left + math.ceil(item.width), top + math.ceil(item.height))
                part = image.crop(inside)
                _paint(part, item.items, photo)
                image.paste(part, (left, top))


def _path(image: Image.Image, path: Path) -> None:
    rings = [ring for ring in path.rings if len(ring)]
    if not rings:
        return
    box = _bounds(rings, path.line, image.size)
    if path.fill:
        _stamp(image, box, path.color, path.fill, lambda mask: _fill(mask, [_fine(r, box) for r in rings]))
    if path.line:
        lines = [_fine(np.concatenate([r, r[:2]]) if path.closed else r, box) for r in rings]
        width = round(path.line * _FINE)
        _stamp(image, box, path.color, path.strength, lambda mask: _stroke(mask, lines, width))


def _bounds(rings: Sequence[Floats], margin: float, size: tuple[int, int]) -> _Box:
    """The part of the image that is touched."""
    points = np.concatenate(rings)
    left, top = np.floor(points.min(axis=0) - margin - 1).astype(int).tolist()
    right, bottom = np.ceil(points.max(axis=0) + margin + 1).astype(int).tolist()
    return max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])


def _fine(ring: Floats, box: _Box) -> _Points:
    points: list[list[float]] = ((ring - box[:2]) * _FINE).tolist()
    return [(x, y) for x, y in points]


def _stamp(
    image: Image.Image, box: _Box, color: str, opacity: float, draw: Callable[[Image.Image], None]
) -> None:
    """Lay a colour over the part of the image that `draw` sets in a mask of finer pixels."""
    width, height = box[2] - box[0], box[3] - box[1]
    if width <= 0 or height <= 0:
        return
    mask = Image.new("1", (width * _FINE, height * _FINE))
    draw(mask)
    smooth = mask.convert("L").reduce(_FINE)
    image.paste(color, (box[0], box[1]), smooth.point([round(level * opacity) for level in range(256)]))


def _fill(mask: Image.Image, rings: Sequence[_Points]) -> None:
    """Even-odd: each ring turns over what lies inside it."""
    for ring in rings:
        if len(ring) < 2:
            continue
        box = _bounds([np.array(ring)], 0, mask.size)
        if box[2] <= box[0] or box[3] <= box[1]:
            continue
        part = Image.new("1", (box[2] - box[0], box[3] - box[1]))
        ImageDraw.Draw(part).polygon([(x - box[0], y - box[1]) for x, y in ring], fill=1)
        mask.paste(ImageChops.logical_xor(mask.crop(box), part), box[:2])


def _stroke(mask: Image.Image, lines: Sequence[_Points], width: int) -> None:
    draw = ImageDraw.Draw(mask)
    for line in lines:
        draw.line(line, fill=1, width=width, joint="curve")


def _dot(image: Image.Image, dot: Dot) -> None:
    center = np.array([(dot.x, dot.y)])
    box = _bounds([center], dot.radius + 1, image.size)
    (x, y) = _fine(center, box)[0]
    outer, inner = (dot.radius + 0.75) * _FINE, (dot.radius - 0.75) * _FINE

    def disc(radius: float, *, hole: bool = False) -> Callable[[Image.Image], None]:
        def draw(mask: Image.Image) -> None:
            pen = ImageDraw.Draw(mask)
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
            if hole:
                pen.ellipse((x - inner, y - inner, x + inner, y + inner), fill=0)

        return draw

    if dot.filled:
        _stamp(image, box, "#ffffff", 1.0, disc(outer))
        _stamp(image, box, dot.color, 1.0, disc(inner))
    else:
        _stamp(image, box, dot.color, 1.0, disc(outer, hole=True))


@cache
def _font(size: float, bold: bool, mono: bool) -> _Font:
    """DejaVu where the system has it, for its many letters; else the one Pillow brings."""
    name = f"DejaVuSans{'Mono' if mono else ''}{'-Bold' if bold else ''}.ttf"
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return ImageFont.load_default(size)
