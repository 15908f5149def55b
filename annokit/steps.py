"""The steps between reading and writing, in their order: labels, condition, splits, frames, classes, repairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from annokit.dataset import Dataset
from annokit.query import where as matching
from annokit.repair import repair as repaired
from annokit.report import Report
from annokit.select import (
    assign_splits,
    choose_labels,
    note_details,
    parse_split,
    rename_classes,
    select_classes,
)

__all__ = ["Steps"]

_ROW_BY_ROW = (None, "all", "newest")
"""Label policies that ask nothing of other rows."""


class Steps(msgspec.Struct, frozen=True, kw_only=True):
    """What `annokit.write` is asked to do to a dataset before it is written; its parameters of these names."""

    labels: str | None = None
    where: str | None = None
    classes: Sequence[str] | None = None
    rename: Mapping[str, str] = {}
    repair: Sequence[str] = ()
    split: str | None = None
    seed: int = 0
    video_frames: str | int | None = None
    keyframes_within: float | None = None
    note_details: bool = False

    @property
    def row_by_row(self) -> bool:
        """Whether what becomes of a row depends on it, on the options and on the outline alone.

        Shares of the rows for which a condition holds depend on all rows.
        """
        return self.labels in _ROW_BY_ROW and not (self.where is not None and self.split)

    def through(self, dataset: Dataset, account: Report) -> Dataset:
        """The dataset behind every step that was asked for; its classes are accounted.

        Splits come before frames, so that those of one video stay together, and after the condition, so that shares
        are exact; frames of a video for which it holds are asked again, each by itself.
        """
        account.count("read", "categories", len(dataset.ontology.tools))
        chosen = choose_labels(dataset, self.labels)
        if self.where is not None:
            chosen = matching(chosen, self.where)
        if self.split:
            chosen = assign_splits(chosen, parse_split(self.split), self.seed)
        chosen = self._frames(chosen)
        chosen = rename_classes(chosen, self.rename)
        renamed = len(chosen.ontology.tools)
        account.count("merged", "categories", len(dataset.ontology.tools) - renamed)
        if self.classes is not None:
            chosen = select_classes(chosen, self.classes)
            dropped = renamed - len(chosen.ontology.tools)
            if dropped:
                account.lose("class-not-chosen", "categories", "it is not among --classes", n=dropped)
        chosen = repaired(chosen, self.repair)
        return note_details(chosen) if self.note_details else chosen

    def _frames(self, dataset: Dataset) -> Dataset:
        """The dataset with what was asked for of its videos."""
        if self.keyframes_within is self.video_frames is None:
            return dataset
        from annokit.video import parse_frames, split_frames, thin_keyframes

        if self.keyframes_within is not None:
            dataset = thin_keyframes(dataset, self.keyframes_within)
        if self.video_frames is None:
            return dataset
        frames = split_frames(dataset, parse_frames(self.video_frames))
        return frames if self.where is None else matching(frames, self.where)
