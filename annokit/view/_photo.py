"""The local image behind a row's shapes, if there is one; nothing is ever downloaded."""

from __future__ import annotations

import os
from pathlib import Path

from annokit.errors import UsageError, Where
from annokit.io.limits import Limits
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

    Looked for by name in `image_dir`, never outside it; else at the row's own local path.
    """
    if row.asset.media_type != "image":
        return None
    for path in _candidates(row, image_dir):
        if os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises on names too long
            found = _image(path, limits)
            if found is not None:
                return found
    return None


def _candidates(row: DataRow, image_dir: str | os.PathLike[str] | None) -> list[Path]:
    uri = row.asset.uri or ""
    if image_dir is None:
        return [Path(uri)] if uri and "://" not in uri else []
    folder = Path(image_dir).resolve()
    if not folder.is_dir():
        raise UsageError("expected a folder of images", where=Where(os.fspath(image_dir)))
    names = [row.name, row.external_id or "", uri.partition("?")[0].rpartition("/")[2]]
    # A name must not lead out of the folder; a link that the user put there may.
    paths = [Path(os.path.normpath(folder / name)) for name in names if name]
    return [path for path in paths if path.is_relative_to(folder)]


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
