"""Converting: all of it or nothing, whatever happens; detection; inputs of every sort."""

from __future__ import annotations

import io
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import annokit
from annokit.errors import AccountingError, InputError, OutputError, UsageError
from annokit.model import Asset, DataRow, Label, ObjectAnnotation, TextSpan
from annokit.report import Report


@pytest.fixture
def source(samples: Path) -> Path:
    return samples / "coco.json"


def test_the_report_is_beside_the_output_and_adds_up(source: Path, tmp_path: Path) -> None:
    report = annokit.convert(source, tmp_path / "o.json", to="coco")
    saved = json.loads((tmp_path / "o.json.report.json").read_text())
    assert saved == report.to_dict()
    assert set(saved) == {"annokit", "source", "target", "kinds", "losses"}
    for row in saved["kinds"].values():
        spent = ("written", "merged", "unsupported", "quarantined", "skipped", "superseded")
        assert row["read"] == sum(row[column] for column in spent)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.json", "o.json.report.json"]


def test_an_existing_destination_is_left_alone_unless_told(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "o.json"
    target.write_text("mine")
    with pytest.raises(OutputError, match="overwrite") as caught:
        annokit.convert(source, target, to="coco")
    assert caught.value.exit_code == 7
    assert target.read_text() == "mine"
    annokit.convert(source, target, to="coco", overwrite=True)
    assert json.loads(target.read_text())["images"]


def test_what_cannot_be_read_again_is_said_of_the_output(tmp_path: Path) -> None:
    span = ObjectAnnotation(tool_name="name", geometry=TextSpan(start=-3, end=5))
    row = DataRow(id="1", asset=Asset(media_type="text"), labels=(Label(annotations=(span,)),))
    target = tmp_path / "o.ndjson"
    said = rf"^{re.escape(str(target))}:1 .*: the output cannot be read again, .*: expected a start from 0 on"
    with pytest.raises(OutputError, match=said):
        annokit.write([row], target, format="labelbox", verify=True)
    assert list(tmp_path.iterdir()) == []


def test_outputs_never_replace_one_another_nor_a_mended_quarantine(source: Path, tmp_path: Path) -> None:
    target, mended = tmp_path / "o.json", tmp_path / "o.json.quarantine.ndjson"
    with pytest.raises(OutputError, match="own place"):
        annokit.convert(source, target, to="coco", report=target)
    mended.write_text("mended by hand")
    with pytest.raises(OutputError, match="overwrite"):
        annokit.convert(source, target, to="coco")
    assert mended.read_text() == "mended by hand"
    assert not target.exists()


def test_a_file_of_which_nothing_can_be_read_is_the_wrong_format(source: Path, tmp_path: Path) -> None:
    with pytest.raises(annokit.AnnokitError, match="right format") as caught:
        annokit.convert(source, tmp_path / "o.json", to="coco", format="labelbox", on_error="quarantine")
    assert caught.value.exit_code == 3
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_stops_early_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from annokit.formats._coco import write

    rows = [DataRow(id=str(i), external_id=f"{i}.jpg") for i in range(3)]
    whole = write.batched
    monkeypatch.setattr(write, "batched", lambda items, size: whole(itertools.islice(items, 1), size))
    with pytest.raises(AccountingError, match="stopped before the last row"):
        annokit.write(rows, tmp_path / "o.json", format="coco")
    assert list(tmp_path.iterdir()) == []


def test_sources_of_one_name_stay_apart(source: Path, tmp_path: Path) -> None:
    annokit.convert([source, source], tmp_path / "o.json", to="coco")
    written = json.loads((tmp_path / "o.json").read_text())
    for kind in ("images", "annotations"):
        ids = [entry["id"] for entry in written[kind]]
        assert len(set(ids)) == len(ids)


def test_details_without_a_place_are_named(samples: Path, tmp_path: Path) -> None:
    report = annokit.convert(samples / "street.ndjson", tmp_path / "o.json", to="coco", labels="all")
    assert {loss.code: loss.count for loss in report.losses}["label-details"] == 48


def test_the_source_is_never_overwritten(source: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    mine.write_bytes(source.read_bytes())
    with pytest.raises(OutputError):
        annokit.convert(mine, mine, to="coco", overwrite=True)
    assert mine.read_bytes() == source.read_bytes()


def test_a_report_that_does_not_add_up_leaves_nothing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = Report.count

    def forgetful(self: Report, column: Any, kind: str, n: int = 1) -> None:
        if (column, kind) != ("written", "object:mask"):
            count(self, column, kind, n)

    monkeypatch.setattr(Report, "count", forgetful)
    with pytest.raises(AccountingError, match="object:mask"):
        annokit.convert(source, tmp_path / "o.json", to="coco")
    assert list(tmp_path.iterdir()) == []


def test_everything_that_can_be_read(source: Path) -> None:
    text = source.read_bytes()
    document = json.loads(text)
    names = [row.name for row in annokit.read(source)]
    for given in (str(source), text, io.BytesIO(text), document, [source]):
        assert [row.name for row in annokit.read(given)] == names
    assert len(list(annokit.read([source, source]))) == 2 * len(names)


def test_a_dataset_reads_again_in_each_loop(source: Path) -> None:
    dataset = annokit.read(source)
    assert list(dataset) == list(dataset)


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda s, t: annokit.convert(s, t, to="cocoa"), "no format is called 'cocoa'"),
        (lambda s, t: annokit.convert(s, t, to="coco", format="nonsense"), "no format is called"),
        (
            lambda s, t: annokit.convert(s, t, to="coco", tusk="segment"),
            "writing coco: no option is called 'tusk'",
        ),
        (lambda s, t: annokit.convert(s, t, to="ground-truth-responses"), "can be read, not written"),
        (lambda s, t: annokit.convert(s, t, to="yolo", task="fly"), "writing yolo: the option task: invalid"),
        (lambda s, t: annokit.convert(s, t, to="coco", on_error="ignore"), "quarantine"),
        (lambda s, t: annokit.read("http://example.com/export.json"), "does not fetch"),
        (lambda s, t: annokit.detect(b"hello"), "no known format"),
        (lambda s, t: annokit.read([]), "empty list"),
        (lambda s, t: annokit.read(s, on_error="quarantine"), "needs an output"),
        (lambda s, t: annokit.convert(s, t, to="coco", split="train=.8,val=.2"), "no place for splits"),
        (lambda s, t: annokit.convert(s, t, to="yolo", split="names=.8,val=.2"), "plain split names"),
        (lambda s, t: annokit.convert(s, t, to="yolo", split="train=nan,val=1"), "add up to 1"),
        (lambda s, t: annokit.convert(s, t, to="coco", classes="person"), "list of class names"),
        (lambda s, t: annokit.write([1], t, format="coco"), "expected data rows"),
        (lambda s, t: annokit.convert(s, t, to="masks", verify=True), "can be written, not read"),
        (lambda s, t: annokit.write(DataRow(id="1"), t, format="coco"), "one data row"),
    ],
)
def test_calls_that_are_off_say_what_is_right(
    source: Path, tmp_path: Path, call: Callable[[Path, Path], Any], problem: str
) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        call(source, tmp_path / "o")
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.xml", "<annotation/>", r"XML is not read .*Pascal VOC.*CVAT"),
        ("voc/a.xml", "", "XML is not read"),
        ("yolo/a.txt", "0 .5 .5 .1 .1", r"data\.yaml"),
        ("yolo/labels/a.txt", "", r"data\.yaml"),
        ("yolo/train/labels/a.txt", "", r"data\.yaml"),
        ("shards/shards.json", "{}", r"give its parts: .*shards/part-\*"),
        ("a.json", " [ ] ", r"an empty list .*name it: .*coco-results"),
        ("a.json", '// mine\n{"images": []}', "JSON with comments"),
        ("a.json", '{\n "a": 1 /* mine */\n}', "JSON with comments"),
        ("a.json", '{"url": "http://a//b"}', r"no known format \(name it: "),
    ],
)
def test_a_format_that_is_not_known_is_explained(tmp_path: Path, name: str, content: str, why: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True, parents=True)
    file.write_text(content)
    with pytest.raises(UsageError, match=why):
        annokit.detect(file if "/" not in name else file.parents[name.count("/") - 1])


