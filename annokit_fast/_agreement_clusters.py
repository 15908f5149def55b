"""Kernels for who marked the same thing, over any number of annotators.

Clusters grow along the pairs of different annotators, best score first, while no annotator is in both and the mean
score between the two is at least `link`. Scores are compared as whole multiples of 2**-30 and ties go by class, copy
and rank, so that neither the order of annotators nor that of objects has a say.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs
# ruff: noqa: FURB136 - a select compiles to one instruction, min() also looks for NaN

from __future__ import annotations

from typing import Any

import numpy as np

from annokit_fast._checks import Array, freeze, per_item, ragged, vector
from annokit_fast._jit import jit
from annokit_fast.boxes import _checked

__all__ = ["cluster", "cluster_boxes", "merge_boxes"]

MOST_OBJECTS = 8192
"""Objects in one problem: the links of all pairs are kept, 512 MiB of them."""

ONE = 2.0**30
_RANKS = MOST_OBJECTS


def cluster_boxes(
    boxes: Any,
    offsets: Any,
    annotators: Any,
    link: float = 0.3,
    *,
    classes: Any = 0,
    ranks: Any = None,
    copies: Any = 0,
) -> Array:
    """Which boxes of several annotators mark the same thing, for many images in one call.

    Clusters grow along the pairs of boxes, highest IoU first, while no annotator has two boxes in a cluster and the
    mean IoU between the two parts is at least `link`.

    Parameters
    ----------
    boxes : (n, 4) float64
        Boxes x1, y1, x2, y2 of all images.
    offsets : (g + 1,) int64
        Image i has the boxes ``offsets[i]`` to ``offsets[i + 1]``, at most 8,192.
    annotators : (n,) integers
        Who drew each, as codes from 0.
    link : float
        The least mean IoU.
    classes : (n,) integers, optional
        Of pairs with one IoU, those of one class come first.
    ranks, copies : (n,) integers, optional
        What breaks the ties that are left: a rank within the image by geometry, equal for equal boxes, below 8,192,
        and a count of the equal boxes of one annotator. By default the order of the boxes does.

    Returns
    -------
    (n,) int64
        The cluster of each box: numbers from 0 in every image, in order of the first box.

    Raises
    ------
    ValueError
        Shapes and offsets that do not fit, too many boxes in an image.

    Examples
    --------
    >>> from annokit_fast import agreement
    >>> boxes = [[0, 0, 4, 4], [9, 9, 12, 12], [0, 1, 4, 5], [0, 0, 4, 5]]
    >>> agreement.cluster_boxes(boxes, [0, 4], [0, 0, 1, 2]).tolist()
    [0, 1, 0, 0]
    >>> agreement.cluster_boxes([], [0], []).tolist()
    []
    """
    corners = _checked(boxes, "boxes")
    ends = ragged(offsets, len(corners), "offsets", "boxes")
    return _clustered(corners, freeze(np.empty(0)), ends, annotators, link, classes, ranks, copies)


def cluster(
    scores: Any,
    offsets: Any,
    annotators: Any,
    link: float = 0.3,
    *,
    classes: Any = 0,
    ranks: Any = None,
    copies: Any = 0,
) -> Array:
    """`cluster_boxes` on scores of any kind.

    Parameters
    ----------
    scores : (total,) float64
        Of every problem the square, symmetric matrix of scores from 0 to 1, row by row, one after the other.
    offsets : (g + 1,) int64
        Problem i has ``offsets[i + 1] - offsets[i]`` objects.
    annotators, link, classes, ranks, copies
        As for `cluster_boxes`.

    Examples
    --------
    >>> from annokit_fast import agreement
    >>> agreement.cluster([1, 0.6, 0.6, 1], [0, 2], [0, 1], 0.5).tolist()
    [0, 0]
    >>> agreement.cluster([], [0], []).tolist()
    []
    """
    values = vector(scores, np.float64, "scores")
    if len(values) and not (values.min() >= 0.0 and values.max() <= 1.0):
        raise ValueError("scores: expected numbers from 0 to 1")
    ends = vector(offsets, np.int64, "offsets")
    ends = ragged(ends, int(ends[-1]) if len(ends) else 0, "offsets", "objects")
    total = int((np.diff(ends) ** 2).sum())
    if total != len(values):
        raise ValueError(f"scores: expected {total} numbers for these offsets, got {len(values)}")
    return _clustered(freeze(np.empty((0, 4))), values, ends, annotators, link, classes, ranks, copies)


def _clustered(
    boxes: Array,
    scores: Array,
    ends: Array,
    annotators: Any,
    link: float,
    classes: Any,
    ranks: Any,
    copies: Any,
) -> Array:
    count, sizes = int(ends[-1]), np.diff(ends)
    if len(sizes) and sizes.max() > MOST_OBJECTS:
        raise ValueError(
            f"offsets: expected at most {MOST_OBJECTS} objects in one problem, got {sizes.max()}"
        )
    if not 0.0 < link <= 1.0:
        raise ValueError(f"link: expected a number above 0, up to 1, got {link}")
    who = per_item(annotators, count, np.int64, "annotators")
    if count and who.min() < 0:
        raise ValueError(f"annotators: expected codes from 0, got {who.min()}")
    places = np.arange(count) - np.repeat(ends[:-1], sizes) if ranks is None else ranks
    rank = per_item(places, count, np.int64, "ranks")
    if count and not (rank.min() >= 0 and rank.max() < MOST_OBJECTS):
        raise ValueError(f"ranks: expected numbers from 0 to below {MOST_OBJECTS}")
    kinds, copy = per_item(classes, count, np.int64, "classes"), per_item(copies, count, np.int64, "copies")
    found = np.empty(count, np.int64)
    _cluster(
        boxes, scores, ends, who, int(who.max()) + 1 if count else 1, kinds, rank, copy, float(link), found
    )
    return found


def merge_boxes(boxes: Any, offsets: Any, weights: Any = 1.0) -> tuple[Array, Array]:
    """One box for each group: the median of each side.

    Parameters
    ----------
    boxes : (n, 4) float64
        Boxes x1, y1, x2, y2, those of a group side by side.
    offsets : (g + 1,) int64
        Group i has the boxes ``offsets[i]`` to ``offsets[i + 1]``, at least one.
    weights : float, or (n,) float64
        What each counts, above 0: the weighted median, which lies between two boxes where half of the weight does.

    Returns
    -------
    boxes : (g, 4) float64
    closeness : (g,) float64
        The mean IoU of the boxes of a group with the one made of them.

    Examples
    --------
    >>> from annokit_fast import agreement
    >>> boxes, closeness = agreement.merge_boxes([[0, 0, 4, 4], [0, 0, 4, 5], [1, 0, 4, 9]], [0, 3])
    >>> boxes.tolist(), closeness.round(3).tolist()
    ([[0.0, 0.0, 4.0, 5.0]], [0.756])
    >>> agreement.merge_boxes([], [0])[0].shape
    (0, 4)
    """
    corners = _checked(boxes, "boxes")
    ends = ragged(offsets, len(corners), "offsets", "boxes")
    if (np.diff(ends) == 0).any():
        raise ValueError("offsets: expected at least one box in every group")
    weight = per_item(weights, len(corners), np.float64, "weights")
    if len(weight) and not (weight.min() > 0.0 and np.isfinite(weight).all()):
        raise ValueError("weights: expected finite numbers above 0")
    merged, closeness = np.empty((len(ends) - 1, 4)), np.empty(len(ends) - 1)
    _merge_boxes(corners, ends, freeze(weight), merged, closeness)
    return merged, closeness


@jit
def _overlap(a, b):
    w = (a[2] if a[2] < b[2] else b[2]) - (a[0] if a[0] > b[0] else b[0])
    h = (a[3] if a[3] < b[3] else b[3]) - (a[1] if a[1] > b[1] else b[1])
    if w <= 0.0 or h <= 0.0:
        return 0.0
    both = w * h
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


@jit
def _pairs(links, n, who, classes, ranks, copies, least, keys, ends):
    """The pairs that may be linked; sorting their keys gives the order in which they are looked at."""
    o = 0
    for i in range(n):
        for j in range(i + 1, n):
            if who[i] == who[j] or links[i, j] < least or links[i, j] == 0:
                continue
            low, high = min(ranks[i], ranks[j]), max(ranks[i], ranks[j])
            key = np.int64(ONE) - links[i, j]
            key = key * 4 + 2 * (classes[i] != classes[j]) + (copies[i] != copies[j])
            keys[o] = (key * _RANKS + low) * _RANKS + high
            ends[o, 0], ends[o, 1] = i, j
            o += 1
    return o


@jit
def _grow(links, n, who, least, order, ends, owner, size, present):
    """Join clusters pair by pair; afterwards `owner` names the cluster of every object by one of its objects."""
    present[:n] = False
    for i in range(n):
        owner[i] = i
        size[i] = 1
        present[i, who[i]] = True
    for pair in order:
        a, b = owner[ends[pair, 0]], owner[ends[pair, 1]]
        if a == b or links[a, b] < least * size[a] * size[b]:
            continue
        apart = True
        for w in range(present.shape[1]):
            apart = apart and not (present[a, w] and present[b, w])
        if not apart:
            continue
        if b < a:
            a, b = b, a
        for w in range(present.shape[1]):
            present[a, w] |= present[b, w]
        for i in range(n):
            links[a, i] += links[b, i]
            links[i, a] = links[a, i]
            if owner[i] == b:
                owner[i] = a
        size[a] += size[b]


@jit
def _cluster(boxes, given, offsets, who, n_who, classes, ranks, copies, link, found):
    """Number the clusters of every problem from 0, in order of their first objects."""
    largest = 0
    for g in range(offsets.size - 1):
        largest = max(largest, offsets[g + 1] - offsets[g])
    links = np.empty((largest, largest), np.int64)
    keys = np.empty(largest * (largest - 1) // 2, np.int64)
    ends = np.empty((keys.size, 2), np.int64)
    owner = np.empty(largest, np.int64)
    size = np.empty(largest, np.int64)
    present = np.empty((largest, n_who), np.bool_)
    least = np.int64(np.ceil(link * ONE - 1e-6))
    at = 0
    for g in range(offsets.size - 1):
        first = offsets[g]
        n = offsets[g + 1] - first
        for i in range(n):
            for j in range(i, n):
                score = (
                    _overlap(boxes[first + i], boxes[first + j]) if given.size == 0 else given[at + i * n + j]
                )
                links[i, j] = links[j, i] = np.int64(np.rint(score * ONE))
        at += n * n
        stop = first + n
        mine = who[first:stop]
        o = _pairs(
            links, n, mine, classes[first:stop], ranks[first:stop], copies[first:stop], least, keys, ends
        )
        order = np.argsort(keys[:o], kind="mergesort")
        _grow(links, n, mine, least, order, ends, owner, size, present)
        count = 0
        for i in range(n):
            if owner[i] == i:
                found[first + i] = count
                count += 1
            else:
                found[first + i] = found[first + owner[i]]


@jit
def _weighted_median(values, weights):
    """Where half of the weight lies on either side; between two values their mean."""
    order = np.argsort(values, kind="mergesort")
    half = 0.0
    for weight in np.sort(weights):
        half += weight
    half *= 0.5
    reached = 0.0
    for place in range(order.size):
        reached += weights[order[place]]
        if reached > half:
            return values[order[place]]
        if reached == half and place + 1 < order.size:
            return 0.5 * (values[order[place]] + values[order[place + 1]])
    return values[order[-1]]


@jit
def _merge_boxes(boxes, offsets, weights, merged, closeness):
    """The weighted median of the boxes of every group, and their mean IoU with it."""
    for g in range(offsets.size - 1):
        first, last = offsets[g], offsets[g + 1]
        for side in range(4):
            merged[g, side] = _weighted_median(boxes[first:last, side].copy(), weights[first:last])
        scores = np.empty(last - first)
        for i in range(first, last):
            scores[i - first] = 1.0 if last - first == 1 else _overlap(boxes[i], merged[g])
        total = 0.0
        for score in np.sort(scores):
            total += score
        closeness[g] = total / (last - first)
