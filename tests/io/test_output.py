from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from annokit.errors import OutputError, UnsafeInput
from annokit.io import swap
from annokit.io.output import MARKER, StagedFile, StagedFolder, staged, staged_file, staged_folder, write_many


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` but the marker, by its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MARKER)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def fill(target: Path, content: bytes, **options: bool) -> None:
    with staged_folder(target, **options) as folder:
        write_many(folder, ["a.txt", "labels/b.txt"], [content, content])


def write(target: Path, content: bytes, **options: bool) -> None:
    with staged_file(target, **options) as path:
        path.write_bytes(content)


def test_a_file_appears_at_the_end(tmp_path):
    target = tmp_path / "deep" / "out.json"
    with staged_file(target) as path:
        path.write_bytes(b"new")
        assert path.parent == target.parent
        assert not target.exists()
    assert tree(tmp_path) == {"deep/out.json": b"new"}


def test_a_folder_appears_at_the_end(tmp_path):
    target = tmp_path / "deep" / "out"
    with staged_folder(str(target) + "/") as folder:
        write_many(folder, ["a/b.txt"], [b"new"])
        assert not target.exists()
    assert tree(tmp_path) == {"deep/out/a/b.txt": b"new"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("stage", [staged_file, staged_folder])
def test_an_error_leaves_everything_as_it_was(tmp_path, error, stage):
    target = tmp_path / "out"
    write(target, b"old") if stage is staged_file else fill(target, b"old")
    before = tree(tmp_path)

    def interrupted():
        with stage(target, overwrite=True) as path:
            (path if stage is staged_file else path / "x").write_bytes(b"half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert tree(tmp_path) == before
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("stage", [staged_file, staged_folder])
def test_what_exists_is_refused_before_any_work(tmp_path, stage):
    target = tmp_path / "out"
    write(target, b"old") if stage is staged_file else fill(target, b"old")
    with (
        pytest.raises(
            OutputError, match=r"out: it exists \(--overwrite \(in Python overwrite=True\) replaces it\)"
        ),
        stage(target),
    ):
        pytest.fail("the body must not run")


def test_what_appears_meanwhile_is_not_replaced(tmp_path):
    target = tmp_path / "out"

    def outrun():
        with staged_file(target) as path:
            path.write_bytes(b"mine")
            target.write_bytes(b"theirs")

    with pytest.raises(OutputError, match="it exists"):
        outrun()
    assert target.read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("exchange", [True, False])
def test_overwriting(tmp_path, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(swap, "_exchanged", lambda one, other: False)
    write(tmp_path / "file", b"old")
    (tmp_path / "file").chmod(0o600)
    write(tmp_path / "file", b"new", overwrite=True)
    fill(tmp_path / "folder", b"old")
    fill(tmp_path / "folder", b"new", overwrite=True)
    assert tree(tmp_path) == {"file": b"new", "folder/a.txt": b"new", "folder/labels/b.txt": b"new"}
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_without_an_exchange_a_failed_rename_is_rolled_back(tmp_path, monkeypatch):
    monkeypatch.setattr(swap, "_exchanged", lambda one, other: False)
    fill(tmp_path / "out", b"old")
    rename = Path.rename

    def failing(self, target):
        if "staging" in self.name:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OutputError, match="out: cannot write: No space left on device"):
        fill(tmp_path / "out", b"new", overwrite=True)
    assert tree(tmp_path) == {"out/a.txt": b"old", "out/labels/b.txt": b"old"}
    assert os.listdir(tmp_path) == ["out"]


def test_an_empty_folder_may_be_filled(tmp_path):
    (tmp_path / "out").mkdir()
    fill(tmp_path / "out", b"new")
    assert len(tree(tmp_path)) == 2


def test_a_folder_annokit_did_not_write_is_never_replaced(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_bytes(b"years")
    with pytest.raises(OutputError, match="annokit did not write this folder"):
        fill(tmp_path / "home", b"new", overwrite=True)
    assert tree(tmp_path) == {"home/thesis.txt": b"years"}


def test_nor_is_one_to_which_something_was_added(tmp_path):
    fill(tmp_path / "out", b"old")
    (tmp_path / "out" / "labels" / "train.cache").write_bytes(b"what a trainer leaves does not count")
    fill(tmp_path / "out", b"new", overwrite=True)
    (tmp_path / "out" / "images").mkdir()
    (tmp_path / "out" / "images" / "1.jpg").write_bytes(b"a picture")
    with pytest.raises(OutputError, match="files were added in images: 1, annokit wrote 0"):
        fill(tmp_path / "out", b"newer", overwrite=True)
    assert tree(tmp_path)["out/images/1.jpg"] == b"a picture"


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"files": 3}'])
def test_a_marker_that_is_none(tmp_path, content):
    fill(tmp_path / "out", b"old")
    (tmp_path / "out" / MARKER).write_bytes(content)
    with pytest.raises(OutputError, match="did not write"):
        fill(tmp_path / "out", b"new", overwrite=True)


def test_places_that_are_never_written(tmp_path, monkeypatch):
    fill(tmp_path / "work", b"old")
    monkeypatch.chdir(tmp_path / "work" / "labels")
    (tmp_path / "link").symlink_to(tmp_path / "work")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    refused = {
        "/": "root folder",
        ".": "which is in use",
        "..": "which is in use",
        str(tmp_path / "work"): "which is in use",
        str(tmp_path / "link"): "symbolic link",
        str(tmp_path / "dangling"): "symbolic link",
        str(tmp_path / "pipe"): "neither a file nor a folder",
    }
    for target, text in refused.items():
        with pytest.raises(OutputError, match=text), staged_folder(target, overwrite=True):
            pytest.fail("the body must not run")
    for target in ("/", "..", str(tmp_path / "link"), str(tmp_path / "pipe"), str(tmp_path / "work")):
        with pytest.raises(OutputError), staged_file(target, overwrite=True):
            pytest.fail("the body must not run")
    with pytest.raises(OutputError, match="got a file"):
        fill(tmp_path / "work" / "a.txt", b"", overwrite=True)


def test_what_is_being_read_is_never_written(tmp_path):
    fill(tmp_path / "in", b"old")
    source = tmp_path / "in" / "a.txt"
    with (
        pytest.raises(OutputError, match="in use"),
        staged_folder(tmp_path / "in", overwrite=True, sources=[source]),
    ):
        pytest.fail("the body must not run")
    with (
        pytest.raises(OutputError, match="being read"),
        staged_file(source, overwrite=True, sources=[source]),
    ):
        pytest.fail("the body must not run")


def test_an_error_of_the_system_names_the_destination(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"out\.json: cannot write: Not a directory") as caught:
        write(tmp_path / "file" / "deep" / "out.json", b"")
    assert caught.value.exit_code == 7
    with pytest.raises(OutputError, match=r"out\.json: expected a folder to write into, got the file"):
        write(tmp_path / "file" / "out.json", b"")


def test_outputs_that_belong_together(tmp_path):
    (tmp_path / "out.quarantine.ndjson").write_bytes(b"of the run before")

    def parts():
        return (
            StagedFile(tmp_path / "out.quarantine.ndjson", overwrite=True, optional=True),
            StagedFile(tmp_path / "out.report.json", overwrite=True),
            StagedFolder(tmp_path / "out", overwrite=True),
        )

    quarantine, report, main = parts()
    with pytest.raises(OutputError, match="cannot write"), staged(quarantine, report, main):
        (main.path / "a.txt").write_bytes(b"1")  # but no report
    assert tree(tmp_path) == {"out.quarantine.ndjson": b"of the run before"}
    quarantine, report, main = parts()
    with staged(quarantine, report, main):
        report.path.write_bytes(b"{}")
        (main.path / "a.txt").write_bytes(b"1")
    assert tree(tmp_path) == {"out.report.json": b"{}", "out/a.txt": b"1"}


def test_leftovers_of_killed_runs_go_away(tmp_path):
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    pid = int(dead.stdout)
    (tmp_path / f".out.annokit-staging-{pid}-0123abcd").mkdir()
    (tmp_path / f".out.annokit-staging-{pid}-0123abcd" / "x").write_bytes(b"half")
    (tmp_path / f".out.annokit-{pid}-0123abcd.tmp").write_bytes(b"half")
    old = tmp_path / f".out.annokit-old-{pid}-0123abcd"
    fill(old, b"old")
    alive = tmp_path / f".out.annokit-{os.getpid()}-0123abcd.tmp"
    other = tmp_path / f".other.annokit-{pid}-0123abcd.tmp"
    for path in (alive, other):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="stop"), staged_folder(tmp_path / "out", overwrite=True):
        raise ValueError("stop")
    assert sorted(os.listdir(tmp_path)) == sorted([alive.name, other.name, "out"])
    assert tree(tmp_path)["out/a.txt"] == b"old"  # killed between two renames: the old one was put back


ENDLESS = """
import sys
from pathlib import Path
from annokit.io.output import staged_file, staged_folder, write_many
target, kind = Path(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
for turn in range(100_000):
    content = b"%d" % turn * 1000
    if kind == "file":
        with staged_file(target, overwrite=True) as path:
            path.write_bytes(content)
    else:
        with staged_folder(target, overwrite=True) as folder:
            write_many(folder, [f"{n}.txt" for n in range(20)], [content] * 20)
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_kill_at_any_moment_leaves_a_whole_output(tmp_path, kind):
    target = tmp_path / "out"
    for seed in range(8):
        command = [sys.executable, "-c", ENDLESS, str(target), kind]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
            process.stdout.readline()
            while not target.exists():
                time.sleep(0.001)
            time.sleep(random.Random(seed).uniform(0, 0.03))
            process.send_signal(signal.SIGKILL)
        files = list(tree(target).values()) if kind == "folder" else [target.read_bytes()]
        assert len(files) == (20 if kind == "folder" else 1)
        assert len(set(files)) == 1
        assert len(files[0]) % 1000 == 0
        assert files[0]
    write(target, b"end", overwrite=True) if kind == "file" else fill(target, b"end", overwrite=True)
    assert os.listdir(tmp_path) == ["out"]


def test_a_full_disk(tmp_path):
    target = tmp_path / "out.json"
    write(target, b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        with pytest.raises(OutputError, match=r"out\.json: cannot write: File too large"):
            write(target, b"x" * 5000, overwrite=True)
        with pytest.raises(OutputError, match="out: cannot write: File too large"):
            fill(tmp_path / "out", b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert tree(tmp_path) == {"out.json": b"old"}
    assert os.listdir(tmp_path) == ["out.json"]


def test_many_files(tmp_path):
    names = [f"{n % 3}/{n}.txt" for n in range(100)]
    write_many(tmp_path, names, [memoryview(name.encode()) for name in names])
    assert tree(tmp_path) == {name: name.encode() for name in names}
    with pytest.raises(FileExistsError):
        write_many(tmp_path, ["0/0.txt"], [b""])


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/../../x", "a/..", "/etc/x", "a//b", "a/", "./a", "a\0b", "a\\b", "C:x"]
)
def test_names_that_lead_out_are_refused(tmp_path, name):
    with pytest.raises(UnsafeInput, match="leads out of its folder"):
        write_many(tmp_path / "in", ["good.txt", name], [b"", b""])
    assert list(tmp_path.iterdir()) == []


def test_dots_in_names_are_fine(tmp_path):
    names = [".hidden", "a..b", "a...", "...", "x/..y"]
    write_many(tmp_path, names, [b""] * len(names))
    assert sorted(tree(tmp_path)) == sorted(names)
