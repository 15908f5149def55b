"""Typed decoding of JSON that costs one bad record one record.

The fast path is a whole batch through one msgspec decoder that refuses unknown keys. Only when that fails,
`salvage` walks the same bytes: what decodes is kept as the fast path would have, unknown keys land in
`extra`, and an element that cannot be decoded is handed over and left out.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import islice
from typing import Annotated, Any, ClassVar, TypeAlias, TypeVar, Union, get_args, get_origin, overload

import msgspec
from msgspec import Meta, Raw, Struct

from annokit.errors import AnnokitError, DecodeError, Where, shown
from annokit.io.faults import BAD_JSON, Spot, decode_error, spot_path

__all__ = ["BAD_JSON", "Reject", "Wire", "decode_error", "decoder", "salvage"]

T = TypeVar("T")

Reject: TypeAlias = Callable[[str, str, AnnokitError, bytes], None]
"""Called as ``reject(unit, path, error, raw)`` with what was left out."""

_ARRAY = re.compile(rb"[ \t\r\n]*\[")
_EXTRA = "(extra)"
_LEAF = object()


class Wire(Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """Base of the structs that mirror a platform's JSON; for decoding only, so there are no cycles to collect.

    Attributes
    ----------
    unit : str or None
        Class attribute: what one of these is called when it alone is left out of a list or an object
        (``"object"``, ``"label"``). None when it takes the thing around it along.
    extra : dict or None
        Keys the struct does not know, filled by `salvage`. No key of the input can reach it directly: its
        name there is unlikely, and its constraint impossible.
    """

    unit: ClassVar[str | None] = None

    extra: Annotated[dict[str, Any], Meta(min_length=1, max_length=0)] | None = msgspec.field(
        name=_EXTRA, default=None
    )


decoder: Callable[[Any], msgspec.json.Decoder[Any]] = cache(msgspec.json.Decoder)
"""The msgspec decoder for a type, made once."""


@overload
def salvage(raw: bytes | Raw, tp: type[T], path: str = ..., *, reject: Reject) -> T: ...
@overload
def salvage(raw: bytes | Raw, tp: Any, path: str = ..., *, reject: Reject) -> Any: ...
def salvage(raw: bytes | Raw, tp: Any, path: str = "$", *, reject: Reject) -> Any:
    """Decode `raw` as `tp`, leaving out the units that cannot be decoded.

    A unit is a `Wire` struct with a `unit` name that stands in a list or as a value of an object. A fault
    takes along the smallest unit around it, and what was already left out of that unit is not reported
    apart. Containers with constraints (``Annotated[list[...], ...]``) are decoded whole.

    Parameters
    ----------
    raw : bytes or msgspec.Raw
        The JSON text.
    tp : type
        The type of the whole.
    path : str
        JSON path of `raw` in its document, put before the paths in errors.
    reject : callable
        Called as ``reject(unit, path, error, raw)`` for each element left out, in order, and only when the
        rest could be decoded.

    Returns
    -------
    tp
        What the fast decoder would give without the rejected elements and the unknown keys.

    Raises
    ------
    DecodeError
        The fault is in no unit.
    LimitExceeded
        It is nested too deeply.

    Examples
    --------
    >>> class Point(Wire):
    ...     unit = "point"
    ...     x: float
    >>> salvage(b'[{"x": 1}, {"x": "a"}]', list[Point], reject=lambda *found: print(*found))
    point $[1] $[1].x: expected float, got str b'{"x": "a"}'
    [Point(x=1.0, extra=None)]
    """
    walk = _Walk()
    try:
        value = walk.value(raw, tp, path)
    except RecursionError as error:
        raise decode_error(error, path) from None
    for left_out in walk.left_out:
        reject(*left_out)
    return value


class _Walk:
    """One salvage: what was left out so far, and one method for each shape of type."""

    def __init__(self) -> None:
        self.left_out: list[tuple[str, str, DecodeError, bytes]] = []

    def value(self, raw: bytes | Raw, tp: Any, spot: Spot) -> Any:
        """The fast decoder if it will; else piece by piece where the type has pieces."""
        try:
            return decoder(tp).decode(raw)
        except BAD_JSON as error:
            shape, inner = _shape(tp)
            if shape is _LEAF:
                raise decode_error(error, spot_path(spot), raw) from None
        if shape is Union:
            shape, inner = _shape(_alternative(tp, raw))
        if shape is list:
            elements = _decoded(raw, list[Raw], spot)
            return [value for _, value in self.kept(enumerate(elements), inner, spot)]
        if shape is dict:
            members = _decoded(raw, dict[inner[0], Raw], spot)  # type: ignore[valid-type]
            return dict(self.kept(members.items(), inner[1], spot))
        return self.struct(raw, inner, spot) if shape is Struct else _decoded(raw, tp, spot)

    def kept(self, pairs: Iterable[tuple[Any, Raw]], tp: Any, spot: Spot) -> Iterator[tuple[Any, Any]]:
        """The elements of a list or an object that can be decoded, with their index or key."""
        unit = _unit(tp)
        for key, raw in pairs:
            mark = len(self.left_out)
            try:
                yield key, self.value(raw, tp, (spot, key))
            except DecodeError as error:
                if unit is None:
                    raise
                del self.left_out[mark:]
                self.left_out.append((unit, spot_path((spot, key)), error, bytes(raw)))

    def struct(self, raw: bytes | Raw, cls: type[Struct], spot: Spot) -> Struct:
        members = _decoded(raw, dict[str, Raw], spot)
        _take_tag(members, cls, spot)
        extra = _take_unknown(members, cls, spot)
        if not extra:
            return self.fields(members, cls, spot, ())
        try:  # unknown keys are the usual fault, and without them the rest is mostly good
            value: Struct = decoder(cls).decode(msgspec.json.encode(members))
        except BAD_JSON:
            value = self.fields(members, cls, spot, extra)
        msgspec.structs.force_setattr(value, "extra", extra)
        return value

    def fields(self, members: dict[str, Raw], cls: type[Struct], spot: Spot, extra: Iterable[str]) -> Struct:
        """The struct field by field, each as far as it can be decoded."""
        values: dict[str, Any] = {}
        for wire_name, (name, tp, required) in _fields(cls).items():
            if wire_name in members:
                values[name] = self.value(members[wire_name], tp, (spot, wire_name))
            elif required:
                raise _fault(f'expected the key "{wire_name}", got {_listed((*members, *extra))}', spot)
        try:
            return cls(**values)
        except (TypeError, ValueError) as error:  # from its own __post_init__, as msgspec has it
            raise _fault(str(error), spot) from error


def _fault(problem: str, spot: Spot) -> DecodeError:
    return DecodeError(problem, where=Where(path=spot_path(spot)))


def _decoded(raw: bytes | Raw, tp: Any, spot: Spot) -> Any:
    try:
        return decoder(tp).decode(raw)
    except BAD_JSON as error:
        raise decode_error(error, spot_path(spot), raw) from None


def _take_unknown(members: dict[str, Raw], cls: type[Struct], spot: Spot) -> dict[str, Any]:
    """Remove the keys `cls` does not know, and decode them; refused where it has no place for them."""
    known = _fields(cls)
    unknown = {key: members.pop(key) for key in list(members) if key not in known}
    if unknown and not issubclass(cls, Wire):
        raise _fault(f"unknown key {_listed(unknown)}", spot)
    return {key: _decoded(raw, Any, (spot, key)) for key, raw in unknown.items()}


def _take_tag(members: dict[str, Raw], cls: type[Struct], spot: Spot) -> None:
    """Remove the key that names the class, after looking that it names this one."""
    field, tag = cls.__struct_config__.tag_field, cls.__struct_config__.tag
    if field in members and (found := _decoded(members.pop(field), Any, (spot, field))) != tag:
        raise _fault(f"expected {shown(tag)}, got {shown(found)}", (spot, field))


def _listed(keys: Iterable[str]) -> str:
    """Keys as they may stand in a message."""
    return ", ".join(f'"{shown(key, 40)}"' for key in islice(keys, 12)) or "none"


@cache
def _fields(cls: type[Struct]) -> dict[str, tuple[str, Any, bool]]:
    """By name on the wire: name, type and whether it is required, of each field but `extra`."""
    return {
        field.encode_name: (field.name, field.type, field.required)
        for field in msgspec.structs.fields(cls)
        if field.encode_name != _EXTRA
    }


@cache
def _shape(tp: Any) -> tuple[Any, Any]:
    """What it is to salvage: list, dict, Union, Struct or a leaf; with the types of its pieces."""
    origin, args = get_origin(tp), get_args(tp)
    if isinstance(tp, type) and issubclass(tp, Struct):
        return (_LEAF if tp.__struct_config__.array_like else Struct), tp
    if origin is types.UnionType:
        origin = Union
    if origin not in (list, dict, Union) or all(_shape(piece)[0] is _LEAF for piece in args):
        return _LEAF, tp
    return origin, args[0] if origin is list else args


@cache
def _unit(tp: Any) -> str | None:
    """What an element of this type is called when it is left out alone."""
    shape, inner = _shape(tp)
    classes = inner if shape is Union else (tp,)
    return next((cls.unit for cls in classes if isinstance(cls, type) and issubclass(cls, Wire)), None)


def _alternative(tp: Any, raw: bytes | Raw) -> Any:
    """The member of the union `tp` that `raw` looks like; None when there is not just one."""
    wanted = (list,) if _ARRAY.match(raw) else (dict, Struct)
    fits = [piece for piece in get_args(tp) if _shape(piece)[0] in wanted]
    if len(fits) > 1 and Struct in wanted:
        fits = [piece for piece in fits if _tagged(raw, piece)]
    return fits[0] if len(fits) == 1 else None


def _tagged(raw: bytes | Raw, cls: Any) -> bool:
    """Whether the object `raw` names `cls` under its tag key."""
    config = getattr(cls, "__struct_config__", None)
    try:
        members = decoder(dict[str, Raw]).decode(raw)
        return (
            config is not None and decoder(Any).decode(members.get(config.tag_field, b"null")) == config.tag
        )
    except BAD_JSON:
        return False
