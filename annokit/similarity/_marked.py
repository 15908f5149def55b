"""What can be compared with what, and what is the same to the last number."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec
import numpy as np

from annokit.geometry import FARTHEST
from annokit.model import Box, ObjectAnnotation, Point, TextSpan, TimeRange, Track
from annokit.model.base import Floats

__all__ = ["Marked", "comparable", "family_of", "look_of"]

Marked: TypeAlias = ObjectAnnotation | Track

_ENCODER = msgspec.json.Encoder(enc_hook=np.ndarray.tolist)


def look_of(one: Marked) -> bytes:
    """What is drawn and where, whatever its class, as bytes: equal for what cannot be told apart.

    >>> from annokit.model import Box
    >>> look_of(ObjectAnnotation(tool_name="car", geometry=Point(x=1, y=2)))
    b'[{"type":"point","x":1,"y":2},null,null,"pixel"]'
    """
    if isinstance(one, Track):
        shape = [one.kind, one.frames, one.values, one.offsets, one.segments, one.masks]
        return _ENCODER.encode([shape])
    return _ENCODER.encode([one.geometry, one.frame, one.page, one.space])


def family_of(one: Marked) -> str:
    """Objects of one family can be compared; with numbers no image has, none can."""
    if isinstance(one, Track):
        return "track" if _within(one.values) else "unknown"
    shape = one.geometry
    if not (_near(shape) if isinstance(shape, Box | Point | TimeRange) else _within(_numbers(shape))):
        return "unknown"
    kind = shape.kind
    return "area" if kind in ("box", "rotated_box", "polygon", "mask") else kind


def comparable(one: Marked) -> tuple[Any, ...]:
    """The family first, then all else that has to be equal for two things to be compared at all."""
    family = family_of(one)
    if isinstance(one, Track):
        return family, one.kind
    message = one.geometry.message_id if isinstance(one.geometry, TextSpan) else None
    return family, one.frame, one.page, one.space, message


def _near(shape: Box | Point | TimeRange) -> bool:
    """`_within` for the numbers of a shape without an array: the case there are millions of."""
    return all(-FARTHEST <= getattr(shape, name) <= FARTHEST for name in shape.__struct_fields__)


def _numbers(shape: Any) -> Floats:
    return np.asarray(getattr(shape, "coords", getattr(shape, "corners", ())), np.float64)


def _within(numbers: Floats) -> bool:
    return bool((np.abs(numbers) <= FARTHEST).all())
