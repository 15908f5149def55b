"""What a format is: one module that says how to tell, read and write it, and which options it takes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import msgspec

from annokit.dataset import Dataset
from annokit.errors import UsageError
from annokit.io.faults import worded
from annokit.io.output import Staged
from annokit.io.source import Source
from annokit.run import Run

__all__ = [
    "NOT_FETCHED",
    "Format",
    "Head",
    "NoOptions",
    "Options",
    "Pieces",
    "Reader",
    "Writer",
    "parse_options",
]

_O = TypeVar("_O", bound="Options")

NOT_FETCHED = "the mask is a URL only (`annokit masks list` names them, --masks reads them)"
"""Why no writer can draw a mask whose pixels were not read."""


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of a format's options; CLI flags and docs are made from the fields and their descriptions."""


class NoOptions(Options, frozen=True):
    """For a format without options."""


class Head(msgspec.Struct, frozen=True):
    """What detection may look at: the suffix, the first bytes of a file, the names in a folder."""

    suffix: str
    data: bytes
    entries: Sequence[str]
    path: Path | None

    @property
    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return self.path is not None and self.path.is_dir()


Cut: TypeAlias = Callable[..., list[Source]]
"""Given a source, read options and a size, and by its name `numbered`: whether lines are those of the whole file."""


def uncut(source: Source, _options: Options, _size: int, *, numbered: bool = True) -> list[Source]:  # noqa: ARG001
    """How a format is cut whose sources can only be read as a whole."""
    return [source]


class Reader(msgspec.Struct, Generic[_O], frozen=True):
    """How a format is read: the function is given the source, the options and nothing to print to.

    `cut` makes parts of about so many bytes of a source, which read one after the other are the whole.
    """

    read: Callable[[Source, _O], Dataset]
    options: type[_O]
    cut: Cut = uncut


class Pieces(msgspec.Struct, Generic[_O], frozen=True):
    """How a format is written by several processes at once.

    Attributes
    ----------
    make : callable
        From a part of the dataset to picklable pieces of the output. Its `outline` is that of the whole, and
        what it writes into the target has names that no other part uses.
    join : callable
        Makes the output of all pieces, in order, in one process.
    suits : callable
        Whether parts can be written apart, which may depend on the options.
    """

    make: Callable[[Dataset, Path, _O, Run], Iterator[Any]]
    join: Callable[[Iterator[Any], Dataset, Path, _O, Run], None]
    suits: Callable[[Dataset, _O], bool] = lambda _dataset, _options: True

    def write(self, dataset: Dataset, target: Path, options: _O, run: Run) -> None:
        """Both steps, for a dataset as a whole."""
        self.join(self.make(dataset, target, options, run), dataset, target, options, run)


class Writer(msgspec.Struct, Generic[_O], frozen=True):
    """How a format is written: all rows of a dataset to one staged file or folder, accounted in the run.

    `pieces` is the same in two steps, where there is such a way, and `suffix` how a file that is made is called.
    `keeps_details` says that metadata and attachments of rows, and who made a label and when, are kept;
    `keeps_splits` that the output tells train from val. `place` makes an output that is more than a file or folder
    put in place, of the target, the options, the report, and what `StagedFolder` is told by name.
    """

    write: Callable[[Dataset, Path, _O, Run], None]
    options: type[_O]
    target: Literal["file", "folder", "either"]
    keeps_details: bool = False
    keeps_splits: bool = True
    pieces: Pieces[_O] | None = None
    place: Callable[..., Staged] | None = None
    suffix: str = ".json"


class Format(msgspec.Struct, frozen=True):
    """One format.

    Attributes
    ----------
    name : str
        As in the CLI; the module's name with `_` as `-`.
    title : str
        One line for `annokit formats`.
    sniff : callable
        Whether a source looks like this format.
    reader, writer
        None where the format goes one way only.
    """

    name: str
    title: str
    sniff: Callable[[Head], bool]
    reader: Reader[Any] | None = None
    writer: Writer[Any] | None = None


def parse_options(kind: type[_O], given: Mapping[str, Any], what: str) -> _O:
    """The options as their typed Struct; an unknown or ill-typed one raises with the list of known ones."""
    values = {
        name: os.fspath(value) if isinstance(value, os.PathLike) else value
        for name, value in given.items()
        if value is not None
    }
    known = f"options: {', '.join(kind.__struct_fields__) or 'none'}"
    if unknown := [name for name in values if name not in kind.__struct_fields__]:
        raise UsageError(f"{what}: no option is called {unknown[0]!r}", hint=known)
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"{what}: the option {worded(error)}", hint=known) from error
