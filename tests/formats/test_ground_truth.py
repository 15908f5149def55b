"""Augmented manifests: real ones, one of every task, chains of jobs, labels by reference, and back."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

import annokit
from annokit.errors import InputError, UsageError
from annokit.model import (
    Answer,
    Asset,
    Box,
    Classification,
    DataRow,
    Label,
    Mask,
    MaskReference,
    ObjectAnnotation,
    Polygon,
    RotatedBox,
    TextSpan,
    Track,
    Unknown,
)
from annokit.requeue import requeue
from annokit.run import Run
from annokit_fast import rle

NAME = "ground-truth"
META = {"human-annotated": "yes", "creation-date": "2020-01-02T03:04:05.678901", "job-name": "labeling-job/j"}
SIZE = {"image_size": [{"width": 64, "height": 48, "depth": 3}]}


def boxes(class_id: int | str = 0, left: float = 8.25) -> dict[str, Any]:
    return SIZE | {"annotations": [{"class_id": class_id, "left": left, "top": 8, "width": 16, "height": 12}]}


def box_metadata(**more: Any) -> dict[str, Any]:
    known = {
        "objects": [{"confidence": 0.9}],
        "class-map": {"0": "cat"},
        "type": "groundtruth/object-detection",
    }
    return META | known | more


LINES: dict[str, dict[str, Any]] = {
    "boxes": {"source-ref": "s3://b/a.jpg", "bb": boxes(), "bb-metadata": box_metadata()},
    "no boxes": {
        "source-ref": "s3://b/a.jpg",
        "bb": SIZE | {"annotations": []},
        "bb-metadata": box_metadata(objects=[], **{"class-map": {}}),
    },
    "nothing": {
        "source-ref": "s3://b/a.jpg",
        "own": {},
        "own-metadata": META | {"type": "groundtruth/custom"},
    },
    "no spans": {
        "source": "so good",
        "ner": {"annotations": {"labels": [], "entities": []}},
        "ner-metadata": META | {"entities": [], "type": "groundtruth/text-span"},
    },
    "class": {
        "source-ref": "s3://b/a.jpg",
        "kind": 3,
        "kind-metadata": META
        | {"class-name": "cat", "confidence": 0.5, "type": "groundtruth/image-classification"},
    },
    "text class": {
        "source": "so good",
        "mood": 1,
        "mood-metadata": META
        | {"class-name": "up", "confidence": 0.8, "type": "groundtruth/text-classification"},
    },
    "classes": {
        "source-ref": "s3://b/a.jpg",
        "many": [1, 8],
        "many-metadata": META
        | {
            "class-map": {"1": "bicycle", "8": "clothes"},
            "confidence-map": {"1": 0.95, "8": 0.25},
            "type": "groundtruth/image-classification-multilabel",
        },
    },
    "spans": {
        "source": "Ann left Rome",
        "ner": {
            "annotations": {
                "labels": [{"label": "person", "shortDisplayName": "p"}],
                "entities": [{"label": "person", "startOffset": 0, "endOffset": 3}],
            }
        },
        "ner-metadata": META | {"entities": [{"confidence": 0.75}], "type": "groundtruth/text-span"},
    },
    "adjusted": {
        "source-ref": "s3://b/a.jpg",
        "bb": boxes(),
        "bb-metadata": box_metadata(),
        "bb2": boxes(left=9),
        "bb2-metadata": box_metadata(
            **{"creation-date": "2021-01-01T00:00:00.000000", "adjustment-status": "adjusted"}
        ),
    },
    "verified": {
        "source-ref": "s3://b/a.jpg",
        "bb": boxes(),
        "bb-metadata": box_metadata(),
        "check": 1,
        "check-metadata": META
        | {
            "class-name": "bad",
            "confidence": 0.93,
            "type": "groundtruth/label-verification",
            "creation-date": "2021-01-01T00:00:00.000000",
            "worker-feedback": [{"comment": "too wide"}],
        },
    },
    "cuboids": {
        "source-ref": "s3://b/1.bin",
        "source-ref-metadata": {"format": "binary/xyzi"},
        "lidar": {
            "annotations": [{"class-id": 0, "center-x": 1.5, "center-y": 2, "center-z": 3, "yaw": 0.1}]
        },
        "lidar-metadata": META
        | {"objects": [], "class_map": {"0": "car"}, "type": "groundtruth/point_cloud_object_detection"},
    },
    "by reference": {
        "source-ref": "s3://b/1.bin",
        "seg-ref": "s3://b/o/0/a.zlib",
        "seg-ref-metadata": META
        | {
            "color-map": {"0": {"class-name": "Background", "hex-color": "#ffffff", "confidence": 0.0}},
            "type": "groundtruth/point_cloud_single_frame_semantic_segmentation",
        },
    },
    "failed": {
        "source-ref": "s3://b/a.jpg",
        "bb-metadata": {"retry-count": 1, "failure-reason": "ClientError: no", "human-annotated": "true"},
    },
    "input": {"source-ref": "s3://b/a.jpg", "camera": {"id": 7}},
}


def written(folder: Path, *lines: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "output.manifest"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def read_one(folder: Path, line: dict[str, Any], **options: Any) -> DataRow:
    (row,) = annokit.read(written(folder, line), **options)
    return row


@pytest.mark.parametrize("name", LINES)
def test_every_task_there_and_back(name: str, tmp_path: Path) -> None:
    row = read_one(tmp_path / "in", LINES[name])
    report = annokit.write([row], tmp_path / "out", format=NAME, labels="all", verify=True)
    assert not [loss for loss in report.losses if loss.level == "lost"]
    (again,) = annokit.read(tmp_path / "out")
    assert msgspec.structs.replace(again, source=None) == msgspec.structs.replace(row, source=None)
    line = json.loads((tmp_path / "out" / "output.manifest").read_text())
    assert line == LINES[name]  # numbers and all; only the order of keys may differ


def test_a_real_box_job_with_fractions_kept_to_the_digit(data: Path, tmp_path: Path) -> None:
    source = data / "ground_truth" / "object_detection.manifest"
    lines = [json.loads(line) for line in source.read_text().splitlines()]
    stated = [
        [one["left"], one["top"], one["width"], one["height"]]
        for line in lines
        for one in line["category"]["annotations"]
    ]
    assert (len(lines), len(stated)) == (100, 192)
    assert sum(side != int(side) for box in stated for side in box) == 480
    annokit.convert(source, tmp_path / "coco.json", to="coco", verify=True)
    coco = COCO(str(tmp_path / "coco.json"))
    assert [one["bbox"] for one in coco.dataset["annotations"]] == stated
    assert [one["name"] for one in coco.dataset["categories"]] == ["Bird"]
    annokit.convert(source, tmp_path / "yolo", to="yolo", decimals=12, verify=True)
    sizes = {line["source-ref"].rpartition("/")[2]: line["category"]["image_size"][0] for line in lines}
    found = [
        [float(word) for word in text.split()[1:]]
        for name in sorted(sizes)
        for text in (tmp_path / f"yolo/labels/train/{name[:-4]}.txt").read_text().splitlines()
    ]
    by_name = sorted(lines, key=lambda line: line["source-ref"].rpartition("/")[2])
    expected = [
        (one["width"] / line["category"]["image_size"][0]["width"])
        for line in by_name
        for one in line["category"]["annotations"]
    ]
    assert [row[2] for row in found] == pytest.approx(expected, abs=1e-3)  # a few are cut at the border
    report = annokit.convert(source, tmp_path / "back", to=NAME, verify=True)
    assert report.total("written", "object:box") == 192
    again = [json.loads(line) for line in (tmp_path / "back/output.manifest").read_text().splitlines()]
    assert again == lines


def test_a_real_classification_job(data: Path, shared: Path, tmp_path: Path) -> None:
    folder = shared / "ground_truth" / "birds_image_classification"
    rows = list(annokit.read(folder / "output.manifest"))
    truth = {one["ImageId"]: one["Label"] for one in json.loads((folder / "true_labels.json").read_text())}
    said = {row.name.removesuffix(".jpg"): row.labels[0].classifications[0] for row in rows}
    right = sum(truth[name] == question.answers[0].name for name, question in said.items())
    assert (len(rows), right) == (302, 272)
    assert round(right / len(rows), 4) == 0.9007
    annokit.write(annokit.read(folder / "output.manifest"), tmp_path / "out", format=NAME, verify=True)
    lines = [json.loads(line) for line in (folder / "output.manifest").read_text().splitlines()]
    assert [json.loads(line) for line in (tmp_path / "out/output.manifest").read_text().splitlines()] == lines


def test_each_attribute_is_a_label_and_the_newest_is_selected(tmp_path: Path) -> None:
    first, second = read_one(tmp_path, LINES["adjusted"]).labels
    assert [label.extra[NAME]["attribute"] for label in (first, second)] == ["bb", "bb2"]
    assert (first.is_selected, second.is_selected) == (False, True)
    assert first.created_at == datetime(2020, 1, 2, 3, 4, 5, 678901, UTC)
    assert second.extra[NAME]["metadata"]["adjustment-status"] == "adjusted"
    boxed, verdict = read_one(tmp_path, LINES["verified"]).labels
    assert (boxed.is_selected, verdict.is_selected) == (True, False)
    question = verdict.classifications[0]
    assert (question.answers[0].name, question.confidence) == ("bad", 0.93)
    assert question.classifications[0].text == "too wide"
    report = annokit.convert(tmp_path / "output.manifest", tmp_path / "c.json", to="coco")
    assert report.kinds["labels"] == Counter(read=2, written=1, superseded=1)
    assert report.total("written", "object:box") == 1


def test_what_the_model_gets(tmp_path: Path) -> None:
    row = read_one(tmp_path, LINES["boxes"])
    assert (row.id, row.name, row.asset.width, row.asset.height) == ("0", "a.jpg", 64, 48)
    (label,) = row.labels
    assert (label.project_name, label.origin) == ("labeling-job/j", "human")
    (one,) = label.objects
    assert (one.tool_name, one.confidence, one.geometry) == (
        "cat",
        0.9,
        Box(x=8.25, y=8, width=16, height=12),
    )
    (span,) = read_one(tmp_path, LINES["spans"]).labels[0].objects
    assert (span.tool_name, span.geometry) == ("person", TextSpan(start=0, end=3, text="Ann"))
    (several,) = read_one(tmp_path, LINES["classes"]).labels[0].classifications
    assert [(one.name, one.confidence) for one in several.answers] == [("bicycle", 0.95), ("clothes", 0.25)]
    (cuboid,) = read_one(tmp_path, LINES["cuboids"]).labels[0].objects
    assert isinstance(cuboid.geometry, Unknown)
    assert (cuboid.tool_name, cuboid.geometry.payload["center-x"]) == ("car", 1.5)


def test_a_failed_object_is_a_row_without_a_label(tmp_path: Path) -> None:
    file = written(tmp_path, LINES["failed"], LINES["boxes"])
    run = Run()
    failed, _ = annokit.read(file).rows(run)
    assert failed.labels == ()
    assert failed.extra[NAME]["failed"]["bb"]["failure-reason"] == "ClientError: no"
    (note,) = run.report.losses
    assert (note.code, note.examples) == ("failed-object", ["0 bb: ClientError: no"])


@pytest.mark.parametrize("feedback", [3, 0.5, True, "no", {"comment": "no"}, [3, {"comment": 3}]])
def test_feedback_of_another_shape_is_no_comment(feedback: object, tmp_path: Path) -> None:
    line = LINES["class"] | {"kind-metadata": LINES["class"]["kind-metadata"] | {"worker-feedback": feedback}}
    (answer,) = read_one(tmp_path, line).labels[0].classifications
    assert (answer.answers[0].name, answer.classifications) == ("cat", ())


@pytest.mark.parametrize("value", [3, "3"])
def test_class_ids_are_numbers_or_texts(value: int | str, tmp_path: Path) -> None:
    line = LINES["class"] | {"kind": value}
    assert read_one(tmp_path, line).labels[0].classifications[0].answers[0].name == "cat"
    line = LINES["boxes"] | {"bb": boxes(str(0))}
    assert read_one(tmp_path, line).labels[0].objects[0].tool_name == "cat"


def test_the_class_map_is_that_of_all_lines_and_conflicts_are_named(tmp_path: Path) -> None:
    other = {"source-ref": "s3://b/c.jpg", "bb": boxes(5), "bb-metadata": box_metadata()}
    maps = {
        "source-ref": "s3://b/d.jpg",
        "bb": boxes(5),
        "bb-metadata": box_metadata(**{"class-map": {"5": "dog"}}),
    }
    clash = maps | {"bb-metadata": box_metadata(**{"class-map": {"5": "wolf"}})}
    file = written(tmp_path, other, maps, clash)
    run = Run()
    rows = list(annokit.read(file).rows(run))
    assert [row.labels[0].objects[0].tool_name for row in rows] == ["dog", "dog", "wolf"]
    (note,) = run.report.losses
    assert (note.code, note.examples) == ("class-map-conflict", ["bb 5: dog, wolf"])


@pytest.mark.parametrize(
    ("line", "kind", "problem"),
    [
        ('{"source-ref": ', "data_rows", "not valid JSON"),
        ("[1]", "data_rows", "expected object, got array"),
        ('{"source-ref": "a.jpg", "own": 1e999}', "data_rows", "number out of range"),
        ('{"bb": {"annotations": [1e999]}, "bb-metadata": {"type": "x"}}', "labels", "number out of range"),
        (
            LINES["boxes"] | {"bb": boxes(7)},
            "object:box",
            "$.bb.annotations[0]: expected class 7 in the class-map",
        ),
        (
            LINES["boxes"] | {"bb": SIZE | {"annotations": [{"class_id": 0, "left": "x"}]}},
            "object:box",
            "$.bb.annotations[0].left: expected float, got str",
        ),
        (
            LINES["boxes"] | {"bb": {"annotations": [], "image_size": 3}},
            "labels",
            "$.bb.image_size: expected array",
        ),
    ],
)
def test_a_bad_record_costs_one_record(line: Any, kind: str, problem: str, tmp_path: Path) -> None:
    text = line if isinstance(line, str) else json.dumps(line)
    file = tmp_path / "output.manifest"
    file.write_text(f"{json.dumps(LINES['boxes'])}\n{text}\n{json.dumps(LINES['boxes'])}\n")
    with pytest.raises(InputError) as caught:
        list(annokit.read(file))
    assert f"{file}:2" in str(caught.value)
    assert problem in str(caught.value)
    report = annokit.convert(file, tmp_path / "out", to="parquet", on_error="quarantine")
    assert {name: row["quarantined"] for name, row in report.kinds.items() if row["quarantined"]} == {kind: 1}
    assert report.total("written", "object:box") == 2


def painted_job(folder: Path, palette: bool) -> Path:
    """A job's folder with one painted image, as it is copied from S3."""
    pixels = np.zeros((48, 64), np.uint8)
    pixels[10:20, 5:25], pixels[30:, 40:] = 1, 2
    colors = np.array([[255, 255, 255], [42, 207, 89], [242, 131, 51]], np.uint8)
    image = Image.fromarray(pixels, "P") if palette else Image.fromarray(colors[pixels])
    if palette:
        image.putpalette(colors.tobytes())
    place = folder / "annotations" / "consolidated-annotation" / "output"
    place.mkdir(parents=True)
    image.save(place / "0_2020-01-02T03_04_05.png")
    names = {"0": "BACKGROUND", "1": "house", "2": "road"}
    hexes = {key: "#" + bytes(color).hex() for key, color in zip(names, colors, strict=True)}
    color_map = {
        key: {"class-name": name, "hex-color": hexes[key], "confidence": 0.9} for key, name in names.items()
    }
    line = {
        "source-ref": "s3://b/a.jpg",
        "seg-ref": "s3://out/job/annotations/consolidated-annotation/output/0_2020-01-02T03:04:05.png",
        "seg-ref-metadata": META
        | {"internal-color-map": color_map, "type": "groundtruth/semantic-segmentation"},
    }
    (folder / "manifests").mkdir()
    written(folder / "manifests" / "output", line)
    return folder


