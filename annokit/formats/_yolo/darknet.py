"""Darknet's layout (YOLO 1.1, as CVAT exports it): obj.data says where the names and lists of images are."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from annokit.errors import DecodeError, UnsafeInput, Where, shown
from annokit.formats._image_files import SPLITS
from annokit.formats._yolo.data_yaml import DataYaml
from annokit.io.source import Source

__all__ = ["SUFFIX", "is_obj_data", "load"]

SUFFIX = ".data"
_LINE = re.compile(r"\s*(\w+)\s*=\s*(.*?)\s*")


def is_obj_data(text: bytes) -> bool:
    r"""Whether a text is an obj.data.

    >>> is_obj_data(b"classes = 1\ntrain = data/train.txt\nnames = data/obj.names\n"), is_obj_data(b"a = 1")
    (True, False)
    """
    return re.search(rb"(?m)^\s*names\s*=", text) is not None


def load(file: Path) -> DataYaml:
    """Read an obj.data and its list of names.

    Raises
    ------
    DecodeError
        It names no classes, or not as many as it says.
    """
    where = Where(str(file))
    lines = _text(file).splitlines()
    given = {found[1]: found[2] for line in lines if (found := _LINE.fullmatch(line))}
    names = [line.strip() for line in _text(file.parent / _place(given.get("names", ""), where)).splitlines()]
    while names and not names[-1]:
        names.pop()
    if given.get("classes", str(len(names))) != str(len(names)):
        problem = f"expected as many names as classes, {shown(given['classes'])}, got {len(names)}"
        raise DecodeError(problem, where=where)
    splits = [(split, given[key]) for key, split in SPLITS.items() if given.get(key)]
    return DataYaml(file, names, "", [(split, _place(given, where)) for split, given in splits], {})


def _text(file: Path) -> str:
    return Source(file).read_bytes().decode("utf-8-sig", "surrogateescape")


def _place(given: str, where: Where) -> str:
    """A path of obj.data; Darknet counts from a folder above, in which this one is called `data`."""
    if not given:
        raise DecodeError(
            "expected the files with names and images, as in names = data/obj.names", where=where
        )
    place = posixpath.normpath(given.replace("\\", "/"))
    folder = Path(where.file or "").parent
    if place.startswith("data/") and not (folder / place).exists():
        place = place.removeprefix("data/")
    if place.startswith(("/", "../")) or "\0" in place:
        raise UnsafeInput(f"{shown(given)} leads out of the dataset's folder", where=where)
    return place
