"""What a user puts into records: numpy's scalars are plain numbers and texts, other types are named at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import annokit
from annokit import consensus, insights, view
from annokit.dataset import Dataset
from annokit.diff import diff
from annokit.errors import LimitExceeded, UsageError
from annokit.formats import all_formats
from annokit.info import summarise
from annokit.model import (
    Answer,
    Asset,
    Box,
    Classification,
    DataRow,
    Label,
    MaskReference,
    MetadataField,
    ObjectAnnotation,
    Ontology,
    Point,
    TextSpan,
    Tool,
    dump,
)
from annokit.validate import validate

# files of Delta tables have names of their own each time
WRITTEN = [one.name for one in all_formats() if one.writer is not None and one.name != "delta"]


def row(number: Callable[[Any], Any], whole: Callable[[Any], Any], text: Callable[[Any], Any]) -> DataRow:
    """A row of one content, whatever its numbers and texts are made of."""
    box = Box(x=number(0.1), y=whole(20), width=number(30.5), height=number(40))
    asked = Classification(
        tool_name=text("wet"), kind="radio", answers=(Answer(name=text("yes"), confidence=number(0.3)),)
    )
    car = ObjectAnnotation(
        tool_name=text("car"),
        geometry=box,
        id=text("o1"),
        box=box,
        confidence=number(0.7),
        classifications=(asked,),
        extra={"coco": {"more": number(0.1), "list": [whole(1)]}},
    )
    moment = datetime(2024, 5, 1, tzinfo=UTC)
    label = Label(
        id=text("l1"),
        annotator_id=text("a"),
        created_at=moment,
        seconds_to_create=number(5),
        annotations=(car, asked),
    )
    return DataRow(
        id=text("r1"),
        external_id=text("street.jpg"),
        asset=Asset(width=whole(640), height=whole(480)),
        metadata=(MetadataField(name=text("m"), value=number(0.1)),),
        labels=(label,),
    )


def plain() -> DataRow:
    return row(lambda value: float(np.float32(value)), int, str)


def of_numpy() -> DataRow:
    return row(np.float32, np.int64, np.str_)


def boxed(**fields: Any) -> DataRow:
    """A row of one box, with another value in one place."""
    box = {"x": 1, "y": 2, "width": 3, "height": 4} | fields.pop("box", {})
    one: Any = {"tool_name": "car", "geometry": Box(**box)} | fields
    return DataRow(id="r1", labels=(Label(annotations=(ObjectAnnotation(**one),)),))


def content(place: Path) -> dict[str, bytes]:
    files = [place] if place.is_file() else sorted(one for one in place.rglob("*") if one.is_file())
    return {str(one.relative_to(place)): one.read_bytes() for one in files}


@pytest.mark.parametrize("format", WRITTEN)
def test_every_writer_takes_numpys_scalars(format: str, tmp_path: Path) -> None:
    for name, made in (("plain", plain()), ("numpy", of_numpy())):
        (tmp_path / name).mkdir()
        annokit.write([made], tmp_path / name / "out", format=format)
    assert content(tmp_path / "plain" / "out") == content(tmp_path / "numpy" / "out")


def test_numbers_are_the_same_to_the_last_bit() -> None:
    (found,) = Dataset.from_rows([of_numpy()])
    assert found == plain()
    box = found.labels[0].objects[0].geometry
    assert isinstance(box, Box)
    assert [type(one) for one in box.xyxy] == [float, int, float, float]
    assert box.x == float(np.float32(0.1))
    assert type(found.id) is str


def test_a_row_that_is_plain_is_the_same_row() -> None:
    made = plain()
    (found,) = Dataset.from_rows([made])
    assert found is made


def test_lists_do_for_tuples() -> None:
    listed: Any = [Label(annotations=[*plain().labels[0].annotations])]  # type: ignore[arg-type]
    (found,) = Dataset.from_rows([DataRow(id="r1", labels=listed)])
    assert found.labels[0].annotations == plain().labels[0].annotations


def test_an_ontology_and_a_document_may_hold_them_too(tmp_path: Path) -> None:
    ontology = Ontology(tools=(Tool(name=np.str_("car"), kind="box"),))
    annokit.write(Dataset.from_rows([of_numpy()], ontology), tmp_path / "o.json", format="coco")
    assert dump(of_numpy()) == dump(plain())
    image = {"id": np.int64(1), "file_name": np.str_("a.jpg"), "width": np.int32(4), "height": 3}
    found = annokit.read({"images": [image], "annotations": [], "categories": []}, format="coco")
    assert [one.asset.width for one in found] == [4]
    with pytest.raises(UsageError, match="object"):
        annokit.read({"images": [object()]}, format="coco")


WRONG: list[tuple[DataRow, str]] = [
    (DataRow(id=1), r"data_row=1 \$\.id: expected a text, got int 1"),  # type: ignore[arg-type]
    (
        boxed(box={"x": "10"}),
        r"\$\.labels\[0\]\.annotations\[0\]\.geometry\.x: expected a number, got str '10'",
    ),
    (boxed(box={"x": True}), r"geometry\.x: expected a number, got bool True"),
    (boxed(box={"x": ()}), r"geometry\.x: expected a number, got tuple \(\)"),
    (boxed(box={"x": None}), r"geometry\.x: expected a number, got None"),
    (boxed(tool_name=None), r"annotations\[0\]\.tool_name: expected a text, got None"),
    (boxed(geometry="box"), r"\.geometry: expected Box or .*, got str 'box'"),
    (boxed(space="pixels"), r"\.space: expected .*'pixel'.*, got str 'pixels'"),
    (boxed(confidence="high"), r"\.confidence: expected a number or None, got str 'high'"),
    (boxed(is_crowd=1), r"\.is_crowd: expected True or False, got int 1"),
    (boxed(extra=5), r"\.extra: expected a dict, got int 5"),
    (
        boxed(classifications=(Point(x=1, y=2),)),
        r"\.classifications\[0\]: expected Classification, got Point",
    ),
    (
        boxed(geometry=MaskReference(uri="m.png", color=(1, 2))),  # type: ignore[arg-type]
        r"\.geometry\.color: expected a tuple of 3 or None, got tuple",
    ),
    (
        boxed(geometry=TextSpan(start=1.5, end=3)),  # type: ignore[arg-type]
        r"\.geometry\.start: expected a whole number, got float 1\.5",
    ),
    (
        DataRow(id="r1", labels=(Label(created_at="2024-05-01"),)),  # type: ignore[arg-type]
        r"data_row=r1 \$\.labels\[0\]\.created_at: expected a datetime or None, got str '2024-05-01'",
    ),
    (DataRow(id="r1", labels=Label()), r"\.labels: expected a tuple of Label, got Label"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_another_type_is_named_before_anything_is_written(wrong: DataRow, said: str, tmp_path: Path) -> None:
    def rows() -> Iterator[DataRow]:
        yield plain()
        yield wrong

    for given in ([wrong], rows(), Dataset(lambda _run: rows())):
        with pytest.raises(UsageError, match=said):
            annokit.write(given, tmp_path / "out.json", format="coco")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "use",
    [
        list,
        summarise,
        validate,
        consensus.score,
        consensus.annotators,
        insights.open_insights,
        lambda dataset: diff(dataset, dataset),
        lambda dataset: dataset.ontology,
        lambda dataset: dataset.to_arrow(),
    ],
)
def test_whatever_takes_rows_of_a_user_looks_at_them(use: Callable[[Dataset], object]) -> None:
    use(Dataset(lambda _run: [of_numpy()]))
    with pytest.raises(UsageError, match=r"geometry\.x: expected a number, got str '10'"):
        use(Dataset(lambda _run: [boxed(box={"x": "10"})]))


def test_a_picture_of_a_row_looks_at_it() -> None:
    assert view.render(of_numpy()) == view.render(plain())
    with pytest.raises(UsageError, match="got str '10'"):
        view.render(boxed(box={"x": "10"}))


def test_what_is_nested_too_deeply_is_a_limit() -> None:
    deep: dict[str, Any] = {}
    deep["again"] = deep
    with pytest.raises(LimitExceeded, match="data_row=r1"):
        Dataset.from_rows([DataRow(id="r1", extra=deep)])


def test_rows_of_readers_are_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_record: object) -> None:
        raise AssertionError("a reader's row")

    monkeypatch.setattr("annokit.checked.checked", refuse)
    line = {"data_row": {"id": "r1", "row_data": "a.jpg"}, "projects": {}}
    found = annokit.read([line, line], format="labelbox")
    assert len(list(found)) == len(found.outline.keys) == 2
    both = annokit.read([b'{"data_row": {"id": "r1"}}', b'{"data_row": {"id": "r2"}}'], format="labelbox")
    assert len(list(both)) == len(both.outline.keys) == 2
