"""`make docs`: write docs/cli.md from what the commands say of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from annokit.cli import app

HEAD = """# Commands

Made by `make docs` from `annokit COMMAND --help`.
"""


def commands(command: click.Command, context: click.Context) -> Iterator[click.Context]:
    """The command and every one below it, as contexts to be helped in."""
    yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                yield from commands(found, click.Context(found, info_name=name, parent=context))


def reference() -> str:
    """The whole page."""
    top = click.Context(app, info_name="annokit", terminal_width=100, **app.context_settings)
    sections = [
        f"## {found.command_path}\n\n```text\n{found.get_help()}\n```\n" for found in commands(app, top)
    ]
    return "\n".join([HEAD, *sections])


if __name__ == "__main__":
    (Path(__file__).parent / "cli.md").write_text(reference(), encoding="utf-8")
