"""COCO to YOLO segments and back: every image, category and object; what cannot come back has a name."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pycocotools.mask as coco_mask
import pytest

import annokit


def masks(document: dict[str, Any]) -> dict[str, list[tuple[str, Any]]]:
    """Class and RLE of every annotation that is no crowd, by file name, in order."""
    names = {category["id"]: category["name"] for category in document["categories"]}
    images = {image["id"]: image for image in document["images"]}
    found: dict[str, list[tuple[str, Any]]] = {image["file_name"]: [] for image in document["images"]}
    for entry in document["annotations"]:
        if not entry.get("iscrowd"):
            image = images[entry["image_id"]]
            shape, size = entry["segmentation"], (image["height"], image["width"])
            rle = coco_mask.merge(coco_mask.frPyObjects(shape, *size)) if isinstance(shape, list) else shape
            found[image["file_name"]].append((names[entry["category_id"]], rle))
    return found


def check(source: Path, folder: Path) -> None:
    there = annokit.convert(source, folder / "yolo", to="yolo", task="segment", verify=True)
    annokit.convert(folder / "yolo", folder / "back.json", to="coco", verify=True)
    before, after = json.loads(source.read_bytes()), json.loads((folder / "back.json").read_bytes())
    assert [c["name"] for c in after["categories"]] == [c["name"] for c in before["categories"]]
    assert {i["file_name"]: (i["width"], i["height"]) for i in after["images"]} == {
        i["file_name"]: (i["width"], i["height"]) for i in before["images"]
    }
    parts = Counter(len(entry["segmentation"]) for entry in before["annotations"] if not entry["iscrowd"])
    crowds = sum(entry["iscrowd"] for entry in before["annotations"])
    losses = {(loss.code, loss.lossy): loss.count for loss in there.losses}
    assert losses.get(("crowd", True), 0) == crowds
    several = sum(n for count, n in parts.items() if count > 1)
    assert (
        0.9 * several <= losses.get(("parts-joined", True), 0) <= several
    )  # overlapping parts unite instead
    compare(masks(before), masks(after), before)


def compare(before: dict[str, Any], after: dict[str, Any], document: dict[str, Any]) -> None:
    """Equal classes in equal order; pixels equal for single parts, nearly so for joined ones."""
    assert list(before) == list(after)
    multi = {name: [] for name in before}
    names = {image["id"]: image["file_name"] for image in document["images"]}
    for entry in document["annotations"]:
        if not entry["iscrowd"]:
            multi[names[entry["image_id"]]].append(len(entry["segmentation"]) > 1)
    for name, mine in before.items():
        assert [tool for tool, _ in mine] == [tool for tool, _ in after[name]], name
        for (_, old), (_, new), joined in zip(mine, after[name], multi[name], strict=True):
            ((iou,),) = coco_mask.iou([new], [old], [0])
            assert iou >= (0.97 if joined else 0.99), name


def test_the_bundled_sample(samples: Path, tmp_path: Path) -> None:
    check(samples / "coco.json", tmp_path)


@pytest.mark.parametrize("name", ["instances_val2017.json", "instances_train2017.json"])
def test_real_files(shared: Path, tmp_path: Path, name: str) -> None:
    check(shared / "coco" / "coco-mini" / "annotations" / name, tmp_path)
