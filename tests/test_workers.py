"""Several processes, one output: the same bytes as one makes, and nothing left behind when something goes wrong."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import annokit
from annokit import passes, tables
from annokit.dataset import joined
from annokit.errors import DecodeError, LimitExceeded, UsageError
from annokit.io.limits import Limits
from annokit.io.lines import cut_lines, iter_blocks, iter_lines
from annokit.io.source import Source
from annokit.workers import Workers

TARGETS = {"coco": "out.json", "parquet": "out", "yolo": "out"}


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "PART", 4096)


@pytest.fixture
def export(samples: Path, tmp_path: Path) -> Path:
    """An export of many rows, each with a name of its own."""
    lines = []
    for line in (samples / "street.ndjson").read_text().splitlines():
        for number in range(6):
            row = json.loads(line)
            row["data_row"]["id"] += str(number)
            row["data_row"]["external_id"] = f"{number}-{row['data_row'].get('external_id')}"
            row["data_row"].pop("global_key", None)
            lines.append(json.dumps(row))
    path = tmp_path / "many.ndjson"
    path.write_text("\n".join(lines) + "\n")
    return path


def _broken(export: Path) -> Path:
    """The export with a line that is no JSON, and with boxes that are none, in several of its parts."""
    lines = export.read_text().splitlines()
    lines[2] = lines[2][:100]
    for number in range(len(lines) // 2, len(lines), 2):
        lines[number] = lines[number].replace('"width":', '"width":-1,"was":')
    export.write_text("\n".join(lines))
    return export


def _everything(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _converted(export: Path, folder: Path, to: str, workers: int, **options: object) -> dict[str, bytes]:
    folder.mkdir()
    before = Path.cwd()
    os.chdir(folder)  # reports say where the output was to go
    try:
        annokit.convert(export, TARGETS[to], to=to, workers=workers, **options)
    finally:
        os.chdir(before)
    return _everything(folder)


@pytest.mark.parametrize("to", TARGETS)
def test_any_number_of_workers_writes_the_same_bytes(to: str, export: Path, tmp_path: Path) -> None:
    options = {"on_error": "quarantine", "split": "train=.7,val=.3"} if to != "coco" else {"on_error": "skip"}
    _broken(export)
    one, two, three = (_converted(export, tmp_path / str(n), to, n, **options) for n in (1, 2, 3))
    assert one == two == three
    report = json.loads(next(text for name, text in one.items() if name.endswith(".report.json")))
    assert report["kinds"]["data_rows"]["read"] == len(export.read_text().splitlines())


def test_parts_say_what_the_whole_says(export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _broken(export)
    parts = _converted(export, tmp_path / "parts", "coco", 1, on_error="quarantine")
    monkeypatch.setattr(passes, "PART", 1 << 40)
    whole = _converted(export, tmp_path / "whole", "coco", 1, on_error="quarantine")
    assert parts["out.json"] == whole["out.json"]
    assert parts["out.json.quarantine.ndjson"] == whole["out.json.quarantine.ndjson"]


def test_the_outline_of_the_parts_is_that_of_the_whole(export: Path) -> None:
    found = [part.dataset().outline for part in annokit.parts(export, size=4096)]
    assert len(found) > 5
    assert joined(found) == annokit.read(export).outline


def test_data_rows_of_parts_are_numbered_in_order_and_apart(export: Path) -> None:
    indices = [
        index
        for part in annokit.parts(export, size=4096, numbered=False)
        for batch in part.batches("data_rows")
        for index in batch.column("data_row_index").to_pylist()
    ]
    assert indices == sorted(set(indices))
    assert len(indices) == len(export.read_text().splitlines())


def test_a_bad_record_is_named_by_its_place_in_the_whole_file(export: Path, tmp_path: Path) -> None:
    lines = export.read_text().splitlines()
    lines[-2] = "{broken"
    export.write_text("\n".join(lines))
    with pytest.raises(DecodeError, match=rf"many.ndjson:{len(lines) - 1}"):
        annokit.convert(export, tmp_path / "o.json", to="coco", workers=2)
    unnumbered = annokit.parts(export, size=4096, numbered=False)
    with pytest.raises(DecodeError, match=r"many.ndjson@\d+:\d"):
        [list(part.batches()) for part in unnumbered]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many.ndjson"]


def test_bad_records_of_all_parts_count_against_the_limit(export: Path, tmp_path: Path) -> None:
    export.write_text("".join(f"{line[:50]}\n{line}\n" for line in export.read_text().splitlines()))
    with pytest.raises(LimitExceeded, match="max_errors=3"):
        annokit.convert(
            export, tmp_path / "o.json", to="coco", on_error="skip", workers=2, limits=Limits(max_errors=3)
        )


def test_classes_and_conditions_apply_to_all_parts(export: Path, tmp_path: Path) -> None:
    options = {"where": '"car.count" > 0', "classes": ["car"]}
    one, two = (_converted(export, tmp_path / str(n), "coco", n, **options) for n in (1, 2))
    assert one == two
    assert [c["name"] for c in json.loads(one["out.json"])["categories"]] == ["car"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals")
@pytest.mark.parametrize("how", ["interrupt", "kill"])
def test_workers_go_away_with_the_run(how: str, export: Path, tmp_path: Path) -> None:
    big = tmp_path / "big.ndjson"
    big.write_bytes(export.read_bytes() * (1 + (40 << 20) // export.stat().st_size))
    command = [sys.executable, "-m", "annokit", "convert", str(big), str(tmp_path / "o.json"), "--to", "coco"]
    run = subprocess.Popen([*command, "--workers", "2"], start_new_session=True, stderr=subprocess.PIPE)
    try:
        _until(lambda: len(_session(run.pid)) > 3)  # the run, the tracker, two workers
        if how == "kill":
            run.kill()
        else:
            os.killpg(run.pid, signal.SIGINT)  # as a terminal does
        _, said = run.communicate(timeout=60)
        _until(lambda: not _session(run.pid))
    finally:
        for process in _session(run.pid):
            os.kill(process, signal.SIGKILL)
    assert not (tmp_path / "o.json").exists()
    if how == "kill":  # the next run takes away what is left
        annokit.convert(export, tmp_path / "o.json", to="coco")
        (tmp_path / "o.json").unlink()
        (tmp_path / "o.json.report.json").unlink()
    assert b"Traceback" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["big.ndjson", "many.ndjson"]


def _session(leader: int) -> list[int]:
    """The processes of a session that run."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,stat=", "-s", str(leader)], capture_output=True, text=True, check=False
    )
    found = [line.split() for line in listed.stdout.splitlines()]
    return [int(pid) for pid, state in found if not state.startswith("Z")]


