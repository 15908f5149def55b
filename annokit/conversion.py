"""Read, choose labels and classes, write, account: the one way from a source to a target."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from annokit.dataset import Dataset, chained
from annokit.errors import (
    AccountingError,
    AnnokitError,
    InputError,
    LimitExceeded,
    OutputError,
    UsageError,
)
from annokit.formats import detect as detect_format
from annokit.formats import parse_options, reader_of, writer_of
from annokit.formats._base import Options, Writer
from annokit.io.archives import open_source
from annokit.io.gc import rare_gc
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.io.output import Staged, file_at, folder_at, scratch_folder, staged
from annokit.io.place import beside
from annokit.io.source import Readable, Source
from annokit.model import DataRow
from annokit.pieces import write_rows
from annokit.reading import Labels, divided_options, open_labels, wholes
from annokit.report import Report
from annokit.run import OnError, Run
from annokit.steps import Steps
from annokit.workers import Workers

__all__ = ["Labels", "check_readable", "convert", "detect", "read", "write"]


def detect(source: Readable) -> str:
    """The name of the format of a file or folder.

    Raises
    ------
    UsageError
        When it looks like none, or like several.
    """
    return detect_format(open_source(source)).name


def read(
    source: Labels,
    *,
    format: str | None = None,
    on_error: OnError = "raise",
    limits: Limits = DEFAULT_LIMITS,
    **options: Any,
) -> Dataset:
    """Open labels of any known format as a `Dataset`; nothing is fetched but what `source` names.

    Parameters
    ----------
    source : path, bytes, binary stream, parsed document, or a list of these
        Several are read one after the other. ``s3://``, ``gs://``, ``az://`` and ``https://`` addresses are
        copied to a temporary folder (extra `cloud`).
    format : str, optional
        A name from `annokit.formats()`; detected when not given.
    on_error : {"raise", "skip"}
        What iterating does with a record that cannot be read.
    limits : Limits
        How much one input may ask for.
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
    if on_error not in ("raise", "skip"):
        raise UsageError(
            f"expected on_error raise or skip, got {on_error!r}",
            hint="quarantine needs an output to stand beside: write and convert take it",
        )
    return _read(open_labels(source, limits), format, on_error, limits, options)


def _read(
    opened: Sequence[Source],
    format: str | None,
    on_error: OnError,
    limits: Limits,
    options: Mapping[str, Any],
) -> Dataset:
    parts = wholes(opened, format, options, limits)
    datasets = [part.dataset() for part in parts]
    dataset = datasets[0] if len(datasets) == 1 else chained(datasets)
    dataset.on_error, dataset.limits, dataset.parts = on_error, limits, parts
    dataset.paths = tuple(one.origin for one in opened if one.origin is not None)
    return dataset


