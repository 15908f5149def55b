"""The tables in DuckDB, and the views over them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from importlib import resources
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from annokit.conversion import Labels, read
from annokit.dataset import Dataset
from annokit.errors import UsageError
from annokit.insights.answers import Answers, read_answers
from annokit.insights.quality import alpha_per_question, skill_per_worker

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BLOG_VIEWS", "QUALITY", "VIEWS", "Insights", "Settings", "open_insights", "sql_text", "tables"]

BLOG_VIEWS = (
    "annotations_per_user",
    "annotations_per_label",
    "annotations_per_day",
    "users_per_bucket_annotations",
)
"""The aggregate views of the AWS blog, under their own names, over `annotations_view`."""

VIEWS = (
    "answers_per_worker",
    "answers_per_label",
    "answers_per_day",
    "workers_per_bucket",
    "labels_per_day",
    "labels_per_worker",
    "votes",
    "agreement_per_worker",
    "agreement_per_label",
    "seconds_per_worker",
    "seconds_per_label",
    "worker_flags",
)
"""annokit's own views over `answers` and `answer_labels`, each after those it is made of."""

QUALITY = {"alpha_per_question": alpha_per_question, "skill_per_worker": skill_per_worker}
"""Tables that `annokit.consensus` makes."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How answers are counted.

    Attributes
    ----------
    time_zone : str
        The team's: its days are counted.
    since : datetime or None
        Leave out what was submitted before.
    answers_each : int
        How many answers complete a data row.
    bucket_width : int
        Of the first four buckets of `workers_per_bucket`.
    element : str
        The element of the form that the blog's `annotations_view` takes labels from.
    """

    time_zone: str = "UTC"
    since: datetime | None = None
    answers_each: int = 1
    bucket_width: int = 25
    element: str = "crowd-classifier"

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise UsageError(f"expected a time zone as Europe/Berlin, got {self.time_zone!r}") from None
        if self.answers_each < 1 or self.bucket_width < 2:
            raise UsageError("expected at least 1 answer a data row, and buckets of 2 or more")


class Insights(msgspec.Struct, frozen=True):
    """A DuckDB connection that has the tables and views, and what else was read."""

    connection: Any  # of DuckDB, which is imported when it is used
    read: Answers
    settings: Settings

    def table(self, name: str) -> pa.Table:
        """A table or view by its name, in its own order."""
        found: pa.Table = self.connection.table(name).to_arrow_table()
        return found

    def tables(self) -> dict[str, pa.Table]:
        """All of them; see `annokit.insights.tables`."""
        names = ("answers", "answer_labels", "annotations_view", *BLOG_VIEWS, *VIEWS, *QUALITY)
        return {name: self.table(name) for name in names}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        found: list[tuple[Any, ...]] = self.connection.execute(query).fetchall()
        return found


def open_insights(
    source: Labels | Dataset,
    settings: Settings | None = None,
    *,
    progress: Callable[[int], None] | None = None,
    workers: int = 1,
) -> Insights:
    """Read every answer once and put the tables and views into a DuckDB in memory.

    Parameters
    ----------
    source : Dataset, or what `annokit.read` takes
    settings : Settings, optional
    progress : callable, optional
        Called with the number of input bytes just dealt with.
    workers : int
        How many processes read, see `annokit.write`; the tables are the same.

    Raises
    ------
    UsageError
        DuckDB is not installed (`pip install annokit[insights]`).
    """
    try:
        import duckdb
    except ImportError:
        raise UsageError("insights need DuckDB", hint="pip install 'annokit[insights]'") from None
    chosen = settings or Settings()
    dataset = source if isinstance(source, Dataset) else read(source)
    answers = read_answers(dataset, chosen.time_zone, chosen.since, progress, workers)
    connection = duckdb.connect(
        config={"threads": 1}
    )  # sums keep their order: the same input, the same bytes
    connection.execute("SET enable_external_access = false; SET TimeZone = 'UTC'")
    connection.register("answers_read", answers.answers)
    connection.register("answer_labels", answers.answer_labels)
    connection.execute(f"CREATE TABLE answers AS {sql_text('answers.duckdb', chosen)}")
    for view in ("annotations_view", *BLOG_VIEWS, *VIEWS):
        name = f"{view}.tables" if view == "annotations_view" else view
        kind = "TABLE" if view == "votes" else "VIEW"  # many are made of it, and it costs the most
        connection.execute(f"CREATE {kind} {view} AS {sql_text(name, chosen)}")
    for name, make in QUALITY.items():
        connection.register(name, make(connection))
    return Insights(connection, answers, chosen)


def sql_text(name: str, settings: Settings) -> str:
    """The SELECT of a file in ``sql/``, with the settings put in."""
    text = resources.files("annokit.insights").joinpath(f"sql/{name}.sql").read_text(encoding="utf-8")
    for key, value in (
        ("width", settings.bucket_width),
        ("answers_each", settings.answers_each),
        ("element", settings.element.replace("'", "''")),
    ):
        text = text.replace("{{" + key + "}}", str(value))
    return text.rstrip()


def tables(source: Labels | Dataset, settings: Settings | None = None) -> dict[str, pa.Table]:
    """Everything about who answered what, when and how well, as Arrow tables.

    `answers` has one row an answer (one annotator's submission for one data row), `answer_labels` one row
    for each label named in an answer. The others are views over them: those of the AWS blog "Gaining
    Insights into Labeling Jobs" under their own names and with their own rules, and annokit's own; what each
    one shows stands at the top of its file in ``annokit/insights/sql``.

    Parameters
    ----------
    source : Dataset, or what `annokit.read` takes
        Any labels with annotators.
    settings : Settings, optional

    Returns
    -------
    dict of str to pyarrow.Table

    Examples
    --------
    >>> from annokit.model import Answer, Classification, DataRow, Label
    >>> owl = Classification(tool_name="bird", kind="radio", answers=(Answer(name="owl"),))
    >>> rows = [DataRow(id="r1", labels=(Label(annotator_id="ann", annotations=(owl,)),))]
    >>> made = tables(Dataset.from_rows(rows))
    >>> made["answers_per_worker"].select(["worker", "answers"]).to_pylist()
    [{'worker': 'ann', 'answers': 1}]
    >>> tables(Dataset.from_rows([]))["answers_per_label"].num_rows
    0
    """
    return open_insights(source, settings).tables()
