"""COCO JSON: one document of images, annotations and categories: instances, stuff, keypoints, captions.

Source of the format: https://cocodataset.org/#format-data and pycocotools. Ids, areas and every key the
model has no field for are kept in ``extra["coco"]`` and written back. An annotation with keypoints becomes
`Keypoints` with its box, a caption a text classification called ``caption``; in a file in which no annotation
has a shape each one is a classification of its image.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import msgspec
from msgspec import Meta, Raw

from annokit.dataset import Dataset
from annokit.formats._base import Format, Head, Options, Reader, Writer
from annokit.formats._coco import write
from annokit.formats._coco.read import File
from annokit.formats._coco.wire import decoded, is_document, is_panoptic
from annokit.io.salvage import decoder
from annokit.io.source import Source

__all__ = ["FORMAT"]


class ReadOptions(Options, frozen=True):
    """How COCO is read."""

    image_dir: Annotated[str | None, Meta(description="folder with the image files")] = None


class _RawDocument(msgspec.Struct):
    annotations: list[Raw]


def _annotations(data: bytes) -> list[Raw]:
    document: _RawDocument = decoder(_RawDocument).decode(data)
    return document.annotations


def _sniff(head: Head) -> bool:
    return is_document(head) and not is_panoptic(head)


def _read(source: Source, options: ReadOptions) -> Dataset:
    file = File(source, partial(decoded, source), _annotations, image_dir=options.image_dir)
    return Dataset(file.rows, outline=file.outline, source=source.name, size=source.size)


FORMAT = Format(
    name="coco",
    title="COCO JSON: instances, stuff, keypoints, captions",
    sniff=_sniff,
    reader=Reader(read=_read, options=ReadOptions),
    writer=Writer(
        write=write.PIECES.write,
        options=write.WriteOptions,
        target="file",
        keeps_splits=False,
        pieces=write.PIECES,
    ),
)
