"""Putting repaired records back into a file of their own format, to be converted again."""

from __future__ import annotations

import base64
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec

from annokit.errors import DecodeError, InputError, UsageError, Where
from annokit.io.lines import iter_lines
from annokit.io.output import staged_file
from annokit.io.prune import path_steps
from annokit.io.source import Source

__all__ = ["requeue"]


class _Entry(msgspec.Struct):
    """One line of a quarantine file; other keys are for people."""

    format: str
    where: dict[str, Any]
    raw: str | None = None
    raw_b64: str | None = None
    context: Any = None


def requeue(
    quarantine: str | os.PathLike[str], target: str | os.PathLike[str], *, overwrite: bool = False
) -> int:
    """Write the records of a quarantine file as a source file of their format.

    Edit `raw` in the quarantine file first: each record is put back where it stood, in a document with
    nothing beside it but what it needs, so that converting `target` gives just what was missing.

    Parameters
    ----------
    quarantine : path
        A ``*.quarantine.ndjson`` that a conversion left.
    target : path
        The file to write: NDJSON for line formats, one document for COCO.

    Returns
    -------
    int
        How many records it holds.

    Raises
    ------
    UsageError
        The file holds records of several formats, or of a format whose records stand in files of their own.
    InputError
        It is no quarantine file.
    """
    source = Source(quarantine)
    entries = [_entry(line.data, Where(source.name, line=line.number)) for line in iter_lines(source)]
    formats = {entry.format for entry in entries}
    if len(formats) != 1:
        raise UsageError(f"expected records of one format, got {', '.join(sorted(formats)) or 'none'}")
    documents = [_restored(entry) for entry in entries]
    with staged_file(target, overwrite=overwrite, sources=[Path(quarantine)]) as path:
        if formats == {"coco"}:
            path.write_bytes(msgspec.json.encode(_joined(documents)) + b"\n")
        elif formats & {"labelbox", "labelbox-v1"}:
            path.write_bytes(b"".join(_line(document) + b"\n" for document in documents))
        else:
            raise UsageError(
                f"records of {formats.pop()} cannot be put into a file of their own",
                hint="mend them in the source: each line of the quarantine says file, record and path",
            )
    return len(entries)


def _entry(line: bytes, where: Where) -> _Entry:
    try:
        entry = msgspec.json.decode(line, type=_Entry)
    except msgspec.DecodeError as error:
        raise InputError(f"expected a line of a quarantine file: {error}", where=where) from error
    if entry.raw is None and entry.raw_b64 is None:
        raise InputError("expected the bytes of a record, got a line without them", where=where)
    return entry


def _restored(entry: _Entry) -> Any:
    """The record in its context; a record without context is a document itself."""
    raw = entry.raw.encode() if entry.raw is not None else base64.b64decode(entry.raw_b64 or "")
    if entry.context is None:
        return msgspec.Raw(raw)
    hole: Any = entry.context
    steps = _steps(str(entry.where.get("path", "$")), hole)
    for step in steps[:-1]:
        hole = hole[step]
    try:
        hole[steps[-1]] = msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        where = Where(str(entry.where.get("file", "")), path=str(entry.where.get("path", "")))
        raise DecodeError(f"raw is not JSON yet: {error}", where=where, hint="mend it first") from error
    return entry.context


def _steps(path: str, context: Any) -> list[Any]:
    """The way to the hole: the JSON path, with index 0 wherever the context kept one element only."""
    steps: list[Any] = []
    place = context
    for found in path_steps(path):
        step = 0 if isinstance(found, int) else found
        steps.append(step)
        place = place[step]
        if place is None:
            return steps
    raise InputError(f"expected a hole at {path} in the context, got none")


def _joined(documents: list[Any]) -> dict[str, list[Any]]:
    """COCO documents as one: their lists one after the other, equal entries once."""
    joined: dict[str, list[Any]] = {"images": [], "annotations": [], "categories": []}
    seen: defaultdict[str, set[bytes]] = defaultdict(set)
    for document in documents:
        for key, entries in document.items():
            for entry in entries:
                text = msgspec.json.encode(entry, order="deterministic")
                if key == "annotations" or text not in seen[key]:
                    seen[key].add(text)
                    joined[key].append(entry)
    return joined


def _line(document: Any) -> bytes:
    return bytes(document) if isinstance(document, msgspec.Raw) else msgspec.json.encode(document)
