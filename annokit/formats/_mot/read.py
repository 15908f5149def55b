"""Reading MOTChallenge: the rows of a video become tracks, those without an identity objects."""

from __future__ import annotations

import configparser
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from annokit.dataset import Dataset, Outline, RowKey
from annokit.errors import DecodeError, InputError, ReferenceProblem, Where
from annokit.formats._base import NoOptions
from annokit.formats._mot.layout import CLASSES, FILE, INFO, LABELS, NAME, NAMES, SequenceName
from annokit.io.faults import BAD_JSON
from annokit.io.limits import Limits
from annokit.io.lines import Line, iter_lines
from annokit.io.names import check_file_name
from annokit.io.source import Source
from annokit.model import Annotation, Asset, Box, DataRow, Label, ObjectAnnotation, Ontology, Tool, Track
from annokit.run import Run

__all__ = ["read", "sequence_folders"]

_SPLITS = ("train", "val", "test")


class _Sequence(NamedTuple):
    """One video: what it is called, its folder if it has one, and the file with its rows."""

    name: str
    id: str
    split: str | None
    folder: Path | None
    rows: Source | None
    tracks: tuple[str, ...] = ()


class _Row(NamedTuple):
    """One line: frame from 0 on, identity, box, confidence (or whether it is considered), class, visibility."""

    frame: int
    id: int
    box: tuple[float, float, float, float]
    confidence: float
    class_number: int | None
    visibility: float
    is_placed: bool
    """Whether three more columns say where it is in the world."""


def is_there(root: Path) -> bool:
    """Whether a folder is a video, holds some, or holds splits of some; never a walk through all of it."""
    return any(
        next(root.glob(f"{above}{name}"), None) for above in ("", "*/", "*/*/") for name in (INFO, FILE)
    )


def sequence_folders(root: Path) -> Iterator[Path]:
    """The folders of videos in a folder, itself included, in order of their paths."""
    found = {path.parent for path in root.rglob(INFO)} | {path.parent.parent for path in root.rglob(FILE)}
    yield from sorted(found)


def read(source: Source, _options: NoOptions) -> Dataset:
    """All videos of a folder, or the one of a file."""
    return Dataset(
        lambda run: (_data_row(one, source.name, run) for one in _named(source, run)),
        outline=lambda: _outline(source),
        source=source.name,
        size=source.size,
    )


def _sequences(source: Source) -> Iterator[_Sequence]:
    if source.path is None or not source.is_dir:
        path = Path(source.name)
        name = path.parent.parent.name if path.parent.name in ("gt", "det") else path.stem
        yield _Sequence(name, name, None, None, source)
        return
    root, known = source.path, _known_names(source.path)
    for folder in sequence_folders(root):
        file = folder / FILE
        rows = Source(file) if file.is_file() else None
        place = folder.relative_to(root).as_posix()
        if place in known:
            one = known[place]
            yield _Sequence(one.name, one.id, one.split, folder, rows, one.tracks)
        else:
            name = folder.name if place == "." else place
            first, slash, rest = name.partition("/")
            split = first if slash and first in _SPLITS else None
            yield _Sequence(rest if split else name, name, split, folder, rows)


def _named(source: Source, run: Run) -> Iterator[_Sequence]:
    """The videos whose folders have names that a text can hold."""
    for one in _sequences(source):
        try:
            check_file_name(one.id)
        except InputError as error:
            error.where = Where(source.name, record=one.id)
            run.reject(error, "data_rows", format="mot")
        else:
            yield one


def _known_names(root: Path) -> dict[str, SequenceName]:
    file = root / NAMES
    if not file.is_file():
        return {}
    try:
        lines = msgspec.json.Decoder(SequenceName).decode_lines(file.read_bytes())
    except BAD_JSON as error:
        raise DecodeError(f"expected a line for each video: {error}", where=Where(str(file))) from error
    return {one.folder: one for one in lines}


def _class_names(one: _Sequence) -> list[str] | None:
    file = one.folder / LABELS if one.folder else None
    if file is None or not file.is_file():
        return None
    return [line.data.decode("utf-8", "replace").strip() for line in iter_lines(Source(file))]


def _class_name(number: int | None, names: list[str] | None) -> str:
    if number is None:
        return CLASSES[0]  # results and older ground truth are of pedestrians
    known = CLASSES if names is None else names
    return known[number - 1] if 0 < number <= len(known) else str(number)


def _outline(source: Source) -> Outline:
    """The classes that labels.txt names, then those that occur, by number."""
    keys, tools = [], dict[str, None]()
    quiet = Run(on_error="skip")
    for one in _sequences(source):
        keys.append(RowKey(one.name, one.id))
        names = _class_names(one)
        tools.update(dict.fromkeys(names or ()))
        numbers = {row.class_number for row in _rows(one, quiet)}
        found = sorted(numbers, key=lambda number: number or 0)
        tools.update(dict.fromkeys(_class_name(number, names) for number in found))
    return Outline(Ontology(tools=tuple([Tool(name=name, kind="box") for name in tools])), keys)


