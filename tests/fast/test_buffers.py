"""Arrow columns and anything with the buffer protocol come in without a copy of their values."""

from __future__ import annotations

import array

import numpy as np
import pyarrow as pa
import pytest

from annokit_fast import arrow, boxes, polygons, rle, tracks

COORDS = np.array([[0, 0], [4, 0], [4, 4], [1, 1], [3, 1], [3, 3]], np.float64)
POLYGONS = [[[0.0, 0, 4, 0, 4, 4], [1, 1, 3, 1, 3, 3]], [], [[5, 5, 9, 5, 9, 9]]]
RINGS = pa.list_(pa.list_(pa.float64()))


@pytest.mark.parametrize(
    "counts",
    [
        array.array("I", [1, 2, 3]),
        memoryview(array.array("I", [1, 2, 3])),
        pa.array([1, 2, 3], pa.uint32()),
        pa.array([9, 1, 2, 3], pa.uint32())[1:],
        np.array([1, 2, 3], np.uint32),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_are_not_copied(counts):
    batch = rle.RleBatch(counts, array.array("q", [0, 3]), 3, 2)
    assert np.shares_memory(batch.counts, np.asarray(counts))
    assert not batch.counts.flags.writeable
    assert batch.to_coco() == [{"size": [3, 2], "counts": b"123"}]


def test_every_kind_of_buffer_is_an_array():
    flat = array.array("d", COORDS.ravel())
    for coords in (flat, memoryview(flat), pa.array(flat)):
        for offsets in (array.array("q", [0, 3, 6]), pa.array([0, 3, 6])):
            assert polygons.area(coords, offsets, pa.array([0, 2])).tolist() == [6.0]
    assert boxes.nms([[0, 0, 1, 1]], pa.array([0.5]), classes=array.array("q", [3])).tolist() == [0]
    found = tracks.interpolate(pa.array([0, 2]), [[0.0], [4.0]], array.array("q", [0, 2]), pa.array([1]))
    assert found.tolist() == [[[2.0]]]


@pytest.mark.parametrize("kind", [RINGS, pa.large_list(pa.list_(pa.float64()))])
def test_lists_of_lists_are_polygons(kind):
    column = pa.array(POLYGONS, kind)
    coords, rings, owners = arrow.ragged(column, columns=2)
    values = column.values.values.to_numpy()
    assert np.shares_memory(coords, values)
    assert (rings.tolist(), owners.tolist()) == ([0, 3, 6, 9], [0, 2, 2, 3])
    assert polygons.area(coords, rings, owners).tolist() == [6.0, 0.0, 8.0]
    part = arrow.ragged(column[1:], columns=2)
    assert np.shares_memory(part[0], values)
    assert polygons.area(*part).tolist() == [0.0, 8.0]


def test_points_in_lists_of_fixed_size_are_geoarrow_s():
    pairs = [[[ring[i : i + 2] for i in range(0, len(ring), 2)] for ring in one] for one in POLYGONS]
    column = pa.array(pairs, pa.list_(pa.list_(pa.list_(pa.float64(), 2))))
    found = arrow.ragged(column[0:1])
    assert polygons.area(*found).tolist() == [6.0]
    assert np.shares_memory(found[0], column.values.values.values.to_numpy())


def test_a_third_level_unites_parts():
    column = pa.array([[POLYGONS[0], POLYGONS[2]], []], pa.list_(RINGS))
    coords, rings, owners, objects = arrow.ragged(column, columns=2)
    masks = rle.from_polygons(coords, rings, owners, 12, 12, object_offsets=objects)
    apart = rle.from_polygons(coords, rings, owners, 12, 12)
    assert rle.area(masks).tolist() == [rle.area(apart).sum(), 0]


@pytest.mark.parametrize("kind", [pa.binary(), pa.string(), pa.large_binary()])
def test_binary_columns_are_strings_of_masks(kind):
    column = pa.array(["04", "123", "6"], kind)
    assert rle.from_strings(*arrow.ragged(column[1:]), 3, 2).counts.tolist() == [1, 2, 3, 6]
    text, ends = arrow.ragged(column)
    assert np.shares_memory(text, np.frombuffer(column.buffers()[2], np.uint8))
    assert rle.from_strings(text, ends, [2, 3, 3], [2, 2, 2]).counts.tolist() == [0, 4, 1, 2, 3, 6]
    assert [part.tolist() for part in arrow.ragged(column[:0])] == [[], [0]]


def test_lists_of_counts_are_masks():
    chunks = pa.chunked_array([[[1, 2, 3]], [[0, 6]]], pa.list_(pa.uint32()))
    assert rle.area(rle.RleBatch(*arrow.ragged(chunks), 3, 2)).tolist() == [2, 6]
    assert len(rle.RleBatch(*arrow.ragged(chunks.slice(0, 0)), 3, 2)) == 0


def test_what_does_not_fit_is_refused():
    with pytest.raises(TypeError, match="expected an Arrow array, got list"):
        arrow.ragged([[1.0]])
    with pytest.raises(TypeError, match="expected lists or binary, got int64"):
        arrow.ragged(pa.array([1]))
    with pytest.raises(ValueError, match="no nulls, got 1"):
        arrow.ragged(pa.array([[1.0], None]))
    with pytest.raises(ValueError, match="no nulls, got 1"):
        arrow.ragged(pa.array([[1.0], [None]]))
    with pytest.raises(ValueError, match="multiple of 2 numbers in each list, got 3 in list 1"):
        arrow.ragged(pa.array([[1.0, 2.0], [1.0, 2.0, 3.0]]), columns=2)
