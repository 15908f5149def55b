"""What every format must do, whichever it is: nothing lost there and back, hostile input survived."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

import annokit
from annokit.errors import LossyConversion
from annokit.model import Asset, Box, DataRow, Label, Line, ObjectAnnotation, Polygon, TextSpan, Track

WRITABLE = [one.name for one in annokit.formats() if one.writer is not None]
BOTH = [one.name for one in annokit.formats() if one.writer is not None and one.reader is not None]
READABLE = [one.name for one in annokit.formats() if one.reader is not None]
OBJECTS = "object:"
DATA = Path(__file__).resolve().parents[1] / "data"
SOURCES = (
    "ground_truth/object_detection.manifest",
    "ground_truth/consolidation_request.json",
    "labelbox/v1_image.json",
    "labelbox/v1_pdf.json",
    "labelbox/v1_text.json",
    "labelbox/v1_video.json",
    "../../docs/samples/street.ndjson",
    "labelbox_import/Conversational.ndjson",
    "labelbox_import/Dicom.ndjson",
    "labelbox_import/Document.ndjson",
    "labelbox_import/image_import.json",
    "labelbox_import/mmc_import.json",
    "labelbox_import/nested_import_name_only.json",
    "labelbox_import/relationship_import.json",
    "labelbox_import/video_import.json",
    "yolo/yolov8_detection",
    "yolo/yolov8_oriented_boxes",
    "yolo/yolov8_pose",
)
"""Real files of every medium, with classes, shapes and answers that most formats have no place for."""


def rows(name: str) -> list[DataRow]:
    """Rows of the medium the format is of."""
    return {"geojson": maps, "mot": videos, "conll": texts, "hf-ner": texts, "spacy": texts}.get(
        name, images
    )()


def maps() -> list[DataRow]:
    return [
        replace(
            row,
            labels=tuple(
                replace(label, annotations=tuple(replace(one, space="geo") for one in label.objects))
                for label in row.labels
            ),
        )
        for row in images()
    ]


def texts() -> list[DataRow]:
    span = TextSpan(start=3, end=10, text="Bermuda")
    place = ObjectAnnotation(tool_name="class-0", geometry=span)
    box = ObjectAnnotation(tool_name="class-0", geometry=Box(x=1, y=2, width=3, height=4))
    asset = Asset(media_type="text", text="To Bermuda!")
    names = ["a.txt", "sub/b.txt", "with space.txt", "../up.txt", "CON", "ünï.txt"]
    full = [
        DataRow(id=str(i), external_id=name, asset=asset, labels=(Label(annotations=(place, box)),))
        for i, name in enumerate(names)
    ]
    empty = Asset(media_type="text", text="")
    return [*full, DataRow(id="empty", external_id="empty.txt", asset=empty, labels=(Label(),))]


def videos() -> list[DataRow]:
    asset = Asset(media_type="video", width=40, height=30, frame_count=9)
    track = Track(
        tool_name="class 0", kind="box", id="t", frames=[1, 3], is_keyframe=[True, True],
        values=[(1, 2), (3, 4), (5, 6), (7, 8)],
    )  # fmt: skip
    names = ["a.mp4", "sub/b.mp4", "../up.mp4", "CON", "ünï.mp4"]
    full = [
        DataRow(id=str(i), external_id=name, asset=asset, labels=(Label(annotations=(track,)),))
        for i, name in enumerate(names)
    ]
    return [*full, DataRow(id="empty", external_id="empty.mp4", asset=asset, labels=(Label(),))]


def images() -> list[DataRow]:
    shapes = [
        Box(x=1, y=2, width=3, height=4),
        Polygon.from_parts([[[(1, 1), (9, 1), (9, 9)]], [[(20, 2), (28, 2), (28, 9)]]]),
        Line(coords=[(0, 0), (5, 5)]),
    ]
    objects = tuple(ObjectAnnotation(tool_name=f"class {i}", geometry=s) for i, s in enumerate(shapes))
    asset = Asset(width=40, height=30)
    names = ["a.jpg", "sub/b.jpg", "with space.png", "../up.jpg", "CON", "ünï.jpg"]
    full = [
        DataRow(id=str(i), external_id=name, asset=asset, labels=(Label(annotations=objects),))
        for i, name in enumerate(names)
    ]
    return [*full, DataRow(id="empty", external_id="empty.jpg", asset=asset, labels=(Label(),))]


def target_of(folder: Path, name: str) -> Path:
    return folder / ("out.json" if name in ("coco", "coco-results") else "out")


def digest(path: Path) -> dict[str, str]:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def survive(path: Path, name: str, mode: str) -> None:
    """Read it, or get one line that is ours."""
    problem = ""
    try:
        list(annokit.read(path, format=name, on_error=mode))  # type: ignore[arg-type]
    except annokit.AnnokitError as error:
        problem = str(error)
    assert "\n" not in problem


@pytest.mark.parametrize(
    "name", [name for name in BOTH if name not in ("coco-results", "delta", "labelbox-import")]
)
def test_what_was_written_comes_back(name: str, tmp_path: Path) -> None:
    target = target_of(tmp_path, name)
    report = annokit.write(rows(name), target, format=name, verify=True)
    before = digest(target)
    again = list(annokit.read(target))
    assert digest(target) == before
    assert annokit.detect(target) == name
    assert len(again) == len(rows(name))
    assert sorted(row.name for row in again) == sorted(row.name for row in rows(name))
    found = sum(len(label.objects) for row in again for label in row.labels)
    assert found == report.total("written", OBJECTS)
    lost = report.total("unsupported", OBJECTS)
    assert found + lost == sum(len(label.objects) for row in rows(name) for label in row.labels)
    assert lost == sum(loss.count for loss in report.losses if loss.lossy and "no-place" in loss.code)


@pytest.mark.parametrize("name", WRITABLE)
def test_an_empty_dataset_is_a_dataset(name: str, tmp_path: Path) -> None:
    target = target_of(tmp_path, name)
    annokit.write([], target, format=name)
    if name in READABLE:
        assert list(annokit.read(target, format=name)) == []


@pytest.mark.parametrize("name", BOTH)
def test_a_truncated_output_is_refused_or_read_never_a_crash(name: str, tmp_path: Path) -> None:
    target = target_of(tmp_path, name)
    annokit.write(rows(name), target, format=name)
    files = [path for path in ([target] if target.is_file() else target.rglob("*")) if path.is_file()]
    for file in files:
        whole = file.read_bytes()
        for share in (0.0, 0.3, 0.9):
            file.write_bytes(whole[: int(share * len(whole))])
            survive(target, name, "raise")
        file.write_bytes(whole)


@pytest.mark.parametrize("name", READABLE)
@pytest.mark.parametrize("text", [b"", b"\0" * 64, b"\xff\xfe{}", b"{", b"[1, 2]", b"null\n", b"{}\n{}\n"])
def test_what_is_no_such_file_is_refused_by_our_own_errors(name: str, text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "input.json"
    path.write_bytes(text)
    for mode in ("raise", "skip"):
        survive(path, name, mode)


@pytest.mark.parametrize("name", WRITABLE)
def test_a_failing_write_leaves_nothing(name: str, tmp_path: Path) -> None:
    def cut_off() -> object:
        yield from rows(name)[:3]
        raise RuntimeError("the source broke")

    dataset = annokit.Dataset(lambda _run: cut_off())  # type: ignore[arg-type,return-value]
    target = target_of(tmp_path, name)
    with pytest.raises(RuntimeError, match="the source broke"):
        annokit.write(dataset, target, format=name)
    shutil.rmtree(tmp_path / "nothing", ignore_errors=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", [name for name in WRITABLE if name not in ("geojson", "mot", "conll", "hf-ner", "spacy")]
)
def test_one_image_of_an_impossible_size_costs_no_other(name: str, tmp_path: Path) -> None:
    shape = ObjectAnnotation(tool_name="car", geometry=Box(x=1, y=1, width=3, height=4), confidence=0.5)
    good, bad = (
        DataRow(id=key, external_id=f"{key}.jpg", asset=asset, labels=(Label(annotations=(shape,)),))
        for key, asset in (("good", Asset(width=9, height=9)), ("bad", Asset(width=10**9, height=10**9)))
    )
    report = annokit.write([bad, good], target_of(tmp_path, name), format=name)
    assert report.total("written", OBJECTS) >= 1
    assert report.total("written", "data_rows") >= 1


@pytest.mark.parametrize("name", ["masks", "coco-panoptic"])
def test_what_is_painted_is_not_larger_than_the_limit(name: str, tmp_path: Path) -> None:
    shape = ObjectAnnotation(tool_name="car", geometry=Box(x=1, y=1, width=3, height=4))
    big = DataRow(id="b", asset=Asset(width=60_000, height=60_000), labels=(Label(annotations=(shape,)),))
    report = annokit.write([big], tmp_path / "out", format=name)
    assert next(loss.code for loss in report.losses if loss.lossy) == "image-size"
    assert report.kinds["data_rows"]["unsupported"] == 1


ROOT = Path(__file__).resolve().parents[2]
JSON_FILES = sorted(
    path
    for folder in ("tests/data", "docs/samples")
    for path in (ROOT / folder).rglob("*.*json")
    if path.is_file()
)


def test_a_json_file_is_told_by_its_keys_as_by_a_closer_look(tmp_path: Path) -> None:
    """Files called .json are looked at by the formats whose keys they have, others by all."""

    def told(path: Path) -> str:
        try:
            return annokit.detect(path)
        except annokit.AnnokitError as error:
            return error.problem

    odd = tmp_path / "labels.dat"
    found = set()
    for path in JSON_FILES:
        shutil.copyfile(path, odd)
        assert told(path) == told(odd), path
        found.add(told(path))
    assert len(found) > 5


@pytest.mark.parametrize(
    ("format", "folder"), [("ground-truth", "segmentation"), ("coco-panoptic", "panoptic")]
)
def test_rows_of_one_name_and_one_id_have_files_of_their_own(
    format: str, folder: str, tmp_path: Path
) -> None:
    squares = [Polygon(coords=[(0, 0), (size, 0), (size, size), (0, size)]) for size in (4, 6)]
    rows = [
        DataRow(
            id="3",
            external_id="a.png",
            asset=Asset(width=8, height=8),
            labels=(Label(annotations=(ObjectAnnotation(tool_name="c", geometry=square),)),),
        )
        for square in squares
    ]
    annokit.write(rows, tmp_path / "o", format=format)
    files = sorted((tmp_path / "o" / folder).iterdir())
    assert len({file.read_bytes() for file in files}) == 2
    assert all(file.name.startswith("a~") for file in files)


@pytest.mark.parametrize(
    ("name", "level", "read"),
    [
        ("coco", "note", 2),
        ("coco-panoptic", "note", 2),
        ("ground-truth", "changed", 2),
        ("geojson", "changed", 1),
        ("labelbox-import", "changed", 1),
        ("labelbox-v1", "changed", 1),
    ],
)
def test_rows_that_a_format_cannot_tell_apart_are_named(
    name: str, level: str, read: int, tmp_path: Path
) -> None:
    """Images of two sources: one file name, and in legacy exports one id."""
    given = [replace(row, id="1", external_id="a.jpg") for row in rows(name)[:2]]
    other = replace(rows(name)[2], id="2")
    target = target_of(tmp_path, name)
    report = annokit.write([*given, other], target, format=name, verify=True)
    [taken] = [one for one in report.losses if one.code == "name-taken"]
    assert (taken.level, taken.count, taken.kind) == (level, 2, "data_rows")
    assert len(list(annokit.read(target))) == read + 1
    assert report.kinds["data_rows"]["merged"] == 2 - read
    if level == "changed":
        with pytest.raises(LossyConversion, match="name-taken"):
            annokit.write([*given, other], tmp_path / "strict", format=name, strict=True)


@pytest.mark.parametrize("name", ["labelbox", "labelbox-v1"])
def test_an_id_is_that_of_one_name(name: str, tmp_path: Path) -> None:
    """Files of several sources number their images alike; what has no name is the row of its id."""
    called = {"a.jpg": "1", "b.jpg": "1", "c.jpg": "1-2", "d.jpg": "1"}
    given = [DataRow(id=own, external_id=file, labels=(Label(),)) for file, own in called.items()]
    report = annokit.write(
        [*given, given[1], DataRow(id="1", labels=(Label(),))], tmp_path / "o", format=name
    )
    found = {(row.external_id, row.id) for row in annokit.read(tmp_path / "o") if row.external_id}
    assert found == {("a.jpg", "1"), ("b.jpg", "1-2"), ("c.jpg", "1-2-2"), ("d.jpg", "1-3")}
    [taken] = [one for one in report.losses if one.code == "id-taken"]
    assert (taken.level, taken.count, taken.kind) == ("changed", 4, "data_rows")
    with pytest.raises(LossyConversion, match="id-taken"):
        annokit.write(given, tmp_path / "strict", format=name, strict=True)


@pytest.mark.parametrize("name", ["labelbox", "labelbox-v1"])
def test_an_id_of_a_platform_is_one_row_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    given = [DataRow(id="cl1", external_id=name, labels=(Label(),)) for name in ("a.jpg", "key")]
    report = annokit.write(given, tmp_path / "o", format=name)
    assert {row.id for row in annokit.read(tmp_path / "o")} == {"cl1"}
    assert not [one for one in report.losses if one.code == "id-taken"]


def test_rows_of_a_manifest_that_have_one_address_of_their_own_are_one_image(tmp_path: Path) -> None:
    asset = Asset(uri="s3://b/a.jpg", width=9, height=9)
    given = [DataRow(id=str(i), asset=asset, labels=(Label(),)) for i in range(2)]
    report = annokit.write(given, tmp_path / "o", format="ground-truth")
    assert "name-taken" not in {one.code for one in report.losses}


@pytest.mark.parametrize("to", [name for name in BOTH if name != "delta"])
@pytest.mark.parametrize("source", SOURCES)
def test_what_is_counted_as_written_is_read_again(source: str, to: str, tmp_path: Path) -> None:
    """Whatever of it a format can hold: `verify` raises where the counts differ."""
    report = annokit.convert(DATA / source, tmp_path / "o", to=to, verify=True)
    assert report.total("read")


def test_an_object_of_one_frame_is_accounted_as_the_track_it_becomes(tmp_path: Path) -> None:
    (tmp_path / "v" / "det").mkdir(parents=True)
    (tmp_path / "v" / "det" / "det.txt").write_text(
        "1,-1,10,10,5,5,0.9,-1,-1,-1\n3,-1,20,10,5,5,0.8,-1,-1,-1\n"
    )
    report = annokit.convert(
        tmp_path / "v" / "det" / "det.txt", tmp_path / "o", to="labelbox-import", format="mot", verify=True
    )
    assert report.kinds["object:box"] == {"read": 2, "merged": 2}
    assert report.kinds["tracks"] == report.kinds["keyframes"] == {"made": 2, "written": 2}
    assert sum(len(label.tracks) for row in annokit.read(tmp_path / "o") for label in row.labels) == 2
