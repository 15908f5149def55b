"""Annotators and review: who is flagged, which rows are listed, with the thresholds said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

import annokit
from annokit import Dataset, consensus
from annokit.consensus_page import write_page
from annokit.model import DataRow, Label
from tests.consensus.test_score import box, radio, row_of, thing


def job(rows: int = 40) -> Dataset:
    """Two who know, one who always says the same, one who guesses in no time."""
    rng = np.random.default_rng(0)
    found = []
    for i in range(rows):
        truth, guess = rng.integers(0, 3, 2).astype(str).tolist()
        given = {"ann": (truth, 9), "bob": (truth, 11), "same": ("0", 10), "spam": (guess, 1)}
        labels = [
            Label(
                id=f"{i}{who}",
                annotator_id=who,
                seconds_to_create=s + i % 2,
                annotations=(radio("q", answer),),
            )
            for who, (answer, s) in given.items()
        ]
        found.append(DataRow(id=str(i), labels=tuple(labels)))
    return Dataset.from_rows(found)


def test_odd_annotators_are_flagged() -> None:
    table = {row["annotator"]: row for row in consensus.annotators(job()).to_pylist()}
    assert list(table) == ["ann", "bob", "same", "spam"]
    assert table["ann"]["flags"] == table["bob"]["flags"] == []
    assert any(flag.startswith("always the same: 0 in 100%, others") for flag in table["same"]["flags"])
    assert any(flag.startswith("too fast: median 1.5 s, under 0.33 of ") for flag in table["spam"]["flags"])
    assert any(flag.startswith("no better than chance") for flag in table["spam"]["flags"])
    assert table["ann"]["skill"] > 0.85 > table["spam"]["skill"]
    assert table["ann"]["vitality"] > 0 > table["spam"]["vitality"]
    assert (table["ann"]["labels"], table["ann"]["answers"], table["ann"]["compared"]) == (40, 40, 40)
    assert table["spam"]["low"] < table["spam"]["agreement"] < table["spam"]["high"]
    wrong = {cell["agreed"] for cell in table["same"]["confusion"] if cell["agreed"] != cell["answered"]}
    assert wrong == {"1", "2"}


def test_data_rows_of_one_id_and_two_names_are_two() -> None:
    rows = [
        row_of([radio("q", "x")], [radio("q", answer)], external_id=name)
        for name, answer in (("a.jpg", "x"), ("b.jpg", "y"))
    ]
    compared = consensus.annotators(Dataset.from_rows(rows))["compared"].to_pylist()
    assert compared == [2, 2]


def test_thresholds_are_the_users() -> None:
    strict = consensus.Thresholds(too_fast=2.0)
    flags = consensus.annotators(job(), thresholds=strict)["flags"].to_pylist()
    assert any("under 2 of" in flag for flag in flags[0])
    lax = consensus.Thresholds(always=1.1, least=1000)
    assert consensus.annotators(job(), thresholds=lax)["flags"].to_pylist() == [[]] * 4


def test_few_rows_say_little() -> None:
    rows = [replace(row_of([radio("q", "x")], [radio("q", "y")]), id="1")]
    rows += [replace(row_of([], [radio("q", "x")], [radio("q", "x")]), id=str(i)) for i in range(2, 22)]
    rows = [replace(row, labels=row.labels[place:]) for place, row in zip((0, *[1] * 20), rows, strict=True)]
    one, many, _ = consensus.annotators(Dataset.from_rows(rows)).to_pylist()
    assert (one["compared"], many["compared"]) == (1, 21)
    assert one["high"] - one["low"] > 2 * (many["high"] - many["low"])
    assert one["agreement"] > 0.5  # one bad row is no reason to think so badly of anybody


def test_drawing_nothing_is_an_answer() -> None:
    rows = [
        replace(row_of([thing(box(0, 0, 9, 9))], [thing(box(0, 0, 9, 9))], []), id=str(i)) for i in range(10)
    ]
    table = consensus.annotators(Dataset.from_rows(rows)).to_pylist()
    assert [row["objects"] for row in table] == [10, 10, 0]
    assert {cell["answered"] for cell in table[2]["confusion"]} == {"(nothing)"}
    assert table[2]["agreement"] < table[0]["agreement"]


def test_rows_to_review() -> None:
    cars = [thing(box(0, 0, 9, 9))]
    rows = [
        row_of([radio("q", "x")], [radio("q", "x")]),
        replace(row_of([radio("q", "x")], [radio("q", "y")]), id="tie"),
        replace(row_of(cars, [], []), id="some"),
        replace(row_of([thing(box(0, 0, 9, 9))], [thing(box(0, 0, 9, 9), "bus")]), id="class"),
    ]
    found = {row["data_row"]: row["reasons"] for row in consensus.review(Dataset.from_rows(rows)).to_pylist()}
    assert "r1" not in found
    assert found["tie"] == ["low agreement: 0.00, under 0.5", "tie: q: x 1, y 1"]
    assert "drawn by 1 of 3: car" in found["some"]
    assert "tie: class: bus 1, car 1" in found["class"]
    assert consensus.review(Dataset.from_rows(rows[:1])).num_rows == 0
    flagged = consensus.review(job()).to_pylist()
    assert any("annotator spam: too fast" in reason for row in flagged for reason in row["reasons"])


def test_the_page_holds_everything(samples: Path, tmp_path: Path) -> None:
    from PIL import Image

    dataset = annokit.read(samples / "street.ndjson")
    scores = consensus.score(dataset)
    write_page(dataset, scores, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert (
        page.count("data:image/svg+xml;base64,")
        == consensus.review(dataset, scores=scores).slice(0, 12).num_rows
    )
    assert 'src="http' not in page
    assert "1 annotator0@example.com" in page
    row = next(row for row in dataset if row.id == scores.rows["data_row_id"][0].as_py())
    Image.new("RGB", (row.asset.width or 9, row.asset.height or 9), "green").save(tmp_path / row.name)
    write_page(dataset, scores, tmp_path / "photo.html", image_dir=tmp_path)
    assert (tmp_path / "photo.html").read_text().count("data:image/png;base64,") == 1


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    bad = "</script><script>alert(1)</script>"
    row = DataRow(
        id=bad, labels=(Label(annotator_id=bad, annotations=(radio(bad, bad),)), Label(annotator_id="b"))
    )
    dataset = Dataset.from_rows([row])
    write_page(dataset, consensus.score(dataset), tmp_path / "page.html")
    assert "<script>alert" not in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("many", [3, 25])
def test_pairs_are_a_matrix_of_few_annotators(many: int, tmp_path: Path) -> None:
    labels: Any = [Label(annotator_id=f"w{i:02d}", annotations=(radio("q", "x"),)) for i in range(many)]
    dataset = Dataset.from_rows([DataRow(id="r", labels=tuple(labels))])
    write_page(dataset, consensus.score(dataset), tmp_path / "page.html")
    assert ("lowest of 300" in (tmp_path / "page.html").read_text()) == (many == 25)