@pytest.mark.parametrize("palette", [True, False])
def test_painted_labels_become_masks_and_go_back(palette: bool, tmp_path: Path) -> None:
    job = painted_job(tmp_path / "job", palette)
    (alone,) = annokit.read(job / "manifests" / "output" / "output.manifest")
    assert [one.geometry.kind for one in alone.labels[0].objects] == ["mask_reference"] * 2
    (row,) = annokit.read(job, format=NAME)
    house, road = row.labels[0].objects
    assert (house.tool_name, road.tool_name, house.confidence) == ("house", "road", 0.9)
    assert isinstance(house.geometry, Mask)
    assert rle.area(annokit.geometry.mask_batch([house.geometry])).tolist() == [200]
    assert (row.asset.height, row.asset.width) == (48, 64)
    (other,) = annokit.read(job / "manifests" / "output" / "output.manifest", masks=job)
    assert other.labels == row.labels
    annokit.write([row], tmp_path / "out", format=NAME, verify=True, s3_prefix="s3://new/")
    line = json.loads((tmp_path / "out" / "output.manifest").read_text())
    assert line["seg-ref"] == "s3://new/segmentation/a.png"
    (again,) = annokit.read(tmp_path / "out")
    assert [one.geometry for one in again.labels[0].objects] == [house.geometry, road.geometry]
    image = np.array(Image.open(tmp_path / "out" / "segmentation" / "a.png"))
    assert sorted(np.unique(image)) == [0, 1, 2]
    assert line["seg-ref-metadata"]["internal-color-map"]["2"]["class-name"] == "road"


