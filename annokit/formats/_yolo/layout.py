"""Which images a YOLO dataset has, and where their label files are."""

from __future__ import annotations

import csv
import os
import posixpath
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from annokit.errors import DecodeError, InputError, UnsafeInput, Where, shown
from annokit.formats._image_files import IMAGE_SUFFIX, NAMES_FILE, ImageName, read_names
from annokit.formats._yolo.data_yaml import DataYaml
from annokit.io.source import Source

__all__ = [
    "Item",
    "Layout",
    "is_there",
    "label_path",
    "leads_out",
    "walk",
]

_DARKNET = re.compile(r"\A/?(obj_[^/]*_data/)?")
"""The folder of a split in Darknet's layout."""


class Item(msgspec.Struct, frozen=True):
    """One image.

    Attributes
    ----------
    id : str
        Of its data row.
    name : str
        What it is called elsewhere: its original name, or its path within the folder of the split.
    file, label : str
        Image and label file, relative to the folder of data.yaml; either may be missing.
    split : str or None
    size : (int, int) or None
        Width and height, where they are known without the image.
    """

    id: str
    name: str
    file: str
    label: str
    split: str | None
    size: tuple[int, int] | None


def label_path(image: str) -> str:
    """The label file of an image, by Ultralytics' rule: the last `images` folder becomes `labels`.

    >>> label_path("images/train/a.v2.jpg"), label_path("train/images/b.png"), label_path("c.jpg")
    ('labels/train/a.v2.txt', 'train/labels/b.txt', 'c.txt')
    """
    stem = IMAGE_SUFFIX.sub("", image)
    before, found, after = f"/{stem}".rpartition("/images/")
    return f"{before}/labels/{after}.txt"[1:] if found else f"{stem}.txt"


class Layout:
    """The images of a dataset: those of names.ndjson in its order, then those of each split by name.

    Parameters
    ----------
    document : DataYaml
    sizes : str or None
        A CSV file with name, width and height of images.

    Attributes
    ----------
    items : list of Item
    repeated : list of str
        Places and images that are listed more than once; each is read once, in its first split.
    missing : list of str
        Places that are not there, while others are: Roboflow names splits that it left empty.
    """

    def __init__(self, document: DataYaml, sizes: str | None) -> None:
        self.folder = document.file.parent
        self.repeated: list[str] = []
        self.missing: list[str] = []
        self._sizes = _read_sizes(Source(sizes)) if sizes else {}
        inside = posixpath.normpath(document.path.replace("\\", "/"))
        self._bases = [""] if leads_out(inside) else [inside, ""]
        self._labels: set[str] = set()
        self.items = [self._named(entry) for entry in read_names(self.folder / NAMES_FILE)]
        self._add_splits(document)

    def _named(self, entry: ImageName) -> Item:
        file = posixpath.normpath(entry.file)
        if leads_out(file):
            raise self._unsafe(entry.file, NAMES_FILE)
        size = (entry.width, entry.height) if entry.width and entry.height else None
        label = label_path(file)
        self._labels.add(label)
        size = self._size(file, entry.image) or size
        return Item(entry.id, entry.image, file, label, entry.split, size)

    def _add_splits(self, document: DataYaml) -> None:
        files, places = set[str](), set[str]()
        for split, given in document.splits:
            place = self._place(given, document.file.name)
            if place is None:
                self.missing.append(f"{split}: {given}")
                continue
            if place in places:
                self.repeated.append(f"{split}: {given}")
                continue
            places.add(place)
            for file, label, name in self._images(place):
                if file in files:
                    self.repeated.append(f"{split}: {file}")
                elif label not in self._labels:  # those are of names.ndjson, which has their names
                    files.add(file)
                    self.items.append(Item(file, name, file, label, split, self._size(file, name)))
        if not places and self.missing:
            first = document.splits[0][1]
            if leads_out(posixpath.normpath(first)):
                raise self._unsafe(first, document.file.name)
            raise InputError(
                f"expected images or labels in {shown(first)}, got no such folder or file",
                where=Where(str(document.file)),
                code="not-found",
            )

    def _images(self, place: str) -> Iterator[tuple[str, str, str]]:
        """Image, label file and name of all images at a place: a folder, a list, or one image."""
        path = self.folder / place
        if path.suffix.lower() == ".txt" and is_there(path):
            for file in self._listed(place):
                yield file, label_path(file), _DARKNET.sub("", f"/{file}".rpartition("/images/")[2])
        elif IMAGE_SUFFIX.search(place):
            yield place, label_path(place), posixpath.basename(place)
        else:
            yield from self._in_folder(place)

    def _in_folder(self, place: str) -> Iterator[tuple[str, str, str]]:
        """The images below a folder, and at their places the labels whose images are not there."""
        found: dict[str, list[tuple[str, str]]] = {}  # images of one stem share a label file
        for name in walk(self.folder / place):
            if IMAGE_SUFFIX.search(name):
                file = posixpath.join(place, name)
                found.setdefault(label_path(file), []).append((file, name))
        labels = _labels_of(place)
        if labels != place:
            for text in walk(self.folder / labels):
                stem, suffix = posixpath.splitext(text)
                if suffix == ".txt" and (label := posixpath.join(labels, text)) not in found:
                    name = self._sizes.get(stem, (stem,))[0]
                    found[label] = [(posixpath.join(place, name), name)]
        images = [(file, name, label) for label, sharing in found.items() for file, name in sharing]
        for file, name, label in sorted(images):
            yield file, label, name

    def _listed(self, place: str) -> Iterator[str]:
        """The images named in a text file."""
        text = Source(self.folder / place).read_bytes().decode("utf-8-sig", "surrogateescape")
        bases = [posixpath.dirname(place), *self._bases]
        for line in map(str.strip, text.splitlines()):
            if not line:
                continue
            found = self._locate(line, bases) or self._locate(line.removeprefix("data/"), bases)
            file = found or posixpath.normpath(posixpath.join(self._bases[0], line))
            if leads_out(file):
                raise self._unsafe(line, place)
            yield file

    def _place(self, given: str, file: str) -> str | None:
        """A place of data.yaml, relative to its folder; None where it is not there."""
        found = self._locate(given, self._bases)
        if found is None and given.startswith("../"):  # Roboflow counts from a folder that is not there
            found = self._locate(re.sub(r"\A(\.\./)+", "", given), [""])
        if found is not None:
            return found
        if leads_out(posixpath.normpath(given)) and not re.match(r"\.\./\w", given):
            raise self._unsafe(given, file)
        return None

    def _locate(self, given: str, bases: list[str]) -> str | None:
        """The first place inside the dataset that is there, or whose labels are."""
        given = given.replace("\\", "/")
        if posixpath.isabs(given):
            given = os.path.relpath(given, self.folder.absolute()).replace(os.sep, "/")
        for base in bases:
            place = posixpath.normpath(posixpath.join(base, given))
            known = (place, _labels_of(place), label_path(place))
            if not leads_out(place) and any(is_there(self.folder / path) for path in known):
                return place
        return None

    def _size(self, file: str, name: str) -> tuple[int, int] | None:
        for key in (file, name, posixpath.basename(file)):
            if key in self._sizes:
                return self._sizes[key][1]
        return None

    def _unsafe(self, given: str, file: str) -> UnsafeInput:
        return UnsafeInput(
            f"{shown(given)} leads out of the dataset's folder",
            where=Where(str(self.folder / file)),
            hint="annokit reads below the folder of data.yaml only; move data.yaml there",
        )


