"""What the reader and the writer of MOTChallenge agree on: files, class numbers, names."""

from __future__ import annotations

import msgspec

__all__ = ["CLASSES", "FILE", "INFO", "LABELS", "NAME", "NAMES", "SequenceName"]

NAME = "mot"
FILE, LABELS, INFO = "gt/gt.txt", "gt/labels.txt", "seqinfo.ini"
NAMES = "names.ndjson"
"""One line for each video annokit wrote: what it was called before."""

CLASSES = (
    "pedestrian",
    "person on vehicle",
    "car",
    "bicycle",
    "motorbike",
    "non motorized vehicle",
    "static person",
    "distractor",
    "occluder",
    "occluder on the ground",
    "occluder full",
    "reflection",
    "crowd",
)
"""The benchmark's classes, numbered from 1."""


class SequenceName(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of names.ndjson; `tracks` has the ids of tracks that are numbered from 1, in order."""

    folder: str
    id: str
    name: str
    split: str | None = None
    tracks: tuple[str, ...] = ()
