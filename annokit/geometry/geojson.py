"""Shapes in longitude and latitude, as GeoJSON nests their coordinates."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from annokit.errors import GeometryError, shown
from annokit.geometry.text import FARTHEST
from annokit.model import Box, Line, Point, Polygon
from annokit.model.base import Floats

__all__ = ["corners", "geo_shape", "has_heights", "is_exact"]


def geo_shape(kind: str, coordinates: Any) -> Box | Line | Point | Polygon | None:
    """The shape of a kind: GeoJSON's words, or the platform's ``rectangle`` and ``polyline``.

    Rings lose the vertex that closes them. A rectangle that is none stays a polygon; None for other kinds.

    Raises
    ------
    GeometryError
        The coordinates are not nested as the kind has it.

    Examples
    --------
    >>> geo_shape("rectangle", [[[10, 40], [10, 42], [13, 42], [13, 40], [10, 40]]])
    Box(x=10.0, y=40.0, width=3.0, height=2.0)
    >>> geo_shape("point", [10, 40])
    Point(x=10.0, y=40.0)
    """
    kind = kind.lower()
    if kind == "point":
        x, y = _points([coordinates], kind)[0].tolist()
        return Point(x=x, y=y)
    if kind in ("polyline", "linestring"):
        return Line(coords=_points(coordinates, kind))
    if kind in ("polygon", "rectangle"):
        part: list[Any] = [_ring(ring, kind) for ring in _listed(coordinates, kind)]
        box = _box(part) if kind == "rectangle" else None
        return box or Polygon.from_parts([part])
    if kind == "multipolygon":
        parts: list[Any] = [
            [_ring(ring, kind) for ring in _listed(part, kind)] for part in _listed(coordinates, kind)
        ]
        return Polygon.from_parts(parts)
    return None


def has_heights(coordinates: Any) -> bool:
    """Whether any position has a third number, which shapes of two axes have no place for.

    >>> has_heights([[1, 2, 30], [3, 4]]), has_heights([1, 2]), has_heights([])
    (True, False, False)
    """
    if not isinstance(coordinates, list) or not coordinates:
        return False
    if isinstance(coordinates[0], list):
        return any(map(has_heights, coordinates))
    return len(coordinates) > 2


def corners(box: Box) -> list[list[float]]:
    """The ring of a box: left bottom, left top, right top, right bottom, and the first again.

    >>> corners(Box(x=10, y=40, width=3, height=2))
    [[10, 40], [10, 42], [13, 42], [13, 40], [10, 40]]
    """
    left, bottom, right, top = box.xyxy
    return [[left, bottom], [left, top], [right, top], [right, bottom], [left, bottom]]


def is_exact(box: Box, coordinates: Any) -> bool:
    """Whether the corners come out of the box again as they stood in the input, closing vertex included."""
    return bool(coordinates == [corners(box)])


def _ring(coordinates: Any, kind: str) -> Floats:
    points = _points(coordinates, kind)
    return points[:-1] if len(points) > 1 and (points[0] == points[-1]).all() else points


def _points(coordinates: Any, kind: str) -> Floats:
    try:
        places = msgspec.convert(coordinates, list[list[float]])
        points = np.array([(x, y) for x, y, *_height in places], np.float64).reshape(-1, 2)
    except (msgspec.ValidationError, ValueError):
        raise _fault(kind, coordinates) from None
    if len(points) and np.abs(points).max() > FARTHEST:
        raise GeometryError(f"expected coordinates within {FARTHEST:.0f} of 0, got {np.abs(points).max()}")
    return points


def _listed(value: Any, kind: str) -> list[Any]:
    if not isinstance(value, list):
        raise _fault(kind, value)
    return value


def _fault(kind: str, value: Any) -> GeometryError:
    return GeometryError(f"expected the coordinates of a GeoJSON {kind}, got {shown(value)}")


def _box(part: list[Floats]) -> Box | None:
    """The box of one ring that goes left bottom, left top, right top, right bottom."""
    if len(part) != 1 or len(part[0]) != 4:
        return None
    (left, bottom), (x1, top), (right, y2), (x3, y3) = part[0].tolist()
    is_box = x1 == left and y2 == top and x3 == right and y3 == bottom and left <= right and bottom <= top
    return Box(x=left, y=bottom, width=right - left, height=top - bottom) if is_box else None
