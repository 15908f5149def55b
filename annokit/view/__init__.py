"""Pictures of data rows: the shapes of every label over the image, as SVG or PNG.

>>> from annokit.model import Box, DataRow, Label, ObjectAnnotation
>>> car = ObjectAnnotation(tool_name="car", geometry=Box(x=8, y=8, width=30, height=20))
>>> svg = render(DataRow(id="r1", labels=(Label(annotations=(car,)),)))
>>> svg.startswith(b"<svg")
True
"""

from __future__ import annotations

import io
import os
from typing import Literal

from msgspec.structs import replace

from annokit.checked import checked
from annokit.dataset import Dataset
from annokit.errors import UsageError, shown
from annokit.geometry.frames import chosen_frames, frames_of
from annokit.io.images import image_size
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.model import DataRow, Ontology
from annokit.run import Run
from annokit.view._colors import Palette
from annokit.view._compose import compose
from annokit.view._photo import find_photo
from annokit.view._svg import to_svg

__all__ = ["find_row", "frame_of", "render"]


def render(
    row: DataRow,
    *,
    format: Literal["svg", "png"] = "svg",
    ontology: Ontology | None = None,
    image_dir: str | os.PathLike[str] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> bytes:
    """The picture of a data row: a panel for each label, over the row's local image or a blank canvas.

    Parameters
    ----------
    row : DataRow
        All its labels are drawn, side by side; see `annokit.select.choose_labels` for fewer.
    format : {"svg", "png"}
        SVG holds the image inside.
    ontology : Ontology, optional
        Gives the classes their colours, the same for every row; else by order within the row.
    image_dir : path, optional
        The folder below which the image is looked for, by the row's name or path; nowhere else.

    Returns
    -------
    bytes
        The content of the file. What cannot be drawn is named below its panel.
    """
    if format not in ("svg", "png"):
        raise UsageError(f"expected svg or png, got {format!r}")
    row = checked(row)
    photo = find_photo(row, image_dir, limits)
    if photo is not None and not (row.asset.width and row.asset.height):
        height, width = image_size(io.BytesIO(photo[0]), limits)
        row = replace(row, asset=replace(row.asset, height=height, width=width))
    scene = compose(row, Palette(ontology), photo)
    if format == "svg":
        return to_svg(scene)
    from annokit.view._png import to_png

    return to_png(scene, limits)


def frame_of(row: DataRow, frame: int, *, limits: Limits = DEFAULT_LIMITS) -> DataRow:
    """One frame of a video as a row of its own: an image, with what is visible in it.

    Parameters
    ----------
    row : DataRow
        A video, whose tracks may leave out frames between key frames.
    frame : int
        0-based.

    Raises
    ------
    UsageError
        The row is no video, or the video ends before.

    Examples
    --------
    >>> from annokit.model import Asset
    >>> frame_of(DataRow(id="a.mp4", asset=Asset(media_type="video", frame_count=2)), 1).name
    'a/000002.jpg'
    """
    if row.asset.media_type != "video":
        raise UsageError(f"only videos have frames, and {shown(row.name)} is of type {row.asset.media_type}")
    frames = len(chosen_frames(row, "all", limits))
    if not 0 <= frame < frames:
        hint = f"from 0 to {frames - 1}" if frames else "nothing says which frames it has"
        raise UsageError(f"{shown(row.name)} has {frames} frames, and no frame {frame}", hint=hint)
    return next(frames_of(row, [frame], limits)).row


def find_row(dataset: Dataset, name: str, *, limits: Limits = DEFAULT_LIMITS) -> DataRow:
    """The first data row whose id, global key, external id or name is `name`.

    Raises
    ------
    UsageError
        No row is called so; the message has a few that are.

    Examples
    --------
    >>> find_row(Dataset.from_rows([DataRow(id="r1", global_key="a.jpg")]), "a.jpg").id
    'r1'
    """
    run = Run(on_error="skip", limits=limits)
    others: list[str] = []
    count = 0
    for row in dataset.rows(run):
        if name in (row.id, row.global_key, row.external_id, row.name):
            return row
        count += 1
        if len(others) < 3:
            others.append(shown(row.name, 60))
    unread = run.report.total("skipped")
    hint = f"there are {count}, like {', '.join(others)}" if others else "there are none"
    hint += f"; {unread} records cannot be read" * bool(unread)
    raise UsageError(f"no data row is called {shown(repr(name))}", hint=hint)
