"""Import NDJSON: every row of the platform's own files is read and written back, and its client takes what we write."""

from __future__ import annotations

import base64
import io
import json
import shutil
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from PIL import Image

import annokit
from annokit.errors import InputError
from annokit.formats._labelbox.tracks import runs
from annokit.model import (
    Annotation,
    Answer,
    Asset,
    Box,
    Classification,
    DataRow,
    FrameRange,
    Label,
    Line,
    Mask,
    MaskReference,
    ObjectAnnotation,
    Point,
    Polygon,
    Relationship,
    RotatedBox,
    TextSpan,
    TokenGroup,
    TokenSpan,
    Track,
    Unknown,
    dump,
)
from annokit.report import Report
from annokit.run import Run
from tests.formats.labelbox_rules import differences, documents
from tests.formats.labelbox_sdk import refused
from tests.strategies import annotations, data_rows

Json = dict[str, Any]
ROW = {"dataRow": {"id": "ckrazctum0z8a0ybc0b0o0g0v"}}
BBOX = {"top": 1.5, "left": 2.5, "height": 10, "width": 20}


def read(*lines: Json, on_error: Any = "raise", **options: Any) -> tuple[list[DataRow], Report]:
    run = Run(on_error=on_error)
    data = "\n".join(map(json.dumps, lines)).encode()
    return list(annokit.read(data, format="labelbox-import", **options).rows(run)), run.report


def one(**keys: Any) -> Any:
    (row,), _ = read(ROW | {"name": "car"} | keys)
    return row.labels[0].annotations[0]


def written(rows: list[DataRow], folder: Path, **options: Any) -> tuple[list[Json], Report]:
    target = folder / "out.ndjson"
    report = annokit.write(rows, target, format="labelbox-import", overwrite=True, **options)
    return documents(target), report


def files(data: Path) -> list[Path]:
    return sorted((data / "labelbox_import").iterdir())


def lines_of(path: Path) -> list[Json]:
    """The rows of a file, those of one data row together, links last, checklists under one key."""
    found = documents(path)
    for row in found:
        row["answer"] = row.pop("answers", row.get("answer"))
    order = list(dict.fromkeys(json.dumps(row["dataRow"]) for row in found))
    return sorted(found, key=lambda row: (order.index(json.dumps(row["dataRow"])), "relationship" in row))


COUNTS = {
    "classification_import": {"classifications": 3},
    "classification_import_name_only": {"classifications": 3},
    "conversation_entity_without_confidence_import": {"object:text_span": 1},
    "custom_scalar_import": {"object:unknown": 3},
    "image_import": {
        "object:box": 1,
        "object:mask_reference": 1,
        "object:polygon": 1,
        "object:point": 1,
    },
    "metric_import": {"object:unknown": 1},
    "mmc_import": {"object:unknown": 3},
    "nested_import_name_only": {"object:box": 4, "classifications": 4},
    "pdf_import": {"object:box": 6, "object:token_span": 1},
    "polyline_import": {"object:line": 1},
    "rectangle_import": {"object:box": 1},
    "relationship_import": {"object:box": 4, "relationships": 2},
    "text_entity_without_confidence_import": {"object:text_span": 1},
    "video_import": {"classifications": 3, "tracks": 3, "keyframes": 9},
    "Audio": {"classifications": 2},
    "Conversational": {"classifications": 2, "object:text_span": 1},
    "Dicom": {"tracks": 1, "keyframes": 1},
    "Document": {"object:token_span": 1, "classifications": 2, "object:box": 1},
    "Image": {"object:polygon": 1, "object:box": 1, "object:line": 1, "classifications": 2},
    "Image_mask_uri": {"object:mask_reference": 1},
    "Text": {"classifications": 2, "object:text_span": 1},
    "Video": {"classifications": 1},
}
"""Of every file, counted by hand."""


@pytest.mark.parametrize("name", COUNTS)
def test_the_platforms_own_rows_come_back(name: str, data: Path, tmp_path: Path) -> None:
    (path,) = [found for found in files(data) if found.stem == name]
    assert annokit.detect(path) == "labelbox-import"
    target = tmp_path / "out.ndjson"
    report = annokit.convert(path, target, to="labelbox-import", labels="all", verify=True)
    rows = len({json.dumps(row["dataRow"]) for row in documents(path)})
    found = {kind: counts["written"] for kind, counts in report.kinds.items() if kind != "categories"}
    assert found == COUNTS[name] | {"data_rows": rows, "labels": rows}
    expected = lines_of(path)
    if name == "video_import":  # a frame 0, which the platform does not have
        expected[1]["frames"][0]["start"] = 1
    assert differences(expected, lines_of(target)) == []
    bad = refused(target)
    # the client refuses this row of its own: a mask without a colour
    assert [row["uuid"] for row, _ in bad] == (
        ["751fc725-f7b6-48ed-89b0-dd7d94d08af6"] if name == "image_import" else []
    )


