"""Hugging Face's tokens and ner_tags as JSON lines: ``{"id", "tokens", "ner_tags", "text", "offsets"}``.

Source of the format: the columns of https://huggingface.co/datasets/conll2003, which token-classification scripts take.
`tokens` are words and single other characters (see `tokens_of`), `ner_tags` are IOB2 as text. `text` and `offsets` (start
and end of each token, in characters) are beside them, so that the text comes back whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from annokit.dataset import Dataset
from annokit.errors import DecodeError, InputError, Where
from annokit.formats._base import Format, Head, NoOptions, Options, Reader, Writer
from annokit.formats._classes import Classes
from annokit.formats._text_entities import TextDir, aligned, documents, spans_of, tags, tokens_of
from annokit.io.faults import BAD_JSON
from annokit.io.lines import cut_lines, iter_lines
from annokit.io.source import Source
from annokit.model import Asset, DataRow, Label
from annokit.run import Run

__all__ = ["FORMAT"]

_NAME = "hf-ner"


class WriteOptions(Options, frozen=True):
    """How tokens and tags are written."""

    text_dir: TextDir = None


class _Line(msgspec.Struct):
    """One text."""

    tokens: list[str]
    ner_tags: list[str]
    id: str | None = None
    text: str | None = None
    offsets: list[tuple[int, int]] | None = None


def _sniff(head: Head) -> bool:
    start = head.data.lstrip(b"\xef\xbb\xbf \r\n")
    return start.startswith(b"{") and b'"tokens"' in start and b'"ner_tags"' in start


def _read(source: Source, _options: NoOptions) -> Dataset:
    return Dataset(lambda run: _rows(source, run), source=source.name, size=source.size)


def _cut(source: Source, _options: NoOptions, size: int, *, numbered: bool) -> list[Source]:  # noqa: ARG001
    return cut_lines(source, size)  # documents without an id are called by the number of their line


def _rows(source: Source, run: Run) -> Iterator[DataRow]:
    decoder = msgspec.json.Decoder(_Line)
    for line in iter_lines(source, run.limits):
        try:
            yield _row(decoder.decode(line.data), line.number, source.name)
        except (*BAD_JSON, InputError) as error:
            where = Where(source.name, line=line.number, byte_offset=line.byte_offset)
            problem = error.problem if isinstance(error, InputError) else str(error)
            fault = DecodeError(problem, where=where, hint="tokens and ner_tags as text, like B-PER")
            run.reject(fault, "data_rows", line.data, format=_NAME)
        run.advance(len(line.data) + 1)


def _row(line: _Line, number: int, source: str) -> DataRow:
    if len(line.ner_tags) != len(line.tokens):
        raise DecodeError(f"expected a tag for each of {len(line.tokens)} tokens, got {len(line.ner_tags)}")
    text, offsets = line.text, line.offsets
    if text is None or offsets is None:
        text, offsets = " ".join(line.tokens), _spaced(line.tokens)
    if [text[a:b] for a, b in offsets] != line.tokens:
        raise DecodeError("expected offsets at which the text has its tokens")
    label = Label(annotations=tuple(spans_of(offsets, line.ner_tags, text)))
    name = line.id or f"{number}"
    asset = Asset(media_type="text", text=text)
    return DataRow(id=name, external_id=name, source=source, asset=asset, labels=(label,))


def _spaced(tokens: list[str]) -> list[tuple[int, int]]:
    found, at = [], 0
    for token in tokens:
        found.append((at, at + len(token)))
        at += len(token) + 1
    return found


def _write(dataset: Dataset, target: Path, options: WriteOptions, run: Run) -> None:
    used: dict[str, None] = {}
    with target.open("wb") as out:
        for document in documents(dataset, run, options.text_dir):
            tokens = tokens_of(document.text)
            entities = aligned(document, tokens, run)
            used.update(dict.fromkeys(name for _, _, name in entities))
            line = _Line(
                id=document.row.name,
                tokens=[document.text[a:b] for a, b in tokens],
                ner_tags=tags(len(tokens), entities),
                text=document.text,
                offsets=list(tokens),
            )
            out.write(msgspec.json.encode(line) + b"\n")
    Classes(dataset.ontology).account_used(
        run.report, used, "no entity is of it, and there is no list of classes"
    )


FORMAT = Format(
    name=_NAME,
    title="Hugging Face tokens and ner_tags, as JSON lines",
    sniff=_sniff,
    reader=Reader(read=_read, options=NoOptions, cut=_cut),
    writer=Writer(write=_write, options=WriteOptions, target="file", suffix=".ndjson", keeps_splits=False),
)
