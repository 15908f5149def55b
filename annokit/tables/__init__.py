"""Data rows as Arrow tables and back, for files, SQL and clusters alike.

Five tables are made from data rows: ``data_rows``, ``labels``, ``annotations`` (objects and tracks),
``classifications`` (at every depth) and ``relationships``; a sixth, ``ontology``, from the classes. They
are joined on ``data_row_index`` (and ``label_index``, ``annotation_index``), which count from 0 in the
order of the data, so that data rows of one id from two sources stay apart. Their columns are in
`SCHEMAS`; all of them together hold everything the models hold.

For queries there are `silver`, and for those who come from LabelSpark `bronze` and `flat`: one row per label. `nested`
has one row per data row with all of the five in it, so that a cluster can shuffle rows and lose nothing.
"""

from __future__ import annotations

from annokit.tables.columns import no_rows, numbers
from annokit.tables.from_arrow import Chunk, Reject, data_rows, with_rows_and_labels
from annokit.tables.labelspark import bronze, flat, silver
from annokit.tables.named import NAMED, named_batches, named_schema
from annokit.tables.nested import LISTED, NESTED, nested, unnested
from annokit.tables.ontology import from_ontology, to_ontology
from annokit.tables.schema import SCHEMAS, TABLES, check_version, conform
from annokit.tables.to_arrow import annotations_table, batches

__all__ = [
    "LISTED",
    "NAMED",
    "NESTED",
    "SCHEMAS",
    "TABLES",
    "Chunk",
    "Reject",
    "annotations_table",
    "batches",
    "bronze",
    "check_version",
    "conform",
    "data_rows",
    "flat",
    "from_ontology",
    "named_batches",
    "named_schema",
    "nested",
    "no_rows",
    "numbers",
    "silver",
    "to_ontology",
    "unnested",
    "with_rows_and_labels",
]
