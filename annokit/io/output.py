"""Output that is there whole or not at all.

Everything is written beside its destination first and renamed at the end. Whatever happens before, an
error or a killed process, the destination is as it was.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath

from annokit.errors import UnsafeInput, Where, shown
from annokit.io.lock import locked
from annokit.io.place import (
    MARKER,
    OVERWRITE,
    address,
    census,
    check_ours,
    check_place,
    destination,
    holds,
    marked,
    refused,
    same,
    writing,
)
from annokit.io.swap import clear_leftovers, put_in_place, remove, staging_path, sync

__all__ = [
    "MARKER",
    "Staged",
    "StagedFile",
    "StagedFolder",
    "file_at",
    "folder_at",
    "scratch_folder",
    "staged",
    "staged_file",
    "staged_folder",
    "write_many",
]


class Staged:
    """An output that is made at `path` and takes its place at `target` in the end.

    Attributes
    ----------
    target : PurePath
        Where it will be.
    path : Path
        The file or folder to write.
    format : str or None
        What format it has at `path`, where that is another than the one it gets at `target`.
    """

    target: PurePath
    path: Path
    format: str | None = None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other runs away, and turn what the operating system says into an OutputError."""
        target = Path(self.target)
        with writing(target), locked(target):
            yield

    def start(self) -> None:
        """Make room to write at `path`."""

    def settle(self) -> None:
        """Find out, and account, what will change in what is there; nothing, of files and folders."""

    def finish(self) -> None:
        """What can fail, done before anything takes its place."""

    def commit(self) -> None:
        """Put it in place."""

    def discard(self) -> None:
        """Remove what is left at `path`."""
        remove(self.path)


class StagedFile(Staged):
    """A file to be written at `path` and put at `target` by `staged`.

    Parameters
    ----------
    target : path
        The destination; missing folders above it are made.
    overwrite : bool
        Whether a file may stand there.
    sources : iterable of path
        What is being read: never a destination.
    optional : bool
        Whether nothing may be written; what stood at the destination then goes away.

    Raises
    ------
    OutputError
        The destination cannot be used; nothing was done yet.
    """

    target: Path

    def __init__(
        self,
        target: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        sources: Iterable[Path] = (),
        optional: bool = False,
    ) -> None:
        self.target = destination(target)
        self._overwrite, self._optional = overwrite, optional
        with writing(self.target):
            check_place(self.target)
            if self.target.is_dir():
                raise refused(self.target, "expected a file to write, got a folder")
            if any(same(self.target, source) for source in sources):
                raise refused(self.target, "the destination is what is being read")
            self._check_free()
        self.path = staging_path(self.target, "", ".tmp")

    def _check_free(self) -> None:
        if self.target.exists() and not self._overwrite:
            raise refused(self.target, "it exists", hint=f"{OVERWRITE} replaces it")

    def start(self) -> None:
        """Make the folder it stands in."""
        self.target.parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(self.target)

    def finish(self) -> None:
        """What can fail, done before anything is renamed."""
        self._check_free()
        if self._optional and not self.path.exists():
            return
        if self.target.exists():
            shutil.copymode(self.target, self.path)
        sync(self.path)

    def commit(self) -> None:
        """Put it in place."""
        if self._optional and not self.path.exists():
            self.target.unlink(missing_ok=True)
        else:
            put_in_place(self.path, self.target)


class StagedFolder(Staged):
    """A folder to be filled at `path` and put at `target` by `staged`.

    A folder is replaced only if it is empty, or annokit wrote it (it holds `MARKER`) and nothing was added
    since. The files are not flushed one by one: that is many times slower, and guards against nothing but
    a power cut.

    Parameters are those of `StagedFile`.
    """

    target: Path

    def __init__(
        self, target: str | os.PathLike[str], *, overwrite: bool = False, sources: Iterable[Path] = ()
    ) -> None:
        self.target = destination(target)
        self._overwrite = overwrite
        with writing(self.target):
            check_place(self.target)
            inside = [path for path in (Path.cwd(), *sources) if holds(self.target, path)]
            if inside:
                raise refused(self.target, f"it holds {inside[0]}, which is in use")
            self._check_free()
        self.path = staging_path(self.target, "staging-")

    def _check_free(self) -> None:
        if not self.target.exists():
            return
        if not self.target.is_dir():
            raise refused(self.target, "expected a folder to write, got a file")
        if not any(self.target.iterdir()):
            return
        if not self._overwrite:
            raise refused(self.target, "it exists", hint=f"{OVERWRITE} replaces it")
        check_ours(self.target)

    def start(self) -> None:
        """Make the folder to write into."""
        self.target.parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(self.target)
        self.path.mkdir()

    def finish(self) -> None:
        """What can fail, done before anything is renamed."""
        self._check_free()
        marker = self.path / MARKER
        marker.write_bytes(marked(census(self.path)))
        if self.target.exists():
            shutil.copymode(self.target, self.path)
        sync(marker)
        sync(self.path)

    def commit(self) -> None:
        """Put it in place."""
        put_in_place(self.path, self.target)


