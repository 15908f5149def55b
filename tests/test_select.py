"""Choosing labels, classes and splits: the right ones, and every other one accounted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from msgspec.structs import replace

from annokit import Dataset, Report
from annokit.errors import UsageError
from annokit.model import Box, Classification, DataRow, Label, ObjectAnnotation
from annokit.report import named_label
from annokit.run import Run
from annokit.select import assign_splits, choose_labels, parse_split, rename_classes, select_classes


def label(name: str, day: int = 1, objects: int = 1, **fields: Any) -> Label:
    box = Box(x=0, y=0, width=1, height=1)
    return Label(
        id=name,
        annotator_id=f"{name}@example.com",
        created_at=datetime(2024, 1, day, tzinfo=UTC),
        annotations=tuple(ObjectAnnotation(tool_name=name, geometry=box) for _ in range(objects)),
        **fields,
    )


def chosen(labels: list[Label], policy: str | None) -> tuple[list[str | None], Report]:
    run = Run()
    rows = list(choose_labels(Dataset.from_rows([DataRow(id="r", labels=tuple(labels))]), policy).rows(run))
    return [one.id for row in rows for one in row.labels], run.report


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (None, ["b"]),
        ("newest", ["b"]),
        ("all", ["a", "b", "c"]),
        ("benchmark", ["c"]),
        ("annotator:a@example.com", ["a"]),
    ],
)
def test_policies(policy: str | None, expected: list[str]) -> None:
    labels = [label("a", 1), label("b", 9, is_selected=policy is None), label("c", 5, 2, is_benchmark=True)]
    names, report = chosen(labels, policy)
    assert names == expected
    assert report.total("superseded", "labels") == 3 - len(expected)
    kept = sum(len(one.objects) for one in labels if one.id in expected)
    assert report.total("superseded", "object:") == 4 - kept


def test_without_a_policy_the_benchmark_comes_before_the_newest() -> None:
    assert chosen([label("a", 1, is_benchmark=True), label("b", 9)], None)[0] == ["a"]


def test_of_equally_new_labels_the_last_one_counts_and_skipped_ones_do_not() -> None:
    assert chosen([label("a"), label("b")], "newest")[0] == ["b"]
    assert chosen([label("a"), label("b", 5, skipped=True)], None)[0] == ["a"]


def test_a_single_label_is_left_alone_whatever_it_is() -> None:
    names, report = chosen([label("a", skipped=True)], None)
    assert names == ["a"]
    assert report.losses == []


def test_rows_without_the_label_asked_for_are_dropped_and_named() -> None:
    rows = [DataRow(id="1", labels=(label("a"),)), DataRow(id="2", labels=(label("b"),))]
    run = Run()
    found = list(choose_labels(Dataset.from_rows(rows), "annotator:b@example.com").rows(run))
    assert [row.id for row in found] == ["2"]
    assert run.report.kinds["data_rows"]["unsupported"] == 1
    assert run.report.kinds["object:box"]["superseded"] == 1


def test_a_name_that_no_annotator_has_is_a_typo() -> None:
    with pytest.raises(UsageError, match=r"a@example\.com"):
        chosen([label("a")], "annotator:nobody")
    with pytest.raises(UsageError) as problem:
        chosen([Label(id="1"), Label(id="2")], "annotator:nobody")
    assert problem.value.hint == "no label of the source says who its annotator is"


def test_unknown_policies_are_refused() -> None:
    with pytest.raises(UsageError, match="newest, benchmark"):
        chosen([label("a")], "best")


def test_classes_keep_the_order_asked_for() -> None:
    rows = [
        DataRow(
            id="r",
            labels=(
                label("car"),
                label("dog", objects=2),
                Label(annotations=(Classification(tool_name="weather", kind="radio"),)),
            ),
        )
    ]
    dataset = rename_classes(Dataset.from_rows(rows), {"dog": "animal"})
    run = Run()
    kept = select_classes(dataset, ["animal"])
    (row,) = kept.rows(run)
    assert [tool.name for tool in kept.ontology.tools] == ["animal"]
    assert [len(one.annotations) for one in row.labels] == [0, 2, 1]
    assert run.report.kinds["object:box"]["unsupported"] == 1
    assert [tool.name for tool in select_classes(dataset, ["animal", "car"]).ontology.tools] == [
        "animal",
        "car",
    ]
    for step in (lambda: select_classes(dataset, ["dog"]), lambda: rename_classes(dataset, {"cat": "x"})):
        with pytest.raises(UsageError, match="no class is called"):
            step()


def test_a_label_without_an_id_is_named_by_its_row() -> None:
    row = DataRow(id="r", external_id="a.jpg", labels=(label("x", 1), replace(label("y", 2), id=None)))
    assert named_label(row, row.labels[0]) == "a.jpg label x"
    run = Run()
    list(
        choose_labels(
            Dataset.from_rows([replace(row, labels=row.labels[::-1])]), "annotator:x@example.com"
        ).rows(run)
    )
    (loss,) = run.report.losses
    assert loss.examples == ["a.jpg"]


def test_a_class_that_is_not_there_gets_the_near_ones_and_how_many_more_there_are() -> None:
    names = ["person", "Car", *(f"class {n}" for n in range(24))]
    dataset = Dataset.from_rows([DataRow(id="r", labels=tuple(label(name) for name in names))])
    with pytest.raises(UsageError) as caught:
        select_classes(dataset, ["persn"])
    hint = caught.value.hint
    assert hint is not None
    assert hint.startswith("did you mean 'person'? classes: Car, class 0, class 1, class 10, ")
    assert hint.endswith(", class 3, class 4 and 6 more")
    with pytest.raises(UsageError, match="did you mean 'Car'"):
        rename_classes(dataset, {"CAR": "x"})
    with pytest.raises(UsageError, match=r"\(classes: a, b\)"):
        select_classes(Dataset.from_rows([DataRow(id="r", labels=(label("b"), label("a")))]), ["zebra"])


def splits(names: list[str], shares: dict[str, float], seed: int = 1) -> dict[str, str | None]:
    rows = [DataRow(id=str(i), external_id=name) for i, name in enumerate(names)]
    dataset = assign_splits(Dataset.from_rows(rows), shares, seed)
    return {row.name: row.split for row in dataset}


@given(st.lists(st.text(min_size=1), min_size=1, unique=True), st.randoms())
def test_splits_have_exact_shares_and_do_not_depend_on_the_order(names: list[str], random: Any) -> None:
    shares = {"train": 0.8, "val": 0.2}
    found = splits(names, shares)
    assert sum(split == "train" for split in found.values()) == round(0.8 * len(names))
    random.shuffle(names)
    assert splits(names, shares) == found


def test_another_seed_gives_another_split_and_equal_names_stay_together() -> None:
    names = [f"{i}.jpg" for i in range(200)]
    shares = {"train": 0.5, "val": 0.5}
    assert splits(names, shares, 1) != splits(names, shares, 2)
    rows = [DataRow(id=str(i), external_id=f"{i % 10}.jpg") for i in range(100)]
    together: dict[str, set[str | None]] = {}
    for row in assign_splits(Dataset.from_rows(rows), shares, 1):
        together.setdefault(row.name, set()).add(row.split)
    assert all(len(found) == 1 for found in together.values())


@pytest.mark.parametrize("text", ["train", "train=.8", "train=x", "train=1.2,val=-.2", "../x=1", ""])
def test_shares_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_split(text)


def test_a_split_that_is_named_twice_is_named() -> None:
    with pytest.raises(UsageError, match="two for 'train'"):
        parse_split("train=.5,train=.5")
    with pytest.raises(UsageError, match="two for 'Train'"):
        parse_split("train=.5,Train=.5")
