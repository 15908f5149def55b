"""Labels from annotation platforms to training data: typed, fast, and nothing lost on the way.

`read` opens labels of any known format as a `Dataset`, `write` makes training data of one, `convert`
does both. Everything is imported when it is first used, so that ``import annokit`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from annokit._version import __version__

if TYPE_CHECKING:
    from annokit import consensus, insights, model, ontology
    from annokit.conversion import convert, detect, read, write
    from annokit.dataset import Dataset
    from annokit.errors import AnnokitError
    from annokit.formats import all_formats as formats
    from annokit.reading import Part, parts
    from annokit.report import Report
    from annokit.shards import convert_shards

__all__ = [
    "AnnokitError",
    "Dataset",
    "Part",
    "Report",
    "__version__",
    "consensus",
    "convert",
    "convert_shards",
    "detect",
    "formats",
    "insights",
    "model",
    "ontology",
    "parts",
    "read",
    "write",
]

_HOMES = {
    "AnnokitError": ("annokit.errors", "AnnokitError"),
    "Dataset": ("annokit.dataset", "Dataset"),
    "Report": ("annokit.report", "Report"),
    "convert": ("annokit.conversion", "convert"),
    "convert_shards": ("annokit.shards", "convert_shards"),
    "detect": ("annokit.conversion", "detect"),
    "Part": ("annokit.reading", "Part"),
    "parts": ("annokit.reading", "parts"),
    "formats": ("annokit.formats", "all_formats"),
    "read": ("annokit.conversion", "read"),
    "write": ("annokit.conversion", "write"),
}


def __getattr__(name: str) -> Any:
    if name in ("consensus", "insights", "model", "ontology"):
        return importlib.import_module(f"annokit.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'annokit' has no attribute {name!r}")
    home, attribute = _HOMES[name]
    return getattr(importlib.import_module(home), attribute)


def __dir__() -> list[str]:
    return __all__
