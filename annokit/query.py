"""Which data rows, by a question in SQL: DuckDB over the silver table, shut off from everything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from types import ModuleType
from typing import Any

from msgspec.structs import replace

from annokit.dataset import Dataset, Outline, RowKey
from annokit.errors import UsageError, shown
from annokit.model import DataRow, Label
from annokit.report import census
from annokit.run import Run

__all__ = ["where"]

_COLUMNS_SHOWN = 60


def where(dataset: Dataset, condition: str) -> Dataset:
    """The labels for which a condition holds, and the data rows that have one; the others are counted.

    Parameters
    ----------
    condition : str
        What stands after WHERE, in DuckDB's SQL, over the table `annokit.tables.silver`: one row per label, a column for
        each question, ``"CLASS.count"`` for each class. A label of a video stays if the condition holds in any frame.

    Raises
    ------
    UsageError
        A condition that cannot be understood, or DuckDB is not installed. It cannot read or write files: only the
        table is there.

    Examples
    --------
    >>> from annokit.model import Box, ObjectAnnotation
    >>> car = ObjectAnnotation(tool_name="car", geometry=Box(x=0, y=0, width=4, height=2))
    >>> rows = [DataRow(id="r1", labels=(Label(annotations=(car,)),)), DataRow(id="r2", labels=(Label(),))]
    >>> [row.id for row in where(Dataset.from_rows(rows), '"car.count" > 0')]
    ['r1']
    """
    if not condition.strip():
        raise UsageError("expected a condition, got nothing", hint="like \"weather = 'rainy'\"")
    duckdb = _duckdb()

    @cache
    def matches() -> dict[int, set[int]]:
        """The places of the labels for which it holds, by that of their data row."""
        from annokit.tables import silver

        rows = dataset.rows(Run(on_error="skip", limits=dataset.limits))
        table = silver(rows, dataset.ontology, limits=dataset.limits)
        found: dict[int, set[int]] = {}
        for row, label in _selected(duckdb, table, condition):
            found.setdefault(row, set()).add(label)
        return found

    def step(rows: Iterator[DataRow], run: Run) -> Iterator[DataRow]:
        for index, row in enumerate(rows):
            kept = matches().get(index)
            if kept is None:
                why = f"the condition {shown(condition)} does not hold for it"
                run.report.lose_all("where", census(row), why, example=row.name)
            else:
                yield replace(row, labels=_kept(row, kept, condition, run))

    def outline(found: Outline) -> Outline:
        rows = dataset.rows(Run(on_error="skip", limits=dataset.limits))
        keys = [RowKey(row.name, row.id) for index, row in enumerate(rows) if index in matches()]
        return replace(found, keys=keys)

    return dataset.through(step, outline)


def _kept(row: DataRow, places: set[int], condition: str, run: Run) -> tuple[Label, ...]:
    for place, label in enumerate(row.labels):
        if place not in places:
            why = f"the condition {shown(condition)} does not hold for it"
            run.report.lose_all("where", census(label), why, example=row.name)
    return tuple([label for place, label in enumerate(row.labels) if place in places])


def _duckdb() -> ModuleType:
    try:
        import duckdb
    except ImportError as error:
        raise UsageError("conditions need DuckDB", hint="pip install annokit[insights]") from error
    return duckdb


def _selected(duckdb: ModuleType, table: Any, condition: str) -> Sequence[tuple[int, int]]:
    """The keys of the rows of the silver table for which the condition holds."""
    with duckdb.connect(":memory:", config={"enable_external_access": "false"}) as connection:
        connection.register("silver", table)
        connection.execute("SET TimeZone = 'UTC'; SET python_enable_replacements = false")
        connection.execute("SET lock_configuration = true")
        query = f"SELECT DISTINCT data_row_index, label_index FROM silver WHERE (\n{condition}\n)"  # noqa: S608
        try:
            if len(connection.extract_statements(query)) != 1:
                raise UsageError(f"expected one condition, got several statements: {shown(condition)}")
            found: Sequence[tuple[int, int]] = connection.execute(query).fetchall()
        except duckdb.Error as error:
            problem = f"cannot use the condition {shown(condition)}: {str(error).partition(chr(10))[0]}"
            is_name = isinstance(error, duckdb.BinderException)
            raise UsageError(problem, hint=_columns(table.column_names) if is_name else None) from error
    return found


def _columns(names: Sequence[str]) -> str:
    listed = [f'"{name}"' for name in names if name not in ("data_row_index", "label_index")]
    more = f" and {len(listed) - _COLUMNS_SHOWN} more" if len(listed) > _COLUMNS_SHOWN else ""
    return f"columns: {', '.join(listed[:_COLUMNS_SHOWN])}{more}"
