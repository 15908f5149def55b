"""Questions below questions: 64 go through everything, a deeper one costs its data row, whatever the format."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import annokit
from annokit import consensus, insights, ontology, view
from annokit.dataset import Dataset
from annokit.diff import diff
from annokit.errors import AnnokitError, LimitExceeded
from annokit.formats import all_formats
from annokit.info import summarise
from annokit.model import Answer, Classification, DataRow, Label, Option, Tool, dump, parse
from annokit.run import Run
from annokit.tables import NAMED
from annokit.validate import validate

DEEPEST = 64
BOX = {"top": 1, "left": 1, "height": 5, "width": 5}


def nested(depth: int, start: str, end: str) -> str:
    """JSON text, so that no encoder has to go down into it."""
    return start * depth + end * depth


def filled(documents: list[dict[str, Any]], text: str) -> list[str]:
    return [json.dumps(one).replace('"HERE"', text) for one in documents]


def labelbox(depth: int) -> bytes:
    def row(name: str, first: list[str], second: list[str]) -> dict[str, Any]:
        cat = {"name": "cat", "annotation_kind": "ImageBoundingBox", "bounding_box": BOX}
        said = {"objects": [cat | {"classifications": first}], "classifications": second}
        labels = [{"id": f"{name} {who}", "annotations": said} for who in ("x", "y")]
        size = {"width": 10, "height": 10}
        names = {"id": name, "external_id": f"{name}.jpg"}
        return {"data_row": names, "media_attributes": size, "projects": {"p": {"labels": labels}}}

    text = nested(depth, '{"name": "q", "radio_answer": {"name": "a", "classifications": [', "]}}")
    rows = [row("r1", [], []), row("r2", ["HERE"], []), row("r3", [], ["HERE"]), row("r4", [], [])]
    return "\n".join(filled(rows, text)).encode()


def labelbox_v1(depth: int) -> bytes:
    def entry(name: str, asked: list[str]) -> dict[str, Any]:
        label = {"objects": [], "classifications": asked}
        return {"ID": f"l{name}", "DataRow ID": name, "External ID": f"{name}.jpg", "Label": label}

    text = nested(depth, '{"title": "q", "answer": {"title": "a", "classifications": [', "]}}")
    whole = [entry("r1", []), entry("r2", ["HERE"]), entry("r3", ["HERE"]), entry("r4", [])]
    return f"[{','.join(filled(whole, text))}]".encode()


def labelbox_import(depth: int) -> bytes:
    text = nested(depth - 1, '{"name": "q", "answer": {"name": "a", "classifications": [', "]}}")
    asked = {"name": "q", "answer": [{"name": "a", "classifications": ["HERE"] if depth > 1 else []}]}
    lines = [
        {"dataRow": {"globalKey": "r1"}, "name": "cat", "bbox": BOX},
        {"dataRow": {"globalKey": "r2"}, "name": "cat", "bbox": BOX, "classifications": [asked]},
        {"dataRow": {"globalKey": "r3"}} | asked,
        {"dataRow": {"globalKey": "r4"}, "name": "cat", "bbox": BOX},
    ]
    return "\n".join(filled(lines, text)).encode()


READ: dict[str, Callable[[int], bytes]] = {
    "labelbox": labelbox,
    "labelbox-v1": labelbox_v1,
    "labelbox-import": labelbox_import,
}
WRITTEN = [one.name for one in all_formats() if one.writer is not None]


def stacked(depth: int) -> Classification:
    """Questions a user makes, each below an answer to the one above it."""
    asked: tuple[Classification, ...] = ()
    for _ in range(depth):
        asked = (
            Classification(tool_name="q", kind="radio", answers=(Answer(name="a", classifications=asked),)),
        )
    return asked[0]


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize("write", WRITTEN)
def test_the_deepest_questions_go_through_every_format(read: str, write: str, tmp_path: Path) -> None:
    report = annokit.convert(READ[read](DEEPEST), tmp_path / "out", to=write, format=read)
    assert report.total("read", "data_rows") == 4


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize("depth", [DEEPEST + 1, 150, 200, 250, 300])
def test_deeper_questions_cost_their_data_rows(read: str, depth: int, tmp_path: Path) -> None:
    options: Any = {"to": "coco", "format": read, "on_error": "quarantine"}
    report = annokit.convert(READ[read](depth), tmp_path / "out", **options)
    assert report.total("quarantined") == 2
    put_aside = (tmp_path / "out.quarantine.ndjson").read_bytes().splitlines()
    assert [json.loads(line)["code"] for line in put_aside] == ["limit"] * 2
    images = json.loads((tmp_path / "out").read_bytes())["images"]
    assert [image["file_name"].partition(".")[0] for image in images] == ["r1", "r4"]


def test_a_row_that_is_put_aside_leaves_no_class_behind() -> None:
    rows = labelbox(DEEPEST + 1).replace(b"cat", b"dog", 1)
    assert [tool.name for tool in annokit.read(rows, format="labelbox").ontology.tools] == ["dog", "cat"]
    assert annokit.read(rows, format="labelbox").ontology.classifications == ()


@pytest.mark.parametrize(
    "use",
    [
        summarise,
        validate,
        ontology.derive,
        consensus.score,
        consensus.annotators,
        consensus.review,
        insights.open_insights,
        lambda dataset: list(consensus.merge(dataset)),
        lambda dataset: diff(dataset, dataset),
        lambda dataset: ontology.parse(ontology.to_json(dataset.ontology)),
        lambda dataset: [view.render(row) for row in dataset],
        lambda dataset: [dataset.to_arrow(name) for name in NAMED],
        lambda dataset: [parse(dump(row)) for row in dataset],
    ],
)
def test_the_deepest_questions_go_through_everything_else(use: Callable[[Dataset], object]) -> None:
    use(annokit.read(labelbox(DEEPEST), format="labelbox"))


def test_questions_made_in_python_are_no_deeper() -> None:
    with pytest.raises(LimitExceeded, match="questions nested 64 deep at most"):
        stacked(DEEPEST + 1)
    inner = dump(stacked(DEEPEST)).decode().partition('"record":')[2][:-1]
    outer = (
        '{"type":"classification","tool_name":"q","kind":"radio","answers":[{"name":"a","classifications":['
    )
    with pytest.raises(LimitExceeded, match="64 deep"):
        parse(f'{{"annokit_schema":1,"record":{outer}{inner}]}}]}}}}')


def test_an_ontology_is_no_deeper() -> None:
    def asked(depth: int) -> bytes:
        start = '{"type": "radio", "instructions": "q", "options": [{"label": "a", "value": "a", "options": ['
        return f'{{"tools": [], "classifications": [{nested(depth, start, "]}]}")}]}}'.encode()

    assert ontology.parse(asked(DEEPEST)).classifications
    for depth in (DEEPEST + 2, 220, 300, 1000):
        with pytest.raises(LimitExceeded, match="nested"):
            ontology.parse(asked(depth))
    tool = Tool(name="q")
    for _ in range(DEEPEST):
        tool = Tool(name="q", options=(Option(name="a", classifications=(tool,)),))
    with pytest.raises(LimitExceeded, match="nested"):
        Tool(name="q", classifications=(tool,))


def test_questions_of_a_parquet_file_are_no_deeper(tmp_path: Path) -> None:
    row = DataRow(id="r1", labels=(Label(annotations=(stacked(DEEPEST),)),))
    annokit.write([row], tmp_path / "in", format="parquet")
    assert list(annokit.read(tmp_path / "in")) == [row]
    (file,) = (tmp_path / "in").glob("classifications*.parquet")
    table = pq.read_table(file)
    last = table.slice(len(table) - 1)
    for column, value in (
        ("classification_index", DEEPEST),
        ("parent_index", DEEPEST - 1),
        ("parent_answer", 0),
    ):
        place = last.schema.get_field_index(column)
        last = last.set_column(
            place, last.schema.field(place), pa.array([value], last.schema.field(place).type)
        )
    pq.write_table(pa.concat_tables([table, last]), file)
    with pytest.raises(AnnokitError, match="64 deep"):
        list(annokit.read(tmp_path / "in"))
    run = Run(on_error="skip")
    assert [len(row.labels) for row in annokit.read(tmp_path / "in").rows(run)] == [1]
    assert run.report.total("skipped", "classifications") >= 1


@pytest.mark.parametrize("depth", range(900, 1000, 4))
def test_what_can_just_be_read_is_no_crash_where_it_cannot_be_written(depth: int, tmp_path: Path) -> None:
    document = b'{"info": {"x": %s}, "images": [], "annotations": [], "categories": []}'
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    try:
        annokit.convert(document % deep, tmp_path / "out", to="parquet", format="coco")
    except LimitExceeded:
        assert not list(tmp_path.iterdir())


def test_a_parsed_document_that_is_too_deep_is_a_limit() -> None:
    deep: dict[str, Any] = {}
    for _ in range(2000):
        deep = {"a": deep}
    with pytest.raises(LimitExceeded, match="nested too deeply"):
        annokit.read({"info": deep, "images": [], "annotations": []}, format="coco")
    with pytest.raises(LimitExceeded, match="nested too deeply"):
        ontology.parse({"tools": [], "x": deep})
