"""What a Delta table of annotations remembers: its versions, and each of them for SQL (extra `delta`).

``annokit.write(..., format="delta")`` makes and changes such tables, ``annokit.read(path, version=N)`` reads the
labels as they were; see `annokit.formats.delta`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from annokit.io.remote import is_remote

if TYPE_CHECKING:
    import pyarrow.dataset as ds

__all__ = ["Version", "history", "scan"]


class Version(msgspec.Struct, frozen=True):
    """One commit to a table.

    Attributes
    ----------
    version : int
        From 0.
    committed_at : datetime or None
        In UTC.
    operation : str
        ``WRITE`` (new, appended or overwritten), ``MERGE``, or what another tool did.
    source : str or None
        What annokit read the labels from: the name given for it (`source_name`), else the files.
    added, changed, removed : int or None
        Annotations; None where the commit does not say.
    """

    version: int
    committed_at: datetime | None
    operation: str
    source: str | None
    added: int | None
    changed: int | None
    removed: int | None


def history(path: str | os.PathLike[str]) -> list[Version]:
    """All versions of a table, the oldest first.

    Parameters
    ----------
    path : path or address
        The folder of the table; ``s3://`` and the like with the credentials that are in the environment.

    Raises
    ------
    UsageError
        deltalake is not installed.
    InputError
        There is no Delta table.

    Examples
    --------
    >>> import tempfile, annokit
    >>> folder = tempfile.mkdtemp()
    >>> _ = annokit.write([], folder, format="delta")
    >>> [(one.version, one.operation, one.added) for one in history(folder)]
    [(0, 'WRITE', 0)]
    """
    from annokit.formats._delta.table import commits

    return [_version(commit) for commit in reversed(commits(os.fspath(path)))]


def _version(commit: Mapping[str, Any]) -> Version:
    said = commit.get("operationMetrics") or {}
    # delta-rs spells num_added_rows, Spark numOutputRows, the latter in quotes
    metrics = {name.replace("_", "").lower(): int(n) for name, n in said.items() if str(n).isdigit()}
    merge = commit.get("operation") == "MERGE"
    written = metrics.get("numaddedrows", metrics.get("numoutputrows"))
    at = commit.get("timestamp")
    return Version(
        version=int(commit["version"]),
        committed_at=None if at is None else datetime.fromtimestamp(int(at) / 1000, UTC),
        operation=str(commit.get("operation", "")),
        source=commit.get("annokit.source"),
        added=metrics.get("numtargetrowsinserted") if merge else written,
        changed=metrics.get("numtargetrowsupdated"),
        removed=metrics.get("numtargetrowsdeleted", metrics.get("numdeletedrows")),
    )


def scan(path: str | os.PathLike[str], version: int | None = None) -> ds.Dataset:
    """A table as an Arrow dataset, which DuckDB, polars and pandas query without reading all of it.

    Parameters
    ----------
    path : path or address
        The folder of the table.
    version : int, optional
        The state after which commit; the newest by default.

    Raises
    ------
    UsageError
        deltalake is not installed.
    InputError
        There is no such table or version, or its columns are not those of annotations.
    UnsafeInput
        The table has files outside of its folder.

    Examples
    --------
    >>> import tempfile, annokit
    >>> folder = tempfile.mkdtemp()
    >>> _ = annokit.write([], folder, format="delta")
    >>> scan(folder).count_rows()
    0

    >>> import duckdb
    >>> annotations = scan(folder)
    >>> duckdb.sql("SELECT tool_name, count(*) FROM annotations GROUP BY tool_name").fetchall()
    []
    """
    from pyarrow import fs

    from annokit.formats._delta.table import opened, reaching

    place = os.fspath(path)
    table = opened(place, version)
    # pyarrow reads local files by itself: through delta-rs its threads may outlive the interpreter
    local = (
        None if is_remote(place) else fs.SubTreeFileSystem(str(Path(place).absolute()), fs.LocalFileSystem())
    )
    with reaching(place, version):
        return table.to_pyarrow_dataset(filesystem=local)