def test_two_painted_labels_of_a_row_have_files_of_their_own(tmp_path: Path) -> None:
    painted = [Mask(counts=[start, 10, 90 - start], height=10, width=10) for start in (5, 40)]
    labels = tuple(
        Label(
            annotations=(ObjectAnnotation(tool_name="car", geometry=mask),),
            extra={NAME: {"attribute": attribute}},
        )
        for mask, attribute in zip(painted, ("first", "adjusted"), strict=True)
    )
    row = DataRow(id="r", external_id="a.jpg", asset=Asset(width=10, height=10), labels=labels)
    annokit.write([row], tmp_path / "out", format=NAME, labels="all", verify=True)
    (again,) = annokit.read(tmp_path / "out")
    assert [label.objects[0].geometry for label in again.labels] == painted


def test_a_reference_that_is_nowhere_goes_back_as_it_came(tmp_path: Path) -> None:
    job = painted_job(tmp_path / "job", palette=True)
    manifest = job / "manifests" / "output" / "output.manifest"
    annokit.convert(manifest, tmp_path / "out", to=NAME)
    assert json.loads((tmp_path / "out" / "output.manifest").read_text()) == json.loads(manifest.read_text())
    run = Run()
    (tmp_path / "empty").mkdir()
    (row,) = annokit.read(manifest, masks=tmp_path / "empty").rows(run)
    assert isinstance(row.labels[0].objects[0].geometry, MaskReference)
    assert [loss.code for loss in run.report.losses] == ["mask-missing"]


