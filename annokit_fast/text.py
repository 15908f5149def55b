"""Coordinates out of and into text: JSON numbers, exactly rounded, and the rows of label files.

Each function has two bodies that give the same bytes and bits: a compiled kernel, and numpy with msgspec for as long as
there is too little to do to load the kernel for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from annokit_fast import _text_format, _text_parse, _text_plain, _text_words
from annokit_fast._checks import LARGEST, Array, freeze, per_item, ragged, vector
from annokit_fast._jit import is_busy

__all__ = [
    "is_compiled",
    "json_rings",
    "parse_lines",
    "parse_points",
    "parse_rings",
    "yolo_boxes",
    "yolo_keypoints",
    "yolo_rings",
]


def __dir__() -> list[str]:
    return __all__


_JSON, _ROUNDING = 1 / 200, 1 / 500
"""The work of the twins on one number, as a share of what `_jit` gives for one that a kernel reads as plain Python.

So 12 million numbers of JSON, or 30 million that are rounded, are worth loading numba for, which takes 0.3 s and 100 MB:
measured, the kernels save some 30 ns (90 if they are longer than 16 letters) and 15 ns on each. For long ones 3 million
would do in time, but a conversion of boxes needs no other kernel, and does without the memory.
"""

_LARGEST_SHARE = 9.0


def parse_rings(buffer: Any, offsets: Any, limit: float = LARGEST) -> tuple[Array, Array, Array, Array]:
    """Texts like ``[[x0, y0, x1, y1], [...]]``, as COCO has polygons, as arrays.

    Parameters
    ----------
    buffer : bytes, memoryview or (total,) uint8
        All texts, one after the other.
    offsets : (n + 1,) int64
        Text i is ``buffer[offsets[i]:offsets[i + 1]]``.
    limit : float
        The largest number, by its size, that is taken.

    Returns
    -------
    coords : (v, 2) float64
        Every number is the float nearest to it, as Python's ``float`` gives it.
    ring_offsets : (rings + 1,) int64
        Ring i has the vertices ``ring_offsets[i]`` to ``ring_offsets[i + 1]``.
    text_offsets : (n + 1,) int64
        Text i has the rings ``text_offsets[i]`` to ``text_offsets[i + 1]``.
    plain : (n,) bool
        False for texts that were not taken, which have no rings here and are the caller's to deal with: anything but
        a JSON list of one ring or more of one pair of numbers or more, a number beyond `limit`, and those few that
        take more than machine words to round (over 18 digits, powers of ten beyond 64).

    Raises
    ------
    ValueError, TypeError
        Offsets that do not cut the buffer.

    Examples
    --------
    >>> from annokit_fast import text
    >>> both = b"[[0, 0, 4, 0, 4, 4.5]]" + b"[[1, 2, null]]"
    >>> coords, rings, texts, plain = text.parse_rings(both, [0, 22, 36])
    >>> coords.tolist(), rings.tolist(), texts.tolist(), plain.tolist()
    ([[0.0, 0.0], [4.0, 0.0], [4.0, 4.5]], [0, 3], [0, 1, 1], [True, False])
    >>> text.parse_rings(b"", [0])[0].shape
    (0, 2)
    """
    letters, bounds = _texts(buffer, offsets)
    most = _count(letters, ",") + len(bounds)
    if not is_busy(_JSON * most):
        values, lengths, counts = _text_plain.rings(letters.data, bounds, limit)
        return values.reshape(-1, 2), _ends(lengths) // 2, *_taken(counts)
    coords, ring_ends = np.empty(most), np.zeros(most + 1, np.int64)
    found = np.empty(len(bounds) - 1, np.int64)
    numbers, rings = _text_parse.rings(letters, bounds, limit, coords, ring_ends[1:], found)
    return coords[:numbers].reshape(-1, 2).copy(), ring_ends[: rings + 1].copy(), *_taken(found)


def parse_points(buffer: Any, offsets: Any, limit: float = LARGEST) -> tuple[Array, Array, Array]:
    """Texts like ``[{"x": 1, "y": 2}, ...]``, as Labelbox has lines and polygons, as arrays.

    Parameters
    ----------
    buffer, offsets, limit
        As for `parse_rings`. The keys may stand in either order.

    Returns
    -------
    coords : (v, 2) float64
    text_offsets : (n + 1,) int64
        Text i has the points ``text_offsets[i]`` to ``text_offsets[i + 1]``.
    plain : (n,) bool
        False for texts that were not taken: anything but a JSON list of one such point or more; see `parse_rings`.

    Raises
    ------
    ValueError, TypeError
        Offsets that do not cut the buffer.

    Examples
    --------
    >>> from annokit_fast import text
    >>> coords, texts, plain = text.parse_points(b'[{"x": 1, "y": 2.5}]', [0, 20])
    >>> coords.tolist(), texts.tolist(), plain.tolist()
    ([[1.0, 2.5]], [0, 1], [True])
    >>> text.parse_points(b"", [0])[1].tolist()
    [0]
    """
    letters, bounds = _texts(buffer, offsets)
    most = (
        _count(letters, ":") + 2
    )  # the last one may be cut short, which is found out after its first number
    if not is_busy(_JSON * most):
        xy, counts = _text_plain.points(letters.data, bounds, limit)
        return xy, *_taken(counts)
    coords = np.empty(most)
    found = np.empty(len(bounds) - 1, np.int64)
    stop = _text_parse.points(letters, bounds, limit, coords, found)
    return coords[: 2 * stop].reshape(-1, 2).copy(), *_taken(found)


def parse_lines(buffer: Any) -> tuple[Array, Array] | None:
    r"""Lines of numbers and blanks, as YOLO has labels; None for a text with anything else in it, or with fewer than two.

    Parameters
    ----------
    buffer : bytes
        Numbers as in JSON, of up to 16 letters.

    Returns
    -------
    values : (v,) float64
        Every number is the float nearest to it, as Python's ``float`` gives it.
    counts : (lines,) int64
        How many each line has; one more line than there are line ends.

    Examples
    --------
    >>> values, counts = parse_lines(b"0 0.5 1\n\n2 -1.25")
    >>> values.tolist(), counts.tolist()
    ([0.0, 0.5, 1.0, 2.0, -1.25], [3, 0, 2])
    >>> parse_lines(b"0 1e5") is None
    True
    """
    return _text_words.lines(memoryview(buffer))


def yolo_boxes(
    classes: Any, xywh: Any, sizes: Any, decimals: int = 6, scores: Any = None
) -> tuple[Array, Array]:
    r"""Rows like ``class x y width height``: the centre and size of boxes in shares of the image.

    Parameters
    ----------
    classes : (n,) int64
        From 0 on.
    xywh : (n, 4) float64
        Left, top, width and height in pixels.
    sizes : (n, 2) float64
        Width and height of the image each box is in.
    decimals : int
        From 1 to 15: each number is rounded as Python's ``"%.6f"`` does it, ties included.
    scores : (n,) float64, optional
        Put at the end of each row; none where it is NaN.

    Returns
    -------
    buffer : (total,) uint8
        The text of all rows; each ends with a new line.
    offsets : (n + 1,) int64
        Row i is ``buffer[offsets[i]:offsets[i + 1]]``.

    Raises
    ------
    ValueError
        Shares or scores below 0 or above 9, a class below 0, decimals that are none of these, shapes that do not fit.

    Examples
    --------
    >>> from annokit_fast import text
    >>> buffer, offsets = text.yolo_boxes([3], [[10, 10, 20, 40]], [[100, 80]], decimals=2)
    >>> buffer.tobytes(), offsets.tolist()
    (b'3 0.20 0.38 0.20 0.50\n', [0, 22])
    >>> text.yolo_boxes([], [], [])[1].tolist()
    [0]
    """
    indices = vector(classes, np.int64, "classes")
    shares = _box_shares(xywh, _sizes(sizes, len(indices)))
    return _rows(indices, shares.ravel(), 4 * np.arange(len(indices) + 1), decimals, scores)


def yolo_rings(
    classes: Any, coords: Any, ring_offsets: Any, sizes: Any, decimals: int = 6, scores: Any = None
) -> tuple[Array, Array]:
    r"""Rows like ``class x1 y1 ... xn yn``: rings in shares of the image.

    Parameters
    ----------
    coords : (v, 2) float64
        Pixels.
    ring_offsets : (n + 1,) int64
        Row i has the vertices ``ring_offsets[i]`` to ``ring_offsets[i + 1]``.
    classes, sizes, decimals, scores
        As for `yolo_boxes`, and so are the result and the errors.

    Examples
    --------
    >>> from annokit_fast import text
    >>> ring = [[0, 0], [8, 0], [8, 3]]
    >>> text.yolo_rings([0], ring, [0, 3], [[10, 10]], decimals=1)[0].tobytes()
    b'0 0.0 0.0 0.8 0.0 0.8 0.3\n'
    >>> text.yolo_rings([], [], [0], [])[0].size
    0
    """
    xy = _table(coords, 2, "coords")
    bounds = _ragged(ring_offsets, len(xy), "ring_offsets", "points")
    indices = per_item(classes, len(bounds) - 1, np.int64, "classes")
    shares = xy / np.repeat(_sizes(sizes, len(indices)), np.diff(bounds), axis=0)
    return _rows(indices, shares.ravel(), 2 * bounds, decimals, scores)


def yolo_keypoints(
    classes: Any, xywh: Any, keypoints: Any, sizes: Any, decimals: int = 6, scores: Any = None
) -> tuple[Array, Array]:
    r"""Rows like ``class x y width height``, then ``x y visibility`` of each keypoint.

    Parameters
    ----------
    keypoints : (n, k, 3) float64
        x and y in pixels, and a visibility of 0, 1 or 2.
    classes, xywh, sizes, decimals, scores
        As for `yolo_boxes`, and so are the result and the errors.

    Examples
    --------
    >>> from annokit_fast import text
    >>> text.yolo_keypoints([0], [[0, 0, 8, 4]], [[[4, 1, 2]]], [[8, 4]], decimals=2)[0].tobytes()
    b'0 0.50 0.50 1.00 1.00 0.50 0.25 2\n'
    >>> text.yolo_keypoints([], [], np.empty((0, 1, 3)), [])[1].tolist()
    [0]
    """
    indices = vector(classes, np.int64, "classes")
    size = _sizes(sizes, len(indices))
    triples = vector(keypoints, np.float64, "keypoints", 3)
    if len(triples) != len(indices) or triples.shape[2] != 3:
        raise ValueError(f"keypoints: expected shape ({len(indices)}, k, 3), got {triples.shape}")
    if not np.isin(triples[:, :, 2], (0.0, 1.0, 2.0)).all():
        raise ValueError("keypoints: expected a visibility of 0, 1 or 2")
    shares = np.dstack([triples[:, :, :2] / size[:, None], triples[:, :, 2:]])
    columns = shares.reshape(len(indices), 3 * shares.shape[1])
    values = _shares(np.hstack([_box_shares(xywh, size), columns]))
    marks = _check(indices, decimals, scores)
    if not is_busy(_ROUNDING * values.size):
        return _text_plain.pose_rows(indices, values, marks, decimals)
    out, ends = _room(indices, values.size, decimals)
    stop = _text_format.pose_rows(indices, values, marks, decimals, out, ends)
    return out[:stop], ends


def json_rings(coords: Any, ring_offsets: Any, text_offsets: Any) -> tuple[Array, Array]:
    """Rings as JSON, ``[[x0,y0,x1,y1],[...]]``, each number as short as Python's ``repr`` has it.

    Parameters
    ----------
    coords, ring_offsets, text_offsets
        As `parse_rings` gives them.

    Returns
    -------
    buffer : (total,) uint8
    offsets : (n + 1,) int64
        Text i is ``buffer[offsets[i]:offsets[i + 1]]``. It is empty where a number has more than 9 decimals, or is
        neither 0 nor from 1e-4 to below 1e6: what to do with it is left to the caller.

    Raises
    ------
    ValueError
        Offsets that do not fit, numbers that are not finite.

    Examples
    --------
    >>> from annokit_fast import text
    >>> buffer, offsets = text.json_rings([[0, 0.5], [1 / 3, 1]], [0, 1, 2], [0, 1, 2])
    >>> buffer.tobytes(), offsets.tolist()
    (b'[[0.0,0.5]]', [0, 11, 11])
    >>> text.json_rings([], [0], [0])[1].tolist()
    [0]
    """
    xy = _table(coords, 2, "coords")
    if not np.isfinite(xy).all():
        raise ValueError("coords: expected finite numbers")
    rings = _ragged(ring_offsets, len(xy), "ring_offsets", "points")
    texts = _ragged(text_offsets, len(rings) - 1, "text_offsets", "rings")
    if not is_busy(_JSON * xy.size):
        return _joined(_text_plain.json_rings(xy.ravel(), rings, texts))
    out = np.empty(_MOST_LETTERS * (xy.size + len(rings) + len(texts)), np.uint8)
    ends = np.empty(len(texts), np.int64)
    _text_format.json_rings(freeze(xy.ravel()), rings, texts, out, ends)
    return out[: ends[-1]].copy(), ends


def is_compiled() -> bool:
    """Whether kernels are at hand by now, so that `json_rings` is faster than lists that msgspec encodes.

    >>> from annokit_fast import text
    >>> isinstance(text.is_compiled(), bool)
    True
    """
    return is_busy(0)


_MOST_LETTERS = 18
"""Of a short number with its sign, its point and what stands around it."""


def _texts(buffer: Any, offsets: Any) -> tuple[Array, Array]:
    letters = vector(np.frombuffer(buffer, np.uint8), np.uint8, "buffer")
    return letters, _ragged(offsets, len(letters), "offsets", "bytes")


def _ragged(values: Any, size: int, name: str, of: str) -> Array:
    """As `ragged`, without a kernel where all is well: the texts are many, and the twins are to be enough for them."""
    array = vector(values, np.int64, name)
    good = array.size and array[0] == 0 and array[-1] == size and (array[1:] >= array[:-1]).all()
    return array if good else ragged(array, size, name, of)


def _count(letters: Array, letter: str) -> int:
    return int(np.count_nonzero(letters == ord(letter)))


def _taken(counts: Any) -> tuple[Array, Array]:
    """Offsets of what was found in each text, and which texts were taken."""
    found = np.asarray(counts, np.int64)
    return _ends(np.maximum(found, 0)), found >= 0


def _ends(lengths: Any) -> Array:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _table(values: Any, columns: int, name: str) -> Array:
    array = np.asarray(values)
    if array.size and array.shape[1:] != (columns,):
        raise ValueError(f"{name}: expected shape (n, {columns}), got {array.shape}")
    return vector(array.reshape(-1, columns), np.float64, name, 2)


def _sizes(sizes: Any, count: int) -> Array:
    size = _table(sizes, 2, "sizes")
    if len(size) != count or not (size > 0).all():
        raise ValueError(f"sizes: expected {count} pairs above 0, got shape {size.shape}")
    return size


def _box_shares(xywh: Any, sizes: Array) -> Array:
    """Centre, width and height of boxes in shares of their images."""
    boxes = _table(xywh, 4, "xywh")
    if len(boxes) != len(sizes):
        raise ValueError(f"xywh: expected {len(sizes)} boxes, got {len(boxes)}")
    centred = np.hstack([boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:]])
    shares: Array = centred / np.hstack([sizes, sizes])
    return shares


def _rows(classes: Array, shares: Array, offsets: Array, decimals: int, scores: Any) -> tuple[Array, Array]:
    values, marks = _shares(shares), _check(classes, decimals, scores)
    if not is_busy(_ROUNDING * values.size):
        return _text_plain.rows(classes, values, offsets, marks, decimals)
    out, ends = _room(classes, values.size, decimals)
    stop = _text_format.rows(classes, values, freeze(offsets), marks, decimals, out, ends)
    return out[:stop], ends


def _check(classes: Array, decimals: int, scores: Any) -> Array:
    """The scores, NaN where there are none, once all arguments are known to be good."""
    if not 1 <= decimals <= 15:
        raise ValueError(f"decimals: expected 1 to 15, got {decimals}")
    if (classes < 0).any():
        raise ValueError(f"classes: expected numbers from 0 on, got {classes.min()}")
    if scores is None:
        return freeze(np.full(len(classes), np.nan))
    marks = per_item(scores, len(classes), np.float64, "scores")
    _shares(marks[~np.isnan(marks)], "scores")
    return freeze(marks + 0.0)


def _shares(values: Array, name: str = "shares of the image") -> Array:
    """The values, without -0, once they are known to have one digit before the point."""
    if values.size and not (values.min() >= 0 and values.max() <= _LARGEST_SHARE):
        raise ValueError(f"{name}: expected numbers from 0 to 9, got {values.min()} to {values.max()}")
    return freeze(values + 0.0)


def _room(classes: Array, numbers: int, decimals: int) -> tuple[Array, Array]:
    """Where rows of so many numbers and scores find place, and their offsets."""
    letters = (numbers + len(classes)) * (decimals + 3) + len(classes) * 20
    return np.empty(letters, np.uint8), np.empty(len(classes) + 1, np.int64)


def _joined(texts: Sequence[bytes]) -> tuple[Array, Array]:
    return np.frombuffer(b"".join(texts), np.uint8), _ends([len(text) for text in texts])
