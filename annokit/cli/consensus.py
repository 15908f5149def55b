"""`annokit consensus`: how far annotators agree, what the agreed label is, whom to trust, what to look at again."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from annokit.cli._options import ReadCommand, from_option, open_dataset, workers_option
from annokit.cli._output import progress, say, say_json, say_table
from annokit.cli._report import say_losses
from annokit.errors import UsageError, number_of

if TYPE_CHECKING:
    import pyarrow as pa

    from annokit.consensus import Scores
    from annokit.io.limits import Limits

__all__ = ["command"]

_MOST = 20
_TABLES = ("rows", "pairs", "classes", "matches", "by_class", "by_pair", "units")
_ALONE = "no data row has two labels to compare"
_METHODS = ("map-dawid-skene", "dawid-skene", "one-coin", "majority", "wawa", "ground-truth")


@click.group()
def command() -> None:
    """Agreement between annotators, and one label out of theirs.

    For exports with several labels a data row, and Ground Truth's worker responses. Of an annotator with several
    labels the newest counts.
    """


def _one_of_both(context: click.Context, _param: click.Parameter, value: bool) -> bool:
    """Refuse --csv beside --json."""
    taken = context.params.get("as_csv") or context.params.get("as_json")
    if value and taken:
        raise UsageError("expected --json or --csv, got both")
    return value


def _common(function: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments all four commands have."""
    for decorate in (
        click.option("--overwrite", is_flag=True, help="Replace what is there."),
        click.option("--csv", "as_csv", is_flag=True, callback=_one_of_both, help="Print the table as CSV."),
        click.option(
            "--json", "as_json", is_flag=True, callback=_one_of_both, help="Print everything as JSON."
        ),
        from_option,
        click.argument("sources", metavar="SRC...", nargs=-1, required=True),
    ):
        function = decorate(function)
    return function


@command.command("score", cls=ReadCommand)
@_common
@workers_option
@click.option(
    "--against", metavar="WHO", help="Score everybody against benchmark or annotator:ID; all pairs otherwise."
)
@click.option(
    "--classes",
    type=click.Choice(["strict", "lenient", "agnostic"]),
    default="strict",
    help="Whether objects of different classes may be matched: never; where nothing of their class is; always.",
)
@click.option("--minimum", type=float, default=0.0, help="Objects with a smaller score are not matched.")
@click.option("--reach", type=float, default=20.0, help="Pixels within which points and lines meet in part.")
@click.option(
    "--link",
    type=float,
    default=0.5,
    help="The least mean score of objects that are one thing in Krippendorff's alpha.",
)
@click.option("--parity", type=click.Choice(["labelbox"]), help="The scores of Labelbox's SDK.")
@click.option(
    "--bootstrap", type=click.IntRange(0), default=0, metavar="N", help="Intervals of alpha out of N samples."
)
@click.option(
    "--table",
    type=click.Choice(_TABLES),
    help="Print this table alone; --csv without it prints pairs, --json everything.",
)
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    help="Write every table there as Parquet: rows.parquet, pairs.parquet ...",
)
@click.option("--html", metavar="FILE", help="Write a page with the tables and the worst rows drawn.")
@click.option("--image-dir", metavar="DIR", help="The folder of the images, for the page.")
def score(
    sources: tuple[str, ...],
    format: str | None,
    as_json: bool,
    as_csv: bool,
    overwrite: bool,
    against: str | None,
    classes: Any,
    minimum: float,
    reach: float,
    link: float,
    parity: Any,
    bootstrap: int,
    table: str | None,
    output: str | None,
    html: str | None,
    image_dir: str | None,
    workers: int,
    options: dict[str, Any],
    limits: Limits,
) -> None:
    """How far annotators agree: by class, by pair of annotators, by data row."""
    from annokit import consensus

    dataset = open_dataset(sources, format, options, limits)
    with progress(sources, quiet=False) as advance:
        found = consensus.score(
            dataset, against=against, classes=classes, minimum=minimum, reach=reach, link=link, parity=parity,
            workers=workers, progress=advance,
        )  # fmt: skip
    if output:
        found.save(output, overwrite=overwrite)
    if html:
        from annokit.consensus_page import write_page

        write_page(
            dataset, found, html, image_dir=image_dir, overwrite=overwrite, limits=limits, workers=workers
        )
    if table or as_csv:
        chosen = found.tables()[table or "pairs"]
        _say_or_show(chosen, as_json, as_csv, [name for name in chosen.column_names if name != "data_row_id"])
    elif as_json:
        say_json(_whole(found, found.alphas(bootstrap=bootstrap)))
    else:
        _show_scores(found, found.alphas(bootstrap=bootstrap))
    if not (as_json or as_csv):
        for place in filter(None, (output, html)):
            say(f"written to {place}")


