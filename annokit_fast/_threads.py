"""A batch split over threads: kernels release the GIL, so plain threads are enough and survive forks.

Every part is computed as it would be alone, so results are the same bits for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

__all__ = ["in_parts"]

_Result = TypeVar("_Result")

_PARTS_PER_THREAD = 4
"""More parts than threads, so that none waits long for another whose part is harder."""


def in_parts(work: Callable[[int, int], _Result], count: int, threads: int) -> list[_Result]:
    """Results of ``work(start, stop)`` over `count` items cut into runs of neighbours, in order.

    Raises
    ------
    ValueError
        `threads` is not a whole number of at least 1.
    """
    if not isinstance(threads, int) or threads < 1:
        raise ValueError(f"threads: expected a whole number of at least 1, got {threads!r}")
    if threads == 1 or count < 2:
        return [work(0, count)]
    # not before: importing it takes longer than a small call
    from concurrent.futures import ThreadPoolExecutor

    parts = min(_PARTS_PER_THREAD * threads, count)
    edges = [count * i // parts for i in range(parts + 1)]
    with ThreadPoolExecutor(min(threads, parts)) as pool:
        return list(pool.map(work, edges[:-1], edges[1:]))
