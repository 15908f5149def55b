"""SageMaker Ground Truth's augmented manifests: what a labelling job made of its answers, and what it was given.

Source of the format: the SageMaker developer guide, and manifests of real jobs. A line is a data row; each label
attribute of it (an ``ATTR`` with an ``ATTR-metadata``) is a label of its own, so a chain of jobs gives several: the
newest that is no verification is the selected one. What the model has no field for is kept in
``extra["ground-truth"]``. ``SeqLabel.json`` files and consolidation responses are read, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from annokit.dataset import Dataset, Outline
from annokit.errors import InputError, Where
from annokit.formats._base import Format, Head, Options, Reader, Writer
from annokit.formats._ground_truth.lines import Places, manifest_rows
from annokit.formats._ground_truth.sequences import FORMAT_NAME
from annokit.formats._ground_truth.text import Unit
from annokit.formats._ground_truth.tree import MANIFESTS, looks_like_responses
from annokit.formats._ground_truth.write import WriteOptions, write
from annokit.io.source import Source
from annokit.model import DataRow, Tool
from annokit.run import Run

__all__ = ["FORMAT"]


class ReadOptions(Options, frozen=True):
    """How manifests are read."""

    masks: Annotated[
        str | None,
        Meta(description="folder with the PNGs of painted labels; by default SRC, if it is a folder"),
    ] = None
    sequences: Annotated[
        str | None,
        Meta(description="folder with RECORD/SeqLabel.json of videos; by default SRC, if it is a folder"),
    ] = None
    offsets: Annotated[
        Unit, Meta(description="what the offsets of text spans count; auto: what fits the words better")
    ] = "auto"


def _read(source: Source, options: ReadOptions) -> Dataset:
    manifest = _manifest(source)
    own = [source.path] if source.is_dir and source.path is not None else []

    def rows(places: Places, run: Run) -> Iterator[DataRow]:
        if manifest.size or not own:  # a manifest of no data rows is one; an empty file that was given is not
            yield from manifest_rows(manifest, source.name, places, run)

    def folders(named: str | None) -> list[Path]:
        return own if named is None else [Path(named)]

    places = Places(folders(options.masks), folders(options.sequences), options.offsets)
    plain = Dataset(lambda run: rows(places._replace(masks=()), run))  # classes and names need no masks
    plain.is_checked = True

    def outline() -> Outline:
        found = plain.outline
        tools = sorted(found.ontology.tools, key=_class_id)
        return replace(found, ontology=replace(found.ontology, tools=tuple(tools)))

    return Dataset(lambda run: rows(places, run), outline=outline, source=source.name, size=manifest.size)


def _class_id(tool: Tool) -> float:
    """Classes in the order of their ids; those without stay in the order in which they were met."""
    return int(tool.value) if tool.value is not None and tool.value.isdecimal() else inf


def _manifest(source: Source) -> Source:
    """The file that was given, or the manifest in the folder."""
    if source.path is None or not source.is_dir:
        return source
    found = [path for name in MANIFESTS if (path := source.path / name).is_file()]
    found = found or sorted(source.path.glob("*.manifest"))[:2]
    if len(found) != 1 and not (found and found[0] == source.path / MANIFESTS[0]):
        problem = f"expected an output.manifest, got {len(found) or 'none'}"
        raise InputError(problem, where=Where(source.name), hint="name the manifest itself")
    made = Source(found[0])
    made.limits = source.limits
    return made


def _sniff(head: Head) -> bool:
    if head.is_dir and head.path is not None:
        there = any((head.path / name).is_file() for name in MANIFESTS)
        return there and not looks_like_responses(head.path.absolute(), head.entries)
    start = re.match(rb"[\s\xef\xbb\xbf\[]*\{", head.data)
    if start is None:
        return False
    if head.suffix == ".manifest" or re.search(rb'"source-ref"\s*:', head.data):
        return True
    text = re.search(rb'"source"\s*:\s*"', head.data)
    marks = rb'"(tracking-annotations|detection-annotations|consolidatedAnnotation)"\s*:'
    return bool(text and re.search(rb'-metadata"\s*:\s*\{', head.data)) or bool(re.search(marks, head.data))


FORMAT = Format(
    name=FORMAT_NAME,
    title="SageMaker Ground Truth: augmented manifests (output.manifest), SeqLabel.json",
    sniff=_sniff,
    reader=Reader(read=_read, options=ReadOptions),
    writer=Writer(write=write, options=WriteOptions, target="folder", keeps_splits=False),
)
