"""Every table by its name, as record batches: what parts of a source, and the engines of a cluster, are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from annokit.errors import UsageError
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.model import DataRow, Ontology
from annokit.tables.labelspark import (
    BRONZE,
    FLAT,
    SilverNames,
    bronze_batches,
    flat_batches,
    silver_batches,
)
from annokit.tables.nested import NESTED, nested
from annokit.tables.schema import SCHEMAS, TABLES
from annokit.tables.to_arrow import batches

__all__ = ["NAMED", "named_batches", "named_schema"]

NAMED = (*TABLES, "nested", "bronze", "flat", "silver")
"""The tables that data rows make, one by one."""

_FIXED = {**SCHEMAS, "nested": NESTED, "bronze": BRONZE, "flat": FLAT}


def named_schema(table: str, ontology: Ontology | None = None) -> pa.Schema:
    """The columns of a table; those of `silver` are made of the ontology.

    Raises
    ------
    UsageError
        No table is called so; or silver, and no ontology.

    Examples
    --------
    >>> named_schema("labels").names[:3]
    ['data_row_index', 'label_index', 'source']
    """
    if table not in NAMED:
        raise UsageError(f"expected a table, got {table!r}", hint=", ".join(NAMED))
    if table == "silver":
        if ontology is None:
            raise UsageError("expected an ontology, of which silver has its columns")
        return SilverNames(ontology).schema()
    return _FIXED[table]


def named_batches(
    rows: Iterable[DataRow],
    table: str,
    *,
    ontology: Ontology | None = None,
    first: int = 0,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[pa.RecordBatch]:
    """A table of data rows, piece by piece, with the columns of `named_schema`.

    Parameters
    ----------
    rows : iterable of DataRow
    table : str
        One of `NAMED`.
    ontology : Ontology, optional
        For `silver`, which needs it.
    first : int
        Where `data_row_index` starts to count.
    limits : Limits
        How many frames a video may have.

    Raises
    ------
    UsageError
        As `named_schema`; or there is a class or a question that the ontology does not have.

    Examples
    --------
    >>> [batch] = named_batches([DataRow(id="r1")], "nested")
    >>> batch.column("id").to_pylist()
    ['r1']
    >>> list(named_batches([], "annotations"))
    []
    """
    named_schema(table, ontology)
    if table == "silver" and ontology is not None:
        yield from silver_batches(rows, ontology, first=first, limits=limits)
    elif table in ("bronze", "flat"):
        yield from (bronze_batches if table == "bronze" else flat_batches)(rows, first=first, limits=limits)
    else:
        names = TABLES if table == "nested" else (table,)
        for piece in batches(rows, names, first=first):
            yield nested(piece) if table == "nested" else piece[table]
