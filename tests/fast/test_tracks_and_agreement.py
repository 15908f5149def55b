"""Key frames against numpy and plain loops; matching against scipy and all permutations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annokit_fast import agreement, boxes, rle, tracks
from benchmarks import workloads
from tests.fast import naive, shapes


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 100_000), width=st.sampled_from([1, 2, 4, 5]))
def test_tracks_with_segments_and_angles(seed, width):
    rng = np.random.default_rng(seed)
    keys, values, segments, ends, segment_ends = [], [], [], [0], [0]
    for _ in range(rng.integers(0, 4)):
        edges = np.sort(rng.choice(40, 2 * rng.integers(1, 4), replace=False)).reshape(-1, 2)
        inside = [np.unique(rng.integers(a, b + 1, rng.integers(1, 4))) for a, b in edges]
        keys += [key for part in inside for key in part]
        segments += edges.tolist()
        ends.append(len(keys))
        segment_ends.append(len(segments))
    values = rng.uniform(-400, 400, (len(keys), width))
    angles = [0] if seed % 2 and width > 1 else []
    asked = {"segments": segments, "segment_offsets": segment_ends, "angles": angles}
    found = tracks.interpolate(keys, values, ends, 35, **asked)
    some = rng.integers(-2, 45, 6)
    picked = tracks.interpolate(keys, values, ends, some, **asked)
    for t in range(len(ends) - 1):
        part, pieces = slice(ends[t], ends[t + 1]), segments[segment_ends[t] : segment_ends[t + 1]]
        for rows, frames in ((found[t], range(35)), (picked[t], some)):
            expected = [
                naive.interpolate(keys[part], values[part], frame, pieces, angles) for frame in frames
            ]
            np.testing.assert_allclose(rows, np.reshape(expected, (-1, width)), rtol=1e-12, atol=1e-10)


def test_key_frames_come_back_exactly():
    keys, values, ends = workloads.key_frames(50, 200)
    found = tracks.interpolate(keys, values, ends, 200)
    for t in range(50):
        part = slice(ends[t], ends[t + 1])
        np.testing.assert_array_equal(found[t, keys[part]], values[part])
    asked = np.array([199, 0, 5, 5, 77])
    np.testing.assert_array_equal(tracks.interpolate(keys, values, ends, asked), found[:, asked])
    out = np.full((50, 200, 4), 7.0)
    assert tracks.interpolate(keys, values, ends, 200, out=out) is out
    np.testing.assert_array_equal(out, found)


def test_a_track_without_key_frames_is_nan_everywhere():
    assert np.isnan(tracks.interpolate([3], [[1.0, 2.0]], [0, 0, 1], 2)[0]).all()


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 100_000), width=st.sampled_from([1, 2, 4]), within=st.sampled_from([0.5, 2.0, 9.0])
)
def test_no_fewer_key_frames_would_do(seed, width, within):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 9, 3)
    frames = [np.sort(rng.choice(30, count, replace=False)) for count in counts]
    known = [np.cumsum(rng.integers(-3, 4, (count, width)), axis=0).astype(float) for count in counts]
    ends = np.concatenate([[0], np.cumsum(counts)])
    kept = tracks.fewest_keyframes(np.concatenate(frames), np.concatenate(known), ends, within)
    for t, (keys, values) in enumerate(zip(frames, known, strict=True)):
        mine = kept[ends[t] : ends[t + 1]]
        assert mine.sum() == naive.fewest_keyframes(keys, values, within)
        if len(keys):
            again = tracks.interpolate(keys[mine], values[mine], [0, mine.sum()], keys)[0]
            assert np.abs(again - values).max() <= within + 1e-12


@pytest.mark.parametrize(("problem", "arguments"), [
    ("rising frames", ([2, 1], [[0.0], [1.0]], [0, 2])),
    ("one row per frame", ([1, 2], [[0.0]], [0, 2])),
    ("finite numbers", ([1], [[np.nan]], [0, 1])),
    ("a number >= 0", ([1], [[0.0]], [0, 1], -1.0)),
])  # fmt: skip
def test_frames_that_cannot_be_thinned_are_refused(problem, arguments):
    with pytest.raises(ValueError, match=problem):
        tracks.fewest_keyframes(*arguments)


@pytest.mark.parametrize(("problem", "arguments"), [
    ("rising frames within a track", ([2, 1], [[0.0], [1.0]], [0, 2], 3)),
    ("one row per frame", ([1], [[0.0], [1.0]], [0, 1], 3)),
    ("finite", ([1], [[np.nan]], [0, 1], 3)),
    (">= 0", ([1], [[0.0]], [0, 1], -3)),
    ("end at 1", ([1], [[0.0]], [0, 2], 3)),
])  # fmt: skip
def test_bad_tracks_are_refused(problem, arguments):
    with pytest.raises(ValueError, match=problem):
        tracks.interpolate(*arguments)


@pytest.mark.parametrize(("problem", "segments", "offsets"), [
    ("key frame in each", [[3, 4]], [0, 1]),
    ("first <= last", [[4, 3]], [0, 1]),
    ("rising frames", [[0, 4], [4, 9]], [0, 2]),
    ("beside segments", [[0, 4]], None),
    ("2 offsets", [[0, 4]], [0, 0, 1]),
    ("shape", [[0, 4, 5]], [0, 1]),
])  # fmt: skip
def test_bad_segments_are_refused(problem, segments, offsets):
    with pytest.raises(ValueError, match=problem):
        tracks.interpolate([1, 2], [[0.0], [1.0]], [0, 2], 5, segments=segments, segment_offsets=offsets)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 100_000), step=st.sampled_from([0, 1, 5]))
def test_matching_is_optimal(seed, step):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 6, (4, 2))
    matrices = [rng.random(size) * (rng.random(size) < 0.7) for size in sizes]
    if step:
        matrices = [np.round(matrix * step) / step for matrix in matrices]
    rows, columns = (np.concatenate([[0], np.cumsum(side)]) for side in sizes.T)
    found = agreement.assign(np.concatenate([m.ravel() for m in matrices]), rows, columns)
    for g, matrix in enumerate(matrices):
        part = slice(found.offsets[g], found.offsets[g + 1])
        i, j = found.a[part] - rows[g], found.b[part] - columns[g]
        assert len(set(i)) == len(set(j)) == len(i)
        np.testing.assert_array_equal(matrix[i, j], found.scores[part])
        assert (found.scores[part] > 0).all()
        np.testing.assert_allclose(found.scores[part].sum(), naive.best_sum(matrix), atol=1e-12)


def test_larger_problems_against_scipy():
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(0)
    for n, m in ((40, 60), (60, 40), (50, 50), (1, 80)):
        scores = rng.random((n, m))
        found = agreement.assign(scores.ravel(), [0, n], [0, m])
        expected = scores[optimize.linear_sum_assignment(scores, maximize=True)].sum()
        np.testing.assert_allclose(found.scores.sum(), expected, rtol=1e-12)


def test_matching_boxes_is_assigning_their_iou():
    a, rows, b, columns = workloads.annotator_pairs(30)
    for minimum in (0.0, 0.5):
        found = agreement.match(a, rows, b, columns, minimum)
        parts = [
            boxes.iou(a[rows[g] : rows[g + 1]], b[columns[g] : columns[g + 1]]).ravel()
            for g in range(len(rows) - 1)
        ]
        expected = agreement.assign(np.concatenate(parts), rows, columns, minimum)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
        assert (found.scores >= minimum).all()


def test_masks_are_matched_through_their_iou():
    rng = np.random.default_rng(1)
    batch = rle.encode(np.stack([shapes.random_mask(rng, 8, 8) for _ in range(6)]))
    values, _ = rle.iou_grouped(batch, [0, 6], batch[::-1], [0, 6])
    found = agreement.assign(values, [0, 6], [0, 6])
    assert found.scores.sum() == (rle.area(batch) > 0).sum()


def test_bad_problems_are_refused():
    with pytest.raises(ValueError, match="expected 4 numbers"):
        agreement.assign([0.5], [0, 2], [0, 2])
    with pytest.raises(ValueError, match="same length"):
        agreement.match([[0, 0, 1, 1]], [0, 1], [[0, 0, 1, 1]], [0, 1, 1])
    with pytest.raises(ValueError, match="finite"):
        agreement.assign([np.nan], [0, 1], [0, 1])