def track_frames() -> list[dict[str, Any]]:
    def mark(left: float, size: str) -> dict[str, Any]:
        identity = {"object-id": "o1", "object-name": "Car:1", "class-id": "2"}
        return identity | {
            "left": left,
            "top": 2,
            "width": 3,
            "height": 4,
            "label-category-attributes": {"size": size},
        }

    frames = [(0, [mark(1, "big")]), (1, [mark(2, "big")]), (2, []), (3, [mark(4, "small")])]
    return [
        {"frame-no": str(n), "frame": f"f{n}.jpg", "frame-attributes": {"night": "no"}, "annotations": marks}
        for n, marks in frames
    ]


def test_tracks_of_a_video(tmp_path: Path) -> None:
    place = tmp_path / "consolidated-annotation" / "output" / "7"
    place.mkdir(parents=True)
    (place / "SeqLabel.json").write_text(json.dumps({"tracking-annotations": track_frames()}))
    (row,) = annokit.read(place / "SeqLabel.json")
    assert (row.id, row.asset.media_type, row.asset.frame_count) == ("7", "video", 4)
    (track,) = row.labels[0].tracks
    assert (track.id, track.tool_name, track.kind) == ("o1", "Car", "box")
    assert track.frames.tolist() == [0, 1, 3]
    assert track.segments.tolist() == [[0, 1], [3, 3]]
    assert track.geometry(2) == Box(x=4, y=2, width=3, height=4)
    (size,) = track.classifications
    assert [(one.name, [(f.start, f.end) for f in one.frames]) for one in size.answers] == [
        ("big", [(0, 1)]),
        ("small", [(3, 3)]),
    ]
    (night,) = row.labels[0].classifications
    assert (night.tool_name, night.answers[0].frames[0].end) == ("night", 3)
    line = {
        "source-ref": "s3://b/seq.json",
        "car-ref": "s3://o/job/consolidated-annotation/output/7/SeqLabel.json",
        "car-ref-metadata": META | {"class-map": {"2": "car"}, "type": "groundtruth/video-object-tracking"},
    }
    (alone,) = annokit.read(written(tmp_path / "alone", line))
    assert isinstance(alone.labels[0].objects[0].geometry, Unknown)
    (joined,) = annokit.read(written(tmp_path / "alone", line), sequences=tmp_path)
    (named,) = joined.labels[0].tracks
    assert named.tool_name == "car"
    assert msgspec.structs.replace(named, tool_name="Car") == track


