"""The data source without Spark: what it plans, what a task makes of it after the journey, what it refuses."""

from __future__ import annotations

import inspect
import json
import os
import pickle
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

pytest.importorskip("pyspark", reason="needs pyspark")

from pyspark.sql.datasource import InputPartition, WriterCommitMessage
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

import annokit
import annokit.spark
from annokit import tables
from annokit.errors import DecodeError, InputError, OutputError, UsageError
from annokit.model import dump
from annokit.spark import AnnokitDataSource
from annokit.steps import Steps
from tests.insights.trees import private_workforce, write_tree


@pytest.fixture
def export(samples: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(samples / "street.ndjson", tmp_path / "street.ndjson"))


def asked(path: object, **options: str) -> AnnokitDataSource:
    return AnnokitDataSource({"path": str(path), **options})


def read(source: AnnokitDataSource) -> list[pa.RecordBatch]:
    """Every task as Spark runs it: the reader and its partition are sent there."""
    reader = source.reader(source.schema())
    return [
        batch
        for partition in reader.partitions()
        for batch in pickle.loads(pickle.dumps(reader)).read(pickle.loads(pickle.dumps(partition)))
    ]


def test_tasks_read_what_one_process_reads(export: Path) -> None:
    whole = annokit.read(export)
    for table in (name for name in tables.NAMED if name != "nested"):
        batches = read(asked(export, table=table, splitBytes="20000"))
        found = pa.Table.from_batches(batches, tables.named_schema(table, whole.ontology))
        expected = whole.to_arrow(table)
        assert found.drop_columns("data_row_index").equals(expected.drop_columns("data_row_index")), table


def test_a_file_is_cut_and_the_schema_is_known_before(export: Path) -> None:
    source = asked(export, format="labelbox", splitBytes="20000", table="images")
    assert source.schema().fieldNames() == tables.SCHEMAS["data_rows"].names
    partitions = source.reader(source.schema()).partitions()
    assert 5 < len(partitions) < 16
    assert all(isinstance(partition, InputPartition) for partition in partitions)
    assert len(pickle.dumps(partitions)) < 10_000


def test_only_the_columns_that_are_asked_for(export: Path) -> None:
    source = asked(export, table="answers")
    wanted = StructType([source.schema()["tool_name"], source.schema()["source"]])
    [partition] = source.reader(wanted).partitions()
    [batch] = source.reader(wanted).read(partition)
    assert batch.schema.names == ["tool_name", "source"]


def test_small_files_share_a_task(export: Path) -> None:
    folder = export.parent / "many"
    folder.mkdir()
    for number in range(70):
        shutil.copy(export, folder / f"{number:02d}.ndjson")
    source = asked(folder, format="labelbox", table="images")
    partitions = source.reader(source.schema()).partitions()
    assert [len(partition.value) for partition in partitions] == [32, 32, 6]
    names = pa.Table.from_batches(read(source))["source"].unique().to_pylist()
    assert names == sorted(str(path) for path in folder.iterdir())


def test_a_tree_of_answers_is_read_by_several_tasks(tmp_path: Path) -> None:
    job = write_tree(tmp_path / "job", private_workforce((1, 24, 25, 30)), colon="_")
    source = asked(job, format="ground-truth-responses", table="answers", splitBytes="3000")
    assert len(source.reader(source.schema()).partitions()) > 3
    expected = annokit.read(job).to_arrow("classifications")
    found = pa.Table.from_batches(read(source))
    assert len(found) > 50
    assert found.drop_columns("data_row_index").equals(expected.drop_columns("data_row_index"))


def test_several_files_with_equal_ids_stay_apart(export: Path) -> None:
    other = Path(shutil.copy(export, export.with_name("again.ndjson")))
    paths = json.dumps([str(export), str(other)])
    rows = pa.Table.from_batches(read(AnnokitDataSource({"paths": paths, "table": "data_rows"})))
    assert len(set(zip(rows["source"].to_pylist(), rows["data_row_index"].to_pylist(), strict=True))) == 32
    assert rows["source"].unique().to_pylist() == [str(export), str(other)]


