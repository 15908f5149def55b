"""Read, choose labels and classes, write, account: the one way from a source to a target."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import msgspec

from annokit.dataset import Dataset, chained
from annokit.errors import AccountingError, InputError, UsageError
from annokit.formats import detect as detect_format
from annokit.formats import parse_options, reader_of, writer_of
from annokit.io.archives import open_source
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.io.output import StagedFile, StagedFolder, staged
from annokit.io.source import Readable, Source, sources
from annokit.model import DataRow
from annokit.query import where as matching
from annokit.repair import repair as repaired
from annokit.report import Report
from annokit.run import OnError, Run
from annokit.select import (
    assign_splits,
    choose_labels,
    note_details,
    parse_split,
    rename_classes,
    select_classes,
)
from annokit.video import parse_frames, split_frames, thin_keyframes

__all__ = ["Labels", "convert", "detect", "read", "write"]

_Document: TypeAlias = Mapping[str, Any]
Labels: TypeAlias = "Readable | Source | Sequence[Readable | Source] | _Document | Sequence[_Document]"
"""What can be read: a path, bytes, a binary stream, a parsed document, or several of one of these."""


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
    return _read(_opened(source, limits), format, on_error, limits, options)


def _read(
    opened: Sequence[Source],
    format: str | None,
    on_error: OnError,
    limits: Limits,
    options: Mapping[str, Any],
) -> Dataset:
    _tell_apart(opened)
    for one in opened:
        one.limits = limits
    readers = [reader_of(format or detect_format(one).name) for one in opened]
    known = {field for reader in readers for field in reader.options.__struct_fields__}
    parts = []
    for one, reader in zip(opened, readers, strict=True):
        # of several formats each takes the options it has; one that none has is refused by the first
        taken = {k: v for k, v in options.items() if k in reader.options.__struct_fields__ or k not in known}
        parts.append(reader.read(one, parse_options(reader.options, taken, f"reading {one.name}")))
    dataset = parts[0] if len(parts) == 1 else chained(parts)
    dataset.on_error, dataset.limits = on_error, limits
    dataset.paths = tuple(one.origin for one in opened if one.origin is not None)
    dataset.held = opened
    return dataset


def _tell_apart(opened: Sequence[Source]) -> None:
    """Give sources of one name names of their own: rows are told apart by the source they come from."""
    seen: dict[str, int] = {}
    for one in opened:
        seen[one.name] = seen.get(one.name, 0) + 1
        if seen[one.name] > 1:
            one.name = f"{one.name} ({seen[one.name]})"


def _opened(source: Labels, limits: Limits = DEFAULT_LIMITS) -> list[Source]:
    opened = sources(_serialised(source), partial(open_source, limits=limits))
    return [open_source(one, limits) for one in opened]  # a Source that was given may be an archive


def _serialised(source: Any) -> Any:
    """Parsed documents as the bytes they came from: one as JSON, several as NDJSON."""
    if isinstance(source, Mapping):
        return msgspec.json.encode(source)
    if isinstance(source, list | tuple) and source and isinstance(source[0], Mapping):
        return b"\n".join(msgspec.json.encode(document) for document in source)
    return source


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
    **options
        The format's write options, see `annokit formats`.

    Returns
    -------
    Report
        The account, already checked.
    """
    if not isinstance(dataset, Dataset):
        if isinstance(dataset, DataRow):
            raise UsageError("expected a dataset or a list of data rows, got one data row")
        dataset = Dataset.from_rows(list(dataset))
    writer = writer_of(format)
    given = parse_options(writer.options, options, f"writing {format}")
    if verify:
        reader_of(format)  # what cannot be read again is said before anything is written
    if split and not writer.keeps_splits:
        raise UsageError(f"{format} has no place for splits, got {split!r}", hint="write each split apart")
    account = Report(source=dataset.source, target=os.fspath(target))
    put_aside = StagedFile(
        f"{Path(target)}.quarantine.ndjson", overwrite=overwrite, sources=dataset.paths, optional=True
    )
    beside = StagedFile(report or f"{Path(target)}.report.json", overwrite=True, sources=dataset.paths)
    is_file = writer.target == "file" or (writer.target == "either" and Path(target).suffix == ".parquet")
    place = (StagedFile if is_file else StagedFolder)(target, overwrite=overwrite, sources=dataset.paths)
    with staged(beside, put_aside, place):
        run = Run(
            on_error=on_error, report=account, quarantine=put_aside.path, limits=limits, progress=progress
        )
        videos = _Videos(video_frames, keyframes_within)
        chosen = _chosen(dataset, account, labels, where, classes, rename, split, seed, videos)
        chosen = repaired(chosen, repair)
        if not writer.keeps_details:
            chosen = note_details(chosen)
        with run:
            writer.write(chosen, place.path, given, run)
        if not run.finished:
            raise AccountingError("the writer stopped before the last row", hint="a bug in annokit")
        account.check()
        _check_readable(account)
        if strict:
            account.check_strict()
        if verify:
            _verify(place.path, format, account)
        beside.path.write_text(account.to_json(), encoding="utf-8", errors="backslashreplace")
    return account


def _check_readable(account: Report) -> None:
    """Refuse to write an empty dataset because nothing at all could be read."""
    read = account.total("read") - account.kinds["categories"]["read"]
    if read and account.total("quarantined") + account.total("skipped") == read:
        first = next(loss for loss in account.losses if loss.lossy)
        raise InputError(
            f"none of {read} records could be read, the first: {first.examples[0]}",
            hint="is it the right format? nothing was written",
        )


def _chosen(
    dataset: Dataset,
    account: Report,
    labels: str | None,
    where: str | None,
    classes: Sequence[str] | None,
    rename: Mapping[str, str] | None,
    split: str | None,
    seed: int,
    videos: _Videos,
) -> Dataset:
    """The dataset behind every step that was asked for.

    Splits come before frames, so that those of one video stay together, and after the condition, so that shares are
    exact; frames of a video for which it holds are asked again, each by itself.
    """
    account.count("read", "categories", len(dataset.ontology.tools))
    chosen = choose_labels(dataset, labels)
    if where is not None:
        chosen = matching(chosen, where)
    if split:
        chosen = assign_splits(chosen, parse_split(split), seed)
    chosen = videos.through(chosen)
    if where is not None and videos.frames is not None:
        chosen = matching(chosen, where)
    chosen = rename_classes(chosen, rename or {})
    renamed = len(chosen.ontology.tools)
    account.count("merged", "categories", len(dataset.ontology.tools) - renamed)
    if classes is not None:
        chosen = select_classes(chosen, classes)
        dropped = renamed - len(chosen.ontology.tools)
        if dropped:
            account.lose("class-not-chosen", "categories", "it is not among --classes", n=dropped)
    return chosen


class _Videos(NamedTuple):
    """What becomes of videos."""

    frames: str | int | None
    within: float | None

    def through(self, dataset: Dataset) -> Dataset:
        if self.within is not None:
            dataset = thin_keyframes(dataset, self.within)
        return dataset if self.frames is None else split_frames(dataset, parse_frames(self.frames))


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
    opened = _opened(source, options.get("limits", DEFAULT_LIMITS))
    names = {format} if format else {detect_format(one).name for one in opened}
    known = {field for name in names for field in reader_of(name).options.__struct_fields__}
    writing = writer_of(to).options.__struct_fields__
    reading = {name: value for name, value in options.items() if name in known}
    options = {name: value for name, value in options.items() if name not in known or name in writing}
    dataset = _read(opened, format, "raise", options.get("limits", DEFAULT_LIMITS), reading)
    return write(dataset, target, format=to, **options)
