"""Coordinates out of JSON text, many shapes at a time.

Readers keep the geometry of a batch as raw text and hand it over in one call; the shapes that come back
are read-only views into one array. Text that is not of the plain shape is decoded alone, so that one bad
shape costs one shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from operator import attrgetter
from typing import Any, TypeAlias, TypeVar

import msgspec
import numpy as np

from annokit.errors import AnnokitError, GeometryError
from annokit.geometry.ragged import ends, windows
from annokit.io.faults import BAD_JSON, decode_error
from annokit.model import Polygon
from annokit.model.base import Floats, Indices

__all__ = ["FARTHEST", "Text", "parse_points", "parse_rings"]

FARTHEST = 2.0**26
"""Coordinates beyond this many pixels are errors: no image is as large, and the kernels' integers end there."""

Text: TypeAlias = bytes | msgspec.Raw
_T = TypeVar("_T")


class _Point(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    x: float
    y: float


_RINGS = msgspec.json.Decoder(list[list[float]])
_MANY_RINGS = msgspec.json.Decoder(list[list[list[float]]])
_POINTS = msgspec.json.Decoder(list[_Point])
_MANY_POINTS = msgspec.json.Decoder(list[list[_Point]])
_PARTS = np.arange(4096)
_PARTS.flags.writeable = False


def parse_rings(texts: Sequence[Text]) -> list[Polygon | AnnokitError]:
    """COCO's ``[[x0, y0, x1, y1, ...], ...]`` as polygons in which every ring is a part of its own.

    Parameters
    ----------
    texts : sequence of bytes or msgspec.Raw
        One JSON text a polygon.

    Returns
    -------
    list of Polygon or AnnokitError
        In order; an error stands where the text is no such list, or a ring has an odd number of values.

    Examples
    --------
    >>> shape, error = parse_rings([b"[[0, 0, 4, 0, 4, 4]]", b"[[0, 0, 4]]"])
    >>> shape.coords.shape
    (3, 2)
    >>> print(error)
    expected an even number of coordinates in each ring, got 3
    >>> parse_rings([])
    []
    """
    return _each(texts, _MANY_RINGS, _RINGS, _polygons)


def parse_points(texts: Sequence[Text]) -> list[Floats | AnnokitError]:
    """Lists of ``{"x": 1, "y": 2}`` as read-only float64 (n, 2) arrays; errors where one is not that.

    >>> parse_points([b'[{"x": 1, "y": 2}]'])[0].tolist()
    [[1.0, 2.0]]
    """
    return _each(texts, _MANY_POINTS, _POINTS, _point_arrays)


def _each(
    texts: Sequence[Text],
    many: msgspec.json.Decoder[Any],
    one: msgspec.json.Decoder[Any],
    build: Callable[[list[Any]], Sequence[_T]],
) -> list[_T | AnnokitError]:
    try:
        return [*build(many.decode(b"".join((b"[", b",".join(texts), b"]"))))]
    except (*BAD_JSON, GeometryError):
        return [_alone(text, one, build) for text in texts]


def _alone(
    text: Text, decoder: msgspec.json.Decoder[Any], build: Callable[[list[Any]], Sequence[_T]]
) -> _T | AnnokitError:
    try:
        return build([decoder.decode(text)])[0]
    except GeometryError as error:
        return error
    except BAD_JSON as error:
        return decode_error(error, "$", text)


def _polygons(shapes: list[list[list[float]]]) -> list[Polygon]:
    lengths = np.fromiter((len(ring) for rings in shapes for ring in rings), np.int64)
    odd = lengths[lengths % 2 == 1]
    if len(odd):
        raise GeometryError(f"expected an even number of coordinates in each ring, got {odd[0]}")
    values = chain.from_iterable(chain.from_iterable(shapes))
    coords = _final(np.fromiter(values, np.float64, int(lengths.sum())).reshape(-1, 2))
    counts = [len(rings) for rings in shapes]
    ring_ends, firsts = ends(lengths // 2), ends(counts)
    offsets = windows(ring_ends, firsts)
    starts, firsts_list = ring_ends[firsts].tolist(), firsts.tolist()
    polygons = []
    for k, count in enumerate(counts):
        at = firsts_list[k] + k
        polygons.append(
            Polygon(
                coords=coords[starts[k] : starts[k + 1]],
                ring_offsets=offsets[at : at + count + 1],
                part_offsets=_parts(count),
            )
        )
    return polygons


def _parts(count: int) -> Indices:
    if count < len(_PARTS):
        return _PARTS[: count + 1]
    parts = np.arange(count + 1)
    parts.flags.writeable = False
    return parts


def _point_arrays(shapes: list[list[_Point]]) -> list[Floats]:
    stops = ends([len(points) for points in shapes])
    coords = np.empty((int(stops[-1]), 2))
    points = list(chain.from_iterable(shapes))
    coords[:, 0] = np.fromiter(map(attrgetter("x"), points), np.float64, len(coords))
    coords[:, 1] = np.fromiter(map(attrgetter("y"), points), np.float64, len(coords))
    coords = _final(coords)
    bounds = stops.tolist()
    return [coords[start:end] for start, end in pairwise(bounds)]


def _final(coords: Floats) -> Floats:
    """The coordinates, read-only, once they are known to be of this world."""
    if len(coords) and not np.abs(coords).max() <= FARTHEST:
        raise GeometryError(f"expected coordinates within {FARTHEST:.0f} of 0, got {np.abs(coords).max()}")
    coords.flags.writeable = False
    return coords
