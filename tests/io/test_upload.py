"""Outputs in object stores: whole or not at all, ours or refused, against a server on this machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import s3fs
from botocore.config import Config
from click.testing import CliRunner

import annokit
from annokit import delta
from annokit.cli import app
from annokit.errors import InputError, OutputError, UsageError
from annokit.io import upload
from annokit.io.output import staged_file, staged_folder
from annokit.io.place import address


@pytest.fixture(scope="module")
def store() -> Iterator[Any]:
    """A server with the bucket `out`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # in a process of its own: delta-rs keeps Python still while it waits for an answer
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    settings = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "sesame",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        client = boto3.client("s3", config=Config(retries={"max_attempts": 60, "mode": "standard"}))
        client.create_bucket(Bucket="out")
        yield client
    server.terminate()
    server.wait()


@pytest.fixture
def bucket(store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty bucket `out`, and a folder for what is on its way."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    for key in keys(store):
        store.delete_object(Bucket="out", Key=key)
    yield store
    s3fs.S3FileSystem.clear_instance_cache()
    assert list(scratch.iterdir()) == []


def keys(store: Any) -> list[str]:
    return [entry["Key"] for entry in store.list_objects_v2(Bucket="out").get("Contents", [])]


def content(store: Any, key: str) -> bytes:
    found: bytes = store.get_object(Bucket="out", Key=key)["Body"].read()
    return found


def breaking(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Make the store fail when it gets an object of this name."""
    put = s3fs.S3FileSystem._put_file

    async def failing(self: Any, lpath: str, rpath: str, **kwargs: Any) -> None:
        if rpath.endswith(name):
            raise OSError("the store is full")
        await put(self, lpath, rpath, **kwargs)

    monkeypatch.setattr(s3fs.S3FileSystem, "_put_file", failing)
    s3fs.S3FileSystem.clear_instance_cache()


def test_a_file_with_its_report(bucket: Any, samples: Path) -> None:
    report = annokit.convert(samples / "coco.json", "s3://out/job/a.json", to="coco")
    assert keys(bucket) == ["job/a.json", "job/a.json.report.json"]
    assert report.target == "s3://out/job/a.json"
    assert json.loads(content(bucket, "job/a.json.report.json"))["target"] == "s3://out/job/a.json"
    assert len(list(annokit.read("s3://out/job/a.json"))) == report.total("written", "data_rows")
    with pytest.raises(OutputError, match=r"^s3://out/job/a\.json: it exists \(--overwrite"):
        annokit.convert(samples / "coco.json", "s3://out/job/a.json", to="coco")
    annokit.convert(samples / "coco.json", "s3://out/job/a.json", to="coco", overwrite=True)


@pytest.mark.parametrize("to", ["yolo", "parquet", "masks"])
def test_a_folder_is_the_one_on_disk(to: str, bucket: Any, samples: Path, tmp_path: Path) -> None:
    annokit.convert(samples / "coco.json", tmp_path / "local", to=to)
    annokit.convert(samples / "coco.json", "s3://out/remote/", to=to, verify=to != "masks")
    files = [path for path in (tmp_path / "local").rglob("*") if path.is_file()]
    here = {path.relative_to(tmp_path / "local").as_posix(): path.read_bytes() for path in files}
    there = {key.removeprefix("remote/"): content(bucket, key) for key in keys(bucket) if "/" in key}
    assert there == here
    assert "remote.report.json" in keys(bucket)


def test_only_what_annokit_wrote_is_replaced(bucket: Any, samples: Path) -> None:
    target = "s3://out/yolo"
    annokit.convert(samples / "coco.json", target, to="yolo", split="train=.5,val=.5")
    with pytest.raises(OutputError, match="it exists"):
        annokit.convert(samples / "coco.json", target, to="yolo")
    annokit.convert(samples / "coco.json", target, to="yolo", overwrite=True)
    assert not [key for key in keys(bucket) if "/val/" in key]
    bucket.put_object(Bucket="out", Key="yolo/labels/train/mine.txt", Body=b"0 .5 .5 1 1")
    with pytest.raises(OutputError, match="files were added in labels/train"):
        annokit.convert(samples / "coco.json", target, to="yolo", overwrite=True)
    bucket.put_object(Bucket="out", Key="notes/a.txt", Body=b"mine")
    with pytest.raises(OutputError, match="annokit did not write this folder"):
        annokit.convert(samples / "coco.json", "s3://out/notes", to="yolo", overwrite=True)
    with pytest.raises(OutputError, match="expected a folder to write, got a file"):
        annokit.convert(samples / "coco.json", "s3://out/notes/a.txt", to="yolo", overwrite=True)
    with pytest.raises(OutputError, match="expected a file to write, got a folder"):
        annokit.convert(samples / "coco.json", "s3://out/notes", to="coco", overwrite=True)
    assert content(bucket, "notes/a.txt") == b"mine"


@pytest.mark.parametrize("name", ["data.yaml", ".txt"])
def test_an_upload_that_fails_leaves_nothing(
    name: str, bucket: Any, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "_TOGETHER", 2)
    breaking(monkeypatch, name)
    with pytest.raises(
        OutputError, match=r"cannot write: the store is full: nothing is left of it"
    ) as caught:
        annokit.convert(samples / "coco.json", "s3://out/yolo", to="yolo")
    assert keys(bucket) == []
    assert "sesame" not in str(caught.value)


def test_a_half_replaced_folder_is_not_read_as_a_whole(
    bucket: Any, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = "s3://out/yolo"
    annokit.convert(samples / "coco.json", target, to="yolo")
    with monkeypatch.context() as patch:
        breaking(patch, "data.yaml")
        with pytest.raises(OutputError, match="partly replaced, and marked as unfinished"):
            annokit.convert(samples / "coco.json", target, to="yolo", overwrite=True, split="train=.5,val=.5")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(InputError, match=r"s3://out/yolo: only a part of it is there"):
        annokit.read(target)
    annokit.convert(samples / "coco.json", target, to="yolo", overwrite=True)
    assert list(annokit.read(target))


def test_the_report_comes_last(bucket: Any, samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    breaking(monkeypatch, "a.json")
    with pytest.raises(OutputError, match="the store is full"):
        annokit.convert(samples / "coco.json", "s3://out/a.json", to="coco")
    assert keys(bucket) == []


def test_what_is_put_aside_is_beside_it_and_goes_when_nothing_is(bucket: Any, tmp_path: Path) -> None:
    bad = tmp_path / "bad.ndjson"
    good = {"data_row": {"id": "r1", "row_data": "a.jpg"}, "projects": {}}
    bad.write_text(json.dumps(good) + "\n{\n")
    words = ["convert", str(bad), "s3://out/a.json", "--to", "coco", "--from", "labelbox"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1, result.output
    assert "in s3://out/a.json.quarantine.ndjson" in result.output
    assert "report in s3://out/a.json.report.json" in result.output
    assert len(keys(bucket)) == 3
    bad.write_text(json.dumps(good) + "\n")
    assert CliRunner().invoke(app, [*words, "--overwrite"]).exit_code == 0
    assert keys(bucket) == ["a.json", "a.json.report.json"]


@pytest.mark.usefixtures("bucket")
def test_other_commands_write_there_as_well(samples: Path) -> None:
    export = str(samples / "street.ndjson")
    for words in (
        ["view", export, "--row", "000000349860.jpg", "--output", "s3://out/row.svg"],
        ["ontology", export, "--output", "s3://out/ontology.json"],
        ["masks", "list", export, "--output", "s3://out/masks.csv"],
        ["consensus", "score", export, "--output", "s3://out/scores"],
    ):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, (words, result.output)


@pytest.mark.usefixtures("bucket")
def test_paths_of_pathlib_lose_a_slash_and_nothing_else(tmp_path: Path) -> None:
    with staged_file(Path("s3://out/a/b.txt")) as path:
        path.write_text("b")
    with staged_folder("s3://out/folder") as path:
        (path / "c.txt").write_text("c")
    assert address(Path("s3://out/a/b.txt")) == "s3://out/a/b.txt"
    assert not (Path.cwd() / "s3:").exists()


def test_a_delta_table_in_a_store(bucket: Any, samples: Path) -> None:
    table = "s3://out/labels"
    first = annokit.convert(samples / "street.ndjson", table, to="delta", source_name="street")
    merge = {"mode": "merge", "source_name": "street", "delete_missing": "data-rows"}
    annokit.convert(samples / "street.ndjson", table, to="delta", classes=["car"], **merge)
    assert [one.version for one in delta.history(table)] == [0, 1]
    assert delta.scan(table, version=0).count_rows() == first.total("written", "object:")
    assert {a.tool_name for row in annokit.read(table) for x in row.labels for a in x.objects} == {"car"}
    assert "labels.report.json" in keys(bucket)
    with pytest.raises(OutputError, match=r"^s3://out/labels: it exists"):
        annokit.convert(samples / "street.ndjson", table, to="delta")


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("dbfs:/mnt/out", r"does not write to dbfs:.*/Volumes/"),
        ("https://host/out.json", "does not write to https"),
        ("http://host/out?token=sesame", "does not write to http"),
        ("s3://out", "expected scheme://bucket/name"),
        ("s3://out/a/../b", "expected scheme://bucket/name"),
        ("s3://key:sesame@out/a", "without a password"),
    ],
)
def test_addresses_that_cannot_be_written(
    target: str, problem: str, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for to in ("coco", "delta", "yolo"):
        with pytest.raises(UsageError, match=problem) as caught:
            annokit.convert(samples / "coco.json", target, to=to)
        assert "sesame" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_shards_are_made_on_disk(samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = [
        "convert",
        str(samples / "street.ndjson"),
        "s3://out/a",
        "--to",
        "coco",
        "--shard-size",
        "100000",
    ]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 7
    assert "s3://out/a: this output is made on disk only" in result.output
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there_is_one_line(samples: Path) -> None:
    for target in ("s3://no-such-bucket/a.json", "s3://no-such-bucket/folder"):
        to = "coco" if target.endswith("json") else "yolo"
        with pytest.raises(OutputError, match="cannot write: ") as caught:
            annokit.convert(samples / "coco.json", target, to=to)
        assert "\n" not in str(caught.value)