def test_polygons_of_frames_and_of_sensors(tmp_path: Path) -> None:
    ring = [{"x": 0, "y": 0}, {"x": 4, "y": 0}, {"x": 4, "y": 4}]
    frame = {"frame-no": 0, "polygons": [{"class-id": "0", "vertices": ring}]}
    (row,) = annokit.read(json.dumps({"detection-annotations": [frame]}).encode())
    (one,) = row.labels[0].objects
    assert (one.tool_name, one.frame, one.geometry) == ("0", 0, Polygon(coords=[(0, 0), (4, 0), (4, 4)]))
    cuboid = {"object-id": "x", "object-name": "Car:1", "class-id": 0, "center-x": 1, "length": 4, "yaw": 0}
    lidar = {"tracking-annotations": [{"frame-number": 0, "frame-name": "0.pcd", "annotations": [cuboid]}]}
    camera = {"tracking-annotations": track_frames()}
    (row,) = annokit.read(json.dumps({"lidar": lidar, "camera-0": camera}).encode())
    (solid,) = row.labels[0].objects
    assert isinstance(solid.geometry, Unknown)
    (track,) = row.labels[0].tracks
    assert isinstance(track, Track)
    assert track.extra[NAME]["sensor"] == "camera-0"


def test_every_example_of_the_guide_is_read(shared: Path) -> None:
    folder = shared / "ground_truth" / "from_docs"
    files = [*folder.glob("sms-data-*.json"), *folder.glob("sms-output-*.json"), *folder.glob("*.manifest")]
    assert len(files) > 20
    for file in files:
        run = Run()
        rows = list(annokit.read(file).rows(run))
        assert rows
        assert run.report.total("read", "labels") >= len(rows)
        assert not [loss for loss in run.report.losses if loss.lossy]


