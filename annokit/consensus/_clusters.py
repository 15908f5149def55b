"""Which objects of several annotators are the same thing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from annokit.consensus._submissions import Submission, key_of
from annokit.errors import UsageError
from annokit.similarity import Marked

__all__ = ["check_link", "row_clusters"]


def check_link(link: float) -> None:
    """Raise a UsageError unless a link is above 0, up to 1."""
    if not 0.0 < link <= 1.0:
        raise UsageError(f"expected a link above 0, up to 1, got {link}")


def row_clusters(
    people: Sequence[Submission], objects: Sequence[Marked], scores: NDArray[np.float64], link: float
) -> list[list[tuple[int, int]]]:
    """Which objects are the same thing: for each the places of annotator and object."""
    from annokit_fast import agreement

    if not objects:
        return []
    who = np.repeat(np.arange(len(people)), [len(person.objects) for person in people])
    keys = [key_of(one) for one in objects]
    order = sorted(range(len(objects)), key=lambda place: (keys[place], place))
    ranks = np.unique(np.array([keys[place] for place in order], object), return_inverse=True)[1]
    seen: dict[tuple[bytes, int], int] = {}
    copies = []
    for place in order:
        copy = seen.get((keys[place], int(who[place])), 0)
        seen[keys[place], int(who[place])] = copy + 1
        copies.append(copy)
    names = sorted({one.tool_name for one in objects})
    classes = np.array([names.index(objects[place].tool_name) for place in order])
    ordered = np.minimum(scores[np.ix_(order, order)], 1.0)
    found = agreement.cluster(
        ordered.ravel(), [0, len(order)], who[order], link, classes=classes, ranks=ranks, copies=copies
    )
    clusters: list[list[tuple[int, int]]] = [[] for _ in range(int(found.max()) + 1)]
    for place, number in zip(order, found.tolist(), strict=True):
        clusters[number].append((int(who[place]), place))
    return clusters
