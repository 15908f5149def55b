"""Response files as labels: every answer of every worker is one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import PurePath
from typing import Any, NamedTuple, TypeAlias

from msgspec import Raw
from msgspec.json import encode
from msgspec.structs import replace

from annokit.errors import AnnokitError, DecodeError, InputError, LimitExceeded, Where
from annokit.formats._ground_truth import wire
from annokit.formats._ground_truth.content import ContentReader, Element, kind_of_unit
from annokit.formats._ground_truth.frames import frames_folder, points_to_frames, read_frames
from annokit.formats._ground_truth.given import asset_of
from annokit.formats._ground_truth.tree import ResponseFile
from annokit.io.faults import BAD_JSON, Spot, decode_error, spot_path
from annokit.io.salvage import decoder, salvage
from annokit.io.source import Source
from annokit.model import Annotation, Asset, Label
from annokit.run import Run

__all__ = ["NAME", "AnswerReader", "Submitted"]

NAME = "ground-truth-responses"

_ANSWERS: tuple[Spot, str] = (("$", "answers"), "answerContent")

_Answer: TypeAlias = "wire.Answer | wire.LooseAnswer"


_READING = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_NO_CONTENT: dict[str, Any] = {}


class Submitted(NamedTuple):
    """What one file says of one data object."""

    labels: list[Label]
    size: tuple[int, int] | None
    media: str | None = None
    frame_count: int | None = None


class AnswerReader:
    """Decodes response files and makes labels of their answers."""

    def __init__(self, contents: ContentReader, run: Run, source: Source) -> None:
        self._contents, self._run, self._source = contents, run, source
        around = source.name.rstrip("/").rpartition("/")[0]
        unpacked = source.origin != source.path
        self._around = f"{source.name}/" if unpacked else f"{around}/" if around else ""

    def read_bytes(self, file: ResponseFile) -> bytes:
        """All of a file, below `max_document_bytes`."""
        if not file.place:
            return self._source.read_bytes(self._run.limits)
        most = self._run.limits.max_document_bytes
        try:  # by hand: a file object costs more than to decode what is in it
            handle = os.open(file.place, _READING)
            try:
                size = os.fstat(handle).st_size
                raw = os.read(handle, size) if size <= most else b""
            finally:
                os.close(handle)
        except OSError as error:
            raise InputError(f"cannot read: {error.strerror}", where=Where(self._name(file))) from error
        if size > most:
            raise self._run.limits.exceeded("max_document_bytes", size, Where(self._name(file)))
        self._run.advance(size)
        return raw

    def answers(self, file: ResponseFile, raw: bytes, asset: Asset) -> Submitted | None:
        """The labels of a response file; None after it was rejected."""
        try:
            response: wire.Response = decoder(wire.Response).decode(raw)
        except BAD_JSON:
            return self._loose_answers(file, raw, asset)
        return self._submitted(file, enumerate(response.answers or ()), asset, *_ANSWERS)

    def _loose_answers(self, file: ResponseFile, raw: bytes, asset: Asset) -> Submitted | None:
        gone: set[str] = set()

        def left_out(unit: str, path: str, error: AnnokitError, part: bytes) -> None:
            gone.add(path)
            self.reject(file, "labels" if unit == "label" else kind_of_unit(unit, path), path, error, part)

        try:
            response = salvage(raw.removeprefix(b"\xef\xbb\xbf"), wire.LooseResponse, reject=left_out)
        except (DecodeError, LimitExceeded) as error:
            self.reject(file, "data_rows", error.where.path or "$", error, raw)
            return None
        places = (index for index in count() if f"$.answers[{index}]" not in gone)
        return self._submitted(file, zip(places, response.answers or (), strict=False), asset, *_ANSWERS)

    def requests(self, file: ResponseFile, raw: bytes) -> Iterator[tuple[str, Asset, Submitted]]:
        """The data objects of a consolidation request, with the labels of those who answered."""

        def left_out(unit: str, path: str, error: AnnokitError, part: bytes) -> None:
            self.reject(file, "labels" if unit == "label" else "data_rows", path, error, part)

        try:
            objects = salvage(raw.removeprefix(b"\xef\xbb\xbf"), list[wire.Request], reject=left_out)
        except (DecodeError, LimitExceeded) as error:
            self.reject(file, "data_rows", "$", error, raw)
            return
        for place, one in enumerate(objects):
            own = replace(file, record=one.dataset_object_id)
            given = one.data_object or wire.DataObject()
            asset = asset_of(given.s3_uri, given.content)
            spot: Spot = (("$", place), "annotations")
            answers = list(self._sent(own, spot, one.annotations))
            yield one.dataset_object_id, asset, self._submitted(own, answers, asset, spot, "annotationData")

    def _sent(
        self, file: ResponseFile, spot: Spot, annotations: Sequence[wire.WorkerAnnotation]
    ) -> Iterator[tuple[int, wire.LooseAnswer]]:
        """The answers of a request, whose content is JSON in JSON."""
        for index, one in enumerate(annotations):
            sent = one.annotation_data
            try:
                content = (
                    {"annotationData": Raw(encode({"s3Uri": sent.s3_uri}))}
                    if sent.content is None
                    else decoder(dict[str, Raw]).decode(sent.content)
                )
            except BAD_JSON as bad:
                error = decode_error(bad, spot_path(((spot, index), "annotationData")))
                self.reject(file, "labels", error.where.path or "$", error, (sent.content or "").encode())
                continue
            yield index, wire.LooseAnswer(worker_id=one.worker_id, answer_content=content, extra=one.extra)

    def _submitted(
        self,
        file: ResponseFile,
        answers: Iterable[tuple[int, _Answer]],
        asset: Asset,
        top: Spot,
        key: str,
    ) -> Submitted:
        labels, size, media, frame_count = [], None, None, None
        reject, text = partial(self.reject, file), asset.text
        told = {
            "iteration": file.iteration,
            "record": file.record,
            "path": file.path,
            "batch_time": file.batch_time,
        }
        for index, answer in answers:
            annotations: tuple[Annotation, ...] = ()
            contents: Mapping[str, Any] = answer.answer_content or _NO_CONTENT
            extra: dict[str, Any] = {**told, "elements": list(contents), "file_index": index}
            read = self._contents.known if type(answer) is wire.Answer else self._contents.loose
            for name, content in contents.items():
                element = self._frames(file, name, content) if type(content) is Raw else None
                element = element or read(name, content, text, (((top, index), key), name), reject)
                annotations += element.annotations
                if not element.is_plain:
                    size, media = size or element.size, media or element.media
                    frame_count = frame_count or element.frame_count
                    if element.kept:
                        extra.setdefault("content", {})[name] = element.kept
            labels.append(_label(answer, annotations, extra))
        return Submitted(labels, size, media, frame_count)

    def _frames(self, file: ResponseFile, name: str, content: Raw) -> Element | None:
        """What is marked in the frames an answer points to; None where it points to none that are there."""
        if not points_to_frames(content):
            return None
        folder = frames_folder(content, file.place)
        if folder is None:
            message = "the folder with the frames of an answer to a video is not there; its address is kept"
            self._run.report.note("frames-not-read", "labels", message, example=file.path, lossy=True)
            return None
        around = self._name(file).removesuffix(PurePath(file.place).name) + folder.name

        def left_out(frame: str, kind: str, path: str, error: AnnokitError, raw: bytes) -> None:
            error.where = Where(f"{around}/{frame}".rstrip("/"), record=file.record, path=path)
            self._run.reject(error, kind, raw, format=NAME)

        read = read_frames(folder, NAME, name, self._run, left_out)
        kept = {**decoder(dict[str, Any]).decode(content), "frames": read.frame_names}
        return Element(read.annotations, None, "video", kept, read.frame_count)

    def reject(self, file: ResponseFile, kind: str, path: str, error: AnnokitError, raw: bytes) -> None:
        """Reject a part of a file."""
        inner = error.where.path or "$"
        place = inner if inner.startswith(path) else path + inner.removeprefix("$")
        error.where = Where(self._name(file), record=file.record, path=place)
        self._run.reject(error, kind, raw, format=NAME)

    def _name(self, file: ResponseFile) -> str:
        return self._source.name if not self._source.is_dir else f"{self._around}{file.path}"


def _label(answer: _Answer, annotations: tuple[Annotation, ...], extra: dict[str, Any]) -> Label:
    """The label of one answer; what the model has no field for stands in its extra."""
    if answer.extra:
        extra = {**answer.extra, **extra}
    metadata = answer.worker_metadata
    if metadata:
        extra["identity"] = metadata.get("identityData")
        if len(metadata) > ("identityData" in metadata):
            extra["workerMetadata"] = metadata
    return Label(
        annotator_id=answer.worker_id,
        started_at=answer.acceptance_time,
        created_at=answer.submission_time,
        seconds_to_create=answer.time_spent_in_seconds,
        annotations=annotations,
        extra={NAME: extra},
    )
