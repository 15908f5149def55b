"""A Spark session of this machine, whose workers run the same Python."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from pyspark.sql import SparkSession

from annokit.spark._source import AnnokitDataSource

__all__ = ["local_session"]

_SETTINGS = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
}


def local_session(cores: int = 2, settings: Mapping[str, str] | None = None) -> SparkSession:
    """A session on this machine that knows the data source; the one that runs already, if there is one.

    Spark starts workers as ``python3``, whatever that is, unless `PYSPARK_PYTHON` says otherwise: they would not find
    annokit where it is installed in the driver's environment alone. Here they run the driver's own Python.

    Parameters
    ----------
    cores : int
        How many tasks run at a time.
    settings : mapping of str to str, optional
        More of Spark's settings.

    Returns
    -------
    pyspark.sql.SparkSession
    """
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(f"local[{cores}]").appName("annokit")
    for name, value in {**_SETTINGS, **(settings or {})}.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.dataSource.register(AnnokitDataSource)
    return session
