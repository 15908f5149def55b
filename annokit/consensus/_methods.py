"""The ways to an agreed class: votes, and expectation maximisation with the confusion of each annotator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from annokit.consensus._columns import ordered_sum
from annokit.errors import UsageError
from annokit_fast.agreement import ONE, Responses, expect, maximise, tally, votes

__all__ = ["TOLERANCE", "Fit", "Method", "State", "answers_of", "check_method", "fit"]

Method: TypeAlias = Literal["map-dawid-skene", "dawid-skene", "one-coin", "majority", "wawa", "ground-truth"]

_PULL = 4.0
"""How many made-up answers of a common confusion are added to everybody's own (MAP-Dawid-Skene)."""
_ROUNDS, TOLERANCE = 500, 1e-7


def check_method(method: str) -> None:
    """Raise a UsageError that lists the methods, unless it is one."""
    if method not in get_args(Method):
        raise UsageError(f"expected a method, got {method!r}", hint=", ".join(get_args(Method)))


class State(NamedTuple):
    """What an earlier aggregation knows, as codes of this one: NaN where it does not know an annotator."""

    confusion: NDArray[np.float64]
    prior: NDArray[np.float64]


class Fit(NamedTuple):
    posterior: NDArray[np.float64]
    confusion: NDArray[np.float64]
    prior: NDArray[np.float64]
    history: list[float]


class _Step(NamedTuple):
    """What `maximise` adds to the counts of each annotator, and `smooth` to those of the classes."""

    share: float
    pull: NDArray[np.float64]
    diagonal: NDArray[np.float64]
    rest: NDArray[np.float64]
    smooth: float = 0.0


_Planner: TypeAlias = Callable[[NDArray[np.int64]], _Step]


def fit(
    given: Responses,
    method: Method,
    clamp: NDArray[np.int64],
    state: State | None,
    rounds: int | None,
    tolerance: float,
) -> Fit:
    """What a method finds, from the majority on or from what an earlier aggregation knows."""
    rounds = _ROUNDS if rounds is None else rounds
    shares = _shares(votes(given))
    if method == "wawa":
        shares = _weighted(given, shares)
    _clamp(shares, clamp)
    gains = tally(given, shares)
    if method in ("majority", "wawa") or given.classes < 2:
        confusion = _confusion(_logs(gains, _own(given))[0], given)
        return Fit(shares, confusion, _frequency(_total(shares), 0.0), [])
    if method == "ground-truth":
        rounds, tolerance, shares = min(rounds, 2), -np.inf, np.full(shares.shape, 1 / given.classes)
    return _maximised(given, _PLANS[method](given, gains), gains, shares, clamp, state, rounds, tolerance)


def _maximised(
    given: Responses,
    plan: _Planner,
    gains: NDArray[np.int64],
    shares: NDArray[np.float64],
    clamp: NDArray[np.int64],
    state: State | None,
    rounds: int,
    tolerance: float,
) -> Fit:
    step = plan(gains)
    prior = _frequency(_total(shares), step.smooth)
    logs, penalty = _logs(gains, step)
    if state is not None:
        logs = _as_logs(state.confusion, given)
        prior = state.prior
    posterior, totals = np.empty(shares.shape, np.int64), np.empty(given.classes, np.int64)
    history: list[float] = []
    for _ in range(max(rounds, 1)):
        whole = np.rint(np.log(np.maximum(prior, 1e-10)) * ONE).astype(np.int64)
        likelihood = expect(given, logs, whole, clamp, posterior, totals, gains)
        history.append(likelihood + penalty + step.smooth * float(np.log(np.maximum(prior, 1e-10)).sum()))
        if rounds == 0:
            break
        step = plan(gains)
        prior = _frequency(totals / ONE, step.smooth)
        logs, penalty = _logs(gains, step)
        if len(history) > 1 and history[-1] - history[-2] < tolerance * max(len(given.cells), 1):
            break
    return Fit(posterior / ONE, _confusion(logs, given), prior, history)


def _own(given: Responses) -> _Step:
    """Nothing but an annotator's own answers: Dawid and Skene's maximum likelihood."""
    none = np.zeros(given.annotators)
    return _Step(1.0, np.zeros((given.classes, given.classes)), none, none)


def _dawid_skene(given: Responses, _gains: NDArray[np.int64]) -> _Planner:
    step = _own(given)
    return lambda _: step


