"""LabelSpark's tables as Parquet files, without Spark: bronze, flat and silver, one row per label.

Source of the columns: Labelbox/labelspark 0.7 on Labelbox's legacy export (`annokit.tables.labelspark` says what differs).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from annokit.dataset import Dataset
from annokit.formats._base import Format, Head, NoOptions, Writer
from annokit.model import DataRow
from annokit.report import census
from annokit.run import Run

__all__ = ["FORMAT"]


def _sniff(_head: Head) -> bool:
    return False  # it is not read


def _write(dataset: Dataset, target: Path, _options: NoOptions, run: Run) -> None:
    import pyarrow.parquet as pq

    from annokit import tables

    rows = list(_labelled(dataset.rows(run), run))
    for name, table in (
        ("bronze", tables.bronze(rows, limits=run.limits)),
        ("flat", tables.flat(rows, limits=run.limits)),
        ("silver", tables.silver(rows, dataset.ontology, limits=run.limits)),
    ):
        pq.write_table(table, target / f"{name}.parquet", compression="zstd")
    run.report.count("written", "categories", len(dataset.ontology.tools))


def _labelled(rows: Iterator[DataRow], run: Run) -> Iterator[DataRow]:
    """The rows that have labels, accounted as written."""
    for row in rows:
        if row.labels:
            run.report.count_all("written", census(row))
            if row.metadata or row.attachments:
                why = "its metadata and attachments have no place there"
                run.report.note("row-details", "data_rows", why, example=row.name, lossy=True)
            yield row
        else:
            run.report.lose_all("no-labels", census(row), "the tables have a row per label", example=row.name)


FORMAT = Format(
    name="labelspark",
    title="LabelSpark's tables as Parquet: bronze, flat and silver, one row per label",
    sniff=_sniff,
    writer=Writer(write=_write, options=NoOptions, target="folder", keeps_details=True),
)
