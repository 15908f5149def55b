"""Reading YOLO detect and segment datasets in Ultralytics' layout."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from annokit.dataset import Dataset, Outline, RowKey
from annokit.errors import InputError, ReferenceProblem, Where
from annokit.formats import _yolo_yaml
from annokit.formats._base import Options
from annokit.formats._yolo_layout import Item, Layout, is_there
from annokit.formats._yolo_text import Lines, faults, parse
from annokit.io.batches import batched
from annokit.io.gc import paused_gc
from annokit.io.images import image_size
from annokit.io.limits import Limits
from annokit.io.source import Source, reading
from annokit.model import Asset, Box, DataRow, Label, ObjectAnnotation, Ontology, Polygon, Tool
from annokit.model.base import Bools, Floats, Indices
from annokit.run import Run

__all__ = ["ReadOptions", "read"]

_BATCH = 500
_ONE_PART = np.array([0, 1])
_ONE_PART.flags.writeable = False


class ReadOptions(Options, frozen=True):
    """How YOLO is read."""

    sizes: Annotated[
        str | None, Meta(description="CSV file of name,width,height for images that are not there")
    ] = None


def read(source: Source, options: ReadOptions) -> Dataset:
    """Open a dataset: a folder with a data.yaml, or the data.yaml itself."""
    reader = _Reader(source, options)
    return Dataset(reader.rows, outline=reader.outline, source=source.name)


class _Opened(msgspec.Struct, gc=False):
    """What was found of an item: label text, width and height, the image file if it is there."""

    item: Item
    text: bytes
    size: tuple[int, int]
    uri: str | None


class _Reader:
    """One dataset; its files are listed once."""

    def __init__(self, source: Source, options: ReadOptions) -> None:
        self._source, self._options = source, options

    @cached_property
    def document(self) -> _yolo_yaml.DataYaml:
        return _yolo_yaml.load(_yolo_yaml.find(self._source))

    @cached_property
    def layout(self) -> Layout:
        return Layout(self.document, self._options.sizes)

    @cached_property
    def tools(self) -> tuple[Tool, ...]:
        """One tool a class; those that share a name are told apart by their number."""
        names = self.document.names
        often = Counter(names)
        return tuple(
            Tool(name=name, id=str(index) if often[name] > 1 else None) for index, name in enumerate(names)
        )

    def outline(self) -> Outline:
        extra = {"yolo": self.document.extra} if self.document.extra else {}
        keys = [RowKey(item.name, item.id) for item in self.layout.items]
        return Outline(Ontology(tools=self.tools, extra=extra), keys)

    def rows(self, run: Run) -> Iterator[DataRow]:
        for place in self.layout.repeated:
            run.report.note("listed-twice", "data_rows", "listed more than once, read once", example=place)
        for items in batched(self.layout.items, _BATCH):
            with paused_gc():
                rows = self._batch(items, run)
            yield from rows

    def _batch(self, items: Sequence[Item], run: Run) -> list[DataRow]:
        opened = [found for item in items if (found := self._open(item, run)) is not None]
        lines = parse([one.text for one in opened])
        wrong = faults(lines, len(self.tools))
        for index, error in wrong.items():
            item = opened[lines.images[index]].item
            error.where = Where(str(self.layout.folder / item.label), line=error.where.line, record=item.id)
            run.reject(error, "object:unknown", lines.places[index][1], format="yolo")
        sizes = np.array([one.size for one in opened], np.float64).reshape(-1, 2)
        objects: list[list[ObjectAnnotation]] = [[] for _ in opened]
        for image, annotation in _objects(lines, wrong, sizes, self.tools):
            objects[image].append(annotation)
        return [self._row(one, found) for one, found in zip(opened, objects, strict=True)]

    def _row(self, opened: _Opened, objects: Sequence[ObjectAnnotation]) -> DataRow:
        width, height = opened.size
        return DataRow(
            id=opened.item.id,
            external_id=opened.item.name,
            source=self._source.name,
            split=opened.item.split,
            asset=Asset(uri=opened.uri, width=width, height=height),
            labels=(Label(annotations=tuple(objects)),),
        )

    def _open(self, item: Item, run: Run) -> _Opened | None:
        """What the files of an item say; None after it was rejected."""
        image = self.layout.folder / item.file
        try:
            text = _text(self.layout.folder / item.label, run.limits)
            there = is_there(image)
            if not there and text is None:
                raise ReferenceProblem("expected the image or its label file, got neither")
            size = item.size or _size(image if there else None, run.limits)
            opened = _Opened(item, text or b"", size, str(image) if there else None)
        except InputError as error:
            error.where = Where(error.where.file or str(image), record=item.id)
            run.reject(error, "data_rows", format="yolo")
            return None
        run.advance(len(opened.text))
        return opened


def _text(path: Path, limits: Limits) -> bytes | None:
    """A label file; None where there is none, which means an image without objects."""
    try:
        with reading(str(path)), path.open("rb") as handle:
            limits.check("max_document_bytes", os.fstat(handle.fileno()).st_size, Where(str(path)))
            return handle.read()
    except InputError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


def _size(image: Path | None, limits: Limits) -> tuple[int, int]:
    """Width and height from the image's header."""
    if image is None:
        raise ReferenceProblem(
            "expected the image, since shapes are in shares of its size, got its labels only",
            hint="put it in place, or give the size with --sizes",
            code="no-size",
        )
    height, width = image_size(image, limits)
    return width, height


