"""Files from strangers: each does what the table says under every error mode, in little time and memory.

The collection's own COCO cases stand in the tests of COCO.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import annokit
from annokit.errors import AnnokitError, InputError, LimitExceeded, UsageError
from annokit.io.images import image_size, read_png_pixels
from annokit.model import MaskReference, ObjectAnnotation

MODES = ("raise", "skip", "quarantine")

# what is read of a case: objects, and the records that cannot be, by kind
LABELBOX: dict[str, tuple[int, dict[str, int]]] = {
    "nd_control_ok": (3, {}),
    "nd_no_final_newline": (3, {}),
    "nd_blank_lines": (3, {}),
    "nd_crlf": (3, {}),
    "nd_truncated_middle": (2, {"data_rows": 1}),
    "nd_two_objects_one_line": (1, {"data_rows": 1}),
    "lb_unknown_tool": (2, {}),  # kept as Unknown with its payload; a writer without a place for it counts it
    "lb_no_media_attributes": (2, {}),
    "lb_mask_url": (1, {}),  # kept as a MaskReference: a name is no danger as long as nobody fetches it
    "lb_mask_file_url": (1, {}),
}
VIDEO: dict[str, tuple[int, dict[str, int]]] = {
    "video_control": (0, {}),
    "video_text_order": (0, {}),
    "video_dup_keyframes": (0, {}),
    "video_negative_frame": (0, {"labels": 1}),
    "video_frame_zero": (0, {"labels": 1}),
    "video_frame_not_int": (0, {"labels": 1}),
    "video_frame_1e12": (0, {}),  # kept and named by validate; whoever asks for its frames meets max_frames
    "video_keyframe_no_frame": (0, {}),  # the shape that is there is kept, and written back as it stood
}
YOLO: dict[str, tuple[int, dict[str, int]]] = {
    "yolo_class_out_of_range": (1, {"object:unknown": 1}),
    "yolo_class_negative": (1, {"object:unknown": 1}),
    "yolo_class_float": (1, {"object:unknown": 1}),
    "yolo_even_fields": (1, {"object:unknown": 1}),
    "yolo_mixed_box_polygon": (2, {}),
    "yolo_tabs_crlf_blank": (2, {}),
    "yolo_bom": (2, {}),
}
GROUND_TRUTH: dict[str, tuple[int, dict[str, int]]] = {
    "gt_control": (2, {}),
    "gt_class_not_in_map": (1, {"object:box": 1}),
    "gt_failure_row": (1, {}),
    "gt_same_key_two_buckets": (2, {}),
    "gt_chained_jobs": (1, {}),  # the newest job's; the other is superseded
}
CASES = GROUND_TRUTH | LABELBOX | VIDEO | YOLO
ELSEWHERE = {"geometry": "annokit has no such format", "image": "see the tests of images below"}


@pytest.fixture(scope="session")
def manifest(shared: Path) -> dict[str, dict[str, Any]]:
    entries = json.loads((shared / "badinputs" / "manifest.json").read_text())
    return {entry["name"]: entry for entry in entries if "file" in entry}


def source_of(entry: dict[str, Any], shared: Path, folder: Path) -> Path:
    """The file; for label files a dataset around it."""
    file = shared / "badinputs" / entry["file"]
    if entry["format"] != "yolo-label":
        return file
    (folder / "labels").mkdir(parents=True)
    (folder / "images").mkdir()
    shutil.copy(file, folder / "labels" / "a.txt")
    Image.new("L", (64, 48)).save(folder / "images" / "a.png")
    (folder / "data.yaml").write_text("path: .\ntrain: images\nnames: [a, b, c]\n")
    return folder


def test_every_case_of_the_collection_is_in_a_table(manifest: dict[str, dict[str, Any]]) -> None:
    known = {name for name, entry in manifest.items() if entry["format"] in ("coco", "zip", *ELSEWHERE)}
    refused = {name for name, entry in manifest.items() if refused_format(entry)}
    assert set(manifest) == known | refused | set(CASES)


def refused_format(entry: dict[str, Any]) -> bool:
    return entry["format"] in ("voc-xml", "cvat-xml")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CASES)
def test_a_bad_record_costs_one_record(
    name: str, mode: str, manifest: dict[str, dict[str, Any]], shared: Path, tmp_path: Path
) -> None:
    source = source_of(manifest[name], shared, tmp_path / "in")
    objects, bad = CASES[name]
    begin = time.perf_counter()
    if mode == "raise" and bad:
        with pytest.raises(InputError) as caught:
            annokit.convert(source, tmp_path / "out", to="parquet", on_error=mode)
        assert caught.value.where.file
        assert "\n" not in str(caught.value)
        assert not list(tmp_path.glob("out*"))
    else:
        report = annokit.convert(source, tmp_path / "out", to="parquet", on_error=mode)
        column = "skipped" if mode == "skip" else "quarantined"
        assert {kind: n[column] for kind, n in report.kinds.items() if n[column]} == bad
        assert report.total("written", "object:") == objects
    assert time.perf_counter() - begin < 5


def test_frames_of_videos_are_what_the_tracks_say(
    manifest: dict[str, dict[str, Any]], shared: Path, tmp_path: Path
) -> None:
    for name, frames in (("control", 5), ("text_order", 2), ("dup_keyframes", 5), ("keyframe_no_frame", 5)):
        file = shared / "badinputs" / manifest[f"video_{name}"]["file"]
        report = annokit.convert(file, tmp_path / name, to="parquet", video_frames="all")
        assert report.total("made", "object:box") == frames
    endless = shared / "badinputs" / manifest["video_frame_1e12"]["file"]
    with pytest.raises(LimitExceeded, match="max_frames"):
        annokit.convert(endless, tmp_path / "endless", to="parquet", video_frames="all")
    assert not (tmp_path / "endless").exists()


def test_formats_that_are_not_read_are_refused_in_one_line(
    manifest: dict[str, dict[str, Any]], shared: Path, tmp_path: Path
) -> None:
    for entry in filter(refused_format, manifest.values()):
        file = shared / "badinputs" / entry["file"]
        for mode in MODES:
            with pytest.raises(UsageError, match=r"looks like no known format: XML is not read") as caught:
                annokit.convert(file, tmp_path / "out", to="coco", on_error=mode)
            assert str(file) in str(caught.value)
            assert "\n" not in str(caught.value)
        for name in ("coco", "labelbox", "labelbox-v1", "parquet", "yolo"):
            with pytest.raises(AnnokitError):  # whatever the caller insists on
                list(annokit.read(file, format=name))
    assert not list(tmp_path.iterdir())


def test_a_mask_that_is_a_url_stays_a_reference(manifest: dict[str, dict[str, Any]], shared: Path) -> None:
    for name in ("lb_mask_url", "lb_mask_file_url"):
        (row,) = annokit.read(shared / "badinputs" / manifest[name]["file"])
        (found,) = row.labels[0].annotations
        assert isinstance(found, ObjectAnnotation)
        assert isinstance(found.geometry, MaskReference)


def test_images(manifest: dict[str, dict[str, Any]], shared: Path) -> None:
    def path(name: str) -> Path:
        return shared / "badinputs" / str(manifest[name]["file"])

    assert set(np.unique(read_png_pixels(path("png_control")))) == {0, 1, 2}
    assert read_png_pixels(path("png_16bit_mask")).dtype == np.uint16
    assert image_size(path("png_exif_rotate90")) == (48, 64)  # as stored, not as shown
    for read in (image_size, read_png_pixels):
        with pytest.raises(LimitExceeded, match="max_pixels"):
            read(path("png_huge_header"))
        with pytest.raises(InputError):
            read(path("png_zero_bytes"))


def test_separators_of_other_standards_do_not_end_a_line(tmp_path: Path) -> None:
    text = "a\u2028b\u2029c\u0085d"
    rows = [{"data_row": {"id": f"r{n}", "external_id": text}, "projects": {}} for n in range(3)]
    lines = [json.dumps(row, ensure_ascii=False).encode() for row in rows]
    for separator in (b"\n", b"\r\n"):
        found = list(annokit.read(b"\xef\xbb\xbf" + separator.join(lines)))
        assert [(row.id, row.name) for row in found] == [("r0", text), ("r1", text), ("r2", text)]


DEEP = b'{"a":' * 200_000 + b"1" + b"}" * 200_000
NUMBER = b"9" * 5_000


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "bad",
    [DEEP, b"[" * 100_000, b'{"data_row": {"id": ' + NUMBER + b"}}", b"\x00" * 99],
    ids=["deep", "brackets", "digits", "NUL"],
)
def test_a_line_that_is_a_bomb(bad: bytes, mode: str, tmp_path: Path) -> None:
    good = b'{"data_row": {"id": "r1"}, "projects": {}}'
    source = tmp_path / "in.ndjson"
    source.write_bytes(b"\n".join([good, bad, good.replace(b"r1", b"r2")]))
    if mode == "raise":
        with pytest.raises((InputError, LimitExceeded), match=r"in\.ndjson:2"):
            annokit.convert(source, tmp_path / "out", to="parquet", format="labelbox", on_error=mode)
        return
    report = annokit.convert(source, tmp_path / "out", to="parquet", format="labelbox", on_error=mode)
    assert report.total("written", "data_rows") == 2
    assert report.total("skipped") + report.total("quarantined") == 1


_MEASURE = """
import sys
import annokit
from annokit.errors import AnnokitError
for name in sys.argv[2:]:
    for mode in ("skip", "quarantine"):
        try:
            annokit.convert(name, f"{sys.argv[1]}/{abs(hash((name, mode)))}", to="parquet", on_error=mode)
        except AnnokitError:
            pass
