"""Records: equal by value, unchangeable, arrays read-only, JSON there and back."""

from __future__ import annotations

from datetime import UTC, datetime
from inspect import Parameter, signature
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from annokit.errors import DecodeError, GeometryError
from annokit.model import (
    Answer,
    Box,
    Classification,
    DataRow,
    FrameRange,
    Keypoints,
    Label,
    Line,
    Mask,
    MaskReference,
    ObjectAnnotation,
    Ontology,
    Option,
    Point,
    Polygon,
    Provenance,
    Relationship,
    RotatedBox,
    TextSpan,
    TimeRange,
    TokenGroup,
    TokenSpan,
    Tool,
    Track,
    Unknown,
    dump,
    parse,
)
from annokit.model.base import Record

SQUARE = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0)]
SHAPES = [
    Box(x=1, y=2, width=3.5, height=4),
    RotatedBox(corners=SQUARE),
    Polygon(coords=SQUARE),
    Polygon.from_parts([[SQUARE, [(1, 1), (2, 1), (2, 2)]], [[(9, 9), (10, 9), (10, 10)]]]),
    Polygon(coords=[]),
    Line(coords=SQUARE[:2]),
    Point(x=1, y=0.1),
    Keypoints(coords=SQUARE, visibility=[0, 1, 2, 2]),
    Mask(counts=[2, 1, 1], height=2, width=2),
    MaskReference(uri="https://example.com/m.png", color=(1, 2, 3)),
    TextSpan(start=3, end=8, text="label", message_id="m1"),
    TokenSpan(groups=(TokenGroup(page=1, tokens=("a", "b"), id="g"),)),
    TimeRange(start_ms=0, end_ms=1500),
    Unknown(what="hologram", payload={"a": [1, {"b": None}]}),
]


def whole_row() -> DataRow:
    question = Classification(
        tool_name="weather",
        kind="radio",
        answers=(
            Answer(
                name="rainy",
                classifications=(Classification(tool_name="how", kind="text", text="a lot"),),
                frames=(FrameRange(start=0, end=4),),
            ),
        ),
    )
    track = Track(
        tool_name="car",
        kind="box",
        frames=[0, 4],
        is_keyframe=[True, False],
        values=[(1, 2), (3, 4), (5, 6), (7, 8)],
        segments=[(0, 4)],
    )
    objects = [
        ObjectAnnotation(
            tool_name="car", geometry=shape, id=str(i), sources=(Provenance(label_id="l", annotation_id="a"),)
        )
        for i, shape in enumerate(SHAPES)
    ]
    label = Label(
        id="l1",
        annotator_id="ann@example.com",
        created_at=datetime(2024, 3, 1, 10, 0, 0, 123000, tzinfo=UTC),
        annotations=(*objects, question, track, Relationship(tool_name="near", source="1", target="2")),
        extra={"labelbox": {"label_kind": "Default"}},
    )
    return DataRow(id="r1", labels=(label, Label()))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.kind)
def test_equal_means_equal_in_every_value(shape: Box) -> None:
    assert shape == shape.copy()
    assert not shape != shape.copy()  # noqa: SIM202  # the operator itself
    others = [other for other in SHAPES if other is not shape]
    assert all(shape != other for other in others)
    with pytest.raises(TypeError, match="unhashable"):
        hash(shape)


def test_a_row_survives_json(tmp_path: object) -> None:
    row = whole_row()
    assert parse(dump(row)) == row
    assert row.copy() == row
    ontology = Ontology(
        tools=(Tool(name="car", options=(Option(name="x", classifications=(Tool(name="y"),)),)),)
    )
    assert parse(dump(ontology)) == ontology


def test_one_changed_number_makes_rows_differ() -> None:
    row = whole_row()
    label = row.labels[0]
    polygon = label.objects[2].geometry
    assert isinstance(polygon, Polygon)
    coords = polygon.coords.copy()
    coords[0, 0] += 1e-9
    moved = replace(label.objects[2], geometry=Polygon(coords=coords))
    annotations = (*label.annotations[:2], moved, *label.annotations[3:])
    assert replace(row, labels=(replace(label, annotations=annotations), row.labels[1])) != row


def test_records_and_their_arrays_cannot_be_changed() -> None:
    polygon = Polygon(coords=SQUARE)
    with pytest.raises(AttributeError):
        polygon.coords = np.zeros((1, 2))  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        polygon.coords[0, 0] = 5


def test_the_callers_array_stays_writeable_and_apart() -> None:
    mine = np.array(SQUARE)
    polygon = Polygon(coords=mine)
    mine[0, 0] = 99
    assert polygon.coords[0, 0] == 0


