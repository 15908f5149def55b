"""Delta Lake: every commit can be read again, ids never mix, and what cannot be merged is refused before."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from click.testing import CliRunner
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import annokit
from annokit import delta, passes
from annokit.cli import app
from annokit.dataset import Dataset, Outline
from annokit.diff import diff
from annokit.errors import DecodeError, InputError, OutputError, UnsafeInput, UsageError
from annokit.formats._delta import place as places
from annokit.formats._delta import read as reading
from annokit.model import Box, DataRow, Label, ObjectAnnotation, Ontology, Tool
from annokit.report import Report


def box(x: float, name: str = "car", **fields: Any) -> ObjectAnnotation:
    return ObjectAnnotation(tool_name=name, geometry=Box(x=x, y=0, width=2, height=3), **fields)


def row(id: str, *boxes: ObjectAnnotation, label: str | None = "l", source: str = "a") -> DataRow:
    return DataRow(
        id=id, source=source, external_id=f"{id}.jpg", labels=(Label(id=label, annotations=boxes),)
    )


def put(rows: list[DataRow], table: Path, **options: Any) -> Report:
    return annokit.write(rows, table, format="delta", labels="all", **options)


def states(table: Path, version: int | None = None) -> Counter[tuple[Any, ...]]:
    """Every object of a version: of which source, row and label, its id, class and place."""
    return Counter(
        (row.source, row.id, label.id, one.id, one.tool_name, one.geometry.x)
        for row in annokit.read(table, version=version)
        for label in row.labels
        for one in label.objects
        if isinstance(one.geometry, Box)
    )


def noted(report: Report) -> dict[str, int]:
    return {loss.code: loss.count for loss in report.losses if loss.code.startswith("merge-")}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table in which row r1 has the objects a and b, and r2 has c."""
    path = tmp_path / "labels"
    put([row("r1", box(1, id="a"), box(2, id="b")), row("r2", box(3, id="c"))], path)
    return path


def test_written_appended_merged_and_read_as_it_was(table: Path) -> None:
    put([row("r3", box(4, id="d"))], table, mode="append")
    report = put(
        [row("r1", box(1, "bus", id="a"), box(2, id="b"), box(9, id="new"))],
        table,
        mode="merge",
        verify=True,
    )
    assert noted(report) == {"merge-changed": 1, "merge-equal": 1, "merge-new": 1}
    assert report.total("written", "object:") == 3
    start = {
        ("a", "r1", "l", "a", "car", 1),
        ("a", "r1", "l", "b", "car", 2),
        ("a", "r2", "l", "c", "car", 3),
    }
    assert states(table, 0) == Counter(start)
    assert states(table, 1) == Counter(start | {("a", "r3", "l", "d", "car", 4)})
    after = start - {("a", "r1", "l", "a", "car", 1)}
    after |= {
        ("a", "r3", "l", "d", "car", 4),
        ("a", "r1", "l", "a", "bus", 1),
        ("a", "r1", "l", "new", "car", 9),
    }
    assert states(table, 2) == states(table) == Counter(after)
    found = [
        (one.version, one.operation, one.added, one.changed, one.removed) for one in delta.history(table)
    ]
    assert found == [(0, "WRITE", 3, None, None), (1, "WRITE", 1, None, None), (2, "MERGE", 1, 1, 0)]


def test_before_and_after_a_correction(samples: Path, tmp_path: Path) -> None:
    table, export = tmp_path / "labels", annokit.read(samples / "street.ndjson")
    annokit.write(export, table, format="delta", labels="all", source_name="street")
    assert delta.history(table)[0].source == "street"

    def corrected() -> Iterator[DataRow]:
        for number, one in enumerate(export):
            labels = [
                replace(label, annotations=label.annotations[1:] if number == 0 else label.annotations)
                for label in one.labels
            ]
            yield replace(one, labels=tuple(labels))

    later = Dataset.from_rows(list(corrected()), export.ontology)
    again = annokit.write(later, table, format="delta", mode="merge", labels="all", source_name="street")
    assert noted(again)["merge-kept"] == 3
    annokit.write(
        later,
        table,
        format="delta",
        mode="merge",
        labels="all",
        source_name="street",
        delete_missing="data-rows",
    )
    found = diff(annokit.read(table, version=0), annokit.read(table), labels="all")
    wanted = diff(export, later, labels="all")
    assert found.total == wanted.total
    assert found.total.removed == 3
    assert found.changes == [one for one in wanted.changes if one.kind == "object"]
    assert annokit.read(table).ontology == export.ontology


