"""Read, choose labels and classes, write, account: the one way from a source to a target."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from annokit import formats
from annokit.dataset import Dataset
from annokit.errors import AccountingError, OutputError, UsageError
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.io.output import staged_file, staged_folder
from annokit.io.source import Readable, Source, sources
from annokit.merge import chained
from annokit.report import Report
from annokit.run import OnError, Run
from annokit.select import assign_splits, choose_labels, parse_split, rename_classes, select_classes

__all__ = ["convert", "detect", "read", "write"]

Document = Mapping[str, Any]


def detect(source: Readable) -> str:
    """The name of the format of a file or folder.

    Raises
    ------
    UsageError
        When it looks like none, or like several.
    """
    return formats.detect(Source(source)).name


def read(
    source: Readable | Sequence[Readable] | Document | Sequence[Document],
    *,
    format: str | None = None,
    on_error: OnError = "raise",
    **options: Any,
) -> Dataset:
    """Open labels of any known format as a `Dataset`; nothing is downloaded.

    Parameters
    ----------
    source : path, bytes, binary stream, parsed document, or a list of these
        Several are read one after the other.
    format : str, optional
        A name from `annokit.formats()`; detected when not given.
    on_error : {"raise", "skip"}
        What iterating does with a record that cannot be read.
    **options
        The format's read options, see `annokit formats`.

    Raises
    ------
    UsageError
        Unknown format or option, or a source that looks like no format or several.
    InputError
        What cannot be read; the place is in the message.

    Examples
    --------
    >>> line = {"data_row": {"id": "r1", "row_data": "a.jpg"}, "projects": {}}
    >>> [row.name for row in read([line], format="labelbox")]
    ['a.jpg']
    """
    parts = [_opened(one, format, options) for one in sources(_serialised(source))]
    dataset = parts[0] if len(parts) == 1 else chained(parts)
    dataset.on_error = on_error
    return dataset


def _opened(source: Source, name: str | None, options: Mapping[str, Any]) -> Dataset:
    found = formats.get(name) if name else formats.detect(source)
    if found.reader is None:
        raise UsageError(f"{found.name} can be written, not read")
    given = formats.parse_options(found.reader.options, options, f"reading {found.name}")
    return found.reader.read(source, given)


def _serialised(source: Any) -> Any:
    """Parsed documents as the bytes they came from: one as JSON, several as NDJSON."""
    if isinstance(source, Mapping):
        return msgspec.json.encode(source)
    if isinstance(source, list | tuple) and source and isinstance(source[0], Mapping):
        return b"\n".join(msgspec.json.encode(document) for document in source)
    return source


def write(
    dataset: Dataset | Iterable[Any],
    target: str | os.PathLike[str],
    *,
    format: str,
    labels: str | None = None,
    classes: Sequence[str] | None = None,
    rename: Mapping[str, str] | None = None,
    split: str | None = None,
    seed: int = 0,
    on_error: OnError = "raise",
    strict: bool = False,
    overwrite: bool = False,
    verify: bool = False,
    report: str | os.PathLike[str] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> Report:
    """Write a dataset, or an iterable of data rows, as training data; all of it or nothing.

    Parameters
    ----------
    target : path
        The file or folder to make. What stands there is left alone unless `overwrite`.
    format : str
        A name from `annokit.formats()`.
    labels : str, optional
        Which labels of a data row: `all`, `newest`, `benchmark`, `annotator:ID`; see `choose_labels`.
    classes : sequence of str, optional
        Keep these classes, numbered in this order.
    rename : mapping, optional
        Old to new class names, applied before `classes`.
    split, seed : str, int
        Shares such as ``train=.8,val=.2``.
    on_error : {"raise", "skip", "quarantine"}
        What to do with a record that cannot be read; quarantined ones stand in
        ``TARGET.quarantine.ndjson``.
    strict : bool
        Raise LossyConversion, and write nothing, when anything would be lost.
    verify : bool
        Read the output again and compare the counts before it takes its place.
    report : path, optional
        Where the report goes; by default ``TARGET.report.json``.
    **options
        The format's write options, see `annokit formats`.

    Returns
    -------
    Report
        The account, already checked.
    """
    if not isinstance(dataset, Dataset):
        dataset = Dataset.from_rows(list(dataset))
    writer = _writer(format)
    given = formats.parse_options(writer.options, options, f"writing {format}")
    account = Report(source=dataset.source, target=os.fspath(target))
    job = _Job(Path(target), format, account, overwrite=overwrite, strict=strict, verify=verify)
    with job.quarantine(on_error) as (quarantine, path):
        run = Run(on_error=on_error, report=account, quarantine=quarantine, limits=limits, progress=progress)
        account.count("read", "categories", len(dataset.ontology.tools))
        chosen = _chosen(dataset, account, labels, classes, rename, split, seed)
        with job.staged(writer.target) as staged:
            writer.write(chosen, staged, given, run)
            quarantine.flush()
            job.close(staged)
    job.save(Path(report) if report else job.beside("report.json"), path)
    return account


def convert(
    source: Readable | Sequence[Readable] | Document | Sequence[Document],
    target: str | os.PathLike[str],
    *,
    to: str,
    format: str | None = None,
    **options: Any,
) -> Report:
    """`read` and `write` in one call; every option of both, and of both formats, may be given.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> line = {"data_row": {"id": "r1", "row_data": "a.jpg"}, "projects": {}}
    >>> report = convert([line], folder / "out.json", to="coco", format="labelbox")
    >>> report.total("written", "data_rows")
    1
    """
    opened = sources(_serialised(source))
    names = {format} if format else {formats.detect(one).name for one in opened}
    known = {field for name in names for field in _read_options(name)}
    reading = {name: options.pop(name) for name in list(options) if name in known}
    dataset = read(list(opened), format=format, **reading)  # type: ignore[arg-type]
    return write(dataset, target, format=to, **options)


