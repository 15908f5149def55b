"""The whole story with known answers: three annotators' boxes, polygons and masks become training data."""

from __future__ import annotations

import contextlib
import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from PIL import Image
from pycocotools.coco import COCO

import annokit

Row = dict[str, Any]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory, samples: Path, generate: Callable[..., None]) -> Path:
    """An export like the bundled one, but made here, so that nothing in it is taken on trust."""
    folder = tmp_path_factory.mktemp("street")
    arguments = ["--annotators", 3, "--jitter", 2, "--masks", folder / "masks"]
    generate("make_export", samples / "coco.json", folder / "export.ndjson", *arguments)
    return folder


@pytest.fixture(scope="module")
def rows(street: Path) -> list[Row]:
    return [json.loads(line) for line in (street / "export.ndjson").read_text().splitlines()]


def labels_of(row: Row) -> list[Row]:
    (project,) = row["projects"].values()
    found: list[Row] = project["labels"]
    return found


def chosen(row: Row, policy: str) -> list[Row]:
    """What each policy means, straight from the JSON."""
    labels = labels_of(row)
    if policy == "all":
        return labels
    if policy == "newest":
        return [max(labels, key=lambda label: label["label_details"]["updated_at"])]
    who = policy.partition(":")[2]
    return [label for label in labels if label["label_details"]["created_by"] == who]


def kind(one: Row) -> str:
    return next(k for k in ("bounding_box", "polygon", "mask", "composite_mask") if k in one)


def expected(rows: list[Row], policy: str) -> Counter[tuple[str, str]]:
    return Counter(
        (one["name"], "mask" if "mask" in kind(one) else kind(one))
        for row in rows
        for label in chosen(row, policy)
        for one in label["annotations"]["objects"]
    )


POLICIES = ["all", "newest", "annotator:annotator1@example.com"]


@pytest.mark.parametrize("policy", POLICIES)
def test_to_coco(street: Path, rows: list[Row], tmp_path: Path, policy: str) -> None:
    target = tmp_path / "coco.json"
    report = annokit.convert(
        street / "export.ndjson", target, to="coco", labels=policy, masks=str(street / "masks"), verify=True
    )
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(target))
    names = {category["id"]: category["name"] for category in coco.dataset["categories"]}
    counts = Counter(names[entry["category_id"]] for entry in coco.dataset["annotations"])
    wanted: Counter[str] = Counter()
    for (name, _), n in expected(rows, policy).items():
        wanted[name] += n
    assert counts == wanted
    assert sorted(names) == list(range(1, len(names) + 1))
    for entry in coco.dataset["annotations"]:
        assert coco.annToMask(entry).sum() == entry["area"]
    assert [image["file_name"] for image in coco.dataset["images"]] == [
        r["data_row"]["global_key"] for r in rows
    ]
    answers = sum(len(label["annotations"]["classifications"]) for r in rows for label in chosen(r, policy))
    assert report.kinds["classifications"]["unsupported"] == answers
    assert report.total("superseded", "labels") == sum(
        len(labels_of(r)) - len(chosen(r, policy)) for r in rows
    )


def test_masks_are_the_pixels_of_their_pngs(street: Path, rows: list[Row]) -> None:
    files = dict(line.split(",") for line in (street / "masks" / "masks.csv").read_text().splitlines()[1:])
    pixels = {}
    for row in rows:
        for label in labels_of(row):
            for one in label["annotations"]["objects"]:
                found = one.get("mask") or one.get("composite_mask")
                if found:
                    image = np.array(Image.open(street / "masks" / files[found["url"]]))
                    color = found.get("color_rgb")
                    pixels[one["feature_id"]] = (image == color).all(-1) if color else image > 0
    seen = 0
    for data_row in annokit.read(street / "export.ndjson", masks=str(street / "masks")):
        for label in data_row.labels:
            for annotation in label.objects:
                if annotation.geometry.kind == "mask":
                    runs = annotation.geometry.counts
                    values = np.arange(len(runs)) % 2 == 1
                    shape = (annotation.geometry.width, annotation.geometry.height)
                    drawn = np.repeat(values, runs).reshape(shape).T
                    assert np.array_equal(drawn, pixels[annotation.id])
                    seen += 1
    assert seen == len(pixels)
    assert seen > 50


@pytest.mark.parametrize("task", ["detect", "segment"])
def test_to_yolo(street: Path, rows: list[Row], tmp_path: Path, task: str) -> None:
    report = annokit.convert(
        street / "export.ndjson",
        tmp_path / "yolo",
        to="yolo",
        task=task,
        labels="newest",
        masks=str(street / "masks"),
        split="train=.75,val=.25",
        verify=True,
    )
    files = sorted((tmp_path / "yolo" / "labels").rglob("*.txt"))
    assert len(files) == len(rows)
    assert sum(file.parent.name == "val" for file in files) == round(0.25 * len(rows))
    lines = sum(len(file.read_text().splitlines()) for file in files)
    assert lines == report.total("written", "object:")
    lost = report.total("unsupported", "object:")
    assert lines + lost == sum(expected(rows, "newest").values())
    assert lost <= 3  # an object that the composite's later ones cover has no pixels left


def test_to_parquet_and_back(street: Path, rows: list[Row], tmp_path: Path) -> None:
    source = annokit.read(street / "export.ndjson", masks=str(street / "masks"))
    annokit.write(source, tmp_path / "labels", format="parquet", labels="all", verify=True)
    again = annokit.read(tmp_path / "labels")
    assert list(again) == list(source)
    assert again.ontology == source.ontology
    table = str(tmp_path / "labels" / "annotations.parquet")
    wanted = sum(expected(rows, "all").values())
    (count,) = duckdb.execute(f"SELECT count(*) FROM '{table}'").fetchone()  # type: ignore[misc]
    assert count == wanted
    assert pl.read_parquet(table).height == wanted
    assert len(pd.read_parquet(table)) == wanted
    per_class = duckdb.execute(f"SELECT tool_name, count(*) FROM '{table}' GROUP BY 1").fetchall()
    by_name: Counter[str] = Counter()
    for (name, _), n in expected(rows, "all").items():
        by_name[name] += n
    assert dict(per_class) == by_name


def test_hugging_face_datasets_reads_every_table(street: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    annokit.convert(street / "export.ndjson", tmp_path / "labels", to="parquet", labels="all")
    for file in sorted((tmp_path / "labels").glob("*.parquet")):
        height = pl.read_parquet(file).height
        if height:  # it refuses a table without rows, here that of the relationships
            loaded = datasets.Dataset.from_parquet(str(file), cache_dir=str(tmp_path / "cache"))
            assert loaded.num_rows == height


def test_without_the_masks_folder_objects_stay_references(
    street: Path, rows: list[Row], tmp_path: Path
) -> None:
    report = annokit.convert(street / "export.ndjson", tmp_path / "o.json", to="coco", labels="all")
    masks = sum(n for (_, what), n in expected(rows, "all").items() if what == "mask")
    assert report.kinds["object:mask_reference"]["unsupported"] == masks
    assert [loss.code for loss in report.losses if loss.kind == "object:mask_reference"] == [
        "mask-not-fetched"
    ]
