"""Parquet: everything a dataset holds as tables for SQL, data frames and clusters.

A folder holds ``data_rows``, ``labels``, ``annotations``, ``classifications``, ``relationships`` and
``ontology`` (see `annokit.tables`), and reads back equal. A target that ends in ``.parquet`` gets the
annotations table alone; read back, it yields the data rows and labels that have objects or tracks, with
their ids, names and annotators, and the classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from annokit.dataset import Dataset
from annokit.formats._base import Format, Head, NoOptions, Pieces, Reader, Writer
from annokit.io.source import Source
from annokit.run import Run

__all__ = ["FORMAT"]

_MAGIC = b"PAR1"


def _sniff(head: Head) -> bool:
    if head.is_dir:
        return {"annotations.parquet", "data_rows.parquet"} <= set(head.entries)
    if not head.data.startswith(_MAGIC):
        return False
    from annokit.formats._parquet import read

    return head.path is None or read.is_ours(head.path)


def _read(source: Source, _options: NoOptions) -> Dataset:
    from annokit.formats._parquet import read  # pyarrow is heavy

    return read.read(source)


def _make(dataset: Dataset, _target: Path, _options: NoOptions, run: Run) -> Iterator[Any]:
    from annokit.formats._parquet import write

    return write.make(dataset, run)


def _join(pieces: Iterator[Any], dataset: Dataset, target: Path, _options: NoOptions, run: Run) -> None:
    from annokit.formats._parquet import write

    write.join(pieces, dataset, target, run.report)


_PIECES = Pieces(make=_make, join=_join)
FORMAT = Format(
    name="parquet",
    title="Parquet tables: a folder with everything, or FILE.parquet with the annotations alone",
    sniff=_sniff,
    reader=Reader(read=_read, options=NoOptions),
    writer=Writer(
        write=_PIECES.write, options=NoOptions, target="either", keeps_details=True, pieces=_PIECES
    ),
)
