"""On a cluster of two tasks, everything is what one process makes of it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("pyspark", reason="needs pyspark")

import annokit
from annokit import consensus, tables
from annokit import spark as on_spark
from annokit.errors import UsageError
from annokit.model import Asset, Box, DataRow, Label, ObjectAnnotation, parse

pytestmark = [
    pytest.mark.xdist_group("spark"),
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]


@pytest.fixture(scope="module")
def export(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copy(samples / "street.ndjson", tmp_path_factory.mktemp("spark") / "street.ndjson"))


@pytest.fixture(scope="module")
def nested(spark: Any, export: Path) -> Iterator[Any]:
    """The rows of the export, read by several tasks, in several partitions."""
    rows = (
        spark.read.format("annokit").option("splitBytes", 40000).option("table", "nested").load(str(export))
    )
    kept = rows.cache()
    yield kept
    kept.unpersist()


def plain(table: pa.Table, *left_out: str) -> list[dict[str, Any]]:
    """The rows in an order of their own; times as UTC has them, whatever the session's zone is."""
    names = [name for name in table.column_names if name not in left_out]
    columns = {
        name: table[name].cast(pa.timestamp("us", "UTC"))
        if pa.types.is_timestamp(table[name].type)
        else table[name]
        for name in names
    }
    return sorted(pa.table(columns).to_pylist(), key=lambda row: json.dumps(row, default=str, sort_keys=True))


def test_the_data_source_in_sql(spark: Any, export: Path) -> None:
    spark.sql(
        f"CREATE TEMPORARY VIEW marks USING annokit OPTIONS (path '{export}', format 'labelbox', splitBytes '40000')"
    )
    found = spark.sql("SELECT * FROM marks").toArrow()
    assert plain(found, "data_row_index") == plain(annokit.read(export).to_arrow(), "data_row_index")
    spark.sql("DROP VIEW marks")


