"""Which annotations of a Delta table those that come are: found out, and refused, before anything is written.

The place of an annotation (`data_row_index`, `label_index`, `annotation_index`) tells it from all others in
the table. What the table has keeps its place, what is new gets one behind it. So a merge goes by three numbers
that are never null, and rows of one id from two sources cannot meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from annokit.errors import OutputError, Where, shown
from annokit.formats._delta.table import KEYS, query

if TYPE_CHECKING:
    from deltalake import DeltaTable

__all__ = ["Coming", "Plan", "appended", "merged"]

_RowKey: TypeAlias = "tuple[str | None, str | None]"
_Ints: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.int64]]"
_Entry: TypeAlias = "Mapping[str, Any]"

_BLOCK = 4096
"""Rows of Arrow become Python in blocks, since most data rows are asked for one after the other."""

_DATA_ROWS = """
SELECT source, data_row_id, min(data_row_index) AS first, max(data_row_index) AS last
FROM t GROUP BY source, data_row_id ORDER BY first
"""
_ANNOTATIONS = """
SELECT data_row_index, label_index, annotation_index, label_id, annotator_id, id, frame
FROM t ORDER BY data_row_index, label_index, annotation_index
"""


class Coming(NamedTuple):
    """What is to be added: all its data rows by source and id, and the keys of its annotations, in order."""

    rows: Sequence[_RowKey]
    annotations: pa.Table


class Plan(NamedTuple):
    """What a commit will do.

    Attributes
    ----------
    places : (n, 3) int64
        For each annotation that comes, its `KEYS` in the table.
    gone : (m, 3) int64
        The `KEYS` of those that are to go.
    known : (n,) bool
        Which that come the table has.
    missing : int
        How many the table has that no longer come, whether they are to go or not.
    elsewhere : int
        How many data rows are new, but their ids are in the table, of another source.
    """

    places: _Ints
    gone: _Ints
    known: np.ndarray[tuple[int], np.dtype[np.bool_]]
    missing: int
    elsewhere: int = 0


class _Table:
    """What a merge has to know of the table."""

    def __init__(self, table: DeltaTable, place: str) -> None:
        self._table, self.place = table, place
        self.rows: dict[_RowKey, int] = {}
        self.twice: set[_RowKey] = set()
        self.next_index = 0
        for batch in query(table, _DATA_ROWS, place):
            for entry in batch.to_pylist():
                key = (entry["source"], entry["data_row_id"])
                self.rows[key] = entry["first"]
                if entry["first"] != entry["last"]:
                    self.twice.add(key)
                self.next_index = max(self.next_index, entry["last"] + 1)

    def annotations(self) -> pa.Table:
        return pa.Table.from_batches(query(self._table, _ANNOTATIONS, self.place), _ENTRY)

    def refused(self, problem: str, hint: str) -> OutputError:
        return OutputError(problem, where=Where(self.place), hint=hint)


_ENTRY = pa.schema(
    [*((name, pa.int64()) for name in KEYS)]
    + [(name, pa.string()) for name in ("label_id", "annotator_id", "id")]
    + [("frame", pa.int64())]
)


def appended(table: DeltaTable, place: str, coming: Coming) -> Plan:
    """Everything behind what is there.

    Raises
    ------
    OutputError
        The table has a data row of this source and id.
    """
    found = _Table(table, place)
    known = next((key for key in coming.rows if key in found.rows), None)
    if known is not None:
        raise found.refused(
            f"it has the data row {_named(known)} already",
            "--mode merge brings it up to date; if it is another source, give --source-name",
        )
    places = _places(coming.annotations)
    places[:, 0] += found.next_index
    return Plan(places, _none(), np.zeros(len(places), np.bool_), 0)


def merged(table: DeltaTable, place: str, coming: Coming, delete_missing: str | None) -> Plan:
    """Each annotation where the table has it, else behind what its label or data row has.

    An annotation is the same if source, data row, label, id and frame are. A label without an id goes by its
    annotator and its number. Annotations without ids go by their number, and only where what no longer comes is
    deleted: else an outline that changed its place would be there twice.

    Raises
    ------
    OutputError
        The keys that come, or those in the table, are not unique; an annotation without an id; a source that
        seems to be in the table by another name.
    """
    found = _Table(table, place)
    elsewhere = _check_rows(coming.rows, found)
    before, arrived = _Entries(found.annotations()), _Entries(coming.annotations)
    places = _places(coming.annotations)
    missing: list[_Ints] = []
    known = np.zeros(len(places), np.bool_)
    for number, key in enumerate(coming.rows):
        mine = arrived.place_of(number)
        old = before.of_row(found.rows[key]) if key in found.rows else []
        new = arrived.of_row(number)
        if old and delete_missing is None:
            _check_ids(new, key, found)
        keys_of_old, keys_of_new = _unique(old, key, found), _unique(new, key, found, "the source")
        index = found.rows.get(key, found.next_index)
        found.next_index += key not in found.rows
        places[mine, 0] = index
        places[mine, 1:] = _assigned(old, new, keys_of_old, keys_of_new)
        left = [old[at] for name, at in keys_of_old.items() if name not in keys_of_new]
        known[mine] = [name in keys_of_old for name in keys_of_new]
        missing.append(_places(left))
    if delete_missing == "sources":
        missing.append(_rows_gone(before.table, coming.rows, found))
    all_missing = np.concatenate([_none(), *missing])
    gone = all_missing if delete_missing else _none()
    return Plan(places, gone, known, len(all_missing), elsewhere)


def _check_rows(rows: Sequence[_RowKey], found: _Table) -> int:
    """Refuse data rows that cannot be told apart, and a source that changed its name; how many may have."""
    twice = next((key for key in rows if key in found.twice), None)
    if twice is not None:
        raise found.refused(
            f"the table has the data row {_named(twice)} twice", "--overwrite makes a version without"
        )
    sources = {row_id: source for source, row_id in found.rows}
    moved = [key for key in rows if key not in found.rows and key[1] in sources]
    if moved and not any(key in found.rows for key in rows):
        source, row_id = moved[0]
        other = shown(sources[row_id])
        raise found.refused(
            f"none of the data rows of {shown(source)} is in the table, but their ids are, of {other}",
            f"is it a later state of that? then --source-name {other}; else --mode append",
        )
    return len(moved)


def _check_ids(entries: Iterable[_Entry], key: _RowKey, found: _Table) -> None:
    if any(entry["id"] is None for entry in entries):
        raise found.refused(
            f"expected ids to merge by, but annotations of the data row {_named(key)} have none",
            "--delete-missing data-rows replaces all annotations of the data rows that come",
        )


def _unique(
    entries: Sequence[_Entry], row: _RowKey, found: _Table, who: str = "the table"
) -> dict[tuple[Any, ...], int]:
    """The position of each annotation by its key."""
    places: dict[tuple[Any, ...], int] = {}
    for at, entry in enumerate(entries):
        if places.setdefault(_key(entry), at) != at:
            raise found.refused(
                f"{who} has several annotations of id {shown(entry['id'])} in the data row {_named(row)}",
                "ids must be unique in a label to merge by them",
            )
    return places


def _key(entry: _Entry) -> tuple[Any, ...]:
    """What makes an annotation the same: its label and its id, or its number without one."""
    own = ("id", entry["id"], entry["frame"]) if entry["id"] is not None else (entry["annotation_index"],)
    return (*_label_key(entry), *own)


def _label_key(entry: _Entry) -> tuple[Any, ...]:
    if entry["label_id"] is not None:
        return ("id", entry["label_id"])
    return ("number", entry["annotator_id"], entry["label_index"])


def _assigned(
    old: Sequence[_Entry],
    new: Sequence[_Entry],
    keys_of_old: Mapping[tuple[Any, ...], int],
    keys_of_new: Mapping[tuple[Any, ...], int],
) -> _Ints:
    """The numbers of label and annotation, in the table, for those of a data row that come."""
    labels = {_label_key(entry): entry["label_index"] for entry in old}
    next_label = max(labels.values(), default=-1) + 1
    following: dict[int, int] = {}
    for entry in old:
        following[entry["label_index"]] = max(
            following.get(entry["label_index"], 0), entry["annotation_index"] + 1
        )
    assigned = np.empty((len(new), 2), np.int64)
    for at, (key, entry) in enumerate(zip(keys_of_new, new, strict=True)):
        label = labels.get(_label_key(entry))
        if label is None:
            label = labels[_label_key(entry)] = max(next_label, entry["label_index"])
            next_label = label + 1
        if key in keys_of_old:
            assigned[at] = label, old[keys_of_old[key]]["annotation_index"]
            continue
        place = max(following.get(label, 0), entry["annotation_index"])
        following[label] = place + 1
        assigned[at] = label, place
    return assigned


def _rows_gone(before: pa.Table, rows: Sequence[_RowKey], found: _Table) -> _Ints:
    """The annotations of data rows whose source comes without them."""
    sources, coming = {source for source, _ in rows}, set(rows)
    indices = [index for key, index in found.rows.items() if key[0] in sources and key not in coming]
    return _places(before.filter(np.isin(before["data_row_index"].to_numpy(), indices)))


def _places(entries: pa.Table | Sequence[_Entry]) -> _Ints:
    if isinstance(entries, pa.Table):
        return np.stack([entries[name].to_numpy() for name in KEYS], axis=1).astype(np.int64)
    return np.array([[entry[name] for name in KEYS] for entry in entries], np.int64).reshape(-1, len(KEYS))


def _none() -> _Ints:
    return np.empty((0, len(KEYS)), np.int64)


class _Entries:
    """The keys of annotations in the order of their data rows, of which one is asked for at a time."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table.combine_chunks()
        self._rows = self.table["data_row_index"].to_numpy()
        self._first, self._block = 0, list[_Entry]()

    def place_of(self, row: int) -> slice:
        return slice(*np.searchsorted(self._rows, [row, row + 1]).tolist())

    def of_row(self, row: int) -> list[_Entry]:
        place = self.place_of(row)
        if not self._first <= place.start <= place.stop <= self._first + len(self._block):
            size = max(_BLOCK, place.stop - place.start)
            self._first, self._block = place.start, self.table.slice(place.start, size).to_pylist()
        return self._block[place.start - self._first : place.stop - self._first]


def _named(key: _RowKey) -> str:
    return f"{shown(key[1])} of {shown(key[0])}"
