"""Objects out of NDJSON, arrays and single objects alike."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annokit.errors import AnnokitError, DecodeError, InputError
from annokit.io.elements import iter_element_blocks
from annokit.io.source import Source

OBJECTS = st.lists(
    st.dictionaries(
        st.text(max_size=4), st.text() | st.lists(st.integers(), max_size=3), min_size=1, max_size=3
    ),
    min_size=1,
    max_size=6,
)
LAYOUTS = ("ndjson", "array", "pretty array", "wide array")


def spelled(objects: list[Any], layout: str) -> bytes:
    if layout == "ndjson":
        return "\n".join(map(json.dumps, objects)).encode()
    indent, separators = {
        "array": (None, (",", ":")),
        "pretty array": (2, None),
        "wide array": (None, (" ,  ", ": ")),
    }[layout]
    return json.dumps(objects, indent=indent, separators=separators).encode()


def elements(data: bytes, block: int = 1 << 20) -> list[Any]:
    return [
        json.loads(line.data)
        for one in iter_element_blocks(Source(data), block=block)
        for line in one.lines()
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
@given(objects=OBJECTS, block=st.integers(1, 200), bom=st.booleans())
def test_every_layout_gives_the_same_objects(layout: str, objects: list[Any], block: int, bom: bool) -> None:
    data = spelled(objects, layout)
    assert elements(b"\xef\xbb\xbf" * bom + data, block) == objects


@pytest.mark.parametrize("layout", LAYOUTS)
def test_places_are_those_in_the_file(layout: str) -> None:
    data = spelled([{"id": number} for number in range(5)], layout)
    for block in iter_element_blocks(Source(data), block=1):
        for line in block.lines():
            end = line.byte_offset + len(line.data)
            assert data[line.byte_offset : end].strip(b" ,\n").split() == line.data.strip().split()


def test_one_object_over_several_lines_is_one_element() -> None:
    assert elements(b'{\r\n  "id": 1,\n  "list": [\n {"a": 2}]\n}\n') == [{"id": 1, "list": [{"a": 2}]}]


@pytest.mark.parametrize("data", [b"", b" \n\n ", b"\xef\xbb\xbf"])
def test_an_empty_file_says_so(data: bytes) -> None:
    with pytest.raises(InputError, match="empty"):
        elements(data)


def test_an_empty_array_is_a_file_without_objects() -> None:
    assert elements(b" [ ]\n") == []


def test_an_array_that_is_not_json_names_the_file_and_the_place() -> None:
    with pytest.raises(DecodeError, match=r"<bytes> .*not valid JSON"):
        elements(b'[{"id": 1}, {"id": ]')


@given(st.binary(max_size=60))
def test_any_bytes_give_lines_or_an_error_of_ours(data: bytes) -> None:
    with contextlib.suppress(AnnokitError):
        list(iter_element_blocks(Source(data)))