def _whole(found: Scores, alphas: Mapping[str, Any]) -> dict[str, Any]:
    said = {
        name: {"value": _number(e), "low": _number(e.low), "high": _number(e.high)}
        for name, e in alphas.items()
    }
    tables = {name: table.to_pylist() for name, table in found.tables().items() if name != "units"}
    return {
        "agreement": _number(found.agreement), "alphas": said, "not_compared": found.not_compared,
        **({"in_one_source": found.in_one_source} if found.in_one_source else {}),
        **({"told_by_id": found.told_by_id} if found.told_by_id else {}), **tables,
    }  # fmt: skip


def _show_scores(found: Scores, alphas: Mapping[str, Any]) -> None:
    names = {*found.pairs["annotator_a"].to_pylist(), *found.pairs["annotator_b"].to_pylist()}
    if len(found.rows):
        say(
            f"agreement {found.agreement:.3f} over {number_of(len(found.rows), 'data row')} of {number_of(len(names), 'annotator')}"
        )
    else:
        say(
            f"{_ALONE} ({number_of(found.data_rows, 'data row')}, {number_of(found.annotators, 'annotator')})"
        )
    _say_left_out(found)
    rows: list[tuple[object, ...]] = [
        (name, _shown(e), f"{e.low:.3f} to {e.high:.3f}" if e.low == e.low else None)
        for name, e in alphas.items()
    ]
    _section(["Krippendorff's alpha", "value", "95 %"], rows)
    columns = ["class", "kind", "score", "pairs", "matched", "unmatched"]
    _section(columns, _rows(found.by_class, columns))
    columns = ["annotator_a", "annotator_b", "score", "lowest", "pairs"]
    _section(columns, _rows(found.by_pair, columns))
    columns = ["data_row", "score", "lowest", "pairs"]
    _section(columns, _rows(found.rows, columns))


def _say_left_out(found: Scores) -> None:
    if found.in_one_source:
        say(f"in one source only: {number_of(found.in_one_source, 'data row')} (by name)", "yellow")
    if found.told_by_id:
        which = f"{number_of(len(found.told_by_id), 'name')}, e.g. {found.told_by_id[0]}"
        say(f"a name stands twice in one source, so its data rows are told apart by id: {which}", "yellow")
    for kind, n in found.not_compared.items():
        hint = " (`annokit masks list` names them, --masks reads them)" if kind == "mask_reference" else ""
        say(f"{n} objects left out: nothing says what a {kind} covers{hint}", "yellow")


@command.command("merge", cls=ReadCommand)
@_common
@click.option(
    "--method", type=click.Choice(_METHODS), default="map-dawid-skene", help="How classes are agreed on."
)
@click.option("--link", type=float, default=0.3, help="The least mean score of objects that are merged.")
@click.option("--reach", type=float, default=20.0, help="Pixels within which points and lines meet in part.")
@click.option("--quorum", type=float, default=0.3, help="The least share of annotators who must have it.")
@click.option(
    "--geometry",
    type=click.Choice(["median", "skill"]),
    default="median",
    help="Boxes: everybody alike, or not.",
)
@click.option("--polygons", type=click.Choice(["medoid", "vote"]), default="medoid", help="Which outline.")
@click.option(
    "--mask-rule",
    type=click.Choice(["majority", "staple"]),
    default="majority",
    help="Which pixels of masks.",
)
@click.option("-o", "--output", metavar="DST", help="Write the merged dataset there as Parquet.")
def merge(
    sources: tuple[str, ...],
    format: str | None,
    as_json: bool,
    as_csv: bool,
    overwrite: bool,
    method: Any,
    link: float,
    reach: float,
    quorum: float,
    geometry: Any,
    polygons: Any,
    mask_rule: Any,
    output: str | None,
    options: dict[str, Any],
    limits: Limits,
) -> None:
    """One consensus label for every data row, with who and how many stand behind it.

    `annokit convert --labels merge` writes the same in any format, with the usual choices.
    """
    from annokit import consensus, conversion
    from annokit.report import Report

    merged = consensus.merge(
        open_dataset(sources, format, options, limits),
        method=method, link=link, quorum=quorum, geometry=geometry, polygons=polygons, masks=mask_rule,
        reach=reach,
    )  # fmt: skip
    if output:
        conversion.write(
            merged,
            output,
            format="parquet",
            labels="all",
            on_error="quarantine",
            overwrite=overwrite,
            limits=limits,
        )
    account = Report()
    table = consensus.verdicts(merged, report=account)
    if not (as_json or as_csv):
        say_losses(account.losses)
    _say_or_show(table, as_json, as_csv, ["data_row", "what", "answer", "votes", "drawn", "of", "confidence"])
    if output and not (as_json or as_csv):
        say(f"written to {output}")


