"""annokit_fast: exact geometry kernels on arrays, as fast as compiled code.

Array in, array out; numpy and numba only (`text` also msgspec). The submodules are loaded when first used, so that
importing this package loads neither numba nor any kernel::

    from annokit_fast import agreement, arrow, boxes, coco_mask, polygons, rle, text, tracks
"""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["agreement", "arrow", "boxes", "coco_mask", "polygons", "rle", "text", "tracks"]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
