"""GeoTIFF label maps: every region of one value becomes a polygon along the edges of its pixels.

A file, or a folder as ``--to masks --georeference`` writes it, whose ``classes.csv`` names the values; 0 is the background.
Regions are of pixels that share an edge. Read through rasterio (extra `geo`).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from annokit.dataset import Dataset
from annokit.errors import DecodeError, InputError, Where
from annokit.formats._base import Format, Head, NoOptions, Reader
from annokit.geometry.georeference import open_raster
from annokit.io.source import Source
from annokit.model import Asset, DataRow, Label, ObjectAnnotation, Polygon
from annokit.run import Run

__all__ = ["FORMAT"]

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _sniff(head: Head) -> bool:
    if head.path is not None and head.is_dir:
        return "classes.csv" in head.entries and next(head.path.rglob("*.tif"), None) is not None
    return head.data.startswith(_MAGIC)


def _read(source: Source, _options: NoOptions) -> Dataset:
    return Dataset(lambda run: _rows(source, run), source=source.name, size=source.size)


def _rows(source: Source, run: Run) -> Iterator[DataRow]:
    if source.path is None:
        raise InputError("expected a GeoTIFF file or a folder, got bytes", where=Where(source.name))
    root = source.path if source.is_dir else source.path.parent
    names = _class_names(root / "classes.csv")
    for file in sorted(root.rglob("*.tif")) if source.is_dir else [source.path]:
        try:
            yield _row(file, file.relative_to(root).as_posix(), names, source.name, run)
        except InputError as error:
            run.reject(error, "data_rows", format="geotiff")


def _class_names(file: Path) -> dict[int, str]:
    """The names of the values, if there is such a file."""
    if not file.is_file():
        return {}
    rows = csv.reader(Source(file).read_bytes().decode("utf-8-sig", "replace").splitlines())
    return {int(row[0]): row[1].removeprefix("'") for row in rows if len(row) == 2 and row[0].isdecimal()}


def _row(file: Path, place: str, names: dict[int, str], source: str, run: Run) -> DataRow:
    values = _values(file, run)
    objects = [
        ObjectAnnotation(tool_name=names.get(value, str(value)), geometry=shape)
        for shape, value in _regions(values)
    ]
    height, width = values.shape
    name = re.sub(r"^masks/(?:[^/]+/)?", "", place)
    label = Label(annotations=tuple(objects))
    asset = Asset(width=width, height=height)
    return DataRow(id=name, external_id=name, source=source, asset=asset, labels=(label,))


def _values(file: Path, run: Run) -> Any:
    """The label map; refused before it is read when it is too large or no map."""
    where = Where(str(file))
    with open_raster(file) as raster:
        run.limits.check("max_pixels", raster.width * raster.height, where)
        kind = np.dtype(raster.dtypes[0])
        if raster.count != 1 or kind.kind not in "iu" or kind.itemsize > 4:
            got = f"{raster.count} of {raster.dtypes[0]}"
            raise DecodeError(f"expected one band of whole numbers up to 32 bits, got {got}", where=where)
        values = raster.read(1)
    return values.astype(np.int32)


def _regions(values: Any) -> Iterator[tuple[Polygon, int]]:
    from rasterio.features import shapes

    for geometry, value in shapes(values, mask=values > 0, connectivity=4):
        rings = [ring[:-1] for ring in geometry["coordinates"]]
        yield Polygon.from_parts([rings]), int(value)


FORMAT = Format(
    name="geotiff",
    title="GeoTIFF label maps: regions as polygons",
    sniff=_sniff,
    reader=Reader(read=_read, options=NoOptions),
)
