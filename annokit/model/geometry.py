"""Shapes. Pixels, origin top left, x right, y down, unless the annotation's `space` says otherwise."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from msgspec.structs import force_setattr
from numpy import ndarray

from annokit.errors import GeometryError
from annokit.model.base import Bytes8, Counts, Floats, Indices, Record, as_readonly

__all__ = [
    "Box",
    "Geometry",
    "Keypoints",
    "Line",
    "Mask",
    "MaskReference",
    "Point",
    "Polygon",
    "RotatedBox",
    "Shape",
    "TextSpan",
    "TimeRange",
    "TokenGroup",
    "TokenSpan",
    "Unknown",
]

_FLOAT64, _INT64 = np.dtype(np.float64), np.dtype(np.int64)


class Shape(Record, tag_field="type", kw_only=True):
    """Base of the shapes; `kind` is the word reports and tables use."""

    @property
    def kind(self) -> str:
        """`box`, `polygon`, `mask`, ...: the tag this shape has in JSON."""
        return str(self.__struct_config__.tag)


class Box(Shape, tag="box", kw_only=True):
    """An axis-aligned box, stored as platforms write it: left, top, width, height.

    >>> Box(x=10, y=20, width=30, height=40).xyxy
    (10, 20, 40, 60)
    """

    x: float
    y: float
    width: float
    height: float

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom; the far edge is exclusive."""
        return self.x, self.y, self.x + self.width, self.y + self.height


class RotatedBox(Shape, tag="rotated_box", kw_only=True):
    """Four corners (4, 2) in drawing order; centre, size and angle are derived."""

    corners: Floats

    def __post_init__(self) -> None:
        force_setattr(self, "corners", as_readonly(self.corners, _FLOAT64, (4, 2)))

    @property
    def center(self) -> tuple[float, float]:
        """Mean of the corners."""
        x, y = self.corners.mean(axis=0).tolist()
        return x, y

    @property
    def size(self) -> tuple[float, float]:
        """Length of the first and of the second side."""
        first, second = (self.corners[1:3] - self.corners[:2]).tolist()
        return math.hypot(*first), math.hypot(*second)

    @property
    def angle(self) -> float:
        """Direction of the first side in degrees, clockwise on screen, in (-180, 180]."""
        dx, dy = (self.corners[1] - self.corners[0]).tolist()
        return math.degrees(math.atan2(dy, dx))


class Polygon(Shape, tag="polygon", kw_only=True):
    """One or several parts, each with an exterior ring and any number of holes.

    Parameters
    ----------
    coords : float64 (n, 2)
        x, y of all vertices, rings one after the other, as read: closing vertices included
        only where the source repeats them by free choice.
    ring_offsets : int64 (rings + 1,), optional
        Where each ring starts in `coords`; by default there is one ring.
    part_offsets : int64 (parts + 1,), optional
        Where each part starts in the rings; its first ring is the exterior, the others are
        holes. By default all rings belong to one part.

    Notes
    -----
    Arrays are copied, checked and made read-only, unless all three are read-only and of the right
    type already: readers make millions of polygons from views into checked batches. Those of rows of
    a user's own are checked where a dataset is made of them.

    Examples
    --------
    >>> square = Polygon(coords=[(0, 0), (4, 0), (4, 4), (0, 4)])
    >>> len(list(square.rings()))
    1
    >>> holed = Polygon.from_parts([[[(0, 0), (4, 0), (4, 4)], [(1, 1), (2, 1), (2, 2)]]])
    >>> holed.has_holes
    True
    >>> Polygon(coords=[]).ring_offsets.tolist()
    [0, 0]
    """

    coords: Floats
    ring_offsets: Indices = None  # type: ignore[assignment]  # filled in below
    part_offsets: Indices = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        coords: Any = self.coords
        rings: Any = self.ring_offsets
        parts: Any = self.part_offsets
        if (  # `is_final` of each, without a call
            type(coords) is ndarray
            and type(rings) is ndarray
            and type(parts) is ndarray
            and coords.dtype is _FLOAT64
            and rings.dtype is _INT64
            and parts.dtype is _INT64
            and not (coords.flags.writeable or rings.flags.writeable or parts.flags.writeable)
        ):
            return
        coords, rings, parts = fitting(coords, rings, parts)
        force_setattr(self, "coords", coords)
        force_setattr(self, "ring_offsets", rings)
        force_setattr(self, "part_offsets", parts)

    @classmethod
    def from_parts(cls, parts: Sequence[Sequence[Sequence[Any]]]) -> Polygon:
        """From parts > rings > points, the first ring of a part being its exterior."""
        rings = [np.asarray(ring, float).reshape(-1, 2) for part in parts for ring in part]
        return cls(
            coords=np.concatenate(rings) if rings else np.empty((0, 2)),
            ring_offsets=_offsets([len(ring) for ring in rings]),
            part_offsets=_offsets([len(part) for part in parts]),
        )

    @property
    def has_holes(self) -> bool:
        """Whether any part has more than its exterior."""
        return len(self.ring_offsets) > len(self.part_offsets)

    def rings(self) -> Iterator[Floats]:
        """All rings in order, each float64 (n, 2)."""
        ends = self.ring_offsets.tolist()
        for start, end in itertools.pairwise(ends):
            yield self.coords[start:end]

    def parts(self) -> Iterator[list[Floats]]:
        """The rings of each part, exterior first."""
        rings, ends = list(self.rings()), self.part_offsets.tolist()
        for start, end in itertools.pairwise(ends):
            yield rings[start:end]


