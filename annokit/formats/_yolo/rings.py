"""One ring for any shape: what a YOLO segment row holds.

A row has a single ring and no word for parts or holes. Parts are strung together the way Ultralytics
joins the segments of a COCO object: from each part to the next along the nearest pair of vertices, out and
back on the same line, so that the links enclose nothing. A hole is tied to its exterior by the same kind of
line.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from annokit.geometry import ring_bounds
from annokit.geometry.ragged import ends
from annokit.model.base import Floats, Indices

__all__ = ["Parts", "clipped", "covers_nothing", "joined", "parts_within", "united"]

Parts: TypeAlias = Sequence[Sequence[Floats]]
"""The rings of each part; the first is its exterior, the others are holes."""

_T = TypeVar("_T")
_MANY_PAIRS = 4_000_000
_MANY_CLOSE = 1000
_FEW_PARTS = 40
"""No shape of so few has `_MANY_CLOSE` pairs of them."""
_NOTHING = np.empty((0, 2))


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
        np.concatenate([*rings, _NOTHING]), offsets, np.arange(len(offsets)), images
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
    close, pairs = _close_pairs(shapes)
    if not len(close):
        return out
    import shapely

    near = np.unique(close)
    areas = _areas([part for index in near.tolist() for part in shapes[index]])
    counts = np.array([len(shapes[index]) for index in near.tolist()])
    firsts = (np.cumsum(counts) - counts)[np.searchsorted(near, close)]
    overlap = close[shapely.intersects(areas[pairs[:, 0] + firsts], areas[pairs[:, 1] + firsts])]
    many = np.flatnonzero(np.bincount(close) == _MANY_CLOSE)
    groups = np.repeat(near, counts)
    inside = np.isin(groups, np.union1d(overlap, many))
    for index, parts in zip(*_unions(areas[inside], groups[inside]), strict=True):
        out[index] = parts
    return out


def _unions(areas: NDArray[np.object_], groups: Indices) -> tuple[list[int], list[Parts]]:
    """The groups, which rise, and the parts of the union of the areas of each."""
    import shapely

    invalid = ~shapely.is_valid(areas)
    areas[invalid] = shapely.make_valid(areas[invalid])
    names, numbers = np.unique(groups, return_inverse=True)
    together = shapely.geometrycollections(areas, indices=numbers)
    return names.tolist(), _parts_of(shapely.union_all(together[:, None], axis=1))


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


def _parts_of(areas: NDArray[np.object_]) -> list[Parts]:
    """The polygons in each of some areas: exterior and holes, without the vertex that closes them."""
    import shapely

    shapes, owners = shapely.get_parts(areas, return_index=True)
    is_area = shapely.get_type_id(shapes) == shapely.GeometryType.POLYGON
    linear, part_of = shapely.get_rings(shapes[is_area], return_index=True)
    coords, stops = shapely.get_coordinates(linear), ends(shapely.get_num_coordinates(linear)).tolist()
    rings = [coords[start : end - 1] for start, end in pairwise(stops)]
    return _grouped(_grouped(rings, part_of, int(is_area.sum())), owners[is_area], len(areas))


def _grouped(items: Sequence[_T], owners: Indices, count: int) -> list[Sequence[_T]]:
    """The items of each of `count` owners; the owners rise."""
    stops = np.searchsorted(owners, np.arange(count + 1)).tolist()
    return [items[start:end] for start, end in pairwise(stops)]


def _close_pairs(shapes: Sequence[Parts]) -> tuple[Indices, Indices]:
    """Pairs (k, 2) of parts whose bounding boxes meet, and the shapes they are of; `_MANY_CLOSE` a shape at most."""
    exteriors = [part[0] for parts in shapes for part in parts]
    corners = ring_bounds(np.concatenate([*exteriors, _NOTHING]), ends([len(ring) for ring in exteriors]))
    counts = np.array([len(parts) for parts in shapes], np.int64)
    firsts = ends(counts)[:-1]
    found = [np.empty((0, 3), np.int64)]
    for count in np.unique(counts[counts > 1]).tolist():
        alike = np.flatnonzero(counts == count)
        for some in [alike] if count <= _FEW_PARTS else alike[:, None]:
            meeting = _meeting(corners[firsts[some][:, None] + np.arange(count)])
            found.append(np.column_stack([some[meeting[:, 0]], meeting[:, 1:]]))
    pairs = np.concatenate(found)
    return pairs[:, 0], pairs[:, 1:]


def _meeting(corners: Floats) -> Indices:
    """Where boxes meet: shape, first and second box, of shapes (k, n, 4) of `_FEW_PARTS` boxes, or one of more."""
    low, high, found, most = corners[:, :, :2], corners[:, :, 2:], [], 0
    for i in range(corners.shape[1] - 1):
        meet = (low[:, i, None] <= high[:, i + 1 :]) & (low[:, i + 1 :] <= high[:, i, None])
        shape, other = np.nonzero(meet[:, :, 0] & meet[:, :, 1])
        found.append(np.column_stack([shape, np.full_like(shape, i), other + i + 1]))
        most += len(shape)
        if len(corners) == 1 and most >= _MANY_CLOSE:
            break
    pairs = np.concatenate(found)
    return pairs[:_MANY_CLOSE] if len(corners) == 1 else pairs


def joined(shapes: Sequence[Parts]) -> list[Floats]:
    """All rings of all parts of each shape as one ring.

    The first ring of a part is its exterior, the others are holes. Exteriors run the way of the first and holes the
    other way, so that every filling rule agrees.

    >>> square = np.array([(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)])
    >>> joined([[[square], [square + (3, 0)]]])[0].tolist()
    [[2.0, 0.0], [3.0, 0.0], [5.0, 0.0], [5.0, 2.0], [3.0, 2.0], [3.0, 0.0], [2.0, 0.0], [2.0, 2.0], \
[0.0, 2.0], [0.0, 0.0]]
    """
    from annokit_fast import polygons

    rings = [ring for parts in shapes for part in parts for ring in part]
    coords = np.concatenate([*rings, _NOTHING])
    ways = iter(polygons.is_clockwise(coords, ends([len(ring) for ring in rings])).tolist())
    return [
        _strung([[(ring, next(ways)) for ring in part] for part in parts]) if parts else _NOTHING
        for parts in shapes
    ]


def _strung(parts: Sequence[Sequence[tuple[Floats, bool]]]) -> Floats:
    """The rings of one shape as one ring, given whether each runs clockwise."""
    way = parts[0][0][1]
    rings = [
        _opened(_turned(*part[0], way), [_turned(*hole, not way) for hole in part[1:]]) for part in parts
    ]
    if len(rings) == 1:
        return rings[0]
    links = [_link(one, other) for one, other in pairwise(rings)]
    leaves = [leave for leave, _ in links]
    enters = [leaves[0], *[enter for _, enter in links]]
    out = [_walk(*step) for step in zip(rings, enters, leaves, strict=False)]
    back = [_around(ring, leave, enter) for ring, leave, enter in zip(rings, leaves, enters, strict=False)]
    way_round = [*out, _around(rings[-1], enters[-1], enters[-1]), *reversed(back)]
    return np.concatenate([*chain.from_iterable(way_round)])[:-1]


def _opened(exterior: Floats, holes: Sequence[Floats]) -> Floats:
    """The exterior with a detour around each hole, from the vertex nearest to it."""
    if not holes:
        return exterior
    nearest, gaps = _closest(exterior, np.concatenate(holes))
    detours: dict[int, list[list[Floats]]] = {}
    begin = 0
    for hole in holes:
        start = int(gaps[begin : begin + len(hole)].argmin())
        detours.setdefault(int(nearest[begin + start]), []).append(_around(hole, start, start))
        begin += len(hole)
    pieces, last = [], 0
    for at, loops in sorted(detours.items()):
        for loop in loops:
            pieces += [exterior[last : at + 1], *loop]
            last = at
    return np.concatenate([*pieces, exterior[last:]])


def _link(one: Floats, other: Floats) -> tuple[int, int]:
    """The vertices of two rings that are closest."""
    if len(one) * len(other) > _MANY_PAIRS:
        nearest, gaps = _closest(one, other)
        enter = int(gaps.argmin())
        return int(nearest[enter]), enter
    enter, leave = divmod(int(_gaps(other, one).argmin()), len(one))
    return leave, enter


def _closest(ring: Floats, points: Floats) -> tuple[Indices, Floats]:
    """For each point the nearest vertex of the ring, and the square of its distance."""
    if len(ring) * len(points) > _MANY_PAIRS:
        import shapely

        nearest = shapely.STRtree(shapely.points(ring)).nearest(shapely.points(points))
    else:
        nearest = _gaps(ring, points).argmin(axis=0)
    return nearest, ((ring[nearest] - points) ** 2).sum(axis=1)


def _gaps(some: Floats, others: Floats) -> Floats:
    """The square of the distance of each two points."""
    gaps: Floats = np.subtract.outer(some[:, 0], others[:, 0]) ** 2
    gaps += np.subtract.outer(some[:, 1], others[:, 1]) ** 2
    return gaps


def _walk(ring: Floats, start: int, stop: int) -> list[Floats]:
    """From one vertex on to another, both included, in pieces."""
    return [ring[start : stop + 1]] if start <= stop else [ring[start:], ring[: stop + 1]]


def _around(ring: Floats, start: int, stop: int) -> list[Floats]:
    """As `_walk`, but all the way around when it ends where it starts."""
    return [ring[start:], ring[: stop + 1]] if start >= stop else [ring[start : stop + 1]]


def _turned(ring: Floats, is_clockwise: bool, way: bool) -> Floats:
    return ring if is_clockwise == way else ring[::-1]
