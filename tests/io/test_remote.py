"""Labels in object stores: what was named is copied and read, against a server on this machine."""

from __future__ import annotations

import gc
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import s3fs
from click.testing import CliRunner
from moto.server import ThreadedMotoServer

import annokit
from annokit.cli import app
from annokit.errors import InputError, LimitExceeded, UnsafeInput, UsageError
from annokit.io import remote
from annokit.io.archives import open_source
from annokit.io.limits import Limits


@pytest.fixture(scope="module")
def bucket(data: Path) -> Iterator[Any]:
    """A bucket `jobs` with the bird job and a manifest in it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="jobs")
        with tarfile.open(data / "ground_truth" / "birds.tar.gz") as archive:
            for entry in archive:
                content = archive.extractfile(entry) if "iteration-1/" in entry.name else None
                if content is not None:
                    key = f"birds/annotations/{entry.name.removeprefix('ic_data/')}"
                    client.put_object(Bucket="jobs", Key=key, Body=content.read())
        client.put_object(Bucket="jobs", Key="birds/annotations/", Body=b"")  # as consoles mark folders
        manifest = (data / "ground_truth" / "object_detection.manifest").read_bytes()
        client.put_object(Bucket="jobs", Key="boxes/output.manifest", Body=manifest)
        packed = (data / "ground_truth" / "birds.tar.gz").read_bytes()
        client.put_object(Bucket="jobs", Key="packed.tar.gz", Body=packed)
        client.put_object(Bucket="jobs", Key="bad/a/../b.json", Body=b"{}")
        s3fs.S3FileSystem.clear_instance_cache()
        yield client
    server.stop()


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where copies go."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.usefixtures("bucket")
def test_a_job_is_read_from_its_prefix(scratch: Path) -> None:
    source = annokit.read("s3://jobs/birds/")
    rows = list(source)
    assert (len(rows), sum(len(row.labels) for row in rows)) == (10, 50)
    told = rows[0].labels[0].extra["ground-truth-responses"]
    assert told["path"] == "birds/annotations/worker-response/iteration-1/7/2019-04-18_16:12:00.json"
    assert len(list(source)) == 10  # the copy is there as long as the dataset
    assert list(scratch.iterdir())
    del source, rows
    gc.collect()
    assert not list(scratch.iterdir())


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize(
    "place", ["annotations/worker-response/iteration-1", "annotations/worker-response/iteration-1/153"]
)
def test_what_the_address_says_is_not_lost(place: str) -> None:
    rows = {row.id: row for row in annokit.read(f"s3://jobs/birds/{place}")}
    told = rows["153"].labels[0].extra["ground-truth-responses"]
    assert (told["iteration"], told["record"]) == (1, "153")


@pytest.mark.usefixtures("bucket")
def test_single_objects_and_archives(tmp_path: Path) -> None:
    report = annokit.convert("s3://jobs/boxes/output.manifest", tmp_path / "a.json", to="coco")
    assert (report.source, report.total("written", "object:box")) == ("s3://jobs/boxes/output.manifest", 192)
    assert len(list(annokit.read("s3://jobs/packed.tar.gz"))) == 302
    assert annokit.detect("s3://jobs/birds") == "ground-truth-responses"
    both = annokit.read(["s3://jobs/boxes/output.manifest", "s3://jobs/boxes"])
    assert len(list(both)) == 200


@pytest.mark.usefixtures("bucket")
def test_the_command_line_takes_addresses(tmp_path: Path) -> None:
    words = ["convert", "s3://jobs/boxes/", str(tmp_path / "out"), "--to", "parquet"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "192" in result.output


@pytest.mark.usefixtures("bucket")
def test_progress_counts_what_came() -> None:
    came: list[int] = []
    source = open_source("s3://jobs/birds/", progress=came.append)
    assert source.path is not None
    assert sum(came) == sum(file.stat().st_size for file in source.path.rglob("*") if file.is_file())


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize(
    ("url", "limits", "error", "problem"),
    [
        (
            "s3://jobs/nothing/",
            Limits(),
            InputError,
            "s3://jobs/nothing/: expected an object, or objects below it",
        ),
        ("s3://no-such-bucket/a", Limits(), InputError, "s3://no-such-bucket/a: cannot read"),
        ("s3://jobs/birds/", Limits(max_entries=3), LimitExceeded, "--max-entries"),
        ("s3://jobs/birds/", Limits(max_unpacked_bytes=99), LimitExceeded, "--max-unpacked-bytes"),
        ("s3://jobs/packed.tar.gz", Limits(max_unpacked_bytes=99), LimitExceeded, "--max-unpacked-bytes"),
        ("s3://jobs/bad/", Limits(), UnsafeInput, "leads out of its folder"),
        ("s3://jobs/../x", Limits(), UnsafeInput, "leads out of its folder"),
    ],
)
def test_what_cannot_be_had_is_one_line_and_leaves_nothing(
    url: str, limits: Limits, error: type[Exception], problem: str, scratch: Path
) -> None:
    with pytest.raises(error) as caught:
        annokit.read(url, limits=limits)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(scratch.iterdir())


def test_a_server_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"https://127\.0\.0\.1:9/a\.json: cannot read: ") as caught:
        annokit.read("https://127.0.0.1:9/a.json?token=secret")
    assert "secret" not in str(caught.value)


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    with pytest.raises(UsageError, match=r'pip install "annokit\[cloud\]"'):
        annokit.read("s3://jobs/a.json")
    with pytest.raises(UsageError, match="pip install gcsfs"):
        annokit.read("gs://jobs/a.json")


@pytest.mark.parametrize(
    ("url", "hint"),
    [("dbfs:/mnt/a.json", "/Volumes/"), ("http://host/a.json", "https://"), ("ftp://host/a", "give a copy")],
)
def test_other_addresses_are_refused_with_a_hint(url: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        annokit.read(url)
    assert hint in str(caught.value)


def test_addresses_in_data_are_never_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(remote, "fetched", lambda *_: pytest.fail("something was fetched"))
    line = {
        "source-ref": "s3://jobs/a.jpg",
        "seg-ref": "s3://jobs/a.png",
        "car-ref": "s3://jobs/0/SeqLabel.json",
    }
    metadata = {"type": "x", "internal-color-map": {"1": {"class-name": "a", "hex-color": "#000000"}}}
    lines = [json.dumps(line | {"seg-ref-metadata": metadata, "car-ref-metadata": {"type": "y"}})]
    (tmp_path / "output.manifest").write_text("\n".join(lines))
    (row,) = annokit.read(tmp_path, masks=os.fspath(tmp_path))
    assert [one.geometry.kind for label in row.labels for one in label.objects] == [
        "mask_reference",
        "unknown",
    ]
