"""Kernels for one mask out of several: the vote of the pixels, and STAPLE (Warfield, Zou and Wells, 2004).

Pixels with the same votes are the same to both, so they work on vote patterns and how many pixels have them, taken
from the runs: no bitmap is made. Sums are whole multiples of small powers of two, so annotators may come in any order.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from annokit_fast._checks import Array, freeze, ragged
from annokit_fast._jit import jit
from annokit_fast._rle_batch import RleBatch

__all__ = ["Staple", "majority", "staple"]

MOST_MASKS = 64
"""Votes of a pixel are the bits of one number."""


class Staple(NamedTuple):
    """What STAPLE found.

    Attributes
    ----------
    masks : RleBatch
        One mask for each group: the pixels whose probability is at least one half.
    sensitivity, specificity : (n,) float64
        For each mask given: the share of the foreground, and of the background, it has right.
    """

    masks: RleBatch
    sensitivity: Array
    specificity: Array


def majority(batch: RleBatch, group_offsets: Any, share: float = 0.5) -> RleBatch:
    """The pixels that more than a share of the masks of a group have.

    Parameters
    ----------
    batch : RleBatch
        n masks, those of a group side by side and of one size.
    group_offsets : (g + 1,) int64
        Group i has the masks ``group_offsets[i]`` to ``group_offsets[i + 1]``: at least one, at most 64.
    share : float
        From 0 (any mask: the union) to below 1 (with as many masks as there are: the intersection).

    Returns
    -------
    RleBatch
        One mask for each group.

    Raises
    ------
    ValueError
        Groups that are empty or too large, or whose masks differ in size.

    Examples
    --------
    >>> from annokit_fast import agreement, rle
    >>> votes = rle.encode([[[1, 1, 0]], [[1, 0, 0]], [[1, 1, 1]]])
    >>> rle.decode(agreement.majority(votes, [0, 3])).tolist()
    [[[1, 1, 0]]]
    >>> len(agreement.majority(votes[:0], [0]))
    0
    """
    if not 0.0 <= share < 1.0:
        raise ValueError(f"share: expected a number from 0 to below 1, got {share}")
    groups, pixels = _groups(batch, group_offsets)
    counts, ends = (
        np.empty(int(batch.offsets[-1]) + 2 * len(pixels), np.uint32),
        np.zeros(len(groups), np.int64),
    )
    _vote(batch.counts, batch.offsets, pixels, groups, float(share), counts, ends)
    return _batch(batch, groups, counts, ends)


def staple(batch: RleBatch, group_offsets: Any, *, rounds: int = 200, tolerance: float = 1e-7) -> Staple:
    """One mask for each group by STAPLE, with how good each given mask is.

    Expectation maximisation over a hidden true mask (Warfield, Zou and Wells, 2004), starting from sensitivity and
    specificity .99999, with the mean share of foreground as the prior, as ITK has it.

    Parameters
    ----------
    batch, group_offsets
        As for `majority`.
    rounds : int
        The most rounds.
    tolerance : float
        It ends when no sensitivity or specificity changes by more.

    Raises
    ------
    ValueError
        As for `majority`.

    Examples
    --------
    >>> from annokit_fast import agreement, rle
    >>> votes = rle.encode([[[1, 1, 0, 0]], [[1, 1, 0, 0]], [[0, 0, 1, 1]]])
    >>> found = agreement.staple(votes, [0, 3])
    >>> rle.decode(found.masks).tolist(), found.sensitivity.round(2).tolist()
    ([[[1, 1, 0, 0]]], [1.0, 1.0, 0.0])
    >>> len(agreement.staple(votes[:0], [0]).masks)
    0
    """
    groups, pixels = _groups(batch, group_offsets)
    counts, ends = (
        np.empty(int(batch.offsets[-1]) + 2 * len(pixels), np.uint32),
        np.zeros(len(groups), np.int64),
    )
    p, q = np.empty(len(batch)), np.empty(len(batch))
    _staple(
        batch.counts, batch.offsets, pixels, groups, int(rounds), float(tolerance), counts, ends, p, q
    )  # fmt: skip
    return Staple(_batch(batch, groups, counts, ends), p, q)


def _groups(batch: RleBatch, group_offsets: Any) -> tuple[Array, Array]:
    """The groups, and the number of pixels of the masks of each."""
    groups = ragged(group_offsets, len(batch), "group_offsets", "masks")
    sizes = np.diff(groups)
    if len(sizes) and not (sizes.min() >= 1 and sizes.max() <= MOST_MASKS):
        wrong = sizes.min() if sizes.min() < 1 else sizes.max()
        raise ValueError(f"group_offsets: expected groups of 1 to {MOST_MASKS} masks, got {wrong}")
    for side in (batch.heights, batch.widths):
        alike = side == np.repeat(side[groups[:-1]], sizes)
        if not alike.all():
            raise ValueError(
                f"batch: expected masks of one size in a group, mask {np.argmin(alike)} has another"
            )
    return groups, freeze(batch.heights[groups[:-1]].astype(np.int64) * batch.widths[groups[:-1]])


def _batch(batch: RleBatch, groups: Array, counts: Array, ends: Array) -> RleBatch:
    return RleBatch(counts[: ends[-1]].copy(), ends, batch.heights[groups[:-1]], batch.widths[groups[:-1]])


_LOG = 2.0**44
_LEAST = 1e-300
_SURE = 0.99999


@jit
def _sweep(counts, offsets, first, last, pixels, patterns, lengths):
    """The votes along the masks `first` to `last`: one pattern of bits for each stretch without a change."""
    n = last - first
    run = np.empty(n, np.int64)
    left = np.empty(n, np.int64)
    pattern = np.uint64(0)
    for r in range(n):
        run[r] = offsets[first + r]
        left[r] = counts[run[r]]
        while left[r] == 0 and run[r] + 1 < offsets[first + r + 1]:
            run[r] += 1
            left[r] = counts[run[r]]
            pattern ^= np.uint64(1) << np.uint64(r)
    o = 0
    done = 0
    while done < pixels:
        step = pixels - done
        for r in range(n):
            step = min(step, left[r])
        if o and patterns[o - 1] == pattern:
            lengths[o - 1] += step
        else:
            patterns[o], lengths[o] = pattern, step
            o += 1
        done += step
        for r in range(n):
            left[r] -= step
            while left[r] == 0 and run[r] + 1 < offsets[first + r + 1]:
                run[r] += 1
                left[r] = counts[run[r]]
                pattern ^= np.uint64(1) << np.uint64(r)
    return o


@jit
def _bits(pattern):
    total = 0
    while pattern:
        total += 1
        pattern &= pattern - np.uint64(1)
    return total


@jit
def _runs(inside, lengths, n, counts, o):
    """Stretches that are inside or not as runs, background first; gives where they end."""
    current = False
    counts[o] = 0
    for i in range(n):
        if inside[i] != current:
            o += 1
            counts[o] = 0
            current = inside[i]
        counts[o] += lengths[i]
    return o + 1


@jit
def _vote(counts, offsets, pixels, groups, share, found, ends):
    """Pixels that more than `share` of the masks of each group have."""
    most = offsets[-1] + 2
    patterns, lengths = np.empty(most, np.uint64), np.empty(most, np.int64)
    inside = np.empty(most, np.bool_)
    o = 0
    for g in range(groups.size - 1):
        n = _sweep(counts, offsets, groups[g], groups[g + 1], pixels[g], patterns, lengths)
        for i in range(n):
            inside[i] = _bits(patterns[i]) > share * (groups[g + 1] - groups[g])
        o = _runs(inside, lengths, n, found, o)
        ends[g + 1] = o


@jit
def _collapse(patterns, lengths, n, unique, pixels, which):
    """Each pattern once, with its pixels, and for every stretch which one it has."""
    order = np.argsort(patterns[:n], kind="mergesort")
    o = -1
    for i in order:
        if o < 0 or unique[o] != patterns[i]:
            o += 1
            unique[o], pixels[o] = patterns[i], 0
        pixels[o] += lengths[i]
        which[i] = o
    return o + 1


@jit
def _weigh(unique, n, raters, prior, p, q, weights):
    """Probability that a pixel of each pattern is foreground."""
    hit, miss = np.empty(raters, np.int64), np.empty(raters, np.int64)
    lift, drop = np.empty(raters, np.int64), np.empty(raters, np.int64)
    for r in range(raters):
        hit[r] = np.int64(np.rint(np.log(max(p[r], _LEAST)) * _LOG))
        miss[r] = np.int64(np.rint(np.log(max(1.0 - p[r], _LEAST)) * _LOG))
        lift[r] = np.int64(np.rint(np.log(max(1.0 - q[r], _LEAST)) * _LOG))
        drop[r] = np.int64(np.rint(np.log(max(q[r], _LEAST)) * _LOG))
    start = np.int64(np.rint((np.log(prior) - np.log(1.0 - prior)) * _LOG))
    for i in range(n):
        odds = start
        for r in range(raters):
            if unique[i] >> np.uint64(r) & np.uint64(1):
                odds += hit[r] - lift[r]
            else:
                odds += miss[r] - drop[r]
        small = np.exp(-abs(odds) / _LOG)
        weights[i] = (1.0 if odds >= 0 else small) / (1.0 + small)


@jit
def _rates(unique, pixels, weights, n, raters, p, q):
    """Each annotator's sensitivity and specificity given the weights; gives the largest change."""
    total = 0
    for i in range(n):
        total += pixels[i]
    one = np.int64(1) << 60
    while one > (np.int64(1) << 61) // total:
        one >>= 1
    whole, total = 0, one * total
    inside = np.zeros(raters, np.int64)
    outside = np.zeros(raters, np.int64)
    for i in range(n):
        weight = np.int64(np.rint(weights[i] * one))
        whole += weight * pixels[i]
        for r in range(raters):
            if unique[i] >> np.uint64(r) & np.uint64(1):
                inside[r] += weight * pixels[i]
            else:
                outside[r] += (one - weight) * pixels[i]
    change = 0.0
    for r in range(raters):
        found_p = inside[r] / whole if whole else 1.0
        found_q = outside[r] / (total - whole) if total > whole else 1.0
        change = max(change, abs(found_p - p[r]), abs(found_q - q[r]))
        p[r], q[r] = found_p, found_q
    return change


