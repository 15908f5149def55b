"""Counting, checking and scoring by several processes: the same findings, whatever their number."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

import annokit
from annokit import Dataset, consensus, passes
from annokit.cli import app
from annokit.consensus_page import write_page
from annokit.errors import LimitExceeded
from annokit.info import summarise
from annokit.insights.answers import read_answers
from annokit.io.limits import Limits
from annokit.model import DataRow
from annokit.run import Run
from annokit.validate import validate
from annokit.workers import Workers
from tests.insights.trees import private_workforce, write_tree


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "PART", 1 << 16)


@pytest.fixture
def export(samples: Path, tmp_path: Path) -> Path:
    """Many rows, some of one name or id, some that cannot be read, in several parts."""
    lines = (samples / "street.ndjson").read_text().splitlines() * 6
    for number in (1, len(lines) // 2, len(lines) - 2):
        lines[number] = lines[number].replace('"width":', '"width":-1,"was":')
    lines[3] = lines[3][:100]
    path = tmp_path / "many.ndjson"
    path.write_text("\n".join(lines) + "\n")
    return path


def _readable(export: Path) -> list[DataRow]:
    return list(annokit.read(export, on_error="skip"))


def _bytes(found: Any) -> bytes:
    return msgspec.json.encode(found)


def _same(made: Callable[[int], Any], whole: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """What 1, 2 and 3 workers make, which is what is made of the whole."""
    one, two, three = (made(n) for n in (1, 2, 3))
    assert _bytes(one) == _bytes(two) == _bytes(three)
    monkeypatch.setattr(passes, "PART", 1 << 40)
    assert _bytes(one) == _bytes(whole())
    return one


def test_counts_are_those_of_the_whole(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _same(
        lambda n: summarise(annokit.read(export), workers=n),
        lambda: summarise(annokit.read(export)),
        monkeypatch,
    )
    assert sum(found.media_types.values()) == len(_readable(export)) > 50
    assert found.unreadable


def test_findings_are_those_of_the_whole(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _same(
        lambda n: validate(annokit.read(export), "coco", workers=n),
        lambda: validate(annokit.read(export), "coco"),
        monkeypatch,
    )
    rows = _readable(export)
    assert found.of("repeated-name") == len(rows) - len({row.name for row in rows})
    assert found.of("repeated-annotation-id")


def test_answers_are_those_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = write_tree(tmp_path / "job", private_workforce((1, 24, 50)))
    since = datetime(2020, 3, 28, tzinfo=UTC)

    def made(workers: int) -> Any:
        found = read_answers(annokit.read(job), "Europe/Berlin", since, workers=workers)
        return found.answers.to_pylist(), found.answer_labels.to_pylist(), found[2:]

    answers, _, _ = _same(made, lambda: made(1), monkeypatch)
    assert [row["answer"] for row in answers] == list(range(len(answers))) != []


@pytest.fixture
def two_files(samples: Path, tmp_path: Path) -> list[Path]:
    """All rows as ann and bob see them, and a third of these again, in another order, as cid does."""
    lines = (samples / "street.ndjson").read_text().splitlines()
    more = [line.replace("annotator0", "cid").replace('"left":', '"left":1') for line in lines[::-3]]
    more[1] = more[1][:200]
    paths = [tmp_path / "one.ndjson", tmp_path / "two.ndjson"]
    for path, some in zip(paths, (lines, more), strict=True):
        path.write_text("\n".join(some) + "\n")
    return paths


SCORING: list[dict[str, Any]] = [{}, {"against": "annotator:cid@example.com"}]


@pytest.mark.parametrize("options", SCORING, ids=str)
def test_scores_are_those_of_rows_joined_first(
    options: dict[str, Any], two_files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(workers: int) -> Any:
        found = consensus.score(annokit.read(two_files), workers=workers, **options)
        return [
            found.not_compared,
            found.data_rows,
            found.annotators,
            found.agreement,
            *_lists(found.tables()),
        ]

    found = _same(made, lambda: made(1), monkeypatch)
    rows = list(consensus.joined(annokit.read(two_files, on_error="skip")))
    before = consensus.score(Dataset.from_rows(rows), **options)
    counts = [before.not_compared, before.data_rows, before.annotators, before.agreement]
    assert found[:4] == counts
    for one, other in zip(found[4:], _lists(before.tables()), strict=True):
        assert sorted(map(_bytes, one)) == sorted(map(_bytes, other)) != []


def _lists(tables: dict[str, Any]) -> list[Any]:
    return [table.to_pylist() for table in tables.values()]


def test_people_rows_to_review_and_their_page_are_the_same(two_files: list[Path], tmp_path: Path) -> None:
    def made(workers: int) -> Any:
        dataset, page = annokit.read(two_files), tmp_path / f"{workers}.html"
        scores = consensus.score(dataset, workers=workers)
        write_page(dataset, scores, page, workers=workers)
        people = consensus.annotators(dataset, scores=scores, workers=workers)
        return page.read_text(), people.to_pylist(), consensus.review(dataset, scores=scores).to_pylist()

    one, two = made(1), made(2)
    assert _bytes(one) == _bytes(two)
    assert {person["annotator"] for person in one[1]} >= {"cid@example.com", "annotator1@example.com"}
    assert one[0].count("<article") == len(one[2][:12]) > 0


COMMANDS = [["info"], ["validate"], ["consensus", "score"], ["insights", "--summary", "json"]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_say_the_same(command: list[str], export: Path) -> None:
    one, two = (CliRunner().invoke(app, [*command, str(export), "--workers", n]) for n in "12")
    assert (one.output, one.exit_code) == (two.output, two.exit_code)
    assert one.output


def test_several_sources_are_parts_even_if_none_can_be_cut(tmp_path: Path) -> None:
    for name, width in (("a", 10), ("b", 0)):
        image = {"id": 1, "file_name": f"{name}.jpg", "width": 64, "height": 64}
        shape = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, width, 5], "iscrowd": 0, "area": 50}
        document = {"images": [image], "annotations": [shape], "categories": [{"id": 1, "name": name}]}
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    one, two = (validate(annokit.read(paths), workers=n) for n in (1, 2))
    assert _bytes(one) == _bytes(two)
    assert [found.code for found in one.findings if found.severity == "error"] == ["zero-area"]


def test_bad_records_of_all_parts_count_against_the_limit(export: Path) -> None:
    export.write_text("".join(f"{line[:50]}\n{line}\n" for line in export.read_text().splitlines()))
    for workers in (1, 2):
        with pytest.raises(LimitExceeded, match="max_errors=9"):
            summarise(annokit.read(export), limits=Limits(max_errors=9), workers=workers)


def _ids(dataset: annokit.Dataset, run: Run, _outline: object) -> Any:
    yield from (row.id for row in dataset.rows(run))


def test_the_bytes_of_all_parts_reach_the_progress_bar(export: Path) -> None:
    for workers in (1, 2):
        done: list[int] = []
        run = Run(on_error="skip", progress=done.append)
        with Workers(workers) as pool:
            parts = passes.Parts(annokit.read(export), pool)
            assert list(parts.map(_ids, run, parts.outlines())) == [row.id for row in _readable(export)]
        assert sum(done) == export.stat().st_size


def test_rows_in_memory_are_one_part() -> None:
    dataset = annokit.Dataset.from_rows([DataRow(id="r1")])
    with Workers(2) as pool:
        parts = passes.Parts(dataset, pool)
        assert list(parts.map(_ids, Run(), parts.outlines())) == ["r1"]
