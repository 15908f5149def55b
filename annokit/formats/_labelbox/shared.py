"""What both Labelbox exports share: blocks of records, what is left out of them, rings, masks, media types."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache, lru_cache
from itertools import count, islice
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Raw

from annokit.errors import AnnokitError, GeometryError, InputError, shown
from annokit.formats._base import Options
from annokit.geometry import flat_points, one_ring
from annokit.geometry.mask_files import MaskFolder
from annokit.io.elements import is_document, iter_element_blocks
from annokit.io.faults import Spot, spot_path
from annokit.io.lines import Block
from annokit.io.prune import path_steps, surroundings, text_at
from annokit.io.records import decode_block
from annokit.io.salvage import Wire, decoder
from annokit.io.source import Source
from annokit.model import Asset, Attachment, Mask, MaskReference, MetadataField, Polygon, Review
from annokit.model.base import Floats
from annokit.run import Run

__all__ = [
    "BLOCK",
    "NO_TEXT",
    "Batch",
    "Masks",
    "ReadOptions",
    "attachments_of",
    "batches",
    "given",
    "located",
    "media_word",
    "metadata_of",
    "parse_rings",
    "plain",
    "polygon_of",
    "reviews_of",
]

T = TypeVar("T")

NO_TEXT = Raw(b"")
"""Stands for a shape an object does not have."""

BLOCK = 1 << 19
"""Bytes decoded at once: what they become still fits the processor's caches, which 4 MiB do not (1.3 times slower)."""

_UNITS = (
    "projects",
    "experiments",
    "runs",
    "labels",
    "predictions",
    "objects",
    "classifications",
    "relationships",
    "frames",
    "groups",
)
_KINDS = {"label": "labels", "run": "labels", "classification": "classifications"}
_SHAPES = {
    b'"bounding_box"': "box",
    b'"bbox"': "box",
    b'"polygon"': "polygon",
    b'"line"': "line",
    b'"point"': "point",
    b'"mask"': "mask_reference",
    b'"composite_mask"': "mask_reference",
    b'"conversational_location"': "text_span",
    b'"location"': "text_span",
}

_NO_SHAPE = {True: "relationships", False: "classifications"}
"""Of annotations in import files: whether they link others."""


class ReadOptions(Options, frozen=True):
    """How Labelbox exports are read."""

    masks: Annotated[
        str | None,
        Meta(description="folder with the PNGs of masks, named as `annokit masks list` says"),
    ] = None


class Batch(Generic[T]):
    """The records of one block, and the way to reject one of them or a part of it.

    Parameters
    ----------
    format : str
        Name of the format, for quarantine files.
    record_id : callable
        The data row's id of a line, for messages.

    Attributes
    ----------
    records : list of (int, record)
        With the number of the line.
    lost : list of str or None
        The data rows' ids of the lines that gave no record.
    """

    def __init__(
        self,
        block: Block,
        run: Run,
        tp: type[T],
        *,
        format: str,
        record_id: Callable[[bytes], str | None],
        in_document: bool,
    ) -> None:
        self.block, self.run = block, run
        self._format, self._record_id, self._in_document = format, record_id, in_document
        self._gone: dict[int, set[str]] = {}
        self.lost: list[str | None] = []
        self.records: list[tuple[int, T]] = decode_block(block, tp, reject=self._left_out, limits=run.limits)

    def _left_out(self, unit: str, path: str, error: AnnokitError, raw: bytes) -> None:
        number = error.where.line or self.block.number
        self._gone.setdefault(number, set()).add(path)
        if path == "$":
            self.lost.append(self._record_id(self.block.line(number).data))
        self._reject(number, path, error, _kind(unit, raw), raw)

    def reject(
        self, number: int, path: str, error: AnnokitError, kind: str | None = None, unit: str = "object"
    ) -> None:
        """Reject the part of a record that stands at `path`, counted in what was decoded of it."""
        path = self._original(number, path)
        raw = text_at(self.block.line(number).data, path)
        error.where = error.where.at(path=path + (error.where.path or "$")[1:])
        self._reject(number, path, error, kind or _kind(unit, raw), raw)

    def _reject(self, number: int, path: str, error: AnnokitError, kind: str, raw: bytes) -> None:
        line = self.block.line(number)
        where = self.block.where(line).at(record=self._record_id(line.data), path=error.where.path)
        error.where = where.at(line=None) if self._in_document else where
        context = None if path == "$" else (lambda: surroundings(line.data, path, _UNITS))
        self.run.reject(error, kind, raw, format=self._format, context=context)

    def _original(self, number: int, path: str) -> str:
        """The path in the line: elements that were left out of the lists on the way count there, too."""
        gone = self._gone.get(number)
        if not gone:
            return path
        spot: Spot = "$"
        for step in path_steps(path):
            spot = (spot, step if isinstance(step, str) else _nth_kept(spot_path(spot), step, gone))
        return spot_path(spot)


