from __future__ import annotations

import pytest

from annokit.errors import InputError, LimitExceeded
from annokit.io.limits import Limits
from annokit.io.lines import Block, iter_blocks
from annokit.io.records import decode_block, decode_document
from annokit.io.salvage import Wire
from annokit.io.source import Source


class Thing(Wire):
    unit = "thing"
    size: int


class Row(Wire):
    unit = "row"
    id: str
    things: list[Thing] = []


def block_of(data: bytes, **limits: int) -> list[Block]:
    return list(iter_blocks(Source(data), Limits(**limits)))


def decoded(data: bytes, **limits: int) -> tuple[list[tuple[int, str]], list[tuple[str, str]]]:
    found: list[tuple[str, str]] = []
    rows = [
        (number, row.id)
        for block in block_of(data, **limits)
        for number, row in decode_block(
            block,
            Row,
            reject=lambda unit, path, error, raw: found.append((unit, str(error))),
            limits=Limits(**limits),
        )
    ]
    return rows, found


def test_every_record_with_its_line():
    assert decoded(b'{"id":"a"}\n{"id":"b"}') == ([(1, "a"), (2, "b")], [])
    assert decoded(b'\n{"id":"a"}\r\n\r\n  \n{"id":"b"}\n') == ([(2, "a"), (5, "b")], [])


def test_a_broken_line_costs_one_line():
    rows, found = decoded(b'{"id":"a"}\n{"id":\n{"id":"c"}\n')
    assert rows == [(1, "a"), (3, "c")]
    assert found == [("row", "<bytes>:2 $: not valid JSON: it ends too early")]


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_two_records_on_one_line_are_refused(end):
    rows, found = decoded(b'{"id":"a"}{"id":"b"}\n{"id":"c"}\n' + end)
    assert rows == [(2, "c")]
    assert found == [("row", "<bytes>:1 $: not valid JSON: trailing characters (byte 11)")]


def test_a_broken_part_costs_that_part():
    rows, found = decoded(b'{"id":"a","things":[{"size":1},{"size":"x"}]}\n')
    assert rows == [(1, "a")]
    assert found == [("thing", "<bytes>:1 $.things[1].size: expected int, got str")]


def test_a_line_that_is_too_long_or_too_deep():
    rows, found = decoded(b'{"id":"a"}\n{"id":"' + b"x" * 50 + b'"}\n{"id":"c"}\n', max_line_bytes=20)
    assert rows == [(1, "a"), (3, "c")]
    assert found == [
        ("row", "<bytes>:2: 59 is over the limit max_line_bytes of 20 (raise it with --max-line-bytes)")
    ]
    rows, found = decoded(b'{"id":"a"}\n' + b"[" * 5000 + b'\n{"id":' + b"[" * 5000 + b"]" * 5000 + b"}\n")
    assert rows == [(1, "a")]
    assert len(found) == 2


def test_documents():
    found = []
    source = Source(b'\xef\xbb\xbf{"id":"a","things":[{"size":1},{}],"new":2}')
    row = decode_document(source, Row, reject=lambda unit, path, error, raw: found.append(str(error)))
    assert row == Row(id="a", things=[Thing(size=1)], extra={"new": 2})
    assert found == ['<bytes> $.things[1]: expected the key "size", got none']


def test_documents_that_are_none(tmp_path):
    (tmp_path / "x.json").write_bytes(b" \n")
    with pytest.raises(InputError, match=r"x\.json: expected JSON, got an empty file"):
        decode_document(Source(tmp_path / "x.json"), Row, reject=print)
    with pytest.raises(InputError, match=r"^<bytes> \$: expected object, got array$"):
        decode_document(Source(b"[]"), Row, reject=print)
    with pytest.raises(LimitExceeded, match="max_document_bytes"):
        decode_document(Source(b"[   ]"), Row, reject=print, limits=Limits(max_document_bytes=3))
