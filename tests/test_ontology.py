"""Ontologies: the platform's JSON there and back, made in Python, derived from labels, compared with labels."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import annokit
from annokit.cli import app
from annokit.errors import InputError, UsageError
from annokit.model import (
    Answer,
    Box,
    Classification,
    DataRow,
    Keypoints,
    Label,
    ObjectAnnotation,
    Point,
    Polygon,
    Relationship,
    Tool,
)
from annokit.ontology import (
    TOOL_TYPES,
    checklist,
    derive,
    ontology,
    option,
    parse,
    radio,
    read,
    text,
    to_json,
    tool,
    write,
)
from annokit.validate import validate
from tests.formats.labelbox_rules import differences

STREET = ontology(
    tools=[
        tool(
            "car",
            "box",
            questions=[radio("colour", ["red", option("other", [text("which", required=True)])])],
        ),
        tool("car", "polygon", color="#00ff00"),
        tool("road", "mask", required=True),
        tool("next to", "relationship"),
    ],
    questions=[checklist("weather", ["dry", "wet"], required=True), text("notes")],
)


def test_the_platforms_client_builds_the_same() -> None:
    from labelbox import Classification as Question
    from labelbox import OntologyBuilder, Option
    from labelbox import Tool as Marker

    weather = Question(Question.Type.CHECKLIST, "weather", options=[Option("dry"), Option("wet")])
    weather.required = True
    colour = Question(Question.Type.RADIO, "colour", options=[Option("red"), Option("blue")])
    made = OntologyBuilder(
        tools=[
            Marker(Marker.Type.BBOX, "car", classifications=[colour]),
            Marker(Marker.Type.RASTER_SEGMENTATION, "road"),
        ],
        classifications=[weather],
    ).asdict()
    ours = ontology(
        tools=[tool("car", "box", questions=[radio("colour", ["red", "blue"])]), tool("road", "mask")],
        questions=[checklist("weather", ["dry", "wet"], required=True)],
    )
    assert differences(made, to_json(ours)) == [("$.classifications[0].scope", "global", "absent")]
    assert OntologyBuilder.from_dict(to_json(ours)).asdict() == made
    assert differences(to_json(parse(made)), made) == []


def test_there_and_back(tmp_path: Path) -> None:
    write(STREET, tmp_path / "o.json")
    again = read(tmp_path / "o.json")
    assert [one.color for one in again.tools][1] == "#00ff00"
    assert parse(to_json(again)) == again
    assert again.tools[0].classifications == STREET.tools[0].classifications
    with pytest.raises(annokit.AnnokitError, match="exists"):
        write(STREET, tmp_path / "o.json")


def test_the_platforms_own_ontologies_come_back(shared: Path) -> None:
    found = json.loads((shared / "labelbox" / "normalized_ontology_by_media_type.json").read_bytes())
    for medium, document in found.items():
        left = differences(document, to_json(parse(document)))
        assert all(path.endswith(".color") and before == "absent" for path, before, _ in left), medium


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"tools": [{"name": "car"}]}, r'\$\.tools\[0\]: expected the key "tool"'),
        ({"tools": 3}, r"\$\.tools: expected"),
        ({"classifications": [{"type": "radio"}]}, 'a question with "instructions" or "name"'),
        ([], "expected"),
        ({"foo": 1}, "expected an ontology with tools or classifications, got the keys foo"),
        ({}, "expected an ontology with tools or classifications, got the keys none"),
        ({"tools": None}, r"\$\.tools: expected"),
    ],
)
def test_what_is_no_ontology_is_refused(document: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        parse(json.dumps(document).encode())


def test_kinds_the_platform_does_not_have_are_refused() -> None:
    with pytest.raises(UsageError, match="'nose' is of kind time_range"):
        to_json(ontology([Tool(name="nose", kind="time_range")]))
    assert to_json(ontology([tool("best", "message-ranking")]))["tools"][0]["tool"] == "message-ranking"


def asked(name: str, *options: str, kind: Any = "radio") -> Classification:
    return Classification(tool_name=name, kind=kind, answers=tuple(Answer(name=one) for one in options))


BOX = Box(x=0, y=0, width=4, height=4)


def labels(*annotations: Any) -> annokit.Dataset:
    return annokit.Dataset.from_rows([DataRow(id="r", labels=(Label(annotations=annotations),))])


def test_one_is_derived_from_labels() -> None:
    found = derive(
        labels(
            ObjectAnnotation(tool_name="car", geometry=BOX, classifications=(asked("colour", "red"),)),
            ObjectAnnotation(tool_name="car", geometry=Polygon(coords=[(0, 0), (4, 0), (4, 4)])),
            ObjectAnnotation(tool_name="car", geometry=BOX, classifications=(asked("colour", "blue"),)),
            ObjectAnnotation(tool_name="pose", geometry=Keypoints(coords=[], visibility=[])),
            Relationship(tool_name="next to"),
            asked("weather", "dry", kind="checklist"),
        )
    )
    assert [(one.name, one.kind) for one in found.tools] == [
        ("car", "box"),
        ("car", "polygon"),
        ("next to", "relationship"),
    ]
    assert [one.name for one in found.tools[0].classifications[0].options] == ["red", "blue"]
    assert [(one.name, one.kind) for one in found.classifications] == [("weather", "checklist")]
    assert to_json(found)["tools"][2]["tool"] == "edge"


def test_labels_are_compared_with_one() -> None:
    which = Answer(name="other")
    dataset = labels(
        ObjectAnnotation(tool_name="bus", geometry=BOX),
        ObjectAnnotation(tool_name="car", geometry=Point(x=1, y=1)),
        ObjectAnnotation(
            tool_name="car", geometry=BOX, classifications=(asked("colour", "green"), asked("mood", "x"))
        ),
        ObjectAnnotation(
            tool_name="car",
            geometry=BOX,
            classifications=(Classification(tool_name="colour", kind="radio", answers=(which,)),),
        ),
        asked("notes", "a", kind="checklist"),
    )
    found = validate(dataset, ontology=STREET)
    counts: Counter[tuple[str, str]] = Counter()  # findings of one code may differ in what they say
    for one in found.findings:
        if one.code.startswith("ontology"):
            counts[one.code, one.kind] += one.count
    assert counts == {
        ("ontology-no-tool", "object:box"): 1,
        ("ontology-wrong-kind", "object:point"): 1,
        ("ontology-wrong-kind", "classifications"): 1,
        ("ontology-no-option", "classifications"): 1,
        ("ontology-no-question", "classifications"): 1,
        ("ontology-required", "classifications"): 1,  # which other colour
        ("ontology-required", "labels"): 2,  # the weather, and a road
    }


def test_labels_that_fit_are_left_alone() -> None:
    dataset = labels(
        ObjectAnnotation(tool_name="car", geometry=BOX, classifications=(asked("colour", "red"),)),
        ObjectAnnotation(tool_name="road", geometry=annokit.model.MaskReference(uri="https://example.com/m")),
        asked("weather", "dry", "wet", kind="checklist"),
        Classification(tool_name="notes", kind="text", text="x"),
    )
    assert [
        one for one in validate(dataset, ontology=STREET).findings if one.code.startswith("ontology")
    ] == []


def test_the_commands(samples: Path, tmp_path: Path) -> None:
    run = CliRunner()
    made = tmp_path / "o.json"
    result = run.invoke(
        app, ["ontology", str(samples / "street.ndjson"), "-o", str(made)], standalone_mode=False
    )
    assert result.exception is None, result.output
    document = json.loads(made.read_bytes())
    assert document["tools"][0]["tool"] in ("rectangle", "polygon", "raster-segmentation")
    checked = run.invoke(
        app,
        ["validate", str(samples / "street.ndjson"), "--ontology", str(made), "--json"],
        standalone_mode=False,
    )
    assert not [one for one in json.loads(checked.output)["findings"] if one["code"].startswith("ontology")]


def test_tools_of_unknown_types_are_named() -> None:
    words = ["rectangel", "superpixel", "rectangle", "message-ranking"]
    found = parse({"tools": [{"tool": word, "name": f"a {word}"} for word in words]})
    (finding,) = validate(annokit.Dataset.from_rows([]), ontology=found).findings
    assert (finding.code, finding.severity, finding.count) == ("ontology-unknown-type", "warning", 1)
    assert str(finding.examples[0]) == "a rectangel is of type rectangel"
    assert "rectangle, polygon" in finding.message


def test_the_clients_tools_are_known() -> None:
    from labelbox import Tool as ClientsTool

    assert {one.value for one in ClientsTool.Type} <= set(TOOL_TYPES)
