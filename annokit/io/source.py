"""What `annokit.read` is given: a path, bytes or a binary stream, as something that can be read again."""

from __future__ import annotations

import io
import os
import re
import shutil
import stat
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeAlias

from annokit.errors import InputError, UsageError, Where, shown
from annokit.io.limits import DEFAULT_LIMITS, Limits

__all__ = ["Readable", "Source", "Span", "reading", "small_file", "sources"]

Readable: TypeAlias = "str | os.PathLike[str] | bytes | BinaryIO"
"""What one `Source` can be made from."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # two letters at least: C:/ is a drive; Path makes // one /


class Span(NamedTuple):
    """A part of a source: bytes of a file, from where a line starts to where one ends; of a folder, entries.

    `line` is the number of its first line in the file, or None where nobody counted: lines are then counted
    from its start, and messages name both, as in ``big.ndjson@33554432:17``.
    """

    start: int
    stop: int
    line: int | None


class Source:
    """One readable thing. `open` gives a fresh handle each time, so it can be read more than once.

    A stream is copied to a temporary file once, as is a path that can be read only once (a pipe); the
    copy goes away with the source.

    Attributes
    ----------
    name : str
        For messages: the path as it was given, ``<bytes>`` or ``<stream>``.
    path : Path or None
        The file or folder, when there is one.
    origin : Path or None
        The file or folder that was given: for what was unpacked, the archive.
    limits : Limits
        Those of a first pass, which has no run; set by whoever opened it.
    span : Span or None
        The part of it that readers are to read; all of it by default.
    entries : Any
        Of a part of a folder, what is in it, as the format that cut it lists its files.

    Examples
    --------
    >>> Source(b'{"id": 1}').head(5)
    b'{"id"'
    """

    __slots__ = ("__weakref__", "_content", "_whole", "entries", "limits", "name", "origin", "path", "span")

    def __init__(self, spec: Readable) -> None:
        self.path: Path | None = None
        self.limits = DEFAULT_LIMITS
        self.span: Span | None = None
        self.entries: Any = None
        self._whole: Source | None = None
        self._content: bytes | Path
        if isinstance(spec, bytes | bytearray | memoryview):
            self.name, self._content = "<bytes>", bytes(spec)
        elif isinstance(spec, str | os.PathLike):
            self.name = os.fspath(spec)
            self._content = self._located(self.name)
        elif hasattr(spec, "read"):
            self.name = "<stream>"
            self._content = self._spooled(spec)
        else:
            raise UsageError(f"expected a path, bytes or a binary stream, got {type(spec).__name__}")
        self.origin: Path | None = self.path

    def _located(self, name: str) -> Path:
        if _URL.match(name):
            raise UsageError(f"annokit does not fetch {shown(name)}", hint=_hint(name))
        if name == "-":
            raise UsageError("reading from standard input is not supported", hint="give a file")
        path = Path(name)
        with reading(name, hint=f"looked in {path.parent.absolute()}"):
            mode = path.stat().st_mode
        if stat.S_ISDIR(mode) or stat.S_ISREG(mode):
            self.path = path
            return path
        with reading(name), path.open("rb") as stream:
            return self._spooled(stream)

    def _spooled(self, stream: BinaryIO) -> Path:
        if isinstance(stream.read(0), str):
            raise UsageError("expected a binary stream, got a text stream", hint='open it with mode "rb"')
        with reading(self.name), tempfile.NamedTemporaryFile(prefix="annokit-", delete=False) as out:
            copy = Path(out.name)
            weakref.finalize(self, copy.unlink, missing_ok=True)
            shutil.copyfileobj(stream, out, 1 << 20)
        return copy

    def within(self, span: Span, entries: Any = None) -> Source:
        """The same source, of which readers read a part."""
        part = Source.__new__(Source)
        part.__setstate__(self.__getstate__() | {"span": span, "entries": entries})
        part._whole = self
        return part

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs to open it; a copy of a stream goes away with the original all the same."""
        return {
            name: getattr(self, name)
            for name in ("_content", "entries", "limits", "name", "origin", "path", "span")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._whole = None
        for name, value in state.items():
            setattr(self, name, value)

    @property
    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return self.path is not None and self.path.is_dir()

    @property
    def size(self) -> int:
        """Its length in bytes, or that of the part that is read; 0 for a folder."""
        if self.span is not None and self.entries is None:
            return self.span.stop - self.span.start
        if isinstance(self._content, bytes):
            return len(self._content)
        with reading(self.name):
            return 0 if self.is_dir else self._content.stat().st_size

    def open(self) -> BinaryIO:
        """A fresh binary handle at the start; InputError when it cannot be opened."""
        if isinstance(self._content, bytes):
            return io.BytesIO(self._content)
        if self.is_dir:
            raise InputError("expected a file, got a folder", where=Where(self.name))
        with reading(self.name):
            return self._content.open("rb")

    def read_bytes(self, limits: Limits = DEFAULT_LIMITS) -> bytes:
        """All of it; LimitExceeded before anything is read when it is over `max_document_bytes`."""
        limits.check("max_document_bytes", self.size, Where(self.name))
        with self.open() as handle, reading(self.name):
            return handle.read()

    def head(self, length: int = 65536) -> bytes:
        """The first bytes, to tell the format from."""
        with self.open() as handle, reading(self.name):
            return handle.read(length)

    def __repr__(self) -> str:
        return f"Source({self.name!r})"


@contextmanager
def reading(name: str, hint: str | None = None) -> Iterator[None]:
    """Turn what the operating system says about `name` into an InputError."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path, a closed stream
        raise _unreadable(error, name, hint) from error


def _unreadable(error: OSError | ValueError, name: str, hint: str | None = None) -> InputError:
    text = (isinstance(error, OSError) and error.strerror) or str(error)
    return InputError(f"cannot read: {text}", where=Where(name), hint=hint)


_READING = os.O_RDONLY | getattr(os, "O_BINARY", 0)


def small_file(path: str, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """All of a file, below `max_document_bytes`. By hand: a file object takes longer than what is in it.

    Raises
    ------
    InputError
        It cannot be read.
    LimitExceeded
        It is too large.
    """
    try:
        handle = os.open(path, _READING)
        try:
            size = os.fstat(handle).st_size
            data = os.read(handle, size + 1) if size <= limits.max_document_bytes else b""
            while (
                data and len(data) != size and (more := os.read(handle, 1 << 20))
            ):  # a pipe, a file of gigabytes
                data += more
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        raise _unreadable(error, path) from error
    limits.check("max_document_bytes", size, Where(path))
    return data


def _hint(url: str) -> str:
    """What to give instead of an address."""
    if url.startswith("dbfs:"):
        return "give the path under /Volumes/ or /dbfs/"
    return "s3://, gs://, az:// and https:// are read where they are named as input; else give a copy"


def sources(
    spec: Readable | Source | Iterable[Readable | Source], open: Callable[[Readable], Source] = Source
) -> tuple[Source, ...]:
    """The sources behind the argument of `annokit.read`: one readable thing, or a list or tuple of them.

    What is a `Source` already stays as it is; `open` makes one of anything else.

    Examples
    --------
    >>> [source.size for source in sources([b"{}", b"[1, 2]"])]
    [2, 6]
    """
    parts = spec if isinstance(spec, list | tuple) else (spec,)
    if not parts:
        raise UsageError("expected something to read, got an empty list")
    return tuple(part if isinstance(part, Source) else open(part) for part in parts)