@pytest.mark.parametrize(("content", "problem"), [(b"", "empty file"), (b" \n", "empty"), (b"\0" * 9, "NUL")])
def test_a_file_without_anything_is_called_that(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "in.json").write_bytes(content)
    with pytest.raises(annokit.AnnokitError, match=problem) as caught:
        annokit.convert(tmp_path / "in.json", tmp_path / "o", to="parquet")
    assert caught.value.exit_code == 3


def test_a_folder_without_anything_is_called_that(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="expected labels, got an empty folder"):
        annokit.read(tmp_path / "in")


def test_the_functions_of_the_contract_are_functions_whatever_was_imported() -> None:
    import annokit.conversion
    import annokit.formats.coco

    assert callable(annokit.convert)
    assert {one.name for one in annokit.formats()} >= {"coco", "yolo", "labelbox", "parquet"}
    assert set(annokit.__all__) <= set(dir(annokit))
    with pytest.raises(AttributeError, match="no attribute 'upload'"):
        _ = annokit.upload  # type: ignore[attr-defined]


def test_the_same_input_gives_the_same_bytes_whatever_the_hash_seed_or_locale(
    samples: Path, tmp_path: Path
) -> None:
    code = (
        "import annokit, sys\n"
        "for to, name in (('coco', 'o.json'), ('yolo', 'yolo'), ('parquet', 'tables')):\n"
        "    annokit.convert(sys.argv[1], sys.argv[2] + '/' + name, to=to)\n"
    )
    found = []
    for seed, zone, language in (("0", "UTC", "C"), ("1", "Asia/Tokyo", "C.UTF-8"), ("2", "UTC", "de_DE")):
        out = tmp_path / seed
        out.mkdir()
        environment = os.environ | {"PYTHONHASHSEED": seed, "TZ": zone, "LANG": language}
        arguments = [sys.executable, "-c", code, str(samples / "street.ndjson"), str(out)]
        subprocess.run(arguments, env=environment, check=True)
        files = sorted(path for path in out.rglob("*") if path.is_file() and "report" not in path.name)
        found.append({str(path.relative_to(out)): path.read_bytes() for path in files})
    assert found[0] == found[1] == found[2]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
