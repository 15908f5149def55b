"""Labelbox export v2: what every file holds is counted, one bad object costs one object, nothing else is lost."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import annokit
from annokit.dataset import OntologyBuilder
from annokit.errors import DecodeError, GeometryError, InputError
from annokit.model import (
    Box,
    DataRow,
    Label,
    Line,
    Ontology,
    Point,
    Polygon,
    Relationship,
    TextSpan,
    TokenSpan,
    Unknown,
    dump,
    parse,
)
from annokit.report import Report, census
from annokit.requeue import requeue
from annokit.run import Run

Json = dict[str, Any]
SQUARE = [{"x": 1, "y": 1}, {"x": 9, "y": 1}, {"x": 9, "y": 9}, {"x": 1, "y": 9}]
BOX = {"top": 1.5, "left": 2.5, "height": 10, "width": 20}


def label(annotations: Json | None = None, **keys: Any) -> Json:
    return {"label_kind": "Default", "version": "1.0.0", "id": "l1", "annotations": annotations or {}} | keys


def line(*labels: Json, row_id: str = "r1", **keys: Any) -> Json:
    return {
        "data_row": {"id": row_id, "row_data": f"https://example.com/{row_id}.jpg"},
        "media_attributes": {"height": 30, "width": 40, "mime_type": "image/jpeg"},
        "projects": {"p1": {"name": "streets", "labels": list(labels)}},
    } | keys


def thing(**keys: Any) -> Json:
    return {"feature_id": "f", "feature_schema_id": "s", "name": "car", "classifications": []} | keys


def question(name: str = "weather", **keys: Any) -> Json:
    return {"feature_id": "q", "feature_schema_id": "qs", "name": name} | keys


def answer(name: str, *nested: Json) -> Json:
    return {"feature_id": "a", "feature_schema_id": "as", "name": name, "classifications": list(nested)}


def read(*lines: Json, on_error: Any = "raise") -> tuple[list[DataRow], Report]:
    run = Run(on_error=on_error)
    data = "\n".join(map(json.dumps, lines)).encode()
    return list(annokit.read(data, format="labelbox").rows(run)), run.report


def one_label(annotations: Json) -> Label:
    (row,), _ = read(line(label(annotations)))
    return row.labels[0]


def counted(report: Report, column: Any = "read") -> dict[str, int]:
    return {kind: row[column] for kind, row in report.kinds.items() if row[column]}


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("image", {"object:polygon": 1, "object:box": 1, "object:line": 1, "classifications": 2}),
        ("text", {"object:text_span": 1, "classifications": 2}),
        ("conversation", {"object:text_span": 1, "classifications": 2}),
        ("document", {"object:token_span": 1, "object:box": 1, "classifications": 2}),
        ("audio", {"classifications": 2}),
        ("dicom", {"tracks": 1, "keyframes": 1}),
        ("video", {"classifications": 1}),
    ],
)
def test_every_block_of_the_platforms_own_tests_is_read(block: str, expected: Json, data: Path) -> None:
    annotations = json.loads((data / "labelbox" / f"v2_{block}.json").read_bytes())
    _, report = read(line(label(annotations), media_attributes={}))
    assert counted(report) == expected | {"data_rows": 1, "labels": 1}


def test_a_real_file(samples: Path) -> None:
    path = samples / "boxes_two_rows.ndjson"
    assert annokit.detect(path) == "labelbox"
    truth = [json.loads(text) for text in path.read_text().splitlines()]
    rows = list(annokit.read(path))
    assert [row.id for row in rows] == [row["data_row"]["id"] for row in truth]
    assert rows[0].name == "a-weird Filename.asdf.jpg"
    boxes = [
        one["bounding_box"]
        for row in truth
        for project in row["projects"].values()
        for one in project["labels"][0]["annotations"]["objects"]
    ]
    shapes = [one.geometry for row in rows for one in row.labels[0].objects]
    assert [(s.y, s.x, s.height, s.width) for s in shapes if isinstance(s, Box)] == [
        tuple(b.values()) for b in boxes
    ]


def test_counts_with_several_annotators_are_those_of_a_few_lines(
    samples: Path, tmp_path: Path, generate: Callable[..., None]
) -> None:
    path = tmp_path / "export.ndjson"
    generate("make_export", samples / "coco.json", path, "--annotators", 3, "--jitter", 2)
    kinds = {
        "bounding_box": "box",
        "polygon": "polygon",
        "mask": "mask_reference",
        "composite_mask": "mask_reference",
    }
    expected: Counter[str] = Counter()
    for text in path.read_text().splitlines():
        expected["data_rows"] += 1
        for found in next(iter(json.loads(text)["projects"].values()))["labels"]:
            expected["labels"] += 1
            expected["classifications"] += len(found["annotations"]["classifications"])
            for one in found["annotations"]["objects"]:
                expected[f"object:{next(kind for key, kind in kinds.items() if key in one)}"] += 1
    run = Run()
    rows = list(annokit.read(path).rows(run))
    assert counted(run.report) == expected
    assert {found.annotator_id for row in rows for found in row.labels} == {
        f"annotator{n}@example.com" for n in range(3)
    }


def test_polygons_lose_the_vertex_that_closes_them_and_nothing_else() -> None:
    closed, line_of_points = [*SQUARE, SQUARE[0]], [SQUARE[0], SQUARE[1], SQUARE[0]]
    twice = [SQUARE[0], SQUARE[0]]
    shapes = [{"polygon": ring} for ring in (closed, SQUARE, twice, [])] + [{"line": line_of_points}]
    found = one_label({"objects": [thing(**shape) for shape in shapes]})
    coords = [one.geometry.coords for one in found.objects if isinstance(one.geometry, Polygon | Line)]
    assert [len(points) for points in coords] == [4, 4, 1, 0, 3]
    assert np.array_equal(coords[0], [[p["x"], p["y"]] for p in SQUARE])
    assert not coords[0].flags.writeable


def test_text_ends_are_made_exclusive(data: Path) -> None:
    annotations = json.loads((data / "labelbox" / "v2_text.json").read_bytes())
    (entity,) = one_label(annotations).objects
    assert entity.geometry == TextSpan(start=112, end=129, text="research suggests")
    assert isinstance(entity.geometry, TextSpan)
    assert entity.geometry.end - entity.geometry.start == len(entity.geometry.text or "")


def test_messages_pages_and_tokens(data: Path) -> None:
    folder = data / "labelbox"
    said = one_label(json.loads((folder / "v2_conversation.json").read_bytes()))
    assert said.objects[0].geometry == TextSpan(start=0, end=9, message_id="0")
    assert [(q.kind, q.message_id) for q in said.classifications] == [("checklist", "0"), ("text", "0")]
    entity, box = one_label(json.loads((folder / "v2_document.json").read_bytes())).objects
    assert (box.space, box.page, box.extra["labelbox"]["page_dimensions"]) == (
        "page",
        1,
        {"height": 792.0, "width": 612.0},
    )
    assert isinstance(entity.geometry, TokenSpan)
    assert (entity.geometry.groups[0].page, len(entity.geometry.groups[0].tokens), entity.space) == (
        1,
        8,
        "page",
    )


def test_maps() -> None:
    ring = [[-58.5, -34.5], [-58.5, -34.25], [-58.25, -34.25], [-58.25, -34.5], [-58.5, -34.5]]
    hole = [[-58.4, -34.4], [-58.3, -34.4], [-58.3, -34.3], [-58.4, -34.4]]
    shapes = [
        {"annotation_kind": "GeoBoundingBox", "geojson": {"type": "Polygon", "coordinates": [ring]}},
        {"geojson": {"type": "Polygon", "coordinates": [ring, hole]}},
        {"geojson": {"type": "Point", "coordinates": [-58.5, -34.5]}},
        {"geojson": {"type": "LineString", "coordinates": ring[:2]}},
        {"geojson": {"type": "Circle", "radius": 3}},
    ]
    box, area, point, path, other = one_label({"objects": [thing(**shape) for shape in shapes]}).objects
    assert {one.space for one in (box, area, point, path, other)} == {"geo"}
    assert box.geometry == Box(x=-58.5, y=-34.5, width=0.25, height=0.25)
    assert isinstance(area.geometry, Polygon)
    assert [len(part) for part in area.geometry.rings()] == [4, 3]
    assert area.geometry.has_holes
    assert point.geometry == Point(x=-58.5, y=-34.5)
    assert path.geometry == Line(coords=ring[:2])
    assert isinstance(other.geometry, Unknown)
    with pytest.raises(GeometryError, match="coordinates of a GeoJSON point, got"):
        one_label({"objects": [thing(geojson={"type": "Point", "coordinates": ["a", 1]})]})


def test_what_no_type_fits_is_kept_as_it_came() -> None:
    message = {"message_id": "m1", "model_config_name": "x", "parent_message_id": "m0"}
    objects = [
        thing(annotation_kind="MessageSingleSelection", selected_message=message),
        thing(annotation_kind="ImageHologram", hologram={"depth": 3}),
    ]
    questions = [question("when", date_answer={"value": "2024-01-01"})]
    found = one_label({"objects": objects, "classifications": questions})
    assert [one.geometry for one in found.objects] == [
        Unknown(what="MessageSingleSelection", payload={"selected_message": message}),
        Unknown(what="ImageHologram", payload={"hologram": {"depth": 3}}),
    ]
    assert found.classifications[0].kind == "unknown"
    assert found.classifications[0].extra == {"labelbox": {"date_answer": {"value": "2024-01-01"}}}


def test_an_object_with_two_shapes_keeps_the_second() -> None:
    composite = {"url": "https://example.com/c", "color_rgb": [1, 2, 3]}
    (one,) = one_label(
        {"objects": [thing(composite_mask=composite, mask={"url": "https://example.com/m"})]}
    ).objects
    assert one.geometry.kind == "mask_reference"
    assert one.extra["labelbox"] == {"composite_mask": composite}


@given(st.recursive(st.just(()), lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=12))
def test_questions_nest_to_any_depth(tree: Any) -> None:
    def asked(branch: Any) -> Json:
        return question(checklist_answers=[answer("a", *(asked(twig) for twig in branch))])

    def size(branch: Any) -> int:
        return 1 + sum(size(twig) for twig in branch)

    on_object = thing(bounding_box=BOX, classifications=[asked(tree)])
    found = one_label({"objects": [on_object], "classifications": [asked(tree)]})
    assert census(found)["classifications"] == 2 * size(tree)


def test_radio_checklist_and_text() -> None:
    questions = [
        question(
            "weather", radio_answer=answer("rainy", question("how much", text_answer={"content": "a lot"}))
        ),
        question("tags", checklist_answers=[answer("blurry"), answer("crowded")]),
        question("tags", checklist_answers=[]),
    ]
    radio, checklist, nothing = one_label({"classifications": questions}).classifications
    assert (radio.kind, radio.answers[0].name, radio.answers[0].option_id) == ("radio", "rainy", "as")
    assert radio.answers[0].classifications[0].text == "a lot"
    assert [one.name for one in checklist.answers] == ["blurry", "crowded"]
    assert (nothing.kind, nothing.answers) == ("checklist", ())


def test_unknown_keys_survive_where_they_stood() -> None:
    odd = thing(
        bounding_box=BOX | {"angle": 3},
        classifications=[question(radio_answer=answer("x") | {"sure": 1}, asked_by="m")],
        weight=2,
    )
    found = label(
        {"objects": [odd], "shapes": []}, label_details={"tz": "UTC"}, performance_details={"idle": 3}, rev=1
    )
    (row,), _ = read(
        line(
            found,
            data_row={"id": "r1", "colour": "red"},
            media_attributes={"exif": {"a": 1}},
            projects={
                "p1": {"name": "x", "labels": [found], "project_details": {"priority": 5}, "owner": "me"}
            },
            embeddings=[{"id": "e"}],
            experiments={"m": {}},
            brand_new=[1],
        )
    )
    (one,) = row.labels[0].objects
    assert row.extra == {
        "labelbox": {
            "embeddings": [{"id": "e"}],
            "experiments": {"m": {}},
            "brand_new": [1],
            "data_row": {"colour": "red"},
            "projects": {"p1": {"project_details": {"priority": 5}, "owner": "me"}},
        }
    }
    assert row.asset.extra == {"labelbox": {"exif": {"a": 1}}}
    assert row.labels[0].extra == {
        "labelbox": {
            "label_kind": "Default",
            "version": "1.0.0",
            "rev": 1,
            "label_details": {"tz": "UTC"},
            "performance_details": {"idle": 3, "skipped": None},
            "annotations": {"shapes": []},
        }
    }
    assert one.extra == {"labelbox": {"bounding_box": {"angle": 3}, "weight": 2}}
    assert one.classifications[0].extra == {"labelbox": {"asked_by": "m"}}
    assert one.classifications[0].answers[0].extra == {"labelbox": {"sure": 1}}


def test_what_is_known_of_labels_and_rows() -> None:
    details = {
        "created_at": "2024-04-08T16:21:26.000+00:00",
        "created_by": "a@example.com",
        "reviews": [{"score": 1}],
    }
    effort = {
        "seconds_to_create": 12,
        "seconds_to_review": 3,
        "skipped": True,
        "benchmark_score": 0.5,
        "benchmark_reference_label": "l2",
        "consensus_score": 0.25,
    }
    second = {
        "labels": [label(id="l3")],
        "project_details": {"workflow_status": "DONE", "selected_label_id": "l3"},
    }
    (row,), _ = read(
        line(
            label(label_details=details, performance_details=effort),
            label(id="l2"),
            attachments=[{"type": "IMAGE", "value": "https://example.com/b.jpg", "name": "before"}],
            metadata_fields=[
                {
                    "schema_id": "m",
                    "schema_name": "city",
                    "schema_kind": "Enum",
                    "value": [{"schema_name": "Bonn"}],
                }
            ],
            media_attributes={"height": 30, "width": 40, "mime_type": "image/png"},
        )
        | {
            "projects": {
                "p1": {
                    "name": "streets",
                    "labels": [label(label_details=details, performance_details=effort), label(id="l2")],
                },
                "p2": second,
            }
        }
    )
    first, reference, selected = row.labels
    assert (first.annotator_id, first.seconds_to_create, first.seconds_to_review) == ("a@example.com", 12, 3)
    assert (first.benchmark_score, first.consensus_score, first.skipped) == (0.5, 0.25, True)
    assert first.created_at is not None
    assert first.created_at.isoformat() == "2024-04-08T16:21:26+00:00"
    assert [found.is_benchmark for found in row.labels] == [False, True, False]
    assert [found.is_selected for found in row.labels] == [False, False, True]
    assert (first.project_id, first.project_name, selected.project_id, selected.status) == (
        "p1",
        "streets",
        "p2",
        "DONE",
    )
    assert first.reviews[0].score == 1
    assert (row.attachments[0].kind, row.attachments[0].name) == ("IMAGE", "before")
    assert (row.metadata[0].name, row.metadata[0].id, row.metadata[0].kind) == ("city", "m", "Enum")
    assert (row.asset.height, row.asset.width, row.asset.media_type) == (30, 40, "image")
    assert reference.url == "https://editor.labelbox.com?project=p1&label=l2"


def test_sizes_may_be_missing() -> None:
    for media in ({}, {"media_attributes": {}}):
        row = line(label({"objects": [thing(bounding_box=BOX)]}))
        del row["media_attributes"]
        (found,), _ = read(row | media)
        assert (found.asset.height, found.asset.width) == (None, None)


def test_text_that_is_no_address_is_the_asset_itself() -> None:
    texts = {
        "To be, or not": (None, "To be, or not"),
        "https://example.com/a b.txt": ("https://example.com/a b.txt", None),
    }
    for data, (uri, text) in texts.items():
        row = line(data_row={"id": "r", "row_data": data}, media_attributes={"mime_type": "text/plain"})
        dataset = annokit.read([row], format="labelbox")
        (found,) = dataset
        assert (found.asset.uri, found.asset.text) == (uri, text)
        assert dataset.outline.keys[0].name == found.name


BAD: dict[str, tuple[Json, str, str]] = {
    "negative width": (
        {"bounding_box": BOX | {"width": -16.0}},
        "object:box",
        r"\.bounding_box\.width: expected .*>= 0",
    ),
    "text for a number": (
        {"bounding_box": BOX | {"top": "x"}},
        "object:box",
        r"\.bounding_box\.top: expected float, got str",
    ),
    "no shape": ({}, "object:unknown", r"objects\[1\]: expected a shape, got none"),
    "text in a ring": (
        {"polygon": [*SQUARE, {"x": "a", "y": 1}]},
        "object:polygon",
        r"\.polygon\[4\]\.x: expected float, got str",
    ),
    "far away": (
        {"polygon": [*SQUARE, {"x": 1e300, "y": 1}]},
        "object:polygon",
        r"\.polygon: expected coordinates within",
    ),
    "end before start": (
        {"location": {"start": 5, "end": 3}},
        "object:text_span",
        r"an end not before it, got 5 and 3",
    ),
    "no colour": (
        {"composite_mask": {"url": "u"}},
        "object:mask_reference",
        r'composite_mask: expected the key "color_rgb"',
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_one_bad_object_costs_one_object(name: str) -> None:
    shape, counted_as, problem = BAD[name]
    good = [thing(bounding_box=BOX, feature_id="g1"), thing(polygon=SQUARE, feature_id="g2")]
    questions = [question(radio_answer=answer("rainy"))]
    bad = {"objects": [good[0], thing(**shape, feature_id="b"), good[1]], "classifications": questions}
    lines = [
        line(label({"objects": good}), row_id="r0"),
        line(label({"objects": good}, id="l0"), label(bad), row_id="r1"),
    ]
    rows, report = read(*lines, on_error="skip")
    assert counted(report, "skipped") == {counted_as: 1}
    assert report.total("read", "object:") == 3 * len(good) + 1
    assert [one.id for one in rows[1].labels[1].objects] == ["g1", "g2"]
    with pytest.raises(
        InputError, match=r"^<bytes>:2 data_row=r1 \$\.projects\.p1\.labels\[1\]\.annotations\.objects\[1\]"
    ) as caught:
        read(*lines)
    assert caught.match(problem)


def test_bad_objects_after_bad_objects_are_found_again(tmp_path: Path) -> None:
    objects = [
        thing(bounding_box={}),
        thing(location={"start": 2, "end": 1}),
        thing(bounding_box=BOX),
        thing(),
    ]
    path, target = tmp_path / "in.ndjson", tmp_path / "out.json"
    path.write_text(json.dumps(line(label(7), label({"objects": objects}, id="l2"))))
    report = annokit.convert(path, target, to="coco", on_error="quarantine")
    assert report.total("written", "object:box") == 1
    put_aside = [
        json.loads(text) for text in (tmp_path / "out.json.quarantine.ndjson").read_text().splitlines()
    ]
    assert [(one["kind"], one["where"]["path"].partition("labels")[2]) for one in put_aside] == [
        ("labels", "[0].annotations"),
        ("object:box", "[1].annotations.objects[0].bounding_box"),
        ("object:text_span", "[1].annotations.objects[1]"),
        ("object:unknown", "[1].annotations.objects[3]"),
    ]
    assert [json.loads(one["raw"]) for one in put_aside[1:]] == [objects[0], objects[1], objects[3]]
    assert put_aside[2]["context"]["projects"]["p1"]["labels"][0]["annotations"]["objects"] == [None]


def test_mended_objects_come_back_as_lines_of_their_own(tmp_path: Path) -> None:
    objects = [
        thing(bounding_box=BOX | {"width": "20"}, feature_id="f1"),
        thing(bounding_box=BOX, feature_id="f2"),
    ]
    path, target, mended = tmp_path / "in.ndjson", tmp_path / "out.json", tmp_path / "mended.ndjson"
    row = line(label({"objects": objects, "classifications": [question(radio_answer=answer("x"))]}))
    path.write_text(json.dumps(row))
    annokit.convert(path, target, to="coco", on_error="quarantine")
    put_aside = tmp_path / "out.json.quarantine.ndjson"
    put_aside.write_text(put_aside.read_text().replace('\\"20\\"', "20"))
    assert requeue(put_aside, mended) == 1
    assert annokit.detect(mended) == "labelbox"
    (again,) = annokit.read(mended)
    assert [
        (found.id, [one.id for one in found.objects], found.classifications) for found in again.labels
    ] == [("l1", ["f1"], [])]
    assert (again.asset.width, again.labels[0].extra["labelbox"]["label_kind"]) == (40, "Default")


@pytest.mark.parametrize("layout", ["array", "pretty array", "pretty object", "array of one"])
def test_arrays_and_single_objects_are_read_like_lines(layout: str, tmp_path: Path) -> None:
    rows = [line(label({"objects": [thing(polygon=SQUARE)]}), row_id=f"r{n}") for n in range(3)]
    if layout in ("pretty object", "array of one"):
        rows = rows[:1]
    path = tmp_path / "export.json"
    path.write_text(
        json.dumps(rows[0] if layout == "pretty object" else rows, indent=2 if "pretty" in layout else None)
    )
    assert annokit.detect(path) == "labelbox"
    expected, _ = read(*rows)
    found = list(annokit.read(path))
    assert [(row.id, row.labels) for row in found] == [(row.id, row.labels) for row in expected]


def test_errors_in_an_array_have_no_line_but_a_place() -> None:
    data = json.dumps([line(), line(label({"objects": [thing(bounding_box={})]}), row_id="r2")]).encode()
    with pytest.raises(DecodeError, match=r"^<bytes>@\d+ data_row=r2 \$\.projects\.p1") as caught:
        list(annokit.read(data, format="labelbox"))
    assert data[caught.value.where.byte_offset or 0 :].lstrip().startswith(b'{"data_row": {"id": "r2"')


def full_pass(path: Path) -> Ontology:
    builder = OntologyBuilder()
    for row in annokit.read(path).rows(Run(on_error="skip")):
        builder.add_row(row)
    return builder.build()


@pytest.mark.parametrize("broken", [False, True])
def test_the_first_pass_finds_the_classes_and_names_of_the_full_one(
    broken: bool, samples: Path, tmp_path: Path, generate: Callable[..., None]
) -> None:
    path = tmp_path / "export.ndjson"
    generate("make_export", samples / "coco.json", path)
    nested = question(
        "kind", checklist_answers=[answer("bus", question("how big", radio_answer=answer("huge")))]
    )
    extra = [
        line(
            label(
                {
                    "objects": [
                        thing(point={"x": 1, "y": 2}, annotation_kind="ImagePoint", classifications=[nested])
                    ]
                }
            )
        )
    ]
    if broken:
        extra.append(
            line(
                label({"objects": [thing(name=7, point={}), thing(name="ok", bounding_box=BOX)]}), row_id="r9"
            )
        )
        extra.append({"data_row": 3})
    with path.open("a") as handle:
        handle.writelines(json.dumps(row) + "\n" for row in extra)
    dataset = annokit.read(path, on_error="skip")
    expected = full_pass(path)
    assert [(t.name, t.id) for t in dataset.ontology.tools] == [(t.name, t.id) for t in expected.tools]
    kinds = {"mask_reference": "mask"}
    if not broken:
        assert [t.kind for t in dataset.ontology.tools] == [
            kinds.get(t.kind or "", t.kind) for t in expected.tools
        ]
    assert dataset.ontology.tools[-1 - broken].classifications == expected.tools[-1 - broken].classifications
    assert dataset.ontology.classifications == expected.classifications
    assert [(key.name, key.id) for key in dataset.outline.keys] == [(row.name, row.id) for row in dataset]


def test_relationships_are_kept_whole() -> None:
    link = {
        "feature_id": "x",
        "name": "eats",
        "relationship": {"source": "f1", "target": "f2", "type": "bidirectional"},
    }
    (found,) = one_label({"relationships": [link]}).relationships
    assert found == Relationship(
        tool_name="eats", source="f1", target="f2", directed=False, id="x", extra={"labelbox": link}
    )


def test_two_answers_to_one_question_cost_the_question() -> None:
    both = question(text_answer={"content": "x"}, radio_answer=answer("y"))
    rows, report = read(
        line(label({"classifications": [both, question(radio_answer=answer("z"))]})), on_error="skip"
    )
    assert [q.answers[0].name for q in rows[0].labels[0].classifications] == ["z"]
    assert counted(report, "skipped") == {"classifications": 1}


@pytest.mark.parametrize("depth", [50, 250, 1000, 100_000])
def test_questions_nested_deeper_than_python_goes_cost_one_row(depth: int) -> None:
    start = '{"name": "q", "radio_answer": {"name": "a", "classifications": ['
    row = json.dumps(line(label({"classifications": ["HERE"]})))
    data = row.replace('"HERE"', start * depth + "]}}" * depth).encode()
    run = Run(on_error="skip")
    found = [census(row)["classifications"] for row in annokit.read(data, format="labelbox").rows(run)]
    assert found == ([depth] if depth == 50 else [])
    assert run.report.kinds["data_rows"]["skipped"] == (depth > 50)


HOSTILE: list[Any] = [None, 7, -1.5, 1e308, "x", "", True, [], {}, [[]], {"x": {}}]


def test_any_value_in_any_place_is_read_or_named(data: Path) -> None:
    blocks = [
        json.loads((data / "labelbox" / f"v2_{name}.json").read_bytes()) for name in ("image", "document")
    ]
    whole = label(
        {
            "objects": [
                *blocks[0]["objects"],
                *blocks[1]["objects"],
                thing(composite_mask={"url": "u", "color_rgb": [1, 2, 3]}),
            ],
            "classifications": [question(radio_answer=answer("x", question(text_answer={"content": "y"})))],
            "relationships": [{"name": "r", "relationship": {"source": "a", "target": "b"}}],
        },
        label_details={"created_at": "2024-01-01T00:00:00.000Z", "reviews": [{"score": 1}]},
        performance_details={"seconds_to_create": 1, "benchmark_reference_label": "l1"},
    )
    extra = {
        "attachments": [{"type": "IMAGE", "value": "u"}],
        "metadata_fields": [{"schema_name": "m", "value": 1}],
    }
    document = line(whole) | extra
    document["projects"]["p1"]["project_details"] = {"workflow_status": "DONE", "selected_label_id": "l1"}
    for changed in spoilt(document):
        raw = json.dumps(changed).encode() + b"\n" + json.dumps(line(row_id="r2")).encode()
        run = Run(on_error="skip")
        dataset = annokit.read(raw, format="labelbox")
        rows = list(dataset.rows(run))
        assert rows[-1].id == "r2"
        assert len(rows) + run.report.kinds["data_rows"]["skipped"] == 2
        assert [row.id for row in rows] == [key.id for key in dataset.outline.keys][-len(rows) :]
        for row in rows:
            assert parse(dump(row)) == row


def spoilt(document: Any) -> Iterator[Any]:
    """The document with every part in turn replaced by every hostile value."""
    for path in paths(document):
        for value in HOSTILE:
            changed = copy.deepcopy(document)
            place = changed
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = value
            yield changed


def paths(document: Any) -> Iterator[list[Any]]:
    members = enumerate(document) if isinstance(document, list) else document.items()
    for key, value in members:
        yield [key]
        if isinstance(value, list | dict):
            yield from ([key, *rest] for rest in paths(value))


@given(st.data())
def test_a_truncated_line_is_one_line(draw: Any) -> None:
    lines = [json.dumps(line(label({"objects": [thing(polygon=SQUARE)]}), row_id=f"r{n}")) for n in range(3)]
    cut = draw.draw(st.integers(1, len(lines[1]) - 1))
    data = "\n".join([lines[0], lines[1][:cut], lines[2]]).encode()
    run = Run(on_error="skip")
    assert [row.id for row in annokit.read(data, format="labelbox").rows(run)] == ["r0", "r2"]
    assert counted(run.report, "skipped") == {"data_rows": 1}


def test_the_shared_examples_of_the_documentation(shared: Path) -> None:
    folder = shared / "labelbox" / "export_v2"
    objects = json.loads((folder / "export_v2_objects.json").read_bytes())
    questions = json.loads((folder / "export_v2_classifications.json").read_bytes())
    found = one_label({"objects": objects, "classifications": questions})
    assert [one.geometry.kind for one in found.objects] == [
        "box",
        "box",
        "polygon",
        "line",
        "mask_reference",
        "text_span",
        "line",
    ]
    assert [q.kind for q in found.classifications] == ["radio", "radio", "text"]
    (row,) = annokit.read(folder / "export_quick_reference_image_head.json")
    assert (row.asset.width, row.labels[0].annotations) == (2560, ())
    assert row.extra["labelbox"]["embeddings"][0]["dimensions"] == 2048
