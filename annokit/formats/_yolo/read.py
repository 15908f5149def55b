"""Reading YOLO datasets: Ultralytics' layout, Roboflow's kind of it, and Darknet's."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta

from annokit.dataset import Dataset, Outline, RowKey
from annokit.errors import AnnokitError, InputError, ReferenceProblem, Where
from annokit.formats._base import Options
from annokit.formats._yolo import classify, darknet, data_yaml
from annokit.formats._yolo.layout import Item, Layout
from annokit.formats._yolo.objects import objects_of
from annokit.formats._yolo.text import Rows, faults, parse
from annokit.io.batches import batched
from annokit.io.gc import paused_gc
from annokit.io.images import TURNED, image_header
from annokit.io.limits import Limits
from annokit.io.names import check_file_name
from annokit.io.source import Source, Span, small_file
from annokit.model import Asset, DataRow, Label, ObjectAnnotation, Ontology, Tool
from annokit.run import Run

__all__ = ["ReadOptions", "cut", "read"]

_BATCH = 500
_ITEM = 4096
"""About how many bytes the label file of an image has, and what is read of the image."""
_ROTATED = 9
"""Numbers of a row with a rotated box: the class and four corners."""


class ReadOptions(Options, frozen=True):
    """How YOLO is read."""

    sizes: Annotated[
        str | None, Meta(description="CSV file of name,width,height for images that are not there")
    ] = None
    from_task: Annotated[
        Literal["detect", "segment", "pose", "obb", "classify"] | None,
        Meta(description="what its rows are, when it cannot be told"),
    ] = None


def read(source: Source, options: ReadOptions) -> Dataset:
    """Open a dataset: a folder with a data.yaml or obj.data, one of these, or a folder of classes."""
    if _is_classify(source, options):
        return classify.read(source)
    reader = _Reader(source, options)
    return Dataset(reader.rows, outline=reader.outline, source=source.name)


def cut(source: Source, options: ReadOptions, size: int, *, numbered: bool = True) -> list[Source]:  # noqa: ARG001
    """Parts of some images each, and what rows are, which all rows tell; folders of classes stay whole."""
    if source.span is not None or _is_classify(source, options):
        return [source]
    listed = _Reader(source, options).listed
    parts, start = [], 0
    for items in batched(listed.items, max(size // _ITEM, 1)):
        part = listed._replace(items=items) if start == 0 else _Listed(items, listed.rule)
        parts.append(source.within(Span(start, start + len(items), None), part))
        start += len(items)
    return parts if len(parts) > 1 else [source]


def _is_classify(source: Source, options: ReadOptions) -> bool:
    told = options.from_task
    return told == "classify" or bool(told is None and source.path and classify.is_there(source.path))


class _Listed(NamedTuple):
    """The images to be read, what their rows are, and what there is to say of the dataset."""

    items: Sequence[Item]
    rule: Rows
    repeated: Sequence[str] = ()
    missing: Sequence[str] = ()
    guessed: bool = False


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
    def document(self) -> data_yaml.DataYaml:
        file = data_yaml.find(self._source)
        return darknet.load(file) if file.suffix == darknet.SUFFIX else data_yaml.load(file)

    @cached_property
    def folder(self) -> Path:
        return self.document.file.parent

    @cached_property
    def layout(self) -> Layout:
        return Layout(self.document, self._options.sizes)

    @cached_property
    def listed(self) -> _Listed:
        """Of a part, what it was cut with."""
        if self._source.entries is not None:
            found: _Listed = self._source.entries
            return found
        guessed = self.line_rule.kind == "obb" and not (self._options.from_task or self.document.task)
        layout = self.layout
        return _Listed(layout.items, self.line_rule, layout.repeated, layout.missing, guessed)

    @cached_property
    def tools(self) -> tuple[Tool, ...]:
        """One tool a class; those that share a name are told apart by their number."""
        names = self.document.names
        often = Counter(names)
        return tuple(
            Tool(
                name=name,
                id=str(index) if often[name] > 1 else None,
                keypoints=self.document.kpt_names.get(index, ()),
                skeleton=self.document.kpt_skeleton.get(index, ()),
            )
            for index, name in enumerate(names)
        )

    @cached_property
    def line_rule(self) -> Rows:
        """What a row is: what was said, else what data.yaml says, else what all rows look like."""
        shape, task = self.document.kpt_shape, self._options.from_task or self.document.task
        if task == "pose" or (task is None and shape is not None):
            if shape is None:
                where = Where(str(self.document.file))
                raise InputError("expected kpt_shape, which a pose dataset needs, got none", where=where)
            return Rows("pose", *shape)
        if task == "obb" or (task is None and self._looks_rotated()):
            return Rows("obb")
        return Rows("plain", may_be_scored=self.document.scored)

    def _looks_rotated(self) -> bool:
        """Whether every row of the dataset has four corners; the first other one settles it."""
        found = False
        for item in self.layout.items:
            for line in (self._peek(item) or b"").splitlines():
                if words := len(line.split()):
                    if words != _ROTATED:
                        return False
                    found = True
        return found

    def _peek(self, item: Item) -> bytes | None:
        """A label file; nothing where it cannot be read, which is said when its turn comes."""
        try:
            return _text(self._place(item.label), Limits())
        except AnnokitError:
            return None

    @cached_property
    def _inside(self) -> str:
        return str(self.folder / "x")[:-1]

    def _place(self, inside: str) -> str:
        """``str(folder / inside)``, which takes longer than to read what is there."""
        if os.sep != "/" or inside[:1] in ("", ".", "/") or "/." in inside or "//" in inside:
            return str(self.folder / inside)
        return self._inside + inside

    def outline(self) -> Outline:
        extra = {"yolo": self.document.extra} if self.document.extra else {}
        items = self.layout.items if self._source.entries is None else self.listed.items
        keys = [RowKey(item.name, item.id) for item in items]
        return Outline(Ontology(tools=self.tools, extra=extra), keys)

    def rows(self, run: Run) -> Iterator[DataRow]:
        for place in self.listed.repeated:
            run.report.note("listed-twice", "data_rows", "listed more than once, read once", example=place)
        for place in self.listed.missing:
            message = "data.yaml names a split whose folder or list is not there"
            run.report.note("split-not-there", "data_rows", message, example=place, lossy=True)
        if self.listed.guessed:
            message = "every row has four corners, so they are read as rotated boxes (--from-task segment)"
            run.report.note("taken-for-obb", "data_rows", message, example=self._source.name)
        for items in batched(self.listed.items, _BATCH):
            with paused_gc():
                rows = self._batch(items, run)
            yield from rows

    def _batch(self, items: Sequence[Item], run: Run) -> list[DataRow]:
        opened = [found for item in items if (found := self._open(item, run)) is not None]
        lines, rule = parse([one.text for one in opened]), self.listed.rule
        wrong = faults(lines, rule, len(self.tools))
        for index, (raw, error) in wrong.items():
            item = opened[lines.images[index]].item
            error.where = Where(str(self.folder / item.label), line=error.where.line, record=item.id)
            run.reject(error, "object:unknown", raw, format="yolo")
        sizes = np.array([one.size for one in opened], np.float64).reshape(-1, 2)
        objects = objects_of(lines, rule, wrong, sizes, self.tools)
        return [self._row(one, found) for one, found in zip(opened, objects, strict=True)]

    def _row(self, opened: _Opened, objects: tuple[ObjectAnnotation, ...]) -> DataRow:
        width, height = opened.size
        return DataRow(
            id=opened.item.id,
            external_id=opened.item.name,
            source=self._source.name,
            split=opened.item.split,
            asset=Asset(uri=opened.uri, width=width, height=height),
            labels=(Label(annotations=objects),),
        )

    def _open(self, item: Item, run: Run) -> _Opened | None:
        """What the files of an item say; None after it was rejected."""
        image = self._place(item.file)
        try:
            check_file_name(item.id)
            text = _text(self._place(item.label), run.limits)
            there = os.path.exists(image)  # noqa: PTH110  # a Path takes four times as long
            if not there and text is None:
                raise ReferenceProblem("expected the image or its label file, got neither")
            size, is_turned = (item.size, False) if item.size else _size(image if there else None, run.limits)
            opened = _Opened(item, text or b"", size, image if there else None)
        except InputError as error:
            error.where = Where(error.where.file or image, record=item.id)
            run.reject(error, "data_rows", format="yolo")
            return None
        if is_turned:
            run.report.note("turned-image", "data_rows", TURNED, example=item.name, lossy=True)
        run.advance(len(opened.text))
        return opened


def _text(path: str, limits: Limits) -> bytes | None:
    """A label file; None where there is none, which means an image without objects."""
    try:
        return small_file(path, limits)
    except InputError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


def _size(image: str | None, limits: Limits) -> tuple[tuple[int, int], bool]:
    """Width and height from the image's header, and whether a viewer turns it."""
    if image is None:
        raise ReferenceProblem(
            "expected the image, since shapes are in shares of its size, got its labels only",
            hint="put it in place, or give the size with --sizes",
            code="no-size",
        )
    (height, width), orientation = image_header(Path(image), limits)
    return (width, height), orientation > 1
