"""`annokit data-rows`: a table as payloads for Labelbox's `create_data_rows`."""

from __future__ import annotations

from typing import Literal

import click

from annokit.cli._output import say
from annokit.errors import number_of

__all__ = ["command"]


@click.command()
@click.argument("table", metavar="TABLE")
@click.option(
    "-o", "--output", required=True, metavar="FILE", help="The NDJSON to write: one data row a line."
)
@click.option(
    "--on-error",
    type=click.Choice(["raise", "skip"]),
    default="raise",
    help="What to do with a line that gives no data row.",
    show_default=True,
)
@click.option("--overwrite", is_flag=True, help="Replace FILE.")
def command(table: str, output: str, on_error: Literal["raise", "skip"], overwrite: bool) -> int:
    """Write the data rows of a CSV or Parquet table as the payloads that the platform's client takes.

    Columns: row_data, global_key, external_id, media_type, metadata///TYPE///NAME, attachment///TYPE///NAME. Lines
    without data and keys that stand twice are named with their line; with --on-error skip the others are written,
    and the exit code is 1. Nothing is uploaded.
    """
    from annokit.data_rows import write

    found = write(table, output, on_error=on_error, overwrite=overwrite)
    for problem in found.problems:
        say(f"left out: {problem}", "yellow")
    if found.ignored:
        say(f"columns that are none of a data row: {', '.join(found.ignored)}")
    say(f"{number_of(len(found.rows), 'data row')} written to {output}")
    return 1 if found.problems else 0
