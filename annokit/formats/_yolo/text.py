"""The text of label files: rows of numbers written and read for many images at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Literal

import msgspec
import numpy as np

from annokit.errors import DecodeError, GeometryError, InputError, Where, shown
from annokit.geometry.ragged import ends
from annokit.model.base import Bools, Bytes, Floats, Indices
from annokit_fast import text

__all__ = ["Lines", "Rows", "box_rows", "faults", "parse", "pose_rows", "ring_rows"]


def box_rows(
    classes: Indices,
    xywh: Floats,
    _offsets: Indices,
    sizes: Floats,
    decimals: int,
    scores: Floats | None = None,
) -> tuple[Bytes, Indices]:
    """The row of each object: ``class x y width height``, with the centre, in shares of the image.

    Parameters
    ----------
    classes : int64 (n,)
    xywh : float64 (n, 4)
        Left, top, width and height of each object in pixels.
    _offsets : int64 (n + 1,)
        Which row is whose: 0 to n.
    sizes : float64 (n, 2)
        Width and height of the image of each object.
    decimals : int
    scores : float64 (n,), optional
        From 0 to 1, put at the end of each row; NaN where there is none.

    Returns
    -------
    The text of all rows, and int64 (n + 1,), where each starts.

    Examples
    --------
    >>> one = np.array([[10.0, 10.0, 20.0, 40.0]])
    >>> rows, offsets = box_rows(np.array([3]), one, np.array([0, 1]), np.array([[100.0, 80.0]]), 2)
    >>> rows.tobytes(), offsets.tolist()
    (b'3 0.20 0.38 0.20 0.50\\n', [0, 22])
    """
    return text.yolo_boxes(classes, xywh, sizes, decimals, scores)


def ring_rows(
    classes: Indices,
    coords: Floats,
    offsets: Indices,
    sizes: Floats,
    decimals: int,
    scores: Floats | None = None,
) -> tuple[Bytes, Indices]:
    """The row of each object: ``class x1 y1 ... xn yn`` in shares of the image.

    `coords`, `offsets` hold the ring of each object in pixels; the rest is as for `box_rows`.
    """
    return text.yolo_rings(classes, coords, offsets, sizes, decimals, scores)


def pose_rows(
    classes: Indices,
    values: Floats,
    _offsets: Indices,
    sizes: Floats,
    decimals: int,
    scores: Floats | None = None,
) -> tuple[Bytes, Indices]:
    """The row of each object: ``class x y width height``, then ``x y visibility`` of each keypoint.

    `values` has left, top, width and height, then the keypoints, in pixels; the rest is as for `box_rows`.
    """
    keypoints = values[:, 4:].reshape(len(values), (values.shape[1] - 4) // 3, 3)
    return text.yolo_keypoints(classes, values[:, :4], keypoints, sizes, decimals, scores)


class Lines(msgspec.Struct, frozen=True):
    """The lines of several label files that hold numbers, blank ones left out.

    Attributes
    ----------
    numbers : float64 (k,)
        The numbers of all lines.
    offsets : int64 (n + 1,)
        Line i has ``numbers[offsets[i]:offsets[i + 1]]``.
    images : int64 (n,)
        Which of the files each line is in.
    files : sequence of bytes
        The files.
    """

    numbers: Floats
    offsets: Indices
    images: Indices
    files: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def lengths(self) -> Indices:
        """How many numbers each line has."""
        return np.diff(self.offsets)

    def places(self, lines: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Line number, from 1, and bytes of each of some lines, in their order."""
        image, found = -1, list[tuple[int, bytes]]()
        for line in lines:
            if image != self.images[line]:
                image = int(self.images[line])
                found = list(_lines(self.files[image]))
            yield found[line - int(np.searchsorted(self.images, image))]


def parse(files: Sequence[bytes]) -> Lines:
    r"""Every line of some label files; numbers that are none become NaN.

    >>> lines = parse([b"0 .5 .5 1 1\r\n\r\n1 2\n", b"x 1"])
    >>> lines.offsets.tolist(), lines.images.tolist()
    ([0, 5, 7, 9], [0, 0, 1])
    >>> lines.numbers[-2:]
    array([nan,  1.])
    """
    found = text.parse_lines(b"\n".join(files).replace(b"\r\n", b"\n"))
    if found is None:
        return _parsed(files)
    numbers, lengths = found
    images = np.repeat(np.arange(len(files)), [data.count(b"\n") + 1 for data in files])
    return Lines(numbers, ends(lengths[lengths > 0]), images[lengths > 0], files)


