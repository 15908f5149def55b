"""Kernels for optimal assignment in many small problems.

Shortest augmenting paths with potentials (Jonker and Volgenant, 1987), on costs that are minus the score.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs
# ruff: noqa: FURB136 - a select compiles to one instruction, min() also looks for NaN

from __future__ import annotations

import numpy as np

from annokit_fast._jit import jit


@jit
def _overlap(a, i, b, j):
    w = (a[i, 2] if a[i, 2] < b[j, 2] else b[j, 2]) - (a[i, 0] if a[i, 0] > b[j, 0] else b[j, 0])
    h = (a[i, 3] if a[i, 3] < b[j, 3] else b[j, 3]) - (a[i, 1] if a[i, 1] > b[j, 1] else b[j, 1])
    if w <= 0.0 or h <= 0.0:
        return 0.0
    both = w * h
    return both / (
        (a[i, 2] - a[i, 0]) * (a[i, 3] - a[i, 1]) + (b[j, 2] - b[j, 0]) * (b[j, 3] - b[j, 1]) - both
    )


@jit
def _best_of_rows(scores, n, m, taken, partner):
    """Give every row its best column; True when no two rows want the same, which is then optimal."""
    taken[:m] = -1
    for i in range(n):
        best = -1
        most = 0.0
        for j in range(m):
            if scores[i, j] > most:
                most = scores[i, j]
                best = j
        partner[i] = best
        if best >= 0:
            if taken[best] >= 0:
                return False
            taken[best] = i
    return True


@jit
def _assign(scores, n, m, work, taken, way, partner):
    """Columns that give the rows (n <= m) the largest sum of scores, into `partner`."""
    if _best_of_rows(scores, n, m, taken, partner):
        return
    u, v, least, seen = work[0], work[1], work[2], work[3]
    u[: n + 1] = 0.0
    v[: m + 1] = 0.0
    taken[: m + 1] = -1
    for i in range(n):
        taken[m] = i
        least[:m] = np.inf
        seen[: m + 1] = 0.0
        column = m
        while taken[column] >= 0:
            seen[column] = 1.0
            row = taken[column]
            step = np.inf
            following = -1
            for j in range(m):
                if seen[j] == 0.0:
                    cost = -scores[row, j] - u[row] - v[j]
                    if cost < least[j]:
                        least[j] = cost
                        way[j] = column
                    if least[j] < step:
                        step = least[j]
                        following = j
            for j in range(m):
                if seen[j] != 0.0:
                    u[taken[j]] += step
                    v[j] -= step
                else:
                    least[j] -= step
            u[i] += step
            column = following
        while column != m:
            before = way[column]
            taken[column] = taken[before]
            column = before
    for j in range(m):
        if taken[j] >= 0:
            partner[taken[j]] = j


@jit
def _collect(scores, n, m, turned, partner, first_a, first_b, pairs, values, o):
    """Matched pairs in order of the first index, with their scores; pairs that score 0 are none."""
    if turned:
        back = np.full(m, -1, np.int64)
        for i in range(n):
            if partner[i] >= 0:
                back[partner[i]] = i
        for j in range(m):
            if back[j] >= 0 and scores[back[j], j] > 0.0:
                pairs[o, 0] = first_a + j
                pairs[o, 1] = first_b + back[j]
                values[o] = scores[back[j], j]
                o += 1
        return o
    for i in range(n):
        j = partner[i]
        if j >= 0 and scores[i, j] > 0.0:
            pairs[o, 0] = first_a + i
            pairs[o, 1] = first_b + j
            values[o] = scores[i, j]
            o += 1
    return o


@jit
def match(a, ends_a, b, ends_b, given, minimum, pairs, values, ends):
    """Match the boxes of every problem, or its given scores (row-major, one problem after the other)."""
    largest = 0
    for g in range(ends_a.size - 1):
        largest = max(largest, ends_a[g + 1] - ends_a[g], ends_b[g + 1] - ends_b[g])
    scores = np.empty((largest, largest))
    work = np.empty((4, largest + 1))
    taken = np.empty(largest + 1, np.int64)
    way = np.empty(largest + 1, np.int64)
    partner = np.empty(largest + 1, np.int64)
    o = 0
    at = 0
    for g in range(ends_a.size - 1):
        first_a, first_b = ends_a[g], ends_b[g]
        n, m = ends_a[g + 1] - first_a, ends_b[g + 1] - first_b
        turned = n > m
        for i in range(n):
            for j in range(m):
                value = given[at + i * m + j] if given.size else _overlap(a, first_a + i, b, first_b + j)
                value = value if value >= minimum else 0.0
                if turned:
                    scores[j, i] = value
                else:
                    scores[i, j] = value
        at += n * m
        if turned:
            n, m = m, n
        _assign(scores, n, m, work, taken, way, partner)
        o = _collect(scores, n, m, turned, partner, first_a, first_b, pairs, values, o)
        ends[g + 1] = o
    return o