def _data_row(one: _Sequence, source: str, run: Run) -> DataRow:
    names = _class_names(one)
    tracks: dict[tuple[int, str], list[_Row]] = {}
    loose: list[Annotation] = []
    for row in _rows(one, run):
        tool = _class_name(row.class_number, names)
        if row.id < 0:
            loose.append(_object(row, tool))
        else:
            tracks.setdefault((row.id, tool), []).append(row)
    called = dict(enumerate(one.tracks, 1))
    made = [_track(called.get(key, str(key)), tool, rows) for (key, tool), rows in tracks.items()]
    _note_unconsidered(made, one.name, run)
    label = Label(origin="human" if made or not loose else "model", annotations=(*made, *loose))
    asset = _asset(one) if one.folder else Asset(media_type="video")
    return DataRow(
        id=one.id, external_id=one.name, source=source, split=one.split, asset=asset, labels=(label,)
    )


def _note_unconsidered(tracks: list[Track], video: str, run: Run) -> None:
    """Evaluation passes over boxes with the flag 0, which no other format has: a trainer takes them for objects."""
    unconsidered = [track for track in tracks if 0 in track.extra.get(NAME, {}).get("considered", ())]
    if unconsidered:
        why = "boxes that are not to be considered (flag 0) are objects like others, except in MOT"
        run.report.note("not-considered", "tracks", why, example=video, n=len(unconsidered))


def _rows(one: _Sequence, run: Run) -> Iterator[_Row]:
    """The rows that can be read; the others are rejected, as is a second one of an identity in a frame."""
    seen: set[tuple[int, int]] = set()
    for line in iter_lines(one.rows, run.limits) if one.rows else ():
        place = Where(one.rows.name if one.rows else None, line=line.number, byte_offset=line.byte_offset)
        try:
            row = _row(line, run.limits)
            if row.id >= 0 and (row.id, row.frame) in seen:
                raise ReferenceProblem(f"the identity {row.id} is in frame {row.frame + 1} twice")
        except InputError as error:
            error.where = place
            run.reject(error, "keyframes", line.data, format=NAME)
            continue
        seen.add((row.id, row.frame))
        if row.is_placed:
            why = "where in the world a box is (x, y, z) has no place in a track"
            run.report.note("world-coordinates", "keyframes", why, example=place, lossy=True)
        yield row
        run.advance(len(line.data) + 1)


def _row(line: Line, limits: Limits) -> _Row:
    try:
        values = [float(text) for text in line.data.decode().split(",")]
        frame, identity, left, top, width, height, *rest = values
    except ValueError:
        raise DecodeError("expected frame,id,left,top,width,height,... as numbers") from None
    if not all(map(math.isfinite, values)) or frame != int(frame) or identity != int(identity):
        raise DecodeError("expected finite numbers, whole ones as frame and id")
    if not 1 <= frame <= limits.max_frames:
        raise DecodeError(f"expected a frame from 1 to {limits.max_frames}, got {frame:g} (--max-frames)")
    is_truth = len(values) in (8, 9)
    confidence = rest[0] if rest else 1.0
    visibility = rest[2] if len(values) == 9 else 1.0
    number = int(rest[1]) if is_truth else None
    box = (left, top, width, height)
    is_placed = any(value != -1 for value in values[7:]) and not is_truth
    return _Row(int(frame) - 1, int(identity), box, confidence, number, visibility, is_placed)


def _object(row: _Row, tool: str) -> ObjectAnnotation:
    x, y, width, height = row.box
    box = Box(x=x, y=y, width=width, height=height)
    return ObjectAnnotation(tool_name=tool, geometry=box, frame=row.frame, confidence=row.confidence)


def _track(id: str, tool: str, rows: list[_Row]) -> Track:
    rows = sorted(rows)
    frames = np.array([row.frame for row in rows])
    breaks = np.flatnonzero(np.diff(frames) > 1)
    segments = np.stack([frames[np.r_[0, breaks + 1]], frames[np.r_[breaks, len(frames) - 1]]], axis=1)
    more: dict[str, Any] = {}
    if any((row.confidence, row.visibility) != (1.0, 1.0) for row in rows):
        more["frames"] = frames.tolist()
        more["considered"] = [row.confidence for row in rows]
        more["visibility"] = [row.visibility for row in rows]
    return Track(
        tool_name=tool,
        kind="box",
        id=id,
        frames=frames,
        is_keyframe=np.ones(len(frames), np.bool_),
        values=np.array([row.box for row in rows], np.float64).reshape(-1, 2),
        segments=segments,
        extra={NAME: more} if more else {},
    )


def _asset(one: _Sequence) -> Asset:
    """What seqinfo.ini says of the video."""
    file = one.folder / INFO if one.folder else Path()
    if not file.is_file():
        return Asset(media_type="video")
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(Source(file).read_bytes().decode("utf-8-sig"))
        said: Mapping[str, str] = parser["Sequence"]
        rate = float(said["frameRate"]) if "frameRate" in said else None
        width, height, length = (int(said[key]) if key in said else None for key in _NUMBERS)
    except (configparser.Error, KeyError, ValueError) as error:
        problem = f"expected a section Sequence with numbers: {type(error).__name__}"
        raise DecodeError(problem, where=Where(str(file))) from error
    return Asset(media_type="video", width=width, height=height, frame_count=length, frame_rate=rate)


_NUMBERS = ("imWidth", "imHeight", "seqLength")
