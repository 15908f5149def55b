"""Counts of a dataset, against what a few lines of Python count."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import annokit
from annokit.dataset import Dataset
from annokit.info import AnnotatorCount, AnswerCount, ClassCount, ProjectCount, summarise
from annokit.model import (
    Answer,
    Asset,
    Box,
    Classification,
    DataRow,
    Label,
    MaskReference,
    ObjectAnnotation,
    Track,
)


def test_a_real_export_is_counted(samples: Path) -> None:
    rows: list[dict[str, Any]] = [
        json.loads(line) for line in (samples / "street.ndjson").read_text().splitlines()
    ]
    labels = [label for row in rows for project in row["projects"].values() for label in project["labels"]]
    objects = Counter(o["name"] for label in labels for o in label["annotations"]["objects"])
    summary = summarise(annokit.read(samples / "street.ndjson"))
    counted: Counter[str] = Counter()
    for one in summary.classes:
        counted[one.name] += one.annotations
    assert counted == objects
    assert summary.kinds["data_rows"] == len(rows)
    assert summary.kinds["labels"] == len(labels)
    assert summary.labels_per_row == {3: len(rows)}
    who = Counter(label["label_details"]["created_by"] for label in labels)
    assert {one.annotator_id: one.labels for one in summary.annotators} == who
    assert summary.mask_references == summary.kinds["object:mask_reference"]
    made = sorted(label["label_details"]["created_at"][:16] for label in labels)
    assert summary.first
    assert summary.last
    assert [f"{moment:%Y-%m-%dT%H:%M}" for moment in (summary.first, summary.last)] == [made[0], made[-1]]


def test_every_count() -> None:
    car = ObjectAnnotation(tool_name="car", geometry=Box(x=1, y=2, width=3, height=4))
    mask = ObjectAnnotation(
        tool_name="car",
        geometry=MaskReference(uri="https://host/m"),
        classifications=(Classification(tool_name="note", kind="text", text="dirty"),),
    )
    nested = Classification(tool_name="how much", kind="radio", answers=(Answer(name="a lot"),))
    rain = Classification(
        tool_name="weather", kind="radio", answers=(Answer(name="rain", classifications=(nested,)),)
    )
    track = Track(
        tool_name="car",
        kind="mask",
        frames=[3],
        is_keyframe=[True],
        masks=(MaskReference(uri="https://host/n"),),
    )
    noon = datetime(2024, 5, 1, 12)
    abroad = noon.replace(tzinfo=timezone(timedelta(hours=2)))
    labels = (
        Label(
            annotator_id="ann",
            created_at=noon,
            annotations=(car, car, rain),
            project_id="p",
            project_name="P",
        ),
        Label(annotator_id="bob", created_at=abroad, annotations=(car, mask)),
    )
    rows = [
        DataRow(id="r1", asset=Asset(width=64, height=48), labels=labels),
        DataRow(id="r2", asset=Asset(media_type="video"), labels=(Label(annotations=(track,)),)),
        DataRow(id="r3", asset=Asset(media_type="text", text="hi")),
    ]
    summary = summarise(Dataset.from_rows(rows))
    assert summary.kinds == {
        "data_rows": 3,
        "labels": 3,
        "object:box": 3,
        "object:mask_reference": 1,
        "classifications": 3,
        "tracks": 1,
        "keyframes": 1,
    }
    assert summary.media_types == {"image": 1, "video": 1, "text": 1}
    assert summary.labels_per_row == {0: 1, 1: 1, 2: 1}
    assert summary.classes == [
        ClassCount("car", "object:box", 3, 1),
        ClassCount("car", "object:mask_reference", 1, 1),
        ClassCount("car", "tracks", 1, 1),
    ]
    assert sorted(summary.answers, key=lambda one: one.question) == [
        AnswerCount("how much", "a lot", 1),
        AnswerCount("note", None, 1),
        AnswerCount("weather", "rain", 1),
    ]
    assert summary.annotators == [
        AnnotatorCount("ann", 1, 3),
        AnnotatorCount("bob", 1, 2),
        AnnotatorCount(None, 1, 1),
    ]
    assert summary.projects == [ProjectCount(None, None, 2), ProjectCount("p", "P", 1)]
    assert (summary.first, summary.last) == (abroad, noon.replace(tzinfo=UTC))
    assert (summary.without_size, summary.mask_references, summary.unreadable) == (1, 2, 0)


def test_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2]},
            {"id": 2, "image_id": 1, "category_id": 1, "bbox": "no"},
        ],
        "categories": [{"id": 1, "name": "car"}],
    }
    (tmp_path / "a.json").write_text(json.dumps(document))
    summary = summarise(annokit.read(tmp_path / "a.json"))
    assert summary.unreadable == 1
    assert summary.problems[0].count == 1
    assert summary.kinds == {"data_rows": 1, "labels": 1, "object:box": 1}


def test_nothing_at_all() -> None:
    summary = summarise(Dataset.from_rows([]))
    assert (summary.kinds, summary.classes, summary.first) == ({}, [], None)
