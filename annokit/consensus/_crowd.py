"""Everybody's answers, here or elsewhere: what the methods ask of them, in whole numbers that can be added up."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from annokit_fast.agreement import ONE, Responses, expect, tally, votes

__all__ = ["Crowd", "Here", "Sums"]


class Sums(NamedTuple):
    """What is added up over the items, so that neither their order nor where they are makes a difference.

    Attributes
    ----------
    totals : (classes,) int64
        How likely each class is, over all items, as multiples of 2**-36.
    gains : (annotators * classes, classes) int64
        What annotators answered where a class is true, as `annokit_fast.agreement.tally` has it.
    likelihood : float
        The log-likelihood of the answers, a multiple of 2**-30; 0 for votes.
    """

    totals: NDArray[np.int64]
    gains: NDArray[np.int64]
    likelihood: float = 0.0


class Crowd(Protocol):
    """Who answered what. Each call says anew how likely every class of every item is, and adds that up.

    Attributes
    ----------
    annotators, classes : int
    answers : (annotators,) int64
        How many answers each annotator gave.
    """

    annotators: int
    classes: int
    answers: NDArray[np.int64]

    def vote(self, weights: NDArray[np.int64] | None = None) -> Sums:
        """By shares of the votes, each of which counts as its annotator's weight."""

    def lead(self) -> Sums:
        """For sure by most votes, the first of several."""

    def shrug(self) -> Sums:
        """All classes alike."""

    def expect(self, logs: NDArray[np.int64], log_prior: NDArray[np.int64]) -> Sums:
        """By the logarithms of everybody's confusion and of how frequent classes are."""


class Here:
    """A `Crowd` in memory.

    Parameters
    ----------
    given : Responses
    known : (items,) int64
        The class of items whose truth is known, -1 for the others.
    """

    def __init__(self, given: Responses, known: NDArray[np.int64]) -> None:
        self._given, self._known = given, known
        self.annotators, self.classes = given.annotators, given.classes
        who = given.cells // max(given.classes, 1)
        self.answers = np.bincount(who, minlength=given.annotators).astype(np.int64)
        self._shape = (len(given.offsets) - 1, given.classes)
        self._shares: NDArray[np.float64] | None = None
        self._whole: NDArray[np.int64] = np.zeros((0, 0), np.int64)

    @property
    def posterior(self) -> NDArray[np.float64]:
        """How likely every class of every item is by the last call: (items, classes)."""
        return self._whole / ONE if self._shares is None else self._shares

    def vote(self, weights: NDArray[np.int64] | None = None) -> Sums:
        """By shares of the votes; an item nobody answered has equal ones."""
        counts = votes(self._given, 1 if weights is None else weights)
        total = counts.sum(axis=1, keepdims=True)
        shares = np.where(total, counts / np.maximum(total, 1), 1 / max(self.classes, 1))
        known = np.flatnonzero(self._known >= 0)
        shares[known] = 0.0
        shares[known, self._known[known]] = 1.0
        return self._sums(shares)

    def lead(self) -> Sums:
        """For sure by most votes."""
        counts = votes(self._given)
        shares = np.zeros(counts.shape)
        if shares.size:
            shares[np.arange(len(shares)), counts.argmax(axis=1)] = 1.0
        return self._sums(shares)

    def shrug(self) -> Sums:
        """All classes alike."""
        return self._sums(np.full(self._shape, 1 / max(self.classes, 1)))

    def expect(self, logs: NDArray[np.int64], log_prior: NDArray[np.int64]) -> Sums:
        """By the logarithms of everybody's confusion and of how frequent classes are."""
        if self._whole.shape != self._shape:
            self._whole = np.empty(self._shape, np.int64)
        self._shares = None
        totals = np.empty(self.classes, np.int64)
        gains = np.empty((self.annotators * self.classes, self.classes), np.int64)
        likelihood = expect(self._given, logs, log_prior, self._known, self._whole, totals, gains)
        return Sums(totals, gains, likelihood)

    def _sums(self, shares: NDArray[Any]) -> Sums:
        self._shares = shares
        return Sums(np.rint(shares * ONE).astype(np.int64).sum(axis=0), tally(self._given, shares))
