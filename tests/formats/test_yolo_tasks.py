"""YOLO's other tasks: pose, obb and classify load under Ultralytics' rules and come back as they were."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import annokit
from annokit import Dataset, Report
from annokit.errors import AnnokitError, UsageError
from annokit.formats._yolo.points import _smallest_rectangles
from annokit.model import (
    Answer,
    Asset,
    Box,
    Classification,
    DataRow,
    Geometry,
    Keypoints,
    Label,
    Mask,
    ObjectAnnotation,
    Ontology,
    Option,
    Point,
    Polygon,
    RotatedBox,
    Tool,
)
from tests.formats.yolo_rules import Loaded, classified

REAL = {
    "yolo": ["box", "box"],
    "yolov8_classification": ["label_0", "label_0", "label_1"],
    "yolov8_detection": ["box", "box"],
    "yolov8_detection_with_list_of_imgs": ["box", "box"],
    "yolov8_detection_with_list_of_names": ["box", "box"],
    "yolov8_detection_with_subset_txt": ["box", "box"],
    "yolov8_oriented_boxes": ["rotated_box", "rotated_box"],
    "yolov8_pose": ["keypoints"],
    "yolov8_pose_two_values_per_point": ["keypoints"],
    "yolov8_segmentation": ["polygon", "polygon"],
}
TILTED = RotatedBox(corners=[(50, 20), (70, 40), (50, 60), (30, 40)])


def row(*objects: Any, name: str = "a.jpg", **fields: Any) -> DataRow:
    annotations = tuple(o if hasattr(o, "tool_name") else one(o) for o in objects)
    fields = {"asset": Asset(width=100, height=80), "id": name, "external_id": name} | fields
    return DataRow(labels=(Label(annotations=annotations),), **fields)


def one(geometry: Geometry, **fields: Any) -> ObjectAnnotation:
    return ObjectAnnotation(**({"tool_name": "car", "geometry": geometry} | fields))


def points(*triples: tuple[float, float, int]) -> Keypoints:
    return Keypoints(coords=[t[:2] for t in triples], visibility=[t[2] for t in triples])


def write(rows: list[DataRow] | Dataset, target: Path, **options: Any) -> Report:
    return annokit.write(rows, target, format="yolo", overwrite=True, **options)


def text(target: Path) -> str:
    return (target / "labels/train/a.txt").read_text()


def again(target: Path) -> list[ObjectAnnotation]:
    (found,) = annokit.read(target)
    return found.labels[0].objects


def codes(report: Report, level: str) -> dict[str, int]:
    """How often each reason of a level struck, over all kinds."""
    found: Counter[str] = Counter()
    for loss in report.losses:
        if loss.level == level:
            found[loss.code] += loss.count
    return dict(found)


def everything(folder: Path) -> list[str]:
    """The kinds of objects, or the answers, of a dataset."""
    annotations = [a for r in annokit.read(folder) for label in r.labels for a in label.annotations]
    return [a.answers[0].name if isinstance(a, Classification) else a.geometry.kind for a in annotations]


# ------------------------------------------------------------------ real files


@pytest.mark.parametrize("name", sorted({*REAL} - {"yolov8_pose_two_values_per_point"}))
def test_real_datasets_are_detected_and_read(data: Path, name: str) -> None:
    assert annokit.detect(data / "yolo" / name) == "yolo"
    assert everything(data / "yolo" / name) == REAL[name]


def test_every_dataset_of_the_collection_is_detected_and_read(shared: Path) -> None:
    found = sorted((shared / "yolo").glob("*/tests/assets/yolo_dataset/*"))
    assert {folder.name: everything(folder) for folder in found} == REAL
    assert {annokit.detect(folder) for folder in found} == {"yolo"}


@pytest.mark.parametrize(
    ("name", "task"), [("yolov8_pose", "pose"), ("yolov8_oriented_boxes", "obb"), ("yolo", "detect")]
)
def test_real_datasets_come_back_as_they_were(data: Path, tmp_path: Path, name: str, task: str) -> None:
    source = data / "yolo" / name
    before = (source / ("obj_train_data" if name == "yolo" else "labels/train") / "1.txt").read_text()
    annokit.convert(source, tmp_path / "o", to="yolo", task=task, verify=True)
    loaded = Loaded(tmp_path / "o", task)
    assert not loaded.dropped
    (rows,) = loaded.rows.values()
    expected = [[float(word) for word in line.split()] for line in before.splitlines()]
    assert np.array(rows) == pytest.approx(np.clip(expected, 0, None))  # one corner lies outside


# ------------------------------------------------------------------ pose


def test_pose_is_a_box_and_all_keypoints(tmp_path: Path) -> None:
    ontology = Ontology(
        tools=(Tool(name="car", keypoints=("front", "back", "left"), skeleton=((0, 1), (1, 2))),),
        extra={"yolo": {"flip_idx": [1, 0, 2], "kpt_shape": [3, 2]}},
    )
    objects = [
        one(points((10, 20, 2), (30, 40, 1), (0, 0, 0)), box=Box(x=5, y=10, width=40, height=40)),
        one(points((50, 8, 2), (60, 16, 2))),
    ]
    report = write(Dataset.from_rows([row(*objects)], ontology), tmp_path / "o", task="pose", verify=True)
    assert text(tmp_path / "o") == (
        "0 0.250000 0.375000 0.400000 0.500000 0.100000 0.250000 2 0.300000 0.500000 1 0.000000 0.000000 0\n"
        "0 0.550000 0.150000 0.100000 0.100000 0.500000 0.100000 2 0.600000 0.200000 2 0.000000 0.000000 0\n"
    )
    document = yaml.safe_load((tmp_path / "o/data.yaml").read_text())
    assert document["kpt_shape"] == [3, 3]
    assert document["flip_idx"] == [1, 0, 2]
    assert document["kpt_names"] == {0: ["front", "back", "left"]}
    loaded = Loaded(tmp_path / "o", "pose")
    assert not loaded.dropped
    assert sum(map(len, loaded.rows.values())) == 2
    found = again(tmp_path / "o")
    assert found[0] == objects[0]
    assert found[1].box == Box(x=50, y=8, width=10, height=8)
    assert annokit.read(tmp_path / "o").ontology.tools == ontology.tools
    assert codes(report, "note") == {"box-made": 1, "rounded": 2, "no-val-split": 1}
    assert report.kinds["object:box"]["derived"] == 1


def test_pose_takes_the_most_points_where_no_one_says_how_many(tmp_path: Path) -> None:
    rows = [
        row(one(points((1, 2, 2), (9, 9, 2)))),
        row(one(points(*[(i, i, 2) for i in range(5)])), name="b"),
    ]
    write(rows, tmp_path / "o", task="pose")
    assert Loaded(tmp_path / "o", "pose").keypoints == (5, 3)


def test_pose_names_what_it_cannot_hold(tmp_path: Path) -> None:
    tools = (Tool(name="car", keypoints=("a", "b")),)
    objects = [
        Polygon(coords=[(10, 10), (20, 10), (20, 20)]),
        Point(x=1, y=1),
        points(*[(i, 2 * i, 2) for i in range(3)]),
        points((5, 5, 0), (6, 6, 0)),
        one(points((5, 5, 2), (-6, 90, 2)), box=Box(x=1, y=1, width=9, height=9)),
    ]
    report = write(Dataset.from_rows([row(*objects)], Ontology(tools=tools)), tmp_path / "o", task="pose")
    assert codes(report, "lost") == {"no-place": 1, "too-many-points": 1, "zero-area": 1}
    assert codes(report, "changed") == {"point-outside": 1, "no-keypoints": 1}
    shape, posed = text(tmp_path / "o").splitlines()
    assert shape.split()[5:] == ["0.000000", "0.000000", "0"] * 2
    assert posed.split()[5:] == ["0.050000", "0.062500", "2", "0.000000", "0.000000", "0"]


@given(
    st.lists(
        st.lists(
            st.tuples(st.floats(-50, 150), st.floats(-50, 150), st.integers(0, 2)), min_size=4, max_size=4
        ),
        max_size=6,
    )
)
def test_no_pose_is_refused_and_points_inside_stay(
    tmp_path_factory: pytest.TempPathFactory, poses: list[list[tuple[float, float, int]]]
) -> None:
    target = tmp_path_factory.mktemp("pose") / "o"
    box = Box(x=1, y=2, width=30, height=40)
    write([row(*(one(points(*pose), box=box) for pose in poses))], target, task="pose")
    assert not Loaded(target, "pose").dropped
    for before, after in zip(poses, again(target), strict=True):
        assert isinstance(after.geometry, Keypoints)
        for (x, y, seen), found, visible in zip(
            before, after.geometry.coords, after.geometry.visibility, strict=True
        ):
            inside = 0 <= x <= 100 and 0 <= y <= 80
            if inside or visible:
                assert visible == seen
                assert found == pytest.approx((x, y), abs=1e-3)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 .5 .5 .1 .1 .1 .2 2 .3 .4", "4 values of a box and 2 keypoints of 3 values each, got 10 values"),
        ("0 .5 .5 .1 .1 .1 .2 2 .3 .4 3", "visibilities 0, 1 or 2"),
        ("0 .5 .5 .1 .1 .1 .2 0.9 .3 .4 2", "visibilities 0, 1 or 2"),
        ("0 .5 .5 -.1 .1 .1 .2 2 .3 .4 2", "a width and a height >= 0"),
        ("0 .5 .5 .1 .1", "got 5 values"),
    ],
)
def test_a_bad_pose_row_costs_one_object(tmp_path: Path, line: str, message: str) -> None:
    folder = tmp_path / "in"
    write([row(points((1, 2, 2), (9, 9, 2)))], folder, task="pose", images="none")
    good = text(folder)
    (folder / "labels/train/a.txt").write_text(f"{line}\n{good}")
    with pytest.raises(AnnokitError, match=message) as caught:
        again(folder)
    assert "a.txt:1 " in str(caught.value)
    (found,) = annokit.read(folder, on_error="skip")
    assert len(found.labels[0].objects) == 1


@pytest.mark.parametrize("shape", ["[2]", "[2, 4]", "[0, 3]", "x", "[2.5, 3]"])
def test_a_bad_kpt_shape_is_refused(tmp_path: Path, shape: str) -> None:
    (tmp_path / "data.yaml").write_text(f"train: images\nnames: [a]\nkpt_shape: {shape}\n")
    with pytest.raises(AnnokitError, match=r"\$\.kpt_shape: expected kpt_shape to be a number of keypoints"):
        list(annokit.read(tmp_path))


def test_keypoints_of_coco_come_back(shared: Path, tmp_path: Path) -> None:
    source = shared / "coco/coco-mini/annotations/person_keypoints_val2017.json"
    report = annokit.convert(source, tmp_path / "o", to="yolo", task="pose", verify=True)
    assert not Loaded(tmp_path / "o", "pose").dropped
    assert report.total("unsupported", "object:") == codes(report, "lost").get("crowd", 0)
    tool, same = annokit.read(source).ontology.tools[0], annokit.read(tmp_path / "o").ontology.tools[0]
    assert (same.keypoints, same.skeleton) == (tool.keypoints, tool.skeleton)
    for before, after in zip(annokit.read(source), annokit.read(tmp_path / "o"), strict=True):
        posed = [o for o in before.labels[0].objects if not o.is_crowd]
        for old, new in zip(posed, after.labels[0].objects, strict=True):
            assert isinstance(new.geometry, Keypoints)
            if isinstance(old.geometry, Keypoints):
                assert new.geometry.visibility.tolist() == old.geometry.visibility.tolist()
                seen = old.geometry.visibility > 0
                assert new.geometry.coords[seen] == pytest.approx(old.geometry.coords[seen], abs=1e-3)


# ------------------------------------------------------------------ obb


def test_obb_is_four_corners(tmp_path: Path) -> None:
    report = write(
        [row(TILTED, Box(x=10, y=20, width=30, height=40))], tmp_path / "o", task="obb", verify=True
    )
    assert text(tmp_path / "o") == (
        "0 0.500000 0.250000 0.700000 0.500000 0.500000 0.750000 0.300000 0.500000\n"
        "0 0.100000 0.250000 0.400000 0.250000 0.400000 0.750000 0.100000 0.750000\n"
    )
    assert not Loaded(tmp_path / "o", "obb").dropped
    assert [o.geometry.kind for o in again(tmp_path / "o")] == ["rotated_box", "rotated_box"]
    assert again(tmp_path / "o")[0].geometry == TILTED
    assert not codes(report, "changed")
    assert report.kinds["object:rotated_box"] == {"read": 1, "written": 1, "derived": 1}


def test_other_shapes_get_their_smallest_rectangle_and_it_is_said(tmp_path: Path) -> None:
    polygon = Polygon(coords=[(50, 20), (70, 40), (60, 45), (50, 60), (30, 40)])
    mask = Mask(counts=[80 * 10 + 5, 10, 70, 10, 80 * 90 - 95], height=80, width=100)
    report = write([row(polygon, mask)], tmp_path / "o", task="obb")
    first, second = (o.geometry for o in again(tmp_path / "o"))
    assert isinstance(first, RotatedBox)
    assert isinstance(second, RotatedBox)
    expected = shapely.minimum_rotated_rectangle(shapely.Polygon(polygon.coords))
    assert shapely.Polygon(first.corners).symmetric_difference(expected).area < 0.1
    assert shapely.Polygon(second.corners).equals(shapely.box(10, 5, 12, 15))
    assert codes(report, "changed") == {"rotated-only": 2}
    assert report.kinds["object:rotated_box"]["derived"] == 2
    with pytest.raises(AnnokitError, match="rotated-only"):
        write([row(polygon)], tmp_path / "strict", task="obb", strict=True)


@given(st.lists(st.tuples(*[st.floats(-60, 160)] * 5), max_size=8))
def test_no_obb_is_refused(
    tmp_path_factory: pytest.TempPathFactory, boxes: list[tuple[float, float, float, float, float]]
) -> None:
    target = tmp_path_factory.mktemp("obb") / "o"
    shapes = []
    for x, y, width, height, angle in boxes:
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width / 2, height / 2)
        shapes.append(RotatedBox(corners=corners @ turn.T + (x, y)))
    report = write([row(*shapes)], target, task="obb")
    assert not Loaded(target, "obb").dropped
    assert report.total("written", "object:") == len(again(target))


@pytest.mark.parametrize("far", [1e100, 1e200, 1e300])
def test_the_rectangle_around_points_far_away_is_that_around_near_ones(far: float) -> None:
    """Their squares are infinite, and GEOS compares areas: it gave what happened to lie in memory."""
    near = np.array([(0.0, 0.0), (2.0, 1.0), (1.0, 3.0), (-1.0, 2.0), (0.5, 1.5)])
    scale = 2.0 ** int(np.log2(far))
    (expected,) = _smallest_rectangles([near])
    for found in _smallest_rectangles([near * scale] * 20):
        assert np.allclose(found / scale, expected)


def test_corners_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    nan = float("nan")
    shapes = [
        RotatedBox(corners=TILTED.corners + np.array([200, 0])),
        RotatedBox(corners=[(1, 1), (2, 2), (3, 3), (4, 4)]),
        RotatedBox(corners=[(nan, 1), (2, 2), (3, 3), (4, 4)]),
        Polygon(coords=[(1, 1), (2, 2), (3, 3)]),
        Mask(counts=[8000], height=80, width=100),
        RotatedBox(corners=TILTED.corners - [40, 0]),
    ]
    report = write([row(*shapes)], tmp_path / "o", task="obb")
    assert codes(report, "lost") == {"outside-image": 1, "zero-area": 3, "not-finite": 1}
    assert codes(report, "changed") == {"corners-moved": 1}


def test_four_corners_in_every_row_are_taken_for_rotated_boxes_unless_said(tmp_path: Path) -> None:
    shape = Polygon(coords=[(10, 8), (50, 8), (50, 40), (10, 16)])
    write([row(shape)], tmp_path / "o", task="segment")
    assert everything(tmp_path / "o") == ["polygon"]  # data.yaml says so
    Image.new("RGB", (100, 80)).save(tmp_path / "a.jpg")
    other = shutil.copytree(tmp_path / "o", tmp_path / "other")
    (other / "data.yaml").write_text("train: images/train\nnames: [car]\n")
    assert everything(other) == ["rotated_box"]
    report = annokit.convert(other, tmp_path / "c.json", to="coco")
    assert codes(report, "note")["taken-for-obb"] == 1
    (found,) = annokit.read(other, from_task="segment")
    assert found.labels[0].objects[0].geometry == shape
    (other / "labels/train/a.txt").write_text(text(other) + "0 .1 .1 .5 .1 .5 .5\n")
    assert everything(other) == ["polygon", "polygon"]
    with pytest.raises(
        AnnokitError, match=r"a class and 4 corners \(and perhaps a confidence\), got 7 values"
    ):
        list(annokit.read(other, from_task="obb"))
    with pytest.raises(AnnokitError, match="expected kpt_shape, which a pose dataset needs"):
        list(annokit.read(other, from_task="pose"))


# ------------------------------------------------------------------ confidences


@pytest.mark.parametrize(
    ("task", "shape", "count"),
    [
        ("detect", Box(x=10, y=20, width=30, height=40), 6),
        ("segment", Polygon(coords=[(10, 8), (50, 8), (50, 40), (30, 50)]), 10),
        ("obb", TILTED, 10),
        ("pose", points((1, 2, 2), (9, 9, 1)), 12),
    ],
)
def test_confidences_go_out_and_come_back(tmp_path: Path, task: str, shape: Geometry, count: int) -> None:
    objects = [one(shape, confidence=0.875), one(shape), one(shape, confidence=0.25)]
    report = write([row(*objects)], tmp_path / "o", task=task, confidence=True, verify=True)
    assert [len(line.split()) for line in text(tmp_path / "o").splitlines()] == [count, count - 1, count]
    assert text(tmp_path / "o").splitlines()[0].endswith(" 0.875000")
    assert [o.confidence for o in again(tmp_path / "o")] == [0.875, None, 0.25]
    assert [o.geometry for o in again(tmp_path / "o")] == [shape] * 3
    assert "no-confidence" not in codes(report, "changed")


def test_a_confidence_that_is_no_share_stays_out(tmp_path: Path) -> None:
    box = Box(x=10, y=20, width=30, height=40)
    objects = [one(box, confidence=c) for c in (1.5, -0.1, float("nan"))]
    report = write([row(*objects)], tmp_path / "o", confidence=True)
    assert codes(report, "changed") == {"confidence-range": 2}  # one that is NaN is none
    assert all(len(line.split()) == 5 for line in text(tmp_path / "o").splitlines())


def test_an_even_number_of_values_is_half_a_point_unless_data_yaml_says_otherwise(tmp_path: Path) -> None:
    write([row(Polygon(coords=[(10, 8), (50, 8), (50, 40)]))], tmp_path / "o", task="segment")
    (tmp_path / "o/labels/train/a.txt").write_text("0 .1 .1 .5 .1 .5 .5 .9\n")
    with pytest.raises(AnnokitError, match="got 8 values"):
        again(tmp_path / "o")
    with (tmp_path / "o/data.yaml").open("a") as handle:
        handle.write("confidence: true\n")
    assert [o.confidence for o in again(tmp_path / "o")] == [0.9]


# ------------------------------------------------------------------ classify


def picture(folder: Path, name: str) -> Asset:
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 9)).save(place)
    return Asset(uri=str(place), width=12, height=9)


def answer(name: str, question: str = "weather", **fields: Any) -> Classification:
    return Classification(tool_name=question, kind="radio", answers=(Answer(name=name, **fields),))


def question(*answers: str, name: str = "weather") -> Tool:
    return Tool(name=name, kind="radio", options=tuple(Option(name=a) for a in answers))


def test_classify_puts_images_into_folders_of_their_answer(tmp_path: Path) -> None:
    asset = picture(tmp_path, "in/x.jpg")
    rows = [
        row(answer("sun"), name="a.jpg", asset=asset),
        row(answer("../rain"), name="a.png", asset=asset, id="r2"),
        row(answer("Sun"), name="sub/b.jpg", asset=asset, split="val"),
    ]
    ontology = Ontology(classifications=(question("sun", "../rain", "Sun", "snow"),))
    dataset = Dataset.from_rows(rows, ontology)
    report = write(
        dataset, tmp_path / "o", task="classify", images="copy", image_dir=str(tmp_path / "in"), verify=True
    )
    found = classified(tmp_path / "o")
    assert sorted(found) == ["train", "val"]
    assert len(found["train"]) == 4
    assert sum(len(files) for split in found.values() for files in split.values()) == 3
    assert len({place.lower() for place in found["train"]}) == 4
    assert annokit.detect(tmp_path / "o") == "yolo"
    back = list(annokit.read(tmp_path / "o"))
    assert [(r.name, r.split) for r in back] == [
        ("a.jpg", None), ("a.png", None), ("sub/b.jpg", "val"),
    ]  # fmt: skip
    assert [r.labels[0].classifications[0].answers[0].name for r in back] == ["sun", "../rain", "Sun"]
    assert {o.name for o in annokit.read(tmp_path / "o").ontology.classifications[0].options} >= {
        "sun", "../rain", "Sun", "snow",
    }  # fmt: skip
    assert report.losses == []
    inside = (tmp_path / "o").resolve()
    assert all(inside in path.resolve().parents for path in (tmp_path / "o").rglob("*"))


def test_what_has_no_one_folder_is_lost_by_name(tmp_path: Path) -> None:
    asset = picture(tmp_path, "in/x.jpg")
    nested = (Classification(tool_name="how much", kind="text", text="a lot"),)
    rows = [
        row(name="none.jpg", asset=asset),
        row(answer("sun"), answer("rain"), name="two.jpg", asset=asset),
        row(answer("sun"), name="gone.jpg"),
        row(
            answer("rain", classifications=nested, confidence=0.5),
            answer("rain"),
            answer("yes", "blurred"),
            Box(x=1, y=1, width=1, height=1),
            name="good.jpg",
            asset=asset,
        ),
    ]
    ontology = Ontology(
        tools=(Tool(name="car"),), classifications=(question("sun", "rain"), question("yes", name="blurred"))
    )
    dataset = Dataset.from_rows(rows, ontology)
    with pytest.raises(UsageError, match=r"got weather, blurred \(name it with --question\)"):
        write(dataset, tmp_path / "o", task="classify", images="link")
    folder = str(tmp_path / "in")
    report = write(
        dataset, tmp_path / "o", task="classify", images="link", image_dir=folder, question="weather"
    )
    assert report.kinds["classifications"] == {
        "read": 7, "written": 1, "merged": 1, "unsupported": 5,
    }  # fmt: skip
    assert report.kinds["data_rows"] == {"read": 4, "written": 1, "unsupported": 3}
    lost = {loss.code for loss in report.losses if loss.level == "lost"}
    assert lost == {"no-answer", "several-answers", "image-missing", "no-place"}
    assert codes(report, "changed") == {"no-confidence": 1}
    with pytest.raises(UsageError, match="--images copy or --images link"):
        write(dataset, tmp_path / "none", task="classify", question="weather")
    with pytest.raises(UsageError, match="whose answers are the classes, got none"):
        write([row()], tmp_path / "none", task="classify", images="link")


def test_a_broken_image_costs_one_row(tmp_path: Path) -> None:
    picture(tmp_path, "in/train/cat/a.jpg")
    picture(tmp_path, "in/valid/dog/deep/b.png")
    (tmp_path / "in/train/cat/broken.jpg").write_bytes(b"no image")
    with pytest.raises(AnnokitError, match=r"broken\.jpg"):
        list(annokit.read(tmp_path / "in"))
    found = list(annokit.read(tmp_path / "in", on_error="skip"))
    assert [(r.id, r.name, r.split) for r in found] == [
        ("train/cat/a.jpg", "a.jpg", "train"),
        ("valid/dog/deep/b.png", "deep/b.png", "val"),
    ]
    with pytest.raises(AnnokitError, match="folders train, val or test with a folder for each class"):
        list(annokit.read(tmp_path, format="yolo", from_task="classify"))


# ------------------------------------------------------------------ Roboflow and Darknet


def test_a_split_that_is_not_there_is_said(tmp_path: Path) -> None:
    picture(tmp_path, "in/train/images/a.jpg")
    folder = tmp_path / "in"
    yaml_text = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 1\nnames: ['car']\n"
    (folder / "data.yaml").write_text(yaml_text)
    report = annokit.convert(folder, tmp_path / "o", to="yolo")
    assert report.total("written", "data_rows") == 1
    assert codes(report, "changed") == {"split-not-there": 2}


def darknet(folder: Path, **files: str) -> Path:
    given = {
        "obj.data": "classes = 2\r\ntrain = data/train.txt\nvalid=valid.txt\nnames = data/obj.names\nbackup = b/",
        "obj.names": "car\nperson\n\n",
        "train.txt": "data/obj_train_data/sub/a.jpg\n",
        "valid.txt": "obj_valid_data/a.jpg\n",
    } | {name.replace("_", "."): text for name, text in files.items()}
    for name, content in given.items():
        (folder / name).write_text(content)
    for name in ("obj_train_data/sub/a", "obj_valid_data/a"):
        (folder / name).parent.mkdir(parents=True)
        (folder / f"{name}.txt").write_text("1 .5 .5 .5 .5\n")
        Image.new("RGB", (20, 10)).save(folder / f"{name}.jpg")
    return folder


def test_darknets_layout_is_read(tmp_path: Path) -> None:
    folder = darknet(tmp_path)
    assert annokit.detect(folder) == annokit.detect(folder / "obj.data") == "yolo"
    found = list(annokit.read(folder))
    assert [(r.id, r.name, r.split) for r in found] == [
        ("obj_train_data/sub/a.jpg", "sub/a.jpg", "train"),
        ("obj_valid_data/a.jpg", "a.jpg", "val"),
    ]
    assert found[0].labels[0].objects[0].geometry == Box(x=5, y=2.5, width=10, height=5)
    assert [tool.name for tool in annokit.read(folder / "obj.data").ontology.tools] == ["car", "person"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"obj_data": "classes = 3\nnames = obj.names\ntrain = train.txt"},
            "as many names as classes, 3, got 2",
        ),
        ({"obj_data": "names = ../../etc/passwd\ntrain = train.txt"}, "leads out of the dataset's folder"),
        ({"obj_data": "names = obj.names\ntrain = /etc/passwd"}, "leads out of the dataset's folder"),
        ({"obj_data": "train = train.txt"}, "expected the files with names and images"),
        ({"obj_data": "names = gone.names\ntrain = train.txt"}, "gone.names"),
        ({"train_txt": "../../secret.jpg"}, "leads out of the dataset's folder"),
    ],
)
def test_a_bad_obj_data_is_refused_with_one_line(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(AnnokitError, match=message) as caught:
        list(annokit.read(darknet(tmp_path, **files), format="yolo"))
    assert "\n" not in str(caught.value)
