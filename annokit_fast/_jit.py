"""The one place that touches numba's decorator. Kernels are compiled when there is enough to do.

Importing numba and loading the first kernel takes 0.3 s even when everything is compiled: more than all of a small
conversion. So `jit` leaves a stand-in where the function was, and numba is imported at the first call that is worth
it. From then on the names in the kernel's module are numba's, and nothing stands in between.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

import numpy as np

__all__ = ["is_busy", "jit", "jit_or", "jit_when_busy", "kernels", "lose_patience"]

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")

_patience: float = 60_000
"""Numbers that kernels may still read as plain Python, at 0.2 to 2 us each, before it is time to compile."""

_MOST = 2_000_000
"""How many numbers a twin in numpy is given at most, since it takes several times their memory."""

_registry: list[tuple[str, str]] = []
_compiling = threading.RLock()


def jit(function: Callable[_Params, _Result]) -> Callable[_Params, _Result]:
    """Compile `function` on its first call, without the GIL, and keep the machine code in the cache folder.

    Division follows IEEE rules (``error_model="numpy"``), floats are never reordered or fused (no fastmath), so that
    results are the same on every machine. Helpers that a kernel calls must stand in the kernel's own file, because
    the cache is keyed by the content of that file.
    """
    return _stand_in(function, weight=0)


def jit_when_busy(function: Callable[_Params, _Result]) -> Callable[_Params, _Result]:
    """As `jit`, but while a process has little to do, the function runs as plain Python, with the same results.

    For kernels whose work grows with the size of their arguments, and that a small conversion calls.
    """
    return _stand_in(function, weight=1)


def jit_or(
    twin: Callable[..., Any], share: float, *, call: float = 10, weight: int = 1
) -> Callable[[Callable[_Params, _Result]], Callable[_Params, _Result]]:
    """As `jit_when_busy`, for kernels whose twin in numpy is fast in itself.

    Each number counts for `share` of one that a kernel reads as plain Python, and each call for `call` of them, however
    little it is given. Where the twin gives `NotImplemented`, the kernel is asked: as plain Python while numbers count
    for `weight` each, or compiled if that is 0.
    """
    return lambda function: _stand_in(function, weight, _Twin(twin, share, call))


def is_busy(numbers: float) -> bool:
    """Whether there is enough to do for compiled code by now, with so many more numbers to be read as plain Python.

    For kernels whose twin is another function, fast in itself: it says how much of the patience its work takes.
    """
    global _patience
    _patience -= numbers
    return _patience <= 0


def kernels() -> list[tuple[str, str]]:
    """Module and name of every function given to `jit` so far, in order of definition."""
    return list(_registry)


def lose_patience() -> None:
    """Compile every kernel on its next call, however little there is to do."""
    global _patience
    _patience = 0


class _Twin(NamedTuple):
    """A twin in numpy, and what its work counts for."""

    function: Callable[..., Any]
    share: float
    call: float


class _StandIn:
    """What a kernel's name holds until its module is handed to numba."""

    def __init__(self, function: FunctionType, weight: int, twin: _Twin | None) -> None:
        self.function = function
        self.weight = weight
        """What a number of its arguments counts for; 0 for what is always compiled."""
        self.twin = twin
        self.kernel: Any = None

    def __call__(self, *arguments: Any) -> Any:
        numbers = sum([argument.size for argument in arguments if isinstance(argument, np.ndarray)])
        with np.errstate(all="ignore"):  # as compiled code, which never warns
            twin = self.twin
            if twin is not None and numbers <= _MOST and not is_busy(twin.call + twin.share * numbers):
                result = twin.function(*arguments)
                if result is not NotImplemented:
                    return result
            if self.weight and not is_busy(self.weight * numbers):
                return _as_python(self.function)(*arguments)
        if self.kernel is None:
            _compile(self.function.__globals__)
        return self.kernel(*arguments)


def _stand_in(
    function: Callable[_Params, _Result], weight: int, twin: _Twin | None = None
) -> Callable[_Params, _Result]:
    _registry.append((function.__module__, function.__qualname__))
    return cast(Callable[_Params, _Result], _StandIn(cast(FunctionType, function), weight, twin))


def _as_python(function: FunctionType) -> FunctionType:
    """The function among plain helpers, where the stand-ins of its module would ask for numba."""
    names = dict(function.__globals__)
    for name, value in function.__globals__.items():
        if isinstance(value, _StandIn):
            names[name] = FunctionType(value.function.__code__, names, name, value.function.__defaults__)
    return cast(FunctionType, names[function.__name__])


def _compile(names: dict[str, Any]) -> None:
    """Hand the kernels of a module to numba; they take the places of their stand-ins."""
    lose_patience()
    import numba

    from annokit_fast._cache import KernelCache

    with _compiling:
        for name, value in list(names.items()):
            if isinstance(value, _StandIn):
                dispatcher = numba.njit(nogil=True, error_model="numpy")(value.function)
                if hasattr(dispatcher, "_cache"):  # NUMBA_DISABLE_JIT=1 hands the function back as it was
                    dispatcher._cache = KernelCache(value.function)
                names[name] = value.kernel = dispatcher
