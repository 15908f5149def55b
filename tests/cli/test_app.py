"""The command as a whole: help, exit codes, one line for each error, signals and pipes."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from annokit.cli import app

COMMANDS = ("convert", "info", "view", "formats", "detect", "masks", "requeue", "insights", "doctor")
HEAVY = {"numpy", "numba", "pyarrow", "shapely", "pandas", "PIL", "rich", "yaml", "annokit.formats"}


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def spawn(*words: object, **options: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "annokit", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("statement", ["import annokit", "from annokit.cli import app; app(['--help'])"])
def test_nothing_heavy_is_loaded(statement: str) -> None:
    code = f"""
import sys, atexit
atexit.register(lambda: print("LOADED", *[m for m in sys.modules if m in {HEAVY!r}]))
{statement}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED"


COMPILED = {"numba", "pyarrow", "shapely", "pandas", "PIL", "duckdb", "multiprocessing"}
FORMATS = (
    "coco",
    "ground_truth",
    "labelbox",
    "labelbox_import",
    "labelbox_v1",
    "mot",
    "geojson",
    "parquet",
    "yolo",
)


@pytest.mark.parametrize(
    ("kind", "to", "own"), [("coco", "yolo", {"coco", "yolo"}), ("export", "coco", {"coco", "labelbox"})]
)
def test_a_small_conversion_loads_what_it_needs(
    kind: str, to: str, own: set[str], tmp_path: Path, generate: Callable[..., None]
) -> None:
    source = tmp_path / "coco.json"
    generate("make_coco", source, "--scale", 0.0005)
    if kind == "export":
        generate("make_export", source, tmp_path / "export.ndjson")
        source = tmp_path / "export.ndjson"
    light = (COMPILED | {f"annokit.formats.{name}" for name in FORMATS}) - {
        f"annokit.formats.{name}" for name in own
    }
    code = f"""
import sys, atexit
atexit.register(lambda: print("LOADED", *[m for m in sys.modules if m in {light!r}]))
from annokit.cli import app
app(["convert", "--quiet", {str(source)!r}, {str(tmp_path / "out")!r}, "--to", {to!r}])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED"
    assert (tmp_path / "out").exists()


def test_help_lists_every_command_in_one_line() -> None:
    done = run("--help")
    assert done.exit_code == 0
    for name in COMMANDS:
        (line,) = re.findall(rf"^  {name} .*$", done.stdout, re.MULTILINE)
        assert len(line.split()) > 3
    assert "_ANNOKIT_COMPLETE" in done.stdout
    assert run().exit_code == 2  # no command: the help, and a code that stops a script


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    done = run(name, "--help")
    assert done.exit_code == 0
    assert done.stdout.startswith(f"Usage: annokit {name}") or done.stdout.startswith(f"Usage: app {name}")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["nope"], 2, "No such command 'nope'"),
        (["convert"], 2, "Missing argument"),
        (["convert", "{coco}", "--to", "coco"], 2, "Missing argument 'DST'"),
        (["convert", "a", "b", "--to", "nope"], 3, "a: cannot read: No such file"),
        (["convert", "{coco}", "b", "--to", "nope"], 2, "no format is called 'nope'"),
        (["detect", "{nothing}"], 2, "looks like no known format"),
        (["convert", "-", "b", "--to", "coco"], 2, "reading from standard input is not supported"),
        (["info", "-"], 2, "give a file"),
        (["convert", "{coco}", "-", "--to", "coco"], 2, "writing to standard output is not supported"),
        (["convert", "{coco}", "/dev/stdout", "--to", "yolo"], 2, "give a file or folder"),
        (["info", "{broken}", "--from", "coco"], 3, "broken.json"),
        (["info", "{coco}", "--max-document-bytes", "10"], 4, "--max-document-bytes"),
        (["detect", "http://host/a.json?token=secret"], 2, "annokit does not fetch"),
        (["view", "{coco}", "--row", "x\x1b[31m", "-o", "a.svg"], 2, r"no data row is called 'x\x1b[31m'"),
        (["view", "{coco}", "--row", "x", "-o", "a.gif"], 2, ".svg or .png"),
    ],
)
def test_errors_are_one_line_with_their_code(
    words: list[str], code: int, message: str, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nothing").write_text("hello")
    (tmp_path / "broken.json").write_text('{"images": [')
    files = {
        "coco": samples / "coco.json",
        "nothing": tmp_path / "nothing",
        "broken": tmp_path / "broken.json",
    }
    done = run(*[word.format(**files) for word in words])
    assert done.exit_code == code, done.output
    (line,) = done.stderr.splitlines()
    assert line.startswith("annokit: error: ")
    assert message in line
    assert "secret" not in line
    assert done.stdout == ""


def test_the_module_is_the_command() -> None:
    done = spawn("--version")
    assert done.communicate()[0].startswith(b"annokit ")
    assert done.returncode == 0


def test_a_bug_is_shown_whole_and_never_taken_for_success() -> None:
    code = "import sys; sys.modules['annokit.cli.detect'] = None; from annokit.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "detect", "x"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 70
    assert "Traceback" in done.stderr


def test_a_shell_completes_commands_formats_and_policies() -> None:
    def completed(line: str) -> list[str]:
        words = line.split(" ")
        asked = {"_ANNOKIT_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
        done = subprocess.run(
            [sys.executable, "-m", "annokit"],
            env=os.environ | asked,
            capture_output=True,
            text=True,
            check=False,
        )
        return [word.removeprefix("plain,") for word in done.stdout.split()]

    assert completed("annokit con") == ["convert", "consensus"]
    assert completed("annokit convert a b --to coco-") == ["coco-panoptic", "coco-results"]
    assert "labelbox" in completed("annokit info a --from l")
    assert completed("annokit convert a b --labels ") == ["all", "newest", "benchmark", "annotator:", "merge"]


def test_output_that_nobody_reads_ends_quietly() -> None:
    with spawn("formats", "--json") as done:
        done.stdout.close()  # type: ignore[union-attr]  # it is a pipe
        assert done.stderr.read() == b""  # type: ignore[union-attr]
    assert done.returncode == 141


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_a_conversion_cleanly(number: signal.Signals, samples: Path, tmp_path: Path) -> None:
    feed = tmp_path / "feed.ndjson"
    os.mkfifo(feed)  # an input that does not end
    done = spawn("convert", feed, tmp_path / "out.json", "--to", "coco", "--from", "coco")
    with feed.open("wb") as handle:
        handle.write(b'{"images": [')
        handle.flush()
        time.sleep(0.3)
        done.send_signal(number)
        _, complaint = done.communicate(timeout=20)
    assert done.returncode == 130
    assert complaint.decode().split() == ["annokit:", "error:", "interrupted"]
    assert [path.name for path in tmp_path.iterdir()] == ["feed.ndjson"]


def test_any_output_encoding_will_do(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(
        '{"images":[{"id":1,"file_name":"a.jpg","width":9,"height":9}],"annotations":[{"id":1,"image_id":1,'
        '"category_id":1,"bbox":[1,1,2,2]}],"categories":[{"id":1,"name":"名"}]}'
    )
    done = spawn("info", tmp_path / "a.json", env=os.environ | {"PYTHONIOENCODING": "latin-1"})
    out, complaint = done.communicate()
    assert (done.returncode, complaint) == (0, b"")
    assert rb"\u540d" in out


def on_terminal(*words: object, feed: bytes = b"", **environment: str) -> tuple[str, int]:
    """What a command writes to a terminal, and its exit code; what it reads from a pipe comes late."""
    parent, child = pty.openpty()
    env = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR")}
    done = subprocess.Popen(
        [sys.executable, "-m", "annokit", *map(str, words)],
        stdout=child,
        stderr=child,
        stdin=subprocess.PIPE,
        env=env | {"TERM": "xterm-256color"} | environment,
    )
    os.close(child)
    threading.Thread(target=_feed, args=(done, feed)).start()
    written = b""
    while True:
        ready, _, _ = select.select([parent], [], [], 20)
        try:
            part = os.read(parent, 65536) if ready else b""
        except OSError:  # the other end is closed
            part = b""
        if not part:
            break
        written += part
    os.close(parent)
    return written.decode(), done.wait()


def _feed(process: subprocess.Popen[bytes], data: bytes) -> None:
    with process, process.stdin as handle:  # type: ignore[union-attr]  # it is a pipe
        if data:
            time.sleep(4)  # the program has started by then, and the bar had its second
            handle.write(data)


def test_terminals_get_colour_unless_they_do_not_want_it(samples: Path) -> None:
    out, code = on_terminal("info", samples / "coco.json")
    assert code == 0
    assert "\x1b[1m" in out
    out, _ = on_terminal("info", samples / "coco.json", NO_COLOR="1")
    assert "\x1b[3" not in out
    assert "\x1b" not in run("info", samples / "coco.json").stdout


def test_long_work_shows_a_bar_on_a_terminal(samples: Path, tmp_path: Path) -> None:
    words = ["convert", "/dev/stdin", tmp_path / "out.json", "--to", "coco", "--from", "coco", "--overwrite"]
    feed = (samples / "coco.json").read_bytes()
    out, code = on_terminal(*words, feed=feed)
    assert code == 0
    assert "━" in out
    out, code = on_terminal(*words, "--quiet", feed=feed)
    assert (out, code) == ("", 0)
    out, code = on_terminal(
        "convert", samples / "coco.json", tmp_path / "out.json", "--to", "coco", "--overwrite"
    )
    assert code == 0
    assert "━" not in out  # it took less than a second
