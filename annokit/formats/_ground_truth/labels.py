"""Label attributes of a manifest's line as labels: what each is, its value and its metadata say."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import Raw

from annokit.errors import AnnokitError, DecodeError, LimitExceeded, Where, shown
from annokit.formats._ground_truth import wire
from annokit.formats._ground_truth.content import ContentReader, is_shape
from annokit.formats._ground_truth.pixels import rgb
from annokit.formats._ground_truth.references import References
from annokit.formats._ground_truth.sequences import FORMAT_NAME, SequenceReader
from annokit.formats._ground_truth.text import Offsets
from annokit.formats._ground_truth.values import Boxes, Color, Spans, StatedBox
from annokit.io.faults import BAD_JSON, Spot, decode_error, spot_path
from annokit.io.salvage import decoder, salvage
from annokit.io.source import Source
from annokit.model import (
    Annotation,
    Answer,
    Box,
    Classification,
    Label,
    MaskReference,
    ObjectAnnotation,
    TextSpan,
    Unknown,
)
from annokit.run import Run

__all__ = ["Attribute", "Found", "LabelReader", "class_map"]

_T = TypeVar("_T")
_SPENT = {
    "class-name",
    "confidence",
    "confidence-map",
    "objects",
    "entities",
    "human-annotated",
    "job-name",
    "worker-feedback",
}
"""Metadata that stands in the model; the rest is kept in the label's extra."""


class Attribute(NamedTuple):
    """A label attribute of a line: its value, absent where the object failed; its metadata, and the classes there."""

    name: str
    raw: Raw | None
    metadata: dict[str, Any]
    classes: Mapping[str, str]
    spot: Spot


class Found(NamedTuple):
    """The labels of an attribute, and what it says of the data object."""

    labels: list[Label]
    size: tuple[int, int] | None = None
    media: str | None = None
    frame_count: int | None = None


class _Read(NamedTuple):
    """What the value of an attribute became."""

    annotations: list[Annotation]
    size: tuple[int, int] | None = None
    media: str | None = None
    frame_count: int | None = None
    kept: dict[str, Any] = {}


class LabelReader:
    """Reads the label attributes of one manifest.

    Parameters
    ----------
    run : Run
        Its report gets notes.
    masks, sequences : References or None
        Where the files of labels by reference are.
    contents : ContentReader
        For the answers of workers that a custom function passed through.
    offsets : Offsets
        What the offsets of text count.
    names : callable
        The class names of an attribute over the whole file, by class id, for lines that lack them.
    """

    def __init__(
        self,
        run: Run,
        masks: References | None,
        sequences: References | None,
        contents: ContentReader,
        offsets: Offsets,
        names: Callable[[str], Mapping[str, str]],
    ) -> None:
        self._run, self._masks, self._sequences = run, masks, sequences
        self._contents, self._offsets, self._all_names = contents, offsets, names

    def labels(
        self, attribute: Attribute, text: str | None, reject: Callable[[str, str, AnnokitError, bytes], None]
    ) -> Found:
        """The labels of an attribute; what cannot be read goes to `reject`."""
        return _Value(self, attribute, text, reject).found()


