"""COCO panoptic: one document, and a PNG for each image in which every pixel has one segment.

Source of the format: https://cocodataset.org/#format-data and panopticapi. The id of a segment is the colour
of its pixels: red + 256 green + 65536 blue; 0 is no segment. Each segment becomes a mask.
"""

from __future__ import annotations

from annokit.dataset import Dataset
from annokit.errors import InputError, Where
from annokit.formats._base import Format, Head, Reader, Writer
from annokit.formats._coco.panoptic_read import PanopticFile, ReadOptions
from annokit.formats._coco.panoptic_write import DOCUMENT, write
from annokit.formats._coco.wire import is_document, is_panoptic
from annokit.formats._coco.write import WriteOptions
from annokit.io.source import Source

__all__ = ["FORMAT"]


def _sniff(head: Head) -> bool:
    if head.is_dir:
        return DOCUMENT in head.entries
    return is_document(head) and is_panoptic(head)


def _read(source: Source, options: ReadOptions) -> Dataset:
    if source.is_dir and source.path is not None:
        if not (source.path / DOCUMENT).is_file():
            raise InputError(f"expected a folder with {DOCUMENT}, got none", where=Where(source.name))
        limits, source = source.limits, Source(source.path / DOCUMENT)
        source.limits = limits
    file = PanopticFile(source, options)
    return Dataset(file.rows, outline=file.outline, source=source.name, size=source.size)


FORMAT = Format(
    name="coco-panoptic",
    title="COCO panoptic: JSON and a folder of PNGs",
    sniff=_sniff,
    reader=Reader(read=_read, options=ReadOptions),
    writer=Writer(write=write, options=WriteOptions, target="folder"),
)
