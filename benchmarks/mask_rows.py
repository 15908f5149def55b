"""Rows of the comparison table: everything about run-length masks and pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from annokit_fast import coco_mask, polygons, rle
from benchmarks import workloads
from benchmarks.peers import (
    Case,
    available,
    coco,
    comparison,
    cv2,
    each,
    equal,
    features,
    hotcoco,
    rlemasklib,
    share,
)


def _dicts(batch: rle.RleBatch, theirs: Any) -> None:
    assert batch.to_coco() == theirs


def _masks(kind: str, count: int) -> tuple[rle.RleBatch, list[dict[str, Any]]]:
    coords, offsets = workloads.ragged(workloads.rings(kind, count))
    batch = rle.from_polygons(coords, offsets, np.arange(count + 1), *workloads.SETS[kind])
    return batch, batch.to_coco()


@comparison("rle.from_polygons", "coco", "tiny", "large")
def _from_polygons(kind: str, scale: float) -> Case:
    parts = workloads.rings(kind, share(kind, scale, 5000, 50))
    (height, width), (coords, offsets) = workloads.SETS[kind], workloads.ragged(parts)
    flat, at = [part.ravel().tolist() for part in parts], np.arange(len(parts) + 1)
    return Case(
        len(parts),
        lambda: rle.from_polygons(coords, offsets, at, height, width),
        available(
            pycocotools=(coco, lambda: coco.frPyObjects(flat, height, width)),
            hotcoco=(hotcoco, lambda: hotcoco.frPyObjects(flat, height, width)),
            rlemasklib=(
                rlemasklib,
                lambda: each(
                    lambda part: rlemasklib.RLEMask.from_polygon(part, imsize=(width, height)), parts
                ),
            ),
        ),
        {"pycocotools": 4.5 if kind == "large" else 6.0},
        {"pycocotools": _dicts},
    )


@comparison("rle.from_polygons to dicts", "coco")
def _polygons_to_dicts(kind: str, scale: float) -> Case:
    case = _from_polygons(kind, scale)
    return Case(
        case.units, lambda: case.ours().to_coco(), {"pycocotools": case.peers["pycocotools"]}, {"pycocotools": 3.5},
        {"pycocotools": lambda ours, theirs: equal(ours == theirs, True)},
    )  # fmt: skip


@comparison("rle.from_polygons center", "coco", "tiny")
def _center(kind: str, scale: float) -> Case:
    parts = workloads.rings(kind, share(kind, scale, 500, 5))
    (height, width), (coords, offsets) = workloads.SETS[kind], workloads.ragged(parts)
    shapes = [{"type": "Polygon", "coordinates": [[*part.tolist(), part[0].tolist()]]} for part in parts]
    at = np.arange(len(parts) + 1)

    def burn(shape: Any) -> Any:
        return features.rasterize([(shape, 1)], out_shape=(height, width), dtype="uint8")

    return Case(
        len(parts),
        lambda: rle.from_polygons(coords, offsets, at, height, width, "center"),
        available(rasterio=(features, lambda: each(burn, shapes))),
        {"rasterio": 8.0},
        {"rasterio": lambda ours, theirs: equal(rle.decode(ours)[-1], theirs)},
    )


@comparison("polygons.to_masks", "coco", "large")
def _to_masks(kind: str, scale: float) -> Case:
    """One mask a call, a new array each, on both sides."""
    return _dense(kind, scale, 1)


@comparison("polygons.to_masks 4 a call, out=", "coco", "large")
def _to_masks_into(kind: str, scale: float) -> Case:
    """Four masks a call into one array that is used again; the peers make a new array for each mask."""
    return _dense(kind, scale, 4)


def _dense(kind: str, scale: float, batch: int) -> Case:
    parts = workloads.rings(kind, 4 * share(kind, scale, 100, 3))
    height, width = workloads.SETS[kind]
    flat = [part.ravel().tolist() for part in parts]
    groups = [workloads.ragged(parts[i : i + batch]) for i in range(0, len(parts), batch)]
    at = np.arange(batch + 1)
    out = None if batch == 1 else np.empty((batch, width, height), np.uint8).transpose(0, 2, 1)

    def draw(group: Any) -> Any:
        return polygons.to_masks(*group, at, height, width, out=out)[-1]

    def outline(part: Any) -> Any:
        return rlemasklib.RLEMask.from_polygon(part, imsize=(width, height)).to_array()

    return Case(
        len(parts),
        lambda: each(draw, groups),
        available(
            pycocotools=(
                coco,
                lambda: each(lambda p: coco.decode(coco.frPyObjects([p], height, width)[0]), flat),
            ),
            rlemasklib=(rlemasklib, lambda: each(outline, parts)),
        ),
        {"pycocotools": 15.0, "rlemasklib": 1.4},
        {"pycocotools": equal, "rlemasklib": equal},
    )


@comparison("rle.to_label_map", "coco")
def _label_map(kind: str, scale: float) -> Case:
    images = share(kind, scale, 50, 2)
    batch, _ = _masks(kind, 7 * images)
    parts = workloads.rings(kind, 7 * images)
    height, width = workloads.SETS[kind]
    groups = [batch[7 * i : 7 * i + 7] for i in range(images)]
    shapes = [[*part.tolist(), part[0].tolist()] for part in parts]
    burned = [
        [({"type": "Polygon", "coordinates": [shapes[7 * i + k]]}, k + 1) for k in range(7)]
        for i in range(images)
    ]
    theirs = [
        [rlemasklib.RLEMask.from_dict(one) for one in group.to_coco()]
        for group in groups
        if rlemasklib is not None
    ]
    return Case(
        images,
        lambda: each(rle.to_label_map, groups),
        available(
            rasterio=(
                features,
                lambda: each(
                    lambda s: features.rasterize(s, out_shape=(height, width), dtype="uint8"), burned
                ),
            ),
            rlemasklib=(rlemasklib, lambda: each(lambda g: rlemasklib.RLEMask.merge_to_label_map(g), theirs)),
        ),
        {"rasterio": 8.0, "rlemasklib": 0.8},
    )


@comparison("rle.encode F order", "coco", "large")
def _encode_columns(kind: str, scale: float) -> Case:
    return _encoding(kind, scale, "F", 5.0)


@comparison("rle.encode C order", "coco", "large")
def _encode_rows(kind: str, scale: float) -> Case:
    return _encoding(kind, scale, "C", 10.0)


def _encoding(kind: str, scale: float, order: Any, goal: float) -> Case:
    batch, _ = _masks(kind, share(kind, scale, 100, 4))
    masks = [np.asarray(mask, order=order) for mask in rle.decode(batch)]
    return Case(
        len(masks),
        lambda: each(rle.encode, masks),
        available(
            pycocotools=(coco, lambda: each(lambda m: coco.encode(np.asfortranarray(m)), masks)),
            hotcoco=(hotcoco, lambda: each(hotcoco.encode, masks)),
            rlemasklib=(rlemasklib, lambda: each(rlemasklib.RLEMask, masks)),
        ),
        {"pycocotools": goal},
        {"pycocotools": lambda ours, theirs: equal(ours.to_coco()[0] == theirs, True)},
    )


@comparison("rle.decode", "coco", "large")
def _decode(kind: str, scale: float) -> Case:
    """One mask a call, a new array each."""
    return _decoding(kind, scale, False)


@comparison("rle.decode out=", "coco", "large")
def _decode_into(kind: str, scale: float) -> Case:
    """One mask a call into one array that is used again; rlemasklib does the same, the others cannot."""
    return _decoding(kind, scale, True)


def _decoding(kind: str, scale: float, reuse: bool) -> Case:
    batch, theirs = _masks(kind, share(kind, scale, 200, 5))
    height, width = workloads.SETS[kind]
    single = list(batch)
    parsed = [rlemasklib.RLEMask.from_dict(one) for one in theirs if rlemasklib is not None]
    out = np.empty((1, width, height), np.uint8).transpose(0, 2, 1) if reuse else None
    other = np.empty((height, width), np.uint8, order="F")

    def with_rlemasklib(one: Any) -> Any:
        return one.decode_into(other, 1, 0) if reuse else one.to_array()

    return Case(
        len(batch),
        lambda: each(lambda one: rle.decode(one, out), single),
        available(
            pycocotools=(coco, lambda: each(coco.decode, theirs)),
            hotcoco=(hotcoco, lambda: each(hotcoco.decode, theirs)),
            rlemasklib=(rlemasklib, lambda: each(with_rlemasklib, parsed)),
            **{"limit: fill": (np, lambda: each(lambda _: other.fill(1), single))},
        ),
        {"pycocotools": 25.0, "rlemasklib": 1.0 if kind == "coco" else 0.8},
        {"pycocotools": lambda ours, mask: equal(ours[0], mask)},
    )


@comparison("rle.from_strings", "coco", "tiny", "large")
def _from_strings(kind: str, scale: float) -> Case:
    batch, theirs = _masks(kind, share(kind, scale, 5000, 50))
    buffer, offsets = rle.to_strings(batch)
    height, width = workloads.SETS[kind]
    groups = [theirs[i : i + 250] for i in range(0, len(theirs), 250)]
    return Case(
        len(batch),
        lambda: rle.from_strings(buffer, offsets, height, width),
        available(
            pycocotools=(coco, lambda: [coco.area(group) for group in groups]),
            hotcoco=(hotcoco, lambda: hotcoco.area(theirs)),
        ),
        {"pycocotools": 1.3, "hotcoco": 1.3},
        {"pycocotools": lambda ours, areas: equal(rle.area(ours), np.concatenate(areas))},
    )


@comparison("rle.to_strings", "coco", "tiny", "large")
def _to_strings(kind: str, scale: float) -> Case:
    batch, _ = _masks(kind, share(kind, scale, 5000, 50))
    lists = batch.to_coco(compressed=False)
    height, width = workloads.SETS[kind]
    return Case(
        len(batch),
        lambda: rle.to_strings(batch),
        available(
            pycocotools=(coco, lambda: coco.frPyObjects(lists, height, width)),
            hotcoco=(hotcoco, lambda: hotcoco.frPyObjects(lists, height, width)),
        ),
        {"pycocotools": 5.0},
        {
            "pycocotools": lambda ours, found: equal(
                ours[0].tobytes() == b"".join(r["counts"] for r in found), True
            )
        },
    )


@comparison("rle.area", "coco", "tiny", "large")
def _area(kind: str, scale: float) -> Case:
    batch, theirs = _masks(kind, share(kind, scale, 5000, 50))
    groups = [theirs[i : i + 250] for i in range(0, len(theirs), 250)]
    return Case(
        len(batch),
        lambda: rle.area(batch),
        available(
            pycocotools=(coco, lambda: [coco.area(group) for group in groups]),
            hotcoco=(hotcoco, lambda: hotcoco.area(theirs)),
        ),
        {"pycocotools": 4.0},
        {"pycocotools": lambda ours, areas: equal(ours, np.concatenate(areas))},
    )


@comparison("rle.bounds", "coco", "tiny", "large")
def _bounds(kind: str, scale: float) -> Case:
    batch, theirs = _masks(kind, share(kind, scale, 5000, 50))
    return Case(
        len(batch),
        lambda: rle.bounds(batch),
        available(
            pycocotools=(coco, lambda: coco.toBbox(theirs)), hotcoco=(hotcoco, lambda: hotcoco.toBbox(theirs))
        ),
        {"pycocotools": 5.0},
        {"pycocotools": equal},
    )


@comparison("rle.merge pairs", "coco", "large")
def _merge(kind: str, scale: float) -> Case:
    batch, theirs = _masks(kind, 2 * share(kind, scale, 1000, 10))
    groups = np.arange(0, len(batch) + 1, 2)
    pairs = [theirs[i : i + 2] for i in range(0, len(theirs), 2)]
    return Case(
        len(pairs),
        lambda: rle.merge(batch, groups),
        available(
            pycocotools=(coco, lambda: [coco.merge(pair) for pair in pairs]),
            hotcoco=(hotcoco, lambda: [hotcoco.merge(pair) for pair in pairs]),
        ),
        {"pycocotools": 2.0},
        {"pycocotools": _dicts},
    )


@comparison("rle.iou", "300x100", "20x20 large")
def _mask_iou(kind: str, scale: float) -> Case:
    if kind == "300x100":
        n, m = max(3, int(300 * scale)), max(2, int(100 * scale))
        batch, theirs = _masks("coco", n + m)
    else:
        n = m = max(2, int(20 * scale))
        batch, theirs = _masks("large", n + m)
    one, two, crowd = batch[:n], batch[n:], np.zeros(m, np.uint8)
    return Case(
        n * m,
        lambda: rle.iou(one, two),
        available(
            pycocotools=(coco, lambda: coco.iou(theirs[:n], theirs[n:], crowd)),
            hotcoco=(hotcoco, lambda: hotcoco.iou(theirs[:n], theirs[n:], crowd.astype(bool).tolist())),
        ),
        {"pycocotools": 2.5, "hotcoco": 1.7},
        {"pycocotools": equal},
    )


@comparison("rle.iou_grouped", "images of 21x7")
def _grouped_iou(_: str, scale: float) -> Case:
    images = max(2, int(300 * scale))
    batch, theirs = _masks("coco", 28 * images)
    one, two = batch[: 21 * images], batch[21 * images :]
    rows, columns = np.arange(0, 21 * images + 1, 21), np.arange(0, 7 * images + 1, 7)
    pairs = [
        (theirs[21 * i : 21 * i + 21], theirs[21 * images + 7 * i : 21 * images + 7 * i + 7])
        for i in range(images)
    ]
    crowd = np.zeros(7, np.uint8)
    return Case(
        147 * images,
        lambda: rle.iou_grouped(one, rows, two, columns)[0],
        available(
            pycocotools=(coco, lambda: [coco.iou(d, g, crowd) for d, g in pairs]),
            hotcoco=(hotcoco, lambda: [hotcoco.iou(d, g, [False] * 7) for d, g in pairs]),
        ),
        {"pycocotools": 2.5, "hotcoco": 1.7},
        {
            "pycocotools": lambda ours, theirs: equal(
                ours, np.concatenate([np.ravel(part) for part in theirs])
            )
        },
    )


@comparison("rle.to_polygons", "coco", "large")
def _outlines(kind: str, scale: float) -> Case:
    batch, _ = _masks(kind, share(kind, scale, 200, 5))
    dense = [np.ascontiguousarray(mask) for mask in rle.decode(batch)]
    return Case(
        len(batch),
        lambda: rle.to_polygons(batch),
        available(
            opencv=(
                cv2,
                lambda: each(lambda m: cv2.findContours(m, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE), dense),
            )
        ),
        {"opencv": 1.0},
    )


def _drop_in(name: str) -> Callable[[str, float], Case]:
    def build(kind: str, scale: float) -> Case:
        height, width = workloads.SETS[kind]
        flat = [part.ravel().tolist() for part in workloads.rings(kind, share(kind, scale, 200, 10))]
        theirs = coco_mask.frPyObjects(flat, height, width)
        masks = [coco_mask.decode(one) for one in theirs[:50]]
        half, crowd = len(theirs) // 2, np.zeros(len(theirs) - len(theirs) // 2, np.uint8)
        calls: dict[str, Callable[[Any], Any]] = {
            "frPyObjects": lambda module: module.frPyObjects(flat, height, width),
            "encode": lambda module: [module.encode(mask) for mask in masks],
            "decode": lambda module: each(module.decode, theirs),
            "area": lambda module: module.area(theirs),
            "toBbox": lambda module: module.toBbox(theirs),
            "merge": lambda module: module.merge(theirs),
            "iou": lambda module: module.iou(theirs[:half], theirs[half:], crowd),
        }
        call = calls[name]
        return Case(
            len(theirs),
            lambda: call(coco_mask),
            available(pycocotools=(coco, lambda: call(coco))),
            {"pycocotools": 1.0},
            {"pycocotools": equal},
        )

    return build


for _name in ("frPyObjects", "encode", "decode", "area", "toBbox", "merge", "iou"):
    comparison(f"coco_mask.{_name}", "coco")(_drop_in(_name))
