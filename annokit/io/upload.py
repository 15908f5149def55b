"""Outputs that go to an object store: made in a local folder first, then uploaded so that a half is never taken for
a whole.

A single object appears in one step. Of a folder the marker says that it is unfinished, from before the first object
until after the last; `annokit.io.remote` refuses to read such a one. Nobody can be kept away meanwhile, as there are no
locks.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from annokit.errors import shown
from annokit.io.output import Staged
from annokit.io.place import MARKER, OVERWRITE, census, check_added, counted, marked, refused
from annokit.io.remote import file_system, said_by
from annokit.io.swap import remove

__all__ = ["RemoteFile", "RemoteFolder"]

_TOGETHER = 32
"""Objects uploaded at a time."""


class _Remote(Staged):
    """An output at an address; `path` is in a private folder."""

    def __init__(self, url: str, *, overwrite: bool) -> None:
        self.target = PurePosixPath(url)
        self._url, self._overwrite = url, overwrite
        self._system, self._key = file_system(url)
        self._folder = Path(tempfile.gettempdir(), f"annokit-{os.urandom(8).hex()}")
        self.path = self._folder / PurePosixPath(url).name
        with self._uploading():
            self._system.invalidate_cache()
            self._check_free()

    def _check_free(self) -> None:
        raise NotImplementedError

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Nothing: object stores have no locks."""
        yield

    def start(self) -> None:
        """Make the private folder."""
        self._folder.mkdir(mode=0o700)

    def discard(self) -> None:
        """Remove it."""
        remove(self._folder)

    @contextmanager
    def _uploading(self, left: str = "") -> Iterator[None]:
        """Turn what a file system says into an OutputError, which says what is `left`."""
        try:
            yield
        except said_by() as error:
            said = shown(str(error) or type(error).__name__, 200)
            raise refused(self._url, f"cannot write: {said}{left}") from error

    def _objects(self) -> set[str]:
        """The names of the objects below the address."""
        top = f"{self._key}/"
        self._system.invalidate_cache()
        return {path.removeprefix(top) for path in self._system.find(self._key) if path.startswith(top)}


class RemoteFile(_Remote):
    """One object, see `StagedFile`."""

    def __init__(self, url: str, *, overwrite: bool = False, optional: bool = False) -> None:
        self._optional = optional
        super().__init__(url, overwrite=overwrite)

    def _check_free(self) -> None:
        if not self._overwrite and self._system.exists(self._key):
            raise refused(self._url, "it exists", hint=f"{OVERWRITE} replaces it")
        if self._system.isdir(self._key):
            raise refused(self._url, "expected a file to write, got a folder")

    def finish(self) -> None:
        """Upload it: the object is there whole, or not at all."""
        with self._uploading():
            self._check_free()
            if not self._optional or self.path.exists():
                self._system.put_file(str(self.path), self._key)
            elif self._system.exists(self._key):
                self._system.rm_file(self._key)


class RemoteFolder(_Remote):
    """Objects below an address, see `StagedFolder`: they are replaced only if annokit wrote all of them."""

    def _check_free(self) -> None:
        if self._system.isfile(self._key):
            raise refused(self._url, "expected a folder to write, got a file")
        found = self._objects()
        if not found:
            return
        if not self._overwrite:
            raise refused(self._url, "it exists", hint=f"{OVERWRITE} replaces it")
        marker = self._system.cat_file(f"{self._key}/{MARKER}") if MARKER in found else b""
        check_added(self._url, marker, counted(name for name in found if not name.endswith("/")))

    def start(self) -> None:
        """Make the folder to write into."""
        super().start()
        self.path.mkdir()

    def finish(self) -> None:
        """Upload the objects, those at the top last; what fails takes its new objects away again."""
        with self._uploading():
            self._check_free()
            before = self._objects()
        names = [path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if path.is_file()]
        self._marker = marked(census(self.path))
        self._stale = before - {*names, MARKER}
        try:
            with self._uploading(_left(before)):
                self._mark(marked(counted({*before, *names}), unfinished=True))
                self._put([name for name in names if "/" in name])
                self._put([name for name in names if "/" not in name])
        except BaseException:
            with suppress(*said_by()):
                self._take_back({*names, MARKER} - before)
            raise

    def commit(self) -> None:
        """Remove what the old output had besides, and say that all is there."""
        with self._uploading(": all is there, but still marked as unfinished"):
            self._delete(self._stale)
            self._mark(self._marker)

    def _put(self, names: Sequence[str]) -> None:
        """Upload files, many at a time. When one fails none is on its way any more, and could come later."""
        with ThreadPoolExecutor(_TOGETHER) as pool:
            for _ in pool.map(self._put_one, names):
                pass

    def _put_one(self, name: str) -> None:
        self._system.put_file(str(self.path / name), f"{self._key}/{name}")

    def _mark(self, content: bytes) -> None:
        self._system.pipe_file(f"{self._key}/{MARKER}", content)

    def _take_back(self, names: set[str]) -> None:
        self._delete(names & self._objects())

    def _delete(self, names: set[str]) -> None:
        keys = [f"{self._key}/{name}" for name in sorted(names)]
        if keys:
            self._system.rm(keys)


def _left(before: set[str]) -> str:
    """What an upload that failed leaves behind."""
    if not before:
        return ": nothing is left of it"
    return f": the output that was there ({len(before)} objects) is partly replaced, and marked as unfinished"
