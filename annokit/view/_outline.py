"""The outlines and points of every shape, in the coordinates of its data row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from annokit.model import Box, Geometry, Keypoints, Line, Mask, Point, Polygon, RotatedBox
from annokit.model.base import Floats
from annokit.view._scene import box_ring

__all__ = ["Outline", "mask_rings", "outline"]

_FAR = 1e5


@dataclass(frozen=True, slots=True)
class Outline:
    """Closed rings (even-odd), open lines, and points with whether each is filled."""

    rings: Sequence[Floats] = ()
    lines: Sequence[Floats] = ()
    points: Floats = field(default_factory=lambda: np.empty((0, 2)))
    filled: Sequence[bool] = ()

    def all_points(self) -> Floats:
        """Every vertex and point."""
        return np.concatenate([*self.rings, *self.lines, self.points])

    def scaled(self, x: float, y: float) -> Outline:
        """The same in other units; what lies absurdly far out is brought nearer, for drawing programs."""

        def place(coords: Floats) -> Floats:
            return np.clip(coords * (x, y), -_FAR, _FAR)

        rings, lines = [place(ring) for ring in self.rings], [place(line) for line in self.lines]
        return Outline(rings, lines, place(self.points), self.filled)


def outline(shape: Geometry, skeleton: Sequence[tuple[int, int]] = ()) -> Outline | None:
    """What to draw of a shape; None when it has no finite place in an image."""
    found = _outline(shape, skeleton)
    if found is None:
        return None
    points = found.all_points()
    return found if len(points) and np.isfinite(points).all() else None


def _outline(shape: Geometry, skeleton: Sequence[tuple[int, int]]) -> Outline | None:
    match shape:
        case Box():
            return Outline(rings=[box_ring(shape.x, shape.y, shape.width, shape.height)])
        case RotatedBox():
            return Outline(rings=[shape.corners])
        case Polygon():
            return Outline(rings=list(shape.rings()))
        case Mask():
            return Outline(rings=mask_rings(shape))
        case Line():
            return Outline(lines=[shape.coords])
        case Point():
            return Outline(points=np.array([(shape.x, shape.y)]), filled=[True])
        case Keypoints():
            return _skeleton(shape, skeleton)
        case _:
            return None


def _skeleton(shape: Keypoints, skeleton: Sequence[tuple[int, int]]) -> Outline:
    """Visible points filled, occluded ones hollow, and the bones between those that are there."""
    there = set(np.flatnonzero(shape.visibility > 0).tolist())
    bones = [shape.coords[[a, b]] for a, b in skeleton if a in there and b in there]
    kept = sorted(there)
    return Outline(lines=bones, points=shape.coords[kept], filled=(shape.visibility[kept] == 2).tolist())


def mask_rings(mask: Mask) -> list[Floats]:
    """The exact outline of a mask along its pixel edges, as rings for an even-odd fill.

    >>> [ring.tolist() for ring in mask_rings(Mask(counts=[1, 1, 2], height=2, width=2))]
    [[[0.0, 1.0], [0.0, 2.0], [1.0, 2.0], [1.0, 1.0]]]
    """
    x, y = _corners(mask)
    # Down a column of corners, and along a row of them, the outline joins the first with the second,
    # the third with the fourth, ...
    rows = np.lexsort((x, y))
    along = np.empty(len(x), np.int64)
    along[rows] = rows.reshape(-1, 2)[:, ::-1].reshape(-1)
    points = np.stack([x, y], axis=1).astype(np.float64)
    return [points[ring] for ring in _loops(along.tolist())]


def _corners(mask: Mask) -> tuple[Floats, Floats]:
    """Where the outline turns, column by column; twice where two pixels touch at a corner only."""
    ends = np.cumsum(mask.counts, dtype=np.int64)
    if len(ends) < 2 or ends[-1] == ends[0]:
        return np.empty(0), np.empty(0)
    first, last = int(ends[0]) // mask.height, (int(ends[-1]) - 1) // mask.height
    pixels = np.zeros((last - first + 3, mask.height + 2), np.bool_)
    flat = np.repeat(np.arange(len(mask.counts)) % 2 == 1, mask.counts)
    pixels[1:-1, 1:-1] = flat.reshape(mask.width, mask.height)[first : last + 1]
    a, b, c, d = pixels[:-1, :-1], pixels[1:, :-1], pixels[:-1, 1:], pixels[1:, 1:]
    touching = (a == d) & (b == c) & (a != b)
    times = (a ^ b ^ c ^ d) + 2 * touching.astype(np.int8)
    x, y = np.nonzero(times)
    times = times[x, y]
    return np.repeat(x + first, times), np.repeat(y, times)


def _loops(along: list[int]) -> list[list[int]]:
    """Walk from corner to corner, in turn down a column (0-1, 2-3, ...) and along a row."""
    seen = [False] * len(along)
    loops = []
    for start in range(len(along)):
        loop, at = [], start
        while not seen[at]:
            below = at ^ 1
            seen[at] = seen[below] = True
            loop += [at, below]
            at = along[below]
        if loop:
            loops.append(loop)
    return loops
