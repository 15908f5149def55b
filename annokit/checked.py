"""Records a user made: of the types their fields have, with numpy's scalars as the plain numbers and texts they are.

Readers make the right types, so their rows never come here. What a field may hold is asked of the records themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import cache
from types import NoneType
from typing import Any, NamedTuple, TypeAlias, TypeVar

import msgspec
import numpy as np
from msgspec import inspect
from msgspec.structs import astuple, replace

from annokit.errors import GeometryError, LimitExceeded, UsageError, Where, shown
from annokit.io.faults import Spot, spot_path
from annokit.model import DataRow, Ontology, Polygon, Record
from annokit.model.geometry import fitting

__all__ = ["checked", "checked_rows", "writable"]

_R = TypeVar("_R", DataRow, Ontology)
_Take: TypeAlias = Callable[[Any, Spot], Any]

_NOT_ITS = object()
"""What a taker gives for a value of another type."""


def checked(record: _R) -> _R:
    """The record itself, or one with plain numbers and texts in place of numpy's scalars, and tuples in place of lists.

    Raises
    ------
    UsageError
        A field holds another type, or what no output can hold; the message says which.
    GeometryError
        The offsets of a polygon do not fit its vertices.
    LimitExceeded
        It is nested too deeply.

    Examples
    --------
    >>> from annokit.model import Asset
    >>> checked(DataRow(id="r1", asset=Asset(width=np.int64(640)))).asset.width
    640
    >>> checked(DataRow(id="r1", asset=Asset(width="640")))
    Traceback (most recent call last):
    annokit.errors.UsageError: data_row=r1 $.asset.width: expected a whole number or None, got str '640'
    """
    where = _where(record)
    try:
        made: _R = _record(record, "$")
    except (UsageError, GeometryError) as error:
        error.where = where.at(path=error.where.path)
        raise
    except RecursionError:
        raise LimitExceeded("expected a record that is not nested so deeply", where=where) from None
    return made


def _where(record: DataRow | Ontology) -> Where:
    return Where(record=str(record.id)) if isinstance(record, DataRow) else Where("ontology")


def writable(record: _R) -> _R:
    """The record as `checked` has it; also texts that no output can hold are refused.

    >>> writable(DataRow(id="r1", external_id="\\ud800"))
    Traceback (most recent call last):
    annokit.errors.UsageError: data_row=r1 $.external_id: expected a text without lone surrogates, got str '\\ud800'
    """
    made = checked(record)
    try:
        _ENCODER.encode(made)
    except UnicodeEncodeError as error:
        value, spot = next(_odd_texts(made, "$"), (error.object, "$"))
        problem = _refused("a text without lone surrogates", value, spot)
        problem.where = _where(record).at(path=problem.where.path)
        raise problem from error
    return made


_ENCODER = msgspec.json.Encoder(enc_hook=lambda _array: None)


def _odd_texts(value: Any, spot: Spot) -> Iterator[tuple[str, Spot]]:
    """The texts that UTF-8 cannot hold, and where they are."""
    if isinstance(value, Record):
        value = dict(zip(value.__struct_fields__, astuple(value), strict=True))
    if isinstance(value, str) and _SURROGATE.search(value):
        yield value, spot
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _odd_texts(key, spot)
            yield from _odd_texts(one, (spot, key))
    elif isinstance(value, tuple | list):
        for index, one in enumerate(value):
            yield from _odd_texts(one, (spot, index))


_SURROGATE = re.compile("[\ud800-\udfff]")


def checked_rows(rows: Iterable[DataRow]) -> Iterator[DataRow]:
    """Each row as `writable` has it; what is no data row is refused."""
    for row in rows:
        if not isinstance(row, DataRow):
            raise UsageError(f"expected data rows, got {type(row).__name__}", hint="annokit.model.DataRow")
        yield writable(row)


class _Field(NamedTuple):
    """A field of a record; values of the types in `plain` need no further look."""

    name: str
    default: Any
    plain: frozenset[type]
    take: _Take


def _record(record: Record, spot: Spot) -> Any:
    if type(record) is Polygon:
        _check_rings(record, spot)
    values = astuple(record)
    changed = {}
    for place, (name, default, _, take) in _unsure(type(record), tuple(map(type, values))):
        value = values[place]
        if value is default:
            continue
        made = take(value, (spot, name))
        if made is not value:
            changed[name] = made
    return replace(record, **changed) if changed else record


def _check_rings(polygon: Polygon, spot: Spot) -> None:
    """Look at arrays that were read-only when it was made, and so taken as they were."""
    try:
        fitting(polygon.coords, polygon.ring_offsets, polygon.part_offsets)
    except GeometryError as error:
        error.where = Where(path=spot_path(spot))
        raise


@cache
def _unsure(cls: type[Record], types: tuple[type, ...]) -> list[tuple[int, _Field]]:
    """Which fields of a record need a look at their values, when these are of such types."""
    return [
        (place, field)
        for place, (field, kind) in enumerate(zip(_fields(cls), types, strict=True))
        if kind not in field.plain
    ]


@cache
def _fields(cls: type[Record]) -> list[_Field]:
    kinds = inspect.type_info(cls)
    assert isinstance(kinds, inspect.StructType)  # noqa: S101  # for mypy
    found = []
    for field, kind in zip(msgspec.structs.fields(cls), kinds.fields, strict=True):
        types = kind.type.types if isinstance(kind.type, inspect.UnionType) else (kind.type,)
        plain = {one for kind in types for one in _PLAIN.get(type(kind), ())}
        if NoneType in plain:
            plain.discard(float)  # NaN is None there
        found.append(_Field(field.name, field.default, frozenset(plain), _taker(types)))
    return found


_PLAIN: dict[type, tuple[type, ...]] = {
    inspect.StrType: (str,),
    inspect.FloatType: (float,),
    inspect.BoolType: (bool,),
    inspect.NoneType: (NoneType,),
    inspect.DateTimeType: (datetime,),
    inspect.CustomType: (np.ndarray,),  # the records make arrays themselves
}

_WORDS: dict[type, str] = {
    inspect.StrType: "a text",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.BoolType: "True or False",
    inspect.NoneType: "None",
    inspect.DateTimeType: "a datetime",
    inspect.CustomType: "an array",
    inspect.DictType: "a dict",
    inspect.AnyType: "anything",
}


def _taker(types: Iterable[inspect.Type]) -> _Take:
    """What takes a value of one of these types, and refuses others."""
    takers = [_TAKERS[type(kind)](kind) for kind in types if not isinstance(kind, inspect.StructType)]
    may_be_none = any(isinstance(kind, inspect.NoneType) for kind in types)
    records: tuple[Any, ...] = tuple([kind.cls for kind in types if isinstance(kind, inspect.StructType)])
    expected = " or ".join(map(_word, types))

    def take(value: Any, spot: Spot) -> Any:
        if isinstance(value, records):
            return _record(value, spot)
        if may_be_none and _is_missing(value):
            return None
        for one in takers:
            made = one(value, spot)
            if made is not _NOT_ITS:
                return made
        raise _refused(expected, value, spot)

    return take


def _refused(expected: str, value: Any, spot: Spot) -> UsageError:
    got = "None" if value is None else f"{type(value).__name__} {shown(repr(value))}"
    return UsageError(f"expected {expected}, got {got}", where=Where(path=spot_path(spot)))


def _is_missing(value: Any) -> bool:
    """Whether it is NaN or NaT, as pandas has it where there is no value."""
    return isinstance(value, float | np.floating | datetime) and bool(value != value)  # noqa: PLR0124


def _word(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.StructType):
        return kind.cls.__name__
    if isinstance(kind, inspect.LiteralType):
        return " or ".join(map(repr, kind.values))
    if isinstance(kind, inspect.VarTupleType):
        of = kind.item_type.types if isinstance(kind.item_type, inspect.UnionType) else (kind.item_type,)
        return f"a tuple of {' or '.join(map(_word, of))}"
    if isinstance(kind, inspect.TupleType):
        return f"a tuple of {len(kind.item_types)}"
    return _WORDS[type(kind)]


def _scalar(accepted: tuple[type, ...], plain: Callable[[Any], Any]) -> Callable[[inspect.Type], _Take]:
    """What takes a scalar of these classes, which numpy's are, too; a bool is no number."""

    def take(value: Any, spot: Spot) -> Any:
        fits = isinstance(value, accepted) and (type(value) is not bool or bool in accepted)
        return _within(plain, value, spot) if fits else _NOT_ITS

    return lambda _kind: take


