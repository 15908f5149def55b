"""Objects, answers and links as Labelbox export v2 spells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from annokit.formats._labelbox.labels import relationship
from annokit.formats._labelbox.objects import NAME
from annokit.geometry import FARTHEST
from annokit.geometry.geojson import corners, geo_shape
from annokit.model import (
    Answer,
    Box,
    Classification,
    Geometry,
    Line,
    MaskReference,
    ObjectAnnotation,
    Point,
    Polygon,
    Relationship,
    TextSpan,
    TokenSpan,
    Unknown,
)

__all__ = [
    "NoPlace",
    "block_of",
    "check_numbers",
    "classification_json",
    "kept_of",
    "known",
    "merged",
    "object_json",
    "open_ring",
    "points_json",
    "relationship_json",
    "shape_json",
]

_PREFIXES = {
    "image": "Image",
    "video": "Video",
    "pdf": "Document",
    "geo": "Geo",
    "tiled": "Geo",
    "dicom": "DICOM",
}
_KINDS = {
    "box": "BoundingBox",
    "polygon": "Polygon",
    "line": "Polyline",
    "point": "Point",
    "mask": "SegmentationMask",
    "mask_reference": "SegmentationMask",
}
_TEXTS = {"text_span": "TextEntity", "token_span": "DocumentEntityToken"}


class NoPlace(Exception):  # never leaves the writers: it becomes a named loss
    """The format has no place for something, and why; `code` is what the report calls it."""

    def __init__(self, why: str, code: str = "no-place") -> None:
        super().__init__(why)
        self.code = code


def object_json(one: ObjectAnnotation, media: str) -> dict[str, Any]:
    """An object with its answers.

    Raises
    ------
    NoPlace
        An export has no such shape.
    """
    kept = kept_of(one)
    made = head_json(one) | {
        "annotation_kind": kept.get("annotation_kind") or kind_word(one.geometry.kind, media, one.space),
        "confidence": one.confidence,
        "classifications": [classification_json(question) for question in one.classifications],
        "page_number": one.page,
    }
    return merged(known(made) | shape_json(one.geometry, one.space, kept), kept)


def head_json(one: Any) -> dict[str, Any]:
    """What objects, tracks and links have in common."""
    return {
        "feature_id": one.id,
        "feature_schema_id": one.tool_id,
        "name": one.tool_name,
        "value": one.value,
    }


def kept_of(one: Any) -> dict[str, Any]:
    """What this format kept of something it read."""
    kept = one.extra.get(NAME)
    return kept if isinstance(kept, dict) else {}


def block_of(kept: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A block that was kept, if it is one."""
    found = kept.get(key)
    return found if isinstance(found, dict) else {}