def _nth_kept(start: str, index: int, gone: Collection[str]) -> int:
    kept = (place for place in count() if f"{start}[{place}]" not in gone)
    return next(islice(kept, index, None))


def _kind(unit: str, raw: bytes) -> str:
    """What a record that could not be read is counted as."""
    if unit in ("object", "annotation"):
        shape = next((f"object:{kind}" for key, kind in _SHAPES.items() if key in raw), None)
        if unit == "annotation":
            track = b'"segments"' in raw or b'"masks"' in raw
            shape = "tracks" if track else shape or _NO_SHAPE.get(b'"relationship"' in raw)
        return shape or "object:unknown"
    return _KINDS.get(unit, "data_rows")


def batches(
    source: Source, run: Run, tp: type[T], *, format: str, record_id: Callable[[bytes], str | None]
) -> Iterator[Batch[T]]:
    """The records of a file, block by block."""
    in_document = is_document(source.head())
    for block in iter_element_blocks(source, run.limits, BLOCK):
        yield Batch(block, run, tp, format=format, record_id=record_id, in_document=in_document)
        run.advance(block.too_long or len(block.data))


def given(wire: Wire, names: Iterable[str]) -> dict[str, Any]:
    """The fields among `names` that the input has, and what it has beside all that is known."""
    found = {}
    for name in names:  # no comprehension, which is a call
        value = getattr(wire, name)
        if value is not UNSET:
            found[name] = value
    return found | wire.extra if wire.extra else found


