"""Labelbox import NDJSON: pre-labels and ground truth, one annotation a line.

Source of the format: https://docs.labelbox.com/reference/import-image-annotations, its sisters for other media, and
the models of the platform's SDK. All lines of a data row become one label of origin `model`; those that say
``isBenchmarkReferenceLabel`` become a label of their own. Frames count from 1 there, the last character of a text is
counted in. What the model has no field for is kept in ``extra["labelbox-import"]``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from annokit.dataset import Dataset
from annokit.errors import InputError, LimitExceeded
from annokit.formats._base import Format, Head, Options, Reader, Writer
from annokit.formats._labelbox.shared import Batch, batches
from annokit.formats._labelbox.waiting import Waiting, cut_between_rows, totals
from annokit.formats._labelbox_import import wire
from annokit.formats._labelbox_import.lines import WriteOptions
from annokit.formats._labelbox_import.read import NAME, AnnotationBuilder, medium
from annokit.formats._labelbox_import.write import write
from annokit.io.faults import BAD_JSON, told
from annokit.io.gc import paused_gc
from annokit.io.salvage import decoder
from annokit.io.source import Source
from annokit.model import Annotation, Asset, DataRow, Label
from annokit.run import Run

__all__ = ["FORMAT"]


class ReadOptions(Options, frozen=True):
    """How import files are read: they say nothing of their data rows."""

    media: Annotated[
        Literal["image", "video", "text", "conversation", "pdf", "audio", "geo", "html", "dicom"] | None,
        Meta(description="what the data rows are; by default what their annotations tell"),
    ] = None


class _Id(msgspec.Struct, rename="camel"):
    id: str | None = None
    global_key: str | None = None


class _Line(msgspec.Struct, rename="camel"):
    data_row: _Id


class _Read(msgspec.Struct, frozen=True):
    """A line, and what became of it."""

    line: wire.Line
    annotations: Sequence[Annotation]


def _key(line: _Line | wire.Line) -> str:
    """The id of a data row, or its global key."""
    return line.data_row.id or line.data_row.global_key or ""


def _record_id(line: bytes) -> str | None:
    try:
        return _key(decoder(_Line).decode(line))
    except BAD_JSON:
        return None


def _rows(source: Source, options: ReadOptions, run: Run) -> Iterator[DataRow]:
    waiting = Waiting[_Read](totals(source, run, _Line, _key, _record_id))
    blocks = batches(source, run, wire.Line, format=NAME, record_id=_record_id)
    while True:
        with paused_gc():
            batch = next(blocks, None)
            if batch is None:
                break
            for key, line in _annotations(batch, options.media):
                waiting.add(key, line)
            rows = [_row(found, source.name, options.media) for found in waiting.complete()]
        del batch
        yield from rows
        del rows
    for parts in waiting.complete(everything=True):
        yield _row(parts, source.name, options.media)


def _annotations(batch: Batch[wire.Line], media: str | None) -> Iterator[tuple[str | None, _Read | None]]:
    builder = AnnotationBuilder(batch, media)
    for key in batch.lost:
        yield key, None
    for number, line in batch.records:
        try:
            yield _key(line), _Read(line, builder.annotations(line))
        except (InputError, LimitExceeded, RecursionError) as error:
            batch.reject(number, "$", told(error), unit=wire.Line.unit)
            yield _key(line), None


def _row(found: list[_Read], source: str, media: str | None) -> DataRow:
    """One data row, with a label for what was found and one for what is the benchmark."""
    known = found[0].line.data_row
    labels = []
    for is_benchmark in (False, True):
        parts = [one for one in found if one.line.is_benchmark_reference_label is is_benchmark]
        if parts:
            made = tuple([annotation for one in parts for annotation in one.annotations])
            origin: Literal["human", "model"] = "human" if is_benchmark else "model"
            labels.append(Label(is_benchmark=is_benchmark, origin=origin, annotations=made))
    return DataRow(
        id=known.id or known.global_key or "",
        global_key=known.global_key,
        source=source,
        asset=Asset(media_type=media or medium([one.line for one in found])),
        labels=tuple(labels),
        extra={NAME: {"dataRow": "id" if known.global_key is None else "globalKey"}},
    )


def _cut(source: Source, _options: ReadOptions, size: int, *, numbered: bool = True) -> list[Source]:  # noqa: ARG001
    return cut_between_rows(source, size, _record_id)


def _sniff(head: Head) -> bool:
    return re.match(rb'[\s\xef\xbb\xbf\[]*\{\s*"', head.data) is not None and (
        re.search(rb'"dataRow"\s*:\s*\{\s*"(id|globalKey)"', head.data) is not None
    )


def _read(source: Source, options: ReadOptions) -> Dataset:
    return Dataset(lambda run: _rows(source, options, run), source=source.name, size=source.size)


FORMAT = Format(
    name=NAME,
    title="Labelbox import NDJSON: pre-labels and ground truth",
    sniff=_sniff,
    reader=Reader(read=_read, options=ReadOptions, cut=_cut),
    writer=Writer(write=write, options=WriteOptions, target="file", suffix=".ndjson", keeps_splits=False),
)
