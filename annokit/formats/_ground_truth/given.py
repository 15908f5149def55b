"""What a job was given: the data objects of its manifest, by the number of their line."""

from __future__ import annotations

from array import array
from typing import BinaryIO

import msgspec
from msgspec import field

from annokit.io.faults import BAD_JSON
from annokit.io.lines import iter_blocks
from annokit.io.salvage import decoder
from annokit.io.source import Source
from annokit.model import Asset

__all__ = ["GivenObjects", "asset_of", "media_of"]


class _Given(msgspec.Struct):
    source_ref: str | None = field(name="source-ref", default=None)
    source: str | None = None


class GivenObjects:
    """The lines of a manifest; only where each begins is held in memory.

    `len` is the number of lines that are not blank, which is what records are numbered by.
    """

    def __init__(self, manifest: Source) -> None:
        self.name = manifest.name
        self._offsets = array("q")
        self._lengths = array("q")
        for block in iter_blocks(manifest, manifest.limits):
            for line in block.lines():
                self._offsets.append(line.byte_offset)
                self._lengths.append(len(line.data))
        self._handle: BinaryIO = manifest.open()

    def __len__(self) -> int:
        return len(self._offsets)

    def asset(self, record: str | None) -> Asset | None:
        """The data object of a record; None where the manifest does not say."""
        if record is None or not record.isdecimal() or int(record) >= len(self):
            return None
        self._handle.seek(self._offsets[int(record)])
        try:
            given: _Given = decoder(_Given).decode(self._handle.read(self._lengths[int(record)]))
        except BAD_JSON:
            return None
        if given.source_ref is None and given.source is None:
            return None
        return asset_of(given.source_ref, given.source)

    def close(self) -> None:
        """Let go of the file."""
        self._handle.close()


_ENDINGS = {
    (".mp4", ".mov", ".avi", ".webm", ".mkv"): "video",
    (".txt", ".csv"): "text",
    (".bin", ".pcd", ".ply"): "point_cloud",
}


def asset_of(uri: str | None, text: str | None) -> Asset:
    """A data object by its address, or by the text it is."""
    return Asset(uri=uri, text=text, media_type=media_of(uri, text))


def media_of(uri: str | None, text: str | None = None) -> str:
    """The media type of a data object by its text or its suffix, else image.

    >>> media_of("s3://bucket/a.jpg"), media_of(None, "To be"), media_of("s3://bucket/a.MP4?x=1")
    ('image', 'text', 'video')
    """
    if text is not None:
        return "text"
    path = (uri or "").partition("?")[0].lower()
    for ends, media in _ENDINGS.items():
        if path.endswith(ends):
            return media
    return "image"
