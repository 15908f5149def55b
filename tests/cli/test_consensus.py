"""annokit consensus: tables, JSON, CSV, Parquet and a page, of exports and of worker responses."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import annokit
from annokit.cli import app
from annokit.model import DataRow, Label


def run(*words: object) -> Result:
    done = CliRunner().invoke(app, ["consensus", *[str(word) for word in words]])
    assert done.exit_code == 0, f"{done.output}\n{done.exception!r}"
    return done


@pytest.fixture
def export(samples: Path) -> Path:
    return samples / "street.ndjson"


def test_score(export: Path, tmp_path: Path) -> None:
    lines = run("score", export).stdout.splitlines()
    assert lines[0] == "agreement 0.586 over 16 data rows of 3 annotators"
    left_out = "165 objects left out: nothing says what a mask_reference covers"
    assert lines[1] == f"{left_out} (`annokit masks list` names them, --masks reads them)"
    assert any(line.split()[:2] == ["person", "object"] for line in lines)
    found = json.loads(run("score", export, "--json", "--bootstrap", 20).stdout)
    assert round(found["agreement"], 3) == 0.586
    assert found["alphas"]["objects"]["low"] < found["alphas"]["objects"]["value"]
    assert len(found["pairs"]) == 48
    rows = list(csv.DictReader(io.StringIO(run("score", export, "--csv").stdout)))
    assert [row["score"] for row in rows] == [str(pair["score"]) for pair in found["pairs"]]
    for name, count in (("rows", 16), ("by_pair", 3), ("by_class", len(found["by_class"]))):
        printed = list(csv.DictReader(io.StringIO(run("score", export, "--csv", "--table", name).stdout)))
        assert (
            len(printed) == count == len(json.loads(run("score", export, "--json", "--table", name).stdout))
        )
    shown = run("score", export, "--table", "matches").stdout.splitlines()[0].split()
    assert shown == list(found["matches"][0])[1:]
    strict = json.loads(run("score", export, "--json", "--link", 1).stdout)
    assert strict["pairs"] == found["pairs"]
    assert strict["alphas"]["objects"]["value"] < found["alphas"]["objects"]["value"]
    run("score", export, "-o", tmp_path / "out", "--html", tmp_path / "page.html", "--classes", "lenient")
    assert pq.read_table(tmp_path / "out" / "pairs.parquet").num_rows == 48
    assert "<h1>Agreement between annotators</h1>" in (tmp_path / "page.html").read_text()
    against = run("score", export, "--against", "annotator:annotator1@example.com", "--parity", "labelbox")
    assert "over 16 data rows of 3 annotators" in against.stdout


def test_files_of_annotators_are_joined_by_name_and_the_others_counted(tmp_path: Path) -> None:
    def file(who: str, *names: str) -> Path:
        images = [{"id": n, "file_name": name, "width": 9, "height": 9} for n, name in enumerate(names, 1)]
        boxes = [
            {"id": n, "image_id": n, "category_id": 1, "bbox": [1, 1, 5, 5]} for n in range(1, len(names) + 1)
        ]
        path = tmp_path / f"{who}.json"
        categories = [{"id": 1, "name": "car"}]
        path.write_text(json.dumps({"images": images, "annotations": boxes, "categories": categories}))
        return path

    ann, bob, cid = file("ann", "a.jpg", "b.jpg"), file("bob", "b.jpg"), file("cid", "x.jpg", "y.jpg")
    assert run("score", ann, bob).stdout.splitlines()[:2] == [
        "agreement 1.000 over 1 data row of 2 annotators",
        "in one source only: 1 data row (by name)",
    ]
    assert run("score", ann, cid).stdout.splitlines() == [
        "no data row has two labels to compare (4 data rows, 2 annotators)",
        "in one source only: 4 data rows (by name)",
    ]
    assert json.loads(run("score", ann, bob, "--json").stdout)["in_one_source"] == 1
    assert "in one source only: 1 data row" in run("annotators", ann, bob).stdout
    assert "in one source only: 1 data row" in run("review", ann, bob).stdout
    assert "note: 1 data_rows: only one of the sources has it" in run("merge", ann, bob).stdout
    twice = file("cyd", "b.jpg", "b.jpg")
    assert "told apart by id: 1 name, e.g. b.jpg" in run("score", ann, twice).stdout
    assert json.loads(run("score", ann, twice, "--json").stdout)["told_by_id"] == ["b.jpg"]
    run("score", ann, twice, "--html", tmp_path / "twice.html")
    assert "names twice in one source" in (tmp_path / "twice.html").read_text()
    run("score", ann, bob, "--html", tmp_path / "page.html")
    assert "in one source only" in (tmp_path / "page.html").read_text()


def test_merge(export: Path, tmp_path: Path) -> None:
    output = run("merge", export, "-o", tmp_path / "merged", "--quorum", 0.5).stdout
    said, lines = output.partition("data_row  ")[0], output[output.index("data_row  ") :].splitlines()
    assert "note: 165 object:mask_reference: nothing says what it covers" in said
    assert "--masks reads masks) [not-compared]" in said
    assert lines[0].split() == ["data_row", "what", "answer", "votes", "drawn", "of", "confidence"]
    assert all(int(line.split()[-2]) == 3 for line in lines[1:20])
    rows = list(annokit.read(tmp_path / "merged"))
    assert [[label.origin for label in row.labels] for row in rows] == [["consensus"]] * 16
    assert json.loads(run("merge", export, "--json").stdout)[0]["annotators"]
    assert run("merge", export, "--csv").stdout.startswith("data_row_id,data_row,what,")


def test_annotators(export: Path, tmp_path: Path) -> None:
    said, *lines = run("annotators", export, "-o", tmp_path / "people.parquet").stdout.splitlines()
    assert said.startswith("165 objects left out")
    assert [line.split()[0] for line in lines] == [
        "annotator",
        *[f"annotator{i}@example.com" for i in range(3)],
    ]
    assert pq.read_table(tmp_path / "people.parquet")["labels"].to_pylist() == [16] * 3
    assert json.loads(run("annotators", export, "--json").stdout)[0]["confusion"]


def test_review(export: Path, tmp_path: Path) -> None:
    done = run("review", export, "--below", 0.4, "-o", tmp_path / "rows.parquet")
    assert "low agreement: 0.37, under 0.4" in done.stdout
    assert done.stdout.startswith("165 objects left out")
    assert pq.read_table(tmp_path / "rows.parquet").num_rows == len(
        json.loads(run("review", export, "--json").stdout)
    )


def test_one_label_a_row_is_nothing_to_compare(samples: Path) -> None:
    assert "no data row has two labels" in run("review", samples / "coco.json").stdout
    said = run("score", samples / "coco.json").stdout
    assert said.startswith("no data row has two labels to compare (")
    assert "data rows, " in said
    assert "nan" not in said
    assert json.loads(run("score", samples / "coco.json", "--json").stdout)["agreement"] is None


def test_full_agreement_needs_no_second_look(tmp_path: Path) -> None:
    labels = [Label(annotator_id=who) for who in ("ann", "bob")]
    annokit.write([DataRow(id="r1", labels=tuple(labels))], tmp_path / "a", format="parquet", labels="all")
    assert run("review", tmp_path / "a").stdout == "nothing to show: no data row needs a second look\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("score", "--bootstrap", -1), "-1 is not in the range"),
        (("score", "--json", "--csv"), "expected --json or --csv, got both"),
        (("review", "--below", 3), "expected below from 0 to 1, got 3.0"),
        (("review", "--below", "nan"), "expected below from 0 to 1, got nan"),
    ],
)
def test_choices_there_are_none_of_are_refused(export: Path, words: Any, said: str) -> None:
    done = CliRunner().invoke(app, ["consensus", *map(str, words), str(export)])
    assert done.exit_code == 2
    assert said in done.stderr


def test_formulas_are_not_run_by_spreadsheets(tmp_path: Path) -> None:
    answer = {"name": "q", "radio_answer": {"name": "x"}}
    labels = [
        {"label_details": {"created_by": who}, "annotations": {"classifications": [answer], "objects": []}}
        for who in ("=1+1", "b")
    ]
    row = {"data_row": {"id": "@r", "row_data": "a.jpg"}, "projects": {"p": {"labels": labels}}}
    (tmp_path / "a.ndjson").write_text(json.dumps(row))
    cells = run("score", tmp_path / "a.ndjson", "--csv").stdout.splitlines()[1].split(",")
    assert {"'@r", "'=1+1"} <= set(cells)


def test_a_real_ground_truth_job_goes_straight_in(shared: Path, tmp_path: Path) -> None:
    job = shared / "ground_truth" / "birds_image_classification" / "ic_data.tar.gz"
    found = json.loads(run("score", job, "--json").stdout)
    assert round(found["agreement"], 5) == 0.84470
    assert round(found["alphas"]["crowd-image-classifier"]["value"], 5) == 0.82150
    assert len(json.loads(run("annotators", job, "--json").stdout)) == 97
    assert len(json.loads(run("merge", job, "--json", "--method", "ground-truth").stdout)) == 302
    assert json.loads(run("review", job, "--json").stdout)
    report = annokit.convert(job, tmp_path / "out", to="parquet", labels="merge")
    assert report.kinds["classifications"]["written"] == 302
