"""Rows of the comparison table: agreement over any number of annotators, and what is made of their answers."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np

from annokit_fast import agreement, rle
from benchmarks import workloads
from benchmarks.peers import Case, available, comparison, ensemble_boxes, nltk, pandas, sitk


@comparison("agreement.alpha", "100k responses")
def _alpha(_: str, scale: float) -> Case:
    """From codes on both sides; the peer counts every item in Python, as crowd-kit does through it."""
    items, who, labels = workloads.responses(max(20, int(20_000 * scale)))
    shape = {"n_items": int(items.max()) + 1, "n_codes": 5}
    data = list(zip(who.tolist(), items.tolist(), labels.tolist(), strict=True))

    def with_nltk() -> float:
        result: float = nltk.AnnotationTask(data).alpha()
        return result

    def check(ours: float, theirs: float) -> None:
        np.testing.assert_allclose(ours, theirs, atol=1e-12)

    return Case(
        len(items),
        lambda: agreement.alpha(agreement.units(items, labels, **shape)),
        available(nltk=(nltk, with_nltk)),
        {"nltk": 100.0},
        {"nltk": check},
    )


@comparison("agreement.expect", "1M responses")
def _expect(_: str, scale: float) -> Case:
    """One round of expectation, with the counts that the next maximisation needs."""
    count = max(20, int(200_000 * scale))
    items, who, labels = workloads.responses(count)
    n_who, k = int(who.max()) + 1, 5
    given = agreement.responses(items, who, labels, n_items=count, n_annotators=n_who, n_classes=k)
    gains = agreement.tally(given, np.full((count, k), 1 / k))
    logs, one = np.empty_like(gains), agreement.ONE
    agreement.maximise(gains, 0.0, np.zeros((k, k)), np.full(n_who, 0.7), np.full(n_who, 0.075), logs)
    known, posterior = np.full(count, -1), np.empty((count, k), np.int64)
    prior, totals, table = np.zeros(k, np.int64), np.empty(k, np.int64), logs / one

    def ours() -> Any:
        agreement.expect(given, logs, prior, known, posterior, totals, gains)
        return posterior / one, gains / one

    def with_numpy() -> Any:
        cells = who * k + labels
        sums = np.stack([np.bincount(items, table[cells, c], count) for c in range(k)], 1)
        shares = np.exp(sums - sums.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        return shares, np.stack([np.bincount(cells, shares[items, c], n_who * k) for c in range(k)], 1)

    def check(mine: Any, theirs: Any) -> None:
        for one_side, other in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(one_side, other, atol=1e-7)

    return Case(len(items), ours, {"numpy": with_numpy}, {"numpy": 3.0}, {"numpy": check})


@comparison("agreement.cluster_boxes", "5 annotators, 10 boxes")
def _cluster(_: str, scale: float) -> Case:
    """Clusters and their median boxes; weighted boxes fusion, which has no rule of one box an annotator."""
    images = max(3, int(200 * scale))
    boxes, offsets, who = workloads.annotated_boxes(images)
    parts = [(boxes[i:j] / 1000, who[i:j]) for i, j in itertools.pairwise(offsets)]

    def ours() -> Any:
        found = agreement.cluster_boxes(boxes, offsets, who)
        groups = np.lexsort([found, np.repeat(np.arange(images), np.diff(offsets))])
        starts = np.flatnonzero(np.append(True, found[groups][1:] != found[groups][:-1]))
        return agreement.merge_boxes(boxes[groups], np.append(starts, len(boxes)))

    def fused() -> None:
        for part, drawn in parts:
            lists = [np.clip(part[drawn == w], 0, 1).tolist() for w in range(5)]
            ones = [[1.0] * len(each) for each in lists]
            ensemble_boxes.weighted_boxes_fusion(lists, ones, ones, iou_thr=0.55)

    return Case(
        images, ours, available(**{"ensemble-boxes": (ensemble_boxes, fused)}), {"ensemble-boxes": 20.0}
    )


def _masks(scale: float) -> tuple[rle.RleBatch, Any, Any]:
    count = max(2, int(60 * scale))
    dense = workloads.mask_votes(count)
    return rle.encode(dense.reshape(-1, *dense.shape[2:])), np.arange(0, 5 * count + 1, 5), dense


@comparison("agreement.staple", "5 masks of 256x256")
def _staple(_: str, scale: float) -> Case:
    """From runs, as labels have them; SimpleITK from its own images, made outside the timing."""
    batch, groups, dense = _masks(scale)
    images: list[Any] = []
    if sitk is not None:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
        images = [[sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in votes] for votes in dense]

    def with_itk() -> Any:
        return np.stack([sitk.GetArrayFromImage(sitk.STAPLE(votes, 1.0)) >= 0.5 for votes in images])

    def check(ours: agreement.Staple, theirs: Any) -> None:
        different = rle.decode(ours.masks).astype(bool) != theirs
        assert different.mean() < 1e-4  # ITK's stop rule leaves a few pixels undecided

    return Case(
        len(dense),
        lambda: agreement.staple(batch, groups),
        available(SimpleITK=(sitk, with_itk)),
        {"SimpleITK": 100.0},
        {"SimpleITK": check},
    )


@comparison("agreement.majority", "5 masks of 256x256")
def _majority(_: str, scale: float) -> Case:
    """From runs to runs; numpy from bitmaps to bitmaps, which it does not have to make."""
    batch, groups, dense = _masks(scale)
    return Case(
        len(dense),
        lambda: agreement.majority(batch, groups),
        {"numpy": lambda: dense.sum(axis=1) * 2 > 5},
        {"numpy": 2.0},
        {"numpy": lambda ours, theirs: np.testing.assert_array_equal(rle.decode(ours), theirs)},
    )


@comparison("consensus.aggregate dawid-skene", "1M responses")
def _dawid_skene(_: str, scale: float) -> Case:
    """Twenty rounds from columns of numbers to labels, with all the coding and sorting it takes."""
    items, who, labels = workloads.responses(max(20, int(200_000 * scale)))
    table = None if pandas is None else pandas.DataFrame({"task": items, "worker": who, "label": labels})

    def ours() -> Any:
        from annokit import consensus

        return consensus.aggregate(
            items, who, labels, method="dawid-skene", rounds=20, tolerance=float("-inf")
        )

    def with_crowd_kit() -> Any:
        from crowdkit.aggregation import DawidSkene

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pandas, about the way it is called
            return DawidSkene(n_iter=20, tol=0).fit_predict(table)

    def check(found: Any, theirs: Any) -> None:
        same = found.label == theirs.sort_index().to_numpy()
        assert same.mean() > 0.997

    return Case(
        len(items),
        ours,
        available(**{"crowd-kit": (nltk and pandas, with_crowd_kit)}),
        {"crowd-kit": 20.0},
        {"crowd-kit": check},
    )
