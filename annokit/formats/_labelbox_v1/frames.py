"""Frames of a video that a legacy export only points at: NDJSON files that somebody fetched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from annokit.errors import AnnokitError, InputError, UsageError, Where, shown
from annokit.formats._labelbox_v1 import wire
from annokit.io.elements import iter_element_blocks
from annokit.io.names import safe_name
from annokit.io.records import decode_block
from annokit.io.source import Source
from annokit.run import Run

__all__ = ["FrameFolder"]

_SUFFIXES = ("", ".ndjson", ".json", ".jsonl")


class FrameFolder:
    """A folder with the frames of videos; nothing is ever downloaded.

    A file is called as the label's id, as the data row's id, or as the last part of the URL, with or without
    ``.ndjson``, ``.json`` or ``.jsonl``.

    Raises
    ------
    UsageError
        There is no such folder.
    """

    def __init__(self, folder: str | None, run: Run) -> None:
        if folder is not None and not Path(folder).is_dir():
            raise UsageError("expected a folder of frames, got none", where=Where(folder))
        self._folder, self._run = folder, run

    def read(self, entry: wire.Entry, url: str) -> list[wire.Frame]:
        """The frames of an entry.

        Raises
        ------
        InputError
            They are not there, or cannot be read.
        """
        if self._folder is None:
            raise InputError(
                "the frames of this video are only a URL",
                code="frames-missing",
                hint="fetch them, and --frames DIR",
            )
        stems = [entry.id, entry.data_row_id, url.partition("?")[0].rstrip("/").rpartition("/")[2]]
        names = [safe_name(stem) + suffix for stem in stems if stem for suffix in _SUFFIXES]
        path = next((found for name in names if (found := Path(self._folder) / name).is_file()), None)
        if path is None:
            problem = f"the frames of this video are not in {shown(self._folder)}"
            raise InputError(problem, code="frames-missing", hint=f"as {names[1]}")
        return list(self._frames(Source(path)))

    def _frames(self, source: Source) -> Iterator[wire.Frame]:
        def reject(_unit: str, _path: str, error: AnnokitError, _raw: bytes) -> None:
            raise InputError(f"{shown(source.name)}: {error}", code=error.code)

        for block in iter_element_blocks(source, self._run.limits):
            for _, frame in decode_block(block, wire.Frame, reject=reject, limits=self._run.limits):
                yield frame
