"""Datasets in archives are read in place; what an archive may do to us it cannot."""

from __future__ import annotations

import gc
import gzip
import io
import json
import os
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest

import annokit
from annokit.errors import AnnokitError, InputError, LimitExceeded, OutputError, UnsafeInput, UsageError
from annokit.io.archives import open_source
from annokit.io.limits import Limits

COCO = json.dumps(
    {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12}],
        "categories": [{"id": 1, "name": "car"}],
    }
).encode()


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where archives are unpacked; nothing may be left in it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def zipped(path: Path, files: dict[str, bytes], mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return path


def tarred(path: Path, files: dict[str, bytes], kind: bytes = tarfile.REGTYPE, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.type, entry.linkname = len(data), kind, "/etc/passwd"
            archive.addfile(entry, io.BytesIO(data))
    return path


def objects(path: Path) -> int:
    return sum(len(label.objects) for row in annokit.read(path) for label in row.labels)


def test_one_label_file_among_others(tmp_path: Path, temporary: Path) -> None:
    files = {"set/readme.txt": b"hi", "set/annotations/all.json": COCO, "__MACOSX/._all.json": b"x"}
    for path in (
        zipped(tmp_path / "a.zip", files),
        tarred(tmp_path / "a.tar", files),
        tarred(tmp_path / "a.tar.gz", files, mode="w:gz"),
    ):
        assert annokit.detect(path) == "coco"
        dataset = annokit.read(path)
        for _ in range(2):  # again, from the start
            (row,) = dataset
            assert row.source in (str(path), None)
            assert len(row.labels[0].annotations) == 1
        del dataset
    gc.collect()
    assert not list(temporary.iterdir())


def test_compressed_lines(tmp_path: Path, samples: Path, temporary: Path) -> None:
    plain = samples / "street.ndjson"
    path = tmp_path / "street.ndjson.gz"
    path.write_bytes(gzip.compress(plain.read_bytes()))
    one = annokit.convert(path, tmp_path / "one.json", to="coco")
    two = annokit.convert(plain, tmp_path / "two.json", to="coco")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert one.source == str(path)
    assert one.kinds == two.kinds
    gc.collect()
    assert not list(temporary.iterdir())


def test_a_folder_of_labels(tmp_path: Path, samples: Path) -> None:
    for to in ("yolo", "parquet"):
        annokit.convert(samples / "coco.json", tmp_path / to, to=to)
        files = {
            f"{to}/{file.relative_to(tmp_path / to).as_posix()}": file.read_bytes()
            for file in (tmp_path / to).rglob("*")
            if file.is_file()
        }
        assert objects(zipped(tmp_path / f"{to}.zip", files)) == objects(tmp_path / to)


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize(
    "name",
    ["../x.json", "/x.json", "a/../../x.json", "a\\..\\x.json", "C:/x.json", "a//x.json", "./../x.json"],
)
def test_names_that_lead_out(make, name: str, tmp_path: Path, temporary: Path) -> None:
    with pytest.raises(UnsafeInput, match=r"archive: the entry .* leads out of the archive") as caught:
        annokit.read(make(tmp_path / "archive", {"good.json": COCO, name: COCO}))
    assert caught.value.exit_code == 5
    assert not list(temporary.iterdir())
    assert sorted(os.listdir(tmp_path)) == ["archive", "temporary"]


def test_links_devices_and_names_that_come_twice(tmp_path: Path, temporary: Path) -> None:
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        with pytest.raises(UnsafeInput, match=r"'?x\.json'? is a link or a device"):
            annokit.read(tarred(tmp_path / "a.tar", {"x.json": b""}, kind))
    with pytest.raises(UnsafeInput, match="is a link or a device"):
        annokit.read(zipped(tmp_path / "a.zip", {"x.json": b"/etc/passwd"}, stat.S_IFLNK | 0o777))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("x.json", COCO)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("x.json", b"[]")
    with pytest.raises(UnsafeInput, match=r"x\.json is there twice"):
        annokit.read(tmp_path / "b.zip")
    assert not list(temporary.iterdir())


def test_bombs(tmp_path: Path, temporary: Path) -> None:
    zeros = bytes(80 << 20)
    gzipped = tmp_path / "bomb.ndjson.gz"
    gzipped.write_bytes(gzip.compress(zeros, 9))
    for path in (zipped(tmp_path / "bomb.zip", {"x.json": zeros}), gzipped):
        with pytest.raises(LimitExceeded, match=r"limit max_ratio of 200 \(raise it with --max-ratio\)"):
            annokit.read(path)
        with pytest.raises(LimitExceeded, match="max_unpacked_bytes"):
            open_source(str(path), Limits(max_unpacked_bytes=1 << 20))
    many = zipped(tmp_path / "many.zip", {f"{n}.txt": b"" for n in range(50)})
    with pytest.raises(LimitExceeded, match="max_entries"):
        open_source(str(many), Limits(max_entries=49))
    assert not list(temporary.iterdir())


def test_archives_in_archives_stay_closed(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", {"x.json": COCO}).read_bytes()
    for name in ("inner.zip", "inner.json"):
        with pytest.raises(UsageError, match="looks like no known format"):
            annokit.convert(zipped(tmp_path / "a.zip", {name: inner}), tmp_path / "out", to="yolo")


def test_what_is_broken_or_not_clear(tmp_path: Path, temporary: Path) -> None:
    whole = zipped(tmp_path / "a.zip", {"x.json": COCO * 9}).read_bytes()
    packed = gzip.compress(COCO * 9)
    middle = bytearray(whole)
    middle[60] ^= 0xFF
    for content in (whole[:-9], whole[: len(whole) // 2], bytes(middle), packed[:-9], packed[:20]):
        (tmp_path / "broken").write_bytes(content)
        with pytest.raises(InputError, match="broken: cannot unpack: "):
            annokit.read(tmp_path / "broken")
    with pytest.raises(
        UsageError, match=r"expected one label file in the archive, got 2: a\.json, b/c\.ndjson"
    ):
        annokit.read(zipped(tmp_path / "two.zip", {"a.json": COCO, "b/c.ndjson": COCO}))
    assert not list(temporary.iterdir())


def test_any_damage_at_all(tmp_path: Path, temporary: Path) -> None:
    for make in (zipped, tarred):
        whole = make(tmp_path / "a", {"set/x.json": COCO, "set/y.txt": b"hello"}).read_bytes()
        for place in range(0, len(whole), 1 + len(whole) // 150):
            damaged = bytearray(whole)
            damaged[place] ^= 0x55
            (tmp_path / "damaged").write_bytes(damaged)
            try:
                objects(tmp_path / "damaged")
            except AnnokitError:
                continue
    gc.collect()
    assert not list(temporary.iterdir())


def test_the_archive_is_never_written_over(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"x.json": COCO})
    with pytest.raises(OutputError, match="the destination is what is being read"):
        annokit.convert(path, path, to="coco", overwrite=True)


def test_the_collection(shared: Path) -> None:
    for path in sorted((shared / "badinputs" / "f_zip").iterdir()):
        with pytest.raises(UnsafeInput):
            annokit.read(path)
