"""Where the answers of a labelling job lie: ``worker-response/iteration-N/RECORD/TIME.json``, and looser forms.

Only the folders of records are listed at first; their files when their turn comes, so a tree of any size
costs little memory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from annokit.errors import InputError, UsageError, Where, shown
from annokit.io.batches import batched
from annokit.io.source import Source, Span, reading

__all__ = ["MANIFESTS", "ResponseFile", "ResponseTree", "cut_tree", "has_answers", "looks_like_responses"]

MANIFESTS = ("manifests/output/output.manifest", "output.manifest")
"""Where the output manifest lies below the folder of a job."""

_ITERATION = re.compile(r"iteration-(\d+)")
_FRAMES = re.compile(r"[0-9a-f]{40}")
"""What the folder of a video's frames is called; the file of the answer points to it."""
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[_T ](\d\d)[:_-](\d\d)[:_-](\d\d)")
_ELSEWHERE = {
    "manifests",
    "activelearning",
    "inference",
    "training",
    "intermediate",
    "consolidated-annotation",
}
"""Folders of a job in which no worker's answers are."""

_RESPONSES = "worker-response"
_RECORD = 4096
"""About how many bytes the answers to one record have."""


class ResponseFile(msgspec.Struct, frozen=True, gc=False):
    """One file of answers.

    Attributes
    ----------
    place : str
        Where it can be opened; empty for a source that is no file.
    path : str
        As it is called in messages and in labels: below what was given, with slashes.
    iteration, record : int, str or None
        What the path says of them.
    batch_time : str or None
        When its answers were put together (it is no time of an answer), in UTC.
    """

    place: str
    path: str
    iteration: int | None = None
    record: str | None = None
    batch_time: str | None = None


class _Folder(msgspec.Struct, frozen=True, gc=False):
    place: str
    path: str
    iteration: int | None


