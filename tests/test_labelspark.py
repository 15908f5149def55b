"""LabelSpark's tables: the keys of the legacy export, one row per label, and the questions asked of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import annokit
from annokit import tables
from annokit.errors import UsageError
from annokit.model import (
    Answer,
    Asset,
    Box,
    Classification,
    DataRow,
    Label,
    Mask,
    ObjectAnnotation,
    Ontology,
    Option,
    Point,
    Polygon,
    Tool,
)
from tests import strategies


def answer(question: str, *names: str) -> Classification:
    kind = "radio" if len(names) == 1 else "checklist"
    return Classification(tool_name=question, kind=kind, answers=tuple(Answer(name=name) for name in names))  # type: ignore[arg-type]


def seen(name: str, answers: list[Classification], **counts: int) -> DataRow:
    """An image with so many objects of each class."""
    objects = [
        ObjectAnnotation(tool_name=tool, geometry=Box(x=i, y=0, width=4, height=4))
        for tool, count in counts.items()
        for i in range(count)
    ]
    label = Label(id=f"label {name}", annotations=(*answers, *objects), url=f"https://app/{name}")
    return DataRow(id=name, external_id=name, asset=Asset(width=64, height=64), labels=(label,))


def street() -> list[DataRow]:
    return [
        seen(
            "rain.jpg",
            [answer("weather", "rainy"), answer("time of day", "night")],
            person=2,
            car=1,
            umbrella=1,
        ),
        seen(
            "dry.jpg", [answer("weather", "sunny"), answer("time of day", "day")], person=2, car=1, umbrella=1
        ),
        seen("wet road.jpg", [answer("weather", "rainy"), answer("time of day", "day")], car=3),
        seen("crowd.jpg", [answer("weather", "sunny"), answer("time of day", "day")], person=19),
        seen("night crowd.jpg", [answer("weather", "sunny"), answer("time of day", "night")], person=12),
    ]


def test_the_questions_of_the_talk() -> None:
    silver = annokit.Dataset.from_rows(street()).to_arrow("silver")
    assert silver.num_rows == 5
    rain = """SELECT name FROM silver WHERE weather = 'rainy'
        AND "person.count" > 0 AND "car.count" > 0 AND "umbrella.count" > 0"""
    assert duckdb.sql(rain).fetchall() == [("rain.jpg",)]
    crowds = 'SELECT name, label_url FROM silver WHERE "time of day" = \'day\' AND "person.count" > 10'
    assert duckdb.sql(crowds).fetchall() == [("crowd.jpg", "https://app/crowd.jpg")]


def test_a_row_per_label_and_never_the_join() -> None:
    first = Label(id="a", annotator_id="x", annotations=(answer("weather", "rainy"),))
    second = Label(id="b", annotator_id="y", consensus_score=0.5, created_at=datetime(2024, 1, 2, tzinfo=UTC))
    silver = tables.silver([DataRow(id="r", labels=(first, second)), DataRow(id="nobody")])
    assert silver.column("label_id").to_pylist() == ["a", "b"]
    assert silver.column("label_index").to_pylist() == [0, 1]
    assert silver.column("weather").to_pylist() == ["rainy", None]
    assert silver.column("agreement").to_pylist() == [None, 0.5]
    assert silver.column("created_at").to_pylist()[1] == datetime(2024, 1, 2, tzinfo=UTC)


def test_answers_nested_or_several_and_names_that_collide() -> None:
    inner = Classification(tool_name="how much", kind="text", text="a bit")
    rain = Classification(
        tool_name="weather", kind="radio", answers=(Answer(name="rainy", classifications=(inner,)),)
    )
    many = answer("tags", "dark", "blurry")
    taken = answer("NAME", "x")
    label = Label(annotations=(rain, many, taken, *(o for o in seen("", [], Car=1, car=2).labels[0].objects)))
    [row] = tables.silver([DataRow(id="r", external_id="a.jpg", labels=(label,))]).to_pylist()
    assert (row["weather"], row["how much"], row["tags"], row["NAME_2"]) == (
        "rainy",
        "a bit",
        "dark,blurry",
        "x",
    )
    assert (row["name"], row["Car.count"], row["car.count_2"]) == ("a.jpg", 1, 2)


def test_classes_that_occur_nowhere_are_counted_too() -> None:
    ontology = Ontology(tools=(Tool(name="tram"),), classifications=(Tool(name="season"),))
    silver = tables.silver(street(), ontology)
    assert silver.column("tram.count").to_pylist() == [0] * 5
    assert silver.column("umbrella.count").to_pylist() == [1, 1, 0, 0, 0]
    assert silver.column("season").to_pylist() == [None] * 5


def test_a_video_has_a_row_for_each_frame(data: Path) -> None:
    dataset = annokit.read(data / "labelbox" / "v1_video.json")
    silver = dataset.to_arrow("silver")
    assert silver.column("frame").to_pylist() == list(range(100))
    assert set(silver.column("Jellyfish.count").to_pylist()) == {5}  # as LabelSpark had it
    raw = json.loads((data / "labelbox" / "v1_video.json").read_text())
    flat = dataset.to_arrow("flat")
    assert flat.column("Label.frameNumber").to_pylist() == [frame["frameNumber"] for frame in raw["Label"]]
    tops = [[one["bbox"]["top"] for one in frame["objects"]] for frame in raw["Label"]]
    assert list(map(sorted, flat.column("Label.objects.bbox.top").to_pylist())) == list(map(sorted, tops))


def test_bronze_and_flat_say_what_the_export_said(data: Path) -> None:
    raw = json.loads((data / "labelbox" / "v1_image.json").read_text())
    entries = raw if isinstance(raw, list) else [raw]
    dataset = annokit.read(data / "labelbox" / "v1_image.json")
    bronze, flat = dataset.to_arrow("bronze").to_pylist(), dataset.to_arrow("flat").to_pylist()
    assert len(bronze) == len(entries)
    for entry, struct, leaves in zip(entries, bronze, flat, strict=True):
        for key in (
            "ID",
            "DataRow ID",
            "Labeled Data",
            "Created By",
            "Project Name",
            "View Label",
            "External ID",
        ):
            assert struct[key] == leaves[key] == entry[key]
        objects = entry["Label"]["objects"]
        assert leaves["Label.objects.title"] == [one["title"] for one in objects]
        assert leaves["Label.objects.featureId"] == [one["featureId"] for one in objects]
        assert leaves["Label.objects.bbox.top"] == [one.get("bbox", {}).get("top") for one in objects]
        assert leaves["Label.objects.polygon"] == [one.get("polygon") for one in objects]
        assert leaves["Label.objects.point.x"] == [one.get("point", {}).get("x") for one in objects]
        asked = [one["title"] for one in entry["Label"]["classifications"]]
        assert leaves["Label.classifications.title"][: len(asked)] == asked or not asked


def test_shapes_without_a_key_stand_as_json() -> None:
    holed = Polygon.from_parts([[[(0, 0), (9, 0), (9, 9)], [(1, 1), (2, 1), (2, 2)]]])
    mask = Mask(counts=[1, 2, 1], height=2, width=2)
    objects = [ObjectAnnotation(tool_name="x", geometry=shape) for shape in (holed, mask, Point(x=1, y=2))]
    [row] = tables.flat([DataRow(id="r", labels=(Label(annotations=tuple(objects)),))]).to_pylist()
    first, second, third = row["Label.objects.geometry"]
    assert json.loads(first)["ring_offsets"] == [0, 3, 6]
    assert json.loads(second) == {"type": "mask", "counts": [1, 2, 1], "height": 2, "width": 2}
    assert (third, row["Label.objects.point.y"]) == (None, [None, None, 2.0])


@given(strategies.data_rows)
def test_any_row_has_its_tables(row: DataRow) -> None:
    bronze, flat, silver = tables.bronze([row]), tables.flat([row]), tables.silver([row])
    assert bronze.num_rows == flat.num_rows == silver.num_rows >= len(row.labels)
    lengths = [
        {
            len(cell)
            for name in flat.column_names
            if name.startswith("Label.objects.")
            for cell in [entry[name]]
        }
        for entry in flat.to_pylist()
    ]
    assert all(len(found) == 1 for found in lengths)
    shown = {name.lower() for name in silver.column_names}
    assert len(shown) == len(silver.column_names)


def test_the_tables_as_files_are_accounted(samples: Path, tmp_path: Path) -> None:
    report = annokit.convert(samples / "street.ndjson", tmp_path / "out", to="labelspark", labels="all")
    assert report.kinds["labels"]["written"] == 48
    found = {
        name: pq.read_table(tmp_path / "out" / f"{name}.parquet") for name in ("bronze", "flat", "silver")
    }
    assert {name: table.num_rows for name, table in found.items()} == dict.fromkeys(found, 48)
    assert np.sum(found["silver"].column("person.count").to_pylist()) > 100
    report = annokit.write([DataRow(id="nobody")], tmp_path / "empty", format="labelspark")
    assert report.kinds["data_rows"]["unsupported"] == 1


def test_a_table_that_is_none_is_said() -> None:
    with pytest.raises(UsageError, match="bronze, flat, silver"):
        annokit.Dataset.from_rows([]).to_arrow("gold")


def test_pieces_have_the_columns_of_the_whole(samples: Path) -> None:
    dataset = annokit.read(samples / "street.ndjson")
    rows = list(dataset)
    for name in tables.NAMED:
        schema = tables.named_schema(name, dataset.ontology)
        pieces = [
            batch
            for first in (0, 7)
            for batch in tables.named_batches(
                rows[first : first + 7] if first == 0 else rows[7:],
                name,
                ontology=dataset.ontology,
                first=first,
            )
        ]
        assert pa.Table.from_batches(pieces, schema).equals(dataset.to_arrow(name)), name


def test_silver_in_pieces_refuses_what_the_ontology_does_not_have() -> None:
    with pytest.raises(UsageError, match="classes and questions of the ontology, got"):
        list(tables.named_batches(street(), "silver", ontology=Ontology(tools=(Tool(name="car"),))))
    with pytest.raises(UsageError, match="expected an ontology"):
        tables.named_schema("silver")


def test_questions_that_follow_an_answer_are_known_from_the_ontology() -> None:
    follow = Tool(name="how much", kind="text")
    rain = Tool(
        name="weather", kind="radio", options=(Option(name="wet", classifications=(follow,)),),
        classifications=(Tool(name="sure"),),
    )  # fmt: skip
    schema = tables.named_schema("silver", Ontology(classifications=(rain, Tool(name="season"))))
    assert schema.names[-4:] == ["weather", "sure", "how much", "season"]


@given(st.lists(strategies.data_rows, max_size=3))
def test_nested_rows_are_the_rows(rows: list[DataRow]) -> None:
    [*pieces] = tables.named_batches(rows, "nested")
    back = [
        row
        for piece in pieces
        for row in tables.data_rows(tables.unnested(piece), lambda error, _kind: pytest.fail(str(error)))
    ]
    assert back == rows