class Line(Shape, tag="line", kw_only=True):
    """An open line of two or more points, float64 (n, 2)."""

    coords: Floats

    def __post_init__(self) -> None:
        force_setattr(self, "coords", as_readonly(self.coords, _FLOAT64, (None, 2)))


class Point(Shape, tag="point", kw_only=True):
    """One point."""

    x: float
    y: float


class Keypoints(Shape, tag="keypoints", kw_only=True):
    """Named points of one object: float64 (n, 2), and 0 absent, 1 occluded, 2 visible for each.

    The names and the skeleton stand on the tool.
    """

    coords: Floats
    visibility: Bytes8

    def __post_init__(self) -> None:
        coords = as_readonly(self.coords, _FLOAT64, (None, 2))
        force_setattr(self, "coords", coords)
        force_setattr(self, "visibility", as_readonly(self.visibility, np.dtype(np.int8), (len(coords),)))


class Mask(Shape, tag="mask", kw_only=True):
    """A run-length mask: runs column by column, background first, `height` * `width` pixels in all.

    >>> Mask(counts=[2, 1, 1], height=2, width=2).counts.tolist()
    [2, 1, 1]
    """

    counts: Counts
    height: int
    width: int

    def __post_init__(self) -> None:
        counts = as_readonly(self.counts, np.dtype(np.uint32), (None,))
        total = int(counts.sum(dtype=np.uint64))
        if self.height < 0 or self.width < 0 or total != self.height * self.width:
            size = f"{self.height} x {self.width} = {self.height * self.width}"
            raise GeometryError(f"expected runs that add up to {size} pixels, got {total}")
        force_setattr(self, "counts", counts)


class MaskReference(Shape, tag="mask_reference", kw_only=True):
    """A mask that stands elsewhere: a URL or file name, and the colour of the object in it, if any."""

    uri: str
    color: tuple[int, int, int] | None = None


class TextSpan(Shape, tag="text_span", kw_only=True):
    """Characters `start` to `end` of a text; `end` is exclusive, as in Python's slices."""

    start: int
    end: int
    text: str | None = None
    message_id: str | None = None


class TokenGroup(Record, kw_only=True):
    """Tokens picked on one page of a document."""

    page: int
    tokens: tuple[str, ...] = ()
    id: str | None = None
    text: str | None = None


class TokenSpan(Shape, tag="token_span", kw_only=True):
    """A selection of a document's tokens."""

    groups: tuple[TokenGroup, ...] = ()


class TimeRange(Shape, tag="time_range", kw_only=True):
    """From `start_ms` to `end_ms`, in milliseconds."""

    start_ms: float
    end_ms: float


class Unknown(Shape, tag="unknown", kw_only=True):
    """What no type fits, kept as it came: `what` names it in the platform's words."""

    what: str
    payload: Any = None


Geometry: TypeAlias = (
    Box
    | RotatedBox
    | Polygon
    | Line
    | Point
    | Keypoints
    | Mask
    | MaskReference
    | TextSpan
    | TokenSpan
    | TimeRange
    | Unknown
)


def _offsets(lengths: Sequence[int]) -> Indices:
    out = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=out[1:])
    return out


def fitting(coords: Any, rings: Any, parts: Any) -> tuple[Floats, Indices, Indices]:
    """The arrays of a polygon as they have to be, or GeometryError where they do not fit each other."""
    coords = as_readonly(coords, _FLOAT64, (None, 2))
    rings = as_readonly((0, len(coords)) if rings is None else rings, _INT64, (None,))
    parts = as_readonly((0, len(rings) - 1) if parts is None else parts, _INT64, (None,))
    _check_offsets("ring_offsets", rings, len(coords))
    _check_offsets("part_offsets", parts, len(rings) - 1)
    return coords, rings, parts


def _check_offsets(name: str, offsets: Indices, total: int) -> None:
    if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != total or (np.diff(offsets) < 0).any():
        raise GeometryError(f"expected {name} to rise from 0 to {total}, got {offsets.tolist()[:8]}")