def _parsed(files: Sequence[bytes]) -> Lines:
    """The same, whatever is in them."""
    tokens, images = [], []
    for image, data in enumerate(files):
        found = [line.split() for _, line in _lines(data)]
        tokens += found
        images += [image] * len(found)
    words = list(chain.from_iterable(tokens))
    plain = not any(b"_" in data for data in files)  # Python reads 1_0 as 10
    offsets = ends([len(words) for words in tokens])
    return Lines(_numbers(words, plain), offsets, np.array(images, np.int64), files)


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each line that is not blank."""
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        if line.split(None, 1):
            yield number, line


def _numbers(words: list[bytes], plain: bool) -> Floats:
    if plain:
        with suppress(ValueError):
            return np.fromiter(map(float, words), np.float64, len(words))
    return np.fromiter(map(_number, words), np.float64, len(words))


def _number(word: bytes) -> float:
    try:
        return np.nan if b"_" in word else float(word)
    except ValueError:
        return np.nan


class Rows(msgspec.Struct, frozen=True):
    """What a row of a dataset is.

    Attributes
    ----------
    kind : str
        `plain` for boxes and polygons, told apart by their length; `obb` for four corners; `pose` for a box
        and keypoints.
    points, values : int
        Of a pose row: how many keypoints, and how many values each (3 with visibility).
    may_be_scored : bool
        Whether polygons may end with a confidence. Without it an even number of values is half a point;
        the other rows tell by their length.
    """

    kind: Literal["plain", "obb", "pose"]
    points: int = 0
    values: int = 3
    may_be_scored: bool = False

    @property
    def _length(self) -> int:
        """How many numbers a row without confidence has; for `plain`, a box."""
        return {"plain": 5, "obb": 9, "pose": 5 + self.points * self.values}[self.kind]

    def shaped(self, lines: Lines) -> Bools:
        """Which lines have as many numbers as a row may have."""
        lengths = lines.lengths
        good: Bools = (lengths == self._length) | (lengths == self._length + 1)
        if self.kind == "plain":
            good |= (lengths >= 7) & ((lengths % 2 == 1) | self.may_be_scored)
        return good

    def scored(self, lines: Lines) -> Bools:
        """Which lines, of those that are well shaped, end with a confidence."""
        lengths = lines.lengths
        scored: Bools = lengths % 2 == 0 if self.kind == "plain" else lengths > self._length
        return scored

    def boxed(self, lines: Lines) -> Indices:
        """The well-shaped lines that have a box after the class."""
        if self.kind == "obb":
            return np.empty(0, np.int64)
        return np.flatnonzero(self.shaped(lines) & ((self.kind == "pose") | (lines.lengths <= 6)))

    def __str__(self) -> str:
        if self.kind == "plain":
            return "4 values of a box (or 5 with a confidence), or 3 or more pairs of a polygon"
        if self.kind == "obb":
            return "4 corners (and perhaps a confidence)"
        return f"4 values of a box and {self.points} keypoints of {self.values} values each"


def faults(lines: Lines, rows: Rows, class_count: int) -> dict[int, tuple[bytes, InputError]]:
    """Lines with what is wrong with them: not numbers, no such class, or not as many values as a shape has."""
    if not len(lines):
        return {}
    starts = lines.offsets[:-1]
    finite = np.logical_and.reduceat(np.isfinite(lines.numbers), starts)
    classes = lines.numbers[starts]
    known = (classes >= 0) & (classes < class_count) & (classes == np.floor(classes))
    negative, unseen = _negative(lines, rows), _unseen(lines, rows)
    good = finite & known & rows.shaped(lines) & ~negative & ~unseen
    wrong = np.flatnonzero(~good).tolist()
    return {
        i: (place[1], _fault(lines, i, place, class_count, rows, bool(negative[i]), bool(unseen[i])))
        for i, place in zip(wrong, lines.places(wrong), strict=True)
    }


def _negative(lines: Lines, rows: Rows) -> Bools:
    """Which lines are boxes of negative width or height."""
    boxes = rows.boxed(lines)
    negative = np.zeros(len(lines), np.bool_)
    at = lines.offsets[boxes]
    negative[boxes] = (lines.numbers[at + 3] < 0) | (lines.numbers[at + 4] < 0)
    return negative


def _unseen(lines: Lines, rows: Rows) -> Bools:
    """Which lines have keypoints of a visibility that is none."""
    unseen = np.zeros(len(lines), np.bool_)
    if rows.kind == "pose" and rows.values == 3:
        poses = np.flatnonzero(rows.shaped(lines))
        seen = lines.numbers[lines.offsets[poses][:, None] + 7 + 3 * np.arange(rows.points)]
        unseen[poses] = ~np.isin(seen, (0.0, 1.0, 2.0)).all(axis=1)
    return unseen


def _fault(
    lines: Lines,
    index: int,
    place: tuple[int, bytes],
    class_count: int,
    rows: Rows,
    negative: bool,
    unseen: bool,
) -> InputError:
    number, line = place
    where, row = Where(line=number), lines.numbers[lines.offsets[index] : lines.offsets[index + 1]]
    if not np.isfinite(row).all():
        return DecodeError(f"expected finite numbers, got {_shown(line)}", where=where)
    if not (0 <= row[0] < class_count and row[0] == int(row[0])):
        word = _shown(line.split()[0])
        return DecodeError(f"expected a class from 0 to {class_count - 1}, got {word}", where=where)
    if negative:
        return GeometryError(f"expected a width and a height >= 0, got {_shown(line)}", where=where)
    if unseen:
        return GeometryError(f"expected visibilities 0, 1 or 2, got {_shown(line)}", where=where)
    return GeometryError(f"expected a class and {rows}, got {len(row)} values: {_shown(line)}", where=where)


def _shown(line: bytes) -> str:
    return shown(line[:400].decode("utf-8", "replace"))
