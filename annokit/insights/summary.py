"""The labelling in short: for a mail, a chat, a script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from annokit.errors import number_of
from annokit.insights.pace import Forecast, forecast
from annokit.insights.views import Insights
from annokit.page import visible

__all__ = ["SECONDS_FROM", "Summary", "markdown", "summarise"]

SECONDS_FROM = {
    "active": "active time",
    "wall": "from acceptance to submission",
    "gap": "counted from the worker's previous answer",
}
"""What `seconds_from` means."""

_MOST, _LINES = 10, 30

_FACTS = """
SELECT COUNT(*), COUNT(DISTINCT worker), COUNT(DISTINCT data_row), COUNT(*) FILTER (completes),
  MIN(submitted_at), MAX(submitted_at), COUNT(*) FILTER (submitted_at IS NULL)
FROM answers
"""
_TIME = """
SELECT MEDIAN(seconds), quantile_disc(seconds, 0.9), COUNT(seconds),
  (SELECT seconds_from FROM answers WHERE seconds_from IS NOT NULL GROUP BY 1 ORDER BY COUNT(*) DESC, 1 LIMIT 1),
  1 - SUM(active_seconds) FILTER (wall_seconds > 0) / SUM(wall_seconds) FILTER (active_seconds IS NOT NULL AND wall_seconds > 0)
