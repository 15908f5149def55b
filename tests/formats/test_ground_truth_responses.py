"""Answers of workers: real jobs with known counts, generated ones with known truth, and odd files."""

from __future__ import annotations

import base64
import io
import json
import pickle
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import annokit
from annokit.dataset import joined
from annokit.errors import InputError, UsageError
from annokit.model import (
    Box,
    Classification,
    DataRow,
    Label,
    Line,
    Mask,
    ObjectAnnotation,
    Point,
    Polygon,
    TextSpan,
    Track,
    Unknown,
)
from annokit.run import Run
from annokit_fast import rle

NAME = "ground-truth-responses"


def told(label: Label) -> dict[str, Any]:
    found: dict[str, Any] = label.extra[NAME]
    return found


def write_tree(folder: Path, contents: dict[str, Any], answers: dict[str, Any] | None = None) -> Path:
    """A response tree of one answer a record, by path below ``worker-response``."""
    for path, content in contents.items():
        file = folder / "job" / "annotations" / "worker-response" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        answer = {"answerContent": content, "workerId": "w", "submissionTime": "2024-01-02T03:04:05Z"}
        file.write_text(json.dumps({"answers": [answer | (answers or {})]}))
    return folder / "job"


def one_answer(folder: Path, content: Any, **more: Any) -> Label:
    tree = write_tree(folder, {"iteration-1/0/2024-01-02_03_04_06.json": content}, more)
    (row,) = annokit.read(tree)
    (label,) = row.labels
    return label