@pytest.mark.parametrize(("to", "name"), [("coco", "out.json"), ("yolo", "out")])
def test_a_killed_conversion_leaves_the_old_output_or_the_new_one(
    generate: Callable[..., None], tmp_path: Path, to: str, name: str
) -> None:
    big, small = tmp_path / "big.json", tmp_path / "small.json"
    generate("make_coco", big, "--scale", 0.04)
    generate("make_coco", small, "--scale", 0.001)
    target = tmp_path / name
    annokit.convert(small, target, to=to)
    old = content(target)
    annokit.convert(big, tmp_path / f"whole-{name}", to=to)
    new = content(tmp_path / f"whole-{name}")
    code = "import annokit, sys; annokit.convert(sys.argv[1], sys.argv[2], to=sys.argv[3], overwrite=True)"
    arguments = [sys.executable, "-c", code, str(big), str(target), to]
    started = time.perf_counter()
    subprocess.run(arguments, check=True)
    whole = time.perf_counter() - started
    assert content(target) == new
    annokit.convert(small, target, to=to, overwrite=True)
    moments = random.Random(7)
    outcomes = set()
    for share in sorted(
        moments.uniform(0.1, 1.0) for _ in range(10)
    ):  # late ones may leave the new one for good
        process = subprocess.Popen(arguments)
        time.sleep(share * whole)
        process.kill()
        process.wait()
        outcomes.add("old" if content(target) == old else "new")
        assert content(target) in (old, new)
    assert "old" in outcomes


def content(target: Path) -> dict[str, bytes]:
    if target.is_file():
        return {target.name.removeprefix("whole-"): target.read_bytes()}
    return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}
