"""The tables and views as SQL for other engines: what `annokit insights --sql` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

import pyarrow as pa

from annokit.errors import UsageError, shown
from annokit.insights.answers import ANSWER_LABELS, ANSWERS, DERIVED
from annokit.insights.views import BLOG_VIEWS, VIEWS, Settings, sql_text

__all__ = ["ENGINES", "Engine", "sql_script"]

Engine: TypeAlias = Literal["athena", "duckdb", "spark"]

ENGINES: tuple[Engine, ...] = ("athena", "duckdb", "spark")

_VIEW = {"spark": "CREATE OR REPLACE TEMPORARY VIEW"}
_HIVE = {"int64": "bigint", "double": "double", "string": "string", "bool": "boolean", "date32[day]": "date"}
_TABLES: Mapping[str, pa.Schema] = {
    "answers": pa.schema([*ANSWERS, *DERIVED]),
    "answer_labels": ANSWER_LABELS,
}


def sql_script(engine: Engine, *, job: str = "", tables: str = "", settings: Settings | None = None) -> str:
    """SQL that makes the blog's views over a job's worker responses, and annokit's over its Parquet tables.

    The aggregate views are the same text in every engine; what takes the nested JSON apart is not.

    Parameters
    ----------
    engine : {"athena", "duckdb", "spark"}
    job : str
        The job's folder, in which ``annotations/worker-response`` lies.
    tables : str
        The folder that ``annokit insights --tables`` wrote, or where it was copied to; Athena wants each
        table in a folder of its own there.
    settings : Settings, optional

    Raises
    ------
    UsageError
        A folder with a quote in its name.

    Examples
    --------
    >>> script = sql_script("athena", job="s3://labels/birds")
    >>> "LOCATION 's3://labels/birds/annotations/worker-response/'" in script
    True
    """
    chosen = settings or Settings()
    base = "s3://BUCKET" if engine == "athena" else "."
    job, tables = (job or f"{base}/JOB").rstrip("/"), (tables or f"{base}/INSIGHTS").rstrip("/")
    for text in (job, tables, chosen.element):
        if any(mark in text for mark in "'\"`\\\n"):
            raise UsageError(f"expected a name without quotes and backslashes, got {shown(text)!r}")
    raw = sql_text(f"annotations_view.{engine}", chosen).replace("{{job}}", job)
    parts = [
        f"-- Made by `annokit insights --sql {engine}`. First the views of the AWS blog, over the worker responses.",
        raw,
        *_views(BLOG_VIEWS, engine, chosen),
        "-- annokit's own views, over the tables that `annokit insights SRC --tables DIR` writes.",
        *(_table(name, engine, tables) for name in _TABLES),
        *_views(VIEWS, engine, chosen),
    ]
    return "\n\n".join(parts) + "\n"


def _views(names: tuple[str, ...], engine: Engine, settings: Settings) -> Iterator[str]:
    for name in names:
        yield f"{_VIEW.get(engine, 'CREATE OR REPLACE VIEW')} {name} AS\n{sql_text(name, settings)};"


def _table(name: str, engine: Engine, folder: str) -> str:
    if engine == "duckdb":
        return f"CREATE OR REPLACE VIEW {name} AS\nSELECT * FROM read_parquet('{folder}/{name}.parquet');"
    if engine == "spark":
        head = f"CREATE OR REPLACE TEMPORARY VIEW {name}"
        return f"{head} USING parquet OPTIONS (path '{folder}/{name}.parquet');"
    columns = ",\n".join(
        f"  {field.name} {_HIVE.get(str(field.type), 'timestamp')}" for field in _TABLES[name]
    )
    head = f"-- Copy {name}.parquet there.\nCREATE EXTERNAL TABLE IF NOT EXISTS {name} (\n{columns}\n)"
    return f"{head}\nSTORED AS PARQUET\nLOCATION '{folder}/{name}/';"
