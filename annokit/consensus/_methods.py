"""The ways to an agreed class: votes, and expectation maximisation with the confusion of each annotator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from annokit.consensus._columns import ordered_sum
from annokit.consensus._crowd import Crowd, Sums
from annokit.errors import UsageError
from annokit_fast.agreement import ONE, maximise

__all__ = ["TOLERANCE", "Fit", "Method", "State", "check_method", "fit"]

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


def fit(crowd: Crowd, method: Method, state: State | None, rounds: int | None, tolerance: float) -> Fit:
    """What a method finds, from the majority on or from what an earlier aggregation knows."""
    rounds = _ROUNDS if rounds is None else rounds
    began = crowd.vote(_weights(crowd) if method == "wawa" else None)
    if method in ("majority", "wawa") or crowd.classes < 2:
        confusion = _confusion(_logs(began.gains, _own(crowd))[0], crowd)
        return Fit(confusion, _frequency(began.totals / ONE, 0.0), [])
    plan = _PLANS[method](crowd, began.gains)
    if method == "ground-truth":
        rounds, tolerance, began = min(rounds, 2), -np.inf, began._replace(totals=crowd.shrug().totals)
    return _maximised(crowd, plan, began, state, rounds, tolerance)


def _maximised(
    crowd: Crowd, plan: _Planner, found: Sums, state: State | None, rounds: int, tolerance: float
) -> Fit:
    step = plan(found.gains)
    prior = _frequency(found.totals / ONE, step.smooth)
    logs, penalty = _logs(found.gains, step)
    if state is not None:
        logs = _as_logs(state.confusion, crowd)
        prior = state.prior
    history: list[float] = []
    for _ in range(max(rounds, 1)):
        log_prior = np.log(np.maximum(prior, 1e-10))
        found = crowd.expect(logs, np.rint(log_prior * ONE).astype(np.int64))
        history.append(found.likelihood + penalty + step.smooth * float(log_prior.sum()))
        if rounds == 0:
            break
        step = plan(found.gains)
        prior = _frequency(found.totals / ONE, step.smooth)
        logs, penalty = _logs(found.gains, step)
        if len(history) > 1 and history[-1] - history[-2] < tolerance * max(int(crowd.answers.sum()), 1):
            break
    return Fit(_confusion(logs, crowd), prior, history)


def _own(crowd: Crowd) -> _Step:
    """Nothing but an annotator's own answers: Dawid and Skene's maximum likelihood."""
    none = np.zeros(crowd.annotators)
    return _Step(1.0, np.zeros((crowd.classes, crowd.classes)), none, none)


def _dawid_skene(crowd: Crowd, _gains: NDArray[np.int64]) -> _Planner:
    step = _own(crowd)
    return lambda _: step


def _map_dawid_skene(crowd: Crowd, gains: NDArray[np.int64]) -> _Planner:
    """A Dirichlet prior around the confusion all share: half of it as found, half with one number for all.

    It is found once, against the majority, and kept: so every round raises one and the same posterior density.
    """
    classes = crowd.classes
    counts = gains.reshape(crowd.annotators, classes, classes).sum(axis=0).T / ONE
    pooled = counts + 0.1
    pooled /= pooled.sum(axis=1, keepdims=True)
    right = np.trace(counts) / max(counts.sum(), 1e-10)
    one = np.full((classes, classes), (1 - right) / (classes - 1))
    np.fill_diagonal(one, right)
    step = _own(crowd)._replace(pull=_PULL * (0.5 * pooled + 0.5 * one), smooth=1.0)
    return lambda _: step


def _one_coin(crowd: Crowd, _gains: NDArray[np.int64]) -> _Planner:
    def plan(gains: NDArray[np.int64]) -> _Step:
        right = _right(crowd, gains)
        return _own(crowd)._replace(share=0.0, diagonal=right, rest=(1 - right) / (crowd.classes - 1))

    return plan


def _ground_truth(crowd: Crowd, _gains: NDArray[np.int64]) -> _Planner:
    """The published code: own answers, own accuracy once for each answer, everybody's for every second.

    The accuracy of everybody is that of the round before, .7 at first. The first round starts from .7 alone.
    """
    answers = crowd.answers.astype(np.float64)
    rest = crowd.classes - 1
    everybody: list[float] = []

    def plan(gains: NDArray[np.int64]) -> _Step:
        if not everybody:
            everybody.append(0.7)
            flat = np.full(crowd.annotators, 0.7)
            return _own(crowd)._replace(share=0.0, diagonal=flat, rest=(1 - flat) / rest)
        right, all_right = _right(crowd, gains), everybody[-1]
        everybody.append(ordered_sum(right) / len(right))
        return _own(crowd)._replace(
            diagonal=answers * (right + all_right / 2), rest=answers * (1.5 - right - all_right / 2) / rest
        )

    return plan


_PLANS: dict[str, Callable[[Crowd, NDArray[np.int64]], _Planner]] = {
    "map-dawid-skene": _map_dawid_skene,
    "dawid-skene": _dawid_skene,
    "one-coin": _one_coin,
    "ground-truth": _ground_truth,
}


def _logs(gains: NDArray[np.int64], step: _Step) -> tuple[NDArray[np.int64], float]:
    logs = np.empty_like(gains)
    return logs, maximise(gains, step.share, step.pull, step.diagonal, step.rest, logs)


def _as_logs(confusion: NDArray[np.float64], crowd: Crowd) -> NDArray[np.int64]:
    """Probabilities (annotator, truth, answer) as `expect` wants them."""
    gains = np.rint(confusion.transpose(0, 2, 1) * ONE).astype(np.int64)
    return _logs(np.ascontiguousarray(gains.reshape(-1, crowd.classes)), _own(crowd))[0]


def _confusion(logs: NDArray[np.int64], crowd: Crowd) -> NDArray[np.float64]:
    shape = (crowd.annotators, crowd.classes, crowd.classes)
    found: NDArray[np.float64] = np.exp(logs.reshape(shape).transpose(0, 2, 1) / ONE)
    return found


def _weights(crowd: Crowd) -> NDArray[np.int64]:
    """How often each annotator is with the majority, as multiples of 2**-24."""
    return np.rint(_right(crowd, crowd.lead().gains) * 2**24).astype(np.int64)


def _frequency(total: NDArray[Any], smooth: float) -> NDArray[np.float64]:
    found: NDArray[np.float64] = (total + smooth) / max(float(total.sum()) + smooth * len(total), 1e-10)
    return found


def _right(crowd: Crowd, gains: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share of every annotator's answers that are right."""
    cube = gains.reshape(crowd.annotators, crowd.classes, crowd.classes)
    found: NDArray[np.float64] = np.trace(cube, axis1=1, axis2=2) / ONE / np.maximum(crowd.answers, 1)
    return found
