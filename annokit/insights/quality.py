"""How far one can rely on the answers: what `annokit.consensus` says of questions with one answer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["ALPHA", "SKILL", "alpha_per_question", "skill_per_worker"]

ALPHA = pa.schema(
    {
        "element": pa.string(),
        "responses": pa.int64(),
        "alpha": pa.float64(),
        "low": pa.float64(),
        "high": pa.float64(),
    }
)
SKILL = pa.schema(
    {"element": pa.string(), "worker": pa.string(), "answers": pa.int64(), "skill": pa.float64()}
)

_SAMPLES, _MOST_CELLS = 200, 50_000_000

_RADIO = """
SELECT v.element, v.data_row, v.worker, v.label
FROM votes v
WHERE v.element IN (SELECT element FROM answer_labels GROUP BY element HAVING MIN(kind) = 'radio' AND MAX(kind) = 'radio')
ORDER BY v.element, v.data_row, v.worker
"""


class _Question(NamedTuple):
    """The latest answers of everybody to a question with one answer."""

    element: str
    items: pa.ChunkedArray
    workers: pa.ChunkedArray
    labels: pa.ChunkedArray


def alpha_per_question(connection: Any) -> pa.Table:
    """Krippendorff's alpha of each question with one answer, with the 95 % interval of resampled data rows.

    Questions to which no data row has two answers are not there.
    """
    from annokit.consensus import alpha

    lines = []
    for one in _questions(connection):
        made = alpha(one.items, one.workers, one.labels, bootstrap=_SAMPLES)
        if not math.isnan(made):
            lines.append((one.element, len(one.items), float(made), made.low, made.high))
    return _table(lines, ALPHA)


def skill_per_worker(connection: Any) -> pa.Table:
    """How likely an answer of each worker is right, as `annokit.consensus.aggregate` finds without knowing the truth.

    It is drawn to what all workers have in common where a worker has few answers. Questions with very many
    different answers are left out: there is a matrix of them for each worker.
    """
    from annokit.consensus import aggregate

    lines: list[tuple[Any, ...]] = []
    for one in _questions(connection):
        classes = len(one.labels.unique())
        if classes < 2 or classes * max(len(one.items), classes * len(one.workers.unique())) > _MOST_CELLS:
            continue
        made = aggregate(one.items, one.workers, one.labels)
        told = zip(made.annotator.tolist(), made.answers.tolist(), made.skill.tolist(), strict=True)
        lines += [(one.element, *found) for found in told]
    return _table(lines, SKILL)


def _questions(connection: Any) -> Iterator[_Question]:
    found: pa.Table = connection.sql(_RADIO).to_arrow_table()
    for element in found["element"].unique().to_pylist():
        part = found.filter(pc.equal(found["element"], element)).combine_chunks()
        yield _Question(element, part["data_row"], part["worker"], part["label"])


def _table(lines: list[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*lines, strict=True)) or [()] * len(schema)
    arrays = [pa.array(one, field.type) for one, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
