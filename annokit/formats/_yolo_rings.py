"""One ring for any shape: what a YOLO segment row holds.

A row has a single ring and no word for parts or holes. Parts are strung together the way Ultralytics
joins the segments of a COCO object: from each part to the next along the nearest pair of vertices, out and
back on the same line, so that the links enclose nothing. A hole is tied to its exterior by the same kind of
line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from annokit.geometry.ragged import ends
from annokit.model.base import Floats, Indices

if TYPE_CHECKING:
    import shapely

__all__ = ["Parts", "clipped", "covers_nothing", "joined", "parts_within", "united"]

Parts: TypeAlias = Sequence[Sequence[Floats]]
"""The rings of each part; the first is its exterior, the others are holes."""

_MANY_PAIRS = 4_000_000
_MANY_CLOSE = 1000


def clipped(rings: Sequence[Floats], sizes: Floats) -> list[Floats]:
    """Each ring cut with its image, of this width and height; nothing where it lies outside.

    Pieces stay one ring: they hang together along the border of the image, where lines enclose nothing.

    >>> ring = np.array([(-2.0, 1.0), (2.0, 1.0), (2.0, 3.0), (-2.0, 3.0)])
    >>> [inside.tolist() for inside in clipped([ring, ring - 9], np.array([(4.0, 4.0)] * 2))]
    [[[0.0, 1.0], [2.0, 1.0], [2.0, 3.0], [0.0, 3.0]], []]
    """
    from annokit_fast import polygons

    offsets = ends([len(ring) for ring in rings])
    images = np.hstack([np.zeros_like(sizes), sizes])
    coords, starts, owners = polygons.clip_to_box(
        np.concatenate(rings), offsets, np.arange(len(offsets)), images
    )
    return [coords[start:stop] for start, stop in pairwise(starts[owners].tolist())]


def parts_within(parts: Parts, width: float, height: float) -> Parts:
    """The rings of each part cut with the image, without the parts and holes that have no area there."""
    rings = [ring for part in parts for ring in part]
    cut = iter(clipped(rings, np.full((len(rings), 2), (width, height))))
    inside = []
    for part in parts:
        exterior, *holes = [next(cut) for _ in part]
        if not covers_nothing(exterior):
            inside.append([exterior, *[hole for hole in holes if not covers_nothing(hole)]])
    return inside


def covers_nothing(ring: Floats) -> bool:
    """Whether all vertices lie on one line. A figure of eight has no signed area, yet covers pixels."""
    if len(ring) < 3:
        return True
    away = ring - ring[0]
    farthest = away[np.argmax((away**2).sum(axis=1))]
    across = np.abs(away[:, 0] * farthest[1] - away[:, 1] * farthest[0])
    return bool(across.max() <= 1e-9 * max(1.0, float(farthest @ farthest)))


def united(shapes: Sequence[Parts]) -> list[Parts]:
    """Each shape in parts that do not overlap: by the even-odd rule an overlap would be a hole."""
    out = list(shapes)
    close = [list(islice(_close_pairs(parts), _MANY_CLOSE)) for parts in shapes]
    suspects = [index for index, pairs in enumerate(close) if pairs]
    if not suspects:
        return out
    import shapely

    areas = _areas([part for index in suspects for part in shapes[index]])
    firsts = np.cumsum([0, *(len(shapes[index]) for index in suspects)]).tolist()
    pairs = [
        (first + i, first + j)
        for index, first in zip(suspects, firsts, strict=False)
        for i, j in close[index]
    ]
    one, other = areas[np.array(pairs).T]
    owners = np.repeat(suspects, [len(close[index]) for index in suspects])
    overlap = set(owners[shapely.intersects(one, other)].tolist())
    invalid = ~shapely.is_valid(areas)
    areas[invalid] = shapely.make_valid(areas[invalid])
    for index, (start, end) in zip(suspects, pairwise(firsts), strict=True):
        if index in overlap or len(close[index]) == _MANY_CLOSE:
            whole = shapely.get_parts(shapely.union_all(areas[start:end])).tolist()
            out[index] = [_rings(area) for area in whole if isinstance(area, shapely.Polygon)]
    return out


def _areas(parts: Parts) -> NDArray[np.object_]:
    """The parts as shapely's polygons."""
    import shapely

    rings = [ring for part in parts for ring in part]
    owners = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    linear = shapely.linearrings(np.concatenate(rings), indices=owners)
    areas: NDArray[np.object_] = shapely.polygons(
        linear, indices=np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    )
    return areas


