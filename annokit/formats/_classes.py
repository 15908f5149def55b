"""Which class an annotation belongs to, as a dense index in the ontology's order."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from annokit.errors import AccountingError, UsageError
from annokit.model import ObjectAnnotation, Ontology, Tool, Track
from annokit.report import Report

__all__ = ["Classes"]


class Classes:
    """The object classes of a dataset, numbered 0 to n - 1 in a stable order.

    An annotation belongs to the tool with its id, if that has its name too, else to the first tool
    with its name. A class the ontology lacks is appended when it first occurs.

    Parameters
    ----------
    ontology : Ontology
        Its tools, in order.
    merge_names : bool
        Whether tools of one name are one class (YOLO) or stay apart (COCO).

    Examples
    --------
    >>> classes = Classes(Ontology(tools=(Tool(name="car"), Tool(name="person"))))
    >>> classes.names
    ['car', 'person']
    """

    def __init__(self, ontology: Ontology, *, merge_names: bool = True) -> None:
        self.tools: list[Tool] = []
        self._by_name: dict[str, int] = {}
        self._known: dict[tuple[str | None, str], int] = {}
        self._given = len(ontology.tools)
        for tool in ontology.tools:
            index = self._by_name.get(tool.name) if merge_names else None
            self._known.setdefault((tool.id, tool.name), self._append(tool) if index is None else index)
        self._distinct = len(self.tools)

    def _append(self, tool: Tool) -> int:
        self.tools.append(tool)
        index = len(self.tools) - 1
        self._by_name.setdefault(tool.name, index)
        return index

    @property
    def names(self) -> list[str]:
        """The class names by index."""
        return [tool.name for tool in self.tools]

    def index(self, annotation: ObjectAnnotation | Track) -> int:
        """The class index of an object or a track."""
        key = annotation.tool_id, annotation.tool_name
        found = self._known.get(key)
        if found is None:
            found = self._by_name.get(annotation.tool_name)
            if found is None:
                found = self._append(Tool(name=annotation.tool_name, id=annotation.tool_id))
            self._known[key] = found
        return found

    def indices(self, annotations: Sequence[ObjectAnnotation]) -> list[int]:
        """The class index of each of many objects."""
        known = self._known
        return [
            known[key] if (key := (one.tool_id, one.tool_name)) in known else self.index(one)
            for one in annotations
        ]

    @property
    def found_later(self) -> tuple[Tool, ...]:
        """The classes that the ontology lacks and that occurred."""
        return tuple(self.tools[self._distinct :])

    def add_found(self, tools: Sequence[Tool]) -> None:
        """Take in what another instance `found_later`, under the same numbers.

        Raises
        ------
        AccountingError
            Two of several that number the parts of a dataset found some: their numbers may differ.
        """
        if tools and self.found_later:
            raise AccountingError(f"the class {tools[0].name!r} is not in the dataset's ontology")
        for tool in tools:
            self._append(tool)

    def require_all(self, ids: Mapping[str, int]) -> None:
        """Raise UsageError unless `ids` numbers every class, each with a number of its own."""
        missing = [name for name in self.names if name not in ids]
        if missing:
            raise UsageError(f"expected an id for every class, got none for {missing[0]!r}")
        if len({ids[name] for name in self.names}) < len(set(self.names)):
            raise UsageError("expected a different id for every class, got one twice")

    def account_used(self, report: Report, used: Container[str], why: str) -> None:
        """`account` for a format without a list of classes: those that are not used are noted, and not written."""
        self.account_but(report, [name for name in self.names if name not in used], why)

    def account_but(self, report: Report, unused: Sequence[str], why: str) -> None:
        """`account`, but for those of these names, which are noted and not written."""
        report.count("unsupported", "categories", len(unused))
        for name in unused:
            report.note("class-unused", "categories", why, example=name)
        self.account(report, left_out=len(unused))

    def account(self, report: Report, left_out: int = 0) -> None:
        """Count the classes of the ontology as written but for those left out, or merged where they share a name."""
        report.count("read", "categories", len(self.found_later))
        report.count("written", "categories", len(self.tools) - left_out)
        report.count("merged", "categories", self._given - self._distinct)