def test_a_consolidation_response_and_answers_that_were_passed_on() -> None:
    content = {
        "annotatedResult": {"boundingBoxes": [{"label": "cat", "left": 1, "top": 2, "width": 3, "height": 4}]}
    }
    workers = [{"workerId": w, "annotationData": {"content": json.dumps(content)}} for w in ("w1", "w2")]
    response = [
        {
            "datasetObjectId": "5",
            "consolidatedAnnotation": {"content": {"bb": {"annotationsFromAllWorkers": workers}}},
        },
        {
            "datasetObjectId": "6",
            "consolidatedAnnotation": {"content": {"bb": boxes(), "bb-metadata": box_metadata()}},
        },
    ]
    five, six = annokit.read(json.dumps(response).encode())
    assert (five.id, [label.annotator_id for label in five.labels]) == ("5", ["w1", "w2"])
    assert five.labels[1].objects[0].tool_name == "cat"
    assert six.labels[0].objects[0].confidence == 0.9


def elsewhere() -> DataRow:
    square = Polygon(coords=[(1, 1), (20, 1), (20, 20), (1, 20)])
    objects = (
        ObjectAnnotation(tool_name="cat", geometry=Box(x=1, y=2, width=3.5, height=4)),
        ObjectAnnotation(tool_name="lawn", geometry=square),
        ObjectAnnotation(tool_name="sky", geometry=Polygon(coords=[(30, 1), (60, 1), (60, 20)])),
        ObjectAnnotation(tool_name="sky", geometry=Polygon(coords=[(30, 30), (60, 30), (60, 40)])),
        ObjectAnnotation(tool_name="tilted", geometry=RotatedBox(corners=[(1, 1), (2, 2), (1, 3), (0, 2)])),
        Classification(tool_name="Is it day?", kind="radio", answers=(annokit.model.Answer(name="yes"),)),
    )
    label = Label(annotations=objects, created_at=datetime(2024, 5, 6, tzinfo=UTC))
    return DataRow(id="r1", external_id="sub/ü.jpg", asset=Asset(width=64, height=48), labels=(label,))


