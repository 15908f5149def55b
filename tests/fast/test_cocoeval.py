"""pycocotools' own evaluation gives the same twelve numbers on the drop-in."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import coco as coco_module
from pycocotools import cocoeval as eval_module
from pycocotools import mask as coco

from annokit_fast import coco_mask
from benchmarks import workloads

REAL = Path(__file__).parents[3] / "shared" / "data" / "coco" / "coco-eval" / "tests" / "dataset" / "cocoapi"


def numbers(truth, found, kind, module, monkeypatch):
    """The summary with `module` in place of pycocotools.mask, and the overlaps of all images."""
    for user in (coco_module, eval_module):
        monkeypatch.setattr(user, "maskUtils", module)
    with contextlib.redirect_stdout(io.StringIO()):
        data = coco_module.COCO()
        data.dataset = json.loads(json.dumps(truth))
        data.createIndex()
        evaluation = eval_module.COCOeval(data, data.loadRes(json.loads(json.dumps(found))), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats, evaluation.ious


def agree(truth, found, kind, monkeypatch):
    ours, our_ious = numbers(truth, found, kind, coco_mask, monkeypatch)
    theirs, their_ious = numbers(truth, found, kind, coco, monkeypatch)
    assert len(ours) == 12
    np.testing.assert_array_equal(ours, theirs)
    assert our_ious.keys() == their_ious.keys()
    for key, overlaps in their_ious.items():
        np.testing.assert_array_equal(our_ious[key], overlaps)


def made_up():
    """Ten images with polygons, crowds and shaken detections."""
    rng = np.random.default_rng(0)
    truth = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 1, "name": "thing"}, {"id": 2, "name": "stuff"}],
    }
    found = []
    for image, rings in enumerate(np.array_split(np.array(workloads.rings("coco", 60), dtype=object), 10), 1):
        truth["images"].append({"id": image, "height": 480, "width": 640})
        for ring in rings:
            flat = np.asarray(ring, float).ravel()
            runs = coco.frPyObjects([flat.tolist()], 480, 640)
            crowd = int(rng.random() < 0.15)
            segmentation = (
                {"size": [480, 640], "counts": runs[0]["counts"].decode()} if crowd else [flat.tolist()]
            )
            box = coco.toBbox(runs)[0].tolist()
            ids = {"image_id": image, "category_id": int(rng.integers(1, 3))}
            number = len(truth["annotations"]) + 1
            truth["annotations"].append(
                {
                    **ids,
                    "id": number,
                    "iscrowd": crowd,
                    "area": box[2] * box[3],
                    "bbox": box,
                    "segmentation": segmentation,
                }
            )
            shaken = coco.frPyObjects([(flat + rng.normal(0, 3, flat.size)).tolist()], 480, 640)[0]
            shaken["counts"] = shaken["counts"].decode()
            found.append({**ids, "score": float(rng.random()), "segmentation": shaken, "bbox": box})
    return truth, found


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_evaluation_of_made_up_data(kind, monkeypatch):
    truth, found = made_up()
    if kind == "bbox":
        found = [{key: value for key, value in one.items() if key != "segmentation"} for one in found]
    agree(truth, found, kind, monkeypatch)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_evaluation_of_real_data(kind, monkeypatch):
    files = [REAL / "instances_val2014_100.json", REAL / f"instances_val2014_fake{kind}100_results.json"]
    if not all(file.is_file() for file in files):
        pytest.skip("the COCO evaluation data is not beside this checkout")
    truth, found = (json.loads(file.read_text()) for file in files)
    agree(truth, found, kind, monkeypatch)
