"""Which labels, which classes, which split: steps a dataset is led through, each accounted."""

from __future__ import annotations

import bisect
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter

import msgspec
from msgspec.structs import replace

from annokit.dataset import Dataset, Outline, signed
from annokit.errors import UsageError
from annokit.model import (
    Annotation,
    DataRow,
    Label,
    ObjectAnnotation,
    Ontology,
    Relationship,
    Tool,
    Track,
)
from annokit.report import Report, census, named_label
from annokit.run import Run

__all__ = [
    "assign_splits",
    "choose_labels",
    "note_details",
    "parse_split",
    "rename_classes",
    "select_classes",
]

_SHOWN = 20
_RESERVED = {"names", "path", "nc", "download"}  # keys that a YOLO data.yaml has for other things
_Choice = Callable[[Sequence[Label]], Sequence[int]]
"""Given the labels of a row, the places of those to take."""


def choose_labels(dataset: Dataset, policy: str | None) -> Dataset:
    """One label for each data row, or those a policy names; the others are counted as superseded.

    Parameters
    ----------
    policy : str or None
        `all`; `newest`; `benchmark`; `annotator:ID`, of several files also `annotator:FILE` for the labels in it that
        nobody signed, see `annokit.consensus.joined`; `merge`, which makes one consensus label of them
        (`annokit.consensus.merge`). None takes the label the platform selected or calls its benchmark,
        else the newest, and changes nothing where there is one label only.
    """
    if policy == "merge":
        from annokit.consensus import merge

        return merge(dataset)
    if policy is not None and policy.startswith("annotator:"):
        dataset = _signed(dataset)
    choice = _choice(policy)
    demanding = policy is not None and policy not in ("all", "newest")

    def step(rows: Iterator[DataRow], run: Run) -> Iterator[DataRow]:
        found, annotators = False, dict[str, None]()
        for row in rows:
            chosen = choice(row.labels)
            found = found or bool(chosen)
            if demanding and not found and len(annotators) < _SHOWN:
                annotators.update((label.annotator_id or "", None) for label in row.labels)
            if len(chosen) < len(row.labels):
                _supersede(row, chosen, run.report)
            if demanding and not chosen:
                why = f"the data row has no label for {policy!r}"
                run.report.lose("no-such-label", "data_rows", why, example=row.name)
            elif len(chosen) < len(row.labels):
                yield replace(row, labels=tuple(row.labels[place] for place in chosen))
            else:
                yield row
        if annotators and not found:
            known = ", ".join(filter(None, annotators))
            hint = f"annotators: {known}" if known else "no label of the source says who its annotator is"
            raise UsageError(f"no data row has a label for {policy!r}", hint=hint)

    return dataset.through(step)


def _signed(dataset: Dataset) -> Dataset:
    """The dataset with what nobody signed by its file, where there are several: so agreement calls its annotators."""

    def step(rows: Iterator[DataRow], _run: Run) -> Iterator[DataRow]:
        return map(signed, rows) if dataset.outline.sources else rows

    return dataset.through(step)


def _choice(policy: str | None) -> _Choice:
    if policy is None:
        return _default
    if policy == "all":
        return lambda labels: range(len(labels))
    if policy == "newest":
        return _newest
    if policy == "benchmark":
        return lambda labels: _places(labels, lambda label: label.is_benchmark)[:1]
    if policy.startswith("annotator:"):
        who = policy.removeprefix("annotator:")
        return lambda labels: _places(labels, lambda label: label.annotator_id == who)
    raise UsageError(
        f"expected a label policy, got {policy!r}", hint="all, newest, benchmark, annotator:ID or merge"
    )


def _places(labels: Sequence[Label], fits: Callable[[Label], bool]) -> list[int]:
    return [place for place, label in enumerate(labels) if fits(label)]


