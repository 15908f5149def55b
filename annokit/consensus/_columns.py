"""Columns of ids and labels as codes: 0, 1, 2 ... in the order of their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from annokit.errors import UsageError, shown

__all__ = ["Coded", "Repeats", "coded", "counting", "of_one_length", "ordered_sum", "place_of"]

Repeats: TypeAlias = Literal["keep", "last"]
"""Of several answers of an annotator to one item: all count, or the last in order."""


class Coded(NamedTuple):
    """A column: `codes` (n,) int32, and the value of each code, rising; -1 for a missing value."""

    codes: NDArray[np.int32]
    values: pa.Array

    def names(self) -> NDArray[Any]:
        """The values as numpy has them: int64, or objects for text."""
        found: NDArray[Any] = self.values.to_numpy(zero_copy_only=False)
        return found


def coded(values: Any, name: str, *, order: Sequence[Any] | None = None, missing: bool = False) -> Coded:
    """A column of ints or strings as codes; `order` gives the values an order of their own.

    Raises
    ------
    UsageError
        Not one kind of values, missing ones unless `missing`, or a value that is not in `order`.
    """
    array = _array(values, name)
    if array.null_count and not missing:
        raise UsageError(f"expected a value in every place of {name}, got {array.null_count} missing ones")
    if pa.types.is_integer(array.type) and order is None and not array.null_count:
        found = _dense(array)
        if found is not None:
            return found
    encoded = array.dictionary_encode()
    distinct = encoded.dictionary
    if order is None:
        places = pc.sort_indices(distinct).to_numpy()
        known = distinct.take(places)
        ranks = np.empty(len(distinct) + 1, np.int32)
        ranks[places] = np.arange(len(distinct))
    else:
        known = _array(order, "order")
        ranks = np.append(place_of(distinct, known), np.int32(-1)).astype(np.int32)
        if (ranks[:-1] < 0).any():
            found = distinct[int(np.argmin(ranks[:-1]))].as_py()
            raise UsageError(f"expected values of {name} that are in order, got {shown(repr(found))}")
    ranks[-1] = -1
    indices = encoded.indices
    if array.null_count:
        indices = pc.fill_null(indices, len(distinct))
    return Coded(ranks[indices.to_numpy(zero_copy_only=False)], known)


def _dense(array: pa.Array) -> Coded | None:
    """Numbers that lie close together, without hashing them."""
    numbers = array.to_numpy()
    if not len(numbers) or not (-(2**62) < int(numbers.min()) <= int(numbers.max()) < 2**62):
        return None
    least = int(numbers.min())
    if int(numbers.max()) - least > 4 * len(numbers):
        return None
    places = numbers.astype(np.int64) - least
    present = np.zeros(int(places.max()) + 1, bool)
    present[places] = True
    ranks = np.cumsum(present, dtype=np.int32) - np.int32(1)
    return Coded(ranks[places], pa.array(np.flatnonzero(present) + least))


def place_of(values: pa.Array, known: pa.Array) -> NDArray[np.int64]:
    """The place of each value among `known`, -1 where it is not there."""
    if len(known) == 0 or len(values) == 0:
        return np.full(len(values), -1, np.int64)
    try:
        found = pc.index_in(values, value_set=known.cast(values.type))
    except pa.ArrowInvalid as error:
        raise UsageError(f"expected values of one kind, got {values.type} and {known.type}") from error
    places: NDArray[np.int64] = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return places


def of_one_length(**columns: Coded) -> None:
    """Raise a UsageError unless all columns are equally long."""
    lengths = {name: len(column.codes) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{n} in {name}" for name, n in lengths.items())
        raise UsageError(f"expected columns of one length, got {said}")


def counting(items: Coded, annotators: Coded, labels: Coded, repeats: Repeats) -> NDArray[np.bool_]:
    """Which responses count: those with a label; of an annotator's several to an item as `repeats` says.

    Raises
    ------
    UsageError
        Columns of different lengths, or no such choice.
    """
    of_one_length(item=items, annotator=annotators, label=labels)
    if repeats not in ("keep", "last"):
        raise UsageError(f"expected repeats keep or last, got {repeats!r}")
    there: NDArray[np.bool_] = labels.codes >= 0
    if repeats == "last":
        given = np.flatnonzero(there)[::-1]
        pairs = items.codes[given].astype(np.int64) * len(annotators.values) + annotators.codes[given]
        last = given[np.unique(pairs, return_index=True)[1]]
        there = np.zeros(len(there), bool)
        there[last] = True
    return there


def ordered_sum(values: NDArray[np.float64]) -> float:
    """A sum that does not depend on the order of the values, not even in its last bit."""
    return float(np.sort(values, axis=None).sum())


def _array(values: Any, name: str) -> pa.Array:
    """The values as Arrow has them; NaN, which is how arrays say that there is none, is missing."""
    try:
        array = (
            values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, from_pandas=True)
        )
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError) as error:
        raise UsageError(f"expected a column of ints or of strings as {name}: {error}") from error
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_null(array.type):
        array = array.cast(pa.string())
    if pa.types.is_floating(array.type):
        array = pc.if_else(pc.is_nan(array), None, array)
    if pa.types.is_nested(array.type):
        raise UsageError(f"expected a column of ints or of strings as {name}, got {array.type}")
    return array
