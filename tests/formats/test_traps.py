"""The traps of tests/generators/make_traps.py, one by one: what each becomes as YOLO and as masks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import annokit
from tests.formats.yolo_rules import Loaded

WAYS: dict[str, dict[str, str]] = {
    "detect": {"to": "yolo", "task": "detect"},
    "segment": {"to": "yolo", "task": "segment"},
    "pose": {"to": "yolo", "task": "pose"},
    "obb": {"to": "yolo", "task": "obb"},
    "masks": {"to": "masks", "kind": "instance"},
}
SAID_ANYWAY = {"rounded", "no-val-split"}

SHAPE = {"detect": "box-only", "segment": "", "pose": "no-keypoints", "obb": "rotated-only", "masks": ""}
BOX = {
    "detect": "",
    "segment": "corners",
    "pose": "no-keypoints",
    "obb": "box-corners",
    "masks": "box-filled",
}
CLIPPED = {way: f"{codes} clipped" for way, codes in BOX.items()} | {"masks": "box-filled"}
POSED = {"detect": "box-only", "pose": ""}

# number of the annotation: what is said of it, by way; a way that is not there writes nothing
OUTCOMES: dict[int, tuple[str, dict[str, str], str]] = {
    1: ("a plain polygon", SHAPE, ""),
    2: ("thirds", SHAPE, ""),
    3: ("no segmentation key", BOX, ""),
    4: ("an empty segmentation", BOX, ""),
    5: ("a duplicate", SHAPE, ""),
    6: ("a name in folder a", SHAPE, ""),
    7: ("the same name in folder b", SHAPE, ""),
    8: ("the same stem with another suffix", SHAPE, ""),
    9: ("dots in the name", SHAPE, ""),
    10: ("a space in the name", SHAPE, ""),
    11: ("a crowd of two parts", {}, "crowd"),
    12: ("RLE with a hole, no crowd", SHAPE | {"segment": "mask-outlined holes-joined"}, ""),
    13: ("three parts", SHAPE | {"segment": "parts-joined"}, ""),
    14: ("a hole that COCO takes for a second part", SHAPE, ""),
    15: ("a box over the edge", CLIPPED, ""),
    16: ("a box that touches the edge", BOX, ""),
    17: ("no width", {}, "zero-area"),
    18: ("a polygon of two points", {}, "bad-geometry"),
    19: ("all of an image of odd size", SHAPE, ""),
    20: ("an image with a crowd only", {}, "crowd"),
    21: ("keypoints, attributes and a polygon", POSED, "no-place"),
}


@pytest.fixture(scope="session")
def document(generate: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("traps")
    generate("make_traps", folder)
    found: dict[str, Any] = json.loads((folder / "traps.json").read_bytes())
    return found


def test_every_trap_is_here(document: dict[str, Any]) -> None:
    assert [one["id"] for one in document["annotations"]] == list(OUTCOMES)


@pytest.mark.parametrize("number", OUTCOMES, ids=lambda number: OUTCOMES[number][0])
def test_a_trap_becomes_what_it_should(document: dict[str, Any], tmp_path: Path, number: int) -> None:
    _, written, lost = OUTCOMES[number]
    (one,) = (each for each in document["annotations"] if each["id"] == number)
    images = [image for image in document["images"] if image["id"] == one["image_id"]]
    (tmp_path / "one.json").write_text(json.dumps(document | {"images": images, "annotations": [one]}))
    for way, options in WAYS.items():
        target = tmp_path / way
        report = annokit.convert(
            tmp_path / "one.json", target, format="coco", on_error="quarantine", **options
        )
        said = {loss.code for loss in report.losses} - SAID_ANYWAY
        assert said == set(written.get(way, lost).split()), way
        assert report.total("written", "object:") == (way in written), way
        assert report.total("written", "data_rows") == 1
        if options["to"] == "yolo":
            loaded = Loaded(target, way)
            assert not loaded.dropped
            assert [len(rows) for rows in loaded.rows.values()] == [way in written]
            assert loaded.classes == ["person", "car", "toothbrush", "unused"]