def test_nothing_that_is_equal_is_written_again(table: Path) -> None:
    before = states(table)
    report = put([row("r1", box(1, id="a"), box(2, id="b"))], table, mode="merge")
    assert noted(report) == {"merge-equal": 2}
    assert states(table) == before
    assert len(delta.history(table)) == 1


def test_a_class_that_nothing_has_yet_is_a_version_too(table: Path) -> None:
    before, rows = states(table), [row("r1", box(1, id="a"), box(2, id="b"))]
    for _ in range(2):  # the second has nothing to say
        classes = Ontology(tools=(Tool(name="car", kind="box"), Tool(name="tram", kind="box")))
        report = annokit.write(
            Dataset.from_rows(rows, classes), table, format="delta", mode="merge", labels="all"
        )
        assert noted(report) == {"merge-equal": 2}
        assert [tool.name for tool in annokit.read(table).ontology.tools] == ["car", "tram"]
        assert [one.added for one in delta.history(table)] == [3, 0]
        assert states(table) == before


def test_equal_ids_of_two_sources_never_meet(table: Path) -> None:
    other = [row("r1", box(7, id="a"), source="b")]
    put(other, table, mode="append")
    put([row("r1", box(8, id="a"), source="b")], table, mode="merge")
    kept = {("a", "r1", "l", "a", "car", 1), ("a", "r1", "l", "b", "car", 2), ("a", "r2", "l", "c", "car", 3)}
    assert states(table) == Counter(kept | {("b", "r1", "l", "a", "car", 8)})
    put([row("r1", box(8, id="a"), source="b")], table, mode="merge", delete_missing="sources")
    assert set(states(table)) == kept | {("b", "r1", "l", "a", "car", 8)}


@pytest.mark.parametrize(
    ("delete_missing", "left", "counts"),
    [
        (None, ["a", "b", "c"], {"merge-equal": 1, "merge-kept": 1}),
        ("data-rows", ["a", "c"], {"merge-equal": 1, "merge-gone": 1}),
        ("sources", ["a"], {"merge-equal": 1, "merge-gone": 2}),
    ],
)
def test_what_no_longer_comes_stays_or_goes_as_asked(
    delete_missing: str | None, left: list[str], counts: dict[str, int], table: Path
) -> None:
    report = put([row("r1", box(1, id="a"))], table, mode="merge", delete_missing=delete_missing)
    assert noted(report) == counts
    assert sorted(key[3] for key in states(table)) == left


def test_a_data_row_that_lost_all_its_annotations(table: Path) -> None:
    report = put([row("r1")], table, mode="merge", delete_missing="data-rows")
    assert noted(report) == {"merge-gone": 2}
    assert [key[1] for key in states(table)] == ["r2"]


def test_what_is_kept_is_never_taken_for_another_label(table: Path) -> None:
    relabelled = DataRow(
        id="r1",
        source="a",
        labels=(
            Label(id="new", annotator_id="bo", annotations=(box(5, id="a"),)),
            Label(annotator_id="cy", annotations=(box(6, id="a"),)),
        ),
    )
    put([relabelled], table, mode="merge")
    (found,) = [one for one in annokit.read(table) if one.id == "r1"]
    assert [(one.id, one.annotator_id, len(one.objects)) for one in found.labels] == [
        ("l", None, 2),
        ("new", "bo", 1),
        (None, "cy", 1),
    ]
    put([relabelled], table, mode="merge", delete_missing="data-rows")
    (found,) = [one for one in annokit.read(table) if one.id == "r1"]
    assert [(one.id, one.annotator_id) for one in found.labels] == [("new", "bo"), (None, "cy")]


