"""The model-assisted labelling loop: predictions, pre-labels, what people made of them, the difference, training data."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

import annokit
from annokit.diff import diff
from annokit.model import Annotation, Asset, Box, DataRow, Label, ObjectAnnotation

NAMES = ["street 1.jpg", "street 2.jpg"]


def predictions(folder: Path) -> Path:
    """What a model found, as import NDJSON."""
    found = annokit.Dataset.from_arrays(
        NAMES,
        [(480, 640), (480, 640)],
        classes=["car", "person", "umbrella"],
        class_ids=[[0, 0, 1], [1, 2]],
        boxes_xyxy=[
            [[10, 20, 110, 80], [200, 20, 300, 80], [400, 100, 440, 220]],
            [[50, 50, 90, 170], [40, 20, 100, 60]],
        ],
        scores=[[0.9, 0.8, 0.7], [0.95, 0.6]],
    )
    target = folder / "prelabels.ndjson"
    report = annokit.write(found, target, format="labelbox-import", strict=True)
    assert report.kinds["object:box"]["written"] == 5
    return target


def corrected(prelabels: Path, folder: Path) -> Path:
    """The platform's export after people went over it: ids of its own, and one correction of each kind."""
    rows = []
    for number, row in enumerate(annokit.read(prelabels)):
        objects = [
            replace(one, id=f"feature {number} {i}", confidence=None)
            for i, one in enumerate(row.labels[0].objects)
        ]
        label = Label(
            id=f"label {number}", annotator_id="ann@example.com", annotations=_gone_over(objects, number)
        )
        asset = Asset(uri=f"https://host/{row.global_key}", width=640, height=480)
        rows.append(DataRow(id=f"c{number:024}", global_key=row.global_key, asset=asset, labels=(label,)))
    annokit.write(rows, folder / "export.ndjson", format="labelbox")
    return folder / "export.ndjson"


def _gone_over(objects: list[ObjectAnnotation], number: int) -> tuple[Annotation, ...]:
    if number == 0:  # the second car is a van, the person stood further right
        person = Box(x=405, y=100, width=40, height=120)
        return (objects[0], replace(objects[1], tool_name="van"), replace(objects[2], geometry=person))
    missed = ObjectAnnotation(tool_name="person", geometry=Box(x=300, y=50, width=40, height=100), id="new")
    return (objects[0], missed)  # there was no umbrella, but one more person


def test_from_predictions_to_training_data(tmp_path: Path) -> None:
    prelabels = predictions(tmp_path)
    export = corrected(prelabels, tmp_path)
    found = diff(annokit.read(prelabels), annokit.read(export))
    assert [(one.what, one.data_row, one.before, one.after) for one in found.changes] == [
        ("reclassified", "street 1.jpg", "car", "van"),
        ("moved", "street 1.jpg", "person", "person"),
        ("removed", "street 2.jpg", "umbrella", None),
        ("added", "street 2.jpg", None, "person"),
    ]
    assert found.changes[1].overlap == pytest.approx(35 / 45)
    total = found.total
    assert (found.data_rows, total.before, total.after, total.same) == (2, 5, 5, 2)
    report = annokit.convert(export, tmp_path / "yolo", to="yolo", verify=True)
    assert report.kinds["object:box"]["written"] == 5
    labels = (tmp_path / "yolo" / "labels" / "train" / "street 2.txt").read_text()
    assert labels.splitlines() == [
        "2 0.109375 0.229167 0.062500 0.250000",
        "2 0.500000 0.208333 0.062500 0.208333",
    ]
    assert [tool.name for tool in annokit.read(tmp_path / "yolo").ontology.tools] == ["car", "van", "person"]


def test_a_track_becomes_few_key_frames_for_the_platform_and_comes_back(tmp_path: Path, data: Path) -> None:
    """Labels of trackers, with a box in every frame, as import segments."""
    video = data / "labelbox" / "v1_video.json"
    annokit.convert(video, tmp_path / "mot", to="mot")
    target = tmp_path / "import.ndjson"
    report = annokit.convert(tmp_path / "mot", target, to="labelbox-import", keyframes_within=0.5)
    assert report.kinds["keyframes"]["read"] == 500
    assert report.kinds["keyframes"]["written"] < 480
    [before], [after] = annokit.read(video), annokit.read(target)
    found = diff(annokit.Dataset.from_rows([before]), annokit.Dataset.from_rows([after]))
    assert found.total.added == found.total.removed == 0
    assert found.total.mean_overlap is not None
    assert found.total.mean_overlap > 0.999