@jit
def _staple(counts, offsets, pixels, groups, rounds, tolerance, found, ends, p, q):
    """STAPLE on every group of masks; `p` and `q` become the sensitivity and specificity of each mask."""
    most = offsets[-1] + 2
    patterns, unique = np.empty(most, np.uint64), np.empty(most, np.uint64)
    lengths, sizes, which = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)
    weights, inside = np.empty(most), np.empty(most, np.bool_)
    o = 0
    for g in range(groups.size - 1):
        first, last = groups[g], groups[g + 1]
        n = _sweep(counts, offsets, first, last, pixels[g], patterns, lengths)
        u = _collapse(patterns, lengths, n, unique, sizes, which)
        marked = 0
        for i in range(u):
            marked += _bits(unique[i]) * sizes[i]
        p[first:last], q[first:last] = _SURE, _SURE
        if 0 < marked < (last - first) * pixels[g]:
            prior = marked / ((last - first) * pixels[g])
            for _ in range(rounds):
                _weigh(unique, u, last - first, prior, p[first:last], q[first:last], weights)
                if _rates(unique, sizes, weights, u, last - first, p[first:last], q[first:last]) < tolerance:
                    break
        else:
            weights[:u] = 1.0 if marked else 0.0
            p[first:last], q[first:last] = 1.0, 1.0
        for i in range(n):
            inside[i] = weights[which[i]] >= 0.5
        o = _runs(inside, lengths, n, found, o)
        ends[g + 1] = o