def test_parts_hold_whole_rows(data: Path) -> None:
    lines = (data / "labelbox_import" / "Image.ndjson").read_bytes().splitlines()
    many = [
        line.replace(key, key + str(number).encode())
        for number in range(30)
        for line in lines
        for key in (_row_key(line),)
    ]
    text = b"\n".join(many)
    parts = annokit.parts(text, format="labelbox-import", size=5000)
    assert len(parts) > 3
    assert [row for part in parts for row in part.dataset()] == list(
        annokit.read(text, format="labelbox-import")
    )


def _row_key(line: bytes) -> bytes:
    """What the line calls its data row."""
    return next(iter(json.loads(line)["dataRow"].values())).encode()


def test_the_payloads_of_the_notebooks(shared: Path, tmp_path: Path) -> None:
    for path in sorted((shared / "labelbox" / "notebook_import").iterdir()):
        rows = [{"dataRow": {"globalKey": "k"}} | row for row in json.loads(path.read_bytes()).values()]
        source, target = tmp_path / "in.ndjson", tmp_path / "out.ndjson"
        source.write_text("\n".join(map(json.dumps, rows)))
        annokit.convert(source, target, to="labelbox-import", verify=True, overwrite=True)
        assert differences(lines_of(source), lines_of(target)) == [], path.name
        assert refused(target) == [], path.name


def test_shapes_in_the_models_terms() -> None:
    assert one(bbox=BBOX, confidence=0.5).geometry == Box(x=2.5, y=1.5, width=20, height=10)
    upwards = one(bbox={"top": 10, "left": 5, "height": -4, "width": 3})
    assert upwards.geometry == Box(x=5, y=6, width=3, height=4)
    assert one(location={"start": 3, "end": 5}, messageId="m").geometry == TextSpan(
        start=3, end=6, message_id="m"
    )
    assert one(bbox=BBOX, page=0, unit="POINTS").page == 0
    assert one(mask={"size": [1, 3], "counts": [1, 2]}).geometry == Mask(counts=[1, 2], height=1, width=3)


def png(pixels: Any) -> str:
    out = io.BytesIO()
    Image.fromarray(np.array(pixels, np.uint8)).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


@pytest.mark.parametrize("high", [1, 255])
def test_masks_are_there_and_back_as_zeros_and_ones(high: int, tmp_path: Path) -> None:
    found = one(mask={"png": png([[0, high], [0, 0]])})
    assert found.geometry == Mask(counts=[2, 1, 1], height=2, width=2)
    ((line,), _) = written([DataRow(id="r", labels=(Label(annotations=(found,)),))], tmp_path)
    image = np.array(Image.open(io.BytesIO(base64.b64decode(line["mask"]["png"]))))
    assert image.tolist() == [[0, 1], [0, 0]]
    assert refused(tmp_path / "out.ndjson") == []


def test_videos(tmp_path: Path) -> None:
    radio = {"name": "pose", "answer": {"name": "sits"}}
    segments = [
        {
            "keyframes": [
                {"frame": 5, "bbox": BBOX | {"top": 9}},
                {"frame": 2, "bbox": BBOX, "classifications": [radio]},
            ]
        },
        {"keyframes": [{"frame": 9, "bbox": BBOX}]},
    ]
    track = one(segments=segments)
    assert (track.frames.tolist(), track.segments.tolist()) == ([1, 4, 8], [[1, 4], [8, 8]])
    assert track.classifications[0].frames == (FrameRange(start=1, end=1),)
    uris = [{"index": 1, "instanceURI": "https://example.com/1"}, {"index": 2, "imBytes": png([[0]])}]
    instances = [{"colorRGB": [1, 2, 3], "name": "car"}, {"colorRGB": [4, 5, 6], "name": "bus"}]
    (row,), report = read(ROW | {"masks": {"frames": uris, "instances": instances}})
    assert report.kinds["tracks"]["read"] == 2
    assert [(found.tool_name, found.masks[0]) for found in row.labels[0].tracks] == [
        ("car", MaskReference(uri="https://example.com/1", color=(1, 2, 3))),
        ("bus", MaskReference(uri="https://example.com/1", color=(4, 5, 6))),
    ]
    ((line,), _) = written([row], tmp_path)
    assert differences(line, ROW | {"masks": {"frames": uris, "instances": instances}}) == []


