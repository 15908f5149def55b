"""Whether a destination may be written, before any work is done."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath

import msgspec

from annokit.errors import InputError, OutputError, UsageError, Where, shown

__all__ = [
    "MARKER",
    "OVERWRITE",
    "address",
    "beside",
    "census",
    "check_added",
    "check_finished",
    "check_ours",
    "check_place",
    "counted",
    "destination",
    "holds",
    "marked",
    "refused",
    "same",
    "writing",
]

MARKER = "_annokit.json"
"""In every folder annokit wrote: how many files each subfolder has. Only such a folder is ever replaced."""


OVERWRITE = "--overwrite (in Python overwrite=True)"
"""What hints call the option."""


class _Marker(msgspec.Struct, omit_defaults=True):
    files: dict[str, int]
    unfinished: bool = False


_URL = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]+):/+"
)  # two letters at least: C:/ is a drive; Path makes // one /
_UPWARDS = re.compile(r"(?:^|/)\.{0,2}(?:/|$)|[?\0\\]")
_PASSING = re.compile(r"_annokit\.json|.*\.cache(\.npy)?|\.DS_Store|Thumbs\.db|desktop\.ini")


def refused(target: PurePath | str, problem: str, hint: str | None = None) -> OutputError:
    """The error about a destination."""
    return OutputError(problem, where=Where(str(target)), hint=hint)


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn what the operating system says into an OutputError about `target`."""
    try:
        yield
    except OSError as error:
        raise refused(target, f"cannot write: {error.strerror or error}") from error


def address(target: str | os.PathLike[str]) -> str | None:
    """The address an output is to go to; None for a path.

    Raises
    ------
    UsageError
        Nothing can be written to such an address, or a password stands in it.

    >>> address("s3://bucket/job/"), address(Path("s3://bucket/job")), address("out/coco.json")
    ('s3://bucket/job', 's3://bucket/job', None)
    """
    text = os.fspath(target)
    found = _URL.match(text)
    if found is None:
        return None
    url = f"{found[1]}://{text[found.end() :].rstrip('/')}"
    place, _, name = url.partition("://")[2].partition("/")
    if found[1] not in ("s3", "gs", "gcs", "az", "abfs", "abfss"):
        raise UsageError(f"annokit does not write to {shown(url)}", hint=_hint(found[1]))
    if ":" in place:
        raise UsageError("expected an address without a password in it", hint="set it in the environment")
    if _UPWARDS.search(name):
        raise UsageError(f"expected scheme://bucket/name to write to, got {shown(url)}")
    return url


def beside(target: str | os.PathLike[str], suffix: str) -> str:
    """The name of what stands beside an output.

    >>> beside("out/", ".report.json"), beside("s3://bucket/out/", ".report.json")
    ('out.report.json', 's3://bucket/out.report.json')
    """
    return f"{address(target) or Path(target)}{suffix}"


def _hint(scheme: str) -> str:
    """What to write to instead."""
    if scheme == "dbfs":
        return "give the path under /Volumes/ or /dbfs/"
    return "write to a path, or to s3://, gs:// or az://"


def destination(target: str | os.PathLike[str]) -> Path:
    """The absolute path, without following a link that `target` itself may be."""
    if url := address(target):
        raise refused(url, "this output is made on disk only", hint="give a path, and copy what is there")
    if os.fspath(target) in ("-", "/dev/stdout"):
        raise UsageError("writing to standard output is not supported", hint="give a file or folder")
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
    check_added(folder, marker.read_bytes() if marker.exists() else b"", census(folder))


def check_added(target: PurePath | str, marker: bytes, found: Mapping[str, int]) -> None:
    """Refuse what annokit did not write: the content of its `MARKER` against what is there."""
    try:
        written = msgspec.json.decode(marker, type=_Marker).files
    except msgspec.DecodeError:
        raise refused(
            target,
            f"annokit did not write this folder (it has no {MARKER})",
            hint="choose another or empty it",
        ) from None
    for name, count in found.items():
        if count > written.get(name, 0):
            raise refused(
                target,
                f"files were added in {shown(name)}: {count}, annokit wrote {written.get(name, 0)}",
                hint="move them or choose another folder",
            )


def check_finished(folder: Path, name: str) -> None:
    """Refuse to read what an upload did not finish."""
    marker = folder / MARKER
    with suppress(OSError, msgspec.DecodeError):  # other folders have no marker, or one of their own
        if msgspec.json.decode(marker.read_bytes(), type=_Marker).unfinished:
            raise InputError(
                "only a part of it is there: a run is writing it, or was killed",
                where=Where(name),
                hint=f"write it again with {OVERWRITE}",
            )


def marked(files: Mapping[str, int], *, unfinished: bool = False) -> bytes:
    """The content of `MARKER`."""
    return msgspec.json.encode(_Marker(dict(files), unfinished), order="sorted") + b"\n"


def counted(paths: Iterable[str]) -> dict[str, int]:
    """`census` of files that are named from the folder on.

    >>> counted(["data.yaml", "labels/train/a.txt", "labels/train/b.txt"])
    {'.': 1, 'labels/train': 2}
    """
    counts: dict[str, int] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        if not _PASSING.fullmatch(name):
            counts[folder or "."] = counts.get(folder or ".", 0) + 1
    return counts


def census(folder: Path) -> dict[str, int]:
    """How many files each folder has, links included; without what trainers and desktops drop there."""
    counts = {}
    for place, _, names in os.walk(folder):
        inside = Path(place).relative_to(folder).as_posix()
        counts[inside] = sum(1 for name in names if not _PASSING.fullmatch(name))
    return counts
