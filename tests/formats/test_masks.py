"""Masks: label maps are what painting the objects one over the other gives, and nothing is lost unseen."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

import annokit
from annokit import Dataset, Report
from annokit.errors import LimitExceeded, UsageError
from annokit.formats._masks.files import png
from annokit.model import (
    Asset,
    Box,
    Classification,
    DataRow,
    Geometry,
    Label,
    Line,
    Mask,
    MaskReference,
    ObjectAnnotation,
    Ontology,
    Polygon,
    RotatedBox,
    Tool,
)

CLASSES = Ontology(tools=tuple(Tool(name=name) for name in ("road", "car", "=evil")))
ROAD = Polygon(coords=[(0, 0), (40, 0), (40, 30), (0, 30)])
CAR = Polygon.from_parts([[[(5, 5), (20, 5), (20, 20), (5, 20)], [(8, 8), (12, 8), (12, 12), (8, 12)]]])
SMALL = Box(x=15, y=15, width=10, height=6)


def one(tool: str, geometry: Geometry, **fields: Any) -> ObjectAnnotation:
    return ObjectAnnotation(tool_name=tool, geometry=geometry, **fields)


def row(*objects: Any, name: str = "a.jpg", **fields: Any) -> DataRow:
    fields = {"asset": Asset(width=40, height=30), "id": name, "external_id": name} | fields
    return DataRow(labels=(Label(annotations=objects),), **fields)


def write(rows: list[DataRow], target: Path, **options: Any) -> Report:
    return annokit.write(Dataset.from_rows(rows, CLASSES), target, format="masks", **options)


def pixels(path: Path) -> np.ndarray[Any, Any]:
    return np.array(Image.open(path))


def table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.reader(handle))


def painted(objects: list[tuple[int, Geometry]], size: tuple[int, int] = (30, 40)) -> np.ndarray[Any, Any]:
    """The plain way: each object in turn over what is there, by pycocotools' pixels."""
    image = np.zeros(size, int)
    for value, geometry in objects:
        image[drawn(geometry, size)] = value
    return image


def drawn(geometry: Geometry, size: tuple[int, int]) -> np.ndarray[Any, Any]:
    if isinstance(geometry, Mask):
        return np.repeat(np.arange(len(geometry.counts)) % 2, geometry.counts).reshape(size[::-1]).T == 1
    if isinstance(geometry, Box):
        x1, y1, x2, y2 = geometry.xyxy
        geometry = Polygon(coords=[(x1, y1), (x2, y1), (x2, y2), (x1, y2)])
    assert isinstance(geometry, Polygon)
    found = np.zeros(size, bool)
    for exterior, *holes in geometry.parts():
        part = ring(exterior, size)
        for hole in holes:
            part &= ~ring(hole, size)
        found |= part
    return found


def ring(points: np.ndarray[Any, Any], size: tuple[int, int]) -> np.ndarray[Any, Any]:
    return coco_mask.decode(coco_mask.frPyObjects([points.ravel().tolist()], *size))[..., 0] == 1


def test_a_semantic_map_is_what_painting_gives(tmp_path: Path) -> None:
    rows = [
        row(one("road", ROAD), one("car", CAR), one("=evil", SMALL)),
        row(name="sub/empty.png", split="val"),
    ]
    report = write(rows, tmp_path / "o")
    found = pixels(tmp_path / "o/masks/train/a.png")
    assert found.dtype == np.uint8
    assert np.array_equal(found, painted([(1, ROAD), (2, CAR), (3, SMALL)]))
    assert not pixels(tmp_path / "o/masks/val/sub/empty.png").any()
    assert table(tmp_path / "o/classes.csv") == [
        ["class_id", "class"], ["0", "background"], ["1", "road"], ["2", "car"], ["3", "'=evil"],
    ]  # fmt: skip
    assert not (tmp_path / "o/objects.csv").exists()
    names = [json.loads(line)["image"] for line in (tmp_path / "o/names.ndjson").read_text().splitlines()]
    assert names == ["a.jpg", "sub/empty.png"]
    noted = {(loss.code, loss.kind): (loss.count, loss.level) for loss in report.losses}
    assert noted == {
        ("overlapped", "object:polygon"): (2, "changed"),
        ("box-filled", "object:box"): (1, "note"),
    }
    assert report.kinds["object:mask"]["derived"] == 1


def test_the_smaller_object_wins_when_asked(tmp_path: Path) -> None:
    rows = [row(one("=evil", SMALL), one("car", CAR), one("road", ROAD))]
    write(rows, tmp_path / "o", order="area")
    expected = painted([(1, ROAD), (2, CAR), (3, SMALL)])
    assert np.array_equal(pixels(tmp_path / "o/masks/train/a.png"), expected)


def test_an_instance_map_numbers_the_objects_and_says_their_classes(tmp_path: Path) -> None:
    runs = Mask(counts=[0, 300, 900], height=30, width=40)
    write(
        [row(one("car", CAR, id="x1"), one("car", SMALL), one("road", runs))], tmp_path / "o", kind="instance"
    )
    expected = painted([(1, CAR), (2, SMALL), (3, runs)])
    assert np.array_equal(pixels(tmp_path / "o/masks/train/a.png"), expected)
    assert table(tmp_path / "o/objects.csv")[1:] == [
        ["masks/train/a.png", "1", "2", "car", "x1"],
        ["masks/train/a.png", "2", "2", "car", ""],
        ["masks/train/a.png", "3", "1", "road", ""],
    ]


