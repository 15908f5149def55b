"""The SQL for other engines: run in DuckDB and Spark on the same files, read as Athena's, and equal everywhere."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
from sqlglot import exp

from annokit.errors import UsageError
from annokit.insights import BLOG_VIEWS, ENGINES, VIEWS, Settings, open_insights, sql_script
from tests.insights.trees import Presto, as_dataset, private_workforce, write_tree

Rows = list[tuple[Any, ...]]


class Case:
    """A job as files, its tables, and what DuckDB makes of them in annokit."""

    def __init__(self, folder: Path) -> None:
        self.job = str(write_tree(folder / "job", private_workforce((1, 24, 25, 30)), colon="_"))
        self.tables = str(folder / "tables")
        self.insights = open_insights(as_dataset(Path(self.job)))
        Path(self.tables).mkdir()
        for name, table in self.insights.tables().items():
            pq.write_table(table, f"{self.tables}/{name}.parquet")

    def check(self, run: Callable[[str], Rows]) -> None:
        oracle = Presto(Path(self.job))
        for view in ("annotations_view", *BLOG_VIEWS):
            last = -1 if view == "annotations_view" else None  # each engine has its own way to write a path
            found, expected = ([row[:last] for row in rows] for rows in (run(view), getattr(oracle, view)()))
            assert sorted(found, key=repr) == sorted(expected, key=repr), view
        for view in VIEWS:
            found, expected = (
                sorted([list(map(_plain, row)) for row in rows], key=repr)
                for rows in (run(view), self.insights.rows(f"SELECT * FROM {view}"))
            )
            assert found == expected, view


def _plain(value: Any) -> Any:
    return round(float(value), 9) if isinstance(value, float | int) or hasattr(value, "as_tuple") else value


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("engines"))


def statements(script: str) -> list[str]:
    return [one for one in script.split(";\n") if one.strip()]


def test_duckdb_runs_its_script(case: Case) -> None:
    with duckdb.connect() as connection:
        connection.execute(sql_script("duckdb", job=case.job, tables=case.tables))
        case.check(lambda view: connection.execute(f"SELECT * FROM {view}").fetchall())


@pytest.mark.xdist_group("spark")
def test_spark_runs_its_script(case: Case, spark: Any) -> None:
    spark = spark.newSession()  # its views are not those of other tests
    script = sql_script("spark", job=case.job, tables=case.tables)
    made = {re.findall(r"TEMPORARY VIEW (\w+)", one)[0]: one for one in statements(script)}
    for name in ("annotations_raw", "answers", "answer_labels"):
        spark.sql(made.pop(name))

    def run(view: str) -> Rows:
        spark.sql(made.pop(view))
        found = [tuple(row) for row in spark.sql(f"SELECT * FROM {view}").collect()]
        # what was checked is put in the view's place, so that the next ones are not planned from the start
        same = f"USING parquet OPTIONS (path '{case.tables}/{view}.parquet')"
        spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW {view} {same}")
        return found

    case.check(run)
    assert made == {}


ATHENA = {
    "avg", "cast", "coalesce", "count", "from_iso8601_timestamp", "lag", "max", "min", "regexp_extract",
    "row_number", "sqrt", "sum", "transform", "unnest",
}  # fmt: skip
"""Functions of Athena (Trino) that the script may use."""

_KNOWN = {
    "fromiso8601timestamp": "from_iso8601_timestamp",
    "trycast": "cast",  # what the parser calls Hive's
    "regexpextract": "regexp_extract",
    "rownumber": "row_number",
}


def test_athena_can_read_its_script() -> None:
    script = sql_script("athena", job="s3://labels/birds", tables="s3://labels/insights")
    parsed = [one for one in sqlglot.parse(script, read="athena") if one is not None]
    views = [one.this.sql() for one in parsed if one.args.get("kind") == "VIEW"]
    assert views == ["annotations_view", *BLOG_VIEWS, *VIEWS]
    made = [one for one in parsed if one.args.get("kind") == "TABLE"]
    assert len(made) == 3
    assert not [one for one in parsed if isinstance(one, exp.Command)]  # what the parser did not understand
    used = set()
    for view in parsed:
        for function in view.find_all(exp.Func):
            if isinstance(function, exp.Case | exp.And | exp.Or | exp.If | exp.Not | exp.Connector):
                continue
            name = function.name if isinstance(function, exp.Anonymous) else function.sql_name()
            used.add(_KNOWN.get(name.lower().replace("_", ""), name.lower()))
    types = {"array", "struct"}
    assert used - types <= ATHENA
    assert "s3://labels/insights/answer_labels/" in script


def test_athenas_columns_are_those_of_the_files(case: Case) -> None:
    kinds = {
        "bigint": pa.int64(), "double": pa.float64(), "string": pa.string(), "boolean": pa.bool_(),
        "date": pa.date32(), "timestamp": pa.timestamp("us", "UTC"),
    }  # fmt: skip
    script = sql_script("athena")
    for name in ("answers", "answer_labels"):
        (columns,) = [
            part.split("\n)")[0]
            for part in script.split(f"CREATE EXTERNAL TABLE IF NOT EXISTS {name} (\n")[1:]
        ]
        told = dict(line.strip().rstrip(",").split() for line in columns.splitlines())
        schema = pq.read_schema(f"{case.tables}/{name}.parquet")
        assert {field.name: field.type for field in schema} == {key: kinds[one] for key, one in told.items()}


def test_the_aggregates_are_the_same_text_everywhere() -> None:
    scripts = [sql_script(engine) for engine in ENGINES]
    for view in (*BLOG_VIEWS, *VIEWS):
        texts = {script.split(f" VIEW {view} AS\n")[1].split(";\n")[0] for script in scripts}
        assert len(texts) == 1


@pytest.mark.parametrize("name", ["it's", 'a"b', "a`b", "a\nb"])
def test_names_never_leave_their_quotes(name: str) -> None:
    for given in ({"job": name}, {"tables": name}, {"settings": Settings(element=name)}):
        with pytest.raises(UsageError, match="without quotes"):
            sql_script("spark", **given)  # type: ignore[arg-type]


def test_the_command_prints_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "annokit", "insights", "--sql", "athena", "s3://labels/birds/"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == sql_script("athena", job="s3://labels/birds")
