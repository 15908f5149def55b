"""How far annotators agree, data row by data row, over a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema

from annokit.consensus import Scores, score
from annokit.consensus._submissions import chosen_gold
from annokit.dataset import Dataset, chained
from annokit.errors import UsageError, shown
from annokit.model import DataRow
from annokit.spark._nested import check_nested, rows_of

__all__ = ["consensus"]

_BY_ROW = ("pairs", "rows", "classes", "matches", "units")


def consensus(df: DataFrame, table: str = "pairs", **options: Any) -> DataFrame:
    """The scores of `annokit.consensus.score`, each data row scored by itself in a task.

    Data rows of several sources are one as `annokit.consensus.joined` says: each annotator may have a file of their own.

    Parameters
    ----------
    df : DataFrame
        Rows of the table `nested`.
    table : str
        `pairs`, `rows`, `classes`, `matches` or `units`, as `annokit.consensus.Scores` has them.
    **options
        Those of `annokit.consensus.score`.

    Returns
    -------
    DataFrame
        What ``score`` gives for all rows at once, in any order. ``groupBy("class").avg("score")`` and the like sum up; the
        columns of `units` are those that `annokit.consensus.alpha` and `annokit.consensus.aggregate` take.

    Raises
    ------
    UsageError
        Other rows, another table, unknown options.
    """
    check_nested(df.columns)
    if table not in _BY_ROW:
        raise UsageError(f"expected a table, got {shown(table)!r}", hint=", ".join(_BY_ROW))
    _check(options)
    schema: pa.Schema = getattr(_NOTHING, table).schema

    def scored(group: pa.Table) -> pa.Table:
        ordered = group.sort_by([("source", "ascending"), ("data_row_index", "ascending")])
        rows = [row for batch in ordered.to_batches() for row in rows_of(batch)]
        return getattr(_scores(rows, options), table)

    return df.groupBy("name").applyInArrow(scored, from_arrow_schema(schema))


_NOTHING = score(Dataset.from_rows([]))


def _check(options: Mapping[str, Any]) -> None:
    """Refuse wrong options here, before a task does; `against` finds nobody where there are no rows."""
    score(Dataset.from_rows([]), **{name: value for name, value in options.items() if name != "against"})
    if options.get("against") is not None:
        chosen_gold(options["against"])


def _scores(rows: Sequence[DataRow], options: Mapping[str, Any]) -> Scores:
    by_source = groupby(rows, lambda row: row.source)
    try:
        return score(chained([Dataset.from_rows(list(some)) for _, some in by_source]), **options)
    except UsageError:  # options were looked at before: nobody labelled this row to score against
        return _NOTHING
