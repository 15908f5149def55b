"""`annokit insights`: who labelled what, when, how fast and how well."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click
from msgspec import structs

from annokit.cli._options import ReadCommand, from_option, open_dataset, workers_option
from annokit.cli._output import progress, say, say_json
from annokit.errors import InputError, UsageError, shown

if TYPE_CHECKING:
    from annokit.insights import Insights, Settings
    from annokit.io.limits import Limits

__all__ = ["command"]


def _goal(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    from annokit.io.lines import iter_lines
    from annokit.io.source import Source

    if value is None or value.isdecimal():
        return None if value is None else int(value)
    wrong = f"expected a number or an input manifest in --goal, got {shown(value)!r}"
    try:
        lines = [line.data.lstrip().startswith(b"{") for line in iter_lines(Source(value))]
    except InputError as error:
        raise UsageError(wrong, hint=error.problem) from error
    if not all(lines):
        raise UsageError(wrong, hint=f"line {lines.index(False) + 1} of it is no JSON object")
    return len(lines)


@click.command(cls=ReadCommand)
@click.argument("sources", metavar="[SRC...]", nargs=-1)
@click.option("-o", "--output", metavar="FILE", help="The dashboard to write: one HTML file.")
@click.option("--tables", metavar="DIR", help="Write every table and view there, as Parquet.")
@click.option("--summary", type=click.Choice(["md", "json"]), help="Print a summary, for a mail or a script.")
@click.option(
    "--sql",
    "engine",
    type=click.Choice(["athena", "duckdb", "spark"]),
    help="Print tables and views as SQL. SRC is then the job's folder there; nothing is read.",
)
@from_option
@click.option("--since", metavar="DATE", help="Leave out what was submitted before, as 2024-03-01.")
@click.option("--time-zone", metavar="ZONE", help="Whose days are counted. [default: UTC]")
@click.option(
    "--goal",
    metavar="N",
    callback=_goal,
    help="Data rows to be labelled: a number, or a manifest with a line for each. [default: those in SRC]",
)
@click.option("--answers-each", metavar="N", type=int, help="Answers that complete a data row. [default: 1]")
@click.option("--bucket-width", metavar="N", type=int, help="Of workers_per_bucket. [default: 25]")
@click.option(
    "--element",
    metavar="NAME",
    help="The form's element that annotations_view takes labels from. [default: crowd-classifier]",
)
@click.option("--title", metavar="TEXT", help="Of the dashboard and the summary.")
@workers_option
@click.option("--overwrite", is_flag=True, help="Replace FILE and DIR.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def command(
    sources: tuple[str, ...],
    output: str | None,
    tables: str | None,
    summary: str | None,
    engine: str | None,
    format: str | None,
    goal: int | None,
    title: str | None,
    workers: int,
    overwrite: bool,
    quiet: bool,
    options: dict[str, Any],
    limits: Limits,
    **counting: Any,
) -> int:
    """Show how the labelling goes: a dashboard, tables, a summary, or SQL.

    SRC is any labels with annotators: the worker responses of a Ground Truth job, a Labelbox export. The
    exit code is 1 when something in it could not be read.
    """
    from annokit.insights import open_insights

    settings = _settings(counting)
    if engine is not None:
        _say_sql(engine, sources, tables, settings)
        return 0
    if not sources or not (output or tables or summary):
        raise UsageError("expected SRC and -o FILE, --tables DIR or --summary md|json; or --sql ENGINE")
    dataset = open_dataset(sources, format, options, limits)
    with progress(sources, quiet=quiet) as advance:
        insights = open_insights(dataset, settings, progress=advance, workers=workers)
    if tables is not None:
        _write_tables(insights, tables, overwrite, dataset.paths)
        _say_written(tables, summary)
    if output is not None:
        _write_dashboard(insights, output, overwrite, dataset.paths, goal=goal, title=title)
        _say_written(output, summary)
    if summary is not None:
        _say_summary(insights, summary, goal, title)
    return 1 if insights.read.unreadable else 0


def _settings(counting: dict[str, Any]) -> Settings:
    from annokit.insights import Settings

    settings = Settings(
        **{key: value for key, value in counting.items() if value is not None and key != "since"}
    )
    if counting["since"] is None:
        return settings
    try:
        since = datetime.fromisoformat(counting["since"])
    except ValueError:
        raise UsageError(f"expected a date as 2024-03-01 in --since, got {counting['since']!r}") from None
    since = since if since.tzinfo else since.replace(tzinfo=ZoneInfo(settings.time_zone))
    return structs.replace(settings, since=since)


def _say_sql(engine: Any, sources: tuple[str, ...], tables: str | None, settings: Settings) -> None:
    from annokit.insights import sql_script

    if len(sources) > 1:
        raise UsageError("expected one folder of a job for --sql")
    for line in sql_script(engine, job="".join(sources), tables=tables or "", settings=settings).splitlines():
        click.echo(line)


def _write_tables(insights: Insights, folder: str, overwrite: bool, sources: tuple[Path, ...]) -> None:
    from pyarrow import parquet

    from annokit.io.output import staged_folder

    made = insights.tables()
    with staged_folder(folder, overwrite=overwrite, sources=sources) as path:
        for name, table in made.items():
            parquet.write_table(table, path / f"{name}.parquet")


def _write_dashboard(
    insights: Insights, target: str, overwrite: bool, sources: tuple[Path, ...], **options: Any
) -> None:
    from annokit.insights import dashboard
    from annokit.io.output import staged_file

    chosen = {key: value for key, value in options.items() if value is not None}
    with staged_file(target, overwrite=overwrite, sources=sources) as path:
        path.write_text(dashboard(insights, **chosen), encoding="utf-8")


def _say_written(target: str, summary: str | None) -> None:
    """Where it is; but a summary, which may be JSON, stands alone."""
    if summary is None:
        say(f"written to {target}")


def _say_summary(insights: Insights, kind: str, goal: int | None, title: str | None) -> None:
    from annokit.insights import markdown, summarise

    made = summarise(insights, goal)
    if kind == "json":
        say_json(made)
    else:
        click.echo(markdown(made, title or "Labelling"))
