"""Between the pixels of a GeoTIFF and longitude and latitude, through rasterio's transform and CRS (extra `geo`)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from annokit.errors import GeometryError, InputError, UsageError, Where
from annokit.geometry.raster import mask_batch, outline_of
from annokit.model import Box, Geometry, Keypoints, Line, Mask, Point, Polygon, RotatedBox
from annokit.model.base import Floats

__all__ = ["Georeference", "box_of", "find_georeference", "mapped", "open_raster"]

_LONLAT = "EPSG:4326"
_Move: TypeAlias = Callable[[Floats], Floats]


class Georeference(NamedTuple):
    """Where the pixels of an image are on earth; pixel (0, 0) begins at the corner of the image."""

    transform: Any
    crs: Any
    width: int
    height: int

    def to_lonlat(self, coords: Floats) -> Floats:
        """Longitude and latitude of pixels (n, 2)."""
        return _warped(self.crs, _LONLAT, _moved(self.transform, coords))

    def to_pixels(self, lonlat: Floats) -> Floats:
        """Pixels of longitude and latitude (n, 2)."""
        return _moved(~self.transform, _warped(_LONLAT, self.crs, lonlat))


def _moved(transform: Any, points: Floats) -> Floats:
    """Points (n, 2) by an affine transform."""
    x, y = points.T
    columns = (
        transform.a * x + transform.b * y + transform.c,
        transform.d * x + transform.e * y + transform.f,
    )
    return np.stack(columns, axis=1)


def _warped(source: Any, target: Any, points: Floats) -> Floats:
    """Points (n, 2) from one reference system to another."""
    if not len(points):
        return points
    from rasterio.warp import transform

    return np.array(transform(source, target, *points.T)[:2], np.float64).T


def open_raster(path: Path, driver: str = "GTiff") -> Any:
    """An open GeoTIFF, or what else GDAL has a driver for, of that driver only.

    Raises
    ------
    UsageError
        rasterio is not installed.
    InputError
        It cannot be read.
    """
    try:
        import rasterio
    except ImportError as error:
        raise UsageError("GeoTIFFs need rasterio", hint="pip install annokit[geo]") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            return rasterio.open(path, driver=driver)
    except rasterio.errors.RasterioIOError as error:
        kind = "GeoTIFF" if driver == "GTiff" else driver
        raise InputError(f"expected a {kind}: {error}", where=Where(str(path))) from error


def find_georeference(folder: Path, name: str) -> Georeference | None:
    """That of the GeoTIFF of a data row in a folder; None where there is none, or it is not on earth."""
    root = folder.resolve()
    for file in (name, f"{name}.tif", f"{name}.tiff"):
        path = (root / file).resolve()
        if path.suffix.lower() in (".tif", ".tiff") and path.is_relative_to(root) and path.is_file():
            with open_raster(path) as raster:
                if raster.crs is None:
                    return None
                return Georeference(raster.transform, raster.crs, raster.width, raster.height)
    return None


def mapped(shape: Geometry, move: _Move) -> Geometry | None:
    """A shape with its points moved; None for what has none.

    A box that is none any more becomes a polygon, and so does a mask, along the edges of its pixels.

    >>> mapped(Box(x=1, y=1, width=2, height=2), lambda points: points * 10)
    Box(x=10.0, y=10.0, width=20.0, height=20.0)
    """
    if isinstance(shape, Box):
        corners = move(np.array(outline_of(shape).coords))
        return box_of(corners) or Polygon(coords=corners)
    if isinstance(shape, RotatedBox):
        return RotatedBox(corners=move(shape.corners))
    if isinstance(shape, Point):
        [(x, y)] = move(np.array([(shape.x, shape.y)], np.float64)).tolist()
        return Point(x=x, y=y)
    if isinstance(shape, Mask):
        shape = _outline(shape)
    if isinstance(shape, Polygon):
        return Polygon(
            coords=move(shape.coords), ring_offsets=shape.ring_offsets, part_offsets=shape.part_offsets
        )
    if isinstance(shape, Line):
        return Line(coords=move(shape.coords))
    return (
        Keypoints(coords=move(shape.coords), visibility=shape.visibility)
        if isinstance(shape, Keypoints)
        else None
    )


def _outline(mask: Mask) -> Polygon:
    from annokit_fast import rle

    coords, rings, parts, _ = rle.to_polygons(mask_batch([mask]))
    return Polygon(coords=coords, ring_offsets=rings, part_offsets=parts)


def box_of(corners: Floats) -> Box | None:
    """The box whose four corners these are, in turn; None if they are those of none."""
    if corners.shape != (4, 2):
        return None
    if not np.isfinite(corners).all():
        raise GeometryError("expected finite coordinates")
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    around = {(left, top), (right, top), (right, bottom), (left, bottom)}
    steps = np.abs(np.diff(corners, axis=0))
    is_box = set(map(tuple, corners.tolist())) == around and ((steps > 0).sum(axis=1) <= 1).all()
    return Box(x=left, y=top, width=right - left, height=bottom - top) if is_box else None
