"""Finding the image files of data rows, in folders the user named and nowhere else.

Names and paths come from strangers: an export that calls a private file its image must not have it copied
into a dataset that is published, nor drawn into a picture.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from annokit.errors import UsageError, Where

__all__ = ["Photos", "folders_of"]

_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF", b"II*\0", b"MM\0*")


class Photos:
    """Looks for images below some folders.

    Parameters
    ----------
    folders : iterable of Path
        Where to look; a name must not lead out of its folder, a link that the user put there may.

    Examples
    --------
    >>> Photos([]).find("a.jpg", "/etc/passwd") is None
    True
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = [folder.resolve() for folder in folders]
        for folder in self._folders:
            if not folder.is_dir():
                raise UsageError("expected a folder of images", where=Where(str(folder)))

    def find(self, name: str, uri: str | None) -> Path | None:
        """The image called `name`, or the one at the local path `uri`, if it is below a folder."""
        last = (uri or "").partition("?")[0].rpartition("/")[2]
        for folder in self._folders:
            for given in (name, uri, last):
                if given and (path := _below(folder, given)) is not None:
                    return path
        return None


def _below(folder: Path, name: str) -> Path | None:
    """The image `name` leads to from `folder`; relative paths may be from the working folder, too."""
    with suppress(OSError, ValueError):  # what is no path: a URL, an image in base64
        for start in (folder, Path.cwd()):
            path = Path(os.path.normpath(start / name))
            if path.is_relative_to(folder) and path.is_file() and _is_image(path):
                return path
    return None


def _is_image(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(8).startswith(_STARTS)


def folders_of(paths: Iterable[Path], image_dir: str | None) -> list[Path]:
    """The folders a user named: that of the images, and datasets that are folders themselves."""
    named = [] if image_dir is None else [Path(image_dir)]
    for path in paths:
        if path.is_dir():
            named.append(path)
        elif path.suffix.lower() in (".yaml", ".yml", ".data"):  # a YOLO dataset is the folder around it
            named.append(path.parent)
    return named
