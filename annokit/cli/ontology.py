"""`annokit ontology`: the classes of labels as the platform's ontology."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from annokit.cli._options import ReadCommand, from_option, open_dataset
from annokit.cli._output import say
from annokit.errors import number_of

if TYPE_CHECKING:
    from annokit.io.limits import Limits

__all__ = ["command"]


@click.command(cls=ReadCommand)
@click.argument("sources", metavar="SRC...", nargs=-1, required=True)
@click.option("-o", "--output", required=True, metavar="FILE", help="The ontology JSON to write.")
@from_option
@click.option("--overwrite", is_flag=True, help="Replace FILE.")
def command(
    sources: tuple[str, ...],
    output: str,
    format: str | None,
    overwrite: bool,
    options: dict[str, Any],
    limits: Limits,
) -> None:
    """Write the tools, questions and answers that labels use as Labelbox's ontology JSON.

    What no annotation uses is not in labels: an option nobody picked is missing. `annokit validate --ontology FILE`
    compares labels with an ontology.
    """
    from annokit import ontology

    found = ontology.derive(open_dataset(sources, format, options, limits))
    ontology.write(found, output, overwrite=overwrite)
    say(
        f"{number_of(len(found.tools), 'tool')} and {number_of(len(found.classifications), 'question')} written to {output}"
    )
