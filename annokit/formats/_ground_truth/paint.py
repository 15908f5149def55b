"""Painting the masks and polygons of a row into the PNG of a semantic segmentation job."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from annokit.formats._confidence import share_of
from annokit.formats._masks.paint import paint
from annokit.geometry.pixels import pixels_of
from annokit.model import ObjectAnnotation
from annokit.report import Report, kind_of

__all__ = ["MOST_CLASSES", "Canvas", "color_of", "painted"]

MOST_CLASSES = 255
"""Of one image: a PNG with a palette has no more colours beside the background."""

_COLORS = ["2ca02c", "1f77b4", "ff7f0e", "d62728", "9467bd", "8c564b", "e377c2", "7f7f7f", "bcbd22", "17becf"]
_LOST = {
    "size-mismatch": "its mask is of another size than the image",
    "not-finite": "its coordinates are not finite",
    "zero-area": "it covers no pixel of the image",
    "hidden": "other objects are drawn over all of it, and a pixel has one class",
}


class Canvas(NamedTuple):
    """The PNG of a row, and the number, name and confidence of each class that is seen in it."""

    png: bytes
    classes: list[tuple[int, str, float | None]]


def color_of(number: int) -> str:
    """The colour of the n-th class of an image, each its own: ``#rrggbb``; 0 is the background.

    >>> color_of(0), color_of(1), color_of(11)
    ('#ffffff', '#2ca02c', '#0b0beb')
    """
    if number == 0:
        return "#ffffff"
    if number <= len(_COLORS):
        return f"#{_COLORS[number - 1]}"
    return f"#{number:02x}{number:02x}{(number * 67) % 251:02x}"


def painted(
    objects: Sequence[ObjectAnnotation], size: tuple[int, int], name: str, report: Report
) -> Canvas | None:
    """Objects of one image as a PNG of classes; later ones cover earlier ones, and all is accounted.

    Parameters
    ----------
    objects : sequence
        With masks or polygons.
    size : (int, int)
        Width and height.
    name : str
        Of the data row, for the report.

    Returns
    -------
    Canvas or None
        None where nothing is seen.
    """
    batch, lost = pixels_of(objects, np.tile(np.array([size], np.int64), (len(objects), 1)))
    kept = [index for index in range(len(objects)) if index not in lost]
    here = [objects[index] for index in kept]
    classes = list(dict.fromkeys(one.tool_name for one in here))
    numbers = np.array([classes.index(one.tool_name) + 1 for one in here], np.int64)
    made = paint(batch[np.array(kept, np.int64)], size, numbers, "semantic", "last")
    for index, code in lost.items():
        report.lose(code, kind_of(objects[index]), _LOST[code], example=name)
    confidences = _account(here, made.hidden, made.covered, name, report)
    if made.whole is None or not confidences:
        return None
    seen = [(n, one, confidences[one]) for n, one in enumerate(classes, 1) if one in confidences]
    return Canvas(_png(made.whole.astype(np.uint8), len(classes)), seen)


def _account(
    objects: Sequence[ObjectAnnotation], hidden: set[int], covered: set[int], name: str, report: Report
) -> dict[str, float | None]:
    """Count every object, and give the confidence of each class that is seen."""
    seen: dict[str, float | None] = {}
    for index, one in enumerate(objects):
        kind = kind_of(one)
        if index in hidden:
            report.lose("hidden", kind, _LOST["hidden"], example=name)
            continue
        if index in covered:
            message = "another object has some of its pixels"
            report.note("overlapped", kind, message, example=name, lossy=True)
        if one.tool_name in seen:
            report.count("merged", kind)
            message = "objects of one class are one region there"
            report.note("one-region", kind, message, example=name, lossy=True)
            continue
        seen[one.tool_name] = share_of(one, report, name)
        if one.confidence is None:
            message = "without a confidence it gets 0, as Ground Truth has it for one worker"
            report.note("no-confidence", kind, message, example=name)
        report.count("written", kind)
        if kind != "object:mask":
            report.note("painted", kind, "its outline became pixels", example=name)
    return seen


def _png(numbers: NDArray[np.uint8], classes: int) -> bytes:
    """A PNG whose palette has the colour of each class."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(numbers), "P")
    image.putpalette(b"".join(bytes.fromhex(color_of(number)[1:]) for number in range(classes + 1)))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