for line in open("/proc/self/status"):
    if line.startswith("VmHWM:"):  # ru_maxrss would count what the parent had when it forked
        print(line.split()[1])
"""


def test_all_of_it_in_little_memory(
    manifest: dict[str, dict[str, Any]], shared: Path, tmp_path: Path
) -> None:
    files = [
        str(source_of(entry, shared, tmp_path / entry["name"]))
        for entry in manifest.values()
        if entry["format"] != "coco"
    ]
    command = [sys.executable, "-c", _MEASURE, str(tmp_path), *files]
    if not Path("/proc/self/status").exists():
        pytest.skip("needs Linux to measure memory")
    for _ in range(2):  # the first may have to compile kernels, which takes memory of its own
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    assert int(done.stdout) * 1024 < 600 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("images/train/a.jpg", b"images/train/a\xff.jpg"),
        ("train/cat/a.jpg", b"train/cat/a\xff.jpg"),
        ("v/gt/gt.txt", b"v\xff/gt/gt.txt"),
    ],
)
def test_names_of_files_that_are_no_text_cost_their_row(good: str, bad: bytes, tmp_path: Path) -> None:
    for name in (os.fsencode(good), bad):
        file = Path(os.fsdecode(os.fsencode(tmp_path / "d") + b"/" + name))
        file.parent.mkdir(parents=True, exist_ok=True)
        if good.endswith("txt"):
            file.write_text("1,1,5,5,3,2,1,1,1\n")
        else:
            Image.new("RGB", (20, 20)).save(file)
    if good.startswith("images"):
        (tmp_path / "d" / "data.yaml").write_text("train: images/train\nval: images/train\nnames: [car]\n")
    for number, to in enumerate(("labelbox", "parquet")):
        report = annokit.convert(tmp_path / "d", tmp_path / str(number), to=to, on_error="quarantine")
        assert report.kinds["data_rows"]["written"] == 1
        assert report.kinds["data_rows"]["quarantined"] == 1
