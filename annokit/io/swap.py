"""Renames that leave either the old or the new in place, and what killed runs left behind."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
from pathlib import Path

__all__ = ["clear_leftovers", "put_in_place", "remove", "staging_path", "sync"]

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}


def staging_path(target: Path, kind: str, suffix: str = "") -> Path:
    """A hidden name beside `target` that nobody else uses and a later run can tell the owner of."""
    return target.with_name(f".{target.name}.annokit-{kind}{os.getpid()}-{os.urandom(4).hex()}{suffix}")


def put_in_place(staged: Path, target: Path) -> None:
    """Rename `staged` to `target`. Of a folder that stood there, what is left is under `staged` or gone."""
    if not target.is_dir():
        staged.replace(target)
    elif not _exchanged(staged, target):
        aside = staging_path(target, "old-")
        target.rename(aside)
        try:
            staged.rename(target)
        except OSError:
            aside.rename(target)
            raise
        remove(aside)
    sync(target.parent)


def _exchanged(one: Path, other: Path) -> bool:
    """Swap two names in one step where the system can; False where it cannot."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(other))


def clear_leftovers(target: Path) -> None:
    """Remove what runs that were killed left beside `target`; put an old folder back if it is missing."""
    ours = re.compile(re.escape(f".{target.name}.annokit-") + r"(staging-|old-|)(\d+)-[0-9a-f]{8}(\.tmp)?")
    for left in list(target.parent.iterdir()):
        found = ours.fullmatch(left.name)
        if found is None or _is_running(int(found[2])):
            continue
        if found[1] == "old-" and not target.exists():
            left.rename(target)
        else:
            remove(left)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it runs, and is not ours to signal
        return True
    return True


def remove(path: Path) -> None:
    """Delete a file or a folder with all in it, if it is there; symbolic links are not followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on disk."""
    if os.name == "nt" and path.is_dir():  # Windows has no handle on a folder to flush
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
