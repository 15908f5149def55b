"""Agreement of any number of annotators: the kernels against their slow twins, in any order of what they are given."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from annokit_fast import agreement, rle
from tests.fast import naive, shapes

LEVELS = ("nominal", "ordinal", "interval", "ratio")


def responses(seed, items=8, annotators=5, labels=4, count=30):
    rng = np.random.default_rng(seed)
    return rng.integers(0, items, count), rng.integers(0, annotators, count), rng.integers(0, labels, count)


@pytest.mark.parametrize("level", LEVELS)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 40))
def test_alpha_is_that_of_the_coincidence_matrix(level, seed, count):
    item, _, code = responses(seed, count=count)
    values = np.array([0.0, 1.0, 2.5, 10.0])
    units = agreement.units(item, code, n_items=8, n_codes=4)
    expected = naive.krippendorff(
        [[values[c] for c in code[item == t]] for t in range(8)], naive.DIFFERENCES[level]
    )
    np.testing.assert_allclose(agreement.alpha(units, values, level=level), expected, atol=1e-12)


@pytest.mark.parametrize("level", LEVELS)
@given(seed=st.integers(0, 10_000))
def test_alpha_does_not_depend_on_any_order(level, seed):
    item, _, code = responses(seed)
    rng = np.random.default_rng(seed)
    order, names = rng.permutation(len(item)), rng.permutation(8)
    one = agreement.alpha(agreement.units(item, code, n_items=8, n_codes=4), np.arange(4.0), level=level)
    units = agreement.units(names[item[order]], code[order], n_items=8, n_codes=4)
    np.testing.assert_array_equal(agreement.alpha(units, np.arange(4.0), level=level), one)


@given(seed=st.integers(0, 10_000))
def test_units_drawn_twice_count_twice(seed):
    item, _, code = responses(seed)
    times = np.random.default_rng(seed).integers(0, 3, 8)
    once = agreement.units(item, code, n_items=8, n_codes=4)
    copies = [(100 * t + c, code[item == t]) for t in range(8) for c in range(times[t])]
    many = np.concatenate([[], *[np.full(len(part), t) for t, part in copies]]).astype(int)
    codes = np.concatenate([np.empty(0, int), *[part for _, part in copies]])
    drawn = agreement.units(many, codes, n_items=1000, n_codes=4)
    for level in ("nominal", "ordinal"):
        found = agreement.alpha(once, level=level, repeats=times)
        np.testing.assert_allclose(found, agreement.alpha(drawn, level=level), atol=1e-12)


@given(seed=st.integers(0, 10_000))
def test_alpha_without_an_annotator_is_that_of_the_others(seed):
    item, who, code = responses(seed)
    _, first = np.unique(item * 5 + who, return_index=True)
    item, who, code = item[first], who[first], code[first]
    units = agreement.units(item, code, n_items=8, n_codes=4)
    found = agreement.alpha_without(units, who, item, code, n_annotators=5)
    for w in range(5):
        rest = agreement.units(item[who != w], code[who != w], n_items=8, n_codes=4)
        np.testing.assert_array_equal(found[w], agreement.alpha(rest))


@given(seed=st.integers(0, 10_000))
def test_one_round_of_expectation(seed):
    item, who, label = responses(seed, items=6, annotators=4, labels=3)
    item[:6] = np.arange(6)
    rng = np.random.default_rng(seed)
    confusion, prior = rng.dirichlet(np.ones(3), (4, 3)), rng.dirichlet(np.ones(3))
    gives = agreement.responses(item, who, label, n_items=6, n_annotators=4, n_classes=3)
    counts = np.rint(confusion.transpose(0, 2, 1).reshape(12, 3) * agreement.ONE).astype(np.int64)
    logs, none = np.empty_like(counts), np.zeros(4)
    agreement.maximise(counts, 1.0, np.zeros((3, 3)), none, none, logs)
    posterior, totals, gains = np.empty((6, 3), np.int64), np.empty(3, np.int64), np.empty_like(counts)
    whole = np.rint(np.log(prior) * agreement.ONE).astype(np.int64)
    likelihood = agreement.expect(gives, logs, whole, np.full(6, -1), posterior, totals, gains)
    expected, total = naive.expect(item, who, label, confusion, prior)
    np.testing.assert_allclose(posterior / agreement.ONE, expected, atol=1e-9)
    np.testing.assert_allclose(likelihood, total, atol=1e-6)
    np.testing.assert_array_equal(totals, posterior.sum(axis=0))
    np.testing.assert_array_equal(gains, agreement.tally(gives, posterior / agreement.ONE))


@given(seed=st.integers(0, 10_000), link=st.sampled_from([0.2, 0.5]))
def test_clusters(seed, link):
    rng = np.random.default_rng(seed)
    who = rng.integers(0, 4, 9)
    scores = np.triu(rng.random((9, 9)), 1)
    scores += scores.T + np.eye(9)
    found = agreement.cluster(scores.ravel(), [0, 9], who, link)
    groups = {frozenset(np.flatnonzero(found == c).tolist()) for c in found.tolist()}
    assert groups == naive.cluster(scores, who.tolist(), link)
    assert found[0] == 0
    assert (found <= np.append(0, np.maximum.accumulate(found)[:-1] + 1)).all()  # numbered in order


@given(seed=st.integers(0, 10_000), raters=st.integers(1, 6))
def test_masks_by_vote_and_by_staple(seed, raters):
    rng = np.random.default_rng(seed)
    truth = shapes.random_mask(rng, 9, 7).astype(bool)
    masks = truth ^ (rng.random((raters, 9, 7)) < rng.random((raters, 1, 1)) * 0.4)
    batch = rle.encode(masks)
    assert (rle.decode(agreement.majority(batch, [0, raters]))[0] == (masks.sum(0) * 2 > raters)).all()
    found = agreement.staple(batch, [0, raters])
    if 0 < masks.sum() < masks.size:
        expected, p, q = naive.staple(masks)
        np.testing.assert_allclose(found.sensitivity, p, atol=1e-4)
        np.testing.assert_allclose(found.specificity, q, atol=1e-4)
        assert (rle.decode(found.masks)[0] != expected).mean() <= 0.03  # pixels at one half exactly
    order = rng.permutation(raters)
    again = agreement.staple(rle.encode(masks[order]), [0, raters])
    assert again.masks.to_coco() == found.masks.to_coco()
    np.testing.assert_array_equal(again.sensitivity, found.sensitivity[order])


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_merged_boxes_are_medians(seed):
    rng = np.random.default_rng(seed)
    boxes = np.sort(rng.integers(0, 50, (7, 2, 2)), axis=1).reshape(7, 4).astype(float)
    merged, closeness = agreement.merge_boxes(boxes, [0, 3, 7])
    np.testing.assert_array_equal(merged, [np.median(boxes[:3], axis=0), np.median(boxes[3:], axis=0)])
    assert ((closeness >= 0) & (closeness <= 1)).all()
    heavy, _ = agreement.merge_boxes(boxes[:3], [0, 3], [1.0, 5.0, 1.0])
    np.testing.assert_array_equal(heavy[0], boxes[1])


@pytest.mark.parametrize(("problem", "call"), [
    ("below 2", lambda: agreement.units([0], [2], n_items=1, n_codes=2)),
    ("one per item", lambda: agreement.units([0], [], n_items=1, n_codes=2)),
    ("level", lambda: agreement.alpha(agreement.units([], [], n_items=0, n_codes=0), level="other")),
    ("rise", lambda: agreement.alpha(agreement.units([0], [0], n_items=1, n_codes=2), [1, 0])),
    (">= 0", lambda: agreement.alpha(agreement.units([0], [0], n_items=1, n_codes=2), [-1, 0], level="ratio")),
    ("one per unit", lambda: agreement.alpha(agreement.units([0], [0], n_items=1, n_codes=1), repeats=[1, 1])),
    ("1 GiB|at most", lambda: agreement.responses([0], [0], [0], n_items=1, n_annotators=10**6, n_classes=1000)),
    ("one length", lambda: agreement.responses([0], [0, 0], [0], n_items=1, n_annotators=1, n_classes=1)),
    ("0 to 1", lambda: agreement.cluster([2.0], [0, 1], [0])),
    ("4 numbers", lambda: agreement.cluster([1.0], [0, 2], [0, 1])),
    ("link", lambda: agreement.cluster([1.0], [0, 1], [0], 0.0)),
    ("at most 8192", lambda: agreement.cluster_boxes(np.zeros((9000, 4)), [0, 9000], np.zeros(9000, int))),
    ("at least one box", lambda: agreement.merge_boxes([[0, 0, 1, 1]], [0, 0, 1])),
    ("1 to 64", lambda: agreement.majority(rle.encode(np.ones((1, 2, 2), np.uint8)), [0, 0, 1])),
    ("one size", lambda: agreement.staple(
        rle.encode(np.ones((1, 2, 2), np.uint8)) + rle.encode(np.ones((1, 2, 3), np.uint8)), [0, 2])),
])  # fmt: skip
def test_bad_input_is_refused(problem, call):
    with pytest.raises(ValueError, match=problem):
        call()
