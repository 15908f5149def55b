"""What a row of the comparison table is, and the libraries that the kernels are compared with."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Run = Callable[[], Any]
Check = Callable[[Any, Any], None]


@dataclass(frozen=True)
class Case:
    """Runs on one input. `checks` compare our result with a peer's, and raise AssertionError."""

    units: int
    ours: Run
    peers: Mapping[str, Run]
    goals: Mapping[str, float] = field(default_factory=dict)
    checks: Mapping[str, Check] = field(default_factory=dict)


COMPARISONS: dict[tuple[str, str], Callable[[float], Case]] = {}
NAMED: set[str] = set()
"""Every peer that was offered, whether it is installed or not."""


def comparison(
    kernel: str, *sets: str
) -> Callable[[Callable[[str, float], Case]], Callable[[str, float], Case]]:
    """Put a function of (set, scale) into the table, once per set."""

    def register(build: Callable[[str, float], Case]) -> Callable[[str, float], Case]:
        for name in sets:
            COMPARISONS[kernel, name] = lambda scale, name=name: build(name, scale)
        return build

    return register


def optional(module: str) -> Any:
    """A module, or None where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def available(**peers: tuple[Any, Run]) -> dict[str, Run]:
    """The runs whose module is there."""
    NAMED.update(peers)
    return {name: run for name, (module, run) in peers.items() if module is not None}


coco = optional("pycocotools.mask")
hotcoco = optional("hotcoco.mask")
rlemasklib = optional("rlemasklib")
powerboxes = optional("powerboxes")
cv2 = optional("cv2")
shapely = optional("shapely")
features = optional("rasterio.features")
optimize = optional("scipy.optimize")
pandas = optional("pandas")
nltk = optional("nltk.metrics.agreement") if optional("crowdkit.aggregation") else None
ensemble_boxes = optional("ensemble_boxes")
sitk = optional("SimpleITK")

if cv2 is not None:
    cv2.setNumThreads(1)


def equal(ours: Any, theirs: Any) -> None:
    np.testing.assert_array_equal(ours, theirs)


def close(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def each(run: Callable[[Any], Any], items: Any) -> Any:
    """Run over all items and keep the last result alone, as a streaming converter would."""
    result = None
    for item in items:
        result = run(item)
    return result


def share(kind: str, scale: float, usual: int, large: int) -> int:
    """How many items of a set to use, at least 2."""
    return max(2, int((large if kind == "large" else usual) * scale))
