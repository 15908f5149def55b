"""The commands that look: info, formats, detect, view, masks, doctor."""

from __future__ import annotations

import csv
import json
import platform
import xml.etree.ElementTree as ET
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

import annokit
from annokit.cli import app


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_info_prints_tables(samples: Path) -> None:
    done = run("info", samples / "street.ndjson")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert [line.split() for line in lines[:3]] == [["kind", "count"], ["data_rows", "16"], ["labels", "48"]]
    assert "annotator1@example.com" in done.stdout
    assert "labelled from 2024-03-01 10:00 to " in done.stdout
    assert "annokit masks list says what to fetch" in done.stdout
    assert any(line.startswith("... and ") for line in lines)


def test_info_as_json(samples: Path) -> None:
    found = json.loads(run("info", samples / "street.ndjson", "--json").stdout)
    assert found["kinds"]["labels"] == 48
    assert found["labels_per_row"] == {"3": 16}
    assert len(found["classes"]) > 30


def test_info_of_bad_records(tmp_path: Path, samples: Path) -> None:
    lines = (samples / "street.ndjson").read_text().splitlines()
    (tmp_path / "a.ndjson").write_text("\n".join([lines[0], lines[1][:-5], lines[2]]))
    done = run("info", tmp_path / "a.ndjson")
    assert done.exit_code == 1
    assert "1 records cannot be read:" in done.stdout
    assert "a.ndjson:2" in done.stdout


def test_hostile_names_do_not_reach_the_terminal(tmp_path: Path) -> None:
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2]}],
        "categories": [{"id": 1, "name": "\x1b[31m[bold]red\r\n"}],
    }
    (tmp_path / "a.json").write_text(json.dumps(document))
    done = run("info", tmp_path / "a.json")
    assert r"\x1b[31m[bold]red\r\n" in done.stdout
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout


def test_formats_are_listed() -> None:
    done = run("formats")
    for one in annokit.formats():
        assert f"\n{one.name} " in done.stdout
    found = {one["name"]: one for one in json.loads(run("formats", "--json").stdout)}
    assert found["labelbox"]["reads"] is True
    (task,) = [option for option in found["yolo"]["options"] if option["name"] == "task"]
    assert task["choices"] == ["classify", "detect", "obb", "pose", "segment"]
    assert (task["used"], task["default"]) == ("writing", "detect")
    assert all(option["help"] for one in found.values() for option in one["options"])


@pytest.mark.parametrize(("name", "format"), [("coco.json", "coco"), ("street.ndjson", "labelbox")])
def test_detect_prints_a_name(name: str, format: str, samples: Path) -> None:
    assert run("detect", samples / name).stdout == f"{format}\n"


def test_view_draws_the_frame_asked_for(tmp_path: Path) -> None:
    box = {"top": 1, "left": 2, "height": 3, "width": 4}
    keyframes = [{"frame": 1, "bbox": box}, {"frame": 5, "bbox": box | {"left": 10}}]
    line = {"dataRow": {"globalKey": "a.mp4"}, "name": "car", "segments": [{"keyframes": keyframes}]}
    source, target = tmp_path / "pre_labels.ndjson", tmp_path / "frame.svg"
    source.write_text(json.dumps(line))
    run("view", source, "--row", "a.mp4", "--frame", 2, "-o", target)
    assert "car frame 2" in target.read_text()


def test_view_draws_every_annotator(samples: Path, tmp_path: Path) -> None:
    target = tmp_path / "row.svg"
    words = ["view", samples / "street.ndjson", "--row", "000000106235.jpg", "-o", target]
    done = run(*words, "--masks", samples / "masks")
    assert (done.exit_code, done.stdout) == (0, f"written to {target}\n")
    drawn = target.read_text()
    ET.fromstring(drawn)
    assert all(f"annotator{n}@example.com" in drawn for n in range(3))
    assert "not drawn" not in drawn
    assert run(*words).exit_code == 7
    assert run(*words, "--overwrite", "--labels", "annotator:annotator1@example.com").exit_code == 0
    drawn = target.read_text()
    assert "annotator1@example.com" in drawn
    assert "annotator0@example.com" not in drawn
    assert "mask reference, not drawn" in drawn


def test_view_takes_the_local_image(samples: Path, tmp_path: Path) -> None:
    Image.new("RGB", (640, 426), (0, 200, 0)).save(tmp_path / "000000349860.jpg")
    words = ["view", samples / "coco.json", "--row", "349860", "-o", tmp_path / "row.png"]
    assert run(*words, "--image-dir", tmp_path).exit_code == 0
    with Image.open(tmp_path / "row.png") as picture:
        assert picture.size[0] == 640 + 32
        red, green, blue = picture.convert("RGB").getpixel((20, 480))  # type: ignore[misc]  # a tuple
    assert green > 150 > max(red, blue)


def test_masks_to_fetch(samples: Path, tmp_path: Path) -> None:
    done = run("masks", "list", samples / "street.ndjson", "-o", tmp_path / "masks.csv")
    assert done.exit_code == 0
    with (tmp_path / "masks.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert done.stdout == f"{len(rows)} mask images to fetch, listed in {tmp_path / 'masks.csv'}\n"
    assert set(rows[0]) == {"url", "file"}


def test_the_doctor_knows_the_versions() -> None:
    lines = [line.split() for line in run("doctor").stdout.splitlines()]
    assert ["numba", metadata.version("numba")] in lines
    assert lines[1][:2] == ["python", platform.python_version()]


def test_the_doctor_warms_up() -> None:
    done = run("doctor", "--warm")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1].startswith("every kernel is ready")
