"""`annokit detect`: which format a source is in."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command()
@click.argument("source", metavar="SRC")
def command(source: str) -> None:
    """Print the name of the format SRC is in."""
    from annokit.conversion import detect

    click.echo(detect(source))
