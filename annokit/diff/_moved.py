"""Whether a shape is where it was, as far as formats that round can say."""

from __future__ import annotations

import numpy as np

from annokit.model import Box, Polygon, Track
from annokit.model.base import Floats
from annokit.similarity import Marked

__all__ = ["stayed"]

_SAME = 1 - 1e-6
"""An overlap from which two shapes are one."""
_ROUNDED = 0.01
"""Pixels: how far rounding moves a number, which is much of the overlap of small shapes and of thin ones."""


def stayed(one: Marked, other: Marked, overlap: float) -> bool:
    """Whether two that overlap are in the same place: as wholes, or corner by corner."""
    return overlap >= _SAME or (overlap > 0 and _close(*_outline(one), *_outline(other)))


def _outline(one: Marked) -> tuple[object, Floats]:
    """How the numbers of boxes, polygons and tracks are to be read, and these; of other things none."""
    if isinstance(one, Track):
        return (one.kind, *(part.tolist() for part in (one.frames, one.offsets, one.segments))), one.values
    if isinstance(one.geometry, Polygon):
        return one.geometry.ring_offsets.tolist() + one.geometry.part_offsets.tolist(), one.geometry.coords
    return one.geometry.kind, np.array(one.geometry.xyxy if isinstance(one.geometry, Box) else ())


def _close(read: object, numbers: Floats, other_read: object, others: Floats) -> bool:
    return read == other_read and numbers.size > 0 and bool((np.abs(numbers - others) <= _ROUNDED).all())
