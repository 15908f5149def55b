"""`annokit requeue`: repaired records back into a source file."""

from __future__ import annotations

import click

from annokit.cli._output import say
from annokit.errors import number_of

__all__ = ["command"]


@click.command()
@click.argument("quarantine", metavar="FILE")
@click.argument("target", metavar="DST")
@click.option("--overwrite", is_flag=True, help="Replace DST.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(quarantine: str, target: str, overwrite: bool, quiet: bool) -> None:
    """Make a source file of quarantined records.

    Mend them in the quarantine FILE first; DST can then be converted.
    """
    from annokit.requeue import requeue

    n = requeue(quarantine, target, overwrite=overwrite)
    if not quiet:
        say(f"{number_of(n, 'record')} in {target}: convert it as the file they came from")