def is_there(path: Path) -> bool:
    """Whether a file or folder exists; a name no system takes does not."""
    with suppress(OSError, ValueError):
        return path.exists()
    return False


def leads_out(path: str) -> bool:
    """Whether a normal path leaves the folder it starts from."""
    return path.startswith(("/", "../")) or path == ".." or "\0" in path or bool(re.match("[A-Za-z]:", path))


def _labels_of(place: str) -> str:
    """The folder with the labels of a folder of images."""
    return posixpath.dirname(label_path(posixpath.join(place, "x.jpg")))


def walk(folder: Path) -> Iterator[str]:
    """All files below a folder, relative to it; none where it is missing."""
    for place, _, names in os.walk(folder, onerror=_refuse):
        inside = os.path.relpath(place, folder).replace(os.sep, "/")
        for name in names:
            yield name if inside == "." else f"{inside}/{name}"


def _refuse(error: OSError) -> None:
    """Say that a folder cannot be read, which os.walk would pass over; one that is not there is empty."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise InputError(f"cannot read: {error.strerror}", where=Where(str(error.filename))) from error


def _read_sizes(source: Source) -> dict[str, tuple[str, tuple[int, int]]]:
    """By name, and by name without suffix: the name, width and height."""
    sizes: dict[str, tuple[str, tuple[int, int]]] = {}
    text = source.read_bytes().decode("utf-8-sig", "surrogateescape")
    for number, line in enumerate(text.splitlines(), 1):
        row = next(csv.reader([line[:10_000]]), [])
        if not row or (number == 1 and row[1:] == ["width", "height"]):
            continue
        if len(row) != 3 or not all(re.fullmatch(r"\s*[1-9]\d{0,8}\s*", value) for value in row[1:]):
            problem = f"expected name,width,height, got {shown(line)}"
            raise DecodeError(problem, where=Where(source.name, line=number))
        size = row[0], (int(row[1]), int(row[2]))
        sizes[row[0]] = size
        sizes.setdefault(IMAGE_SUFFIX.sub("", row[0]), size)
    return sizes
