"""Delta Lake: the annotations table with a version for every change (extra `delta`).

One table, with the columns of ``annotations`` in `annokit.tables`: as with a single ``.parquet`` file, data
rows without objects and answers have no place in it. Every write is one commit, so what the labels were
before can be read again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from annokit.dataset import Dataset
from annokit.formats._base import Format, Head, Options, Pieces, Reader, Writer
from annokit.io.output import Staged
from annokit.io.source import Source
from annokit.report import Report
from annokit.run import Run

__all__ = ["FORMAT", "WriteOptions"]


class ReadOptions(Options, frozen=True):
    """How a Delta table is read."""

    version: (
        Annotated[int, Meta(ge=0, description="the state after which commit; the newest by default")] | None
    ) = None


class WriteOptions(Options, frozen=True):
    """How a Delta table is written."""

    mode: (
        Annotated[
            Literal["append", "merge"],
            Meta(
                description="add to the table that is there: append data rows it does not have yet, or merge, which "
                "changes annotations by source, data row, label and id and adds the others"
            ),
        ]
        | None
    ) = None
    delete_missing: (
        Annotated[
            Literal["data-rows", "sources"],
            Meta(
                description="with --mode merge, take out of the table what is gone: annotations of the data rows that "
                "come, or of all data rows of their sources"
            ),
        ]
        | None
    ) = None
    source_name: (
        Annotated[
            str,
            Meta(
                min_length=1,
                description="what to call the source in the table, so that a later export of it is known as the same; "
                "the file's name by default",
            ),
        ]
        | None
    ) = None


def _sniff(head: Head) -> bool:
    return head.is_dir and "_delta_log" in head.entries


def _read(source: Source, options: ReadOptions) -> Dataset:
    from annokit.formats._delta import read  # pyarrow is heavy

    return read.read(source, options.version)


def _make(dataset: Dataset, _target: Path, options: WriteOptions, run: Run) -> Iterator[Any]:
    from annokit.formats._delta import write

    return write.make(dataset, options.source_name, run)


def _join(pieces: Iterator[Any], dataset: Dataset, target: Path, _options: WriteOptions, run: Run) -> None:
    from annokit.formats._delta import write

    write.join(pieces, dataset, target, run.report)


def _place(
    target: str | os.PathLike[str],
    options: WriteOptions,
    report: Report,
    *,
    overwrite: bool,
    sources: Iterable[Path],  # noqa: ARG001 - a version of the table itself may be what is written
) -> Staged:
    from annokit.formats._delta.place import DeltaPlace

    return DeltaPlace(
        os.fspath(target),
        options.mode,
        options.delete_missing,
        report,
        overwrite=overwrite,
        source_name=options.source_name,
    )


_PIECES = Pieces(make=_make, join=_join)
FORMAT = Format(
    name="delta",
    title="Delta Lake: the annotations as a table of which every version can be read",
    sniff=_sniff,
    reader=Reader(read=_read, options=ReadOptions),
    writer=Writer(
        write=_PIECES.write,
        options=WriteOptions,
        target="folder",
        keeps_details=True,
        place=_place,
        pieces=_PIECES,
    ),
)
