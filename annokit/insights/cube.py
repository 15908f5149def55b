"""What the dashboard carries: counts by worker, label, time and how long it took, never the answers themselves."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from annokit.insights.views import Insights
from annokit.page import visible

__all__ = ["SECONDS", "Cubes", "make_cubes"]

SECONDS = (0, 1, 2, 3, 5, 8, 12, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 3600)
"""Where the bins of the time a task took begin; a last one is for answers without it."""

_BUDGET = 100_000
_DAY = 86_400
_STEPS = (60, 300, 3600, _DAY, 7 * _DAY, 28 * _DAY)
_DETAILS = (
    (300, 60, 400),
    (150, 40, 400),
    (100, 30, 200),
    (60, 20, 100),
    (40, 15, 60),
    (25, 12, 52),
    (12, 8, 26),
)
"""Most workers, labels and slots of time, finest first; the first that keeps the page small is taken."""

_Ints = npt.NDArray[np.int64]


class Cubes(NamedTuple):
    """Counts over five dimensions, and the names of what stands on each.

    Attributes
    ----------
    workers : list of dict
        `name`, `short` and `answers`, the busiest first; at the end perhaps one that stands for all others,
        with `others`, their number.
    labels : list of dict
        `name`, and `answers`; the same.
    slots : list of str
        When each slot of time begins in the team's zone, without gaps.
    step : int
        Seconds a slot takes.
    answers, by_label : dict
        Answers by worker, slot, bin of seconds and whether they completed a data row; the same by label, where
        an answer that names several counts for each. `answers` is None when each answer has one label.
    votes, shared : dict
        Labels that could be compared with the others' by worker, label and slot, and those most of them gave.
    """

    workers: list[dict[str, Any]]
    labels: list[dict[str, Any]]
    slots: list[str]
    step: int
    answers: dict[str, Any] | None
    by_label: dict[str, Any]
    votes: dict[str, Any]
    shared: dict[str, Any]


def make_cubes(insights: Insights) -> Cubes:
    """The counts, as fine as a page can carry: beyond the busiest workers and labels, one entry is all others."""
    finest = _cubes(insights, *_DETAILS[0])
    if _entries(finest) <= _BUDGET:
        return finest
    coarser = _DETAILS[1:]
    fits = bisect_left(coarser[:-1], 1, key=lambda detail: _entries(_cubes(insights, *detail)) <= _BUDGET)
    return _cubes(insights, *coarser[fits])


def _entries(cubes: Cubes) -> int:
    parts = (cubes.answers, cubes.by_label, cubes.votes, cubes.shared)
    return sum(len(part["counts"]) for part in parts if part is not None)


def _cubes(insights: Insights, most_workers: int, most_labels: int, most_slots: int) -> Cubes:
    workers = _top(insights, "worker", "answers_per_worker", most_workers)
    labels = _top(insights, "label", "answers_per_label", most_labels)
    slots, step = _slots(insights, most_slots)
    size = {
        "worker": len(workers),
        "label": len(labels),
        "slot": len(slots) + 1,
        "seconds": len(SECONDS) + 1,
        "done": 2,
    }
    _place(insights)
    whole, named = ("worker", "slot", "seconds", "done"), ("worker", "label", "slot", "seconds", "done")
    (several,) = insights.rows("SELECT COUNT(*) FROM answers WHERE labels > 1")
    voted = ("worker", "label", "slot")
    return Cubes(
        workers,
        labels,
        slots,
        step,
        _cube(insights, "cells", whole, size) if several[0] else None,
        _cube(insights, "label_cells", named, size),
        _cube(insights, "vote_cells WHERE shared IS NOT NULL", voted, size),
        _cube(insights, "vote_cells WHERE shared = 1", voted, size),
    )


def _top(insights: Insights, what: str, view: str, most: int) -> list[dict[str, Any]]:
    """Number the names in a table ``{what}_places``, and say them; what is beyond shares the last number."""
    key = "worker AS element, worker AS name" if what == "worker" else "element, label AS name"
    insights.connection.execute(_RANKED.format(what=what, key=key, view=view, most=most))
    rows = insights.rows(f"SELECT element, name, answers FROM {what}_places ORDER BY rank")  # noqa: S608
    several = what == "label" and len({element for element, _, _ in rows}) > 1
    names = [
        "(not said)" if name is None else f"{element}: {name}" if several else name
        for element, name, _ in rows
    ]
    cut = _common(names) if what == "worker" else 0
    made: list[dict[str, Any]] = [
        {
            "name": _shown(name),
            "short": _shown(name[cut:]) if name != "(not said)" else name,
            "answers": row[2],
        }
        for name, row in zip(names[:most], rows, strict=False)
    ]
    rest = rows[most:]
    if rest:
        name = f"{len(rest):,} other {what}s"
        made.append(
            {"name": name, "short": name, "answers": sum(row[2] for row in rest), "others": len(rest)}
        )
    return made


def _shown(name: str) -> str:
    """A name as the charts can draw it: they keep names as keys of objects, and JavaScript's have one of their own."""
    return "__proto__ " if name == "__proto__" else visible(name)


