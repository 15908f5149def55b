"""Agreement as a page that is one file: by class, by pair of annotators, and the worst data rows drawn."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from annokit.consensus import Scores, review, submissions
from annokit.consensus._joined import over_joined
from annokit.dataset import Dataset
from annokit.errors import InputError, LimitExceeded
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.io.output import staged_file
from annokit.model import Classification, DataRow, Label, Ontology, Tool
from annokit.page import Html, element, make_page, table
from annokit.run import Run
from annokit.view import render
from annokit.view._photo import find_photo
from annokit.workers import Workers

__all__ = ["overlaid", "write_page"]

_ROWS = 12
"""Data rows that are drawn."""
_MATRIX = 20
"""Annotators up to whom pairs are a matrix; of more, the lowest pairs are listed."""
_LISTED = 60
_STYLE = """
.rows { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); }
main > section, .grid { margin-top: 1rem; }
td { overflow-wrap: normal; min-width: 4rem; }
.rows img { width: 100%; height: auto; border: 1px solid var(--line); border-radius: .4rem; background: #fff; }
.rows ul { margin: .3rem 0 .6rem; padding-left: 1.2rem; }
"""


def write_page(
    dataset: Dataset,
    scores: Scores,
    target: str | os.PathLike[str],
    *,
    image_dir: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    workers: int = 1,
) -> None:
    """Write the page: agreement in tables, and the rows with the lowest scores, everybody's shapes on one picture.

    Parameters
    ----------
    dataset : Dataset
    scores : Scores
        Of this dataset, as `annokit.consensus.score` gives them.
    target : path
        The HTML file. It holds everything it shows, pictures too.
    image_dir : path, optional
        The folder of the images; that of the source, if it is a folder. Without the images the shapes stand alone.
    workers : int
        How many processes share the reading, see `annokit.consensus.score`.
    """
    if image_dir is None:
        image_dir = next((path for path in dataset.paths if path.is_dir()), None)
    body = element(
        "main",
        element("h1", "Agreement between annotators"),
        element("p", Path(dataset.source).name or dataset.source, class_="soft"),
        _facts(scores),
        element("div", _classes(scores), _pairs(scores), class_="grid"),
        _worst(dataset, scores, image_dir, limits, workers),
    )
    page = make_page("Agreement between annotators", body, styles=[_STYLE])
    with staged_file(target, overwrite=overwrite, sources=dataset.paths) as path:
        path.write_text(page, encoding="utf-8")


def _facts(scores: Scores) -> Html:
    facts: list[tuple[str, object]] = [
        ("mean agreement", f"{scores.agreement:.3f}"),
        ("data rows", f"{len(scores.rows):,}"),
        ("annotators", f"{len(_people(scores)):,}"),
    ]
    facts += [(f"alpha: {name}", f"{value:.3f}") for name, value in list(scores.alphas().items())[:8]]
    if scores.in_one_source:
        facts.append(("in one source only", f"{scores.in_one_source:,}"))
    if scores.told_by_id:
        facts.append(("names twice in one source", f"{len(scores.told_by_id):,}"))
    facts += [(f"{kind} left out", f"{n:,}") for kind, n in scores.not_compared.items()]
    return element(
        "dl", *(element("div", element("dt", k), element("dd", v)) for k, v in facts), class_="facts"
    )


def _people(scores: Scores) -> list[str]:
    names = {*scores.pairs["annotator_a"].to_pylist(), *scores.pairs["annotator_b"].to_pylist()}
    return sorted(names)


def _card(title: str, note: str, *content: Html) -> Html:
    return element(
        "section", element("h2", title), element("p", note, class_="soft small"), *content, class_="card"
    )


def _classes(scores: Scores) -> Html:
    header = ["class", "kind", "score", "lowest", "pairs", "matched", "unmatched"]
    rows = [[row[name] for name in header] for row in scores.by_class.sort_by("score").to_pylist()]
    note = "Overlap of what was matched, over what either annotator drew or answered; the lowest first."
    return _card("Classes and questions", note, element("div", table(header, rows), class_="scroll"))


def _pairs(scores: Scores) -> Html:
    people, found = _people(scores), scores.by_pair.to_pylist()
    note = "Mean score over the data rows a pair shares, 1 being the same."
    if len(people) <= _MATRIX:
        at = {(row["annotator_a"], row["annotator_b"]): row["score"] for row in found}
        rows = [
            [f"{n} {a}", *(at.get((a, b), at.get((b, a))) for b in people)] for n, a in enumerate(people, 1)
        ]
        shown = table(["", *map(str, range(1, len(people) + 1))], rows)
    else:
        header = ["annotator_a", "annotator_b", "score", "pairs"]
        shown = table(header, [[row[name] for name in header] for row in found[:_LISTED]])
        note += f" The {min(_LISTED, len(found))} lowest of {len(found):,}."
    return _card("Pairs of annotators", note, element("div", shown, class_="scroll"))


def _worst(dataset: Dataset, scores: Scores, image_dir: Any, limits: Limits, workers: int) -> Html:
    listed = review(dataset, scores=scores, workers=workers).slice(0, _ROWS).to_pylist()
    reasons = {(row["data_row_id"], row["data_row"]): row for row in listed}
    numbers = {name: number for number, name in enumerate(_people(scores), 1)}
    drawn: dict[tuple[str, str], Html] = {}
    run = Run(on_error="skip", limits=limits)
    with Workers(workers) as pool:
        for row in chain.from_iterable(over_joined(dataset, partial(_of, frozenset(reasons)), run, pool)):
            key = row.id, row.name
            drawn[key] = _drawn(row, reasons[key], dataset.ontology, numbers, image_dir, limits)
    note = (
        "Everybody's shapes on one picture, with a number and a colour for each annotator; answers below it."
    )
    cards = [drawn[key] for key in reasons if key in drawn]
    if not cards:
        return _card("Rows worth a second look", "There are none.")
    return element("section", element("h2", "Rows worth a second look"), element("p", note, class_="soft small"),
                   element("div", *cards, class_="rows"))  # fmt: skip


def _of(keys: frozenset[tuple[str, str]], rows: Iterable[DataRow]) -> list[DataRow]:
    return [row for row in rows if (row.id, row.name) in keys]


def _drawn(
    row: DataRow,
    found: dict[str, Any],
    ontology: Ontology,
    numbers: Mapping[str, int],
    image_dir: Any,
    limits: Limits,
) -> Html:
    score = "" if found["score"] is None else f" {found['score']:.2f}"
    return element(
        "article",
        element("h2", row.name, element("span", score, class_="soft")),
        element("ul", *(element("li", reason) for reason in found["reasons"])),
        _picture(row, ontology, numbers, image_dir, limits),
        element("p", _legend(row, numbers), class_="soft small"),
        class_="card",
    )


def _legend(row: DataRow, numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{numbers.get(who, '-')} {who}" for who in (one.annotator for one in submissions(row)))


def _picture(
    row: DataRow, ontology: Ontology, numbers: Mapping[str, int], image_dir: Any, limits: Limits
) -> Html:
    """PNG over a photo, which may be large; SVG without."""
    together, colors = overlaid(row, ontology, numbers)
    try:
        has_photo = find_photo(row, image_dir, limits) is not None
        kind = "png" if has_photo else "svg"
        data = render(
            together,
            format="png" if has_photo else "svg",
            ontology=colors,
            image_dir=image_dir,
            limits=limits,
        )
    except (InputError, LimitExceeded) as error:
        return element("p", f"not drawn: {error}", class_="bad small")
    mime = "image/png" if kind == "png" else "image/svg+xml"
    source = f"data:{mime};base64,{base64.b64encode(data).decode()}"
    return element(
        "img", src=source, alt=f"{row.name} as {len(row.labels)} annotators see it", loading="lazy"
    )


def overlaid(
    row: DataRow, ontology: Ontology | None = None, numbers: Mapping[str, int] | None = None
) -> tuple[DataRow, Ontology]:
    """The row with the shapes of all labels in one, each named and coloured by its annotator, and these colours.

    Annotators are called by their `numbers` where there are any.

    >>> from annokit.model import Box, ObjectAnnotation
    >>> car = ObjectAnnotation(tool_name="car", geometry=Box(x=0, y=0, width=9, height=9))
    >>> row = DataRow(id="r1", labels=(Label(annotator_id="ann", annotations=(car,)), Label(annotator_id="bob")))
    >>> [one.tool_name for one in overlaid(row)[0].labels[0].objects]
    ['ann: car']
    """
    skeletons = {tool.name: tool.skeleton for tool in (ontology.tools if ontology else ())}
    annotations: list[Any] = []
    tools: dict[str, Tool] = {}
    for place, person in enumerate(submissions(row), 1):
        number = (numbers or {}).get(person.annotator)
        called = person.annotator if number is None else str(number)
        color = _COLORS[(place if number is None else number) % len(_COLORS)]
        for one in person.objects:
            name = f"{called}: {one.tool_name}"
            tools.setdefault(name, Tool(name=name, color=color, skeleton=skeletons.get(one.tool_name, ())))
            annotations.append(replace(one, tool_name=name, tool_id=None, classifications=()))
        annotations += _asked(called, person.label.classifications)
    label = Label(annotations=tuple(annotations))
    return replace(row, labels=(label,)), Ontology(tools=tuple(tools.values()))


_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#882255", "#44aa99")


def _asked(annotator: str, questions: Iterable[Classification]) -> Sequence[Classification]:
    return [replace(one, tool_name=f"{annotator}: {one.tool_name}") for one in questions]
