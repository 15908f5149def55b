"""COCO results: a list of what a model found, by the ids of images and categories.

Source of the format: https://cocodataset.org/#format-results and pycocotools' `loadRes`. Boxes, runs, keypoints
and captions, each with a score, which becomes the confidence. The list has no names and no sizes: they come
from the ground truth it belongs to.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

from msgspec import UNSET, Meta, Raw

from annokit.dataset import Dataset
from annokit.errors import AnnokitError
from annokit.formats._base import Format, Head, Options, Reader, Writer
from annokit.formats._classes import Classes
from annokit.formats._coco.read import File, is_shapeless
from annokit.formats._coco.spool import Spool
from annokit.formats._coco.wire import (
    Annotation,
    Category,
    Decoded,
    Document,
    Image,
    Rejected,
    decoded,
    repeated,
)
from annokit.formats._coco.write import Categories, WriteOptions, encoded
from annokit.geometry.pixels import images_only
from annokit.io.gc import paused_gc
from annokit.io.limits import Limits
from annokit.io.records import decode_document
from annokit.io.salvage import decoder
from annokit.io.source import Source
from annokit.model import DataRow
from annokit.run import Run

__all__ = ["FORMAT"]


class ReadOptions(Options, frozen=True):
    """How COCO results are read."""

    ground_truth: Annotated[
        str | None, Meta(description="COCO file with the images and categories the results speak of")
    ] = None
    image_dir: Annotated[str | None, Meta(description="folder with the image files")] = None


def _sniff(head: Head) -> bool:
    is_list = re.match(rb"[\s\xef\xbb\xbf]*\[\s*\{", head.data) is not None
    return is_list and re.search(rb'"image_id"\s*:', head.data) is not None


def _read(source: Source, options: ReadOptions) -> Dataset:
    file = File(
        source,
        partial(_decoded, source, options.ground_truth),
        _results,
        format="coco-results",
        image_dir=options.image_dir,
    )

    def rows(run: Run) -> Iterator[DataRow]:
        if options.ground_truth is None:
            run.report.note(
                "no-ground-truth",
                "categories",
                "images and classes are called by their ids (--ground-truth names the COCO file that has them)",
                n=len(file.outline().ontology.tools),
            )
        yield from file.rows(run)

    return Dataset(rows, outline=file.outline, source=source.name, size=source.size)


def _results(data: bytes) -> list[Raw]:
    results: list[Raw] = decoder(list[Raw]).decode(data)
    return results


def _decoded(source: Source, ground_truth: str | None, limits: Limits) -> Decoded:
    """The results as the annotations of a document with the images and categories of the ground truth."""
    rejected: list[Rejected] = []

    def reject(unit: str, _path: str, error: AnnokitError, part: bytes) -> None:
        rejected.append(Rejected(unit, error, part))

    with paused_gc():
        results = decode_document(source, list[Annotation], reject=reject, limits=limits)
    document = _implied(results) if ground_truth is None else _stated(Source(ground_truth), limits)
    document.annotations = results
    return Decoded(document, rejected, repeated(source.read_bytes(limits), results, rejected))


def _implied(results: list[Annotation]) -> Document:
    """Images and categories of which only the ids are known, in order of first appearance."""
    images = dict.fromkeys(one.image_id for one in results)
    categories = dict.fromkeys(
        one.category_id
        for one in results
        if one.category_id is not UNSET and (one.caption is UNSET or not is_shapeless(one))
    )
    return Document(
        images=[Image(id=image, file_name="") for image in images],
        categories=[Category(id=category, name=str(category)) for category in categories],
    )


def _stated(ground_truth: Source, limits: Limits) -> Document:
    found = decoded(ground_truth, limits)
    for left_out in found.rejected:
        if left_out.unit != "annotation":
            raise left_out.error
    return found.document


def _write(dataset: Dataset, target: Path, options: WriteOptions, run: Run) -> None:
    """Write the objects of all rows as one list.

    Image and category ids are those `coco` would write. Outlines become runs, since pycocotools loads no
    others, and what has no confidence gets a score of 1.
    """
    report = run.report
    classes = Classes(dataset.ontology, merge_names=False)
    categories = Categories(classes, options.ids)
    with tempfile.TemporaryFile(dir=target.parent) as handle, target.open("wb") as out:
        spool = Spool(handle, results=True)
        for rows, batch in encoded(images_only(dataset.rows(run), report), categories, report, results=True):
            spool.add(batch)
            found = set(batch.rows)
            report.count("written", "data_rows", len(found))
            for row in (row for index, row in enumerate(rows) if index not in found):
                problem = "a results list does not speak of images in which nothing was found"
                report.lose("no-place", "data_rows", problem, example=row.name)
        out.write(b"[\n")
        spool.copy_to(out)
        out.write(b"\n]\n")
    spool.account(report)
    classes.account_but(
        report, categories.unused, "nothing in the list is of it, and it has no list of classes"
    )
    problem = "a results list has the ids of images and categories, not their names"
    report.note("ids-only", "categories", problem, n=len(classes.tools))


FORMAT = Format(
    name="coco-results",
    title="COCO results list: boxes, runs, keypoints or captions with scores",
    sniff=_sniff,
    reader=Reader(read=_read, options=ReadOptions),
    writer=Writer(write=_write, options=WriteOptions, target="file", keeps_splits=False),
)