def test_without_ids_whole_data_rows_are_replaced(tmp_path: Path) -> None:
    table = tmp_path / "labels"
    put([row("r1", box(1), box(2)), row("r2", box(3))], table)
    with pytest.raises(OutputError, match=r"have none \(--delete-missing data-rows replaces"):
        put([row("r1", box(1))], table, mode="merge")
    put([row("r1", box(8))], table, mode="merge", delete_missing="data-rows")
    assert sorted(key[-1] for key in states(table)) == [3, 8]


@pytest.mark.parametrize(
    ("rows", "options", "problem"),
    [
        ([row("r1", box(1, id="a"), box(2, id="a"))], {"mode": "merge"}, "the source has several .* of id a"),
        ([row("r1", box(1, id="z")), row("r1", box(1, id="a"))], {"mode": "merge"}, "comes twice"),
        ([row("r2", box(1, id="z"))], {"mode": "append"}, "has the data row r2 of a already"),
        (
            [row("r1", box(1, id="a"), source="b")],
            {"mode": "merge"},
            "none of the data rows of b .* --source-name a",
        ),
        ([row("r1", box(1))], {}, "it exists .*--mode append or merge"),
    ],
)
def test_what_would_mix_is_refused_before_anything_is_written(
    rows: list[DataRow], options: dict[str, Any], problem: str, table: Path
) -> None:
    before = sorted(path.name for path in table.rglob("*"))
    with pytest.raises(OutputError, match=problem):
        put(rows, table, **options)
    assert sorted(path.name for path in table.rglob("*")) == before
    assert sorted(path.name for path in table.parent.iterdir()) == ["labels", "labels.report.json"]


@pytest.mark.parametrize("options", [{}, {"overwrite": True}, {"mode": "append"}])
@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([row("r7", box(1)), row("r8"), row("r7", box(2))], "a: the data row r7 of a comes twice"),
        ([row("r7", box(1, id="z"), box(2, id="z"))], "several annotations of id z in the data row r7 of a"),
        ([row("r7", box(1, id="z"), box(2, id="z"), label=None)], "several annotations of id z"),
    ],
)
def test_no_table_is_made_that_could_not_be_merged_into(
    rows: list[DataRow], problem: str, options: dict[str, Any], table: Path
) -> None:
    target = table if options else table.with_name("first")
    with pytest.raises(OutputError, match=problem):
        put(rows, target, **options)
    assert len(delta.history(table)) == 1
    assert not table.with_name("first").exists()
    unnamed = Label(id="m", annotations=(box(1), box(1), box(1, id="z")))  # "z" of another label is another
    others = [
        replace(one, labels=(Label(id="l", annotations=(box(1, id="z"),)), unnamed)) for one in rows[:1]
    ]
    put(others, target, **options)


def test_a_table_in_which_ids_repeat_cannot_be_merged_into(table: Path) -> None:
    twice = delta.scan(table).to_table().slice(0, 1)
    write_deltalake(table, twice.set_column(2, "annotation_index", pa.array([9])), mode="append")
    with pytest.raises(OutputError, match="the table has several annotations of id a"):
        put([row("r1", box(1, id="a"))], table, mode="merge")
    write_deltalake(table, twice.set_column(0, "data_row_index", pa.array([9])), mode="overwrite")
    write_deltalake(table, twice, mode="append")
    with pytest.raises(OutputError, match="has the data row r1 of a twice"):
        put([row("r1", box(1, id="a"))], table, mode="merge")


def test_a_later_export_under_another_name_is_the_same_source(samples: Path, tmp_path: Path) -> None:
    first, later = tmp_path / "monday.ndjson", tmp_path / "friday.ndjson"
    for path in (first, later):
        shutil.copy(samples / "street.ndjson", path)
    annokit.convert(first, tmp_path / "t", to="delta", source_name="street")
    annokit.convert(later, tmp_path / "t", to="delta", source_name="street", mode="merge")
    assert {one.source for one in annokit.read(tmp_path / "t")} == {"street"}
    assert len(list(annokit.read(tmp_path / "t"))) == len(list(annokit.read(first)))