def parse_rings(texts: Sequence[Raw], run: Run) -> list[Floats | AnnokitError]:
    """Lists of points without the last one where it repeats the first, as exports close their rings."""
    coords, stops, errors = flat_points(texts)
    starts, ends = stops[:-1], stops[1:].copy()
    many = np.flatnonzero(ends - starts > 1)
    if len(many):
        run.limits.check("max_vertices", int((ends - starts).max()))
        ends[many] -= (coords[starts[many]] == coords[ends[many] - 1]).all(axis=1)
    rings: list[Floats | AnnokitError] = [
        coords[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
    for index, error in errors.items():
        rings[index] = error
    return rings


def polygon_of(ring: Floats) -> Polygon:
    """One ring as a polygon, without checking again what `parse_points` made."""
    return Polygon(coords=ring, ring_offsets=one_ring(len(ring)), part_offsets=_ONE_PART)


_ONE_PART = one_ring(1)


class Masks:
    """Turns mask references into masks where the folder the user gave has their PNGs.

    Attributes
    ----------
    none : bool
        The user gave no folder, so every reference stays as it is.
    """

    def __init__(self, options: ReadOptions, run: Run) -> None:
        self._folder = None if options.masks is None else MaskFolder(options.masks, run.limits)
        self._report = run.report
        self.none = self._folder is None

    def resolve(self, reference: MaskReference, asset: Asset) -> Mask | MaskReference:
        """The mask, or the reference as it is where its PNG is missing.

        Raises
        ------
        InputError
            The PNG cannot be read, or has another size than the image.
        """
        if self._folder is None:
            return reference
        path = self._folder.find(reference)
        if path is None:
            message = "the PNG of a mask is missing in the folder: `annokit masks list` names all"
            self._report.note("mask-missing", "object:mask_reference", message, example=shown(reference.uri))
            return reference
        try:
            mask = self._folder.mask(reference, path)
        except InputError as error:
            raise InputError(f"{error.problem} in {shown(path.name)}", code=error.code) from error
        if None not in (asset.height, asset.width) and (mask.height, mask.width) != (
            asset.height,
            asset.width,
        ):
            raise GeometryError(
                f"expected a mask of the image's height and width {asset.height} x {asset.width}, "
                f"got {mask.height} x {mask.width} in {shown(path.name)}"
            )
        if len(mask.counts) == 1:
            message = "no pixel of the PNG has the colour of the object, or is set where it has none"
            example = path.name if reference.color is None else f"{path.name} {reference.color}"
            self._report.note("mask-empty", "object:mask", message, example=example)
        return mask


_MEDIA = (
    ("image/", "image"),
    ("video/", "video"),
    ("audio/", "audio"),
    ("text/html", "html"),
    ("text/", "text"),
    ("application/pdf", "pdf"),
    ("application/vnd.labelbox.conversational", "conversation"),
    ("application/dicom", "dicom"),
)
_MEDIA_OF_KINDS = (
    ("Image", "image"),
    ("Text", "text"),
    ("Conversational", "conversation"),
    ("Document", "pdf"),
    ("Geo", "geo"),
    ("Video", "video"),
    ("DICOM", "dicom"),
    ("Message", "conversation"),
)


def media_word(mime_type: str | None, kinds: Iterable[str | None] = ()) -> str:
    """The media type by the MIME type, else by the `annotation_kind` of the first object that tells, else image.

    >>> media_word("image/jpeg"), media_word("application/json", ["TextEntity"]), media_word(None)
    ('image', 'text', 'image')
    """
    if word := _media_of_mime(mime_type or ""):
        return word
    by_kind = (word for kind in kinds if kind for start, word in _MEDIA_OF_KINDS if kind.startswith(start))
    return next(by_kind, "image")


@lru_cache(maxsize=256)
def _media_of_mime(mime_type: str) -> str | None:
    return next((word for start, word in _MEDIA if mime_type.startswith(start)), None)


def located(row_data: str | None, media: str) -> tuple[str | None, str | None]:
    """Where the asset of a row lies, and the text where the row holds one itself.

    >>> located("https://example.com/a.txt", "text"), located("To be or not", "text")
    (('https://example.com/a.txt', None), (None, 'To be or not'))
    """
    is_text = media == "text" and row_data is not None and re.match(r"\w+:/|/|\S+$", row_data) is None
    return (None, row_data) if is_text else (row_data, None)


@cache
def _wire_names(kind: type[Wire]) -> list[tuple[str, str]]:
    return [(one.encode_name, one.name) for one in msgspec.structs.fields(kind) if one.name != "extra"]


def plain(value: Any) -> Any:
    """Decoded structs as the JSON values they came from, without the keys that were not there."""
    if isinstance(value, Wire):
        found = {key: plain(getattr(value, name)) for key, name in _wire_names(type(value))}
        return {key: one for key, one in found.items() if one not in (None, UNSET)} | (value.extra or {})
    if isinstance(value, Raw):
        return decoder(Any).decode(value) if len(value) else None
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


class _Attachment(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    value: str
    name: str | None = None
    id: str | None = None


class _Metadata(msgspec.Struct, forbid_unknown_fields=True):
    schema_name: str
    value: Any = None
    schema_id: str | None = None
    schema_kind: str | None = None


def attachments_of(values: Any) -> tuple[Attachment, ...]:
    """Attachments; none where one is of another form, so that they are kept as they are."""
    try:
        found = msgspec.convert(values, list[_Attachment])
    except msgspec.ValidationError:
        return ()
    return tuple([Attachment(kind=one.type, value=one.value, name=one.name, id=one.id) for one in found])


def metadata_of(values: Any) -> tuple[MetadataField, ...]:
    """Metadata fields; none where one is of another form, so that they are kept as they are."""
    try:
        found = msgspec.convert(values, list[_Metadata])
    except msgspec.ValidationError:
        return ()
    return tuple(
        [
            MetadataField(name=one.schema_name, value=one.value, id=one.schema_id, kind=one.schema_kind)
            for one in found
        ]
    )


def reviews_of(values: Any, author: str, created: str) -> tuple[Review, ...]:
    """Reviews as far as their keys are the known ones; the label's extra keeps them as they stood."""
    return tuple(
        [
            Review(
                score=_converted(one.get("score"), float),
                reviewer_id=_converted(one.get(author), str),
                created_at=_converted(one.get(created), datetime),
                id=_converted(one.get("id"), str),
            )
            for one in (values if isinstance(values, list) else ())
            if isinstance(one, dict)
        ]
    )


def _converted(value: Any, tp: type[T]) -> T | None:
    try:
        return msgspec.convert(value, tp)
    except msgspec.ValidationError:
        return None
