"""GeoTIFF label maps: every region of one value becomes a polygon along the edges of its pixels.

A file, or a folder as ``--to masks --georeference`` writes it, whose ``classes.csv`` names the values and ``names.ndjson``
the images, of which those that are not on earth have a PNG; 0 is the background. Regions are of pixels that share an edge. Read through rasterio (extra `geo`).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from annokit.dataset import Dataset
from annokit.errors import DecodeError, InputError, Where
from annokit.formats._base import Format, Head, NoOptions, Reader
from annokit.formats._image_files import NAMES_FILE, ImageName, read_names
from annokit.formats._masks.files import label_map_of
from annokit.geometry.georeference import open_raster
from annokit.io.source import Source
from annokit.model import Asset, DataRow, Label, ObjectAnnotation, Polygon
from annokit.run import Run

__all__ = ["FORMAT"]

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class _Map(NamedTuple):
    """A label map, and what its image is called."""

    file: Path
    name: str
    id: str
    split: str | None


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
    for one in _maps(root, run) if source.is_dir else [_unnamed(root, source.path)]:
        try:
            yield _row(one, names, source.name, run)
        except InputError as error:
            run.reject(error, "data_rows", format="geotiff")


def _maps(root: Path, run: Run) -> list[_Map]:
    """The label maps of the images in `NAMES_FILE` and all other GeoTIFFs, in order of their paths."""
    images = read_names(root / NAMES_FILE)
    if images and (root / "objects.csv").is_file():
        problem = "expected maps of classes, got those of objects (objects.csv)"
        raise InputError(problem, where=Where(str(root)), hint="write them with --kind semantic")
    maps = {one.file: one for image in images if (one := _named(root, image, run)) is not None}
    copies = root / "images"
    for file in root.rglob("*.tif"):
        if file not in maps and not (images and file.is_relative_to(copies)):
            maps[file] = _unnamed(root, file)
    return [maps[file] for file in sorted(maps)]


def _named(root: Path, image: ImageName, run: Run) -> _Map | None:
    """The label map of an image; one that is not there is rejected."""
    file = _map_of(root, image)
    if file is not None:
        return _Map(file, image.image, image.id, image.split)
    fault = InputError(f"expected a label map, got none: {image.image}", where=Where(str(root)))
    run.reject(fault, "data_rows", format="geotiff")
    return None


def _map_of(root: Path, image: ImageName) -> Path | None:
    """The label map of an image: a GeoTIFF, or a PNG where that is not on earth."""
    png = root / label_map_of(image.file)
    inside = png.resolve().is_relative_to(root.resolve())
    return next((file for file in (png.with_suffix(".tif"), png) if inside and file.is_file()), None)


def _unnamed(root: Path, file: Path) -> _Map:
    name = re.sub(r"^masks/(?:[^/]+/)?", "", file.relative_to(root).as_posix())
    return _Map(file, name, name, None)


def _class_names(file: Path) -> dict[int, str]:
    """The names of the values, if there is such a file."""
    if not file.is_file():
        return {}
    rows = csv.reader(Source(file).read_bytes().decode("utf-8-sig", "replace").splitlines())
    return {int(row[0]): row[1].removeprefix("'") for row in rows if len(row) == 2 and row[0].isdecimal()}


def _row(one: _Map, names: dict[int, str], source: str, run: Run) -> DataRow:
    values = _values(one.file, run)
    objects = [
        ObjectAnnotation(tool_name=names.get(value, str(value)), geometry=shape)
        for shape, value in _regions(values)
    ]
    height, width = values.shape
    label = Label(annotations=tuple(objects))
    asset = Asset(width=width, height=height)
    return DataRow(
        id=one.id, external_id=one.name, source=source, split=one.split, asset=asset, labels=(label,)
    )


def _values(file: Path, run: Run) -> Any:
    """The label map; refused before it is read when it is too large or no map."""
    where = Where(str(file))
    with open_raster(file, "PNG" if file.suffix == ".png" else "GTiff") as raster:
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