def test_texts_over_frames_are_one_row(tmp_path: Path) -> None:
    answer = [
        {"value": "a", "frames": [{"start": 1, "end": 5}]},
        {"value": "b", "frames": [{"start": 7, "end": 9}]},
    ]
    source = ROW | {"name": "what", "answer": answer}
    (row,), _ = read(source)
    assert [(found.text, found.frames[0].start) for found in row.labels[0].classifications] == [
        ("a", 0),
        ("b", 6),
    ]
    assert written([row], tmp_path)[0] == [source]
    (sound,), _ = read(source, media="audio")
    assert sound.labels[0].classifications[0].frames[0].start == 1


def test_rows_of_one_data_row_stand_anywhere() -> None:
    keys = [{"dataRow": {"globalKey": key}, "name": "car", "bbox": BBOX} for key in ("a", "b", "a")]
    rows, _ = read(*keys, keys[1] | {"isBenchmarkReferenceLabel": True})
    assert [(row.name, [len(found.annotations) for found in row.labels]) for row in rows] == [
        ("a", [2]),
        ("b", [1, 1]),
    ]
    assert [(found.origin, found.is_benchmark) for found in rows[1].labels] == [
        ("model", False),
        ("human", True),
    ]


@pytest.mark.parametrize(
    ("line", "kind", "problem"),
    [
        (ROW | {"name": "x"}, "classifications", "expected an annotation, got none"),
        (ROW | {"bbox": BBOX | {"top": "x"}, "name": "x"}, "object:box", r"\$\.bbox\.top: expected float"),
        ({"dataRow": {}, "name": "x", "bbox": BBOX}, "object:box", "either an id or a globalKey"),
        (ROW | {"name": "x", "location": {"start": 5, "end": 3}}, "object:text_span", "an end not before"),
        (ROW | {"name": "x", "mask": {"png": "??"}}, "object:mask_reference", "a PNG in base64"),
        (ROW | {"name": "x", "segments": [{"keyframes": []}]}, "tracks", "key frames in every segment"),
        (ROW | {"bbox": BBOX, "confidence": 2, "name": "x"}, "object:box", "confidence: expected float <= 1"),
        (ROW | {"name": "x", "polygon": [{"x": 1}]}, "object:polygon", r"\$\.polygon\[0\]"),
    ],
)
def test_one_bad_line_costs_one_annotation(line: Json, kind: str, problem: str) -> None:
    good = ROW | {"name": "car", "bbox": BBOX}
    rows, report = read(good, line, good, on_error="skip")
    assert [len(row.labels[0].annotations) for row in rows] == [2]
    assert report.kinds[kind]["skipped"] == 1
    with pytest.raises(InputError, match=problem):
        read(good, line, good)


ONTOLOGY = annokit.ontology.ontology(
    tools=[
        annokit.ontology.tool("car", "box", questions=[annokit.ontology.radio("colour", ["red", "blue"])]),
        annokit.ontology.tool("car", "polygon"),
    ]
)


def test_an_ontology_gives_the_ids_and_refuses_what_it_lacks(tmp_path: Path) -> None:
    document = annokit.ontology.to_json(ONTOLOGY)
    ids = iter(f"c{n:024d}" for n in range(9))
    for tool in document["tools"]:
        tool["featureSchemaId"] = next(ids)
        for question in tool["classifications"]:
            question["featureSchemaId"] = next(ids)
            for option in question["options"]:
                option["featureSchemaId"] = next(ids)
    path = tmp_path / "ontology.json"
    path.write_text(json.dumps(document))

    def asked(color: str) -> tuple[Classification, ...]:
        return (Classification(tool_name="colour", kind="radio", answers=(Answer(name=color),)),)

    box = Box(x=0, y=0, width=4, height=4)
    objects = (
        ObjectAnnotation(tool_name="car", geometry=box, classifications=asked("blue")),
        ObjectAnnotation(tool_name="car", geometry=Polygon(coords=[(0, 0), (4, 0), (4, 4)])),
        ObjectAnnotation(tool_name="bus", geometry=box),
        ObjectAnnotation(tool_name="car", geometry=box, classifications=asked("green")),
    )
    row = DataRow(id="a.jpg", labels=(Label(annotations=objects),))
    lines, report = written([row], tmp_path, ontology=str(path), classes_by="schema-id")
    assert [line["schemaId"] for line in lines] == [f"c{0:024d}", f"c{4:024d}"]
    assert lines[0]["classifications"] == [{"schemaId": f"c{1:024d}", "answer": {"schemaId": f"c{3:024d}"}}]
    (loss,) = [loss for loss in report.losses if loss.kind == "object:box"]
    assert (loss.code, loss.count) == ("not-in-ontology", 2)
    assert loss.message == "the ontology has no 'bus' as a box, and the like"
    assert report.kinds["classifications"]["unsupported"] == 1
    both, _ = written([row], tmp_path, ontology=str(path))
    assert (both[0]["name"], both[0]["schemaId"]) == ("car", f"c{0:024d}")


