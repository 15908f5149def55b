"""`annokit versions`: the history of a Delta table."""

from __future__ import annotations

import click

from annokit.cli._output import say_json, say_table

__all__ = ["command"]


@click.command()
@click.argument("table", metavar="TABLE")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def command(table: str, as_json: bool) -> None:
    """List the versions of a Delta table, and how many annotations each one added, changed and removed.

    `--version N` reads TABLE as it was, in `annokit info`, `convert` and other commands.
    """
    from annokit.delta import history

    found = history(table)
    if as_json:
        say_json(found)
        return
    say_table(
        ["version", "committed (UTC)", "operation", "added", "changed", "removed", "source"],
        [
            (
                one.version,
                "" if one.committed_at is None else f"{one.committed_at:%Y-%m-%d %H:%M:%S}",
                one.operation,
                one.added,
                one.changed,
                one.removed,
                one.source,
            )
            for one in found
        ],
    )
