"""Conditions in SQL: what they keep, how the rest is accounted, and that nothing but the table can be reached."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import annokit
from annokit import query
from annokit.errors import UsageError
from annokit.model import Box, DataRow, Label, ObjectAnnotation
from tests.test_labelspark import street

RAIN = "weather = 'rainy' and \"car.count\" > 2"


def test_from_a_question_to_training_data(tmp_path: Path) -> None:
    report = annokit.write(street(), tmp_path / "out", format="yolo", where=RAIN)
    assert [row.name for row in annokit.read(tmp_path / "out")] == ["wet road.jpg"]
    assert report.kinds["data_rows"] == {"read": 5, "written": 1, "unsupported": 4}
    assert report.kinds["object:box"] == {"read": 42, "written": 3, "unsupported": 39}
    assert {loss.code for loss in report.losses if loss.kind == "data_rows" and loss.lossy} == {"where"}


def test_labels_are_asked_one_by_one_after_the_policy(tmp_path: Path) -> None:
    box = ObjectAnnotation(tool_name="car", geometry=Box(x=0, y=0, width=1, height=1))
    labels = (Label(id="a", annotator_id="ann"), Label(id="b", annotator_id="bob", annotations=(box,)))
    row = DataRow(id="r", external_id="r.jpg", labels=labels)
    report = annokit.write(
        [row], tmp_path / "all", format="parquet", labels="all", where="annotator_id = 'ann'"
    )
    [kept] = annokit.read(tmp_path / "all")
    assert [label.id for label in kept.labels] == ["a"]
    assert report.kinds["labels"] == {"read": 2, "written": 1, "unsupported": 1}
    report = annokit.write([row], tmp_path / "newest", format="parquet", where="annotator_id = 'ann'")
    assert report.kinds["labels"] == {"read": 2, "superseded": 1, "unsupported": 1}


def test_the_whole_table_can_be_asked(tmp_path: Path) -> None:
    most = '"person.count" = (SELECT max("person.count") FROM silver)'
    annokit.write(street(), tmp_path / "out", format="parquet", where=most)
    assert [row.name for row in annokit.read(tmp_path / "out")] == ["crowd.jpg"]


def test_shares_are_of_what_is_kept_and_classes_come_after(tmp_path: Path) -> None:
    rows = [row for i in range(10) for row in street()]
    rows = [
        DataRow(id=f"{i}", external_id=f"{i}.jpg", asset=row.asset, labels=row.labels)
        for i, row in enumerate(rows)
    ]
    annokit.write(
        rows,
        tmp_path / "out",
        format="yolo",
        where='"person.count" > 10',
        split="train=.5,val=.5",
        classes=["car"],
    )
    splits = [row.split for row in annokit.read(tmp_path / "out")]
    assert (splits.count("train"), splits.count("val")) == (10, 10)


def test_frames_of_a_video_are_asked_each_by_itself(tmp_path: Path, samples: Path) -> None:
    report = annokit.convert(
        samples / "jellyfish.json",
        tmp_path / "out.json",
        to="coco",
        video_frames="all",
        where="frame between 3 and 5",
    )
    names = [image["file_name"][-10:] for image in json.loads((tmp_path / "out.json").read_text())["images"]]
    assert names == ["000004.jpg", "000005.jpg", "000006.jpg"]
    assert report.kinds["data_rows"] == {"read": 1, "made": 30, "merged": 1, "written": 3, "unsupported": 27}


@pytest.mark.parametrize(("condition", "problem"), [
    ("wether = 'rainy'", 'wether.*columns: .*"weather"'),
    ("weather =", "syntax error"),
    ("1 = 1) ; COPY silver TO 'x.csv' ; SELECT (1", "several statements"),
    ("name IN (SELECT content FROM read_text('/etc/passwd'))", "Permission"),
    ("name IN (SELECT * FROM 'street.csv')", "file system operations are disabled"),
    ("name IN (SELECT name FROM rows)", "does not exist"),
])  # fmt: skip
def test_what_cannot_be_asked_is_one_line_and_writes_nothing(
    condition: str, problem: str, tmp_path: Path
) -> None:
    rows = street()
    with pytest.raises(UsageError, match=problem) as caught:
        annokit.write(rows, tmp_path / "out", format="yolo", where=condition)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_condition_is_refused() -> None:
    with pytest.raises(UsageError, match="expected a condition, got nothing"):
        query.where(annokit.Dataset.from_rows([]), " ")
