"""`annokit info`: what a source holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from annokit.cli._options import ReadCommand, from_option, open_dataset, workers_option
from annokit.cli._output import progress, say, say_json, say_table
from annokit.cli._report import kind_order, say_losses

if TYPE_CHECKING:
    from annokit.info import Summary
    from annokit.io.limits import Limits

__all__ = ["command"]

_MOST = 30


@click.command(cls=ReadCommand)
@click.argument("sources", metavar="SRC...", nargs=-1, required=True)
@from_option
@workers_option
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(
    sources: tuple[str, ...],
    format: str | None,
    workers: int,
    as_json: bool,
    options: dict[str, Any],
    limits: Limits,
) -> int:
    """Count kinds, classes, answers, annotators and projects.

    The exit code is 1 when something in it could not be read.
    """
    from annokit.info import summarise

    dataset = open_dataset(sources, format, options, limits)
    with progress(sources, quiet=False) as advance:
        summary = summarise(dataset, limits=limits, workers=workers, progress=advance)
    if as_json:
        say_json(summary)
    else:
        _show(summary)
    return 1 if summary.unreadable else 0


def _show(summary: Summary) -> None:
    say_table(
        ["kind", "count"], [(kind, summary.kinds[kind]) for kind in sorted(summary.kinds, key=kind_order)]
    )
    for title, counts in (("media type", summary.media_types), ("labels a row", summary.labels_per_row)):
        _section([title, "data rows"], [(str(key), n) for key, n in counts.items()])
    _section(
        ["class", "kind", "annotations", "data rows"],
        [
            (one.name, one.kind.removeprefix("object:"), one.annotations, one.data_rows)
            for one in summary.classes
        ],
    )
    _section(
        ["question", "answer", "count"],
        [
            (one.question, "(free text)" if one.answer is None else one.answer, one.count)
            for one in summary.answers
        ],
    )
    _section(
        ["annotator", "labels", "annotations"],
        [(one.annotator_id or "(not said)", one.labels, one.annotations) for one in summary.annotators],
    )
    _section(
        ["project", "id", "labels"],
        [
            (one.project_name or "", one.project_id or "", one.labels)
            for one in summary.projects
            if one.project_id
        ],
    )
    for line in _facts(summary):
        say(line)
    if summary.unreadable:
        say(f"{summary.unreadable} records cannot be read:", "yellow")
        say_losses(summary.problems)


def _facts(summary: Summary) -> Iterator[str]:
    yield ""
    if summary.first and summary.last:
        yield f"labelled from {summary.first:%Y-%m-%d %H:%M} to {summary.last:%Y-%m-%d %H:%M} UTC"
    if summary.without_size:
        yield f"{summary.without_size} images or videos without a known size"
    if summary.mask_references:
        yield f"{summary.mask_references} masks are only URLs: annokit masks list says what to fetch"


def _section(header: list[str], rows: list[tuple[object, ...]]) -> None:
    if rows:
        say()
        say_table(header, rows, limit=_MOST)