def write(
    dataset: Dataset | Iterable[DataRow],
    target: str | os.PathLike[str],
    *,
    format: str,
    labels: str | None = None,
    where: str | None = None,
    classes: Sequence[str] | None = None,
    rename: Mapping[str, str] | None = None,
    repair: Sequence[str] = (),
    split: str | None = None,
    seed: int = 0,
    video_frames: str | int | None = None,
    keyframes_within: float | None = None,
    on_error: OnError = "raise",
    strict: bool = False,
    overwrite: bool = False,
    verify: bool = False,
    report: str | os.PathLike[str] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    progress: Callable[[int], None] | None = None,
    workers: int = 1,
    is_part: bool = False,
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
        Which labels of a data row: `all`, `newest`, `benchmark`, `annotator:ID`, `merge`; see `choose_labels`.
    where : str, optional
        Keep labels for which this SQL condition over their answers and counts holds; see `annokit.query.where`.
    classes : sequence of str, optional
        Keep these classes, numbered in this order.
    rename : mapping, optional
        Old to new class names, applied before `classes`.
    repair : sequence of {"make-valid", "clip", "drop-degenerate"}
        Mend shapes, in this order; see `annokit.repair`.
    split, seed : str, int
        Shares such as ``train=.8,val=.2``.
    video_frames : str or int, optional
        Make images of videos: of `all` frames, of `keyframes`, or of every n-th frame; see
        `annokit.video.split_frames`.
    keyframes_within : float, optional
        Keep the fewest key frames that give every track within so many pixels; see
        `annokit.video.thin_keyframes`.
    on_error : {"raise", "skip", "quarantine"}
        What to do with a record that cannot be read; quarantined ones stand in
        ``TARGET.quarantine.ndjson``.
    strict : bool
        Raise LossyConversion, and write nothing, when anything would be lost.
    verify : bool
        Read the output again and compare the counts before it takes its place.
    report : path, optional
        Where the report goes; by default ``TARGET.report.json``.
    workers : int
        How many processes share the work, where the dataset comes from `read` and its source can be cut; the
        output is the same byte for byte. A script that is not guarded by ``if __name__ == "__main__":`` can
        have one only.
    is_part : bool
        Whether it is part of a larger output, and so may hold nothing that can be read.
    **options
        The format's write options, see `annokit formats`.

    Returns
    -------
    Report
        The account, already checked.
    """
    dataset = _as_dataset(dataset)
    writer = writer_of(format)
    given = parse_options(writer.options, options, f"writing {format}")
    if verify:
        reader_of(format)  # what cannot be read again is said before anything is written
    if split and not writer.keeps_splits:
        hint = "split to Parquet, and write each part of that with --where \"split = 'train'\""
        raise UsageError(f"{format} has no place for splits, got {split!r}", hint=hint)
    account = Report(source=dataset.source, target=os.fspath(target))
    make = _maker(writer, target, given, account)
    place = make(target, overwrite=overwrite, sources=dataset.paths)
    put_aside = file_at(
        beside(target, ".quarantine.ndjson"), overwrite=overwrite, sources=dataset.paths, optional=True
    )
    told = file_at(report or beside(target, ".report.json"), overwrite=True, sources=dataset.paths)
    steps = Steps(
        labels=labels,
        where=where,
        classes=classes,
        rename=rename or {},
        repair=repair,
        split=split,
        seed=seed,
        video_frames=video_frames,
        keyframes_within=keyframes_within,
        note_details=not writer.keeps_details,
    )
    with (
        staged(told, put_aside, place),
        scratch_folder(place.path.with_name(PurePath(place.target).name)) as scratch,
        Workers(workers) as pool,  # ends before the folder goes in which it works
        rare_gc(),
    ):
        run = Run(
            on_error=on_error, report=account, quarantine=put_aside.path, limits=limits, progress=progress
        )
        with run, _bounded():
            write_rows(dataset, steps, format, place.path, scratch, given, run, pool)
        place.settle()
        account.check()
        if not is_part:
            check_readable(account)
        if strict:
            account.check_strict()
        if verify:
            with _named(place):
                _verify(place.path, place.format or format, account)
        told.path.write_text(account.to_json(), encoding="utf-8", errors="backslashreplace")
    return account


@contextmanager
def _bounded() -> Iterator[None]:
    """What could just be read may be too deep for a writer, which goes down into it from deeper in."""
    try:
        yield
    except RecursionError as error:
        raise LimitExceeded("a record is nested too deeply to be written") from error


def _as_dataset(rows: Dataset | Iterable[DataRow]) -> Dataset:
    return rows if isinstance(rows, Dataset) else Dataset.from_rows(rows)


def _maker(
    writer: Writer[Any], target: str | os.PathLike[str], options: Options, account: Report
) -> Callable[..., Staged]:
    """What makes the output's place: a file, a folder, or a place of the format's own."""
    if writer.place is not None:
        return partial(writer.place, options=options, report=account)
    is_file = writer.target == "file" or (writer.target == "either" and Path(target).suffix == ".parquet")
    return file_at if is_file else folder_at


def check_readable(account: Report) -> None:
    """Refuse to write an empty dataset because nothing at all could be read."""
    read = account.total("read") - account.kinds["categories"]["read"]
    if read and account.total("quarantined") + account.total("skipped") == read:
        first = next(loss for loss in account.losses if loss.lossy)
        raise InputError(
            f"none of {read} records could be read, the first: {first.examples[0]}",
            hint="is it the right format? nothing was written",
        )


@contextmanager
def _named(place: Staged) -> Iterator[None]:
    """What cannot be read again is the output, which by then is called as it was to be."""
    try:
        yield
    except AccountingError:
        raise
    except AnnokitError as error:
        target = os.fspath(place.target)
        file = (error.where.file or target).replace(str(place.path), target)
        problem = f"the output cannot be read again, so it was not put there: {error.problem}"
        raise OutputError(problem, where=error.where.at(file=file), hint=error.hint) from error


def _verify(written: Path, format: str, account: Report) -> None:
    """Read the output again: as many data rows, objects and classes must come back as were written."""
    again = Run()
    dataset = _read([Source(written)], format, "raise", DEFAULT_LIMITS, {})
    for _row in dataset.rows(again):
        pass
    again.report.count("read", "categories", len(dataset.ontology.tools))
    for kind in ("data_rows", "object:", "categories"):
        found, expected = again.report.total("read", kind), account.total("written", kind)
        if found != expected:
            raise AccountingError(f"{kind}: {expected} written, {found} read again")


def convert(
    source: Labels,
    target: str | os.PathLike[str],
    *,
    to: str,
    format: str | None = None,
    **options: Any,
) -> Report:
    """`read` and `write` in one call; every option of both, and of both formats, may be given.

    Parameters
    ----------
    source, target
        See `read` and `write`.
    to : str
        The format to write.
    format : str, optional
        The format to read; detected when not given.
    **options
        Options of `write` and of the two formats.

    Returns
    -------
    Report
        The account, already checked and saved.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> line = {"data_row": {"id": "r1", "row_data": "a.jpg"}, "projects": {}}
    >>> report = convert([line], folder / "out.json", to="coco", format="labelbox")
    >>> report.total("written", "data_rows")
    1
    """
    writer_of(to)  # an unknown target is said before anything is read
    opened = open_labels(source, options.get("limits", DEFAULT_LIMITS))
    one = format is None and len(opened) == 1
    name = detect_format(opened[0]).name if one else format  # once, since some are looked through for it
    reading, options = divided_options(opened, name, to, options)
    dataset = _read(opened, name, "raise", options.get("limits", DEFAULT_LIMITS), reading)
    return write(dataset, target, format=to, **options)
