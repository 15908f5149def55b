"""Labels on a cluster: a data source for Spark 4, JSON in columns, and LabelSpark's tables, without a second implementation.

Readers and writers are those of `annokit.read` and `annokit.write`, run by Spark's tasks on parts of the input. Nothing
here needs a SparkContext, RDDs or jars, so it runs under Spark Connect and serverless, too.

>>> from annokit.spark import AnnokitDataSource
>>> AnnokitDataSource.name()
'annokit'

``spark.dataSource.register(AnnokitDataSource)`` makes it known to a session. A data row that is to stay whole while Spark
moves rows about is a row of the table `nested`; `write`, `silver`, `consensus` and `ontology` take such rows.
"""

from __future__ import annotations

try:
    import pyspark.sql.datasource  # noqa: F401
except ImportError as error:
    raise ImportError(f'annokit.spark needs PySpark 4: pip install "annokit[spark]" ({error})') from error

from annokit.spark._aggregate import Aggregated, aggregate
from annokit.spark._consensus import consensus
from annokit.spark._nested import class_names, nest, ontology, silver
from annokit.spark._parse import parse
from annokit.spark._session import local_session
from annokit.spark._source import AnnokitDataSource

__all__ = [
    "Aggregated",
    "AnnokitDataSource",
    "aggregate",
    "class_names",
    "consensus",
    "local_session",
    "nest",
    "ontology",
    "parse",
    "silver",
]


def __dir__() -> list[str]:
    return __all__
