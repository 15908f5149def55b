"""The agreed class of every item, and how good every annotator is."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from annokit.consensus._columns import Coded, Repeats, coded, counting, place_of
from annokit.consensus._crowd import Here
from annokit.consensus._methods import TOLERANCE, Fit, Method, State, check_method, fit
from annokit.errors import InputError, UsageError, Where, shown
from annokit.io.output import staged_file
from annokit_fast.agreement import responses

__all__ = ["Aggregate", "aggregate"]

_Start: TypeAlias = "Aggregate | str | os.PathLike[str] | None"

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


def aggregate(
    item: Any,
    annotator: Any,
    label: Any,
    *,
    method: Method = "map-dawid-skene",
    repeats: Repeats = "keep",
    known: Mapping[Any, Any] | None = None,
    start: _Start = None,
    rounds: int | None = None,
    tolerance: float = TOLERANCE,
    cap: float = 1.0,
) -> Aggregate:
    """The agreed label of every item, out of everybody's answers and how often each annotator is right.

    Parameters
    ----------
    item, annotator, label : sequences or Arrow columns of ints or strings, of equal length
        One response each; a missing label (None, NaN) is no response.
    method : str
        ``map-dawid-skene``: each annotator has a confusion matrix, learned by expectation maximisation and held
        near the one all share, as if each had given four answers of it besides; so rare annotators and rare
        classes do no harm. ``dawid-skene``: without that, as Dawid and Skene (1979). ``one-coin``: one number for
        each annotator, wrong answers being equally likely. ``majority``: the most votes; of several labels with the
        most, the first in order. ``wawa``: votes weighted by how often an annotator is with the majority.
        ``ground-truth``: as the code that SageMaker Ground Truth published, which is two rounds exactly.
    repeats : {"keep", "last"}
        Of several answers of an annotator to one item all count, as in Dawid and Skene's data, or the last in order.
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
    there = counting(items, annotators, labels, repeats)
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
    crowd = Here(given, clamp)
    fitted = fit(crowd, method, state, rounds, tolerance)
    return _result(fitted, crowd, np.diff(given.offsets) > 0, method, items, annotators, labels, cap)


def _clamped(known: Mapping[Any, Any], items: Coded, labels: Coded) -> NDArray[np.int64]:
    """The code of the label of every item that is known, -1 for the others."""
    clamp = np.full(len(items.values), -1, np.int64)
    if known:
        places = place_of(pa.array(list(known)), items.values)
        truths = place_of(pa.array(list(known.values())), labels.values)
        for name, found, keys in (("an item", places, known), ("a label", truths, known.values())):
            if (found < 0).any():
                wrong = list(keys)[int(np.argmin(found))]
                raise UsageError(f"known: expected {name} that occurs, got {shown(repr(wrong))}")
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


def _state(earlier: Aggregate, annotators: Coded) -> State:
    places = place_of(annotators.values, pa.array(earlier.annotator))
    shared = np.einsum("w,wkl->kl", earlier.answers / max(earlier.answers.sum(), 1), earlier.confusion)
    confusion = np.append(earlier.confusion, shared[None], axis=0)[places]
    return State(confusion, earlier.prior)


def _result(
    fitted: Fit,
    crowd: Here,
    answered: NDArray[np.bool_],
    method: Method,
    items: Coded,
    annotators: Coded,
    labels: Coded,
    cap: float,
) -> Aggregate:
    best = crowd.posterior.argmax(axis=1) if crowd.classes else np.zeros(0, np.int64)
    confidence = np.minimum(crowd.posterior[np.arange(len(best)), best], cap)
    diagonals = np.diagonal(fitted.confusion, axis1=1, axis2=2)
    return Aggregate(
        item=items.names()[answered],
        label=labels.names()[best][answered],
        confidence=confidence[answered],
        posterior=crowd.posterior[answered],
        classes=labels.names(),
        annotator=annotators.names(),
        answers=crowd.answers,
        skill=(diagonals * fitted.prior).sum(axis=1),
        confusion=fitted.confusion,
        prior=fitted.prior,
        method=method,
        log_likelihood=fitted.history,
    )
