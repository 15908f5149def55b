"""A dataset: an ontology and data rows that can be read again and again, never a list by obligation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec.structs import replace

from annokit.errors import UsageError, shown
from annokit.io.limits import DEFAULT_LIMITS
from annokit.model import Answer, Classification, DataRow, ObjectAnnotation, Ontology, Option, Tool, Track
from annokit.report import Census, census
from annokit.run import OnError, Run

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "Dataset",
    "OntologyBuilder",
    "Outline",
    "Parted",
    "RowKey",
    "chained",
    "joined",
    "merged",
    "signed",
]


class RowKey(msgspec.Struct, frozen=True, gc=False):
    """How a data row is called: its file name and, since names repeat, its id."""

    name: str
    id: str


class Outline(msgspec.Struct, frozen=True):
    """What a first, cheap pass finds out: all classes in a stable order, and the names of all rows.

    `sources` has the names of each source by itself, where there are several.
    """

    ontology: Ontology
    keys: Sequence[RowKey]
    sources: Sequence[Sequence[RowKey]] = ()


def joined(outlines: Iterable[Outline]) -> Outline:
    """The outline of what consists of parts, as a pass over the whole would find it.

    >>> found = Outline(Ontology(tools=(Tool(name="car", kind="box"),)), [RowKey("a.jpg", "r1")])
    >>> joined([found, found]).ontology == found.ontology
    True
    """
    found = list(outlines)
    keys = [key for outline in found for key in outline.keys]
    if all(outline.ontology == found[0].ontology for outline in found):  # what the source declares, in full
        return Outline(found[0].ontology if found else Ontology(), keys)
    builder = OntologyBuilder()
    for outline in found:
        builder.add_ontology(outline.ontology)
    return Outline(builder.build(), keys)


def merged(outlines: Sequence[Outline]) -> Outline:
    """The outline of several datasets one after the other; classes of one name become one class."""
    tools: dict[str, Tool] = {}
    questions: dict[str, Tool] = {}
    keys: list[RowKey] = []
    sources: list[Sequence[RowKey]] = []
    for outline in outlines:
        sources += outline.sources or [outline.keys]
        for tool in outline.ontology.tools:
            tools.setdefault(tool.name, tool)
        for question in outline.ontology.classifications:
            questions.setdefault(question.name, question)
        keys.extend(outline.keys)
    ontology = Ontology(tools=tuple(tools.values()), classifications=tuple(questions.values()))
    return Outline(ontology, keys, sources if len(sources) > 1 else ())


class Dataset:
    """Data rows with their labels, and the classes they use.

    Iterating reads the source from the start each time, so a dataset may be larger than memory;
    ``list(dataset)`` keeps it all.

    Parameters
    ----------
    rows : callable
        Given a `Run`, yields the data rows and rejects what cannot be read through it.
    outline : callable, optional
        The first pass, where a format has a quicker one than reading everything.
    on_error : {"raise", "skip", "quarantine"}
        What plain iteration does with a bad record.
    source : str
        Where the rows come from, for reports.
    size : int
        Bytes of input, for progress bars; 0 when unknown.

    Examples
    --------
    >>> from annokit.model import DataRow
    >>> dataset = Dataset.from_rows([DataRow(id="r1")])
    >>> [row.id for row in dataset]
    ['r1']
    >>> list(Dataset.from_rows([]))
    []
    """

    def __init__(
        self,
        rows: Callable[[Run], Iterable[DataRow]],
        *,
        outline: Callable[[], Outline] | None = None,
        on_error: OnError = "raise",
        source: str = "",
        size: int = 0,
    ) -> None:
        self._rows = rows
        self._make_outline = outline or self._read_outline
        self._outline: Outline | None = None
        self.on_error = on_error
        self.limits = DEFAULT_LIMITS
        self.source = source
        self.size = size
        self.paths: tuple[Path, ...] = ()
        self.parts: Sequence[Parted] = ()
        """What it is read from; an unpacked archive goes away with its source."""
        self.part_outlines: list[Outline] = []
        """Of the parts in which a pass goes through it, once they are found."""
        self.is_checked = False
        """Whether a reader made its rows, or `from_rows` looked at them; others are looked at on the way."""

    @classmethod
    def from_rows(cls, rows: Iterable[DataRow], ontology: Ontology | None = None) -> Dataset:
        """A dataset of rows in memory; without an ontology the classes are those that occur.

        Raises
        ------
        UsageError
            A field holds another type than its own; numpy's scalars become plain numbers and texts.
        """
        from annokit.checked import checked_rows, writable

        if isinstance(rows, DataRow) or not isinstance(rows, Iterable):
            got = "one data row" if isinstance(rows, DataRow) else shown(rows)
            raise UsageError(f"expected a dataset or a list of data rows, got {got}")
        return cls._of_rows(list(checked_rows(rows)), None if ontology is None else writable(ontology))

    @classmethod
    def _of_rows(cls, rows: Sequence[DataRow], ontology: Ontology | None) -> Dataset:
        made = cls(lambda _run: rows, source="<memory>")
        made.is_checked = True
        if ontology is not None:
            given = ontology
            made._make_outline = lambda: Outline(given, _keys(rows))
        return made

    @classmethod
    def from_arrays(
        cls,
        names: str | PurePath | Sequence[str | PurePath],
        sizes: Any = None,
        *,
        classes: Sequence[str] | Mapping[int, str],
        class_ids: Any,
        boxes_xyxy: Any = None,
        masks: Any = None,
        scores: Any = None,
    ) -> Dataset:
        """A dataset of what a model found, in one image or in several.

        Parameters
        ----------
        names : str or path, or sequence of these
            The image's file name; or one name for each image, and then each of the following but
            `classes` holds one entry for each image, too.
        sizes : (int, int), optional
            Height and width of the image; not needed where there are masks.
        classes : sequence of str, or mapping of int to str
            The class names by index.
        class_ids : (n,) integers
            The class of each object.
        boxes_xyxy : (n, 4) numbers, optional
            Left, top, right, bottom in pixels, the far edge exclusive.
        masks : (n, h, w) bool or integers, optional
            Where each object is. With boxes as well, these stand beside the masks as stated.
        scores : (n,) numbers, optional
            The confidence of each object; NaN for none.

        Raises
        ------
        UsageError
            Arrays that do not fit each other, or classes that are not there.
        GeometryError
            Boxes that are none.

        Examples
        --------
        >>> found = Dataset.from_arrays(
        ...     "a.jpg", (80, 100), classes=["car"], class_ids=[0], boxes_xyxy=[[10, 20, 40, 60]], scores=[0.9]
        ... )
        >>> [(one.tool_name, one.confidence) for row in found for one in row.labels[0].objects]
        [('car', 0.9)]

        Detections of supervision:
        ``Dataset.from_arrays(path, image.shape[:2], classes=names, class_ids=found.class_id,
        boxes_xyxy=found.xyxy, masks=found.mask, scores=found.confidence)``
        """
        from annokit.geometry.arrays import class_names, row_from_arrays

        tools = class_names(classes)

        given = {
            "sizes": sizes,
            "class_ids": class_ids,
            "boxes_xyxy": boxes_xyxy,
            "masks": masks,
            "scores": scores,
        }
        if isinstance(names, str | PurePath):
            names, given = [names], {key: None if one is None else [one] for key, one in given.items()}
        for what, column in given.items():
            length = len(column) if hasattr(column, "__len__") else shown(column)
            if column is not None and length != len(names):
                raise UsageError(f"expected {what} for each of {len(names)} images, got {length}")
        columns = [[None] * len(names) if column is None else list(column) for column in given.values()]
        rows = [
            row_from_arrays(name, size, tools, *arrays)
            for name, size, *arrays in zip(names, *columns, strict=True)
        ]
        kind = "box" if masks is None else "mask"
        return cls._of_rows(rows, Ontology(tools=tuple(Tool(name=name, kind=kind) for name in tools)))

    def _checked_rows(self, run: Run) -> Iterable[DataRow]:
        if self.is_checked:
            return self._rows(run)
        from annokit.checked import checked_rows

        return checked_rows(self._rows(run))

    def __iter__(self) -> Iterator[DataRow]:
        return self.rows(Run(on_error=self.on_error, limits=self.limits))

    def rows(self, run: Run) -> Iterator[DataRow]:
        """The data rows, counted as read in the report of `run` when the loop over them ends."""
        read: Census = Counter()
        try:
            for row in self._checked_rows(run):
                census(row, read)
                yield row
            run.finished = True
        finally:
            run.report.count_all("read", read)

    def through(
        self,
        step: Callable[[Iterator[DataRow], Run], Iterator[DataRow]],
        outline: Callable[[Outline], Outline] | None = None,
    ) -> Dataset:
        """This dataset with every pass led through `step`, which accounts what it takes away."""
        return _Derived(self, step, outline)

    def set_outline(self, outline: Callable[[], Outline]) -> None:
        """Say what the first pass would find out: of a part, the outline of the whole."""
        self._make_outline, self._outline = outline, None

    @property
    def outline(self) -> Outline:
        """Classes and names, found once and kept."""
        if self._outline is None:
            self._outline = self._make_outline()
        return self._outline

    @property
    def ontology(self) -> Ontology:
        """All classes, in the source's order, else in order of first appearance."""
        return self.outline.ontology

    def to_arrow(self, table: str = "annotations") -> pa.Table:
        """A table of everything by its name, one of `annokit.tables.NAMED`.

        `data_rows`, `labels`, `annotations` (objects and tracks), `classifications` and `relationships` have a row
        each; `nested` one for each data row, with the others in it; `silver`, `bronze` and `flat` one for each label.

        >>> Dataset.from_rows([]).to_arrow("silver").num_rows
        0
        """
        import pyarrow as pa

        from annokit import tables

        ontology = self.ontology if table == "silver" else None
        schema = tables.named_schema(table, ontology)
        return pa.Table.from_batches(
            tables.named_batches(self, table, ontology=ontology, limits=self.limits), schema
        )

    def _read_outline(self) -> Outline:
        builder, keys = OntologyBuilder(), []
        for row in self._checked_rows(Run(on_error="skip", limits=self.limits)):
            keys.append(RowKey(row.name, row.id))
            builder.add_row(row)
        return Outline(builder.build(), keys)

    def __repr__(self) -> str:
        return f"<Dataset {self.source}>"


