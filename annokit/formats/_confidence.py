"""Confidences in formats that hold shares only."""

from __future__ import annotations

from annokit.model import Answer, Classification, ObjectAnnotation
from annokit.report import Report, kind_of

__all__ = ["share_of"]


def share_of(one: ObjectAnnotation | Classification | Answer, report: Report, name: str) -> float | None:
    """The confidence, if it is from 0 to 1; another one, as of a detector's percent, is lost by name.

    >>> report = Report()
    >>> share_of(Answer(name="yes", confidence=0.5), report, "a.jpg")
    0.5
    >>> share_of(Answer(name="yes", confidence=50), report, "a.jpg")
    >>> report.losses[0].code
    'confidence-range'
    """
    if one.confidence is None or 0 <= one.confidence <= 1:
        return one.confidence
    kind = "classifications" if isinstance(one, Answer) else kind_of(one)
    why = "its confidence is not from 0 to 1, and is left out"
    report.note("confidence-range", kind, why, example=name, lossy=True)
    return None
