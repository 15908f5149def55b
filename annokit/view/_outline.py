"""The outlines and points of every shape, in the coordinates of its data row."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from annokit.geometry import mask_batch
from annokit.model import Box, Geometry, Keypoints, Line, Mask, Point, Polygon, RotatedBox
from annokit.model.base import Floats
from annokit.view._scene import box_ring

__all__ = ["Outline", "outline"]


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

    def scaled(self, x: float, y: float, far: float = 1e12) -> Outline:
        """The same in other units; what lies absurdly far out is brought nearer."""

        def place(coords: Floats) -> Floats:
            with np.errstate(over="ignore"):
                return np.clip(coords * (x, y), -far, far)

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
            return Outline(rings=_mask_rings(shape))
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


def _mask_rings(mask: Mask) -> list[Floats]:
    """The exact outline along the pixel edges, holes too."""
    from annokit_fast import rle

    coords, offsets, _, _ = rle.to_polygons(mask_batch([mask]))
    return [coords[start:end] for start, end in itertools.pairwise(offsets.tolist())]
