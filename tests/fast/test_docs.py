"""docs/kernels.md: its examples run, and its table has every kernel of the comparison table."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from pycocotools import mask

from benchmarks.comparisons import COMPARISONS

PAGE = (Path(__file__).parents[2] / "docs" / "kernels.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("block", re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
def test_examples_run(block, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools.mask", mask)
    exec(compile(block, "docs/kernels.md", "exec"), {})


def test_the_table_has_every_kernel():
    missing = [kernel for kernel, kind in COMPARISONS if f"| {kernel} | {kind} |" not in PAGE]
    assert not missing