def test_predictions_become_pre_labels(tmp_path: Path) -> None:
    truth = {
        "images": [{"id": 7, "file_name": "a.jpg", "width": 40, "height": 30}],
        "annotations": [],
        "categories": [{"id": 3, "name": "car"}],
    }
    results = [
        {"image_id": 7, "category_id": 3, "bbox": [1.25, 2.5, 3, 4], "score": 0.75},
        {
            "image_id": 7,
            "category_id": 3,
            "segmentation": {"size": [30, 40], "counts": [5, 6, 1189]},
            "score": 0.5,
        },
    ]
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "results.json").write_text(json.dumps(results))
    target = tmp_path / "out.ndjson"
    annokit.convert(
        tmp_path / "results.json",
        target,
        to="labelbox-import",
        ground_truth=str(tmp_path / "truth.json"),
        strict=True,
    )
    box, _ = documents(target)
    assert box == {
        "dataRow": {"globalKey": "a.jpg"},
        "name": "car",
        "confidence": 0.75,
        "bbox": {"top": 2.5, "left": 1.25, "height": 4, "width": 3},
    }
    assert refused(target) == []
    (row,) = annokit.read(target)
    assert [found.geometry for found in row.labels[0].objects] == [
        Box(x=1.25, y=2.5, width=3, height=4),
        Mask(counts=[5, 6, 1189], height=30, width=40),
    ]
    annokit.convert(target, tmp_path / "again.json", to="coco")
    again = json.loads((tmp_path / "again.json").read_bytes())
    assert again["annotations"][0]["bbox"] == [1.25, 2.5, 3, 4]


def test_a_confidence_in_percent_is_left_out_by_name(tmp_path: Path) -> None:
    answer = Answer(name="yes", confidence=-0.5)
    asked = Classification(tool_name="wet", kind="radio", answers=(answer,), confidence=50)
    box = Box(x=1, y=2, width=3, height=4)
    scores = (87.5, 1.0, None)
    cars = [ObjectAnnotation(tool_name="car", geometry=box, confidence=score) for score in scores]
    row = DataRow(id="a", external_id="a.jpg", labels=(Label(annotations=(*cars, asked)),))
    lines, report = written([row], tmp_path, verify=True)
    assert [line.get("confidence") for line in lines] == [None, 1.0, None, None]
    assert "confidence" not in lines[3]["answer"]
    ranges = {
        loss.kind: (loss.level, loss.count) for loss in report.losses if loss.code == "confidence-range"
    }
    assert ranges == {"object:box": ("changed", 1), "classifications": ("changed", 2)}


def test_parts_and_holes_are_refused_or_painted(tmp_path: Path) -> None:
    shape = Polygon.from_parts([[[(0, 0), (4, 0), (4, 4), (0, 4)], [(1, 1), (3, 1), (3, 3), (1, 3)]]])
    row = DataRow(
        id="a.jpg",
        asset=Asset(width=6, height=5),
        labels=(Label(annotations=(ObjectAnnotation(tool_name="car", geometry=shape),)),),
    )
    lines, report = written([row], tmp_path)
    assert (documents(tmp_path / "out.ndjson"), report.kinds["object:polygon"]["unsupported"]) == ([], 1)
    lines, report = written([row], tmp_path, multipart="mask")
    assert report.kinds["object:polygon"]["written"] == 1
    pixels = np.array(Image.open(io.BytesIO(base64.b64decode(lines[0]["mask"]["png"]))))
    assert pixels.sum() == 12


def test_ids_of_the_platform_are_used_and_names_else(samples: Path, tmp_path: Path) -> None:
    named = DataRow(id="7", external_id="a.jpg", labels=(Label(annotations=(one(bbox=BBOX),)),))
    cuid = DataRow(id="ckrazctum0z8a0ybc0b0o0g0v", global_key="key", labels=named.labels)
    lines, _ = written([named, cuid], tmp_path)
    assert [line["dataRow"] for line in lines] == [{"globalKey": "a.jpg"}, {"id": cuid.id}]
    lines, _ = written([named, cuid], tmp_path, rows_by="global-key")
    assert [line["dataRow"] for line in lines] == [{"globalKey": "a.jpg"}, {"globalKey": "key"}]


