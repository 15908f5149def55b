"""Labelbox export v2: short ways of reading make what the long ones make."""

from __future__ import annotations

import json
from typing import Any

import pytest

import annokit
from annokit.formats._labelbox import outline as outlines
from annokit.formats._labelbox.objects import ObjectBuilder
from annokit.formats._labelbox.outline import outline
from annokit.formats._labelbox.wire import Object
from annokit.io.source import Source
from annokit.model import DataRow
from annokit.run import Run

Json = dict[str, Any]

SQUARE = [{"x": 1, "y": 1}, {"x": 9, "y": 1}, {"x": 9, "y": 9.5}, {"x": 1, "y": 1}]
BOX = {"top": 1.5, "left": 2.5, "height": 10, "width": 20}
MASK = {"url": "https://example.com/m.png", "color_rgb": [1, 2, 3]}
SHAPES: dict[str, Json] = {
    "box": {"bounding_box": BOX},
    "polygon": {"polygon": SQUARE},
    "mask": {"mask": {"url": "https://example.com/n.png"}},
    "coloured mask": {"composite_mask": MASK},
}
BESIDE: dict[str, Json] = {
    "nothing": {},
    "its kind": {"annotation_kind": "ImageBoundingBox"},
    "no kind": {"annotation_kind": None},
    "a confidence": {"confidence": 0.5},
    "a page": {"page_number": 2},
    "the size of a page": {"page_dimensions": {"width": 3}},
    "no size of a page": {"page_dimensions": None},
    "an answer": {"classifications": [{"name": "colour", "text_answer": {"content": "red"}}]},
    "an unknown key": {"mood": "blue"},
    "a box": {"bounding_box": BOX},
    "a box with more": {"bounding_box": BOX | {"angle": 4}},
    "a polygon": {"polygon": SQUARE},
    "an open polygon": {"polygon": SQUARE[:3]},
    "a polygon of one point": {"polygon": SQUARE[:1]},
    "a polygon of none": {"polygon": []},
    "a polygon that is none": {"polygon": [{"x": 1}]},
    "no polygon": {"polygon": None},
    "a line": {"line": SQUARE},
    "a point": {"point": {"x": 1, "y": 2}},
    "a mask": {"mask": {"url": "https://example.com/n.png"}},
    "a mask with more": {"mask": {"url": "https://example.com/n.png", "size": 4}},
    "a coloured mask": {"composite_mask": MASK},
    "a coloured mask with more": {"composite_mask": MASK | {"size": 4}},
    "a place": {"location": {"start": 1, "end": 2}},
    "a place in a message": {
        "conversational_location": {"message_id": "m", "location": {"start": 1, "end": 2}}
    },
    "another name": {"name": "van", "feature_id": "g", "feature_schema_id": "s", "value": "a_van"},
    "a map": {"geojson": {"type": "Point", "coordinates": [1, 2]}},
    "a message": {"selected_message": {"message_id": "m"}},
    "messages": {"selected_messages": []},
    "ranks": {"ranked_messages": [1]},
}


def line(*things: Json, name: str = "r") -> Json:
    label = {"id": "l", "annotations": {"objects": things, "classifications": []}}
    return {"data_row": {"id": name}, "projects": {"p": {"name": "streets", "labels": [label]}}}


def read(*objects: Json) -> tuple[list[DataRow], list[str]]:
    """The rows, and what is said of the objects that could not be read."""
    things = [
        {"feature_id": f"f{i}", "name": "car", "classifications": []} | one for i, one in enumerate(objects)
    ]
    run = Run(on_error="skip")
    rows = list(annokit.read(json.dumps(line(*things)).encode(), format="labelbox").rows(run))
    return rows, [example for loss in run.report.losses for example in loss.examples]


@pytest.mark.parametrize("beside", BESIDE)
def test_the_short_way_makes_what_the_long_way_makes(beside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = [shape | BESIDE[beside] for shape in SHAPES.values()]
    short = read(*objects, *SHAPES.values())
    monkeypatch.setattr(ObjectBuilder, "_plain_shapes", lambda _self, objects: [None] * len(objects))
    assert short == read(*objects, *SHAPES.values())


def test_no_key_is_forgotten() -> None:
    """A key the wire type gets has to be put beside the shapes above, and so to keep from the short way."""
    known = {key for one in (*SHAPES.values(), *BESIDE.values()) for key in one}
    assert {*Object.__struct_fields__} - {"extra"} <= known


def test_what_is_kept_of_an_object_is_its_own() -> None:
    kind = {"annotation_kind": "ImageBoundingBox"}
    (row,), _ = read(*[{"bounding_box": BOX} | kind] * 2)
    first, second = row.labels[0].objects
    assert first.extra == second.extra == {"labelbox": kind}
    assert first.extra is not second.extra
    assert first.extra["labelbox"] is not second.extra["labelbox"]


def test_the_usual_objects_go_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ObjectBuilder, "_shape", None)
    rows, said = read(*SHAPES.values())
    kinds = [one.geometry.kind for one in rows[0].labels[0].objects]
    assert kinds == ["box", "polygon", "mask_reference", "mask_reference"]
    assert said == []


@pytest.mark.parametrize("between", [b"\n", b"\n\n", b"\r\n", b" "])
@pytest.mark.parametrize("inside", ["", "\n"])
def test_where_an_outline_is_cut_does_not_show(
    between: bytes, inside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    things: list[Json] = [{"name": name, "bounding_box": BOX} for name in ("car", "bus", "car", "van")]
    texts = [json.dumps(line(one, name=one["name"])).replace(": {", f":{inside} {{") for one in things]
    source = Source(between.join(text.encode() for text in texts))
    whole = outline(source)
    assert [tool.name for tool in whole.ontology.tools] == ["car", "bus", "van"]
    assert [key.id for key in whole.keys] == ["car", "bus", "car", "van"]
    monkeypatch.setattr(outlines, "BLOCK", 1)
    assert outline(source) == whole
