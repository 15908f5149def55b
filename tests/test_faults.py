"""What can go wrong around us: a full disk, a failing call at any moment, signals, a second writer."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import annokit
from annokit.errors import AnnokitError, InputError, OutputError
from annokit.io import swap
from annokit.io.output import staged_file

TARGETS = {"coco": "out.json", "yolo": "out", "parquet": "out"}


def content(target: Path) -> dict[str, bytes]:
    files = [target] if target.is_file() else target.rglob("*")
    return {str(path.relative_to(target)): path.read_bytes() for path in files if path.is_file()}


def staging(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if ".annokit-" in name]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return labels(tmp_path / "in" / "labels.json", 3)


def labels(path: Path, images: int, boxes: int = 2) -> Path:
    document = {
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": 64, "height": 48} for n in range(images)],
        "annotations": [
            {"id": n, "image_id": n // boxes, "category_id": 1, "bbox": [1, 2, 3, 4 + n % 9]}
            for n in range(images * boxes)
        ],
        "categories": [{"id": 1, "name": "car"}],
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))
    return path


class Fault:
    """Counts calls, and makes one of them fail."""

    def __init__(self, number: int, code: int) -> None:
        self.number, self.code, self.calls, self.what = number, code, 0, ""

    def check(self, what: str) -> None:
        self.calls += 1
        if self.calls == self.number:
            self.what = what
            raise OSError(self.code, os.strerror(self.code))

    def around(self, what: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def faulty(*args: Any, **options: Any) -> Any:
            self.check(what)
            return function(*args, **options)

        return faulty

    def opened(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`open` whose handles fail, too: at each write, and at the flush when they are closed."""

        def faulty(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
            if not set(mode) & set("wax+"):
                return function(file, mode, *args, **options)
            self.check(f"open {file}")
            handle = function(file, mode, *args, **options)
            close = handle.close
            handle.write = self.around("write", handle.write)

            def closing() -> None:
                try:
                    if not handle.closed:
                        self.check("close")
                finally:
                    close()

            handle.close = closing
            return handle

        return faulty

    def install(self, patch: pytest.MonkeyPatch) -> None:
        for name in ("write", "fsync", "rename", "replace", "mkdir"):
            patch.setattr(os, name, self.around(name, getattr(os, name)))
        patch.setattr(io, "open", self.opened(io.open))
        patch.setattr(swap, "_exchanged", self.around("exchange", swap._exchanged))


def error_of(make: Callable[[], object]) -> AnnokitError | None:
    """What annokit raises on purpose; anything else goes on."""
    try:
        make()
    except AnnokitError as error:
        return error
    return None


def faults(
    reset: Callable[[], None], make: Callable[[], object], code: int
) -> Iterator[tuple[Fault, AnnokitError | None]]:
    """Run `make`, once for every call in it that may fail, with that one failing."""
    for number in range(1, 1000):
        reset()
        fault = Fault(number, code)
        with pytest.MonkeyPatch.context() as patch:
            fault.install(patch)
            raised = error_of(make)
        if not fault.what:
            return
        yield fault, raised
    pytest.fail("it never ends")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("to", TARGETS)
def test_whichever_call_fails_the_output_is_the_old_or_the_new_one(
    to: str, old: bool, code: int, source: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "place"
    target, before = folder / TARGETS[to], {}
    annokit.convert(source, tmp_path / "new" / TARGETS[to], to=to)
    after = content(tmp_path / "new" / TARGETS[to])
    if old:
        annokit.convert(labels(tmp_path / "in" / "old.json", 1), tmp_path / "old" / TARGETS[to], to=to)
        before = content(tmp_path / "old" / TARGETS[to])

    def reset() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        if old:
            shutil.copytree(tmp_path / "old", folder)

    seen = set()
    for fault, error in faults(reset, lambda: annokit.convert(source, target, to=to, overwrite=True), code):
        if error is None:  # it could do without: a folder that was there, a nameless temporary file
            assert fault.what in ("mkdir", f"open {folder}")
            assert content(target) == after
            continue
        seen.add(fault.what.partition(" ")[0])
        assert isinstance(error, OutputError), fault.what
        assert error.exit_code == 7
        assert str(target) in str(error)
        assert os.strerror(code) in str(error)
        assert "\n" not in str(error)
        assert content(target) in (before, after), fault.what
        assert not folder.exists() or not staging(folder), fault.what
    assert seen >= {"open", "write", "close", "fsync"}
    assert content(target) == after


_LIMITED = """
import resource, sys
import annokit
from annokit.errors import OutputError
source, target, to, step = *sys.argv[1:4], int(sys.argv[4])
failed = 0
for size in range(0, 1 << 20, step):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        annokit.convert(source, target, to=to)
    except OutputError as error:
        assert "File too large" in str(error), error
        failed += 1
    else:
        print(failed)
        break
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of processes")
@pytest.mark.parametrize(("to", "step"), [("coco", 97), ("yolo", 17), ("parquet", 997)])
def test_a_disk_that_is_full_after_any_number_of_bytes(
    to: str, step: int, source: Path, tmp_path: Path
) -> None:
    """Beneath Python, too: Parquet is written by a library of its own."""
    target = tmp_path / "place" / TARGETS[to]
    command = [sys.executable, "-c", _LIMITED, str(source), str(target), to, str(step)]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 5
    annokit.convert(source, tmp_path / "whole" / TARGETS[to], to=to)
    assert content(target) == content(tmp_path / "whole" / TARGETS[to])
    assert not staging(target.parent)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_what_may_not_be_written_or_read(source: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir(mode=0o500)
    for to, name in TARGETS.items():
        with pytest.raises(OutputError, match="Permission denied"):
            annokit.convert(source, place / name, to=to)
    source.chmod(0)
    with pytest.raises(InputError, match=r"labels\.json: cannot read: Permission denied"):
        annokit.convert(source, tmp_path / "out", to="yolo", format="coco")


def test_a_source_that_cannot_be_read_any_more(source: Path, tmp_path: Path) -> None:
    """Whichever opening of it fails."""
    opened = Path.open

    def failing(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        if path == source:
            fault.check("open")
        return opened(path, mode, *args, **options)

    def make() -> None:
        annokit.convert(source, target, to="yolo")

    target, number = tmp_path / "place" / "out", 0
    while not target.exists():
        number += 1
        fault = Fault(number, errno.EIO)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "open", failing)
            said = error_of(make)
        if said is not None:
            assert isinstance(said, InputError)
            assert str(said) == f"{source}: cannot read: {os.strerror(errno.EIO)}"
            assert not target.exists()
    assert number > 2


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("to", TARGETS)
def test_a_signal_leaves_the_old_output_and_says_so(
    to: str, number: int, source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "place" / TARGETS[to]
    annokit.convert(source, target, to=to)
    before = content(target)
    big = labels(tmp_path / "in" / "big.json", 60_000, boxes=4)
    command = [sys.executable, "-m", "annokit", "convert", str(big), str(target), "--to", to, "--overwrite"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        while not staging(target.parent):
            assert process.poll() is None
            time.sleep(0.001)
        time.sleep(0.1)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "annokit: error: interrupted"
    assert content(target) == before
    assert not staging(target.parent)


def test_a_second_writer_is_refused(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    with staged_file(target) as path:
        path.write_bytes(b"{}")
        with pytest.raises(OutputError, match=r"out\.json: another run is writing it"):
            annokit.convert(source, target, to="coco", overwrite=True)
    assert target.read_bytes() == b"{}"
    annokit.convert(source, target, to="coco", overwrite=True)
    assert not staging(tmp_path)


def test_the_lock_of_a_dead_process_holds_nobody(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    code = "import os, pathlib, sys; from annokit.io.lock import locked; "
    code += "held = locked(pathlib.Path(sys.argv[1])); held.__enter__(); os._exit(9)"
    subprocess.run([sys.executable, "-c", code, str(target)], check=False)
    assert staging(tmp_path)
    annokit.convert(source, target, to="coco")
    assert not staging(tmp_path)


def test_writers_at_once_leave_one_whole_output(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "place" / "out"
    outcomes: list[str] = []

    def write() -> None:
        try:
            annokit.convert(source, target, to="yolo", overwrite=True)
            outcomes.append("written")
        except OutputError as error:
            outcomes.append(error.problem)

    for _ in range(5):
        threads = [threading.Thread(target=write) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(outcomes) == 40
    assert "written" in outcomes
    assert set(outcomes) <= {"written", "another run is writing it"}
    assert not staging(target.parent)
    annokit.convert(source, tmp_path / "whole", to="yolo")
    assert content(target) == content(tmp_path / "whole")
