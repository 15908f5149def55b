"""Datasets from memory: what a model found enters without a file, and nothing of it changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import supervision as sv
from pycocotools import mask as coco_mask

import annokit
from annokit import Dataset
from annokit.errors import GeometryError, UsageError
from annokit.model import Box, Mask

CLASSES = ["car", "person", "unused"]
BOXES = np.array([[10, 20, 40, 60], [0.5, 1.5, 3.25, 4.75]], np.float32)


def test_boxes_of_one_image() -> None:
    found = Dataset.from_arrays(
        "a.jpg", (80, 100), classes=CLASSES, class_ids=[1, 0], boxes_xyxy=BOXES, scores=[0.5, np.nan]
    )
    assert [tool.name for tool in found.ontology.tools] == CLASSES
    (row,) = found
    assert (row.name, row.asset.height, row.asset.width, row.labels[0].origin) == ("a.jpg", 80, 100, "model")
    first, second = row.labels[0].objects
    assert (first.tool_name, first.confidence) == ("person", 0.5)
    assert first.geometry == Box(x=10, y=20, width=30, height=40)
    assert (second.confidence, second.geometry) == (None, Box(x=0.5, y=1.5, width=2.75, height=3.25))


def test_masks_of_several_images_give_their_sizes() -> None:
    rng = np.random.default_rng(1)
    masks = [rng.random((2, 5, 7)) > 0.5, np.zeros((0, 4, 4), bool)]
    found = Dataset.from_arrays(
        ["a.jpg", "b.jpg"],
        classes=CLASSES,
        class_ids=[[0, 2], []],
        boxes_xyxy=[BOXES, []],
        masks=masks,
    )
    full, empty = found
    assert (full.asset.height, full.asset.width) == (5, 7)
    assert (empty.asset.height, empty.labels[0].objects) == (4, [])
    for one, pixels, box in zip(full.labels[0].objects, masks[0], BOXES, strict=True):
        assert isinstance(one.geometry, Mask)
        assert one.box is not None
        assert one.box.xyxy == tuple(box.tolist())
        rle = coco_mask.encode(np.asfortranarray(pixels, np.uint8))
        size = [one.geometry.height, one.geometry.width]
        theirs = coco_mask.frPyObjects({"counts": one.geometry.counts.tolist(), "size": size}, *size)
        assert theirs == rle


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_ids": [3, 0]}, "a.jpg: expected class_ids from 0 to 2, got 3"),
        ({"class_ids": [0.5, 0]}, "from 0 to 2, got 0.5"),
        ({"class_ids": [0]}, r"boxes_xyxy of shape \(1, 4\), as class_ids say, got \(2, 4\)"),
        ({"scores": [1]}, r"scores of shape \(2,\)"),
        ({"boxes_xyxy": BOXES[:, ::-1]}, "x1 <= x2"),
        ({"boxes_xyxy": BOXES * np.nan}, "all finite"),
        ({"boxes_xyxy": None}, "boxes_xyxy, masks or both"),
        ({"masks": np.zeros((2, 5), bool)}, r"masks of shape \(2, h, w\), got \(2, 5\)"),
        ({"masks": np.zeros((2, 80, 100))}, r"bool or integers, got float64 \(masks > 0.5\)"),
        ({"masks": np.zeros((2, 8, 9), bool)}, r"masks of \(80, 100\) pixels, got \(8, 9\)"),
        ({"names": ["a.jpg", "b.jpg"], "sizes": [(1, 2)]}, "expected sizes for each of 2 images, got 1"),
    ],
)
def test_what_does_not_fit_is_said(changes: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {
        "names": "a.jpg", "sizes": (80, 100), "classes": CLASSES, "class_ids": [0, 1], "boxes_xyxy": BOXES,
    }  # fmt: skip
    with pytest.raises((UsageError, GeometryError), match=message):
        Dataset.from_arrays(**(given | changes))


def test_supervision_there_and_back(tmp_path: Path) -> None:
    made = sv.Detections(xyxy=BOXES, class_id=np.array([1, 0]), confidence=np.array([0.25, 0.75], np.float32))
    found = Dataset.from_arrays(
        "a.jpg",
        (80, 100),
        classes=CLASSES,
        class_ids=made.class_id,
        boxes_xyxy=made.xyxy,
        masks=made.mask,
        scores=made.confidence,
    )
    report = annokit.write(found, tmp_path / "o", format="yolo", confidence=True, verify=True)
    assert not any(loss.lossy for loss in report.losses)
    (row,) = annokit.read(tmp_path / "o")
    again = row.labels[0].objects
    corners = np.array([one.geometry.xyxy for one in again if isinstance(one.geometry, Box)])
    assert corners == pytest.approx(BOXES, abs=1e-4)
    assert [one.confidence for one in again] == [0.25, 0.75]
    assert [one.tool_name for one in again] == ["person", "car"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"classes": "car"}, "list of class names"),
        ({"classes": ["car", "car"]}, "a name of its own"),
        ({"classes": [0, 1]}, "list of class names"),
        ({"classes": {1: "car"}}, "numbered from 0"),
        ({"classes": {"car", "dog"}}, "got a set: .*class 0 is the first of a list"),
        ({"classes": frozenset({"car"})}, "got a set"),
        ({"sizes": (48, 64, 3)}, "height and width"),
        ({"sizes": (-48, 64)}, "height and width"),
        ({"sizes": (0, 0)}, "height and width"),
        ({"sizes": "x"}, "height and width"),
        ({"boxes_xyxy": [["a", 0, 1, 1]]}, "expected numbers"),
        ({"boxes_xyxy": [[1, 2, 3, 4], [1, 2]]}, "expected numbers"),
        ({"scores": [1.5]}, "from 0 to 1"),
    ],
)
def test_slips_are_refused_in_our_words(changes: dict[str, Any], problem: str) -> None:
    good: dict[str, Any] = {
        "sizes": (48, 64),
        "classes": ["car"],
        "class_ids": [0],
        "boxes_xyxy": [[1, 2, 3, 4]],
        "scores": [0.5],
    }
    assert len(list(Dataset.from_arrays("a.jpg", **good))) == 1
    with pytest.raises(UsageError, match=problem):
        Dataset.from_arrays("a.jpg", **good | changes)


@pytest.mark.parametrize("format", ["coco", "yolo", "parquet", "labelbox"])
def test_names_may_be_texts_of_numpy(format: str, tmp_path: Path) -> None:
    for kind in (np.array, list):
        found = Dataset.from_arrays(
            kind(["a.jpg"]),
            np.array([[48, 64]]),
            classes=kind(["car", "dog"]),
            class_ids=[[1]],
            boxes_xyxy=[[[1, 2, 3, 4]]],
        )
        annokit.write(found, tmp_path / kind.__name__, format=format)
        assert [type(one.tool_name) for row in found for one in row.labels[0].objects] == [str]
    with pytest.raises(UsageError, match="name of an image"):
        Dataset.from_arrays([1], [(48, 64)], classes=["car"], class_ids=[[0]], boxes_xyxy=[[[1, 2, 3, 4]]])  # type: ignore[list-item]


def test_names_may_be_a_mapping_as_trainers_keep_them() -> None:
    made = Dataset.from_arrays(
        "a.jpg", (48, 64), classes={1: "bus", 0: "car"}, class_ids=[1], boxes_xyxy=[[1, 2, 3, 4]]
    )
    assert [tool.name for tool in made.ontology.tools] == ["car", "bus"]
    assert next(iter(made)).labels[0].objects[0].tool_name == "bus"


def test_names_may_be_paths() -> None:
    one: dict[str, Any] = {"classes": ["car"], "class_ids": [0], "boxes_xyxy": [[1, 2, 3, 4]]}
    (named,) = Dataset.from_arrays("b/a.jpg", (48, 64), **one)
    assert list(Dataset.from_arrays(Path("b/a.jpg"), (48, 64), **one)) == [named]
    several: dict[str, Any] = {"classes": ["car"], "class_ids": [[0]], "boxes_xyxy": [[[1, 2, 3, 4]]]}
    assert list(Dataset.from_arrays([Path("b/a.jpg")], [(48, 64)], **several)) == [named]
