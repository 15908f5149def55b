"""Writing YOLO: a trainer ignores no image, shapes stay what they are, and all of it is accounted."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import supervision as sv
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask

import annokit
from annokit import Dataset, Report
from annokit.model import (
    Answer,
    Asset,
    Box,
    Classification,
    DataRow,
    Geometry,
    Keypoints,
    Label,
    Line,
    Mask,
    MaskReference,
    ObjectAnnotation,
    Ontology,
    Point,
    Polygon,
    Relationship,
    RotatedBox,
    Tool,
    Track,
)
from tests.formats.yolo_rules import Loaded, accepted
from tests.strategies import data_rows


def row(*objects: Geometry | ObjectAnnotation, name: str = "a.jpg", **fields: Any) -> DataRow:
    given = [o if isinstance(o, ObjectAnnotation) else annotation(o) for o in objects]
    fields = {"asset": Asset(width=100, height=80), "external_id": name, "id": name} | fields
    return DataRow(labels=(Label(annotations=tuple(given)),), **fields)


def annotation(geometry: Geometry, **fields: Any) -> ObjectAnnotation:
    return ObjectAnnotation(**({"tool_name": "car", "geometry": geometry} | fields))


def write(rows: list[DataRow] | Dataset, target: Path, **options: Any) -> Report:
    return annokit.write(rows, target, format="yolo", overwrite=True, **options)


def labels(target: Path, name: str = "a.txt", split: str = "train") -> list[list[float]]:
    text = (target / "labels" / split / name).read_text()
    return [[float(word) for word in line.split()] for line in text.splitlines()]


def rings(target: Path) -> list[np.ndarray[Any, Any]]:
    """The polygons of a.txt in pixels of 100 x 80."""
    return [np.array(line[1:]).reshape(-1, 2) * (100, 80) for line in labels(target)]


def losses(report: Report) -> dict[str, tuple[str, int, bool]]:
    return {loss.code: (loss.kind, loss.count, loss.lossy) for loss in report.losses}


def square(x: float, y: float, size: float) -> list[tuple[float, float]]:
    return [(x, y), (x + size, y), (x + size, y + size), (x, y + size)]


def as_mask(pixels: np.ndarray[Any, Any]) -> Mask:
    runs = coco_mask.encode(np.asfortranarray(pixels, np.uint8))
    values = np.flatnonzero(np.diff(np.concatenate([[2], pixels.T.ravel(), [2]])))
    counts = np.diff(values)
    assert runs["size"] == list(pixels.shape)
    first = int(pixels[0, 0])
    return Mask(counts=[0, *counts] if first else counts, height=pixels.shape[0], width=pixels.shape[1])


def filled(ring: np.ndarray[Any, Any], scale: int = 10) -> np.ndarray[Any, Any]:
    """Which of 100 x 80 pixels' centres a ring covers by the even-odd rule."""
    ys, xs = np.mgrid[0:80, 0:100] + 0.5
    inside = np.zeros((80, 100), bool)
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        if y0 != y1:
            inside ^= ((y0 > ys) != (y1 > ys)) & (xs < (x1 - x0) * (ys - y0) / (y1 - y0) + x0)
    return inside


# ------------------------------------------------------------------ files and rows


def test_a_dataset_has_labels_for_every_row_names_and_a_data_yaml(tmp_path: Path) -> None:
    rows = [row(Box(x=10, y=20, width=30, height=40)), row(name="sub dir/b.v2.png", id="r2", split="val")]
    report = write(rows, tmp_path / "out")
    out = tmp_path / "out"
    assert (out / "labels/train/a.txt").read_bytes() == b"0 0.250000 0.500000 0.300000 0.500000\n"
    assert (out / "labels/val/sub dir/b.v2.txt").read_bytes() == b""
    assert yaml.safe_load((out / "data.yaml").read_text()) == {
        "train": "images/train",
        "val": "images/val",
        "nc": 1,
        "names": {0: "car"},
    }
    entries = [json.loads(line) for line in (out / "names.ndjson").read_text().splitlines()]
    assert entries[1] == {
        "image": "sub dir/b.v2.png",
        "id": "r2",
        "file": "images/val/sub dir/b.v2.png",
        "split": "val",
        "width": 100,
        "height": 80,
    }
    assert report.kinds["data_rows"] == {"read": 2, "written": 2}
    assert losses(report) == {"rounded": ("object:box", 1, False)}


