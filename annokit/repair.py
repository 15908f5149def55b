"""Repairs that the user asks for by name; each change is counted under its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from msgspec.structs import replace

from annokit.dataset import Dataset
from annokit.errors import UsageError
from annokit.model import Asset, Box, DataRow, Geometry, Label, Line, Mask, ObjectAnnotation, Polygon
from annokit.report import census, kind_of
from annokit.run import Run

__all__ = ["REPAIRS", "repair"]

_Repair: TypeAlias = Callable[[Geometry, Asset], Geometry | None]
"""The shape mended, the very same object where nothing is wrong, or None where nothing of it is left."""


def repair(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """The dataset with its objects mended, by the repairs named, in this order.

    Parameters
    ----------
    names : sequence of {"make-valid", "clip", "drop-degenerate"}
        `make-valid` redraws polygons whose rings cross (a bow tie becomes two parts); `clip` cuts boxes and
        polygons at the edge of their image; `drop-degenerate` drops what covers nothing. What is dropped is
        counted as unsupported; what is changed is noted.

    Examples
    --------
    >>> from annokit.model import Label
    >>> far = ObjectAnnotation(tool_name="car", geometry=Box(x=-5, y=0, width=9, height=4))
    >>> row = DataRow(id="r1", asset=Asset(width=64, height=48), labels=(Label(annotations=(far,)),))
    >>> next(iter(repair(Dataset.from_rows([row]), ["clip"]))).labels[0].objects[0].geometry
    Box(x=0.0, y=0, width=4.0, height=4)
    """
    for name in names:
        if name not in REPAIRS:
            raise UsageError(f"no repair is called {name!r}", hint=f"repairs: {', '.join(REPAIRS)}")
        dataset = dataset.through(_step(name, REPAIRS[name]))
    return dataset


def _step(name: str, mend: _Repair) -> Callable[[Iterator[DataRow], Run], Iterator[DataRow]]:
    def step(rows: Iterator[DataRow], run: Run) -> Iterator[DataRow]:
        for row in rows:
            yield _mended_row(row, name, mend, run)

    return step


def _mended_row(row: DataRow, name: str, mend: _Repair, run: Run) -> DataRow:
    labels: list[Label] = []
    for label in row.labels:
        kept: list[Any] = []
        for one in label.annotations:
            found = _mended(one, row, name, mend, run) if isinstance(one, ObjectAnnotation) else one
            if found is not None:
                kept.append(found)
        unchanged = len(kept) == len(label.annotations) and all(map(_is, kept, label.annotations))
        labels.append(label if unchanged else replace(label, annotations=tuple(kept)))
    return row if all(map(_is, labels, row.labels)) else replace(row, labels=tuple(labels))


def _is(one: object, other: object) -> bool:
    return one is other


def _mended(
    one: ObjectAnnotation, row: DataRow, name: str, mend: _Repair, run: Run
) -> ObjectAnnotation | None:
    geometry = mend(one.geometry, row.asset) if one.space == "pixel" else one.geometry
    if geometry is one.geometry:
        return one
    if geometry is None:
        message = "nothing of it was left"
        run.report.lose_all(f"repair-{name}", census(one), message, example=row.name)
        return None
    run.report.note(f"repair-{name}", kind_of(one), "its shape was changed", example=row.name)
    return one.reshaped(geometry)


def _make_valid(shape: Geometry, _asset: Asset) -> Geometry:
    if not isinstance(shape, Polygon) or np.diff(shape.ring_offsets).min(initial=3) < 3:
        return shape
    import shapely

    parts = [shapely.Polygon(part[0], part[1:]) for part in shape.parts()]
    if shapely.is_valid(parts).all():
        return shape
    # each part by itself: parts may overlap, and each one's hole is its own
    mended = [part if part.is_valid else shapely.make_valid(part) for part in parts]
    return _polygon(mended) or shape


def _clip(shape: Geometry, asset: Asset) -> Geometry | None:
    if not (asset.width and asset.height):
        return shape
    if isinstance(shape, Box):
        return _clipped_box(shape, asset.width, asset.height)
    if not isinstance(shape, Polygon) or not len(shape.coords):
        return shape
    low, high = shape.coords.min(axis=0), shape.coords.max(axis=0)
    if low.min() >= 0 and high[0] <= asset.width and high[1] <= asset.height:
        return shape
    import shapely

    if np.diff(shape.ring_offsets).min() < 3:
        return shape
    image = shapely.box(0, 0, asset.width, asset.height)
    parts = [shapely.Polygon(part[0], part[1:]) for part in shape.parts()]
    return _polygon([shapely.intersection(shapely.make_valid(part), image) for part in parts])


def _clipped_box(box: Box, width: int, height: int) -> Box | None:
    left, top, right, bottom = box.xyxy
    if left >= 0 and top >= 0 and right <= width and bottom <= height:
        return box
    left, top = max(left, 0.0), max(top, 0.0)
    right, bottom = min(right, float(width)), min(bottom, float(height))
    if right <= left or bottom <= top:
        return None
    return Box(x=left, y=top, width=right - left, height=bottom - top)


def _polygon(shapes: Sequence[Any]) -> Polygon | None:
    """The polygons among shapely's shapes as one; lines and points that came out are left."""
    import shapely

    flat = shapely.get_parts(shapely.get_parts(shapes))
    parts = [part for part in flat if part.geom_type == "Polygon" and not part.is_empty]
    rings = [[shapely.get_coordinates(ring)[:-1] for ring in shapely.get_rings(part)] for part in parts]
    return Polygon.from_parts(rings) if rings else None


def _drop_degenerate(shape: Geometry, _asset: Asset) -> Geometry | None:
    if isinstance(shape, Box):
        covers = shape.width > 0 and shape.height > 0
    elif isinstance(shape, Mask):
        covers = bool(shape.counts[1::2].any())
    elif isinstance(shape, Line):
        covers = len(shape.coords) > 1
    elif isinstance(shape, Polygon):
        covers = any(_extends(part[0]) for part in shape.parts() if part)
    else:
        covers = True
    return shape if covers else None


def _extends(ring: Any) -> bool:
    import shapely

    return len(ring) > 2 and float(shapely.MultiPoint(ring).convex_hull.area) > 0


REPAIRS: dict[str, _Repair] = {"make-valid": _make_valid, "clip": _clip, "drop-degenerate": _drop_degenerate}
