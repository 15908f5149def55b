"""The lines of a manifest as data rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from annokit.errors import AnnokitError, InputError, LimitExceeded, Where, shown
from annokit.formats._ground_truth.content import ContentReader, kind_of_unit
from annokit.formats._ground_truth.given import asset_of
from annokit.formats._ground_truth.labels import Attribute, Found, LabelReader, class_map
from annokit.formats._ground_truth.pixels import Pixels
from annokit.formats._ground_truth.references import References
from annokit.formats._ground_truth.sequences import FORMAT_NAME, SequenceReader, is_sequence
from annokit.formats._ground_truth.text import Offsets, Unit
from annokit.io.elements import is_document, iter_element_blocks
from annokit.io.faults import BAD_JSON, told
from annokit.io.gc import paused_gc
from annokit.io.limits import Limits
from annokit.io.records import decode_block
from annokit.io.salvage import decoder
from annokit.io.source import Source
from annokit.model import Asset, DataRow, Label
from annokit.run import Run

__all__ = ["Places", "manifest_rows"]

_BLOCK = 1 << 19
_METADATA = "-metadata"
_SIGNS = frozenset(("type", "human-annotated", "failure-reason", "job-name", "job_name"))
"""Keys one of which a label attribute's metadata has; that of an input (``source-ref-metadata``) has none."""


class Places(NamedTuple):
    """Where the files of labels by reference are, and what offsets of text count."""

    masks: Sequence[Path]
    sequences: Sequence[Path]
    offsets: Unit


def manifest_rows(source: Source, name: str, places: Places, run: Run) -> Iterator[DataRow]:
    """The data rows of a manifest, a consolidation response or a SeqLabel.json.

    Parameters
    ----------
    source : Source
        The file.
    name : str
        What was given: the file, or the folder it is in.
    places : Places
    run : Run
    """
    lines = _Lines(source, name, places, run)
    in_document = is_document(source.head())
    for block in iter_element_blocks(source, run.limits, _BLOCK):

        def left_out(_unit: str, _path: str, error: AnnokitError, raw: bytes) -> None:
            run.reject(error, "data_rows", raw, format=FORMAT_NAME)

        with paused_gc():
            records = decode_block(block, dict[str, Raw], reject=left_out, limits=run.limits)
            rows = [
                row
                for number, members in records
                if (row := lines.row(number - 1, None if in_document else number, members)) is not None
            ]
        run.advance(block.too_long or len(block.data))
        yield from rows


class _Lines:
    """Makes rows of the lines of one file."""

    def __init__(self, source: Source, name: str, places: Places, run: Run) -> None:
        self._source, self._name, self._run = source, name, run
        offsets = Offsets(places.offsets, run)
        self._labels = LabelReader(
            run,
            _references(places.masks, run.limits),
            _references(places.sequences, run.limits),
            ContentReader(FORMAT_NAME, Pixels(run), offsets),
            offsets,
            lambda attribute: self._all_classes.get(attribute, {}),
        )
        self._classes: dict[str, dict[str, str]] = {}

    @cached_property
    def _all_classes(self) -> dict[str, dict[str, str]]:
        """The class names of every attribute over the whole file; looked for when a line lacks one."""
        found: dict[str, dict[str, str]] = {}
        for block in iter_element_blocks(self._source, self._run.limits):
            lines = decode_block(block, dict[str, Raw], reject=lambda *_: None, limits=self._run.limits)
            for _, members in lines:
                for name, metadata in _metadata_of(members):
                    found[name] = class_map(metadata) | found.get(name, {})
        return found

    def row(self, record: int, line: int | None, members: dict[str, Raw]) -> DataRow | None:
        """The row of one line; None after it was rejected."""
        try:
            if self._is_sequence(members):
                return self._sequence(record, members, line)
            if "consolidatedAnnotation" in members:
                return self._response(members, line)
            return self._line(str(record), members, line)
        except (InputError, LimitExceeded, *BAD_JSON) as bad:
            error = told(bad)
            error.where = Where(self._source.name, line=line, path=error.where.path)
            self._run.reject(error, "data_rows", msgspec.json.encode(members), format=FORMAT_NAME)
            return None

    def _line(
        self, record: str, members: dict[str, Raw], line: int | None, *, content: bool = False
    ) -> DataRow:
        own = _decoded(members.get("annokit"), _Own) or _NOTHING_OWN
        row_id = own.id or record
        asset = asset_of(_decoded(members.get("source-ref"), str), _decoded(members.get("source"), str))
        known = {"annokit", "source-ref", "source"}
        labels: list[Label] = []
        failed: dict[str, Any] = {}
        for attribute in _attributes(members, everything=content):
            known |= {attribute.name, attribute.name + _METADATA}
            if attribute.raw is None:
                failed[attribute.name] = attribute.metadata
                continue
            self._compare(attribute)
            found = self._found(attribute, asset.text, line, row_id)
            labels += found.labels
            asset = _with_found(asset, found)
        if failed:
            self._note_failed(failed, row_id)
        kept = {key: decoder(Any).decode(raw) for key, raw in members.items() if key not in known}
        kept |= {"failed": failed} if failed else {}
        return DataRow(
            id=row_id,
            global_key=own.global_key,
            external_id=own.external_id,
            source=self._name,
            asset=asset,
            labels=tuple(labels if len(labels) < 2 else _with_selected(labels)),
            extra={FORMAT_NAME: kept} if kept else {},
        )

    def _found(self, attribute: Attribute, text: str | None, line: int | None, row_id: str) -> Found:
        """The labels of an attribute; none after it was rejected."""
        reject = partial(self._reject, line, row_id)
        try:
            return self._labels.labels(attribute, text, reject)
        except (InputError, LimitExceeded, *BAD_JSON) as bad:
            path = f"$.{attribute.name}"
            reject("labels", path, told(bad, path), bytes(attribute.raw or b""))
            return Found([])

    def _reject(
        self, line: int | None, row_id: str, unit: str, path: str, error: AnnokitError, raw: bytes
    ) -> None:
        inner = error.where.path or "$"
        place = inner if inner.startswith(path) else path + inner.removeprefix("$")
        error.where = Where(self._source.name, line=line, record=row_id, path=place)
        self._run.reject(error, kind_of_unit(unit, path), raw, format=FORMAT_NAME)

    def _compare(self, attribute: Attribute) -> None:
        """Note where two lines give one class id two names."""
        known = self._classes.setdefault(attribute.name, {})
        if attribute.classes.items() <= known.items():
            return
        for class_id, name in attribute.classes.items():
            before = known.setdefault(class_id, name)
            if before != name:
                message = "lines give one class id different names; each line is read by its own"
                example = f"{attribute.name} {class_id}: {shown(before)}, {shown(name)}"
                self._run.report.note("class-map-conflict", "categories", message, example=example)

    def _note_failed(self, failed: Mapping[str, Any], row_id: str) -> None:
        for name, metadata in failed.items():
            message = "the job could not label the object, so the row has no label of it"
            example = f"{row_id} {name}: {shown(str(metadata.get('failure-reason', 'no reason')))}"
            self._run.report.note("failed-object", "data_rows", message, example=example)

    def _response(self, members: dict[str, Raw], line: int | None) -> DataRow:
        """One data object of a consolidation response."""
        record = msgspec.convert(decoder(Any).decode(members["datasetObjectId"]), str, strict=False)
        told = decoder(_Consolidated).decode(members["consolidatedAnnotation"])
        return self._line(record, told.content, line, content=True)

    def _is_sequence(self, members: dict[str, Raw]) -> bool:
        return is_sequence(members) or (
            "source-ref" not in members
            and any(name == "lidar" or name.startswith("camera") for name in members)
        )

    def _sequence(self, record: int, members: dict[str, Raw], line: int | None) -> DataRow:
        """A SeqLabel.json read on its own; its folder is called after its record."""
        path = self._source.path
        folder = "" if path is None else path.absolute().parent.name
        row_id = folder if folder.isdecimal() else str(record)
        found = SequenceReader({}, partial(self._reject, line, row_id)).read(msgspec.json.encode(members))
        self._run.limits.check("max_frames", found.frame_count, Where(self._source.name, line=line))
        extra = {"frames": found.frame_names} if found.frame_names else {}
        label = Label(annotations=found.annotations, extra={FORMAT_NAME: extra} if extra else {})
        asset = replace(asset_of(None, None), media_type="video", frame_count=found.frame_count)
        return DataRow(id=row_id, source=self._name, asset=asset, labels=(label,))