def _default(labels: Sequence[Label]) -> Sequence[int]:
    if len(labels) < 2:
        return range(len(labels))
    selected = _places(labels, lambda label: label.is_selected)
    benchmark = _places(labels, lambda label: label.is_benchmark)
    return (selected or benchmark)[:1] or _newest(labels)


def _newest(labels: Sequence[Label]) -> list[int]:
    """The label changed last; of equals, the one that stands last.

    A skipped label only if all are; what a model predicted only if nobody labelled the row.
    """
    done: Sequence[int] = _places(labels, lambda label: not label.skipped) or range(len(labels))
    done = [place for place in done if labels[place].origin != "model"] or done
    return [max(done, key=lambda place: (labels[place].changed_at, place))] if labels else []


def _supersede(row: DataRow, chosen: Sequence[int], report: Report) -> None:
    for place, label in enumerate(row.labels):
        if place not in chosen:
            report.count_all("superseded", census(label))
            report.note(
                "superseded-label",
                "labels",
                "it is not the label asked for (--labels all keeps every one)",
                example=named_label(row, label),
            )


_details = attrgetter(
    *("annotator_id", "started_at", "created_at", "updated_at", "seconds_to_create", "seconds_to_review"),
    *("status", "consensus_score", "benchmark_score", "has_open_issues", "reviews"),
    *("project_id", "project_name", "url"),
)
_NO_DETAILS = _details(Label())


def note_details(dataset: Dataset) -> Dataset:
    """Name what stands around the annotations, for writers that have no place for it."""

    def step(rows: Iterator[DataRow], run: Run) -> Iterator[DataRow]:
        for row in rows:
            if row.metadata or row.attachments:
                why = "its metadata and attachments have no place there"
                run.report.note("row-details", "data_rows", why, example=row.name, lossy=True)
            for label in row.labels:
                if _details(label) != _NO_DETAILS:
                    why = "who made it, when and in what time, and what was said of it has no place there"
                    run.report.note("label-details", "labels", why, example=row.name)
            yield row

    return dataset.through(step)


def rename_classes(dataset: Dataset, names: Mapping[str, str]) -> Dataset:
    """Give classes new names; classes that end up with one name become one class."""
    if not names:
        return dataset
    _require_known(names, dataset.ontology.tools)

    def step(rows: Iterator[DataRow], _run: Run) -> Iterator[DataRow]:
        for row in rows:
            labels = [
                replace(label, annotations=tuple([_renamed(a, names) for a in label.annotations]))
                for label in row.labels
            ]
            yield replace(row, labels=tuple(labels))

    def outline(found: Outline) -> Outline:
        tools: dict[tuple[str | None, str], Tool] = {}
        for tool in found.ontology.tools:
            name = names.get(tool.name, tool.name)
            apart = None if name in names.values() else tool.id  # classes of one name may be two otherwise
            tools.setdefault((apart, name), replace(tool, name=name))
        return replace(found, ontology=replace(found.ontology, tools=tuple(tools.values())))

    return dataset.through(step, outline)


def _renamed(a: Annotation, names: Mapping[str, str]) -> Annotation:
    if isinstance(a, ObjectAnnotation | Track) and a.tool_name in names:
        return replace(a, tool_name=names[a.tool_name])
    return a