def test_two_objects_of_one_class_stay_two_and_gaps_stay_gaps(tmp_path: Path) -> None:
    tracks = tuple(
        Track(
            tool_name="car",
            kind="box",
            frames=[0, 4, 9, 12],
            is_keyframe=[True, True, True, False],
            values=[(x, 0), (5, 5)] * 4,
            segments=[(0, 4), (9, 12)],
        )
        for x in (0, 50)
    )
    row = DataRow(id="v", asset=Asset(media_type="video"), labels=(Label(annotations=tracks),))
    lines, _ = written([row], tmp_path)
    found = [[[k["frame"] for k in part["keyframes"]] for part in line["segments"]] for line in lines]
    assert found == [[[1, 5], [10, 13]]] * 2
    (again,) = annokit.read(tmp_path / "out.ndjson")
    assert [track.segments.tolist() for track in again.labels[0].tracks] == [[[0, 4], [9, 12]]] * 2


def test_more_than_the_platform_takes_is_named(tmp_path: Path) -> None:
    dot = ObjectAnnotation(tool_name="dot", geometry=Point(x=1, y=2))
    lines, report = written([DataRow(id="r", labels=(Label(annotations=(dot,) * 5002),))], tmp_path)
    assert (len(lines), report.kinds["object:point"]["unsupported"]) == (5000, 2)


coordinates = st.floats(0, 500)
coords = st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=5)
classes = st.sampled_from(["car", "person", "Straße", "猫"])
shapes = st.one_of(
    st.builds(Box, x=coordinates, y=coordinates, width=coordinates, height=coordinates),
    st.builds(Polygon, coords=coords),
    st.builds(Line, coords=coords),
    st.builds(Point, x=coordinates, y=coordinates),
    st.builds(RotatedBox, corners=st.lists(st.tuples(coordinates, coordinates), min_size=4, max_size=4)),
    st.integers(0, 12).map(lambda n: Mask(counts=[n, 12 - n], height=3, width=4)),
    st.builds(
        MaskReference,
        uri=st.just("https://example.com/m.png"),
        color=st.none() | st.tuples(*[st.integers(0, 255)] * 3),
    ),
    st.integers(0, 9).map(lambda n: TextSpan(start=n, end=n + 3)),
    st.builds(TokenSpan, groups=st.just((TokenGroup(page=1, tokens=("t",), id="g"),))),
)
answers = st.builds(Answer, name=classes, confidence=st.none() | st.floats(0, 1))
plain = st.one_of(
    st.builds(Classification, tool_name=classes, kind=st.just("radio"), answers=st.tuples(answers)),
    st.builds(
        Classification, tool_name=classes, kind=st.just("checklist"), answers=st.tuples(answers, answers)
    ),
    st.builds(Classification, tool_name=classes, kind=st.just("text"), text=classes),
)
nested = st.builds(
    Classification,
    tool_name=classes,
    kind=st.just("radio"),
    answers=st.builds(Answer, name=classes, classifications=st.tuples(plain)).map(lambda made: (made,)),
)
ranges = st.lists(st.integers(0, 50), min_size=1, max_size=2).map(
    lambda starts: tuple(FrameRange(start=n, end=n + 2) for n in starts)
)
ids = st.none() | st.text(string.ascii_lowercase, min_size=1, max_size=3)
objects = st.builds(
    ObjectAnnotation,
    tool_name=classes,
    geometry=shapes,
    id=ids,
    confidence=st.none() | st.floats(0, 1),
    classifications=st.lists(plain | nested, max_size=2).map(tuple),
)


@st.composite
def video_tracks(draw: st.DrawFn) -> Track:
    frames = sorted(draw(st.sets(st.integers(0, 40), min_size=1, max_size=4)))
    kind, rows = draw(st.sampled_from([("box", 2), ("point", 1), ("line", 3)]))
    return Track(
        tool_name=draw(classes),
        kind=kind,
        frames=frames,
        is_keyframe=[True] * len(frames),
        values=[(draw(coordinates), draw(coordinates)) for _ in range(rows * len(frames))],
        offsets=np.arange(len(frames) + 1) * rows,
        id=draw(ids),
        classifications=draw(st.lists(plain, max_size=1).map(tuple)),
    )


