"""`annokit masks`: masks that are only URLs."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.group()
def command() -> None:
    """Find out which mask images to fetch for an export."""