def known(made: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that have a value."""
    return {key: value for key, value in made.items() if value is not None}


def merged(made: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """What was made, with what was kept beside it to any depth; None says that a key was not there.

    >>> merged({"a": {"x": 1}, "b": []}, {"a": {"x": 2, "y": 3}, "b": None, "c": 4})
    {'a': {'x': 1, 'y': 3}, 'c': 4}
    """
    out = dict(made)
    for key, value in kept.items():
        if value is None:
            if not out.get(key):
                out.pop(key, None)
        elif isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = merged(out[key], value)
        else:
            out.setdefault(key, value)
    return out


def kind_word(kind: str, media: str, space: str = "pixel") -> str | None:
    """The `annotation_kind` of a shape in a medium."""
    if kind in _TEXTS:
        return "ConversationalTextEntity" if media == "conversation" else _TEXTS[kind]
    word = _KINDS.get(kind)
    return f"{_PREFIXES.get('geo' if space == 'geo' else media, 'Image')}{word}" if word else None


def points_json(coords: Any, *, closed: bool = False) -> list[dict[str, float]]:
    """Points as objects; a ring that is to be closed repeats its first one."""
    points = [{"x": x, "y": y} for x, y in coords.tolist()]
    return [*points, points[0]] if closed and points else points


def shape_json(shape: Geometry, space: str, kept: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a shape.

    Raises
    ------
    NoPlace
        An export has no such shape.
    """
    check_numbers(shape)
    if space == "geo":
        return {"geojson": _geojson(shape, kept)}
    if space == "normalised":
        raise NoPlace("a Labelbox export is in pixels, not in shares of the image")
    if isinstance(shape, Box):
        return {
            "bounding_box": {"top": shape.y, "left": shape.x, "height": shape.height, "width": shape.width}
        }
    if isinstance(shape, Polygon):
        return {"polygon": points_json(_one_ring(shape), closed=True)}
    if isinstance(shape, Line):
        return {"line": points_json(shape.coords)}
    if isinstance(shape, Point):
        return {"point": {"x": shape.x, "y": shape.y}}
    return _other_json(shape, kept)


def check_numbers(shape: Geometry) -> None:
    """Raise NoPlace for a shape whose numbers JSON has no words for, or the platform refuses."""
    if isinstance(shape, Box):
        numbers: Any = (shape.x, shape.y, shape.width, shape.height)
    elif isinstance(shape, Point):
        numbers = (shape.x, shape.y)
    else:
        numbers = shape.coords if isinstance(shape, Polygon | Line) else ()
    if len(numbers) and not np.abs(numbers).max() <= FARTHEST:
        raise NoPlace(f"expected coordinates within {FARTHEST:.0f} of 0")
    if isinstance(shape, Box) and (shape.width < 0 or shape.height < 0):
        raise NoPlace("a box has no negative size")


def _other_json(shape: Geometry, kept: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(shape, MaskReference):
        if shape.color is None:
            return {"mask": {"url": shape.uri}}
        return {"composite_mask": {"url": shape.uri, "color_rgb": list(shape.color)}}
    if isinstance(shape, TextSpan):
        return _span_json(shape)
    if isinstance(shape, TokenSpan):
        return {"location": {"groups": _groups_json(shape, kept)}}
    if isinstance(shape, Unknown) and isinstance(shape.payload, dict) and shape.payload:
        return shape.payload
    if {"mask", "composite_mask"} & kept.keys():
        return {}  # pixels that were read from the image the export points at
    raise NoPlace(f"a Labelbox export has no place for this shape: {shape.kind.replace('_', ' ')}")


def _one_ring(shape: Polygon) -> Any:
    if len(shape.ring_offsets) > 2:
        raise NoPlace("a polygon of Labelbox has one ring, without holes and other parts")
    return open_ring(shape.coords)


def open_ring(coords: Any) -> Any:
    """A ring without the vertex that closes it, which some sources repeat and the platform adds itself."""
    return coords[:-1] if len(coords) > 1 and (coords[0] == coords[-1]).all() else coords


def _span_json(shape: TextSpan) -> dict[str, Any]:
    if shape.end <= shape.start:
        raise NoPlace("a text entity of Labelbox has at least one character")
    place = known({"start": shape.start, "end": shape.end - 1, "token": shape.text})
    if shape.message_id is None:
        return {"location": place}
    return {"conversational_location": {"message_id": shape.message_id, "location": place}}


def _groups_json(shape: TokenSpan, kept: Mapping[str, Any]) -> list[dict[str, Any]]:
    groups = [
        known({"id": one.id, "page_number": one.page, "tokens": list(one.tokens), "text": one.text})
        for one in shape.groups
    ]
    found = block_of(kept, "location").get("groups")
    if (
        not isinstance(found, list)
        or len(found) != len(groups)
        or not all(isinstance(g, dict) for g in found)
    ):
        return groups
    return [merged(*pair) for pair in zip(groups, found, strict=True)]


def _geojson(shape: Geometry, kept: Mapping[str, Any]) -> Any:
    """GeoJSON; as it stood where that says the same."""
    found = kept.get("geojson")
    if isinstance(shape, Box):
        if isinstance(found, dict) and geo_shape("rectangle", found.get("coordinates")) == shape:
            return found
        return {"type": "Polygon", "coordinates": [corners(shape)]}
    if isinstance(shape, Polygon):
        parts = [[_closed(ring) for ring in part] for part in shape.parts()]
        if len(parts) == 1:
            return {"type": "Polygon", "coordinates": parts[0]}
        return {"type": "MultiPolygon", "coordinates": parts}
    if isinstance(shape, Line):
        return {"type": "LineString", "coordinates": shape.coords.tolist()}
    if isinstance(shape, Point):
        return {"type": "Point", "coordinates": [shape.x, shape.y]}
    if isinstance(shape, Unknown) and isinstance(shape.payload, dict) and "geojson" in shape.payload:
        return shape.payload["geojson"]
    raise NoPlace(f"a map of Labelbox has no place for this shape: {shape.kind.replace('_', ' ')}")


def _closed(ring: Any) -> list[list[float]]:
    points: list[list[float]] = ring.tolist()
    return [*points, points[0]] if points else points


def classification_json(one: Classification) -> dict[str, Any]:
    """A question with its answers, to any depth.

    Raises
    ------
    NoPlace
        A radio question has several answers.
    """
    prefix = "" if one.message_id is None else "conversational_"
    made = head_json(one) | {"message_id": one.message_id, "confidence": one.confidence}
    answers = [answer_json(answer) for answer in one.answers]
    if one.classifications:  # legacy exports nest under the question
        if not answers:
            raise NoPlace("questions below a question stand below its answer, and it has none")
        answers[0]["classifications"] += [classification_json(below) for below in one.classifications]
    if one.kind == "radio":
        if len(answers) > 1:
            raise NoPlace("a radio question has one answer")
        made[f"{prefix}radio_answer"] = answers[0] if answers else None
    elif one.kind == "checklist":
        made[f"{prefix}checklist_answers"] = answers
    elif one.kind != "unknown":
        made[f"{prefix}text_answer"] = {"content": one.text or ""}
    return merged(known(made), {key: value for key, value in kept_of(one).items() if key not in _OURS})


_OURS = ("in_frames", "group")
"""What the reader of videos notes with a question, and no export has."""


def answer_json(one: Answer) -> dict[str, Any]:
    """A chosen option."""
    made = {
        "feature_id": one.id,
        "feature_schema_id": one.option_id,
        "name": one.name,
        "value": one.value,
        "confidence": one.confidence,
        "classifications": [classification_json(question) for question in one.classifications],
    }
    return merged(known(made), kept_of(one))


def relationship_json(one: Relationship) -> dict[str, Any]:
    """A link; as it stood where that says the same."""
    kept = kept_of(one)
    if kept and relationship(kept) == one:
        return kept
    word = "unidirectional" if one.directed else "bidirectional"
    return known(head_json(one)) | {
        "annotation_kind": f"{word.capitalize()}Relationship",
        "classifications": [],
        f"{word}_relationship": known({"source": one.source, "target": one.target}),
    }
