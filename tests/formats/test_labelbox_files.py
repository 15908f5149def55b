"""Every file of the platform that we have: counted by hand, read, and written back as it stood.

`ANNOTATED` and `OTHERS` name each file of the collection once. Parts of documents, as the documentation and the
notebooks show them, are put where they would stand in a whole file.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import annokit
from annokit import data_rows, ontology
from annokit.errors import UsageError
from tests.formats.labelbox_rules import differences, documents

Json = dict[str, Any]

ANNOTATED: dict[str, dict[str, int]] = {
    "export_v1/image_export.json": {
        "object:box": 4,
        "object:mask_reference": 1,
        "object:polygon": 2,
        "object:point": 1,
        "object:line": 2,
        "classifications": 8,
    },
    "export_v1/pdf_export.json": {"object:box": 7},
    "export_v1/text_export.json": {"object:text_span": 4, "classifications": 2},
    "export_v1/video_export.json": {"tracks": 7, "keyframes": 477},
    "export_v2/audio.json": {"classifications": 2},
    "export_v2/boxes_two_rows.ndjson": {"data_rows": 2, "labels": 2, "object:box": 16},
    "export_v2/conversation.json": {"object:text_span": 1, "classifications": 2},
    "export_v2/dicom.json": {"tracks": 1, "keyframes": 1},
    "export_v2/document.json": {"object:token_span": 1, "object:box": 1, "classifications": 2},
    "export_v2/export_quick_reference_image_head.json": {},
    "export_v2/export_v1_objects.json": {"object:box": 4, "object:point": 2},
    "export_v2/export_v2_classifications.json": {"classifications": 3},
    "export_v2/export_v2_objects.json": {
        "object:box": 2,
        "object:polygon": 1,
        "object:line": 2,
        "object:mask_reference": 1,
        "object:text_span": 1,
    },
    "export_v2/export_v2_video_label.json": {"tracks": 1, "keyframes": 2, "classifications": 1},
    "export_v2/image.json": {"object:polygon": 1, "object:box": 1, "object:line": 1, "classifications": 2},
    "export_v2/text.json": {"object:text_span": 1, "classifications": 2},
    "export_v2/video.json": {"classifications": 1},
    "import/classification_import.json": {"classifications": 3},
    "import/classification_import_name_only.json": {"classifications": 3},
    "import/conversation_entity_without_confidence_import.json": {"object:text_span": 1},
    "import/custom_scalar_import.json": {"object:unknown": 3},
    "import/image_import.json": {
        "object:box": 1,
        "object:mask_reference": 1,
        "object:polygon": 1,
        "object:point": 1,
    },
    "import/metric_import.json": {"object:unknown": 1},
    "import/mmc_import.json": {"object:unknown": 3},
    "import/nested_import_name_only.json": {"object:box": 4, "classifications": 4},
    "import/pdf_import.json": {"object:box": 6, "object:token_span": 1},
    "import/polyline_import.json": {"object:line": 1},
    "import/rectangle_import.json": {"object:box": 1},
    "import/relationship_import.json": {"object:box": 4, "relationships": 2},
    "import/text_entity_without_confidence_import.json": {"object:text_span": 1},
    "import/video_import.json": {"classifications": 3, "tracks": 3, "keyframes": 9},
    "import_by_media/Audio.ndjson": {"classifications": 2},
    "import_by_media/Conversational.ndjson": {"classifications": 2, "object:text_span": 1},
    "import_by_media/Dicom.ndjson": {"tracks": 1, "keyframes": 1},
    "import_by_media/Document.ndjson": {"object:token_span": 1, "classifications": 2, "object:box": 1},
    "import_by_media/Image.ndjson": {
        "object:polygon": 1,
        "object:box": 1,
        "object:line": 1,
        "classifications": 2,
    },
    "import_by_media/Image_mask_uri.ndjson": {"object:mask_reference": 1},
    "import_by_media/Text.ndjson": {"classifications": 2, "object:text_span": 1},
    "import_by_media/Video.ndjson": {"classifications": 1},
    "notebook_import/audio.json": {"classifications": 3},
    "notebook_import/conversational.json": {"object:text_span": 1, "classifications": 7},
    "notebook_import/dicom.json": {"tracks": 2, "keyframes": 4},
    "notebook_import/image.json": {
        "object:box": 4,
        "object:polygon": 1,
        "object:point": 1,
        "object:line": 1,
        "relationships": 1,
        "classifications": 8,
    },
    "notebook_import/pdf.json": {
        "object:token_span": 4,
        "object:box": 4,
        "relationships": 2,
        "classifications": 10,
    },
    "notebook_import/text.json": {"object:text_span": 1, "classifications": 7},
    "notebook_import/tiled.json": {
        "object:point": 1,
        "object:line": 1,
        "object:polygon": 1,
        "object:box": 3,
        "classifications": 8,
    },
    "notebook_import/video.json": {"tracks": 6, "keyframes": 14, "classifications": 11},
}
"""How many of each kind, questions below others counted in; one data row and label where none are stated."""


OTHERS: dict[str, str] = {
    **dict.fromkeys(
        [f"assets/{name}.png" for name in ("line", "mask", "point", "polygon", "rectangle")],
        "an image without labels",
    ),
    "assets/arxiv-pdf_data_99-word-token-pdfs_0801.3483-lb-textlayer.json": "the words of a document",
    "assets/conversation-1.json": "a conversation without labels",
    "assets/sample_text.txt": "a text without labels",
    "data_row_payloads.json": "data rows",
    "labelspark/annotations.csv": "data rows",
    "labelspark/attachments.csv": "data rows",
    "labelspark/full-import.csv": "data rows",
    "labelspark/metadata.csv": "data rows",
    "labelspark/urls.csv": "data rows",
    "make_export.py": "a script that makes exports",
    "normalized_ontology_by_media_type.json": "an ontology",
}
"""What has no annotations: it is told from what has, by one clear error."""

DECLARED: dict[str, list[tuple[str, Any, Any]]] = {
    # a frame 0, which the platform does not have, is taken for the first
    "import/video_import.json": [("$[1].frames[0].start", 0, 1)],
}
"""What is not written as it stood, beside what is the same in other words (`labelbox_rules`)."""


def v1(**said: Any) -> list[Json]:
    scores = {"Agreement": -1, "Benchmark Agreement": -1, "Skipped": False}
    return [{"ID": "l", "DataRow ID": "r", "Labeled Data": "https://example.com/r", "Label": said} | scores]


def v2(label: Json) -> list[Json]:
    head = {"data_row": {"id": "r", "row_data": "https://example.com/r"}}
    return [head | {"projects": {"p": {"name": "p", "labels": [label]}}}]


def v2_annotations(**said: Any) -> list[Json]:
    return v2({"label_kind": "Default", "version": "1.0.0", "id": "l", "annotations": said})


def lines(found: Json) -> list[Json]:
    """The payloads of a notebook, which have no data row yet."""
    return [{"dataRow": {"globalKey": "k"}} | one for one in found.values()]


WHOLE: dict[str, Callable[[Any], list[Json]]] = {
    "export_v2/export_v1_objects.json": lambda found: v1(objects=found),
    "export_v2/export_v2_objects.json": lambda found: v2_annotations(objects=found),
    "export_v2/export_v2_classifications.json": lambda found: v2_annotations(classifications=found),
    "export_v2/export_v2_video_label.json": v2,
    **dict.fromkeys(
        [
            f"export_v2/{name}.json"
            for name in ("audio", "conversation", "dicom", "document", "image", "text", "video")
        ],
        lambda found: v2_annotations(**found),
    ),
    **dict.fromkeys([name for name in ANNOTATED if name.startswith("notebook_import/")], lines),
}
"""How a part becomes a whole document."""


def whole(name: str, path: Path) -> list[Json]:
    if name in WHOLE:
        return WHOLE[name](json.loads(path.read_bytes()))
    return documents(path)


def in_order(rows: list[Json]) -> list[Json]:
    """Import rows as they are written: those of a data row together, links last, checklists under one key."""
    if "dataRow" not in rows[0]:
        return rows
    for row in rows:
        row["answer"] = row.pop("answers", row.get("answer"))
    keys = list(dict.fromkeys(json.dumps(row["dataRow"]) for row in rows))
    return sorted(rows, key=lambda row: (keys.index(json.dumps(row["dataRow"])), "relationship" in row))


def test_every_file_is_in_one_of_the_tables(shared: Path) -> None:
    folder = shared / "labelbox"
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == {*ANNOTATED, *OTHERS}
    assert not ANNOTATED.keys() & OTHERS.keys()


@pytest.mark.parametrize("name", ANNOTATED)
def test_what_is_annotated_is_counted_and_comes_back(name: str, shared: Path, tmp_path: Path) -> None:
    rows = whole(name, shared / "labelbox" / name)
    source, target = tmp_path / "in.ndjson", tmp_path / "out.ndjson"
    source.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    detected = annokit.detect(source)
    report = annokit.convert(source, target, to=detected, labels="all", verify=True)
    found = {kind: counts["read"] for kind, counts in report.kinds.items() if kind != "categories"}
    if "dataRow" in rows[0]:
        several = len({json.dumps(row["dataRow"]) for row in rows})
        found["data_rows"] -= several - 1
        found["labels"] -= several - 1
    assert found == {"data_rows": 1, "labels": 1} | ANNOTATED[name]
    assert all(
        counts["read"] == counts["written"] for kind, counts in report.kinds.items() if kind != "categories"
    )
    left = differences(in_order(rows), in_order(documents(target)))
    assert left == DECLARED.get(name, [])


@pytest.mark.parametrize("name", OTHERS)
def test_what_has_no_annotations_is_told_from_what_has(name: str, shared: Path) -> None:
    with pytest.raises(UsageError, match="looks like no known format"):
        annokit.detect(shared / "labelbox" / name)


def test_data_rows_are_read(shared: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    tables = [name for name, what in OTHERS.items() if what == "data rows" and name.endswith(".csv")]
    counts = {name: len(data_rows.payloads(shared / "labelbox" / name).rows) for name in tables}
    assert list(counts.values()) == [3, 10, 3, 10, 10]
    given = json.loads((shared / "labelbox" / "data_row_payloads.json").read_bytes())
    flat = [
        one | {"row_data": json.dumps(one["row_data"])} if isinstance(one["row_data"], dict) else one
        for one in given.values()
    ]
    found = data_rows.payloads(pa.Table.from_pylist(flat))
    # the client does not know volumes any more, and the two examples of models share their key
    refused = [given["dicom"], given["offline_model_evaluation"]]
    assert len(given) == 11
    assert found.rows == [one for one in given.values() if one not in refused]
    assert [problem.where.line for problem in found.problems] == [4, 11]


TOOLS = {
    "Image": (6, 3),
    "Text": (1, 3),
    "Video": (5, 5),
    "Geospatial_Tile": (5, 3),
    "Document": (3, 3),
    "Audio": (0, 3),
    "Html": (0, 3),
    "Dicom": (2, 0),
    "Conversational": (1, 5),
    "LLMPromptResponseCreation": (0, 4),
    "LLMPromptCreation": (0, 1),
    "ResponseCreation": (0, 3),
    "ModelEvaluation": (3, 6),
    "all": (8, 5),
}
"""Tools and questions of the platform's ontology for each medium."""


def test_ontologies_are_counted(shared: Path) -> None:
    found = json.loads((shared / "labelbox" / "normalized_ontology_by_media_type.json").read_bytes())
    read = {medium: ontology.parse(document) for medium, document in found.items()}
    assert {medium: (len(one.tools), len(one.classifications)) for medium, one in read.items()} == TOOLS
