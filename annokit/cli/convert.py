"""`annokit convert`: labels to training data."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any

import click

from annokit.cli._options import (
    WriteCommand,
    check_options,
    from_option,
    labels_option,
    of_formats,
    workers_option,
)
from annokit.cli._output import progress, say, say_json
from annokit.cli._report import say_report
from annokit.errors import number_of

if TYPE_CHECKING:
    from annokit.report import Report

__all__ = ["command"]


def _names(_ctx: click.Context, _param: click.Parameter, value: str | None) -> list[str] | None:
    return None if value is None else next(csv.reader([value], skipinitialspace=True), [])


def _renames(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    if not all(old and equals and new for old, equals, new in pairs):
        raise click.BadParameter("expected OLD=NEW")
    return {old: new for old, _, new in pairs}


_AROUND = ("data_rows", "labels", "categories", "keyframes")
"""Kinds that are no annotations."""

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}


def _size(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    found = re.fullmatch(r"(\d+) ?(|k|M|G|Ki|Mi|Gi)B?", value)
    if found is None:
        raise click.BadParameter("expected a number of bytes, like 256MB or 1GiB")
    return int(found[1]) * _UNITS[found[2]]


@click.command(cls=WriteCommand)
@click.argument("sources", metavar="SRC...", nargs=-1)
@click.argument("target", metavar="DST")
@click.option("--to", required=True, **of_formats, help="What to write; see `annokit formats`.")
@from_option
@labels_option("all", "newest", "benchmark", "annotator:", "merge")
@click.option(
    "--where",
    metavar="SQL",
    help='Keep labels for which a condition holds, like "weather = \'rainy\' and "person.count" > 10".',
)
@click.option("--classes", metavar="A,B", callback=_names, help="Keep these classes, in this order.")
@click.option("--rename", metavar="OLD=NEW", multiple=True, callback=_renames, help="Rename a class.")
@click.option(
    "--repair",
    type=click.Choice(["make-valid", "clip", "drop-degenerate"]),
    multiple=True,
    help="Mend shapes by this name, counted; `annokit validate` says what is wrong.",
)
@click.option("--split", metavar="NAME=SHARE,...", help="Like train=.8,val=.2.")
@click.option(
    "--video-frames",
    metavar="WHICH",
    help="Make images of the frames of videos: all, keyframes, or a number n for every n-th.",
)
@click.option(
    "--keyframes-within",
    type=float,
    metavar="PX",
    help="Keep the fewest key frames that give every track within so many pixels, like 0.5.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Which of all possible splits.")
@click.option(
    "--on-error",
    type=click.Choice(["raise", "skip", "quarantine"]),
    default="quarantine",
    show_default=True,
    help="What to do with a record that cannot be read.",
)
@click.option("--strict", is_flag=True, help="Write nothing when anything would be lost.")
@click.option("--overwrite", is_flag=True, help="Replace DST.")
@click.option("--verify", is_flag=True, help="Read the output again before it takes its place.")
@workers_option
@click.option(
    "--shard-size",
    metavar="SIZE",
    callback=_size,
    help="Make an output for every so many bytes of input, like 256MB, in the folder DST.",
)
@click.option("--resume", is_flag=True, help="Go on with shards where a run was cut short.")
@click.option("--report", metavar="FILE", help="Where the report goes.  [default: DST.report.json]")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    sources: tuple[str, ...],
    target: str,
    to: str,
    format: str | None,
    report: str | None,
    shard_size: int | None,
    resume: bool,
    as_json: bool,
    quiet: bool,
    options: dict[str, Any],
    **settings: Any,
) -> int:
    """Turn labels into training data, and account for every one.

    SRC is what a platform exported, DST the file or folder to write. What cannot be read is put into DST.quarantine.ndjson, with the reason; the exit code is then 1.
    """
    from annokit.conversion import convert
    from annokit.io.archives import open_source
    from annokit.io.place import beside
    from annokit.shards import convert_shards

    if not sources:
        raise click.UsageError("Missing argument 'DST': name what to read, then what to write")
    if resume and shard_size is None:
        raise click.UsageError("--resume goes on with shards: give --shard-size, too")
    if shard_size is not None:
        settings |= {"shard_size": shard_size, "resume": resume}
    run = convert if shard_size is None else convert_shards
    with progress(sources, quiet=quiet) as advance:
        opened = [open_source(source, settings["limits"], advance) for source in sources]
        check_options(options, opened, format, to)
        account = run(
            opened, target, to=to, format=format, report=report, progress=advance, **settings, **options
        )
    put_aside = account.total("quarantined")
    if as_json:
        say_json(account.to_dict())
    elif not quiet:
        say_report(account)
        say(f"written to {target}, report in {report or beside(target, '.report.json')}")
        if _is_in_vain(account):
            say("none of the annotations is in it: see above why")
        if put_aside:
            where = beside(target, ".quarantine.ndjson" if shard_size is None else "/*.quarantine.ndjson")
            say(f"{number_of(put_aside, 'record')} put aside, each with its reason, in {where}")
    return 1 if put_aside or account.total("skipped") else 0


def _is_in_vain(account: Report) -> bool:
    """Whether annotations were read, and none was written or merged into another."""
    rows = [row for kind, row in account.kinds.items() if kind not in _AROUND]
    return any(row["read"] for row in rows) and not any(row["written"] + row["merged"] for row in rows)
