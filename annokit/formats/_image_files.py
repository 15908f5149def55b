"""The files of a folder of images that is being written: names, sizes, image files, names.ndjson."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from annokit.dataset import RowKey
from annokit.errors import AnnokitError, InputError, Where
from annokit.geometry.pixels import images_only
from annokit.io.faults import BAD_JSON, decode_error
from annokit.io.images import TURNED, image_header, image_size
from annokit.io.names import NamesInTurn, safe_name
from annokit.io.photos import Photos
from annokit.io.source import Source
from annokit.model import DataRow
from annokit.report import Report, census

__all__ = [
    "IMAGE_SUFFIX",
    "NAMES_FILE",
    "SPLITS",
    "ImageDir",
    "ImageName",
    "Images",
    "Page",
    "Pages",
    "read_names",
    "split_folders",
]

Images: TypeAlias = Literal["none", "copy", "link"]
ImageDir: TypeAlias = Annotated[
    str | None,
    Meta(description="folder with the image files; a dataset that is a folder has its own"),
]

NAMES_FILE = "names.ndjson"
"""One line for each image annokit wrote: what it was called before, and its size."""

IMAGE_SUFFIX = re.compile(r"(?i)\.(avif|bmp|dng|heic|heif|jp2|jpe?g|jpeg2000|mpo|pfm|png|tiff?|webp)\Z")
"""What Ultralytics takes for an image."""

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "validation": "val",
    "valid": "val",
    "test": "test",
    "testing": "test",
}
"""What splits are called by those who make datasets, and what by a trainer."""

_ENCODER = msgspec.json.Encoder()
_RENAMED = "its file is called otherwise, so an image beside it has to be, too (--images copy; names.ndjson has both)"


class ImageName(msgspec.Struct, frozen=True, kw_only=True):
    """One line of names.ndjson."""

    image: str
    id: str
    file: str
    split: str | None = None
    width: int | None = None
    height: int | None = None
    answer: str | msgspec.UnsetType = msgspec.UNSET


class Page(msgspec.Struct, frozen=True):
    """One image: its row, width and height (0 where they do not matter), image and label file."""

    row: DataRow
    size: tuple[int, int]
    file: str
    label: str
    answer: str | None = None


class Pages:
    """Gives every row its files, and writes down which.

    Parameters
    ----------
    keys : sequence of RowKey
        What all rows are called, in order.
    target : Path
        The dataset's folder.
    names : binary file
        Gets a line for each row.
    images : str
        Whether image files are copied, linked or left where they are.
    photos : Photos
        Finds them.
    report : Report
    label_of : callable
        The label file of an image file.
    top : str
        The folder with the folders of the splits, and a slash.
    answer_of : callable, optional
        The answer of a row and the folder of its own that gives it inside its split; sizes do not
        matter then.
    """

    def __init__(
        self,
        keys: Sequence[RowKey],
        target: Path,
        names: IO[bytes],
        images: Images,
        photos: Photos,
        report: Report,
        label_of: Callable[[str], str],
        top: str = "images/",
        answer_of: Callable[[DataRow], tuple[str, str]] | None = None,
    ) -> None:
        self._names = NamesInTurn(lambda: ((_image_name(key.name), key.id) for key in keys))
        self._target, self._lines, self._images, self._report = target, names, images, report
        self._photos = photos
        self._folders: dict[str, str] = {}
        self._label_of, self._top, self._answer_of = label_of, top, answer_of

    def open(self, rows: Sequence[DataRow]) -> list[Page]:
        """The pages of some rows; rows without a size are lost."""
        pages = [page for row in images_only(rows, self._report) if (page := self._page(row)) is not None]
        self._lines.write(_ENCODER.encode_lines([_entry(page) for page in pages]))
        if self._images != "none":
            for page in pages:
                self._put_image(page)
        return pages

    def _page(self, row: DataRow) -> Page | None:
        size = self._size(row)
        if size is None and self._answer_of is None:
            message = "its width and height are not known, and shapes are in shares of them"
            self._report.lose_all("no-size", census(row), message, example=row.name)
            return None
        folder = self._folder(row.split or "train")
        answer, place = self._answer_of(row) if self._answer_of else (None, "")
        file = f"{folder}/{place}{self._name(row)}"
        return Page(row, size or (0, 0), file, self._label_of(file), answer)

    def _folder(self, given: str) -> str:
        split = SPLITS.get(given.casefold(), given)
        if split not in self._folders:
            self._folders[split] = f"{self._top}{safe_name(split).replace('/', '%2F')}"
        return self._folders[split]

    def _name(self, row: DataRow) -> str:
        """The file name, with the suffix of the image where the row's name has none."""
        given = row.name
        name = _image_name(given)
        safe = self._names.next(name, row.id)
        if safe != name and self._images == "none" and self._answer_of is None:  # a trainer goes by the name
            self._report.note("renamed", "data_rows", _RENAMED, example=given, lossy=True)
        if name == given:
            return safe
        suffix = IMAGE_SUFFIX.search((row.asset.uri or "").partition("?")[0])
        return safe if suffix is None else IMAGE_SUFFIX.sub(suffix.group(), safe)

    def _put_image(self, page: Page) -> None:
        source = self._photos.find(page.row.name, page.row.asset.uri)
        if source is None:
            message = "no such image is in the folder of images (--image-dir), so it is not beside its labels"
            self._report.note("image-missing", "data_rows", message, example=page.row.name, lossy=True)
            return
        self._note_turned(page, source)
        place = self._target / page.file
        place.parent.mkdir(parents=True, exist_ok=True)
        if self._images == "copy":
            shutil.copyfile(source, place)
            return
        try:
            place.hardlink_to(source.resolve())
        except OSError:  # another disk, or a file system without hard links
            place.symlink_to(source.resolve())

    def _note_turned(self, page: Page, source: Path) -> None:
        """Name an image that trainers turn, unless the size of its row is that of the image as shown."""
        try:
            (height, width), orientation = image_header(source)
        except AnnokitError:  # copied as it is: validate says what is wrong with it
            return
        if orientation > 1 and self._answer_of is None and page.size == (width, height):
            self._report.note("turned-image", "data_rows", TURNED, example=page.row.name, lossy=True)

    def _size(self, row: DataRow) -> tuple[int, int] | None:
        """Width and height, from the image file if the row does not say."""
        width, height = row.asset.width, row.asset.height
        if width is None or height is None:
            file = self._photos.find(row.name, row.asset.uri)
            try:
                height, width = image_size(file) if file else (0, 0)
            except InputError:
                return None
        return (width, height) if width > 0 and height > 0 else None

    @property
    def folders(self) -> dict[str, str]:
        """The folders with images of the splits that occur."""
        return self._folders


