"""Columns made of buffers: equal to what `pa.array` makes of the same values, and without pandas."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annokit.model import FrameRange
from annokit.tables import SCHEMAS, columns
from tests.strategies import times

TIME = pa.timestamp("us", "UTC")
WHOLE = st.integers(-(2**31), 2**31 - 1)
VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.string(): st.text(max_size=5),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.int32(): WHOLE,
    pa.int8(): st.integers(-128, 127),
    pa.float64(): st.floats(),
    pa.bool_(): st.booleans(),
    TIME: times.filter(bool),
    pa.list_(pa.string()): st.lists(st.text(max_size=3), max_size=3).map(tuple),
    pa.list_(pa.list_(pa.int64())): st.lists(st.lists(WHOLE, max_size=2), max_size=3),
}


@pytest.mark.parametrize("kind", VALUES, ids=str)
@given(data=st.data())
def test_columns_are_those_of_arrow(kind: pa.DataType, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | VALUES[kind], max_size=12))
    made, expected = columns.column(values, kind), pa.array(values, kind)
    made.validate(full=True)
    assert made.type == kind
    np.testing.assert_equal(made.to_pylist(), expected.to_pylist())  # NaN equals NaN here
    assert made.null_count == expected.null_count


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.5, 2], pa.int64()),
        ([2**63], pa.int64()),
        ([None, 2**31], pa.int32()),
        (["a", 1], pa.string()),
        (["\ud800"], pa.string()),
        ([1], pa.string()),
        (["1"], pa.float64()),
        (["no"], pa.bool_()),
        ([["a"], [1]], pa.list_(pa.string())),
    ],
)
def test_what_a_type_cannot_hold_is_refused(values: list[Any], kind: pa.DataType) -> None:
    with pytest.raises((pa.ArrowException, OverflowError, UnicodeEncodeError)):
        columns.column(values, kind)


def test_values_of_other_types_are_left_to_arrow() -> None:
    for values in ([1, 2.5, None], [np.float64(2)], [True]):
        assert columns.column(values, pa.float64()).equals(pa.array(values, pa.float64()))
    assert columns.column([640.0, None], pa.int64()).to_pylist() == [640, None]
    with pytest.raises(pa.ArrowException):  # it would change
        columns.column([2**53 + 1], pa.float64())


def test_a_time_without_zone_is_taken_as_utc() -> None:
    [time] = columns.column([datetime(2024, 1, 2, 3)], TIME).to_pylist()
    assert time.isoformat() == "2024-01-02T03:00:00+00:00"


def test_records_are_structs_and_none_of_them_is_null() -> None:
    kind = SCHEMAS["classifications"].field("frames").type
    made = columns.column([(FrameRange(start=1, end=2),), ()], kind)
    assert made.to_pylist() == [[{"start": 1, "end": 2}], None]


@given(
    st.lists(st.none() | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2), max_size=6)
)
def test_json_is_one_text_a_value(values: list[Any]) -> None:
    made = columns.json_column(values)
    made.validate(full=True)
    assert made.to_pylist() == [msgspec.json.encode(value).decode() if value else None for value in values]


def test_raw_json_may_have_line_breaks() -> None:
    values = [{"a": msgspec.Raw(b"[1,\n2]")}, {"b": 1}]
    assert columns.json_column(values).to_pylist() == ['{"a":[1,\n2]}', '{"b":1}']


def test_more_than_a_batch_takes_is_refused() -> None:
    with pytest.raises(OverflowError, match="in one batch, of which it takes 2,147,483,647"):
        columns.list_column(np.array([2**30, 2**30]), pa.nulls(0, pa.string()))


def test_writing_does_not_load_pandas(tmp_path: Path) -> None:
    code = f"""
import sys, annokit
from annokit.model import Box, DataRow, Label, ObjectAnnotation
car = ObjectAnnotation(tool_name="car", geometry=Box(x=1.0, y=2.0, width=3.0, height=4.0))
rows = [DataRow(id="r1", labels=(Label(annotations=(car,)),))]
annokit.write(rows, {str(tmp_path / "out")!r}, format="parquet")
print(list(annokit.read({str(tmp_path / "out")!r})) == rows, "pandas" in sys.modules)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"


def test_joining_parts_loads_neither_pandas_nor_what_computes(samples: Path, tmp_path: Path) -> None:
    code = f"""
import sys, annokit
from annokit import passes; passes.PART = 4096
report = annokit.convert({str(samples / "street.ndjson")!r}, {str(tmp_path / "out")!r}, to="parquet")
print(report.total("written", "data_rows"), *{{"pandas", "pyarrow.compute"}}.intersection(sys.modules))"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rows = len((samples / "street.ndjson").read_text().splitlines())
    assert done.stdout == f"{rows}\n"


@given(st.lists(st.tuples(st.none() | st.text(max_size=3), st.integers(0, 3)), max_size=8))
def test_texts_are_repeated_as_arrow_takes_them(pairs: list[tuple[str | None, int]]) -> None:
    texts, counts = pa.array([text for text, _ in pairs], pa.string()), np.array([n for _, n in pairs], int)
    made = columns.repeated(texts, counts)
    made.validate(full=True)
    assert made.equals(texts.take(pa.array(np.repeat(np.arange(len(pairs)), counts))))
