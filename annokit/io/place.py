"""Whether a destination may be written, before any work is done."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

import msgspec

from annokit.errors import OutputError, Where, shown

__all__ = [
    "MARKER",
    "census",
    "check_ours",
    "check_place",
    "destination",
    "holds",
    "refused",
    "same",
    "writing",
]

MARKER = "_annokit.json"
"""In every folder annokit wrote: how many files each subfolder has. Only such a folder is ever replaced."""

_PASSING = re.compile(r"_annokit\.json|.*\.cache(\.npy)?|\.DS_Store|Thumbs\.db|desktop\.ini")


def refused(target: PurePath, problem: str, hint: str | None = None) -> OutputError:
    """The error about a destination."""
    return OutputError(problem, where=Where(str(target)), hint=hint)


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn what the operating system says into an OutputError about `target`."""
    try:
        yield
    except OSError as error:
        raise refused(target, f"cannot write: {error.strerror or error}") from error


def destination(target: str | os.PathLike[str]) -> Path:
    """The absolute path, without following a link that `target` itself may be."""
    path = Path(target).absolute()
    return path.resolve() if path.name == ".." else path.parent.resolve() / path.name


def check_place(target: Path) -> None:
    """Refuse what is never written: the root, links, devices, something below a file."""
    if target.parent == target:
        raise refused(target, "the root folder cannot be written")
    if target.is_symlink():
        raise refused(target, "it is a symbolic link", hint=f"give the path itself: {target.resolve()}")
    if target.parent.exists() and not target.parent.is_dir():
        raise refused(target, f"expected a folder to write into, got the file {target.parent}")
    if target.exists() and not (target.is_dir() or target.is_file()):
        raise refused(target, "it is neither a file nor a folder")


def same(one: Path, other: Path) -> bool:
    """Whether both are there and are one file."""
    return one.exists() and other.exists() and one.samefile(other)


def holds(folder: Path, path: Path) -> bool:
    """Whether `path` is `folder` or somewhere below it."""
    return folder.resolve() in (path.resolve(), *path.resolve().parents)


def check_ours(folder: Path) -> None:
    """Refuse a folder that annokit did not write, or to which something was added since."""
    marker = folder / MARKER
    try:
        written = msgspec.json.decode(marker.read_bytes(), type=dict[str, dict[str, int]])["files"]
    except (FileNotFoundError, msgspec.DecodeError, KeyError):
        raise refused(
            folder,
            f"annokit did not write this folder (it has no {MARKER})",
            hint="choose another or empty it",
        ) from None
    for name, count in census(folder).items():
        if count > written.get(name, 0):
            raise refused(
                folder,
                f"files were added in {shown(name)}: {count}, annokit wrote {written.get(name, 0)}",
                hint="move them or choose another folder",
            )


def census(folder: Path) -> dict[str, int]:
    """How many files each folder has, links included; without what trainers and desktops drop there."""
    counts = {}
    for place, _, names in os.walk(folder):
        inside = Path(place).relative_to(folder).as_posix()
        counts[inside] = sum(1 for name in names if not _PASSING.fullmatch(name))
    return counts
