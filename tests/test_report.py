"""The account: it adds up, or nothing is written."""

from __future__ import annotations

import json

import pytest

from annokit import Report
from annokit.errors import (
    AccountingError,
    GeometryError,
    LimitExceeded,
    LossyConversion,
    UnsafeInput,
    Where,
    shown,
)
from annokit.io.limits import Limits
from annokit.model import Answer, Box, Classification, DataRow, Label, ObjectAnnotation, Track
from annokit.report import census
from annokit.run import Run


def test_census_counts_everything_once() -> None:
    nested = Classification(tool_name="how", kind="text")
    question = Classification(
        tool_name="weather", kind="radio", answers=(Answer(name="rainy", classifications=(nested, nested)),)
    )
    box = ObjectAnnotation(
        tool_name="car", geometry=Box(x=0, y=0, width=1, height=1), classifications=(question,)
    )
    track = Track(
        tool_name="t",
        kind="point",
        frames=[1, 2, 3],
        is_keyframe=[True, False, True],
        values=[(0, 0)] * 3,
        classifications=(nested,),
    )
    row = DataRow(id="r", labels=(Label(annotations=(box, question, track)), Label()))
    assert census(row) == {
        "data_rows": 1,
        "labels": 2,
        "object:box": 1,
        "classifications": 7,
        "tracks": 1,
        "keyframes": 2,
    }


def test_the_repr_counts_by_level() -> None:
    report = Report()
    report.count("read", "object:box", 3)
    assert repr(report) == "<Report 3 read, 0 written>"
    report.lose("no-place", "object:box", "no place", n=3)
    report.note("rounded", "object:box", "six decimals")
    report.note("cut", "object:box", "at the border", lossy=True)
    report.note("labels", "labels", "not asked for")
    assert repr(report) == "<Report 3 read, 0 written, 3 lost, 1 changed, 2 notes>"


def test_a_missing_record_is_an_accounting_error() -> None:
    report = Report()
    report.count("read", "object:box", 3)
    report.count("written", "object:box", 2)
    with pytest.raises(AccountingError, match="3 read, but 2 written") as caught:
        report.check()
    assert caught.value.exit_code == 70
    report.lose("no-place", "object:box", "no place", example="r1")
    report.check()


def test_strict_minds_losses_but_not_notes() -> None:
    report = Report()
    report.note("rounded", "object:box", "6 decimals")
    report.check_strict()
    report.lose("no-place", "object:line", "no lines here")
    with pytest.raises(LossyConversion, match="no lines here") as caught:
        report.check_strict()
    assert caught.value.exit_code == 6


def test_examples_are_few_and_counts_are_all() -> None:
    report = Report(source="a", target="b")
    for index in range(100):
        report.lose("x", "object:line", "why", example=index)
    written = json.loads(report.to_json())
    assert written["losses"] == [
        {
            "code": "x",
            "kind": "object:line",
            "count": 100,
            "message": "why",
            "examples": ["0", "1", "2", "3", "4"],
            "level": "lost",
        }
    ]
    assert set(written["kinds"]["object:line"]) == {
        "read", "made", "written", "merged", "unsupported", "quarantined", "skipped", "superseded", "derived",
    }  # fmt: skip


def test_what_a_step_made_has_to_be_accounted_like_what_was_read() -> None:
    report = Report()
    report.count("read", "tracks")
    report.count("merged", "tracks")
    report.count("made", "object:box", 3)
    report.count("written", "object:box", 2)
    with pytest.raises(AccountingError, match="0 read and 3 made, but 2 written"):
        report.check()
    report.lose("x", "object:box", "why")
    report.check()


def test_too_many_bad_records_end_the_run() -> None:
    run = Run(on_error="skip", limits=Limits(max_errors=3))
    for _ in range(3):
        run.reject(GeometryError("bad"), "object:box")
    with pytest.raises(LimitExceeded, match="max_errors=3"):
        run.reject(GeometryError("bad"), "object:box")


def test_a_record_over_a_limit_is_skipped_and_what_is_unsafe_is_not() -> None:
    run = Run(on_error="skip")
    run.reject(LimitExceeded("too long"), "data_rows")
    assert run.report.kinds["data_rows"]["skipped"] == 1
    with pytest.raises(UnsafeInput):
        run.reject(UnsafeInput("leads out of its folder"), "data_rows")


def test_messages_say_where_and_hide_what_must_not_be_seen() -> None:
    where = Where("a.ndjson", line=3, record="ck\n12", path="$.x")
    error = GeometryError("expected 1, got 2", where=where, hint="try 1")
    assert str(error) == "a.ndjson:3 data_row=ck\\n12 $.x: expected 1, got 2 (try 1)"
    assert "secret" not in shown("https://host/a.png?signature=secret")
    assert shown("\x1b[31mred\u202e") == "\\x1b[31mred\\u202e"
    assert len(shown("x" * 500)) == 80


def test_a_note_never_hides_a_loss_of_the_same_name() -> None:
    report = Report()
    report.note("repair-clip", "object:polygon", "its shape was changed")
    report.lose("repair-clip", "object:polygon", "nothing of it was left")
    assert [(loss.level, loss.count) for loss in report.losses] == [("note", 1), ("lost", 1)]
    with pytest.raises(LossyConversion):
        report.check_strict()


def test_one_count_of_several_messages_does_not_speak_for_the_first_alone() -> None:
    report = Report()
    for name in ("bus", "bus", "van", "car"):
        report.lose("not-in-ontology", "object:box", f"the ontology has no {name!r}")
    [loss] = report.losses
    assert (loss.count, loss.message) == (4, "the ontology has no 'bus', and the like")