usual = st.builds(
    DataRow,
    id=st.sampled_from(["a.jpg", "ckrazctum0z8a0ybc0b0o0g0v"]),
    global_key=st.none() | st.just("key"),
    labels=st.builds(
        Label,
        is_benchmark=st.booleans(),
        annotations=st.lists(
            st.one_of(
                objects,
                plain,
                nested,
                video_tracks(),
                st.builds(
                    Classification, tool_name=classes, kind=st.just("text"), text=classes, frames=ranges
                ),
                st.builds(Relationship, tool_name=classes, source=ids, target=ids),
            ),
            max_size=5,
        ).map(tuple),
    ).map(lambda label: (label,)),
)
"""What people have: shapes that are sound, names, answers, tracks."""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(usual, min_size=1, max_size=2) | st.lists(data_rows, max_size=2))
def test_the_platforms_client_takes_every_row(tmp_path: Path, rows: list[DataRow]) -> None:
    target = tmp_path / "out.ndjson"
    report = annokit.write(rows, target, format="labelbox-import", labels="all", overwrite=True)
    assert refused(target) == []
    found = [label for row in annokit.read(target, format="labelbox-import") for label in row.labels]
    assert sum(len(label.objects) for label in found) + sum(len(label.tracks) for label in found) == (
        report.total("written", "object:") + report.total("written", "tracks")
    )
    assert sum(len(label.relationships) for label in found) == report.total("written", "relationships")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(usual)
def test_what_was_written_is_read_back_equal(tmp_path: Path, row: DataRow) -> None:
    target = tmp_path / "out.ndjson"
    annokit.write([row], target, format="labelbox-import", labels="all", overwrite=True)
    first = list(annokit.read(target, format="labelbox-import"))
    before = target.read_bytes()
    annokit.write(first, target, format="labelbox-import", labels="all", overwrite=True)
    assert [row.labels for row in annokit.read(target, format="labelbox-import")] == [
        row.labels for row in first
    ]
    assert sorted(before.splitlines()) == sorted(target.read_bytes().splitlines())


def said(one: Annotation) -> Json:
    """What an annotation says: without extras, defaults, its own id, the closing point of a ring, and the stretches
    of a track that states none.
    """
    if isinstance(one, ObjectAnnotation) and isinstance(one.geometry, Polygon):
        one = replace(one, geometry=_open(one.geometry))
    if isinstance(one, Track) and len(one.frames) and not len(one.segments):
        one = replace(one, segments=runs(one.frames))
    found = json.loads(dump(one))["record"]
    if isinstance(one, ObjectAnnotation) and isinstance(one.geometry, Mask):
        counts = one.geometry.counts
        found["geometry"]["counts"] = np.repeat(np.arange(len(counts)) % 2, counts).tolist()
    return {
        key: _meant(value) for key, value in found.items() if key not in ("id", "extra") and _meant(value)
    }


def _open(shape: Polygon) -> Polygon:
    coords = shape.coords
    while len(shape.ring_offsets) == 2 and len(coords) > 1 and (coords[0] == coords[-1]).all():
        coords = coords[:-1]
    return Polygon(coords=coords) if len(coords) < len(shape.coords) else shape


def _meant(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: found for key, one in value.items() if key != "extra" and (found := _meant(one))}
    return [_meant(one) for one in value] if isinstance(value, list) else value


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(objects | plain | nested | video_tracks() | annotations)
def test_whatever_is_not_read_back_is_named(tmp_path: Path, one: Annotation) -> None:
    target = tmp_path / "out.ndjson"
    row = DataRow(id="a.jpg", labels=(Label(annotations=(one,)),))
    report = annokit.write([row], target, format="labelbox-import", labels="all", overwrite=True)
    labels = [label for row in annokit.read(target, format="labelbox-import") for label in row.labels]
    again = [found for label in labels for found in label.annotations]
    if [said(found) for found in again] != [said(one)]:
        assert report.losses, (said(one), again)


HOSTILE: list[Any] = [None, -1.5, 1e308, "x", True, [], {"x": {}}]


def test_any_value_in_any_place_is_read_or_named(data: Path) -> None:
    seen = 0
    for path in files(data):
        for row in documents(path):
            for place in places(row):
                for value in HOSTILE:
                    changed = json.loads(json.dumps(row))
                    inside = changed
                    for step in place[:-1]:
                        inside = inside[step]
                    inside[place[-1]] = value
                    _, report = read(
                        changed,
                        {"dataRow": {"globalKey": "last"}, "name": "x", "bbox": BBOX},
                        on_error="skip",
                    )
                    seen += 1
                    assert report.kinds["data_rows"]["read"] >= 1
    assert seen > 2000