class _Value:
    """One attribute while it is being read."""

    def __init__(
        self,
        reader: LabelReader,
        attribute: Attribute,
        text: str | None,
        reject: Callable[[str, str, AnnokitError, bytes], None],
    ) -> None:
        self._reader, self._attribute, self._text, self._reject = reader, attribute, text, reject
        self._name, self._metadata, self._spot = attribute.name, attribute.metadata, attribute.spot
        self._raw = attribute.raw or Raw(b"null")

    def found(self) -> Found:
        try:  # no other value has just these keys
            found = decoder(Boxes).decode(self._raw)
        except BAD_JSON:
            value = decoder(Any).decode(self._raw)
        else:
            return self._made(self._boxes(found, ()), _SPENT)
        if isinstance(value, dict) and "annotationsFromAllWorkers" in value:
            return Found(list(self._workers(value["annotationsFromAllWorkers"])))
        read = self._object(value) if isinstance(value, dict) else self._plain(value)
        return self._made(read, _spent(read.annotations))

    def _made(self, read: _Read, spent: Container[str]) -> Found:
        return Found([self._label(read, spent)], read.size, read.media, read.frame_count)

    def _label(self, read: _Read, spent: Container[str]) -> Label:
        metadata = self._metadata
        made = _time(metadata.get("creation-date", metadata.get("creation_date")))
        kept = {key: value for key, value in metadata.items() if key not in spent}
        if made is not None:
            kept.pop("creation-date", None)
        job = metadata.get("job-name", metadata.get("job_name"))
        extra = {"attribute": self._name, **({"metadata": kept} if kept else {}), **read.kept}
        return Label(
            created_at=made,
            project_name=job if isinstance(job, str) else None,
            origin="model" if metadata.get("human-annotated") in ("no", "false", False) else "human",
            annotations=tuple(read.annotations),
            extra={FORMAT_NAME: extra},
        )

    def _plain(self, value: Any) -> _Read:
        """A class, several classes, an address; else what is not known."""
        if isinstance(value, list) and all(type(one) in (int, str) for one in value) and self._has_classes():
            return _Read([self._checklist(value)])
        if type(value) in (int, str) and isinstance(self._metadata.get("class-name"), str):
            answer = Answer(name=self._metadata["class-name"], value=str(value))
            return _Read([self._question("radio", (answer,), _share(self._metadata.get("confidence")))])
        if isinstance(value, str) and self._name.endswith("-ref"):
            return self._referred(value)
        return _Read([] if value is None else [self._unknown(value)])

    def _has_classes(self) -> bool:
        return "class-map" in self._metadata or "multilabel" in self._type

    @property
    def _type(self) -> str:
        found = self._metadata.get("type")
        return found if isinstance(found, str) else ""

    def _checklist(self, ids: Sequence[int | str]) -> Classification:
        shares = self._part("confidence-map", dict[str, Any]) or {}
        answers = [
            Answer(name=self._class(one), value=str(one), confidence=_share(shares.get(str(one))))
            for one in ids
        ]
        return self._question("checklist", tuple(answers))

    def _question(
        self, kind: Any, answers: tuple[Answer, ...], confidence: float | None = None
    ) -> Classification:
        feedback = self._metadata.get("worker-feedback")
        comments = [
            Classification(tool_name="workerComment", kind="text", text=one["comment"])
            for one in (feedback if isinstance(feedback, list) else ())
            if isinstance(one, dict) and isinstance(one.get("comment"), str)
        ]
        return Classification(
            tool_name=self._name,
            kind=kind,
            answers=answers,
            confidence=confidence,
            classifications=tuple(comments),
        )

    def _object(self, value: dict[str, Any]) -> _Read:
        inner = value.get("annotations")
        if isinstance(inner, list) and any(isinstance(one, dict) and "center-x" in one for one in inner):
            return _Read([self._cuboid(one) for one in inner], media="point_cloud")
        if isinstance(inner, list):
            return self._salvaged_boxes()
        if isinstance(inner, dict) and "entities" in inner:
            return self._spans()
        content = self._salvaged(wire.Content)
        if content is not None and is_shape(content):
            element = self._reader._contents.known(self._name, content, self._text, self._spot, self._reject)
            return _Read(list(element.annotations), element.size, element.media)
        return _Read([self._unknown(value)] if value else [])

    def _salvaged(self, tp: type[_T]) -> _T | None:
        try:
            return salvage(self._raw, tp, spot_path(self._spot), reject=self._left_out)
        except (DecodeError, LimitExceeded):
            return None

    def _left_out(self, unit: str, path: str, error: AnnokitError, part: bytes) -> None:
        self._reject(unit, path, error, part)

    def _salvaged_boxes(self) -> _Read:
        gone: set[str] = set()

        def left_out(unit: str, path: str, error: AnnokitError, part: bytes) -> None:
            gone.add(path)
            self._reject(unit, path, error, part)

        found = salvage(self._raw, Boxes, spot_path(self._spot), reject=left_out)
        return self._boxes(found, gone)

    def _boxes(self, found: Boxes, gone: Container[str]) -> _Read:
        """The boxes of a value without those at the paths in `gone`."""
        sizes = [(one.height, one.width) for one in found.image_size]
        depths = [one.depth for one in found.image_size if one.depth not in (None, 3)]
        kept = {"depth": depths[0]} if depths else {}
        objects = list(self._known_boxes(found.annotations, gone))
        return _Read(objects, sizes[0] if sizes else None, kept=kept | (found.extra or {}))

    def _known_boxes(self, boxes: Sequence[StatedBox], gone: Container[str]) -> Iterator[Annotation]:
        """The object of each box whose class some line names."""
        spot: Spot = (self._spot, "annotations")
        names, shares = self._attribute.classes, self._shares("objects")
        places = (index for index in count() if spot_path((spot, index)) not in gone) if gone else count()
        for index, box in zip(places, boxes, strict=False):
            class_id = None if box.class_id is None else str(box.class_id)
            tool = (class_id and names.get(class_id)) or self._tool(box, (spot, index))
            if tool is not None:
                yield ObjectAnnotation(
                    tool_name=tool,
                    geometry=Box(x=box.left, y=box.top, width=box.width, height=box.height),
                    value=class_id,
                    confidence=shares.get(index),
                    extra={FORMAT_NAME: box.extra} if box.extra else {},
                )

    def _tool(self, box: StatedBox, spot: Spot) -> str | None:
        """The class of a box that its own line does not name; None after it was rejected."""
        try:
            return (box.label if box.class_id is None else self._class(box.class_id)) or self._name
        except DecodeError as error:
            self._reject("object:box", spot_path(spot), error, msgspec.json.encode(box.class_id))
            return None

    def _spans(self) -> _Read:
        gone: set[str] = set()

        def left_out(unit: str, path: str, error: AnnokitError, part: bytes) -> None:
            gone.add(path)
            self._reject(unit, path, error, part)

        found = salvage(self._raw, Spans, spot_path(self._spot), reject=left_out).annotations
        spot: Spot = ((self._spot, "annotations"), "entities")
        shares = self._shares("entities")
        places = (index for index in count() if spot_path((spot, index)) not in gone)
        pairs = [(one.start_offset, one.end_offset) for one in found.entities]
        spans = self._reader._offsets.spans(pairs, self._text)
        objects: list[Annotation] = []
        for index, one, (start, end) in zip(places, found.entities, spans, strict=False):
            quoted = None if self._text is None or not 0 <= start <= end else self._text[start:end]
            shape = TextSpan(start=start, end=end, text=quoted)
            extra = {FORMAT_NAME: one.extra} if one.extra else {}
            objects.append(
                ObjectAnnotation(
                    tool_name=one.label, geometry=shape, confidence=shares.get(index), extra=extra
                )
            )
        kept = {} if found.labels is None else {"labels": found.labels}
        return _Read(objects, media="text", kept=kept)

    def _shares(self, key: str) -> dict[int, float | None]:
        """The confidences that stand beside a list of annotations."""
        listed = self._metadata.get(key)
        return {
            index: _share(one.get("confidence"))
            for index, one in enumerate(listed if isinstance(listed, list) else ())
            if type(one) is dict
        }

    def _referred(self, uri: str) -> _Read:
        """What a file holds, where a folder has it; else a reference, or an unknown object."""
        colors = self._part("internal-color-map", dict[str, Color])
        if colors is not None:
            return self._painted(uri, colors)
        if uri.endswith("SeqLabel.json"):
            path = None if self._reader._sequences is None else self._reader._sequences.find(uri, parts=2)
            if path is not None:
                return self._sequence(path, uri)
        return _Read([self._unknown({"ref": uri})], media="video" if "video" in self._type else None)

    def _painted(self, uri: str, colors: Mapping[str, Color]) -> _Read:
        objects: list[Annotation] = []
        size = None
        for key, one in colors.items():
            if one.class_name.upper() == "BACKGROUND":
                continue
            color = rgb(one.hex_color) if one.hex_color else (int(key) if key.isdecimal() else 0,) * 3
            shape: Any = MaskReference(uri=uri, color=color)
            if self._reader._masks is not None:
                mask = self._reader._masks.mask(shape)
                if mask is None:
                    self._note(
                        "mask-missing", "object:mask_reference", "no folder has the PNG of a mask", uri
                    )
                elif len(mask.counts) == 1:
                    self._note(
                        "no-pixels", "object:mask", "no pixel of the PNG has the colour of a class", uri
                    )
                    continue
                else:
                    shape, size = mask, (mask.height, mask.width)
            objects.append(
                ObjectAnnotation(tool_name=one.class_name, geometry=shape, confidence=_share(one.confidence))
            )
        return _Read(objects, size, kept={"ref": uri})

    def _sequence(self, path: Any, uri: str) -> _Read:
        reader = SequenceReader(self._attribute.classes, self._left_out)
        source = Source(path)
        found = reader.read(source.read_bytes(self._reader._run.limits))
        self._reader._run.limits.check("max_frames", found.frame_count, Where(source.name))
        kept = {"ref": uri, "frames": found.frame_names}
        return _Read(list(found.annotations), None, "video", found.frame_count, kept)

    def _workers(self, answers: Any) -> Iterator[Label]:
        """The answers of workers that a custom function put into the manifest as they came."""
        for index, one in enumerate(answers if isinstance(answers, list) else ()):
            spot: Spot = ((self._spot, "annotationsFromAllWorkers"), index)
            try:
                sent = msgspec.convert(one, wire.WorkerAnnotation)
                contents = decoder(dict[str, Raw]).decode(sent.annotation_data.content or "{}")
            except BAD_JSON as error:
                found = decode_error(error, spot_path(spot))
                self._reject("labels", spot_path(spot), found, msgspec.json.encode(one))
                continue
            annotations: list[Annotation] = []
            for name, content in contents.items():
                read = self._reader._contents.loose
                annotations += read(name, content, self._text, (spot, name), self._reject).annotations
            label = self._label(_Read(annotations), _spent(annotations))
            extra = label.extra[FORMAT_NAME] | {"elements": list(contents)}
            yield msgspec.structs.replace(label, annotator_id=sent.worker_id, extra={FORMAT_NAME: extra})

    def _class(self, class_id: int | str) -> str:
        """The name of a class; DecodeError where no line says it."""
        key = str(class_id)
        name = self._attribute.classes.get(key) or self._reader._all_names(self._name).get(key)
        if name is None:
            raise DecodeError(f"expected class {shown(str(class_id))} in the class-map, got none")
        return name

    def _part(self, key: str, tp: type[_T]) -> _T | None:
        """A part of the metadata; None where it is not there, or not of that form."""
        try:
            return None if key not in self._metadata else msgspec.convert(self._metadata[key], tp)
        except msgspec.ValidationError:
            return None

    def _cuboid(self, one: Any) -> ObjectAnnotation:
        class_id = one.get("class-id") if isinstance(one, dict) else None
        name = self._attribute.classes.get(str(class_id)) or self._name
        return ObjectAnnotation(tool_name=name, geometry=Unknown(what="cuboid", payload=one))

    def _unknown(self, value: Any) -> ObjectAnnotation:
        what = self._type.rpartition("/")[2] or "custom"
        return ObjectAnnotation(tool_name=self._name, geometry=Unknown(what=what, payload=value))

    def _note(self, code: str, kind: str, message: str, uri: str) -> None:
        self._reader._run.report.note(code, kind, message, example=shown(uri))


def class_map(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The class names of a line, by id; point clouds spell the key with an underscore.

    >>> class_map({"class-map": {"0": "cat"}}), class_map({})
    ({'0': 'cat'}, {})
    """
    found = metadata.get("class-map", metadata.get("class_map"))
    if type(found) is not dict:
        return {}
    return {str(key): name for key, name in found.items() if isinstance(name, str)}


def _spent(annotations: Sequence[Annotation]) -> Container[str]:
    """The keys of the metadata that stand in the model: none where something is not known."""
    unknown = any(isinstance(a, ObjectAnnotation) and isinstance(a.geometry, Unknown) for a in annotations)
    return () if unknown else _SPENT


def _share(value: Any) -> float | None:
    return float(value) if type(value) is float or type(value) is int else None


def _time(value: Any) -> datetime | None:
    """A creation date; UTC where it does not say."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)
