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
from annokit.errors import GeometryError, LimitExceeded, UsageError
from annokit.formats import all_formats
from annokit.info import summarise
from annokit.model import (
    Answer,
    Asset,
    Box,
    Classification,
    DataRow,
    Keypoints,
    Label,
    MaskReference,
    MetadataField,
    ObjectAnnotation,
    Ontology,
    Point,
    Polygon,
    RotatedBox,
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
    (boxed(box={"x": 10**400}), r"geometry\.x: expected a number that fits 64 bits, got int 1000"),
    (boxed(frame=10**20), r"\.frame: expected a number that fits 64 bits, got int 1000"),
    (boxed(page=np.uint64(2**63)), r"\.page: expected a number that fits 64 bits"),
    (boxed(tool_name="\ud800"), r"\.tool_name: expected a text without lone surrogates"),
    (
        boxed(extra={"coco": {"k": [0, object()]}}),
        r"\.extra\.coco\.k\[1\]: expected what JSON can hold, got object",
    ),
    (boxed(extra={"coco": {"k": "\udfff"}}), r"\.extra\.coco\.k: expected a text without lone"),
    (boxed(extra={"coco": {(1, 2): 3}}), r"\.extra\.coco: expected a text as a key of JSON, got tuple"),
    (
        boxed(extra={"coco": np.array([1, None, object()])}),
        r"\.extra\.coco\[2\]: expected what JSON can hold",
    ),
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


@pytest.mark.parametrize("format", WRITTEN)
def test_a_confidence_that_is_not_a_number_is_none(format: str, tmp_path: Path) -> None:
    for name, score in (("none", None), ("nan", float("nan")), ("numpy", np.float32("nan"))):
        (tmp_path / name).mkdir()
        annokit.write([boxed(confidence=score, id="o1")], tmp_path / name / "out", format=format)
    contents = [content(tmp_path / name / "out") for name in ("none", "nan", "numpy")]
    assert contents[0] == contents[1] == contents[2]


def test_a_missing_time_of_pandas_is_none() -> None:
    pandas = pytest.importorskip("pandas")
    (found,) = Dataset.from_rows([DataRow(id="r1", labels=(Label(created_at=pandas.NaT),))])
    assert found.labels[0].created_at is None


def test_numbers_of_a_shape_may_be_no_numbers() -> None:
    (found,) = Dataset.from_rows([boxed(box={"x": float("nan")})])
    assert np.isnan(found.labels[0].objects[0].geometry.x)  # type: ignore[union-attr]  # a box


@pytest.mark.parametrize(
    ("offsets", "parts", "said"),
    [
        ([0, 99], [0, 1], "ring_offsets to rise from 0 to 3"),
        ([0, 3], [0, 2], "part_offsets to rise from 0 to 1"),
    ],
)
def test_rings_of_readonly_arrays_have_to_fit(offsets: list[int], parts: list[int], said: str) -> None:
    arrays = [np.array([(1.0, 2), (3, 4), (5, 1)]), np.array(offsets), np.array(parts)]
    for array in arrays:
        array.flags.writeable = False
    shape = Polygon(coords=arrays[0], ring_offsets=arrays[1], part_offsets=arrays[2])
    with pytest.raises(GeometryError, match=rf"data_row=r1 \$\.labels.*\.geometry: expected {said}"):
        Dataset.from_rows([boxed(geometry=shape)])


@pytest.mark.parametrize(("given", "got"), [(DataRow(id="r1"), "one data row"), (None, "None"), (5, "5")])
def test_what_are_no_rows_is_said(given: Any, got: str, tmp_path: Path) -> None:
    for use in (Dataset.from_rows, lambda rows: annokit.write(rows, tmp_path / "o.json", format="coco")):
        with pytest.raises(UsageError, match=f"expected a dataset or a list of data rows, got {got}"):
            use(given)


def test_no_keypoints_and_no_corners_are_refused_as_such() -> None:
    with pytest.raises(GeometryError, match="expected an array of shape"):
        Keypoints(coords=[(1, 2)], visibility=[])
    with pytest.raises(GeometryError, match="expected an array of shape"):
        RotatedBox(corners=[])


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


def test_a_picture_shows_texts_that_no_output_can_hold() -> None:
    row = boxed(tool_name="\ud800", id="o1")
    assert rb"\ud800" in view.render(row)
    with pytest.raises(
        UsageError, match=r"ontology \$\.tools\[0\]\.name: expected a text without lone surrogates"
    ):
        Dataset.from_rows([], Ontology(tools=(Tool(name="\ud800"),)))


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
