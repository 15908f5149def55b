"""The base of every record: frozen, keyword-only, equal by value, arrays read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, dataclass_transform

import msgspec
import numpy as np
from numpy.typing import NDArray

from annokit.errors import GeometryError, LimitExceeded

__all__ = [
    "DEEPEST",
    "Bools",
    "Bytes",
    "Bytes8",
    "Counts",
    "Floats",
    "Indices",
    "Record",
    "as_readonly",
    "check_depth",
    "copied",
    "is_final",
]

Floats: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.int64]
Counts: TypeAlias = NDArray[np.uint32]
Bools: TypeAlias = NDArray[np.bool_]
Bytes: TypeAlias = NDArray[np.uint8]
Bytes8: TypeAlias = NDArray[np.int8]

DEEPEST = 64
"""How many questions may stand one below the other: whoever goes down into them gets there, as deep as Python goes."""


if TYPE_CHECKING:

    @dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
    class _RecordMeta(msgspec.StructMeta):
        """Tells type checkers what every record is."""

else:  # under a metaclass written in Python, Python 3.11 takes three times as long to make a record
    _RecordMeta = msgspec.StructMeta


class Record(
    msgspec.Struct,
    metaclass=_RecordMeta,
    frozen=True,
    eq=False,
    gc=False,
    omit_defaults=True,
):
    """Base of all model records.

    Records compare by value (arrays element by element), cannot be changed and have no hash.
    Use `msgspec.structs.replace(record, field=...)` for a changed copy, and `ObjectAnnotation.reshaped` for another shape.
    """

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # equal by value, and may hold arrays

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(_same(getattr(self, name), getattr(other, name)) for name in self.__struct_fields__)

    def __ne__(self, other: object) -> bool:  # msgspec has its own, which would compare identities
        return not self == other

    def copy(self) -> Self:
        """The same record with arrays of its own.

        Readers hand out views into the batch they parsed, so one row that is kept alone keeps
        its whole batch alive; a copy does not.
        """
        fields = {name: copied(getattr(self, name)) for name in self.__struct_fields__}
        return type(self)(**fields)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.array_equal(a, b)
    return bool(a == b)


def copied(value: Any) -> Any:
    """`value` with every array and every record in it copied."""
    if isinstance(value, np.ndarray):
        return as_readonly(value.copy(), value.dtype)
    if isinstance(value, Record):
        return value.copy()
    if isinstance(value, tuple):
        return tuple([copied(item) for item in value])
    return value


def check_depth(top: Any, choices: str, deepest: int = DEEPEST) -> None:
    """Refuse what asks more questions one below the other; `choices` is its field of answers or options."""
    level = [top]
    for _ in range(deepest):
        level = [
            below
            for one in level
            for holder in (one, *getattr(one, choices))
            for below in holder.classifications
        ]
        if not level:
            return
    raise LimitExceeded(f"expected questions nested {deepest} deep at most, got more")


def as_readonly(values: Any, dtype: Any, shape: tuple[int | None, ...] | None = None) -> NDArray[Any]:
    """`values` as a read-only array of `dtype`; without a copy when it already is one.

    `shape` has None where any length will do. Whoever passes a writeable array keeps it writeable:
    the record gets a copy.
    """
    array = values if is_final(values, dtype) else _coerced(values, dtype, shape)
    if shape is not None and not _fits(array, shape):
        raise GeometryError(f"expected an array of shape {_spelled(shape)}, got {array.shape}")
    if array.flags.writeable:
        array.flags.writeable = False
    return array


def is_final(values: Any, dtype: Any) -> bool:
    """Whether `values` is a read-only array of `dtype` already."""
    return type(values) is np.ndarray and values.dtype is dtype and not values.flags.writeable


def _coerced(values: Any, dtype: Any, shape: tuple[int | None, ...] | None) -> NDArray[Any]:
    try:
        array = np.array(values, dtype=dtype)
        if array.dtype.kind in "iu" and not np.array_equal(array, values):
            raise ValueError(f"{np.asarray(values).ravel()[:4].tolist()} would change")
    except (TypeError, ValueError, OverflowError) as error:
        raise GeometryError(f"expected numbers that make an array of {np.dtype(dtype)}: {error}") from error
    if array.size == 0 and shape is not None and None in shape:  # [] says nothing of its second axis
        array = array.reshape([length or 0 for length in shape])
    return array


def _fits(array: NDArray[Any], shape: tuple[int | None, ...]) -> bool:
    return array.ndim == len(shape) and all(
        want is None or want == have for want, have in zip(shape, array.shape, strict=True)
    )


def _spelled(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("n" if length is None else str(length) for length in shape) + ")"
