"""Values as Arrow columns: what `pa.array` does, for the types of `SCHEMAS` and without loading pandas for it.

`pa.array` looks whether a list is a pandas object, for which it imports pandas wherever that is installed: half a second
and 80 MB in each process. `pyarrow.compute`, which `take` and others load, is 50 ms. So the columns are made of buffers
here; only what is unusual is left to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from operator import mul
from types import NoneType
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from annokit.errors import DecodeError, Where
from annokit.geometry.ragged import ends
from annokit.model.base import Bools, Floats, Indices
from annokit.tables.jsontext import json_lines

__all__ = [
    "column",
    "flag_column",
    "flat_values",
    "json_column",
    "list_column",
    "no_rows",
    "number_column",
    "numbers",
    "packed_column",
    "repeated",
    "struct_column",
    "text_column",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LARGEST = 2**31 - 1


def column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Plain values as a column; None is null, and so is a list of records without any.

    Parameters
    ----------
    values : sequence
        Of str, int, float, bool or datetime; of sequences of these; of records, whose fields a struct names.
    kind : pyarrow.DataType
        One that stands in `SCHEMAS`.

    Raises
    ------
    pyarrow.ArrowException, OverflowError, UnicodeEncodeError
        A value that the type cannot hold.

    Examples
    --------
    >>> column(["a", None], pa.string()).to_pylist()
    ['a', None]
    >>> column([(1, 2), ()], pa.list_(pa.int64())).to_pylist()
    [[1, 2], []]
    >>> column([], pa.float64()).type
    DataType(double)
    """
    if pa.types.is_struct(kind):
        fields = [column([getattr(one, field.name) for one in values], field.type) for field in kind]
        return pa.StructArray.from_arrays(fields, fields=list(kind))
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        values = [one or None for one in values]
    if not values or (values[0] is None and values.count(None) == len(values)):
        return pa.nulls(len(values), kind)
    if pa.types.is_string(kind):
        return _texts(values, kind)
    types = set(map(type, values))
    make = _lists if pa.types.is_list(kind) else _MAKERS.get((kind, *(types - {NoneType})))
    if make is None:
        return _by_arrow(values, kind)
    if NoneType not in types:
        return make(values, kind, None)
    valid = _present(values)
    return make([value for value in values if value is not None], kind, valid)


