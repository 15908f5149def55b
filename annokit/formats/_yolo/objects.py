"""The objects that the numbers of label files stand for, many at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

import numpy as np

from annokit.formats._yolo.text import Lines, Rows
from annokit.geometry import one_ring
from annokit.model import Box, Geometry, Keypoints, ObjectAnnotation, Polygon, RotatedBox, Tool
from annokit.model.base import Bools, Floats, Indices

__all__ = ["objects_of"]

_ONE_PART = one_ring(1)


def objects_of(
    lines: Lines, rows: Rows, left_out: Collection[int], sizes: Floats, tools: Sequence[Tool]
) -> list[tuple[ObjectAnnotation, ...]]:
    """The objects in each image: one of each line that is not left out.

    `sizes` (images, 2) has the width and height of each image.
    """
    good = np.ones(len(lines), np.bool_)
    good[list(left_out)] = False
    chosen = np.flatnonzero(good)
    scored = rows.scored(lines)[chosen]
    classes = lines.numbers[lines.offsets[chosen]].astype(np.int64).tolist()
    last = lines.numbers[lines.offsets[chosen + 1] - 1].tolist()
    scores = [one if is_score else None for one, is_score in zip(last, scored.tolist(), strict=True)]
    found = [
        ObjectAnnotation(tool_name=tool.name, tool_id=tool.id, geometry=geometry, box=box, confidence=score)
        for tool, (geometry, box), score in zip(
            [tools[index] for index in classes], _shapes(lines, rows, chosen, sizes), scores, strict=True
        )
    ]
    stops = np.searchsorted(lines.images[chosen], np.arange(len(sizes) + 1)).tolist()
    return [tuple(found[start:stop]) for start, stop in pairwise(stops)]


def _shapes(
    lines: Lines, rows: Rows, chosen: Indices, sizes: Floats
) -> Iterator[tuple[Geometry, Box | None]]:
    """The shape of each line, and the box that stands beside it."""
    if rows.kind == "pose":
        yield from zip(_keypoints(lines, rows, chosen, sizes), _boxes(lines, chosen, sizes), strict=True)
    elif rows.kind == "obb":
        for corners in _pixels(lines, chosen, np.arange(1, 9), sizes).reshape(-1, 4, 2):
            yield RotatedBox(corners=corners), None
    else:
        boxed = lines.lengths[chosen] <= 6
        boxes = _boxes(lines, chosen[boxed], sizes)
        polygons = _polygons(lines, chosen[~boxed], sizes)
        for is_box in boxed.tolist():
            yield (next(boxes) if is_box else next(polygons)), None


def _boxes(lines: Lines, chosen: Indices, sizes: Floats) -> Iterator[Box]:
    """Centre and size in shares of the image, as boxes in pixels."""
    values = lines.numbers[lines.offsets[chosen][:, None] + np.arange(1, 5)]
    scale = sizes[lines.images[chosen]]
    extents, corners = values[:, 2:] * scale, (values[:, :2] - values[:, 2:] / 2) * scale
    short_extents, short_corners = _shortest(extents), _shortest(corners)
    same = _same_text(values[:, 2:], short_extents / scale)
    same &= _same_text(values[:, :2], (short_corners + short_extents / 2) / scale)
    corners, extents = np.where(same, short_corners, corners), np.where(same, short_extents, extents)
    for x, y, width, height in np.hstack([corners, extents]).tolist():
        yield Box(x=x, y=y, width=width, height=height)


def _keypoints(lines: Lines, rows: Rows, chosen: Indices, sizes: Floats) -> Iterator[Keypoints]:
    """K points of an object; of two values each, a negative one says that the point is absent."""
    columns = 5 + rows.values * np.arange(rows.points)
    coords = _pixels(lines, chosen, (columns[:, None] + (0, 1)).ravel(), sizes)
    coords = coords.reshape(-1, rows.points, 2)
    if rows.values == 3:
        visibility = lines.numbers[lines.offsets[chosen][:, None] + columns + 2].astype(np.int8)
    else:
        visibility = np.where((coords < 0).any(axis=2), 0, 2).astype(np.int8)
    coords.flags.writeable = visibility.flags.writeable = False
    for points, seen in zip(coords, visibility, strict=True):
        yield Keypoints(coords=points, visibility=seen)


def _pixels(lines: Lines, chosen: Indices, columns: Indices, sizes: Floats) -> Floats:
    """Pairs at the same columns of each line, in pixels: (n, pairs, 2)."""
    shares = lines.numbers[lines.offsets[chosen][:, None] + columns].reshape(-1, len(columns) // 2, 2)
    pixels = _in_pixels(shares, sizes[lines.images[chosen]][:, None])
    pixels.flags.writeable = False
    return pixels


def _polygons(lines: Lines, chosen: Indices, sizes: Floats) -> Iterator[Polygon]:
    """Pairs in shares of the image, as polygons in pixels: views into one array."""
    counts = (lines.lengths[chosen] - 1) // 2
    ends = np.zeros(len(chosen) + 1, np.int64)
    np.cumsum(counts, out=ends[1:])
    firsts = lines.offsets[chosen] + 1 - 2 * ends[:-1]
    values = lines.numbers[np.repeat(firsts, 2 * counts) + np.arange(2 * ends[-1])]
    scale = np.repeat(sizes[lines.images[chosen]], counts, axis=0)
    coords = _in_pixels(values.reshape(-1, 2), scale)
    coords.flags.writeable = False
    for start, end in pairwise(ends.tolist()):
        yield Polygon(coords=coords[start:end], ring_offsets=one_ring(end - start), part_offsets=_ONE_PART)


def _in_pixels(shares: Floats, scale: Floats) -> Floats:
    coords = shares * scale
    short = _shortest(coords)
    return np.where(_same_text(shares, short / scale), short, coords)


def _shortest(pixels: Floats) -> Floats:
    """Pixels to the two decimals most tools give, else to three.

    Six decimals of a share of the width cannot tell such numbers from their neighbours by less than a
    thousandth of a pixel, so what was written from them comes back as it was. Taken only where
    `_same_text` says that it would be written as what was read.
    """
    coarse = np.round(pixels, 2)
    short: Floats = np.where(np.abs(coarse - pixels) <= 1e-3, coarse, np.round(pixels, 3))
    return short + 0.0  # what rounds to -0.0 is 0.0


def _same_text(shares: Floats, others: Floats) -> Bools:
    """Where both are one number at six decimals, and `shares` has no more than these."""
    millionths = shares * 1e6
    whole = np.rint(millionths)
    same: Bools = (np.abs(millionths - whole) < 1e-6) & (np.abs(others * 1e6 - whole) <= 0.5)
    return same