def test_patterns_and_folders_are_files(export: Path) -> None:
    folder = export.parent / "exports"
    (folder / "july").mkdir(parents=True)
    (folder / "_temporary").mkdir()
    for name in ("b.ndjson", "july/a.ndjson", "_temporary/c.ndjson", ".hidden"):
        shutil.copy(export, folder / name)
    for spot in (folder, folder / "**" / "[ab].ndjson", f"file:{folder}"):
        found = pa.Table.from_batches(read(asked(spot, format="labelbox", table="images")))
        files = [os.path.relpath(one, folder) for one in found["source"].unique().to_pylist()]
        assert files == ["b.ndjson", "july/a.ndjson"]


def test_a_folder_that_is_a_source_is_one(export: Path) -> None:
    annokit.convert(export, export.parent / "tables", to="parquet", labels="all")
    [batch] = read(asked(export.parent / "tables", table="images"))
    assert len(batch) == 16


def test_what_cannot_be_read_ends_the_task_or_stands_in_problems(export: Path) -> None:
    lines = export.read_bytes().splitlines(keepends=True)
    lines[9] = b'{"data_row": {"id": 7}}\n'
    export.write_bytes(b"".join(lines))
    options = {"format": "labelbox", "splitBytes": "20000"}
    with pytest.raises(DecodeError, match=r"street.ndjson@\d+:\d+ .*expected str, got int"):
        read(asked(export, **options))
    assert sum(map(len, read(asked(export, onError="skip", table="images", **options)))) == 15
    [found] = read(asked(export, table="problems", **options))
    [problem] = found.to_pylist()
    assert (problem["byte_offset"], problem["raw"]) == (sum(map(len, lines[:9])), lines[9].strip())
    assert problem["kind"] == "data_rows"
    assert "expected str" in problem["message"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"table": "gold"}, "expected a table, got .gold.*nested"),
        ({"format": "labelbx"}, "no format is called 'labelbx'"),
        ({"imageDirr": "x"}, "no option is called 'imagedirr'.*splitBytes"),
        ({"onError": "ignore"}, "raise or skip"),
        ({"splitBytes": "many"}, "number of bytes"),
        ({"format": "ground-truth-responses", "latest": "perhaps"}, "latest"),
    ],
)
def test_wrong_options_are_said_on_the_driver(export: Path, options: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        asked(export, **options).schema()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("s3://bucket/export.ndjson", "tasks do not fetch s3://bucket.*spark.read.text"),
        ("", "expected a path"),
        ("dbfs:/Volumes/main/none.ndjson", "^/Volumes/main/none.ndjson"),
        ("dbfs:/none.ndjson", "^/dbfs/none.ndjson"),
        ("/nowhere/*.ndjson", "none that match"),
    ],
)
def test_wrong_paths(path: str, said: str) -> None:
    with pytest.raises((UsageError, InputError), match=said):
        asked(path, format="labelbox").schema()


def test_an_archive_is_refused_since_only_the_driver_would_have_what_is_in_it(export: Path) -> None:
    packed = shutil.make_archive(str(export.with_name("packed")), "zip", export.parent, export.name)
    with pytest.raises(UsageError, match=r"tasks cannot read .*, an archive"):
        asked(packed).schema()


