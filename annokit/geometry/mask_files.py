"""Masks that stand in PNG files beside the labels: which file is whose, and their pixels as runs."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annokit.errors import InputError, UnsafeInput, Where, shown
from annokit.geometry.raster import masks_of
from annokit.io.images import read_png_pixels
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.io.names import safe_name
from annokit.model import Mask, MaskReference

__all__ = ["TABLE", "MaskFolder", "mask_file_name", "write_mask_table"]

TABLE = "masks.csv"
"""In a folder of masks: the file of every URL, where they are not called what `mask_file_name` says."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


_SIGNS = re.compile(
    r"(?i)(token|expires|signature|keyname|key-pair-id|policy|x-amz-\w|x-goog-\w|s[eivprt]g?=)"
)


def mask_file_name(url: str) -> str:
    """The name under which `MaskFolder` looks for what `url` leads to: one of its own for each URL.

    What signs a URL changes with every export, so it has no part in the name.

    >>> mask_file_name("https://example.com/masks/m1?token=a") == mask_file_name("https://example.com/masks/m1")
    True
    """
    path, _, query = url.partition("?")
    lasting = "&".join(part for part in query.split("&") if part and not _SIGNS.match(part))
    stem = safe_name(path.rstrip("/").rpartition("/")[2].removesuffix(".png"))[:80]
    named = f"{path}?{lasting}".encode("utf-8", "surrogatepass")
    return f"{stem}~{hashlib.sha256(named).hexdigest()[:16]}.png"


def write_mask_table(path: Path, files: Iterable[tuple[str, str]]) -> None:
    """Write URLs and file names as CSV; a URL that a spreadsheet would run gets an apostrophe in front."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("url", "file"))
        writer.writerows((f"'{url}" if url.startswith(_FORMULA) else url, file) for url, file in files)


class MaskFolder:
    """A folder with the PNGs that mask references lead to; nothing is ever downloaded.

    Parameters
    ----------
    folder : str or Path
        With a `TABLE` in it, the file of a URL is the one it names; else it is called `mask_file_name`.
    limits : Limits
        For the size of the images.

    Raises
    ------
    InputError
        There is no such folder, or its table is no table.
    UnsafeInput
        The table names a file outside the folder.
    """

    def __init__(self, folder: str | Path, limits: Limits = DEFAULT_LIMITS) -> None:
        self._folder, self._limits = Path(folder), limits
        if not self._folder.is_dir():
            raise InputError("expected a folder of masks, got none", where=Where(str(folder)))
        table = self._folder / TABLE
        self._files = _read_table(table) if table.is_file() else None
        self._pixels = lru_cache(maxsize=4)(self._read)

    def find(self, reference: MaskReference) -> Path | None:
        """The file that is there for a reference, if it is."""
        name = mask_file_name(reference.uri) if self._files is None else self._files.get(reference.uri)
        path = None if name is None else self._folder / name
        return path if path is not None and path.is_file() else None

    def mask(self, reference: MaskReference, path: Path) -> Mask:
        """The pixels of a reference: those of its colour, or all that are not 0 where it has none.

        Grey and palette images hold numbers: number n stands for the colour (n, n, n), and in a palette
        image also for its colour in the palette.
        """
        from annokit_fast import rle

        colors, numbers = self._pixels(path)
        if reference.color is None:
            pixels = colors != 0
        else:
            red, green, blue = reference.color
            pixels = colors == (red << 16 | green << 8 | blue)
            if numbers is not None and red == green == blue and not pixels.any():
                pixels = numbers == red
        return masks_of(rle.encode(pixels))[0]

    def _read(self, path: Path) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Each pixel's colour as one number; for palette images their samples, too."""
        samples = read_png_pixels(path, self._limits)
        if samples.ndim == 3:
            wide = samples.astype(np.uint32)
            return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2], None
        palette = _palette(path)
        if palette is None:
            wide = samples.astype(np.uint32)
            return np.where(wide < 256, wide * 0x010101, wide << 8 | 1 << 31), None  # 16 bits: no colour
        if int(samples.max()) >= len(palette):
            raise InputError("broken image: a pixel is not in the palette", where=Where(str(path)))
        return palette[samples], samples


def _palette(path: Path) -> NDArray[np.uint32] | None:
    """The colours of a palette PNG, each as one number."""
    with path.open("rb") as handle:
        handle.seek(8)
        while len(head := handle.read(8)) == 8 and head[4:] != b"IDAT":
            data = handle.read(int.from_bytes(head[:4], "big"))
            if head[4:] == b"PLTE":
                colors = np.frombuffer(data[: len(data) // 3 * 3], np.uint8).reshape(-1, 3)
                return colors.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
            handle.read(4)
    return None


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and not set(name) & set("\\:\0")


def _read_table(path: Path) -> Mapping[str, str]:
    files: dict[str, str] = {}
    rows = iter(_table_rows(path))
    if next(rows, (1, []))[1][:2] != ["url", "file"]:
        raise InputError("expected a CSV table with the columns url,file", where=Where(str(path), line=1))
    for line, row in rows:
        if len(row) < 2:
            raise InputError("expected a URL and a file", where=Where(str(path), line=line))
        url, name = row[:2]
        if not _is_inside(name):
            where = Where(str(path), line=line)
            raise UnsafeInput(f"the file {shown(name)} is not inside the folder", where=where)
        files[url[1:] if url.startswith("'") and url[1:].startswith(_FORMULA) else url] = name
    return files


def _table_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file with the numbers of their lines."""
    with path.open(encoding="utf-8-sig", newline="") as handle:
        rows = csv.reader(handle)
        try:
            for row in rows:
                yield rows.line_num, row
        except (UnicodeDecodeError, csv.Error) as error:
            where = Where(str(path), line=rows.line_num + 1)
            raise InputError(f"expected a CSV table in UTF-8: {error}", where=where) from error