class _Derived(Dataset):
    """A dataset behind a step; reading is accounted where the rows come from."""

    def __init__(
        self,
        parent: Dataset,
        step: Callable[[Iterator[DataRow], Run], Iterator[DataRow]],
        outline: Callable[[Outline], Outline] | None,
    ) -> None:
        super().__init__(
            lambda run: step(parent.rows(run), run),
            outline=lambda: outline(parent.outline) if outline else parent.outline,
            on_error=parent.on_error,
            source=parent.source,
            size=parent.size,
        )
        self.paths, self.limits = parent.paths, parent.limits

    def rows(self, run: Run) -> Iterator[DataRow]:
        yield from self._rows(run)


def signed(row: DataRow) -> DataRow:
    """The row; a label of it that nobody signed is by its file, as each file is somebody's."""
    if len(row.labels) == 1:
        (label,) = row.labels
        if label.annotator_id is None and label.id is None and label.origin != "model":
            return replace(row, labels=(replace(label, annotator_id=row.source),))
    return row


def chained(parts: Sequence[Dataset]) -> Dataset:
    """Several datasets one after the other; classes of one name become one class."""

    def rows(run: Run) -> Iterator[DataRow]:
        for part in parts:
            yield from part._rows(run)

    made = Dataset(
        rows,
        outline=lambda: merged([part.outline for part in parts]),
        source=", ".join(part.source for part in parts),
        size=sum(part.size for part in parts),
    )
    made.is_checked = all(part.is_checked for part in parts)
    return made