def nested(path: Path, parts: int = 1) -> list[list[pa.RecordBatch]]:
    """The rows of a file as so many tasks get them."""
    rows = annokit.read(path).to_arrow("nested")
    size = -(-len(rows) // parts)
    return [rows.slice(start, size).to_batches() for start in range(0, len(rows), size)]


NESTED = from_arrow_schema(tables.NESTED)


def shards(target: Path, overwrite: bool = False, **options: str) -> Any:
    return AnnokitDataSource({"path": str(target), **options}).writer(NESTED, overwrite)


def task(writer: Any, batches: list[pa.RecordBatch]) -> WriterCommitMessage:
    """A task as Spark runs it: the writer is sent there, and its message back."""
    sent: Any = pickle.loads(pickle.dumps(writer))
    message: WriterCommitMessage = pickle.loads(pickle.dumps(sent.write(iter(batches))))
    return message


def classes(path: Path) -> str:
    return dump(annokit.read(path).ontology).decode()


def contents(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


@pytest.mark.parametrize("format", ["coco", "yolo", "parquet", "labelbox-import"])
def test_one_shard_is_what_one_process_writes(export: Path, tmp_path: Path, format: str) -> None:
    writer = shards(tmp_path / "out", format=format, ontology=classes(export), labels="all")
    writer.commit([task(writer, *nested(export))])
    [shard] = (tmp_path / "out").glob("part-*")
    report = annokit.write(annokit.read(export), tmp_path / "whole", format=format, labels="all")
    assert contents(shard) == contents(tmp_path / "whole")
    account = json.loads((tmp_path / "out" / "_SUCCESS").read_text())
    assert account["kinds"] == report.to_dict()["kinds"]
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["out", "street.ndjson", "whole", "whole.report.json"]


def test_shards_number_their_classes_alike_and_account_together(export: Path, tmp_path: Path) -> None:
    writer = shards(tmp_path / "out", format="coco", ontology=classes(export), labels="all")
    messages = [task(writer, batches) for batches in nested(export, 4)]
    assert not (tmp_path / "out").exists()
    writer.commit([*messages, task(writer, []), None])
    found = [json.loads((tmp_path / "out" / f"part-0000{n}.json").read_text()) for n in range(4)]
    annokit.convert(export, tmp_path / "whole.json", to="coco", labels="all")
    whole = json.loads((tmp_path / "whole.json").read_text())
    assert all(shard["categories"] == whole["categories"] for shard in found)
    for what, numbers in (("images", ("id",)), ("annotations", ("id", "image_id"))):
        assert [
            {key: value for key, value in one.items() if key not in numbers}
            for shard in found
            for one in shard[what]
        ] == [{key: value for key, value in one.items() if key not in numbers} for one in whole[what]]
    account = json.loads((tmp_path / "out" / "_SUCCESS").read_text())
    assert account["kinds"] == json.loads((tmp_path / "whole.json.report.json").read_text())["kinds"]


def test_a_task_that_is_tried_again_leaves_nothing_twice(export: Path, tmp_path: Path) -> None:
    writer = shards(tmp_path / "out", format="yolo", classes="car,person", labels="newest")
    first, second = nested(export, 2)
    message = task(writer, first)

    def dying() -> Any:
        yield from second
        raise RuntimeError("the executor is lost")

    with pytest.raises(RuntimeError, match="lost"):
        writer.write(dying())
    task(writer, first)  # one that was sure to be needed, and was not
    writer.commit([message, task(writer, second)])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "_SUCCESS", "_annokit.json", "part-00000", "part-00001",
    ]  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "street.ndjson"]


def test_a_job_that_fails_leaves_nothing(export: Path, tmp_path: Path) -> None:
    writer = shards(tmp_path / "out", format="coco", classes="car")
    message = task(writer, *nested(export))
    assert len(list(tmp_path.iterdir())) == 2
    writer.abort([message, None])
    assert [path.name for path in tmp_path.iterdir()] == ["street.ndjson"]


def test_a_place_that_cannot_be_made_is_said_before_the_job(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"^/proc/annokit: cannot write"):
        shards(Path("/proc/annokit"), format="coco", classes="car")


@pytest.mark.parametrize("format", ["coco", "yolo"])
def test_a_task_without_the_place_says_so_and_makes_none(export: Path, tmp_path: Path, format: str) -> None:
    """A disk that it does not share with the driver; or it comes after the job was given up."""
    writer = shards(tmp_path / "out", format=format, classes="car")
    writer.abort([])
    with pytest.raises(OutputError, match="out: cannot write: No such file"):
        task(writer, *nested(export))
    assert [path.name for path in tmp_path.iterdir()] == ["street.ndjson"]


def test_shards_that_went_away_end_the_commit(export: Path, tmp_path: Path) -> None:
    writer = shards(tmp_path / "out", format="coco", classes="car")
    message = task(writer, *nested(export))
    writer.abort([])
    with pytest.raises(OutputError, match="out: cannot write"):
        writer.commit([message])
    assert [path.name for path in tmp_path.iterdir()] == ["street.ndjson"]