FROM answers
"""
_AGREEMENT = """
SELECT COUNT(shared), SUM(shared) / COUNT(shared), SUM(others_same) / SUM(others) FROM votes
"""


class Summary(msgspec.Struct, frozen=True):
    """What `annokit insights --summary` prints.

    Attributes
    ----------
    data_rows, labelled, completed, answers, workers : int
        Data rows there are, with an answer, with as many as they need; answers; workers who gave them.
    first, last : datetime or None
        When the first and the last answer was handed in.
    without_time, skipped, not_human, unreadable : int
        Answers without a time; labels passed over, made by a model, not readable: these are no answers.
    top_share : float or None
        The share of all answers that the ten busiest workers gave.
    seconds_median, seconds_q90, idle : float or None
        Time a task took; the share of the time between acceptance and submission without work.
    seconds_from : str or None
        Where most of these times are from: `active`, `wall` or `gap`.
    agreement, pairwise : float or None
        Of the labels that could be compared, the share that most others gave, too; the mean share of others.
    compared : int
        How many those are.
    alpha, labels, busiest, flags : list of dict
        Rows of `alpha_per_question`, of `answers_per_label`, of `answers_per_worker` (ten), of `worker_flags`.
    """

    data_rows: int
    labelled: int
    completed: int
    answers: int
    workers: int
    first: datetime | None
    last: datetime | None
    without_time: int
    skipped: int
    not_human: int
    unreadable: int
    top_share: float | None
    seconds_median: float | None
    seconds_q90: float | None
    seconds_from: str | None
    idle: float | None
    compared: int
    agreement: float | None
    pairwise: float | None
    alpha: list[dict[str, Any]]
    labels: list[dict[str, Any]]
    busiest: list[dict[str, Any]]
    flags: list[dict[str, Any]]
    forecast: Forecast


def summarise(insights: Insights, goal: int | None = None) -> Summary:
    """The figures a labelling lead asks for first.

    Parameters
    ----------
    insights : Insights
        What `open_insights` gave.
    goal : int, optional
        Data rows to be labelled; by default those of the source.

    Examples
    --------
    >>> from annokit import Dataset
    >>> from annokit.insights import open_insights
    >>> summarise(open_insights(Dataset.from_rows([]))).answers
    0
    """
    (facts,) = insights.rows(_FACTS)
    (time,) = insights.rows(_TIME)
    (agreement,) = insights.rows(_AGREEMENT)
    answers, workers, labelled, completed, first, last, without_time = facts
    busiest = insights.table("answers_per_worker").slice(0, _MOST).to_pylist()
    days = insights.rows("SELECT day, completed FROM answers_per_day")
    return Summary(
        data_rows=insights.read.data_rows,
        labelled=labelled,
        completed=completed,
        answers=answers,
        workers=workers,
        first=first,
        last=last,
        without_time=without_time,
        skipped=insights.read.skipped,
        not_human=insights.read.not_human,
        unreadable=insights.read.unreadable,
        top_share=busiest[-1]["cumulative_share"] if busiest else None,
        seconds_median=time[0],
        seconds_q90=time[1],
        seconds_from=time[3],
        idle=time[4],
        compared=agreement[0],
        agreement=agreement[1],
        pairwise=agreement[2],
        alpha=insights.table("alpha_per_question").to_pylist(),
        labels=insights.table("answers_per_label").to_pylist(),
        busiest=busiest,
        flags=insights.table("worker_flags").to_pylist(),
        forecast=forecast(dict(days), insights.read.data_rows if goal is None else goal),
    )


def markdown(summary: Summary, title: str = "Labelling") -> str:
    """The summary as Markdown.

    >>> from annokit import Dataset
    >>> from annokit.insights import open_insights
    >>> print(markdown(summarise(open_insights(Dataset.from_rows([])))).splitlines()[0])
    # Labelling
    """
    lines = [f"# {_cell(title)}", "", *(f"- {line}" for line in _facts(summary)), ""]
    labels = [
        [_label(row, summary), row["answers"], f"{row['share']:.1%}", f"{row['weight']:.2f}"]
        for row in summary.labels
    ]
    lines += _table("Labels", ["label", "answers", "share", "class weight"], labels)
    busiest = [[row["worker"], row["answers"], f"{row['share']:.1%}"] for row in summary.busiest]
    lines += _table("Busiest workers", ["worker", "answers", "share"], busiest)
    flags = [
        [
            row["worker"],
            row["flag"],
            row["label"],
            row["answers"],
            f"{row['figure']:.2f}",
            f"{row['threshold']:.2f}",
        ]
        for row in summary.flags
    ]
    lines += _table("To look at", ["worker", "what", "label", "answers", "figure", "threshold"], flags)
    return "\n".join(lines)


def _facts(summary: Summary) -> Iterator[str]:
    yield (
        f"{number_of(summary.answers, 'answer')} by {number_of(summary.workers, 'worker')} on {summary.labelled:,} "
        f"of {number_of(summary.data_rows, 'data row')}, {summary.completed:,} completed"
    )
    if summary.first and summary.last:
        yield f"from {summary.first:%Y-%m-%d %H:%M} to {summary.last:%Y-%m-%d %H:%M} UTC"
    if summary.top_share is not None and summary.workers > _MOST:
        yield f"the {_MOST} busiest workers gave {summary.top_share:.0%} of the answers"
    if summary.seconds_median is not None and summary.seconds_q90 is not None:
        source = SECONDS_FROM[summary.seconds_from or "gap"]
        yield f"{summary.seconds_median:.0f} s a task (median), {summary.seconds_q90:.0f} s for the slowest tenth ({source})"
    if summary.agreement is not None:
        yield f"{summary.agreement:.1%} of {summary.compared:,} labels are what most others gave, too"
    for row in summary.alpha:
        alpha, low, high = row["alpha"], row["low"], row["high"]
        yield f"{_cell(row['element'])}: Krippendorff's alpha {alpha:.2f} (95 %: {low:.2f} to {high:.2f})"
    yield _outlook(summary.forecast)
    for count, what in (
        (summary.without_time, "answers have no time"),
        (summary.skipped, "labels were passed over by their annotators"),
        (summary.not_human, "labels are a model's or a consensus, and not counted"),
        (summary.unreadable, "records cannot be read"),
    ):
        if count:
            yield f"{count:,} {what}"


def _outlook(made: Forecast) -> str:
    if made.per_day is None:
        return f"{made.done:,} of {made.goal:,} data rows are done; no forecast: {made.why_not}"
    return (
        f"{made.done:,} of {made.goal:,} data rows are done; at {made.per_day:,.1f} a day the rest is by "
        f"{_day(made.expected)} (90 %: {_day(made.earliest)} to {_day(made.latest)})"
    )


def _day(day: date | None) -> str:
    return "more than ten years from now" if day is None else day.isoformat()


def _label(row: dict[str, Any], summary: Summary) -> str:
    several = len({one["element"] for one in summary.labels}) > 1
    return f"{row['element']}: {row['label']}" if several else row["label"]


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    if not rows:
        return []
    lines = [header, ["---"] * len(header), *rows[:_LINES]]
    rest = [f"... and {len(rows) - _LINES} more", ""] if len(rows) > _LINES else []
    return [f"## {title}", "", *(f"| {' | '.join(map(_cell, line))} |" for line in lines), "", *rest]


def _cell(value: object) -> str:
    """Text that stays in its cell and is nothing but text."""
    if value is None:
        return ""
    text = visible(value).replace("\n", " ").replace("&", "&amp;").replace("<", "&lt;")
    return (
        "".join(f"\\{mark}" if mark in "\\|`*_[]#" else mark for mark in text)
        if isinstance(value, str)
        else text
    )
