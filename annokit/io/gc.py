"""Keeping the cyclic garbage collector out of bulk decoding."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["paused_gc"]


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