def test_workers_run_the_python_of_the_driver(spark: Any) -> None:
    def python(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in batches:
            yield pa.record_batch({"python": [sys.executable], "annokit": [annokit.__version__]})

    found = spark.range(1).mapInArrow(python, "python string, annokit string").toArrow()
    assert found.to_pylist() == [{"python": sys.executable, "annokit": annokit.__version__}]


def test_silver_of_nested_rows(nested: Any, export: Path) -> None:
    whole = annokit.read(export)
    text = on_spark.ontology(nested)
    assert [tool.name for tool in parse(text.encode()).tools] == [tool.name for tool in whole.ontology.tools]  # type: ignore[union-attr]
    assert on_spark.class_names(nested.repartition(3)) == [tool.name for tool in whole.ontology.tools]
    found = on_spark.silver(nested, text).toArrow()
    assert found.column_names == whole.to_arrow("silver").column_names
    assert plain(found, "data_row_index") == plain(whole.to_arrow("silver"), "data_row_index")


@pytest.mark.parametrize("table", ["pairs", "units"])
def test_consensus_data_row_by_data_row(nested: Any, export: Path, table: str) -> None:
    expected = getattr(consensus.score(annokit.read(export)), table)
    assert len(expected) > 40
    assert plain(on_spark.consensus(nested.repartition(3), table).toArrow()) == plain(expected)


def test_consensus_of_files_that_number_their_images_otherwise(spark: Any, tmp_path: Path) -> None:
    files = []
    for who, names in (("ann", "abc"), ("bob", "cb")):
        rows = [
            DataRow(
                id=str(number), external_id=f"{name}.jpg", asset=Asset(width=90, height=90),
                labels=(Label(annotations=(ObjectAnnotation(tool_name="car", geometry=box),)),),
            )
            for number, name in enumerate(names, 1)
            for box in [Box(x=ord(name) - ord("a"), y=0, width=9, height=9)]
        ]  # fmt: skip
        files.append(tmp_path / f"{who}.json")
        annokit.write(annokit.Dataset.from_rows(rows), files[-1], format="coco")
    ann, bob = (spark.read.format("annokit").option("table", "nested").load(str(file)) for file in files)
    for table in ("pairs", "units"):
        expected = getattr(consensus.score(annokit.read(files)), table)
        found = on_spark.consensus(ann.union(bob), table).toArrow()
        assert plain(found) == plain(expected) != []


def test_consensus_against_one_where_not_all_rows_have_them(nested: Any, export: Path) -> None:
    someone = annokit.consensus.score(annokit.read(export)).pairs["annotator_a"][0].as_py()
    expected = consensus.score(annokit.read(export), against=f"annotator:{someone}", reach=3.0).pairs
    found = on_spark.consensus(nested, against=f"annotator:{someone}", reach=3.0).toArrow()
    assert plain(found) == plain(expected)


@pytest.mark.parametrize("method", ["map-dawid-skene", "wawa", "ground-truth"])
def test_agreed_classes_to_the_last_bit(spark: Any, method: Any) -> None:
    draw = np.random.default_rng(7)
    truth = draw.integers(0, 3, 80)
    given = [
        (item, f"a{who}", int(truth[item]) if draw.random() < 0.4 + who / 12 else int(draw.integers(0, 3)))
        for item in range(80)
        for who in draw.choice(7, 3, replace=False)
    ]
    columns = [list(column) for column in zip(*given, strict=True)]
    frame = spark.createDataFrame(pa.table(columns, ["item", "who", "answer"])).repartition(3)
    found = on_spark.aggregate(frame, "item", "who", "answer", method=method, rounds=4, cap=0.9)
    expected = consensus.aggregate(*columns, method=method, rounds=4, cap=0.9)
    assert plain(found.items.toArrow()) == plain(expected.to_arrow())
    whole = expected.annotators_to_arrow().select(["annotator", "answers", "skill"])
    assert plain(found.annotators.toArrow()) == plain(whole)


def test_tables_that_were_apart_are_put_together(spark: Any, export: Path, tmp_path: Path) -> None:
    whole = annokit.read(export)
    frames = {name: spark.createDataFrame(whole.to_arrow(name)) for name in tables.TABLES}
    made = on_spark.nest(**{name: frame.repartition(3) for name, frame in frames.items()}).coalesce(1)
    made = made.sortWithinPartitions("data_row_index")
    options = {"format": "labelbox-import", "labels": "all"}
    made.write.format("annokit").options(**options).mode("append").save(str(tmp_path / "out"))
    [shard] = (tmp_path / "out").glob("part-*")
    annokit.write(whole, tmp_path / "whole", **options)
    assert shard.read_bytes() == (tmp_path / "whole").read_bytes()
    fewer = on_spark.nest(frames["data_rows"], frames["annotations"].where("tool_name = 'car'"))
    with_cars = {
        row.id
        for row in whole
        if any(one.tool_name == "car" for label in row.labels for one in label.objects)
    }
    kept = fewer.where("size(labels) > 0").select("id").toArrow()["id"].to_pylist()
    assert (sorted(kept), fewer.count()) == (sorted(with_cars), 16)
    assert on_spark.class_names(fewer) == ["car"]


def test_frames_are_written_in_shards(nested: Any, export: Path, tmp_path: Path) -> None:
    writer = nested.write.format("annokit").option("format", "coco").option("labels", "all")
    writer.option("ontology", on_spark.ontology(nested)).mode("overwrite").save(str(tmp_path / "coco"))
    annokit.convert(export, tmp_path / "whole.json", to="coco", labels="all")
    shards = sorted((tmp_path / "coco").glob("part-*.json"))
    assert len(shards) == nested.rdd.getNumPartitions()
    whole, parts = (
        [json.loads(path.read_text()) for path in paths] for paths in ([tmp_path / "whole.json"], shards)
    )
    for what in ("images", "annotations"):
        numbers = ("id", "image_id")
        found, expected = (
            [{key: one[key] for key in one if key not in numbers} for file in files for one in file[what]]
            for files in (parts, whole)
        )
        assert found == expected
    account = json.loads((tmp_path / "coco" / "_SUCCESS").read_text())
    assert account["kinds"] == json.loads((tmp_path / "whole.json.report.json").read_text())["kinds"]


def test_a_job_that_fails_leaves_nothing_behind(nested: Any, tmp_path: Path) -> None:
    from pyspark.errors import PySparkException

    writer = nested.write.format("annokit").options(
        format="coco", ontology='{"tools": [], "classifications": []}'
    )
    with pytest.raises(PySparkException, match="expected the classes of the ontology, got '"):
        writer.mode("append").save(str(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


def test_json_in_a_column(spark: Any, export: Path) -> None:
    lines = export.read_text().splitlines()
    cells = [
        *lines[:3],
        None,
        json.dumps(json.loads(lines[3]), indent=1),
        " ",
        *lines[4:],
        '{"data_row": {"id": 7}}',
    ]
    held = pa.table({"job": list(range(len(cells))), "payload": cells})
    frame = spark.createDataFrame(held).repartition(2, "job")
    whole = annokit.read(export)
    found = on_spark.parse(frame, "payload", "labelbox", keep=["job"], on_error="skip").toArrow()
    expected = whole.to_arrow()
    assert plain(found, "data_row_index", "source", "job") == plain(expected, "data_row_index", "source")
    ids = {json.loads(cell)["data_row"]["id"]: job for job, cell in enumerate(cells) if cell and cell.strip()}
    assert all(
        ids[row["data_row_id"]] == row["job"] for row in found.select(["data_row_id", "job"]).to_pylist()
    )
    [bad] = on_spark.parse(frame, "payload", "labelbox", "problems", keep=["job"]).toArrow().to_pylist()
    assert (bad["job"], bad["raw"]) == (len(cells) - 1, cells[-1].encode())
    with pytest.raises(Exception, match=rf"payload \(job={len(cells) - 1}\):1.*expected str, got int"):
        on_spark.parse(frame, "payload", "labelbox", keep=["job"]).toArrow()
    with pytest.raises(Exception, match=r'payload \(\{"data_row": \{"id": 7\}\}\):1.*expected str, got int'):
        on_spark.parse(frame, "payload", "labelbox").toArrow()


def test_silver_of_json_in_a_column(spark: Any, export: Path) -> None:
    frame = spark.createDataFrame(pa.table({"payload": export.read_text().splitlines()}))
    text = on_spark.ontology(on_spark.parse(frame, "payload", "labelbox", "nested"))
    found = on_spark.parse(frame, "payload", "labelbox", "silver", ontology=text).toArrow()
    assert plain(found, "source", "data_row_index") == plain(
        annokit.read(export).to_arrow("silver"), "source", "data_row_index"
    )


def test_wrong_calls_are_said_before_any_job(spark: Any, nested: Any, export: Path) -> None:
    marks = spark.read.format("annokit").load(str(export))
    with pytest.raises(UsageError, match="rows of the table nested, got the columns data_row_index"):
        on_spark.silver(marks, "{}")
    with pytest.raises(UsageError, match=r"expected a table, got 'by_class'.*matches"):
        on_spark.consensus(nested, "by_class")
    with pytest.raises(UsageError, match="benchmark or annotator:ID"):
        on_spark.consensus(nested, against="everybody")
    with pytest.raises(UsageError, match="expected a column label_index to join on"):
        on_spark.nest(nested, nested)
    with pytest.raises(UsageError, match="expected a method"):
        on_spark.aggregate(marks, "data_row_id", "annotator_id", "tool_name", method="vote")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"expected an ontology.*spark\.ontology\(annokit\.spark\.parse\("):
        on_spark.parse(marks, "name", "labelbox", "silver")
    with pytest.raises(UsageError, match="the table has a column tool_name, too"):
        on_spark.parse(marks, "name", "labelbox", keep=["tool_name"])
    with pytest.raises(UsageError, match=r"reading labelbox: .*colour"):
        on_spark.parse(marks, "name", "labelbox", colour="red")


def test_documents_of_other_formats(spark: Any, samples: Path) -> None:
    texts = [(samples / "coco.json").read_text(), (samples / "jellyfish.json").read_text()]
    frame = spark.createDataFrame(pa.table({"n": [0, 1], "text": texts}))
    for place, (name, kind) in enumerate((("coco.json", "coco"), ("jellyfish.json", "labelbox-v1"))):
        found = on_spark.parse(frame.where(f"n = {place}"), "text", kind, "labels", keep=["n"]).toArrow()
        expected = annokit.read(samples / name).to_arrow("labels")
        assert plain(found, "n", "source", "data_row_index") == plain(expected, "source", "data_row_index")
        assert set(found["n"].to_pylist()) == {place}
