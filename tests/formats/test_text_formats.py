"""Texts as tokens: CoNLL-2003, Hugging Face's JSON lines, spaCy; offsets, alignment, and nothing lost unnamed."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import DocBin

import annokit
from annokit.errors import DecodeError, UsageError
from annokit.formats._text_entities import spans_of, tags, tokens_of
from annokit.model import Asset, Box, Classification, DataRow, Label, ObjectAnnotation, TextSpan

TEXT = "I 😀 want to go to Bermuda,\non January 1st for a week."


def entity(name: str, words: str, text: str = TEXT, **more: object) -> ObjectAnnotation:
    start = text.index(words)
    span = TextSpan(start=start, end=start + len(words), text=words)
    return ObjectAnnotation(tool_name=name, geometry=span, **more)  # type: ignore[arg-type]


def text_row(*annotations: object, text: str | None = TEXT, name: str = "trip.txt") -> DataRow:
    asset = Asset(
        media_type="text", text=text, uri=None if text is not None else f"https://host/{name}?sig=1"
    )
    return DataRow(id="r1", external_id=name, asset=asset, labels=(Label(annotations=annotations),))  # type: ignore[arg-type]


TRIP = text_row(entity("place", "Bermuda"), entity("date", "January 1st"), entity("duration", "a week"))


def test_conll_is_the_shared_tasks(tmp_path: Path) -> None:
    report = annokit.write([TRIP], tmp_path / "trip.conll", format="conll", verify=True)
    lines = (tmp_path / "trip.conll").read_text().splitlines()
    assert lines[:2] == ["-DOCSTART- trip.txt -X- O", ""]
    assert [line.split()[0::3] for line in lines[2:11]] == [
        ["I", "O"], ["😀", "O"], ["want", "O"], ["to", "O"], ["go", "O"], ["to", "O"], ["Bermuda", "B-place"],
        [",", "O"], [],
    ]  # fmt: skip
    assert [line.split()[3] for line in lines[11:] if line] == [
        "O", "B-date", "I-date", "O", "B-duration", "I-duration", "O",
    ]  # fmt: skip
    assert report.kinds["object:text_span"]["written"] == 3
    [row] = annokit.read(tmp_path / "trip.conll")
    assert row.name == "trip.txt"
    assert row.asset.text == "I 😀 want to go to Bermuda ,\non January 1st for a week ."
    assert [(one.tool_name, one.geometry.text) for one in row.labels[0].objects] == [  # type: ignore[union-attr]
        ("place", "Bermuda"), ("date", "January 1st"), ("duration", "a week"),
    ]  # fmt: skip


def test_json_lines_come_back_whole_and_load_as_a_hugging_face_dataset(tmp_path: Path) -> None:
    report = annokit.write([TRIP], tmp_path / "trip.jsonl", format="hf-ner", verify=True, strict=True)
    assert report.kinds["object:text_span"]["written"] == 3
    [row] = annokit.read(tmp_path / "trip.jsonl")
    assert row.asset.text == TEXT
    assert row.labels[0].annotations == TRIP.labels[0].annotations
    found = datasets.load_dataset(
        "json", data_files=str(tmp_path / "trip.jsonl"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert found[0]["tokens"][:3] == ["I", "😀", "want"]
    assert found[0]["ner_tags"][6] == "B-place"


def test_spacy_reads_its_own_entities(tmp_path: Path) -> None:
    overlapping = text_row(*TRIP.labels[0].annotations, entity("trip", "go to Bermuda"))
    report = annokit.write([overlapping], tmp_path / "trip.spacy", format="spacy", lang="en")
    [doc] = DocBin(store_user_data=True).from_disk(tmp_path / "trip.spacy").get_docs(spacy.blank("en").vocab)
    assert doc.text == TEXT
    assert doc.user_data["name"] == "trip.txt"
    assert [(ent.label_, ent.text) for ent in doc.ents] == [
        ("trip", "go to Bermuda"), ("date", "January 1st"), ("duration", "a week"),
    ]  # fmt: skip
    assert len(doc.spans["sc"]) == 4
    assert report.kinds["object:text_span"]["written"] == 4
    assert [loss.code for loss in report.losses if loss.lossy] == ["overlap"]
    with pytest.raises(UsageError, match="no language 'klingon'"):
        annokit.write([TRIP], tmp_path / "x.spacy", format="spacy", lang="klingon")


@pytest.mark.parametrize("name", ["conll", "hf-ner", "spacy"])
def test_what_does_not_fit_tokens_is_counted_never_moved(name: str, tmp_path: Path) -> None:
    halves = text_row(entity("place", "Bermu"), entity("place", "muda"), entity("place", "Bermuda"))
    report = annokit.write([halves], tmp_path / "out", format=name)
    assert report.kinds["object:text_span"] == {"read": 3, "written": 1, "unsupported": 2}
    [loss] = [loss for loss in report.losses if loss.code == "misaligned"]
    assert (loss.count, loss.examples[0]) == (2, "trip.txt: 'Bermu'")


@pytest.mark.parametrize("name", ["conll", "hf-ner", "spacy"])
def test_the_rest_is_named(name: str, tmp_path: Path) -> None:
    question = Classification(tool_name="tone", kind="text", text="glad")
    stray = ObjectAnnotation(tool_name="x", geometry=TextSpan(start=50, end=900))
    other = ObjectAnnotation(tool_name="x", geometry=TextSpan(start=0, end=1, text="Z"))
    message = ObjectAnnotation(tool_name="x", geometry=TextSpan(start=0, end=1, message_id="m"))
    box = ObjectAnnotation(tool_name="x", geometry=Box(x=0, y=0, width=1, height=1))
    sure = entity("place", "Bermuda", confidence=0.5, classifications=(question,))
    rows = [
        text_row(question, stray, other, message, box, sure),
        text_row(text=None, name="far.txt"),
        DataRow(id="i", asset=Asset(width=3, height=3)),
    ]
    report = annokit.write(rows, tmp_path / "out", format=name)
    codes = {
        (loss.code, loss.kind): loss.count for loss in report.losses if loss.lossy and loss.code != "spacing"
    }
    assert codes == {
        ("no-place", "classifications"): 2,
        ("outside-text", "object:text_span"): 2,
        ("no-place", "object:text_span"): 1,
        ("no-place", "object:box"): 1,
        ("no-confidence", "object:text_span"): 1,
        ("no-text", "data_rows"): 1,
        ("no-text", "labels"): 1,
        ("not-a-text", "data_rows"): 1,
    }


def test_texts_that_were_fetched_are_read_from_their_folder_only(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "far.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "secret.txt").write_text(TEXT)
    rows = [
        text_row(entity("place", "Bermuda"), text=None, name="far.txt"), text_row(text=None, name="../secret.txt"),
    ]  # fmt: skip
    report = annokit.write(rows, tmp_path / "out.jsonl", format="hf-ner", text_dir=str(tmp_path / "texts"))
    assert report.kinds["data_rows"] == {"read": 2, "written": 1, "unsupported": 1}
    assert report.kinds["object:text_span"]["written"] == 1


def test_offsets_in_utf16_units_are_understood_where_the_text_proves_them(tmp_path: Path) -> None:
    start = TEXT.index("Bermuda") + 1  # the emoji counts twice in JavaScript
    span = TextSpan(start=start, end=start + 7, text="Bermuda")
    row = text_row(ObjectAnnotation(tool_name="place", geometry=span))
    annokit.write([row], tmp_path / "out.jsonl", format="hf-ner")
    [again] = annokit.read(tmp_path / "out.jsonl")
    shape = again.labels[0].objects[0].geometry
    assert isinstance(shape, TextSpan)
    assert (shape.start, TEXT[shape.start : shape.end]) == (start - 1, "Bermuda")


def test_sentences_without_documents_are_rows_and_other_schemes_are_understood(tmp_path: Path) -> None:
    file = tmp_path / "train.conll"
    file.write_text(
        "EU NNP I-ORG\nrejects VBZ O\n\nPeter NNP B-PER\nBlackburn NNP L-PER\nBonn X U-LOC\nUlm X S-LOC\n"
    )
    rows = list(annokit.read(file))
    found = [[(one.tool_name, one.geometry.text) for one in row.labels[0].objects] for row in rows]  # type: ignore[union-attr]
    assert found == [[("ORG", "EU")], [("PER", "Peter Blackburn"), ("LOC", "Bonn"), ("LOC", "Ulm")]]


def test_a_bad_line_costs_one_line(tmp_path: Path) -> None:
    file = tmp_path / "train.conll"
    file.write_text("EU B-ORG\nlonely\nBonn B-LOC\n")
    with pytest.raises(DecodeError, match=r"train\.conll:2"):
        list(annokit.read(file))
    assert len(next(iter(annokit.read(file, on_error="skip"))).labels[0].objects) == 2
    lines = tmp_path / "train.jsonl"
    good = {"tokens": ["a"], "ner_tags": ["B-x"]}
    bad = [
        {"tokens": ["a"], "ner_tags": []},
        {"tokens": ["a"], "ner_tags": [3]},
        {**good, "text": "b", "offsets": [[0, 1]]},
    ]
    lines.write_text("\n".join(map(json.dumps, [*bad, good])))
    assert [row.asset.text for row in annokit.read(lines, format="hf-ner", on_error="skip")] == ["a"]


@given(st.lists(st.sampled_from(["x", "y"]) | st.none(), max_size=8))
def test_tags_say_what_spans_say(names: list[str | None]) -> None:
    text = " ".join("ab" for _ in names)
    tokens = tokens_of(text)
    entities = [(i, i + 1, name) for i, name in enumerate(names) if name]
    found = spans_of(tokens, tags(len(tokens), entities), text)
    assert [(one.geometry.start, one.tool_name) for one in found] == [
        (3 * i, name) for i, _, name in entities
    ]  # type: ignore[union-attr]
