"""Kernels for expectation maximisation over who answered what: Dawid and Skene (1979) and its kin.

Probabilities and logarithms are added up as whole multiples of 2**-36. Integers add up to the same in any order, so a
result does not depend on the order of responses, items or annotators, not even in the last bit.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from annokit_fast._agreement_units import codes_of, group
from annokit_fast._checks import Array, freeze, per_item, vector
from annokit_fast._jit import jit

__all__ = ["ONE", "Responses", "expect", "maximise", "responses", "tally", "votes"]

ONE = 2.0**36
"""What 1 is as a whole number."""

MOST_CELLS = 1 << 27
"""Numbers in the table of all annotators' confusions: 1 GiB."""

MOST_AN_ITEM = 1 << 21


class Responses(NamedTuple):
    """Who answered what, those of an item side by side; made by `responses`.

    Attributes
    ----------
    offsets : (items + 1,) int64
        Item t has the responses ``offsets[t]`` to ``offsets[t + 1]``.
    cells : (n,) int32
        ``annotator * classes + label`` of each.
    annotators, classes : int
    """

    offsets: Array
    cells: Array
    annotators: int
    classes: int


def responses(
    items: Any, annotators: Any, labels: Any, *, n_items: int, n_annotators: int, n_classes: int
) -> Responses:
    """Responses in the order kernels want them.

    Parameters
    ----------
    items, annotators, labels : (n,) integers
        Codes from 0.
    n_items, n_annotators, n_classes : int
        How many of each there are.

    Raises
    ------
    ValueError
        Codes out of range, columns of different lengths, or tables of ``n_annotators * n_classes ** 2`` numbers
        that would not fit in 1 GiB.

    Examples
    --------
    >>> from annokit_fast import agreement
    >>> given = agreement.responses([1, 0, 1], [0, 0, 1], [1, 0, 0], n_items=2, n_annotators=2, n_classes=2)
    >>> given.offsets.tolist(), given.cells.tolist()
    ([0, 1, 3], [0, 1, 2])
    >>> agreement.responses([], [], [], n_items=0, n_annotators=0, n_classes=0).offsets.tolist()
    [0]
    """
    item = codes_of(items, "items", n_items)
    who, label = codes_of(annotators, "annotators", n_annotators), codes_of(labels, "labels", n_classes)
    if not len(item) == len(who) == len(label):
        raise ValueError(f"expected columns of one length, got {len(item)}, {len(who)} and {len(label)}")
    if n_annotators * n_classes**2 > MOST_CELLS:
        raise ValueError(
            f"expected at most {MOST_CELLS} numbers in annotators * classes ** 2, "
            f"got {n_annotators} * {n_classes} ** 2"
        )
    offsets, cells = group(item, freeze(who * np.int32(max(n_classes, 1)) + label), n_items)
    if len(offsets) > 1 and np.diff(offsets).max() > MOST_AN_ITEM:
        raise ValueError(
            f"items: expected at most {MOST_AN_ITEM} responses an item, got {np.diff(offsets).max()}"
        )
    return Responses(offsets, cells, n_annotators, n_classes)


def votes(given: Responses, weights: Any = 1) -> Array:
    """The weight behind every class of every item: (items, classes) int64.

    Parameters
    ----------
    given : Responses
    weights : int, or (annotators,) int64
        What the answer of each annotator counts.

    Examples
    --------
    >>> from annokit_fast import agreement
    >>> given = agreement.responses([0, 0, 0], [0, 1, 2], [1, 0, 1], n_items=1, n_annotators=3, n_classes=2)
    >>> agreement.votes(given).tolist(), agreement.votes(given, [1, 5, 1]).tolist()
    ([[1, 2]], [[5, 2]])
    """
    found = np.zeros((len(given.offsets) - 1, given.classes), np.int64)
    weight = freeze(per_item(weights, given.annotators, np.int64, "weights"))
    _votes(given.offsets, given.cells, given.classes, weight, found)
    return found


def tally(given: Responses, posterior: Any) -> Array:
    """What annotators answered where a class is true, in expectation, as whole multiples of 2**-36.

    Parameters
    ----------
    given : Responses
    posterior : (items, classes) float64
        Probabilities of the classes of each item.

    Returns
    -------
    (annotators * classes, classes) int64
        Row ``annotator * classes + answer``, column of the true class.
    """
    whole = freeze(np.rint(vector(posterior, np.float64, "posterior", 2) * ONE).astype(np.int64))
    gains = np.zeros((given.annotators * given.classes, given.classes), np.int64)
    _tally(given.offsets, given.cells, whole, gains)
    return gains


def expect(
    given: Responses,
    logs: Array,
    log_prior: Array,
    known: Array,
    posterior: Array,
    totals: Array,
    gains: Array,
) -> float:
    """The E step, and the tally for the next M step in the same pass.

    Parameters
    ----------
    given : Responses
    logs : (annotators * classes, classes) int64
        As `maximise` makes them.
    log_prior : (classes,) int64
        Logarithms of how frequent the classes are, as multiples of 2**-36.
    known : (items,) int64
        The class of items whose truth is known, -1 for the others.
    posterior : (items, classes) int64
        Filled with the probabilities, as multiples of 2**-36.
    totals : (classes,) int64
        Filled with their sums over the items.
    gains : (annotators * classes, classes) int64
        Filled as by `tally`.

    Returns
    -------
    float
        The log-likelihood of the responses under `logs` and `log_prior`.
    """
    found: float = _expect(
        given.offsets, given.cells, freeze(logs), freeze(log_prior), freeze(known), posterior, totals, gains
    )
    return found