def test_views_are_not_copied_and_copies_are_not_views() -> None:
    batch = np.arange(20.0).reshape(-1, 2)
    batch.flags.writeable = False
    line = Line(coords=batch[2:4])
    assert np.shares_memory(line.coords, batch)
    assert not np.shares_memory(line.copy().coords, batch)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Polygon(coords=[(1, 2, 3)]),
        lambda: Polygon(coords="abc"),
        lambda: Polygon(coords=SQUARE, ring_offsets=[0, 2]),
        lambda: Polygon(coords=SQUARE, ring_offsets=[0, 3, 2, 4]),
        lambda: Polygon(coords=SQUARE, part_offsets=[0, 2]),
        lambda: RotatedBox(corners=SQUARE[:3]),
        lambda: Keypoints(coords=SQUARE, visibility=[1]),
        lambda: Mask(counts=[3], height=2, width=2),
        lambda: Mask(counts=[-1, 5], height=2, width=2),
        lambda: Mask(counts=[1.5, 2.5], height=2, width=2),
        lambda: Mask(counts=np.array([-1, 5]), height=2, width=2),
        lambda: Track(
            tool_name="t", kind="box", frames=[3, 1], is_keyframe=[True, True], values=[(0, 0)] * 4
        ),
        lambda: Track(tool_name="t", kind="box", frames=[1], is_keyframe=[True], values=[(0, 0)]),
        lambda: Track(tool_name="t", kind="mask", frames=[1], is_keyframe=[True]),
        lambda: Track(tool_name="t", kind="line", frames=[1], is_keyframe=[True], values=[(0, 0)]),
    ],
)
def test_shapes_that_cannot_be_are_refused(make: object) -> None:
    with pytest.raises(GeometryError):
        make()  # type: ignore[operator]


def test_a_rotated_box_knows_its_centre_size_and_angle() -> None:
    turned = RotatedBox(corners=[(0, 0), (3, 4), (-1, 7), (-4, 3)])
    assert turned.center == (-0.5, 3.5)
    assert turned.size == (5.0, 5.0)
    assert turned.angle == pytest.approx(53.13, abs=0.01)


def test_tracks_give_the_shape_of_each_frame() -> None:
    line = Track(
        tool_name="t",
        kind="line",
        frames=[2, 5],
        is_keyframe=[True, True],
        values=[(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)],
        offsets=[0, 2, 5],
    )
    assert line.geometry(1) == Line(coords=[(2, 2), (3, 3), (4, 4)])
    mask = Mask(counts=[4], height=2, width=2)
    masked = Track(tool_name="t", kind="mask", frames=[0], is_keyframe=[True], masks=(mask,))
    assert masked.geometry(0) is mask


@pytest.mark.parametrize(("kind", "offsets"), [("box", [0, 1, 4]), ("point", [0, 2, 4]), ("box", [0, 4, 4])])
def test_a_frame_of_a_box_or_a_point_has_its_rows(kind: Any, offsets: Any) -> None:
    values = [(0, 0), (1, 1), (2, 2), (3, 3)]
    with pytest.raises(GeometryError, match=f"expected . rows? of values for each frame of a {kind} track"):
        Track(tool_name="t", kind=kind, frames=[0, 1], is_keyframe=[True] * 2, values=values, offsets=offsets)


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[1]", b'{"annokit_schema": 1, "record": {"type": "data_row"}}', b"nul"]
)
def test_json_that_is_no_record_is_refused(text: bytes) -> None:
    with pytest.raises(DecodeError):
        parse(text)


def test_a_newer_schema_is_refused() -> None:
    with pytest.raises(DecodeError, match="update annokit"):
        parse(dump(DataRow(id="a")).replace(b'"annokit_schema":1', b'"annokit_schema":99'))


def test_a_row_is_named_by_the_best_name_it_has() -> None:
    assert DataRow(id="i").name == "i"
    row = DataRow(id="i", external_id="e.jpg", global_key="g.jpg")
    assert (row.name, replace(row, global_key=None).name) == ("g.jpg", "e.jpg")


def _records(base: type[Record] = Record) -> list[type[Record]]:
    return [one for record in base.__subclasses__() for one in (record, *_records(record))]


@pytest.mark.parametrize("record", _records(), ids=lambda record: record.__name__)
def test_every_record_is_frozen_and_made_by_keywords_only(record: type[Record]) -> None:
    """msgspec inherits the first, but not the second, which each record has to say."""
    assert {one.kind for one in signature(record).parameters.values()} <= {Parameter.KEYWORD_ONLY}
    assert record.__struct_config__.frozen
    assert not record.__struct_config__.gc