def _by_arrow(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """What `pa.array` makes of values; it would cut decimals off whole numbers, which is refused."""
    made = pa.array(values, kind)
    if pa.types.is_integer(kind) and made.to_pylist() != list(values):
        raise pa.ArrowInvalid(f"expected whole numbers, got {values[:8]}")
    return made


def json_column(values: Sequence[Any]) -> pa.Array:
    """Dicts, lists and records as a column of JSON text; null for None and for what is empty.

    >>> json_column([{"coco": {"id": 1}}, {}]).to_pylist()
    ['{"coco":{"id":1}}', None]
    """
    if not any(values):
        return pa.nulls(len(values), pa.string())
    if all(values):
        return packed_column(*json_lines(values), pa.string())
    valid = np.fromiter(map(bool, values), np.bool_, len(values))
    text, lengths = json_lines([value for value in values if value])
    return packed_column(text, _spread(lengths, valid), pa.string(), valid)


def number_column(values: NDArray[Any], kind: pa.DataType, valid: Bools | None = None) -> pa.Array:
    """Numbers as a column, null where `valid` is False.

    >>> number_column(np.array([1.5, 0.0]), pa.float64(), np.array([True, False])).to_pylist()
    [1.5, None]
    """
    data: NDArray[Any] = np.ascontiguousarray(values, _NUMBERS[kind])
    return pa.Array.from_buffers(kind, len(data), [_bits(valid), pa.py_buffer(data)])


def flag_column(flags: Bools, valid: Bools | None = None) -> pa.Array:
    """Flags as a column, null where `valid` is False.

    >>> flag_column(np.array([True, False])).to_pylist()
    [True, False]
    """
    return pa.Array.from_buffers(pa.bool_(), len(flags), [_bits(valid), _packed(flags)])


def packed_column(data: Any, lengths: Indices, kind: pa.DataType, valid: Bools | None = None) -> pa.Array:
    """A column of text or bytes, which stand one after the other in `data`; entries that are null take none of it."""
    return pa.Array.from_buffers(kind, len(lengths), [_bits(valid), _offsets(lengths), pa.py_buffer(data)])


def list_column(lengths: Sequence[int] | Indices, values: pa.Array, valid: Bools | None = None) -> pa.Array:
    """A list column; where `valid` is False the entry is null, and its length must be 0."""
    kind = pa.list_(values.type)
    return pa.Array.from_buffers(kind, len(lengths), [_bits(valid), _offsets(lengths)], children=[values])


def struct_column(fields: Sequence[pa.Array], kind: pa.DataType, valid: Bools) -> pa.Array:
    """A column of records, null where `valid` is False."""
    return pa.Array.from_buffers(kind, len(valid), [_bits(valid)], children=list(fields))


def repeated(values: pa.Array, counts: Indices) -> pa.Array:
    """Each value of a column of texts, or of numbers without nulls, so many times.

    >>> repeated(pa.array(["a", "b", None]), np.array([1, 2, 1])).to_pylist()
    ['a', 'b', 'b', None]
    """
    if values.null_count == len(values):
        return pa.nulls(counts.sum(), values.type)
    if (counts == 1).all():
        return values
    if not pa.types.is_string(values.type):
        return number_column(np.repeat(numbers(values), counts), values.type)
    found = values.to_pylist()
    texts = [text.encode() if text else b"" for text in found]
    data = b"".join(map(mul, texts, counts.tolist()))
    lengths = np.repeat(np.fromiter(map(len, texts), np.int64, len(texts)), counts)
    valid = np.repeat(_present(found), counts) if values.null_count else None
    return packed_column(data, lengths, values.type, valid)


def text_column(texts: Sequence[str], places: Indices) -> pa.Array:
    """The texts that stand at these places among a few.

    >>> text_column(["a", "bc"], np.array([1, 1, 0])).to_pylist()
    ['bc', 'bc', 'a']
    """
    few = [text.encode() for text in texts]
    lengths = np.array([len(text) for text in few], np.int64)
    return packed_column(b"".join([few[place] for place in places.tolist()]), lengths[places], pa.string())


def no_rows(schema: pa.Schema) -> pa.RecordBatch:
    """An empty batch with these columns.

    >>> no_rows(pa.schema([("a", pa.int64())])).num_rows
    0
    """
    return pa.record_batch([pa.nulls(0, field.type) for field in schema], schema)


def numbers(column: pa.Array) -> NDArray[Any]:
    """The values of a column of numbers without nulls, as they lie there; `to_numpy` would load pandas, too.

    >>> numbers(pa.array([1, 2])).tolist()
    [1, 2]
    """
    return np.from_dlpack(column)


def flat_values(column: pa.Array, where: Where) -> tuple[Floats, list[Indices]]:
    """The values of a list column, and the offsets of each level from the outermost on, without a copy."""
    levels: list[Indices] = []
    while pa.types.is_list(column.type):
        levels.append(numbers(column.offsets).astype(np.int64))
        column = column.values
        if column.null_count:
            raise DecodeError("expected lists without nulls in them", where=where)
    return numbers(column), levels


def _present(values: Sequence[Any]) -> Bools:
    return np.frombuffer(bytes([value is not None for value in values]), np.bool_)


def _spread(values: NDArray[Any], valid: Bools | None) -> NDArray[Any]:
    """The values at the places where there is one, 0 elsewhere."""
    if valid is None:
        return values
    spread = np.zeros(len(valid), values.dtype)
    spread[valid] = values
    return spread


def _bits(valid: Bools | None) -> pa.Buffer | None:
    """Arrow's validity bitmap."""
    return None if valid is None or valid.all() else _packed(valid)


def _packed(flags: Bools) -> pa.Buffer:
    return pa.py_buffer(np.packbits(flags, bitorder="little"))


def _offsets(lengths: Sequence[int] | Indices) -> pa.Buffer:
    offsets = ends(lengths)
    if offsets[-1] > _LARGEST:
        raise OverflowError(f"{offsets[-1]:,} values or bytes in one batch, of which it takes {_LARGEST:,}")
    return pa.py_buffer(offsets.astype(np.int32))


def _lists(values: Sequence[Any], kind: pa.DataType, valid: Bools | None) -> pa.Array:
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    inner = column(list(chain.from_iterable(values)), kind.value_type)
    return list_column(_spread(lengths, valid), inner, valid)


def _texts(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Texts and None, found to be that by joining them; `pa.array` has to do with what else there is."""
    first, count = values[0], len(values)
    if type(first) is str and first == values[-1] and values.count(first) == count:
        text = first.encode()
        return packed_column(text * count, np.full(count, len(text)), kind)
    try:
        return _joined(values, kind, None)
    except TypeError:
        valid = _present(values)
    try:
        return _joined(["" if value is None else value for value in values], kind, valid)
    except TypeError:
        return _by_arrow(values, kind)


def _joined(values: Sequence[str], kind: pa.DataType, valid: Bools | None) -> pa.Array:
    joined = "".join(values)
    text = joined.encode()
    each = values if len(text) == len(joined) else [value.encode() for value in values]
    return packed_column(text, np.fromiter(map(len, each), np.int64, len(each)), kind, valid)


def _plain(values: Sequence[float], kind: pa.DataType, valid: Bools | None) -> pa.Array:
    return number_column(_spread(np.fromiter(values, _NUMBERS[kind], len(values)), valid), kind, valid)


def _flags(values: Sequence[bool], _kind: pa.DataType, valid: Bools | None) -> pa.Array:
    return flag_column(_spread(np.frombuffer(bytes(values), np.bool_), valid), valid)


def _times(values: Sequence[datetime], kind: pa.DataType, valid: Bools | None) -> pa.Array:
    """Microseconds since 1970; a time without zone is taken as UTC."""
    since = [(time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH for time in values]
    return _plain([span // _MICROSECOND for span in since], kind, valid)


_TIME = pa.timestamp("us", "UTC")
_NUMBERS: dict[pa.DataType, type] = {
    pa.int8(): np.int8,
    pa.int32(): np.int32,
    pa.int64(): np.int64,
    pa.float64(): np.float64,
    _TIME: np.int64,
}
_Maker = Callable[[Sequence[Any], pa.DataType, "Bools | None"], pa.Array]
_MAKERS: dict[tuple[Any, ...], _Maker] = {
    (pa.bool_(), bool): _flags,
    (_TIME, datetime): _times,
    (pa.float64(), float): _plain,
    **{(kind, int): _plain for kind in (pa.int8(), pa.int32(), pa.int64())},
}
"""How values of one Python type become a column of one Arrow type."""
