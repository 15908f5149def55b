"""COCO instances: there and back equal, and what comes from elsewhere opens in pycocotools."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from pycocotools.coco import COCO

import annokit
from annokit.model import (
    Asset,
    Box,
    Classification,
    DataRow,
    Label,
    Line,
    Mask,
    MaskReference,
    ObjectAnnotation,
    Polygon,
    RotatedBox,
)
from annokit.requeue import requeue

Document = dict[str, Any]


def load(path: Path) -> Document:
    loaded: Document = json.loads(path.read_bytes())
    return loaded


def opened(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def tiny(**changes: Any) -> Document:
    document: Document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 20, "height": 10}],
        "annotations": [
            {"id": 7, "image_id": 1, "category_id": 3, "bbox": [1, 1, 4, 4], "area": 16, "iscrowd": 0}
        ],
        "categories": [{"id": 3, "name": "car"}],
    }
    return document | changes


def annotation(**keys: Any) -> Document:
    return {"id": 1, "image_id": 1, "category_id": 3, "iscrowd": 0} | keys


def convert(document: Document, target: Path, **options: Any) -> tuple[annokit.Report, Document]:
    report = annokit.convert(document, target, to="coco", format="coco", overwrite=True, **options)
    return report, load(target)


def row(*shapes: Any, width: int | None = 20, height: int | None = 10, name: str = "r.jpg") -> DataRow:
    objects = tuple(ObjectAnnotation(tool_name="car", geometry=shape) for shape in shapes)
    asset = Asset(width=width, height=height)
    return DataRow(id=name, external_id=name, asset=asset, labels=(Label(annotations=objects),))


@pytest.mark.parametrize(
    "name",
    [
        "coco-mini/annotations/instances_val2017.json",
        "coco-mini/annotations/instances_train2017.json",
        "coco-mini/annotations/person_keypoints_val2017.json",
        "coco-eval/tests/dataset/cocoapi/instances_val2014_100.json",
        "coco-eval/tests/dataset/gt_dataset.json",
        "coco-eval/tests/lvis_dataset/lvis_val_100.json",
        "coco-panoptic/sample_data/panoptic_coco_detection_format.json",
    ],
)
def test_every_instances_file_comes_back_equal(shared: Path, tmp_path: Path, name: str) -> None:
    source = shared / "coco" / name
    report = annokit.convert(source, tmp_path / "out.json", to="coco", verify=True, strict=True)
    assert load(tmp_path / "out.json") == load(source)
    assert report.total("written", "object:") == len(load(source)["annotations"])


def test_bundled_sample_comes_back_equal(samples: Path, tmp_path: Path) -> None:
    source = samples / "coco.json"
    annokit.convert(source, tmp_path / "out.json", to="coco", strict=True)
    assert load(tmp_path / "out.json") == load(source)


def test_annotations_keep_their_order_when_images_are_interleaved(tmp_path: Path) -> None:
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 9, "height": 9} for i in (5, 2)]
    annotations = [annotation(id=k, image_id=(5, 2)[k % 2], bbox=[0, 0, k, 1], area=k) for k in range(6)]
    document = tiny(images=images, annotations=annotations)
    assert convert(document, tmp_path / "o.json")[1]["annotations"] == annotations


def test_unknown_keys_survive(tmp_path: Path) -> None:
    document = tiny(
        annotations=[
            annotation(bbox=[0, 0, 1, 1], area=1, mood="sunny"),
            annotation(id=2, bbox=[0, 0, 2, 2], area=4, score=0.5),
        ],
        info={"year": 2024},
        notes=["kept"],
    )
    document["images"][0]["exif"] = {"iso": 100}
    document["categories"][0]["supercategory"] = "vehicle"
    assert convert(document, tmp_path / "o.json", strict=True)[1] == document


@pytest.mark.parametrize("segmentation", [[], None])
def test_an_empty_segmentation_is_written_as_it_came(tmp_path: Path, segmentation: Any) -> None:
    document = tiny(annotations=[annotation(bbox=[1, 2, 3, 4], segmentation=segmentation, area=12)])
    assert convert(document, tmp_path / "o.json")[1] == document


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        ({"bbox": None}, "expected array, got null"),
        ({"bbox": [1, 2, 3]}, "length"),
        ({"bbox": [1, 2, 3, 4], "category_id": 99}, "expected a category with id 99"),
        ({"bbox": [1, 2, 3, 4], "image_id": 99}, "expected an image with the id 99"),
        ({"bbox": [1, 2, 3, 4], "iscrowd": 2}, "expected iscrowd 0 or 1, got 2"),
        ({"bbox": [1, 2, 3, 1e300]}, "within 67108864"),
        ({"segmentation": [[1, 2, 3, 4]]}, "3 vertices"),
        ({"segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, "even number"),
        ({"segmentation": "text"}, "expected a segmentation"),
        ({"segmentation": {"size": [10, 20], "counts": [1, 2]}}, "add up to"),
        ({"segmentation": {"size": [20, 10], "counts": [200]}}, "the image's size"),
        ({"segmentation": {"size": [10, 20], "counts": "é"}}, "compressed counts"),
        ({"segmentation": {"size": [10, 20], "counts": [-1, 201]}}, "runs from 0"),
        ({}, "got neither"),
    ],
)
def test_one_bad_annotation_costs_one_annotation(tmp_path: Path, broken: Document, expected: str) -> None:
    good = annotation(id=2, bbox=[0, 0, 1, 1])
    document = tiny(annotations=[annotation(**broken), good])
    target = tmp_path / "o.json"
    report, written = convert(document, target, on_error="quarantine")
    assert [a["id"] for a in written["annotations"]] == [2]
    assert report.total("quarantined") == 1
    lines = Path(f"{target}.quarantine.ndjson").read_text().splitlines()
    assert len(lines) == 1
    put_aside = json.loads(lines[0])
    assert json.loads(put_aside["raw"]) == annotation(**broken)
    assert expected in put_aside["message"]
    assert put_aside["where"]["path"].startswith("$.annotations[0]")
    with pytest.raises(annokit.AnnokitError, match=r"annotations\[0\]"):
        convert(document, tmp_path / "raise.json")
    assert not (tmp_path / "raise.json").exists()


def test_images_with_one_id_make_their_annotations_ambiguous(tmp_path: Path) -> None:
    image = {"id": 1, "file_name": "a.jpg", "width": 20, "height": 10}
    document = tiny(images=[image, image | {"file_name": "b.jpg"}])
    report, written = convert(document, tmp_path / "o.json", on_error="skip")
    assert written["annotations"] == []
    assert len(written["images"]) == 2
    assert report.kinds["object:unknown"]["skipped"] == 1


def test_requeue_makes_a_file_of_what_was_missing(tmp_path: Path) -> None:
    broken = annotation(bbox=[1, 2, "3", 4])
    document = tiny(annotations=[annotation(id=2, bbox=[0, 0, 1, 1]), broken])
    convert(document, tmp_path / "o.json", on_error="quarantine")
    quarantine = tmp_path / "o.json.quarantine.ndjson"
    quarantine.write_text(quarantine.read_text().replace(r"\"3\"", "3"))
    assert requeue(quarantine, tmp_path / "again.json") == 1
    _, written = convert(load(tmp_path / "again.json"), tmp_path / "fixed.json")
    assert [a["bbox"] for a in written["annotations"]] == [[1, 2, 3, 4]]
    assert written["images"] == document["images"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "empty"),
        (b"[]", "object"),
        (b"null", "object"),
        (b'{"images": [], "annotation": [], "categories": []}', '"annotations"'),
        (b'{"images": [], "annotations": {}}', "annotations"),
        (b'{"images": [],}', "JSON"),
        (b'{"images": [], "annotations": []}\n{"images": []}', "JSON"),
        (b'{"images": [], "annotations": [{"image_id": 1, "segments_info": []}]}', "panoptic"),
    ],
)
def test_a_file_of_another_kind_is_refused_in_one_line(text: bytes, expected: str) -> None:
    with pytest.raises(annokit.AnnokitError) as caught:
        list(annokit.read(text, format="coco"))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_shapes_from_elsewhere_open_in_pycocotools_with_the_right_pixels(tmp_path: Path) -> None:
    holed = Polygon.from_parts(
        [
            [[(2, 1), (12, 1), (12, 9), (2, 9)], [(4, 3), (10, 3), (10, 7), (4, 7)]],
            [[(14, 2), (18, 2), (18, 5)]],
        ]
    )
    two_parts = Polygon.from_parts([[[(1, 1), (5, 1), (5, 5)]], [[(8, 2), (12, 2), (12, 8)]]])
    turned = RotatedBox(corners=[(5, 1), (9, 3), (7, 7), (3, 5)])
    runs = Mask(counts=[11, 3, 7, 3, 176], height=10, width=20)
    shapes = [Box(x=2.5, y=1.5, width=6, height=4.25), two_parts, holed, turned, runs]
    report = annokit.write([row(*shapes)], tmp_path / "o.json", format="coco", strict=True)
    coco = opened(tmp_path / "o.json")
    for entry in coco.dataset["annotations"]:
        assert coco.annToMask(entry).sum() == entry["area"]
    masks = [coco.annToMask(entry).astype(bool) for entry in coco.dataset["annotations"]]
    assert not masks[2][4:6, 5:9].any()  # the hole is a hole
    assert masks[2][2:5, 16:17].any()  # the second part is there
    assert masks[2].sum() > masks[2][:, :13].sum() > 30
    assert np.array_equal(masks[4].T.ravel(), np.repeat([0, 1, 0, 1, 0], [11, 3, 7, 3, 176]).astype(bool))
    assert report.kinds["object:box"]["derived"] == 1
    assert [(loss.code, loss.kind, loss.count) for loss in report.losses if loss.kind.endswith("box")] == [
        ("as-polygon", "object:rotated_box", 1)
    ]
    assert [entry["id"] for entry in coco.dataset["annotations"]] == [1, 2, 3, 4, 5]


def test_what_coco_cannot_hold_is_lost_by_name(tmp_path: Path) -> None:
    question = Classification(tool_name="weather", kind="radio")
    lost = [
        ObjectAnnotation(tool_name="car", geometry=Line(coords=[(0, 0), (1, 1)])),
        ObjectAnnotation(tool_name="car", geometry=MaskReference(uri="https://x/y")),
        ObjectAnnotation(tool_name="car", geometry=Box(x=0, y=0, width=1, height=1), space="geo"),
        ObjectAnnotation(tool_name="car", geometry=Box(x=0, y=0, width=1, height=1), frame=3),
        ObjectAnnotation(tool_name="car", geometry=Polygon(coords=[(0, 0), (1, 1)])),
        ObjectAnnotation(tool_name="car", geometry=Box(x=float("nan"), y=0, width=1, height=1)),
        question,
    ]
    kept = ObjectAnnotation(
        tool_name="car", geometry=Box(x=0, y=0, width=1, height=1), classifications=(question,)
    )
    data_row = DataRow(id="r", asset=Asset(width=9, height=9), labels=(Label(annotations=(*lost, kept)),))
    report = annokit.write([data_row], tmp_path / "o.json", format="coco")
    assert len(load(tmp_path / "o.json")["annotations"]) == 1
    codes = {(loss.code, loss.kind): loss.count for loss in report.losses}
    assert codes == {
        ("no-place", "object:line"): 1,
        ("mask-not-fetched", "object:mask_reference"): 1,
        ("not-an-image", "object:box"): 2,
        ("too-few-points", "object:polygon"): 1,
        ("bad-geometry", "object:box"): 1,
        ("no-place", "classifications"): 2,
    }
    with pytest.raises(annokit.AnnokitError, match="nothing was written"):
        annokit.write([data_row], tmp_path / "strict.json", format="coco", strict=True)
    assert not (tmp_path / "strict.json").exists()


def test_polygons_without_an_image_size_still_have_an_area(tmp_path: Path) -> None:
    square = Polygon(coords=[(0, 0), (4, 0), (4, 4), (0, 4)])
    annokit.write([row(square, width=None, height=None)], tmp_path / "o.json", format="coco")
    (entry,) = load(tmp_path / "o.json")["annotations"]
    assert entry["area"] == 16
    assert "width" not in load(tmp_path / "o.json")["images"][0]


def test_classes_are_chosen_renamed_and_numbered(samples: Path, tmp_path: Path) -> None:
    source = samples / "coco.json"
    names = {c["id"]: c["name"] for c in load(source)["categories"]}
    counts: dict[str, int] = {}
    for entry in load(source)["annotations"]:
        counts[names[entry["category_id"]]] = counts.get(names[entry["category_id"]], 0) + 1
    report = annokit.convert(
        source,
        tmp_path / "o.json",
        to="coco",
        classes=["vehicle", "person"],
        rename={"car": "vehicle"},
        ids={"vehicle": 5, "person": 9},
    )
    written = load(tmp_path / "o.json")
    assert [(c["id"], c["name"]) for c in written["categories"]] == [(5, "vehicle"), (9, "person")]
    by_id = [entry["category_id"] for entry in written["annotations"]]
    assert by_id.count(5) == counts.get("car", 0)
    assert by_id.count(9) == counts["person"]
    dropped = sum(counts.values()) - counts.get("car", 0) - counts["person"]
    assert report.total("unsupported", "object:") == dropped
    assert report.kinds["categories"]["unsupported"] == 78
    with pytest.raises(annokit.AnnokitError, match="no class is called 'cra'"):
        annokit.convert(source, tmp_path / "p.json", to="coco", classes=["cra"])


@pytest.mark.parametrize(
    ("ids", "written", "renumbered"),
    [
        ([1, 1, 1], [1, 2, 3], 2),
        ([None, 1, 3], [1, 2, 3], 1),
        ([3, 7, None, None], [3, 7, 8, 9], 0),
        ([9, None, 10], [9, 10, 11], 1),
        (["a", "a", 5], ["a", 1, 5], 1),
    ],
)
def test_an_id_is_given_once_and_a_new_one_is_named(
    tmp_path: Path, ids: list[Any], written: list[Any], renumbered: int
) -> None:
    annotations = [annotation(id=one, bbox=[0, 0, 1, 1], area=1) for one in ids]
    for entry in annotations:
        if entry["id"] is None:
            del entry["id"]
    report, document = convert(tiny(annotations=annotations), tmp_path / "o.json")
    assert [one["id"] for one in document["annotations"]] == written
    assert [loss.count for loss in report.losses if loss.code == "id-taken"] == [renumbered] * (
        renumbered > 0
    )
    assert len(opened(tmp_path / "o.json").anns) == len(ids)


def test_rows_that_are_added_get_ids_of_their_own(tmp_path: Path) -> None:
    rows = list(annokit.read(tiny(), format="coco"))
    added = DataRow(id="new", source=rows[0].source, labels=rows[0].labels, asset=rows[0].asset)
    annokit.write([added, *rows], tmp_path / "o.json", format="coco")
    document = load(tmp_path / "o.json")
    assert [image["id"] for image in document["images"]] == [1, 2]
    assert [(one["id"], one["image_id"]) for one in document["annotations"]] == [(7, 1), (8, 2)]


def test_what_is_no_image_has_no_place_and_names_that_repeat_are_named(tmp_path: Path) -> None:
    car = ObjectAnnotation(tool_name="car", geometry=Box(x=1, y=2, width=3, height=4))
    rows = [
        DataRow(
            id=str(n), external_id=name, asset=Asset(media_type=kind), labels=(Label(annotations=(car,)),)
        )
        for n, (name, kind) in enumerate([("a.jpg", "image"), ("a.jpg", "image"), ("a.mp4", "video")])
    ]
    for target in ("coco", "coco-results"):
        report = annokit.write(rows, tmp_path / f"{target}.json", format=target)
        assert ("not-an-image", "data_rows", 1) in [(one.code, one.kind, one.count) for one in report.losses]
    document = load(tmp_path / "coco.json")
    assert [image["file_name"] for image in document["images"]] == ["a.jpg", "a.jpg"]
    assert len(document["annotations"]) == len(load(tmp_path / "coco-results.json")) == 2
    video = replace(rows[2], external_id="a.jpg")  # what is left out takes no name
    for written, counts in ((rows, [2]), ([*rows, video], [2]), ([rows[0], video], [])):
        report = annokit.write(written, tmp_path / "o.json", format="coco", overwrite=True)
        assert [one.count for one in report.losses if one.code == "name-taken"] == counts


def test_two_files_with_equal_ids_stay_apart(tmp_path: Path) -> None:
    first, second = tiny(), tiny(categories=[{"id": 3, "name": "dog"}])
    for name, document in (("a.json", first), ("b.json", second)):
        (tmp_path / name).write_text(json.dumps(document))
    annokit.convert([tmp_path / "a.json", tmp_path / "b.json"], tmp_path / "o.json", to="coco")
    written = load(tmp_path / "o.json")
    assert [image["id"] for image in written["images"]] == [1, 2]
    assert [(a["id"], a["image_id"]) for a in written["annotations"]] == [(7, 1), (8, 2)]
    names = {c["id"]: c["name"] for c in written["categories"]}
    assert [names[a["category_id"]] for a in written["annotations"]] == ["car", "dog"]


@pytest.mark.parametrize(
    ("shape", "size", "code"),
    [
        (Box(x=0, y=0, width=-3, height=4), (20, 10), "bad-geometry"),
        (Box(x=0, y=0, width=3, height=4), (10**12, 10), "image-size"),
        (Box(x=0, y=0, width=3, height=4), (20, -10), "image-size"),
        (Box(x=0, y=0, width=1e8, height=4), (20, 10), "bad-geometry"),
        (Polygon(coords=[(0, 0), (70_000, 0), (70_000, 70_000)]), (None, None), "no-size"),
        (Box(x=0, y=0, width=70_000, height=70_000), (None, None), "no-size"),
        (Polygon(coords=[(0, 0), (1e8, 0), (4, 4)]), (20, 10), "bad-geometry"),
        (Polygon.from_parts([[[(0, 0), (4, 0), (4, 4)]], [[(6, 6), (7, 7)]]]), (20, 10), "too-few-points"),
        (Polygon.from_parts([]), (20, 10), "too-few-points"),
        (Mask(counts=[4], height=2, width=2), (20, 10), "mask-size"),
        (Mask(counts=[], height=0, width=0), (None, None), "mask-size"),
    ],
)
def test_one_shape_that_cannot_be_costs_one_shape(
    tmp_path: Path, shape: Any, size: tuple[int | None, int | None], code: str
) -> None:
    good = row(Box(x=0, y=0, width=1, height=1))
    bad = row(shape, width=size[0], height=size[1], name="bad.jpg")
    report = annokit.write([bad, good], tmp_path / "o.json", format="coco")
    assert len(load(tmp_path / "o.json")["annotations"]) == 1
    assert code in {loss.code for loss in report.losses}


def test_a_stated_box_too_large_to_draw_on_costs_one_shape(tmp_path: Path) -> None:
    square, huge = Polygon(coords=[(0, 0), (4, 0), (4, 4)]), Box(x=0, y=0, width=70_000, height=70_000)
    labels = [
        Label(annotations=(ObjectAnnotation(tool_name="a", geometry=square, box=box),))
        for box in (huge, None)
    ]
    report = annokit.write(
        [DataRow(id="r", labels=tuple(labels))], tmp_path / "o.json", format="coco", labels="all"
    )
    assert len(load(tmp_path / "o.json")["annotations"]) == 1
    assert report.kinds["object:polygon"]["unsupported"] == 1


def test_numbers_that_are_none_are_lost_not_written_as_null(tmp_path: Path) -> None:
    square = Polygon(coords=[(0, 0), (4, 0), (4, 4)])
    broken = [
        ObjectAnnotation(tool_name="a", geometry=square, box=Box(x=float("nan"), y=0, width=1, height=1)),
        ObjectAnnotation(tool_name="a", geometry=square, confidence=float("inf")),
    ]
    data_row = DataRow(id="r", asset=Asset(width=9, height=9), labels=(Label(annotations=tuple(broken)),))
    report = annokit.write([data_row], tmp_path / "o.json", format="coco")
    assert report.kinds["object:polygon"]["unsupported"] == 2


def test_two_categories_of_one_id_make_their_annotations_ambiguous(tmp_path: Path) -> None:
    document = tiny(categories=[{"id": 3, "name": "car"}, {"id": 3, "name": "dog"}])
    report, written = convert(document, tmp_path / "o.json", on_error="skip")
    assert written["annotations"] == []
    assert report.kinds["object:unknown"]["skipped"] == 1


def test_renaming_onto_a_class_that_is_there_makes_one_class(tmp_path: Path) -> None:
    document = tiny(categories=[{"id": 3, "name": "car"}, {"id": 8, "name": "truck"}])
    document["annotations"].append(annotation(id=9, category_id=8, bbox=[0, 0, 2, 2], area=4))
    report, written = convert(document, tmp_path / "o.json", rename={"truck": "car"})
    assert [category["name"] for category in written["categories"]] == ["car"]
    assert {entry["category_id"] for entry in written["annotations"]} == {3}
    assert report.kinds["categories"]["merged"] == 1


def test_a_mended_category_id_finds_its_category(tmp_path: Path) -> None:
    document = tiny(
        annotations=[annotation(category_id=99, bbox=[0, 0, 1, 1]), annotation(bbox=[0, 0, 2, 2])]
    )
    convert(document, tmp_path / "o.json", on_error="quarantine")
    quarantine = tmp_path / "o.json.quarantine.ndjson"
    quarantine.write_text(quarantine.read_text().replace(r"\"category_id\":99", r"\"category_id\":3"))
    requeue(quarantine, tmp_path / "again.json")
    _, written = convert(load(tmp_path / "again.json"), tmp_path / "fixed.json")
    assert [a["bbox"] for a in written["annotations"]] == [[0, 0, 1, 1]]


def test_an_object_of_another_shape_has_the_box_and_area_of_that(tmp_path: Path) -> None:
    square = [[0, 0, 4, 0, 4, 4, 0, 4]]
    annotation = {
        "id": 7,
        "image_id": 1,
        "category_id": 1,
        "segmentation": square,
        "bbox": [0, 0, 4, 4],
        "area": 16,
        "iscrowd": 0,
    }
    image = {"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}
    source = {"images": [image], "annotations": [annotation], "categories": [{"id": 1, "name": "car"}]}
    (row,) = annokit.read(source)
    old = row.labels[0].objects[0]
    new = old.reshaped(Polygon(coords=[(0, 0), (8, 0), (8, 8), (0, 8)]))
    changed = replace(row, labels=(replace(row.labels[0], annotations=(new,)),))
    annokit.write([changed], tmp_path / "o.json", format="coco")
    (written,) = json.loads((tmp_path / "o.json").read_text())["annotations"]
    assert (written["id"], written["bbox"], written["area"]) == (7, [0, 0, 8, 8], 64)
