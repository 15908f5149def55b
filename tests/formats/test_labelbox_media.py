"""Labelbox export v2 of video, audio and volumes, and what models predicted."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import annokit
from annokit.errors import InputError
from annokit.model import Box, DataRow, FrameRange, Label, MaskReference, Track, dump, parse
from annokit.report import Report
from annokit.run import Run

Json = dict[str, Any]
BOX = {"top": 1.5, "left": 2.5, "height": 10, "width": 20}


def label(annotations: Json, **keys: Any) -> Json:
    return {"label_kind": "Video", "version": "1.0.0", "id": "l1", "annotations": annotations} | keys


def line(*labels: Json, mime_type: str = "video/mp4", row_id: str = "r1", **keys: Any) -> Json:
    media = {"height": 30, "width": 40, "mime_type": mime_type, "frame_rate": 25.0, "frame_count": 100}
    return {
        "data_row": {"id": row_id, "row_data": f"https://example.com/{row_id}.mp4"},
        "media_attributes": media,
        "projects": {"p1": {"name": "streets", "labels": list(labels)}},
    } | keys


def thing(track: str, **keys: Any) -> Json:
    return {
        "feature_id": track,
        "name": "car",
        "annotation_kind": "VideoBoundingBox",
        "classifications": [],
    } | keys


def frame(*objects: Json, classifications: Any = ()) -> Json:
    found = {one["feature_id"]: one for one in objects}
    return {"objects": found, "classifications": list(classifications)}


def radio(id: str, name: str) -> Json:
    return {"feature_id": id, "name": "pose", "radio_answer": {"name": name, "classifications": []}}


def read(*lines: Json, on_error: Any = "raise") -> tuple[list[DataRow], Report]:
    run = Run(on_error=on_error)
    data = "\n".join(map(json.dumps, lines)).encode()
    return list(annokit.read(data, format="labelbox").rows(run)), run.report


def one_label(annotations: Json, **keys: Any) -> Label:
    (row,), _ = read(line(label(annotations), **keys))
    assert parse(dump(row)) == row
    return row.labels[0]


def ranges(*pairs: tuple[int, int]) -> tuple[FrameRange, ...]:
    return tuple(FrameRange(start=start, end=end) for start, end in pairs)


def test_the_video_of_the_documentation(data: Path) -> None:
    shown = json.loads((data / "labelbox" / "v2_video_label.json").read_bytes())
    (row,), report = read(line(shown, media_attributes={}))
    assert row.asset.media_type == "video"
    (track,) = row.labels[0].tracks
    assert (track.id, track.tool_name, track.kind) == ("clgjnpyse000ui3zx6fr1d880", "bbox", "box")
    assert (track.frames.tolist(), track.is_keyframe.tolist()) == ([12, 17, 18], [True, False, True])
    assert track.segments.tolist() == [[12, 12], [17, 18]]
    assert track.geometry(0) == Box(x=146, y=98, width=236, height=243)
    (pose,) = track.classifications
    assert (pose.answers[0].name, pose.frames) == ("radio_option_1", ranges((12, 12), (17, 17)))
    assert {kind: counts["read"] for kind, counts in report.kinds.items()} == {
        "data_rows": 1,
        "labels": 1,
        "tracks": 1,
        "keyframes": 2,
        "classifications": 1,
    }


@pytest.mark.parametrize("form", [{"2": True, "5": False, "9": True}, [2, 9], ["2", "9"]])
def test_both_forms_of_the_key_frames(form: Any) -> None:
    frames = {str(n): frame(thing("f", bounding_box=BOX)) for n in (9, 2, 5)}
    (track,) = one_label({"frames": frames, "key_frame_feature_map": {"f": form}}).tracks
    assert (track.frames.tolist(), track.is_keyframe.tolist()) == ([1, 4, 8], [True, False, True])
    assert track.segments.tolist() == [[1, 1], [4, 4], [8, 8]]


def test_frames_without_interpolated_ones_are_key_frames_of_their_segments() -> None:
    frames = {"3": frame(thing("f", bounding_box=BOX)), "40": frame(thing("f", bounding_box=BOX))}
    (track,) = one_label({"frames": frames, "segments": {"f": [[3, 40], [60, 61]]}}).tracks
    assert (track.frames.tolist(), track.is_keyframe.tolist()) == ([2, 39], [True, True])
    assert track.segments.tolist() == [[2, 39], [59, 60]]


def test_points_lines_and_masks_of_a_video() -> None:
    mask = {"url": "https://example.com/m/index/1", "color_rgb": [1, 2, 3]}
    points = [{"x": 0, "y": 1}, {"x": 2, "y": 3}, {"x": 0, "y": 1}]
    objects = [
        thing("p", point={"x": 5, "y": 6}),
        thing("l", line=points),
        thing("m", composite_mask=mask),
    ]
    point, path, area = one_label({"frames": {"1": frame(*objects), "2": frame(objects[1])}}).tracks
    assert (point.kind, path.kind, area.kind) == ("point", "line", "mask")
    assert np.array_equal(path.values, [(0, 1), (2, 3), (0, 1)] * 2)
    assert area.masks == (MaskReference(uri="https://example.com/m/index/1", color=(1, 2, 3)),)


def test_answers_hold_in_ranges_of_frames_or_everywhere() -> None:
    frames = {str(n): frame(classifications=[radio("q", "sits")]) for n in (1, 2, 3, 7)}
    frames["4"] = frame(classifications=[radio("q2", "stands")])
    said = one_label(
        {
            "frames": frames,
            "segments": {"g": [[7, 13], [18, 19]]},
            "classifications": [radio("g", "a"), radio("everywhere", "b")],
        }
    )
    assert [(one.answers[0].name, one.frames) for one in said.classifications] == [
        ("sits", ranges((0, 2), (6, 6))),
        ("stands", ranges((3, 3))),
        ("a", ranges((6, 12), (17, 18))),
        ("b", ()),
    ]


def test_sound_is_measured_in_milliseconds() -> None:
    said = {"classifications": [radio("q", "loud")], "segments": {"q": [[0, 1500]]}, "timestamp": {}}
    (row,), _ = read(line(label(said), mime_type=""))
    assert row.asset.media_type == "audio"
    assert row.labels[0].classifications[0].frames == ranges((0, 1500))


def test_planes_of_a_volume_stay_apart(data: Path) -> None:
    said = json.loads((data / "labelbox" / "v2_dicom.json").read_bytes())
    said["groups"]["Coronal"]["frames"] = copy.deepcopy(said["groups"]["Axial"]["frames"])
    (row,), _ = read(line(label(said), mime_type="application/dicom"))
    assert row.asset.media_type == "dicom"
    assert [track.extra["labelbox"]["group"] for track in row.labels[0].tracks] == ["Axial", "Coronal"]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (
            {"frames": {"0": frame()}},
            r"annotations\.frames: expected the number of a frame, from 1 on, got 0",
        ),
        ({"frames": {"x": frame()}}, r"annotations\.frames: expected the number of a frame"),
        (
            {"frames": {"1": frame(thing("f"))}},
            r'frames\["1"\]\.objects\.f: expected a shape|frames\.1\.objects\.f',
        ),
        (
            {"frames": {"1": frame(thing("f", bounding_box=BOX))}, "segments": {"f": [[0, 3]]}},
            r"annotations\.segments: expected segments as pairs",
        ),
        (
            {"frames": {"1": frame(thing("f", bounding_box=BOX))}, "segments": {"f": "x"}},
            r"annotations\.segments: expected segments as pairs",
        ),
        (
            {
                "frames": {
                    "1": frame(thing("f", bounding_box=BOX)),
                    "2": frame(thing("f", point={"x": 1, "y": 1})),
                }
            },
            "shapes of one kind in the track f",
        ),
    ],
)
def test_a_video_that_cannot_be_read_costs_one_label(said: Json, problem: str) -> None:
    good = label({"frames": {"1": frame(thing("g", bounding_box=BOX))}}, id="l2")
    rows, report = read(line(label(said), good), line(good, row_id="r2"), on_error="skip")
    assert [[found.id for found in row.labels] for row in rows] == [["l2"], ["l2"]]
    assert report.kinds["labels"]["skipped"] == 1
    with pytest.raises(InputError, match=rf"^<bytes>:1 data_row=r1 \$\.projects\.p1\.labels\[0\].*{problem}"):
        read(line(label(said), good))


def test_one_bad_box_of_a_video_costs_one_frame_of_its_track() -> None:
    frames = {
        "1": frame(thing("f", bounding_box=BOX | {"width": -1}), thing("g", bounding_box=BOX)),
        "2": frame(thing("f", bounding_box=BOX)),
    }
    rows, report = read(line(label({"frames": frames})), on_error="skip")
    assert {track.id: track.frames.tolist() for track in rows[0].labels[0].tracks} == {"g": [0], "f": [1]}
    assert report.kinds["object:box"]["skipped"] == 1


def test_what_models_predicted_are_labels_of_their_own() -> None:
    human = label({"objects": [thing("h", bounding_box=BOX)]}, label_kind="Default")
    found = thing("p", bounding_box=BOX, confidence=0.75)
    run = {
        "name": "first",
        "run_data_row_id": "x",
        "labels": [human],
        "predictions": [label({"objects": [found]}, id="p1", label_kind="Default")],
    }
    experiments = {"e1": {"name": "nightly", "runs": {"u1": run}}}
    (row,), _ = read(line(human, mime_type="image/png", experiments=experiments))
    assert [(one.id, one.origin) for one in row.labels] == [("l1", "human"), ("p1", "model")]
    assert row.labels[1].objects[0].confidence == 0.75
    (alone,), _ = read(line(human, experiments=experiments) | {"projects": {}})
    assert [(one.id, one.origin) for one in alone.labels] == [("l1", "human"), ("p1", "model")]


def test_a_person_is_believed_before_a_model(tmp_path: Path) -> None:
    human = label({"objects": [thing("h", bounding_box=BOX)]})
    run = {"predictions": [label({"objects": [thing("p", bounding_box=BOX)] * 2}, id="p1")]}
    row = line(human, mime_type="image/png", experiments={"e": {"runs": {"u": run}}})
    report = annokit.convert([row], tmp_path / "out.json", to="coco", format="labelbox")
    assert report.kinds["object:box"]["written"] == 1
    assert report.kinds["object:box"]["superseded"] == 2


def test_the_first_pass_finds_what_is_in_frames(data: Path) -> None:
    shown = json.loads((data / "labelbox" / "v2_video_label.json").read_bytes())
    run = {"predictions": [label({"objects": [thing("p", bounding_box=BOX, name="bus")]})]}
    dataset = annokit.read([line(shown, experiments={"e": {"runs": {"u": run}}})], format="labelbox")
    assert [tool.name for tool in dataset.ontology.tools] == ["bbox", "bus"]
    assert dataset.ontology.tools[0].kind == "box"
    assert [one.name for one in dataset.ontology.tools[0].classifications] == ["nested"]
    assert isinstance(next(iter(dataset)).labels[0].tracks[0], Track)


def test_segments_of_a_plane_that_are_none_cost_one_label(data: Path) -> None:
    said = json.loads((data / "labelbox" / "v2_dicom.json").read_bytes())
    said["segments"]["Axial"] = 3
    rows, report = read(line(label(said), mime_type="application/dicom"), on_error="skip")
    assert (len(rows), report.kinds["labels"]["skipped"]) == (1, 1)
    with pytest.raises(InputError, match=r"annotations\.segments: expected segments by track, got 3"):
        read(line(label(said), mime_type="application/dicom"))
