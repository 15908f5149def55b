"""Writing MOTChallenge: every video a folder, every track a row in each frame in which it is visible."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec
import numpy as np

from annokit.dataset import Dataset
from annokit.errors import GeometryError
from annokit.formats._base import NoOptions
from annokit.formats._classes import Classes
from annokit.formats._mot.layout import CLASSES, FILE, INFO, LABELS, NAME, NAMES, SequenceName
from annokit.geometry.tracks import filled
from annokit.io.names import SafeNames, safe_name
from annokit.model import Annotation, DataRow, Label, Track
from annokit.report import census
from annokit.run import Run

__all__ = ["write"]


def write(dataset: Dataset, target: Path, _options: NoOptions, run: Run) -> None:
    """Write all videos below `target`, those of a split in a folder of its name.

    Identities that are whole numbers, each once, stay; others are numbered from 1. Class numbers are the
    benchmark's if all classes are its own, else the lines of gt/labels.txt.
    """
    classes = Classes(dataset.ontology)
    writer = _Writer(target, classes, run)
    safe = SafeNames(lambda: ((_stem(key.name), key.id) for key in dataset.outline.keys), stem=False)
    taken: set[str] = set()
    with (target / NAMES).open("wb") as names:
        for row in dataset.rows(run):
            if row.asset.media_type != "video":
                problem = "gt.txt holds tracks of videos only"
                run.report.lose_all("not-a-video", census(row), problem, example=row.name)
                continue
            folder = _free(safe.name(_stem(row.name), row.id), taken)
            folder = f"{safe_name(row.split)}/{folder}" if row.split else folder
            tracks = writer.write(row, folder)
            entry = SequenceName(folder=folder, id=row.id, name=row.name, split=row.split, tracks=tracks)
            names.write(msgspec.json.encode(entry) + b"\n")
    writer.finish()


def _stem(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.rpartition('.')[0] or last}"


def _free(name: str, taken: set[str]) -> str:
    """The name, with a number if rows of several sources share name and id."""
    free, count = name, 1
    while free in taken:
        count += 1
        free = f"{name}~{count}"
    taken.add(free)
    return free


class _Writer:
    """What stays the same from video to video: the numbers of the classes, and which of them have tracks."""

    def __init__(self, target: Path, classes: Classes, run: Run) -> None:
        self._target, self._classes, self._run = target, classes, run
        self._is_benchmark = set(classes.names) <= set(CLASSES)
        known = CLASSES if self._is_benchmark else classes.names
        self._numbers = {name: number for number, name in enumerate(known, 1)}
        self._used: set[str] = set()
        self._is_listed = False

    def write(self, row: DataRow, place: str) -> tuple[str, ...]:
        """One video; returns the ids of its tracks if they got numbers in their stead."""
        folder, report = self._target / place, self._run.report
        report.count("written", "data_rows")
        report.count("written", "labels", len(row.labels))
        (folder / FILE).parent.mkdir(parents=True)
        tracks = [track for label in row.labels for track in _tracks(label, row, self._run)]
        own = _whole(tracks)
        with (folder / FILE).open("w", encoding="ascii", newline="\n") as out:
            for track, identity in zip(tracks, own or range(1, len(tracks) + 1), strict=True):
                _write_rows(track, identity, self._number(track), out)
        if not self._is_benchmark:
            names = "".join(f"{_line(name)}\n" for name in self._numbers)
            (folder / LABELS).write_text(names, encoding="utf-8")
            self._is_listed = True
        ends = [int(track.frames[-1]) + 1 for track in tracks if len(track.frames)]
        (folder / INFO).write_text(_info(row, folder.name, max(ends, default=0)), encoding="utf-8")
        if own or not tracks:
            return ()
        why = "identities there are whole numbers, each once: they are numbered from 1 (names.ndjson has theirs)"
        report.note("renumbered", "tracks", why, example=row.name, n=len(tracks))
        return tuple([track.id or str(number) for number, track in enumerate(tracks, 1)])

    def _number(self, track: Track) -> int:
        self._classes.index(track)
        self._used.add(track.tool_name)
        return self._numbers.setdefault(track.tool_name, len(self._numbers) + 1)

    def finish(self) -> None:
        """Account for the classes: without labels.txt, one that has no track is in no file."""
        report, names = self._run.report, self._classes.names
        for name in [name for name in names if _line(name) != name]:
            problem = "a name in labels.txt is one line"
            report.note("class-renamed", "categories", problem, example=name, lossy=True)
        used = names if self._is_listed else self._used
        why = "no track is of it, and there is no list of classes"
        self._classes.account_used(report, used, why)


def _line(name: str) -> str:
    return " ".join(name.split()) or "_"


def _tracks(label: Label, row: DataRow, run: Run) -> Iterator[Track]:
    """The tracks of a label with every frame filled in; all else is accounted here."""
    report = run.report
    for one in label.annotations:
        code, why = _reason_against(one)
        if code or not isinstance(one, Track):
            report.lose_all(code, census(one), why, example=row.name)
            continue
        try:
            track = filled(one, run.limits)
            _check_finite(track)  # where every frame is known, nothing was filled in
        except GeometryError:
            report.lose_all("not-finite", census(one), "its coordinates are not finite", example=row.name)
            continue
        for question in one.classifications:
            report.lose_all("no-place", census(question), "gt.txt has no place for answers", example=row.name)
        report.count("written", "tracks")
        report.count("written", "keyframes", int(one.is_keyframe.sum()))
        if not track.is_keyframe.all():
            why = "rows do not say which boxes were placed and which interpolated"
            report.note("keyframes-unmarked", "tracks", why, example=row.name, lossy=True)
        yield track


def _check_finite(track: Track) -> None:
    if not np.isfinite(track.values).all():
        raise GeometryError(f"expected finite numbers in the track {track.id}")


def _reason_against(one: Annotation) -> tuple[str, str]:
    if not isinstance(one, Track):
        return "no-place", "gt.txt holds tracks only"
    return ("", "") if one.kind == "box" else ("no-place", "gt.txt holds boxes only")


def _whole(tracks: list[Track]) -> list[int]:
    """The ids of the tracks, if they are whole numbers, each once; else nothing."""
    own = [int(track.id) for track in tracks if track.id and re.fullmatch(r"[0-9]{1,15}", track.id)]
    return own if len(set(own)) == len(tracks) else []


def _write_rows(track: Track, identity: int, number: int, out: IO[str]) -> None:
    kept = track.extra.get(NAME, {})
    rest = zip(kept.get("considered", ()), kept.get("visibility", ()), strict=True)
    said = dict(zip(kept.get("frames", ()), rest, strict=True))
    for frame, box in zip(track.frames.tolist(), track.values.reshape(-1, 4).tolist(), strict=True):
        considered, visibility = said.get(frame, (1.0, 1.0))
        values = (frame + 1, identity, *box, considered, number, visibility)
        out.write(",".join([_text(value) for value in values]) + "\n")


def _text(value: float) -> str:
    """The shortest text that gives the number back."""
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))


def _info(row: DataRow, name: str, last: int) -> str:
    said = {
        "name": name,
        "imDir": "img1",
        "frameRate": None if row.asset.frame_rate is None else _text(row.asset.frame_rate),
        "seqLength": max(row.asset.frame_count or 0, last),
        "imWidth": row.asset.width,
        "imHeight": row.asset.height,
        "imExt": ".jpg",
    }
    lines = [f"{key}={value}" for key, value in said.items() if value is not None]
    return "\n".join(["[Sequence]", *lines, ""])