class _Own(msgspec.Struct):
    """What annokit writes into a line that the line would not say otherwise."""

    id: str | None = None
    global_key: str | None = None
    external_id: str | None = None


_NOTHING_OWN = _Own()


class _Consolidated(msgspec.Struct):
    content: dict[str, Raw]


def _decoded(member: Raw | None, tp: Any) -> Any:
    """A member if it is there and of that type."""
    try:
        return None if member is None else decoder(tp).decode(member)
    except BAD_JSON:
        return None


def _metadata_of(members: Mapping[str, Raw]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The metadata of label attributes, by their names."""
    for key, member in members.items():
        if key.endswith(_METADATA):
            metadata = _decoded(member, dict[str, Any])
            if metadata is not None and not _SIGNS.isdisjoint(metadata):
                yield key.removesuffix(_METADATA), metadata


def _attributes(members: Mapping[str, Raw], *, everything: bool) -> list[Attribute]:
    """The label attributes of a line in their order; with `everything` also those without metadata."""
    metadata = dict(_metadata_of(members))
    names = [name for name in members if not name.endswith(_METADATA)] if everything else []
    return [
        Attribute(name, members.get(name), found := metadata.get(name, {}), class_map(found), ("$", name))
        for name in dict.fromkeys([*names, *metadata])
    ]


def _with_found(asset: Asset, found: Found) -> Asset:
    """A data object, and what one of its labels says of it."""
    height, width = found.size or (None, None)
    return Asset(
        uri=asset.uri,
        text=asset.text,
        height=asset.height or height,
        width=asset.width or width,
        media_type=found.media if found.media and asset.media_type == "image" else asset.media_type,
        frame_count=found.frame_count or asset.frame_count,
    )


def _with_selected(labels: Sequence[Label]) -> Iterator[Label]:
    """The labels, the newest that is no verification being the selected one where there are several."""
    places = [place for place, label in enumerate(labels) if not _is_verification(label)]
    chosen = (
        max(places, key=lambda place: (_made(labels[place]), place)) if places and len(labels) > 1 else None
    )
    for place, label in enumerate(labels):
        yield replace(label, is_selected=True) if place == chosen else label


def _is_verification(label: Label) -> bool:
    kind = label.extra[FORMAT_NAME].get("metadata", {}).get("type")
    return isinstance(kind, str) and kind.endswith("/label-verification")


def _made(label: Label) -> datetime:
    return label.created_at or datetime.min.replace(tzinfo=UTC)


def _references(folders: Sequence[Path], limits: Limits) -> References | None:
    return References(list(folders), limits) if folders else None
