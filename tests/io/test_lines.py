from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annokit.errors import InputError
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.io.lines import iter_blocks, iter_lines
from annokit.io.source import Source

TEXTS = st.lists(st.sampled_from([b"\n", b"\r", b"a", b" ", b"\xe2\x80\xa8", b"bb\n", b"\x0b", b"\x1c"])).map(
    b"".join
)


def naive(data: bytes, limit: int = 1 << 30) -> list[tuple[bytes, int, int, int]]:
    """Every line by a plain split: data, number, offset, length when too long."""
    lines, offset = [], 0
    for number, line in enumerate(data.split(b"\n"), 1):
        if len(line) > limit:
            lines.append((b"", number, offset, len(line)))
        elif line.strip(b" \t\r"):
            lines.append((line[:-1] if line.endswith(b"\r") else line, number, offset, 0))
        offset += len(line) + 1
    return lines


@given(data=TEXTS, block=st.integers(1, 40), limit=st.integers(1, 12))
def test_lines_are_those_of_a_plain_split(data, block, limit):
    source, limits = Source(data), Limits(max_line_bytes=limit)
    blocks = list(iter_blocks(source, limits, block))
    found = [(line.data, line.number, line.byte_offset, line.too_long) for b in blocks for line in b.lines()]
    assert found == naive(data, limit)
    kept = [b for b in blocks if not b.too_long]
    assert all(data[b.byte_offset :].startswith(b.data) for b in kept)
    assert all(b.data.endswith(b"\n") for b in kept[:-1] if b is not blocks[-1])


@given(data=TEXTS, block=st.integers(1, 40))
def test_blocks_put_together_are_the_file(data, block):
    assert b"".join(b.data for b in iter_blocks(Source(data), block=block)) == data


def test_a_line_separator_inside_a_string_survives():
    text = '{"name": "a\u2028b\u0085c"}\n{"name": "d"}'
    assert [line.data.decode() for line in iter_lines(Source(text.encode()))] == text.split("\n")


def test_a_byte_order_mark_at_the_start_is_left_out():
    lines = list(iter_lines(Source(b"\xef\xbb\xbf{}\r\n \r\n\xef\xbb\xbf[]")))
    assert [(line.data, line.number, line.byte_offset) for line in lines] == [
        (b"{}", 1, 3),
        (b"\xef\xbb\xbf[]", 3, 10),
    ]


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\n", b"\r\n \n"])
def test_no_lines(data):
    assert list(iter_lines(Source(data))) == []


def test_a_line_that_is_too_long_is_never_held(tmp_path):
    path = tmp_path / "x.ndjson"
    with path.open("wb") as out:
        out.write(b'{"a": 1}\n')
        out.truncate(80_000_000)
        out.seek(0, 2)
        out.write(b'\n{"a": 2}\n')
    tracemalloc.start()
    lines = list(iter_lines(Source(path), Limits(max_line_bytes=1 << 20)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(line.number, line.too_long) for line in lines] == [(1, 0), (2, 79_999_991), (3, 0)]
    assert lines[2].byte_offset == 80_000_001
    assert peak < 8 << 20


def test_a_long_line_within_the_limit_is_one_block():
    data = b'{"a": 1}\n' + b'"' + b"x" * (9 << 20) + b'"\n{"a": 2}\n'
    assert [len(line.data) for line in iter_lines(Source(data))] == [8, (9 << 20) + 2, 8]


def test_the_place_of_a_line():
    block = next(iter(iter_blocks(Source(b'{}\n{"a"\n'))))
    line = block.line(2)
    assert line.data == b'{"a"'
    assert str(block.where(line)) == "<bytes>:2"
    assert block.where(line).byte_offset == 3


def test_a_folder_has_no_lines(tmp_path):
    with pytest.raises(InputError, match="folder"):
        list(iter_lines(Source(tmp_path), DEFAULT_LIMITS))
