"""Agreed classes over a cluster: tasks add up counts, the driver learns from their sums how good annotators are."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as sql
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import DoubleType, StructField, StructType

from annokit.consensus._columns import coded, place_of
from annokit.consensus._crowd import Here, Sums
from annokit.consensus._methods import TOLERANCE, Method, check_method, fit
from annokit_fast.agreement import responses

__all__ = ["Aggregated", "aggregate"]

_SUMS = pa.schema(
    [
        ("annotators", pa.list_(pa.int64())),
        ("totals", pa.list_(pa.int64())),
        ("gains", pa.list_(pa.int64())),
        ("likelihood", pa.int64()),
    ]
)
_FINE = 2.0**30
"""A log-likelihood is a whole multiple of 2**-30, and so are sums of some."""


class Aggregated(NamedTuple):
    """What `aggregate` found.

    Attributes
    ----------
    items : DataFrame
        Item, label and confidence, as `annokit.consensus.Aggregate.to_arrow`; made when it is asked for.
    annotators : DataFrame
        Annotator, answers and skill, as `annokit.consensus.Aggregate` has them.
    """

    items: DataFrame
    annotators: DataFrame


def aggregate(
    df: DataFrame,
    item: str = "unit",
    annotator: str = "annotator",
    label: str = "label",
    *,
    method: Method = "map-dawid-skene",
    rounds: int | None = None,
    tolerance: float = TOLERANCE,
    cap: float = 1.0,
) -> Aggregated:
    """The agreed label of every item, as `annokit.consensus.aggregate` finds it, to the last bit.

    Each round is a job: tasks have the answers to their items, and what they add up is a number for each annotator and
    pair of classes. `df` is read in each, so let it be a table, or cached, not a long plan.

    Parameters
    ----------
    df : DataFrame
        One answer a row: all to one question. Rows without a label are none.
    item, annotator, label : str
        Its columns of whole numbers or strings; by default those of the table `units` of `consensus`.
    method, rounds, tolerance, cap
        See `annokit.consensus.aggregate`.

    Raises
    ------
    UsageError
        An unknown method; a column with other types, or without a value.
    """
    check_method(method)
    answers = df.select(item, annotator, label).where(sql.col(label).isNotNull())
    counts = answers.groupBy(annotator).count().toArrow()
    people = coded(counts[annotator], annotator)
    classes = coded(answers.select(label).distinct().toArrow()[label], label)
    given = np.zeros(len(people.values), np.int64)
    given[people.codes] = counts["count"].to_numpy()
    crowd = _Elsewhere(answers.repartition(item), people.values, classes.values, given)
    fitted = fit(crowd, method, None, rounds, tolerance)
    skill = (np.diagonal(fitted.confusion, axis1=1, axis2=2) * fitted.prior).sum(axis=1)
    known = pa.table({"annotator": people.values, "answers": given, "skill": skill})
    return Aggregated(crowd.items(cap), df.sparkSession.createDataFrame(known))


class _Elsewhere:
    """A crowd whose answers are a frame, those to one item in one partition."""

    def __init__(
        self, answers: DataFrame, people: pa.Array, labels: pa.Array, given: NDArray[np.int64]
    ) -> None:
        self._frame, self._people, self._labels, self.answers = answers, people, labels, given
        self.annotators, self.classes = len(people), len(labels)
        self._last: _Step = _Step(people, labels, "vote", ())

    def vote(self, weights: NDArray[np.int64] | None = None) -> Sums:
        """A job, as every call."""
        return self._run("vote", () if weights is None else (weights,))

    def lead(self) -> Sums:
        """Most votes."""
        return self._run("lead", ())

    def shrug(self) -> Sums:
        """All alike."""
        return self._run("shrug", ())

    def expect(self, logs: NDArray[np.int64], log_prior: NDArray[np.int64]) -> Sums:
        """By what is known of annotators."""
        return self._run("expect", (logs, log_prior))

    def _run(self, name: str, arguments: tuple[NDArray[np.int64], ...]) -> Sums:
        self._last = _Step(self._people, self._labels, name, arguments)
        parts = self._frame.mapInArrow(self._last.sums, from_arrow_schema(_SUMS)).toArrow()
        totals = np.zeros(self.classes, np.int64)
        gains = np.zeros((self.annotators, self.classes, self.classes), np.int64)
        likelihood = 0
        for part in parts.to_batches():
            for row in range(len(part)):
                who, total, gain = (part.column(n)[row].values.to_numpy() for n in range(3))
                totals += total
                gains[who] += gain.reshape(len(who), self.classes, self.classes)
                likelihood += part.column(3)[row].as_py()
        return Sums(totals, gains.reshape(-1, self.classes), likelihood / _FINE)

    def items(self, cap: float) -> DataFrame:
        """What the last call says about each item."""
        item, _, label = self._frame.schema.fields
        schema = StructType([StructField("item", item.dataType), StructField("label", label.dataType)])
        return self._frame.mapInArrow(partial(self._last.items, cap), schema.add("confidence", DoubleType()))


class _Step:
    """A call, and what a task does for it; with it go the rows of its annotators, of what the driver knows."""

    def __init__(
        self, people: pa.Array, labels: pa.Array, name: str, arguments: tuple[NDArray[np.int64], ...]
    ) -> None:
        self._people, self._labels, self._name, self._arguments = people, labels, name, arguments

    def sums(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """What the items of a partition add up to."""
        for task in self._tasks(batches):
            found = task.sums
            row = [task.present, found.totals, found.gains.ravel(), round(found.likelihood * _FINE)]
            yield pa.RecordBatch.from_arrays(
                [pa.array([value], kind) for value, kind in zip(row, _SUMS.types, strict=True)], schema=_SUMS
            )

    def items(self, cap: float, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The label of each item of a partition, and how sure it is."""
        for task in self._tasks(batches):
            posterior = task.crowd.posterior
            best = posterior.argmax(axis=1)
            confidence = np.minimum(posterior[np.arange(len(best)), best], cap)
            labels = self._labels.take(pa.array(best)).cast(task.label)
            yield pa.record_batch([task.items, labels, pa.array(confidence)], ["item", "label", "confidence"])

    def _tasks(self, batches: Iterator[pa.RecordBatch]) -> Iterator[_Task]:
        """One for a partition with answers, none for another."""
        held = list(batches)
        if not any(map(len, held)):
            return
        table = pa.Table.from_batches(held)
        items = coded(table.column(0), "item")
        who = place_of(table.column(1).combine_chunks(), self._people)
        label = place_of(table.column(2).combine_chunks(), self._labels)
        present, own = np.unique(who, return_inverse=True)
        shape = (len(items.values), len(present), len(self._labels))
        given = responses(
            items.codes, own, label, n_items=shape[0], n_annotators=shape[1], n_classes=shape[2]
        )
        crowd = Here(given, np.full(shape[0], -1))
        sums = self._called(crowd, present)
        yield _Task(crowd, sums, present, items.values.cast(table.schema.types[0]), table.schema.types[2])

    def _called(self, crowd: Here, present: NDArray[np.int64]) -> Sums:
        if self._name == "expect":
            logs, log_prior = self._arguments
            mine = logs.reshape(-1, crowd.classes, crowd.classes)[present]
            return crowd.expect(np.ascontiguousarray(mine.reshape(-1, crowd.classes)), log_prior)
        if self._name == "vote":
            return crowd.vote(*(weights[present] for weights in self._arguments))
        return crowd.lead() if self._name == "lead" else crowd.shrug()


class _Task(NamedTuple):
    """The answers of a partition, what they add up to, and whose they are."""

    crowd: Here
    sums: Sums
    present: NDArray[np.int64]
    items: pa.Array
    label: pa.DataType
