"""What a merged dataset says, as a table."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from annokit.consensus._answers import VOTES
from annokit.dataset import Dataset
from annokit.model import Classification, ObjectAnnotation, Relationship, Track
from annokit.report import Report
from annokit.run import Run

__all__ = ["verdicts"]

_VERDICTS = pa.schema(
    [
        ("data_row_id", pa.string()),
        ("data_row", pa.string()),
        ("what", pa.string()),
        ("answer", pa.string()),
        ("votes", pa.int64()),
        ("drawn", pa.int64()),
        ("of", pa.int64()),
        ("confidence", pa.float64()),
        ("annotators", pa.list_(pa.string())),
    ]
)


def verdicts(merged: Dataset, *, report: Report | None = None) -> pa.Table:
    """What a merged dataset says, one row for each object and each answer about a data row.

    Parameters
    ----------
    merged : Dataset
        As `merge` makes it.
    report : Report, optional
        Where what was read and merged is counted, and what was left out is named.

    Returns
    -------
    Table
        ``data_row_id``, ``data_row``; ``what`` (the kind of shape, or the question), ``answer`` (the class, or the
        answers), ``votes`` and ``of``: annotators who said it, of how many; ``drawn``: of objects, how many drew one
        there, as whatever class; ``confidence``; ``annotators``, those who drew it.
    """
    rows = []
    for row in merged.rows(Run(on_error="skip", report=report, limits=merged.limits)):
        for label in row.labels:
            for one in label.annotations:
                found = None if isinstance(one, Relationship) else _verdict(one)
                if found is not None:
                    rows.append((row.id, row.name, *found))
    columns = list(zip(*rows, strict=True)) or [()] * len(_VERDICTS)
    return pa.table([pa.array(c, t) for c, t in zip(columns, _VERDICTS.types, strict=True)], schema=_VERDICTS)


def _verdict(one: ObjectAnnotation | Track | Classification) -> tuple[Any, ...] | None:
    votes = one.extra.get(VOTES)
    if votes is None:
        return None
    if isinstance(one, Classification):
        answer = one.text if one.text is not None else ", ".join(answer.name for answer in one.answers)
        chosen = [one.text] if one.text is not None else [answer.name for answer in one.answers]
        behind = min((votes["votes"].get(name, 0) for name in chosen), default=0)
        return one.tool_name, answer, behind, None, votes["of"], one.confidence, []
    kind = f"track of {one.kind}" if isinstance(one, Track) else one.geometry.kind
    drawn, name = votes["annotators"], one.tool_name
    return kind, name, votes["votes"].get(name, 0), len(drawn), votes["of"], one.confidence, drawn
