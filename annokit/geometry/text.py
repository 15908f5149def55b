"""Coordinates out of JSON text, many shapes at a time.

Readers keep the geometry of a batch as raw text and hand it over in one call; the shapes that come back
are read-only views into one array. Text that is not of the plain shape is decoded alone, so that one bad
shape costs one shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import chain, pairwise
from typing import TypeAlias, TypeVar

import msgspec
import numpy as np

from annokit.errors import AnnokitError, GeometryError
from annokit.geometry.ragged import ends, windows
from annokit.io.faults import BAD_JSON, decode_error
from annokit.model import Polygon
from annokit.model.base import Bools, Floats, Indices

__all__ = ["FARTHEST", "Text", "flat_points", "one_ring", "parse_points", "parse_rings"]

FARTHEST = 2.0**26
"""Coordinates beyond this many pixels are errors: no image is as large, and the kernels' integers end there."""

Text: TypeAlias = bytes | msgspec.Raw
_T = TypeVar("_T")


class _Point(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    x: float
    y: float


_RINGS = msgspec.json.Decoder(list[list[float]])
_POINTS = msgspec.json.Decoder(list[_Point])


def parse_rings(texts: Sequence[Text], fewest: int = 0) -> list[Polygon | AnnokitError]:
    """COCO's ``[[x0, y0, x1, y1, ...], ...]`` as polygons in which every ring is a part of its own.

    Parameters
    ----------
    texts : sequence of bytes or msgspec.Raw
        One JSON text a polygon.
    fewest : int
        How many vertices each ring has to have.

    Returns
    -------
    list of Polygon or AnnokitError
        In order; an error stands where the text is no such list, or a ring has an odd number of values, or
        too few.

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
    from annokit_fast import text

    coords, ring_ends, firsts, plain = text.parse_rings(*_joined(texts), FARTHEST)
    small = np.flatnonzero(np.diff(ring_ends) < fewest)
    plain[np.searchsorted(firsts, small, side="right") - 1] = False
    return _mended(texts, _polygons(coords, ring_ends, firsts), plain, partial(_polygon, fewest=fewest))


def parse_points(texts: Sequence[Text]) -> list[Floats | AnnokitError]:
    """Lists of ``{"x": 1, "y": 2}`` as read-only float64 (n, 2) arrays; errors where one is not that.

    >>> parse_points([b'[{"x": 1, "y": 2}]'])[0].tolist()
    [[1.0, 2.0]]
    """
    coords, stops, errors = flat_points(texts)
    arrays: list[Floats | AnnokitError] = [coords[start:end] for start, end in pairwise(stops.tolist())]
    for index, error in errors.items():
        arrays[index] = error
    return arrays


def flat_points(texts: Sequence[Text]) -> tuple[Floats, Indices, dict[int, AnnokitError]]:
    """What `parse_points` makes in one array, where each list ends in it, and the errors, which have no points there.

    >>> coords, offsets, errors = flat_points([b'[{"x": 1, "y": 2}]', b"[{}]"])
    >>> coords.tolist(), offsets.tolist(), [*errors]
    ([[1.0, 2.0]], [0, 1, 1], [1])
    """
    from annokit_fast import text

    coords, stops, plain = text.parse_points(*_joined(texts), FARTHEST)
    errors: dict[int, AnnokitError] = {}
    if not plain.all():
        arrays = [coords[start:end] for start, end in pairwise(stops.tolist())]
        found = _mended(texts, arrays, plain, _point_array)
        errors = {index: one for index, one in enumerate(found) if isinstance(one, AnnokitError)}
        arrays = [coords[:0] if isinstance(one, AnnokitError) else one for one in found]
        coords, stops = np.concatenate(arrays), ends([len(one) for one in arrays])
    coords.flags.writeable = False
    return coords, stops, errors


def _joined(texts: Sequence[Text]) -> tuple[bytes, Indices]:
    return b"".join(texts), ends([len(text) for text in texts])


def _mended(
    texts: Sequence[Text], shapes: Sequence[_T], plain: Bools, alone: Callable[[Text], _T]
) -> list[_T | AnnokitError]:
    """The shapes, with those whose text is not plain decoded by themselves: another shape, or an error."""
    found: list[_T | AnnokitError] = [*shapes]
    for index in np.flatnonzero(~plain).tolist():
        try:
            found[index] = alone(texts[index])
        except GeometryError as error:
            found[index] = error
        except BAD_JSON as error:
            found[index] = decode_error(error, "$", texts[index])
    return found


def _polygons(coords: Floats, ring_ends: Indices, firsts: Indices) -> list[Polygon]:
    """A polygon for each text: views into one array, without checking again what was just made."""
    coords.flags.writeable = False
    counts, starts = np.diff(firsts).tolist(), ring_ends[firsts].tolist()
    offsets = windows(ring_ends, firsts)
    places = ends(np.diff(firsts) + 1).tolist()
    return [
        Polygon(
            coords=coords[start:end],
            ring_offsets=one_ring(end - start) if count == 1 else offsets[first:last],
            part_offsets=_parts(count),
        )
        for start, end, first, last, count in zip(
            starts, starts[1:], places, places[1:], counts, strict=False
        )
    ]


def _polygon(text: Text, fewest: int) -> Polygon:
    rings = _RINGS.decode(text)
    lengths = np.array([len(ring) for ring in rings], np.int64)
    odd = lengths[lengths % 2 == 1]
    if len(odd):
        raise GeometryError(f"expected an even number of coordinates in each ring, got {odd[0]}")
    coords = _near(np.array([*chain.from_iterable(rings)], np.float64).reshape(-1, 2))
    if min(lengths, default=0) < 2 * fewest:
        least = min(lengths, default=0) // 2
        raise GeometryError(f"expected {fewest} vertices or more in each ring, got {least}")
    return Polygon(coords=coords, ring_offsets=ends(lengths // 2), part_offsets=_parts(len(rings)))


@lru_cache(64)
def _parts(count: int) -> Indices:
    """The offsets of parts of one ring each, shared by all polygons of so many."""
    parts = np.arange(count + 1)
    parts.flags.writeable = False
    return parts


def _point_array(text: Text) -> Floats:
    points = _POINTS.decode(text)
    return _near(np.array([(point.x, point.y) for point in points], np.float64).reshape(-1, 2))


def _near(coords: Floats) -> Floats:
    """The coordinates, read-only, once they are known to be of this world."""
    if len(coords) and not np.abs(coords).max() <= FARTHEST:
        raise GeometryError(f"expected coordinates within {FARTHEST:.0f} of 0, got {np.abs(coords).max()}")
    coords.flags.writeable = False
    return coords


@lru_cache(1024)
def one_ring(count: int) -> Indices:
    """The offsets of one ring, shared by all polygons of one with so many vertices.

    >>> one_ring(4).tolist()
    [0, 4]
    """
    ring = np.array([0, count], np.int64)
    ring.flags.writeable = False
    return ring