def test_labels_from_elsewhere_become_an_attribute_for_each_task(tmp_path: Path) -> None:
    report = annokit.write([elsewhere()], tmp_path / "out", format=NAME, image_prefix="s3://b/", verify=True)
    line = json.loads((tmp_path / "out" / "output.manifest").read_text())
    assert line["source-ref"] == "s3://b/sub/ü.jpg"
    assert line["annokit"] == {"id": "r1", "external_id": "sub/ü.jpg"}
    assert line["label"]["annotations"] == [{"class_id": 0, "left": 1, "top": 2, "width": 3.5, "height": 4}]
    assert line["label-metadata"]["class-map"] == {"0": "cat"}
    assert line["label-metadata"]["creation-date"] == "2024-05-06T00:00:00.000000"
    assert line["Is-it-day"] == 0
    assert [one["class-name"] for one in line["label-ref-metadata"]["internal-color-map"].values()] == [
        "BACKGROUND",
        "lawn",
        "sky",
    ]
    assert report.kinds["object:polygon"] == Counter(read=3, written=2, merged=1)
    assert report.kinds["object:rotated_box"] == Counter(read=1, unsupported=1)
    (again,) = annokit.read(tmp_path / "out")
    assert (again.id, again.name) == ("r1", "sub/ü.jpg")
    assert sorted(one.geometry.kind for label in again.labels for one in label.objects) == [
        "box",
        "mask",
        "mask",
    ]


def addresses(folder: Path) -> list[str]:
    lines = (folder / "output.manifest").read_text().splitlines()
    return [json.loads(line)["source-ref"] for line in lines]


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [
        ("a.jpg", "s3://b/images/a.jpg"),
        ("sub/a.jpg", "s3://b/images/sub/a.jpg"),
        ("/data/sub/a.jpg", "s3://b/images/a.jpg"),
        ("C:\\data\\a.jpg", "s3://b/images/a.jpg"),
        ("s3://other/a.jpg", "s3://other/a.jpg"),
        ("https://example.com/a.jpg?size=1", "https://example.com/a.jpg?size=1"),
    ],
)
def test_images_of_coco_without_an_address_get_the_prefix(
    file_name: str, expected: str, tmp_path: Path
) -> None:
    image = {"id": 1, "file_name": file_name, "width": 9, "height": 9}
    source = tmp_path / "coco.json"
    source.write_text(json.dumps({"images": [image], "annotations": [], "categories": []}))
    annokit.convert(source, tmp_path / "with", to=NAME, image_prefix="s3://b/images/")
    assert addresses(tmp_path / "with") == [expected]
    annokit.convert(source, tmp_path / "without", to=NAME)
    assert addresses(tmp_path / "without") == [file_name]


def test_images_of_manifests_and_arrays_without_an_address_get_the_prefix(tmp_path: Path) -> None:
    (tmp_path / "in.manifest").write_text(json.dumps({"source-ref": "sub/a.jpg"}) + "\n")
    annokit.convert(tmp_path / "in.manifest", tmp_path / "o", to=NAME, image_prefix="s3://b/")
    assert addresses(tmp_path / "o") == ["s3://b/sub/a.jpg"]
    found = annokit.Dataset.from_arrays(
        "street.jpg", (9, 9), classes=["car"], class_ids=[0], boxes_xyxy=[[1, 1, 3, 3]]
    )
    annokit.write(found, tmp_path / "p", format=NAME, image_prefix="s3://b/")
    assert addresses(tmp_path / "p") == ["s3://b/street.jpg"]


