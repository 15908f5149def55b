"""Masks in PNG files: pixel-equal, found by the table or by their names, and told when missing."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask

import annokit
from annokit.errors import GeometryError, InputError, UnsafeInput
from annokit.geometry.mask_files import mask_file_name
from annokit.masks import list_masks, mask_requests
from annokit.model import Mask, MaskReference, ObjectAnnotation
from annokit.report import Report
from annokit.run import Run

Json = dict[str, Any]
SINGLE, COMPOSITE = "https://example.com/masks/m1?token=t", "https://example.com/tasks/t/masks/m/index/1"


def dense(mask: Mask) -> NDArray[np.bool_]:
    """The pixels, by pycocotools."""
    runs = {"size": [mask.height, mask.width], "counts": mask.counts.tolist()}
    pixels: NDArray[np.bool_] = coco_mask.decode(coco_mask.frPyObjects(runs, mask.height, mask.width)).astype(
        bool
    )
    return pixels


def line(*shapes: Json, size: tuple[int, int] | None = (6, 8)) -> Json:
    objects = [{"feature_id": f"f{n}", "name": "car", **shape} for n, shape in enumerate(shapes)]
    media = {} if size is None else {"height": size[0], "width": size[1]}
    return {
        "data_row": {"id": "r1", "row_data": "https://example.com/a.jpg"},
        "media_attributes": media | {"mime_type": "image/jpeg"},
        "projects": {"p1": {"labels": [{"id": "l1", "annotations": {"objects": objects}}]}},
    }


def read(row: Json, folder: Path, on_error: Any = "raise") -> tuple[list[ObjectAnnotation], Report]:
    run = Run(on_error=on_error)
    dataset = annokit.read(json.dumps(row).encode(), format="labelbox", masks=str(folder))
    (found,) = dataset.rows(run)
    return found.labels[0].objects, run.report


def save(folder: Path, url: str, image: Image.Image) -> None:
    image.save(folder / mask_file_name(url))


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    """Two objects, 1 and 2, on nothing."""
    labels = np.zeros((6, 8), np.uint8)
    labels[1:4, 2:5], labels[3:6, 5:8] = 1, 2
    return labels


def composite(color: list[int], url: str = COMPOSITE) -> Json:
    return {"composite_mask": {"url": url, "color_rgb": color}}


def test_every_mask_of_an_export_is_pixel_equal(
    samples: Path, tmp_path: Path, generate: Callable[..., None]
) -> None:
    path, folder = tmp_path / "export.ndjson", tmp_path / "masks"
    generate("make_export", samples / "coco.json", path, "--masks", folder)
    with (folder / "masks.csv").open() as table:
        files = {row["url"]: row["file"] for row in csv.DictReader(table)}
    references = [one.geometry for row in annokit.read(path) for one in row.labels[0].objects]
    found = [one.geometry for row in annokit.read(path, masks=str(folder)) for one in row.labels[0].objects]
    seen = 0
    for reference, mask in zip(references, found, strict=True):
        if isinstance(reference, MaskReference):
            image = np.array(Image.open(folder / files[reference.uri]))
            truth = image != 0 if reference.color is None else (image == reference.color).all(axis=2)
            assert isinstance(mask, Mask)
            assert np.array_equal(dense(mask), truth)
            seen += 1
    assert seen > 20


@pytest.mark.parametrize("mode", ["L", "1", "LA", "RGB", "RGBA", "P"])
def test_one_object_is_all_that_is_not_black(mode: str, pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    image = Image.fromarray((pixels > 0).astype(np.uint8) * 255)
    save(
        tmp_path,
        SINGLE,
        image.convert("L" if mode == "P" else mode).quantize(4) if mode == "P" else image.convert(mode),
    )
    (one,), report = read(line({"mask": {"url": SINGLE}}), tmp_path)
    assert isinstance(one.geometry, Mask)
    assert np.array_equal(dense(one.geometry), pixels > 0)
    assert one.extra["labelbox"] == {"mask": {"url": SINGLE}}
    assert report.losses == []


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_objects_of_a_composite_have_a_colour_each(
    mode: str, pixels: NDArray[np.uint8], tmp_path: Path
) -> None:
    colors = np.array([(0, 0, 0), (12, 200, 7), (90, 90, 90)], np.uint8)
    image = Image.fromarray(colors[pixels])
    save(tmp_path, COMPOSITE, image.quantize(8) if mode == "P" else image.convert(mode))
    objects, _ = read(line(composite([12, 200, 7]), composite([90, 90, 90])), tmp_path)
    for number, one in enumerate(objects, 1):
        assert isinstance(one.geometry, Mask)
        assert np.array_equal(dense(one.geometry), pixels == number)


@pytest.mark.parametrize("mode", ["L", "P"])
def test_numbers_in_place_of_colours(mode: str, pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    image = Image.fromarray(pixels)
    if mode == "P":
        image.putpalette([0, 0, 0, 250, 10, 10, 20, 240, 20])
    save(tmp_path, COMPOSITE, image)
    objects, _ = read(line(composite([1, 1, 1]), composite([2, 2, 2])), tmp_path)
    for number, one in enumerate(objects, 1):
        assert isinstance(one.geometry, Mask)
        assert np.array_equal(dense(one.geometry), pixels == number)


def test_a_colour_that_does_not_occur_is_an_empty_mask_and_named(
    pixels: NDArray[np.uint8], tmp_path: Path
) -> None:
    save(tmp_path, COMPOSITE, Image.fromarray(pixels).convert("RGB"))
    (one,), report = read(line(composite([9, 8, 7])), tmp_path)
    assert isinstance(one.geometry, Mask)
    assert not dense(one.geometry).any()
    assert [(note.code, note.count, note.lossy) for note in report.losses] == [("mask-empty", 1, False)]


def test_a_missing_file_keeps_the_reference_and_is_named(tmp_path: Path) -> None:
    objects, report = read(line({"mask": {"url": SINGLE}}, composite([1, 2, 3])), tmp_path)
    assert [one.geometry for one in objects] == [
        MaskReference(uri=SINGLE),
        MaskReference(uri=COMPOSITE, color=(1, 2, 3)),
    ]
    (note,) = report.losses
    assert (note.code, note.count, "token=" in note.examples[0]) == ("mask-missing", 2, False)


def test_a_mask_of_another_size_is_rejected(pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    save(tmp_path, SINGLE, Image.fromarray(pixels))
    objects, report = read(line({"mask": {"url": SINGLE}}, size=(6, 9)), tmp_path, "skip")
    assert objects == []
    assert report.kinds["object:mask_reference"]["skipped"] == 1
    with pytest.raises(GeometryError, match=r"objects\[0\]: expected .*6 x 9, got 6 x 8"):
        read(line({"mask": {"url": SINGLE}}, size=(6, 9)), tmp_path)
    (one,), _ = read(line({"mask": {"url": SINGLE}}, size=None), tmp_path)
    assert isinstance(one.geometry, Mask)


def test_a_broken_file_costs_the_object(tmp_path: Path) -> None:
    (tmp_path / mask_file_name(SINGLE)).write_bytes(b"\x89PNG not really")
    with pytest.raises(
        InputError, match=r"data_row=r1 .*objects\[0\]: expected a PNG, got something else in m1~"
    ):
        read(line({"mask": {"url": SINGLE}}), tmp_path)


@pytest.mark.parametrize("name", ["../up.png", "/etc/passwd", "a/../../up.png", "C:\\x.png", ""])
def test_a_table_cannot_lead_out_of_its_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "masks.csv").write_text(f"url,file\n{SINGLE},{name}\n")
    with pytest.raises(UnsafeInput, match=r"masks\.csv:2"):
        read(line({"mask": {"url": SINGLE}}), tmp_path)


def test_a_table_that_is_none_or_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a folder of masks"):
        read(line(), tmp_path / "nowhere")
    (tmp_path / "masks.csv").write_text("file\na.png\n")
    with pytest.raises(InputError, match="columns url,file"):
        read(line(), tmp_path)


def test_the_list_names_every_image_once_and_reads_back(pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    formula = "=cmd|'/c calc'!A1"
    row = line(
        {"mask": {"url": SINGLE}}, composite([1, 1, 1]), composite([2, 2, 2]), {"mask": {"url": formula}}
    )
    dataset = annokit.read([row], format="labelbox")
    requests = list(mask_requests(dataset))
    assert [one.url for one in requests] == [SINGLE, COMPOSITE, formula]
    assert len({one.file for one in requests}) == 3
    assert all("token" not in one.file and "/" not in one.file for one in requests)
    assert list_masks(dataset, tmp_path / "masks.csv") == 3
    with (tmp_path / "masks.csv").open(newline="") as table:
        assert [cells[0][:1] for cells in csv.reader(table)] == ["u", "h", "h", "'"]
    for one in requests:
        Image.fromarray(pixels).save(tmp_path / one.file)
    objects, report = read(row, tmp_path)
    assert {one.geometry.kind for one in objects} == {"mask"}
    assert report.losses == []


def test_masks_reach_coco(samples: Path, tmp_path: Path, generate: Callable[..., None]) -> None:
    path, folder = tmp_path / "export.ndjson", tmp_path / "masks"
    generate("make_export", samples / "coco.json", path, "--masks", folder)
    report = annokit.convert(path, tmp_path / "with.json", to="coco", masks=str(folder))
    assert report.total("written", "object:mask") == report.total("read", "object:mask") > 20
    report = annokit.convert(path, tmp_path / "without.json", to="coco")
    assert (
        report.total("unsupported", "object:mask_reference")
        == report.total("read", "object:mask_reference")
        > 20
    )


def test_masks_of_the_legacy_export(pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    save(tmp_path, SINGLE, Image.fromarray(pixels))
    entry = {
        "DataRow ID": "r1",
        "Labeled Data": "https://example.com/a.jpg",
        "Label": {"objects": [{"title": "car", "instanceURI": SINGLE}]},
    }
    (row,) = annokit.read([entry], format="labelbox-v1", masks=str(tmp_path))
    (one,) = row.labels[0].objects
    assert isinstance(one.geometry, Mask)
    assert np.array_equal(dense(one.geometry), pixels > 0)
    assert one.extra == {"labelbox-v1": {"instanceURI": SINGLE}}
