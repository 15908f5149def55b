"""What a dataset holds, counted in one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import msgspec

from annokit.dataset import Dataset
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.model import Classification, DataRow, Label, MaskReference, ObjectAnnotation, Track
from annokit.passes import Parts
from annokit.report import Loss, kind_of
from annokit.run import Run
from annokit.workers import Workers

__all__ = [
    "AnnotatorCount",
    "AnswerCount",
    "ClassCount",
    "ProjectCount",
    "Summary",
    "summarise",
]


class ClassCount(msgspec.Struct, frozen=True):
    """How many annotations of a class, in one kind, on how many data rows."""

    name: str
    kind: str
    annotations: int
    data_rows: int


class AnswerCount(msgspec.Struct, frozen=True):
    """How often a question was answered in one way; None stands for free text."""

    question: str
    answer: str | None
    count: int


class AnnotatorCount(msgspec.Struct, frozen=True):
    """The labels of one annotator; None where the source does not say who."""

    annotator_id: str | None
    labels: int
    annotations: int


class ProjectCount(msgspec.Struct, frozen=True):
    """The labels of one project."""

    project_id: str | None
    project_name: str | None
    labels: int


class Summary(msgspec.Struct, frozen=True):
    """Counts of everything in a dataset.

    Attributes
    ----------
    kinds : dict
        Per kind, as in reports; key frames apart from their tracks.
    labels_per_row : dict
        How many data rows have no label, one, two, ...
    first, last : datetime or None
        When the oldest and the newest label was made.
    without_size : int
        Images and videos whose height and width are not known.
    mask_references : int
        Masks that are only a URL; `annokit masks list` says what to fetch.
    unreadable : int
        Records that could not be read, `problems` says why.
    """

    kinds: dict[str, int]
    media_types: dict[str, int]
    labels_per_row: dict[int, int]
    classes: list[ClassCount]
    answers: list[AnswerCount]
    annotators: list[AnnotatorCount]
    projects: list[ProjectCount]
    first: datetime | None
    last: datetime | None
    without_size: int
    mask_references: int
    unreadable: int
    problems: list[Loss]


def summarise(
    dataset: Dataset,
    *,
    limits: Limits = DEFAULT_LIMITS,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Summary:
    """Count kinds, classes, answers, annotators, projects and media types of a dataset.

    What cannot be read is counted, not raised.

    Parameters
    ----------
    dataset : Dataset
    limits : Limits
    workers : int
        How many processes share the work, see `annokit.write`; they count the same.
    progress : callable, optional
        Called with the number of input bytes just dealt with.

    Examples
    --------
    >>> from annokit.model import Box, DataRow, Label, ObjectAnnotation
    >>> car = ObjectAnnotation(tool_name="car", geometry=Box(x=8, y=8, width=30, height=20))
    >>> summary = summarise(Dataset.from_rows([DataRow(id="r1", labels=(Label(annotations=(car, car)),))]))
    >>> summary.kinds["object:box"], summary.classes[0].name
    (2, 'car')
    >>> summarise(Dataset.from_rows([])).kinds
    {}
    """
    run = Run(on_error="skip", limits=limits, progress=progress)
    counts = _Counts()
    with Workers(workers) as pool:
        for part in Parts(dataset, pool).map(_counted, run):
            counts.take(part)
    kinds = {kind: columns["read"] - columns["skipped"] for kind, columns in run.report.kinds.items()}
    return counts.summary(kinds, run.report.total("skipped"), run.report.losses)


def _counted(dataset: Dataset, run: Run) -> Iterator[_Counts]:
    counts = _Counts()
    for row in dataset.rows(run):
        counts.add(row)
    yield counts


class _Counts:
    """Everything that is counted, row by row."""

    def __init__(self) -> None:
        self.media_types: Counter[str] = Counter()
        self.labels_per_row: Counter[int] = Counter()
        self.classes: Counter[tuple[str, str]] = Counter()
        self.class_rows: Counter[tuple[str, str]] = Counter()
        self.answers: Counter[tuple[str, str | None]] = Counter()
        self.annotators: Counter[str | None] = Counter()
        self.annotations: Counter[str | None] = Counter()
        self.projects: Counter[tuple[str | None, str | None]] = Counter()
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.without_size = self.mask_references = 0

    def add(self, row: DataRow) -> None:
        asset = row.asset
        self.media_types[asset.media_type] += 1
        self.labels_per_row[len(row.labels)] += 1
        if asset.media_type in ("image", "video") and not (asset.width and asset.height):
            self.without_size += 1
        seen: set[tuple[str, str]] = set()
        for label in row.labels:
            self._add_label(label, seen)
        self.class_rows.update(seen)

    def _add_label(self, label: Label, seen: set[tuple[str, str]]) -> None:
        self.annotators[label.annotator_id] += 1
        self.annotations[label.annotator_id] += len(label.annotations)
        self.projects[label.project_id, label.project_name] += 1
        if label.created_at is not None:
            self._add_time(
                label.created_at if label.created_at.tzinfo else label.created_at.replace(tzinfo=UTC)
            )
        for annotation in label.annotations:
            if isinstance(annotation, Classification):
                self._add_answers(annotation)
            elif isinstance(annotation, ObjectAnnotation | Track):
                self._add_object(annotation, seen)

    def _add_time(self, made: datetime) -> None:
        self.first, self.last = min(self.first or made, made), max(self.last or made, made)

    def _add_object(self, annotation: ObjectAnnotation | Track, seen: set[tuple[str, str]]) -> None:
        key = (annotation.tool_name, kind_of(annotation))
        self.classes[key] += 1
        seen.add(key)
        if isinstance(annotation, ObjectAnnotation):
            self.mask_references += isinstance(annotation.geometry, MaskReference)
        else:
            self.mask_references += sum(isinstance(mask, MaskReference) for mask in annotation.masks)
        for question in annotation.classifications:
            self._add_answers(question)

    def _add_answers(self, question: Classification) -> None:
        if question.text is not None:
            self.answers[question.tool_name, None] += 1
        for answer in question.answers:
            self.answers[question.tool_name, answer.name] += 1
            for inner in answer.classifications:
                self._add_answers(inner)
        for inner in question.classifications:
            self._add_answers(inner)

    def take(self, part: _Counts) -> None:
        """Add what was counted in rows that came after these."""
        for name, counts in vars(part).items():
            if isinstance(counts, Counter):
                vars(self)[name].update(counts)
        self.without_size += part.without_size
        self.mask_references += part.mask_references
        for made in filter(None, (part.first, part.last)):
            self._add_time(made)

    def summary(self, kinds: dict[str, int], unreadable: int, problems: list[Loss]) -> Summary:
        """All of it, the frequent first."""
        return Summary(
            kinds={kind: n for kind, n in kinds.items() if n},
            media_types=dict(self.media_types.most_common()),
            labels_per_row=dict(sorted(self.labels_per_row.items())),
            classes=[ClassCount(*key, n, self.class_rows[key]) for key, n in self.classes.most_common()],
            answers=[AnswerCount(*key, n) for key, n in self.answers.most_common()],
            annotators=[
                AnnotatorCount(who, n, self.annotations[who]) for who, n in self.annotators.most_common()
            ],
            projects=[ProjectCount(*key, n) for key, n in self.projects.most_common()],
            first=self.first,
            last=self.last,
            without_size=self.without_size,
            mask_references=self.mask_references,
            unreadable=unreadable,
            problems=problems,
        )
