"""COCO beyond instances: keypoints, captions, results, panoptic, labels; and every file of the collection."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import annokit
from annokit.model import (
    Asset,
    Box,
    Classification,
    DataRow,
    Keypoints,
    Label,
    Line,
    Mask,
    ObjectAnnotation,
    Ontology,
    Polygon,
    Tool,
)

Document = dict[str, Any]
DATUMARO = "yolo/datumaro-cvat-fork/tests/assets/coco_dataset"
RESULTS = "coco/coco-results/results"
EVAL = "coco/coco-eval/tests"
REFUSED = {
    "gt_ignore_test.json": "expected an image with the id 2299, got none",  # image ids as text, annotations by number
    "panoptic_coco_categories.json": "looks like no known format",  # a list of categories alone
    "coco_panoptic/annotations/panoptic_train.json": "expected a PNG of the image's size (5, 10), got (5, 5)",
}


def load(path: Path) -> Any:
    return json.loads(path.read_bytes())


def convert(document: Any, target: Path, to: str = "coco", **options: Any) -> tuple[annokit.Report, Any]:
    source = document if isinstance(document, Path) else json.dumps(document).encode()
    report = annokit.convert(source, target, to=to, overwrite=True, **options)
    return report, load(target)


def silent(function: Callable[..., Any], *arguments: Any) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        return function(*arguments)


def evaluated(truth: Path, results: Path, task: str) -> list[float]:
    loaded = silent(COCO, str(truth))
    evaluation = COCOeval(loaded, silent(loaded.loadRes, str(results)), task)
    for step in (evaluation.evaluate, evaluation.accumulate, evaluation.summarize):
        silent(step)
    numbers: list[float] = evaluation.stats.tolist()
    return numbers


def objects_of(dataset: annokit.Dataset) -> list[ObjectAnnotation]:
    return [one for row in dataset for label in row.labels for one in label.objects]


def test_every_file_of_the_collection_is_read_or_refused_in_one_line(shared: Path) -> None:
    files = [*(shared / "coco").rglob("*.json"), *(shared / DATUMARO).rglob("*.json")]
    assert len(files) > 50
    for file in files:
        expected = next((text for name, text in REFUSED.items() if str(file).endswith(name)), None)
        if expected is None:
            name = annokit.detect(file)
            assert name.startswith("coco")
            document = load(file)
            assert list(annokit.read(file))
            assert (name == "coco-results") == isinstance(document, list)
            assert (name == "coco-panoptic") == ("segments_info" in file.read_text())
            continue
        with pytest.raises(annokit.AnnokitError) as caught:
            list(annokit.read(file))
        assert expected in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "task", ["captions", "image_info", "instances", "labels", "person_keypoints", "stuff"]
)
def test_every_task_comes_back_equal(shared: Path, tmp_path: Path, task: str) -> None:
    files = [*(shared / DATUMARO / "coco").rglob(f"{task}_*.json")]
    files += (shared / "coco/coco-mini").rglob(f"{task}_*.json")
    assert len(files) >= 2
    for file in files:
        report, written = convert(file, tmp_path / "o.json", strict=True, verify=True)
        assert written == load(file)
        assert report.total("written", "object:") + report.total("written", "classifications") == len(
            load(file)["annotations"]
        )


def test_a_file_of_images_alone_comes_back_without_annotations(shared: Path, tmp_path: Path) -> None:
    file = shared / "coco/coco-panoptic/sample_data/images_info_examples.json"
    assert convert(file, tmp_path / "o.json", strict=True)[1] == load(file)


def posed(**keys: Any) -> Document:
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 9, 8], "area": 40, "iscrowd": 0}
    annotation |= {"keypoints": [1, 2, 2, 5, 6, 1, 0, 0, 0], "num_keypoints": 2} | keys
    category = {"id": 1, "name": "person", "keypoints": ["a", "b", "c"], "skeleton": [[1, 2], [2, 3]]}
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 20, "height": 10}],
        "annotations": [{name: value for name, value in annotation.items() if value is not None}],
        "categories": [category],
    }


def test_keypoints_have_a_box_and_their_tool_the_skeleton(tmp_path: Path) -> None:
    document = posed(segmentation=[[1, 1, 5, 1, 5, 5]])
    dataset = annokit.read(json.dumps(document).encode())
    (tool,) = dataset.ontology.tools
    assert (tool.keypoints, tool.skeleton) == (("a", "b", "c"), ((0, 1), (1, 2)))
    (one,) = objects_of(dataset)
    assert one.geometry == Keypoints(coords=[(1, 2), (5, 6), (0, 0)], visibility=[2, 1, 0])
    assert one.box == Box(x=1, y=2, width=9, height=8)
    assert convert(document, tmp_path / "o.json", strict=True)[1] == document


@pytest.mark.parametrize(
    "changes",
    [
        {"keypoints": [0] * 9, "num_keypoints": 0},  # nobody marked any: the box is the shape
        {"keypoints": [1, 2, 0.25, 5, 6, 0.5, 0, 0, 0]},  # scores instead of flags
        {
            "keypoints": [1.5, 2, 2, 5, 6, 1, 7, 8, 0],
            "segmentation": {"size": [10, 20], "counts": [3, 7, 190]},
        },
        {"keypoints": []},
    ],
)
def test_keypoints_of_all_kinds_come_back_equal(tmp_path: Path, changes: Document) -> None:
    document = posed(**changes)
    assert convert(document, tmp_path / "o.json", strict=True)[1] == document


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"keypoints": [1, 2, 2, 3]}, "expected keypoints as x, y, v"),
        ({"keypoints": [1e300, 2, 2]}, "within"),
        ({"segmentation": [[1, 2, 3, 4]]}, "3 vertices"),
        ({"keypoints": ["1", 2, 2]}, "keypoints[0]"),
    ],
)
def test_bad_keypoints_cost_one_annotation(tmp_path: Path, changes: Document, expected: str) -> None:
    report, written = convert(posed(**changes), tmp_path / "o.json", on_error="skip")
    assert written["annotations"] == []
    assert report.total("skipped") == 1
    with pytest.raises(annokit.AnnokitError) as caught:
        convert(posed(**changes), tmp_path / "p.json")
    assert expected in str(caught.value)


def test_keypoints_from_elsewhere_are_complete(tmp_path: Path) -> None:
    points = Keypoints(coords=[(3, 4), (9, 9), (5, 8)], visibility=[2, 0, 1])
    marked = [
        ObjectAnnotation(tool_name="p", geometry=points),
        ObjectAnnotation(tool_name="p", geometry=points, box=Box(x=0, y=0, width=10, height=9)),
    ]
    tool = Tool(name="p", keypoints=("a", "b", "c"), skeleton=((0, 2),))
    row = DataRow(id="r", asset=Asset(width=20, height=20), labels=(Label(annotations=tuple(marked)),))
    dataset = annokit.Dataset.from_rows([row], Ontology(tools=(tool,)))
    annokit.write(dataset, tmp_path / "o.json", format="coco", strict=True)
    written = load(tmp_path / "o.json")
    first, second = written["annotations"]
    assert (first["bbox"], first["area"], first["num_keypoints"]) == ([3, 4, 2, 4], 8, 2)
    assert (second["bbox"], second["area"]) == ([0, 0, 10, 9], 90)
    assert first["keypoints"] == [3, 4, 2, 9, 9, 0, 5, 8, 1]
    assert written["categories"][0]["keypoints"] == ["a", "b", "c"]
    assert written["categories"][0]["skeleton"] == [[1, 3]]


def test_keypoints_evaluate_the_same_before_and_after(shared: Path, tmp_path: Path) -> None:
    folder = shared / EVAL / "keypoints_dataset"
    truth, results = folder / "gt_dataset.json", folder / "dt_dataset.json"
    convert(truth, tmp_path / "truth.json", strict=True)
    convert(results, tmp_path / "results.json", to="coco-results", ground_truth=str(truth))
    before = evaluated(truth, results, "keypoints")
    assert evaluated(tmp_path / "truth.json", tmp_path / "results.json", "keypoints") == before
    assert before[0] > 0


def test_captions_are_text_answers(shared: Path, tmp_path: Path) -> None:
    file = shared / "coco/coco-mini/annotations/captions_val2017.json"
    answers = [one for row in annokit.read(file) for one in row.labels[0].classifications]
    assert {(one.tool_name, one.kind) for one in answers} == {("caption", "text")}
    assert [one.text for one in answers].count(
        "A plane floating on top of a lake surrounded by mountains."
    ) == 1


def test_captions_from_elsewhere_are_written_where_pycocotools_can_load_them(tmp_path: Path) -> None:
    caption = Classification(tool_name="caption", kind="text", text="a dog")
    box = ObjectAnnotation(tool_name="dog", geometry=Box(x=0, y=0, width=1, height=1))
    asset = Asset(width=9, height=9)
    alone = DataRow(id="r", asset=asset, labels=(Label(annotations=(caption,)),))
    annokit.write([alone], tmp_path / "o.json", format="coco", strict=True)
    coco = silent(COCO, str(tmp_path / "o.json"))
    assert [one["caption"] for one in coco.dataset["annotations"]] == ["a dog"]
    both = DataRow(id="r", asset=asset, labels=(Label(annotations=(caption, box)),))
    report = annokit.write([both], tmp_path / "p.json", format="coco")
    assert report.kinds["classifications"]["unsupported"] == 1
    assert len(silent(COCO, str(tmp_path / "p.json")).dataset["annotations"]) == 1


def test_categories_of_whole_images_are_answers(shared: Path) -> None:
    file = shared / DATUMARO / "coco/annotations/labels_train.json"
    ((answer,),) = [row.labels[0].classifications for row in annokit.read(file)]
    assert (answer.tool_name, answer.kind, answer.answers[0].name) == ("category", "radio", "b")


def test_categories_of_whole_images_are_renamed_numbered_and_chosen(shared: Path, tmp_path: Path) -> None:
    file = shared / DATUMARO / "coco/annotations/labels_val.json"
    options: Document = {"rename": {"b": "z"}, "ids": {"a": 5, "z": 9}}
    _, written = convert(file, tmp_path / "o.json", **options)
    assert [one["category_id"] for one in written["annotations"]] == [5, 9]
    assert [(one["id"], one["name"]) for one in written["categories"]] == [(5, "a"), (9, "z")]
    report, written = convert(file, tmp_path / "o.json", classes=["a"])
    assert [one["category_id"] for one in written["annotations"]] == [1]
    assert report.kinds["classifications"]["unsupported"] == 1


@pytest.mark.parametrize(
    ("name", "truth"),
    [
        (f"{RESULTS}/captions_val2014_fakecap_results.json", None),
        (
            f"{RESULTS}/instances_val2014_fakebbox100_results.json",
            "dataset/cocoapi/instances_val2014_100.json",
        ),
        (
            f"{RESULTS}/instances_val2014_fakesegm100_results.json",
            "dataset/cocoapi/instances_val2014_100.json",
        ),
        (f"{RESULTS}/person_keypoints_val2014_fakekeypoints100_results.json", None),
        (f"{EVAL}/dataset/dt_dataset.json", "dataset/gt_dataset.json"),
        (f"{EVAL}/dataset/dt_ignore_test.json", None),
        (f"{EVAL}/dataset/example_crowdpose_preds.json", "dataset/example_crowdpose_val.json"),
        (f"{EVAL}/keypoints_dataset/dt_dataset.json", "keypoints_dataset/gt_dataset.json"),
    ],
)
def test_results_come_back_equal(shared: Path, tmp_path: Path, name: str, truth: str | None) -> None:
    file = shared / name
    report, written = convert(file, tmp_path / "o.json", to="coco-results", strict=True, verify=True)
    assert written == load(file)
    assert ("no-ground-truth", "categories") in {(loss.code, loss.kind) for loss in report.losses}
    if truth is None:
        return
    truth_file = shared / EVAL / truth
    report, written = convert(file, tmp_path / "o.json", to="coco-results", ground_truth=str(truth_file))
    assert written == load(file)
    dataset = annokit.read(file, ground_truth=str(truth_file))
    assert [row.name for row in dataset] == [image["file_name"] for image in load(truth_file)["images"]]
    assert {label.origin for row in dataset for label in row.labels} == {"model"}
    assert {one.confidence for one in objects_of(dataset)} == {one["score"] for one in load(file)}


def test_what_a_model_found_evaluates_in_pycocotools(tmp_path: Path) -> None:
    ring = [(2, 2), (12, 2), (12, 8), (2, 8)]
    shapes = [Polygon(coords=ring), Mask(counts=[22, 6, 172], height=10, width=20)]
    found = [ObjectAnnotation(tool_name="a", geometry=shape, confidence=0.5) for shape in shapes]
    row = DataRow(id="1", external_id="a.jpg", asset=Asset(width=20, height=10))
    row = DataRow(
        id="1",
        external_id="a.jpg",
        asset=Asset(width=20, height=10),
        labels=(Label(annotations=tuple(found)),),
    )
    annokit.write([row], tmp_path / "truth.json", format="coco")
    report = annokit.write([row], tmp_path / "results.json", format="coco-results")
    assert evaluated(tmp_path / "truth.json", tmp_path / "results.json", "segm")[0] == pytest.approx(1)
    assert [set(one) for one in load(tmp_path / "results.json")] == [
        {"image_id", "category_id", "segmentation", "score"}
    ] * 2
    assert report.kinds["data_rows"]["written"] == 1


def test_results_have_the_classes_that_occur_in_them(tmp_path: Path) -> None:
    box = ObjectAnnotation(tool_name="a", tool_id="7", geometry=Box(x=1, y=2, width=3, height=4))
    row = DataRow(id="1", asset=Asset(width=20, height=10), labels=(Label(annotations=(box,)),))
    tools = (Tool(name="b"), Tool(name="a", id="7"), Tool(name="a", id="8"))
    dataset = annokit.Dataset.from_rows([row], Ontology(tools=tools))
    report = annokit.write(dataset, tmp_path / "o.json", format="coco-results", verify=True)
    assert report.kinds["categories"] == {"read": 3, "written": 1, "unsupported": 2, "merged": 0}
    [unused] = [loss for loss in report.losses if loss.code == "class-unused"]
    assert (unused.level, unused.count, unused.examples) == ("note", 2, ["b", "a"])


def test_the_category_beside_a_caption_is_no_class(tmp_path: Path) -> None:
    file = tmp_path / "captions.json"
    caption = {"id": 1, "image_id": 5, "category_id": 0, "caption": "hello"}
    image = {"id": 5, "file_name": "a.jpg", "width": 9, "height": 9}
    file.write_text(json.dumps({"images": [image], "annotations": [caption], "categories": []}))
    report = annokit.convert(file, tmp_path / "o.json", to="coco-results", verify=True)
    assert load(tmp_path / "o.json") == [caption]
    assert report.kinds["classifications"]["written"] == 1


def test_results_have_scores_and_boxes_no_rectangle(tmp_path: Path) -> None:
    box = ObjectAnnotation(tool_name="a", geometry=Box(x=1, y=2, width=3, height=4))
    empty = DataRow(id="2", asset=Asset(width=20, height=10))
    row = DataRow(id="1", asset=Asset(width=20, height=10), labels=(Label(annotations=(box,)),))
    report = annokit.write([row, empty], tmp_path / "o.json", format="coco-results")
    assert load(tmp_path / "o.json") == [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}]
    assert {loss.code for loss in report.losses} == {"no-score", "no-place", "ids-only"}
    assert report.kinds["data_rows"]["unsupported"] == 1
    assert report.total("derived") == 0


def test_one_bad_result_costs_one_result(tmp_path: Path) -> None:
    good = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}
    bad: list[Document] = [
        good | {"bbox": "x"},
        {"image_id": 1, "bbox": [1, 2, 3, 4]},
        good | {"bbox": [1] * 3},
    ]
    report, written = convert([bad[0], good, *bad[1:]], tmp_path / "o.json", "coco-results", on_error="skip")
    assert written == [good]
    assert report.total("skipped") == 3
    with pytest.raises(annokit.AnnokitError, match=r"\$\[1\]"):
        convert([good, bad[0]], tmp_path / "p.json", "coco-results")


PANOPTIC = [
    "coco/coco-panoptic/sample_data/panoptic_examples.json",
    f"{DATUMARO}/coco/annotations/panoptic_train.json",
    f"{DATUMARO}/coco/annotations/panoptic_val.json",
    f"{DATUMARO}/coco_panoptic/annotations/panoptic_val.json",
]


def segment_ids(path: Path) -> Any:
    samples = np.array(Image.open(path).convert("RGB")).astype(np.uint32)
    return samples[..., 0] + 256 * samples[..., 1] + 65536 * samples[..., 2]


def test_segments_of_several_images_get_ids_of_their_own(shared: Path, tmp_path: Path) -> None:
    file = shared / "coco/coco-panoptic/sample_data/panoptic_examples.json"
    report = annokit.convert(file, tmp_path / "o.json", to="coco")
    ids = [one["id"] for one in load(tmp_path / "o.json")["annotations"]]
    assert (len(ids), len(set(ids))) == (50, 50)
    assert [(one.code, one.count, one.level) for one in report.losses] == [("id-taken", 4, "changed")]


def test_segments_of_instances_are_measured_by_their_pixels(shared: Path, tmp_path: Path) -> None:
    file = shared / "coco/coco-mini/annotations/instances_val2017.json"
    annokit.convert(file, tmp_path / "o", to="coco-panoptic")
    for one in load(tmp_path / "o/panoptic.json")["annotations"][:20]:
        ids = segment_ids(tmp_path / "o/panoptic" / one["file_name"])
        for segment in one["segments_info"]:
            rows, columns = np.nonzero(ids == segment["id"])
            assert segment["area"] == len(rows)
            x, y = columns.min(), rows.min()
            assert segment["bbox"] == [x, y, columns.max() - x + 1, rows.max() - y + 1]


@pytest.mark.parametrize("name", PANOPTIC)
def test_panoptic_comes_back_equal(shared: Path, tmp_path: Path, name: str) -> None:
    file = shared / name
    annokit.convert(file, tmp_path / "o", to="coco-panoptic", strict=True, verify=True)
    assert annokit.detect(tmp_path / "o") == "coco-panoptic"
    assert load(tmp_path / "o/panoptic.json") == load(file)
    for one in load(file)["annotations"]:
        before, after = file.with_suffix("") / one["file_name"], tmp_path / "o/panoptic" / one["file_name"]
        assert np.array_equal(segment_ids(before), segment_ids(after))


def test_segments_are_the_pixels_of_their_ids(shared: Path) -> None:
    file = shared / PANOPTIC[0]
    for row in annokit.read(file):
        ids = segment_ids(file.with_suffix("") / f"{row.name.removesuffix('.jpg')}.png")
        for one in row.labels[0].objects:
            assert isinstance(one.geometry, Mask)
            counts = one.geometry.counts
            pixels = np.repeat(np.arange(len(counts)) % 2, counts).reshape(ids.shape, order="F")
            assert np.array_equal(pixels == 1, ids == int(one.id or 0))


def test_later_objects_cover_earlier_ones(tmp_path: Path) -> None:
    shapes = [
        Box(x=0, y=0, width=4, height=4),
        Polygon(coords=[(2, 0), (6, 0), (6, 4), (2, 4)]),
        Box(x=8, y=8, width=1, height=1),
        Box(x=7, y=7, width=3, height=3),
        Box(x=90, y=0, width=3, height=3),
        Line(coords=[(0, 0), (9, 9)]),
    ]
    objects = [ObjectAnnotation(tool_name="a", geometry=shape) for shape in shapes]
    row = DataRow(
        id="r",
        external_id="a.jpg",
        asset=Asset(width=12, height=10),
        labels=(Label(annotations=tuple(objects)),),
    )
    report = annokit.write([row], tmp_path / "o", format="coco-panoptic", verify=True)
    (written,) = load(tmp_path / "o/panoptic.json")["annotations"]
    ids = segment_ids(tmp_path / "o/panoptic/a.png")
    expected = np.zeros((10, 12), int)
    for number, (left, top, right, bottom) in {1: (0, 0, 4, 4), 2: (2, 0, 6, 4), 4: (7, 7, 10, 10)}.items():
        expected[top:bottom, left:right] = number
    assert np.array_equal(ids, expected)
    found = [(one["id"], one["area"], one["bbox"]) for one in written["segments_info"]]
    assert found == [(1, 8, [0, 0, 2, 4]), (2, 16, [2, 0, 4, 4]), (4, 9, [7, 7, 3, 3])]
    losses = {(loss.code, loss.kind): loss.count for loss in report.losses}
    assert losses == {
        ("overlap", "object:box"): 8,
        ("covered", "object:box"): 1,
        ("zero-area", "object:box"): 1,
        ("no-place", "object:line"): 1,
    }


@pytest.mark.parametrize("padding", [1 << 20, (1 << 20) - 100, (1 << 20) - 8])
@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        ({"segments_info": [{"id": 1, "bbox": [0, 0, 1, 1]}]}, "coco-panoptic"),
        ({"bbox": [0, 0, 1, 1]}, "coco"),
    ],
)
def test_the_first_annotation_tells_wherever_it_stands(
    tmp_path: Path, padding: int, annotation: dict[str, Any], name: str
) -> None:
    document = {"images": [{"id": 1, "file_name": "a" * padding}], "annotations": [annotation]}
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert annokit.detect(tmp_path / "a.json") == name


def test_lines_of_another_platform_are_not_searched_for_segments(tmp_path: Path) -> None:
    lines = [{"data_row": {"id": str(i)}, "projects": {}, "annotations": []} for i in range(2000)]
    lines[-1]["segments_info"] = []
    (tmp_path / "a.ndjson").write_text("\n".join(map(json.dumps, lines)))
    assert annokit.detect(tmp_path / "a.ndjson") == "labelbox"


def panoptic(folder: Path, **changes: Any) -> Path:
    (folder / "in/p").mkdir(parents=True)
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[:2, :3, 0], pixels[2:, 3:, 1] = 7, 1
    Image.fromarray(pixels).save(folder / "in/p/a.png")
    segments = [{"id": 7, "category_id": 1}, {"id": 256, "category_id": 1}]
    annotation = {"image_id": 1, "file_name": "a.png", "segments_info": segments} | changes
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 6, "height": 4}],
        "annotations": [annotation],
        "categories": [{"id": 1, "name": "sky", "isthing": 0, "color": [1, 2, 3]}],
    }
    (folder / "in/p.json").write_text(json.dumps(document))
    return folder / "in/p.json"


@pytest.mark.parametrize(
    ("changes", "good", "expected"),
    [
        ({"file_name": "b.png"}, 0, "cannot read"),
        ({"image_id": 2}, 0, "expected one image with id 2"),
        (
            {"segments_info": [{"id": 7, "category_id": 1}, {"id": 9, "category_id": 1}]},
            1,
            "pixels of segment 9",
        ),
        (
            {"segments_info": [{"id": 7, "category_id": 1}, {"id": 256, "category_id": 4}]},
            1,
            "category with id 4",
        ),
        (
            {"segments_info": [{"id": 7, "category_id": 1}, {"id": 0, "category_id": 1}]},
            1,
            "segments_info[1].id",
        ),
        ({"segments_info": [{"id": 7, "category_id": 1}, {"id": 1 << 24, "category_id": 1}]}, 1, "[1].id"),
    ],
)
def test_one_bad_segment_costs_one_segment(
    tmp_path: Path, changes: Document, good: int, expected: str
) -> None:
    file = panoptic(tmp_path, **changes)
    report = annokit.convert(file, tmp_path / "o.json", to="coco", on_error="skip")
    assert report.total("written", "object:mask") == good
    assert report.total("skipped") == 1
    with pytest.raises(annokit.AnnokitError) as caught:
        list(annokit.read(file))
    assert expected in str(caught.value)


def test_pixels_of_no_segment_are_named(tmp_path: Path) -> None:
    file = panoptic(tmp_path, segments_info=[{"id": 7, "category_id": 1}])
    report = annokit.convert(file, tmp_path / "o", to="coco-panoptic")
    assert {loss.code: loss.count for loss in report.losses} == {"unlisted-pixels": 6}
    with pytest.raises(annokit.AnnokitError, match="unlisted-pixels"):
        annokit.convert(file, tmp_path / "p", to="coco-panoptic", strict=True)


def test_a_png_outside_its_folder_is_not_read(tmp_path: Path) -> None:
    file = panoptic(tmp_path, file_name="../secret.png")
    Image.new("RGB", (6, 4)).save(tmp_path / "in/secret.png")
    with pytest.raises(annokit.AnnokitError, match="leads out of its folder"):
        list(annokit.read(file, on_error="skip"))


def test_without_its_folder_panoptic_says_what_to_do(tmp_path: Path) -> None:
    file = panoptic(tmp_path)
    (tmp_path / "in/p").rename(tmp_path / "q")
    with pytest.raises(annokit.AnnokitError, match="--masks"):
        list(annokit.read(file))
    assert len(objects_of(annokit.read(file, masks=str(tmp_path / "q")))) == 2


@pytest.mark.parametrize("mode", ["raise", "skip", "quarantine"])
def test_every_trap_has_its_outcome(generate: Callable[..., None], tmp_path: Path, mode: str) -> None:
    generate("make_traps", tmp_path)
    traps = load(tmp_path / "traps.json")
    if mode == "raise":
        with pytest.raises(annokit.AnnokitError, match=r"annotations\[17\].*3 vertices"):
            convert(tmp_path / "traps.json", tmp_path / "o.json")
        return
    report, written = convert(tmp_path / "traps.json", tmp_path / "o.json", on_error=mode, verify=True)
    # the polygon of two points (18) is put aside; all else comes back as it was: duplicates, empty images,
    # boxes over the edge or without width, crowds, runs with a hole, parts, the file names, extra keys
    assert written == traps | {"annotations": [one for one in traps["annotations"] if one["id"] != 18]}
    assert report.total("skipped" if mode == "skip" else "quarantined") == 1
    assert len(written["images"]) == 12


def test_traps_have_the_pixels_pycocotools_gives_them(generate: Callable[..., None], tmp_path: Path) -> None:
    generate("make_traps", tmp_path)
    convert(tmp_path / "traps.json", tmp_path / "o.json", on_error="skip")
    before, after = (silent(COCO, str(tmp_path / name)) for name in ("traps.json", "o.json"))
    for one in after.dataset["annotations"]:
        if one.get("segmentation"):
            assert np.array_equal(after.annToMask(one), before.annToMask(before.anns[one["id"]]))
    hole, parts = after.annToMask(after.anns[12]), after.annToMask(after.anns[13])
    assert (hole.sum(), hole[80:120, 80:120].sum()) == (100 * 100 - 40 * 40, 0)
    assert parts[10:60, 200:250].any()
    assert parts[200:250, 10:60].any()
    assert after.annToMask(after.anns[14])[340, 340] == 1  # COCO has no holes in lists of rings


@pytest.mark.parametrize("width", [0, None])
def test_an_image_without_pixels_has_no_segments(width: int | None, tmp_path: Path) -> None:
    box = ObjectAnnotation(tool_name="a", geometry=Box(x=1, y=2, width=3, height=4))
    row = DataRow(id="1", asset=Asset(width=width, height=10), labels=(Label(annotations=(box,)),))
    report = annokit.write([row], tmp_path / "o", format="coco-panoptic", verify=True)
    assert ("no-size", "object:box") in {(loss.code, loss.kind) for loss in report.losses}
    assert not list((tmp_path / "o" / "panoptic").iterdir())
