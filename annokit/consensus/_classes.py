"""The agreed class of every item, and how good every annotator is."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from annokit.consensus._coefficients import ordered_sum
from annokit.consensus._columns import Coded, coded, of_one_length, place_of
from annokit.errors import InputError, UsageError, Where, shown
from annokit.io.output import staged_file
from annokit_fast.agreement import ONE, Responses, expect, maximise, responses, tally, votes

__all__ = ["Aggregate", "Method", "aggregate", "check_method"]

Method: TypeAlias = Literal["map-dawid-skene", "dawid-skene", "one-coin", "majority", "wawa", "ground-truth"]
_Start: TypeAlias = "Aggregate | str | os.PathLike[str] | None"

_PULL = 4.0
"""How many made-up answers of a common confusion are added to everybody's own (MAP-Dawid-Skene)."""
_ROUNDS, _TOLERANCE = 500, 1e-7
_STATE = b"annokit.consensus"


@dataclass(frozen=True)
class Aggregate:
    """What `aggregate` found.

    Attributes
    ----------
    item, label : (items,) arrays
        The items in rising order, and the agreed label of each.
    confidence : (items,) float64
        How sure it is, 0 to 1: the probability of the label; for `majority` and `wawa` its share of the votes.
    posterior : (items, classes) float64
        The same for every class.
    classes : (classes,) array
        All labels, rising.
    annotator : (annotators,) array
        All annotators, rising.
    answers : (annotators,) int64
        How many responses each gave.
    skill : (annotators,) float64
        The probability that an answer of theirs is right, over classes as frequent as here.
    confusion : (annotators, classes, classes) float64
        The probability of each answer (last axis) where a class is true (middle axis).
    prior : (classes,) float64
        How frequent the classes are.
    log_likelihood : list of float
        After every round. With `map-dawid-skene` the logarithms of the priors are part of it. It never falls.
    method : str
    """

    item: NDArray[Any]
    label: NDArray[Any]
    confidence: NDArray[np.float64]
    posterior: NDArray[np.float64]
    classes: NDArray[Any]
    annotator: NDArray[Any]
    answers: NDArray[np.int64]
    skill: NDArray[np.float64]
    confusion: NDArray[np.float64]
    prior: NDArray[np.float64]
    method: str
    log_likelihood: list[float] = field(default_factory=list)

    def to_arrow(self) -> pa.Table:
        """Item, label and confidence as a table."""
        return pa.table({"item": self.item, "label": self.label, "confidence": self.confidence})

    def annotators_to_arrow(self) -> pa.Table:
        """Annotator, answers, skill and the confusion, row by row, as a table."""
        flat = pa.array(self.confusion.reshape(-1))
        width = len(self.classes) ** 2
        ends = pa.array(np.arange(len(self.annotator) + 1) * width, pa.int32())
        return pa.table(
            {
                "annotator": self.annotator,
                "answers": self.answers,
                "skill": self.skill,
                "confusion": pa.ListArray.from_arrays(ends, flat),
            }
        )

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Save what is known of the annotators as Parquet, for `aggregate(..., start=path)`."""
        state = {"classes": self.classes.tolist(), "prior": self.prior.tolist(), "method": self.method}
        table = self.annotators_to_arrow().replace_schema_metadata({_STATE: json.dumps(state)})
        with staged_file(path, overwrite=overwrite) as place:
            pq.write_table(table, place)


class _State(NamedTuple):
    """What an earlier aggregation knows, as codes of this one: NaN where it does not know an annotator."""

    confusion: NDArray[np.float64]
    prior: NDArray[np.float64]


def aggregate(
    item: Any,
    annotator: Any,
    label: Any,
    *,
    method: Method = "map-dawid-skene",
    known: Mapping[Any, Any] | None = None,
    start: _Start = None,
    rounds: int | None = None,
    tolerance: float = _TOLERANCE,
    cap: float = 1.0,
) -> Aggregate:
    """The agreed label of every item, out of everybody's answers and how often each annotator is right.

    Parameters
    ----------
    item, annotator, label : sequences or Arrow columns of ints or strings, of equal length
        One response each; a missing label (None) is no response. An answer given twice counts twice.
    method : str
        ``map-dawid-skene``: each annotator has a confusion matrix, learned by expectation maximisation and held
        near the one all share, as if each had given four answers of it besides; so rare annotators and rare
        classes do no harm. ``dawid-skene``: without that, as Dawid and Skene (1979). ``one-coin``: one number for
        each annotator, wrong answers being equally likely. ``majority``: the most votes; of several labels with the
        most, the first in order. ``wawa``: votes weighted by how often an annotator is with the majority.
        ``ground-truth``: as the code that SageMaker Ground Truth published, which is two rounds exactly.
    known : mapping, optional
        Items whose label is known; they keep it, and annotators are measured against it.
    start : Aggregate, or path, optional
        What an earlier run knows of the annotators: begin there, not with the majority. With ``rounds=0`` new items
        are judged by it, and nothing is learned.
    rounds : int, optional
        The most rounds; by default as many as it takes, up to 500.
    tolerance : float
        It ends when the log-likelihood rises by less than this for each response.
    cap : float
        The highest confidence there is; the Ground Truth service has .95.

    Returns
    -------
    Aggregate
        Memory beside it: a number for each class of each item, and one for each cell of each annotator's matrix.

    Raises
    ------
    UsageError
        Columns that do not fit, an unknown method, a known item or label that does not occur.

    References
    ----------
    A. P. Dawid and A. M. Skene, Maximum likelihood estimation of observer error-rates using the EM algorithm (1979).
    Amazon SageMaker examples, annotation consolidation for image classification.

    Examples
    --------
    >>> item = [1, 1, 1, 2, 2, 2, 3, 3, 3]
    >>> annotator = ["ann", "bob", "cid"] * 3
    >>> found = aggregate(item, annotator, ["cat", "cat", "dog", "dog", "dog", "dog", "cat", "cat", "dog"])
    >>> dict(zip(found.item.tolist(), found.label.tolist(), strict=True))
    {1: 'cat', 2: 'dog', 3: 'cat'}
    >>> found.annotator[found.skill.argmin()]
    'cid'
    >>> aggregate([], [], []).item.tolist()
    []
    """
    check_method(method)
    items, annotators = coded(item, "item"), coded(annotator, "annotator")
    earlier = _loaded(start)
    labels = coded(label, "label", order=None if earlier is None else earlier.classes.tolist(), missing=True)
    of_one_length(item=items, annotator=annotators, label=labels)
    there = labels.codes >= 0
    shape = {
        "n_items": len(items.values),
        "n_annotators": len(annotators.values),
        "n_classes": len(labels.values),
    }
    try:
        given = responses(items.codes[there], annotators.codes[there], labels.codes[there], **shape)
    except ValueError as error:
        raise UsageError(f"too much for a confusion matrix of each annotator: {error}") from error
    clamp = _clamped(known or {}, items, labels)
    state = None if earlier is None else _state(earlier, annotators)
    fitted = _fit(given, method, clamp, state, _ROUNDS if rounds is None else rounds, tolerance)
    return _result(fitted, given, method, items, annotators, labels, cap)


def check_method(method: str) -> None:
    """Raise a UsageError that lists the methods, unless it is one."""
    if method not in get_args(Method):
        raise UsageError(f"expected a method, got {method!r}", hint=", ".join(get_args(Method)))


def _clamped(known: Mapping[Any, Any], items: Coded, labels: Coded) -> NDArray[np.int64]:
    """The code of the label of every item that is known, -1 for the others."""
    clamp = np.full(len(items.values), -1, np.int64)
    if known:
        places = place_of(pa.array(list(known)), items.values)
        truths = place_of(pa.array(list(known.values())), labels.values)
        for name, found, keys in (("item", places, known), ("label", truths, known.values())):
            if (found < 0).any():
                wrong = list(keys)[int(np.argmin(found))]
                raise UsageError(f"known: expected an {name} that occurs, got {shown(repr(wrong))}")
        clamp[places] = truths
    return clamp


def _loaded(start: _Start) -> Aggregate | None:
    if start is None or isinstance(start, Aggregate):
        return start
    where = Where(os.fspath(start))
    try:
        table = pq.read_table(Path(start), partitioning=None)
        state = json.loads((table.schema.metadata or {})[_STATE])
        classes, prior = np.asarray(pa.array(state["classes"])), np.array(state["prior"], np.float64)
        shape = (len(table), len(classes), len(classes))
        confusion = table["confusion"].combine_chunks().flatten().to_numpy().reshape(shape)
        columns = {name: table[name].to_numpy() for name in ("annotator", "answers", "skill")}
    except (OSError, pa.ArrowInvalid, KeyError, ValueError, TypeError) as error:
        raise InputError(f"expected annotators saved by Aggregate.save: {error}", where=where) from error
    empty = np.empty(0)
    return Aggregate(
        item=empty,
        label=empty,
        confidence=empty,
        posterior=np.empty((0, len(classes))),
        classes=classes,
        confusion=confusion,
        prior=prior,
        method=str(state["method"]),
        **columns,
    )


def _state(earlier: Aggregate, annotators: Coded) -> _State:
    places = place_of(annotators.values, pa.array(earlier.annotator))
    shared = np.einsum("w,wkl->kl", earlier.answers / max(earlier.answers.sum(), 1), earlier.confusion)
    confusion = np.append(earlier.confusion, shared[None], axis=0)[places]
    return _State(confusion, earlier.prior)


class _Fit(NamedTuple):
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


def _fit(
    given: Responses,
    method: Method,
    clamp: NDArray[np.int64],
    state: _State | None,
    rounds: int,
    tolerance: float,
) -> _Fit:
    shares = _shares(votes(given))
    if method == "wawa":
        shares = _weighted(given, shares)
    _clamp(shares, clamp)
    gains = tally(given, shares)
    if method in ("majority", "wawa") or given.classes < 2:
        confusion = _confusion(_logs(gains, _own(given))[0], given)
        return _Fit(shares, confusion, _frequency(_total(shares), 0.0), [])
    if method == "ground-truth":
        rounds, tolerance, shares = min(rounds, 2), -np.inf, np.full(shares.shape, 1 / given.classes)
    return _maximised(given, _PLANS[method](given, gains), gains, shares, clamp, state, rounds, tolerance)


def _maximised(
    given: Responses,
    plan: _Planner,
    gains: NDArray[np.int64],
    shares: NDArray[np.float64],
    clamp: NDArray[np.int64],
    state: _State | None,
    rounds: int,
    tolerance: float,
) -> _Fit:
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
    return _Fit(posterior / ONE, _confusion(logs, given), prior, history)


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
    answers = _answers(given).astype(np.float64)
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


def _answers(given: Responses) -> NDArray[np.int64]:
    return np.bincount(given.cells // max(given.classes, 1), minlength=given.annotators).astype(np.int64)


def _right(given: Responses, gains: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share of every annotator's answers that are right."""
    cube = gains.reshape(given.annotators, given.classes, given.classes)
    found: NDArray[np.float64] = np.trace(cube, axis1=1, axis2=2) / ONE / np.maximum(_answers(given), 1)
    return found


def _result(
    fitted: _Fit,
    given: Responses,
    method: Method,
    items: Coded,
    annotators: Coded,
    labels: Coded,
    cap: float,
) -> Aggregate:
    answered = np.diff(given.offsets) > 0
    best = fitted.posterior.argmax(axis=1) if given.classes else np.zeros(0, np.int64)
    confidence = np.minimum(fitted.posterior[np.arange(len(best)), best], cap)
    diagonals = np.diagonal(fitted.confusion, axis1=1, axis2=2)
    return Aggregate(
        item=items.names()[answered],
        label=labels.names()[best][answered],
        confidence=confidence[answered],
        posterior=fitted.posterior[answered],
        classes=labels.names(),
        annotator=annotators.names(),
        answers=_answers(given),
        skill=(diagonals * fitted.prior).sum(axis=1),
        confusion=fitted.confusion,
        prior=fitted.prior,
        method=method,
        log_likelihood=fitted.history,
    )
