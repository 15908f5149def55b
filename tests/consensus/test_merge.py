"""One consensus label a row: right shapes and answers, all accounted, its sources named, whatever the order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import annokit
from annokit import Dataset, Report, consensus
from annokit.errors import UsageError
from annokit.model import (
    Answer,
    Classification,
    DataRow,
    Keypoints,
    Label,
    Line,
    Mask,
    MaskReference,
    Point,
    Polygon,
    Relationship,
    TextSpan,
    TimeRange,
)
from annokit.run import Run
from tests.consensus.test_score import box, crowds, half_mask, radio, row_of, square, thing, track
from tests.strategies import data_rows


def merged(*each: Any, **options: Any) -> Label:
    row = row_of(*each, asset=annokit.model.Asset(width=100, height=100))
    (found,) = consensus.merge(Dataset.from_rows([row]), **options)
    (label,) = found.labels
    return label


def one_of(*shapes: Any, **options: Any) -> Any:
    (found,) = merged(*[[thing(shape)] for shape in shapes], **options).objects
    return found.geometry


def test_boxes_are_medians() -> None:
    assert one_of(box(0, 0, 10, 10), box(1, 0, 10, 10), box(2, 2, 10, 10)) == box(1, 0, 10, 10)


def test_masks_by_majority_and_by_staple() -> None:
    shapes = half_mask(2), half_mask(3), half_mask(4)
    assert one_of(*shapes) == half_mask(3)
    wrong = Mask(counts=[8, 8], height=4, width=4)
    rest = [thing(half_mask(2))] * 2, [thing(half_mask(2))], [thing(half_mask(3))], [thing(half_mask(3))]
    assert {str(o.geometry.kind) for o in merged(*rest, [thing(wrong)], masks="staple").objects} == {"mask"}


def test_polygons_as_drawn_or_by_vote() -> None:
    shapes = [Polygon(coords=square(0, right)) for right in (10, 10.5, 14)]
    assert one_of(*shapes) == shapes[1]
    voted = one_of(*shapes, polygons="vote")
    assert voted.coords.max(axis=0).tolist() == [11, 10] or voted.coords.max(axis=0).tolist() == [10, 10]


def test_other_kinds() -> None:
    assert one_of(Point(x=0, y=0), Point(x=4, y=0), Point(x=2, y=3)) == Point(x=2, y=0)
    assert one_of(TimeRange(start_ms=0, end_ms=9), TimeRange(start_ms=1, end_ms=9)).start_ms == 0.5
    lines = [Line(coords=[(0, y), (90, y)]) for y in (0, 2, 9)]
    assert one_of(*lines) == lines[1]
    points = [Keypoints(coords=[(x, 0), (50, 50)], visibility=[2, v]) for x, v in ((0, 2), (1, 1), (2, 1))]
    assert one_of(*points) == Keypoints(coords=[(1, 0), (50, 50)], visibility=[2, 1])


def test_tracks_are_merged_frame_by_frame() -> None:
    (found,) = merged([track(0, 1, 2)], [track(0, 1, 2, x=2)], [track(1, 2, x=4)]).tracks
    assert found.frames.tolist() == [0, 1, 2]
    assert [found.geometry(i) for i in range(3)] == [box(1, 0, 10, 10), box(2, 0, 10, 10), box(2, 0, 10, 10)]
    assert found.segments.tolist() == [[0, 2]]
    assert [source[0] for source in found.extra["consensus"]["sources"]] == ["by a", "by b", "by c"]


def test_who_and_which_and_how_many() -> None:
    a, b = [thing(box(0, 0, 10, 10), id="a1")], [thing(box(0, 0, 10, 9)), thing(box(80, 80, 9, 9), id="b2")]
    label = merged(a, b, [], quorum=0.5)
    (found,) = label.objects
    assert label.origin == "consensus"
    assert [(one.label_id, one.annotation_id) for one in found.sources] == [
        ("by a", "a1"), ("by b", "annotations[0]"),
    ]  # fmt: skip
    assert found.extra["consensus"] == {"annotators": ["a", "b"], "of": 3, "votes": {"car": 2}}
    assert 0 < (found.confidence or 0) <= 2 / 3
    assert label.extra["consensus"]["annotators"] == ["a", "b", "c"]


def test_classes_and_answers_are_voted_on() -> None:
    def has(name: str, *answers: str) -> list[Any]:
        shape = thing(box(0, 0, 9, 9), name, classifications=(radio("tags", *answers, kind="checklist"),))
        return [shape, radio("weather", answers[0])]

    label = merged(has("car", "x", "y"), has("car", "x"), has("bus", "z", "x"))
    (found,) = label.objects
    assert found.tool_name == "car"
    assert [answer.name for answer in found.classifications[0].answers] == ["x"]
    (weather,) = label.classifications
    assert [answer.name for answer in weather.answers] == ["x"]
    assert weather.extra["consensus"] == {"votes": {"x": 2, "z": 1}, "of": 3}


def test_nested_answers_follow_their_parent() -> None:
    def answered(name: str, color: str) -> list[Any]:
        inner = Answer(name=name, classifications=(radio("color", color),))
        return [Classification(tool_name="what", kind="radio", answers=(inner,))]

    label = merged(answered("car", "red"), answered("car", "red"), answered("bus", "blue"), quorum=0)
    (what,) = label.classifications
    assert [answer.name for answer in what.answers] == ["car"]
    assert [answer.name for answer in what.answers[0].classifications[0].answers] == ["red"]


def test_links_between_what_is_there() -> None:
    def linked(names: str) -> list[Any]:
        ends = [thing(box(x, 0, 9, 9), id=f"{names}{x}") for x in (0, 50)]
        return [*ends, Relationship(tool_name="next to", source=ends[0].id, target=ends[1].id)]

    lost = Relationship(tool_name="next to", source="nothing", target="here")
    label = merged(linked("a"), linked("b"), [lost])
    (link,) = label.relationships
    assert [link.source, link.target] == [one.id for one in label.objects]


def account(rows: list[DataRow], **options: Any) -> annokit.Report:
    """The account of a pass over merged rows, all of which a writer would have written."""
    run = Run(on_error="skip")
    for row in consensus.merge(Dataset.from_rows(rows), **options).rows(run):
        run.report.count_all("written", annokit.report.census(row))
    run.report.check()
    return run.report


@settings(max_examples=60)
@given(rows=st.lists(data_rows, max_size=3))
def test_whatever_there_is_is_accounted(rows: list[DataRow]) -> None:
    account(rows, quorum=0.6)


def texts(*each: list[tuple[Any, ...]], name: str = "text") -> DataRow:
    """What each annotator marked: class, start, end, and maybe a message."""
    return replace(row_of(*[[span(*mark) for mark in marks] for marks in each]), id=name)


def span(name: str, start: int, end: int, message: str | None = None, **fields: Any) -> Any:
    fields = {"id": f"{name} {start}", **fields}
    return thing(TextSpan(start=start, end=end, message_id=message), name, **fields)


def found_spans(row: DataRow, **options: Any) -> list[tuple[Any, ...]]:
    (merged_row,) = consensus.merge(Dataset.from_rows([row]), **options)
    shapes = [(o.tool_name, o.geometry) for o in merged_row.labels[0].objects]
    return [(name, shape.start, shape.end, shape.message_id) for name, shape in shapes]


def test_spans_are_merged_by_character() -> None:
    row = texts([("who", 0, 10)], [("who", 2, 4), ("who", 6, 14)], [("who", 2, 14)])
    assert found_spans(row, method="majority") == [("who", 2, 14, None)]
    row = texts([("who", 0, 4)], [("who", 0, 4), ("who", 8, 12)], [("who", 0, 12)])
    assert found_spans(row, method="majority") == [("who", 0, 4, None), ("who", 8, 12, None)]


def test_spans_of_classes_and_messages_stay_apart() -> None:
    marks = [("who", 0, 5), ("where", 3, 9), ("who", 0, 5, "m1")]
    row = texts(marks, marks, [])
    assert found_spans(row) == [("where", 3, 9, None), ("who", 0, 5, None), ("who", 0, 5, "m1")]


def test_what_a_merged_span_is_made_of() -> None:
    row = texts([("who", 0, 10)], [("who", 0, 4), ("who", 5, 9)], [("who", 1, 10)], [])
    (merged_row,) = consensus.merge(Dataset.from_rows([row]), method="majority")
    first, second = merged_row.labels[0].objects
    assert [(one.label_id, one.annotation_id) for one in first.sources] == [
        ("by a", "who 0"), ("by b", "who 0"), ("by c", "who 1"),
    ]  # fmt: skip
    assert [one.annotation_id for one in second.sources] == ["who 0", "who 5", "who 1"]
    assert second.extra["consensus"] == {"annotators": ["a", "b", "c"], "of": 4, "votes": {"who": 3}}
    assert second.confidence == 0.75


def test_questions_of_spans_are_voted_on_once_by_each() -> None:
    def asked(start: int, end: int, answer: str) -> Any:
        return span("who", start, end, classifications=(radio("sex", answer),))

    row = row_of([asked(0, 8, "f")], [asked(0, 6, "f"), asked(7, 8, "m")], [asked(0, 8, "m")])
    (merged_row,) = consensus.merge(Dataset.from_rows([row]), method="majority")
    (one,) = merged_row.labels[0].objects
    assert [answer.name for answer in one.classifications[0].answers] == ["f"]
    assert one.classifications[0].extra["consensus"] == {"votes": {"f": 2, "m": 1}, "of": 3}


def test_text_of_a_merged_span_is_cut_from_one_that_holds_it() -> None:
    shapes = [TextSpan(start=0, end=5, text="a man"), TextSpan(start=2, end=5, text="man")]
    row = row_of([thing(shapes[0])], [thing(shapes[1])], [thing(shapes[1])])
    (merged_row,) = consensus.merge(Dataset.from_rows([row]), method="majority")
    assert merged_row.labels[0].objects[0].geometry == TextSpan(start=2, end=5, text="man")


def test_one_reader_keeps_all_spans() -> None:
    assert found_spans(texts([("who", 0, 4), ("who", 2, 6)])) == [("who", 0, 4, None), ("who", 2, 6, None)]


def test_spans_that_nobody_shares_are_outvoted() -> None:
    rows = [texts([("who", 0, 9)], [("who", 0, 9), ("who", 20, 25)], [("who", 0, 9)])]
    report = account(rows, method="majority")
    assert report.kinds["object:text_span"]["superseded"] == 1
    assert report.kinds["object:text_span"]["merged"] == 3
    assert [loss.code for loss in report.losses] == ["outvoted"]
    report = account([texts([("who", 0, 9)], [])], method="majority", quorum=0.9)
    assert report.kinds["object:text_span"]["superseded"] == 1


@pytest.mark.parametrize("end", [10**9, 2**62, 2**63 - 1])
def test_spans_past_any_text_are_joined_as_drawn(end: int) -> None:
    rows = [texts([("who", 0, end)], [("who", 0, end)], [("who", 0, 4)], name=str(k)) for k in range(4)]
    account(rows)
    assert ("who", 0, end, None) in found_spans(rows[0])


def test_spans_of_a_file_may_end_beyond_64_bits(tmp_path: Path) -> None:
    most = 2**63 - 1
    row = texts([("who", 0, most)], [("who", 0, most)], [("who", 0, 4)])
    annokit.write([row], tmp_path / "a.ndjson", format="labelbox", labels="all")
    text = (tmp_path / "a.ndjson").read_text()
    (tmp_path / "a.ndjson").write_text(text.replace(str(most - 1), str(2**80 - 1)))
    (merged_row,) = consensus.merge(annokit.read(tmp_path / "a.ndjson"))
    assert TextSpan(start=0, end=2**80) in [one.geometry for one in merged_row.labels[0].objects]


marks_of = st.lists(
    st.tuples(st.sampled_from(["who", "where"]), st.integers(0, 30), st.integers(0, 45)), max_size=5
)


@settings(max_examples=60)
@given(each=st.lists(marks_of, min_size=3, max_size=3), seed=st.integers(0, 1000))
def test_spans_of_any_order_are_accounted(each: Any, seed: int) -> None:
    rows = [texts(*each, name="b"), texts(*each[::-1], name="a")]
    account(rows)
    rng = np.random.default_rng(seed)
    mixed = [
        replace(
            row,
            labels=tuple(
                replace(
                    one, annotations=tuple(one.annotations[k] for k in rng.permutation(len(one.annotations)))
                )
                for one in row.labels[::-1]
            ),
        )
        for row in rows[::-1]
    ]

    def content(some: list[DataRow]) -> Any:
        return {
            row.id: [(o.tool_name, str(o.geometry), o.confidence, o.sources) for o in row.labels[0].objects]
            for row in consensus.merge(Dataset.from_rows(some))
        }

    assert content(rows) == content(mixed)


def test_what_too_few_have_is_superseded_by_name() -> None:
    rows = [row_of([thing(box(0, 0, 9, 9))], [], [])]
    report = account(rows, quorum=0.5)
    assert report.kinds["object:box"]["superseded"] == 1
    assert [loss.code for loss in report.losses] == ["below-quorum"]


@given(each=crowds(), seed=st.integers(0, 1000))
def test_no_order_matters(each: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    row = row_of(*each)
    mixed = [
        replace(one, annotations=tuple(one.annotations[k] for k in rng.permutation(len(one.annotations))))
        for one in row.labels
    ]
    again = replace(row, labels=tuple(mixed[k] for k in rng.permutation(3)))
    (one,), (other,) = (list(consensus.merge(Dataset.from_rows([some]))) for some in (row, again))

    def content(label: Label) -> list[Any]:
        return [(o.tool_name, str(o.geometry), o.confidence, len(o.sources)) for o in label.objects]

    assert content(one.labels[0]) == content(other.labels[0])
    assert [str(c) for c in one.labels[0].classifications] == [
        str(c) for c in other.labels[0].classifications
    ]


def test_rows_of_one_id_and_other_names_stay_apart() -> None:
    each = ("x", "y")
    rows = [replace(row_of([radio("q", x)], [radio("q", x)]), source=x, external_id=x) for x in each]
    found = list(consensus.merge(Dataset.from_rows(rows)))
    assert [row.labels[0].classifications[0].answers[0].name for row in found] == ["x", "y"]


def test_merged_labels_go_through_every_format(samples: Path, tmp_path: Path) -> None:
    source = samples / "street.ndjson"
    report = annokit.convert(source, tmp_path / "out.json", to="coco", labels="merge")
    assert report.kinds["labels"]["written"] == 16
    assert report.kinds["object:box"]["written"] == 37
    annokit.convert(source, tmp_path / "tables", to="parquet", labels="merge", strict=True)
    again = list(annokit.read(tmp_path / "tables"))
    assert [label.origin for row in again for label in row.labels] == ["consensus"] * 16
    assert all(
        one.sources and one.extra["consensus"]["of"] == 3 for row in again for one in row.labels[0].objects
    )


def test_masks_that_are_references_are_not_merged_in_silence() -> None:
    masks = [thing(MaskReference(uri=f"https://example.com/{n}")) for n in range(3)]
    run = Run()
    dataset = Dataset.from_rows([row_of([masks[0]], [masks[1], thing(box(0, 0, 9, 9))]), row_of([masks[2]])])
    list(consensus.merge(dataset).rows(run))
    (loss,) = run.report.losses
    assert (loss.code, loss.kind, loss.count, loss.level) == (
        "not-compared", "object:mask_reference", 2, "note",
    )  # fmt: skip
    assert "--masks" in loss.message
    report = Report()
    consensus.verdicts(consensus.merge(dataset), report=report)
    assert report.losses == [loss]


def test_verdicts_are_a_table() -> None:
    row = row_of(
        [thing(box(0, 0, 9, 9)), radio("q", "x")],
        [thing(box(0, 0, 9, 9)), radio("q", "y")],
        [radio("q", "x")],
    )
    table = consensus.verdicts(consensus.merge(Dataset.from_rows([row]))).to_pylist()
    assert [(one["what"], one["answer"], one["votes"], one["of"]) for one in table] == [
        ("box", "car", 2, 3), ("q", "x", 2, 3),
    ]  # fmt: skip


@pytest.mark.parametrize("options", [
    {"method": "best"}, {"link": 0}, {"quorum": 2}, {"geometry": "x"}, {"polygons": "x"}, {"masks": "x"},
])  # fmt: skip
def test_bad_choices(options: Any) -> None:
    with pytest.raises(UsageError, match="expected"):
        consensus.merge(Dataset.from_rows([]), **options)


def test_skilled_annotators_weigh_more() -> None:
    def row(name: str, shift: float) -> DataRow:
        shapes = [box(0, 0, 10, 10), box(0, 0, 10, 10), box(shift, 0, 10, 10)]
        return replace(row_of(*[[thing(shape)] for shape in shapes[:2]], [thing(shapes[2])]), id=name)

    rows = [row(str(i), 5) for i in range(5)]
    two = replace(row_of([thing(box(0, 0, 10, 10))], [], [thing(box(4, 0, 10, 10))]), id="two")
    found = list(consensus.merge(Dataset.from_rows([*rows, two]), geometry="skill"))[-1].labels[0].objects[0]
    assert found.geometry == box(0, 0, 10, 10)
    plain = list(consensus.merge(Dataset.from_rows([*rows, two])))[-1].labels[0].objects[0]
    assert plain.geometry == box(2, 0, 10, 10)


def spans(seed: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 30, 20)
    return rng.integers(0, 3, 20), rng.integers(0, 4, 20), start, start + rng.integers(0, 15, 20)


@given(seed=st.integers(0, 2000))
def test_stretches_by_majority_are_counted_by_hand(seed: int) -> None:
    item, who, start, end = spans(seed)
    found = consensus.merge_spans(item, who, start, end, method="majority")
    for name in np.unique(item):
        readers = np.unique(who[item == name])
        votes = np.zeros(60, int)
        for reader in readers:
            mine = np.zeros(60, bool)
            for a, b in zip(
                start[(item == name) & (who == reader)], end[(item == name) & (who == reader)], strict=True
            ):
                mine[a:b] = True
            votes += mine
        inside = np.zeros(60, bool)
        for a, b in zip(found.start[found.item == name], found.end[found.item == name], strict=True):
            inside[a:b] = True
        np.testing.assert_array_equal(inside, 2 * votes > len(readers))


def test_stretches_of_a_real_set(shared: Path) -> None:
    """Against professionals, over the texts in which they marked anything: F1 of all characters together."""

    folder = shared / "consensus" / "spans_pico"

    def marked(name: str) -> dict[str, Any]:
        lines = (folder / f"PICO-annos-{name}.json").read_text().splitlines()
        return {one["docid"]: one["Participants"] for one in map(json.loads, lines)}

    crowd, gold = (
        marked("crowdsourcing"),
        {name: some for name, some in marked("professional").items() if some},
    )
    rows = [(t, w, a, b) for t, by in crowd.items() for w, some in by.items() for a, b in some]
    assigned = [(t, w) for t, by in crowd.items() for w in by]
    item, who, start, end = zip(*rows, strict=True)

    def f1(spans: Any) -> float:
        ours = {(name, at) for name, a, b in spans if name in gold for at in range(a, b)}
        truth = {
            (name, at)
            for name, by in gold.items()
            for some in by.values()
            for a, b in some
            for at in range(a, b)
        }
        return 2 * len(ours & truth) / (len(ours) + len(truth))

    def of_arrays(method: Any) -> float:
        found = consensus.merge_spans(item, who, start, end, assigned=assigned, method=method)
        return f1(zip(found.item, found.start, found.end, strict=True))

    def of_dataset(method: Any, quorum: float = 0.3) -> float:
        texts = [
            DataRow(
                id=name,
                labels=tuple(
                    Label(annotator_id=w, annotations=tuple(span("who", a, b) for a, b in some))
                    for w, some in by.items()
                ),
            )
            for name, by in crowd.items()
        ]
        found = consensus.merge(Dataset.from_rows(texts), method=method, quorum=quorum)
        shapes = [(row.id, o.geometry) for row in found for label in row.labels for o in label.objects]
        return f1((name, s.start, s.end) for name, s in shapes)

    assert round(of_arrays("majority"), 3) == 0.692
    assert of_arrays("map-dawid-skene") >= 0.74
    assert of_dataset("map-dawid-skene", quorum=0) == of_arrays("map-dawid-skene")
    assert of_dataset("map-dawid-skene") > 0.73  # the usual quorum leaves out what one of many marked


@pytest.mark.parametrize(("problem", "start", "end", "options"), [
    ("0 <= start", [3], [2], {}),
    ("integers", [0.5], [2], {}),
    ("within the 1", [0], [2], {"length": {1: 1}}),
    ("at most", [0], [2], {"length": {1: 10**9}}),
    ("at most", [0], [2], {"length": {1: 2**80}}),
    ("at most", [0], [2**62], {}),
    ("at most", [0], [2**63], {}),
    ("integers", [0], [2**80], {}),
])  # fmt: skip
def test_bad_stretches(problem: str, start: Any, end: Any, options: Any) -> None:
    with pytest.raises(UsageError, match=problem):
        consensus.merge_spans([1], ["a"], start, end, **options)


def test_who_marked_nothing_counts_in_stretches() -> None:
    alone = consensus.merge_spans([1], ["a"], [0], [5], method="majority")
    assert alone.end.tolist() == [5]
    silent = consensus.merge_spans(
        [1], ["a"], [0], [5], assigned=[(1, "b"), (1, "c"), (2, "a")], method="majority"
    )
    assert silent.end.tolist() == []


def test_votes_are_for_the_class_that_won() -> None:
    row = row_of(*[[thing(box(0, 0, 10, 10), name)] for name in ("car", "car", "van")], [])
    (found,) = consensus.verdicts(consensus.merge(Dataset.from_rows([row]))).to_pylist()
    assert (found["answer"], found["votes"], found["drawn"], found["of"]) == ("car", 2, 3, 4)
