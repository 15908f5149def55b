"""Labelbox's legacy export: real files of every medium, entries joined to rows, videos as tracks."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import annokit
from annokit.errors import GeometryError, InputError
from annokit.model import (
    Box,
    DataRow,
    FrameRange,
    Label,
    MaskReference,
    Polygon,
    TextSpan,
    Unknown,
    dump,
    parse,
)
from annokit.report import Report
from annokit.run import Run
from tests.formats.labelbox_rules import differences, documents

Json = dict[str, Any]
BBOX = {"top": 1, "left": 2, "height": 3, "width": 4}


def entry(said: Any, row_id: str = "r1", **keys: Any) -> Json:
    return {"ID": "l1", "DataRow ID": row_id, "Labeled Data": "https://example.com/a.jpg", "Label": said} | {
        key.replace("_", " "): value for key, value in keys.items()
    }


def thing(**keys: Any) -> Json:
    return {"featureId": "f", "schemaId": "s", "title": "Car", "value": "car", "color": "#ff0000"} | keys


def read(*entries: Json, on_error: Any = "raise") -> tuple[list[DataRow], Report]:
    run = Run(on_error=on_error)
    data = json.dumps(entries).encode()
    return list(annokit.read(data, format="labelbox-v1").rows(run)), run.report


@given(
    st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", "broken"]), min_size=1, max_size=40),
    st.integers(100, 2000),
)
def test_parts_hold_whole_rows(ids: list[str], size: int) -> None:
    lines = [json.dumps(entry({"objects": [thing(bbox=BBOX)]}, one, ID=str(n))) for n, one in enumerate(ids)]
    lines = [line if one != "broken" else line[:70] for line, one in zip(lines, ids, strict=True)]
    data = "\n".join(lines).encode() + b"\n"
    whole, apart = Run(on_error="skip"), Run(on_error="skip")
    rows = list(annokit.read(data, format="labelbox-v1").rows(whole))
    parts = annokit.parts(data, format="labelbox-v1", size=size)
    assert [row for part in parts for row in part.dataset().rows(apart)] == rows
    assert apart.report.to_dict() == whole.report.to_dict()


def test_entries_in_the_order_of_their_rows_are_cut() -> None:
    lines = [json.dumps(entry({"objects": []}, f"r{n // 2}")) for n in range(100)]
    parts = annokit.parts("\n".join(lines).encode(), format="labelbox-v1", size=500)
    assert len(parts) > 8
    assert [row.id for part in parts for row in part.dataset()] == [f"r{n}" for n in range(50)]


def one_label(said: Any, **keys: Any) -> Label:
    (row,), _ = read(entry(said, **keys))
    return row.labels[0]


def counted(report: Report, column: Any = "read") -> dict[str, int]:
    return {kind: row[column] for kind, row in report.kinds.items() if row[column]}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "image",
            {
                "object:box": 4,
                "object:mask_reference": 1,
                "object:polygon": 2,
                "object:point": 1,
                "object:line": 2,
                "classifications": 8,
            },
        ),
        ("text", {"object:text_span": 4, "classifications": 2}),
        ("pdf", {"object:box": 7}),
        ("video", {"tracks": 7, "keyframes": 477}),
    ],
)
def test_the_real_exports(name: str, expected: Json, data: Path) -> None:
    path = data / "labelbox" / f"v1_{name}.json"
    assert annokit.detect(path) == "labelbox-v1"
    run = Run()
    (row,) = annokit.read(path).rows(run)
    assert counted(run.report) == expected | {"data_rows": 1, "labels": 1}
    assert row.asset.media_type == name
    assert row.labels[0].annotator_id == "annotator@example.com"
    assert (row.labels[0].consensus_score, row.labels[0].benchmark_score) == (None, None)
    assert row.labels[0].url is not None
    assert row.labels[0].url.endswith(f"?project={row.labels[0].project_id}&label={row.labels[0].id}")


@pytest.mark.parametrize("layout", ["object", "array", "lines", "pretty array"])
@pytest.mark.parametrize("suffix", [".json", ".ndjson"])
def test_any_layout_under_any_suffix(layout: str, suffix: str, data: Path, tmp_path: Path) -> None:
    found = json.loads((data / "labelbox" / "v1_image.json").read_bytes())
    text = {
        "object": json.dumps(found, indent=1),
        "array": json.dumps([found, found]),
        "lines": f"{json.dumps(found)}\n{json.dumps(found)}\n",
        "pretty array": json.dumps([found, found], indent=4),
    }[layout]
    path = tmp_path / f"export{suffix}"
    path.write_text(text)
    assert annokit.detect(path) == "labelbox-v1"
    (row,) = annokit.read(path)
    (alone,) = annokit.read(data / "labelbox" / "v1_image.json")
    assert list(row.labels) == [alone.labels[0]] * (1 if layout == "object" else 2)


def test_masks_are_told_from_the_links_beside_other_shapes(data: Path) -> None:
    (row,) = annokit.read(data / "labelbox" / "v1_image.json")
    shapes = {one.tool_name: one for one in row.labels[0].objects}
    assert isinstance(shapes["segmentation"].geometry, MaskReference)
    assert shapes["segmentation"].geometry.uri.startswith("https://api.labelbox.com/masks/feature/")
    assert isinstance(shapes["polygon"].geometry, Polygon)
    assert shapes["polygon"].extra["labelbox-v1"].keys() == {"color", "instanceURI"}


def test_text_ends_are_made_exclusive(data: Path) -> None:
    (row,) = annokit.read(data / "labelbox" / "v1_text.json")
    spans = [one.geometry for one in row.labels[0].objects if isinstance(one.geometry, TextSpan)]
    assert [(span.start, span.end) for span in spans] == [(25, 45), (372, 373), (65, 257), (290, 319)]


def test_pages_are_as_they_stand(data: Path) -> None:
    (row,) = annokit.read(data / "labelbox" / "v1_pdf.json")
    objects = row.labels[0].objects
    assert [one.page for one in objects] == [0, 4, 7, 6, 7, 8, 3]
    assert {one.space for one in objects} == {"page"}
    assert objects[0].extra["labelbox-v1"]["unit"] == "POINTS"


def test_the_frames_of_a_video_become_tracks(data: Path) -> None:
    path = data / "labelbox" / "v1_video.json"
    frames = json.loads(path.read_bytes())["Label"]
    (row,) = annokit.read(path)
    tracks = row.labels[0].tracks
    assert sum(len(track.frames) for track in tracks) == 500
    assert [track.segments.tolist() for track in tracks if len(track.frames) < 100] == [
        [[0, 39]],
        [[40, 78]],
        [[79, 99]],
    ]
    for track in tracks:
        for index, frame in enumerate(track.frames.tolist()):
            (truth,) = [one for one in frames[frame]["objects"] if one["featureId"] == track.id]
            box = truth["bbox"]
            expected = Box(x=box["left"], y=box["top"], width=box["width"], height=box["height"])
            assert track.geometry(index) == expected
            assert track.is_keyframe[index] == truth["keyframe"]


def frame(number: int, *objects: Json, **keys: Any) -> Json:
    return {"frameNumber": number, "objects": list(objects), "classifications": []} | keys


def test_tracks_of_other_shapes_and_answers_over_frames() -> None:
    radio = {"title": "pose", "answer": {"title": "sits"}}
    line = [{"x": 0, "y": 0}, {"x": 1, "y": 1}, {"x": 0, "y": 0}]
    frames = [
        frame(5, thing(point={"x": 7, "y": 8}, classifications=[radio])),
        frame(1, thing(point={"x": 1, "y": 2}, classifications=[radio]), thing(featureId="g", line=line)),
        frame(
            2,
            thing(point={"x": 3, "y": 4}, keyframe=False),
            thing(featureId="g", line=line[:2]),
            classifications=[radio],
        ),
        frame(3, thing(featureId="h", instanceURI="https://example.com/m3")),
    ]
    point, path, mask = (found := one_label(frames)).tracks
    assert (point.frames.tolist(), point.is_keyframe.tolist()) == ([0, 1, 4], [True, False, True])
    assert point.segments.tolist() == [[0, 1], [4, 4]]
    assert np.array_equal(point.values, [(1, 2), (3, 4), (7, 8)])
    assert point.classifications[0].frames == (FrameRange(start=0, end=0), FrameRange(start=4, end=4))
    assert (path.kind, path.offsets.tolist()) == ("line", [0, 3, 5])
    assert mask.masks == (MaskReference(uri="https://example.com/m3"),)
    assert found.classifications[0].frames == (FrameRange(start=1, end=1),)


@pytest.mark.parametrize(
    ("frames", "problem"),
    [
        ([frame(0, thing(bbox=BBOX))], r"frameNumber: expected int >= 1"),
        ([frame(1, thing(bbox=BBOX), thing(bbox=BBOX))], "expected frames that rise"),
        (
            [frame(1, thing(bbox=BBOX)), frame(2, thing(point={"x": 1, "y": 1}))],
            "shapes of one kind in the track f",
        ),
        ([frame(1, thing(bbox=BBOX, featureId=None))], "expected a featureId in frame 1"),
        (
            {"frames": "https://api.labelbox.com/v1/frames/x"},
            "the frames of this video are only a URL",
        ),
    ],
)
def test_videos_that_cannot_be_read_cost_one_label(frames: Any, problem: str) -> None:
    good = entry({"objects": [thing(bbox=BBOX)]}, "r2")
    rows, report = read(entry(frames), good, entry(frames, "r2"), on_error="skip")
    assert [(row.id, len(row.labels)) for row in rows] == [("r2", 1)]
    assert counted(report, "skipped") == {"labels": 2}
    with pytest.raises(InputError, match=rf"^<bytes>@1 data_row=r1 \$.*{problem}"):
        read(entry(frames))


def test_entries_of_one_data_row_become_one_row_in_the_order_of_the_first() -> None:
    entries = [
        entry({"objects": []}, row, ID=f"l{n}", Labeled_Data=f"https://example.com/{row}?v={n}")
        for n, row in enumerate(["r1", "r2", "r1", "r3", "r2", "r1"])
    ]
    rows, report = read(*entries)
    assert [(row.id, [label.id for label in row.labels]) for row in rows] == [
        ("r1", ["l0", "l2", "l5"]),
        ("r2", ["l1", "l4"]),
        ("r3", ["l3"]),
    ]
    assert report.total("read", "data_rows") == 3
    assert rows[0].labels[1].extra["labelbox-v1"] == {"Labeled Data": "https://example.com/r1?v=2"}


def test_entries_that_cannot_be_read_hold_up_no_row() -> None:
    entries = [
        entry({}, "r1"),
        entry({"objects": 3}, "r1"),
        entry({}, "r2"),
        {"DataRow ID": 5},
        entry({}, "r1"),
    ]
    rows, report = read(*entries, on_error="skip")
    assert [(row.id, len(row.labels)) for row in rows] == [("r1", 2), ("r2", 1)]
    assert counted(report, "skipped") == {"labels": 2}


@pytest.mark.parametrize(
    ("said", "keys", "skipped"),
    [
        ({}, {}, True),
        (None, {}, True),
        ({"objects": []}, {}, False),
        ({"objects": []}, {"Skipped": True}, True),
    ],
)
def test_an_empty_label_was_skipped(said: Any, keys: Json, skipped: bool) -> None:
    assert one_label(said, **keys).skipped is skipped


def test_what_is_known_of_labels_and_rows() -> None:
    found = entry(
        {"objects": []},
        Agreement=0.5,
        Benchmark_Agreement=-1,
        Benchmark_ID="l0",
        Is_Benchmark=1,
        Has_Open_Issues=0,
        Seconds_to_Label=9.5,
        Seconds_to_Create=7,
        Seconds_to_Review=2,
        Created_At="2021-07-13T21:19:39.000Z",
        Reviews=[
            {"score": 1, "id": "v", "createdBy": "b@example.com", "createdAt": "2021-07-14T00:00:00.000Z"}
        ],
        Data_Split="train",
        Global_Key="key",
        Project_Name="streets",
        Brand_New=[1],
    )
    found |= {
        "Media Attributes": {"height": 30, "width": 40},
        "DataRow Metadata": [{"schema_name": "city", "value": "Bonn"}],
    }
    (row,), _ = read(found)
    (label,) = row.labels
    assert (label.consensus_score, label.benchmark_score, label.is_benchmark) == (0.5, None, True)
    assert (label.seconds_to_create, label.seconds_to_review, label.has_open_issues) == (7, 2, False)
    assert (label.reviews[0].reviewer_id, label.reviews[0].score) == ("b@example.com", 1)
    assert (row.split, row.name, row.asset.height, row.asset.width) == ("train", "key", 30, 40)
    assert row.metadata[0].name == "city"
    kept = label.extra["labelbox-v1"]
    assert (kept["Brand New"], kept["Seconds to Label"], kept["Benchmark ID"]) == ([1], 9.5, "l0")


def test_answers_in_all_their_forms() -> None:
    option = {"featureId": "o", "schemaId": "os", "title": "yes", "value": "yes"}
    questions: list[Any] = [
        {"title": "radio", "answer": option},
        {"title": "text", "answer": "hmm"},
        {"title": "dropdown", "answer": [option]},
        {"title": "checklist", "answers": [option, option]},
        {"title": "silent"},
    ]
    label = one_label(
        {
            "objects": [thing(bbox=BBOX, classifications=[questions[:2], questions[3]])],
            "classifications": questions,
        }
    )
    assert [(q.tool_name, q.kind, len(q.answers)) for q in label.classifications] == [
        ("radio", "radio", 1),
        ("text", "text", 0),
        ("dropdown", "checklist", 1),
        ("checklist", "checklist", 2),
        ("silent", "unknown", 0),
    ]
    assert label.classifications[1].text == "hmm"
    assert [q.tool_name for q in label.objects[0].classifications] == ["radio", "text", "checklist"]


def test_maps() -> None:
    tiles = json.dumps(
        {"tileLayerUrl": "https://example.com/{z}/{x}/{y}.png", "epsg": "Simple", "minZoom": 1}
    )
    ring = [[-58.5, -34.5], [-58.5, -34.25], [-58.25, -34.25], [-58.25, -34.5], [-58.5, -34.5]]
    objects = [
        thing(type="rectangle", geometry={"coordinates": [ring]}),
        thing(bbox={"top": 10, "left": 5, "height": -4, "width": 3}),
        thing(type="torus", geometry={"coordinates": []}),
    ]
    (row,), _ = read(entry({"objects": objects}, Labeled_Data=tiles))
    on_map, upwards, other = row.labels[0].objects
    assert (row.asset.uri, row.asset.media_type) == ("https://example.com/{z}/{x}/{y}.png", "tiled")
    assert row.extra["labelbox-v1"]["Labeled Data"] == tiles
    assert (on_map.geometry, on_map.space) == (Box(x=-58.5, y=-34.5, width=0.25, height=0.25), "geo")
    assert (upwards.geometry, upwards.space) == (Box(x=5, y=6, width=3, height=4), "pixel")
    assert upwards.extra["labelbox-v1"]["bbox"] == {"top": 10, "left": 5, "height": -4, "width": 3}
    assert isinstance(other.geometry, Unknown)
    with pytest.raises(GeometryError, match=r"\.bbox\.height: expected a number >= 0, got -4"):
        read(entry({"objects": objects[1:2]}))


def test_one_bad_object_costs_one_object_and_unknown_keys_none() -> None:
    objects = [thing(bbox=BBOX | {"top": "x"}), thing(bbox=BBOX, odd=1), thing(), thing(hologram=3)]
    rows, report = read(entry({"objects": objects}), on_error="skip")
    box, other = rows[0].labels[0].objects
    assert box.extra["labelbox-v1"] == {"color": "#ff0000", "odd": 1}
    assert other.geometry == Unknown(what="hologram", payload={"hologram": 3})
    assert counted(report, "skipped") == {"object:box": 1, "object:unknown": 1}


def test_the_first_pass_finds_what_the_full_one_does(data: Path) -> None:
    dataset = annokit.read(data / "labelbox" / "v1_image.json")
    assert [tool.name for tool in dataset.ontology.tools] == [
        "bounding_box",
        "segmentation",
        "polygon",
        "point",
        "polyline",
    ]
    assert [key.id for key in dataset.outline.keys] == [row.id for row in dataset]


HOSTILE: list[Any] = [None, 7, -1.5, 1e308, "x", "", True, [], {}, [[]], {"x": {}}]


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


def test_any_value_in_any_place_is_read_or_named(data: Path) -> None:
    documents = [
        json.loads((data / "labelbox" / f"v1_{name}.json").read_bytes()) for name in ("text", "image")
    ]
    documents[1]["Label"]["objects"] = [documents[1]["Label"]["objects"][n] for n in (1, 4, 5, 7, 8)]
    ring = [{"x": 1, "y": 2}, {"x": 3, "y": 2}]
    radio = {"title": "pose", "answer": {"title": "sits"}}
    video = [
        frame(1, thing(bbox=BBOX), thing(featureId="g", line=ring)),
        frame(2, thing(bbox=BBOX), classifications=[radio]),
    ]
    maps = {
        "objects": [
            thing(type="rectangle", geometry={"coordinates": [[[1, 2], [1, 3], [2, 3], [2, 2], [1, 2]]]})
        ]
    }
    for document in (*documents, entry(video), entry(maps, Labeled_Data='{"tileLayerUrl": "u"}')):
        for changed in spoilt(document):
            raw = json.dumps([changed, entry({}, "last")]).encode()
            run = Run(on_error="skip")
            dataset = annokit.read(raw, format="labelbox-v1")
            rows = list(dataset.rows(run))
            assert rows[-1].id == "last"
            assert len(rows) + run.report.kinds.get("labels", {}).get("skipped", 0) == 2
            assert all(parse(dump(row)) == row for row in rows)


@pytest.mark.parametrize("name", ["l1.ndjson", "r1", "abc.json"])
def test_frames_that_were_fetched(name: str, data: Path, tmp_path: Path) -> None:
    whole = json.loads((data / "labelbox" / "v1_video.json").read_bytes())
    (tmp_path / name).write_text("\n".join(map(json.dumps, whole["Label"])))
    said = {"frames": "https://api.labelbox.com/v1/frames/abc?token=x"}
    (row,) = annokit.read([entry(said)], format="labelbox-v1", frames=str(tmp_path))
    (inlined,) = annokit.read(data / "labelbox" / "v1_video.json")
    assert row.labels[0].annotations == inlined.labels[0].annotations
    assert row.asset.media_type == "video"
    (tmp_path / name).write_text('{"frameNumber": 0}')
    with pytest.raises(InputError, match=rf"{name}.*frameNumber: expected int >= 1"):
        list(annokit.read([entry(said)], format="labelbox-v1", frames=str(tmp_path)))
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match="the frames of this video are not in"):
        list(annokit.read([entry(said)], format="labelbox-v1", frames=str(tmp_path)))


@pytest.mark.parametrize("name", ["image", "text", "pdf", "video"])
def test_the_real_exports_are_written_as_they_stood(name: str, data: Path, tmp_path: Path) -> None:
    path, target = data / "labelbox" / f"v1_{name}.json", tmp_path / "out.json"
    annokit.convert(path, target, to="labelbox-v1", strict=True, verify=True)
    assert differences(documents(path), documents(target)) == []


def test_everything_there_is_is_written_as_it_stood(tmp_path: Path) -> None:
    ring = [[-58.5, -34.5], [-58.5, -34.25], [-58.25, -34.25], [-58.25, -34.5], [-58.5, -34.5]]
    odd_ring = [*ring[1:], ring[1]]
    option = {"featureId": "o", "schemaId": "os", "title": "yes", "value": "yes"}
    questions = [
        {"title": "dropdown", "answer": [option]},
        {
            "title": "checklist",
            "answers": [option, option | {"classifications": [{"title": "t", "answer": "x"}]}],
        },
        {"title": "silent", "mood": 1},
    ]
    objects = [
        thing(type="rectangle", geometry={"coordinates": [ring]}),
        thing(type="rectangle", geometry={"coordinates": [odd_ring]}),
        thing(type="polygon", geometry={"coordinates": [ring]}),
        thing(type="polyline", geometry={"coordinates": ring[:3]}),
        thing(type="point", geometry={"coordinates": [1, 2]}),
        thing(type="torus", geometry={"coordinates": []}),
        thing(bbox={"top": 10, "left": 5, "height": -4, "width": 3}),
        thing(bbox=BBOX | {"angle": 1}, hologram=3, classifications=questions),
        thing(hologram=3),
    ]
    tiles = json.dumps({"tileLayerUrl": "https://example.com/{z}/{x}/{y}.png", "epsg": "Simple"})
    scores = {"Agreement": 0.5, "Benchmark Agreement": -1, "Benchmark ID": "l0", "Is Benchmark": 0}
    entries = [
        entry(
            {
                "objects": objects,
                "classifications": questions,
                "relationships": [{"title": "on", "source": "f"}],
            },
            Labeled_Data=tiles,
            Skipped=False,
            Reviews=[{"score": 1, "id": "v", "createdBy": "b@example.com", "note": "x"}],
            Created_At="2021-07-13T21:19:39.000Z",
            Seconds_to_Label=9.5,
            Seconds_to_Create=7,
            Brand_New=[1],
            Data_Split="train",
        )
        | scores
        | {
            "Media Attributes": {"height": 30, "width": 40},
            "DataRow Metadata": [{"schema_name": "city", "value": 1}],
        },
        entry({}, "r2", Skipped=True, Agreement=-1, Benchmark_Agreement=-1),
    ]
    target = tmp_path / "out.json"
    annokit.convert(entries, target, to="labelbox-v1", format="labelbox-v1", strict=True, verify=True)
    assert differences(entries, documents(target)) == []