def places(value: Any) -> list[list[Any]]:
    members = (
        enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    )
    return [path for key, inner in members for path in ([key], *([key, *rest] for rest in places(inner)))]


def test_unknown_payloads_are_kept() -> None:
    task = {"format": "message-ranking", "data": {"parentMessageId": "m", "rankedMessages": []}}
    assert one(messageEvaluationTask=task).geometry == Unknown(
        what="messageEvaluationTask", payload={"messageEvaluationTask": task}
    )


@pytest.mark.parametrize(
    ("key", "plane"), [("axial", "Axial"), ("coronal", "Coronal"), ("Oblique", "Oblique")]
)
def test_planes_of_a_volume_go_over_to_exports_and_back(key: str, plane: str, tmp_path: Path) -> None:
    segments = [{"keyframes": [{"frame": 2, "bbox": BBOX}]}]
    asked = {"name": "seen", "answer": {"name": "yes"}, "frames": [{"start": 1, "end": 2}]}
    lines = [ROW | {"name": "a", "groupKey": key, "segments": segments}, ROW | {"groupKey": key} | asked]
    rows, _ = read(*lines)
    assert rows[0].labels[0].tracks[0].extra["labelbox"] == {"group": plane}
    export = tmp_path / "export.ndjson"
    annokit.write(rows, export, format="labelbox")
    found, report = written(list(annokit.read(export)), tmp_path)
    assert [made["groupKey"] for made in found] == [key, key]
    assert not report.losses
    assert [made["groupKey"] for made in written(rows, tmp_path)[0]] == [key, key]


@pytest.mark.parametrize(
    ("found", "task"),
    [
        (
            {"selected_message": {"message_id": "1", "model_config_name": "a", "parent_message_id": "0"}},
            {
                "format": "message-single-selection",
                "data": {"messageId": "1", "modelConfigName": "a", "parentMessageId": "0"},
            },
        ),
        (
            {
                "selected_messages": {
                    "messages": [{"message_id": "1", "model_config_name": "a"}],
                    "parent_message_id": "0",
                }
            },
            {
                "format": "message-multi-selection",
                "data": {
                    "selectedMessages": [{"messageId": "1", "modelConfigName": "a"}],
                    "parentMessageId": "0",
                },
            },
        ),
        (
            {
                "ranked_messages": {
                    "ranked_messages": [
                        {"message_id": "2", "model_config_name": "b", "order": 1},
                        {"message_id": "1", "model_config_name": "a", "order": 2},
                    ],
                    "parent_message_id": "0",
                }
            },
            {
                "format": "message-ranking",
                "data": {
                    "rankedMessages": [
                        {"messageId": "2", "modelConfigName": "b", "order": 1},
                        {"messageId": "1", "modelConfigName": "a", "order": 2},
                    ],
                    "parentMessageId": "0",
                },
            },
        ),
    ],
)
def test_evaluations_of_an_export_can_be_imported(found: Json, task: Json, tmp_path: Path) -> None:
    said = {"feature_id": "f", "name": "best", "annotation_kind": "Message", "classifications": []} | found
    label = {"label_kind": "Default", "version": "1", "id": "l", "annotations": {"objects": [said]}}
    head = {"data_row": {"id": "r", "row_data": "https://example.com/r"}}
    export = head | {"projects": {"p": {"name": "p", "labels": [label]}}}
    target = tmp_path / "out.ndjson"
    report = annokit.convert([export], target, to="labelbox-import", format="labelbox", strict=True)
    assert report.kinds["object:unknown"]["written"] == 1
    (line,) = documents(target)
    assert line["messageEvaluationTask"] == task
    assert refused(target) == []


def test_an_evaluation_the_platform_would_refuse_is_named(tmp_path: Path) -> None:
    ranked = [{"message_id": "1", "model_config_name": "a", "order": 2}]
    payload = {"ranked_messages": {"ranked_messages": ranked, "parent_message_id": "0"}}
    best = ObjectAnnotation(tool_name="best", geometry=Unknown(what="MessageRanking", payload=payload))
    lines, report = written([DataRow(id="r", labels=(Label(annotations=(best,)),))], tmp_path)
    assert lines == []
    (loss,) = [loss for loss in report.losses if loss.kind == "object:unknown"]
    assert "ranked from 1 on" in loss.message
    odd = {
        "selected_message": {"message_id": "1", "model_config_name": "a", "parent_message_id": "0", "foo": 1}
    }
    marked = replace(best, geometry=Unknown(what="MessageSingleSelection", payload=odd))
    _, report = written([DataRow(id="r", labels=(Label(annotations=(marked,)),))], tmp_path / "odd")
    assert report.losses[0].message.endswith('the platform would refuse: unknown key "foo"')


