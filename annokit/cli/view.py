"""`annokit view`: a picture of one data row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from annokit.cli._options import ReadCommand, from_option, labels_option, open_dataset
from annokit.cli._output import say
from annokit.errors import UsageError

if TYPE_CHECKING:
    from annokit.io.limits import Limits

__all__ = ["command"]


@click.command(cls=ReadCommand)
@click.argument("sources", metavar="SRC...", nargs=-1, required=True)
@click.option("--row", required=True, metavar="ID", help="Its id, global key, external id or file name.")
@click.option("-o", "--output", required=True, metavar="FILE", help="The .svg or .png to write.")
@from_option
@labels_option("all", "newest", "benchmark", "annotator:", "merge", default="all")
@click.option(
    "--frame",
    type=click.IntRange(min=0),
    metavar="N",
    help="Of a video: what is visible in frame N, from 0 on.",
)
@click.option("--image-dir", metavar="DIR", help="The folder of the images; that of SRC, if it is a folder.")
@click.option("--overwrite", is_flag=True, help="Replace FILE.")
def command(
    sources: tuple[str, ...],
    row: str,
    output: str,
    format: str | None,
    labels: str,
    frame: int | None,
    image_dir: str | None,
    overwrite: bool,
    options: dict[str, Any],
    limits: Limits,
) -> None:
    """Draw a data row: its shapes over its image, a panel for each annotator."""
    from annokit.io.output import staged_file
    from annokit.select import choose_labels
    from annokit.view import find_row, frame_of, render

    suffix = Path(output).suffix.lower()
    if suffix not in (".svg", ".png"):
        raise UsageError(f"expected a file ending in .svg or .png, got {output!r}")
    dataset = open_dataset(sources, format, options, limits)
    if image_dir is None:
        image_dir = next((str(path) for path in dataset.paths if path.is_dir()), None)
    found = find_row(choose_labels(dataset, labels), row, limits=limits)
    if frame is not None:
        found = frame_of(found, frame, limits=limits)
    picture = render(
        found,
        format="png" if suffix == ".png" else "svg",
        ontology=dataset.ontology,
        image_dir=image_dir,
        limits=limits,
    )
    with staged_file(output, overwrite=overwrite, sources=dataset.paths) as path:
        path.write_bytes(picture)
    say(f"written to {output}")