def test_a_source_is_the_same_however_its_path_is_typed(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        shutil.copy(samples / "street.ndjson", tmp_path / folder)
    monkeypatch.chdir(tmp_path / "x")
    annokit.convert("street.ndjson", "t", to="delta", labels="all")
    for typed in ("./street.ndjson", str(tmp_path / "x" / "street.ndjson")):
        with pytest.raises(OutputError, match=r"of street\.ndjson already"):
            annokit.convert(typed, "t", to="delta", labels="all", mode="append")
        annokit.convert(typed, "t", to="delta", labels="all", mode="merge")
    assert len(delta.history("t")) == 1
    others = [row("r1", box(1, id="a"), source="."), row("r1", box(1, id="a"), source="s" * 300)]
    put(others, tmp_path / "others")
    assert {one.source for one in annokit.read(tmp_path / "others")} == {"x", "s" * 300}
    monkeypatch.chdir(tmp_path)
    both = ["x/street.ndjson", "y/street.ndjson"]
    annokit.convert(both, "both", to="delta", labels="all")
    assert {one.source for one in annokit.read("both")} == set(both)


def test_ids_of_another_source_are_counted(table: Path) -> None:
    put([row("r1", box(7, id="a"), source="b")], table, mode="append")
    report = put([row("r1", box(7, id="a"), source="b"), row("r2", source="b")], table, mode="merge")
    assert noted(report) == {"merge-equal": 1, "merge-other-source": 1}


@pytest.mark.parametrize("name", ["a[b]", "a%41", "a%20b", "a#b", "a^b", "a\nb"])
def test_folders_whose_names_the_engine_takes_for_something_else(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    for place in (tmp_path / name, tmp_path / name / "t"):
        for call in (lambda at: put([row("r1")], at), delta.history, delta.scan):
            with pytest.raises(UsageError, match="cannot lie in a folder with '"):
                call(place)
    (tmp_path / name / "_delta_log").mkdir()
    with pytest.raises(UsageError, match="cannot lie in a folder with '"):
        annokit.read(tmp_path / name, format="delta")


def test_an_empty_target_is_not_the_current_folder(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["convert", str(samples / "street.ndjson"), "", "--to", "delta"])
    assert result.exit_code == 2
    assert "got an empty name" in result.output
    assert not list(tmp_path.iterdir())


def test_a_column_more_and_a_column_less(table: Path) -> None:
    """A newer annokit, or the user, added a column; an older one knew fewer."""
    known = delta.scan(table).to_table()
    older = known.drop_columns(["message_id", "sources"])
    newer = older.append_column("reviewed", pa.array([True] * len(older)))
    write_deltalake(table, newer, mode="overwrite", schema_mode="overwrite")
    put([row("r3", box(4, id="d", sources=()))], table, mode="append")
    put([row("r1", box(6, id="a"))], table, mode="merge")
    fields = [field.name for field in DeltaTable(table).schema().fields]
    assert {"reviewed", "message_id", "sources"} <= set(fields)
    assert not [name for name in fields if name.startswith("_")]
    found = delta.scan(table).to_table(columns=["id", "reviewed", "x"]).to_pylist()
    assert {one["id"]: (one["reviewed"], one["x"]) for one in found} == {
        "a": (True, 6),
        "b": (True, 2),
        "c": (True, 3),
        "d": (None, 4),
    }
    assert len(states(table)) == 4


def test_classes_are_those_of_all_commits(tmp_path: Path) -> None:
    table = tmp_path / "labels"

    def classes(*names: str) -> Ontology:
        return Ontology(tools=tuple(Tool(name=name, kind="box", keypoints=("nose",)) for name in names))

    def written(one: DataRow, ontology: Ontology, **options: Any) -> None:
        dataset = Dataset(lambda _run: [one], outline=lambda: Outline(ontology, []))
        annokit.write(dataset, table, format="delta", **options)

    written(row("r1", box(1)), classes("car", "unused"))
    written(row("r2", box(2, "bus")), classes("bus"), mode="append")
    assert [tool.name for tool in annokit.read(table).ontology.tools] == ["car", "unused", "bus"]
    assert annokit.read(table, version=0).ontology == classes("car", "unused")
    written(row("r2", box(2, "bus")), classes("bus"), overwrite=True)
    assert annokit.read(table).ontology == classes("bus")
    assert len(states(table, 1)) == 2
    for log in (table / "_delta_log").glob("*.json"):  # as when the log was cleaned up
        log.write_text(log.read_text().replace("annokit.ontology", "forgotten"))
    assert [tool.name for tool in annokit.read(table, version=1).ontology.tools] == ["car", "bus"]


def test_rows_are_whole_wherever_the_table_is_cut(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(reading, "_RANGE", 3)
    monkeypatch.setattr(reading, "_ROWS", 1)
    monkeypatch.setattr(places, "_BATCH", 2)
    rows = [row(f"r{n}", *(box(i, id=f"{n}-{i}") for i in range(n % 5))) for n in range(12)]
    put(rows, tmp_path / "t")
    moved = [row(f"r{n}", *(box(9, id=f"{n}-{i}") for i in range(n % 5 - 1))) for n in range(0, 14, 2)]
    put(moved, tmp_path / "t", mode="merge", delete_missing="data-rows")
    expected = {one.id: one for one in [*rows, *moved]}
    found = list(annokit.read(tmp_path / "t"))
    assert [one.id for one in found] == [
        f"r{n}" for n in range(13) if expected[f"r{n}"].labels[0].annotations
    ]
    for one in found:
        assert one.labels[0].annotations == expected[one.id].labels[0].annotations


def test_what_the_table_has_no_place_for_is_counted(tmp_path: Path, samples: Path) -> None:
    report = annokit.convert(samples / "street.ndjson", tmp_path / "t", to="delta")
    assert report.kinds["classifications"]["unsupported"] == 44
    empty = put([DataRow(id="r1"), row("r2", box(1))], tmp_path / "u")
    assert (empty.kinds["data_rows"]["unsupported"], empty.kinds["data_rows"]["written"]) == (1, 1)
    with pytest.raises(annokit.AnnokitError, match="annotations-alone"):
        put([row("r2", box(1))], tmp_path / "v", strict=True)
    assert not (tmp_path / "v").exists()


def test_other_engines_read_it(table: Path) -> None:
    annotations = delta.scan(table)
    found = duckdb.sql("SELECT tool_name, count(*), sum(area) FROM annotations GROUP BY ALL").fetchall()
    assert found == [("car", 3, 18.0)]
    assert pl.scan_pyarrow_dataset(annotations).select("id").collect()["id"].sort().to_list() == [
        "a",
        "b",
        "c",
    ]
    put([row("r1", box(1, id="a"))], table, mode="merge", delete_missing="sources")
    assert (delta.scan(table).count_rows(), delta.scan(table, version=0).count_rows()) == (1, 3)
    kinds = {str(field.type) for field in delta.scan(table).schema}
    assert not {kind for kind in kinds if "uint" in kind or "uuid" in kind or "view" in kind}


def test_two_runs_never_commit_over_each_other(table: Path) -> None:
    place = places.DeltaPlace(str(table), "append", None, Report(), overwrite=False)
    other = places.DeltaPlace(str(table), None, None, Report(), overwrite=True)
    assert place.target == other.target
    with place.hold(), pytest.raises(OutputError, match="another run is writing it"), other.hold():
        pass
    dataset = annokit.read(table)

    def interrupted(rows: Iterator[DataRow], _run: Any) -> Iterator[DataRow]:
        yield from rows  # on another machine, where the lock is not seen
        write_deltalake(table, delta.scan(table).to_table().slice(0, 0), mode="append")

    with pytest.raises(OutputError, match="changed by another run meanwhile"):
        annokit.write(dataset.through(interrupted), table, format="delta", mode="append", source_name="other")
    assert len(states(table)) == 3


def test_a_table_that_another_run_made_meanwhile_stays(tmp_path: Path) -> None:
    table = tmp_path / "t"

    def late() -> Iterator[DataRow]:
        yield row("r1", box(1, id="a"))
        write_deltalake(table, pa.table({"a": [1]}))  # on another machine, where the lock is not seen

    with pytest.raises(OutputError, match="another run made it meanwhile"):
        annokit.write(
            Dataset(lambda _run: late(), outline=lambda: Outline(Ontology(), [])), table, format="delta"
        )
    assert DeltaTable(table).version() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"mode": "merge", "overwrite": True}, "do not go together"),
        ({"delete_missing": "sources"}, "needs --mode merge"),
        ({"mode": "append", "delete_missing": "sources"}, "needs --mode merge"),
        ({"mode": "upsert"}, "mode"),
    ],
)
def test_options_that_contradict_each_other(options: dict[str, Any], problem: str, table: Path) -> None:
    with pytest.raises(UsageError, match=problem):
        put([row("r1")], table, **options)


