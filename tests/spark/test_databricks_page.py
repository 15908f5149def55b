"""LabelSpark's story as docs/databricks.md tells it: every block of Python is run, and what it makes is looked at."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

pytest.importorskip("pyspark", reason="needs pyspark")

import annokit
from tests.conftest import ROOT

pytestmark = [
    pytest.mark.xdist_group("spark"),
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]
PAGE = (ROOT / "docs" / "databricks.md").read_text()


@pytest.fixture(scope="module")
def volume(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("volume")
    shutil.copy(samples / "street.ndjson", folder / "export.ndjson")
    lines = [f"https://example.com/{n}.jpg,street-{n}" for n in range(1, 4)]
    (folder / "images.csv").write_text("\n".join(["row_data,global_key", *lines]) + "\n")
    return folder


@pytest.fixture(scope="module")
def told(spark: Any, volume: Path) -> dict[str, Any]:
    """What the page's blocks leave, one after the other."""
    names: dict[str, Any] = {"spark": spark}
    for text in re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE):
        exec(compile(text.replace("/Volumes/main/labels", str(volume)), "databricks.md", "exec"), names)
    return names


def rows(table: pa.Table) -> list[dict[str, Any]]:
    return sorted(table.to_pylist(), key=str)


def test_addresses_become_payloads(told: dict[str, Any]) -> None:
    assert told["payloads"].rows[0] == {"row_data": "https://example.com/1.jpg", "global_key": "street-1"}
    assert told["payloads"].problems == []


def test_the_three_tables_and_the_questions(told: dict[str, Any], spark: Any, volume: Path) -> None:
    import duckdb

    whole = annokit.read(volume / "export.ndjson")
    silver = whole.to_arrow("silver")
    for name in ("bronze", "flat", "silver"):
        stored = spark.table(name)
        assert stored.columns == whole.to_arrow(name).column_names
        assert stored.count() == len(silver)
    for name, condition in (
        ("rain", """weather = 'rainy' AND "person.count" > 0 AND "car.count" > 0"""),
        ("crowds", """"time of day" = 'day' AND "person.count" > 10"""),
    ):
        columns = ", ".join(f'"{column}"' for column in told[name].columns)
        expected = duckdb.sql(f"SELECT {columns} FROM silver WHERE {condition}").fetchall()
        assert expected
        assert sorted(map(tuple, told[name].collect())) == sorted(expected)
    assert sum(one["count"] for one in told["marks"].collect()) == len(whole.to_arrow())


def test_training_data_is_of_the_rows_that_were_asked_for(told: dict[str, Any], volume: Path) -> None:
    shards = [json.loads(path.read_text()) for path in sorted((volume / "rainy").glob("part-*.json"))]
    silver = annokit.read(volume / "export.ndjson").to_arrow("silver").to_pylist()
    rainy = {row["name"] for row in silver if row["weather"] == "rainy"}
    assert sorted(image["file_name"] for shard in shards for image in shard["images"]) == sorted(rainy)
    assert all(shard["categories"] == shards[0]["categories"] for shard in shards)


def test_predictions_become_import_rows(told: dict[str, Any], volume: Path) -> None:
    [shard] = (volume / "prelabels").glob("part-*.ndjson")
    lines = [json.loads(line) for line in shard.read_text().splitlines()]
    assert [(one["name"], one["confidence"], one["dataRow"]) for one in lines] == [
        ("person", 0.9, {"globalKey": "street-1"}),
        ("car", 0.8, {"globalKey": "street-1"}),
    ]
    assert lines[0]["bbox"] == {"top": 30.0, "left": 12.0, "height": 90.0, "width": 40.0}


def test_json_in_a_column_and_agreement(told: dict[str, Any], volume: Path) -> None:
    whole = annokit.read(volume / "export.ndjson")
    assert told["problems"].count() == 0
    kept = told["parsed"].toArrow()
    assert all(name.endswith("/export.ndjson") for name in kept["file"].to_pylist())
    assert len(kept) == len(whole.to_arrow())
    scored = annokit.consensus.score(whole)
    found = {one["class"]: one["avg(score)"] for one in told["hardest"].collect()}
    expected = {one["class"]: one["score"] for one in scored.by_class.to_pylist()}
    assert found == pytest.approx(expected)
    assert told["scores"].count() == len(scored.pairs)
    weather = scored.units.filter(pc.equal(scored.units["question"], "weather"))
    columns = [weather[name] for name in ("unit", "annotator", "label")]
    agreed = annokit.consensus.aggregate(*columns, method="majority")
    assert rows(told["agreed"].items.toArrow()) == rows(agreed.to_arrow())
    assert rows(told["agreed"].annotators.select("annotator", "answers").toArrow()) == rows(
        agreed.annotators_to_arrow().select(["annotator", "answers"])
    )
