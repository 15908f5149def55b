"""What is wrong with labels: shapes, references, sizes, and what a trainer would drop."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from annokit.dataset import Dataset
from annokit.io.batches import batched
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.io.photos import Photos, folders_of
from annokit.model import Ontology
from annokit.passes import Parts
from annokit.report import Loss
from annokit.run import Run
from annokit.validate._confidences import check_confidences
from annokit.validate._findings import Example, Finding, Findings, ValidationReport
from annokit.validate._ontology import check_against, check_tools
from annokit.validate._references import References
from annokit.validate._repeats import Called, Repeats, called
from annokit.validate._shapes import check_shapes, items
from annokit.validate._targets import TARGETS, check_files, target_check
from annokit.validate._tracks import check_tracks
from annokit.workers import Workers

__all__ = ["TARGETS", "Example", "Finding", "ValidationReport", "validate"]

_BATCH = 500


def validate(
    dataset: Dataset,
    target: str | None = None,
    *,
    image_dir: str | os.PathLike[str] | None = None,
    ontology: Ontology | None = None,
    limits: Limits = DEFAULT_LIMITS,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> ValidationReport:
    """Look for faults in one pass; nothing is changed, and nothing found is raised.

    Parameters
    ----------
    target : {"yolo", "coco", "labelbox"}, optional
        Also name what the usual tools of this format would drop or refuse.
    image_dir : path, optional
        Look for the image of every row here, and compare its size. Without it, that is done with the images which a
        dataset that is a folder has beside its labels.
    ontology : Ontology, optional
        Also name what it does not have, what it has as another kind, its own tools of unknown types, and required answers that are missing.
    limits : Limits
    workers : int
        How many processes share the work, see `annokit.write`; they find the same.
    progress : callable, optional
        Called with the number of input bytes just dealt with.

    Examples
    --------
    >>> from annokit.model import Box, DataRow, Label, ObjectAnnotation
    >>> flat = ObjectAnnotation(tool_name="car", geometry=Box(x=8, y=8, width=30, height=0))
    >>> report = validate(Dataset.from_rows([DataRow(id="r1", labels=(Label(annotations=(flat,)),))]))
    >>> [(found.code, found.severity) for found in report.findings]
    [('zero-area', 'error'), ('no-size', 'warning')]
    >>> validate(Dataset.from_rows([])).findings
    []
    """
    if target:
        target_check(target)  # an unknown one is said before anything is read
    found, run = Findings(), Run(on_error="skip", limits=limits, progress=progress)
    repeats = Repeats(found, "error" if target == "coco" else "warning")
    drawn: dict[str | None, Called] = {}
    if ontology is not None:
        check_tools(found, ontology)
    with Workers(workers) as pool:
        parts = Parts(dataset, pool)
        parts.outlines()
        checks = _Checks(dataset.ontology, target, image_dir, ontology)
        for one in parts.map(checks.each, run):
            if isinstance(one, Called):
                repeats.check(one)
                drawn.setdefault(one.drawn, one)
            else:
                found.take(one)
    if target == "yolo":
        check_files(found, drawn)
    for loss in run.report.losses:
        found.take(_unread(loss))
    kinds = run.report.kinds
    annotations = sum(n["read"] for kind, n in kinds.items() if kind not in ("data_rows", "labels"))
    return ValidationReport(kinds["data_rows"]["read"], annotations, target, found.sorted())


class _Checks(NamedTuple):
    """What is asked of each row by itself."""

    classes: Ontology
    target: str | None
    image_dir: str | os.PathLike[str] | None
    ontology: Ontology | None

    def each(self, dataset: Dataset, run: Run) -> Iterator[Called | Finding]:
        """How the rows are called, and what was found in them."""
        judge = target_check(self.target) if self.target else None
        found = Findings()
        own = Photos(folders_of(dataset.paths, None))
        references = References(found, self.classes, self.image_dir, own, run.limits)
        for rows in batched(dataset.rows(run), _BATCH):
            check_shapes(found, items(rows))
            for row in rows:
                references.check(row)
                check_confidences(found, row)
                check_tracks(found, row)
                if judge is not None:
                    judge(found, row)
                if self.ontology is not None:
                    check_against(found, row, self.ontology)
                yield called(row)
        yield from found.all()


def _unread(loss: Loss) -> Finding:
    """What the reader put aside, or noted."""
    examples = [Example(detail=example) for example in loss.examples]
    severity = "error" if loss.level == "lost" else "warning"
    return Finding(loss.code, loss.kind, severity, loss.count, loss.message, examples)  # type: ignore[arg-type]  # one of two words
