"""Keeping the cyclic garbage collector out of bulk decoding."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collect_rarely", "paused_gc", "rare_gc"]

_RARELY = 100_000, 20, 20


@contextmanager
def paused_gc() -> Iterator[None]:
    """Pause the cyclic collector while many objects without cycles are made.

    Decoded records never point back at themselves, so the collector only walks them in vain. Wrap one
    batch, never a ``yield``: the caller's own garbage has to go at some time. It is switched on again only
    if it was on.

    Examples
    --------
    >>> with paused_gc():
    ...     records = [[] for _ in range(1000)]
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def rare_gc() -> Iterator[None]:
    """Run the cyclic collector once in many thousand new objects, not in 700, while data flow through.

    Next to nothing of what a conversion makes has cycles; looking for them costs a fifth of its time.

    Examples
    --------
    >>> with rare_gc():
    ...     rows = [[n] for n in range(1000)]
    """
    before = gc.get_threshold()
    collect_rarely()
    try:
        yield
    finally:
        gc.set_threshold(*before)


def collect_rarely() -> None:
    """`rare_gc` for good, in a process that does nothing else."""
    if gc.get_threshold()[0]:  # 0 is never, and more seldom than we ask for
        gc.set_threshold(*_RARELY)
