"""Arrays, as a model gives them, as data rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annokit.errors import GeometryError, UsageError
from annokit.geometry.raster import masks_of
from annokit.model import Asset, Box, DataRow, Label, Mask, ObjectAnnotation

__all__ = ["row_from_arrays"]


def row_from_arrays(
    name: str,
    size: tuple[int, int] | None,
    classes: Sequence[str],
    class_ids: Any,
    boxes_xyxy: Any = None,
    masks: Any = None,
    scores: Any = None,
) -> DataRow:
    """One image with its objects; see `annokit.Dataset.from_arrays`.

    Examples
    --------
    >>> row = row_from_arrays("a.jpg", (80, 100), ["car"], [0], boxes_xyxy=[[10, 20, 40, 60]], scores=[0.9])
    >>> row.labels[0].objects[0].geometry
    Box(x=10.0, y=20.0, width=30.0, height=40.0)
    >>> row_from_arrays("b.jpg", (80, 100), ["car"], [], boxes_xyxy=[]).labels[0].objects
    []
    """
    if boxes_xyxy is None and masks is None:
        raise UsageError(f"{name}: expected boxes_xyxy, masks or both, got neither")
    names = _names(name, classes, class_ids)
    count = len(names)
    boxes = [None] * count if boxes_xyxy is None else _boxes(name, boxes_xyxy, count)
    shapes: Sequence[Mask | None] = [None] * count
    if masks is not None:
        pixels = _pixels(name, masks, count)
        size = size or (pixels.shape[1], pixels.shape[2])
        if pixels.shape[1:] != tuple(size):
            raise UsageError(f"{name}: expected masks of {tuple(size)} pixels, got {pixels.shape[1:]}")
        shapes = _encoded(pixels)
    confidences = [None] * count if scores is None else _scores(name, scores, count)
    objects = tuple(
        ObjectAnnotation(
            tool_name=tool,
            geometry=mask or box,  # type: ignore[arg-type]  # one of them is there
            box=box if mask else None,
            confidence=confidence,
        )
        for tool, box, mask, confidence in zip(names, boxes, shapes, confidences, strict=True)
    )
    height, width = size or (None, None)
    asset = Asset(uri=name, width=width, height=height)
    return DataRow(
        id=name, external_id=name, asset=asset, labels=(Label(origin="model", annotations=objects),)
    )


def _names(name: str, classes: Sequence[str], class_ids: Any) -> list[str]:
    given = np.asarray(class_ids, np.float64).ravel()
    wrong = ~((given >= 0) & (given < len(classes)) & (given == np.floor(given)))
    if wrong.any():
        found = given[wrong][0]
        raise UsageError(f"{name}: expected class_ids from 0 to {len(classes) - 1}, got {found:g}")
    return [classes[index] for index in given.astype(np.int64).tolist()]


def _boxes(name: str, boxes_xyxy: Any, count: int) -> list[Box | None]:
    corners = np.asarray(boxes_xyxy, np.float64)
    if corners.size == 0:
        corners = corners.reshape(0, 4)
    _check_shape(name, "boxes_xyxy", corners, (count, 4))
    extents = corners[:, 2:] - corners[:, :2]
    if not (extents >= 0).all():
        raise GeometryError(f"{name}: expected boxes_xyxy with x1 <= x2 and y1 <= y2, all finite")
    rows = np.hstack([corners[:, :2], extents]).tolist()
    return [Box(x=x, y=y, width=width, height=height) for x, y, width, height in rows]


def _pixels(name: str, masks: Any, count: int) -> NDArray[Any]:
    pixels = np.asarray(masks)
    if pixels.ndim != 3 or len(pixels) != count:
        raise UsageError(f"{name}: expected masks of shape ({count}, h, w), got {pixels.shape}")
    if pixels.dtype.kind not in "bui":
        raise UsageError(
            f"{name}: expected masks of bool or integers, got {pixels.dtype}", hint="masks > 0.5"
        )
    return pixels


def _encoded(pixels: NDArray[Any]) -> list[Mask]:
    from annokit_fast import rle

    return masks_of(rle.encode(pixels))


def _scores(name: str, scores: Any, count: int) -> list[float | None]:
    values = np.asarray(scores, np.float64)
    _check_shape(name, "scores", values, (count,))
    return [None if np.isnan(value) else value for value in values.tolist()]


def _check_shape(name: str, what: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise UsageError(f"{name}: expected {what} of shape {shape}, as class_ids say, got {array.shape}")