def _until(condition: object) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _die(_task: int) -> None:
    os._exit(9)


def _slow_then(number: int) -> int:
    time.sleep(0.2 if number == 0 else 0)
    if number == 3:
        raise UsageError("no threes")
    return number * number


def test_results_come_in_the_order_of_the_tasks_and_errors_at_their_turn() -> None:
    with Workers(2) as workers:
        found = workers.map(_slow_then, range(6))
        assert [next(found) for _ in range(3)] == [0, 1, 4]
        with pytest.raises(UsageError, match="no threes"):
            next(found)


def test_a_worker_that_dies_ends_the_run() -> None:
    with pytest.raises(annokit.AnnokitError, match="ended before"), Workers(2) as workers:
        list(workers.map(_die, [1, 2]))


def test_at_least_one_worker_is_needed() -> None:
    with pytest.raises(UsageError, match="at least one"):
        Workers(0)


@st.composite
def _files(draw: st.DrawFn) -> bytes:
    lines = draw(st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=20))
    bom = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    return bom + b"\n".join(lines) + draw(st.sampled_from([b"", b"\n", b"\r\n"]))


@given(_files(), st.integers(1, 30), st.integers(1, 40))
def test_cut_files_have_the_lines_of_the_whole(data: bytes, size: int, block: int) -> None:
    source = Source(data)
    whole = list(iter_lines(source))
    parts = cut_lines(source, size)
    assert [line for part in parts for line in iter_lines(part)] == whole
    assert sum(part.size for part in parts) == len(data)
    blocks = (found for part in parts for found in iter_blocks(part, block=block))
    assert [line for found in blocks for line in found.lines()] == whole


def test_a_part_survives_a_trip_to_another_process(export: Path) -> None:
    import pickle

    part = annokit.parts(export, size=4096)[1]
    again = pickle.loads(pickle.dumps(part))
    assert list(again.dataset()) == list(part.dataset())


def test_a_dataset_behind_a_step_of_the_user_is_written_as_a_whole(export: Path, tmp_path: Path) -> None:
    def step(rows: Iterator[annokit.model.DataRow], _run: object) -> Iterator[annokit.model.DataRow]:
        for row in rows:
            yield msgspec.structs.replace(row, split="mine")

    dataset = annokit.read(export).through(step)
    annokit.write(dataset, tmp_path / "out", format="yolo", workers=2)
    assert (tmp_path / "out" / "images" / "mine").exists() or (tmp_path / "out" / "labels" / "mine").exists()


@pytest.mark.parametrize("table", tables.NAMED)
def test_every_table_comes_from_parts(export: Path, table: str) -> None:
    whole = annokit.read(export)
    found = [
        batch
        for part in annokit.parts(export, size=4096, numbered=False)
        for batch in pickle.loads(pickle.dumps(part)).batches(table, ontology=whole.ontology)
    ]
    made = pa.Table.from_batches(found, tables.named_schema(table, whole.ontology))
    expected = whole.to_arrow(table)
    assert made["source"].equals(expected["source"])
    index, places = (one["data_row_index"].to_pylist() for one in (made, expected))
    ranks = dict(zip(index, places, strict=True))
    assert [ranks[one] for one in index] == places
    assert sorted(ranks) == list(ranks)
    if table != "nested":  # it has the index inside, too
        assert made.drop_columns("data_row_index").equals(expected.drop_columns("data_row_index"))
