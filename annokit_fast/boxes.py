"""Overlap, suppression and layouts of boxes.

Boxes are float64 (n, 4) as x1, y1, x2, y2 in pixels, y down, with exclusive far edges: the area is
``(x2 - x1) * (y2 - y1)``. Pairwise results are (n, m), aligned ones (`_paired`) are (n,). An overlap of nothing with
nothing (0 / 0) is 0.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from annokit_fast import _boxes
from annokit_fast._checks import Array, freeze, output, vector
from annokit_fast._threads import in_parts

__all__ = ["convert", "giou", "iou", "iou_paired", "iou_rotated", "nms"]

Layout = Literal["xyxy", "xywh", "cxcywh", "xyxy_norm", "xywh_norm", "cxcywh_norm"]

_LAYOUTS = ("xyxy", "xywh", "cxcywh")

_NO_CROWD = freeze(np.empty(0, np.bool_))


def __dir__() -> list[str]:
    return __all__


def _shaped(values: Any, name: str, columns: int = 4) -> Array:
    array = values if isinstance(values, np.ndarray) else np.asarray(values)
    if array.ndim == 1 and array.size == 0:
        array = array.reshape(0, columns)
    if array.ndim != 2 or array.shape[1] != columns:
        raise ValueError(f"{name}: expected shape (n, {columns}), got {array.shape}")
    return vector(array, np.float64, name, ndim=2)


def _checked(values: Any, name: str, columns: int = 4) -> Array:
    array = _shaped(values, name, columns)
    if not _boxes.all_finite(array.reshape(-1)):
        bad = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise ValueError(f"{name}: expected finite numbers, got {array[bad].tolist()} at index {bad}")
    return array


def iou(
    a: Any,
    b: Any,
    out: Array | None = None,
    *,
    crowd: Any = None,
    layout: Literal["xyxy", "xywh"] = "xyxy",
    threads: int = 1,
) -> Array:
    """Intersection over union of every box of `a` with every box of `b`.

    Parameters
    ----------
    a, b : (n, 4) and (m, 4) float64
    out : (n, m) float64, optional
        Array to fill; halves the time of large results.
    crowd : (m,) bool, optional
        Where True, the overlap is divided by the area of the box of `a` alone, as COCO scores crowds.
    layout : {"xyxy", "xywh"}
        ``xywh`` takes x, y, width, height, and is bit-equal to pycocotools' ``iou``.
    threads : int
        Threads to split the boxes of `a` over.

    Returns
    -------
    (n, m) float64

    Raises
    ------
    ValueError
        Another shape, numbers that are not finite, an unfit `out`, another layout.

    Examples
    --------
    >>> from annokit_fast import boxes
    >>> boxes.iou([[0, 0, 2, 2]], [[1, 0, 3, 2], [5, 5, 6, 6]]).round(4).tolist()
    [[0.3333, 0.0]]
    >>> boxes.iou([], [[0, 0, 1, 1]]).shape
    (0, 1)
    """
    if layout not in ("xyxy", "xywh"):
        raise ValueError(f"layout: expected 'xyxy' or 'xywh', got {layout!r}")
    first, second = _shaped(a, "a"), _shaped(b, "b")
    result = output(out, (len(first), len(second)), np.float64)
    flags, sizes = _crowd(crowd, len(second)), layout == "xywh"

    def rows(start: int, stop: int) -> bool:
        good: bool = _boxes.iou(first[start:stop], second, sizes, flags, result[start:stop])
        return good

    return _of_finite(in_parts(rows, len(first), threads), first, second, result)


def _of_finite(good: list[bool], first: Array, second: Array, result: Array) -> Array:
    """`result`, if a kernel found all numbers of both arrays finite."""
    if not all(good):
        _checked(first, "a")
        _checked(second, "b")
    return result


def _crowd(crowd: Any, count: int) -> Array:
    if crowd is None:
        return _NO_CROWD
    flags = vector(crowd, np.bool_, "crowd")
    if len(flags) != count:
        raise ValueError(f"crowd: expected one flag per box of b ({count}), got {len(flags)}")
    return flags


def giou(a: Any, b: Any, out: Array | None = None, *, threads: int = 1) -> Array:
    """Generalised IoU of every box of `a` with every box of `b`: (n, m) float64 from -1 to 1.

    The IoU minus the share of the smallest box around both that neither covers (Rezatofighi and others, 2019).

    Examples
    --------
    >>> from annokit_fast import boxes
    >>> boxes.giou([[0, 0, 1, 1]], [[0, 0, 1, 1], [2, 0, 3, 1]]).round(4).tolist()
    [[1.0, -0.3333]]
    >>> boxes.giou([], []).shape
    (0, 0)
    """
    first, second = _shaped(a, "a"), _shaped(b, "b")
    result = output(out, (len(first), len(second)), np.float64)

    def rows(start: int, stop: int) -> bool:
        good: bool = _boxes.giou(first[start:stop], second, result[start:stop])
        return good

    return _of_finite(in_parts(rows, len(first), threads), first, second, result)


def iou_paired(a: Any, b: Any, out: Array | None = None, *, threads: int = 1) -> Array:
    """Intersection over union of each box of `a` with the box of `b` in the same place: (n,) float64.

    Examples
    --------
    >>> from annokit_fast import boxes
    >>> boxes.iou_paired([[0, 0, 2, 2], [0, 0, 0, 0]], [[0, 0, 2, 1], [0, 0, 0, 0]]).tolist()
    [0.5, 0.0]
    >>> boxes.iou_paired([], []).tolist()
    []
    """
    first, second = _shaped(a, "a"), _shaped(b, "b")
    if len(first) != len(second):
        raise ValueError(f"a, b: expected as many boxes in both, got {len(first)} and {len(second)}")
    result = output(out, (len(first),), np.float64)

    def pairs(start: int, stop: int) -> bool:
        good: bool = _boxes.iou_paired(first[start:stop], second[start:stop], result[start:stop])
        return good

    return _of_finite(in_parts(pairs, len(first), threads), first, second, result)


def iou_rotated(a: Any, b: Any, out: Array | None = None, *, threads: int = 1) -> Array:
    """Intersection over union of rotated boxes.

    Parameters
    ----------
    a, b : (n, 4, 2) corners in order around the box, or (n, 5) centre x, centre y, width, height, angle
        float64, pixels; angles in degrees, clockwise on screen. Any convex quadrilateral is taken as corners.
    out : (n, m) float64, optional
    threads : int
        Threads to split the boxes of `a` over.

    Returns
    -------
    (n, m) float64
        By clipping one quadrilateral with the sides of the other (Sutherland and Hodgman); pairs whose upright boxes
        do not meet are 0 at once.

    Examples
    --------
    >>> from annokit_fast import boxes
    >>> boxes.iou_rotated([[1, 1, 2, 2, 0]], [[1, 1, 2, 2, 45], [9, 9, 1, 1, 0]]).round(4).tolist()
    [[0.7071, 0.0]]
    >>> boxes.iou_rotated([], []).shape
    (0, 0)
    """
    first, second = _corners(a, "a"), _corners(b, "b")
    result = output(out, (len(first), len(second)), np.float64)

    def rows(start: int, stop: int) -> None:
        _boxes.iou_rotated(first[start:stop], second, result[start:stop])

    in_parts(rows, len(first), threads)
    return result


def _corners(values: Any, name: str) -> Array:
    array = values if isinstance(values, np.ndarray) else np.asarray(values)
    if array.ndim == 3 and array.shape[1:] == (4, 2):
        return freeze(_checked(array.reshape(-1, 8), name, 8).reshape(-1, 4, 2))
    if array.size and (array.ndim != 2 or array.shape[1] != 5):
        raise ValueError(f"{name}: expected shape (n, 4, 2) or (n, 5), got {array.shape}")
    x, y, width, height, angle = _checked(array, name, 5).T
    turn = np.deg2rad(angle)
    along = np.stack([np.cos(turn), np.sin(turn)], axis=-1) * (width / 2)[:, None]
    across = np.stack([-np.sin(turn), np.cos(turn)], axis=-1) * (height / 2)[:, None]
    centre = np.stack([x, y], axis=-1)
    corners = [
        centre - along - across,
        centre + along - across,
        centre + along + across,
        centre - along + across,
    ]
    return freeze(np.ascontiguousarray(np.stack(corners, axis=1)))


def nms(boxes: Any, scores: Any, threshold: float = 0.5, classes: Any = None) -> Array:
    """Indices of the boxes that greedy non-maximum suppression keeps, best score first.

    Parameters
    ----------
    boxes : (n, 4) float64, xyxy
    scores : (n,) float64
        Equal scores keep their order.
    threshold : float
        A box goes when its IoU with a better kept one is greater than this.
    classes : (n,) int64, optional
        Only boxes of one class suppress one another.

    Returns
    -------
    (k,) int64

    Examples
    --------
    >>> from annokit_fast import boxes
    >>> pair = [[0, 0, 4, 4], [0, 0, 4, 3], [9, 9, 10, 10]]
    >>> boxes.nms(pair, [0.5, 0.9, 0.1]).tolist(), boxes.nms(pair, [0.5, 0.9, 0.1], classes=[0, 1, 0]).tolist()
    ([1, 2], [1, 0, 2])
    >>> boxes.nms([], []).tolist()
    []
    """
    array = _checked(boxes, "boxes")
    values = vector(scores, np.float64, "scores")
    if len(values) != len(array):
        raise ValueError(f"scores: expected one per box ({len(array)}), got {len(values)}")
    if np.isnan(values).any():
        raise ValueError("scores: expected numbers, got NaN")
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"threshold: expected a number from 0 to 1, got {threshold}")
    kinds = vector([] if classes is None else classes, np.int64, "classes")
    if classes is not None and len(kinds) != len(array):
        raise ValueError(f"classes: expected one per box ({len(array)}), got {len(kinds)}")
    order = freeze(np.argsort(-values, kind="stable"))
    keep = np.empty(len(array), np.int64)
    kept = _boxes.nms(array, order, kinds, float(threshold), keep)
    return keep[:kept].copy()


def convert(
    boxes: Any,
    source: Layout,
    target: Layout,
    *,
    width: Any = None,
    height: Any = None,
) -> Array:
    """Boxes in another layout.

    Parameters
    ----------
    boxes : (n, 4) float64
    source, target : {"xyxy", "xywh", "cxcywh"}, each also with ``_norm``
        ``xywh`` starts at the top left corner, ``cxcywh`` at the centre; ``_norm`` is in shares of the image.
    width, height : number or (n,)
        Image size in pixels; needed when exactly one side is ``_norm``.

    Returns
    -------
    (n, 4) float64
        A new array. Nothing is clipped or rounded.

    Examples
    --------
    >>> from annokit_fast import boxes
    >>> boxes.convert([[2, 2, 6, 4]], "xyxy", "cxcywh_norm", width=8, height=8).tolist()
    [[0.5, 0.375, 0.5, 0.25]]
    >>> boxes.convert([], "xywh", "xyxy").shape
    (0, 4)
    """
    result = np.array(_checked(boxes, "boxes"))
    kinds = []
    for name, layout in (("source", source), ("target", target)):
        kind = layout.removesuffix("_norm")
        if kind not in _LAYOUTS:
            raise ValueError(
                f"{name}: expected one of {', '.join(_LAYOUTS)} or one with _norm, got {layout!r}"
            )
        kinds.append(kind)
    if source.endswith("_norm") != target.endswith("_norm"):
        scale = _scale(width, height, len(result))
        result = result * scale if source.endswith("_norm") else result / scale
    if kinds[0] != kinds[1]:
        result = _laid_out(result, kinds[0], kinds[1])
    return result


def _scale(width: Any, height: Any, count: int) -> Array:
    if width is None or height is None:
        raise ValueError(
            "width, height: expected the image size to convert to or from shares of it, got None"
        )
    pair = [np.broadcast_to(np.asarray(side, np.float64), count) for side in (width, height)]
    if any(not (side > 0).all() for side in pair):
        raise ValueError("width, height: expected sizes above 0")
    return np.stack([pair[0], pair[1], pair[0], pair[1]], axis=1)


def _laid_out(boxes: Array, source: str, target: str) -> Array:
    """Between two different layouts, without a detour that would round twice."""
    start, end = boxes[:, :2], boxes[:, 2:]
    if source == "xyxy":
        size = end - start
        first = start if target == "xywh" else (start + end) / 2
        return np.concatenate([first, size], axis=1)
    if source == "xywh":
        return np.concatenate([start, start + end] if target == "xyxy" else [start + end / 2, end], axis=1)
    corner = start - end / 2
    return np.concatenate([corner, start + end / 2] if target == "xyxy" else [corner, end], axis=1)