class Parted(Protocol):
    """A source of data rows, or a part of one, that can be sent to another process; see `annokit.reading.Part`."""

    def dataset(self, outline: Callable[[], Outline] | None = None) -> Dataset:
        """Its data rows."""
        ...

    def cut(self, size: int, *, numbered: bool = True) -> Sequence[Parted]:
        """Parts of about so many bytes, which one after the other are the whole."""
        ...


class OntologyBuilder:
    """Collects the classes that occur, in order of first appearance.

    Annotations of one tool id, or of one name where there are no ids, are one class.
    """

    def __init__(self) -> None:
        self._tools: dict[tuple[str | None, str], _Seen] = {}
        self._questions: dict[tuple[str | None, str], _Seen] = {}

    def add_row(self, row: DataRow) -> None:
        """Take in every class of a row."""
        for label in row.labels:
            for annotation in label.annotations:
                if isinstance(annotation, ObjectAnnotation):
                    if (
                        not annotation.classifications
                        and (annotation.tool_id, annotation.tool_name) in self._tools
                    ):
                        continue  # as most are
                    self.add_tool(
                        annotation.tool_name, annotation.tool_id, annotation.geometry.kind, annotation.value
                    ).ask(annotation.classifications)
                elif isinstance(annotation, Track):
                    self.add_tool(
                        annotation.tool_name, annotation.tool_id, annotation.kind, annotation.value
                    ).ask(annotation.classifications)
                elif isinstance(annotation, Classification):
                    _see_question(self._questions, annotation)

    def add_tool(self, name: str, id: str | None, kind: str | None, value: str | None) -> _Seen:
        """Take in one object class."""
        return _see(self._tools, name, id, kind, value)

    def add_classification(self, classification: Classification) -> None:
        """Take in one question about a whole data row, with its answers."""
        _see_question(self._questions, classification)

    def add_ontology(self, ontology: Ontology) -> None:
        """Take in the classes of a part that was collected elsewhere."""
        for tool in ontology.tools:
            seen = self.add_tool(tool.name, tool.id, tool.kind, tool.value)
            for question in tool.classifications:
                _see_tool(seen.questions, question)
        for question in ontology.classifications:
            _see_tool(self._questions, question)

    def build(self) -> Ontology:
        """The ontology so far."""
        return Ontology(
            tools=tuple(seen.tool() for seen in self._tools.values()),
            classifications=tuple(seen.tool() for seen in self._questions.values()),
        )


