"""Whether what points somewhere leads there: classes, relationships, frames, images."""

from __future__ import annotations

import os
from pathlib import Path

from annokit.errors import AnnokitError, UsageError, Where
from annokit.io.images import TURNED, image_header
from annokit.io.limits import Limits
from annokit.io.photos import Photos
from annokit.model import DataRow, Label, ObjectAnnotation, Ontology, Relationship, Track
from annokit.report import kind_of
from annokit.validate._findings import Findings, Severity

__all__ = ["References"]


class References:
    """Checks of a row that need more than it: the classes there are, its image.

    Parameters
    ----------
    found : Findings
        Where faults go.
    ontology : Ontology
        The classes of the dataset.
    image_dir : path or None
        Where the images are; one that is not there is a fault.
    own : Photos
        Without `image_dir`, finds the images a dataset has beside its labels. No other is opened, whatever path a row states.
    """

    def __init__(
        self,
        found: Findings,
        ontology: Ontology,
        image_dir: str | os.PathLike[str] | None,
        own: Photos,
        limits: Limits,
    ) -> None:
        if image_dir is not None and not Path(image_dir).is_dir():
            raise UsageError("expected a folder of images", where=Where(os.fspath(image_dir)))
        self._found, self._own, self._limits = found, own, limits
        self._folder = None if image_dir is None else Path(image_dir).resolve()
        self._tools = {tool.name for tool in ontology.tools}
        self._tool_ids = {tool.id for tool in ontology.tools if tool.id}

    def check(self, row: DataRow) -> None:
        """Everything about one row and its labels."""
        if row.asset.media_type == "image":
            self._check_image(row)
        for label in row.labels:
            self._check_label(row, label)

    def _add(
        self,
        row: DataRow,
        code: str,
        severity: Severity,
        message: str,
        kind: str = "data_rows",
        annotation: str | None = None,
        detail: str | None = None,
    ) -> None:
        self._found.add(code, kind, severity, message, row=row, annotation=annotation, detail=detail)

    def _check_label(self, row: DataRow, label: Label) -> None:
        if not label.annotations and not label.skipped and (label.annotator_id or label.created_at):
            message = "an annotator submitted a label without annotations, and did not skip the row"
            self._add(row, "empty-label", "warning", message, "labels", label.id)
        ids = {one.id for one in label.annotations}
        for one in label.annotations:
            if isinstance(one, Relationship):
                self._check_relationship(row, one, ids)
            elif isinstance(one, ObjectAnnotation | Track):
                self._check_object(row, one)

    def _check_relationship(self, row: DataRow, one: Relationship, ids: set[str | None]) -> None:
        for end in (one.source, one.target):
            if end is None or end not in ids:
                message = "a relationship leads to an annotation that is not in its label"
                self._add(row, "dangling-relationship", "error", message, kind_of(one), one.id, end)

    def _check_object(self, row: DataRow, one: ObjectAnnotation | Track) -> None:
        if one.tool_name not in self._tools and one.tool_id not in self._tool_ids:
            message = "its class is not in the ontology"
            self._add(row, "unknown-class", "error", message, kind_of(one), one.id, one.tool_name)
        count = row.asset.frame_count
        last = _last_frame(one)
        if count is not None and last is not None and last >= count:
            detail = f"frame {last} of {count}"
            self._add(
                row, "frame-outside", "error", "it has frames the video has not", kind_of(one), one.id, detail
            )

    def _check_image(self, row: DataRow) -> None:
        asset = row.asset
        if not (asset.width and asset.height):
            self._add(row, "no-size", "warning", "the height and width of the image are not known")
        path = self._image(row)
        if path is None:
            return
        if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises on names too long
            self._add(row, "missing-image", "error", "the image file is not there", detail=str(path))
            return
        try:
            size, orientation = image_header(path, self._limits)
        except AnnokitError as error:
            self._add(row, "broken-image", "error", "the image file cannot be read", detail=error.problem)
            return
        self._check_size(row, size, orientation > 1)

    def _check_size(self, row: DataRow, size: tuple[int, int], turned: bool) -> None:
        stated = (row.asset.height, row.asset.width)
        if None not in stated and stated != size:
            detail = f"stated {stated[0]} x {stated[1]}, file {size[0]} x {size[1]}"
            if turned and stated == size[::-1]:
                message = "the stated size is that of the image as shown, not as stored (EXIF orientation)"
                self._add(row, "size-as-shown", "warning", message, detail=detail)
            else:
                message = "the stated height and width are not those of the image file"
                self._add(row, "size-disagrees", "error", message, detail=detail)
        elif turned:
            self._add(row, "turned-image", "warning", TURNED)

    def _image(self, row: DataRow) -> Path | None:
        """Where the image of a row has to be, if that can be told; never outside the folder."""
        uri = row.asset.uri or ""
        if self._folder is None:
            return self._own.find(row.name, uri)
        names = [row.name, row.external_id or "", uri.partition("?")[0].rpartition("/")[2]]
        paths = [Path(os.path.normpath(self._folder / name)) for name in names if name and "\0" not in name]
        inside = [path for path in paths if path.is_relative_to(self._folder)]
        there = [path for path in inside if os.path.isfile(path)]  # noqa: PTH113 - as above
        return next(iter(there + inside), None)


def _last_frame(one: ObjectAnnotation | Track) -> int | None:
    if isinstance(one, ObjectAnnotation):
        return one.frame
    frames = [int(part.max()) for part in (one.frames, one.segments) if part.size]
    return max(frames, default=None)