def maximise(gains: Array, share: float, pull: Array, diagonal: Array, rest: Array, logs: Array) -> float:
    """The M step: every annotator's confusion out of counts, a common pull and two numbers of the annotator's own.

    Parameters
    ----------
    gains : (annotators * classes, classes) int64
        As by `tally`.
    share : float
        What the counts are multiplied with; 0 leaves them out.
    pull : (classes, classes) float64
        Added to everybody's counts: true class, answer.
    diagonal, rest : (annotators,) float64
        Added to the counts of right answers, and of each wrong answer.
    logs : (annotators * classes, classes) int64
        Filled with logarithms of probabilities of an answer (rows) given the true class, multiples of 2**-36.

    Returns
    -------
    float
        The sum of `pull` times the logarithms: the logarithm of the prior that `pull` stands for, but for a constant.
    """
    found: float = _maximise(freeze(gains), float(share), freeze(pull), freeze(diagonal), freeze(rest), logs)
    return found


_COARSE = 2.0**30
_FLOOR = 1e-10
_FAR = 26
_SIXTH = 1.0 / 6.0


@jit
def _votes(offsets, cells, n_classes, weights, found):
    """Add the weight of each response's annotator to its class."""
    for t in range(offsets.size - 1):
        for i in range(offsets[t], offsets[t + 1]):
            annotator = cells[i] // n_classes
            found[t, cells[i] - annotator * n_classes] += weights[annotator]


@jit
def _tally(offsets, cells, posterior, gains):
    """What each annotator answered (rows) against what is true (columns), in expectation."""
    k = posterior.shape[1]
    for t in range(offsets.size - 1):
        for i in range(offsets[t], offsets[t + 1]):
            for c in range(k):
                gains[cells[i], c] += posterior[t, c]


@jit
def _powers():
    """exp(-i) for whole i, and exp(-i / 1024)."""
    return np.exp(-np.arange(_FAR)), np.exp(-np.arange(1024) / 1024.0)


@jit
def _exp(gap, whole, parts):
    """exp(-gap) for a gap >= 0 in multiples of 2**-36, to 13 digits; 0 where it would round to 0 anyway.

    Out of two tables and a short series: a third of the time of exp, and the same on every machine.
    """
    if gap >= _FAR << 36:
        return 0.0
    rest = (gap & ((1 << 26) - 1)) / ONE
    series = 1.0 - rest * (1.0 - rest * (0.5 - rest * _SIXTH))
    return whole[np.uint64(gap >> 36)] * parts[np.uint64(gap >> 26 & 1023)] * series


@jit
def _posterior(sums, whole, parts, shares):
    """Logarithms of the classes of an item become probabilities; gives the logarithm of what they added up to."""
    most = sums[0]
    for c in range(1, sums.size):
        most = max(most, sums[c])
    total = 0.0
    for c in range(sums.size):
        shares[c] = _exp(most - sums[c], whole, parts)
        total += shares[c]
    scale = ONE / total
    for c in range(sums.size):
        sums[c] = np.int64(shares[c] * scale + 0.5)
    return most / ONE + np.log(total)


@jit
def _expect(offsets, cells, logs, log_prior, known, posterior, totals, gains):
    """Posterior of every item, and at once what it adds to the gains; gives the log-likelihood."""
    k = log_prior.size
    likelihood = 0
    sums, shares = np.empty(k, np.int64), np.empty(k)
    whole, parts = _powers()
    totals[:] = 0
    gains[:] = 0
    for t in range(offsets.size - 1):
        for c in range(k):
            sums[c] = log_prior[c]
        for i in range(offsets[t], offsets[t + 1]):
            cell = cells[i]
            for c in range(k):
                sums[c] += logs[cell, c]
        if known[t] < 0:
            value = _posterior(sums, whole, parts, shares)
        else:
            value = sums[known[t]] / ONE
            for c in range(k):
                sums[c] = np.int64(ONE) if c == known[t] else 0
        likelihood += np.int64(np.rint(value * _COARSE))
        for c in range(k):
            posterior[t, c] = sums[c]
            totals[c] += sums[c]
        for i in range(offsets[t], offsets[t + 1]):
            cell = cells[i]
            for c in range(k):
                gains[cell, c] += sums[c]
    return likelihood / _COARSE


@jit
def _maximise(gains, share, pull, diagonal, rest, logs):
    """Logarithms of every annotator's confusion, as whole numbers; gives the log of the prior they come with.

    The row of a true class k is ``share`` * gains + pull[k] + (diagonal or rest), made to add up to 1.
    """
    k = pull.shape[0]
    row = np.empty(k)
    penalty = 0
    for w in range(diagonal.size):
        for c in range(k):
            total = 0.0
            for answer in range(k):
                count = share * gains[w * k + answer, c] / ONE + pull[c, answer]
                count += diagonal[w] if c == answer else rest[w]
                row[answer] = max(count, _FLOOR)
                total += row[answer]
            for answer in range(k):
                value = np.log(row[answer] / total)
                logs[w * k + answer, c] = np.int64(np.rint(value * ONE))
                if pull[c, answer] > 0.0:
                    penalty += np.int64(np.rint(pull[c, answer] * value * _COARSE))
    return penalty / _COARSE
