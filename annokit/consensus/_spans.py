"""Everybody's stretches of a text as one set of stretches, character by character."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from annokit.consensus._classes import aggregate
from annokit.consensus._columns import coded, of_one_length, place_of
from annokit.consensus._methods import Method
from annokit.errors import UsageError

__all__ = ["MOST_CHARACTERS", "MergedSpans", "merge_spans"]

_FINE = 2.0**36
MOST_CHARACTERS = 50_000_000
"""Characters times the annotators who read them."""


@dataclass(frozen=True)
class MergedSpans:
    """What `merge_spans` found: one entry for each stretch, in order of items and starts.

    Attributes
    ----------
    item : (n,) array
    start, end : (n,) int64
        Characters; the end is exclusive.
    confidence : (n,) float64
        The mean over its characters of the probability that they belong to it.
    """

    item: NDArray[Any]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    confidence: NDArray[np.float64]


def merge_spans(
    item: Any,
    annotator: Any,
    start: Any,
    end: Any,
    *,
    assigned: Iterable[tuple[Any, Any]] | None = None,
    length: Mapping[Any, int] | None = None,
    method: Method = "map-dawid-skene",
) -> MergedSpans:
    """The characters that are marked, in the judgement of all who read the text.

    Every character is an item of `aggregate` that each reader answers with in or out; neighbours that are in make a
    stretch.

    Parameters
    ----------
    item, annotator : sequences or Arrow columns of ints or strings, of equal length
        Which text each stretch is in, and who marked it.
    start, end : (n,) integers
        Characters from 0; the end is exclusive.
    assigned : iterable of (item, annotator), optional
        Who read which text, for those who marked nothing there.
    length : mapping of item to int, optional
        Characters of each text; by default up to the last one that is marked.
    method : str
        As for `aggregate`; ``majority`` for what more than half marked.

    Returns
    -------
    MergedSpans

    Raises
    ------
    UsageError
        Columns that do not fit, stretches that end before they start or beyond the text.

    Examples
    --------
    >>> found = merge_spans([1, 1, 1], ["ann", "bob", "cid"], [2, 3, 2], [8, 8, 6], method="majority")
    >>> found.start.tolist(), found.end.tolist()
    ([2], [8])
    >>> merge_spans([], [], [], []).start.tolist()
    []
    """
    items, people = coded(item, "item"), coded(annotator, "annotator")
    of_one_length(item=items, annotator=people)
    first, last = _whole(start, "start", len(items.codes)), _whole(end, "end", len(items.codes))
    if (first < 0).any() or (last < first).any():
        raise UsageError("expected stretches with 0 <= start <= end")
    sizes = _sizes(items.codes, last, items.values, length)
    readers = _readers(items.codes, people.codes, items.values, people.values, assigned)
    total = int(sizes[readers[:, 0]].sum())
    if total > MOST_CHARACTERS:
        raise UsageError(f"expected at most {MOST_CHARACTERS} characters in all readings, got {total}")
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    character, reader, inside = _answers(items.codes, people.codes, first, last, readers, sizes, offsets)
    found = aggregate(character, reader, inside, method=method)
    chance = np.zeros(int(offsets[-1]) + 1)
    if 1 in found.classes.tolist():
        chance[found.item] = found.posterior[:, found.classes.tolist().index(1)]
    return _stretches(chance, offsets, items.names())


def _whole(values: Any, name: str, count: int) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.shape != (count,) or (count and array.dtype.kind not in "iu"):
        raise UsageError(f"expected {count} integers as {name}, got {array.dtype} of shape {array.shape}")
    if count and int(array.max()) > MOST_CHARACTERS:
        raise UsageError(f"expected at most {MOST_CHARACTERS} characters, got {name} {int(array.max())}")
    return array.astype(np.int64)


def _sizes(
    items: NDArray[Any], last: NDArray[np.int64], values: pa.Array, length: Mapping[Any, int] | None
) -> NDArray[np.int64]:
    sizes = np.zeros(len(values), np.int64)
    np.maximum.at(sizes, items, last)
    for place, name in enumerate(values.to_pylist()):
        given = None if length is None else length.get(name)
        if given is not None and given < sizes[place]:
            raise UsageError(
                f"expected stretches within the {given} characters of {name!r}, got {sizes[place]}"
            )
        if given is not None and given > MOST_CHARACTERS:
            raise UsageError(f"expected at most {MOST_CHARACTERS} characters, got {given} of {name!r}")
        sizes[place] = sizes[place] if given is None else given
    return sizes


def _readers(
    items: NDArray[Any],
    people: NDArray[Any],
    item_values: pa.Array,
    values: pa.Array,
    assigned: Iterable[tuple[Any, Any]] | None,
) -> NDArray[np.int64]:
    """Who read which text: (n, 2) codes of item and annotator; readers who never marked anything come after."""
    pairs = np.stack([items, people], axis=1).astype(np.int64)
    given = list(assigned or ())
    if given:
        where = place_of(pa.array([one for one, _ in given]), item_values)
        names = pa.array([other for _, other in given])
        known, others = place_of(names, values), coded(names, "assigned")
        who = np.where(known >= 0, known, len(values) + others.codes)
        pairs = np.concatenate([pairs, np.stack([where, who], axis=1)[where >= 0]])
    return np.unique(pairs, axis=0)


def _answers(
    items: NDArray[Any],
    people: NDArray[Any],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    readers: NDArray[np.int64],
    sizes: NDArray[np.int64],
    offsets: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """For each reading of each character: the character, the reader, 1 or 0."""
    lengths = sizes[readers[:, 0]]
    begins = np.concatenate([[0], np.cumsum(lengths)])
    places = np.arange(begins[-1]) - np.repeat(begins[:-1], lengths)
    character = places + np.repeat(offsets[readers[:, 0]], lengths)
    many = int(readers[:, 1].max(initial=0)) + 1
    rows = np.searchsorted(readers[:, 0] * many + readers[:, 1], items.astype(np.int64) * many + people)
    change = np.zeros(int(begins[-1]) + 1, np.int64)
    np.add.at(change, begins[rows] + first, 1)
    np.subtract.at(change, begins[rows] + last, 1)
    return character, np.repeat(readers[:, 1], lengths), (np.cumsum(change)[:-1] > 0).astype(np.int64)


def _stretches(chance: NDArray[np.float64], offsets: NDArray[np.int64], names: NDArray[Any]) -> MergedSpans:
    inside = chance > 0.5
    edge = np.zeros(len(inside) + 1, bool)
    edge[offsets] = True  # a stretch does not run on into the next text
    before = np.append(False, inside[:-1])
    starts = np.flatnonzero(inside & (~before | edge[:-1]))
    ends = np.flatnonzero(np.append(False, inside) & (~np.append(inside, False) | edge))
    owners = np.searchsorted(offsets, starts, side="right") - 1
    # Whole numbers: their sums are the same whatever other texts there are.
    sums = np.concatenate([[0], np.cumsum(np.rint(chance * _FINE).astype(np.int64))])
    confidence = (sums[ends] - sums[starts]) / _FINE / np.maximum(ends - starts, 1)
    return MergedSpans(names[owners], starts - offsets[owners], ends - offsets[owners], confidence)