def test_what_stands_around_annotations_is_named(tmp_path: Path) -> None:
    below = Classification(tool_name="why", kind="text", text="so", message_id="m2")
    chosen = Answer(name="yes", classifications=(below,))
    nested = Classification(tool_name="good", kind="radio", answers=(chosen,), message_id="m1")
    both = Classification(tool_name="odd", kind="radio", answers=(Answer(name="yes"),), text="no")
    labels = [Label(annotations=(one,), status="done") for one in (nested, both, nested)]
    lines, report = written([DataRow(id="r", labels=tuple(labels))], tmp_path, labels="all")
    assert [line["messageId"] for line in lines] == ["m1", "m1"]
    found = {loss.code: (loss.kind, loss.count, loss.lossy) for loss in report.losses}
    assert found["nested-message"] == ("classifications", 2, True)
    assert found["one-label"] == ("labels", 3, True)
    assert found["no-place"] == ("classifications", 1, True)
    (again, _) = read(*lines)
    assert differences(lines, written(again, tmp_path)[0]) == []


def test_messages_of_questions_below_others_come_back(tmp_path: Path) -> None:
    below = {"name": "why", "answer": "so", "messageId": "m2"}
    line = ROW | {"name": "good", "messageId": "m1", "answer": {"name": "yes", "classifications": [below]}}
    assert written(read(line)[0], tmp_path)[0] == [line]


def test_a_box_of_negative_size_is_named_but_on_maps(tmp_path: Path) -> None:
    upwards = ROW | {"name": "car", "bbox": {"top": 9, "left": 1, "height": -4, "width": 2}}
    for media, named in (("geo", False), (None, True)):
        lines, report = written(read(upwards, media=media)[0], tmp_path)
        assert lines[0]["bbox"] == upwards["bbox"]
        assert ("negative-size" in [one.code for one in report.losses]) is named


def test_a_uuid_that_stands_twice_is_named(tmp_path: Path) -> None:
    lines = [ROW | {"uuid": "u", "name": "car", "bbox": BBOX}] * 2 + [ROW | {"name": "car", "bbox": BBOX}] * 2
    made, report = written(read(*lines)[0], tmp_path)
    assert len(made) == 4
    (note,) = [one for one in report.losses if one.code == "repeated-uuid"]
    assert (note.level, note.count, note.kind) == ("changed", 1, "object:box")


def test_numbers_that_every_file_gives_make_no_uuid_twice(tmp_path: Path) -> None:
    """Parts of a dataset, and the same images by two annotators, as COCO files count both from 1."""
    car = ObjectAnnotation(tool_name="car", geometry=Box(x=1, y=1, width=2, height=2), id="1")
    rows = {
        name: DataRow(id="1", external_id=name, asset=Asset(width=9, height=9), labels=(Label(annotations=(car,)),))
        for name in ("a.jpg", "b.jpg")
    }  # fmt: skip
    files = [tmp_path / f"{who}.json" for who in ("ann", "bob", "cyd")]
    for file, name in zip(files, ("a.jpg", "a.jpg", "b.jpg"), strict=True):
        annokit.write([rows[name]], file, format="coco")
    lines, report = written(annokit.read(files), tmp_path)
    assert len({line["uuid"] for line in lines}) == 3
    assert "repeated-uuid" not in {one.code for one in report.losses}
    moved = [shutil.copy(file, tmp_path / f"moved-{file.name}") for file in files]
    assert written(annokit.read(moved), tmp_path)[0] == lines
    lines, _ = written(list(rows.values()), tmp_path)
    assert len({line["uuid"] for line in lines}) == 2


@pytest.mark.parametrize("multipart", ["refuse", "mask"])
def test_on_a_map_no_pixels_are_offered(multipart: str, tmp_path: Path) -> None:
    shape = Polygon.from_parts([[[(0, 0), (4, 0), (4, 4), (0, 4)], [(1, 1), (3, 1), (3, 3), (1, 3)]]])
    lake = ObjectAnnotation(tool_name="lake", geometry=shape, space="geo")
    asset = Asset(media_type="geo", width=6, height=5)
    row = DataRow(id="a.tif", asset=asset, labels=(Label(annotations=(lake,)),))
    lines, report = written([row], tmp_path, multipart=multipart)
    assert (lines, report.losses[0].message) == ([], "a polygon of Labelbox has one ring")
