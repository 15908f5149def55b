"""Arrow tables: rows go over and come back equal, the columns mean what they say, the types are plain."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from annokit import tables
from annokit.dataset import Dataset
from annokit.errors import AnnokitError, DecodeError, InputError, Where
from annokit.model import (
    Answer,
    Box,
    Classification,
    DataRow,
    Geometry,
    Keypoints,
    Label,
    Line,
    Mask,
    MaskReference,
    ObjectAnnotation,
    Point,
    Polygon,
    RotatedBox,
    TextSpan,
    Track,
)
from tests.strategies import data_rows, ontologies

HOLED = Polygon.from_parts(
    [[[(0, 0), (8, 0), (8, 8), (0, 8)], [(2, 2), (4, 2), (4, 4), (2, 4)]], [[(10, 0), (12, 0), (12, 3)]]]
)


def refuse(error: AnnokitError, _kind: str) -> None:
    raise error


def chunks(piece: dict[str, pa.RecordBatch]) -> dict[str, tables.Chunk]:
    return {name: tables.Chunk(batch, f"{name}.parquet", 0) for name, batch in piece.items()}


def back(rows: list[DataRow], **options: Any) -> list[DataRow]:
    pieces = tables.batches(rows, **options)
    return [row for piece in pieces for row in tables.data_rows(chunks(piece), refuse)]


def row_of(*annotations: Any, **label: Any) -> DataRow:
    return DataRow(id="r1", labels=(Label(annotations=annotations, **label),))


def drawn(geometry: Geometry, **fields: Any) -> ObjectAnnotation:
    return ObjectAnnotation(tool_name="thing", geometry=geometry, **fields)


def annotations_of(*annotations: Any) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = tables.annotations_table([row_of(*annotations)]).to_pylist()
    return listed


@given(st.lists(data_rows, max_size=4), st.integers(1, 6))
def test_data_rows_come_back_equal(rows: list[DataRow], size: int) -> None:
    assert back(rows, size=size) == rows


@given(st.lists(data_rows, min_size=1, max_size=4))
def test_tables_are_the_same_in_another_process(rows: list[DataRow]) -> None:
    pieces = list(tables.batches(rows))
    sent = pickle.loads(pickle.dumps(pieces, pickle.HIGHEST_PROTOCOL))
    for piece, other in zip(pieces, sent, strict=True):
        for name, batch in piece.items():
            assert other[name].schema.equals(batch.schema, check_metadata=True)
            assert other[name].serialize().equals(batch.serialize())  # where NaN equals NaN
            assert other[name].nbytes == batch.nbytes  # by which row groups are cut


@given(ontologies)
def test_ontologies_come_back_equal(ontology: Any) -> None:
    assert tables.to_ontology(tables.from_ontology(ontology), Where()) == ontology


@given(st.lists(data_rows, min_size=1, max_size=3))
def test_pieces_do_not_depend_on_their_size(rows: list[DataRow]) -> None:
    whole, small = (
        {name: pa.Table.from_batches([piece[name] for piece in pieces]) for name in tables.TABLES}
        for pieces in (list(tables.batches(rows)), list(tables.batches(rows, size=1)))
    )
    assert all(whole[name].equals(small[name]) for name in tables.TABLES)


def types_in(kind: pa.DataType) -> list[pa.DataType]:
    inner = [kind.field(i).type for i in range(kind.num_fields)]
    return [kind, *itertools.chain.from_iterable(map(types_in, inner))]


def test_types_are_those_that_spark_takes_too() -> None:
    plain = {pa.int8(), pa.int32(), pa.int64(), pa.float64(), pa.string(), pa.binary(), pa.bool_()}
    for schema in tables.SCHEMAS.values():
        for kind in itertools.chain.from_iterable(types_in(field.type) for field in schema):
            is_time = kind == pa.timestamp("us", "UTC")
            assert kind in plain or is_time or pa.types.is_list(kind) or pa.types.is_struct(kind), kind


def test_every_table_says_its_version_and_conventions() -> None:
    for name, schema in tables.SCHEMAS.items():
        assert schema.metadata[b"annokit.table"] == name.encode()
        assert schema.metadata[b"annokit.schema_version"] == b"1"
        assert {b"annokit.coordinates", b"annokit.rings"} <= set(schema.metadata)


def test_rings_are_parts_of_rings_of_flat_coordinates() -> None:
    [entry] = annotations_of(drawn(HOLED))
    assert entry["rings"] == [
        [[0, 0, 8, 0, 8, 8, 0, 8], [2, 2, 4, 2, 4, 4, 2, 4]],
        [[10, 0, 12, 0, 12, 3]],
    ]
    assert (entry["x"], entry["y"], entry["width"], entry["height"]) == (0, 0, 12, 8)
    assert entry["area"] == 64 - 4 + 3


@pytest.mark.parametrize(
    ("geometry", "box", "area"),
    [
        (Box(x=1, y=2, width=3, height=4), (1, 2, 3, 4), 12),
        (Line(coords=[(1, 1), (4, 2)]), (1, 1, 3, 1), None),
        (Point(x=5, y=6), (5, 6, 0, 0), None),
        (RotatedBox(corners=[(2, 0), (4, 2), (2, 4), (0, 2)]), (0, 0, 4, 4), 8),
        (Keypoints(coords=[(9, 9), (2, 3)], visibility=[0, 2]), (2, 3, 0, 0), None),
        (Mask(counts=[3, 1, 1, 4], height=3, width=3), (1, 0, 2, 3), 5),
        (Mask(counts=[0], height=0, width=0), (None,) * 4, 0),
        (Mask(counts=[], height=0, width=0), (None,) * 4, None),
        (MaskReference(uri="a.png"), (None,) * 4, None),
        (TextSpan(start=1, end=3), (None,) * 4, None),
        (Polygon(coords=[]), (None,) * 4, 0),
        (Polygon(coords=[(0, 0), (np.inf, 0), (4, 4)]), (np.nan,) * 4, None),
    ],
)
def test_box_and_area(geometry: Geometry, box: tuple[float, ...], area: float | None) -> None:
    [entry, other] = annotations_of(drawn(geometry), drawn(HOLED))
    np.testing.assert_equal(tuple(entry[name] for name in ("x", "y", "width", "height")), box)
    assert (entry["area"], other["area"]) == (area, 63)


def test_masks_are_what_pycocotools_reads() -> None:
    dense = np.random.default_rng(0).random((20, 30)) < 0.3
    encoded = coco_mask.encode(np.asfortranarray(dense.astype(np.uint8)))
    runs = np.diff(
        np.flatnonzero(np.diff(dense.T.reshape(-1), prepend=False, append=not dense[-1, -1])), prepend=0
    )
    [entry] = annotations_of(drawn(Mask(counts=runs, height=20, width=30)))
    assert entry["mask"] == {"height": 20, "width": 30, "counts": encoded["counts"]}
    assert [entry[name] for name in ("x", "y", "width", "height")] == coco_mask.toBbox(encoded).tolist()
    assert entry["area"] == coco_mask.area(encoded)


def test_a_stated_box_is_told_from_one_that_was_found() -> None:
    stated, found = annotations_of(drawn(HOLED, box=Box(x=1, y=1, width=2, height=2)), drawn(HOLED))
    assert (stated["x"], stated["box_stated"]) == (1, True)
    assert (found["x"], found["box_stated"]) == (0, False)


def test_coordinates_are_read_only_views_into_the_table() -> None:
    rows = [row_of(drawn(HOLED), drawn(Polygon(coords=[(1, 2), (3, 4), (5, 6)])))]
    [piece] = tables.batches(rows)
    [row] = tables.data_rows(chunks(piece), refuse)
    values = piece["annotations"].column("rings").values.values.values.to_numpy()
    for shape in (annotation.geometry for annotation in row.labels[0].objects):
        assert isinstance(shape, Polygon)
        assert np.shares_memory(shape.coords, values)
        assert not shape.coords.flags.writeable


def test_tracks_stand_beside_objects() -> None:
    track = Track(
        tool_name="car", kind="point", frames=[0, 4], is_keyframe=[True, False], values=[(1, 1), (2, 2)]
    )
    [entry, _] = annotations_of(track, drawn(HOLED))
    assert (entry["type"], entry["kind"]) == ("track", "point")
    assert (entry["frame_count"], entry["keyframe_count"], entry["x"]) == (2, 1, None)


def test_a_track_that_cannot_be_one_is_rejected_with_its_place() -> None:
    frames: Any = {"frames": [0, 1], "is_keyframe": [True, True]}
    track = Track(tool_name="car", kind="box", values=[(1, 1), (2, 2)] * 2, **frames)
    [piece] = tables.batches([row_of(track)])
    [payload] = piece["annotations"].column("payload").to_pylist()
    broken = payload.replace("[0,2,4]", "[0,1,4]")
    assert broken != payload
    _, [(kind, message)] = rejected(changed(piece, "annotations", payload=[broken]))
    assert kind == "tracks"
    place, problem = "annotations.parquet:1 data_row=r1 $.payload", "expected 2 rows of values for each frame"
    assert message.startswith(f"{place}: {problem}")


def test_classifications_at_every_depth_have_a_row() -> None:
    depth = Classification(tool_name="depth", kind="text", text="2 cm")
    snow = Answer(name="snow", option_id="o1", classifications=(depth,))
    weather = Classification(tool_name="weather", kind="checklist", answers=(Answer(name="wind"), snow))
    rows = [row_of(drawn(HOLED, classifications=(depth,)), weather)]
    [piece] = tables.batches(rows)
    names = (
        "owner",
        "annotation_index",
        "parent_index",
        "parent_answer",
        "path",
        "tool_name",
        "answers",
        "text",
    )
    assert [tuple(entry.values()) for entry in piece["classifications"].select(names).to_pylist()] == [
        ("object", 0, None, None, [], "depth", [], "2 cm"),
        ("label", 1, None, None, [], "weather", ["wind", "snow"], None),
        ("label", 1, 0, 1, ["weather", "snow"], "depth", [], "2 cm"),
    ]


def test_rows_of_one_id_stay_apart() -> None:
    rows = [
        DataRow(id="1", source=source, labels=(Label(annotations=(drawn(Point(x=x, y=0)),)),))
        for x, source in enumerate(("a.json", "b.json", "a.json"))
    ]
    assert back(rows) == rows


def test_a_dataset_becomes_one_table() -> None:
    table = Dataset.from_rows([row_of(drawn(HOLED), drawn(Point(x=1, y=2)), annotator_id="ann")]).to_arrow()
    assert table.column("kind").to_pylist() == ["polygon", "point"]
    assert table.column("annotator_id").to_pylist() == ["ann", "ann"]


def test_a_value_no_column_holds_is_an_error() -> None:
    with pytest.raises(InputError, match="column page cannot hold a value"):
        annotations_of(drawn(HOLED, page=1 << 70))
    with pytest.raises(InputError, match="column tool_name cannot hold a value"):
        annotations_of(ObjectAnnotation(tool_name="\ud800", geometry=HOLED))


# What other tools may do to a table.


def changed(piece: dict[str, pa.RecordBatch], table: str, **columns: Any) -> dict[str, pa.RecordBatch]:
    """The piece with some columns of a table replaced."""
    entries = [
        entry | {name: values[i] for name, values in columns.items()}
        for i, entry in enumerate(piece[table].to_pylist())
    ]
    return piece | {table: pa.RecordBatch.from_pylist(entries, tables.SCHEMAS[table])}


def rejected(piece: dict[str, pa.RecordBatch]) -> tuple[list[DataRow], list[tuple[str, str]]]:
    found: list[tuple[str, str]] = []
    rows = tables.data_rows(chunks(piece), lambda error, kind: found.append((kind, str(error))))
    return rows, found


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("kind", "blob", "$.kind: expected box, polygon, "),
        ("rings", None, "$.rings: expected a value for a polygon, got null"),
        ("rings", [[[1.0, 2.0, 3.0]]], "$.rings: expected x and y in turns, got an odd number"),
        ("extra", "{", "$.extra: not valid JSON"),
        ("extra", "[]", "$.extra: expected object, got array"),
        ("payload", '{"type":"box","x":"a"}', "$.payload.x: expected float, got str"),
        ("space", "moon", "$.space: expected pixel, geo, page, normalised, got moon"),
    ],
)
def test_a_bad_object_costs_one_object(column: str, value: Any, problem: str) -> None:
    [piece] = tables.batches([row_of(drawn(HOLED), drawn(HOLED, id="good"))])
    before = piece["annotations"].column(column).to_pylist()
    [row], [(kind, message)] = rejected(changed(piece, "annotations", **{column: [value, before[1]]}))
    assert [thing.id for thing in row.labels[0].objects] == ["good"]
    assert kind == ("object:blob" if column == "kind" else "object:polygon")
    assert message.startswith("annotations.parquet:1 data_row=r1 ")
    assert problem in message


@pytest.mark.parametrize(
    ("shape", "columns", "problem"),
    [
        (Box(x=1, y=2, width=3, height=4), {"y": None}, "$.y: expected a value for a box, got null"),
        (Point(x=1, y=2), {"points": [1.0, 2.0, 3.0, 4.0]}, "$.points: expected one point, got 2"),
        (Point(x=1, y=2), {"points": [1.0]}, "$.points: expected x and y in turns"),
        (Line(coords=[(1, 2)]), {"points": None}, "$.points: expected a value for a line, got null"),
        (
            RotatedBox(corners=[(0, 0)] * 4),
            {"points": [1.0, 2.0]},
            "$.points: expected an array of shape (4, 2)",
        ),
        (
            Keypoints(coords=[(1, 2)], visibility=[2]),
            {"visibility": [1, 1]},
            "$.points: expected an array of shape (1",
        ),
        (
            Mask(counts=[4], height=2, width=2),
            {"mask": None},
            "$.mask: expected a value for a mask, got null",
        ),
        (
            Mask(counts=[4], height=2, width=2),
            {"mask": {"height": 2, "width": 2, "counts": b"\x7f"}},
            "$.mask: expected COCO's compressed counts: mask 0: expected characters",
        ),
        (MaskReference(uri="a"), {"uri": None}, "$.uri: expected a value for a mask_reference, got null"),
        (HOLED, {"box_stated": True, "x": None}, "$.x: expected a box where box_stated is true, got nulls"),
    ],
)
def test_a_shape_that_is_none_costs_one_object(
    shape: Geometry, columns: dict[str, Any], problem: str
) -> None:
    [piece] = tables.batches([row_of(drawn(shape), drawn(shape))])
    good = piece["annotations"].slice(1).to_pylist()[0]
    values = {name: [value, good[name]] for name, value in columns.items()}
    [row], [(_, message)] = rejected(changed(piece, "annotations", **values))
    assert [thing.geometry for thing in row.labels[0].objects] == [shape]
    assert problem in message


def test_records_without_what_they_stand_on_are_rejected() -> None:
    inner = Classification(tool_name="inner", kind="text", text="x")
    outer = Classification(
        tool_name="outer", kind="radio", answers=(Answer(name="a", classifications=(inner,)),)
    )
    [piece] = tables.batches([row_of(drawn(HOLED, classifications=(outer,)))])
    for table, kinds in {
        "data_rows": ["labels"],
        "labels": ["object:polygon"],
        "annotations": ["classifications"],
    }.items():
        _, found = rejected(piece | {table: piece[table].slice(0, 0)})
        assert [kind for kind, _ in found] == kinds
    _, found = rejected(piece | {"classifications": piece["classifications"].slice(1)})
    assert found[0][1].startswith("classifications.parquet:1 data_row=r1: expected the classification")


def test_bad_answers_cost_one_classification() -> None:
    snow = Classification(tool_name="weather", kind="radio", answers=(Answer(name="snow", option_id="o1"),))
    [piece] = tables.batches([row_of(snow, snow)])
    details = piece["classifications"].column("answer_details").to_pylist()
    for wrong in ("[]", "[{}, {}]", '[{"confidence": "high"}]'):
        [row], [(kind, _)] = rejected(changed(piece, "classifications", answer_details=[wrong, details[1]]))
        assert kind == "classifications"
        assert row.labels[0].classifications == [snow]


def test_a_column_that_cannot_be_cast_is_named() -> None:
    batch = next(tables.batches([row_of(drawn(HOLED))]))["annotations"]
    where = Where("a.parquet")
    wide = pa.Table.from_batches([batch]).set_column(
        batch.schema.get_field_index("kind"), "kind", batch.column("kind").cast(pa.large_string())
    )
    assert tables.conform(wide.to_batches()[0], "annotations", where).equals(batch)
    wrong = pa.record_batch({"index": [1], "role": [["tool"]]})
    with pytest.raises(DecodeError, match=r"a\.parquet \$\.role: expected string, got list"):
        tables.conform(wrong, "ontology", where)
    with pytest.raises(DecodeError, match=r"\$\.role: expected a value in every row, got 1 nulls"):
        tables.conform(
            pa.record_batch({"index": [1], "role": pa.array([None], pa.string())}), "ontology", where
        )
    with pytest.raises(DecodeError, match=r"\$\.role: expected this column, got none"):
        tables.conform(pa.record_batch({"index": [1]}), "ontology", where)


def test_an_ontology_row_without_its_parent_is_refused() -> None:
    table = pa.Table.from_pylist(
        [{"index": 1, "role": "option", "name": "a", "parent_index": 0}], tables.SCHEMAS["ontology"]
    )
    with pytest.raises(AnnokitError, match="expected row 0 before the option under it"):
        tables.to_ontology(table, Where())
