"""Reading YOLO: real layouts, odd rows, missing images, and paths that lead astray."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import annokit
from annokit import AnnokitError, Dataset, passes
from annokit.dataset import joined
from annokit.formats._yolo import text
from annokit.model import Box, DataRow, Keypoints, ObjectAnnotation, Polygon
from annokit.run import Run

YAML = "train: images/train\nval: images/train\nnames: [car, person]\n"


def dataset(
    folder: Path, labels: str | bytes = "0 .5 .5 .25 .25\n", yaml: str = YAML, image: str | None = "a.jpg"
) -> Path:
    """A dataset of one image of 100 x 80."""
    for kind in ("images", "labels"):
        (folder / kind / "train").mkdir(parents=True)
    (folder / "data.yaml").write_text(yaml, encoding="utf-8")
    (folder / "labels/train/a.txt").write_bytes(labels.encode() if isinstance(labels, str) else labels)
    if image:
        Image.new("RGB", (100, 80)).save(folder / "images/train" / image)
    return folder


def read(folder: Path, **options: Any) -> Dataset:
    return annokit.read(folder, format="yolo", **options)


def objects(row: DataRow) -> list[ObjectAnnotation]:
    return row.labels[0].objects


def test_a_box_at_the_border_begins_at_zero_not_at_minus_zero(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "in", "0 0.285714 .5 0.571429 .5\n")
    Image.new("RGB", (7, 8)).save(folder / "images/train/a.jpg")
    annokit.convert(folder, tmp_path / "out.json", to="coco")
    assert '"bbox":[0.0,2.0,4.0,4.0]' in (tmp_path / "out.json").read_text()


@pytest.mark.parametrize(
    "name",
    [
        "yolov8_detection",
        "yolov8_detection_with_list_of_imgs",
        "yolov8_detection_with_list_of_names",
        "yolov8_detection_with_subset_txt",
    ],
)
def test_real_detection_datasets(data: Path, name: str) -> None:
    found = read(data / "yolo" / name)
    assert [tool.name for tool in found.ontology.tools] == [f"label_{i}" for i in range(10)]
    (row,) = found
    assert (row.id, row.split, row.asset.width, row.asset.height) == ("images/train/1.jpg", "train", 15, 10)
    assert Path(row.asset.uri or "").is_file()
    assert [(o.tool_name, o.confidence) for o in objects(row)] == [("label_2", None), ("label_4", None)]
    first, second = (o.geometry for o in objects(row))
    assert isinstance(first, Box)
    assert isinstance(second, Box)
    assert first.xyxy == pytest.approx((0, 2, 4, 4), abs=1e-4)
    assert second.xyxy == pytest.approx((3, 3, 5, 6), abs=1e-4)
    assert [(key.id, key.name) for key in found.outline.keys] == [(row.id, row.name)]


def test_real_segmentation_dataset(data: Path) -> None:
    (row,) = read(data / "yolo/yolov8_segmentation")
    shapes = [o.geometry for o in objects(row)]
    assert all(isinstance(shape, Polygon) and not shape.coords.flags.writeable for shape in shapes)
    assert isinstance(shapes[0], Polygon)
    assert shapes[0].coords == pytest.approx(shapes[0].coords.round(9))
    assert shapes[0].coords.tolist() == [[1.5, 1.0], [6.0, 1.0], [6.0, 5.0]]


@pytest.mark.parametrize("values", [3, 2])
def test_a_real_pose_dataset(data: Path, tmp_path: Path, values: int) -> None:
    folder = shutil.copytree(data / "yolo/yolov8_pose", tmp_path / "pose")
    if values == 2:
        (folder / "data.yaml").write_text("train: images/train\nkpt_shape: [3, 2]\nnames: [skeleton_label]\n")
        row = "0 0.133333 0.300000 0.266667 0.200000 0.1 0.2 -1 -1 0.5 0.6\n"
        (folder / "labels/train/1.txt").write_text(row)
    (row,) = read(folder)
    (one,) = objects(row)
    assert one.box == Box(x=0, y=2, width=4, height=2)
    assert isinstance(one.geometry, Keypoints)
    assert one.geometry.coords[[0, 2]].tolist() == [[1.5, 2.0], [7.5, 6.0]]
    assert one.geometry.visibility.tolist() == ([2, 2, 2] if values == 3 else [2, 0, 2])


def test_it_is_detected(data: Path, tmp_path: Path) -> None:
    assert annokit.detect(data / "yolo/yolov8_detection") == "yolo"
    assert annokit.detect(data / "yolo/yolov8_detection/data.yaml") == "yolo"
    (dataset(tmp_path / "x") / "data.yaml").unlink()
    assert annokit.detect(tmp_path / "x") == "yolo"
    with pytest.raises(AnnokitError, match=r"one data\.yaml with the names of the classes, got none"):
        list(read(tmp_path / "x"))


# ------------------------------------------------------------------ parts


@pytest.mark.parametrize("label", ["0 .5 .5 .25 .25", "0 .1 .1 .4 .1 .4 .4 .1 .4"], ids=["boxes", "corners"])
def test_parts_of_a_dataset_are_the_whole(tmp_path: Path, label: str) -> None:
    folder = dataset(tmp_path, f"{label}\n", f"{YAML}test: images/test\n")
    for number in range(20):
        (folder / f"labels/train/{number}.txt").write_text(f"{number % 3} {label[2:]}\n")
        if number % 5:
            Image.new("RGB", (100 + number, 80)).save(folder / f"images/train/{number}.jpg")
    whole, apart = Run(on_error="skip"), Run(on_error="skip")
    rows = list(read(folder).rows(whole))
    parts = [pickle.loads(pickle.dumps(part)) for part in annokit.parts(folder, size=4 * 4096)]
    assert [row for part in parts for row in part.dataset().rows(apart)] == rows
    assert (len(parts), len(rows)) == (6, 17)
    assert apart.report.to_dict() == whole.report.to_dict()
    codes = {loss.code for loss in whole.report.losses}
    assert codes >= {"listed-twice", "split-not-there"}
    assert ("taken-for-obb" in codes) == (label.count(".") == 8)
    assert joined([part.dataset().outline for part in parts]) == read(folder).outline


def test_parts_of_a_pose_dataset_have_its_keypoints(data: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(data / "yolo/yolov8_pose", tmp_path / "pose")
    more = "kpt_names: {0: [nose, left, right]}\nkpt_skeleton: {0: [[0, 1], [0, 2]]}\nlicence: ours\n"
    (folder / "data.yaml").write_text((folder / "data.yaml").read_text() + more)
    for kind, suffix in (("images", ".jpg"), ("labels", ".txt")):
        [file] = (folder / kind / "train").iterdir()
        for number in range(5):
            shutil.copy(file, file.with_name(f"more{number}{suffix}"))
    outlines = [part.dataset().outline for part in annokit.parts(folder, size=4096)]
    assert len(outlines) == 6
    assert joined(outlines) == read(folder).outline
    assert joined(outlines).ontology.tools[0].keypoints == ("nose", "left", "right")
    assert joined(outlines).ontology.extra


@pytest.mark.parametrize("to", ["coco", "yolo"])
def test_several_processes_convert_a_folder(tmp_path: Path, to: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "PART", 4 * 4096)
    folder = dataset(tmp_path / "in")
    for number in range(20):
        shutil.copy(folder / "images/train/a.jpg", folder / f"images/train/{number}.jpg")
        (folder / f"labels/train/{number}.txt").write_text(f"{number % 2} .5 .5 .25 .{number + 10}\n")
    made = []
    for workers in (1, 2):
        target = tmp_path / f"{workers}" / ("out.json" if to == "coco" else "out")
        target.parent.mkdir()
        report = annokit.convert(folder, target, to=to, workers=workers)
        files = sorted(
            path for path in target.parent.rglob("*") if path.is_file() and "report" not in path.name
        )
        made.append([(path.relative_to(target.parent), path.read_bytes()) for path in files])
        assert report.total("written", "data_rows") == 21
    assert made[0] == made[1]


# ------------------------------------------------------------------ rows


@pytest.mark.parametrize(
    "text",
    [
        b"0\t0.5\t.5  0.25 0.25\r\n\r\n1 0.5 0.5 0.1 0.1\r\n",
        b"\xef\xbb\xbf0 0.5 0.5 0.25 0.25\n1 0.5 0.5 1e-1 0.1",
        b"0.0 5e-1 0.5 0.25 0.25\r1 0.5 0.5 0.1 0.1\n\n\n",
    ],
)
def test_tabs_line_ends_blank_lines_and_a_byte_order_mark_are_fine(tmp_path: Path, text: bytes) -> None:
    (row,) = read(dataset(tmp_path, text))
    assert [(o.tool_name, o.geometry) for o in objects(row)] == [
        ("car", Box(x=37.5, y=30, width=25, height=20)),
        ("person", Box(x=45, y=36, width=10, height=8)),
    ]


def test_six_values_are_a_box_with_confidence_and_polygons_may_stand_beside(tmp_path: Path) -> None:
    (row,) = read(dataset(tmp_path, "0 .5 .5 .2 .2 .75\n1 .1 .1 .5 .1 .5 .5\n0 .5 .5 .2 .2\n"))
    assert [(o.geometry.kind, o.confidence) for o in objects(row)] == [
        ("box", 0.75),
        ("polygon", None),
        ("box", None),
    ]
    polygon = objects(row)[1].geometry
    assert isinstance(polygon, Polygon)
    assert polygon == Polygon(coords=[(10, 8), (50, 8), (50, 40)])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("99 0.5 0.5 0.25 0.25", "class from 0 to 1, got 99"),
        ("-1 0.5 0.5 0.25 0.25", "class from 0 to 1, got -1"),
        ("1.7 0.5 0.5 0.25 0.25", "class from 0 to 1, got 1.7"),
        ("0 0.1 0.1 0.5 0.1 0.5 0.5 0.2", "got 8 values"),
        ("0 0.1 0.1", "got 3 values"),
        ("0", "got 1 values"),
        ("0 nan 0.5 0.25 0.25", "finite numbers"),
        ("0 0.5 0.5 inf 0.25", "finite numbers"),
        ("car 0.5 0.5 0.25 0.25", "finite numbers, got car"),
        ("0 0.5 0.5 -0.25 0.25", "width and a height >= 0"),
        ("0 0_5 0.5 0.25 0.25", "finite numbers"),
        ("0,0.5,0.5,0.25,0.25", "finite numbers"),
    ],
)
def test_a_bad_line_costs_that_line(tmp_path: Path, line: str, message: str) -> None:
    folder = dataset(tmp_path / "in", f"\n{line}\n1 0.5 0.5 0.1 0.1\n")
    with pytest.raises(AnnokitError, match=message) as caught:
        list(read(folder))
    assert str(caught.value).startswith(
        f"{folder / 'labels/train/a.txt'}:2 data_row=images/train/a.jpg: expected"
    )
    report = annokit.convert(folder, tmp_path / "out", to="yolo", format="yolo", on_error="quarantine")
    assert report.kinds["object:unknown"] == {"read": 1, "quarantined": 1}
    assert report.kinds["object:box"] == {"read": 1, "written": 1}
    kept = json.loads((tmp_path / "out.quarantine.ndjson").read_bytes())
    assert (kept["raw"], kept["where"]["line"]) == (line, 2)


# ------------------------------------------------------------------ images


def test_an_image_without_label_file_is_background(tmp_path: Path) -> None:
    (dataset(tmp_path) / "labels/train/a.txt").unlink()
    (row,) = read(tmp_path)
    assert (objects(row), row.asset.width) == ([], 100)


def test_labels_without_images_need_sizes(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "in", image=None)
    with pytest.raises(AnnokitError, match=r"shares of its size.*--sizes"):
        list(read(folder))
    assert list(read(folder, on_error="skip")) == []
    (tmp_path / "sizes.csv").write_text("name,width,height\nother.jpg,1,1\na.png,200,80\n")
    (row,) = read(folder, sizes=str(tmp_path / "sizes.csv"))
    assert (row.id, row.name, row.asset.uri) == ("images/train/a.png", "a.png", None)
    assert objects(row)[0].geometry == Box(x=75, y=30, width=50, height=20)
    (tmp_path / "sizes.csv").write_text("a.png,200\n")
    with pytest.raises(AnnokitError, match=r"sizes\.csv:1: expected name,width,height, got a\.png,200"):
        list(read(folder, sizes=str(tmp_path / "sizes.csv")))


def test_a_broken_image_costs_its_row(tmp_path: Path) -> None:
    (dataset(tmp_path) / "images/train/b.png").write_bytes(b"no image")
    assert [row.name for row in read(tmp_path, on_error="skip")] == ["a.jpg"]


def test_a_line_of_names_whose_files_are_gone_costs_that_row(tmp_path: Path) -> None:
    entry = {"image": "x.jpg", "id": "1", "file": "images/train/x.jpg", "width": 5, "height": 5}
    (dataset(tmp_path) / "names.ndjson").write_text(json.dumps(entry) + "\n")
    assert [row.name for row in read(tmp_path, on_error="skip")] == ["a.jpg"]
    with pytest.raises(AnnokitError, match=r"x\.jpg data_row=1: expected the image or its label file"):
        list(read(tmp_path))


@pytest.mark.parametrize("text", ["{", '{"image": 1}', '{"image":"a","id":"1","file":"../x.jpg"}'])
def test_a_bad_names_file_is_said(tmp_path: Path, text: str) -> None:
    (dataset(tmp_path) / "names.ndjson").write_text(text)
    with pytest.raises(AnnokitError, match=r"names\.ndjson"):
        list(read(tmp_path))


# ------------------------------------------------------------------ layouts


@pytest.mark.parametrize("yaml", [
    "path: .\ntrain: images/train\nnames: {0: car}",
    "train: ./images/train/\nnames: {'0': car}",
    "train: ../images/train\nval: ../valid/images\nnames: [car]".replace("val: ../valid/images\n", ""),
    "path: /content/drive/dataset\ntrain: images/train\nnames: [car]",
    "path: ../datasets/coco8\nvalidation: images/train\nnames: [car]",
    "train: [images/train]\ntest:\nnames: [car]\nnc: 1",
    "train: images\nnames: [car]",
    "train: images/train/a.jpg\nnames: [car]",
])  # fmt: skip
def test_ways_to_say_where_the_images_are(tmp_path: Path, yaml: str) -> None:
    (row,) = read(dataset(tmp_path, yaml=yaml))
    assert (row.id, len(objects(row))) == ("images/train/a.jpg", 1)


def test_roboflow_counts_from_a_folder_that_is_not_there(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        for kind in ("images", "labels"):
            (tmp_path / split / kind).mkdir(parents=True)
        Image.new("RGB", (10, 10)).save(tmp_path / split / "images/a.jpg")
        (tmp_path / split / "labels/a.txt").write_text("0 .5 .5 .5 .5")
    text = "train: ../train/images\nval: ../valid/images\nnc: 1\nnames: ['car']\nroboflow: {version: 3}\n"
    (tmp_path / "data.yaml").write_text(text)
    found = read(tmp_path)
    assert [(row.id, row.split) for row in found] == [
        ("train/images/a.jpg", "train"),
        ("valid/images/a.jpg", "val"),
    ]
    annokit.write(found, tmp_path / "out", format="yolo")
    assert "roboflow" in (tmp_path / "out/data.yaml").read_text()


def test_a_list_names_images_from_its_own_folder_or_the_datasets(tmp_path: Path) -> None:
    folder = dataset(tmp_path, yaml="train: lists/train.txt\nnames: [car]")
    (folder / "lists").mkdir()
    for line in (
        "./../images/train/a.jpg",
        "images/train/a.jpg",
        "data/images/train/a.jpg",
        str(folder / "images/train/a.jpg"),
    ):
        (folder / "lists/train.txt").write_text(f"\n{line}\r\n")
        assert [row.id for row in read(folder)] == ["images/train/a.jpg"]
    for gone in ("images/train/gone.jpg", "x" * 300 + ".jpg"):
        (folder / "lists/train.txt").write_text(gone)
        with pytest.raises(AnnokitError, match=r"got neither|name too long"):
            list(read(folder))


def test_a_folder_listed_twice_is_read_once_and_said(tmp_path: Path) -> None:
    report = annokit.convert(dataset(tmp_path / "in"), tmp_path / "out", to="yolo", format="yolo")
    assert report.kinds["data_rows"] == {"read": 1, "written": 1}
    assert "listed-twice" in {loss.code for loss in report.losses}


@pytest.mark.parametrize(
    "place", ["../secret/images", "/etc", "..", "images/../../secret", "C:/x", "../../etc"]
)
def test_nothing_outside_the_folder_is_read(tmp_path: Path, place: str) -> None:
    (tmp_path / "secret/images").mkdir(parents=True)
    Image.new("RGB", (10, 10)).save(tmp_path / "secret/images/a.jpg")
    for yaml in (f"train: {place}\nnames: [car]", "train: list.txt\nnames: [car]"):
        folder = tmp_path / str(len(yaml))
        dataset(folder, yaml=yaml)
        (folder / "list.txt").write_text(f"{place}/a.jpg")
        with pytest.raises(AnnokitError, match="leads out of the dataset's folder") as caught:
            list(read(folder))
        assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("train: images/train\nnames: [car]\nnc: 2", "nc to be 1, as there are names, got 2"),
        ("train: images/train", "names of the classes, got None"),
        ("train: images/train\nnames: 3", "names of the classes"),
        ("train: images/train\nnames: {1: car}", "classes 0 to 0, got none numbered 0"),
        ("train: images/train\nnames: {a: car}", "class numbers"),
        ("names: [car]", "train, val or test"),
        ("train: {a: b}\nnames: [car]", r"\$\.train: expected a folder"),
        ("train: nowhere\nnames: [car]", "images or labels in nowhere, got no such"),
        ("- a", "no mapping"),
        ("train: [", "not valid YAML"),
        ("a: 2024-99-99", "not valid YAML"),
        ("a: \x01", "not valid YAML"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("a: &a [x]\nnames: [*a, *a]\ntrain: t", "an alias"),
    ],
)
def test_a_bad_data_yaml_is_refused_with_one_line(tmp_path: Path, yaml: str, message: str) -> None:
    with pytest.raises(AnnokitError, match=message) as caught:
        list(read(dataset(tmp_path, yaml=yaml)))
    assert "data.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_yaml_words_are_names_and_equal_names_stay_apart(tmp_path: Path) -> None:
    yaml = "train: images/train\nnames: [no, 1.50, car, car]\n"
    found = read(dataset(tmp_path, "3 .5 .5 .1 .1\n0 .5 .5 .1 .1\n", yaml=yaml))
    assert [(t.name, t.id) for t in found.ontology.tools] == [
        ("no", None),
        ("1.50", None),
        ("car", "2"),
        ("car", "3"),
    ]
    (row,) = found
    assert [(o.tool_name, o.tool_id) for o in objects(row)] == [("car", "3"), ("no", None)]


def test_reading_again_gives_the_same_rows(tmp_path: Path) -> None:
    found = read(dataset(tmp_path))
    assert list(found) == list(found)


def test_coco_to_yolo_to_coco_keeps_images_classes_and_objects(samples: Path, tmp_path: Path) -> None:
    annokit.convert(
        samples / "coco.json", tmp_path / "y", to="yolo", format="coco", task="segment", crowd="keep"
    )
    annokit.convert(tmp_path / "y", tmp_path / "c.json", to="coco", format="yolo")
    before = json.loads((samples / "coco.json").read_bytes())
    after = json.loads((tmp_path / "c.json").read_bytes())
    assert [i["file_name"] for i in after["images"]] == [i["file_name"] for i in before["images"]]
    assert [(i["width"], i["height"]) for i in after["images"]] == [
        (i["width"], i["height"]) for i in before["images"]
    ]
    assert [c["name"] for c in after["categories"]] == [c["name"] for c in before["categories"]]
    assert len(after["annotations"]) == len(before["annotations"])


def test_images_of_one_stem_share_their_labels(tmp_path: Path) -> None:
    from PIL import Image

    for place in ("images/train", "labels/train"):
        (tmp_path / place).mkdir(parents=True)
    for name in ("a.jpg", "a.png"):
        Image.new("RGB", (10, 10)).save(tmp_path / "images/train" / name)
    (tmp_path / "labels/train/a.txt").write_text("0 .5 .5 .2 .2\n")
    (tmp_path / "data.yaml").write_text("train: images/train\nval: images/train\nnames: [car]\n")
    rows = list(annokit.read(tmp_path))
    assert sorted(row.name for row in rows) == ["a.jpg", "a.png"]
    assert [len(row.labels[0].objects) for row in rows] == [1, 1]


@pytest.mark.parametrize(
    "files",
    [
        [b"0 0.5 0.25 1 1\n1 .5 1 1 1\n", b"2 0.1 0.2 0.3 0.4"],
        [b"0 0.5 0.25 1 1\r\n\r\n1 0.5 1 1 1\r\n", b"", b"\n \n2 0.125 -0.5 0.3 0.4 ", b"3 1\r"],
        [b"\xef\xbb\xbf0 0.5 1 1 1\n", b"1 1 1 1 1"],
        [b"0 0.5\r1 1", b"0\t1 1"],
        [b"0 1e-5 nan 1_0 x\n", b"00 1. -0 +1"],
        [b"", b"\n"],
        [],
    ],
)
def test_plain_files_are_read_as_any(files: list[bytes]) -> None:
    short, careful = text.parse(files), text._parsed(files)
    assert np.array_equal(short.numbers, careful.numbers, equal_nan=True)
    assert np.array_equal(np.signbit(short.numbers), np.signbit(careful.numbers))
    assert short.offsets.tolist() == careful.offsets.tolist()
    assert short.images.tolist() == careful.images.tolist()
    every = range(len(careful))
    assert [line.split() != [] for _, line in short.places(every)] == [True for _ in every]
