"""Labelbox export v2, written: what was read comes back as it stood, and what comes from elsewhere is read again."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import annokit
from annokit.dataset import Dataset
from annokit.model import (
    Asset,
    Box,
    Classification,
    DataRow,
    FrameRange,
    Keypoints,
    Label,
    Mask,
    ObjectAnnotation,
    Point,
    Polygon,
    Relationship,
    TextSpan,
    Track,
)
from tests.formats.labelbox_rules import differences, documents
from tests.strategies import data_rows

Json = dict[str, Any]
BOX = {"top": 1.5, "left": 2.5, "height": 10, "width": 20}


def line(*labels: Json, **keys: Any) -> Json:
    return {
        "data_row": {"id": "r1", "row_data": "https://example.com/r1"},
        "projects": {"p1": {"name": "streets", "labels": list(labels)}},
    } | keys


def label(annotations: Json, **keys: Any) -> Json:
    return {"label_kind": "Default", "version": "1.0.0", "id": "l1", "annotations": annotations} | keys


def thing(**keys: Any) -> Json:
    found = {"feature_id": "f", "feature_schema_id": "s", "name": "car", "annotation_kind": "Thing"}
    return found | {"classifications": []} | keys


def there_and_back(source: Any, folder: Path) -> list[tuple[str, Any, Any]]:
    """Read, write, and compare with what was read; nothing may be lost on the way."""
    target = folder / "out.ndjson"
    options: Json = {"labels": "all", "strict": True, "overwrite": True, "verify": True}
    annokit.convert(source, target, to="labelbox", format="labelbox", **options)
    expected = source if isinstance(source, list) else documents(source)
    return differences(expected, documents(target))


@pytest.mark.parametrize(
    "block", ["image", "text", "conversation", "document", "audio", "dicom", "video", "video_label"]
)
def test_the_platforms_own_blocks(block: str, data: Path, tmp_path: Path) -> None:
    found = json.loads((data / "labelbox" / f"v2_{block}.json").read_bytes())
    assert there_and_back([line(found if "annotations" in found else label(found))], tmp_path) == []


def test_real_files(samples: Path, tmp_path: Path) -> None:
    assert there_and_back(samples / "boxes_two_rows.ndjson", tmp_path) == []


def test_the_shared_examples_of_the_documentation(shared: Path, tmp_path: Path) -> None:
    folder = shared / "labelbox" / "export_v2"
    objects = json.loads((folder / "export_v2_objects.json").read_bytes())
    questions = json.loads((folder / "export_v2_classifications.json").read_bytes())
    said = label({"objects": objects, "classifications": questions})
    assert there_and_back([line(said)], tmp_path) == []
    assert there_and_back(folder / "export_quick_reference_image_head.json", tmp_path) == []


def test_several_annotators(samples: Path, tmp_path: Path, generate: Callable[..., None]) -> None:
    path = tmp_path / "export.ndjson"
    generate("make_export", samples / "coco.json", path, "--annotators", 3, "--jitter", 2)
    assert there_and_back(path, tmp_path) == []


def everything() -> Json:
    """A row with something in every place the format is known to have."""
    ring = [[-58.5, -34.5], [-58.5, -34.25], [-58.25, -34.25], [-58.25, -34.5], [-58.5, -34.5]]
    odd_ring = [ring[2], ring[3], ring[0], ring[1], ring[2]]
    message = {"message_id": "m1", "model_config_name": "x", "parent_message_id": "m0"}
    objects = [
        thing(bounding_box=BOX | {"angle": 3}, weight=2, confidence=0.5),
        thing(mask={"url": "https://example.com/m"}, composite_mask={"url": "u", "color_rgb": [1, 2, 3]}),
        thing(annotation_kind="GeoBoundingBox", geojson={"type": "Polygon", "coordinates": [ring]}),
        thing(annotation_kind="GeoBoundingBox", geojson={"type": "Polygon", "coordinates": [odd_ring]}),
        thing(geojson={"type": "Polygon", "coordinates": [ring, [*ring[:3], ring[0]]]}),
        thing(geojson={"type": "MultiPolygon", "coordinates": [[ring], [ring]]}),
        thing(geojson={"type": "Point", "coordinates": [1, 2]}),
        thing(geojson={"type": "LineString", "coordinates": ring[:2]}),
        thing(geojson={"type": "Circle", "radius": 3}),
        thing(annotation_kind="MessageSingleSelection", selected_message=message),
        thing(hologram={"depth": 3}),
        thing(location={"groups": [{"page_number": 1, "tokens": ["t"], "mood": 1}]}),
        thing(location={"start": 3, "end": 5, "token": "abc", "mood": 1}),
        thing(conversational_location={"message_id": "m", "location": {"start": 0, "end": 0, "mood": 2}}),
    ]
    questions = [
        {"name": "when", "date_answer": {"value": "2024-01-01"}},
        {"name": "why", "text_answer": {"content": "so", "mood": 1}, "confidence": 0.25},
        {"name": "how", "message_id": "m", "conversational_radio_answer": {"name": "a", "confidence": 0.5}},
    ]
    link = {
        "feature_id": "r",
        "name": "next to",
        "annotation_kind": "UnidirectionalRelationship",
        "unidirectional_relationship": {"source": "f", "target": "g"},
    }
    details = {
        "created_at": "2024-04-08T16:21:26.000+00:00",
        "created_by": "a@example.com",
        "reviews": [{"score": 1, "comment": "good"}],
    }
    effort = {
        "seconds_to_create": 12,
        "skipped": False,
        "benchmark_score": 0.5,
        "benchmark_reference_label": "l2",
    }
    whole = label(
        {"objects": objects, "classifications": questions, "relationships": [link], "shapes": [1]},
        label_details=details,
        performance_details=effort,
        rev=1,
    )
    run = {
        "name": "first",
        "run_data_row_id": "x",
        "labels": [label({}, id="l2")],
        "predictions": [label({"objects": [thing(bounding_box=BOX, confidence=0.75)]}, id="p1")],
        "cost": 3,
    }
    return line(
        whole,
        label({}, id="l2"),
        attachments=[{"type": "IMAGE", "value": "https://example.com/b.jpg", "name": "before"}],
        metadata_fields=[{"schema_id": "m", "schema_name": "city", "schema_kind": "Enum", "value": ["Bonn"]}],
        media_attributes={"mime_type": "image/png", "height": 30, "width": 40, "exif": {"a": 1}},
        embeddings=[{"id": "e"}],
        brand_new=[1],
        experiments={"e1": {"name": "nightly", "runs": {"u1": run}, "owner": "me"}},
    ) | {
        "data_row": {
            "id": "r1",
            "row_data": {"pdf_url": "u"},
            "details": {"dataset_id": "d"},
            "colour": "red",
        }
    }


def test_everything_there_is(tmp_path: Path) -> None:
    assert there_and_back([everything()], tmp_path) == []


def test_several_projects_and_what_they_are_told_of(tmp_path: Path) -> None:
    details = {"workflow_status": "DONE", "selected_label_id": "l3", "priority": 5}
    projects = {
        "p1": {"name": "x", "labels": [label({})], "owner": "me"},
        "p2": {"name": "y", "labels": [label({}, id="l3")], "project_details": details},
        "p3": {"name": "z", "labels": []},
    }
    assert there_and_back([line(projects=projects)], tmp_path) == []


def video(**block: Any) -> Json:
    objects = {"f": thing(bounding_box=BOX, annotation_kind="VideoBoundingBox")}
    frames = {str(n): {"objects": copy.deepcopy(objects), "classifications": []} for n in (3, 4, 9)}
    frames["4"]["objects"]["f"]["bounding_box"] |= {"top": 7}
    frames["9"]["objects"]["f"] |= {"odd": 1, "value": "bus"}
    return {"frames": frames, "segments": {"f": [[3, 4], [9, 20]]}} | block


@pytest.mark.parametrize(
    "block",
    [
        {"key_frame_feature_map": {"f": {"3": True, "4": False, "9": True}}},
        {"key_frame_feature_map": {"f": [3, 9, 20], "g": [1]}},
        {"key_frame_feature_map": {"f": {"3": True}}, "segments": {"other": [[1, 2]]}},
        {},
        {"segments": {}},
        {"relationships": [{"name": "follows", "source": "f", "target": "g"}]},
    ],
)
def test_videos_in_every_spelling(block: Json, tmp_path: Path) -> None:
    assert there_and_back([line(label(video(**block), label_kind="Video"))], tmp_path) == []


def test_spellings_that_are_no_longer_true_are_not_written(tmp_path: Path) -> None:
    said = video(key_frame_feature_map={"f": [3, 9]})
    (row,) = annokit.read([line(label(said, label_kind="Video"))], format="labelbox")
    track = row.labels[0].tracks[0]
    changed = annokit.model.Track(
        **{name: getattr(track, name) for name in track.__struct_fields__} | {"is_keyframe": [True] * 3}
    )
    row = DataRow(id="r", asset=row.asset, labels=(Label(annotations=(changed,)),))
    annokit.write([row], tmp_path / "out.ndjson", format="labelbox")
    (found,) = documents(tmp_path / "out.ndjson")
    (written,) = found["projects"][""]["labels"]
    assert written["annotations"]["key_frame_feature_map"] == {"f": {"3": True, "4": True, "9": True}}


def rows_from_elsewhere() -> list[DataRow]:
    track = Track(
        tool_name="car", kind="point", frames=[0, 4], is_keyframe=[True, True], values=[(1, 2), (3, 4)]
    )
    ranged = Classification(tool_name="pose", kind="text", text="sits", frames=(FrameRange(start=2, end=5),))
    span = ObjectAnnotation(tool_name="who", geometry=TextSpan(start=0, end=2, text="To"))
    box = ObjectAnnotation(tool_name="car", id="a", geometry=Box(x=1, y=2, width=3, height=4), confidence=0.5)
    dot = ObjectAnnotation(tool_name="dot", id="b", geometry=Point(x=1, y=2))
    link = Relationship(tool_name="on", source="a", target="b", directed=False)
    return [
        DataRow(
            id="v", asset=Asset(uri="v.mp4", media_type="video"), labels=(Label(annotations=(track, ranged)),)
        ),
        DataRow(id="w", asset=Asset(uri="w.mp4", media_type="video"), labels=(Label(),)),
        DataRow(id="t", asset=Asset(text="To be", media_type="text"), labels=(Label(annotations=(span,)),)),
        DataRow(id="u", asset=Asset(text="or not", media_type="text"), labels=(Label(),)),
        DataRow(id="s", asset=Asset(uri="s.mp3", media_type="audio"), labels=(Label(annotations=(ranged,)),)),
        DataRow(
            id="i", asset=Asset(uri="i.png"), labels=(Label(origin="model", annotations=(box, dot, link)),)
        ),
        DataRow(id="none", asset=Asset(uri="n.png")),
    ]


def test_rows_from_elsewhere_come_back(tmp_path: Path) -> None:
    report = annokit.write(rows_from_elsewhere(), tmp_path / "out.ndjson", format="labelbox", verify=True)
    assert [loss for loss in report.losses if loss.lossy] == []
    again = {row.id: row for row in annokit.read(tmp_path / "out.ndjson")}
    for row in rows_from_elsewhere():
        found = again[row.id]
        assert (found.asset.uri, found.asset.text, found.asset.media_type) == (
            row.asset.uri,
            row.asset.text,
            row.asset.media_type,
        )
        for before, after in zip(row.labels, found.labels, strict=True):
            assert before.origin == after.origin
            kinds = [type(one) for one in before.annotations]
            assert [type(one) for one in after.annotations] == kinds
    assert again["v"].labels[0].classifications[0].frames == (FrameRange(start=2, end=5),)
    assert again["s"].labels[0].classifications[0].frames == (FrameRange(start=2, end=5),)
    assert again["i"].labels[0].relationships[0].directed is False


def test_what_is_said_beside_a_shape_is_named_for_what_it_is(tmp_path: Path) -> None:
    box, drawn = Box(x=1, y=1, width=8, height=8), Polygon(coords=[(1, 1), (9, 1), (9, 9)])
    objects = (
        ObjectAnnotation(tool_name="car", geometry=drawn, box=box, is_crowd=True),
        ObjectAnnotation(tool_name="car", geometry=Keypoints(coords=[(1, 1)], visibility=[2])),
    )
    row = DataRow(id="r", labels=(Label(annotations=objects),))
    report = annokit.write([row], tmp_path / "out.ndjson", format="labelbox")
    beside, lost = report.losses
    why = "a Labelbox export has no place for its being a crowd and the box stated beside its shape"
    assert beside.message == why
    assert lost.message == "a Labelbox export has no place for this shape: keypoints"
    assert lost.examples == ["r"]


def test_what_has_no_place_is_named(tmp_path: Path) -> None:
    square = [(1, 1), (9, 1), (9, 9)]
    shapes = [
        Polygon.from_parts([[square, [(2, 2), (3, 2), (3, 3)]]]),
        Mask(counts=[1, 1], height=1, width=2),
        Box(x=0, y=0, width=float("nan"), height=1),
        Box(x=0, y=0, width=-1, height=1),
        TextSpan(start=3, end=3),
    ]
    objects = tuple(ObjectAnnotation(tool_name="car", geometry=shape) for shape in shapes)
    asked = Classification(
        tool_name="q", kind="radio", answers=tuple(annokit.model.Answer(name=name) for name in "ab")
    )
    row = DataRow(id="r", labels=(Label(annotations=(*objects, asked)),))
    report = annokit.write([row], tmp_path / "out.ndjson", format="labelbox")
    assert report.total("written", "object:") == 0
    assert sorted(loss.kind for loss in report.losses if loss.lossy) == [
        "classifications",
        "object:box",
        "object:mask",
        "object:polygon",
        "object:text_span",
    ]
    assert {loss.code for loss in report.losses if loss.lossy} == {"no-place"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(data_rows, max_size=2))
def test_any_row_is_written_and_read_or_named(tmp_path: Path, rows: list[DataRow]) -> None:
    target = tmp_path / "out.ndjson"
    report = annokit.write(rows, target, format="labelbox", labels="all", overwrite=True)
    again = annokit.read(target, format="labelbox")
    found = sum(len(one.objects) + len(one.tracks) for row in again for one in row.labels)
    assert found == report.total("written", "object:") + report.total("written", "tracks")
    assert isinstance(again, Dataset)


HOSTILE: list[Any] = [None, 7, "x", [], {}, [[]], {"x": {}}, {"x": 1}]


def test_whatever_was_kept_is_written_or_left(tmp_path: Path) -> None:
    rows = list(
        annokit.read([everything(), line(label(video(key_frame_feature_map={"f": [3]})))], format="labelbox")
    )
    spoilt = [row for before in rows for row in with_hostile_extras(before)]
    report = annokit.write(spoilt, tmp_path / "out.ndjson", format="labelbox", labels="all")
    assert report.kinds["data_rows"]["written"] == len(spoilt) > 100


def with_hostile_extras(row: DataRow) -> list[DataRow]:
    """The row with everything that was kept in turn replaced by every hostile value."""
    plain = json.loads(annokit.model.dump(row))
    found: list[DataRow] = []
    for path in paths_of_extras(plain):
        for value in HOSTILE:
            changed = copy.deepcopy(plain)
            place = changed
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = value
            made = annokit.model.parse(json.dumps(changed))
            assert isinstance(made, DataRow)
            found.append(made)
    return found


def paths_of_extras(value: Any, path: tuple[Any, ...] = (), inside: bool = False) -> list[tuple[Any, ...]]:
    found = []
    members = (
        enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    )
    for key, one in members:
        if inside:
            found.append((*path, key))
        found += paths_of_extras(one, (*path, key), inside or (path and path[-1] == "extra"))
    return found
