"""Everybody's boxes as one set of boxes an item."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from annokit.consensus._columns import Coded, coded, of_one_length, place_of
from annokit.errors import UsageError
from annokit_fast import agreement

__all__ = ["MergedBoxes", "canonical_order", "enough", "merge_boxes"]


@dataclass(frozen=True)
class MergedBoxes:
    """What `merge_boxes` found: one entry for each merged box, in order of items, then from left to right.

    Attributes
    ----------
    item : (n,) array
    boxes : (n, 4) float64
        x1, y1, x2, y2 in pixels.
    confidence : (n,) float64
        The share of the item's annotators who drew it, times the mean IoU of their boxes with this one.
    members : list of (k,) int64
        The places of these boxes among those that were given, rising.
    """

    item: NDArray[Any]
    boxes: NDArray[np.float64]
    confidence: NDArray[np.float64]
    members: list[NDArray[np.int64]]


def merge_boxes(
    item: Any,
    annotator: Any,
    boxes_xyxy: Any,
    *,
    assigned: Iterable[tuple[Any, Any]] | None = None,
    link: float = 0.3,
    quorum: float = 0.3,
    skill: Any = None,
) -> MergedBoxes:
    """The boxes that enough annotators drew, one box for each thing.

    Boxes of different annotators are the same thing when, taken highest IoU first, the mean IoU between what is
    joined is at least `link`; an annotator has one box at most in each. What is drawn by a smaller share of those
    who looked than `quorum` is left out. Each side of the merged box is the median of the sides. The order of
    boxes, annotators and items makes no difference.

    Parameters
    ----------
    item, annotator : sequences or Arrow columns of ints or strings, of equal length
        Where each box is, and who drew it.
    boxes_xyxy : (n, 4) float64
        x1, y1, x2, y2 in pixels, x2 >= x1, y2 >= y1.
    assigned : iterable of (item, annotator), optional
        Who looked at which item, for those who drew nothing there. Those who drew something are known.
    link : float
        The least mean IoU, above 0.
    quorum : float
        The least share of an item's annotators, 0 to 1.
    skill : (n,) float64, optional
        How much the annotator of each box counts in the merged box; a weighted median then.

    Returns
    -------
    MergedBoxes

    Raises
    ------
    UsageError
        Columns that do not fit.

    Examples
    --------
    >>> item, annotator = ["a.jpg"] * 4, ["ann", "bob", "cid", "cid"]
    >>> boxes = [[0, 0, 10, 10], [0, 0, 10, 12], [1, 0, 10, 10], [50, 50, 60, 60]]
    >>> found = merge_boxes(item, annotator, boxes, quorum=0.5)
    >>> found.boxes.tolist(), found.members[0].tolist()
    ([[0.0, 0.0, 10.0, 10.0]], [0, 1, 2])
    >>> merge_boxes([], [], []).boxes.shape
    (0, 4)
    """
    items, annotators = coded(item, "item"), coded(annotator, "annotator")
    of_one_length(item=items, annotator=annotators)
    corners = _corners(boxes_xyxy, len(items.codes))
    weights = np.ones(len(corners)) if skill is None else np.asarray(skill, np.float64)
    order, ranks, copies = canonical_order(
        items.codes, annotators.codes, np.zeros(len(corners), np.int64), corners
    )
    counts = np.bincount(items.codes, minlength=len(items.values))
    ends = np.concatenate([[0], np.cumsum(counts)])
    try:
        found = agreement.cluster_boxes(
            corners[order], ends, annotators.codes[order].astype(np.int64), link, ranks=ranks, copies=copies
        )
        groups, members = _grouped(items.codes[order], found)
        size = np.diff(members)
        looked = _lookers(items, annotators, assigned)[items.codes[order][groups[members[:-1]]]]
        kept = size >= np.array([enough(quorum, n) for n in looked.tolist()], np.int64)
        groups, members = groups[np.repeat(kept, size)], np.concatenate([[0], np.cumsum(size[kept])])
        merged, closeness = agreement.merge_boxes(corners[order][groups], members, weights[order][groups])
    except ValueError as error:
        raise UsageError(str(error)) from error
    return MergedBoxes(
        item=items.names()[items.codes[order][groups[members[:-1]]]],
        boxes=merged,
        confidence=size[kept] / looked[kept] * closeness,
        members=[np.sort(part) for part in np.split(order[groups], members[1:-1])] if len(merged) else [],
    )


def enough(quorum: float, annotators: int) -> int:
    """How many of an item's annotators a share is, rounded up; at least one.

    >>> enough(0.5, 3), enough(0.0, 5), enough(0.6, 5)
    (2, 1, 3)
    """
    if not 0.0 <= quorum <= 1.0:
        raise UsageError(f"expected a quorum from 0 to 1, got {quorum}")
    return max(1, math.ceil(quorum * annotators - 1e-9))


def canonical_order(
    items: NDArray[Any], annotators: NDArray[Any], classes: NDArray[Any], keys: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """An order of objects that does not depend on how they come: by item, then by what is drawn.

    Parameters
    ----------
    items, annotators, classes : (n,) codes
    keys : (n, d) float64
        What is drawn, as numbers.

    Returns
    -------
    order : (n,) int64
        The place of each object.
    ranks, copies : (n,) int64
        For the objects in this order: the rank within the item, equal for what is equal but for its annotator, and
        how many equal ones of the annotator come before it.
    """
    columns = [annotators, classes, *keys.T[::-1], items]
    order = np.lexsort(columns).astype(np.int64)
    sorted_items, sorted_who = items[order], annotators[order]
    fresh = np.ones(len(order), bool)
    fresh[1:] = np.any([column[order][1:] != column[order][:-1] for column in columns[1:]], axis=0)
    ranks = np.cumsum(fresh) - 1
    first = np.ones(len(order), bool)
    first[1:] = sorted_items[1:] != sorted_items[:-1]
    ranks = ranks - np.repeat(ranks[first], np.diff(np.append(np.flatnonzero(first), len(order))))
    again = np.ones(len(order), bool)
    again[1:] = fresh[1:] | (sorted_who[1:] != sorted_who[:-1])
    copies = np.arange(len(order)) - np.maximum.accumulate(np.where(again, np.arange(len(order)), 0))
    return order, ranks, copies


def _corners(boxes: Any, count: int) -> NDArray[np.float64]:
    corners = np.asarray(boxes, np.float64)
    if corners.size == 0:
        corners = corners.reshape(0, 4)
    if corners.shape != (count, 4):
        raise UsageError(f"expected boxes_xyxy of shape ({count}, 4), as item says, got {corners.shape}")
    return corners


def _grouped(items: NDArray[Any], clusters: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of objects, those of one cluster side by side, and where each cluster starts."""
    groups = np.lexsort([clusters, items]).astype(np.int64)
    a, b = items[groups], clusters[groups]
    fresh = np.flatnonzero((a[1:] != a[:-1]) | (b[1:] != b[:-1])) + 1
    return groups, np.concatenate([[0], fresh, [len(groups)]]) if len(groups) else np.zeros(1, np.int64)


def _lookers(
    items: Coded, annotators: Coded, assigned: Iterable[tuple[Any, Any]] | None
) -> NDArray[np.int64]:
    """How many annotators looked at each item."""
    there, who, many = items.codes.astype(np.int64), annotators.codes.astype(np.int64), len(annotators.values)
    if assigned is not None:
        pairs = list(assigned)
        places = place_of(pa.array([one for one, _ in pairs]), items.values)
        people = pa.array([other for _, other in pairs])
        known = place_of(people, annotators.values)
        silent = coded(people, "assigned")
        codes = np.where(known >= 0, known, many + silent.codes)
        there, who = np.append(there, places[places >= 0]), np.append(who, codes[places >= 0])
        many += len(silent.values)
    found: NDArray[np.int64] = np.bincount(
        np.unique(there * max(many, 1) + who) // max(many, 1), minlength=len(items.values)
    )
    return found
