"""`annokit formats`: what can be read and written, and with which options."""

from __future__ import annotations

import click

from annokit.cli._output import say, say_json, say_table

__all__ = ["command"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(as_json: bool) -> None:
    """List what can be read and written, with the options of each format."""
    from annokit.formats import all_formats
    from annokit.formats._describe import describe_options

    found = all_formats()
    options = {one.name: describe_options(one) for one in found}
    if as_json:
        say_json(
            [
                {
                    "name": one.name,
                    "title": one.title,
                    "reads": one.reader is not None,
                    "writes": one.writer is not None,
                    "options": options[one.name],
                }
                for one in found
            ]
        )
        return
    say_table(
        ["format", "reads", "writes", "what it is"],
        [(one.name, "yes" if one.reader else "", "yes" if one.writer else "", one.title) for one in found],
    )
    say()
    say_table(
        ["option", "of", "what it does"],
        [
            ("--" + option.name.replace("_", "-"), f"{option.used} {name}", option.help)
            for name in options
            for option in options[name]
        ],
    )
