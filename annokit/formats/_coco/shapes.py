"""The shapes of COCO annotations, a batch at a time: polygons, both forms of RLE, plain boxes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
from msgspec import Raw, UnsetType

from annokit.errors import AnnokitError, GeometryError
from annokit.geometry import masks_of, parse_rings
from annokit.io.faults import BAD_JSON, decode_error
from annokit.io.salvage import decoder
from annokit.model import Box, Mask, Polygon

__all__ = ["Shaped", "has_segmentation", "shapes_of"]


class Shaped(Protocol):
    """What has a shape: an annotation as it stands in the file."""

    segmentation: Raw
    bbox: tuple[float, float, float, float] | UnsetType


class _Rle(msgspec.Struct):
    size: tuple[int, int]
    counts: list[int] | str


_Shape = Polygon | Mask | Box | AnnokitError


def shapes_of(annotations: Sequence[Shaped]) -> list[_Shape]:
    """The shape of each annotation, or the error that keeps it from having one.

    A `segmentation` decides by its type: a list of rings is a polygon in which each ring is a part, an
    object is a mask. Without one (absent, null or empty) the shape is the `bbox`.
    """
    texts = [annotation.segmentation for annotation in annotations]
    starts = [_BYTE(text)[0] if len(text) >= _EMPTY else _first(text) for text in texts]
    rings = [text for text, start in zip(texts, starts, strict=True) if start == _LIST]
    masks = [text for text, start in zip(texts, starts, strict=True) if start == _OBJECT]
    polygons, runs = iter(parse_rings(rings, fewest=3)), iter(_masks(masks))
    return [
        next(polygons) if start == _LIST else next(runs) if start == _OBJECT else _boxed(annotation, start)
        for annotation, start in zip(annotations, starts, strict=True)
    ]


_LIST, _OBJECT = b"[{"
_TOO_MANY = 1 << 32
_EMPTY = 64
"""A longer text is not empty, unless it is drawn out by white space, of which nothing can be made."""
_BYTE = struct.Struct("B").unpack_from


def has_segmentation(annotation: Shaped) -> bool:
    """Whether it states a segmentation that is not empty."""
    return _first(annotation.segmentation) != 0


def _first(text: Raw) -> int:
    """The first character of a segmentation; 0 where there is none, or an empty one."""
    if len(text) < _EMPTY and bytes(text).translate(None, b" \t\r\n") in (b"", b"[]", b"null"):
        return 0
    return memoryview(text)[0]


def _boxed(annotation: Shaped, start: int) -> Box | GeometryError:
    if start:
        return GeometryError("expected a segmentation of rings or runs, got neither")
    if isinstance(annotation.bbox, UnsetType):
        return GeometryError("expected a segmentation or a bbox, got neither")
    x, y, width, height = annotation.bbox
    return Box(x=x, y=y, width=width, height=height)


def _masks(texts: Sequence[Raw]) -> list[Mask | AnnokitError]:
    found = [_decoded(text) for text in texts]
    compressed = [rle for rle in found if isinstance(rle, _Rle) and isinstance(rle.counts, str)]
    unpacked = iter(_from_strings(compressed))
    masks: list[Mask | AnnokitError] = []
    for rle in found:
        if isinstance(rle, AnnokitError):
            masks.append(rle)
        else:
            masks.append(next(unpacked) if isinstance(rle.counts, str) else _from_runs(rle))
    return masks


def _decoded(text: Raw) -> _Rle | AnnokitError:
    try:
        rle: _Rle = decoder(_Rle).decode(text)
    except BAD_JSON as error:
        return decode_error(error, "$", text)
    height, width = rle.size
    if height <= 0 or width <= 0 or height * width >= _TOO_MANY:
        return GeometryError(f"expected an RLE of 1 to 2**32 - 1 pixels, got size {height} x {width}")
    return rle


def _from_runs(rle: _Rle) -> Mask | AnnokitError:
    height, width = rle.size
    try:
        return Mask(counts=np.fromiter(rle.counts, np.uint32), height=height, width=width)
    except OverflowError as error:
        return GeometryError(f"expected runs from 0 to 2**32 - 1: {error}")
    except GeometryError as error:
        return error


def _from_strings(rles: Sequence[_Rle]) -> list[Mask | AnnokitError]:
    """Masks of compressed counts: all at once, and one by one where that fails."""
    if not rles:
        return []
    from annokit_fast import rle

    texts = [str(one.counts).encode() for one in rles]
    offsets = np.cumsum([0, *map(len, texts)])
    try:
        batch = rle.from_strings(
            b"".join(texts), offsets, [one.size[0] for one in rles], [one.size[1] for one in rles]
        )
    except ValueError as error:
        if len(rles) > 1:
            return [mask for one in rles for mask in _from_strings([one])]
        return [GeometryError(f"expected compressed counts: {error}")]
    return [*masks_of(batch)]
