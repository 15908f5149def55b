"""pycocotools.mask with the same signatures and results, on these kernels.

``sys.modules["pycocotools.mask"] = annokit_fast.coco_mask`` makes COCOeval run on it. Results are bit-equal. What
makes pycocotools crash, hang or give garbage is refused with a ValueError: coordinates that are not finite or beyond
2**26, counts that do not add up to the size, masks of different sizes in a merge, 2**32 pixels or more. A mask may
hold any nonzero value as foreground, where pycocotools starts a new run at every change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, chain
from typing import Any

import numpy as np

from annokit_fast import _boxes, _rle_codec, _rle_iou, rle
from annokit_fast._checks import Array, freeze
from annokit_fast._rle_batch import RleBatch

__all__ = ["area", "decode", "encode", "frPyObjects", "iou", "merge", "toBbox"]


def __dir__() -> list[str]:
    return __all__


def encode(bimask: Array) -> Any:
    """RLE dict of a (h, w) mask, or a list of them for (h, w, n).

    Examples
    --------
    >>> import numpy as np
    >>> from annokit_fast import coco_mask
    >>> coco_mask.encode(np.array([[0, 1], [1, 0]], np.uint8))
    {'size': [2, 2], 'counts': b'121'}
    """
    mask = np.asarray(bimask)
    if mask.ndim == 3:
        return rle.encode(mask.transpose(2, 0, 1)).to_coco()
    if mask.ndim == 2:
        return rle.encode(mask).to_coco()[0]
    raise ValueError(f"bimask: expected shape (h, w) or (h, w, n), got {mask.shape}")


def decode(rleObjs: Any) -> Array:  # noqa: N803 - pycocotools' name
    """Mask (h, w) of an RLE dict, or (h, w, n) of a list of n of one size; uint8, column-major.

    Examples
    --------
    >>> from annokit_fast import coco_mask
    >>> coco_mask.decode({"size": [2, 2], "counts": b"121"}).tolist()
    [[0, 1], [1, 0]]
    """
    batch = RleBatch.from_coco(rleObjs)
    if len(batch) > 1 and (
        (batch.heights != batch.heights[0]).any() or (batch.widths != batch.widths[0]).any()
    ):
        raise ValueError("rleObjs: expected masks of one size, got different ones")
    stack: Array = np.asarray(rle.decode(batch)).transpose(1, 2, 0)
    return stack if isinstance(rleObjs, list) else stack[:, :, 0]


def area(rleObjs: Any) -> Any:  # noqa: N803 - pycocotools' name
    """Foreground pixels: a uint32 for a dict, an array for a list.

    Examples
    --------
    >>> from annokit_fast import coco_mask
    >>> int(coco_mask.area({"size": [2, 2], "counts": b"121"}))
    2
    """
    batch = RleBatch.from_coco(rleObjs)
    areas = np.empty(len(batch), np.int64)
    _rle_codec.area(batch.counts, batch.offsets, areas)
    areas = areas.astype(np.uint32)
    return areas if isinstance(rleObjs, list) else areas[0]


def toBbox(rleObjs: Any) -> Array:  # noqa: N802, N803 - pycocotools' names
    """Boxes x, y, width, height: (4,) for a dict, (n, 4) for a list; float64.

    Examples
    --------
    >>> from annokit_fast import coco_mask
    >>> coco_mask.toBbox({"size": [2, 2], "counts": b"121"}).tolist()
    [0.0, 0.0, 2.0, 2.0]
    """
    boxes = rle.bounds(RleBatch.from_coco(rleObjs))
    found: Array = boxes if isinstance(rleObjs, list) else boxes[0]
    return found


def merge(rleObjs: Sequence[Mapping[str, Any]], intersect: bool = False) -> dict[str, Any]:  # noqa: N803
    """Union (or intersection) of a list of RLE dicts, as one.

    Examples
    --------
    >>> from annokit_fast import coco_mask
    >>> coco_mask.merge([{"size": [2, 2], "counts": b"121"}, {"size": [2, 2], "counts": b"04"}], intersect=True)
    {'size': [2, 2], 'counts': b'121'}
    """
    if len(rleObjs) == 0:
        return {"size": [0, 0], "counts": b""}
    batch = RleBatch.from_coco(rleObjs)
    return rle.merge(batch, [0, len(batch)], "intersection" if intersect else "union").to_coco()[0]


def iou(dt: Any, gt: Any, pyiscrowd: Any) -> Any:
    """Overlaps (n, m) of detections with truths: lists of RLE dicts, or boxes x, y, width, height.

    A truth marked in `pyiscrowd` is a crowd: the overlap is divided by the area of the detection. Masks of different
    sizes give -1 where their boxes meet. An empty list on either side gives an empty list.

    Examples
    --------
    >>> from annokit_fast import coco_mask
    >>> coco_mask.iou([[0, 0, 2, 2]], [[1, 0, 2, 2]], [0]).round(4).tolist()
    [[0.3333]]
    >>> coco_mask.iou([], [[1, 0, 2, 2]], [0])
    []
    """
    if len(dt) == 0 or len(gt) == 0:
        return []
    crowd = freeze(np.asarray(pyiscrowd).astype(np.uint8) != 0)
    first, second = _objects(dt, "dt"), _objects(gt, "gt")
    if len(crowd) != len(second):
        raise ValueError(f"pyiscrowd: expected one flag per gt ({len(second)}), got {len(crowd)}")
    if isinstance(first, RleBatch) != isinstance(second, RleBatch):
        raise ValueError("dt, gt: expected RLEs on both sides, or boxes on both sides")
    out = np.empty((len(first), len(second)), np.float64)
    if isinstance(first, RleBatch) and isinstance(second, RleBatch):
        groups = freeze(np.array([[0, 0], [len(first), len(second)]]))
        one, two = first, second
        _rle_iou.iou(
            one.counts, one.offsets, one.heights, one.widths,
            two.counts, two.offsets, two.heights, two.widths, groups, crowd, out.reshape(-1),
        )  # fmt: skip
    else:
        _boxes.iou(first, second, True, crowd, out)
    return np.asfortranarray(out)


def _objects(objects: Any, name: str) -> RleBatch | Array:
    if not isinstance(objects, np.ndarray) and all(isinstance(item, Mapping) for item in objects):
        return RleBatch.from_coco(objects)
    boxes = np.asarray(objects, np.float64)
    if boxes.ndim == 1:
        boxes = boxes.reshape(1, -1)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"{name}: expected RLE dicts, or boxes of shape (n, 4), got shape {boxes.shape}")
    return freeze(np.ascontiguousarray(boxes))


def frPyObjects(pyobj: Any, h: int, w: int) -> Any:  # noqa: N802 - pycocotools' name
    """RLE dicts of what COCO files hold.

    Parameters
    ----------
    pyobj
        A list of polygons (flat lists of x, y), a list or (n, 4) array of boxes x, y, width, height, a list of
        uncompressed RLE dicts; or one polygon, box or dict. Four numbers are a box, more are a polygon.
    h, w : int
        Image size in pixels; uncompressed RLEs have their own.

    Returns
    -------
    list of dict, or dict
        One dict for one object, a list for several.

    Examples
    --------
    >>> from annokit_fast import coco_mask
    >>> coco_mask.frPyObjects([[0, 0, 2, 0, 2, 2, 0, 2]], 2, 3)
    [{'size': [2, 3], 'counts': b'042'}]
    >>> coco_mask.frPyObjects({"size": [2, 2], "counts": [1, 2, 1]}, 2, 2)
    {'size': [2, 2], 'counts': b'121'}
    """
    if isinstance(pyobj, Mapping):
        return RleBatch.from_coco(pyobj).to_coco()[0]
    if isinstance(pyobj, np.ndarray):
        return _from_boxes(np.atleast_2d(np.asarray(pyobj, np.float64)), h, w)
    if len(pyobj) == 0:
        return []
    if isinstance(pyobj[0], Mapping):
        return RleBatch.from_coco(pyobj).to_coco()
    if not hasattr(pyobj[0], "__len__"):
        return frPyObjects([pyobj], h, w)[0]
    if len(pyobj[0]) == 4:
        return _from_boxes(np.asarray(pyobj, np.float64), h, w)
    if len(pyobj[0]) < 4:
        raise ValueError(
            f"pyobj: expected a box (4 numbers) or a polygon (6 or more), got {len(pyobj[0])} numbers"
        )
    lengths = list(map(len, pyobj))
    if any(length % 2 for length in lengths):
        odd = next(length for length in lengths if length % 2)
        raise ValueError(f"pyobj: expected x, y pairs, got {odd} numbers in a polygon")
    ends = [0, *accumulate(lengths)]
    coords = np.fromiter(chain.from_iterable(pyobj), np.float64, ends[-1])
    return rle.from_polygons(coords, np.array(ends) // 2, np.arange(len(pyobj) + 1), h, w).to_coco()


def _from_boxes(boxes: Array, h: int, w: int) -> list[dict[str, Any]]:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"pyobj: expected boxes of shape (n, 4), got {boxes.shape}")
    x1, y1 = boxes[:, 0], boxes[:, 1]
    x2, y2 = x1 + boxes[:, 2], y1 + boxes[:, 3]
    corners = np.stack([x1, y1, x1, y2, x2, y2, x2, y1], axis=1).reshape(-1, 2)
    count = len(boxes)
    return rle.from_polygons(corners, np.arange(0, 4 * count + 1, 4), np.arange(count + 1), h, w).to_coco()
