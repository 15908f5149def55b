"""`annokit convert`: what it prints, and how flags reach the library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from annokit.cli import app


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def convert(*words: object) -> Result:
    return run("convert", *words)


def document(*names: str, broken: int = 0) -> dict[str, Any]:
    """COCO with a box for each class name, and some more that are no boxes."""
    entries = [
        {"id": n, "image_id": 1, "category_id": n, "bbox": [1, 2, 3, 4], "area": 12}
        for n in range(1, len(names) + 1)
    ]
    bad = [{"id": 100 + n, "image_id": 1, "category_id": 1, "bbox": "no"} for n in range(broken)]
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
        "annotations": entries + bad,
        "categories": [{"id": n, "name": name} for n, name in enumerate(names, start=1)],
    }


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.json"
    path.write_text(json.dumps(document("person", "car", "fire, truck")))
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out.json"


def test_the_account_is_printed(samples: Path, target: Path) -> None:
    done = convert(samples / "street.ndjson", target, "--to", "coco")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["read", "written", "unsupported", "superseded", "derived"]
    table = {line.split()[0]: [int(cell) for cell in line.split()[1:]] for line in lines[1:7]}
    kinds = json.loads(Path(f"{target}.report.json").read_text())["kinds"]
    for kind, cells in table.items():
        assert cells == [kinds[kind][column] for column in lines[0].split()]
    assert list(table)[:2] == ["data_rows", "labels"]
    assert any(line.startswith("lost: 44 classifications:") and "[no-place], e.g. " in line for line in lines)
    assert any(line.startswith("note: 32 labels:") for line in lines)
    assert lines[-1] == f"written to {target}, report in {target}.report.json"
    assert all(line == line.rstrip() for line in lines)


def test_an_output_without_annotations_is_said_to_be_one(source: Path, target: Path, tmp_path: Path) -> None:
    vain = "none of the annotations is in it"
    assert vain in convert(source, tmp_path / "m", "--to", "mot").stdout
    assert vain in convert(source, target, "--to", "coco", "--where", "name = 'none'").stdout
    assert vain not in convert(source, target, "--to", "coco", "--overwrite").stdout
    source.write_text(json.dumps(document()))
    assert vain not in convert(source, target, "--to", "coco", "--overwrite").stdout


def test_the_report_as_json_and_nothing_at_all(source: Path, target: Path, tmp_path: Path) -> None:
    report = tmp_path / "my.json"
    done = convert(source, target, "--to", "coco", "--json", "--report", report)
    assert json.loads(done.stdout) == json.loads(report.read_text())
    assert not Path(f"{target}.report.json").exists()
    done = convert(source, target, "--to", "coco", "--quiet", "--overwrite", "--report", report)
    assert (done.exit_code, done.output) == (0, "")


def test_bad_records_are_put_aside_and_mended(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "in.json"
    source.write_text(json.dumps(document("car", broken=2)))
    done = convert(source, target, "--to", "coco")
    assert done.exit_code == 1
    aside = Path(f"{target}.quarantine.ndjson")
    assert f"2 records put aside, each with its reason, in {aside}" in done.stdout
    aside.write_text(aside.read_text().replace('\\"no\\"', "[5, 6, 7, 8]"))
    mended = tmp_path / "mended.json"
    done = run("requeue", aside, mended)
    assert done.stdout.startswith(f"2 records in {mended}")
    assert convert(mended, tmp_path / "rest.json", "--to", "coco").exit_code == 0
    assert len(json.loads((tmp_path / "rest.json").read_text())["annotations"]) == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--on-error", "skip"], 1),
        (["--on-error", "raise"], 3),
        (["--max-errors", "1"], 4),
        (["--strict"], 6),
        (["--strict", "--on-error", "skip"], 6),
    ],
)
def test_exit_codes_of_bad_records(words: list[str], code: int, tmp_path: Path, target: Path) -> None:
    source = tmp_path / "in.json"
    source.write_text(json.dumps(document("car", broken=2)))
    done = convert(source, target, "--to", "coco", *words)
    assert done.exit_code == code
    assert target.exists() == (code == 1)
    assert not Path(f"{target}.quarantine.ndjson").exists()


def test_what_stands_there_is_kept(source: Path, target: Path) -> None:
    target.write_text("mine")
    done = convert(source, target, "--to", "coco")
    assert done.exit_code == 7
    assert "--overwrite" in done.stderr
    assert target.read_text() == "mine"
    assert convert(source, target, "--to", "coco", "--overwrite", "--verify").exit_code == 0


def test_classes_and_names(source: Path, target: Path) -> None:
    words = ["--classes", 'auto,"fire, truck"', "--rename", "car=auto", "--rename", "person=a=b"]
    assert convert(source, target, "--to", "coco", *words).exit_code == 0
    assert [c["name"] for c in json.loads(target.read_text())["categories"]] == ["auto", "fire, truck"]
    done = convert(source, target, "--to", "coco", "--rename", "car")
    assert done.exit_code == 2
    assert "expected OLD=NEW" in done.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ids.json", '{"person": 7, "car": 3, "fire, truck": 90}'),
        ("ids.yaml", "person: 7\ncar: 3\n'fire, truck': 90\n"),
        ("ids.csv", 'name,id\nperson,7\ncar,3\n\n"fire, truck",90\n'),
        ("IDS.CSV", '\ufeffperson,7\r\ncar,3\r\n"fire, truck",90\r\n'),
    ],
)
def test_ids_from_a_file(name: str, text: str, source: Path, target: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    done = convert(source, target, "--to", "coco", "--ids", tmp_path / name)
    assert done.exit_code == 0, done.output
    found = json.loads(target.read_text())
    assert {c["name"]: c["id"] for c in found["categories"]} == {"person": 7, "car": 3, "fire, truck": 90}


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("ids.json", '{"person": "7"}', "expected an object of whole numbers by name"),
        ("ids.json", "[1, 2]", "expected an object of whole numbers by name"),
        ("ids.yaml", "a: [1", "ids.yaml:1: expected JSON or YAML"),
        ("ids.yaml", "!!python/object/apply:os.system [ls]", "expected JSON or YAML"),
        ("ids.csv", "name,id\ncar\n", "ids.csv:2: expected name,number"),
    ],
)
def test_ids_that_are_none(
    name: str, text: str, complaint: str, source: Path, target: Path, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    done = convert(source, target, "--to", "coco", "--ids", tmp_path / name)
    assert done.exit_code == 3
    assert complaint in done.stderr
    assert not target.exists()


def test_options_of_formats_reach_them(source: Path, tmp_path: Path) -> None:
    words = ["--to", "yolo", "--task", "detect", "--decimals", "2", "--split", "train=1", "--seed", "5"]
    assert convert(source, tmp_path / "yolo/", *words).exit_code == 0
    (labels,) = (tmp_path / "yolo" / "labels").rglob("*.txt")
    assert labels.read_text().split()[:5] == ["0", "0.04", "0.08", "0.05", "0.08"]
    assert (tmp_path / "yolo.report.json").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            ["--to", "coco", "--task", "segment"],
            "--task is an option of writing yolo; this is reading coco, writing coco",
        ),
        (
            ["--to", "yolo", "--sizes", "s.csv"],
            "--sizes is an option of reading yolo; this is reading coco, writing yolo",
        ),
        (["--to", "yolo", "--task", "panoptic"], "'--task'"),
        (["--to", "yolo", "--decimals", "x"], "'--decimals'"),
        (["--to", "yolo", "--max-errors", "x"], "'--max-errors'"),
    ],
)
def test_options_of_other_formats_are_refused(
    words: list[str], complaint: str, source: Path, target: Path
) -> None:
    done = convert(source, target, *words)
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert not target.exists()


def test_help_names_the_formats_of_each_option() -> None:
    text = " ".join(convert("--help").stdout.split())
    assert "--task [classify|detect|obb|pose|segment] writing yolo: " in text
    assert "reading labelbox, reading labelbox-v1: folder with the PNGs" in text
    assert "--max-line-bytes N Length of one NDJSON line" in text
    assert "--task" not in run("info", "--help").stdout.replace("--from-task", "")


def test_several_sources_become_one(source: Path, target: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps(document("car")))
    done = convert(source, other, target, "--to", "coco")
    assert done.exit_code in (0, 2), done.output