def test_names_that_collide_or_escape_stay_apart_and_inside(tmp_path: Path) -> None:
    names = ["a.jpg", "a.png", "A.jpg", "../a.jpg", "/etc/passwd", "images/x.jpg", "x.jpg", "no suffix", ""]
    rows = [row(Box(x=1, y=1, width=i + 1, height=1), name=name, id=f"r{i}") for i, name in enumerate(names)]
    write(rows, tmp_path / "out")
    files = [p.relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*.txt")]
    assert len(files) == len(names)
    again = list(annokit.read(tmp_path / "out", format="yolo"))
    assert [r.id for r in again] == [r.id for r in rows]
    assert [r.name for r in again] == [r.name or r.id for r in rows]
    assert [r.labels[0].objects[0].geometry.width for r in again] == pytest.approx(range(1, 10), abs=1e-4)


def test_rows_of_one_name_and_id_get_files_of_their_own(tmp_path: Path) -> None:
    rows = [row(Box(x=1, y=1, width=i, height=1), source=f"{i}.json") for i in (1, 2, 3)]
    write(rows, tmp_path / "out")
    again = annokit.read(tmp_path / "out", format="yolo")
    assert [r.labels[0].objects[0].geometry.width for r in again] == pytest.approx([1, 2, 3], abs=1e-4)


def test_splits_have_folders_and_a_missing_val_is_said(tmp_path: Path) -> None:
    report = write([row(split="test"), row(name="b.jpg", split="train")], tmp_path / "out")
    document = yaml.safe_load((tmp_path / "out/data.yaml").read_text())
    assert [document[key] for key in ("train", "val", "test")] == [
        "images/train",
        "images/train",
        "images/test",
    ]
    assert "no-val-split" in losses(report)
    write([row(split="path"), row(name="b.jpg", split="val")], tmp_path / "odd")
    assert Loaded(tmp_path / "odd").document["train"] == "images/val"
    assert (tmp_path / "odd/labels/path/a.txt").exists()


@pytest.mark.parametrize(
    ("given", "folders", "is_wrong"),
    [
        (["train", "val"], {"train": "train", "val": "val"}, False),
        (["Training", "valid"], {"train": "train", "val": "val"}, False),
        (["train", "testing"], {"train": "train", "val": "train", "test": "test"}, False),
        (["train", "holdout"], {"train": "train", "val": "train", "holdout": "holdout"}, True),
        (["test"], {"train": "test", "val": "test", "test": "test"}, True),
        (["val"], {"train": "val", "val": "val"}, True),
    ],
)
def test_splits_are_those_a_trainer_knows(
    tmp_path: Path, given: list[str], folders: dict[str, str], is_wrong: bool
) -> None:
    rows = [row(name=f"{index}.jpg", split=split) for index, split in enumerate(given)]
    report = write(rows, tmp_path / "out")
    document = yaml.safe_load((tmp_path / "out/data.yaml").read_text())
    found = {key: value for key, value in document.items() if str(value).startswith("images/")}
    assert found == {split: f"images/{folder}" for split, folder in folders.items()}
    assert any(loss.lossy for loss in report.losses) == is_wrong
    assert [one.split for one in annokit.read(tmp_path / "out")] == given


def test_names_that_become_one_with_a_suffix_stay_apart(tmp_path: Path) -> None:
    rows = [row(Box(x=1, y=1, width=9, height=9), name=name, id="1") for name in ("a", "a.jpg", "b.jpg")]
    write(rows, tmp_path / "out")
    assert len(list((tmp_path / "out/labels/train").iterdir())) == 3
    assert [one.name for one in annokit.read(tmp_path / "out")] == ["a", "a.jpg", "b.jpg"]


def test_files_that_have_another_name_than_their_image_are_named(tmp_path: Path) -> None:
    names = ["ok.jpg", "12:00.jpg", "a.jpg", "a.png"]
    report = write([row(name=name, id=name) for name in names], tmp_path / "out")
    assert losses(report)["renamed"] == ("data_rows", 3, True)
    files = {path.stem for path in (tmp_path / "out/labels/train").iterdir()}
    assert files & {Path(name).stem for name in names} == {"ok"}
    Image.new("RGB", (100, 80)).save(tmp_path / "12:00.jpg")
    report = write([row(name="12:00.jpg")], tmp_path / "o", images="copy", image_dir=str(tmp_path))
    assert "renamed" not in losses(report)


def test_an_empty_dataset_is_still_one(tmp_path: Path) -> None:
    ontology = Ontology(tools=(Tool(name="car"),))
    write(Dataset.from_rows([], ontology), tmp_path / "out")
    assert Loaded(tmp_path / "out").classes == ["car"]
    assert list(annokit.read(tmp_path / "out", format="yolo")) == []


@pytest.mark.parametrize("how", ["copy", "link"])
def test_images_come_along_and_missing_ones_are_named(tmp_path: Path, how: str) -> None:
    Image.new("RGB", (100, 80)).save(tmp_path / "photo.png")
    asset = Asset(uri=str(tmp_path / "photo.png"))
    rows = [row(asset=asset, name="no-suffix"), row(asset=Asset(uri="gone.jpg", width=5, height=5))]
    report = write(rows, tmp_path / "out", images=how, image_dir=str(tmp_path))
    image = tmp_path / "out/images/train/no-suffix.png"
    assert image.read_bytes() == (tmp_path / "photo.png").read_bytes()
    assert (image.stat().st_nlink == 2) == (how == "link")
    assert losses(report)["image-missing"] == ("data_rows", 1, True)


def test_a_private_file_is_no_image_of_a_row(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (50, 40)).save(tmp_path / "private.png")
    (tmp_path / "images" / "notes.jpg").write_text("not an image")
    rows = [
        row(asset=Asset(uri=str(tmp_path / "private.png"), width=50, height=40)),
        row(name="../private.png", asset=Asset(width=50, height=40)),
        row(name="notes.jpg", asset=Asset(width=50, height=40)),
    ]
    for folder in (None, str(tmp_path / "images")):
        report = write(rows, tmp_path / "out", images="copy", image_dir=folder)
        assert losses(report)["image-missing"][1] == 3
        assert not [path for path in (tmp_path / "out" / "images").rglob("*") if path.is_file()]


def test_sizes_come_from_the_image_else_the_row_is_lost(tmp_path: Path) -> None:
    Image.new("RGB", (50, 40)).save(tmp_path / "a.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    box = Box(x=10, y=10, width=10, height=10)
    rows = [
        row(box, asset=Asset(uri=str(tmp_path / "a.png"))),
        row(box, name="b.jpg", asset=Asset(uri=str(tmp_path / "broken.png"))),
        row(box, name="c.jpg", asset=Asset(uri="https://host/c.jpg")),
        row(box, name="e.jpg", asset=Asset(uri="data:image/png;base64," + "x" * 9999)),
        row(box, name="d.txt", asset=Asset(media_type="text", text="hello", width=1, height=1)),
    ]
    report = write(rows, tmp_path / "out", image_dir=str(tmp_path))
    assert labels(tmp_path / "out") == [[0, 0.3, 0.375, 0.2, 0.25]]
    assert losses(report)["no-size"][1] == 3
    assert report.kinds["data_rows"] == {"read": 5, "written": 1, "unsupported": 4}


# ------------------------------------------------------------------ classes


def test_classes_are_dense_in_the_ontologys_order(tmp_path: Path) -> None:
    tools = (Tool(name="b", id="9"), Tool(name="unused"), Tool(name="b", id="1"))
    objects = [
        annotation(Box(x=1, y=1, width=1, height=1), tool_name=n, tool_id=i)
        for n, i in (("b", "1"), ("b", None), ("new", None), ("unused", "7"))
    ]
    report = write(Dataset.from_rows([row(*objects)], Ontology(tools=tools)), tmp_path / "out")
    assert Loaded(tmp_path / "out").classes == ["b", "unused", "new"]
    assert [line[0] for line in labels(tmp_path / "out")] == [0, 0, 2, 1]
    assert report.kinds["categories"]["merged"] == 1


def test_ids_number_the_classes_and_must_be_dense(tmp_path: Path) -> None:
    box = annotation(Box(x=1, y=1, width=1, height=1))
    ids = {"bus": 0, "car": 2, "person": 1}
    write([row(box)], tmp_path / "out", ids=ids)
    assert Loaded(tmp_path / "out").classes == ["bus", "person", "car"]
    assert labels(tmp_path / "out")[0][0] == 2
    for wrong in ({"car": 1}, {"bus": 0}, {"car": 0, "bus": 0}):
        with pytest.raises(annokit.AnnokitError, match="class"):
            write([row(box)], tmp_path / "no", ids=wrong)


@pytest.mark.parametrize(
    "name", ["no", "1.0", "a: b", "#x", "null", "!!python/object:os", "", "猫", "x\ty", "- a"]
)
def test_any_class_name_survives_data_yaml(tmp_path: Path, name: str) -> None:
    write([row(annotation(Box(x=1, y=1, width=1, height=1), tool_name=name))], tmp_path / "out")
    assert Loaded(tmp_path / "out").classes == [name]
    assert annokit.read(tmp_path / "out", format="yolo").ontology.tools[0].name == name


# ------------------------------------------------------------------ boxes


def test_boxes_are_cut_at_the_image_and_those_without_area_are_lost(tmp_path: Path) -> None:
    boxes = [
        Box(x=-10, y=-10, width=50, height=50),
        Box(x=90, y=0, width=10, height=80),
        Box(x=1, y=1, width=0, height=5),
        Box(x=1, y=1, width=-3, height=5),
        Box(x=100, y=1, width=3, height=5),
        Box(x=1, y=1, width=1e-9, height=5),
        Box(x=1, y=float("nan"), width=1, height=5),
        Box(x=1, y=1, width=float("inf"), height=5),
    ]
    report = write([row(*boxes)], tmp_path / "out")
    assert labels(tmp_path / "out") == [[0, 0.2, 0.25, 0.4, 0.5], [0, 0.95, 0.5, 0.1, 1]]
    found = losses(report)
    assert found["clipped"] == ("object:box", 1, False)
    assert {code: found[code][1] for code in ("zero-area", "outside-image", "not-finite")} == {
        "zero-area": 3,
        "outside-image": 1,
        "not-finite": 2,
    }


def test_a_stated_box_wins_and_other_shapes_give_theirs(tmp_path: Path) -> None:
    pixels = np.zeros((80, 100), np.uint8)
    pixels[8:24, 10:30] = 1
    objects = [
        annotation(Polygon(coords=square(0, 0, 50)), box=Box(x=10, y=8, width=20, height=16)),
        annotation(Polygon(coords=[(10, 8), (30, 8), (20, 24)])),
        annotation(as_mask(pixels)),
        annotation(RotatedBox(corners=[(10, 16), (20, 8), (30, 16), (20, 24)])),
        annotation(Line(coords=[(0, 0), (1, 1)]), box=Box(x=10, y=8, width=20, height=16)),
    ]
    report = write([row(*objects)], tmp_path / "out")
    assert labels(tmp_path / "out") == [[0, 0.2, 0.2, 0.2, 0.2]] * 5
    assert report.kinds["object:box"] == {"derived": 3}
    assert losses(report)["duplicate-row"][1] == 1
    assert sum(loss.count for loss in report.losses if loss.code == "box-only" and loss.lossy) == 5


@given(
    st.integers(1, 8000),
    st.integers(1, 8000),
    st.lists(st.tuples(*[st.floats(0, 1)] * 4), min_size=1, max_size=8),
    st.integers(6, 12),
)
def test_boxes_come_back_to_the_last_decimal(
    tmp_path_factory: pytest.TempPathFactory, width: int, height: int, shares: list[Any], decimals: int
) -> None:
    boxes = [
        Box(x=x * width, y=y * height, width=(1 - x) * w * width, height=(1 - y) * h * height)
        for x, y, w, h in shares
    ]
    folder = tmp_path_factory.mktemp("boxes")
    report = write([row(*boxes, asset=Asset(width=width, height=height))], folder / "o", decimals=decimals)
    assert not Loaded(folder / "o").dropped
    (again,) = annokit.read(folder / "o", format="yolo")
    found = [o.geometry for o in again.labels[0].objects]
    step = 10.0**-decimals
    kept = [b for b in boxes if b.width > step / 2 * width and b.height > step / 2 * height]
    assert len(found) == len(kept) == report.total("written", "object:")
    step = max(step, 1e-6)  # the reader takes what has no more than six decimals for a number of six
    for new, old in zip(found, kept, strict=True):
        assert isinstance(new, Box)
        assert max(abs(new.x - old.x), abs(new.width - old.width)) <= step * width
        assert max(abs(new.y - old.y), abs(new.height - old.height)) <= step * height


# ------------------------------------------------------------------ segments


def test_boxes_become_their_corners_so_that_rows_have_one_shape(tmp_path: Path) -> None:
    shapes = [
        Box(x=10, y=8, width=20, height=16),
        RotatedBox(corners=[(10, 16), (20, 8), (30, 16), (20, 24)]),
    ]
    report = write([row(*shapes, Polygon(coords=square(1, 1, 9)))], tmp_path / "out", task="segment")
    assert rings(tmp_path / "out")[0] == pytest.approx(np.array([(10, 8), (30, 8), (30, 24), (10, 24)]))
    assert [len(line) for line in labels(tmp_path / "out")] == [9, 9, 9]
    assert report.kinds["object:polygon"] == {"read": 1, "written": 1, "derived": 2}


def test_parts_are_joined_at_their_nearest_vertices(tmp_path: Path) -> None:
    parts = [[square(0, 0, 10)], [square(30, 0, 10)], [square(60, 0, 10)]]
    report = write([row(Polygon.from_parts(parts))], tmp_path / "out", task="segment")
    (ring,) = rings(tmp_path / "out")
    assert ring.round(3).tolist() == [
        [10, 0], [30, 0], [40, 0],
        [60, 0], [70, 0], [70, 10], [60, 10], [60, 0],
        [40, 0], [40, 10], [30, 10], [30, 0],
        [10, 0], [10, 10], [0, 10], [0, 0],
    ]  # fmt: skip
    assert shapely.Polygon(ring).area == pytest.approx(300)
    assert losses(report)["parts-joined"] == ("object:polygon", 1, True)


def test_a_hole_stays_a_hole(tmp_path: Path) -> None:
    polygon = Polygon.from_parts([[square(10, 10, 40), square(20, 20, 10), square(35, 35, 5)]])
    report = write([row(polygon)], tmp_path / "out", task="segment")
    (ring,) = rings(tmp_path / "out")
    expected = np.zeros((80, 100), bool)
    expected[10:50, 10:50] = True
    expected[20:30, 20:30] = expected[35:40, 35:40] = False
    assert (filled(ring) == expected).all()
    assert losses(report)["holes-joined"] == ("object:polygon", 1, True)


def test_overlapping_parts_are_united_since_even_odd_would_cut_them(tmp_path: Path) -> None:
    inner = square(20, 20, 10)[::-1]
    write([row(Polygon.from_parts([[square(10, 10, 40)], [inner]]))], tmp_path / "out", task="segment")
    (ring,) = rings(tmp_path / "out")
    assert shapely.Polygon(ring).area == pytest.approx(1600)


def test_a_part_that_cannot_be_drawn_is_named(tmp_path: Path) -> None:
    polygon = Polygon.from_parts([[square(0, 0, 10), [(1, 1), (2, 2)]], [[(30, 30), (40, 40)]]])
    report = write([row(polygon)], tmp_path / "out", task="segment")
    assert len(rings(tmp_path / "out")[0]) == 4
    assert losses(report)["part-dropped"] == ("object:polygon", 1, True)


def test_masks_are_outlined_pixel_by_pixel(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    blobs = rng.random((80, 100)) < 0.02
    pixels = np.zeros((80, 100), np.uint8)
    for y, x in np.argwhere(blobs):
        pixels[y : y + 9, x : x + 7] = 1
    pixels[30:50, 40:70] = 1
    pixels[35:40, 50:60] = 0
    report = write([row(as_mask(pixels))], tmp_path / "out", task="segment", decimals=12)
    (ring,) = rings(tmp_path / "out")
    assert (filled(ring) == pixels.astype(bool)).all()
    assert losses(report)["mask-outlined"] == ("object:mask", 1, False)


def test_degenerate_polygons_are_lost_by_name_and_a_bow_tie_is_kept(tmp_path: Path) -> None:
    shapes = [
        Polygon(coords=[]),
        Polygon(coords=[(1, 1), (2, 2)]),
        Polygon(coords=[(1, 1), (2, 2), (3, 3), (7, 7)]),
        Polygon(coords=square(200, 200, 5)),
        Polygon(coords=[(-20, 10), (10, -20), (-20, -20)]),
        Polygon(coords=[(1, 1), (float("nan"), 2), (3, 9)]),
        Polygon.from_parts([[[(1, 1), (float("inf"), 2), (3, 9)]], [square(1, 1, 1)]]),
        Polygon.from_parts([[square(-50, -50, 5)], [square(-80, -50, 5)]]),
        as_mask(np.zeros((80, 100), np.uint8)),
        Polygon(coords=[(10, 10), (30, 30), (30, 10), (10, 30)]),
    ]
    report = write([row(*shapes)], tmp_path / "out", task="segment")
    assert len(labels(tmp_path / "out")) == 1
    counts = {(loss.code, loss.kind): loss.count for loss in report.losses if loss.lossy}
    assert counts == {
        ("too-few-points", "object:polygon"): 2,
        ("zero-area", "object:polygon"): 1,
        ("outside-image", "object:polygon"): 3,
        ("not-finite", "object:polygon"): 2,
        ("zero-area", "object:mask"): 1,
    }


@given(
    st.lists(st.tuples(st.floats(-60, 160), st.floats(-60, 160)), min_size=3, max_size=9),
)
def test_polygons_over_the_edge_are_cut_like_shapely_cuts_them(
    tmp_path_factory: pytest.TempPathFactory, points: list[Any]
) -> None:
    hull = shapely.MultiPoint(points).convex_hull
    angles = sorted(points, key=lambda p: np.arctan2(p[1] - hull.centroid.y, p[0] - hull.centroid.x))
    polygon = shapely.Polygon(angles)
    if not polygon.is_valid or polygon.area < 1:
        return
    folder = tmp_path_factory.mktemp("cut")
    write([row(Polygon(coords=angles))], folder / "out", task="segment", decimals=12)
    found = rings(folder / "out")
    expected = polygon.intersection(shapely.box(0, 0, 100, 80)).area
    area = abs(sum(x0 * y1 - x1 * y0 for ring in found for (x0, y0), (x1, y1)
                   in itertools.pairwise([*ring, ring[0]]))) / 2  # fmt: skip
    assert area == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert all(((ring >= 0) & (ring <= (100, 80))).all() for ring in found)


@given(
    st.lists(data_rows, max_size=3), st.sampled_from(["detect", "segment"]), st.sampled_from(["skip", "keep"])
)
def test_anything_is_accounted_and_no_image_is_dropped(
    tmp_path_factory: pytest.TempPathFactory, rows: list[DataRow], task: str, crowd: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    report = write(rows, folder / "out", task=task, crowd=crowd)
    loaded = Loaded(folder / "out") if report.total("written", "categories") else None
    assert loaded is None or not loaded.dropped
    files = list((folder / "out/labels").rglob("*.txt"))
    assert len(files) == report.kinds.get("data_rows", {}).get("written", 0)


@given(
    st.sampled_from([1, 3, 7, 100, 480, 640, 1000, 1024, 1333, 4096]),
    st.integers(1, 15),
    st.lists(st.fractions(0, 1, max_denominator=4096) | st.floats(0, 1), min_size=6, max_size=30),
)
def test_numbers_are_those_of_python(
    tmp_path_factory: pytest.TempPathFactory, width: int, decimals: int, shares: list[Any]
) -> None:
    xs = [float(share) * width for share in shares]
    coords = [(x, y) for x, y in zip(xs, [0, width, width / 2] * 10, strict=False)]
    folder = tmp_path_factory.mktemp("text")
    polygon = Polygon(coords=coords)
    write(
        [row(polygon, asset=Asset(width=width, height=width))],
        folder / "o",
        task="segment",
        decimals=decimals,
    )
    expected = "".join(f" {value / width:.{decimals}f}" for point in coords for value in point)
    assert (folder / "o/labels/train/a.txt").read_text() in (f"0{expected}\n", "")


# ------------------------------------------------------------------ what has no place


def test_what_a_label_file_cannot_hold_is_lost_by_name(tmp_path: Path) -> None:
    nested = Classification(
        tool_name="q", kind="radio", answers=(Answer(name="x", classifications=(
            Classification(tool_name="r", kind="text", text="t"),)),))  # fmt: skip
    box = Box(x=1, y=1, width=5, height=5)
    objects = [
        annotation(box, classifications=(nested,), confidence=0.5),
        annotation(Line(coords=[(0, 0), (5, 5)])),
        annotation(Point(x=1, y=1)),
        annotation(Keypoints(coords=[(1, 1)], visibility=[2])),
        annotation(MaskReference(uri="https://host/m.png?token=secret")),
        annotation(box, space="geo"),
        annotation(box, frame=3),
        annotation(box, page=1),
        annotation(box, is_crowd=True),
    ]
    track = Track(tool_name="car", kind="box", frames=[0], is_keyframe=[True], values=[(0, 0), (1, 1)])
    annotations = (*objects, nested, Relationship(tool_name="r"), track)
    for task in ("detect", "segment"):
        two = Label(annotations=annotations), Label(annotations=annotations)
        asset = Asset(width=10, height=10)
        report = write([DataRow(id="r", asset=asset, labels=two)], tmp_path / task, task=task, labels="all")
        counts: dict[str, int] = {}
        for loss in report.losses:
            counts[loss.code] = counts.get(loss.code, 0) + loss.count * loss.lossy
        assert counts["not-an-image"] == 6
        assert counts["crowd"] == counts["mask-not-fetched"] == counts["no-confidence"] == 2
        assert counts["no-place"] == 2 * (3 + 2 + 2 + 1 + 2)
        assert report.total("written", "object:") == 2
        assert report.kinds["labels"] == {"read": 2, "written": 2}
        with pytest.raises(annokit.AnnokitError, match="kinds of loss"):
            write([row(*objects)], tmp_path / "strict", task=task, strict=True)


def test_crowds_are_kept_on_request(tmp_path: Path) -> None:
    report = write(
        [row(annotation(Box(x=1, y=1, width=5, height=5), is_crowd=True))], tmp_path / "o", crowd="keep"
    )
    assert report.total("written", "object:box") == 1


# ------------------------------------------------------------------ real data


@pytest.mark.parametrize("task", ["detect", "segment"])
def test_coco_to_yolo_loses_no_image_and_no_object(samples: Path, tmp_path: Path, task: str) -> None:
    document = json.loads((samples / "coco.json").read_bytes())
    crowds = sum(a["iscrowd"] for a in document["annotations"])
    report = annokit.convert(
        samples / "coco.json", tmp_path / "o", to="yolo", format="coco", task=task, verify=True
    )
    loaded = Loaded(tmp_path / "o")
    assert not loaded.dropped
    assert loaded.classes == [category["name"] for category in document["categories"]]
    assert len(loaded.rows) == len(document["images"]) == report.kinds["data_rows"]["written"]
    wanted = len(document["annotations"]) - crowds
    assert report.total("written", "object:") == wanted == sum(map(len, loaded.rows.values()))


@pytest.mark.parametrize("task", ["detect", "segment"])
def test_supervision_reads_what_we_write(samples: Path, tmp_path: Path, task: str) -> None:
    dataset = annokit.read(samples / "coco.json", format="coco")
    rows = list(dataset)[:12]
    annokit.write(Dataset.from_rows(rows, dataset.ontology), tmp_path / "o", format="yolo", task=task)
    folder = tmp_path / "o/images/train"
    for one in rows:
        Image.new("RGB", (one.asset.width or 0, one.asset.height or 0)).save(folder / one.name)
    found = sv.DetectionDataset.from_yolo(
        str(folder), str(tmp_path / "o/labels/train"), str(tmp_path / "o/data.yaml"), force_masks=False
    )
    boxes = {Path(path).name: detections.xyxy for path, _, detections in found}
    for one in rows:
        kept = [o for o in one.labels[0].objects if not o.is_crowd]
        assert len(boxes[one.name]) == len(kept)
        if task == "detect" and kept:
            expected = np.array([o.box.xyxy for o in kept if o.box])
            assert boxes[one.name] == pytest.approx(expected, abs=1e-2)


def test_segments_cover_the_pixels_of_their_source(shared: Path, tmp_path: Path) -> None:
    source = shared / "coco/coco-mini/annotations/instances_val2017.json"
    document = json.loads(source.read_bytes())
    annokit.convert(source, tmp_path / "o", to="yolo", format="coco", task="segment", verify=True)
    annotations: dict[int, list[Any]] = {}
    for one in document["annotations"]:
        if not one["iscrowd"]:
            annotations.setdefault(one["image_id"], []).append(one)
    overlaps: dict[bool, list[float]] = {True: [], False: []}
    for image in document["images"]:
        size = image["height"], image["width"]
        text = (tmp_path / "o/labels/train" / image["file_name"]).with_suffix(".txt").read_text()
        for line, one in zip(text.splitlines(), annotations.get(image["id"], []), strict=True):
            ring = np.array(line.split()[1:], float).reshape(-1, 2) * size[::-1]
            ours = coco_mask.merge(coco_mask.frPyObjects([ring.ravel().tolist()], *size))
            theirs = coco_mask.merge(coco_mask.frPyObjects(one["segmentation"], *size))
            overlap = float(coco_mask.iou([ours], [theirs], [0])[0, 0])
            # the least change of a coordinate may turn a pixel, which weighs in small objects
            assert overlap >= 0.99 or (1 - overlap) * coco_mask.area(theirs) < 9
            overlaps[len(one["segmentation"]) == 1].append(overlap)
    assert np.mean(overlaps[True]) > 0.998
    assert np.mean(overlaps[False]) > 0.998
    assert min(overlaps[False]) > 0.97


@pytest.mark.parametrize("task", ["detect", "segment"])
def test_every_trap_has_its_outcome(generate: Callable[..., None], tmp_path: Path, task: str) -> None:
    generate("make_traps", tmp_path)
    report = annokit.convert(
        tmp_path / "traps.json",
        tmp_path / "o",
        to="yolo",
        format="coco",
        task=task,
        on_error="quarantine",  # the polygon of two points
        images="copy",
        image_dir=str(tmp_path / "images"),
        verify=True,
    )
    loaded = Loaded(tmp_path / "o")
    assert not loaded.dropped
    assert loaded.classes == ["person", "car", "toothbrush", "unused"]
    rows = {name.removeprefix("labels/train/"): len(found) for name, found in loaded.rows.items()}
    posed = int(task == "detect")  # keypoints have a box, but are no outline
    assert rows == {
        "plain.txt": 4 + posed, "empty.txt": 0, "a/dup.txt": 1, "b/dup.txt": 1, "dup.txt": 1, "img.v2.0.txt": 1,
        "with space.txt": 1, "crowd.txt": 1, "multi.txt": 2, "edge.txt": 2, "odd.txt": 1, "only_crowd.txt": 0,
    }  # fmt: skip
    images = [path for path in (tmp_path / "o/images").rglob("*") if path.is_file()]
    assert len(images) == 12
    assert report.total("written", "object:") == 16 + posed
    counts = {loss.code: loss.count for loss in report.losses}
    assert (counts["crowd"], counts["zero-area"], counts["duplicate-row"], counts["clipped"]) == (2, 1, 1, 1)


def test_equal_input_gives_equal_bytes(samples: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        annokit.convert(
            samples / "coco.json", tmp_path / name, to="yolo", format="coco", split="train=.5,val=.5"
        )
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    assert files == sorted(
        p.relative_to(tmp_path / "two") for p in (tmp_path / "two").rglob("*") if p.is_file()
    )
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)
    assert not Loaded(tmp_path / "one").dropped


def test_a_polygon_that_leaves_the_image_and_has_no_part_long_enough_is_lost(tmp_path: Path) -> None:
    short = Polygon(coords=[(-10, 0), (-5, 0), (3, 3)], ring_offsets=[0, 1, 3], part_offsets=[0, 1, 2])
    report = write([row(short, asset=Asset(width=9, height=9))], tmp_path / "o", task="segment")
    assert report.kinds["object:polygon"]["unsupported"] == 1


def test_the_rules_themselves() -> None:
    assert accepted("0 .5 .5 1 1\n0 .5 .5 1 1\n", 1) == [[0, 0.5, 0.5, 1, 1]]
    for text in ("0 .5 .5 1 1.02", "1 .5 .5 1 1", "0 .5 .5 1", "0 .1 .1 .2 .2 .3 .3\n0 .5 .5 1 1"):
        with pytest.raises(ValueError, match=r"\w"):
            accepted(text, 1)


@pytest.mark.parametrize(
    ("orientation", "size", "named"), [(1, (64, 48), 0), (6, (64, 48), 1), (6, (48, 64), 0), (3, (64, 48), 1)]
)
def test_images_that_trainers_turn_are_named(
    tmp_path: Path, orientation: int, size: tuple[int, int], named: int
) -> None:
    """Unless the labels are those of the image as shown: then its size is exchanged."""
    exif = Image.Exif()
    exif[274] = orientation
    (tmp_path / "in").mkdir()
    Image.new("RGB", (64, 48)).save(tmp_path / "in" / "a.jpg", exif=exif)
    box = ObjectAnnotation(tool_name="car", geometry=Box(x=1, y=1, width=9, height=9))
    asset = Asset(width=size[0], height=size[1])
    row = DataRow(id="1", external_id="a.jpg", asset=asset, labels=(Label(annotations=(box,)),))
    options = {"images": "copy", "image_dir": str(tmp_path / "in")}
    report = annokit.write([row], tmp_path / "out", format="yolo", **options)
    assert [loss.count for loss in report.losses if loss.code == "turned-image"] == [1] * named
    (tmp_path / "out" / "names.ndjson").unlink()
    report = annokit.convert(tmp_path / "out", tmp_path / "o.json", to="coco")
    assert [loss.lossy for loss in report.losses if loss.code == "turned-image"] == [True] * (orientation > 1)
