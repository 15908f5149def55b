"""Measures of many outlines at once, through the kernels of `annokit_fast`; NaN where a coordinate is not finite."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from annokit.geometry.ragged import Outlines, flattened
from annokit.model import Polygon
from annokit.model.base import Floats, Indices

__all__ = ["flat_areas", "outline_areas", "ring_areas", "ring_bounds"]


def ring_bounds(coords: Floats, offsets: Indices) -> Floats:
    """The box around each ring as x1, y1, x2, y2; four NaN for a ring without vertices.

    Parameters
    ----------
    coords : float64 (v, 2)
    offsets : int64 (n + 1,)
        Ring i has the vertices ``coords[offsets[i]:offsets[i + 1]]``.

    Examples
    --------
    >>> ring_bounds(np.array([(1.0, 5.0), (3.0, 2.0)]), np.array([0, 2, 2])).tolist()
    [[1.0, 2.0, 3.0, 5.0], [nan, nan, nan, nan]]
    """
    from annokit_fast import polygons

    return _measured(polygons.bounds, coords, offsets, np.arange(len(offsets)))


def ring_areas(coords: Floats, offsets: Indices) -> Floats:
    """What each ring encloses, in square pixels.

    >>> ring_areas(np.array([(0.0, 0.0), (4.0, 0.0), (4.0, 4.0)]), np.array([0, 3, 3])).tolist()
    [8.0, 0.0]
    """
    from annokit_fast import polygons

    return _measured(polygons.area, coords, offsets, np.arange(len(offsets)))


def outline_areas(shapes: Sequence[Polygon]) -> Floats:
    """The exact area of each polygon in square pixels: of its exteriors, less their holes.

    >>> outline_areas([Polygon(coords=[(0, 0), (4, 0), (4, 4)]), Polygon(coords=[])]).tolist()
    [8.0, 0.0]
    """
    return flat_areas(flattened(shapes))


def flat_areas(shapes: Outlines) -> Floats:
    """`outline_areas` of polygons that are flat already."""
    from annokit_fast import polygons

    areas = _measured(polygons.area, shapes.coords, shapes.ring_offsets, shapes.part_offsets)
    owners = np.repeat(np.arange(len(shapes.object_offsets) - 1), np.diff(shapes.object_offsets))
    totals: Floats = np.bincount(owners, areas, len(shapes.object_offsets) - 1).astype(np.float64)
    return totals


def _measured(
    measure: Callable[..., Floats], coords: Floats, ring_offsets: Indices, part_offsets: Indices
) -> Floats:
    if np.isfinite(coords).all():
        return measure(coords, ring_offsets, part_offsets)
    finite = np.asarray(np.isfinite(coords).all(axis=1))
    values = measure(np.where(finite[:, None], coords, 0.0), ring_offsets, part_offsets)
    owners = np.repeat(np.arange(len(part_offsets) - 1), np.diff(ring_offsets[part_offsets]))
    values[owners[~finite]] = np.nan
    return values
