"""RleBatch: many run-length masks in four arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain
from typing import Any, NoReturn, SupportsIndex

import numpy as np

from annokit_fast import _rle_codec as codec
from annokit_fast._checks import Array, freeze, ragged, sizes, vector
from annokit_fast._threads import in_parts

__all__ = ["RleBatch", "batch_from_strings", "ends_of", "made_in_parts", "trusted"]

_WRONG = {
    codec.ENDS_EARLY: "the string ends within a number",
    codec.BAD_CHARACTER: "expected characters from '0' to 'o'",
    codec.BAD_COUNT: "expected counts from 0 to 2**32 - 1",
}


class RleBatch:
    """Many masks as runs: column-major, background first, as COCO counts them.

    Parameters
    ----------
    counts : (total,) uint32
        Run lengths of all masks, one mask after the other. Each mask starts with its background run, which may be 0.
    offsets : (n + 1,) int64
        Mask i has ``counts[offsets[i]:offsets[i + 1]]``, at least one of them.
    heights, widths : (n,) int32, or one number
        Sizes in pixels. The counts of a mask add up to its height times its width, which is less than 2**32.

    The arrays are kept, not copied, where their dtype fits, and are read-only views here. Anything with the buffer
    protocol or ``__array__`` is taken (a pyarrow array without nulls too). The counts need not be canonical:
    runs of length 0 may stand anywhere, see `canonical`.

    Raises
    ------
    ValueError
        Offsets that do not fit, sizes below 0 or too large, counts that do not add up.
    TypeError
        Arrays that do not hold whole numbers.

    Examples
    --------
    >>> batch = RleBatch([1, 2, 3], [0, 3], 3, 2)
    >>> len(batch), batch.to_coco()
    (1, [{'size': [3, 2], 'counts': b'123'}])
    >>> len(RleBatch([], [0], [], []))
    0
    """

    __slots__ = ("counts", "heights", "offsets", "widths")

    counts: Array
    offsets: Array
    heights: Array
    widths: Array

    def __init__(self, counts: Any, offsets: Any, heights: Any, widths: Any) -> None:
        self.counts = vector(counts, np.uint32, "counts")
        self.offsets = ragged(offsets, len(self.counts), "offsets", "counts")
        self.heights, self.widths = sizes(heights, widths, len(self.offsets) - 1)
        bad = codec.check_sums(self.counts, self.offsets, self.heights, self.widths)
        if bad >= 0:
            raise ValueError(_sum_message(self, bad))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, key: SupportsIndex | slice | Sequence[int] | Array) -> RleBatch:
        """The masks at `key` as a batch: an index gives a batch of one; slices, index and bool arrays work too."""
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step == 1:
                return self._between(start, max(start, stop))
            chosen = np.arange(start, stop, step)
        elif isinstance(key, SupportsIndex) and not isinstance(key, np.ndarray):
            index = range(len(self))[key.__index__()]
            return self._between(index, index + 1)
        else:
            chosen = np.arange(len(self))[np.asarray(key, dtype=None if len(key) else np.int64)]
        lengths = np.diff(self.offsets)[chosen]
        offsets = ends_of(lengths)
        where = np.repeat(self.offsets[:-1][chosen] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return trusted(self.counts[where], offsets, self.heights[chosen], self.widths[chosen])

    def __iter__(self) -> Iterator[RleBatch]:
        return (self._between(i, i + 1) for i in range(len(self)))

    def __add__(self, other: RleBatch) -> RleBatch:
        if not isinstance(other, RleBatch):
            return NotImplemented
        return RleBatch.concatenate([self, other])

    def __eq__(self, other: object) -> bool:
        """True when sizes and counts are the same; compare `canonical` batches to compare pixels."""
        if not isinstance(other, RleBatch):
            return NotImplemented
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in RleBatch.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"RleBatch({len(self)} masks, {len(self.counts)} counts)"

    def __reduce__(self) -> tuple[Any, ...]:
        return trusted, (self.counts, self.offsets, self.heights, self.widths)

    def _between(self, start: int, stop: int) -> RleBatch:
        if stop - start == len(self):
            return self
        first, last = self.offsets[start], self.offsets[stop]
        return trusted(
            self.counts[first:last],
            self.offsets[start : stop + 1] - first,
            self.heights[start:stop],
            self.widths[start:stop],
        )

    @staticmethod
    def concatenate(batches: Iterable[RleBatch]) -> RleBatch:
        """All masks of `batches`, in order, as one batch.

        Examples
        --------
        >>> one = RleBatch([4], [0, 1], 2, 2)
        >>> len(RleBatch.concatenate([one, one])), len(RleBatch.concatenate([]))
        (2, 0)
        """
        parts = list(batches)
        if not parts:
            return trusted(
                np.empty(0, np.uint32), np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.int32)
            )
        return trusted(
            np.concatenate([part.counts for part in parts]),
            ends_of(np.concatenate([np.diff(part.offsets) for part in parts])),
            np.concatenate([part.heights for part in parts]),
            np.concatenate([part.widths for part in parts]),
        )

    def canonical(self) -> RleBatch:
        """The same pixels in their one shortest form: no run of length 0 but the first, none at the end.

        Examples
        --------
        >>> RleBatch([1, 0, 2, 1, 0], [0, 5], 2, 2).canonical().counts.tolist()
        [3, 1]
        """
        from annokit_fast._rle_ops import UNION, merge_groups

        twice = np.repeat(np.arange(len(self)), 2)
        doubled = self[twice]
        groups = np.arange(0, 2 * len(self) + 1, 2)
        counts, offsets = merge_groups(
            doubled.counts, doubled.offsets, freeze(groups), self.heights, self.widths, UNION
        )
        return trusted(counts, offsets, self.heights, self.widths)

    @classmethod
    def from_coco(cls, rles: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> RleBatch:
        """From COCO's dicts: ``{"size": [height, width], "counts": str, bytes or list of int}``, or one such dict.

        Raises
        ------
        ValueError
            Counts that cannot be read or do not add up to the size; the message names the index.
        TypeError
            Not a dict with ``size`` and ``counts``, or counts that are not whole numbers.

        Examples
        --------
        >>> RleBatch.from_coco([{"size": [3, 2], "counts": "123"}, {"size": [1, 2], "counts": [0, 2]}]).counts.tolist()
        [1, 2, 3, 0, 2]
        >>> len(RleBatch.from_coco([]))
        0
        """
        items = [rles] if isinstance(rles, Mapping) else list(rles)
        if len(items) == 1 and (one := _single(items[0])) is not None:
            return one
        heights, widths = _coco_sizes(items)
        values = [item["counts"] for item in items]
        kinds = set(map(type, values))
        if kinds == {str}:
            values = [_ascii(text, i) for i, text in enumerate(values)]
            kinds = {bytes}
        if kinds <= {bytes}:
            text = np.frombuffer(b"".join(values), np.uint8)
            return _parsed(text, freeze(_item_ends(values)), *sizes(heights, widths, len(values)))
        if kinds & {str, bytes}:
            return cls.concatenate(map(cls.from_coco, items))
        lists = [vector(counts, np.uint32, f"counts of mask {i}") for i, counts in enumerate(values)]
        lists = [part if len(part) else np.zeros(1, np.uint32) for part in lists]
        return cls(np.concatenate(lists), _item_ends(lists), heights, widths)

    def to_coco(self, *, compressed: bool = True) -> list[dict[str, Any]]:
        """COCO's dicts, one a mask: counts as bytes, as pycocotools gives them, or as lists of int.

        Examples
        --------
        >>> RleBatch([1, 2, 3], [0, 3], 3, 2).to_coco(compressed=False)
        [{'size': [3, 2], 'counts': [1, 2, 3]}]
        """
        heights, widths = self.heights.tolist(), self.widths.tolist()
        values: Any
        if compressed:
            text, offsets = codec.to_strings(self.counts, self.offsets)
            values = text.tobytes()
        else:
            values, offsets = self.counts.tolist(), self.offsets
        ends = offsets.tolist()
        return [
            {"size": [height, width], "counts": values[start:stop]}
            for height, width, start, stop in zip(heights, widths, ends, ends[1:], strict=False)
        ]


def trusted(counts: Array, offsets: Array, heights: Array, widths: Array) -> RleBatch:
    """A batch of arrays that a kernel made, or that were checked before; nobody may write to them any more."""
    batch = RleBatch.__new__(RleBatch)
    batch.counts, batch.offsets, batch.heights, batch.widths = counts, offsets, heights, widths
    for array in (counts, offsets, heights, widths):
        array.setflags(write=False)
    return batch


def made_in_parts(make: Callable[[int, int], RleBatch], count: int, threads: int) -> RleBatch:
    """The masks that ``make(start, stop)`` gives for all of `count` items, over some threads."""
    parts = in_parts(make, count, threads)
    return parts[0] if len(parts) == 1 else RleBatch.concatenate(parts)


def batch_from_strings(buffer: Any, offsets: Any, heights: Any, widths: Any, threads: int) -> RleBatch:
    """See `rle.from_strings`."""
    text = np.frombuffer(buffer, np.uint8) if not isinstance(buffer, np.ndarray) else buffer
    text = vector(text, np.uint8, "buffer")
    ends = ragged(offsets, len(text), "offsets", "bytes")
    tall, wide = sizes(heights, widths, len(ends) - 1)
    if threads == 1:
        return _parsed(text, ends, tall, wide)

    def parsed(start: int, stop: int) -> RleBatch:
        first, last = ends[start], ends[stop]
        mine = freeze(ends[start : stop + 1] - first)
        return _parsed(text[first:last], mine, tall[start:stop], wide[start:stop], start)

    return made_in_parts(parsed, len(tall), threads)


def _parsed(text: Array, ends: Array, tall: Array, wide: Array, first: int = 0) -> RleBatch:
    """The masks of these strings; `first` is the number of the first one, for messages."""
    counts, starts, wrong, index = codec.from_strings(text, ends, tall, wide)
    if wrong == codec.BAD_SUM:
        raise ValueError(
            f"mask {first + index}: expected counts that add up to {int(tall[index]) * int(wide[index])} "
            f"({tall[index]} x {wide[index]}), got another sum"
        )
    if wrong:
        raise ValueError(f"mask {first + index}: {_WRONG[int(wrong)]}")
    return trusted(counts, starts, tall, wide)


def ends_of(lengths: Array | Sequence[int]) -> Array:
    """Offsets of items with these lengths."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _item_ends(items: Sequence[Any]) -> Array:
    """Offsets of these items, one after the other."""
    offsets = np.zeros(len(items) + 1, np.int64)
    offsets[1:] = np.fromiter(accumulate(map(len, items)), np.int64, len(items))
    return offsets


