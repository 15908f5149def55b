"""Run-length masks: column-major, background first, as COCO counts them.

Coordinates are pixels, x to the right, y down, the origin at the top left corner of the top left pixel.
Two rules turn polygons into pixels, by name: ``coco``, bit-equal to pycocotools, and ``center``, bit-equal to
``rasterio.features.rasterize``. `threads` splits the masks of a batch over threads; the results are the same.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from annokit_fast import _rle_codec, _rle_contours, _rle_gdal, _rle_iou, _rle_ops, _rle_raster
from annokit_fast._checks import MAX_COORDINATE, Array, freeze, output, parts, ragged, sizes, vector
from annokit_fast._rle_batch import RleBatch, batch_from_strings, ends_of, made_in_parts, trusted
from annokit_fast._rle_dense import decode, encode, to_label_map
from annokit_fast._rle_frames import complement, crop, pad, resize_nearest
from annokit_fast._threads import in_parts

__all__ = [
    "RleBatch",
    "area",
    "bounds",
    "complement",
    "crop",
    "decode",
    "encode",
    "from_polygons",
    "from_strings",
    "iou",
    "iou_grouped",
    "merge",
    "pad",
    "resize_nearest",
    "to_label_map",
    "to_polygons",
    "to_strings",
]

_OPERATIONS = {
    "union": _rle_ops.UNION,
    "intersection": _rle_ops.INTERSECTION,
    "difference": _rle_ops.DIFFERENCE,
    "xor": _rle_ops.XOR,
}


def __dir__() -> list[str]:
    return __all__


def from_polygons(
    coords: Any,
    ring_offsets: Any,
    polygon_offsets: Any,
    heights: Any,
    widths: Any,
    rule: Literal["coco", "center"] = "coco",
    object_offsets: Any = None,
    threads: int = 1,
) -> RleBatch:
    """Masks of polygons: each polygon is its first ring minus the others.

    Parameters
    ----------
    coords : (p, 2) float64
        Vertices in pixels, x then y; may lie outside the image. A flat array of x, y pairs is taken too.
    ring_offsets : (r + 1,) int64
        Ring i has the vertices ``coords[ring_offsets[i]:ring_offsets[i + 1]]``; it closes itself.
    polygon_offsets : (n + 1,) int64
        Polygon i has the rings ``polygon_offsets[i]`` to ``polygon_offsets[i + 1]``; the first is its exterior, the
        others are holes.
    heights, widths : (n,) int32, or one number
        Image sizes in pixels, one per resulting mask.
    rule : {"coco", "center"}
        ``coco``: as pycocotools' ``frPyObjects`` draws a ring (Dollar's rleFrPoly, on a grid of fifths of a pixel).
        ``center``: a pixel belongs to a ring when its centre does, as GDAL and rasterio burn it.
    object_offsets : (m + 1,) int64, optional
        Object i is the union of the polygons ``object_offsets[i]`` to ``object_offsets[i + 1]``. Without it, every
        polygon is one mask.
    threads : int
        Threads to split the masks over; worth it for some hundred masks or more.

    Returns
    -------
    RleBatch
        One mask per polygon, or per object; a polygon without rings or points is an empty mask.

    Raises
    ------
    ValueError
        Coordinates that are not finite or beyond 2**26, offsets that do not fit, an image of 2**32 pixels or more.

    Examples
    --------
    >>> from annokit_fast import rle
    >>> square = [[1, 1], [3, 1], [3, 3], [1, 3]]
    >>> rle.from_polygons(square, [0, 4], [0, 1], 4, 4).counts.tolist()
    [5, 2, 2, 2, 5]
    >>> len(rle.from_polygons([], [0], [0], [], []))
    0
    """
    xy, rings, polygons = parts(coords, ring_offsets, polygon_offsets, MAX_COORDINATE)
    count = len(polygons) - 1
    objects = None if object_offsets is None else ragged(object_offsets, count, "object_offsets", "polygons")
    tall, wide = sizes(heights, widths, count if objects is None else len(objects) - 1)
    if rule not in ("coco", "center"):
        raise ValueError(f"rule: expected 'coco' or 'center', got {rule!r}")

    def drawn(start: int, stop: int) -> RleBatch:
        shapes = some_polygons(xy, rings, polygons, objects, start, stop)
        return _drawn(*shapes, tall[start:stop], wide[start:stop], rule)

    return made_in_parts(drawn, len(tall), threads)


def some_polygons(
    xy: Array, rings: Array, polygons: Array, objects: Array | None, start: int, stop: int
) -> tuple[Array, Array, Array, Array | None]:
    """The objects `start` to `stop`, or polygons where there are no objects, with offsets of their own."""
    if stop - start == len(polygons if objects is None else objects) - 1:
        return xy, rings, polygons, objects
    p0, p1 = (start, stop) if objects is None else (int(objects[start]), int(objects[stop]))
    r0, r1 = int(polygons[p0]), int(polygons[p1])
    c0, c1 = int(rings[r0]), int(rings[r1])
    members = None if objects is None else freeze(objects[start : stop + 1] - p0)
    return xy[c0:c1], freeze(rings[r0 : r1 + 1] - c0), freeze(polygons[p0 : p1 + 1] - r0), members


def _drawn(
    xy: Array, rings: Array, polygons: Array, objects: Array | None, heights: Array, widths: Array, rule: str
) -> RleBatch:
    if (
        objects is None and len(polygons) == len(rings) == 2
    ):  # one ring, the case where every microsecond counts
        lengths, single = polygons, True
    else:
        lengths = np.diff(polygons if objects is None else polygons[objects])
        single = len(lengths) == len(rings) - 1 and bool((lengths == 1).all())
    tall, wide = (heights, widths) if single else (freeze(np.repeat(s, lengths)) for s in (heights, widths))
    if rule == "coco":
        counts, offsets = _rle_raster.coco_rings(xy, rings, tall, wide)
        if single:
            return trusted(counts, offsets, heights, widths)
        added, added_offsets = counts[:0], np.zeros(len(rings), np.int64)
    else:
        counts, offsets = _rle_raster.center_rings(xy, rings, tall, wide)
        added, added_offsets = _rle_gdal.flat_rings(xy, rings, tall, wide)
        if single and not len(added):
            return trusted(counts, offsets, heights, widths)
        if len(added):
            added, added_offsets = _rle_raster.transpose(freeze(added), freeze(added_offsets), tall, wide)
    members = freeze(np.arange(len(polygons))) if objects is None else objects
    counts, offsets = _rle_ops.assemble(
        counts, offsets, added, added_offsets, polygons, members, heights, widths
    )
    return trusted(counts, offsets, heights, widths)


def area(batch: RleBatch, out: Array | None = None, *, threads: int = 1) -> Array:
    """Foreground pixels of every mask: (n,) int64.

    Examples
    --------
    >>> from annokit_fast import rle
    >>> rle.area(rle.RleBatch([1, 2, 1], [0, 3], 2, 2)).tolist()
    [2]
    >>> rle.area(rle.RleBatch([], [0], [], [])).tolist()
    []
    """
    result = output(out, (len(batch),), np.int64)

    def fill(start: int, stop: int) -> None:
        _rle_codec.area(batch.counts, batch.offsets[start : stop + 1], result[start:stop])

    in_parts(fill, len(batch), threads)
    return result


def bounds(batch: RleBatch, out: Array | None = None, *, threads: int = 1) -> Array:
    """Boxes x, y, width, height around the foreground: (n, 4) float64, as pycocotools' ``toBbox``.

    An empty mask has four zeros.

    Examples
    --------
    >>> from annokit_fast import rle
    >>> rle.bounds(rle.RleBatch([5, 1, 3, 9], [0, 3, 4], 3, 3)).tolist()
    [[1.0, 2.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]]
    >>> rle.bounds(rle.RleBatch([], [0], [], [])).shape
    (0, 4)
    """
    result = output(out, (len(batch), 4), np.float64)

    def fill(start: int, stop: int) -> None:
        offsets, heights = batch.offsets[start : stop + 1], batch.heights[start:stop]
        _rle_codec.bounds(batch.counts, offsets, heights, result[start:stop])

    in_parts(fill, len(batch), threads)
    return result


def to_strings(batch: RleBatch, *, threads: int = 1) -> tuple[Array, Array]:
    """COCO's compressed counts of all masks in one buffer.

    Returns
    -------
    buffer : (total,) uint8
        ASCII text, one mask after the other; ``buffer.tobytes()`` gives the bytes pycocotools would.
    offsets : (n + 1,) int64
        Mask i has ``buffer[offsets[i]:offsets[i + 1]]``: with `buffer`, the layout of an Arrow binary column.

    Examples
    --------
    >>> from annokit_fast import rle
    >>> buffer, offsets = rle.to_strings(rle.RleBatch([1, 2, 3], [0, 3], 3, 2))
    >>> buffer.tobytes(), offsets.tolist()
    (b'123', [0, 3])
    >>> rle.to_strings(rle.RleBatch([], [0], [], []))[1].tolist()
    [0]
    """

    def written(start: int, stop: int) -> tuple[Array, Array]:
        part = batch[start:stop]
        text, offsets = _rle_codec.to_strings(part.counts, part.offsets)
        return text, offsets

    parts = in_parts(written, len(batch), threads)
    if len(parts) == 1:
        return parts[0]
    lengths = [np.diff(offsets) for _, offsets in parts]
    return np.concatenate([text for text, _ in parts]), ends_of(np.concatenate(lengths))


def from_strings(buffer: Any, offsets: Any, heights: Any, widths: Any, *, threads: int = 1) -> RleBatch:
    """Masks of COCO's compressed counts.

    Parameters
    ----------
    buffer : bytes, memoryview or (total,) uint8
        The text of all masks, one after the other.
    offsets : (n + 1,) int64
        Mask i has ``buffer[offsets[i]:offsets[i + 1]]``.
    heights, widths : (n,) int32, or one number
        Sizes in pixels.
    threads : int
        Threads to split the masks over.

    Raises
    ------
    ValueError
        A string that ends within a number, has other characters, a count below 0, or counts that do not add up to
        the size; the message names the mask.

    Examples
    --------
    >>> from annokit_fast import rle
    >>> rle.from_strings(b"123", [0, 3], 3, 2).counts.tolist()
    [1, 2, 3]
    >>> len(rle.from_strings(b"", [0], [], []))
    0
    """
    return batch_from_strings(buffer, offsets, heights, widths, threads)


def merge(
    batch: RleBatch,
    group_offsets: Any,
    op: Literal["union", "intersection", "difference", "xor"] = "union",
    *,
    threads: int = 1,
) -> RleBatch:
    """One mask per group of neighbours, combined from left to right.

    Parameters
    ----------
    batch : RleBatch
    group_offsets : (m + 1,) int64
        Group i has the masks ``group_offsets[i]`` to ``group_offsets[i + 1]``, all of one size; none may be empty.
    op : {"union", "intersection", "difference", "xor"}
        ``difference`` is the first mask minus all others. A group of one comes back as it is.
    threads : int
        Threads to split the groups over.

    Raises
    ------
    ValueError
        Offsets that do not fit, an empty group, sizes that differ within a group, another `op`.

    Examples
    --------
    >>> from annokit_fast import rle
    >>> two = rle.RleBatch([0, 2, 2, 1, 2, 1], [0, 3, 6], 2, 2)
    >>> rle.merge(two, [0, 2], "intersection").counts.tolist()
    [1, 1, 2]
    >>> len(rle.merge(two[:0], [0]))
    0
    """
    if op not in _OPERATIONS:
        raise ValueError(f"op: expected one of {', '.join(_OPERATIONS)}, got {op!r}")
    groups = ragged(group_offsets, len(batch), "group_offsets", "masks")
    bad = _rle_ops.uneven_group(groups, batch.heights, batch.widths)
    if bad >= 0:
        raise ValueError(_uneven_message(batch, groups, bad))
    tall, wide = batch.heights[groups[:-1]], batch.widths[groups[:-1]]

    def merged(start: int, stop: int) -> RleBatch:
        part = batch[int(groups[start]) : int(groups[stop])]
        mine = freeze(groups[start : stop + 1] - groups[start])
        high, across = freeze(tall[start:stop]), freeze(wide[start:stop])
        counts, offsets = _rle_ops.merge_groups(
            part.counts, part.offsets, mine, high, across, _OPERATIONS[op]
        )
        return trusted(counts, offsets, high, across)

    return made_in_parts(merged, len(groups) - 1, threads)


def _uneven_message(batch: RleBatch, groups: Array, group: int) -> str:
    members = range(groups[group], groups[group + 1])
    if not members:
        return f"group_offsets: expected at least one mask in each group, got none in group {group}"
    tall, wide = batch.heights, batch.widths
    first = members[0]
    other = next(i for i in members if (tall[i], wide[i]) != (tall[first], wide[first]))
    return (
        f"merge: expected one size within group {group}, got {tall[first]} x {wide[first]} and "
        f"{tall[other]} x {wide[other]} (mask {other})"
    )


def iou(a: RleBatch, b: RleBatch, crowd: Any = None, out: Array | None = None, *, threads: int = 1) -> Array:
    """Intersection over union of every mask of `a` with every mask of `b`.

    Parameters
    ----------
    a, b : RleBatch
        n and m masks, all of one size.
    crowd : (m,) bool, optional
        Where True, the overlap is divided by the area of the mask of `a` alone, as COCO scores crowds.
    out : (n, m) float64, optional
    threads : int
        Threads to split the masks of `a` over.

    Returns
    -------
    (n, m) float64
        Bit-equal to pycocotools' ``iou(a, b, iscrowd)``; 0 where both masks are empty.

    Raises
    ------
    ValueError
        Masks of different sizes, flags of another length, an unfit `out`.

    Examples
    --------
    >>> from annokit_fast import rle
    >>> two = rle.RleBatch([0, 2, 2, 1, 2, 1], [0, 3, 6], 2, 2)
    >>> rle.iou(two, two).round(4).tolist()
    [[1.0, 0.3333], [0.3333, 1.0]]
    >>> rle.iou(two[:0], two).shape
    (0, 2)
    """
    result = output(out, (len(a), len(b)), np.float64)
    flags = _flags(crowd, len(b))

    def fill(start: int, stop: int) -> None:
        groups = freeze(np.array([[0, 0], [stop - start, len(b)]]))
        _iou(a[start:stop], b, groups, flags, result[start:stop].reshape(-1))

    in_parts(fill, len(a), threads)
    return result


def iou_grouped(
    a: RleBatch, a_offsets: Any, b: RleBatch, b_offsets: Any, crowd: Any = None, *, threads: int = 1
) -> tuple[Array, Array]:
    """`iou` for many images in one call.

    Parameters
    ----------
    a, b : RleBatch
    a_offsets, b_offsets : (g + 1,) int64
        Image i has the masks ``a_offsets[i]`` to ``a_offsets[i + 1]`` of `a`, and so for `b`; one size per image.
    crowd : (m,) bool, optional
        One flag per mask of `b`.
    threads : int
        Threads to split the images over.

    Returns
    -------
    values : (total,) float64
        The matrices of all images, row by row, one after the other.
    offsets : (g + 1,) int64
        Image i has ``values[offsets[i]:offsets[i + 1]]``.

    Examples
    --------
    >>> from annokit_fast import rle
    >>> two = rle.RleBatch([0, 2, 2, 1, 2, 1], [0, 3, 6], 2, 2)
    >>> values, offsets = rle.iou_grouped(two, [0, 1, 2], two, [0, 2, 2])
    >>> values.round(4).tolist(), offsets.tolist()
    ([1.0, 0.3333], [0, 2, 2])
    """
    rows = ragged(a_offsets, len(a), "a_offsets", "masks of a")
    columns = ragged(b_offsets, len(b), "b_offsets", "masks of b")
    if len(rows) != len(columns):
        raise ValueError(
            f"a_offsets, b_offsets: expected the same length, got {len(rows)} and {len(columns)}"
        )
    offsets = np.zeros(len(rows), np.int64)
    np.cumsum(np.diff(rows) * np.diff(columns), out=offsets[1:])
    values = np.empty(int(offsets[-1]), np.float64)
    flags, pairs = _flags(crowd, len(b)), np.stack([rows, columns], axis=1)

    def fill(start: int, stop: int) -> None:
        (a0, b0), (a1, b1) = pairs[[start, stop]].tolist()
        groups = freeze(pairs[start : stop + 1] - pairs[start])
        _iou(a[a0:a1], b[b0:b1], groups, flags[b0:b1], values[offsets[start] : offsets[stop]])

    in_parts(fill, len(pairs) - 1, threads)
    return values, offsets


def _flags(crowd: Any, count: int) -> Array:
    flags = vector([] if crowd is None else crowd, np.bool_, "crowd")
    if crowd is not None and len(flags) != count:
        raise ValueError(f"crowd: expected one flag per mask of b ({count}), got {len(flags)}")
    return flags


def _iou(a: RleBatch, b: RleBatch, groups: Array, flags: Array, out: Array) -> None:
    _rle_iou.iou(
        a.counts, a.offsets, a.heights, a.widths, b.counts, b.offsets, b.heights, b.widths, groups, flags, out
    )
    if len(out) and out.min() < 0:
        raise ValueError("iou: expected masks of one size, got different ones")


def to_polygons(
    batch: RleBatch, connectivity: Literal[4, 8] = 4, *, threads: int = 1
) -> tuple[Array, Array, Array, Array]:
    """Outlines along the pixel edges, exactly: `from_polygons` gives the same masks back, by either rule.

    Parameters
    ----------
    batch : RleBatch
    connectivity : {4, 8}
        Whether pixels that touch at a corner alone belong together (8) or not (4).
    threads : int
        Threads to split the masks over.

    Returns
    -------
    coords : (p, 2) float64
        Corners in pixels, whole numbers, no two edges of a ring in line.
    ring_offsets : (r + 1,) int64
        Outlines turn clockwise on screen, holes the other way. The first vertex is not repeated.
    part_offsets : (n + 1,) int64
        Each connected part is its outline, then its holes.
    object_offsets : (m + 1,) int64
        The parts of each mask; an empty mask has none.

    Notes
    -----
    The work grows with the number of runs, not of pixels. To simplify outlines, hand them to shapely.

    Examples
    --------
    >>> from annokit_fast import rle
    >>> coords, rings, parts, objects = rle.to_polygons(rle.RleBatch([4, 1, 4, 9], [0, 3, 4], 3, 3))
    >>> coords.tolist()
    [[1.0, 1.0], [2.0, 1.0], [2.0, 2.0], [1.0, 2.0]]
    >>> rings.tolist(), parts.tolist(), objects.tolist()
    ([0, 4], [0, 1], [0, 1, 1])
    """
    if connectivity not in (4, 8):
        raise ValueError(f"connectivity: expected 4 or 8, got {connectivity!r}")

    def traced(start: int, stop: int) -> tuple[Array, ...]:
        part = batch[start:stop]
        rings: tuple[Array, ...] = _rle_contours.outlines(
            part.counts, part.offsets, part.heights, part.widths, connectivity == 8
        )
        return rings

    parts = in_parts(traced, len(batch), threads)
    coords, *offsets = parts[0] if len(parts) == 1 else map(_chained, zip(*parts, strict=True))
    rings, pieces, objects = offsets
    return coords, rings, pieces, objects


def _chained(arrays: tuple[Array, ...]) -> Array:
    """Coordinates one after the other, or offsets as those of all items."""
    if arrays[0].ndim == 2:
        return np.concatenate(arrays)
    return ends_of(np.concatenate([np.diff(array) for array in arrays]))
