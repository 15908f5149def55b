"""The lines of one label in Labelbox import NDJSON."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta

from annokit.formats._base import Options
from annokit.formats._confidence import share_of
from annokit.formats._labelbox.shapes import NoPlace, kept_of, known
from annokit.formats._labelbox_import.classes import By, Namer
from annokit.formats._labelbox_import.read import NAME, PLANES
from annokit.formats._labelbox_import.shapes import check_url, polygon_as_mask, shape_json
from annokit.formats._labelbox_import.unsaid import note_unsaid
from annokit.formats._labelbox_import.video import images_of, is_of_masks, mask_json, segments_json
from annokit.model import (
    Annotation,
    Answer,
    Box,
    Classification,
    DataRow,
    FrameRange,
    Geometry,
    Label,
    ObjectAnnotation,
    Ontology,
    Polygon,
    Relationship,
    Tool,
    Track,
)
from annokit.report import Census, census
from annokit.run import Run

__all__ = ["LabelLines", "WriteOptions", "groups"]

_TEXTS = ("text", "date", "number")
_CUID = re.compile(r"c[a-z0-9]{24}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_GROUP_KEYS = {plane: key for key, plane in PLANES.items()}
_UUIDS = uuid.uuid5(uuid.NAMESPACE_URL, "https://labelbox.com/annotations")


class WriteOptions(Options, frozen=True):
    """How import files are written."""

    rows_by: Annotated[
        Literal["auto", "id", "global-key"],
        Meta(
            description="how data rows are named: auto takes ids where they are the platform's, else global "
            "keys, which are the rows' names where they have none"
        ),
    ] = "auto"
    classes_by: Annotated[
        By | None,
        Meta(description="how classes and answers are named; by default by name, with --ontology by both"),
    ] = None
    ontology: Annotated[
        str | None,
        Meta(description="the platform's ontology JSON: gives schema ids, and refuses what it does not have"),
    ] = None
    multipart: Annotated[
        Literal["refuse", "mask"],
        Meta(description="polygons with holes or several parts, which the platform does not have"),
    ] = "refuse"


def groups(label: Label) -> Iterator[list[Annotation]]:
    """The annotations that share a line; links come last, when it is known what they can point at.

    Texts over frames are the values of one question, and masks of a video share their images.
    """
    found: dict[Any, list[Annotation]] = {}
    for place, one in enumerate(label.annotations):
        key: Any = place
        if isinstance(one, Classification) and _is_value(one):
            key = "text", one.tool_name, one.tool_id, one.message_id, _plane(one)
        elif isinstance(one, Track) and is_of_masks(one):
            key = "masks", one.frames.tobytes(), images_of(one), one.id, _plane(one)
        found.setdefault(key, []).append(one)
    yield from sorted(found.values(), key=lambda group: isinstance(group[0], Relationship))


def _kept(one: Any) -> dict[str, Any]:
    kept = one.extra.get(NAME)
    return kept if isinstance(kept, dict) else {}


def _plane(one: Annotation) -> str | None:
    """The plane of a volume in which it was drawn, as import files spell it."""
    found = kept_of(one).get("group")
    return _GROUP_KEYS.get(found, found) if isinstance(found, str) else None


def _is_value(one: Classification) -> bool:
    """Whether it is one of the texts of a question over frames."""
    return one.kind in _TEXTS and (bool(one.frames) or _kept(one).get("values") is True)


def _check_answer(one: Classification) -> None:
    if one.answers if one.kind in _TEXTS else one.text is not None:
        raise NoPlace("an answer is either a text or chosen from options")


class LabelLines:
    """Makes the lines of one label; `own` is what tells it from all others of the file."""

    def __init__(
        self,
        row: DataRow,
        own: str,
        label: Label,
        options: WriteOptions,
        ontology: Ontology | None,
        run: Run,
    ) -> None:
        mark = _kept(row).get("dataRow")
        self._as_read = mark in ("id", "globalKey")
        by = options.classes_by or ("both" if self._as_read or ontology is not None else "name")
        self._by, self._namer = by, Namer(by, ontology)
        self._row, self._options, self._run = row, options, run
        self._own = own
        self._base = 0 if row.asset.media_type == "audio" else 1
        self._mark, self._is_benchmark = mark, label.is_benchmark
        self._uuids: set[str] = set()
        self._lost: Census = Counter()

    def take_lost(self) -> Census:
        """What of the last line had no place, and is accounted already."""
        lost, self._lost = self._lost, Counter()
        return lost

    def line(self, group: Sequence[Annotation]) -> dict[str, Any]:
        """The line of a group.

        Raises
        ------
        NoPlace
            The format has no place for it, or the platform refuses it.
        """
        one = group[0]
        if isinstance(one, Track):
            made = self._masks(group) if is_of_masks(one) else self._track(one)
        elif isinstance(one, Relationship):
            made = self._link(one)
        elif isinstance(one, Classification):
            is_value = _is_value(one)
            made = self._texts(group) if is_value else self._question(one, (), top=True) | self._uuid(one.id)
        else:
            made = self._object(one)
        if isinstance(made.get("uuid"), str):
            self._uuids.add(made["uuid"])
        head: dict[str, Any] = {"dataRow": _row_json(self._row, self._options.rows_by, self._mark)}
        for said in group:
            note_unsaid(said, self._row.name, self._run.report, as_read=self._as_read, by=self._by)
        head |= {"isBenchmarkReferenceLabel": True} if self._is_benchmark else {}
        return head | known({"groupKey": _plane(one)}) | made

    def _uuid(self, given: str | None) -> dict[str, Any]:
        """An id as it was read; one from elsewhere becomes a UUID, the same in every run."""
        if given is None:
            return {}
        if not self._as_read and _UUID.fullmatch(given) is None:
            given = str(uuid.uuid5(_UUIDS, f"{self._own}\0{given}"))
        return {"uuid": given}

    def _object(self, one: ObjectAnnotation) -> dict[str, Any]:
        kept = _kept(one)
        shape: Geometry = one.geometry
        if one.space == "normalised":
            raise NoPlace("an import file is in pixels, not in shares of the image")
        in_pixels = self._options.multipart == "mask" and one.space != "geo"
        if in_pixels and isinstance(shape, Polygon) and len(shape.ring_offsets) > 2:
            shape = polygon_as_mask(shape, self._row.asset)
        keys = shape_json(shape, kept, as_read=self._as_read, limits=self._run.limits, space=one.space)
        if isinstance(shape, Box) and one.space != "geo":
            self._note_negative(keys["bbox"])
        is_metric = "metricValue" in keys
        named, scope = ({}, None) if is_metric else self._namer.tool(one, shape.kind)
        if "textSelections" in keys and "name" not in named:
            raise NoPlace("tokens of a document need the name of their class")
        share = None if one.confidence is None else self._share(one)
        made = self._uuid(one.id) | named | known({"confidence": share, "page": one.page})
        if one.page is not None:
            made["unit"] = "POINTS"
        below = self._below(one.classifications, scope)
        made |= {"classifications": below} if below else {}
        made |= {key: value for key, value in kept.items() if key not in ("bbox", "mask")}
        if one.frame is not None:
            keys = {"segments": [{"keyframes": [{"frame": one.frame + 1, **self._framed(keys)}]}]}
            self._note_confidence(one)
        return made | keys

    def _share(self, one: ObjectAnnotation | Classification | Answer) -> float | None:
        if isinstance(one, ObjectAnnotation) and one.frame is not None:
            return None  # objects of a video have none
        return share_of(one, self._run.report, self._row.name)

    @staticmethod
    def _framed(keys: Mapping[str, Any]) -> Mapping[str, Any]:
        if keys.keys() & {"bbox", "point", "line"}:
            return keys
        raise NoPlace("in a frame of a video Labelbox has boxes, points and lines")

    def _note_negative(self, box: Mapping[str, Any]) -> None:
        """Files do not tell whether they are of maps, so such a box goes back as it stood."""
        if box["width"] < 0 or box["height"] < 0:
            why = "a box of negative size, which the platform takes only on maps (--media geo), is left as it is"
            self._run.report.note("negative-size", "object:box", why, example=self._row.name)

    def _note_confidence(self, one: ObjectAnnotation | Track) -> None:
        if one.confidence is not None:
            why = "objects of a video have no confidence in an import file"
            self._run.report.note("no-confidence", "tracks", why, example=self._row.name, lossy=True)

    def _track(self, one: Track) -> dict[str, Any]:
        named, scope = self._namer.tool(one, one.kind)
        everywhere = self._below([asked for asked in one.classifications if not asked.frames], scope)

        def shape(found: Geometry) -> dict[str, Any]:
            return shape_json(found, {}, as_read=self._as_read, limits=self._run.limits)

        def questions(asked: Sequence[Classification]) -> list[dict[str, Any]]:
            return [self._question(below, scope, framed=False) for below in asked]

        made = self._uuid(one.id) | named | {"segments": segments_json(one, shape, questions)}
        self._note_confidence(one)
        return made | ({"classifications": everywhere} if everywhere else {}) | _kept(one)

    def _masks(self, group: Sequence[Annotation]) -> dict[str, Any]:
        tracks = [one for one in group if isinstance(one, Track)]
        names = [self._namer.tool(one, "mask")[0] for one in tracks]
        if not all("name" in one for one in names):
            raise NoPlace("masks of a video need the names of their classes")
        for uri in () if self._as_read else images_of(tracks[0]):
            check_url(uri)
        for one in tracks:
            lost = sum(map(census, one.classifications), Counter[str]())
            why = "masks of a video have no answers in an import file"
            self._run.report.lose_all("no-place", lost, why, example=self._row.name)
            self._lost += lost
            self._note_confidence(one)
        return self._uuid(tracks[0].id) | mask_json(tracks, names) | _kept(tracks[0])

    def _link(self, one: Relationship) -> dict[str, Any]:
        ends = {
            key: self._uuid(end).get("uuid") for key, end in (("source", one.source), ("target", one.target))
        }
        kept = _kept(one)
        beside = kept.get("relationship")
        beside = beside if isinstance(beside, dict) else {}
        open_start = ends["source"] is None and "sourceOntologyName" in beside
        for key, end in ends.items():
            if (
                not (self._as_read and end is not None)
                and end not in self._uuids
                and not (key == "source" and open_start)
            ):
                raise NoPlace(f"the {key} of the relationship is not written")
        named, _ = self._namer.tool(one, "relationship")
        word = "unidirectional" if one.directed else "bidirectional"
        made = (
            self._uuid(one.id) | named | {key: value for key, value in kept.items() if key != "relationship"}
        )
        return made | {"relationship": beside | known(ends) | {"type": word}}

    def _texts(self, group: Sequence[Annotation]) -> dict[str, Any]:
        """A question with a text for each range of frames."""
        texts = [one for one in group if isinstance(one, Classification)]
        first = texts[0]
        named, _ = self._namer.question(first, (), top=True)
        values = []
        for one in texts:
            _check_answer(one)
            value: dict[str, Any] = {"value": one.text or "", "frames": self._ranges(one.frames)}
            below = self._below(one.classifications, ())
            beside = known({"confidence": self._share(one), "customMetrics": _kept(one).get("customMetrics")})
            values.append(value | beside | ({"classifications": below} if below else {}))
        kept = {key: value for key, value in _kept(first).items() if key not in ("values", "customMetrics")}
        own = self._uuid(first.id) if self._as_read else {}
        return own | named | known({"messageId": first.message_id}) | {"answer": values} | kept

    def _question(
        self, one: Classification, scope: Sequence[Tool] | None, *, top: bool = False, framed: bool = True
    ) -> dict[str, Any]:
        """A question with its answers; ranges of frames stand beside them where all have the same."""
        named, asked = self._namer.question(one, scope, top=top)
        _check_answer(one)
        message = one.message_id if top or self._as_read else None
        made = named | known({"messageId": message, "confidence": self._share(one)})
        answers = [self._answer(answer, asked) for answer in one.answers]
        if one.classifications:  # legacy exports nest under the question
            if not answers:
                raise NoPlace("questions below a question stand below its answer, and it has none")
            below = self._below(one.classifications, None if asked is None else ())
            answers[0]["classifications"] = [*answers[0].get("classifications", ()), *below]
        if one.frames and framed:
            made["frames"] = self._ranges(one.frames)
        if one.kind == "radio":
            if len(answers) != 1:
                raise NoPlace("a radio question has one answer")
            made["answer"] = answers[0]
        elif one.kind == "checklist":
            made["answer"] = answers
        elif one.kind == "unknown":
            raise NoPlace("an answer of an unknown kind has no place in an import file")
        else:
            made["answer"] = one.text or ""
        return made | _kept(one)

    def _below(
        self, questions: Sequence[Classification], scope: Sequence[Tool] | None
    ) -> list[dict[str, Any]]:
        return [self._question(one, scope) for one in questions]

    def _answer(self, one: Answer, question: Tool | None) -> dict[str, Any]:
        named, scope = self._namer.answer(one, question)
        made = named | known({"confidence": self._share(one)})
        if one.frames:
            made["frames"] = self._ranges(one.frames)
        below = self._below(one.classifications, scope)
        return made | ({"classifications": below} if below else {}) | _kept(one)

    def _ranges(self, frames: Sequence[FrameRange]) -> list[dict[str, int]]:
        if any(not 0 <= one.start <= one.end for one in frames):
            raise NoPlace("a range of frames does not end before it starts")
        return [{"start": one.start + self._base, "end": one.end + self._base} for one in frames]


def _row_json(row: DataRow, by: str, mark: Any) -> dict[str, str]:
    """How the platform is told which data row."""
    if by == "auto":
        is_id = mark == "id" or (mark is None and _CUID.fullmatch(row.id) is not None)
        by = "id" if is_id else "global-key"
    found = {"id": row.id} if by == "id" else {"globalKey": row.global_key or row.name}
    if not all(found.values()):
        raise NoPlace("a data row without an id or a name cannot be named", "no-name")
    return found