@command.command("annotators", cls=ReadCommand)
@_common
@workers_option
@click.option("--method", type=click.Choice(_METHODS), default="map-dawid-skene", help="How skill is found.")
@click.option("-o", "--output", metavar="FILE", help="Write the table as Parquet.")
def annotators(
    sources: tuple[str, ...],
    format: str | None,
    as_json: bool,
    as_csv: bool,
    overwrite: bool,
    method: Any,
    output: str | None,
    workers: int,
    options: dict[str, Any],
    limits: Limits,
) -> None:
    """Each annotator: how much, how fast, how far others agree, and what looks odd."""
    from annokit import consensus

    dataset = open_dataset(sources, format, options, limits)
    scores = consensus.score(dataset, workers=workers)
    table = consensus.annotators(dataset, method=method, scores=scores, workers=workers)
    _save(table, output, overwrite)
    if not (as_json or as_csv):
        _say_left_out(scores)
    columns = [
        "annotator", "labels", "objects", "median_seconds", "agreement", "low", "high", "skill", "vitality", "flags"
    ]  # fmt: skip
    _say_or_show(table, as_json, as_csv, columns)


@command.command("review", cls=ReadCommand)
@_common
@workers_option
@click.option("--below", type=float, default=0.5, help="What agreement is low.")
@click.option("-o", "--output", metavar="FILE", help="Write the table as Parquet.")
def review(
    sources: tuple[str, ...],
    format: str | None,
    as_json: bool,
    as_csv: bool,
    overwrite: bool,
    below: float,
    output: str | None,
    workers: int,
    options: dict[str, Any],
    limits: Limits,
) -> None:
    """The data rows worth a second look, with the reasons.

    Objects are one thing from a mean score of .5 on, not from the .3 of merge: what is barely merged is worth a look, too.
    """
    from annokit import consensus

    dataset = open_dataset(sources, format, options, limits)
    scores = consensus.score(dataset, workers=workers)
    table = consensus.review(dataset, below=below, scores=scores, workers=workers)
    _save(table, output, overwrite)
    if not (as_json or as_csv):
        _say_left_out(scores)
    none = "no data row needs a second look" if len(scores.rows) else _ALONE
    _say_or_show(table, as_json, as_csv, ["data_row", "score", "annotators", "reasons"], none)


def _save(table: pa.Table, output: str | None, overwrite: bool) -> None:
    if output:
        import pyarrow.parquet as pq

        from annokit.io.output import staged_file

        with staged_file(output, overwrite=overwrite) as path:
            pq.write_table(table, path)


def _say_or_show(
    table: pa.Table,
    as_json: bool,
    as_csv: bool,
    columns: Sequence[str],
    none: str = "nobody labelled anything",
) -> None:
    if as_json:
        say_json(table.to_pylist())
    elif as_csv:
        _say_csv(table)
    elif len(table):
        say_table(columns, _rows(table, columns), limit=_MOST)
    else:
        say(f"nothing to show: {none}")


def _rows(table: pa.Table, columns: Sequence[str]) -> list[tuple[object, ...]]:
    return [tuple(_shown(row[name]) for name in columns) for row in table.to_pylist()]


def _shown(value: Any) -> object:
    if isinstance(value, float):
        return f"{value:.3f}"
    return "; ".join(map(str, value)) if isinstance(value, list) else value


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _section(header: list[str], rows: list[tuple[object, ...]]) -> None:
    if rows:
        say()
        say_table(header, rows, limit=_MOST)


def _say_csv(table: pa.Table) -> None:
    """The table as CSV; lists in one cell, and nothing that a spreadsheet would run."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.column_names)
    for row in table.to_pylist():
        writer.writerow([_cell(row[name]) for name in table.column_names])
    click.echo(text.getvalue(), nl=False)


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        value = "; ".join(map(str, value))
    return (
        f"'{value}"
        if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
        else value
    )
