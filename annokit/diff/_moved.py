"""Whether a shape is where it was, as far as formats that round can say, and what is stated beside it the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from annokit.model import Box, ObjectAnnotation, Polygon, Track
from annokit.model.base import Floats
from annokit.similarity import Marked

__all__ = ["restated", "stayed"]

_SAME = 1 - 1e-6
"""An overlap from which two shapes are one."""
_ROUNDED = 0.01
"""Pixels: how far rounding moves a number, which is much of the overlap of small shapes and of thin ones."""


def stayed(one: Marked, other: Marked, overlap: float) -> bool:
    """Whether two that overlap are in the same place: as wholes, or corner by corner."""
    return overlap >= _SAME or (overlap > 0 and _close(*_outline(one), *_outline(other)))


def restated(one: Marked, other: Marked, what: str, overlap: float) -> Iterator[tuple[str, float]]:
    """What is stated beside two shapes, and not the same: the box, unless the shape took it along; whether it is a crowd.

    Each with an overlap, that of the boxes or of the shapes. A box that one side does not state is no change.
    """
    if not (isinstance(one, ObjectAnnotation) and isinstance(other, ObjectAnnotation)):
        return
    was, now = one.box, other.box
    if what != "moved" and was != now and was is not None and now is not None:
        from annokit_fast import boxes

        numbers = np.array([was.xyxy]), np.array([now.xyxy])
        if not _close("", numbers[0], "", numbers[1]):
            yield "box", float(boxes.iou(*numbers)[0, 0])
    if one.is_crowd != other.is_crowd:
        yield "crowd", overlap


def _outline(one: Marked) -> tuple[object, Floats]:
    """How the numbers of boxes, polygons and tracks are to be read, and these; of other things none."""
    if isinstance(one, Track):
        return (one.kind, *(part.tolist() for part in (one.frames, one.offsets, one.segments))), one.values
    if isinstance(one.geometry, Polygon):
        return one.geometry.ring_offsets.tolist() + one.geometry.part_offsets.tolist(), one.geometry.coords
    return one.geometry.kind, np.array(one.geometry.xyxy if isinstance(one.geometry, Box) else ())


def _close(read: object, numbers: Floats, other_read: object, others: Floats) -> bool:
    return read == other_read and numbers.size > 0 and bool((np.abs(numbers - others) <= _ROUNDED).all())
