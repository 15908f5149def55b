"""COCO files from strangers: each does what the collection says under every error mode, or the table says why not."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

import annokit
from annokit.errors import AnnokitError, InputError, LimitExceeded
from annokit.run import Run

MODES = ("raise", "skip", "quarantine")

# Where annokit does otherwise, how many annotations are good instead, and why.
OTHERWISE: dict[str, tuple[int, str]] = {
    "huge_int_5000_digits": (4, "the one annotation with the number is put aside, not the file"),
    "nan_literal": (0, "NaN is not JSON: the file is refused with the offset, which the case allows"),
    "poly_zero_area_line": (5, "models change nothing and COCO can hold it; `annokit validate` names it"),
    "name_drive": (5, "a name is no danger in a JSON file; where it becomes a path it is escaped"),
    "name_dot": (5, "a name is no danger in a JSON file; where it becomes a path it is escaped"),
    "width_height_missing": (5, "COCO needs no size of an image; formats that do lose the row by name"),
}
COLUMN = {"skip": "skipped", "quarantine": "quarantined"}


def cases(only_whole: bool = False) -> list[Any]:
    """The cases of the collection (those that lose nothing), or one that is skipped where it is not there."""
    manifest = Path(__file__).resolve().parents[3] / "shared/data/badinputs/manifest.json"
    if not manifest.is_file():
        return [pytest.param({}, marks=pytest.mark.skip("needs the data collection in ../shared/data"))]
    entries = [one for one in json.loads(manifest.read_bytes()) if one["format"] == "coco"]
    chosen = [one for one in entries if not only_whole or (not is_refused(one) and is_whole(one))]
    return [pytest.param(one, id=one["name"]) for one in chosen]


def is_whole(case: dict[str, Any]) -> bool:
    """Whether all its annotations are good."""
    whole: bool = good_of(case) == case["truth"]["annotations"]
    return whole


def good_of(case: dict[str, Any]) -> int:
    good: int = case["truth"]["good"]
    return OTHERWISE[case["name"]][0] if case["name"] in OTHERWISE else good


def is_refused(case: dict[str, Any]) -> bool:
    """Whether the whole file is."""
    refused = case["verdict"] == "reject" and case["name"] not in OTHERWISE
    return refused or case["name"] == "nan_literal"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", cases())
def test_each_case_does_what_it_should(case: dict[str, Any], mode: str, shared: Path, tmp_path: Path) -> None:
    source, target = shared / "badinputs" / case["file"], tmp_path / "o.json"
    begin = time.perf_counter()
    good, every = good_of(case), case["truth"]["annotations"]
    if is_refused(case) or (mode == "raise" and good < every):
        with pytest.raises(InputError) as caught:
            annokit.convert(source, target, to="coco", format="coco", on_error=mode)
        assert str(source) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert not list(tmp_path.iterdir())
    else:
        report = annokit.convert(source, target, to="coco", format="coco", on_error=mode, verify=True)
        written = json.loads(target.read_bytes())
        assert report.total("written", "object:") == len(written["annotations"]) == good
        if mode != "raise":
            assert report.kinds["object:unknown"][COLUMN[mode]] == every - good  # type: ignore[index]
    assert time.perf_counter() - begin < 5


@pytest.mark.parametrize("case", cases(only_whole=True))
def test_what_is_kept_is_kept_exactly(case: dict[str, Any], shared: Path, tmp_path: Path) -> None:
    source, target = shared / "badinputs" / case["file"], tmp_path / "o.json"
    annokit.convert(source, target, to="coco", format="coco")
    read, written = json.loads(source.read_bytes()), json.loads(target.read_bytes())
    for name in ("images", "categories"):
        assert written[name] == read[name]
    for before, after in zip(read["annotations"], written["annotations"], strict=True):
        if case["name"] == "dup_annotation_ids":  # the second one gets an id of its own
            before["id"] = after["id"]
        assert {key: after[key] for key in before} == before


DOCUMENT: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "a.jpg", "width": 20, "height": 10}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "area": 16, "iscrowd": 0}
    ],
    "categories": [{"id": 1, "name": "car"}],
}


@pytest.mark.parametrize("key", ["annotations", "images", "categories"])
def test_a_list_that_is_there_twice_is_an_error(key: str, tmp_path: Path) -> None:
    text = json.dumps(DOCUMENT)[:-1] + f', "{key}": []}}'
    with pytest.raises(InputError):
        annokit.convert(text.encode(), tmp_path / "o.json", to="coco", format="coco")


@pytest.mark.parametrize("key", ["image_id", "category_id", "bbox", "segmentation"])
def test_a_key_that_is_there_twice_is_named(key: str, tmp_path: Path) -> None:
    value = {"bbox": [1, 1, 4, 4], "segmentation": []}.get(key, 1)
    document = json.loads(json.dumps(DOCUMENT))
    document["annotations"].append(document["annotations"][0] | {"id": 99, "segmentation": []})
    head, tail = json.dumps(document).rsplit("}], ", 1)
    text = f'{head}, "{key}": {json.dumps(value)}}}], {tail}'
    report = annokit.convert(text.encode(), tmp_path / "o.json", to="coco", format="coco")
    (loss,) = report.losses
    assert (loss.code, loss.examples) == ("duplicate-key", [f"$.annotations[1].{key}"])
    with pytest.raises(AnnokitError, match="duplicate-key"):
        annokit.convert(text.encode(), tmp_path / "p.json", to="coco", format="coco", strict=True)


def test_keys_inside_texts_are_not_there_twice(tmp_path: Path) -> None:
    document = DOCUMENT | {"info": {"description": 'the "annotations", "bbox" and "image_id"', "bbox": 1}}
    report = annokit.convert(document, tmp_path / "o.json", to="coco", format="coco", strict=True)
    assert json.loads((tmp_path / "o.json").read_bytes()) == document
    assert report.losses == []


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("place", ["annotations", "images", "info"])
def test_deep_nesting_is_a_limit_not_a_crash(place: str, mode: str, tmp_path: Path) -> None:
    document = json.loads(json.dumps(DOCUMENT)) | {"info": {}}
    where = document[place] if place == "info" else document[place][0]
    where["deep"] = "HERE"
    text = json.dumps(document).replace('"HERE"', DEEP).encode()
    with pytest.raises((LimitExceeded, InputError)) as caught:
        annokit.convert(text, tmp_path / "o.json", to="coco", format="coco", on_error=mode)
    assert "nested too deeply" in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("record", ["5", "null", "[]", '"x"', "{}", "true"])
@pytest.mark.parametrize("place", ["annotations", "images", "categories"])
def test_a_record_of_another_type_costs_one_record(place: str, record: str, tmp_path: Path) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    document[place].append("HERE")
    text = json.dumps(document).replace('"HERE"', record).encode()
    report = annokit.convert(text, tmp_path / "o.json", to="coco", format="coco", on_error="quarantine")
    assert report.total("quarantined") == 1
    assert json.loads((tmp_path / "o.json").read_bytes()) == DOCUMENT
    (line,) = (tmp_path / "o.json.quarantine.ndjson").read_text().splitlines()
    assert json.loads(line)["raw"] == record


@pytest.mark.parametrize("mode", ["skip", "quarantine"])
def test_results_of_other_types_cost_one_result(mode: str, tmp_path: Path) -> None:
    good = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}
    digits = b'{"image_id": ' + b"9" * 5000 + b"}"
    text = b"[5, null, {}, " + digits + b", " + json.dumps(good).encode() + b"]"
    target = tmp_path / "o.json"
    report = annokit.convert(text, target, to="coco-results", format="coco-results", on_error=mode)
    assert json.loads(target.read_bytes()) == [good]
    assert report.total(COLUMN[mode]) == 4  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", [b"[" * 100_000, b'[{"image_id": 1}', b"{}", b"", b"[" + DEEP.encode() + b"]"]
)
def test_what_is_no_results_list_is_refused(text: bytes) -> None:
    with pytest.raises((InputError, LimitExceeded)) as caught:
        list(annokit.read(text, format="coco-results", on_error="skip"))
    assert "\n" not in str(caught.value)


def test_each_segmentation_that_is_none_has_a_place_of_its_own() -> None:
    annotations = [
        {"id": i, "image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2], "segmentation": "8,8"}
        for i in (1, 2)
    ]
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": annotations,
    }
    run = Run(on_error="skip")
    assert len(list(annokit.read(document, format="coco").rows(run))) == 1
    problem = "expected a segmentation of rings or runs, got neither"
    assert [example.partition(" $.")[2] for example in run.report.losses[0].examples] == [
        f"annotations[0]: {problem}",
        f"annotations[1]: {problem}",
    ]
