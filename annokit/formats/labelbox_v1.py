"""Labelbox's legacy export (v1): one entry a label, as a JSON array, a single object, or NDJSON.

Source of the format: the fixtures and the former parser of the platform's SDK (up to 4.0). Entries of one data row
become one row with several labels. What the model has no field for is kept in ``extra["labelbox-v1"]``.
Videos become tracks, with frames from 0 on; where an entry has only the URL of its frames, `frames` is the folder they
were fetched to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from operator import attrgetter
from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from annokit.dataset import Dataset
from annokit.formats._base import Format, Head, NoOptions, Reader, Writer
from annokit.formats._labelbox.shared import Masks, ReadOptions, batches
from annokit.formats._labelbox.waiting import Waiting, cut_between_rows, totals
from annokit.formats._labelbox_v1 import wire
from annokit.formats._labelbox_v1.frames import FrameFolder
from annokit.formats._labelbox_v1.objects import NAME
from annokit.formats._labelbox_v1.rows import RowBuilder, joined
from annokit.formats._labelbox_v1.write import write
from annokit.io.faults import BAD_JSON
from annokit.io.gc import paused_gc
from annokit.io.salvage import decoder
from annokit.io.source import Source
from annokit.model import DataRow
from annokit.run import Run

__all__ = ["FORMAT"]


class V1ReadOptions(ReadOptions, frozen=True):
    """How the legacy export is read."""

    frames: Annotated[
        str | None,
        Meta(
            description="folder with the frames of videos, as NDJSON files called as labels or data rows are"
        ),
    ] = None


class _Id(msgspec.Struct):
    id: str = msgspec.field(name="DataRow ID")


def _record_id(line: bytes) -> str | None:
    try:
        found: _Id = decoder(_Id).decode(line)
    except BAD_JSON:
        return None
    return found.id


def _rows(source: Source, options: V1ReadOptions, run: Run) -> Iterator[DataRow]:
    masks, frames = Masks(options, run), FrameFolder(options.frames, run)
    waiting = Waiting[DataRow](totals(source, run, _Id, attrgetter("id"), _record_id))
    blocks = batches(source, run, wire.Entry, format=NAME, record_id=_record_id)
    while True:
        with paused_gc():
            batch = next(blocks, None)
            if batch is None:
                break
            for row_id in batch.lost:
                waiting.add(row_id, None)
            for row_id, row in RowBuilder(batch, masks, frames).rows():
                waiting.add(row_id, row)
        yield from map(joined, waiting.complete())
    yield from map(joined, waiting.complete(everything=True))


def _cut(source: Source, _options: V1ReadOptions, size: int, *, numbered: bool = True) -> list[Source]:  # noqa: ARG001
    return cut_between_rows(source, size, _record_id)


def _sniff(head: Head) -> bool:
    return re.match(rb'[\s\xef\xbb\xbf\[]*\{\s*"', head.data) is not None and (
        re.search(rb'"(DataRow ID|Labeled Data|External ID|View Label)"\s*:', head.data) is not None
    )


def _read(source: Source, options: V1ReadOptions) -> Dataset:
    plain = Dataset(
        lambda run: _rows(source, replace(options, masks=None), run)
    )  # classes and names need no masks
    plain.is_checked = True
    return Dataset(
        lambda run: _rows(source, options, run),
        outline=lambda: plain.outline,
        source=source.name,
        size=source.size,
    )


FORMAT = Format(
    name=NAME,
    title="Labelbox legacy export v1 (JSON)",
    sniff=_sniff,
    reader=Reader(read=_read, options=V1ReadOptions, cut=_cut),
    writer=Writer(write=write, options=NoOptions, target="file", keeps_details=True),
)
