"""What workers marked in videos: a folder of JSON files, one a frame, beside the file of the answer.

Ground Truth does not document them; the form is that of three public readers. A frame is that of a
``SeqLabel.json`` but for the spelling of its keys and for labels in place of class ids, so it is read as such.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw
from msgspec.json import encode
from msgspec.structs import replace

from annokit.errors import AnnokitError, DecodeError, InputError, LimitExceeded, Where, shown
from annokit.formats._ground_truth.sequences import FORMAT_NAME, SequenceLabels, SequenceReader
from annokit.io.faults import BAD_JSON, decode_error
from annokit.io.salvage import decoder
from annokit.io.source import Source
from annokit.model import Annotation
from annokit.run import Run

__all__ = ["RejectFrame", "frames_folder", "points_to_frames", "read_frames"]

_KINDS = ("trackingAnnotations", "detectionAnnotations")
_KEYS = {"frameNumber": "frame-no", "frameName": "frame", "frameAttributes": "frame-attributes"}
_MARKS = {
    "boundingBoxes": "annotations",
    "boundingCuboids": "annotations",
    "polygons": "polygons",
    "polylines": "polylines",
    "keypoints": "keypoints",
}
_PLACE = re.compile(r"\$\.tracking-annotations\[(\d+)\](?:\.annotations(\[.*))?(.*)")

RejectFrame: TypeAlias = Callable[[str, str, str, AnnokitError, bytes], None]
"""Called as ``reject(file, kind, path, error, raw)``; without a file it is about several."""


class _FrameData(msgspec.Struct, rename="camel"):
    s3_prefix: str


class _Pointer(msgspec.Struct, rename="camel"):
    frame_data: _FrameData


def points_to_frames(content: Raw) -> bool:
    """Whether what was marked may stand in files of their own."""
    return b'"frameData"' in bytes(content)


def frames_folder(content: Raw, place: str) -> Path | None:
    """The folder an answer in the file `place` points to, where it lies beside that; nothing is fetched."""
    try:
        prefix = decoder(_Pointer).decode(content).frame_data.s3_prefix
    except BAD_JSON:
        return None
    name = PurePosixPath(prefix).name
    if not place or not re.fullmatch(r"[\w-][\w.-]*", name):
        return None
    folder = Path(place).parent / name
    return folder if folder.is_dir() else None


def read_frames(folder: Path, format: str, element: str, run: Run, reject: RejectFrame) -> SequenceLabels:
    """The tracks and objects of a folder of frames.

    Parameters
    ----------
    format, element : str
        What the `extra` of each annotation says, and under which name.
    """
    files = sorted(file for file in folder.glob("*.json") if not file.name.startswith("."))
    run.limits.check("max_frames", len(files), Where(folder.name))
    frames: list[dict[str, Any]] = []
    names: list[str] = []
    for file in files:
        source = Source(file)
        run.advance(source.size)
        try:
            found = list(_frames(source.read_bytes(run.limits)))
        except (InputError, LimitExceeded) as error:
            reject(file.name, "object:unknown", "$", error, b"")
            continue
        frames += found
        names += [file.name] * len(found)

    def left_out(kind: str, path: str, error: AnnokitError, raw: bytes) -> None:
        place = _PLACE.match(error.where.path or "") or _PLACE.match(path)
        inner = "$" if place is None else f"$.boundingBoxes{place[2]}" if place[2] else f"${place[3]}"
        error.where = error.where.at(path=inner)
        reject("" if place is None else names[int(place[1])], kind, inner, error, raw)

    try:
        read = SequenceReader({}, left_out).read(encode({"tracking-annotations": frames}))
        run.limits.check("max_frames", read.frame_count, Where())
    except (InputError, LimitExceeded) as error:
        if error.where.file is not None:  # it was rejected, and all are to be raised
            raise
        left_out("tracks", error.where.path or "$", error, b"")
        return SequenceLabels((), {}, 0)
    return read._replace(annotations=tuple([_of_element(one, format, element) for one in read.annotations]))


def _frames(raw: bytes) -> Iterator[dict[str, Any]]:
    """The frames of a file, one unless it is of a point cloud, spelled as in a SeqLabel.json."""
    try:
        members: dict[str, Any] = decoder(dict[str, Any]).decode(raw)
    except BAD_JSON as error:
        raise decode_error(error, "$", raw) from None
    stated = next((members[kind] for kind in _KINDS if kind in members), None)
    frames = stated if isinstance(stated, list) else [stated]
    if not all(isinstance(frame, dict) for frame in frames):
        raise DecodeError(f"expected {' or '.join(_KINDS)} with an object a frame, got {shown(stated)}")
    yield from map(_respelled, frames)


def _respelled(frame: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {_KEYS.get(key, key): value for key, value in frame.items() if key not in _MARKS}
    for key, own in _MARKS.items():
        if key in frame:
            marks = frame[key]
            made[own] = [*made.get(own, ()), *map(_mark, marks)] if isinstance(marks, list) else marks
    return made


def _mark(mark: Any) -> Any:
    """``objectName`` is ``object-name`` there, and so on."""
    if not isinstance(mark, dict):
        return mark
    return {re.sub(r"(?<=[a-z])([A-Z])", r"-\1", key).lower(): value for key, value in mark.items()}


def _of_element(one: Annotation, format: str, element: str) -> Annotation:
    kept = {key: value for key, value in one.extra.get(FORMAT_NAME, {}).items() if key != "label"}
    return replace(one, extra={format: {"element": element, **kept}})
