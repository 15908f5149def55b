"""Parquet: a folder reads back equal, other engines read what the report says, damage is named."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import annokit
from annokit import tables
from annokit.dataset import Dataset, Outline
from annokit.errors import AnnokitError, InputError, LossyConversion
from annokit.model import (
    Box,
    Classification,
    DataRow,
    Label,
    ObjectAnnotation,
    Ontology,
    Polygon,
    Relationship,
    Tool,
    Track,
)
from annokit.run import Run
from tests.strategies import data_rows, ontologies

NAMES = (*tables.TABLES, "ontology")


def square(size: float, **fields: Any) -> ObjectAnnotation:
    corners = [(0, 0), (size, 0), (size, size), (0, size)]
    return ObjectAnnotation(tool_name="car", geometry=Polygon(coords=corners), **fields)


ROWS = [
    DataRow(
        id="r1",
        source="a.json",
        global_key="street 1.jpg",
        labels=(
            Label(
                id="l1",
                annotator_id="ann",
                annotations=(
                    Classification(tool_name="weather", kind="text", text="rain"),
                    square(
                        4, id="o1", classifications=(Classification(tool_name="side", kind="text", text="L"),)
                    ),
                    ObjectAnnotation(tool_name="person", geometry=Box(x=1, y=2, width=3, height=4)),
                    Relationship(tool_name="next to", source="o1", target="o1"),
                ),
            ),
            Label(id="l2", annotator_id="bob"),
        ),
    ),
    DataRow(id="r1", source="b.json"),
    DataRow(
        id="r2",
        source="b.json",
        labels=(
            Label(
                annotations=(
                    Track(
                        tool_name="car",
                        kind="point",
                        frames=[1, 2],
                        is_keyframe=[1, 0],
                        values=[(1, 1), (2, 2)],
                    ),
                    square(2),
                )
            ),
        ),
    ),
]
ONTOLOGY = Ontology(
    tools=(Tool(name="car", kind="polygon", color="#ff0000"), Tool(name="person"), Tool(name="bus"))
)


def write(rows: list[DataRow], target: Path, ontology: Ontology = ONTOLOGY, **options: Any) -> annokit.Report:
    dataset = Dataset.from_rows(rows, ontology)
    return annokit.write(dataset, target, format="parquet", labels="all", overwrite=True, **options)


def read(target: Path, **options: Any) -> Dataset:
    return annokit.read(target, format="parquet", **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("parquet") / "labels"
    write(ROWS, target)
    return target


@given(st.lists(data_rows, max_size=4), ontologies)
def test_a_folder_reads_back_equal(
    tmp_path_factory: pytest.TempPathFactory, rows: list[DataRow], ontology: Ontology
) -> None:
    target = tmp_path_factory.mktemp("equal") / "labels"
    report = write(rows, target, ontology)
    again = read(target)
    assert list(again) == rows
    assert list(again) == rows  # a second loop reads again
    assert again.ontology == ontology
    assert [(key.name, key.id) for key in again.outline.keys] == [(row.name, row.id) for row in rows]
    assert not report.losses
    assert all(counts["read"] == counts["written"] for counts in report.kinds.values())


def test_written_is_what_the_files_hold(folder: Path) -> None:
    report = write(ROWS, folder, verify=True)
    counts = {kind: row["written"] for kind, row in report.kinds.items()}
    assert counts == {
        "data_rows": 3,
        "labels": 3,
        "categories": 3,
        "classifications": 2,
        "relationships": 1,
        "object:polygon": 2,
        "object:box": 1,
        "tracks": 1,
        "keyframes": 1,
    }


def test_the_folder_is_detected(folder: Path) -> None:
    assert annokit.detect(folder) == "parquet"
    assert annokit.detect(folder / "annotations.parquet") == "parquet"
    assert annokit.detect((folder / "annotations.parquet").read_bytes()) == "parquet"


def test_the_same_rows_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write(list(read(folder)), tmp_path / "again")
    for name in NAMES:
        assert (tmp_path / "again" / f"{name}.parquet").read_bytes() == (
            folder / f"{name}.parquet"
        ).read_bytes()


# What other engines read.


def counted(report: annokit.Report) -> dict[str, int]:
    marked = report.total("written", "object:") + report.total("written", "tracks")
    own = {name: report.total("written", name) for name in tables.TABLES if name != "annotations"}
    return own | {"annotations": marked, "ontology": 3}


@pytest.mark.parametrize("name", NAMES)
def test_engines_count_what_the_report_says(folder: Path, tmp_path: Path, name: str) -> None:
    from datasets import Dataset as HuggingFace
    from datasets import disable_progress_bars

    disable_progress_bars()
    path = str(folder / f"{name}.parquet")
    expected = counted(write(ROWS, tmp_path / "out"))[name]
    assert duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall() == [(expected,)]
    assert len(pl.read_parquet(path)) == expected
    assert len(pd.read_parquet(path)) == expected
    loaded = HuggingFace.from_parquet(path, cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == pq.read_table(path).to_pylist()


def test_questions_in_sql(folder: Path) -> None:
    per_class = f"SELECT tool_name, count(*) FROM '{folder}/annotations.parquet' GROUP BY ALL ORDER BY ALL"
    assert duckdb.sql(per_class).fetchall() == [("car", 3), ("person", 1)]
    rainy_cars = f"""
        SELECT a.name, a.x, a.y, a.width, a.height, a.annotator_id
        FROM '{folder}/annotations.parquet' a
        JOIN '{folder}/classifications.parquet' c USING (data_row_index, label_index)
        WHERE c.tool_name = 'weather' AND c.text = 'rain' AND a.tool_name = 'car'"""
    assert duckdb.sql(rainy_cars).fetchall() == [("street 1.jpg", 0, 0, 4, 4, "ann")]


@given(st.lists(data_rows, max_size=3))
def test_duckdb_reads_the_rings_of_the_model(
    tmp_path_factory: pytest.TempPathFactory, rows: list[DataRow]
) -> None:
    target = tmp_path_factory.mktemp("rings") / "out.parquet"
    write(rows, target)
    shapes = [a.geometry for row in rows for label in row.labels for a in label.objects]
    found = duckdb.sql(f"SELECT rings FROM '{target}' WHERE kind = 'polygon' AND type = 'object'").fetchall()
    assert [rings for (rings,) in found] == [
        [[ring.reshape(-1).tolist() for ring in part] for part in shape.parts()]
        for shape in shapes
        if isinstance(shape, Polygon)
    ]


def test_a_selection_made_with_sql_reads_back(folder: Path, tmp_path: Path) -> None:
    for name in NAMES:
        chosen = "WHERE kind = 'polygon'" if name == "annotations" else ""
        source, target = folder / f"{name}.parquet", tmp_path / f"{name}.parquet"
        duckdb.sql(f"COPY (SELECT * FROM '{source}' {chosen}) TO '{target}'")
    run = Run(on_error="skip")
    rows = list(read(tmp_path).rows(run))
    assert [[len(label.objects) for label in row.labels] for row in rows] == [[1, 0], [], [1]]
    assert read(tmp_path).ontology == ONTOLOGY
    assert {loss.code for loss in run.report.losses} == set()


# The annotations table alone.


def test_the_annotations_table_alone(tmp_path: Path) -> None:
    report = write(ROWS, tmp_path / "out.parquet", verify=True)
    assert report.total("written", "object:") == 3
    columns = ("written", "unsupported")
    assert {
        kind: tuple(row[c] for c in columns) for kind, row in report.kinds.items() if ":" not in kind
    } == {
        "data_rows": (2, 1),
        "labels": (2, 1),
        "classifications": (0, 2),
        "relationships": (0, 1),
        "categories": (3, 0),
        "tracks": (1, 0),
        "keyframes": (1, 0),
    }
    again = read(tmp_path / "out.parquet")
    assert again.ontology == ONTOLOGY
    first, second = again
    assert (first.id, first.name, first.source) == ("r1", "street 1.jpg", "a.json")
    assert [(label.id, label.annotator_id) for label in first.labels] == [("l1", "ann")]
    assert [thing.geometry for thing in first.labels[0].objects] == [
        thing.geometry for thing in ROWS[0].labels[0].objects
    ]
    assert second.labels == ROWS[2].labels
    assert [key.name for key in again.outline.keys] == ["street 1.jpg", "r2"]
    with pytest.raises(LossyConversion, match="write to a folder"):
        write(ROWS, tmp_path / "strict.parquet", strict=True)


def test_classes_that_occur_serve_where_the_file_names_none(tmp_path: Path) -> None:
    write(ROWS, tmp_path / "out.parquet")
    duckdb.sql(f"COPY (SELECT * FROM '{tmp_path}/out.parquet') TO '{tmp_path}/sql.parquet'")
    assert [tool.name for tool in read(tmp_path / "sql.parquet").ontology.tools] == ["car", "person"]


def test_a_data_row_is_not_cut_where_a_batch_ends(tmp_path: Path) -> None:
    rows = [
        DataRow(id=str(i), labels=(Label(annotations=(square(1),) * n),))
        for i, n in enumerate((3000, 3000, 9000, 1))
    ]
    write(rows, tmp_path / "out.parquet")
    assert list(read(tmp_path / "out.parquet")) == rows


def test_times_without_zone_are_named(tmp_path: Path) -> None:
    report = write([DataRow(id="r", labels=(Label(created_at=datetime(2024, 1, 2)),))], tmp_path / "out")
    assert [(loss.code, loss.lossy) for loss in report.losses] == [("no-time-zone", False)]
    [row] = read(tmp_path / "out")
    assert str(row.labels[0].created_at) == "2024-01-02 00:00:00+00:00"


# Damage, and what other tools may do.


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / f"{name}.parquet").write_bytes((folder / f"{name}.parquet").read_bytes())
    return tmp_path


def edit(path: Path, **columns: pa.Array) -> None:
    table = pq.read_table(path)
    for name, column in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    pq.write_table(table, path)


def test_a_missing_table(copy: Path) -> None:
    (copy / "labels.parquet").unlink()
    with pytest.raises(InputError, match=r"labels\.parquet: cannot read: No such file"):
        read(copy)


def test_a_newer_schema(copy: Path) -> None:
    path = copy / "annotations.parquet"
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({"annokit.schema_version": "99"}), path)
    with pytest.raises(
        InputError, match=r"annotations\.parquet: expected tables of schema 1 or older, got 99 \(update"
    ):
        read(copy)


def test_a_column_of_another_type(copy: Path) -> None:
    edit(copy / "annotations.parquet", rings=pa.array([1, 2, 3, 4]))
    with pytest.raises(InputError, match=r"annotations\.parquet \$\.rings: expected list<.*>, got int64"):
        read(copy)


def test_nulls_in_a_key(copy: Path) -> None:
    edit(copy / "labels.parquet", label_index=pa.nulls(3, pa.int64()))
    with pytest.raises(InputError, match=r"labels\.parquet \$\.label_index: expected a value in every row"):
        list(read(copy))


def test_rows_out_of_order(copy: Path) -> None:
    path = copy / "labels.parquet"
    pq.write_table(pq.read_table(path).take([2, 0, 1]), path)
    with pytest.raises(
        InputError, match=r"labels\.parquet:2 \$\.data_row_index: expected numbers that rise, got 0 after 2"
    ):
        list(read(copy))


def test_a_data_row_twice(copy: Path) -> None:
    path = copy / "data_rows.parquet"
    pq.write_table(pq.read_table(path).take([0, 0, 1]), path)
    with pytest.raises(
        InputError, match=r"data_rows\.parquet:2 \$\.data_row_index: expected numbers that rise"
    ):
        list(read(copy))


def test_what_belongs_to_no_data_row_is_rejected(copy: Path) -> None:
    edit(copy / "labels.parquet", data_row_index=pa.array([0, 0, 9]))
    with pytest.raises(
        InputError, match=r"annotations\.parquet:3 data_row=r2: expected the label it belongs to"
    ):
        list(read(copy))
    run = Run(on_error="skip")
    assert [len(row.labels) for row in read(copy).rows(run)] == [2, 0, 0]
    assert {kind: run.report.kinds[kind]["skipped"] for kind in ("labels", "tracks", "object:polygon")} == {
        "labels": 1,
        "tracks": 1,
        "object:polygon": 1,
    }


@pytest.mark.parametrize("name", NAMES)
def test_damage_is_named(folder: Path, copy: Path, name: str) -> None:
    path = copy / f"{name}.parquet"
    whole = path.read_bytes()
    for length in (0, 3, 4, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=f"{name}.parquet: expected a whole Parquet file"):
            read(copy)
    rng = np.random.default_rng(0)
    for _ in range(25):  # wherever it strikes, nothing but our own errors comes out
        damaged = bytearray(whole)
        damaged[int(rng.integers(4, len(whole)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with contextlib.suppress(AnnokitError):
            list(read(copy))
            assert read(copy).ontology.extra == {}


def test_a_changed_coordinate_does_not_pass(tmp_path: Path) -> None:
    write(list(many(100)), tmp_path / "out")
    path = tmp_path / "out" / "annotations.parquet"
    group = pq.read_metadata(path).row_group(0)
    [rings] = [
        group.column(i)
        for i in range(group.num_columns)
        if group.column(i).path_in_schema.startswith("rings")
    ]
    data = bytearray(path.read_bytes())
    data[rings.dictionary_page_offset + rings.total_compressed_size // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"annotations\.parquet: expected a whole Parquet file: .*CRC"):
        list(read(tmp_path / "out"))


def test_a_parquet_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "prices.parquet"
    pq.write_table(pa.table({"price": [1]}), path)
    with pytest.raises(AnnokitError, match="looks like no known format"):
        annokit.detect(path)
    with pytest.raises(
        InputError, match=r"prices\.parquet \$\.data_row_index: expected this column, got none"
    ):
        read(path)


# Size.


def many(count: int) -> Iterator[DataRow]:
    rng = np.random.default_rng(0)
    for i in range(count):
        things = tuple(
            ObjectAnnotation(tool_name="car", geometry=Polygon(coords=rng.random((25, 2)))) for _ in range(7)
        )
        yield DataRow(id=str(i), labels=(Label(annotations=things),))


def test_row_groups_have_one_size(tmp_path: Path) -> None:
    write(list(many(5000)), tmp_path / "out")
    metadata = pq.read_metadata(tmp_path / "out" / "annotations.parquet")
    sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert sizes == [16384, 16384, 2232]
    assert {metadata.row_group(0).column(i).compression for i in range(metadata.num_columns)} == {"ZSTD"}


def test_memory_does_not_grow_with_the_data(tmp_path: Path) -> None:
    few, many_more = (arrow_memory(count, tmp_path / str(count)) for count in (3000, 6000))
    assert many_more < 1.1 * few


def arrow_memory(count: int, target: Path) -> int:
    """The most that Arrow holds while so many rows are written and read."""
    used = [0]
    dataset = Dataset(lambda _run: watched(many(count), used), outline=lambda: Outline(ONTOLOGY, []))
    annokit.write(dataset, target, format="parquet", labels="all")
    assert sum(1 for _ in watched(iter(read(target)), used)) == count
    return used[0]


def watched(rows: Iterator[DataRow], used: list[int]) -> Iterator[DataRow]:
    """The rows, and the most that Arrow holds in memory while they go by."""
    before = pa.total_allocated_bytes()
    for row in rows:
        used[0] = max(used[0], pa.total_allocated_bytes() - before)
        yield row


def test_progress_ends_at_the_size(folder: Path) -> None:
    for path in (folder, folder / "annotations.parquet"):
        done: Counter[str] = Counter()
        dataset = read(path)
        for _ in dataset.rows(Run(progress=lambda n, done=done: done.update(bytes=n))):
            pass
        assert done["bytes"] == dataset.size > 0


@pytest.mark.parametrize("name", ["coco.json", "street.ndjson"])
def test_real_labels_come_back_equal(samples: Path, tmp_path: Path, name: str) -> None:
    dataset = annokit.read(samples / name)
    report = annokit.write(dataset, tmp_path / "out", format="parquet", labels="all", verify=True)
    again = annokit.read(tmp_path / "out")
    assert list(again) == list(dataset)
    assert again.ontology == dataset.ontology
    assert not report.losses
    kinds = duckdb.sql(
        f"SELECT kind, count(*) FROM '{tmp_path}/out/annotations.parquet' GROUP BY ALL"
    ).fetchall()
    assert {f"object:{kind}": n for kind, n in kinds} == {
        kind: row["written"] for kind, row in report.kinds.items() if kind.startswith("object:")
    }
