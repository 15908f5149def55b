"""Labelbox export v2: NDJSON, one data row a line, with the labels of every project it is in.

Source of the format: https://docs.labelbox.com/reference/label-export and the tests of the platform's SDK. What the
model has no field for is kept in ``extra["labelbox"]`` at the level where it stood. Objects in the frames of a video
or of the planes of a DICOM volume become tracks; what a model predicted becomes labels of origin `model`. Frames count
from 1 there; the segments of audio are milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from annokit.dataset import Dataset, Outline
from annokit.formats._base import Format, Head, NoOptions, Reader, Writer
from annokit.formats._labelbox import wire
from annokit.formats._labelbox.outline import outline
from annokit.formats._labelbox.rows import RowBuilder
from annokit.formats._labelbox.shared import Masks, ReadOptions, batches
from annokit.formats._labelbox.write import write
from annokit.io.elements import cut_elements
from annokit.io.faults import BAD_JSON
from annokit.io.gc import paused_gc
from annokit.io.salvage import decoder
from annokit.io.source import Source
from annokit.model import DataRow
from annokit.run import Run

__all__ = ["FORMAT"]


class _DataRow(msgspec.Struct):
    id: str


class _Line(msgspec.Struct):
    data_row: _DataRow


def _record_id(line: bytes) -> str | None:
    try:
        found: _Line = decoder(_Line).decode(line)
    except BAD_JSON:
        return None
    return found.data_row.id


def _rows(source: Source, options: ReadOptions, run: Run) -> Iterator[DataRow]:
    masks = Masks(options, run)
    blocks = batches(source, run, wire.Row, format="labelbox", record_id=_record_id)
    while True:
        with paused_gc():
            batch = next(blocks, None)
            if batch is None:
                return
            rows = RowBuilder(batch, masks).rows()
        del batch  # its memory serves the next block
        yield from rows
        del rows


def _cut(source: Source, _options: ReadOptions, size: int, *, numbered: bool = True) -> list[Source]:
    return cut_elements(source, size, numbered=numbered)


def _sniff(head: Head) -> bool:
    return re.match(rb'[\s\xef\xbb\xbf\[]*\{\s*"', head.data) is not None and (
        re.search(rb'"data_row"\s*:\s*\{', head.data) is not None
    )


def _read(source: Source, options: ReadOptions) -> Dataset:
    def first_pass() -> Outline:
        return outline(source)

    return Dataset(
        lambda run: _rows(source, options, run), outline=first_pass, source=source.name, size=source.size
    )


FORMAT = Format(
    name="labelbox",
    title="Labelbox export v2 (NDJSON)",
    sniff=_sniff,
    reader=Reader(read=_read, options=ReadOptions, cut=_cut),
    writer=Writer(
        write=write,
        options=NoOptions,
        target="file",
        suffix=".ndjson",
        keeps_details=True,
        keeps_splits=False,
    ),
)
