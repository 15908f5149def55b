"""`annokit diff`: what changed between two states of the same labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from annokit.cli._options import ReadCommand, check_options, labels_option, of_formats
from annokit.cli._output import say, say_json, say_table
from annokit.errors import number_of

if TYPE_CHECKING:
    from annokit.diff import ClassChanges, Diff
    from annokit.io.limits import Limits

__all__ = ["command"]

_MOST = 30
_COLUMNS = ("before", "after", "same", "moved", "reclassified", "changed", "added", "removed")


@click.command(cls=ReadCommand)
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER")
@click.option("--from", "format", **of_formats, help="What both are, when it cannot be told.")
@labels_option("all", "newest", "benchmark", "annotator:")
@click.option(
    "--min-overlap",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.5,
    show_default=True,
    help="Things without a common id are one from this overlap on.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(
    before: str,
    after: str,
    format: str | None,
    labels: str | None,
    min_overlap: float,
    as_json: bool,
    options: dict[str, Any],
    limits: Limits,
) -> int:
    """Say what was added, removed, moved, reclassified and answered otherwise.

    BEFORE and AFTER may be of different formats, like a model's predictions and the export of what people made of them.
    Data rows are the same if their ids, global keys or names are; of several of one name those of one id, the others in
    their order. The exit code is 1 when something could not be read.
    """
    from annokit.conversion import read
    from annokit.diff import diff
    from annokit.formats import detect, reader_of
    from annokit.io.archives import open_source

    opened = [open_source(one, limits) for one in (before, after)]
    check_options(options, opened, format)
    states = []
    for source in opened:
        name = format or detect(source).name
        known = reader_of(name).options.__struct_fields__
        given = {option: value for option, value in options.items() if option in known}
        states.append(read(source, format=name, limits=limits, **given))
    found = diff(*states, labels=labels, minimum_overlap=min_overlap, limits=limits)
    if as_json:
        say_json(found)
    else:
        _show(found)
    return 1 if found.unreadable else 0


def _show(found: Diff) -> None:
    rows = [_row(one, one.name) for one in found.classes]
    say_table(["class", *_COLUMNS, "overlap"], [*rows, _row(found.total, "(all)")] if rows else [])
    if found.questions:
        say()
        say_table(
            ["question", "same", "changed", "added", "removed"],
            [(one.question, one.same, one.changed, one.added, one.removed) for one in found.questions],
            limit=_MOST,
        )
    if found.changes:
        say()
        say_table(
            ["change", "data row", "before", "after", "overlap"],
            [
                (
                    one.what if one.question is None else f"{one.what}: {one.question}",
                    one.data_row,
                    one.before,
                    one.after,
                    None if one.overlap is None else f"{one.overlap:.3f}",
                )
                for one in found.changes
            ],
            limit=_MOST,
        )
    say()
    say(f"{number_of(found.data_rows, 'data row')} compared, {number_of(len(found.changes), 'change')}")
    if found.ids_contradicted_in is not None:
        row = found.ids_contradicted_in
        say(
            f"ids of annotations are not used: in {row} something is as it was under another id, so they only count",
            "yellow",
        )
    if found.told_by_order:
        which = f"{number_of(len(found.told_by_order), 'name')}, e.g. {found.told_by_order[0]}"
        say(f"ids do not tell apart the data rows of one name, so they go by their order: {which}", "yellow")
    for names, where in ((found.only_before, "BEFORE"), (found.only_after, "AFTER")):
        if names:
            say(f"{len(names)} data rows are in {where} only, e.g. {names[0]}", "yellow")
    if found.unreadable:
        say(f"{found.unreadable} records cannot be read: annokit info names them", "yellow")


def _row(one: ClassChanges, name: str) -> list[object]:
    overlap = "" if one.mean_overlap is None else f"{one.mean_overlap:.3f}"
    return [name, *(getattr(one, column) for column in _COLUMNS), overlap]