def test_a_first_merge_makes_the_table(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    for _ in range(2):
        put([row("r1", box(1, id="a"))], tmp_path / "t", mode="merge")
    assert len(states(tmp_path / "t")) == 1


def test_folders_that_are_no_such_table(tmp_path: Path, table: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="no Delta table"):
            put([row("r1")], tmp_path / "notes", overwrite=overwrite)
    write_deltalake(tmp_path / "sales", pa.table({"id": [1], "amount": [2.5]}))
    with pytest.raises(DecodeError, match=r"\$\.data_row_index: expected this column, got none"):
        annokit.read(tmp_path / "sales")
    with pytest.raises(DecodeError, match="data_row_index"):
        put([row("r1")], tmp_path / "sales", overwrite=True)
    for version in (1, 99, -1):
        with pytest.raises(InputError, match=rf"labels: expected a version from 0 to 0, got {version} "):
            delta.scan(table, version)
    with pytest.raises(InputError, match=r"from 0 to 0, got 7 \(annokit versions lists them\)"):
        annokit.read(table, version=7)
    with pytest.raises(InputError, match="too long"):
        delta.history("s" * 300)
    for call in (delta.history, delta.scan):
        with pytest.raises(InputError, match="expected the folder of a Delta table, got a file"):
            call(table.with_name("labels.report.json"))
    with pytest.raises(InputError, match="expected a Delta table, got none"):
        delta.history(tmp_path / "nowhere")
    with pytest.raises(InputError, match="expected the folder of a Delta table"):
        annokit.read(table.with_name("labels.report.json"), format="delta")


@pytest.mark.parametrize(
    "outside", ["../secret.parquet", "/etc/x.parquet", "https://host/x.parquet", "%2e%2e/x"]
)
def test_files_outside_of_the_table_are_not_opened(outside: str, table: Path) -> None:
    log = table / "_delta_log" / "00000000000000000000.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        if "add" in line:
            line["add"]["path"] = outside
    log.write_text("\n".join(json.dumps(line) for line in lines))
    with pytest.raises(UnsafeInput, match="outside of its folder"):
        annokit.read(table)


def test_a_schema_from_the_future_and_numbers_that_collide(table: Path) -> None:
    known = delta.scan(table).to_table()
    other = known.slice(0, 1).set_column(4, "data_row_id", pa.array(["r9"]))
    write_deltalake(table, other, mode="append")
    with pytest.raises(DecodeError, match="several data rows have the number 0: r1, r9"):
        list(annokit.read(table))
    assert len(states(table, 0)) == 3
    nulls = known.set_column(0, "data_row_index", pa.nulls(3, pa.int64()))
    write_deltalake(table, nulls, mode="overwrite")
    with pytest.raises(DecodeError, match="expected a number in every row, got 3 nulls"):
        list(annokit.read(table))
    log = table / "_delta_log" / "00000000000000000000.json"
    log.write_text(log.read_text().replace('"annokit.schema_version":"', '"annokit.schema_version":"9'))
    with pytest.raises(DecodeError, match="update annokit"):
        annokit.read(table, version=0)


def test_deltalake_missing_is_named(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "deltalake", None)
    for call in (lambda: annokit.read(table), lambda: delta.history(table), lambda: put([], table)):
        with pytest.raises(UsageError, match=r'pip install "annokit\[delta\]"'):
            call()


def test_from_the_command_line(samples: Path, tmp_path: Path) -> None:
    table, export = str(tmp_path / "t"), str(samples / "street.ndjson")

    def run(*words: str) -> str:
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
        return result.output

    run("convert", export, table, "--to", "delta", "--source-name", "street")
    merge = ("--mode", "merge", "--delete-missing", "data-rows", "--classes", "car")
    assert "[merge-gone]" in run("convert", export, table, "--to", "delta", "--source-name", "street", *merge)
    (first, second) = json.loads(run("versions", table, "--json"))
    assert first["added"] - second["removed"] == delta.scan(table).count_rows()
    assert run("info", table, "--version", "0") != run("info", table)
    assert "MERGE" in run("versions", table)
    run("convert", table, str(tmp_path / "before.json"), "--to", "coco", "--version", "0")


KEY = st.tuples(st.sampled_from("rstu"), st.sampled_from(["l", "m"]), st.sampled_from("abcd"))
STATE = st.dictionaries(KEY, st.integers(0, 3), max_size=8)


def rows_of(state: dict[tuple[str, str, str], int], touched: set[str]) -> list[DataRow]:
    return [
        DataRow(
            id=name,
            source="a",
            labels=tuple(
                Label(
                    id=label,
                    annotations=tuple(
                        box(x, id=key) for (r, at, key), x in state.items() if (r, at) == (name, label)
                    ),
                )
                for label in ("m", "l")
            ),
        )
        for name in sorted(touched | {key[0] for key in state})
    ]


@settings(max_examples=12)
@given(
    st.lists(
        st.tuples(STATE, st.sets(st.sampled_from("rstu")), st.sampled_from([None, "data-rows", "sources"])),
        min_size=2,
        max_size=4,
    )
)
def test_any_merges_give_what_a_dictionary_gives(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[dict[tuple[str, str, str], int], set[str], str | None]],
) -> None:
    table, model = tmp_path_factory.mktemp("merge") / "t", dict[tuple[str, str, str], int]()
    for state, touched, delete_missing in steps:
        rows = rows_of(state, touched)
        report = put(rows, table, mode="merge", delete_missing=delete_missing)
        coming = {one.id for one in rows}
        gone = {
            key
            for key in model.keys() - state.keys()
            if rows and (delete_missing == "sources" or (delete_missing and key[0] in coming))
        }
        if len(delta.history(table)) > 1:
            assert noted(report).get("merge-gone", 0) == len(gone)
        model = {key: x for key, x in (model | state).items() if key not in gone}
        assert states(table) == Counter({("a", r, at, key, "car", x) for (r, at, key), x in model.items()})
        places = delta.scan(table).to_table(columns=["data_row_index", "label_index", "annotation_index"])
        assert len({tuple(one.values()) for one in places.to_pylist()}) == len(model)


def test_the_parts_of_a_source_are_one_table(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    annokit.convert(samples / "street.ndjson", tmp_path / "whole", to="delta", source_name="street")
    monkeypatch.setattr(passes, "PART", 20_000)
    annokit.convert(samples / "street.ndjson", tmp_path / "parts", to="delta", source_name="street")
    whole, parts = (delta.scan(tmp_path / name).to_table() for name in ("whole", "parts"))
    assert whole.equals(parts)
    report = annokit.convert(
        samples / "street.ndjson", tmp_path / "whole", to="delta", source_name="street", mode="merge"
    )
    assert noted(report) == {"merge-equal": len(whole)}
