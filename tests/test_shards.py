"""Conversions in shards: each one whole, and a run that was cut short goes on where it stopped."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import annokit
from annokit.cli import app
from annokit.errors import OutputError, UsageError


@pytest.fixture
def export(samples: Path, tmp_path: Path) -> Path:
    """An export of some dozen rows, the last one broken."""
    lines = [
        line.replace('"id":"', f'"id":"{number}', 1)
        for number in range(4)
        for line in (samples / "street.ndjson").read_text().splitlines()
    ]
    path = tmp_path / "export.ndjson"
    path.write_text("\n".join([*lines, lines[0][:80]]))
    return path


def _content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "run.json"  # says where the input is
    }


@pytest.mark.parametrize("to", ["coco", "yolo", "parquet"])
def test_shards_hold_what_the_whole_holds(to: str, export: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    account = annokit.convert_shards(export, out, to=to, shard_size=9000, on_error="quarantine", workers=2)
    whole = annokit.convert(
        export, tmp_path / f"whole{'.json' * (to == 'coco')}", to=to, on_error="quarantine"
    )
    assert account.to_dict()["kinds"] == whole.to_dict()["kinds"]
    assert json.loads((tmp_path / "out.report.json").read_text())["kinds"] == account.to_dict()["kinds"]
    shards = json.loads((out / "shards.json").read_text())["shards"]
    assert len(shards) > 2
    assert sum(shard["data_rows"] for shard in shards) == account.total("written", "data_rows")
    found = [annokit.read(out / shard["name"]) for shard in shards]
    assert all(dataset.ontology.tools == found[0].ontology.tools for dataset in found)
    names = [row.name for dataset in found for row in dataset]
    assert names == [row.name for row in annokit.read(export, on_error="skip")]
    assert [path.name for path in out.glob("*.quarantine.ndjson")] == [
        f"{shards[-1]['name']}.quarantine.ndjson"
    ]
    assert not list(out.glob(".*"))
    assert not (tmp_path / "out.unfinished").exists()


def test_a_run_killed_at_any_moment_and_gone_on_with_gives_the_same_bytes(
    export: Path, tmp_path: Path
) -> None:
    options = ["--to", "yolo", "--shard-size", "4kB", "--split", "train=.8,val=.2", "--quiet"]
    arguments = [sys.executable, "-m", "annokit", "convert", str(export), *options]
    subprocess.run([*arguments, str(tmp_path / "whole")], check=False)
    whole = _content(tmp_path / "whole")
    assert len({name.split("/")[0] for name in whole}) > 8
    moments = random.Random(11)
    rounds, kills = 0, 0
    while kills < 20:
        out = tmp_path / f"out{rounds}"
        while not out.exists():
            run = subprocess.Popen([*arguments, str(out), "--resume", "--workers", "1"])
            try:
                run.wait(moments.uniform(0.3, 1.3))
            except subprocess.TimeoutExpired:
                run.kill()
                run.wait()
                kills += 1
        assert _content(out) == whole
        rounds += 1
    _until_gone(tmp_path)


def _until_gone(folder: Path) -> None:
    deadline = time.monotonic() + 10
    while list(folder.glob("*.unfinished")):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _cut_short(export: Path, out: Path, monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    """A run that stopped after its second shard."""
    from annokit import shards

    made = []

    def write(*arguments: object, **options: object) -> annokit.Report:
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(annokit.write(*arguments, **options))
        return made[-1]

    with monkeypatch.context() as patched:
        patched.setattr(shards, "write", write)
        with pytest.raises(KeyboardInterrupt):
            annokit.convert_shards(export, out, to="coco", shard_size=9000, on_error="skip", **more)


def test_only_what_is_missing_is_made_again(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    _cut_short(export, out, monkeypatch)
    unfinished = tmp_path / "out.unfinished"
    before = {path.name: path.stat().st_mtime_ns for path in unfinished.glob("part-*")}
    assert len(before) == 2
    assert not out.exists()
    progress: list[int] = []
    annokit.convert_shards(
        export, out, to="coco", shard_size=9000, on_error="skip", resume=True, progress=progress.append
    )
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before
    assert sum(progress) == export.stat().st_size


def test_a_run_that_was_cut_short_is_not_touched_unless_it_is_said(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    _cut_short(export, out, monkeypatch)
    with pytest.raises(OutputError, match="a run was cut short"):
        annokit.convert_shards(export, out, to="coco", shard_size=9000, on_error="skip")
    annokit.convert_shards(export, out, to="coco", shard_size=9000, on_error="skip", overwrite=True)
    assert out.exists()
    before = _content(out)
    done = annokit.convert_shards(export, out, to="coco", shard_size=9000, on_error="skip", resume=True)
    assert done.total("written", "data_rows") == len(list(annokit.read(export, on_error="skip")))
    assert _content(out) == before
    with pytest.raises(OutputError, match="exists"):
        annokit.convert_shards(export, out, to="coco", shard_size=9000, resume=True)
    again = annokit.convert_shards(export, out, to="coco", shard_size=5000, on_error="skip", overwrite=True)
    assert again.total("written", "data_rows") == len(list(annokit.read(export, on_error="skip")))


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("the option classes", {"split": None, "classes": ["car"]}),
        ("shard_size", {"shard_size": 8000}),
        ("to", {"to": "yolo"}),
        ("sources", {}),
    ],
)
def test_another_run_is_not_gone_on_with(
    what: str, change: dict[str, object], export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    _cut_short(export, out, monkeypatch)
    if what == "sources":
        export.write_text(export.read_text().replace("car", "bus", 1))
    options = {"to": "coco", "shard_size": 9000, "on_error": "skip"} | change
    with pytest.raises(UsageError, match=f"cannot go on: {what} "):
        annokit.convert_shards(export, out, resume=True, **options)


def test_a_strange_folder_where_shards_would_lie_is_left_alone(export: Path, tmp_path: Path) -> None:
    mine = tmp_path / "out.unfinished"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    for options in ({"overwrite": True}, {"resume": True}, {}):
        with pytest.raises(annokit.AnnokitError):
            annokit.convert_shards(export, tmp_path / "out", to="coco", shard_size=9000, **options)
    assert (mine / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    "options", [{"labels": "merge"}, {"labels": "annotator:x"}, {"where": "1=1", "split": "a=1"}]
)
def test_what_looks_at_rows_of_several_shards_is_refused(
    options: dict[str, str], export: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="several"):
        annokit.convert_shards(export, tmp_path / "out", to="yolo", shard_size=9000, **options)


def test_a_table_that_grows_is_not_made_in_shards(export: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="delta is one table"):
        annokit.convert_shards(export, tmp_path / "out", to="delta", shard_size=9000)


def test_several_sources_are_shards_of_their_own(tmp_path: Path, samples: Path) -> None:
    again = tmp_path / "again.ndjson"
    again.write_bytes((samples / "street.ndjson").read_bytes())
    account = annokit.convert_shards(
        [samples / "street.ndjson", again], tmp_path / "out", to="coco", shard_size=1 << 30
    )
    assert account.total("written", "data_rows") == 2 * len(again.read_text().splitlines())
    summary = json.loads((tmp_path / "out" / "shards.json").read_text())["shards"]
    assert [shard["source"] for shard in summary] == [str(samples / "street.ndjson"), str(again)]


def test_sizes_on_the_command_line(export: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> int:
        command = ["convert", str(export), str(tmp_path / "o"), "--to", "coco", *arguments]
        return CliRunner().invoke(app, command).exit_code

    assert run("--shard-size", "lots") == 2
    assert run("--resume") == 2
    assert run("--shard-size", "0") == 2
    assert run("--shard-size", "8KiB") == 1  # a line was put aside
    assert (tmp_path / "o" / "part-00001.json").exists()


def test_a_yolo_folder_whose_labels_changed_is_another_input(tmp_path: Path, samples: Path) -> None:
    from annokit import shards
    from annokit.io.source import Source

    annokit.convert(samples / "coco.json", tmp_path / "in", to="yolo")
    file = tmp_path / "in" / "data.yaml"

    def identity() -> object:
        opened = [Source(file)]
        job = shards._planned(opened, "yolo", "coco", 1 << 20, {"sizes": str(tmp_path / "sizes.csv")})
        return shards._identity(opened, job, 1 << 20)

    (tmp_path / "sizes.csv").write_text("a.jpg,1,2")
    before = identity()
    assert identity() == before
    (tmp_path / "sizes.csv").write_text("a.jpg,1,3")
    assert identity() != before
    (tmp_path / "sizes.csv").write_text("a.jpg,1,2")
    label = next((tmp_path / "in" / "labels").rglob("*.txt"))
    label.write_text("")
    assert identity() != before


def test_masks_that_changed_are_another_input(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    masks = tmp_path / "masks"
    shutil.copytree(samples / "masks", masks)
    _cut_short(samples / "street.ndjson", tmp_path / "out", monkeypatch, masks=str(masks))
    next(masks.glob("*.png")).unlink()
    with pytest.raises(UsageError, match="cannot go on: the option masks is not"):
        annokit.convert_shards(
            samples / "street.ndjson",
            tmp_path / "out",
            to="coco",
            shard_size=9000,
            on_error="skip",
            resume=True,
            masks=str(masks),
        )