def test_every_step_of_a_write_is_an_option() -> None:
    taken = set(inspect.signature(annokit.write).parameters)
    assert set(Steps.__struct_fields__) - taken == {"note_details"}


def test_what_stands_there_is_replaced_only_if_it_is_ours(export: Path, tmp_path: Path) -> None:
    writer = shards(tmp_path / "out", format="coco", classes="car")
    writer.commit([task(writer, *nested(export))])
    before = contents(tmp_path / "out")
    with pytest.raises(OutputError, match=r'it exists \(\.mode\("overwrite"\) replaces it'):
        shards(tmp_path / "out", format="coco", classes="car")
    writer = shards(tmp_path / "out", overwrite=True, format="coco", classes="person")
    assert contents(tmp_path / "out") == before
    writer.commit([task(writer, *nested(export))])
    assert contents(tmp_path / "out") != before
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="files were added"):
        shards(tmp_path / "out", overwrite=True, format="coco", classes="car")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"format": "coco"}, r"expected the classes of coco.*annokit.spark.ontology\(df\)"),
        ({}, "expected the option format"),
        ({"format": "coco", "ontologyy": "x"}, "no option is called 'ontologyy'.*keyframes_within"),
        ({"format": "coco", "classes": "car", "noteDetails": "true"}, "no option is called 'notedetails'"),
        ({"format": "geotiff"}, "geotiff can be read, not written"),
        ({"format": "yolo", "classes": "car", "decimals": "99"}, "decimals"),
        ({"format": "yolo", "classes": "car", "ontologyy": "x"}, "no option is called 'ontologyy'"),
        ({"format": "coco", "classes": "car", "labels": "merge"}, "all or newest"),
        ({"format": "delta", "classes": "car"}, "Spark writes Delta itself"),
        ({"format": "coco", "ontology": "{}"}, "tools"),
        ({"format": "coco", "ontology": "/nowhere.json"}, "/nowhere.json"),
    ],
)
def test_wrong_orders_to_write(tmp_path: Path, options: dict[str, str], said: str) -> None:
    with pytest.raises((UsageError, InputError), match=said):
        shards(tmp_path / "out", **options)


def test_rows_of_other_tables_are_refused_with_what_to_do(tmp_path: Path) -> None:
    source = AnnokitDataSource({"path": str(tmp_path / "out"), "format": "coco"})
    with pytest.raises(UsageError, match=r"rows of the table nested.*annokit\.spark\.nest"):
        source.writer(from_arrow_schema(tables.SCHEMAS["annotations"]), False)


def test_a_class_the_ontology_does_not_have_is_never_numbered(export: Path, tmp_path: Path) -> None:
    text = dump(annokit.ontology.ontology([annokit.ontology.tool("car", "box")])).decode()
    writer = shards(tmp_path / "out", format="coco", ontology=text)
    with pytest.raises(UsageError, match="person"):
        task(writer, *nested(export))


def test_options_reach_the_writer(export: Path, tmp_path: Path) -> None:
    options = {"decimals": "2", "task": "segment", "repair": "clip", "split": "train=.5,val=.5"}
    options |= {"rename": '{"person": "human"}', "ids": '{"car": 1, "human": 0}', "where": '"car.count" > 0'}
    writer = shards(tmp_path / "out", format="yolo", ontology=classes(export), classes="car,human", **options)
    writer.commit([task(writer, *nested(export))])
    text = (tmp_path / "out" / "part-00000" / "data.yaml").read_text()
    assert "0: human" in text
    assert (tmp_path / "out" / "part-00000" / "labels" / "val").is_dir()


def test_nothing_is_asked_of_spark_that_spark_connect_does_not_have() -> None:
    for path in Path(annokit.spark.__file__).parent.glob("*.py"):
        assert not re.search(
            r"\.rdd\b|sparkContext|_jvm|_jdf|\.persist\(|\.cache\(", path.read_text("utf-8")
        ), path
