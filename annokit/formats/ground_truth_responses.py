"""SageMaker Ground Truth, what every worker answered: ``annotations/worker-response`` of a labelling job.

Source of the format: the SageMaker developer guide, and the trees of real jobs. A data row is a record of the
job, that is a line of its input manifest (0-based), and every answer of every worker is a label. What is the
answer of which element is told by its shape. What the model has no field for is kept in
``extra["ground-truth-responses"]`` of the label: iteration, record, path (below the folder around SRC; in an
archive, below its top), batch_time, identity, elements, file_index.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from annokit.dataset import Dataset
from annokit.errors import shown
from annokit.formats._base import Format, Head, Options, Reader
from annokit.formats._ground_truth.answers import NAME, AnswerReader, Submitted
from annokit.formats._ground_truth.content import ContentReader
from annokit.formats._ground_truth.given import GivenObjects
from annokit.formats._ground_truth.pixels import Pixels
from annokit.formats._ground_truth.text import Offsets, Unit
from annokit.formats._ground_truth.tree import (
    MANIFESTS,
    ResponseFile,
    ResponseTree,
    cut_tree,
    has_answers,
    looks_like_responses,
)
from annokit.io.archives import open_source
from annokit.io.batches import batched
from annokit.io.gc import paused_gc
from annokit.io.source import Source
from annokit.model import Asset, DataRow
from annokit.run import Run

__all__ = ["FORMAT"]

_BATCH = 32
"""Records at once: few, so that what they become still fits the processor's caches."""
_NO_ASSET = Asset()


class ReadOptions(Options, frozen=True):
    """How answers of workers are read."""

    manifest: Annotated[
        str | None,
        Meta(description="manifest with the data objects of the job; by default the output manifest in SRC"),
    ] = None
    latest: Annotated[
        bool, Meta(description="of a record with several files of answers, only the latest file")
    ] = False
    offsets: Annotated[
        Unit, Meta(description="what the offsets of text spans count; auto: what fits the words better")
    ] = "auto"


class _Rows:
    """One pass over a job."""

    def __init__(self, source: Source, options: ReadOptions, run: Run) -> None:
        self._source, self._options, self._run = source, options, run
        self._tree = ResponseTree(source)
        manifest = _manifest(source, options)
        self._given = None if manifest is None else GivenObjects(manifest)
        contents = ContentReader(NAME, Pixels(run), Offsets(options.offsets, run))
        self._reader = AnswerReader(contents, run, source)
        self._requested: dict[str, tuple[Asset, list[Submitted]]] = {}
        self._met = 0

    def __iter__(self) -> Iterator[DataRow]:
        try:
            for batch in batched(self._tree, _BATCH):
                with paused_gc():
                    rows = [row for record, files in batch if (row := self._row(record, files)) is not None]
                yield from rows
            for record, (asset, submitted) in self._requested.items():
                yield self._made(record, asset, submitted)
        finally:
            if self._given is not None:
                self._given.close()
        self._note_unanswered()

    def _row(self, record: str | None, files: Sequence[ResponseFile]) -> DataRow | None:
        """The row of a record; None where there is nothing to be read of it."""
        if not files:
            self._note("no-response", "there is no file of answers in the folder of a record", record)
            return None
        if self._options.latest and len(files) > 1:
            why = "there is a later file of answers to the same record"
            self._note("older-response", why, files[0].path, len(files) - 1)
            files = files[-1:]
        asset = self._asset(record)
        submitted = []
        for file in files:
            raw = self._reader.read_bytes(file)
            if raw[:1] != b"{" and raw.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
                self._take_request(file, raw)
            elif (found := self._reader.answers(file, raw, asset)) is not None:
                submitted.append(found)
        return self._made(record or files[0].path, asset, submitted) if submitted else None

    def _take_request(self, file: ResponseFile, raw: bytes) -> None:
        """Keep what a consolidation request holds, as several may speak of one record."""
        for record, asset, submitted in self._reader.requests(file, raw):
            self._requested.setdefault(record, (asset, []))[1].append(submitted)

    def _made(self, record: str, asset: Asset, submitted: Sequence[Submitted]) -> DataRow:
        labels = tuple([label for one in submitted for label in one.labels])
        if not labels:
            self._note("no-answers", "nobody answered: its files have no answers", record)
        for one in submitted:
            if one.size is not None and asset.height is None:
                asset = replace(asset, height=one.size[0], width=one.size[1])
            if one.media is not None and asset.media_type == "image":
                asset = replace(asset, media_type=one.media)
            if one.frame_count is not None:
                asset = replace(asset, frame_count=max(one.frame_count, asset.frame_count or 0))
        return DataRow(id=record, asset=asset, source=self._source.name, labels=labels)

    def _asset(self, record: str | None) -> Asset:
        if self._given is None:
            return _NO_ASSET
        asset = self._given.asset(record)
        if asset is None:
            self._note("not-in-manifest", f"there is no such record in {shown(self._given.name)}", record)
            return _NO_ASSET
        self._met += 1
        return asset

    def _note_unanswered(self) -> None:
        if self._given is None:
            return
        asked = len(range(len(self._given))[slice(*self._tree.lines)])
        if asked > self._met:
            why = "lines of the manifest to which there are no answers; they are no data rows here"
            self._note("no-response", why, None, asked - self._met)

    def _note(self, code: str, message: str, example: str | None, n: int = 1) -> None:
        self._run.report.note(code, "data_rows", message, example=example, n=n)


def _manifest(source: Source, options: ReadOptions) -> Source | None:
    """The manifest the user named, or the output manifest of the job that was given."""
    if options.manifest is not None:
        return open_source(options.manifest, source.limits)
    if source.path is None or not source.is_dir:
        return None
    return next((Source(source.path / name) for name in MANIFESTS if (source.path / name).is_file()), None)


def _read(source: Source, options: ReadOptions) -> Dataset:
    def rows(run: Run) -> Iterator[DataRow]:
        yield from _Rows(source, options, run)

    return Dataset(rows, source=source.name, size=source.size)


def _cut(source: Source, _options: ReadOptions, size: int, *, numbered: bool = True) -> list[Source]:  # noqa: ARG001
    return cut_tree(source, size)


def _sniff(head: Head) -> bool:
    if head.is_dir and head.path is not None:
        return looks_like_responses(head.path.absolute(), head.entries)
    return has_answers(head.data)


FORMAT = Format(
    name=NAME,
    title="SageMaker Ground Truth: the answers of all workers (worker-response)",
    sniff=_sniff,
    reader=Reader(read=_read, options=ReadOptions, cut=_cut),
)