def file_at(
    target: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    sources: Iterable[Path] = (),
    optional: bool = False,
) -> Staged:
    """A file to be written: a `StagedFile`, or for an address (``s3://bucket/out.json``) one that is uploaded."""
    url = address(target)
    if url is None:
        return StagedFile(target, overwrite=overwrite, sources=sources, optional=optional)
    from annokit.io.upload import RemoteFile

    return RemoteFile(url, overwrite=overwrite, optional=optional)


def folder_at(
    target: str | os.PathLike[str], *, overwrite: bool = False, sources: Iterable[Path] = ()
) -> Staged:
    """A folder to be filled: a `StagedFolder`, or for an address one whose files are uploaded."""
    url = address(target)
    if url is None:
        return StagedFolder(target, overwrite=overwrite, sources=sources)
    from annokit.io.upload import RemoteFolder

    return RemoteFolder(url, overwrite=overwrite)


@contextmanager
def staged(*parts: Staged) -> Iterator[None]:
    """Commit outputs that belong together when the body is done, in the order given; discard on an error.

    Each one appears in a single step. Give the main output last: when it is there, all is there. A second
    run with the same main output is refused meanwhile. What can fail comes in the other order, since uploads
    are part of it, and what tells of an output is not to be there before it.
    """
    _check_apart([part.target for part in parts])
    try:
        with parts[-1].hold():
            for part in parts:
                part.start()
            yield
            for part in reversed(parts):
                part.finish()
            for part in parts:
                part.commit()
    finally:
        for part in parts:
            with suppress(OSError):  # what cannot be removed now is by the next run
                part.discard()


def _check_apart(targets: Sequence[PurePath]) -> None:
    """Refuse outputs that would replace one another."""
    for place, target in enumerate(targets):
        for other in targets[place + 1 :]:
            if target == other or target in other.parents or other in target.parents:
                raise refused(target, f"it would stand where {other} does", hint="give each its own place")


@contextmanager
def staged_file(
    target: str | os.PathLike[str], *, overwrite: bool = False, sources: Iterable[Path] = ()
) -> Iterator[Path]:
    """A path to write to; at the end, and only then, the file is at `target`. See `StagedFile`.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "out.json"
    >>> with staged_file(target) as path:
    ...     _ = path.write_bytes(b"{}")
    ...     target.exists()
    False
    >>> target.read_bytes()
    b'{}'
    """
    part = file_at(target, overwrite=overwrite, sources=sources)
    with staged(part):
        yield part.path


@contextmanager
def staged_folder(
    target: str | os.PathLike[str], *, overwrite: bool = False, sources: Iterable[Path] = ()
) -> Iterator[Path]:
    """A folder to write into; at the end, and only then, it is at `target`. See `StagedFolder`."""
    part = folder_at(target, overwrite=overwrite, sources=sources)
    with staged(part):
        yield part.path


@contextmanager
def scratch_folder(beside: Path) -> Iterator[Path]:
    """A folder for what is on its way to a staged output; it goes away, at the latest with the next run."""
    path = staging_path(beside, "staging-")
    path.mkdir(mode=0o700)
    try:
        yield path
    finally:
        remove(path)


_UNSAFE = re.compile(r"(?:^|/)\.{0,2}(?:/|$)|[\0\\]|^[A-Za-z]:")
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def write_many(folder: Path, names: Sequence[str], data: Sequence[bytes | memoryview]) -> None:
    """Write many small new files below `folder`, quickly; folders on the way are made.

    Raises
    ------
    UnsafeInput
        A name leads out of `folder`; nothing was written.
    OSError
        A file exists already, or the disk is full; `staged` makes an OutputError of it.

    Examples
    --------
    >>> import tempfile
    >>> write_many(Path(tempfile.mkdtemp()), ["labels/a.txt", "labels/b.txt"], [b"0 .5 .5 1 1", b""])
    """
    for name in names:
        if _UNSAFE.search(name):
            raise UnsafeInput(
                f"the file name {shown(name)} leads out of its folder", where=Where(str(folder))
            )
    for parent in sorted({name.rpartition("/")[0] for name in names}):
        (folder / parent).mkdir(parents=True, exist_ok=True)
    root = f"{folder}/"
    for name, content in zip(names, data, strict=True):
        _write_new(root + name, content)


def _write_new(path: str, content: bytes | memoryview) -> None:
    handle = os.open(path, _NEW_FILE, 0o666)
    try:
        written = os.write(handle, content)
        while written < len(content):  # a signal, or a disk that is nearly full
            written += os.write(handle, memoryview(content)[written:])
    finally:
        os.close(handle)
