"""MOTChallenge: its ground truth, its results, and videos of other platforms there and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

import annokit
from annokit import video
from annokit.errors import DecodeError, ReferenceProblem
from annokit.model import Asset, Box, Classification, DataRow, Label, ObjectAnnotation, Track

TRUTH = """\
1,1,912,484,97,109,0,7,1
2,1,912,484,97,109,0,7,1
1,2,1338,418,167,379,1,1,0.5
2,2,1342.5,417,168,380,1,1,0.25
5,2,1350,417,168,380,1,1,1
"""
INFO = "[Sequence]\nname=MOT17-02\nimDir=img1\nframeRate=30\nseqLength=600\nimWidth=1920\nimHeight=1080\nimExt=.jpg\n"


def benchmark(root: Path, sequence: str = "train/MOT17-02") -> Path:
    folder = root / sequence
    (folder / "gt").mkdir(parents=True)
    (folder / "gt" / "gt.txt").write_text(TRUTH)
    (folder / "seqinfo.ini").write_text(INFO)
    return folder


def tracks_of(path: Path, **options: object) -> dict[str | None, Track]:
    [row] = annokit.read(path, **options)  # type: ignore[arg-type]
    return {track.id: track for track in row.labels[0].tracks}


def test_the_benchmarks_own_layout_is_read(tmp_path: Path) -> None:
    benchmark(tmp_path / "MOT17")
    assert annokit.detect(tmp_path / "MOT17") == "mot"
    dataset = annokit.read(tmp_path / "MOT17")
    assert [tool.name for tool in dataset.ontology.tools] == ["pedestrian", "static person"]
    [row] = dataset
    assert (row.name, row.split) == ("MOT17-02", "train")
    assert row.asset == Asset(media_type="video", width=1920, height=1080, frame_count=600, frame_rate=30)
    one, two = row.labels[0].tracks
    assert (one.tool_name, two.tool_name) == ("static person", "pedestrian")
    assert two.frames.tolist() == [0, 1, 4]
    assert two.segments.tolist() == [[0, 1], [4, 4]]
    assert two.geometry(1) == Box(x=1342.5, y=417, width=168, height=380)


def test_what_was_read_is_written_back(tmp_path: Path) -> None:
    folder = benchmark(tmp_path / "MOT17")
    report = annokit.convert(tmp_path / "MOT17", tmp_path / "out", to="mot", verify=True, strict=True)
    assert report.kinds["tracks"]["written"] == 2
    assert [(loss.code, loss.count) for loss in report.losses] == [("not-considered", 1)]
    again = tmp_path / "out" / "train" / "MOT17-02"
    assert (again / "gt" / "gt.txt").read_text() == TRUTH
    assert (again / "seqinfo.ini").read_text() == INFO
    assert not (again / "gt" / "labels.txt").exists()
    assert next(iter(annokit.read(folder))).labels == next(iter(annokit.read(again))).labels


def test_results_and_detections_are_read(tmp_path: Path) -> None:
    (tmp_path / "det").mkdir()
    file = tmp_path / "det" / "det.txt"
    file.write_text(
        "1,-1,1359.1,413.27,120.26,362.77,2.3092,-1,-1,-1\r\n3, -1, 1, 2, 3, 4, 0.5, -1, -1, -1\n"
    )
    assert annokit.detect(file) == "mot"
    [row] = annokit.read(file)
    first, second = row.labels[0].objects
    assert (first.frame, second.frame, second.confidence) == (0, 2, 0.5)
    assert (row.name, row.labels[0].origin, first.tool_name) == (tmp_path.name, "model", "pedestrian")
    results = tmp_path / "MOT17-02.txt"
    results.write_text("1,3,794.2,47.5,71.2,174.8,-1,-1,-1,-1\n2,3,795,47,71,174,-1,-1,-1,-1\n")
    assert tracks_of(results)["3"].frames.tolist() == [0, 1]
    assert not annokit.convert(results, tmp_path / "2d", to="parquet", strict=True).losses
    results.write_text("1,3,794.2,47.5,71.2,174.8,-1,2.5,3,0\n")
    report = annokit.convert(results, tmp_path / "3d", to="parquet")
    assert [(loss.code, loss.count, loss.lossy) for loss in report.losses] == [("world-coordinates", 1, True)]


def test_a_video_of_a_platform_there_and_back(tmp_path: Path, data: Path) -> None:
    before = tracks_of(data / "labelbox" / "v1_video.json")
    report = annokit.convert(data / "labelbox" / "v1_video.json", tmp_path / "mot", to="mot", verify=True)
    rows = (tmp_path / "mot" / "jellyfish2-100-110" / "gt" / "gt.txt").read_text().splitlines()
    assert len(rows) == 500
    assert report.kinds["keyframes"]["written"] == 477
    after = tracks_of(tmp_path / "mot")
    assert list(after) == list(before)
    for key, track in before.items():
        np.testing.assert_array_equal(after[key].values, track.values)
        assert after[key].frames.tolist() == track.frames.tolist()
        assert after[key].segments.tolist() == track.segments.tolist()
        assert after[key].tool_name == "Jellyfish"
    [row] = annokit.read(tmp_path / "mot")
    assert row.name == "jellyfish2-100-110.mp4"


def test_rows_between_key_frames_are_filled_in_and_said(tmp_path: Path) -> None:
    car = Track(
        tool_name="car", kind="box", id="c", frames=[0, 4], is_keyframe=[True, True],
        values=[(0, 0), (5, 5), (4, 8), (5, 5)], classifications=(Classification(tool_name="q", kind="text", text="a"),),
    )  # fmt: skip
    point = Track(tool_name="ball", kind="point", frames=[0], is_keyframe=[True], values=[(0, 0)])
    loose = ObjectAnnotation(tool_name="car", geometry=Box(x=0, y=0, width=1, height=1), frame=2)
    infinite = replace(car, values=np.array([(0, 0), (5, 5), (np.inf, 8), (5, 5)]))
    label = Label(annotations=(car, point, loose, infinite))
    row = DataRow(id="v", external_id="v.mp4", asset=Asset(media_type="video"), labels=(label,))
    image = DataRow(id="i", asset=Asset(width=9, height=9))
    report = annokit.write([row, image], tmp_path / "mot", format="mot")
    assert (tmp_path / "mot" / "v" / "gt" / "gt.txt").read_text().splitlines()[2] == "3,1,2,4,5,5,1,1,1"
    assert (tmp_path / "mot" / "v" / "gt" / "labels.txt").read_text() == "car\nball\n"
    losses = {(loss.code, loss.kind): loss.count for loss in report.losses if loss.lossy}
    assert losses == {
        ("no-place", "classifications"): 1,
        ("no-place", "tracks"): 1,
        ("no-place", "keyframes"): 1,
        ("no-place", "object:box"): 1,
        ("not-finite", "tracks"): 1,
        ("not-finite", "keyframes"): 2,
        ("not-finite", "classifications"): 1,
        ("keyframes-unmarked", "tracks"): 1,
        ("not-a-video", "data_rows"): 1,
    }
    [again] = tracks_of(tmp_path / "mot").values()
    assert video.thinned(again).frames.tolist() == [0, 4]


def test_a_track_of_which_every_frame_is_known_may_be_infinite_too(tmp_path: Path) -> None:
    values = np.array([(0, np.nan), (5, 5), (1, 8), (5, 5)])
    car = Track(tool_name="car", kind="box", frames=[0, 1], is_keyframe=[True, True], values=values)
    row = DataRow(id="v", asset=Asset(media_type="video"), labels=(Label(annotations=(car,)),))
    report = annokit.write([row], tmp_path / "mot", format="mot")
    lost = {(loss.code, loss.kind): loss.count for loss in report.losses if loss.level == "lost"}
    assert lost == {("not-finite", "tracks"): 1, ("not-finite", "keyframes"): 2}


@pytest.mark.parametrize("line", ["1,1,2,3", "x,1,2,3,4,5", "0,1,2,3,4,5", "1.5,1,2,3,4,5", "1,1,nan,3,4,5,1,1,1", "1e99,1,2,3,4,5"])  # fmt: skip
def test_a_bad_row_costs_one_row(line: str, tmp_path: Path) -> None:
    folder = benchmark(tmp_path)
    with (folder / "gt" / "gt.txt").open("a") as out:
        out.write(line + "\n")
    with pytest.raises(DecodeError, match=r"gt\.txt:6"):
        tracks_of(folder)
    report = annokit.convert(folder, tmp_path / "out", to="mot", on_error="quarantine")
    assert report.kinds["keyframes"] == {"read": 6, "written": 5, "quarantined": 1}


def test_one_identity_twice_in_a_frame_is_refused(tmp_path: Path) -> None:
    folder = benchmark(tmp_path)
    with (folder / "gt" / "gt.txt").open("a") as out:
        out.write("1,2,0,0,1,1,1,1,1\n")
    with pytest.raises(ReferenceProblem, match="identity 2 is in frame 1 twice"):
        tracks_of(folder)


def test_a_broken_seqinfo_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = benchmark(tmp_path)
    for text in ("", "[Sequence]\nseqLength=many", "no section"):
        (folder / "seqinfo.ini").write_text(text)
        with pytest.raises(DecodeError, match="expected a section Sequence"):
            list(annokit.read(folder))


def test_a_class_without_a_name_takes_no_number_from_another(tmp_path: Path) -> None:
    tracks = [
        Track(tool_name=name, kind="box", id=str(n), frames=[0], is_keyframe=[True], values=[(1, 2), (3, 4)])
        for n, name in enumerate(["", "car\nred", "bus"], 1)
    ]
    video = DataRow(id="v", asset=Asset(media_type="video"), labels=(Label(annotations=tuple(tracks)),))
    report = annokit.write([video], tmp_path / "o", format="mot", verify=True)
    assert {key: track.tool_name for key, track in tracks_of(tmp_path / "o").items()} == {
        "1": "_",
        "2": "car red",
        "3": "bus",
    }
    assert [loss.count for loss in report.losses if loss.code == "class-renamed"] == [2]
