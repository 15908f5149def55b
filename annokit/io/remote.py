"""Labels that lie elsewhere: what the user names by a URL is copied to a private folder that goes away.

`annokit.io.upload` is the way back. Only what was named is fetched, never an address that stands in data. fsspec and its file systems do it
(extra `cloud`), with the credentials they find.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from annokit.errors import InputError, UnsafeInput, UsageError, Where, shown
from annokit.io.batches import batched
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.io.names import local_name
from annokit.io.place import check_finished
from annokit.io.source import Source

__all__ = ["fetched", "file_system", "is_remote", "said_by"]

_REMOTE = re.compile(r"(s3|gs|gcs|az|abfs|abfss|https)://(?=.)")
_URL = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]+):/+"
)  # two letters at least: C:/ is a drive; Path makes // one /
_UNSAFE = re.compile(r"(?:^|/)\.{1,2}(?:/|$)|^/|[\\\0]|^[A-Za-z]:|//")
_KEPT = 3
"""Last parts of an address that stay folders here: those of a job say which iteration and record it is."""

_TOGETHER = 256
"""Small objects fetched at a time."""

_CHUNK = 1 << 20

_FAULTS = (
    ("aiohttp", "ClientError"),
    ("azure.core.exceptions", "AzureError"),
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("gcsfs.retry", "HttpError"),
)
"""What file systems raise that is no OSError, by the modules they come from."""


def is_remote(spec: object) -> bool:
    """Whether `spec` is an address that is fetched when it is named.

    >>> is_remote("s3://bucket/job/"), is_remote("jobs/s3"), is_remote("http://host/a.json")
    (True, False, False)
    """
    return isinstance(spec, str) and _REMOTE.match(spec) is not None


def fetched(
    url: str, limits: Limits = DEFAULT_LIMITS, progress: Callable[[int], None] | None = None
) -> Source:
    """A copy of the object at `url`, or of everything below it, which lives as long as the source.

    Parameters
    ----------
    url : str
        ``s3://``, ``gs://``, ``az://``, ``abfs://`` or ``https://``; below the last there are no folders.
    limits : Limits
        `max_entries` objects, `max_unpacked_bytes` in all.
    progress : callable, optional
        Called with numbers of bytes that came.

    Raises
    ------
    UsageError
        The package for this kind of address is not installed.
    InputError
        There is nothing, or it cannot be reached.
    LimitExceeded
        It is too much; nothing was fetched then, where the sizes are known before.
    UnsafeInput
        The name of an object leads out of its folder.
    """
    name = url.partition("?")[0]  # what signs an address has no place in messages and reports
    folder = Path(tempfile.mkdtemp(prefix="annokit-"))
    try:
        with _reaching(name):
            place = _copied(url, name, folder, limits, progress or (lambda _size: None))
        source = Source(place)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(source, shutil.rmtree, folder, ignore_errors=True)
    source.name = name
    return source


def _copied(url: str, name: str, folder: Path, limits: Limits, progress: Callable[[int], None]) -> Path:
    """Copy what is there, and say where it is now."""
    remote = _Remote(*file_system(url))
    steps = [step for step in name.partition("://")[2].split("/")[1:] if step] or ["bucket"]
    if any(_UNSAFE.search(step) for step in steps):
        raise UnsafeInput("the address leads out of its folder", where=Where(name))
    place = folder.joinpath(*map(local_name, steps[-_KEPT:]))
    if url.startswith("https:") or remote.is_object():
        place.parent.mkdir(parents=True, exist_ok=True)
        remote.copy_one(place, name, limits, progress)
    else:
        remote.copy_all(place, name, limits, progress)
        check_finished(place, name)
    return place


class _Remote(NamedTuple):
    """An address in its file system."""

    system: Any
    path: str

    def is_object(self) -> bool:
        return bool(self.system.isfile(self.path))

    def copy_one(self, place: Path, name: str, limits: Limits, progress: Callable[[int], None]) -> None:
        """Copy one object, of any size, and stop as soon as it is too much."""
        size = 0
        with self.system.open(self.path, "rb") as stream, place.open("xb") as out:
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                limits.check("max_unpacked_bytes", size, Where(name))
                out.write(chunk)
                progress(len(chunk))

    def copy_all(self, place: Path, name: str, limits: Limits, progress: Callable[[int], None]) -> None:
        """Copy every object below the address, many at a time."""
        sizes = self._objects(name, limits)
        targets = []
        for key in sizes:
            target = place / local_name(key)
            target.parent.mkdir(parents=True, exist_ok=True)
            targets.append(str(target))
        paths = [f"{self.path.rstrip('/')}/{key}" for key in sizes]
        for part in batched(zip(paths, targets, sizes.values(), strict=True), _TOGETHER):
            sources, copies, lengths = zip(*part, strict=True)
            self.system.get(list(sources), list(copies), batch_size=_TOGETHER)
            progress(sum(lengths))

    def _objects(self, name: str, limits: Limits) -> Mapping[str, int]:
        """The size of each object below the address, by the rest of its name."""
        top = f"{self.path.rstrip('/')}/"
        found = {
            path.removeprefix(top): int(info.get("size") or 0)
            for path, info in self.system.find(self.path, detail=True).items()
            if path.startswith(top) and not path.endswith("/")
        }
        if not found:
            raise InputError("expected an object, or objects below it, got none", where=Where(name))
        limits.check("max_entries", len(found), Where(name))
        limits.check("max_unpacked_bytes", sum(found.values()), Where(name))
        for key in found:
            if _UNSAFE.search(key):
                raise UnsafeInput(f"the object {shown(key)} leads out of its folder", where=Where(name))
        return found


def file_system(url: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it; UsageError where its package is missing."""
    hint = 'pip install "annokit[cloud]"'
    scheme = url.partition(":")[0]
    package = {"gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs"}.get(scheme)
    try:
        from fsspec.core import url_to_fs

        system, path = url_to_fs(url)
    except ImportError as error:
        hint = f"pip install {package}" if package else hint
        raise UsageError(f"{scheme}:// needs a package that is not installed: {error}", hint=hint) from error
    return system, str(path)


@contextmanager
def _reaching(name: str) -> Iterator[None]:
    """Turn what a file system says into an InputError."""
    try:
        yield
    except said_by() as error:
        said = str(error) if not isinstance(error, FileNotFoundError) else "there is no such object"
        raise InputError(
            f"cannot read: {shown(said or type(error).__name__, 200)}", where=Where(name)
        ) from error


def said_by() -> tuple[type[BaseException], ...]:
    """What file systems raise; looked up when something was raised, as the modules are only loaded then."""
    loaded = [getattr(sys.modules.get(module), name, None) for module, name in _FAULTS]
    return (OSError, ValueError, *[one for one in loaded if isinstance(one, type)])