def _objects(
    lines: Lines, left_out: Collection[int], sizes: Floats, tools: Sequence[Tool]
) -> Iterator[tuple[int, ObjectAnnotation]]:
    """The object of each line, with the image it is in."""
    lengths = lines.lengths
    boxed = lengths <= 6
    good = np.ones(len(lengths), np.bool_)
    good[list(left_out)] = False
    boxes = iter(_boxes(lines, np.flatnonzero(good & boxed), sizes))
    polygons = iter(_polygons(lines, np.flatnonzero(good & ~boxed), sizes))
    numbers, starts = lines.numbers, lines.offsets[:-1]
    classes = numbers[starts[good]].astype(np.int64).tolist()
    scores = numbers[np.where(lengths == 6, starts + 5, starts)[good]].tolist()
    rows = zip(lines.images[good].tolist(), classes, lengths[good].tolist(), scores, strict=True)
    for image, index, length, score in rows:
        yield (
            image,
            ObjectAnnotation(
                tool_name=tools[index].name,
                tool_id=tools[index].id,
                geometry=next(boxes) if length <= 6 else next(polygons),
                confidence=score if length == 6 else None,
            ),
        )


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


def _polygons(lines: Lines, chosen: Indices, sizes: Floats) -> Iterator[Polygon]:
    """Pairs in shares of the image, as polygons in pixels: views into one array."""
    counts = lines.lengths[chosen] // 2
    ends = np.zeros(len(chosen) + 1, np.int64)
    np.cumsum(counts, out=ends[1:])
    firsts = lines.offsets[chosen] + 1 - 2 * ends[:-1]
    values = lines.numbers[np.repeat(firsts, 2 * counts) + np.arange(2 * ends[-1])]
    shares = values.reshape(-1, 2)
    scale = np.repeat(sizes[lines.images[chosen]], counts, axis=0)
    coords = shares * scale
    short = _shortest(coords)
    coords = np.where(_same_text(shares, short / scale), short, coords)
    rings = np.stack([np.zeros_like(counts), counts], axis=1)
    coords.flags.writeable = rings.flags.writeable = False
    for ring, (start, end) in zip(rings, pairwise(ends.tolist()), strict=True):
        yield Polygon(coords=coords[start:end], ring_offsets=ring, part_offsets=_ONE_PART)


def _shortest(pixels: Floats) -> Floats:
    """Pixels to the two decimals most tools give, else to three.

    Six decimals of a share of the width cannot tell such numbers from their neighbours by less than a
    thousandth of a pixel, so what was written from them comes back as it was. Taken only where
    `_same_text` says that it would be written as what was read.
    """
    coarse = np.round(pixels, 2)
    return np.where(np.abs(coarse - pixels) <= 1e-3, coarse, np.round(pixels, 3))


def _same_text(shares: Floats, others: Floats) -> Bools:
    """Where both are one number at six decimals, and `shares` has no more than these."""
    millionths = shares * 1e6
    whole = np.rint(millionths)
    same: Bools = (np.abs(millionths - whole) < 1e-6) & (np.abs(others * 1e6 - whole) <= 0.5)
    return same
