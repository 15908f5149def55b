"""Entities of texts on their way to tokens: which characters they are, which tokens, which tags."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple, TypeAlias

from msgspec import Meta

from annokit.dataset import Dataset
from annokit.errors import InputError
from annokit.io.source import Source
from annokit.model import Annotation, DataRow, ObjectAnnotation, TextSpan
from annokit.report import census, kind_of
from annokit.run import Run

__all__ = [
    "Document",
    "Entity",
    "TextDir",
    "Tokens",
    "account",
    "aligned",
    "documents",
    "spans_of",
    "tags",
    "tokens_of",
]

Tokens: TypeAlias = Sequence[tuple[int, int]]
"""Start and end of each token, in characters."""

TextDir: TypeAlias = Annotated[
    str | None, Meta(description="folder with the texts, where the export has their URLs only")
]

_TOKEN = re.compile(r"\w+|[^\w\s]")


class Entity(NamedTuple):
    """Characters `start` to `end` (exclusive) of a text, and what they are."""

    start: int
    end: int
    one: ObjectAnnotation


class Document(NamedTuple):
    """A text with its entities, in order of their starts."""

    row: DataRow
    text: str
    entities: list[Entity]


def documents(dataset: Dataset, run: Run, text_dir: str | None) -> Iterator[Document]:
    """The texts of a dataset; everything that is no entity of one is accounted here, entities are not."""
    folder = None if text_dir is None else Path(text_dir).resolve()
    for row in dataset.rows(run):
        text = _text(row, folder, run)
        if text is None:
            code, why = _reason_without(row)
            run.report.lose_all(code, census(row), why, example=row.name)
            continue
        run.report.count("written", "data_rows")
        run.report.count("written", "labels", len(row.labels))
        found = [
            entity
            for label in row.labels
            for one in label.annotations
            if (entity := _entity(one, text, row, run)) is not None
        ]
        yield Document(row, text, sorted(found, key=lambda entity: entity[:2]))


def _reason_without(row: DataRow) -> tuple[str, str]:
    if row.asset.media_type in ("text", "html"):
        return "no-text", "the source has no text, but at most its URL (--text-dir names the folder with it)"
    return "not-a-text", "tokens are of texts only"


def _text(row: DataRow, folder: Path | None, run: Run) -> str | None:
    """The text of a row, from the folder of texts if the row does not have it."""
    if row.asset.text is not None or folder is None:
        return row.asset.text
    last = (row.asset.uri or "").partition("?")[0].rpartition("/")[2]
    for name in (row.name, last, f"{row.name}.txt"):
        path = (folder / name).resolve()
        if name and path.is_relative_to(folder) and path.is_file():
            try:
                return Source(path).read_bytes(run.limits).decode("utf-8-sig")
            except (InputError, UnicodeDecodeError):
                return None
    return None


def _entity(one: Annotation, text: str, row: DataRow, run: Run) -> Entity | None:
    """The characters of an entity; None for what is none, which is accounted."""
    lose, name = run.report.lose_all, row.name
    if not isinstance(one, ObjectAnnotation) or not isinstance(one.geometry, TextSpan):
        lose("no-place", census(one), "only entities have a place among tokens", example=name)
        return None
    if one.geometry.message_id is not None:
        lose("no-place", census(one), "entities of single messages have no place there", example=name)
        return None
    found = _characters(one.geometry, text)
    if found is None:
        lose("outside-text", census(one), "the text has no such characters, or others there", example=name)
        return None
    for question in one.classifications:
        lose("no-place", census(question), "answers have no place among tokens", example=name)
    return Entity(*found, one)


def _characters(span: TextSpan, text: str) -> tuple[int, int] | None:
    """Where a span is in the text, in characters.

    Platforms made with JavaScript may count an emoji as two: where the span states its text, and only
    that count gives it, the offsets are taken so.
    """
    if 0 <= span.start < span.end <= len(text) and span.text in (None, text[span.start : span.end]):
        return span.start, span.end
    units = text.encode("utf-16-le", "surrogatepass")
    try:
        before, found = (
            units[2 * a : 2 * b].decode("utf-16-le") for a, b in ((0, span.start), (span.start, span.end))
        )
    except UnicodeDecodeError:
        return None
    same = span.text is not None and 0 <= span.start < span.end and found == span.text
    return (len(before), len(before) + len(found)) if same else None


def tokens_of(text: str) -> Tokens:
    """Words (letters, digits and underscores of any script) and single other characters; no white space.

    >>> tokens_of("It's 5 €")
    [(0, 2), (2, 3), (3, 4), (5, 6), (7, 8)]
    >>> tokens_of("")
    []
    """
    return [match.span() for match in _TOKEN.finditer(text)]


def aligned(document: Document, tokens: Tokens, run: Run) -> list[tuple[int, int, str]]:
    """The entities as first token, last token (exclusive) and class, none of which overlap; all are accounted.

    An entity whose ends are not those of tokens is lost, never moved. Of entities that overlap the longest stays, of
    equally long ones the first.
    """
    starts, ends = [start for start, _ in tokens], [end for _, end in tokens]
    kept: list[tuple[int, int, str]] = []
    taken = [False] * len(tokens)
    for entity in sorted(document.entities, key=lambda entity: (entity.start - entity.end, entity.start)):
        kind, name = kind_of(entity.one), document.row.name
        first, last = bisect_left(starts, entity.start), bisect_left(ends, entity.end)
        fits = last < len(ends) and starts[first] == entity.start and ends[last] == entity.end
        if not fits:
            shown = f"{name}: {document.text[entity.start : entity.end]!r}"
            why = "it does not begin and end where tokens do"
            run.report.lose("misaligned", kind, why, example=shown)
        elif any(taken[first : last + 1]):
            run.report.lose(
                "overlap", kind, "a token is in one entity only; the longer one stays", example=name
            )
        else:
            taken[first : last + 1] = [True] * (last + 1 - first)
            kept.append((first, last + 1, entity.one.tool_name))
            account(entity.one, name, run)
    return sorted(kept)


def account(one: ObjectAnnotation, name: str, run: Run) -> None:
    """Count an entity as written."""
    run.report.count("written", kind_of(one))
    if one.confidence is not None:
        why = "tokens have no place for a confidence"
        run.report.note("no-confidence", kind_of(one), why, example=name, lossy=True)


def tags(
    count: int, entities: Sequence[tuple[int, int, str]], called: Callable[[str], str] = str
) -> list[str]:
    """The tag of each of `count` tokens in IOB2: `B-` begins every entity, `I-` goes on, `O` is outside.

    >>> tags(4, [(0, 2, "PER"), (2, 3, "PER")])
    ['B-PER', 'I-PER', 'B-PER', 'O']
    """
    found = ["O"] * count
    for first, last, name in entities:
        found[first:last] = [f"B-{called(name)}", *[f"I-{called(name)}"] * (last - first - 1)]
    return found


def spans_of(tokens: Tokens, tagged: Sequence[str], text: str) -> list[ObjectAnnotation]:
    """The entities that tags mark: IOB2, its predecessor IOB1, and BILOU / BIOES are understood.

    >>> [one.geometry for one in spans_of([(0, 2), (3, 5)], ["I-PER", "I-PER"], "ab cd")]
    [TextSpan(start=0, end=5, text='ab cd', message_id=None)]
    """
    found: list[tuple[int, int, str]] = []
    previous: str | None = None
    for (start, end), tag in zip(tokens, tagged, strict=True):
        mark, dash, name = tag.partition("-")
        if not dash:
            previous = None
            continue
        if mark in ("I", "L", "E", "M") and previous == name:
            found[-1] = (found[-1][0], end, name)
        else:
            found.append((start, end, name))
        previous = None if mark in ("L", "E", "U", "S") else name
    return [
        ObjectAnnotation(tool_name=name, geometry=TextSpan(start=start, end=end, text=text[start:end]))
        for start, end, name in found
    ]
