"""Whether confidences are shares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from annokit.model import Answer, Classification, DataRow, Relationship
from annokit.report import kind_of
from annokit.validate._findings import Findings

__all__ = ["check_confidences"]


def check_confidences(found: Findings, row: DataRow) -> None:
    """Those of the annotations of a row, and of the answers to its questions."""
    for one in (one for label in row.labels for one in label.annotations):
        if isinstance(one, Relationship):
            continue
        if not isinstance(one, Classification):
            _check(found, row, kind_of(one), one.confidence, one.id)
        for said in _said([one] if isinstance(one, Classification) else one.classifications):
            _check(found, row, "classifications", said.confidence, said.id)


def _said(asked: Iterable[Classification]) -> Iterator[Classification | Answer]:
    """Questions, their answers, and all that is nested in them."""
    for question in asked:
        holders: tuple[Classification | Answer, ...] = (question, *question.answers)
        yield from holders
        for holder in holders:
            yield from _said(holder.classifications)


def _check(found: Findings, row: DataRow, kind: str, confidence: float | None, id: str | None) -> None:
    if confidence is None or 0 <= confidence <= 1:
        return
    message = "its confidence is not from 0 to 1: is it a percentage?"
    found.add("confidence-range", kind, "warning", message, row=row, annotation=id, detail=f"{confidence:g}")
