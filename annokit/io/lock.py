"""One writer at a time for a destination."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from annokit.io.place import refused

__all__ = ["locked"]

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Hold a lock file beside `target`; whatever way its owner ends, the system lets go of it.

    Raises
    ------
    OutputError
        Another run holds it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.with_name(f".{target.name}.annokit-lock")
    handle = _taken(path, target)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # before it is let go of, so that what is removed is ours
        os.close(handle)


def _taken(path: Path, target: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            _lock(handle, target)
            if _is_at(path, handle):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # its owner removed it meanwhile: another one stands there, or none


def _is_at(path: Path, handle: int) -> bool:
    """Whether an open file is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _lock(handle: int, target: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows, where an open file cannot be renamed over
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise refused(target, "another run is writing it", hint="wait for it, or choose another") from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:  # a file system without locks works as it did without us
            raise