_RANKED = """
CREATE OR REPLACE TEMP TABLE {what}_places AS
SELECT *, LEAST(rank, {most}) AS place
FROM (
  SELECT *, ROW_NUMBER() OVER (ORDER BY answers DESC, element, name) - 1 AS rank
  FROM (SELECT {key}, answers FROM {view})
)
"""


def _common(names: list[str]) -> int:
    """How much of their start all names share, up to a dot, slash or colon: it tells nobody apart."""
    told = [name for name in names if name != "(not said)"]
    low, high = (min(told), max(told)) if len(told) > 1 else ("", "")
    same = next((place for place, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
    start = low[:same]
    return max(start.rfind(mark) for mark in "./:") + 1


def _slots(insights: Insights, most: int) -> tuple[list[str], int]:
    """Slots from the first answer to the last, and a table ``slot_places`` that says where each answer falls."""
    ((first, last, first_day, last_day),) = insights.rows(
        "SELECT MIN(submitted_epoch), MAX(submitted_epoch), MIN(day), MAX(day) FROM answers"
    )
    if first is None:
        insights.connection.execute(_SLOTS.format("NULL"))
        return [], _DAY
    step = next(
        (one for one in _STEPS if (last - first) / one < min(most, 120 if one < _DAY else most)), _STEPS[-1]
    )
    if step >= _DAY:
        days = step // _DAY
        start = first_day - timedelta(first_day.weekday() if days > 1 else 0)
        count = (last_day - start).days // days + 1
        insights.connection.execute(_SLOTS.format(f"(day - DATE '{start}') // {days}"))
        return [(start + timedelta(place * days)).isoformat() for place in range(count)], step
    begin = int(first // step)
    insights.connection.execute(_SLOTS.format(f"CAST(floor(submitted_epoch / {step}) AS BIGINT) - {begin}"))
    zone = ZoneInfo(insights.settings.time_zone)
    times = [datetime.fromtimestamp(place * step, UTC) for place in range(begin, int(last // step) + 1)]
    return [time.astimezone(zone).strftime("%Y-%m-%dT%H:%M") for time in times], step


_SLOTS = "CREATE OR REPLACE TEMP TABLE slot_places AS SELECT answer, {} AS slot FROM answers"

_PLACED = """
CREATE OR REPLACE TEMP VIEW cells AS
SELECT a.answer, w.place AS worker, s.slot, {bins} AS seconds, CAST(a.completes AS INTEGER) AS done
FROM answers a
JOIN worker_places w ON w.name IS NOT DISTINCT FROM a.worker
JOIN slot_places s ON s.answer = a.answer;
CREATE OR REPLACE TEMP VIEW label_cells AS
SELECT DISTINCT c.*, l.place AS label
FROM answer_labels x
JOIN cells c ON c.answer = x.answer
JOIN label_places l ON l.element = x.element AND l.name = x.label;
CREATE OR REPLACE TEMP VIEW vote_cells AS
SELECT v.shared, w.place AS worker, l.place AS label, s.slot
FROM votes v
JOIN worker_places w ON w.name = v.worker
JOIN label_places l ON l.element = v.element AND l.name = v.label
JOIN slot_places s ON s.answer = v.answer
"""


def _place(insights: Insights) -> None:
    cases = " ".join(
        f"WHEN a.seconds < {high} THEN {place}" for place, (_, high) in enumerate(pairwise(SECONDS))
    )
    bins = f"CASE WHEN a.seconds IS NULL THEN {len(SECONDS)} {cases} ELSE {len(SECONDS) - 1} END"
    insights.connection.execute(_PLACED.format(bins=bins))


def _cube(
    insights: Insights, source: str, dimensions: tuple[str, ...], size: dict[str, int]
) -> dict[str, Any]:
    """Sorted keys as differences, and counts; a key is the places of the dimensions in mixed radix."""
    where = {"slot": f"COALESCE(slot, {size['slot'] - 1})"}
    columns = ", ".join(f"CAST({where.get(name, name)} AS BIGINT)" for name in dimensions)
    query = f"SELECT {columns}, COUNT(*) FROM {source} GROUP BY ALL"  # noqa: S608 - our own names and numbers
    found = insights.connection.execute(query).fetchnumpy()
    *places, counts = (np.asarray(column, np.int64) for column in found.values())
    keys = np.zeros(len(counts), np.int64)
    for name, place in zip(dimensions, places, strict=True):
        keys = keys * size[name] + place
    order = np.argsort(keys)
    return {
        "dimensions": list(dimensions),
        "sizes": [size[name] for name in dimensions],
        "keys": np.diff(keys[order], prepend=0).tolist(),
        "counts": counts[order].tolist(),
    }
