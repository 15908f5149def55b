"""A conversion in shards: each is an output of its own, and a run that was cut short goes on where it stopped.

Until the last shard is done they lie in ``TARGET.unfinished``; then the folder takes its place as a whole.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from annokit._version import __version__
from annokit.conversion import check_readable, write
from annokit.dataset import Outline
from annokit.errors import UsageError, Where
from annokit.formats import writer_of
from annokit.io.limits import DEFAULT_LIMITS
from annokit.io.lock import locked
from annokit.io.output import StagedFile, StagedFolder, scratch_folder, staged
from annokit.io.place import OVERWRITE, destination, refused, writing
from annokit.io.source import Source
from annokit.io.swap import clear_leftovers, remove
from annokit.passes import outlines_of
from annokit.reading import Labels, Part, divided_options, open_labels, wholes
from annokit.report import Report
from annokit.steps import Steps
from annokit.workers import Workers

__all__ = ["convert_shards"]

_RUN, _REPORTS, _SUMMARY = "run.json", "reports", "shards.json"


def convert_shards(
    source: Labels,
    target: str | os.PathLike[str],
    *,
    to: str,
    shard_size: int,
    resume: bool = False,
    format: str | None = None,
    workers: int = 1,
    overwrite: bool = False,
    report: str | os.PathLike[str] | None = None,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> Report:
    """`annokit.convert`, with an output of its own for every so many bytes of input.

    Parameters
    ----------
    source, to, format, report, progress, **options
        As for `annokit.convert`. Classes have the same numbers in all shards, and splits are those of the whole; ids
        of images and annotations count from 1 in each. Label policies that look at several rows are refused.
    target : path
        The folder that takes the shards ``part-00000``, ... and ``shards.json``, which says what each was made of.
    shard_size : int
        About how many bytes of input make a shard. Sources that cannot be cut make one each.
    resume : bool
        Go on with a run that was cut short: only shards that are not done are made. Refused when input, options or
        version are not the same.
    workers : int
        How many shards are made at once, in processes of their own.
    overwrite : bool
        Replace `target`, and what is left of a run that is not gone on with.

    Returns
    -------
    Report
        The account of all shards.

    Raises
    ------
    OutputError
        The target is there, or a run that was cut short.
    UsageError
        The run that is to go on was another one.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "shards"
    >>> line = b'{"data_row": {"id": "r1", "row_data": "a.jpg"}, "projects": {}}\\n'
    >>> convert_shards(line * 3, folder, to="coco", shard_size=100).total("written", "data_rows")
    3
    >>> sorted(path.name for path in folder.glob("part-*"))
    ['part-00000.json', 'part-00001.json']
    """
    opened = open_labels(source, options.get("limits", DEFAULT_LIMITS))
    job = _planned(opened, format, to, shard_size, options)
    identity = _identity(opened, job, shard_size)
    if resume and _is_run(destination(target), identity):
        return _account(job, destination(target))
    place = StagedFolder(target, overwrite=overwrite, sources=job.paths)
    folder = place.target.with_name(f"{place.target.name}.unfinished")
    beside = StagedFile(report or f"{place.target}.report.json", overwrite=True, sources=job.paths)
    with writing(place.target), locked(place.target):
        clear_leftovers(place.target)
        _prepare(folder, identity, resume=resume, overwrite=overwrite)
        with scratch_folder(place.target) as scratch, Workers(workers) as pool:
            _make(job, folder, scratch / "job", pool, progress or (lambda _size: None))
        _settle(job, folder)
        account = _account(job, folder)
        check_readable(account)
        account.target = os.fspath(target)
        place.path = folder
        place.finish()
        with staged(beside):
            beside.path.write_text(account.to_json(), encoding="utf-8", errors="backslashreplace")
        place.commit()
        remove(folder)  # what stood at the target before
    return account


class _Job(NamedTuple):
    """What is to be made, and how."""

    groups: Sequence[Sequence[Part]]
    format: str
    options: dict[str, Any]
    paths: tuple[Path, ...]

    @property
    def parts(self) -> list[Part]:
        return [part for group in self.groups for part in group]

    def name(self, index: int) -> str:
        writer = writer_of(self.format)
        return f"part-{index:05d}{writer.suffix if writer.target == 'file' else ''}"


def _planned(
    opened: Sequence[Source], format: str | None, to: str, shard_size: int, options: Mapping[str, Any]
) -> _Job:
    if shard_size < 1:
        raise UsageError(f"expected a size of shards of at least 1 byte, got {shard_size}")
    if writer_of(to).place is not None:
        raise UsageError(f"{to} is one table that grows, not made in shards", hint="convert to it as a whole")
    reading, rest = divided_options(opened, format, to, options)
    if not Steps(**{name: rest[name] for name in Steps.__struct_fields__ if name in rest}).row_by_row:
        raise UsageError(
            "shards are made apart, but these options look at the rows of several",
            hint="convert to one output; or --labels all or newest, and --split without --where",
        )
    limits = options.get("limits", DEFAULT_LIMITS)
    groups = [whole.cut(shard_size) for whole in wholes(opened, format, reading, limits)]
    return _Job(groups, to, rest, tuple(one.origin for one in opened if one.origin is not None))


def _identity(opened: Sequence[Source], job: _Job, shard_size: int) -> dict[str, Any]:
    """What has to be the same for a run to be gone on with."""
    options = {**job.groups[0][0].options, **job.options}
    return {
        "annokit": __version__,
        "sources": [
            {"name": one.name, "sha256": _digest(one), "beside": _beside(group[0])}
            for one, group in zip(opened, job.groups, strict=True)
        ],
        "to": job.format,
        "from": [group[0].format for group in job.groups],
        "shard_size": shard_size,
        "options": {name: [repr(value), _named(value)] for name, value in sorted(options.items())},
    }


def _beside(whole: Part) -> str | None:
    """A hash of the folder of a file that stands for it, as YOLO's data.yaml does."""
    file = whole.source.path
    stands_for = whole.format == "yolo" and file is not None and not whole.source.is_dir
    return _digest(Source(file.parent)) if stands_for and file is not None else None


