"""Delta tables through delta-rs: opened and asked, with what it says turned into our errors."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from annokit.errors import AnnokitError, InputError, OutputError, UnsafeInput, UsageError, Where, shown
from annokit.io.remote import is_remote
from annokit.model import Ontology, parse
from annokit.tables import SCHEMAS, check_version, conform

if TYPE_CHECKING:
    from deltalake import DeltaTable

__all__ = [
    "KEYS",
    "ONTOLOGY",
    "VERSION",
    "check_name",
    "commits",
    "is_table",
    "opened",
    "query",
    "reaching",
    "stated_ontology",
]

KEYS = ("data_row_index", "label_index", "annotation_index")
"""What tells one annotation in the table from all others."""

ONTOLOGY, VERSION = "annokit.ontology", "annokit.schema_version"
"""Under these a commit says the classes, as JSON, and the version of the schema."""

_OUTSIDE = re.compile(r"^/|^[A-Za-z][A-Za-z0-9+.-]*:|(?:^|/)\.\.(?:/|$)|\\|%2[eE]|%5[cC]|%2[fF]")

_UNKNOWN = re.compile(r"[\[\]^|?#%\x00-\x1f\x7f]" if os.name == "nt" else r"[\[\]^|?#%\\\x00-\x1f\x7f]")
"""delta-rs makes a URL of a path, and takes these for something else, or panics."""


def check_name(place: str) -> None:
    """Refuse a path that delta-rs would not find again.

    Raises
    ------
    UsageError
        A character in it.
    """
    found = None if is_remote(place) else _UNKNOWN.search(str(Path(place).absolute()))
    if found is not None:
        raise UsageError(
            f"a Delta table cannot lie in a folder with {found[0]!r} in its path: {shown(place)}",
            hint="rename the folder",
        )


def is_table(place: str) -> bool:
    """Whether a Delta table is there."""
    with reaching(place):
        return bool(_deltalake().DeltaTable.is_deltatable(place))


def opened(place: str, version: int | None = None) -> DeltaTable:
    """The table of annotations at a path or address, as it was at `version`; by default as it is.

    Raises
    ------
    UsageError
        deltalake is not installed.
    InputError
        There is no table, no such version, or it is not one of annotations.
    UnsafeInput
        It has files outside of its folder.
    """
    where = Where(place)
    if version is not None:
        _check_version(place, version)
    with reaching(place, version):
        table: DeltaTable = _deltalake().DeltaTable(place, version=version)
        files = [str(path) for path in pa.table(table.get_add_actions())["path"].to_pylist()]
        schema = pa.schema(table.schema().to_arrow())
    outside = next((file for file in files if _OUTSIDE.search(file)), None)
    if outside is not None:
        raise UnsafeInput(f"the table has a file outside of its folder: {shown(outside)}", where=where)
    known = next(
        (one[VERSION] for one in commits(place) if VERSION in one and one["version"] <= table.version()), "0"
    )
    check_version({VERSION.encode(): str(known).encode()}, where)
    conform(pa.RecordBatch.from_pylist([], schema), "annotations", where)
    return table


def _check_version(place: str, version: int) -> None:
    with reaching(place):
        newest = _deltalake().DeltaTable(place)
    if not 0 <= version <= newest.version():
        first = min((int(one["version"]) for one in commits(place)), default=0)
        raise InputError(
            f"expected a version from {first} to {newest.version()}, got {version}",
            where=Where(place),
            hint="annokit versions lists them",
        )


def stated_ontology(place: str, version: int) -> Ontology | None:
    """The classes as the last commit up to `version` that says them has them."""
    said = [one for one in commits(place) if one["version"] <= version and ONTOLOGY in one]
    found = parse(str(said[0][ONTOLOGY]).encode()) if said else None
    return found if isinstance(found, Ontology) else None


def commits(place: str) -> list[Mapping[str, Any]]:
    """What all commits say of themselves, the newest first."""
    with reaching(place):  # of a table at an older version delta-rs numbers them wrong
        return list(_deltalake().DeltaTable(place).history())


def query(table: DeltaTable, sql: str, place: str) -> Iterator[pa.RecordBatch]:
    """What DataFusion answers about the table `t`, a batch at a time; strings as `pa.string()`."""
    with reaching(place):
        found = _deltalake().QueryBuilder().register("t", table).execute(sql)
        for batch in pa.RecordBatchReader.from_stream(found):
            yield batch.cast(pa.schema([_plain(field) for field in batch.schema]))


def _plain(field: pa.Field) -> pa.Field:
    """The field as the tables have it: engines answer in types that not everybody reads."""
    schema = SCHEMAS["annotations"]
    if field.name in schema.names:
        return pa.field(field.name, schema.field(field.name).type)
    return pa.field(field.name, pa.string() if pa.types.is_string_view(field.type) else field.type)


@contextmanager
def reaching(place: str, version: int | None = None, *, writing: bool = False) -> Iterator[None]:
    """Turn what delta-rs says into an InputError, or into an OutputError."""
    check_name(place)
    faults = _deltalake().exceptions
    kind: type[AnnokitError] = OutputError if writing else InputError
    problem, hint = "cannot write: {}" if writing else "expected a whole Delta table: {}", None
    try:
        if not writing and not is_remote(place) and Path(place).is_file():
            raise InputError("expected the folder of a Delta table, got a file", where=Where(place))
        yield
    except faults.TableNotFoundError as error:
        raise kind("expected a Delta table, got none", where=Where(place)) from error
    except faults.CommitFailedError as error:
        raise OutputError(
            "the table was changed by another run meanwhile; this one changed nothing",
            where=Where(place),
            hint="run it again",
        ) from error
    except (faults.DeltaError, pa.ArrowException, OSError, ValueError) as error:
        if version is not None:
            hint = f"is there a version {version}? annokit versions lists them"
        said = shown(str(error).strip().replace("\n", " "), 200)
        raise kind(problem.format(said), where=Where(place), hint=hint) from error


def _deltalake() -> Any:
    try:
        import deltalake
    except ImportError as error:
        raise UsageError(
            "Delta tables need a package that is not installed: deltalake",
            hint='pip install "annokit[delta]"',
        ) from error
    return deltalake
