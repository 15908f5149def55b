"""How results are shown: tables, coloured on a terminal; a progress bar for work over a second."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from annokit.errors import shown

__all__ = ["progress", "say", "say_json", "say_table"]

_PATIENCE = 1.0
_PLAIN_WIDTH = 400


def say(line: str = "", style: str = "") -> None:
    """Print one line, in a style on a terminal."""
    from rich.text import Text

    _print(Text(line, style), soft_wrap=True)


def say_json(value: Any) -> None:
    """Print a value as indented JSON."""
    click.echo(json.dumps(msgspec.to_builtins(value, str_keys=True), indent=1, ensure_ascii=False))


def say_table(header: Sequence[str], rows: Iterable[Sequence[object]], *, limit: int | None = None) -> None:
    """Print rows below a header, numbers to the right; nothing when there are none.

    More than `limit` rows end in a line that counts the rest.
    """
    from rich.table import Table
    from rich.text import Text

    rows = list(rows)
    if not rows:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name, cell in zip(header, rows[0], strict=True):
        table.add_column(Text(name), justify="right" if isinstance(cell, int) else "left", overflow="fold")
    for row in rows[:limit]:
        table.add_row(*[Text("" if cell is None else shown(str(cell), 120)) for cell in row])
    _print(table)
    if limit is not None and len(rows) > limit:
        say(f"... and {len(rows) - limit} more (--json has all)")


def _print(what: Any, *, soft_wrap: bool = False) -> None:
    from rich.console import Console

    terminal = sys.stdout.isatty()
    console = Console(highlight=False, width=None if terminal else _PLAIN_WIDTH)
    with console.capture() as captured:
        console.print(what, soft_wrap=soft_wrap)
    for line in captured.get().removesuffix("\n").split("\n"):
        click.echo(line.rstrip(), color=True)


@contextmanager
def progress(sources: Sequence[str], *, quiet: bool) -> Iterator[Callable[[int], None] | None]:
    """What to call with each number of input bytes dealt with; a bar appears after a second, on a terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    total = sum(path.stat().st_size for path in map(Path, sources) if path.is_file())
    console = Console(stderr=True)
    bar = Progress(BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=console, transient=True)
    task = bar.add_task("", total=total or None)
    timer = threading.Timer(_PATIENCE, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda size: bar.advance(task, size)
    finally:
        timer.cancel()
        timer.join()
        if bar.live.is_started:
            bar.stop()