def _rings(area: shapely.Polygon) -> list[Floats]:
    """Exterior and holes, without the vertex that closes them."""
    return [np.asarray(ring.coords)[:-1] for ring in (area.exterior, *area.interiors)]


def _close_pairs(parts: Parts) -> Iterator[tuple[int, int]]:
    """The parts whose bounding boxes meet."""
    low = np.array([part[0].min(axis=0) for part in parts])
    high = np.array([part[0].max(axis=0) for part in parts])
    for i in range(len(parts) - 1):
        meet = (low[i] <= high[i + 1 :]) & (low[i + 1 :] <= high[i])
        for j in np.flatnonzero(meet.all(axis=1)).tolist():
            yield i, i + 1 + j


def joined(parts: Parts) -> Floats:
    """All rings of all parts as one ring; the first ring of a part is its exterior, the others are holes.

    Exteriors run the way of the first and holes the other way, so that every filling rule agrees.

    >>> square = np.array([(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)])
    >>> joined([[square], [square + (3, 0)]]).tolist()
    [[2.0, 0.0], [3.0, 0.0], [5.0, 0.0], [5.0, 2.0], [3.0, 2.0], [3.0, 0.0], [2.0, 0.0], [2.0, 2.0], \
[0.0, 2.0], [0.0, 0.0]]
    """
    way = _is_clockwise(parts[0][0])
    rings = [_opened(_turned(part[0], way), [_turned(hole, not way) for hole in part[1:]]) for part in parts]
    if len(rings) == 1:
        return rings[0]
    links = [_link(one, other) for one, other in pairwise(rings)]
    leaves = [leave for leave, _ in links]
    enters = [leaves[0], *[enter for _, enter in links]]
    out = [_walk(*step) for step in zip(rings, enters, leaves, strict=False)]
    back = [_around(ring, leave, enter) for ring, leave, enter in zip(rings, leaves, enters, strict=False)]
    return np.concatenate([*out, _around(rings[-1], enters[-1], enters[-1]), *reversed(back)])[:-1]


def _opened(exterior: Floats, holes: Sequence[Floats]) -> Floats:
    """The exterior with a detour around each hole, from the vertex nearest to it."""
    if not holes:
        return exterior
    nearest, gaps = _closest(exterior, np.concatenate(holes))
    detours: dict[int, list[Floats]] = {}
    begin = 0
    for hole in holes:
        start = int(gaps[begin : begin + len(hole)].argmin())
        detours.setdefault(int(nearest[begin + start]), []).append(_around(hole, start, start))
        begin += len(hole)
    pieces, last = [], 0
    for at, loops in sorted(detours.items()):
        for loop in loops:
            pieces += [exterior[last : at + 1], loop]
            last = at
    return np.concatenate([*pieces, exterior[last:]])


def _link(one: Floats, other: Floats) -> tuple[int, int]:
    """The vertices of two rings that are closest."""
    nearest, gaps = _closest(one, other)
    enter = int(gaps.argmin())
    return int(nearest[enter]), enter


def _closest(ring: Floats, points: Floats) -> tuple[Indices, Floats]:
    """For each point the nearest vertex of the ring, and the square of its distance."""
    if len(ring) * len(points) > _MANY_PAIRS:
        import shapely

        nearest = shapely.STRtree(shapely.points(ring)).nearest(shapely.points(points))
    else:
        gaps = np.subtract.outer(ring[:, 0], points[:, 0]) ** 2
        gaps += np.subtract.outer(ring[:, 1], points[:, 1]) ** 2
        nearest = gaps.argmin(axis=0)
    return nearest, ((ring[nearest] - points) ** 2).sum(axis=1)


def _walk(ring: Floats, start: int, stop: int) -> Floats:
    """From one vertex on to another, both included."""
    return ring[start : stop + 1] if start <= stop else np.concatenate([ring[start:], ring[: stop + 1]])


def _around(ring: Floats, start: int, stop: int) -> Floats:
    """As `_walk`, but all the way around when it ends where it starts."""
    return np.concatenate([ring[start:], ring[: stop + 1]]) if start >= stop else ring[start : stop + 1]


def _turned(ring: Floats, way: bool) -> Floats:
    return ring if _is_clockwise(ring) == way else ring[::-1]


def _is_clockwise(ring: Floats) -> bool:
    from annokit_fast import polygons

    return bool(polygons.is_clockwise(ring, [0, len(ring)])[0])
