"""The files of a folder of masks: where they stand, and their bytes."""

from __future__ import annotations

import csv
import io
import posixpath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annokit.errors import LimitExceeded

__all__ = ["csv_line", "label_map_of", "mask_folder", "png"]


def label_map_of(image: str) -> str:
    """The mask of an image, of the same stem.

    >>> label_map_of("images/train/sub/a.v2.jpg")
    'masks/train/sub/a.v2.png'
    """
    return f"{posixpath.splitext('masks/' + image.removeprefix('images/'))[0]}.png"


def mask_folder(label_map: str) -> str:
    """The folder of an image whose objects have a file each."""
    return label_map.removesuffix(".png")


def png(pixels: NDArray[np.generic]) -> bytes:
    """A grey PNG: of 8 bits, or of 16 where a value is above 255."""
    from PIL import Image

    top = int(pixels.max(initial=0))
    if top > 0xFFFF:
        raise LimitExceeded(
            f"a PNG holds values up to 65535, got {top}", hint="--kind objects writes a file for each object"
        )
    out = io.BytesIO()
    dtype = np.uint8 if top <= 0xFF else np.uint16
    Image.fromarray(np.ascontiguousarray(pixels, dtype)).save(out, "PNG")
    return out.getvalue()


def csv_line(*values: Any) -> bytes:
    """A line of CSV in which no value is taken for a formula by a spreadsheet.

    >>> csv_line("1", "=SUM(A1)", "b, c").decode().rstrip()
    '1,\\'=SUM(A1),"b, c"'
    """
    out = io.StringIO()
    csv.writer(out).writerow(
        f"'{value}" if value[:1] in "=+-@\t\r\n" and value else value for value in values
    )
    return out.getvalue().encode("utf-8", "surrogatepass")
