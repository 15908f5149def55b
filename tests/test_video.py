"""Videos: shapes between key frames, frames as images, the fewest key frames; on a real video and on made ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from msgspec.structs import replace

import annokit
from annokit import video
from annokit.errors import GeometryError, LimitExceeded, UsageError
from annokit.io.limits import Limits
from annokit.model import (
    Answer,
    Asset,
    Box,
    Classification,
    DataRow,
    FrameRange,
    Label,
    Line,
    Mask,
    ObjectAnnotation,
    Point,
    Relationship,
    Track,
)
from annokit.run import Run
from tests import strategies

REAL = "labelbox/v1_video.json"


def real_tracks(data: Path) -> list[Track]:
    [row] = annokit.read(data / REAL)
    return row.labels[0].tracks


def keys_only(track: Track) -> Track:
    at = np.flatnonzero(track.is_keyframe)
    boxes = track.values.reshape(-1, 4)[at]
    return replace(
        track,
        frames=track.frames[at],
        is_keyframe=track.is_keyframe[at],
        values=boxes.reshape(-1, 2),
        offsets=None,
    )


def boxes_of(track: Track) -> np.ndarray:
    return track.values.reshape(-1, 4)


def track_of(frames: list[int], boxes: object, **more: object) -> Track:
    values = np.asarray(boxes, float).reshape(-1, 2)
    return Track(
        tool_name="car",
        kind="box",
        id="t",
        frames=frames,
        is_keyframe=[True] * len(frames),
        values=values,
        **more,
    )  # type: ignore[arg-type]


def test_the_real_video_has_the_boxes_its_platform_interpolated(data: Path) -> None:
    tracks = real_tracks(data)
    assert (len(tracks), sum(len(track.frames) for track in tracks)) == (7, 500)
    between = 0
    for track in tracks:
        again = video.filled(keys_only(track))
        assert again.frames.tolist() == track.frames.tolist()
        assert again.is_keyframe.tolist() == track.is_keyframe.tolist()
        assert np.abs(boxes_of(again) - boxes_of(track)).max() < 0.001
        between += int((~track.is_keyframe).sum())
    assert between == 23


def test_every_tenth_key_frame_of_straight_tracks_gives_all_of_them() -> None:
    rng = np.random.default_rng(5)
    frames = np.array([*range(41), *range(60, 91)])
    for _ in range(20):
        start, step = rng.uniform(0, 500, 4), rng.uniform(-3, 3, 4)
        known = start + frames[:, None] * step
        segments = [[0, 40], [60, 90]]
        tenth = np.flatnonzero(frames % 10 == 0)
        kept = track_of(frames[tenth].tolist(), known[tenth], segments=segments)
        again = video.filled(kept)
        assert again.frames.tolist() == frames.tolist()
        assert np.abs(boxes_of(again) - known).max() < 1e-9
        assert video.at_frame(kept, 50) is None
        thin = video.thinned(track_of(frames.tolist(), known, segments=segments), 1e-6)
        assert thin.frames.tolist() == [0, 40, 60, 90]


@pytest.mark.parametrize("within", [0.0, 0.5, 5.0])
def test_thinned_tracks_stay_within_the_tolerance(data: Path, within: float) -> None:
    for track in real_tracks(data):
        again = boxes_of(video.filled(video.thinned(track, within)))
        moved = np.abs(np.hstack([again[:, :2], again[:, :2] + again[:, 2:]]) - edges(track))
        assert moved.max() <= within + 1e-9


def edges(track: Track) -> np.ndarray:
    boxes = boxes_of(track)
    return np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])


@given(strategies.tracks())
def test_any_track_can_be_filled_and_thinned(track: Track) -> None:
    whole = video.filled(track)
    assert set(track.frames.tolist()) <= set(whole.frames.tolist())
    for place, frame in enumerate(whole.frames.tolist()):
        if frame in track.frames:
            assert whole.geometry(place) == video.at_frame(track, frame)
            assert whole.geometry(place) == track.geometry(track.frames.tolist().index(frame))
    again = video.filled(video.thinned(track, 0.25))
    assert again.frames.tolist() == whole.frames.tolist()
    if track.kind != "mask":
        assert np.abs(again.values - whole.values).max(initial=0) <= 0.25 * 2 + 1e-6


def test_between_segments_nothing_is_visible_and_inside_them_shapes_hold() -> None:
    track = track_of([2, 4, 9], [[0, 0, 4, 4], [4, 8, 4, 4], [50, 50, 4, 4]], segments=[[1, 5], [8, 9]])
    seen = [video.at_frame(track, frame) for frame in range(11)]
    assert [shape.x if isinstance(shape, Box) else None for shape in seen] == [
        None, 0, 0, 2, 4, 4, None, None, 50, 50, None,
    ]  # fmt: skip
    dense = video.dense_boxes([track, track_of([], [])], 11)
    assert np.isnan(dense[1]).all()
    assert np.flatnonzero(~np.isnan(dense[0, :, 0])).tolist() == [1, 2, 3, 4, 5, 8, 9]


def test_segments_without_a_known_frame_and_frames_without_a_segment() -> None:
    track = track_of([2, 12], [[0, 0, 4, 4], [4, 8, 4, 4]], segments=[[0, 3], [2, 5], [20, 30]])
    assert video.filled(track).frames.tolist() == [0, 1, 2, 3, 12]


def test_lines_of_other_vertices_hold_and_masks_are_where_they_are() -> None:
    points = [(0, 0), (4, 4), (8, 0), (0, 0), (2, 2), (8, 8)]
    line = Track(
        tool_name="lane", kind="line", frames=[0, 4, 6], is_keyframe=[True] * 3, values=[*points, (9, 9)],
        offsets=[0, 2, 4, 7],
    )  # fmt: skip
    assert video.at_frame(line, 2) == Line(coords=[(4, 0), (2, 2)])
    assert video.at_frame(line, 5) == Line(coords=[(8, 0), (0, 0)])
    mask = Mask(counts=[1, 3], height=2, width=2)
    shown = Track(
        tool_name="sky",
        kind="mask",
        frames=[0, 2],
        is_keyframe=[True] * 2,
        masks=(mask, mask),
        segments=[[0, 2]],
    )
    assert video.at_frame(shown, 1) is None
    assert video.at_frame(shown, 2) == mask
    assert video.thinned(shown) == shown


def test_what_is_not_finite_or_too_long_is_refused() -> None:
    with pytest.raises(LimitExceeded, match="max_frames"):
        video.filled(track_of([0, 10**12], np.zeros((2, 4))))
    with pytest.raises(GeometryError, match="finite"):
        video.filled(track_of([0, 4], [[0, 0, 1, 1], [np.nan, 0, 1, 1]]))
    with pytest.raises(GeometryError, match="within"):
        video.thinned(track_of([0, 4], np.zeros((2, 4))), -1)
    with pytest.raises(GeometryError, match="tracks of boxes"):
        video.dense_boxes(
            [Track(tool_name="a", kind="point", frames=[0], is_keyframe=[True], values=[(0, 0)])], 1
        )


def answered(name: str, *frames: tuple[int, int]) -> Answer:
    return Answer(name=name, frames=tuple(FrameRange(start=a, end=b) for a, b in frames))


def street() -> DataRow:
    """Ten frames: a car in 0 to 4, a person in 3 to 6, a horn in frame 5, questions about some frames."""
    car = replace(track_of([0, 4], [[0, 0, 10, 10], [8, 0, 10, 10]]), id="car1")
    person = Track(
        tool_name="person", kind="point", id="p1", frames=[3, 6], is_keyframe=[True, False], values=[(1, 1), (4, 1)],
        classifications=(Classification(tool_name="pose", kind="radio", answers=(answered("sits", (3, 4)),)),),
    )  # fmt: skip
    horn = ObjectAnnotation(tool_name="horn", geometry=Point(x=3, y=3), frame=5)
    stray = ObjectAnnotation(tool_name="horn", geometry=Point(x=3, y=3))
    link = Relationship(tool_name="drives", source="p1", target="car1")
    weather = Classification(
        tool_name="weather", kind="checklist", answers=(answered("rain", (0, 3)), answered("wind", (2, 9)))
    )
    label = Label(id="l", annotations=(car, person, horn, stray, link, weather))
    asset = Asset(uri="v.mp4", media_type="video", width=100, height=80, frame_count=10)
    return DataRow(id="v", external_id="clips/v.mp4", asset=asset, labels=(label,))


def test_a_frame_shows_what_is_visible_in_it() -> None:
    shown = {f.row.asset.frame: f.row for f in video.frames_of(street(), range(10))}
    kinds = {n: [a.tool_name for a in row.labels[0].annotations] for n, row in shown.items()}
    assert kinds[0] == ["car", "weather"]
    assert kinds[3] == ["car", "person", "drives", "weather"]
    assert kinds[5] == ["person", "horn", "weather"]
    assert [a.name for a in shown[2].labels[0].classifications[0].answers] == ["rain", "wind"]
    assert [a.name for a in shown[4].labels[0].classifications[0].answers] == ["wind"]
    car, person = shown[3].labels[0].objects
    assert (car.geometry, car.track_id, car.frame) == (Box(x=6, y=0, width=10, height=10), "car1", 3)
    assert [q.answers[0].name for q in person.classifications] == ["sits"]
    assert shown[5].labels[0].objects[0].classifications == ()
    assert shown[5].name == "clips/v/000006.jpg"
    assert (shown[5].asset.media_type, shown[5].asset.width) == ("image", 100)


def test_frames_are_accounted_whatever_is_asked_for(tmp_path: Path) -> None:
    report = annokit.write([street()], tmp_path / "all", format="parquet", video_frames="all")
    assert report.kinds["data_rows"]["written"] == 10
    assert report.kinds["object:box"]["written"] == 5
    assert report.kinds["object:point"] == {"read": 2, "made": 5, "merged": 1, "unsupported": 1, "written": 5}
    assert [loss.code for loss in report.losses if loss.lossy] == ["not-in-frames"]
    report = annokit.write([street()], tmp_path / "keys", format="parquet", video_frames="keyframes")
    assert report.kinds["data_rows"]["written"] == 4
    report = annokit.write([street()], tmp_path / "seventh", format="parquet", video_frames=7)
    assert report.kinds["data_rows"]["written"] == 2
    assert report.kinds["tracks"] == {"read": 2, "merged": 1, "unsupported": 1}
    assert report.kinds["keyframes"] == {"read": 3, "merged": 1, "unsupported": 2}
    image = DataRow(id="i", asset=Asset(width=9, height=9))
    report = annokit.write([image], tmp_path / "image.json", format="coco", video_frames="all")
    assert report.kinds["data_rows"]["written"] == 1
    silent = DataRow(id="s", asset=Asset(media_type="video"))
    report = annokit.write([silent], tmp_path / "silent.json", format="coco", video_frames="all")
    assert [loss.code for loss in report.losses] == ["no-frames"]


def test_what_are_no_frames_is_said(tmp_path: Path) -> None:
    for wrong in ("some", 0, "-3"):
        with pytest.raises(UsageError, match="expected frames all, keyframes or a number"):
            annokit.write([street()], tmp_path / "out.json", format="coco", video_frames=wrong)
    with pytest.raises(LimitExceeded, match="max_frames"):
        annokit.write(
            [street()], tmp_path / "out.json", format="coco", video_frames="all", limits=Limits(max_frames=5)
        )


def test_frames_become_images_of_coco_and_yolo(tmp_path: Path, data: Path) -> None:
    report = annokit.convert(data / REAL, tmp_path / "out.json", to="coco", video_frames="all", verify=True)
    assert report.total("written", "object:box") == 500
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["images"][12]["file_name"] == "jellyfish2-100-110/000013.jpg"
    assert len({entry["track_id"] for entry in document["annotations"]}) == 7
    report = annokit.write([street()], tmp_path / "yolo", format="yolo", video_frames=2, verify=True)
    rows = (tmp_path / "yolo" / "labels" / "train" / "clips" / "v" / "000003.txt").read_text()
    assert rows == "0 0.090000 0.062500 0.100000 0.125000\n"
    assert not (tmp_path / "yolo" / "labels" / "train" / "clips" / "v" / "000002.txt").exists()


def test_frames_of_one_video_stay_in_one_split(tmp_path: Path) -> None:
    videos = [replace(street(), id=str(i), external_id=f"{i}.mp4") for i in range(6)]
    annokit.write(
        videos, tmp_path / "out", format="parquet", video_frames="all", split="train=.5,val=.5", seed=3
    )
    found: dict[str, set[str | None]] = {}
    for row in annokit.read(tmp_path / "out"):
        found.setdefault(row.name.partition("/")[0], set()).add(row.split)
    assert all(len(splits) == 1 for splits in found.values())
    assert sorted(str(splits) for splits in found.values()) == ["{'train'}"] * 3 + ["{'val'}"] * 3


def test_thinning_is_accounted_and_comes_back_within_the_tolerance(tmp_path: Path, data: Path) -> None:
    report = annokit.convert(data / REAL, tmp_path / "out", to="parquet", keyframes_within=0.5)
    counts = report.kinds["keyframes"]
    assert counts["read"] + counts["made"] == 477 + 1
    [row] = annokit.read(tmp_path / "out")
    thin = row.labels[0].tracks
    assert sum(len(track.frames) for track in thin) == counts["written"] < 477
    for before, after in zip(real_tracks(data), thin, strict=True):
        assert np.abs(edges(video.filled(after)) - edges(before)).max() <= 0.5 + 1e-9


@given(strategies.data_rows)
def test_the_account_of_frames_adds_up_for_any_row(row: DataRow) -> None:
    row = replace(row, asset=replace(row.asset, media_type="video"))
    for which in ("all", "keyframes", 3):
        dataset = video.split_frames(annokit.Dataset.from_rows([row]), which)  # type: ignore[arg-type]
        run = Run()
        rows = list(dataset.rows(run))
        assert [(key.name, key.id) for key in dataset.outline.keys] == [(one.name, one.id) for one in rows]
        for one in rows:
            run.report.count_all("written", annokit.report.census(one))
        run.report.check()


@pytest.mark.parametrize("within", [-1, float("nan")])
def test_a_tolerance_is_a_number_from_0_on(within: float) -> None:
    with pytest.raises(UsageError, match="expected key frames within 0 pixels or more"):
        video.thin_keyframes(annokit.Dataset.from_rows([]), within)
