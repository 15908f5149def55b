"""Parquet tables, behind `parquet`."""
