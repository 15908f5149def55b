"""The twin of the polygon kernel in numpy: the same counts, ring by ring."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from pycocotools import mask as peer

from annokit_fast import _plain_raster, _rle_raster, rle

edges = st.one_of(
    st.integers(-5, 70).map(float),
    st.decimals(-3, 60, places=1).map(float),
    st.floats(-300, 300, width=32),
    st.sampled_from([0.5, 31.5, 32.0, -0.1, 1e6, -1e6]),
)
rings = st.lists(st.tuples(edges, edges), max_size=9)
sizes = st.tuples(st.integers(0, 50), st.integers(0, 50))


@given(st.lists(st.tuples(rings, sizes), max_size=6))
@example([])
@example([([(0, 0), (0, 9), (9, 9), (9, 0)], (9, 9)), ([], (3, 3)), ([(1, 1)], (0, 0))])
def test_all_edges_at_once_have_the_toggles_of_each(drawn):
    coords = np.array([point for ring, _ in drawn for point in ring], float).reshape(-1, 2)
    offsets = np.cumsum([0, *[len(ring) for ring, _ in drawn]])
    heights, widths = np.array([size for _, size in drawn], np.uint32).reshape(-1, 2).T.copy()
    twin = _plain_raster.coco_rings(coords, offsets, heights, widths)
    kernel = _rle_raster.coco_rings(coords, offsets, heights, widths)
    assert [(a.dtype, a.tolist()) for a in twin] == [(a.dtype, a.tolist()) for a in kernel]


def test_it_draws_as_pycocotools_and_leaves_what_is_large_to_the_kernel():
    rng = np.random.default_rng(0)
    coords = rng.uniform(-10, 110, (300, 2))
    offsets = np.arange(0, 301, 6)
    side = np.full(50, 100, np.uint32)
    counts, ends = _plain_raster.coco_rings(coords, offsets, side, side)
    buffer, cuts = rle.to_strings(rle.RleBatch(counts, ends, side, side))
    for k in range(50):
        ring = coords[offsets[k] : offsets[k + 1]].ravel().tolist()
        (drawn,) = peer.frPyObjects([ring], 100, 100)
        assert buffer[cuts[k] : cuts[k + 1]].tobytes() == drawn["counts"]
    wide = np.array([[0.0, 0.0], [3e5, 0.0], [3e5, 9.0]])
    size = np.array([10], np.uint32), np.array([400_000], np.uint32)
    assert _plain_raster.coco_rings(wide, np.array([0, 3]), *size) is NotImplemented