class _Seen:
    """One tool or question while it is being collected."""

    __slots__ = ("id", "kind", "name", "options", "questions", "value")

    def __init__(self, name: str, id: str | None, kind: str | None, value: str | None) -> None:
        self.name, self.id, self.kind, self.value = name, id, kind, value
        self.options: dict[tuple[str | None, str], tuple[Answer, dict[Any, _Seen]]] = {}
        self.questions: dict[tuple[str | None, str], _Seen] = {}

    def ask(self, classifications: Iterable[Classification]) -> None:
        for question in classifications:
            _see_question(self.questions, question)

    def tool(self) -> Tool:
        return Tool(
            name=self.name,
            kind=self.kind,
            id=self.id,
            value=self.value,
            options=tuple(
                Option(
                    name=answer.name,
                    id=answer.option_id,
                    value=answer.value,
                    classifications=tuple(seen.tool() for seen in nested.values()),
                )
                for answer, nested in self.options.values()
            ),
            classifications=tuple(seen.tool() for seen in self.questions.values()),
        )


def _see(
    into: dict[tuple[str | None, str], _Seen], name: str, id: str | None, kind: str | None, value: str | None
) -> _Seen:
    seen = into.get((id, name))
    if seen is None:
        seen = into[id, name] = _Seen(name, id, kind, value)
    return seen


def _see_question(into: dict[tuple[str | None, str], _Seen], question: Classification) -> None:
    seen = _see(into, question.tool_name, question.tool_id, question.kind, question.value)
    seen.ask(question.classifications)
    for answer in question.answers:
        _, nested = seen.options.setdefault((answer.option_id, answer.name), (answer, {}))
        for follow_up in answer.classifications:
            _see_question(nested, follow_up)


def _see_tool(into: dict[tuple[str | None, str], _Seen], tool: Tool) -> None:
    """What `_see_question` does, for a question that was collected already."""
    seen = _see(into, tool.name, tool.id, tool.kind, tool.value)
    for question in tool.classifications:
        _see_tool(seen.questions, question)
    for option in tool.options:
        answer = Answer(name=option.name, option_id=option.id, value=option.value)
        _, nested = seen.options.setdefault((option.id, option.name), (answer, {}))
        for follow_up in option.classifications:
            _see_tool(nested, follow_up)


def _keys(rows: Iterable[DataRow]) -> list[RowKey]:
    return [RowKey(row.name, row.id) for row in rows]
