"""Annotators in files of their own: their rows become one row, each of them counts once, all is accounted."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import annokit
from annokit import Dataset, consensus
from annokit.errors import UsageError
from annokit.model import Asset, Box, DataRow, Label, ObjectAnnotation
from annokit.run import Run
from tests.consensus.test_score import radio


def export(path: Path, who: str, answers: dict[str, str]) -> Path:
    rows = []
    for row, answer in answers.items():
        asked = {"name": "q", "radio_answer": {"name": answer}}
        details = {"created_by": who, "created_at": "2024-01-01T00:00:00Z"}
        label = {
            "id": f"{who}-{row}",
            "label_details": details,
            "annotations": {"classifications": [asked], "objects": []},
        }
        data_row = {"id": row, "row_data": f"https://x.example/{row}.jpg"}
        rows.append({"data_row": data_row, "projects": {"p": {"labels": [label]}}})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def both(folder: Path) -> list[Path]:
    ann = export(folder / "a.ndjson", "ann", {"r1": "x", "r2": "y", "r3": "x"})
    return [ann, export(folder / "b.ndjson", "bob", {"r2": "y", "r1": "y", "r4": "x"})]


def test_annotators_in_files_of_their_own_are_compared(tmp_path: Path) -> None:
    found = consensus.score(annokit.read(both(tmp_path)))
    assert found.pairs.select(["data_row_id", "annotator_a", "annotator_b", "score"]).to_pylist() == [
        {"data_row_id": row, "annotator_a": "ann", "annotator_b": "bob", "score": score}
        for row, score in (("r2", 1.0), ("r1", 0.0))
    ]
    assert consensus.review(annokit.read(both(tmp_path)))["data_row_id"].to_pylist() == ["r1"]


def test_merge_writes_a_row_once_and_accounts_the_others(tmp_path: Path) -> None:
    report = annokit.convert(both(tmp_path), tmp_path / "out", to="parquet", labels="merge", split="t=1")
    rows = list(annokit.read(tmp_path / "out"))
    assert sorted(row.id for row in rows) == ["r1", "r2", "r3", "r4"]
    assert [len(row.labels) for row in rows] == [1] * 4
    assert (report.kinds["data_rows"]["merged"], report.kinds["data_rows"]["written"]) == (2, 4)


def test_a_file_given_twice_changes_nothing(tmp_path: Path) -> None:
    files = both(tmp_path)
    once, twice = (consensus.score(annokit.read(each)) for each in (files, [*files, files[0]]))
    assert once.alphas() == twice.alphas()
    people = [consensus.annotators(annokit.read(each)).to_pylist() for each in (files, [*files, files[0]])]
    assert [one["labels"] for one in people[0]] == [one["labels"] for one in people[1]] == [3, 3]


def test_labels_nobody_signed_are_by_their_file() -> None:
    rows = [row("a", "x"), row("b", "y"), row("c", "y"), row("b", "x", id="2"), row("c", "x", id="2")]
    found = consensus.score(Dataset.from_rows(rows))
    assert found.by_pair.select(["annotator_a", "annotator_b", "pairs"]).to_pylist() == [
        {"annotator_a": "a", "annotator_b": "b", "pairs": 1},
        {"annotator_a": "a", "annotator_b": "c", "pairs": 1},
        {"annotator_a": "b", "annotator_b": "c", "pairs": 2},
    ]


def test_rows_that_show_other_things_stay_apart() -> None:
    rows = [row("a", "x"), row("b", "y", external_id="other.jpg")]
    assert len(list(consensus.joined(Dataset.from_rows(rows)))) == 2
    texts = [row(name, "x", asset=annokit.model.Asset(text=name)) for name in "ab"]
    assert list(consensus.joined(Dataset.from_rows(texts))) == texts
    alike = [DataRow(id="1", external_id=name, labels=(label("a", "x"), label("b", "y"))) for name in "mn"]
    found = consensus.score(Dataset.from_rows(alike))
    assert found.units["unit"].unique().to_pylist() == ["1\nm", "1\nn"]
    assert consensus.review(Dataset.from_rows(alike))["data_row"].to_pylist() == ["m", "n"]


def coco(path: Path, boxes: dict[str, Box], start: int = 1) -> Path:
    """As every tool writes it: images and annotations numbered in the order of the file."""
    rows = [
        DataRow(
            id=str(number), external_id=name, asset=Asset(width=100, height=100),
            labels=(Label(annotations=(ObjectAnnotation(tool_name="car", geometry=box),)),),
        )
        for number, (name, box) in enumerate(boxes.items(), start)
    ]  # fmt: skip
    annokit.write(Dataset.from_rows(rows), path, format="coco")
    return path


LEFT, MIDDLE, RIGHT = (Box(x=x, y=x, width=10, height=10) for x in (0, 50, 80))


@pytest.fixture
def numbered(tmp_path: Path) -> list[Path]:
    """Two annotators who agree on one of three images, which their files number otherwise."""
    ann = coco(tmp_path / "ann.json", {"a.jpg": LEFT, "b.jpg": MIDDLE, "c.jpg": RIGHT})
    return [ann, coco(tmp_path / "bob.json", {"c.jpg": LEFT, "b.jpg": MIDDLE, "a.jpg": RIGHT})]


@pytest.mark.parametrize("workers", [1, 2])
def test_rows_of_one_name_are_one_whatever_number_a_file_gives_them(
    numbered: list[Path], workers: int
) -> None:
    found = consensus.score(annokit.read(numbered), workers=workers)
    assert {row["data_row"]: row["score"] for row in found.rows.to_pylist()} == {
        "a.jpg": 0.0, "b.jpg": 1.0, "c.jpg": 0.0
    }  # fmt: skip
    assert (found.agreement, found.annotators, found.in_one_source) == (pytest.approx(1 / 3), 2, 0)
    people = consensus.annotators(annokit.read(numbered), workers=workers)
    assert people["labels"].to_pylist() == [3, 3]


def test_what_is_merged_stands_once(numbered: list[Path], tmp_path: Path) -> None:
    report = annokit.convert(numbered, tmp_path / "out.json", to="coco", labels="merge")
    images = json.loads((tmp_path / "out.json").read_text())["images"]
    assert sorted(one["file_name"] for one in images) == ["a.jpg", "b.jpg", "c.jpg"]
    assert report.kinds["data_rows"]["merged"] == 3
    assert report.losses == []


def test_an_annotator_is_chosen_by_the_name_that_agreement_shows(
    numbered: list[Path], tmp_path: Path
) -> None:
    ann, bob = map(str, numbered)
    report = annokit.convert(numbered, tmp_path / "out", to="parquet", labels=f"annotator:{bob}")
    found = {row.name: [label.annotator_id for label in row.labels] for row in annokit.read(tmp_path / "out")}
    assert found == {"c.jpg": [bob], "b.jpg": [bob], "a.jpg": [bob]}
    assert [(one.code, one.count) for one in report.losses if one.lossy] == [("no-such-label", 3)]
    with pytest.raises(UsageError, match=re.escape(f"annotators: {ann}, {bob}")):
        annokit.convert(numbered, tmp_path / "none", to="parquet", labels="annotator:cyd.json")
    with pytest.raises(UsageError, match="no data row has a label"):
        annokit.convert(numbered[1], tmp_path / "one", to="parquet", labels=f"annotator:{bob}")


def test_rows_of_one_source_are_named(numbered: list[Path], tmp_path: Path) -> None:
    fewer = coco(tmp_path / "fewer.json", {"b.jpg": MIDDLE, "c.jpg": LEFT})  # each has another number
    found = consensus.score(annokit.read([numbered[0], fewer]))
    assert found.pairs["score"].to_pylist() == [1.0, 0.0]
    assert (found.in_one_source, found.annotators) == (1, 2)
    report = annokit.convert([numbered[0], fewer], tmp_path / "out.json", to="coco", labels="merge")
    (note,) = report.losses
    assert (note.code, note.count, note.examples) == ("one-source", 1, ["a.jpg"])
    others = coco(tmp_path / "others.json", {"x.jpg": LEFT, "y.jpg": LEFT})
    found = consensus.score(annokit.read([numbered[0], others]))
    assert (found.in_one_source, found.annotators, len(found.pairs)) == (5, 2, 0)
    assert consensus.score(annokit.read(numbered[0])).in_one_source == 0


def test_a_source_that_has_a_name_twice_tells_its_rows_by_id(tmp_path: Path) -> None:
    def named(path: Path, who: str, ids: str) -> Path:
        rows = [
            DataRow(id=one, external_id="same.jpg", labels=(label(who, one if who == "ann" else "x"),))
            for one in ids
        ]
        annokit.write(Dataset.from_rows(rows), path, format="parquet")
        return path

    files = [named(tmp_path / who, who, ids) for who, ids in (("ann", "xy"), ("bob", "yz"))]
    found = consensus.score(annokit.read(files))
    assert found.pairs.select(["data_row_id", "score"]).to_pylist() == [{"data_row_id": "y", "score": 0.0}]
    assert (found.in_one_source, found.told_by_id) == (0, ("same.jpg",))


@pytest.mark.parametrize(
    ("ids", "compared"),
    [
        ("1 2 34", [("ann", "bob")]),
        ("1 2 13", [("ann", "bob"), ("ann", "cyd"), ("bob", "cyd")]),
        ("1 2 12", [("ann", "cyd"), ("bob", "cyd")]),
    ],
)
def test_a_name_twice_in_one_source_keeps_the_others_together(
    ids: str, compared: list[tuple[str, str]], tmp_path: Path
) -> None:
    files = []
    for who, own in zip(("ann", "bob", "cyd"), ids.split(), strict=True):
        rows = [DataRow(id=one, external_id="n.jpg", labels=(label(who, "x"),)) for one in own]
        files.append(tmp_path / who)
        annokit.write(rows, files[-1], format="parquet")
    for order in (files, files[::-1]):
        found = consensus.score(annokit.read(order))
        pairs = found.by_pair.select(["annotator_a", "annotator_b"]).to_pylist()
        assert sorted(tuple(one.values()) for one in pairs) == compared
        alone = () if ids.endswith("12") else ("n.jpg",)
        assert (found.in_one_source, found.told_by_id) == (0, alone)
        report = annokit.convert(order, tmp_path / "o", to="parquet", labels="merge", overwrite=True)
        assert [one.code for one in report.losses] == ["name-twice"] * len(alone)


def test_what_has_no_name_is_the_row_of_its_id(numbered: list[Path], tmp_path: Path) -> None:
    guesses = tmp_path / "guesses.json"
    box = {"category_id": 1, "bbox": [50, 50, 10, 10], "score": 0.9}
    guesses.write_text(json.dumps([{**box, "image_id": 2}]))
    named = consensus.score(annokit.read([numbered[0], guesses]))
    assert named.pairs["data_row"].to_pylist() == ["b.jpg"]
    assert consensus.score(annokit.read([*numbered, guesses])).pairs.num_rows == 3 + 2  # both have b.jpg as 2
    guesses.write_text(json.dumps([{**box, "image_id": 1}]))
    assert consensus.score(annokit.read([*numbered, guesses])).pairs.num_rows == 3  # a.jpg, or c.jpg


def test_what_cannot_be_read_holds_nothing_back() -> None:
    rows = [row("a", "x"), row("b", "y")]
    dataset = Dataset.from_rows(rows)
    assert len(dataset.outline.keys) == 2
    dataset._rows = lambda _run: rows[:1]
    assert list(consensus.joined(dataset).rows(Run())) == rows[:1]


def label(who: str | None, answer: str) -> Label:
    return Label(annotator_id=who, annotations=(radio("q", answer),))


def row(source: str, answer: str, *, id: str = "1", **fields: Any) -> DataRow:
    return DataRow(id=id, source=source, labels=(label(None, answer),), **fields)