def select_classes(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """Keep these classes only, in this order; objects of others are counted as unsupported."""
    if isinstance(names, str) or not names:
        raise UsageError(f"expected a list of class names, got {names!r}", hint='like ["person", "car"]')
    _require_known(names, dataset.ontology.tools)
    wanted = set(names)

    def step(rows: Iterator[DataRow], run: Run) -> Iterator[DataRow]:
        for row in rows:
            labels = [replace(label, annotations=_wanted(label, wanted, run.report)) for label in row.labels]
            yield replace(row, labels=tuple(labels))

    def outline(found: Outline) -> Outline:
        return replace(found, ontology=_selected(found.ontology, names))

    return dataset.through(step, outline)


def _selected(ontology: Ontology, names: Sequence[str]) -> Ontology:
    order = {name: place for place, name in enumerate(names)}
    tools = sorted((t for t in ontology.tools if t.name in order), key=lambda tool: order[tool.name])
    return replace(ontology, tools=tuple(tools))


def _wanted(label: Label, wanted: set[str], report: Report) -> tuple[Annotation, ...]:
    """The annotations of a label without the objects of other classes, and without links to these."""
    kept, gone = [], set()
    for a in label.annotations:
        if not isinstance(a, ObjectAnnotation | Track) or a.tool_name in wanted:
            kept.append(a)
        else:
            gone.add(a.id)
            why = "its class is not among --classes"
            report.lose_all("class-not-chosen", census(a), why, example=a.tool_name)
    loose = [a for a in kept if isinstance(a, Relationship) and {a.source, a.target} & (gone - {None})]
    for link in loose:
        report.lose_all("end-not-chosen", census(link), "it leads to an object that is not among --classes")
    return tuple([a for a in kept if not any(a is link for link in loose)])


def _require_known(names: Mapping[str, str] | Sequence[str], tools: Sequence[Tool]) -> None:
    known = {tool.name for tool in tools}
    missing = [name for name in names if name not in known]
    if missing:
        raise UsageError(f"no class is called {missing[0]!r}", hint=_near(missing[0], sorted(known)))


def _near(name: str, known: Sequence[str]) -> str:
    """The classes there are, those first that the name may be a slip of."""
    import difflib

    folded = {one.casefold(): one for one in known}
    near = [repr(folded[one]) for one in difflib.get_close_matches(name.casefold(), folded)]
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    return f"{meant}classes: {', '.join(known[:_SHOWN]) or 'none'}{more}"


def parse_split(text: str) -> dict[str, float]:
    """``train=.8,val=.2`` as names and shares that add up to 1.

    >>> parse_split("train=.8,val=.2")
    {'train': 0.8, 'val': 0.2}
    """
    if not isinstance(text, str):
        raise UsageError(f"expected shares as text, got {type(text).__name__}", hint="like train=.8,val=.2")
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = part.strip().partition("=")
        if name.casefold() in map(str.casefold, shares):
            raise UsageError(f"expected one share a split, got two for {name!r}", hint="like train=.8,val=.2")
        try:
            shares[name] = float(share)
        except ValueError:
            raise UsageError(f"expected NAME=SHARE, got {part!r}", hint="like train=.8,val=.2") from None
    if any(share < 0 for share in shares.values()) or not math.isclose(sum(shares.values()), 1, abs_tol=1e-6):
        raise UsageError(f"expected shares that add up to 1, got {text!r}", hint="like train=.8,val=.2")
    folded = {name.casefold() for name in shares}
    if folded & _RESERVED or not all(n.isidentifier() for n in shares):
        raise UsageError(f"expected plain split names, got {text!r}", hint="like train=.8,val=.2")
    return shares


def assign_splits(dataset: Dataset, shares: Mapping[str, float], seed: int) -> Dataset:
    """Give every data row a split by its name: exact shares of all rows read, the same for any order.

    Data rows of one name stay together, and so does a video, which is one data row.
    """
    names = list(shares)
    ranks = sorted(_rank(key.name, seed) for key in dataset.outline.keys)
    ends, total = [], 0.0
    for share in shares.values():
        total += share
        end = round(total * len(ranks))
        ends.append(ranks[end] if end < len(ranks) else 1 << 64)

    def step(rows: Iterator[DataRow], _run: Run) -> Iterator[DataRow]:
        for row in rows:
            place = bisect.bisect_right(ends, _rank(row.name, seed))
            yield replace(row, split=names[min(place, len(names) - 1)])

    return dataset.through(step)


def _rank(name: str, seed: int) -> int:
    digest = hashlib.sha256(msgspec.json.encode([seed, name])).digest()
    return int.from_bytes(digest[:8], "big")
