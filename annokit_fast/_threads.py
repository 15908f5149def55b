"""A batch split over threads: kernels release the GIL, so plain threads are enough and survive forks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

__all__ = ["in_parts"]

_Result = TypeVar("_Result")


def in_parts(work: Callable[[int, int], _Result], count: int, threads: int) -> list[_Result]:
    """Results of ``work(start, stop)`` over `count` items cut into `threads` runs of neighbours, in order."""
    if not isinstance(threads, int) or threads < 1:
        raise ValueError(f"threads: expected a whole number of at least 1, got {threads!r}")
    threads = max(1, min(threads, count))
    if threads == 1:
        return [work(0, count)]
    from concurrent.futures import (
        ThreadPoolExecutor,  # not before: it takes longer to import than a small call
    )

    edges = [count * i // threads for i in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, edges[:-1], edges[1:]))
