"""A format's options as data: what CLI flags, `annokit formats` and the docs are made from."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import inspect

from annokit.formats._base import Format, Options

__all__ = ["OptionInfo", "describe_options"]

Kind: TypeAlias = Literal["text", "choice", "flag", "integer", "number", "list", "mapping"]

_KINDS: tuple[tuple[type[inspect.Type], Kind], ...] = (
    (inspect.BoolType, "flag"),
    (inspect.IntType, "integer"),
    (inspect.FloatType, "number"),
    (inspect.LiteralType, "choice"),
    (inspect.DictType, "mapping"),
    (inspect.ListType, "list"),
    (inspect.VarTupleType, "list"),
)


class OptionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One option of one format: its name in Python; on the command line `_` is `-`."""

    name: str
    format: str
    used: Literal["reading", "writing"]
    kind: Kind
    choices: tuple[Any, ...] = ()
    default: Any = None
    help: str = ""


def describe_options(format: Format) -> list[OptionInfo]:
    """All options of a format, those for reading first.

    >>> from annokit.formats import get
    >>> [option.name for option in describe_options(get("coco")) if option.used == "writing"]
    ['ids']
    """
    found: list[OptionInfo] = []
    if format.reader is not None:
        found += _described(format.name, "reading", format.reader.options)
    if format.writer is not None:
        found += _described(format.name, "writing", format.writer.options)
    return found


def _described(format: str, used: Literal["reading", "writing"], options: type[Options]) -> list[OptionInfo]:
    struct: Any = inspect.type_info(options)
    return [_option(format, used, field) for field in struct.fields]


def _option(format: str, used: Literal["reading", "writing"], field: inspect.Field) -> OptionInfo:
    type_, help_ = field.type, ""
    while isinstance(type_, inspect.Metadata | inspect.UnionType):
        if isinstance(type_, inspect.Metadata):
            help_ = str((type_.extra_json_schema or {}).get("description", help_))
            type_ = type_.type
        else:  # an option is of one type, or None where it is not given
            type_ = next(one for one in type_.types if not isinstance(one, inspect.NoneType))
    return OptionInfo(
        name=field.name,
        format=format,
        used=used,
        kind=next((kind for shape, kind in _KINDS if isinstance(type_, shape)), "text"),
        choices=tuple(type_.values) if isinstance(type_, inspect.LiteralType) else (),
        default=None if field.default is msgspec.NODEFAULT else field.default,
        help=help_,
    )
