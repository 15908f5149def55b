"""`annokit masks`: masks that are only URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from annokit.cli._options import ReadCommand, from_option, open_dataset
from annokit.cli._output import say
from annokit.errors import number_of

if TYPE_CHECKING:
    from annokit.io.limits import Limits

__all__ = ["command"]


@click.group()
def command() -> None:
    """Find out which mask images to fetch for an export."""


@command.command("list", cls=ReadCommand)
@click.argument("sources", metavar="SRC...", nargs=-1, required=True)
@click.option("-o", "--output", required=True, metavar="FILE", help="The CSV to write: url, file.")
@from_option
@click.option("--overwrite", is_flag=True, help="Replace FILE.")
def list_(
    sources: tuple[str, ...],
    output: str,
    format: str | None,
    overwrite: bool,
    options: dict[str, Any],
    limits: Limits,
) -> None:
    """Write the URL of every mask image, and the file name to fetch it to.

    Nothing is downloaded. With the images in one folder, `annokit convert --masks FOLDER` reads them.
    """
    from annokit.masks import list_masks

    dataset = open_dataset(sources, format, options, limits)
    n = list_masks(dataset, output, overwrite=overwrite, limits=limits)
    say(f"{number_of(n, 'mask image')} to fetch, listed in {output}")
