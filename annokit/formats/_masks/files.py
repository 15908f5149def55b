"""The files of a folder of masks: where they stand, and their bytes."""

from __future__ import annotations

import csv
import io
import posixpath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annokit.errors import LimitExceeded
from annokit.geometry.georeference import Georeference

__all__ = ["csv_line", "geotiff", "label_map_of", "mask_folder", "png"]


def label_map_of(image: str) -> str:
    """The mask of an image, of the same stem.

    >>> label_map_of("images/train/sub/a.v2.jpg")
    'masks/train/sub/a.v2.png'
    """
    return f"{posixpath.splitext('masks/' + image.removeprefix('images/'))[0]}.png"


def mask_folder(label_map: str) -> str:
    """The folder of an image whose objects have a file each; its label map is of this name, too, before the suffix."""
    return label_map.removesuffix(".png")


def png(pixels: NDArray[np.generic]) -> bytes:
    """A grey PNG: of 8 bits, or of 16 where a value is above 255."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(_narrow(pixels)).save(out, "PNG")
    return out.getvalue()


def _narrow(pixels: NDArray[np.generic]) -> NDArray[Any]:
    top = int(pixels.max(initial=0))
    if top > 0xFFFF:
        raise LimitExceeded(
            f"a label map holds values up to 65535, got {top}",
            hint="--kind objects writes a file for each object",
        )
    return np.ascontiguousarray(pixels, np.uint8 if top <= 0xFF else np.uint16)


def geotiff(pixels: NDArray[np.generic], place: Georeference) -> bytes:
    """The same as a GeoTIFF of one band, 0 being no data."""
    from rasterio.io import MemoryFile

    values = _narrow(pixels)
    height, width = values.shape
    profile = {"height": height, "width": width, "count": 1, "dtype": values.dtype.name, "nodata": 0}
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", crs=place.crs, transform=place.transform, compress="deflate", **profile
        ) as out:
            out.write(values, 1)
        return bytes(memory.read())


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