def _named(value: object) -> str | None:
    """A hash of what an option names: masks, images, a manifest."""
    return _digest(Source(value)) if isinstance(value, str) and Path(value).exists() else None


def _digest(source: Source) -> str:
    """A hash of a file's bytes; of a folder's names, sizes and times."""
    found = hashlib.sha256()
    if source.path is None or not source.is_dir:
        with source.open() as handle:
            while chunk := handle.read(1 << 20):
                found.update(chunk)
        return found.hexdigest()
    for path in sorted(path for path in source.path.rglob("*") if path.is_file()):
        told = path.stat()
        name = path.relative_to(source.path).as_posix()
        found.update(msgspec.json.encode([name, told.st_size, told.st_mtime_ns]))
    return found.hexdigest()


def _prepare(folder: Path, identity: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
    """Make the folder for the shards, or go on with the one that is there."""
    known = folder / _RUN
    if folder.exists() and resume:
        if not _is_run(folder, identity):
            differs = _difference(known, identity)
            raise UsageError(
                f"cannot go on: {differs} is not what it was",
                where=Where(str(folder)),
                hint=f"{OVERWRITE} starts anew",
            )
        return
    if folder.exists():
        if not overwrite or not known.is_file():
            hint = f"--resume (in Python resume=True) goes on with it, {OVERWRITE} starts anew"
            raise refused(folder, "a run was cut short", hint=hint if known.is_file() else None)
        remove(folder)
    (folder / _REPORTS).mkdir(parents=True)
    known.write_bytes(_text(identity))


def _is_run(folder: Path, identity: Mapping[str, Any]) -> bool:
    """Whether a folder is of the run with this identity."""
    known = folder / _RUN
    return known.is_file() and known.read_bytes() == _text(identity)


def _text(value: Mapping[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def _difference(known: Path, identity: Mapping[str, Any]) -> str:
    """What of the identity of a run has changed."""
    before = msgspec.json.decode(known.read_bytes()) if known.is_file() else {}
    for name, value in identity.items():
        if name == "options":
            was = before.get(name, {})
            changed = sorted(one for one in {*value, *was} if value.get(one) != was.get(one))
            if changed:
                return f"the option {changed[0]}"
        elif before.get(name) != value:
            return name
    return _RUN


def _make(job: _Job, folder: Path, file: Path, pool: Workers, progress: Callable[[int], None]) -> None:
    """Make the shards that are not there yet."""
    parts = job.parts
    missing = [index for index in range(len(parts)) if not (folder / job.name(index)).exists()]
    progress(sum(part.source.size for part in parts) - sum(parts[index].source.size for index in missing))
    if not missing:
        return
    _, outline = outlines_of(job.groups, pool)
    file.write_bytes(pickle.dumps((job, outline, folder), pickle.HIGHEST_PROTOCOL))
    made = pool.map(_shard, [(file, index) for index in missing])
    for index, _ in zip(missing, made, strict=True):
        progress(parts[index].source.size)


@lru_cache(maxsize=1)
def _job(file: Path) -> tuple[_Job, Outline, Path]:
    found: tuple[_Job, Outline, Path] = pickle.loads(file.read_bytes())  # noqa: S301  # of the first process
    return found


def _shard(task: tuple[Path, int]) -> None:
    """In a worker: make one shard, as a conversion of its own."""
    file, index = task
    job, outline, folder = _job(file)
    dataset = job.parts[index].dataset(lambda: outline)
    dataset.paths = job.paths
    report = folder / _REPORTS / f"{index:05d}.json"
    target = folder / job.name(index)
    write(dataset, target, format=job.format, report=report, is_part=True, **job.options)


def _account(job: _Job, folder: Path) -> Report:
    """The account of all shards."""
    account = Report(", ".join(dict.fromkeys(part.source.name for part in job.parts)))
    for index in range(len(job.parts)):
        report = Report.from_json((folder / _REPORTS / f"{index:05d}.json").read_bytes())
        if index:
            report.forget("categories")  # every shard has them all
        account.add(report)
    return account


def _settle(job: _Job, folder: Path) -> None:
    """Write the summary; the account of each shard says where it stays, and what killed runs left goes."""
    entries = []
    for index, part in enumerate(job.parts):
        report = _placed(folder / _REPORTS / f"{index:05d}.json", job.name(index))
        span = part.source.span
        entry: dict[str, Any] = {"name": job.name(index), "source": part.source.name}
        entry |= {"start": span.start, "stop": span.stop} if span else {}
        entries.append(entry | {"data_rows": report.total("written", "data_rows")})
    (folder / _SUMMARY).write_bytes(_text({"shards": entries}))
    for left in folder.glob(".part-*"):
        remove(left)


def _placed(file: Path, name: str) -> Report:
    """The account of a shard, which now is where it stays."""
    report = Report.from_json(file.read_bytes())
    report.target = name
    fresh = file.with_suffix(".new")
    fresh.write_text(report.to_json(), encoding="utf-8", errors="backslashreplace")
    fresh.replace(file)
    return report
