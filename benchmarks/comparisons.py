"""One table of every kernel beside its peers: the tests check that they agree, the benchmark which is faster.

COMPARISONS maps (kernel, set) to a function of a scale (1.0 for the benchmark, less for tests) that prepares the
input, out of the timing, and returns a Case. A peer that is not installed is left out. The rows stand in
`mask_rows`, `shape_rows`, `text_rows` and `agreement_rows`.
"""

from __future__ import annotations

from benchmarks import agreement_rows, mask_rows, shape_rows, text_rows
from benchmarks.peers import COMPARISONS, Case

__all__ = ["COMPARISONS", "Case", "agreement_rows", "mask_rows", "shape_rows", "text_rows"]