@pytest.fixture(scope="module")
def birds(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bird job unpacked, with the colons its names have on S3."""
    folder = tmp_path_factory.mktemp("birds")
    with tarfile.open(data / "ground_truth" / "birds.tar.gz") as archive:
        for entry in archive:
            if entry.isfile():
                content = archive.extractfile(entry)
                assert content is not None
                (folder / entry.name).parent.mkdir(parents=True, exist_ok=True)
                (folder / entry.name).write_bytes(content.read())
    return folder / "ic_data"


def summary(rows: list[DataRow]) -> tuple[int, int, int]:
    labels = [label for row in rows for label in row.labels]
    return len(rows), len(labels), len({label.annotator_id for label in labels})


def test_a_whole_real_job(birds: Path, data: Path) -> None:
    rows = list(annokit.read(birds))
    assert annokit.detect(birds) == NAME
    assert summary(rows) == (302, 1510, 97)
    assert [row.id for row in rows] == [str(record) for record in range(302)]
    manifest = [json.loads(line) for line in (birds / "output.manifest").read_text().splitlines()]
    assert [row.asset.uri for row in rows] == [line["source-ref"] for line in manifest]
    assert Counter(told(row.labels[0])["iteration"] for row in rows) == {1: 10, 2: 292}
    packed = list(annokit.read(data / "ground_truth" / "birds.tar.gz"))
    assert [msg.labels[0].annotations for msg in packed] == [row.labels[0].annotations for row in rows]
    assert told(packed[0].labels[0])["path"] == "worker-response/iteration-2/0/2019-04-18_16:40:33.json"


def test_the_majority_of_a_real_job_is_right_as_often_as_is_known(birds: Path, shared: Path) -> None:
    truth_file = shared / "ground_truth" / "birds_image_classification" / "true_labels.json"
    truth = {one["ImageId"]: one["Label"] for one in json.loads(truth_file.read_text())}
    right = single = 0
    for row in annokit.read(birds):
        said = [label.classifications[0].answers[0].name for label in row.labels]
        known = truth[row.name.removesuffix(".jpg")]
        single += said.count(known)
        right += Counter(said).most_common(1)[0][0] == known
    assert single / 1510 == pytest.approx(0.8589, abs=5e-5)
    assert right / 302 == pytest.approx(0.9007, abs=0.004)  # three ties


@pytest.mark.parametrize(
    "place",
    ["", "worker-response", "worker-response/iteration-1", "worker-response/iteration-1/153"],
)
def test_any_folder_of_a_job_can_be_given(birds: Path, place: str) -> None:
    rows = {row.id: row for row in annokit.read(birds / place)}
    label = rows["153"].labels[0]
    assert told(label)["iteration"] == 1
    assert told(label)["record"] == "153"
    assert told(label)["batch_time"] == "2019-04-18T16:13:04Z"
    folder = (birds / place).parent
    assert (folder / told(label)["path"]).is_file()
    assert label.created_at == datetime(2019, 4, 18, 16, 10, 44, tzinfo=UTC)


def test_one_file_and_loose_files(birds: Path, tmp_path: Path) -> None:
    file = next((birds / "worker-response" / "iteration-1" / "153").glob("2*.json"))
    (row,) = annokit.read(file)
    assert (row.id, len(row.labels), told(row.labels[0])["iteration"]) == ("153", 5, 1)
    for name in ("a.json", "b.json", "._a.json"):
        (tmp_path / name).write_bytes(file.read_bytes())
    rows = list(annokit.read(tmp_path))
    assert [row.id for row in rows] == [f"{tmp_path.name}/a.json", f"{tmp_path.name}/b.json"]
    assert told(rows[0].labels[0])["record"] is None
    assert len(next(iter(annokit.read(file.read_bytes()))).labels) == 5


def test_a_zip_is_read_in_place(birds: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in sorted((birds / "worker-response" / "iteration-1").rglob("2*.json")):
            archive.write(file, file.relative_to(birds.parent).as_posix())
    answers = [
        one for file in archive.namelist() for one in json.loads((birds.parent / file).read_text())["answers"]
    ]
    assert len(answers) == 50
    assert summary(list(annokit.read(tmp_path / "a.zip"))) == (
        10,
        50,
        len({one["workerId"] for one in answers}),
    )


def test_the_answer_of_the_blog(data: Path) -> None:
    (row,) = annokit.read(data / "ground_truth" / "blog_sample.json")
    (label,) = row.labels
    assert label.annotator_id == "private.eu-west-1.1111111111111111"
    assert label.classifications[0].answers[0].name == "Compute"
    assert told(label)["identity"]["sub"] == "11111111-1111-1111-1111-111111111111"
    assert told(label)["elements"] == ["crowd-classifier"]


def test_a_consolidation_request(data: Path) -> None:
    rows = list(annokit.read(data / "ground_truth" / "consolidation_request.json"))
    assert [(row.id, row.name, row.asset.height, row.asset.width) for row in rows] == [
        ("0", "test-image1.jpg", 432, 640),
        ("2", "test-image2.jpg", 1000, 1000),
    ]
    red, green = rows[0].labels[0].objects
    assert (red.tool_name, red.geometry) == ("Red", Box(x=116, y=283, width=137, height=128))
    assert green.extra[NAME]["element"] == "annotatedResult"


TASKS = ["crowd-classifier", "crowd-bounding-box", "crowd-entity-annotation", "crowd-semantic-segmentation"]


@pytest.mark.parametrize("task", TASKS)
def test_generated_jobs_have_what_their_summary_says(
    task: str, tmp_path: Path, generate: Callable[..., None]
) -> None:
    options = [
        "--records",
        60,
        "--workers",
        12,
        "--null-subs",
        0.2,
        "--relabelled",
        0.1,
        "--short-records",
        0.2,
    ]
    generate("make_worker_responses", "--task", task, *options, "--missing-records", 0.1, "--out", tmp_path)
    (job,) = tmp_path.iterdir()
    stated = json.loads((job / "summary.json").read_text())
    run = Run()
    rows = list(annokit.read(job, manifest=job / "manifests/input/dataset.manifest").rows(run))
    labels = [label for row in rows for label in row.labels]
    assert len(labels) == stated["answers"]
    assert len({told(label)["path"] for label in labels}) == stated["files"]
    assert not [loss for loss in run.report.losses if loss.lossy]
    days = Counter(str(label.created_at.date()) for label in labels if label.created_at)
    assert days == stated["answers_per_day"]
    workers = [json.loads(line) for line in (job / "truth_workers.jsonl").read_text().splitlines()]
    assert Counter(label.annotator_id for label in labels) == {
        one["workerId"]: one["answers"] for one in workers if one["answers"]
    }
    if task == "crowd-classifier":
        said = Counter(label.classifications[0].answers[0].name for label in labels)
        assert said == stated["answers_per_label"]
    assert all(label.started_at and label.started_at < (label.created_at or 0) for label in labels)  # type: ignore[operator]


def spans_of(job: Path, **options: Any) -> list[tuple[int, int, str | None]]:
    rows = list(annokit.read(job, manifest=job / "manifests/input/dataset.manifest", **options))
    assert {row.asset.media_type for row in rows} == {"text"}
    shapes = [one.geometry for row in rows for label in row.labels for one in label.objects]
    return [(shape.start, shape.end, shape.text) for shape in shapes if isinstance(shape, TextSpan)]


def test_spans_are_characters_whatever_the_job_counted(tmp_path: Path, generate: Callable[..., None]) -> None:
    jobs = {}
    for unit in ("codepoint", "utf16"):
        task = ["--task", "crowd-entity-annotation", "--records", 60, "--spammers", 0, "--offset-unit", unit]
        generate("make_worker_responses", *task, "--out", tmp_path / unit)
        (jobs[unit],) = (tmp_path / unit).iterdir()
    meant = spans_of(jobs["codepoint"], offsets="characters")
    assert len(meant) > 100
    assert spans_of(jobs["utf16"], offsets="utf16") == meant
    assert spans_of(jobs["utf16"], offsets="characters") != meant
    assert spans_of(jobs["codepoint"]) == meant
    guessed = spans_of(jobs["utf16"])
    assert sum(one == other for one, other in zip(guessed, meant, strict=True)) > 0.97 * len(meant)


IMAGE = {"height": 40, "width": 60}
VERTICES = [{"x": 1, "y": 2}, {"x": 9.5, "y": 2}, {"x": 9, "y": 8}]


@pytest.mark.parametrize(
    ("content", "tool", "shape"),
    [
        ({"boundingBoxes": [{"left": 1, "top": 2, "width": 3.25, "height": 4, "label": "cat"}]}, "cat", Box),
        ({"polygons": [{"label": "cat", "vertices": VERTICES}]}, "cat", Polygon),
        ({"polylines": [{"label": "cat", "vertices": VERTICES}]}, "cat", Line),
        ({"lines": [{"label": "cat", "vertices": VERTICES[:2]}]}, "cat", Line),
        ({"keypoints": [{"label": "cat", "x": 5, "y": 6}]}, "cat", Point),
    ],
)
def test_elements_are_told_by_their_shape(
    content: dict[str, Any], tool: str, shape: type, tmp_path: Path
) -> None:
    tree = write_tree(
        tmp_path, {"iteration-2/7/x.json": {"any name": content | {"inputImageProperties": IMAGE}}}
    )
    (row,) = annokit.read(tree)
    assert (row.id, row.asset.height, row.asset.width) == ("7", 40, 60)
    (found,) = row.labels[0].objects
    assert (found.tool_name, type(found.geometry)) == (tool, shape)
    assert found.extra == {NAME: {"element": "any name"}}
    if isinstance(found.geometry, Polygon):
        assert found.geometry.coords.tolist() == [[1, 2], [9.5, 2], [9, 8]]


def test_answers_to_questions(tmp_path: Path) -> None:
    content = {
        "category": {"label": "cat", "workerComment": "half hidden"},
        "several": {"labels": ["a", "b"]},
        "note": "blurred",
        "agree": {"yes": True, "no": False},
        "size": 3.50,
        "odd": {"never": ["seen"]},
        "empty": {},
    }
    label = one_answer(tmp_path, content)
    category, several, note, agree, size = label.classifications
    assert (category.kind, category.answers[0].name) == ("radio", "cat")
    assert category.classifications[0].text == "half hidden"
    assert (several.kind, [one.name for one in several.answers]) == ("checklist", ["a", "b"])
    assert (note.kind, note.text) == ("text", "blurred")
    assert (agree.kind, [one.name for one in agree.answers]) == ("checklist", ["yes"])
    assert agree.extra[NAME]["values"] == {"yes": True, "no": False}
    assert (size.kind, size.text) == ("number", "3.5")
    odd, empty = label.objects
    assert odd.geometry == Unknown(what="odd", payload={"never": ["seen"]})
    assert empty.geometry == Unknown(what="empty", payload={})
    assert told(label)["elements"] == list(content)


def png(pixels: np.ndarray[Any, Any]) -> str:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def test_painted_classes_and_instances(tmp_path: Path) -> None:
    pixels = np.full((40, 60, 3), 255, np.uint8)
    pixels[:10, :20] = (44, 160, 44)
    pixels[20:, 30:] = (31, 119, 180)
    image = {"labeledImage": {"pngImageData": png(pixels)}, "inputImageProperties": IMAGE}
    mappings = {"tree": {"color": "#2ca02c"}, "car": {"color": "#1f77b4"}, "unused": {"color": "#000000"}}
    label = one_answer(tmp_path, {"s": image | {"labelMappings": mappings, "initialValueModified": True}})
    tree, car = label.objects
    assert (tree.tool_name, car.tool_name) == ("tree", "car")
    assert isinstance(tree.geometry, Mask)
    assert tree.geometry == Mask(counts=rle.encode(pixels[..., 0] == 44).counts, height=40, width=60)
    assert told(label)["content"] == {"s": {"initialValueModified": True}}
    instances = [{"color": "#2ca02c", "label": "x"}, {"color": "#1f77b4", "label": "x"}]
    label = one_answer(tmp_path, {"s": image | {"instances": instances}})
    assert [one.extra[NAME]["color"] for one in label.objects] == ["#2ca02c", "#1f77b4"]


def test_a_colour_of_no_class_is_counted(tmp_path: Path) -> None:
    pixels = np.zeros((4, 6, 3), np.uint8)
    content = {"labeledImage": {"pngImageData": png(pixels)}, "labelMappings": {"a": {"color": "#ff0000"}}}
    tree = write_tree(tmp_path, {"iteration-1/0/a.json": {"s": content}})
    run = Run()
    list(annokit.read(tree).rows(run))
    (note,) = [loss for loss in run.report.losses if loss.code == "unlisted-pixels"]
    assert note.count == 24


def test_odd_files(shared: Path) -> None:
    run = Run()
    rows = list(annokit.read(shared / "ground_truth" / "synthetic" / "odd_files").rows(run))
    assert [len(row.labels) for row in rows] == [1, 0, 1, 1]
    assert rows[2].labels[0].seconds_to_create == 41.2
    assert (rows[3].labels[0].annotations, rows[3].asset.height) == ((), 10)
    assert [loss.code for loss in run.report.losses] == ["no-answers"]


HASH = "2ff99e13e1e053f494f4457accb039ac1342c7c3"


def video(folder: Path, frames: dict[str, Any]) -> Path:
    """A job of one video with a file for each frame, as far as there are any."""
    where = f"s3://bucket/job/annotations/worker-response/iteration-1/0/{HASH}"
    pointer = {"trackingAnnotations": {"frameData": {"s3Prefix": where}}}
    job = write_tree(folder, {"iteration-1/0/2024-01-02_03_04_06.json": pointer})
    if frames:
        place = job / "annotations" / "worker-response" / "iteration-1" / "0" / HASH
        place.mkdir()
        for name, frame in frames.items():
            (place / name).write_text(frame if isinstance(frame, str) else json.dumps(frame))
    return job


def tracked(number: int, **lists: Any) -> dict[str, Any]:
    return {"trackingAnnotations": {"frameNumber": number, "frame": f"f{number}.jpeg", **lists}}


def seen(name: str, left: float, **more: Any) -> dict[str, Any]:
    box = {"label": "car", "objectId": name, "objectName": f"car:{name}"}
    return {**box, "left": left, "top": 2, "width": 3, "height": 4.5, **more}


def test_marks_of_videos_are_read_from_their_frames(tmp_path: Path) -> None:
    vertices = [{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 9, "y": 5}]
    frames = {
        f"f{number}.jpeg.json": tracked(
            number,
            boundingBoxes=[
                seen("a", number, labelCategoryAttributes={"occluded": "yes" if number else "no"})
            ],
            frameAttributes={"weather": "dry"},
            **({"polygons": [{"label": "lane", "vertices": vertices}]} if number == 3 else {}),
        )
        for number in (0, 1, 3)
    }
    job = video(tmp_path, frames)
    run = Run()
    (row,) = annokit.read(job).rows(run)
    assert (row.asset.media_type, row.asset.frame_count, run.report.losses) == ("video", 4, [])
    lane, car, weather = row.labels[0].annotations
    assert isinstance(car, Track)
    assert (car.tool_name, car.id, car.frames.tolist()) == ("car", "a", [0, 1, 3])
    assert car.segments.tolist() == [[0, 1], [3, 3]]
    assert car.values.tolist()[:2] == [[0, 2], [3, 4.5]]
    assert [one.name for one in car.classifications[0].answers] == ["no", "yes"]
    assert isinstance(lane, ObjectAnnotation)
    assert (lane.tool_name, lane.frame, lane.geometry.kind) == ("lane", 3, "polygon")
    assert lane.extra == {NAME: {"element": "trackingAnnotations"}}
    assert isinstance(weather, Classification)
    kept = told(row.labels[0])["content"]["trackingAnnotations"]
    assert kept["frames"] == {"0": "f0.jpeg", "1": "f1.jpeg", "3": "f3.jpeg"}
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in sorted(job.rglob("*.json")):
            archive.write(file, file.relative_to(tmp_path).as_posix())
    (packed,) = annokit.read(tmp_path / "a.zip")
    assert packed.labels[0].annotations == row.labels[0].annotations


def test_frames_of_detections_and_of_point_clouds(tmp_path: Path) -> None:
    box = {"label": "car", "left": 1, "top": 2, "width": 3, "height": 4}
    files = {
        f"f{n}.json": {"detectionAnnotations": {"frame": f"f{n}", "boundingBoxes": [box]}} for n in (1, 2)
    }
    (row,) = annokit.read(video(tmp_path / "boxes", files))
    assert [(one.tool_name, one.frame, one.geometry) for one in row.labels[0].objects] == [
        ("car", frame, Box(x=1, y=2, width=3, height=4)) for frame in (0, 1)
    ]
    cuboid = {"objectName": "car:1", "label": "car", "centerX": 1.5, "centerY": 2, "centerZ": 0, "length": 4}
    cloud = {"trackingAnnotations": [{"frameName": "0.bin", "boundingCuboids": [cuboid]}]}
    (row,) = annokit.read(video(tmp_path / "clouds", {"0.bin.json": cloud}))
    (one,) = row.labels[0].objects
    assert isinstance(one.geometry, Unknown)
    assert (one.tool_name, one.geometry.what, one.geometry.payload["center-x"]) == ("car", "cuboid", 1.5)


@pytest.mark.parametrize(
    ("bad", "kind", "where"),
    [
        ("{", "object:unknown", "f1.json data_row=0 $: not valid JSON"),
        ("[]", "object:unknown", "f1.json data_row=0 $: expected object"),
        ({"answers": []}, "object:unknown", "expected trackingAnnotations or detectionAnnotations"),
        (tracked(1, boundingBoxes=[{"label": "car", "left": "x"}]), "object:box", "$.boundingBoxes[0].left"),
        (tracked(1, boundingBoxes=[{"label": "car", "left": 1}]), "object:box", "expected left, top, width"),
        (tracked(-1), "tracks", "expected the number of a frame, got -1"),
    ],
)
def test_a_bad_frame_is_named_by_its_file(bad: Any, kind: str, where: str, tmp_path: Path) -> None:
    job = video(tmp_path, {"f0.json": tracked(0, boundingBoxes=[seen("a", 1)]), "f1.json": bad})
    with pytest.raises(InputError) as caught:
        list(annokit.read(job))
    assert where in str(caught.value)
    assert f"/{HASH}/f1.json" in str(caught.value)
    run = Run(on_error="skip")
    (row,) = annokit.read(job).rows(run)
    assert run.report.total("skipped") == 1
    assert run.report.kinds[kind]["skipped"] == 1
    assert len(row.labels[0].annotations) == (0 if kind == "tracks" else 1)


def test_answers_to_videos_keep_the_address_of_frames_that_are_not_there(tmp_path: Path) -> None:
    run = Run()
    (row,) = annokit.read(video(tmp_path, {})).rows(run)
    (one,) = row.labels[0].objects
    assert isinstance(one.geometry, Unknown)
    assert one.geometry.payload["frameData"]["s3Prefix"].startswith("s3://")
    assert [(loss.code, loss.lossy) for loss in run.report.losses] == [("frames-not-read", True)]


@pytest.mark.parametrize("name", ["..", "", "a/..", "a\\b", "."])
def test_frames_are_looked_for_beside_their_answer_only(name: str, tmp_path: Path) -> None:
    job = write_tree(tmp_path, {"iteration-1/0/a.json": {"t": {"frameData": {"s3Prefix": f"s3://b/{name}"}}}})
    (row,) = annokit.read(job)
    assert [one.geometry.kind for one in row.labels[0].objects] == ["unknown"]


def test_a_record_answered_twice_keeps_both_or_the_latest(tmp_path: Path) -> None:
    names = ["iteration-1/4/2024-01-01_00_00_00.json", "iteration-2/4/2024-01-02_00_00_00.json"]
    tree = write_tree(tmp_path, {name: {"c": {"label": name}} for name in names})
    (row,) = annokit.read(tree)
    assert [told(label)["iteration"] for label in row.labels] == [1, 2]
    run = Run()
    (row,) = annokit.read(tree, latest=True).rows(run)
    assert [told(label)["iteration"] for label in row.labels] == [2]
    assert [(loss.code, loss.count) for loss in run.report.losses] == [("older-response", 1)]


BAD_IMAGE = (
    '{"answers":[{"answerContent":{"s":{"labelMappings":{"a":{"color":"#123456"}},'
    '"labeledImage":{"pngImageData":"iVBOR..."}}}}]}'
)
BOX = {"left": 1, "top": 2, "width": 3, "height": 4, "label": "cat"}


@pytest.mark.parametrize(
    ("text", "kind", "where"),
    [
        ('{"answers":[', "data_rows", "$: not valid JSON"),
        ('{"answers":{}}', "data_rows", "$.answers: expected array"),
        ('{"other":[]}', "data_rows", '$: expected the key "answers", got "other"'),
        ('{"answers":[{"workerId":7}]}', "labels", "$.answers[0].workerId: expected str | null, got int"),
        ('{"answers":[{"submissionTime":"noon"}]}', "labels", "$.answers[0].submissionTime: "),
        (
            '{"answers":[{"answerContent":{"b":{"boundingBoxes":[{"left":1}]}}}]}',
            "object:box",
            '$.answers[0].answerContent.b.boundingBoxes[0]: expected the key "top"',
        ),
        (
            '{"answers":[{"answerContent":{"b":{"polygons":[{"label":"a","vertices":[[1,2]]}]}}}]}',
            "object:polygon",
            "$.answers[0].answerContent.b.polygons[0].vertices[0]: expected object, got array",
        ),
        (
            BAD_IMAGE,
            "object:mask",
            "$.answers[0].answerContent.s.labeledImage: expected a PNG in base64",
        ),
    ],
)
def test_what_cannot_be_read_costs_no_more_than_itself(
    text: str, kind: str, where: str, tmp_path: Path
) -> None:
    tree = write_tree(tmp_path, {f"iteration-1/{n}/a.json": {"b": {"boundingBoxes": [BOX]}} for n in (0, 2)})
    bad = tree / "annotations" / "worker-response" / "iteration-1" / "1" / "a.json"
    bad.parent.mkdir()
    bad.write_text(text)
    with pytest.raises(InputError) as caught:
        list(annokit.read(tree))
    assert where in str(caught.value)
    assert str(caught.value).startswith(f"{bad} data_row=1 ")
    report = annokit.convert(tree, tmp_path / "out", to="parquet", on_error="quarantine")
    assert {name: row["quarantined"] for name, row in report.kinds.items() if row["quarantined"]} == {kind: 1}
    assert report.total("written", "object:box") == 2


def test_rejected_answers_leave_the_others_their_place(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"answers":[{"workerId":7},{"workerId":"w","new":1}],"version":"2"}')
    (row,) = annokit.read(tmp_path / "a.json", format=NAME, on_error="skip")
    (label,) = row.labels
    assert (label.annotator_id, told(label)["file_index"], told(label)["new"]) == ("w", 1, 1)


def test_a_folder_without_answers_or_with_several_jobs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="expected response files"):
        list(annokit.read(tmp_path / "nothing", format=NAME))
    for job in ("a", "b"):
        write_tree(tmp_path / "jobs" / job, {"iteration-1/0/x.json": {"c": {"label": "y"}}})
    with pytest.raises(
        UsageError, match="the answers of one job, got those of 2: a/job/annotations/worker-resp"
    ):
        list(annokit.read(tmp_path / "jobs", format=NAME))


def test_an_empty_record_and_lines_without_answers_are_counted(tmp_path: Path) -> None:
    tree = write_tree(tmp_path, {"iteration-1/1/x.json": {"c": {"label": "y"}}, "iteration-1/9/x.json": {}})
    (tree / "annotations" / "worker-response" / "iteration-1" / "3").mkdir()
    (tree / "manifests" / "output").mkdir(parents=True)
    lines = [json.dumps({"source": f"text {n}"}) for n in range(4)]
    (tree / "manifests" / "output" / "output.manifest").write_text("\n".join(lines))
    run = Run()
    first, second = annokit.read(tree).rows(run)
    assert (first.asset.text, first.asset.media_type) == ("text 1", "text")
    assert second.asset.text is None
    notes = [(loss.code, loss.count) for loss in run.report.losses]
    assert sorted(notes) == [("no-response", 4), ("not-in-manifest", 1)]


@pytest.mark.parametrize("latest", [False, True])
def test_parts_of_a_job_are_the_whole(latest: bool, tmp_path: Path, data: Path) -> None:
    files = {
        f"iteration-1/{n}/2024-01-02_03_04_06.json": {"c": {"label": f"y{n % 3}"}} for n in range(0, 60, 2)
    }
    files |= {f"iteration-2/{n}/2024-02-02_03_04_06.json": {"c": {"label": "z"}} for n in range(0, 60, 5)}
    tree = write_tree(tmp_path, files)
    responses = tree / "annotations" / "worker-response"
    (responses / "iteration-1" / "9").mkdir()
    (responses / "iteration-1" / "8" / "2024-01-02_03_04_06.json").write_text("{broken")
    request = json.loads((data / "ground_truth" / "consolidation_request.json").read_bytes())
    for number in range(2):  # both speak of the same records
        for one in request:
            one["datasetObjectId"] = str(100 + int(one["datasetObjectId"]))
        (responses / f"2024-01-02_03_04_0{number}.json").write_text(json.dumps(request))
        request = json.loads((data / "ground_truth" / "consolidation_request.json").read_bytes())
    (tree / "manifests" / "output").mkdir(parents=True)
    lines = [json.dumps({"source": f"text {n}"}) for n in range(70)]
    (tree / "manifests" / "output" / "output.manifest").write_text("\n".join(lines))

    whole, apart = Run(on_error="skip"), Run(on_error="skip")
    rows = list(annokit.read(tree, latest=latest).rows(whole))
    parts = [pickle.loads(pickle.dumps(part)) for part in annokit.parts(tree, size=7 * 4096, latest=latest)]
    assert [row for part in parts for row in part.dataset().rows(apart)] == rows
    assert (len(parts), rows[-1].id) == (6, "102")
    assert _counts(apart) == _counts(whole)
    assert apart.report.kinds == whole.report.kinds
    assert joined([part.dataset().outline for part in parts]) == annokit.read(tree, latest=latest).outline
    indices = [
        index
        for part in parts
        for batch in part.batches("data_rows", on_error="skip")
        for index in batch.column("data_row_index").to_pylist()
    ]
    assert indices == sorted(set(indices))


def _counts(run: Run) -> list[tuple[str, str, int]]:
    return sorted((loss.code, loss.kind, loss.count) for loss in run.report.losses)


def test_a_folder_of_one_record_is_not_cut(tmp_path: Path) -> None:
    tree = write_tree(tmp_path, {"iteration-1/1/x.json": {"c": {"label": "y"}}})
    assert [part.source.span for part in annokit.parts(tree, size=1)] == [None]


def test_classes_of_a_question_are_its_options(birds: Path) -> None:
    (question,) = annokit.read(birds).ontology.classifications
    assert (question.kind, len(question.options)) == ("radio", 10)
    kept = {type(one) for row in annokit.read(birds) for label in row.labels for one in label.annotations}
    assert kept == {Classification}
    assert not [one for one in annokit.read(birds).ontology.tools if isinstance(one, ObjectAnnotation)]


def test_painted_images_of_any_content_become_the_runs_of_each_colour(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    palette = np.array([(255, 255, 255), (0, 0, 0), (1, 2, 3), (200, 0, 9)], np.uint8)
    colors = ["#000000", "#010203", "#c80009", "#00ff00"]
    for n, (height, width) in enumerate([(1, 1), (1, 7), (7, 1), (13, 9), (40, 60)]):
        pixels = palette[random.integers(0, 4, (height, width))]
        image = {"labeledImage": {"pngImageData": png(pixels)}}
        instances = [{"color": color, "label": "x"} for color in colors]
        label = one_answer(tmp_path / str(n), {"s": image | {"instances": instances}})
        for one, color in zip(label.objects, colors, strict=True):
            (wanted,) = np.array([bytes.fromhex(color[1:])]).view(np.uint8).reshape(1, 3)
            counts = rle.encode((pixels == wanted).all(axis=2)).counts
            assert one.geometry == Mask(counts=counts, height=height, width=width)
