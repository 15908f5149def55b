"""What the docs say works: every command and every Python block is run, every format is described."""

from __future__ import annotations

import doctest
import importlib
import io
import re
import shlex
import shutil
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import annokit
from annokit import formats
from annokit.cli import app
from annokit.io.source import Source
from annokit.run import Run
from tests.conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)


MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for package in ("annokit", "annokit_fast")
    for path in sorted((ROOT / package).rglob("*.py"))
    if path.name != "__main__.py" and ">>> " in path.read_text()
]


def blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text())


@pytest.fixture
def desk(samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files the docs speak of."""
    shutil.copy(samples / "street.ndjson", tmp_path / "export.ndjson")
    shutil.copy(samples / "coco.json", tmp_path / "instances_val2017.json")
    shutil.copy(samples / "coco.json", tmp_path / "corrected.json")
    shutil.copy(samples / "jellyfish.json", tmp_path)
    shutil.copytree(samples / "masks", tmp_path / "masks")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_command(line: str) -> None:
    words = shlex.split(line, comments=True)
    assert words[0] == "annokit"
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, f"{line}\n{result.output}\n{result.exception!r}"


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_docstrings_give_what_they_say(name: str) -> None:
    said = io.StringIO()
    runner = doctest.DocTestRunner()
    for example in doctest.DocTestFinder().find(importlib.import_module(name), name):
        runner.run(example, out=said.write)
    assert runner.summarize(verbose=False).failed == 0, said.getvalue()


@pytest.mark.usefixtures("desk")
def test_the_readme_does_what_it_says() -> None:
    names: dict[str, Any] = {}
    for language, text in blocks(ROOT / "README.md"):
        if language == "console":
            for line in text.splitlines():
                run_command(line.removeprefix("$ "))
        else:
            with redirect_stdout(io.StringIO()):
                exec(compile(text, "README.md", "exec"), names)


@pytest.mark.usefixtures("desk")
def test_the_account_in_the_readme_is_what_the_first_command_prints() -> None:
    page = (ROOT / "README.md").read_text()
    command = re.search(r"^\$ annokit (.*)", page, re.MULTILINE)
    account = re.search(r"here of the first one:\n\n```text\n(.*?)```", page, re.DOTALL)
    assert command
    assert account
    assert CliRunner().invoke(app, shlex.split(command[1])).stdout == account[1]


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("name", ["consensus.md", "delta.md", "diff.md", "scale.md", "tables.md", "video.md"])
def test_python_in_the_docs_runs(name: str) -> None:
    names: dict[str, Any] = {}
    for language, text in blocks(ROOT / "docs" / name):
        if language == "python":
            with redirect_stdout(io.StringIO()):
                exec(compile(text, name, "exec"), names)


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("page", [p for p in PAGES if p.name not in ("README.md",)], ids=lambda p: p.name)
def test_commands_in_the_docs_run(page: Path) -> None:
    for language, text in blocks(page):
        for line in text.splitlines() if language == "console" else ():
            if line.startswith("$ annokit"):
                run_command(line.removeprefix("$ "))


def test_the_worked_format_works(tmp_path: Path) -> None:
    names: dict[str, Any] = {"__name__": "toybox"}
    code = next(text for language, text in blocks(ROOT / "CONTRIBUTING.md") if language == "python")
    exec(compile(code, "CONTRIBUTING.md", "exec"), names)
    toybox = names["FORMAT"]
    source = annokit.read(ROOT / "docs" / "samples" / "coco.json")
    run = Run()
    run.report.count("read", "categories", len(source.ontology.tools))
    toybox.writer.write(source, tmp_path / "t.toybox", toybox.writer.options(), run)
    run.report.check()
    again = toybox.reader.read(Source(tmp_path / "t.toybox"), toybox.reader.options())
    assert sum(len(label.objects) for row in again for label in row.labels) == run.report.total(
        "written", "object:"
    )


def test_every_format_and_option_is_documented() -> None:
    page = (ROOT / "docs" / "formats.md").read_text()
    for one in formats():
        assert f"| `{one.name}` |" in page


def test_every_option_is_in_the_command_reference() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    for one in formats():
        for side in (one.reader, one.writer):
            for option in side.options.__struct_fields__ if side else ():
                assert f"--{option.replace('_', '-')}" in page, (one.name, option)


def test_the_command_reference_is_what_the_commands_say() -> None:
    names: dict[str, Any] = {"__name__": "generate"}
    exec(compile((ROOT / "docs" / "generate.py").read_text(), "generate.py", "exec"), names)
    assert (ROOT / "docs" / "cli.md").read_text() == names["reference"](), "run `make docs`"


def test_the_pictures_are_what_the_script_draws() -> None:
    names: dict[str, Any] = {"__name__": "pictures", "__file__": str(ROOT / "docs" / "pictures.py")}
    exec(compile((ROOT / "docs" / "pictures.py").read_text(), "pictures.py", "exec"), names)
    for name, content in names["pictures"]().items():
        assert (ROOT / "docs" / "pictures" / name).read_bytes() == content, "run `make docs`"


def test_every_promise_names_tests_that_are_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)`", (ROOT / "docs" / "reliability.md").read_text("utf-8"))
    assert len(named) > 15
    assert [name for name in named if not (ROOT / name).is_file()] == []
