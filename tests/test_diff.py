"""Two states of the same labels compared: every kind of change, every kind of shape, both by id and by overlap."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import annokit
from annokit.cli import app
from annokit.diff import Diff, diff
from annokit.errors import LimitExceeded, UsageError
from annokit.io.limits import Limits
from annokit.model import (
    Answer,
    Asset,
    Box,
    Classification,
    DataRow,
    Geometry,
    Keypoints,
    Label,
    Line,
    Mask,
    ObjectAnnotation,
    Point,
    Polygon,
    Relationship,
    TextSpan,
    TimeRange,
    Track,
    Unknown,
)
from tests import strategies


def mark(name: str, shape: Geometry, id: str | None = None, **more: object) -> ObjectAnnotation:
    return ObjectAnnotation(tool_name=name, geometry=shape, id=id, **more)  # type: ignore[arg-type]


def square(x: float, side: float = 10) -> Box:
    return Box(x=x, y=0, width=side, height=side)


def state(*annotations: object, name: str = "a.jpg", id: str = "r1") -> annokit.Dataset:
    label = Label(annotations=annotations)  # type: ignore[arg-type]
    asset = Asset(width=200, height=100)
    return annokit.Dataset.from_rows([DataRow(id=id, external_id=name, asset=asset, labels=(label,))])


def whats(found: Diff) -> list[tuple[str, str | None, str | None]]:
    return [(one.what, one.before, one.after) for one in found.changes]


def test_added_removed_moved_reclassified_per_class_and_in_total() -> None:
    before = state(
        mark("car", square(0)), mark("car", square(50)), mark("car", square(100)), mark("bus", square(150))
    )
    after = state(
        mark("car", square(0)), mark("car", square(52)), mark("van", square(100)), mark("dog", square(180)),
    )  # fmt: skip
    found = diff(before, after)
    assert whats(found) == [
        ("moved", "car", "car"), ("reclassified", "car", "van"), ("removed", "bus", None), ("added", None, "dog"),
    ]  # fmt: skip
    car, van, bus, dog = found.classes
    assert (car.before, car.after, car.same, car.moved, car.reclassified) == (3, 2, 1, 1, 1)
    assert car.mean_overlap == pytest.approx((1 + 8 / 12 + 1) / 3)
    assert (van.after, bus.removed, dog.added) == (1, 1, 1)
    total = found.total
    assert (total.before, total.after, total.same, total.moved) == (4, 4, 1, 1)
    assert (total.reclassified, total.added, total.removed) == (1, 1, 1)
    assert found.changes[0].overlap == pytest.approx(8 / 12)


def test_what_is_stated_beside_a_shape_has_changes_of_its_own() -> None:
    drawn = Polygon(coords=[(0, 0), (10, 0), (10, 10), (0, 10)])
    before = state(
        mark("car", drawn, "a", box=square(0)),
        mark("bus", drawn, "b"),
        mark("van", drawn, "c", box=square(0)),
    )
    after = state(
        mark("car", drawn, "a", box=square(3), is_crowd=True),
        mark("bus", drawn, "b", box=square(0)),  # a box where none was stated: formats differ in that
        mark("van", drawn, "c", box=square(0.004)),
    )
    found = diff(before, after)
    assert [(one.what, one.before, one.after, one.id) for one in found.changes] == [
        ("box", "car", "car", "a"),
        ("crowd", "car", "car", "a"),
    ]
    assert [one.overlap for one in found.changes] == pytest.approx([7 / 13, 1.0])
    assert [(one.name, one.same, one.changed) for one in found.classes] == [
        ("car", 0, 1), ("bus", 1, 0), ("van", 1, 0),
    ]  # fmt: skip
    assert found.total.mean_overlap == 1


def test_a_shape_that_moved_takes_its_box_along() -> None:
    moved, was = (Polygon(coords=[(x, 0), (x + 10, 0), (x, 10)]) for x in (2, 0))
    found = diff(
        state(mark("car", was, "a", box=square(0))),
        state(mark("car", moved, "a", box=square(2), is_crowd=True)),
    )
    assert [one.what for one in found.changes] == ["moved", "crowd"]
    assert (found.total.moved, found.total.changed) == (1, 0)


def test_every_box_of_a_coco_file_moved_is_seen(samples: Path, tmp_path: Path) -> None:
    document = json.loads((samples / "coco.json").read_text())
    for one in document["annotations"]:
        one["bbox"][0] += 3
    after = tmp_path / "after.json"
    after.write_text(json.dumps(document))
    found = diff(annokit.read(samples / "coco.json"), annokit.read(after))
    assert found.total.same == 0
    assert {one.what for one in found.changes} <= {"box", "moved"}
    assert len(found.changes) == len(document["annotations"])


def test_ids_come_first_wherever_the_thing_went() -> None:
    before = state(mark("car", square(0), "a"), mark("car", square(50), "b"))
    after = state(mark("bus", square(150), "a"), mark("car", square(40), "b"), mark("car", square(1), "c"))
    found = diff(before, after)
    assert whats(found) == [("reclassified", "car", "bus"), ("moved", "car", "car"), ("added", None, "car")]
    assert found.ids_contradicted_in is None
    assert b"ids_contradicted_in" not in msgspec.json.encode(found)
    without = state(mark("car", square(50)), mark("car", square(0)))
    assert diff(before, without).changes == []


CAR, BUS, PERSON = (
    Box(x=0, y=0, width=10, height=10),
    Box(x=50, y=50, width=20, height=20),
    Box(x=80, y=0, width=10, height=30),
)


def coco(path: Path, images: dict[str, list[tuple[str, Box]]]) -> Path:
    """As every tool writes it that numbers from 1."""
    rows = [
        DataRow(id=name, external_id=name, asset=Asset(width=100, height=100), labels=(
            Label(annotations=tuple(mark(what, shape) for what, shape in marks)),
        ))
        for name, marks in images.items()
    ]  # fmt: skip
    annokit.write(annokit.Dataset.from_rows(rows), path, format="coco")
    return path


def test_ids_that_only_count_are_no_identity(tmp_path: Path) -> None:
    boxes = [("car", CAR), ("bus", BUS), ("person", PERSON)]
    before = coco(tmp_path / "before.json", {"a.jpg": boxes})
    other_order = coco(tmp_path / "perm.json", {"a.jpg": [boxes[2], *boxes[:2]]})
    found = diff(annokit.read(before), annokit.read(other_order))
    assert (found.total.same, found.changes, found.ids_contradicted_in) == (3, [], "a.jpg")
    without_first = coco(tmp_path / "less.json", {"a.jpg": boxes[1:]})
    for states in ((before, without_first), (without_first, before)):
        found = diff(*map(annokit.read, states))
        assert (found.total.same, len(found.changes)) == (2, 1)
        assert {one.what for one in found.changes} <= {"added", "removed"}
    moved = [("bus", replace(BUS, x=52)), ("person", PERSON)]
    found = diff(annokit.read(before), annokit.read(coco(tmp_path / "moved.json", {"a.jpg": moved})))
    assert whats(found) == [("removed", "car", None), ("moved", "bus", "bus")]


def test_ids_contradicted_in_one_row_are_not_used_in_any(tmp_path: Path) -> None:
    boxes = [("car", CAR), ("bus", BUS), ("person", PERSON)]
    nudged = [(what, replace(box, x=box.x + 1)) for what, box in boxes]
    before = coco(tmp_path / "before.json", {"a.jpg": boxes, "b.jpg": boxes})
    after = coco(tmp_path / "after.json", {"a.jpg": nudged[::-1], "b.jpg": boxes[::-1]})
    found = diff(annokit.read(before), annokit.read(after))
    assert [(one.what, one.data_row) for one in found.changes] == [("moved", "a.jpg")] * 3
    assert (found.data_rows, found.ids_contradicted_in) == (2, "b.jpg")


def test_what_formats_round_contradicts_ids_as_well() -> None:
    before = state(mark("car", square(0), "1"), mark("car", square(30), "2"), mark("car", square(60), "3"))
    after = state(mark("car", square(30.001), "1"), mark("car", square(60.001), "2"))
    found = diff(before, after)
    assert (found.total.same, whats(found)) == (2, [("removed", "car", None)])
    twins = state(*(mark("car", square(x), n) for x, n in ((0.001, "1"), (0, "2"), (0.002, "3"))))
    found = diff(state(*(mark("car", square(0), n) for n in "123")), twins)
    assert (found.total.same, found.ids_contradicted_in) == (3, None)


def test_ids_that_stand_twice_say_nothing() -> None:
    before = state(mark("car", square(0), "a"), mark("car", square(50), "a"))
    after = state(mark("car", square(50), "a"), mark("car", square(0), "a"))
    assert diff(before, after).changes == []


def test_the_sum_of_overlaps_is_the_largest_not_the_first() -> None:
    before = state(mark("car", square(0)), mark("car", square(4)))
    after = state(mark("car", square(3)), mark("car", square(7)))
    found = diff(before, after, minimum_overlap=0.3)
    assert [one.overlap for one in found.changes] == pytest.approx([7 / 13, 7 / 13])


@pytest.mark.parametrize(("one", "other", "overlap"), [
    (Polygon(coords=[(0, 0), (10, 0), (10, 10), (0, 10)]), Polygon(coords=[(0, 0), (10, 0), (10, 8), (0, 8)]), 0.8),
    (Polygon(coords=[(0, 0), (10, 0), (10, 10), (0, 10)]), square(0), 1.0),
    (Polygon.from_parts([[[(0, 0), (10, 0), (10, 10), (0, 10)], [(2, 2), (8, 2), (8, 8), (2, 8)]]]), square(0), 0.64),
    (Mask(counts=[0, 20000], height=100, width=200), Mask(counts=[0, 15000, 5000], height=100, width=200), 0.75),
    (square(0), Mask(counts=[0, 8, *[92, 8] * 9, 19092], height=100, width=200), 0.8),
    (TextSpan(start=0, end=5), TextSpan(start=0, end=4), 0.8),
    (TimeRange(start_ms=0, end_ms=100), TimeRange(start_ms=20, end_ms=100), 0.8),
    (Point(x=5, y=5), Point(x=6, y=5), 0.95),
    (Line(coords=[(0, 0), (100, 0)]), Line(coords=[(0, 10), (100, 10)]), 0.58),
    (Keypoints(coords=[(0, 0), (100, 100)], visibility=[2, 2]), Keypoints(coords=[(0, 0), (100, 110)], visibility=[2, 2]),
     (1 + np.exp(-100 / (2 * 10500 * 0.01))) / 2),
])  # fmt: skip
def test_every_kind_of_shape_has_an_overlap(one: Geometry, other: Geometry, overlap: float) -> None:
    found = diff(state(mark("x", one)), state(mark("x", other)))
    assert found.total.mean_overlap == pytest.approx(overlap, abs=0.02)
    assert found.total.added == 0
    assert diff(state(mark("x", one)), state(mark("x", one))).total.same == 1


def test_what_formats_round_has_not_moved() -> None:
    one = [mark("x", square(0.12345, 1.5)), mark("x", Polygon(coords=[(50.006, 0), (60, 0.001), (60, 1)]))]
    rounded = [mark("x", square(0.12, 1.5)), mark("x", Polygon(coords=[(50.01, 0), (60, 0), (60, 1)]))]
    found = diff(state(*one), state(*rounded))
    assert (found.total.same, found.changes) == (2, [])
    assert found.total.mean_overlap is not None
    assert found.total.mean_overlap < 0.9999
    apart = [mark("x", square(0.15, 1.5)), mark("x", Polygon(coords=[(50.006, 0), (60, 0.001), (60, 1.02)]))]
    assert diff(state(*one), state(*apart)).total.moved == 2


def test_what_is_drawn_beside_a_mask_has_a_limit() -> None:
    mask, other = (Mask(counts=[0, n, 20000 - n], height=100, width=200) for n in (20000, 15000))
    before, after = (
        state(mark("x", mask), mark("y", square(0))),
        state(mark("x", other), mark("y", square(1))),
    )
    assert diff(before, after).total.moved == 2
    small = Limits(max_pixels=100)
    with pytest.raises(LimitExceeded, match="--max-pixels"):
        diff(before, after, limits=small)
    assert diff(state(mark("x", mask)), state(mark("x", other)), limits=small).total.moved == 1


def test_tracks_have_as_many_frames_as_the_limit_says() -> None:
    def track(last: int) -> Track:
        values = np.array([(0, 0), (10, 10)] * 2, float)
        return Track(tool_name="car", kind="box", frames=[0, last], is_keyframe=[True] * 2, values=values)

    with pytest.raises(LimitExceeded, match="--max-frames"):
        diff(state(track(70)), state(track(40)), limits=Limits(max_frames=100))


def test_what_has_no_extent_is_the_same_where_it_is_equal() -> None:
    one, other = (
        mark("x", Unknown(what="a", payload={"k": 1})),
        mark("x", Unknown(what="a", payload={"k": 2})),
    )
    assert diff(state(one), state(one)).total.same == 1
    assert whats(diff(state(one), state(other))) == [("removed", "x", None), ("added", None, "x")]


def test_other_frames_and_pages_are_other_places() -> None:
    found = diff(state(mark("car", square(0), frame=1)), state(mark("car", square(0), frame=2)))
    assert (found.total.added, found.total.removed) == (1, 1)


def test_tracks_overlap_over_their_frames() -> None:
    def track(last: int, x: float = 0) -> Track:
        values = np.array([(x, 0), (10, 10)] * 2, float)
        return Track(tool_name="car", kind="box", frames=[0, last], is_keyframe=[True] * 2, values=values)

    assert diff(state(track(9)), state(track(9))).changes == []
    [change] = diff(state(track(9)), state(track(7))).changes
    assert (change.what, change.kind, change.overlap) == ("moved", "track", pytest.approx(0.8))
    assert [one.what for one in diff(state(track(9)), state(track(9, 90))).changes] == ["removed", "added"]


def asked(question: str, *names: str) -> Classification:
    return Classification(
        tool_name=question, kind="checklist", answers=tuple(Answer(name=name) for name in names)
    )


def test_answers_of_rows_and_of_objects_and_links() -> None:
    color = asked("color", "red")
    car, person = mark("car", square(0), "a", classifications=(color,)), mark("person", square(50), "b")
    link = Relationship(tool_name="drives", source="b", target="a")
    before = state(car, person, link, asked("weather", "rain", "wind"), asked("season", "may"))
    other = replace(car, id="c", classifications=(asked("color", "blue"),))
    after = state(
        other, person, Relationship(tool_name="drives", source="b", target="c"),
        asked("weather", "wind", "rain"), asked("city", "Riga"), Relationship(tool_name="sees", source="b", target="c"),
    )  # fmt: skip
    found = diff(before, after)
    rows = [(one.what, one.kind, one.question, one.before, one.after) for one in found.changes]
    assert sorted(rows, key=str) == sorted(
        [
            ("changed", "classification", "color", "red", "blue"),
            ("removed", "classification", "season", "may", None),
            ("added", "classification", "city", None, "Riga"),
            ("added", "relationship", None, None, "sees"),
        ],
        key=str,
    )
    assert {one.question: one.same for one in found.questions} == {
        "color": 0,
        "weather": 1,
        "season": 0,
        "city": 0,
    }


def test_rows_are_found_by_any_name_and_the_others_are_named() -> None:
    assert diff(state(id="x"), state(id="y")).data_rows == 1
    assert diff(state(name="a", id="x"), state(name="x", id="y")).data_rows == 1
    found = diff(state(mark("car", square(0)), name="a.jpg", id="1"), state(name="b.jpg", id="2"))
    assert (found.data_rows, found.only_before, found.only_after, found.changes) == (
        0,
        ["a.jpg"],
        ["b.jpg"],
        [],
    )


def test_numbers_that_a_file_gives_its_rows_say_nothing_beside_names() -> None:
    def rows(*names: str) -> annokit.Dataset:
        return annokit.Dataset.from_rows(
            [DataRow(id=str(number), external_id=name) for number, name in enumerate(names, 1)]
        )

    found = diff(rows("b.jpg", "c.jpg"), rows("a.jpg", "b.jpg", "c.jpg"))
    assert (found.data_rows, found.only_before, found.only_after) == (2, [], ["a.jpg"])
    nameless = annokit.Dataset.from_rows([DataRow(id="1")])
    assert diff(nameless, rows("a.jpg")).data_rows == diff(rows("a.jpg"), nameless).data_rows == 1
    renamed = [state(name=name, id="cl9f3k2") for name in ("a.jpg", "b.jpg")]
    assert diff(*renamed).data_rows == 1


def test_of_rows_of_one_name_those_of_one_id_are_one() -> None:
    def rows(name: str, *ids: str) -> annokit.Dataset:
        each = [state(mark("car", square(10.0 * int(own))), name=name, id=own) for own in ids]
        return annokit.Dataset.from_rows([row for one in each for row in one])

    for before, after, told in (
        ("12", "21", []),
        ("2", "12", []),
        ("12", "32", ["n.jpg"]),
        ("1", "23", ["n.jpg"]),
    ):
        found = diff(rows("n.jpg", *before), rows("n.jpg", *after))
        assert found.total.same == len(set(before) & set(after))
        assert found.told_by_order == told
    twice = rows("n.jpg", "1", "1")
    assert diff(twice, twice).told_by_order == ["n.jpg"]
    assert diff(twice, rows("n.jpg", "3", "1")).data_rows == 2


def test_the_command_says_what_goes_by_order(tmp_path: Path) -> None:
    for name, start in (("before", 1), ("after", 5)):
        images = [{"id": n, "file_name": "n.jpg", "width": 9, "height": 9} for n in (start, start + 1)]
        document = {"images": images, "annotations": [], "categories": []}
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    line = ["diff", str(tmp_path / "before.json"), str(tmp_path / "after.json")]
    assert "so they go by their order: 1 name, e.g. n.jpg" in CliRunner().invoke(app, line).output
    found = json.loads(CliRunner().invoke(app, [*line, "--json"]).output)
    assert found["told_by_order"] == ["n.jpg"]
    found = json.loads(CliRunner().invoke(app, ["diff", line[1], line[1], "--json"]).output)
    assert "told_by_order" not in found


@settings(max_examples=25)
@given(st.lists(strategies.data_rows, max_size=2, unique_by=lambda row: row.id))
def test_nothing_changed_between_a_dataset_and_itself(rows: list[DataRow]) -> None:
    dataset = annokit.Dataset.from_rows(rows)
    found = diff(dataset, dataset, labels="all")
    assert found.total.same == found.total.before
    assert (found.data_rows, found.only_before) == (len(rows), [])


def test_an_overlap_that_is_none_is_said() -> None:
    with pytest.raises(UsageError, match="least overlap"):
        diff(state(), state(), minimum_overlap=0)


def test_the_command_shows_what_people_corrected(samples: Path, tmp_path: Path) -> None:
    before = samples / "coco.json"
    document = json.loads(before.read_text())
    document["annotations"] = document["annotations"][1:]
    document["annotations"][0]["category_id"] = document["annotations"][5]["category_id"]
    after = tmp_path / "after.json"
    after.write_text(json.dumps(document))
    result = CliRunner().invoke(app, ["diff", str(before), str(after)])
    assert result.exit_code == 0, result.output
    assert "16 data rows compared, 2 changes" in result.output
    assert "not used" not in result.output
    result = CliRunner().invoke(app, ["diff", str(before), str(after), "--json"])
    found = json.loads(result.output)
    assert [one["what"] for one in found["changes"]] == ["removed", "reclassified"]
    assert found["total"]["same"] == len(document["annotations"]) - 1
    counted = tmp_path / "counted.json"
    ids = [one["id"] for one in document["annotations"]]
    for one, number in zip(document["annotations"], reversed(ids), strict=True):
        one["id"] = number
    counted.write_text(json.dumps(document))
    result = CliRunner().invoke(app, ["diff", str(after), str(counted)])
    assert ", 0 changes" in result.output
    assert "ids of annotations are not used" in result.output
    results = tmp_path / "results.json"
    annokit.convert(before, results, to="coco-results")
    line = ["diff", str(results), str(before), "--ground-truth", str(before)]
    assert CliRunner().invoke(app, line).exit_code == 0
    after.write_text(json.dumps(document)[:-900] + "]}")
    assert CliRunner().invoke(app, ["diff", str(before), str(after)]).exit_code == 3
