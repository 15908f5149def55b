"""What annotations have that the lines of Labelbox import NDJSON do not say."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from annokit.formats._labelbox_import.classes import ID_LENGTH, By
from annokit.model import (
    Annotation,
    Answer,
    Classification,
    MaskReference,
    ObjectAnnotation,
    Relationship,
    RotatedBox,
    TextSpan,
    TokenSpan,
    Track,
)
from annokit.report import Report, kind_of

__all__ = ["note_unsaid"]

_WHY = {
    "class-ids": ("schema ids are left out (classes_by=both writes them)", False),
    "foreign-ids": ("ids of classes that are not the platform's have no place in an import file", False),
    "machine-names": ("the machine names of classes and answers have no place in an import file", False),
    "answer-ids": ("ids of answers, and of questions below others, have no place in an import file", False),
    "nested-message": ("a question below another is about the same message in an import file", True),
    "below-answer": ("questions below a question stand below its first answer in an import file", False),
    "as-text": ("dates and numbers are texts in an import file", False),
    "no-text": ("a question without a text has an empty one in an import file", False),
    "crowd": ("that an object is a crowd has no place in an import file", True),
    "object-details": ("what an object was merged from, and its own box, have no place there", False),
    "as-track": ("an object of one frame is a track in an import file", False),
    "track-ids": ("that objects of single frames are one track has no place in an import file", True),
    "space": ("whether it is in pixels, on a page or on the globe is not said in an import file", False),
    "quoted-text": ("the words of a span have no place in an import file", False),
    "as-polygon": ("a rotated box is a polygon in an import file", False),
    "white-mask": ("a mask without a colour is where its image is white", False),
    "keyframes": (
        "frames between key frames are left to the platform; ends of stretches are key frames",
        False,
    ),
    "segment-ends": ("an object is visible from the first to the last frame of which a shape is known", True),
    "answer-frames": ("answers over frames of an object stand in its key frames", False),
}
"""The reason of each code, and whether something is lost that cannot be told from what is written."""


def note_unsaid(one: Annotation, row: str, report: Report, *, as_read: bool, by: By) -> None:
    """Name what was not written of a written annotation; `as_read` if it comes from such a file."""
    for code in dict.fromkeys(_unsaid(one, as_read)):
        if code == "class-ids" and by != "name":
            continue
        why, lossy = _WHY[code]
        report.note(code, kind_of(one), why, example=row, lossy=lossy)


def _unsaid(one: Annotation, as_read: bool) -> Iterator[str]:
    if isinstance(one, Classification):
        yield from _of_question(one, as_read, top=True)
        return
    yield from _of_class(one.tool_id, one.value)
    if isinstance(one, Relationship):
        return
    yield from _of_object(one) if isinstance(one, ObjectAnnotation) else _of_track(one, as_read)
    for asked in one.classifications:
        yield from _of_question(asked, as_read)


def _of_class(schema_id: str | None, value: str | None) -> Iterator[str]:
    if schema_id:
        yield "class-ids" if len(schema_id) == ID_LENGTH else "foreign-ids"
    if value:
        yield "machine-names"


def _of_object(one: ObjectAnnotation) -> Iterator[str]:
    shape = one.geometry
    if one.is_crowd:
        yield "crowd"
    if one.box is not None or one.sources:
        yield "object-details"
    if one.frame is not None:
        yield "as-track"
    if one.track_id is not None:
        yield "track-ids"
    if one.space != ("page" if one.page is not None or isinstance(shape, TokenSpan) else "pixel"):
        yield "space"
    spans = [shape] if isinstance(shape, TextSpan) else shape.groups if isinstance(shape, TokenSpan) else ()
    if any(span.text is not None for span in spans):
        yield "quoted-text"
    if isinstance(shape, RotatedBox):
        yield "as-polygon"
    if isinstance(shape, MaskReference) and shape.color is None:
        yield "white-mask"


def _of_track(one: Track, as_read: bool) -> Iterator[str]:
    if not one.is_keyframe.all():
        yield "keyframes"
    ends = one.frames if one.kind != "mask" else np.intersect1d(one.frames, one.segments[:, 0])
    if not np.isin(one.segments, ends).all() or (one.kind == "mask" and len(one.segments) < len(one.frames)):
        yield "segment-ends"
    if not as_read and any(asked.frames for asked in one.classifications):
        yield "answer-frames"


def _of_question(one: Classification, as_read: bool, *, top: bool = False) -> Iterator[str]:
    yield from _of_class(one.tool_id, one.value)
    if one.id is not None and not as_read and (not top or (one.frames and one.text is not None)):
        yield "answer-ids"
    if one.message_id is not None and not top and not as_read:
        yield "nested-message"
    if one.kind in ("date", "number"):
        yield "as-text"
    if one.text is None and not one.answers and one.kind in ("text", "date", "number"):
        yield "no-text"
    for answer in one.answers:
        yield from _of_answer(answer, as_read)
    if one.classifications and one.answers:
        yield "below-answer"
    for below in one.classifications:
        yield from _of_question(below, as_read)


def _of_answer(one: Answer, as_read: bool) -> Iterator[str]:
    yield from _of_class(one.option_id, one.value)
    if one.id is not None:
        yield "answer-ids"
    for below in one.classifications:
        yield from _of_question(below, as_read)