class ResponseTree:
    """The response files below a folder, in a part of it, or the one that was given, by record.

    Attributes
    ----------
    lines : (int, int or None)
        The lines of the job's manifest that it has the answers to, from one up to another or the end.

    Raises
    ------
    UsageError
        There are several jobs.
    InputError
        There are no answers.
    """

    def __init__(self, source: Source) -> None:
        self._records: dict[str, list[_Folder]] = {}
        self._loose: list[ResponseFile] = []
        self.lines: tuple[int, int | None] = (0, None)
        if source.entries is not None:
            self._records, self._loose, self.lines = source.entries
            return
        if source.path is None:
            self._loose.append(ResponseFile("", source.name))
            return
        place = source.path.absolute()
        if not source.is_dir:
            self._loose.append(_file(str(place), place.name, *_told_by(place)))
            return
        top = _responses(place, source.name)
        around = place if source.origin != source.path else place.parent
        with reading(source.name):
            self._walk(str(top), top.relative_to(around).as_posix().removeprefix("."), *_told_by(top))
        if not self._records and not self._loose:
            raise InputError(
                "expected response files (worker-response/iteration-N/RECORD/TIME.json), got none",
                where=Where(source.name),
                code="empty",
            )

    def _walk(self, place: str, path: str, iteration: int | None, record: str | None) -> None:
        if record is not None:
            self._records.setdefault(record, []).append(_Folder(place, path, iteration))
            return
        folders: list[str] = []
        files: list[str] = []
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                (folders if entry.is_dir() else files).append(entry.name)
        for name in sorted(files):
            if name.endswith(".json"):
                self._loose.append(_file(f"{place}/{name}", _below(path, name), iteration, None))
        for name in sorted(folders):
            below, inside = f"{place}/{name}", _below(path, name)
            if name.isdecimal():
                self._records.setdefault(name, []).append(_Folder(below, inside, iteration))
            elif name not in _ELSEWHERE and not _FRAMES.fullmatch(name):
                found = _ITERATION.fullmatch(name)
                self._walk(below, inside, int(found[1]) if found else iteration, None)

    def __len__(self) -> int:
        """How many records there are, each loose file being one."""
        return len(self._records) + len(self._loose)

    def __iter__(self) -> Iterator[tuple[str | None, list[ResponseFile]]]:
        """The records with their files: by number, in each by iteration and time; then loose files."""
        for record in self._ordered():
            folders = self._records[record]
            folders.sort(key=lambda one: one.iteration or 0)
            yield record, [file for folder in folders for file in self._listed(folder, record)]
        for file in self._loose:
            yield file.record, [file]

    def _ordered(self) -> list[str]:
        return sorted(self._records, key=lambda name: (int(name), name))

    def cut(self, source: Source, size: int) -> list[Source]:
        """See `cut_tree`."""
        most = max(size // _RECORD, 1)
        groups = list(batched(self._ordered(), most))
        if len(groups) < 2:
            return [source]
        firsts = [0, *(int(records[0]) for records in groups[1:]), None]
        parts = []
        for place, records in enumerate(groups):
            loose = self._loose if firsts[place + 1] is None else []
            start = place * most
            span = Span(start, start + len(records) + len(loose), None)
            lines = firsts[place], firsts[place + 1]
            parts.append(source.within(span, ({one: self._records[one] for one in records}, loose, lines)))
        return parts

    def _listed(self, folder: _Folder, record: str) -> Iterator[ResponseFile]:
        try:
            names = os.listdir(folder.place)  # noqa: PTH208  # for each record, so it must be quick
        except OSError as error:
            raise InputError(f"cannot read: {error.strerror}", where=Where(folder.path)) from error
        for name in sorted(names):
            if name.endswith(".json") and name[0] != ".":
                path = _below(folder.path, name)
                yield _file(f"{folder.place}/{name}", path, folder.iteration, record)


def cut_tree(source: Source, size: int) -> list[Source]:
    """Parts of a folder with the answers to some records each; one file, or few records, stay whole.

    The last part has all files that are not in the folder of a record, among them the consolidation requests, of
    which several may speak of one record. What `offsets` count is found out in each part by itself.
    """
    if source.span is not None or not source.is_dir:
        return [source]
    return ResponseTree(source).cut(source, size)


def _file(place: str, path: str, iteration: int | None, record: str | None) -> ResponseFile:
    time = _TIME.search(path, max(len(path) - 26, 0))
    batch_time = None if time is None else f"{time[1]}T{time[2]}:{time[3]}:{time[4]}Z"
    return ResponseFile(place, path, iteration, record, batch_time)


def _below(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _told_by(place: Path) -> tuple[int | None, str | None]:
    """Iteration and record, as far as the last folders of a path are called so."""
    record = None
    for part in (place, *place.parents)[:3]:
        found = _ITERATION.fullmatch(part.name)
        if found:
            return int(found[1]), record
        if part.name.isdecimal() and _ITERATION.fullmatch(part.parent.name):
            record = part.name
    return None, None


def _responses(place: Path, name: str) -> Path:
    """The one folder of responses at or below `place`; else `place` itself."""
    if place.name == _RESPONSES:
        return place
    found = sorted(_jobs(place, depth=3))
    if len(found) > 1:
        jobs = ", ".join(shown(one.relative_to(place).as_posix()) for one in found[:5])
        raise UsageError(
            f"expected the answers of one job, got those of {len(found)}: {jobs}",
            where=Where(name),
            hint="name those to read, one SRC each",
        )
    return found[0] if found else place


def _jobs(place: Path, depth: int) -> Iterator[Path]:
    """The folders of responses down to some depth, without looking into those of iterations or records."""
    with reading(str(place)), os.scandir(place) as entries:
        folders = [entry.name for entry in entries if entry.is_dir()]
    if _RESPONSES in folders:
        yield place / _RESPONSES
        return
    for name in folders:
        if depth and not name.isdecimal() and not _ITERATION.fullmatch(name) and name not in _ELSEWHERE:
            yield from _jobs(place / name, depth - 1)


def looks_like_responses(place: Path, entries: Sequence[str]) -> bool:
    """Whether a folder is a job with answers of workers, or some folder of these."""
    if _RESPONSES in (place.name, *entries) or _ITERATION.fullmatch(place.name):
        return True
    if (place / "annotations" / _RESPONSES).is_dir() or any(map(_ITERATION.fullmatch, entries)):
        return True
    files = [name for name in entries if name.endswith(".json") and name[0] != "."]
    return bool(files) and (place / files[0]).is_file() and has_answers(_head(place / files[0]))


def has_answers(head: bytes) -> bool:
    """Whether a file begins as one with answers of workers does.

    >>> has_answers(b'{"answers":[{"answerContent":{"')
    True
    """
    if b'"consolidatedAnnotation"' in head:
        return False
    return re.match(rb'[\s\xef\xbb\xbf]*(\{\s*"answers"\s*:|\[\s*\{)', head) is not None and (
        re.search(rb'"(answerContent|annotationData)"\s*:|"answers"\s*:\s*\[\s*\]', head) is not None
    )


def _head(file: Path) -> bytes:
    with file.open("rb") as handle:
        return handle.read(4096)
