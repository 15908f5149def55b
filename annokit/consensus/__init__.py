"""How far annotators agree, what the agreed label is, whom to trust, what to look at again.

>>> from annokit import consensus
>>> round(consensus.alpha([1, 1, 2, 2, 3, 3], list("ababab"), ["cat", "cat", "dog", "dog", "cat", "dog"]), 4)
0.4444
"""

from __future__ import annotations

from annokit.consensus._boxes import MergedBoxes, merge_boxes
from annokit.consensus._classes import Aggregate, aggregate
from annokit.consensus._coefficients import Estimate, alpha, fleiss, gwet_ac1, kappa
from annokit.consensus._joined import joined
from annokit.consensus._merge import merge
from annokit.consensus._people import Thresholds, annotators
from annokit.consensus._review import review
from annokit.consensus._score import Scores, score
from annokit.consensus._spans import MergedSpans, merge_spans
from annokit.consensus._submissions import Submission, submissions
from annokit.consensus._verdicts import verdicts

__all__ = [
    "Aggregate",
    "Estimate",
    "MergedBoxes",
    "MergedSpans",
    "Scores",
    "Submission",
    "Thresholds",
    "aggregate",
    "alpha",
    "annotators",
    "fleiss",
    "gwet_ac1",
    "joined",
    "kappa",
    "merge",
    "merge_boxes",
    "merge_spans",
    "review",
    "score",
    "submissions",
    "verdicts",
]


def __dir__() -> list[str]:
    return __all__
