"""Which data rows are worth a second look, and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import pyarrow as pa

from annokit.consensus._people import annotators
from annokit.consensus._score import Scores, score
from annokit.consensus._submissions import unit_of
from annokit.dataset import Dataset
from annokit.errors import UsageError

__all__ = ["review"]

_SCHEMA = pa.schema(
    [
        ("data_row_id", pa.string()),
        ("data_row", pa.string()),
        ("score", pa.float64()),
        ("annotators", pa.int64()),
        ("reasons", pa.list_(pa.string())),
    ]
)


def review(
    dataset: Dataset, *, below: float = 0.5, scores: Scores | None = None, workers: int = 1
) -> pa.Table:
    """The data rows worth a second look, with the reasons; those with the lowest agreement first.

    A row is listed when its mean agreement is low, when as many annotators say one thing as another, when only some
    drew an object (half of them or fewer, yet not one of one), or when an annotator who labelled it is flagged. Objects
    are one from the `link` of `score` on (.5), which is more than that of `merge` (.3): what was drawn so differently
    that it is barely merged is worth a look.

    Parameters
    ----------
    dataset : Dataset
    below : float
        What agreement is low, 0 to 1.
    scores : Scores, optional
        Of this dataset, where they are there already.
    workers : int
        How many processes share the work, see `score`.

    Returns
    -------
    Table
        ``data_row_id``, ``data_row``, ``score`` (mean over pairs; missing for rows with one annotator),
        ``annotators``, ``reasons``.

    Raises
    ------
    UsageError
        `below` is not a share.

    Examples
    --------
    >>> from annokit.model import Answer, Classification, DataRow, Label
    >>> def label(who, answer):
    ...     asked = Classification(tool_name="what", kind="radio", answers=(Answer(name=answer),))
    ...     return Label(annotator_id=who, annotations=(asked,))
    >>> rows = [DataRow(id=x + y, labels=(label("ann", x), label("bob", y))) for x, y in ("cc", "cd", "dd")]
    >>> review(Dataset.from_rows(rows)).select(["data_row", "reasons"]).to_pylist()
    [{'data_row': 'cd', 'reasons': ['low agreement: 0.00, under 0.5', 'tie: what: c 1, d 1']}]
    """
    if not 0.0 <= below <= 1.0:
        raise UsageError(f"expected below from 0 to 1, got {below}")
    found = score(dataset, workers=workers) if scores is None else scores
    people: defaultdict[str, set[str]] = defaultdict(set)
    odd = _flagged(dataset, found, workers)
    units = _by_row(found.units)
    rows = []
    for a, b, *row in zip(
        *(found.pairs[c].to_pylist() for c in ("annotator_a", "annotator_b", "data_row_id", "data_row")),
        strict=True,
    ):
        people[unit_of(*row)] |= {a, b}
    for row in found.rows.to_pylist():
        key = unit_of(row["data_row_id"], row["data_row"])
        reasons = [f"low agreement: {row['score']:.2f}, under {below:g}"] if row["score"] < below else []
        disputes = Counter(_disputes(units.get(key, {})))
        reasons += [text if n == 1 else f"{text} ({n} times)" for text, n in disputes.items()]
        reasons += [f"annotator {name}: {odd[name]}" for name in sorted(people[key] & set(odd))]
        if reasons:
            rows.append((row["data_row_id"], row["data_row"], row["score"], len(people[key]), reasons))
    columns = list(zip(*rows, strict=True)) or [()] * len(_SCHEMA)
    return pa.table([pa.array(c, t) for c, t in zip(columns, _SCHEMA.types, strict=True)], schema=_SCHEMA)


def _flagged(dataset: Dataset, scores: Scores, workers: int) -> dict[str, str]:
    table = annotators(dataset, scores=scores, workers=workers)
    flags = zip(table["annotator"].to_pylist(), table["flags"].to_pylist(), strict=True)
    return {name: "; ".join(some) for name, some in flags if some}


_Units = dict[tuple[str, str], Counter[str]]


def _by_row(units: pa.Table) -> dict[str, _Units]:
    """The votes on each unit of each data row."""
    found: defaultdict[str, _Units] = defaultdict(dict)
    columns = (units[c].to_pylist() for c in ("question", "unit", "label"))
    for question, unit, label in zip(*columns, strict=True):
        row = unit.rpartition("\n")[0] if not question else unit
        found[row].setdefault((question, unit), Counter())[label] += 1
    return found


def _disputes(units: _Units) -> Iterator[str]:
    """Ties of answers or classes, and objects that only some drew."""
    for (question, _), votes in units.items():
        total, top = votes.total(), votes.most_common(2)
        drawn = total - votes[""]
        if not question and drawn and 2 * drawn <= total:
            named = ", ".join(sorted(label for label in votes if label))
            yield f"drawn by {drawn} of {total}: {named}"
        elif total > 1 and len(top) > 1 and top[0][1] == top[1][1]:
            yield f"tie: {question or 'class'}: {_listed(votes)}"


def _listed(votes: Counter[str]) -> str:
    order: Sequence[tuple[str, int]] = sorted(votes.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{label or '(nothing)'} {n}".replace("\n", " + ") for label, n in order[:4])
