"""Labels by reference: the files a manifest names by their address in S3, in a local copy of their folder."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from annokit.errors import InputError, Where
from annokit.geometry.mask_files import MaskFolder
from annokit.io.limits import Limits
from annokit.model import Mask, MaskReference

__all__ = ["References"]


class References:
    """Finds the file of an address below some folders, by as much of the address as its place has.

    ``s3://bucket/job/annotations/output/0/SeqLabel.json`` is ``annotations/output/0/SeqLabel.json``,
    ``0/SeqLabel.json`` and so on below a folder; nothing is fetched. Times in names may have ``_`` for ``:``.

    Parameters
    ----------
    folders : sequence of Path
        Where to look, in order.
    limits : Limits
        For the size of images.

    Raises
    ------
    InputError
        One of them is no folder.
    """

    def __init__(self, folders: list[Path], limits: Limits) -> None:
        for folder in folders:
            if not folder.is_dir():
                raise InputError("expected a folder, got none", where=Where(str(folder)))
        self._folders = [(folder, MaskFolder(folder, limits)) for folder in folders]

    def find(self, uri: str, parts: int = 1) -> Path | None:
        """The file, found by at least `parts` of the last parts of its address."""
        steps = [step for step in PurePosixPath(urlsplit(uri).path).parts if step != "/"]
        if ".." in steps or any("\\" in step or "\0" in step for step in steps):
            return None
        tails = [steps[start:] for start in range(len(steps) - parts + 1)]
        for folder, _ in self._folders:
            for tail in tails:
                for name in ("/".join(tail), "/".join(tail).replace(":", "_")):
                    if (folder / name).is_file():
                        return folder / name
        return None

    def mask(self, reference: MaskReference) -> Mask | None:
        """The pixels of one colour of a PNG; None where its file is not there.

        Raises
        ------
        InputError
            The PNG cannot be read.
        """
        path = self.find(reference.uri)
        for _, masks in self._folders:
            found = path or masks.find(reference)
            if found is not None:
                return masks.mask(reference, found)
        return None
