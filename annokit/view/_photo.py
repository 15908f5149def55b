"""The local image behind a row's shapes, if there is one; nothing is ever downloaded."""

from __future__ import annotations

import os
from pathlib import Path

from annokit.errors import Where
from annokit.io.limits import Limits
from annokit.io.photos import Photos, folders_of
from annokit.io.source import reading
from annokit.model import DataRow

__all__ = ["find_photo"]

_STARTS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
}


def find_photo(
    row: DataRow, image_dir: str | os.PathLike[str] | None, limits: Limits
) -> tuple[bytes, str] | None:
    """The bytes and the media type of the image of a row, when a file has it in a form pictures can hold.

    Looked for in `image_dir`, never outside it.
    """
    if row.asset.media_type != "image":
        return None
    path = Photos(folders_of([], None if image_dir is None else os.fspath(image_dir))).find(
        row.name, row.asset.uri
    )
    return None if path is None else _image(path, limits)


def _image(path: Path, limits: Limits) -> tuple[bytes, str] | None:
    with reading(str(path)):
        limits.check("max_document_bytes", path.stat().st_size, Where(str(path)))
        data = path.read_bytes()
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return data, "image/webp"
    for start, media_type in _STARTS.items():
        if data.startswith(start):
            return data, media_type
    return None