def _within(plain: Callable[[Any], Any], value: Any, spot: Spot) -> Any:
    try:
        return plain(value)
    except OverflowError as error:
        raise _refused("a number that fits 64 bits", value, spot) from error


def _number(value: Any) -> float:
    if not isinstance(value, int | np.integer):
        return float(value)
    float(value)
    return int(value)


def _whole(value: Any) -> int:
    if not -(1 << 63) <= value < 1 << 63:
        raise OverflowError
    return int(value)


def _moment(value: datetime) -> Any:
    return _NOT_ITS if _is_missing(value) else value


def _literal(kind: Any) -> _Take:
    return lambda value, _spot: (
        str.__str__(value) if isinstance(value, str) and value in kind.values else _NOT_ITS
    )


def _tuple(kind: Any) -> _Take:
    item = kind.item_type if isinstance(kind, inspect.VarTupleType) else kind.item_types[0]
    length = None if isinstance(kind, inspect.VarTupleType) else len(kind.item_types)
    inner = _taker(item.types if isinstance(item, inspect.UnionType) else (item,))

    def take(value: Any, spot: Spot) -> Any:
        if not isinstance(value, tuple | list) or length not in (None, len(value)):
            return _NOT_ITS
        made = tuple([inner(one, (spot, index)) for index, one in enumerate(value)])
        return value if type(value) is tuple and _all_same(made, value) else made

    return take


