"""COCO: what most annotations are is read a short way, and an annotation just beside it as ever."""

from __future__ import annotations

from typing import Any

import pytest

import annokit
from annokit.errors import AnnokitError
from annokit.formats._coco.wire import Annotation
from annokit.model import Box, DataRow, Keypoints, ObjectAnnotation, Polygon
from annokit.run import Run

Document = dict[str, Any]

IMAGE = {"id": 1, "file_name": "a.jpg", "width": 20, "height": 10}
PLAIN = {
    "id": 7,
    "image_id": 1,
    "category_id": 3,
    "segmentation": [[0, 0, 4, 0, 4, 4]],
    "bbox": [0, 0, 4, 4],
    "area": 8,
    "iscrowd": 0,
}
FAR = 2.0**26


def document(*annotations: Document) -> Document:
    return {
        "images": [IMAGE, *({**IMAGE, "id": 2, "file_name": name} for name in ("b.jpg", "c.jpg"))],
        "annotations": list(annotations),
        "categories": [{"id": 3, "name": "car"}, {"id": 4, "name": "van"}, {"id": 4, "name": "bus"}],
    }


def without(key: str) -> Document:
    return {name: value for name, value in PLAIN.items() if name != key}


def read(source: Document) -> tuple[list[DataRow], list[list[str]]]:
    """The rows, and what is said of the annotations that could not be read."""
    run = Run(on_error="skip")
    rows = list(annokit.read(source, format="coco").rows(run))
    return rows, [loss.examples for loss in run.report.losses if loss.code != "unknown-key"]


def objects(source: Document) -> list[ObjectAnnotation]:
    return [one for row in read(source)[0] for label in row.labels for one in label.objects]


BESIDE = {
    "score": PLAIN | {"score": 0.5},
    "no score": PLAIN | {"score": None},
    "caption": PLAIN | {"caption": "a car"},
    "a word for a crowd": PLAIN | {"iscrowd": "1"},
    "true for a crowd": PLAIN | {"iscrowd": True},
    "no crowd": PLAIN | {"iscrowd": 2},
    "crowd not said": without("iscrowd"),
    "a width below 0": PLAIN | {"bbox": [0, 0, -4, 4]},
    "a corner below 0": PLAIN | {"bbox": [-4, -4, 4, 4]},
    "as far as it goes": PLAIN | {"bbox": [-FAR, FAR, FAR, 0]},
    "too far": PLAIN | {"bbox": [0, 2 * FAR, 4, 4]},
    "too wide": PLAIN | {"bbox": [0, 0, 2 * FAR, 4]},
    "no box": without("bbox"),
    "no category": without("category_id"),
    "an unknown category": PLAIN | {"category_id": 9},
    "a category named twice": PLAIN | {"category_id": 4},
    "an unknown image": PLAIN | {"image_id": 9},
    "an image id twice": PLAIN | {"image_id": 2},
    "keypoints": PLAIN | {"keypoints": [1, 2, 2], "num_keypoints": 1},
    "keypoints of 0": PLAIN | {"keypoints": [0, 0, 0]},
    "keypoints of null": PLAIN | {"keypoints": None},
    "attributes": PLAIN | {"attributes": {"occluded": False}},
    "no id": without("id"),
    "an id of null": PLAIN | {"id": None},
    "a word for an id": PLAIN | {"id": "seven"},
    "no area": without("area"),
    "an area of null": PLAIN | {"area": None},
    "no segmentation": without("segmentation"),
    "an empty segmentation": PLAIN | {"segmentation": []},
    "two vertices": PLAIN | {"segmentation": [[0, 0, 4, 0, 4, 4], [0, 0, 4, 4]]},
    "an odd ring": PLAIN | {"segmentation": [[0, 0, 4, 0, 4, 4, 1]]},
    "a long odd ring": PLAIN | {"segmentation": [[0, 0, 4, 0, 4, 4] * 9 + [1]]},
    "an empty ring": PLAIN | {"segmentation": [[]]},
    "runs": PLAIN | {"segmentation": {"size": [10, 20], "counts": [1, 199]}},
    "runs of another size": PLAIN | {"segmentation": {"size": [20, 10], "counts": [1, 199]}},
}


@pytest.mark.parametrize("name", BESIDE)
def test_an_annotation_is_read_alike_alone_and_with_a_key_no_one_knows(name: str) -> None:
    """The key keeps it from the short way, and stands beside what it says otherwise."""
    one = BESIDE[name]
    rows, faults = read(document(PLAIN, one, PLAIN))
    careful, same_faults = read(document(PLAIN, one | {"mood": "sunny"}, PLAIN))
    for row in careful:
        for label in row.labels:
            for made in label.annotations:
                made.extra["coco"].pop("mood", None)
    assert rows == careful
    assert faults == [[said.replace(', "mood"', "") for said in each] for each in same_faults]
    assert sum(len(row.labels[0].annotations) for row in rows) + sum(map(len, faults)) == 3


def test_no_key_is_forgotten() -> None:
    """A key the wire type gets has to be put beside the plain ones above, and so to keep from the short way."""
    assert {*Annotation.__struct_fields__} - {"extra"} <= {key for one in BESIDE.values() for key in one}


def test_a_plain_annotation_is_what_it_says() -> None:
    [row, *_], faults = read(document(PLAIN))
    assert faults == []
    assert row.labels[0].annotations == (
        ObjectAnnotation(
            tool_name="car",
            tool_id="3",
            id="7",
            geometry=Polygon(coords=[(0, 0), (4, 0), (4, 4)], part_offsets=[0, 1]),
            box=Box(x=0, y=0, width=4, height=4),
            extra={"coco": {"(position)": 0, "id": 7, "area": 8.0, "iscrowd": 0}},
        ),
    )


@pytest.mark.parametrize(
    ("name", "field", "expected"),
    [
        ("score", "confidence", 0.5),
        ("a word for a crowd", "is_crowd", True),
        ("true for a crowd", "is_crowd", True),
        ("crowd not said", "is_crowd", False),
        ("a corner below 0", "box", Box(x=-4, y=-4, width=4, height=4)),
        ("no box", "box", None),
        ("no id", "id", None),
        ("a word for an id", "id", "seven"),
        ("no segmentation", "geometry", Box(x=0, y=0, width=4, height=4)),
        ("keypoints", "geometry", Keypoints(coords=[(1, 2)], visibility=[2])),
    ],
)
def test_what_stands_beside_the_plain_is_kept(name: str, field: str, expected: object) -> None:
    assert getattr(objects(document(PLAIN, BESIDE[name]))[1], field) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("no crowd", "expected iscrowd 0 or 1, got 2"),
        ("a width below 0", "expected a bbox of a width and height from 0 on"),
        ("too far", "expected a bbox within 67108864 of 0"),
        ("no category", 'expected the key "category_id"'),
        ("an unknown category", "expected a category with id 9, got none"),
        ("a category named twice", "expected one category with id 4, got several"),
        ("an unknown image", "expected an image with the id 9, got none"),
        ("an image id twice", "expected one image with the id 2, got 2"),
        ("two vertices", "expected 3 vertices or more in each ring, got 2"),
        ("an odd ring", "expected an even number of coordinates in each ring, got 7"),
        ("an empty ring", "expected 3 vertices or more in each ring, got 0"),
        ("runs of another size", r"expected an RLE of the image's size \(10, 20\)"),
    ],
)
def test_what_is_wrong_is_said(name: str, expected: str) -> None:
    with pytest.raises(AnnokitError, match=expected):
        list(annokit.read(document(PLAIN, BESIDE[name]), format="coco"))
