"""Write Labelbox import NDJSON: every annotation of every data row as a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from annokit import ontology as ontologies
from annokit.dataset import Dataset
from annokit.formats._labelbox.shapes import NoPlace
from annokit.formats._labelbox.write import count_classes
from annokit.formats._labelbox_import.lines import LabelLines, WriteOptions, groups
from annokit.formats._row_names import RowNames
from annokit.model import Annotation, DataRow, Label, ObjectAnnotation, Ontology, Track
from annokit.report import Census, census, kind_of, named_label
from annokit.run import Run

__all__ = ["write"]

_ONE_ROW = "several data rows have one key, by which lines name theirs: they are one there"
_MOST = 5000
"""The platform takes no more annotations of one name for one data row."""


def write(dataset: Dataset, target: Path, options: WriteOptions, run: Run) -> None:
    """Write all rows; a file without lines is an empty array, since an empty file could be a torn one."""
    found = None if options.ontology is None else ontologies.read(options.ontology, limits=run.limits)
    writer, names = _Writer(options, found, run), RowNames()
    with target.open("wb") as out:
        for row in dataset.rows(run):
            lines = writer.lines(row)
            for line in lines:
                out.write(msgspec.json.encode(line) + b"\n")
            if lines:
                [key] = lines[0]["dataRow"].values()
                names.count(key, run.report)
            else:
                why = "an import file does not speak of data rows without annotations"
                run.report.lose("no-annotations", "data_rows", why, example=row.name)
        if not out.tell():
            out.write(b"[]\n")
    names.account(run.report, _ONE_ROW, lossy=True)
    count_classes(dataset, writer.classes, run)


class _Writer:
    """Makes the lines of data rows and accounts what is on them."""

    def __init__(self, options: WriteOptions, ontology: Ontology | None, run: Run) -> None:
        self._options, self._run = options, run
        self._ontology = ontology
        self._sources: dict[str | None, int] = {}
        self.classes: set[tuple[str | None, str]] = set()
        self._uuids: set[int] = set()

    def lines(self, row: DataRow) -> list[dict[str, Any]]:
        """The lines of one data row."""
        counts: Counter[str] = Counter()
        lines: list[dict[str, Any]] = []
        together = sum(bool(label.annotations) and not label.is_benchmark for label in row.labels)
        if together > 1:
            why = "an import file does not say which annotations of a data row are of one label"
            self._run.report.note("one-label", "labels", why, example=row.name, n=together, lossy=True)
        for number, label in enumerate(row.labels):
            place = named_label(row, label)
            made = self._label(row, number, label, place, counts)
            lines += made
            if made:
                self._run.report.count("written", "labels")
            else:
                why = "an import file does not speak of labels without annotations"
                self._run.report.lose("no-annotations", "labels", why, example=place)
        return lines

    def _label(
        self, row: DataRow, number: int, label: Label, place: str, counts: Counter[str]
    ) -> list[dict[str, Any]]:
        # every file may number its annotations alike; sources are counted, as their paths differ from machine to machine
        source = self._sources.setdefault(row.source, len(self._sources))
        own = f"{source}\0{row.id}\0{row.name}\0{number}"
        lines = LabelLines(row, own, label, self._options, self._ontology, self._run)
        made = []
        for group in groups(label):
            found: Census = sum(map(census, group), Counter())
            try:
                line = lines.line(group)
                _count(counts, line)
            except NoPlace as error:
                self._run.report.lose_all(error.code, found, str(error), example=place)
                continue
            made.append(line)
            self._note_repeated(line.get("uuid"), min(found), place)
            self._account(group[0], found - lines.take_lost(), place)
            self.classes.update(
                (one.tool_id, one.tool_name) for one in group if isinstance(one, ObjectAnnotation | Track)
            )
        return made

    def _account(self, one: Annotation, said: Census, place: str) -> None:
        """Count what is on a line; an object of one frame is a track of one key frame there."""
        report, kind = self._run.report, kind_of(one)
        if isinstance(one, ObjectAnnotation) and one.frame is not None:
            track = Counter(tracks=1, keyframes=1)
            report.count("merged", kind)
            report.count_all("made", track)
            report.note("as-track", kind, "an object of one frame is a track of one key frame", example=place)
            said = said - Counter([kind]) + track
        report.count_all("written", said)

    def _note_repeated(self, uuid: Any, kind: str, place: str) -> None:
        """The platform refuses a file in which a uuid stands twice; of uuids only hashes are kept."""
        if uuid is None:
            return
        key = hash(uuid)
        if key in self._uuids:
            why = "two annotations have one uuid, and the platform refuses such a file"
            self._run.report.note("repeated-uuid", kind, why, example=f"{place} uuid {uuid}", lossy=True)
        self._uuids.add(key)


def _count(counts: Counter[str], line: Mapping[str, Any]) -> None:
    """Refuse what the platform would for a data row."""
    key = str(line.get("name", line.get("schemaId")))
    if counts[key] >= _MOST:
        raise NoPlace(f"the platform takes {_MOST} annotations of one class for a data row", "too-many")
    counts[key] += 1
