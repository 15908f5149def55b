"""Worker processes that share a piece of work, its results in the order of the tasks.

Started anew, never forked. They end with the process that started them, however it ends.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from annokit.errors import AnnokitError, UsageError
from annokit.io.gc import collect_rarely

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

__all__ = ["Workers"]

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 2
"""Tasks that wait for a worker, so that none waits for a task."""


class Workers:
    """A number of processes; with one, the work is done right here.

    Parameters
    ----------
    count : int

    Raises
    ------
    UsageError
        Less than one.

    Examples
    --------
    >>> with Workers(1) as workers:
    ...     list(workers.map(abs, [-1, 2]))
    [1, 2]
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            raise UsageError(f"expected at least one worker, got {count}")
        self.count = count
        self._pool: ProcessPoolExecutor | None = None
        self._processes: set[Any] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._pool is None:
            return
        if kind is not None:
            for process in self._processes:
                process.terminate()
        self._pool.shutdown(cancel_futures=True)

    def map(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        """What `function`, which can be imported by its name, gives for each task; an error at its turn.

        Workers begin at once, before the first result is asked for.
        """
        if self.count == 1:
            return map(function, tasks)
        left = iter(tasks)
        with _dying():
            waiting = deque(self._submit(function, task) for task in islice(left, self.count + _AHEAD))
        return self._results(function, waiting, left)

    def _results(
        self, function: Callable[[T], R], waiting: deque[Future[R]], left: Iterator[T]
    ) -> Iterator[R]:
        with _dying():
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(self._submit(function, task) for task in islice(left, 1))

    def _submit(self, function: Callable[[T], R], task: T) -> Future[R]:
        """Hand a task over. A process is started here, if need be: none shall hear of Ctrl-C but this one."""
        import multiprocessing

        if self._pool is None:
            from concurrent.futures import ProcessPoolExecutor

            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.count, mp_context=context, initializer=_start)
        before = set(multiprocessing.active_children())
        with _no_interrupt():
            future = self._pool.submit(function, task)
        self._processes |= set(multiprocessing.active_children()) - before
        return future


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """Hold SIGINT back; processes that are started meanwhile never get it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _dying() -> Iterator[None]:
    from concurrent.futures.process import BrokenProcessPool

    try:
        yield
    except BrokenProcessPool as error:
        raise AnnokitError(
            "a worker process ended before its work was done",
            hint='fewer workers need less memory; a script needs `if __name__ == "__main__":` around its calls',
        ) from error


def _start() -> None:
    """In a worker: end when the process that started it is gone, and leave Ctrl-C to it."""
    collect_rarely()
    atexit.register(
        os._exit, 0
    )  # before all other hooks: clearing away what the system frees takes half a second
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
