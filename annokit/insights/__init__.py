"""Who labelled what, when, how fast and how well: tables, a summary, and the labelling dashboard.

Everything is made of two flat tables, `answers` and `answer_labels`, by SQL views in ``sql/`` that DuckDB
runs here and Athena or Spark run elsewhere.
"""

from __future__ import annotations

from annokit.insights.engines import ENGINES, sql_script
from annokit.insights.pace import Forecast, forecast
from annokit.insights.report import dashboard
from annokit.insights.summary import Summary, markdown, summarise
from annokit.insights.views import BLOG_VIEWS, QUALITY, VIEWS, Insights, Settings, open_insights, tables

__all__ = [
    "BLOG_VIEWS",
    "ENGINES",
    "QUALITY",
    "VIEWS",
    "Forecast",
    "Insights",
    "Settings",
    "Summary",
    "dashboard",
    "forecast",
    "markdown",
    "open_insights",
    "sql_script",
    "summarise",
    "tables",
]
