"""Labels inside an archive: unpacked under limits to a private folder that goes away with the source.

Nothing in an archive is trusted: not its names, not the sizes it states. Archives in archives stay closed.
"""

from __future__ import annotations

import gzip
import lzma
import os
import re
import shutil
import stat
import tarfile
import tempfile
import unicodedata
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from annokit.errors import InputError, UnsafeInput, UsageError, Where, shown
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.io.names import local_name
from annokit.io.remote import fetched, is_remote
from annokit.io.source import Readable, Source

__all__ = ["open_source"]

_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,  # an encrypted entry; its subclass NotImplementedError: a compression nobody knows
    ValueError,
    LookupError,
)
_UNSAFE = re.compile(r"(?:^|/)\.\.?(?:/|$)|^/|[\\\0]|^[A-Za-z]:|//")
_LABELS = {".json", ".ndjson", ".jsonl"}
_FOLDER_OF = {".yaml", ".yml", ".parquet", ".manifest"}
_TREE = re.compile(r"(?:^|/)(?:worker-response|iteration-\d+)(?=/|$)")
"""In trees of many small label files the folders say what a file is about."""
_JUNK = re.compile(r"(?:^|/)(?:__MACOSX|\._|\.DS_Store|Thumbs\.db)")
_FREE = 64 << 20
"""Bytes that may come out before their ratio is looked at."""
_CHUNK = 1 << 20


def open_source(
    spec: Readable | Source,
    limits: Limits = DEFAULT_LIMITS,
    progress: Callable[[int], None] | None = None,
) -> Source:
    """What is to be read; of a zip, tar or gzip file, the labels in it; of an address, a copy.

    Parameters
    ----------
    spec : path, bytes, binary stream or Source
        Or an address, see `annokit.io.remote`.
    limits : Limits
    progress : callable, optional
        Called with numbers of bytes that were fetched.

    Raises
    ------
    UnsafeInput
        A name leads out of the archive or stands there twice, or an entry is a link or a device.
    LimitExceeded
        It has too many entries, or too much comes out.
    InputError
        It is broken.
    UsageError
        It holds several label files.

    Examples
    --------
    >>> open_source(b"[]").name
    '<bytes>'
    """
    if isinstance(spec, str) and is_remote(spec):
        source = fetched(spec, limits, progress)
    else:
        source = spec if isinstance(spec, Source) else Source(spec)
    if source.path is None or source.is_dir or source.origin != source.path:
        return source
    unpack = _UNPACK.get(_kind(source.head(512)))
    if unpack is None:
        return source
    folder = Path(tempfile.mkdtemp(prefix="annokit-"))
    try:
        with _opening(source.name):
            unpack(source.path, _Room(folder, source, limits))
        found = Source(_labels(folder, source.name))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(found, shutil.rmtree, folder, ignore_errors=True)
    found.name, found.origin = source.name, source.path
    return found


def _kind(head: bytes) -> str:
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return "zip"
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    return "tar" if head[257:262] == b"ustar" else ""


@contextmanager
def _opening(name: str) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise InputError(f"cannot unpack: {error or type(error).__name__}", where=Where(name)) from error


class _Room:
    """The folder that takes what comes out, and counts it."""

    def __init__(self, folder: Path, source: Source, limits: Limits) -> None:
        self._folder, self._name, self._limits = folder, source.name, limits
        self._packed, self._bytes, self._entries = source.size, 0, 0
        self._seen: set[str] = set()

    def file(self, name: str) -> Path | None:
        """Where an entry goes; None for folders, which are made when something is in them, and for junk."""
        self._entries += 1
        self._limits.check("max_entries", self._entries, Where(self._name))
        if _UNSAFE.search(name):
            raise self._unsafe(f"the entry {shown(name)} leads out of the archive")
        key = unicodedata.normalize("NFC", name)
        if key in self._seen:
            raise self._unsafe(f"the entry {shown(name)} is there twice")
        self._seen.add(key)
        return None if name.endswith("/") or _JUNK.search(name) else self._folder / local_name(name)

    def no_link(self, name: str) -> None:
        """Refuse an entry that is neither a file nor a folder."""
        raise self._unsafe(f"the entry {shown(name)} is a link or a device")

    def _unsafe(self, problem: str) -> UnsafeInput:
        return UnsafeInput(problem, where=Where(self._name), hint="unpack it yourself if you trust it")

    def fill(self, path: Path, stream: IO[bytes] | gzip.GzipFile) -> None:
        """Copy an entry, and stop as soon as it is too much."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as out:
            while chunk := stream.read(_CHUNK):
                self._bytes += len(chunk)
                where = Where(self._name)
                self._limits.check("max_unpacked_bytes", self._bytes, where)
                if self._bytes > _FREE:
                    self._limits.check("max_ratio", self._bytes // max(self._packed, 1), where)
                out.write(chunk)


def _unzip(path: Path, room: _Room) -> None:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            place = room.file(entry.orig_filename)
            mode = entry.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                room.no_link(entry.filename)
            if place is not None:
                with archive.open(entry) as stream:
                    room.fill(place, stream)


def _untar(path: Path, room: _Room) -> None:
    with tarfile.open(path, "r:") as archive:
        for entry in archive:
            name = entry.name.removeprefix("./")
            if name in ("", "."):
                continue
            place = room.file(f"{name}/" if entry.isdir() else name)
            if not (entry.isfile() or entry.isdir()):
                room.no_link(entry.name)
            stream = archive.extractfile(entry)
            if place is not None and stream is not None:
                room.fill(place, stream)


def _gunzip(path: Path, room: _Room) -> None:
    name = re.sub(r"\.t?gz$", "", path.name) or "labels"
    place = room.file(name if Path(name).suffix.lower() in _LABELS else f"{name}.ndjson")
    if place is None:
        return
    with gzip.open(path) as stream:
        room.fill(place, stream)
    with place.open("rb") as head:
        is_tar = _kind(head.read(512)) == "tar"
    if is_tar:
        inner = place.rename(place.with_name(f".{os.urandom(8).hex()}"))
        _untar(inner, room)
        inner.unlink()


_UNPACK = {"zip": _unzip, "tar": _untar, "gzip": _gunzip}


def _labels(folder: Path, name: str) -> Path:
    """The one dataset below a folder: that of a data.yaml, tables or a tree, or the only label file."""
    while len(inside := list(folder.iterdir())) == 1 and inside[0].is_dir():
        if _TREE.search(inside[0].name):
            return folder
        folder = inside[0]
    if any(path.suffix.lower() in _FOLDER_OF for path in inside):
        return folder
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _LABELS)
    if any(_TREE.search(path.relative_to(folder).as_posix()) for path in found):
        return folder
    if len(found) > 1:
        names = ", ".join(shown(path.relative_to(folder).as_posix()) for path in found[:5])
        raise UsageError(
            f"expected one label file in the archive, got {len(found)}: {names}",
            where=Where(name),
            hint="unpack it and name those to read",
        )
    return found[0] if found else folder
