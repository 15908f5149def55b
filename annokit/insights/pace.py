"""When the labelling will be done, with an interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, timedelta

import msgspec

__all__ = ["Forecast", "forecast"]

_WINDOW, _FEWEST, _FARTHEST = 28, 5, 3650
_Z90 = 1.6449


class Forecast(msgspec.Struct, frozen=True):
    """How far it is, and when it may be done.

    Attributes
    ----------
    goal, done : int
        Data rows.
    per_day : float or None
        Completed a day over the days the forecast is made of.
    days : int
        How many these are.
    expected, earliest, latest : date or None
        When the goal is reached at that pace, and the ends of a 90 % interval; None for more than ten years.
    why_not : str or None
        Why there is no forecast.
    """

    goal: int
    done: int
    per_day: float | None = None
    days: int = 0
    expected: date | None = None
    earliest: date | None = None
    latest: date | None = None
    why_not: str | None = None


def forecast(completed: Mapping[date | None, int], goal: int) -> Forecast:
    """From the pace of the last four weeks, when `goal` data rows are done.

    Days without work count. The last day does not, since it may not be over. After h days the number done is
    taken to be normal, with mean h m and variance s^2 (h + h^2 / n), where m, s and n are mean, deviation and
    number of the days looked at: chance of the days to come, and doubt about the pace. The interval is where
    its 5 % and 95 % bounds (Student's t) reach the goal; tests check that it holds nine times in ten.

    Parameters
    ----------
    completed : mapping of date to int
        Data rows completed on each day, under None those of whom no day is known; days that are left out had none.
    goal : int

    Examples
    --------
    >>> week = {date(2024, 3, day): 10 for day in range(1, 9)}
    >>> forecast(week, 100).expected
    datetime.date(2024, 3, 10)
    >>> forecast({}, 100).why_not
    'nothing is done yet'
    """
    done = sum(completed.values())
    if done >= goal:
        return Forecast(goal, done, why_not="the goal is reached")
    if not completed:
        return Forecast(goal, done, why_not="nothing is done yet")
    known = {day for day in completed if day is not None}
    if not known:
        return Forecast(goal, done, why_not="no answer has a time")
    last = max(known)
    days = min(_WINDOW, (last - min(known)).days)
    if days < _FEWEST:
        return Forecast(goal, done, why_not=f"it takes more than {_FEWEST} days of work to tell")
    counts = [completed.get(last - timedelta(back), 0) for back in range(1, days + 1)]
    mean = sum(counts) / days
    spread = _student(days - 1) * math.sqrt(sum((one - mean) ** 2 for one in counts) / (days - 1))
    ends = [_reached(goal - done, mean, spread * sign, days) for sign in (0, 1, -1)]
    expected, earliest, latest = (None if end is None else last + timedelta(end) for end in ends)
    return Forecast(goal, done, mean, days, expected, earliest, latest)


def _reached(rest: int, mean: float, spread: float, days: int) -> int | None:
    """The first day ahead on which mean and spread make up the rest."""
    ahead = range(1, _FARTHEST + 1)
    return next((h for h in ahead if h * mean + spread * math.sqrt(h + h * h / days) >= rest), None)


def _student(freedom: int) -> float:
    """The 95 % quantile of Student's t, by the expansion of Cornish and Fisher; 1 % off at 4 degrees."""
    z = _Z90
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
