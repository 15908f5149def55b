"""Arrays, as a model gives them, as data rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annokit.errors import GeometryError, UsageError, shown
from annokit.geometry.raster import masks_of
from annokit.model import Asset, Box, DataRow, Label, Mask, ObjectAnnotation

__all__ = ["class_names", "row_from_arrays"]


def class_names(classes: Sequence[str] | Mapping[int, str]) -> list[str]:
    """The names by index, of a list or of a mapping from 0 on, as trainers keep them.

    >>> class_names({0: "car", 1: "bus"})
    ['car', 'bus']
    """
    if isinstance(classes, Mapping):
        if sorted(classes) != list(range(len(classes))):
            raise UsageError(
                f"expected classes numbered from 0 to {len(classes) - 1}, got {list(classes)[:8]}"
            )
        classes = [classes[index] for index in range(len(classes))]
    if isinstance(classes, set | frozenset):
        raise UsageError(
            f"expected a list of class names, got a set: {shown(classes)}",
            hint="class 0 is the first of a list",
        )
    names = [] if isinstance(classes, str) else list(classes)
    if isinstance(classes, str) or not all(isinstance(name, str) for name in names):
        raise UsageError(f"expected a list of class names, got {shown(classes)}")
    if len(set(names)) < len(names):
        raise UsageError(f"expected a name of its own for each class, got {shown(names)}")
    return [str.__str__(name) for name in names]  # numpy's texts are some of another class


def row_from_arrays(
    name: str | PurePath,
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
    if isinstance(name, PurePath):
        name = name.as_posix()
    if not isinstance(name, str):
        raise UsageError(f"expected the name of an image, got {shown(name)}")
    name = str.__str__(name)
    if boxes_xyxy is None and masks is None:
        raise UsageError(f"{name}: expected boxes_xyxy, masks or both, got neither")
    size = _size(name, size)
    names = _names(name, classes, class_ids)
    count = len(names)
    boxes = [None] * count if boxes_xyxy is None else _boxes(name, boxes_xyxy, count)
    shapes: Sequence[Mask | None] = [None] * count
    if masks is not None:
        pixels = _pixels(name, masks, count)
        size = size or (pixels.shape[1], pixels.shape[2])
        if pixels.shape[1:] != size:
            raise UsageError(f"{name}: expected masks of {size} pixels, got {pixels.shape[1:]}")
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


def _size(name: str, size: Any) -> tuple[int, int] | None:
    if size is None:
        return None
    given = tuple(size) if isinstance(size, tuple | list | np.ndarray) else ()
    if len(given) != 2 or not all(isinstance(one, int | np.integer) and one > 0 for one in given):
        raise UsageError(
            f"{name}: expected a size of height and width, got {shown(size)}", hint="image.shape[:2]"
        )
    return int(given[0]), int(given[1])


def _numbers(name: str, what: str, values: Any) -> NDArray[np.float64]:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name}: expected numbers as {what}: {error}") from error


def _names(name: str, classes: Sequence[str], class_ids: Any) -> list[str]:
    given = _numbers(name, "class_ids", class_ids).ravel()
    wrong = ~((given >= 0) & (given < len(classes)) & (given == np.floor(given)))
    if wrong.any():
        found = given[wrong][0]
        raise UsageError(f"{name}: expected class_ids from 0 to {len(classes) - 1}, got {found:g}")
    return [classes[index] for index in given.astype(np.int64).tolist()]


def _boxes(name: str, boxes_xyxy: Any, count: int) -> list[Box | None]:
    corners = _numbers(name, "boxes_xyxy", boxes_xyxy)
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
    values = _numbers(name, "scores", scores)
    _check_shape(name, "scores", values, (count,))
    if ((values < 0) | (values > 1)).any():
        raise UsageError(f"{name}: expected scores from 0 to 1, got {values.min()} to {values.max()}")
    return [None if np.isnan(value) else value for value in values.tolist()]


def _check_shape(name: str, what: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise UsageError(f"{name}: expected {what} of shape {shape}, as class_ids say, got {array.shape}")