def _sum_message(batch: RleBatch, i: int) -> str:
    counts = batch.counts[batch.offsets[i] : batch.offsets[i + 1]]
    height, width = int(batch.heights[i]), int(batch.widths[i])
    if not len(counts):
        return f"mask {i}: expected at least one count, got none"
    total = int(counts.sum(dtype=np.int64))
    return f"mask {i}: expected counts that add up to {height * width} ({height} x {width}), got {total}"


def _single(item: Any) -> RleBatch | None:
    """The batch of one usual dict, the case where every microsecond counts; None for another."""
    if type(item) is not dict:
        return None
    counts, size = item.get("counts"), item.get("size")
    if type(counts) is not bytes or type(size) is not list or len(size) != 2:
        return None
    return _parsed(np.frombuffer(counts, np.uint8), _span(len(counts)), *sizes(size[0], size[1], 1))


@functools.lru_cache(maxsize=1024)
def _span(length: int) -> Array:
    """Offsets of one item."""
    return freeze(np.array([0, length], np.int64))


def _coco_sizes(items: Sequence[Any]) -> tuple[Any, Any]:
    """Heights and widths; a number each where, as in most files, all items have one size."""
    try:
        pairs = [item["size"] for item in items if item["counts"] is not None]
        good = len(pairs) == len(items) and set(map(len, pairs)) <= {2}
    except (TypeError, KeyError, IndexError):
        good = False
    if not good:
        _refuse_items(items)
    if pairs and type(pairs[0]) is list and pairs.count(pairs[0]) == len(pairs):
        return pairs[0][0], pairs[0][1]
    flat = list(chain.from_iterable(pairs))
    numbers = (
        np.array(flat, np.int64)
        if set(map(type, flat)) <= {int}
        else vector(np.array(flat), np.int64, "size")
    )
    return numbers[0::2].copy(), numbers[1::2].copy()


def _refuse_items(items: Sequence[Any]) -> NoReturn:
    """Say which item is no RLE."""
    for i, item in enumerate(items):
        if not isinstance(item, Mapping) or item.get("counts") is None or item.get("size") is None:
            raise TypeError(f"mask {i}: expected a dict with 'size' and 'counts', got {type(item).__name__}")
        if len(item["size"]) != 2:
            raise ValueError(f"size of mask {i}: expected [height, width], got {len(item['size'])} numbers")
    raise TypeError("expected dicts with 'size' and 'counts'")


def _ascii(text: str, i: int) -> bytes:
    try:
        return text.encode("ascii")
    except UnicodeEncodeError:
        raise ValueError(f"mask {i}: {_WRONG[codec.BAD_CHARACTER]}") from None
