"""spaCy's DocBin: texts with their entities, as `spacy train` takes them.

Source of the format: https://spacy.io/api/docbin, written by spaCy itself. Tokens are those of `spacy.blank(LANG)`. Entities
stand in ``doc.ents`` where they do not overlap, the longest first, and all of them in ``doc.spans["sc"]``, which the
spancat component takes; the row's name is ``doc.user_data["name"]``.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from annokit.dataset import Dataset
from annokit.errors import UsageError
from annokit.formats._base import Format, Head, Options, Writer
from annokit.formats._classes import Classes
from annokit.formats._text_entities import Document, TextDir, account, documents
from annokit.report import kind_of
from annokit.run import Run

__all__ = ["FORMAT"]


class WriteOptions(Options, frozen=True):
    """How a DocBin is written."""

    lang: Annotated[str, Meta(description="whose tokenizer: a language spaCy knows, like en; xx is any")] = (
        "xx"
    )
    text_dir: TextDir = None


def _sniff(_head: Head) -> bool:
    return False  # it is not read


def _write(dataset: Dataset, target: Path, options: WriteOptions, run: Run) -> None:
    spacy = _spacy()
    try:
        nlp = spacy.blank(options.lang)
    except (ImportError, ValueError) as error:
        raise UsageError(f"spaCy has no language {options.lang!r}", hint="like en, de, xx") from error
    nlp.max_length = 2**31
    found = spacy.tokens.DocBin(store_user_data=True)
    used: dict[str, None] = {}
    for document in documents(dataset, run, options.text_dir):
        doc = nlp.make_doc(document.text)
        doc.user_data["name"] = document.row.name
        spans = [span for span in _spans(doc, document, run) if span is not None]
        used.update(dict.fromkeys(span.label_ for span in spans))
        doc.spans["sc"] = spans
        doc.ents = spacy.util.filter_spans(spans)
        if len(doc.ents) < len(spans):
            why = "it overlaps a longer one, so it is in doc.spans only"
            count = len(spans) - len(doc.ents)
            run.report.note(
                "overlap", "object:text_span", why, example=document.row.name, n=count, lossy=True
            )
        found.add(doc)
    target.write_bytes(found.to_bytes())
    Classes(dataset.ontology).account_used(
        run.report, used, "no entity is of it, and there is no list of classes"
    )


def _spacy() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries it imports
            import spacy
            import spacy.tokens
    except ImportError as error:
        raise UsageError("this format needs spaCy", hint="pip install annokit[spacy]") from error
    return spacy


def _spans(doc: Any, document: Document, run: Run) -> list[Any]:
    """The entities as spans of tokens, all of them accounted; one that does not fit tokens is lost, never moved."""
    spans = []
    for entity in document.entities:
        span = doc.char_span(entity.start, entity.end, label=entity.one.tool_name, alignment_mode="strict")
        name = document.row.name
        if span is None:
            shown = f"{name}: {document.text[entity.start : entity.end]!r}"
            why = "it does not begin and end where tokens do"
            run.report.lose("misaligned", kind_of(entity.one), why, example=shown)
        else:
            account(entity.one, name, run)
            spans.append(span)
    return spans


FORMAT = Format(
    name="spacy",
    title="spaCy DocBin: texts with their entities",
    sniff=_sniff,
    writer=Writer(write=_write, options=WriteOptions, target="file", suffix=".spacy", keeps_splits=False),
)