def read_names(path: Path) -> list[ImageName]:
    """The lines of a names.ndjson; none where there is no such file."""
    if not path.is_file():
        return []
    text = Source(path).read_bytes()
    try:
        return msgspec.json.Decoder(ImageName).decode_lines(text)
    except BAD_JSON as error:
        fault = decode_error(error)
        fault.where = Where(str(path), path=fault.where.path)
        raise fault from None


def split_folders(folders: Mapping[str, str], target: Path, report: Report) -> dict[str, str]:
    """The folders with images by split; train and val always, since Ultralytics insists on them."""
    order = ("train", "val", "test", *folders)
    found = {split: folders[split] for split in order if split in folders}
    first = next(iter(found), "train")
    is_odd = bool(found) and not {"train"} <= found.keys() <= {
        "train",
        "test",
    }  # then it repeats the wrong ones
    for split in ("train", "val"):
        if split not in found:
            message = f"there is no {split} split; data.yaml repeats {first}, since a trainer insists on it"
            report.note(f"no-{split}-split", "split", message, lossy=is_odd)
    folder = found.get(first, "images/train")
    (target / folder).mkdir(parents=True, exist_ok=True)
    return {"train": folder, "val": folder, **found}


def _entry(page: Page) -> ImageName:
    """The line of names.ndjson."""
    (width, height), row = page.size, page.row
    return ImageName(
        image=row.name,
        id=row.id,
        file=page.file,
        split=row.split,
        width=width or None,
        height=height or None,
        answer=page.answer or msgspec.UNSET,
    )


def _image_name(name: str) -> str:
    """A name under which trainers look for an image."""
    return name if IMAGE_SUFFIX.search(name) else f"{name}.jpg"