def test_objects_have_a_file_each_and_keep_their_overlaps(tmp_path: Path) -> None:
    report = write([row(one("road", ROAD), one("car", CAR))], tmp_path / "o", kind="objects")
    for number, shape in enumerate([ROAD, CAR], 1):
        found = pixels(tmp_path / f"o/masks/train/a/{number}.png")
        assert np.array_equal(found, painted([(255, shape)]))
    assert [line[:3] for line in table(tmp_path / "o/objects.csv")[1:]] == [
        ["masks/train/a/1.png", "255", "1"],
        ["masks/train/a/2.png", "255", "2"],
    ]
    assert report.losses == []


def test_an_object_under_another_is_lost_by_name_unless_it_is_of_the_same_class(tmp_path: Path) -> None:
    rows = [row(one("car", SMALL), one("road", ROAD))]
    report = write(rows, tmp_path / "o")
    assert report.kinds["object:box"] == {"read": 1, "unsupported": 1}
    assert [(loss.code, loss.level) for loss in report.losses] == [("hidden", "lost")]
    same = write([row(one("road", SMALL), one("road", ROAD))], tmp_path / "same")
    assert same.total("written", "object:") == 2


def test_more_than_255_objects_take_16_bits(tmp_path: Path) -> None:
    many = [one("car", Box(x=i % 40, y=i // 40, width=1, height=1)) for i in range(300)]
    write([row(*many)], tmp_path / "o", kind="instance")
    found = pixels(tmp_path / "o/masks/train/a.png")
    assert found.dtype == np.uint16
    assert np.array_equal(found.ravel()[:300], np.arange(1, 301))
    with pytest.raises(LimitExceeded, match="up to 65535, got 70000"):
        png(np.array([[70_000]]))


def test_what_has_no_pixels_is_lost_by_name(tmp_path: Path) -> None:
    objects = [
        one("road", Line(coords=[(0, 0), (5, 5)])),
        one("road", MaskReference(uri="https://host/m.png")),
        one("road", ROAD, is_crowd=True),
        one("road", ROAD, space="geo"),
        one("road", Mask(counts=[6], height=2, width=3)),
        one("road", Mask(counts=[1200], height=30, width=40)),
        one("road", Box(x=100, y=0, width=5, height=5)),
        one("road", Polygon(coords=[(0, 0), (float("nan"), 1), (2, 2)])),
        one("road", RotatedBox(corners=[(5, 5), (10, 5), (10, 10), (5, 10)]), confidence=0.5),
        Classification(tool_name="weather", kind="text", text="fog"),
    ]
    report = write([row(*objects), row(name="b.jpg", asset=Asset())], tmp_path / "o")
    lost = {(loss.code, loss.kind): loss.count for loss in report.losses if loss.lossy}
    assert lost == {
        ("no-place", "object:line"): 1,
        ("mask-not-fetched", "object:mask_reference"): 1,
        ("crowd", "object:polygon"): 1,
        ("not-an-image", "object:polygon"): 1,
        ("size-mismatch", "object:mask"): 1,
        ("zero-area", "object:mask"): 1,
        ("zero-area", "object:box"): 1,
        ("not-finite", "object:polygon"): 1,
        ("no-confidence", "object:rotated_box"): 1,
        ("no-place", "classifications"): 1,
        ("no-size", "data_rows"): 1,
        ("no-size", "labels"): 1,
    }
    kept = write([row(one("road", ROAD, is_crowd=True))], tmp_path / "kept", crowd="keep")
    assert kept.total("written", "object:") == 1


def test_images_stand_beside_their_masks_under_the_same_stem(tmp_path: Path) -> None:
    picture = tmp_path / "in.jpeg"
    Image.new("RGB", (40, 30)).save(picture)
    names = ["../a.jpg", "A.JPG", "a.jpg", "x.y.png"]
    rows = [
        row(one("road", ROAD), name=name, id=f"r{i}", asset=Asset(uri=str(picture)))
        for i, name in enumerate(names)
    ]
    write(rows, tmp_path / "o", images="copy", image_dir=str(tmp_path))
    out = tmp_path / "o"
    images = {p.relative_to(out / "images").with_suffix("").as_posix() for p in out.glob("images/**/*.*")}
    masks = {p.relative_to(out / "masks").with_suffix("").as_posix() for p in out.glob("masks/**/*.png")}
    assert images == masks
    assert len(images) == len(names)
    assert all(out.resolve() in p.resolve().parents for p in out.rglob("*"))


def test_it_is_only_written(tmp_path: Path, samples: Path) -> None:
    with pytest.raises(UsageError, match="masks can be written, not read"):
        annokit.read(tmp_path, format="masks")
    report = annokit.convert(samples / "coco.json", tmp_path / "o", to="masks", kind="instance")
    written = report.total("written", "object:")
    assert written == len(table(tmp_path / "o/objects.csv")) - 1
    assert report.total("written", "data_rows") == len(list((tmp_path / "o").rglob("*.png")))
