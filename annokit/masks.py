"""Which mask images labels refer to, so that they can be fetched: annokit itself downloads nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from annokit.dataset import Dataset
from annokit.geometry.mask_files import mask_file_name, write_mask_table
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.io.output import staged_file
from annokit.model import DataRow, MaskReference, ObjectAnnotation, Track
from annokit.run import Run

__all__ = ["MaskRequest", "list_masks", "mask_requests"]


class MaskRequest(msgspec.Struct, frozen=True):
    """A mask image to fetch, and the file name under which a folder of masks has it."""

    url: str
    file: str


def mask_requests(dataset: Dataset, *, limits: Limits = DEFAULT_LIMITS) -> Iterator[MaskRequest]:
    """The images that mask references lead to, each once, in the order of the labels.

    Records that cannot be read are passed over. Read the dataset without `masks`, or those found there are
    not listed.

    Examples
    --------
    >>> from annokit.model import Label
    >>> mask = ObjectAnnotation(tool_name="car", geometry=MaskReference(uri="https://example.com/m1"))
    >>> row = DataRow(id="r1", labels=(Label(annotations=(mask, mask)),))
    >>> [request.file for request in mask_requests(Dataset.from_rows([row]))]
    ['m1~47f61d10f3063284.png']
    """
    seen = set()
    for row in dataset.rows(Run(on_error="skip", limits=limits)):
        for uri in _uris(row):
            if uri not in seen:
                seen.add(uri)
                yield MaskRequest(uri, mask_file_name(uri))


def _uris(row: DataRow) -> Iterator[str]:
    for label in row.labels:
        for annotation in label.annotations:
            if isinstance(annotation, ObjectAnnotation):
                shapes = [annotation.geometry]
            else:
                shapes = list(annotation.masks) if isinstance(annotation, Track) else []
            yield from (shape.uri for shape in shapes if isinstance(shape, MaskReference))


def list_masks(
    dataset: Dataset,
    target: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> int:
    """Write the URLs and file names of all mask images as CSV, and say how many there are.

    Fetch each URL into a folder under its file name, then read the labels with ``masks=`` that folder.
    """
    requests = list(mask_requests(dataset, limits=limits))
    with staged_file(target, overwrite=overwrite, sources=dataset.paths) as path:
        write_mask_table(Path(path), [(request.url, request.file) for request in requests])
    return len(requests)
