"""The labelling dashboard: one HTML file."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from typing import Any

from annokit.insights.cube import SECONDS, Cubes, make_cubes
from annokit.insights.summary import SECONDS_FROM, Summary, summarise
from annokit.insights.views import Insights
from annokit.page import Html, element, make_page, table

__all__ = ["dashboard"]

_MOST = 200

_CHARTS = (
    ("time", "Answers over time", True),
    ("worker", "Answers per worker", False),
    ("label", "Answers per label", False),
    ("bucket", "Workers by number of answers", False),
    ("seconds", "Time per task", False),
    ("heat", "Worker by label", True),
    ("worker-agreement", "Agreement per worker", False),
    ("label-agreement", "Agreement per label", False),
    ("mix", "Mix of labels over time", False),
    ("progress", "Progress and forecast", False),
)


def dashboard(insights: Insights, *, title: str = "Labelling dashboard", goal: int | None = None) -> str:
    """A page that shows who labelled what, when, how fast and how well.

    It filters by worker, label and time, at a click on a bar or by its controls, and needs nothing but
    itself. It carries counts (`annokit.insights.cube`), not answers.

    Parameters
    ----------
    insights : Insights
        What `open_insights` gave.
    title : str
    goal : int, optional
        Data rows to be labelled; by default those of the source.

    Examples
    --------
    >>> from annokit import Dataset
    >>> from annokit.insights import open_insights
    >>> page = dashboard(open_insights(Dataset.from_rows([])), title="Birds")
    >>> page.startswith("<!doctype html>"), "<h1>Birds</h1>" in page
    (True, True)
    """
    summary, cubes = summarise(insights, goal), make_cubes(insights)
    data = {
        **cubes._asdict(),
        "seconds": SECONDS,
        "goal": summary.forecast.goal,
        "buckets": insights.rows("SELECT low, high, workers FROM workers_per_bucket"),
        "seconds_from": SECONDS_FROM[summary.seconds_from or "gap"],
    }
    return make_page(
        title,
        _body(insights, summary, cubes, title),
        data=data,
        styles=[_shipped("dashboard.css")],
        scripts=[_shipped("pace.js") + _shipped("dashboard.js")],
        charts=True,
    )


def _shipped(name: str) -> str:
    return resources.files("annokit.insights").joinpath(name).read_text(encoding="utf-8")


def _body(insights: Insights, summary: Summary, cubes: Cubes, title: str) -> Html:
    return element(
        "main",
        element(
            "header",
            element("h1", title),
            *(element("p", line, class_="soft") for line in _notes(insights, summary)),
        ),
        element("dl", class_="facts", id="facts"),
        _controls(cubes),
        element("p", id="status", class_="hidden", role="status", aria_live="polite"),
        element("div", *(_card(*one) for one in _CHARTS), class_="grid"),
        *_lists(insights, summary),
        element("noscript", element("p", "The charts need JavaScript; it is all in this file.")),
    )


def _notes(insights: Insights, summary: Summary) -> Iterator[str]:
    zone = insights.settings.time_zone
    if summary.first and summary.last:
        yield (
            f"{summary.labelled:,} of {summary.data_rows:,} data rows have answers, given from "
            f"{summary.first:%Y-%m-%d %H:%M} to {summary.last:%Y-%m-%d %H:%M} UTC; the charts count in {zone} time."
        )
    for row in summary.alpha:
        alpha, low, high = row["alpha"], row["low"], row["high"]
        yield f"Krippendorff's alpha of {row['element']}: {alpha:.2f} (95 % interval {low:.2f} to {high:.2f})."
    left = [
        f"{count:,} {what}"
        for count, what in (
            (summary.without_time, "answers without a time, in every chart but those over time"),
            (summary.skipped, "labels passed over by their annotators, which are no answers"),
            (summary.not_human, "labels of a model or a consensus, which are no answers"),
            (summary.unreadable, "records that cannot be read"),
        )
        if count
    ]
    if left:
        yield f"Besides: {'; '.join(left)}."


def _controls(cubes: Cubes) -> Html:
    kind = "date" if cubes.step >= 86_400 else "datetime-local"
    ends = {"min": cubes.slots[0], "max": cubes.slots[-1]} if cubes.slots else {"disabled": True}
    return element(
        "form",
        element("label", "Worker", element("select", element("option", "All", value=""), id="worker")),
        element("label", "Label", element("select", element("option", "All", value=""), id="label")),
        element("label", "From", element("input", type=kind, id="from", **ends)),
        element("label", "To", element("input", type=kind, id="to", **ends)),
        element("button", "Show all", type="reset"),
        element("p", "Click bars to filter, and again to stop.", class_="soft small"),
        id="filters",
        aria_label="Filters",
    )


def _card(name: str, title: str, wide: bool) -> Html:
    return element(
        "section",
        element("h2", title, id=f"{name}-title"),
        element("p", id=f"{name}-note", class_="soft small"),
        element("div", element("div", id=f"{name}-chart", class_="chart"), class_="scroll"),
        element(
            "details",
            element("summary", "Table"),
            element("div", class_="scroll", tabindex="0"),
            id=f"{name}-table",
        ),
        class_="card wide" if wide else "card",
        aria_labelledby=f"{name}-title",
        id=name,
    )


def _lists(insights: Insights, summary: Summary) -> Iterator[Html]:
    """What is not filtered: workers to look at, all workers, class weights."""
    flags = [
        [row["worker"], row["flag"], row["label"], row["answers"], row["figure"], row["threshold"]]
        for row in summary.flags[:_MOST]
    ]
    yield _list(
        "Workers to look at",
        "Judged by 20 answers or more; the threshold stands beside each figure. Too fast: a fifth of the answers took "
        "less than a third of everybody's median. Constant: one label in 95 % of the answers, 30 points above the median "
        "worker's share. Label mix: a label's share is more than 15 points off the median worker's, at the near end of its "
        "95 % interval. "
        "Disagrees: agreement is more than 10 points below everybody's, at the far end of its interval.",
        table(["worker", "what", "label", "answers", "figure", "threshold"], flags) if flags else None,
        "Nobody stands out.",
    )
    yield _list(
        "Workers",
        "Agreement: the share of labels that most of the others gave, too, with its 95 % interval. Times are medians. Skill: how likely "
        "an answer is right, by the EM of annokit consensus, which is told no truth.",
        table(*_workers(insights)),
    )
    rows = [
        [
            row["element"],
            row["label"],
            row["answers"],
            row["data_rows"],
            row["marks"],
            round(100 * row["share"], 1),
            round(row["weight"], 3),
            round(row["imbalance"], 2),
        ]
        for row in summary.labels[:_MOST]
    ]
    header = ["question", "label", "answers", "data rows", "marks", "share %", "class weight", "imbalance"]
    yield _list(
        "Labels",
        "The class weight balances a loss: all answers / labels / answers of this one. Imbalance: how many times more "
        "answers the most frequent label has.",
        table(header, rows),
    )


def _list(title: str, note: str, content: Html | None, otherwise: str = "") -> Html:
    found = element("div", content, class_="scroll", tabindex="0") if content else element("p", otherwise)
    return element(
        "section", element("h2", title), element("p", note, class_="soft small"), found, class_="card list"
    )


_WORKERS = """
SELECT COALESCE(w.worker, '(not said)'), w.answers, w.data_rows, w.days, ROUND(100 * w.share, 1), ROUND(s.median, 1),
  CAST(s.answers_per_hour AS INTEGER), ROUND(100 * a.agreement, 1), ROUND(100 * a.low, 1), ROUND(100 * a.high, 1),
  a.compared, ROUND(100 * q.skill, 1)
FROM answers_per_worker w
LEFT JOIN seconds_per_worker s ON s.worker = w.worker
LEFT JOIN agreement_per_worker a ON a.worker = w.worker
LEFT JOIN (SELECT worker, SUM(skill * answers) / SUM(answers) AS skill FROM skill_per_worker GROUP BY worker) q
  ON q.worker = w.worker
ORDER BY w.answers DESC, w.worker
"""


_COLUMNS = "worker,answers,data rows,days,share %,seconds,an hour,agreement %,from,to,compared,skill %"  # as selected


def _workers(insights: Insights) -> tuple[list[str], list[list[Any]]]:
    rows = insights.rows(_WORKERS)
    lines = [list(row) for row in rows[:_MOST]]
    if len(rows) > _MOST:
        lines.append([f"{len(rows) - _MOST:,} more; --tables has all", *(None for _ in rows[0][1:])])
    return _COLUMNS.split(","), lines
