"""The formats, by name; none is imported before it is asked for.

A new format is one module here, one line in `NAMES`, one test and one row in `docs/formats.md`.
"""

from __future__ import annotations

import importlib
import re
import sys
import types
from collections.abc import Sequence
from typing import Any

from annokit.errors import InputError, UsageError, Where
from annokit.formats._base import (
    Format,
    Head,
    NoOptions,
    Options,
    Pieces,
    Reader,
    Writer,
    parse_options,
    uncut,
)
from annokit.io.source import Source

__all__ = [
    "NAMES",
    "Format",
    "Head",
    "NoOptions",
    "Options",
    "Pieces",
    "Reader",
    "Writer",
    "all_formats",
    "detect",
    "get",
    "parse_options",
    "reader_of",
    "uncut",
    "writer_of",
]

NAMES = (
    "coco",
    "coco-panoptic",
    "coco-results",
    "conll",
    "delta",
    "geojson",
    "geotiff",
    "ground-truth",
    "ground-truth-responses",
    "hf-ner",
    "labelbox",
    "labelbox-import",
    "labelbox-v1",
    "labelspark",
    "masks",
    "mot",
    "parquet",
    "spacy",
    "yolo",
)

_COCO = rb'"(images|annotations|categories|segments_info)"'
_JSON_KEYS = {
    "coco": _COCO,
    "coco-panoptic": _COCO,
    "coco-results": rb'"image_id"',
    "geojson": rb'"Feature',
    "ground-truth": rb'"source|-annotations"|"consolidatedAnnotation"',
    "ground-truth-responses": rb'"answers"|"annotationData"',
    "hf-ner": rb'"ner_tags"',
    "labelbox": rb'"data_row"',
    "labelbox-import": rb'"dataRow"',
    "labelbox-v1": rb'"(DataRow ID|Labeled Data|External ID|View Label)"',
}
"""What a JSON file of a format has in its first bytes, so that the modules of all others need not be imported."""


def get(name: str) -> Format:
    """The format called `name`; UsageError with the list of names otherwise."""
    if name not in NAMES:
        raise UsageError(f"no format is called {name!r}", hint=f"formats: {', '.join(NAMES)}")
    module = importlib.import_module(f"annokit.formats.{name.replace('-', '_')}")
    found: Format = module.FORMAT
    return found


def reader_of(name: str) -> Reader[Any]:
    """How the format called `name` is read; UsageError when it cannot be."""
    found = get(name)
    if found.reader is None:
        readable = ", ".join(one.name for one in all_formats() if one.reader)
        raise UsageError(f"{name} can be written, not read", hint=f"readable: {readable}")
    return found.reader


def writer_of(name: str) -> Writer[Any]:
    """How the format called `name` is written; UsageError when it cannot be."""
    found = get(name)
    if found.writer is None:
        writable = ", ".join(one.name for one in all_formats() if one.writer)
        raise UsageError(f"{name} can be read, not written", hint=f"writable: {writable}")
    return found.writer


def all_formats() -> list[Format]:
    """Every format, in the order of `NAMES`."""
    return [get(name) for name in NAMES]


def detect(source: Source) -> Format:
    """The one readable format `source` looks like; UsageError on none or several."""
    head = _head(source)
    if re.match(rb'\{"code": "[\w-]+", "message": ', head.data):
        raise UsageError(
            "this is a quarantine file", where=Where(source.name), hint="annokit requeue makes a source of it"
        )
    found = [one for one in map(get, _candidates(head)) if one.reader is not None and one.sniff(head)]
    if len(found) == 1:
        return found[0]
    if not found and not head.entries and not head.data.strip(b" \t\r\n\0"):
        nothing = "an empty folder" if head.is_dir else "an empty file"
        what = "only NUL bytes, as after a torn write" if b"\0" in head.data else nothing
        raise InputError(f"expected labels, got {what}", where=Where(source.name), code="empty")
    raise _unclear(found, head, Where(source.name))


def _unclear(found: Sequence[Format], head: Head, where: Where) -> UsageError:
    """The error about what looks like several formats, or none."""
    if found:
        names = ", ".join(one.name for one in found)
        return UsageError(f"looks like several formats: {names}", where=where, hint=f"name it: {names}")
    from annokit.formats._unknown import reason

    why = reason(head)
    readable = ", ".join(one.name for one in all_formats() if one.reader is not None)
    hint = f"name it: {readable}" if why is None or "empty" in why else None
    return UsageError("looks like no known format" + (f": {why}" if why else ""), where=where, hint=hint)


def _head(source: Source) -> Head:
    suffix = source.path.suffix.lower() if source.path else ""
    if source.is_dir and source.path is not None:
        entries = sorted(entry.name for entry in source.path.iterdir())
        return Head(suffix, b"", entries, source.path)
    return Head(suffix, source.head(), (), source.path)


def _candidates(head: Head) -> list[str]:
    """The formats that are worth a closer look."""
    is_json = head.suffix in ("", ".json", ".ndjson", ".jsonl") and re.match(
        rb"[\s\xef\xbb\xbf]*[{\[]", head.data
    )
    return [name for name in NAMES if not is_json or re.search(_JSON_KEYS.get(name, b"$^"), head.data)]


class _CallableModule(types.ModuleType):
    """``annokit.formats()`` lists the formats, though `annokit.formats` is this package, too."""

    def __call__(self) -> list[Format]:
        return all_formats()


sys.modules[__name__].__class__ = _CallableModule