def test_a_frame_is_not_at_the_address_of_its_video(tmp_path: Path) -> None:
    asset = Asset(uri="s3://b/v.mp4", media_type="video", width=9, height=9, frame_count=2)
    video = DataRow(id="v", external_id="v.mp4", asset=asset, labels=(Label(),))
    annokit.write([video], tmp_path / "o", format=NAME, video_frames="all", image_prefix="s3://b/frames/")
    assert addresses(tmp_path / "o") == ["s3://b/frames/v/000001.jpg", "s3://b/frames/v/000002.jpg"]


def test_two_labels_of_one_attribute_keep_the_first(tmp_path: Path) -> None:
    shape = ObjectAnnotation(tool_name="cat", geometry=Box(x=1, y=2, width=3, height=4))
    row = DataRow(id="0", asset=Asset(width=9, height=9), labels=(Label(annotations=(shape,)),) * 2)
    report = annokit.write([row], tmp_path / "out", format=NAME, labels="all")
    assert report.kinds["object:box"] == Counter(read=2, written=1, unsupported=1)
    assert "attribute-taken" in {loss.code for loss in report.losses}


def test_an_attribute_must_be_called_as_jobs_call_theirs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="letters, digits and hyphens"):
        annokit.write([elsewhere()], tmp_path / "out", format=NAME, attribute="a b")


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected an output\.manifest, got none"):
        list(annokit.read(tmp_path, format=NAME))


def test_whatever_has_no_confidence_is_noted(tmp_path: Path) -> None:
    ring = Polygon(coords=[(0, 0), (8, 0), (8, 6)])
    marked = [Box(x=1, y=2, width=3, height=4), ring, TextSpan(start=0, end=2)]
    asked = [
        Classification(tool_name="one", kind="radio", answers=(Answer(name="a"),)),
        Classification(tool_name="several", kind="checklist", answers=(Answer(name="a"), Answer(name="b"))),
    ]
    objects = [ObjectAnnotation(tool_name="x", geometry=shape) for shape in marked]
    row = DataRow(
        id="0",
        asset=Asset(height=10, width=10),
        labels=(Label(annotations=(*objects, *asked), is_selected=True),),
    )
    report = annokit.write([row], tmp_path / "job", format="ground-truth")
    noted = {loss.kind: loss.count for loss in report.losses if loss.code == "no-confidence"}
    assert noted == {"object:box": 1, "object:polygon": 1, "object:text_span": 1, "classifications": 3}


@pytest.mark.parametrize(
    "shape", [Box(x=1, y=2, width=3, height=4), Polygon(coords=[(0, 0), (8, 0), (8, 6)])]
)
def test_a_confidence_in_percent_is_left_out_by_name(shape: Any, tmp_path: Path) -> None:
    asked = Classification(tool_name="q", kind="radio", answers=(Answer(name="a"),), confidence=-1)
    car = ObjectAnnotation(tool_name="car", geometry=shape, confidence=87.5)
    labels = (Label(annotations=(car, asked), is_selected=True),)
    row = DataRow(id="0", asset=Asset(height=10, width=10), labels=labels)
    report = annokit.write([row], tmp_path / "job", format="ground-truth")
    ranges = {loss.kind: loss.level for loss in report.losses if loss.code == "confidence-range"}
    assert ranges == {f"object:{shape.kind}": "changed", "classifications": "changed"}
    assert "no-confidence" not in {loss.code for loss in report.losses}
    (again,) = annokit.read(tmp_path / "job")
    assert not any(one.confidence for label in again.labels for one in label.annotations)


def test_records_cannot_be_put_into_a_file_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "a.manifest").write_text('{"source-ref":"s3://b/a.jpg"}\n{"source-ref":\n')
    aside = tmp_path / "coco.json.quarantine.ndjson"
    report = annokit.convert(
        tmp_path / "a.manifest", tmp_path / "coco.json", to="coco", on_error="quarantine"
    )
    assert report.total("quarantined") == 1
    with pytest.raises(UsageError, match="records of ground-truth cannot be put into a file of their own"):
        requeue(aside, tmp_path / "mended.manifest")
    assert not (tmp_path / "mended.manifest").exists()
