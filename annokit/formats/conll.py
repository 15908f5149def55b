"""CoNLL-2003: a token and its IOB2 tag a line, an empty line after each sentence, -DOCSTART- before each text.

Source of the format: https://www.clips.uantwerpen.be/conll2003/ner/. The columns are token, part of speech, chunk and
entity; those in between are written as ``-X-``. Tokens are words and single other characters (see `tokens_of`), a
sentence is a line of the text. The line ``-DOCSTART- NAME -X- O`` has the row's name, percent-encoded; readers pass over it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from annokit.dataset import Dataset
from annokit.errors import DecodeError, Where
from annokit.formats._base import Format, Head, NoOptions, Options, Reader, Writer
from annokit.formats._classes import Classes
from annokit.formats._text_entities import TextDir, aligned, documents, spans_of, tags, tokens_of
from annokit.io.lines import Line, iter_lines
from annokit.io.source import Source
from annokit.model import Asset, DataRow, Label
from annokit.run import Run

__all__ = ["FORMAT"]

_NAME = "conll"
_START = "-DOCSTART-"
_SUFFIXES = (".conll", ".conll03", ".conll2003", ".iob", ".iob2", ".bio")


class WriteOptions(Options, frozen=True):
    """How CoNLL is written."""

    text_dir: TextDir = None


def _sniff(head: Head) -> bool:
    return head.suffix in _SUFFIXES or head.data.startswith(_START.encode())


def _read(source: Source, _options: NoOptions) -> Dataset:
    return Dataset(lambda run: _rows(source, run), source=source.name, size=source.size)


class _Text:
    """A text while its tokens come in; the text is the tokens with spaces between, a sentence a line."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name
        self.tokens: list[tuple[int, int]] = []
        self.tags: list[str] = []
        self._words: list[str] = []
        self._at = 0

    def add(self, token: str, tag: str, *, begins_sentence: bool) -> None:
        if self.tokens:
            self._words.append("\n" if begins_sentence else " ")
            self._at += 1
        self.tokens.append((self._at, self._at + len(token)))
        self._words.append(token)
        self._at += len(token)
        self.tags.append(tag)

    def row(self, number: int, source: str) -> DataRow:
        text, name = "".join(self._words), self.name or str(number)
        label = Label(annotations=tuple(spans_of(self.tokens, self.tags, text)))
        asset = Asset(media_type="text", text=text)
        return DataRow(id=name, external_id=name, source=source, asset=asset, labels=(label,))


def _rows(source: Source, run: Run) -> Iterator[DataRow]:
    """A row for each -DOCSTART-; where there is none, for each sentence."""
    current: _Text | None = None
    number, last, by_document = 0, 0, False
    for line in iter_lines(source, run.limits):
        is_new, last = line.number > last + 1, line.number
        cells = _cells(line, source, run)
        run.advance(len(line.data) + 1)
        if not cells:
            continue
        is_start = cells[0] == _START
        by_document = by_document or is_start
        if current is not None and (is_start or (is_new and not by_document)):
            number += 1
            yield current.row(number, source.name)
            current = None
        if is_start:
            named = len(cells) == 4 and cells[1] not in ("-X-", "_", "O")
            current = _Text(unquote(cells[1]) if named else None)
            continue
        current = current or _Text()
        current.add(cells[0], cells[-1], begins_sentence=is_new)
    if current is not None:
        yield current.row(number + 1, source.name)


def _cells(line: Line, source: Source, run: Run) -> list[str]:
    """The columns of a line; none of a line that cannot be read, which is rejected."""
    try:
        cells = line.data.decode().split()
    except UnicodeDecodeError:
        cells = []
    if cells and (len(cells) > 1 or cells[0] == _START) and _is_tag(cells):
        return cells
    where = Where(source.name, line=line.number, byte_offset=line.byte_offset)
    problem = "expected a token and, in the last column, a tag like B-PER or O"
    run.reject(DecodeError(problem, where=where), "object:text_span", line.data, format=_NAME)
    return []


def _is_tag(cells: list[str]) -> bool:
    return cells[0] == _START or re.fullmatch(r"O|[BILUEMS]-\S+", cells[-1]) is not None


def _write(dataset: Dataset, target: Path, options: WriteOptions, run: Run) -> None:
    used: dict[str, None] = {}
    with target.open("w", encoding="utf-8", newline="\n") as out:
        for document in documents(dataset, run, options.text_dir):
            tokens, text = tokens_of(document.text), document.text
            entities = aligned(document, tokens, run)
            used.update(dict.fromkeys(name for _, _, name in entities))
            out.write(f"{_START} {quote(document.row.name, safe='/') or '-X-'} -X- O\n\n")
            end = 0
            for (start, stop), tag in zip(tokens, tags(len(tokens), entities, _word), strict=True):
                if "\n" in text[end:start] and end:
                    out.write("\n")
                out.write(f"{text[start:stop]} -X- -X- {tag}\n")
                end = stop
            out.write("\n")
            why = "white space between tokens is not kept"
            run.report.note("spacing", "data_rows", why, example=document.row.name, lossy=True)
    for name in [name for name in used if _word(name) != name]:
        why = "a tag has no white space: it is written as _"
        run.report.note("class-renamed", "categories", why, example=name, lossy=True)
    Classes(dataset.ontology).account_used(
        run.report, used, "no entity is of it, and there is no list of classes"
    )


def _word(name: str) -> str:
    return re.sub(r"\s+", "_", name) or "_"


FORMAT = Format(
    name=_NAME,
    title="CoNLL-2003: tokens and IOB2 tags",
    sniff=_sniff,
    reader=Reader(read=_read, options=NoOptions),
    writer=Writer(write=_write, options=WriteOptions, target="file", suffix=".conll", keeps_splits=False),
)
