"""Records a user made: of the types their fields have, with numpy's scalars as the plain numbers and texts they are.

Readers make the right types, so their rows never come here. What a field may hold is asked of the records themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import cache
from types import NoneType
from typing import Any, NamedTuple, TypeAlias, TypeVar

import msgspec
import numpy as np
from msgspec import inspect
from msgspec.structs import astuple, replace

from annokit.errors import LimitExceeded, UsageError, Where, shown
from annokit.io.faults import Spot, spot_path
from annokit.model import DataRow, Ontology, Record

__all__ = ["checked", "checked_rows"]

_R = TypeVar("_R", DataRow, Ontology)
_Take: TypeAlias = Callable[[Any, Spot], Any]

_NOT_ITS = object()
"""What a taker gives for a value of another type."""


def checked(record: _R) -> _R:
    """The record itself, or one with plain numbers and texts in place of numpy's scalars, and tuples in place of lists.

    Raises
    ------
    UsageError
        A field holds another type; the message says which.
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
    where = Where(record=str(record.id)) if isinstance(record, DataRow) else Where("ontology")
    try:
        made: _R = _record(record, "$")
    except UsageError as error:
        error.where = where.at(path=error.where.path)
        raise
    except RecursionError:
        raise LimitExceeded("expected a record that is not nested so deeply", where=where) from None
    return made


def checked_rows(rows: Iterable[DataRow]) -> Iterator[DataRow]:
    """Each row as `checked` has it; what is no data row is refused."""
    for row in rows:
        if not isinstance(row, DataRow):
            raise UsageError(f"expected data rows, got {type(row).__name__}", hint="annokit.model.DataRow")
        yield checked(row)


class _Field(NamedTuple):
    """A field of a record; values of the types in `plain` need no further look."""

    name: str
    default: Any
    plain: frozenset[type]
    take: _Take


def _record(record: Record, spot: Spot) -> Any:
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
        plain = frozenset(one for kind in types for one in _PLAIN.get(type(kind), ()))
        found.append(_Field(field.name, field.default, plain, _taker(types)))
    return found


_PLAIN: dict[type, tuple[type, ...]] = {
    inspect.StrType: (str,),
    inspect.IntType: (int,),
    inspect.FloatType: (float, int),
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
    records: tuple[Any, ...] = tuple([kind.cls for kind in types if isinstance(kind, inspect.StructType)])
    expected = " or ".join(map(_word, types))

    def take(value: Any, spot: Spot) -> Any:
        if isinstance(value, records):
            return _record(value, spot)
        for one in takers:
            made = one(value, spot)
            if made is not _NOT_ITS:
                return made
        got = "None" if value is None else f"{type(value).__name__} {shown(repr(value))}"
        raise UsageError(f"expected {expected}, got {got}", where=Where(path=spot_path(spot)))

    return take


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

    def take(value: Any, _spot: Spot) -> Any:
        fits = isinstance(value, accepted) and (type(value) is not bool or bool in accepted)
        return plain(value) if fits else _NOT_ITS

    return lambda _kind: take


def _number(value: Any) -> float:
    return int(value) if isinstance(value, int | np.integer) else float(value)


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
    """What only one format knows, of any type: numpy's scalars and arrays in it become plain."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        made = {_json(key, spot): _json(one, spot) for key, one in value.items()}
        return value if _all_same(made.values(), value.values()) and _all_same(made, value) else made
    if isinstance(value, list | tuple):
        items = [_json(one, spot) for one in value]
        return value if _all_same(items, value) else items
    return value


def _all_same(made: Iterable[Any], given: Iterable[Any]) -> bool:
    return all(one is other for one, other in zip(made, given, strict=True))


_TAKERS: dict[type, Callable[[Any], _Take]] = {
    inspect.StrType: _scalar((str,), str.__str__),
    inspect.IntType: _scalar((int, np.integer), int),
    inspect.FloatType: _scalar((float, int, np.floating, np.integer), _number),
    inspect.BoolType: _scalar((bool, np.bool_), bool),
    inspect.NoneType: _scalar((NoneType,), lambda none: none),
    inspect.DateTimeType: _scalar((datetime,), lambda moment: moment),
    inspect.CustomType: _scalar((np.ndarray,), lambda array: array),
    inspect.LiteralType: _literal,
    inspect.VarTupleType: _tuple,
    inspect.TupleType: _tuple,
    inspect.DictType: _dict,
    inspect.AnyType: lambda _kind: _json,
}
