"""Frames of nested rows: what they make, what is in them, and how they are put together from tables."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sql
from pyspark.sql.pandas.types import from_arrow_schema

from annokit.dataset import OntologyBuilder
from annokit.errors import AnnokitError, UsageError, Where
from annokit.model import DataRow, Ontology, dump
from annokit.spark._options import as_ontology
from annokit.tables import LISTED, data_rows, named_batches, named_schema, unnested

__all__ = ["check_nested", "class_names", "nest", "ontology", "rows_of", "silver"]

_KEYS = ("source", "data_row_index")


def check_nested(columns: list[str]) -> None:
    """Refuse a frame that is none of nested rows."""
    if not {"id", "labels"} <= set(columns):
        raise UsageError(
            f"expected rows of the table nested, got the columns {', '.join(columns[:8])}",
            hint='option("table", "nested") reads them, annokit.spark.nest makes them of tables',
        )


def rows_of(batch: pa.RecordBatch) -> list[DataRow]:
    """The data rows of a batch of nested rows; what cannot be one raises."""

    def refuse(error: AnnokitError, _kind: str) -> None:
        raise error

    return data_rows(unnested(batch, Where("<nested rows>")), refuse)


def silver(df: DataFrame, ontology: str | None = None) -> DataFrame:
    """One row per label (and frame of a video): a column for each question, a count for each class.

    Parameters
    ----------
    df : DataFrame
        Rows of the table `nested`.
    ontology : str, optional
        A file or JSON with the classes and questions that have columns; else `ontology` finds them in a first job.

    Returns
    -------
    DataFrame
        The columns of `annokit.tables.silver`.

    Raises
    ------
    UsageError
        Other rows; when it runs, a class or a question that the ontology does not have.
    """
    check_nested(df.columns)
    found = as_ontology(ontology) if ontology is not None else _found(df)
    schema = named_schema("silver", found)
    return df.mapInArrow(_Silver(found), from_arrow_schema(schema))


class _Silver:
    """What a task does for `silver`."""

    def __init__(self, ontology: Ontology) -> None:
        self._ontology = ontology

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for made in named_batches(rows_of(batch), "silver", ontology=self._ontology):
                place = made.schema.get_field_index("data_row_index")
                index = batch.column("data_row_index").take(made.column(place))
                yield made.set_column(place, made.schema.field(place), index)


def ontology(df: DataFrame) -> str:
    """The classes and questions of nested rows, as JSON for the option `ontology`, by one job.

    They are in order of first appearance, by `source` and `data_row_index`. Where a file states its own order, as
    COCO does, ``annokit.read(path).ontology`` has that.

    Returns
    -------
    str
        `annokit.model.parse` makes an `Ontology` of it.
    """
    check_nested(df.columns)
    return dump(_found(df)).decode()


def class_names(df: DataFrame) -> list[str]:
    """The names of the classes of objects in nested rows, in the order of `ontology`, by one job."""
    check_nested(df.columns)
    return list(dict.fromkeys(tool.name for tool in _found(df).tools))


def _found(df: DataFrame) -> Ontology:
    """Each task names the rows in which something new appears, in order; those of all tasks are few."""
    columns = [name for name in (*_KEYS, "id", *LISTED) if name in df.columns]
    ordered = df.select(*columns).sortWithinPartitions(*_KEYS)
    news = ordered.mapInArrow(_news, "source string, data_row_index long, ontology string").toArrow()
    builder = OntologyBuilder()
    for one in sorted(news.to_pylist(), key=lambda one: (one["source"] or "", one["data_row_index"])):
        builder.add_ontology(as_ontology(one["ontology"]))
    return builder.build()


def _news(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    builder, known, seen = OntologyBuilder(), Ontology(), set[bytes]()
    for batch in batches:
        news: dict[int, str] = {}
        for place, row in enumerate(rows_of(batch)):
            own = OntologyBuilder()
            own.add_row(row)
            found = own.build()
            text = dump(found)
            if text not in seen:
                seen.add(text)
                builder.add_ontology(found)
                before, known = known, builder.build()
                if known != before:
                    news[place] = text.decode()
        keys = [batch.column(name).take(pa.array(news, pa.int64())) for name in _KEYS]
        yield pa.record_batch([*keys, pa.array(news.values(), pa.string())], [*_KEYS, "ontology"])


def nest(
    data_rows: DataFrame,
    annotations: DataFrame,
    labels: DataFrame | None = None,
    classifications: DataFrame | None = None,
    relationships: DataFrame | None = None,
) -> DataFrame:
    """The rows of tables that were read, stored or changed apart, put together: one row a data row.

    Parameters
    ----------
    data_rows, annotations, labels, classifications, relationships : DataFrame
        With columns of the tables of these names. They are joined on `source` and `data_row_index`: a data row without
        annotations stays, what belongs to data rows that are not there is left out. Annotations of labels that are not
        there are an error when the rows are used. Without `labels` there is one for each `label_index` of the
        annotations.

    Returns
    -------
    DataFrame
        Rows of the table `nested`, by a shuffle of each table.

    Raises
    ------
    UsageError
        A frame without the columns to join on.
    """
    _check_keys(data_rows, _KEYS)
    _check_keys(annotations, (*_KEYS, "label_index", "annotation_index"))
    known = _labels_of(annotations) if labels is None else labels
    tables = {"labels": known, "annotations": annotations}
    tables |= {"classifications": classifications} if classifications is not None else {}
    tables |= {"relationships": relationships} if relationships is not None else {}
    made = data_rows
    for name, table in tables.items():
        _check_keys(table, _KEYS)
        made = _with(made, name, table)
    return made


def _check_keys(table: DataFrame, keys: tuple[str, ...]) -> None:
    missing = [key for key in keys if key not in table.columns]
    if missing:
        given = ", ".join(table.columns[:8])
        raise UsageError(f"expected a column {missing[0]} to join on, got {given}")


def _labels_of(annotations: DataFrame) -> DataFrame:
    names = {"label_id": "id", "annotator_id": "annotator_id"}
    known = [sql.col(name).alias(alias) for name, alias in names.items() if name in annotations.columns]
    return annotations.select(*_KEYS, "label_index", *known).distinct()


def _with(rows: DataFrame, name: str, table: DataFrame) -> DataFrame:
    columns = [column for column in named_schema(name).names if column in table.columns]
    inside = sql.sort_array(sql.collect_list(sql.struct(*columns)))
    keys = [sql.col(key).alias(f"_{key}") for key in _KEYS]
    grouped = table.groupBy(*keys).agg(inside.alias(name))
    joined = rows.join(grouped, _same(), "left").drop(*(f"_{key}" for key in _KEYS))
    empty = sql.coalesce(sql.col(name), sql.array().cast(joined.schema[name].dataType))
    return joined.withColumn(name, empty)


def _same() -> Column:
    same_source = sql.col("source").eqNullSafe(sql.col("_source"))
    return same_source & (sql.col("data_row_index") == sql.col("_data_row_index"))
