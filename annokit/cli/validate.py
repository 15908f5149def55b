"""`annokit validate`: what is wrong with labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from annokit.cli._options import ReadCommand, from_option, open_dataset, workers_option
from annokit.cli._output import progress, say, say_json
from annokit.errors import number_of

if TYPE_CHECKING:
    from annokit.io.limits import Limits
    from annokit.validate import ValidationReport

__all__ = ["command"]


@click.command(cls=ReadCommand)
@click.argument("sources", metavar="SRC...", nargs=-1, required=True)
@click.option(
    "--for",
    "target",
    type=click.Choice(["yolo", "coco", "labelbox"]),
    help="Also say what the usual tools of this format would drop or refuse.",
)
@from_option
@click.option(
    "--image-dir",
    metavar="DIR",
    help="Look for every image here, and compare its size; without it, for those beside a dataset's labels.",
)
@click.option("--ontology", metavar="FILE", help="Compare with this ontology of Labelbox, too.")
@workers_option
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(
    sources: tuple[str, ...],
    target: str | None,
    format: str | None,
    image_dir: str | None,
    ontology: str | None,
    workers: int,
    as_json: bool,
    options: dict[str, Any],
    limits: Limits,
) -> int:
    """Look for shapes that cannot be, things that lead nowhere, and sizes that disagree.

    Nothing is changed: `annokit convert --repair` mends shapes. The exit code is 1 when an error was found, 0 when there are only warnings.
    """
    from annokit import ontology as ontologies
    from annokit.validate import validate

    dataset = open_dataset(sources, format, options, limits)
    wanted = None if ontology is None else ontologies.read(ontology, limits=limits)
    with progress(sources, quiet=False) as advance:
        report = validate(
            dataset,
            target,
            image_dir=image_dir,
            ontology=wanted,
            limits=limits,
            workers=workers,
            progress=advance,
        )
    if as_json:
        say_json(report)
    else:
        _show(report)
    return 1 if report.errors else 0


def _show(report: ValidationReport) -> None:
    for found in report.findings:
        color = "red" if found.severity == "error" else "yellow"
        head = f"{found.severity}: {found.count} {found.kind}: {found.message} [{found.code}]"
        first = str(found.examples[0]) if found.examples else ""
        say(f"{head}, e.g. {first}" if first else head, color)
    warnings = sum(found.count for found in report.findings) - report.errors
    looked = f"{number_of(report.data_rows, 'data row')} and {number_of(report.annotations, 'annotation')}"
    say(f"{looked}: {number_of(report.errors, 'error')}, {number_of(warnings, 'warning')}")