def _map_dawid_skene(given: Responses, gains: NDArray[np.int64]) -> _Planner:
    """A Dirichlet prior around the confusion all share: half of it as found, half with one number for all.

    It is found once, against the majority, and kept: so every round raises one and the same posterior density.
    """
    classes = given.classes
    counts = gains.reshape(given.annotators, classes, classes).sum(axis=0).T / ONE
    pooled = counts + 0.1
    pooled /= pooled.sum(axis=1, keepdims=True)
    right = np.trace(counts) / max(counts.sum(), 1e-10)
    one = np.full((classes, classes), (1 - right) / (classes - 1))
    np.fill_diagonal(one, right)
    step = _own(given)._replace(pull=_PULL * (0.5 * pooled + 0.5 * one), smooth=1.0)
    return lambda _: step


def _one_coin(given: Responses, _gains: NDArray[np.int64]) -> _Planner:
    def plan(gains: NDArray[np.int64]) -> _Step:
        right = _right(given, gains)
        return _own(given)._replace(share=0.0, diagonal=right, rest=(1 - right) / (given.classes - 1))

    return plan


def _ground_truth(given: Responses, _gains: NDArray[np.int64]) -> _Planner:
    """The published code: own answers, own accuracy once for each answer, everybody's for every second.

    The accuracy of everybody is that of the round before, .7 at first. The first round starts from .7 alone.
    """
    answers = answers_of(given).astype(np.float64)
    rest = given.classes - 1
    everybody: list[float] = []

    def plan(gains: NDArray[np.int64]) -> _Step:
        if not everybody:
            everybody.append(0.7)
            flat = np.full(given.annotators, 0.7)
            return _own(given)._replace(share=0.0, diagonal=flat, rest=(1 - flat) / rest)
        right, all_right = _right(given, gains), everybody[-1]
        everybody.append(ordered_sum(right) / len(right))
        return _own(given)._replace(
            diagonal=answers * (right + all_right / 2), rest=answers * (1.5 - right - all_right / 2) / rest
        )

    return plan


_PLANS: dict[str, Callable[[Responses, NDArray[np.int64]], _Planner]] = {
    "map-dawid-skene": _map_dawid_skene,
    "dawid-skene": _dawid_skene,
    "one-coin": _one_coin,
    "ground-truth": _ground_truth,
}


def _logs(gains: NDArray[np.int64], step: _Step) -> tuple[NDArray[np.int64], float]:
    logs = np.empty_like(gains)
    return logs, maximise(gains, step.share, step.pull, step.diagonal, step.rest, logs)


def _as_logs(confusion: NDArray[np.float64], given: Responses) -> NDArray[np.int64]:
    """Probabilities (annotator, truth, answer) as `expect` wants them."""
    gains = np.rint(confusion.transpose(0, 2, 1) * ONE).astype(np.int64)
    return _logs(np.ascontiguousarray(gains.reshape(-1, given.classes)), _own(given))[0]


def _confusion(logs: NDArray[np.int64], given: Responses) -> NDArray[np.float64]:
    shape = (given.annotators, given.classes, given.classes)
    found: NDArray[np.float64] = np.exp(logs.reshape(shape).transpose(0, 2, 1) / ONE)
    return found


def _shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Votes as shares; of an item nobody answered, equal ones."""
    total = counts.sum(axis=1, keepdims=True)
    found: NDArray[np.float64] = np.where(total, counts / np.maximum(total, 1), 1 / max(counts.shape[1], 1))
    return found


def _weighted(given: Responses, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of votes that count as much as their annotator is with the majority."""
    winner = np.zeros(shares.shape)
    if shares.size:
        winner[np.arange(len(shares)), shares.argmax(axis=1)] = 1.0
    return _shares(votes(given, np.rint(_right(given, tally(given, winner)) * 2**24).astype(np.int64)))


def _clamp(shares: NDArray[np.float64], clamp: NDArray[np.int64]) -> None:
    known = np.flatnonzero(clamp >= 0)
    shares[known] = 0.0
    shares[known, clamp[known]] = 1.0


def _total(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over the items that do not depend on their order: of whole numbers."""
    found: NDArray[np.float64] = np.rint(shares * ONE).astype(np.int64).sum(axis=0) / ONE
    return found


def _frequency(total: NDArray[Any], smooth: float) -> NDArray[np.float64]:
    found: NDArray[np.float64] = (total + smooth) / max(float(total.sum()) + smooth * len(total), 1e-10)
    return found


def answers_of(given: Responses) -> NDArray[np.int64]:
    return np.bincount(given.cells // max(given.classes, 1), minlength=given.annotators).astype(np.int64)


def _right(given: Responses, gains: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share of every annotator's answers that are right."""
    cube = gains.reshape(given.annotators, given.classes, given.classes)
    found: NDArray[np.float64] = np.trace(cube, axis1=1, axis2=2) / ONE / np.maximum(answers_of(given), 1)
    return found
