"""The account of a run: for each kind, what came in is what was written plus what the report names."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from annokit._version import __version__
from annokit.errors import AccountingError, LossyConversion, number_of
from annokit.model import Annotation, Classification, DataRow, Label, ObjectAnnotation, Relationship, Track

__all__ = ["COLUMNS", "Census", "Column", "Loss", "Report", "census", "kind_of", "kinds_of", "named_label"]

Column: TypeAlias = Literal[
    "read", "made", "written", "merged", "unsupported", "quarantined", "skipped", "superseded", "derived"
]
COLUMNS: tuple[Column, ...] = (
    "read",
    "made",
    "written",
    "merged",
    "unsupported",
    "quarantined",
    "skipped",
    "superseded",
    "derived",
)
_SPENT: tuple[Column, ...] = ("written", "merged", "unsupported", "quarantined", "skipped", "superseded")
_EXAMPLES = 5
_OTHERS = ", and the like"
"""Said where one count stands for several messages, of which the first is shown."""

Census: TypeAlias = Counter[str]
"""How many of each kind something holds."""


def kind_of(annotation: Annotation) -> str:
    """The kind an annotation is accounted under: `object:box`, `classifications`, ...

    >>> from annokit.model import Box, ObjectAnnotation
    >>> kind_of(ObjectAnnotation(tool_name="car", geometry=Box(x=0, y=0, width=1, height=1)))
    'object:box'
    """
    if type(annotation) is ObjectAnnotation:
        return _OBJECT_KINDS[type(annotation.geometry)]
    return _KINDS[type(annotation)]


def kinds_of(objects: Sequence[ObjectAnnotation]) -> list[str]:
    """`kind_of` each of many objects."""
    return [_OBJECT_KINDS[type(one.geometry)] for one in objects]


_KINDS: dict[type, str] = {
    Classification: "classifications",
    Relationship: "relationships",
    Track: "tracks",
}


class _ObjectKinds(dict[type, str]):
    def __missing__(self, shape: type) -> str:
        self[shape] = f"object:{shape.__struct_config__.tag}"  # type: ignore[attr-defined]  # a Shape
        return self[shape]


_OBJECT_KINDS = _ObjectKinds()


def census(what: DataRow | Label | Annotation, into: Census | None = None) -> Census:
    """Count everything in a data row, a label or an annotation, itself included; `into` counts on.

    Nested classifications count one each, key frames of tracks apart from their tracks.
    """
    counts: Census = Counter() if into is None else into
    _count(what, counts)
    return counts


def _count(what: DataRow | Label | Annotation, counts: Census) -> None:
    if type(what) is ObjectAnnotation:
        counts[_OBJECT_KINDS[type(what.geometry)]] += 1
        if what.classifications:
            _count_questions(what.classifications, counts)
    elif type(what) is Classification:
        _count_question(what, counts)
    elif isinstance(what, DataRow):
        counts["data_rows"] += 1
        counts["labels"] += len(what.labels)
        for label in what.labels:
            _count_annotations(label.annotations, counts)
    elif isinstance(what, Label):
        counts["labels"] += 1
        _count_annotations(what.annotations, counts)
    elif isinstance(what, Track):
        counts["tracks"] += 1
        counts["keyframes"] += int(what.is_keyframe.sum())
        _count_questions(what.classifications, counts)
    elif isinstance(what, Relationship):
        counts["relationships"] += 1
    else:
        raise TypeError(f"expected an annotation, got {type(what).__name__}")


def _count_annotations(annotations: Sequence[Annotation], counts: Census) -> None:
    for annotation in annotations:
        if type(annotation) is ObjectAnnotation and not annotation.classifications:  # what most are
            counts[_OBJECT_KINDS[type(annotation.geometry)]] += 1
        else:
            _count(annotation, counts)


def _count_questions(classifications: Iterable[Classification], counts: Census) -> None:
    for question in classifications:
        _count_question(question, counts)


def _count_question(question: Classification, counts: Census) -> None:
    counts["classifications"] += 1
    if question.classifications:
        _count_questions(question.classifications, counts)
    for answer in question.answers:
        if answer.classifications:
            _count_questions(answer.classifications, counts)


def named_label(row: DataRow, label: Label) -> str:
    """A label, for examples: by the name of its data row, and its own id if it has one."""
    return row.name if label.id is None else f"{row.name} label {label.id}"


class Loss(msgspec.Struct):
    """One named reason, how often it struck, and a few examples.

    `level` is `lost` for what is not in the output; `changed` for what is there, but not all of it; and
    `note` for what was decided or put another way, which `strict` accepts.
    """

    code: str
    kind: str
    count: int
    message: str
    examples: list[str]
    level: Literal["lost", "changed", "note"]

    @property
    def lossy(self) -> bool:
        """Whether `strict` refuses it."""
        return self.level != "note"


class _Saved(msgspec.Struct):
    """A report as it stands in its file."""

    source: str
    target: str
    kinds: dict[str, dict[str, int]]
    losses: list[Loss]


class Report:
    """Counts by kind and column, and the losses by name.

    For every kind ``read + made = written + merged + unsupported + quarantined + skipped + superseded``.
    `made` counts what a step made of things it merged (the objects in each frame, of a track); `derived`
    what a writer added that nobody drew (the rectangle of a box, say), which stands apart.

    Examples
    --------
    >>> report = Report(source="a.ndjson", target="out.json")
    >>> report.count("read", "object:line", 2)
    >>> report.count("written", "object:line")
    >>> report.lose("no-place", "object:line", "COCO has no lines", example="r1")
    >>> report.check()
    >>> report.total("unsupported")
    1
    """

    def __init__(self, source: str = "", target: str = "") -> None:
        self.source, self.target = source, target
        self.kinds: defaultdict[str, Counter[Column]] = defaultdict(Counter)
        self._losses: dict[tuple[str, str, str], Loss] = {}

    def count(self, column: Column, kind: str, n: int = 1) -> None:
        """Add `n` to a cell of the account."""
        self.kinds[kind][column] += n

    def count_all(self, column: Column, counts: Mapping[str, int]) -> None:
        """Add a whole census to one column."""
        for kind, n in counts.items():
            self.count(column, kind, n)

    def lose(
        self,
        code: str,
        kind: str,
        message: str,
        *,
        example: object = None,
        n: int = 1,
        column: Column = "unsupported",
    ) -> None:
        """Account `n` of a kind to a column under a named reason."""
        self.count(column, kind, n)
        self._name(code, kind, message, example, n, "lost")

    def lose_each(self, code: str, kind: str, message: str, examples: Sequence[object]) -> None:
        """`lose` for several of a kind, each of which is an example.

        >>> report = Report()
        >>> report.lose_each("no-place", "object:line", "COCO has no lines", ["r1", "r1", "r2"])
        >>> report.total("unsupported"), report.losses[0].examples
        (3, ['r1', 'r1', 'r2'])
        """
        self.count("unsupported", kind, len(examples))
        self._name_each(code, kind, message, examples, "lost")

    def lose_all(self, code: str, counts: Mapping[str, int], message: str, *, example: object = None) -> None:
        """`lose` for every kind of a census."""
        for kind, n in counts.items():
            if n:
                self.lose(code, kind, message, example=example, n=n)

    def note(
        self, code: str, kind: str, message: str, *, example: object = None, n: int = 1, lossy: bool = False
    ) -> None:
        """Name something that happened, without touching the counts; `lossy` if `strict` should refuse it."""
        self._name(code, kind, message, example, n, "changed" if lossy else "note")

    def note_each(self, code: str, kind: str, message: str, examples: Sequence[object]) -> None:
        """`note` for several of a kind, each of which is an example.

        >>> report = Report()
        >>> report.note_each("put-otherwise", "object:line", "as a polygon", ["r1", "r1"])
        >>> report.losses[0].count, report.losses[0].examples
        (2, ['r1', 'r1'])
        """
        self._name_each(code, kind, message, examples, "note")

    def _name(
        self,
        code: str,
        kind: str,
        message: str,
        example: object,
        n: int,
        level: Literal["lost", "changed", "note"],
    ) -> None:
        loss = self._named(code, kind, message, level)
        loss.count += n
        if example is not None and len(loss.examples) < _EXAMPLES:
            loss.examples.append(str(example))

    def _name_each(
        self, code: str, kind: str, message: str, examples: Sequence[object], level: Literal["lost", "note"]
    ) -> None:
        loss = self._named(code, kind, message, level)
        loss.count += len(examples)
        loss.examples += map(str, examples[: _EXAMPLES - len(loss.examples)])

    def _named(self, code: str, kind: str, message: str, level: Literal["lost", "changed", "note"]) -> Loss:
        loss = self._losses.get((code, kind, level))
        if loss is None:
            loss = self._losses[code, kind, level] = Loss(code, kind, 0, message, [], level)
        elif message != loss.message.removesuffix(_OTHERS):
            loss.message = loss.message.removesuffix(_OTHERS) + _OTHERS
        return loss

    def add(self, part: Report) -> None:
        """Take in the account of a part that came after what is here already.

        >>> whole, part = Report(), Report()
        >>> part.lose("no-place", "object:line", "COCO has no lines", example="r1")
        >>> whole.add(part)
        >>> whole.add(part)
        >>> whole.losses[0].count, whole.losses[0].examples
        (2, ['r1', 'r1'])
        """
        for kind, row in part.kinds.items():
            self.kinds[kind].update(row)
        for loss in part.losses:
            mine = self._named(loss.code, loss.kind, loss.message, loss.level)
            mine.count += loss.count
            mine.examples += loss.examples[: _EXAMPLES - len(mine.examples)]

    def forget(self, kind: str) -> None:
        """Leave a kind out of the account."""
        self.kinds.pop(kind, None)
        self._losses = {key: loss for key, loss in self._losses.items() if loss.kind != kind}

    @property
    def losses(self) -> list[Loss]:
        """All losses and notes, in the order they first struck."""
        return list(self._losses.values())

    def total(self, column: Column, prefix: str = "") -> int:
        """The sum of a column over the kinds that start with `prefix`."""
        return sum(row[column] for kind, row in self.kinds.items() if kind.startswith(prefix))

    def check(self) -> None:
        """Raise AccountingError unless every kind adds up."""
        for kind, row in self.kinds.items():
            spent = sum(row[column] for column in _SPENT)
            if row["read"] + row["made"] != spent:
                parts = " + ".join(f"{row[column]} {column}" for column in _SPENT if row[column])
                made = f" and {row['made']} made" if row["made"] else ""
                raise AccountingError(
                    f"{kind}: {row['read']} read{made}, but {parts or 'nothing accounted'}",
                    hint="a bug in annokit: nothing was written; please report it with this line",
                )

    def check_strict(self) -> None:
        """Raise LossyConversion when anything was lost."""
        lost = [loss for loss in self.losses if loss.lossy]
        if lost:
            first = lost[0]
            named = ", ".join(f"{loss.count} {loss.kind} {loss.code}" for loss in lost[:8])
            raise LossyConversion(
                f"{len(lost)} kind{'s' * (len(lost) > 1)} of loss: {named}; first: {first.message}",
                hint="nothing was written; run without strict to accept and count the losses",
            )

    def to_dict(self) -> dict[str, Any]:
        """The account as the plain values of ``*.report.json``."""
        return {
            "annokit": __version__,
            "source": self.source,
            "target": self.target,
            "kinds": {
                kind: {column: self.kinds[kind][column] for column in COLUMNS} for kind in sorted(self.kinds)
            },
            "losses": [msgspec.structs.asdict(loss) for loss in self.losses],
        }

    @classmethod
    def from_json(cls, text: bytes | str) -> Report:
        """The account that `to_json` wrote.

        >>> Report.from_json(Report("a", "b").to_json()).target
        'b'
        """
        saved = msgspec.json.decode(text, type=_Saved)
        made = cls(saved.source, saved.target)
        for kind, row in saved.kinds.items():
            made.kinds[kind].update({column: row.get(column, 0) for column in COLUMNS})
        made._losses = {(loss.code, loss.kind, loss.level): loss for loss in saved.losses}
        return made

    def to_json(self) -> str:
        """`to_dict` as indented JSON."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n"

    def __repr__(self) -> str:
        counts: Counter[str] = Counter()
        for loss in self.losses:
            counts[loss.level] += loss.count
        levels = [f", {counts[name]} {name}" for name in ("lost", "changed") if counts[name]]
        notes = [f", {number_of(counts['note'], 'note')}"] * (counts["note"] > 0)
        return "".join(
            [f"<Report {self.total('read')} read, {self.total('written')} written", *levels, *notes, ">"]
        )