def _dict(_kind: Any) -> _Take:
    def take(value: Any, spot: Spot) -> Any:
        if isinstance(value, dict):
            return _json(value, spot) if value else value  # most are empty
        return _NOT_ITS

    return take


def _json(value: Any, spot: Spot) -> Any:
    """What only one format knows, of any type JSON has: numpy's scalars and arrays in it become plain."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, dict):
        made = {_key(key, spot): _json(one, (spot, key)) for key, one in value.items()}
        return value if _all_same(made.values(), value.values()) and _all_same(made, value) else made
    if isinstance(value, list | tuple):
        items = [_json(one, (spot, index)) for index, one in enumerate(value)]
        return value if _all_same(items, value) else items
    if not isinstance(value, _JSON):
        _check_json(value, spot)
    return value


def _key(key: Any, spot: Spot) -> Any:
    if not isinstance(key, str | int | float | np.generic):
        raise _refused("a text as a key of JSON", key, spot)
    return _json(key, spot)


_JSON = (str, bool, int, float, NoneType)


def _check_json(value: Any, spot: Spot) -> None:
    try:
        msgspec.json.encode(value)
    except (TypeError, ValueError) as error:
        raise _refused("what JSON can hold", value, spot) from error


def _all_same(made: Iterable[Any], given: Iterable[Any]) -> bool:
    return all(one is other for one, other in zip(made, given, strict=True))


_TAKERS: dict[type, Callable[[Any], _Take]] = {
    inspect.StrType: _scalar((str,), str.__str__),
    inspect.IntType: _scalar((int, np.integer), _whole),
    inspect.FloatType: _scalar((float, int, np.floating, np.integer), _number),
    inspect.BoolType: _scalar((bool, np.bool_), bool),
    inspect.NoneType: _scalar((NoneType,), lambda none: none),
    inspect.DateTimeType: _scalar((datetime,), _moment),
    inspect.CustomType: _scalar((np.ndarray,), lambda array: array),
    inspect.LiteralType: _literal,
    inspect.VarTupleType: _tuple,
    inspect.TupleType: _tuple,
    inspect.DictType: _dict,
    inspect.AnyType: lambda _kind: _json,
}
