from __future__ import annotations

import gc
import io
import os
import pickle
import tempfile
import threading
from pathlib import Path

import pytest

from annokit.errors import InputError, LimitExceeded, UsageError
from annokit.io.gc import paused_gc
from annokit.io.limits import Limits
from annokit.io.source import Source, sources


def test_a_path_can_be_opened_twice(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b"0123456789")
    source = Source(path)
    assert (source.name, source.path, source.size, source.is_dir) == (str(path), path, 10, False)
    with source.open() as first, source.open() as second:
        assert first.read(4) == second.read(4) == b"0123"
    assert source.head(3) == b"012"
    assert source.read_bytes() == b"0123456789"
    assert pickle.loads(pickle.dumps(source)).read_bytes() == b"0123456789"


@pytest.mark.parametrize("spec", [b"abc", bytearray(b"abc"), memoryview(b"abc")])
def test_bytes(spec):
    source = Source(spec)
    assert (source.name, source.path, source.size) == ("<bytes>", None, 3)
    assert source.read_bytes() == source.open().read() == b"abc"


def test_a_stream_is_copied_once_and_the_copy_goes_away(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    source = Source(io.BytesIO(b"abc" * 1000))
    assert (source.name, source.path, source.size) == ("<stream>", None, 3000)
    assert source.read_bytes() == source.read_bytes() == b"abc" * 1000
    assert len(list(tmp_path.iterdir())) == 1
    del source
    gc.collect()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_given_by_path_can_be_read_twice(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"abc",))
    writer.start()
    source = Source(str(pipe))
    writer.join()
    assert source.read_bytes() == source.read_bytes() == b"abc"
    assert source.name == str(pipe)


def test_a_folder_is_a_source_but_cannot_be_opened(tmp_path):
    source = Source(tmp_path)
    assert source.is_dir
    assert source.size == 0
    with pytest.raises(InputError, match="got a folder"):
        source.open()


def test_what_cannot_be_read():
    with pytest.raises(InputError, match=r"no/such\.json: cannot read: No such file.*looked in"):
        Source("no/such.json")
    with pytest.raises(InputError, match="cannot read"):
        Source("a\0b")
    with pytest.raises(UsageError, match="text stream"):
        Source(io.StringIO("{}"))
    with pytest.raises(UsageError, match="got int"):
        Source(3)


def test_a_file_that_goes_away(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b"{}")
    source = Source(path)
    path.unlink()
    for use in (source.open, source.read_bytes, source.head):
        with pytest.raises(InputError, match="No such file"):
            use()


@pytest.mark.parametrize("url", ["https://host/x.json?token=secret", "s3://bucket/x", Path("https://host/x")])
def test_nothing_is_downloaded(url):
    with pytest.raises(UsageError, match="does not fetch") as caught:
        Source(url)
    assert "secret" not in str(caught.value)


def test_a_document_over_the_limit():
    with pytest.raises(
        LimitExceeded, match=r"11 is over the limit max_document_bytes of 10.*--max-document-bytes"
    ):
        Source(b"0123456789a").read_bytes(Limits(max_document_bytes=10))


def test_several_sources(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    assert [source.size for source in sources([tmp_path / "a", b"22", io.BytesIO(b"333")])] == [1, 2, 3]
    (source,) = sources(b"1")
    assert sources([source]) == sources(source) == (source,)
    with pytest.raises(UsageError, match="empty list"):
        sources([])


def test_the_collector_is_switched_on_again_only_if_it_was_on():
    with paused_gc():
        assert not gc.isenabled()
        with paused_gc():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
