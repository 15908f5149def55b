"""Objects, answers and tracks as Labelbox's legacy export spells them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from annokit.formats._labelbox.shapes import (
    NoPlace,
    block_of,
    check_numbers,
    known,
    merged,
    open_ring,
    points_json,
)
from annokit.formats._labelbox_v1.objects import NAME
from annokit.geometry.geojson import corners, geo_shape
from annokit.model import (
    Answer,
    Box,
    Classification,
    Geometry,
    Line,
    Mask,
    MaskReference,
    ObjectAnnotation,
    Point,
    Polygon,
    Relationship,
    TextSpan,
    Track,
    Unknown,
)

__all__ = ["classifications_json", "kept_of", "object_json", "relationship_json", "track_frames"]


def kept_of(one: Any) -> dict[str, Any]:
    """What this format kept of something it read."""
    kept = one.extra.get(NAME)
    return kept if isinstance(kept, dict) else {}


def _head(one: Any) -> dict[str, Any]:
    return {"featureId": one.id, "schemaId": one.tool_id, "title": one.tool_name, "value": one.value}


def object_json(one: ObjectAnnotation) -> dict[str, Any]:
    """An object with its answers.

    Raises
    ------
    NoPlace
        A legacy export has no such shape.
    """
    if one.frame is not None or one.space == "normalised":
        raise NoPlace("a legacy export is in pixels, and an object of one frame is a track there")
    kept = kept_of(one)
    made = known(
        _head(one) | {"page": one.page, "unit": None if one.page is None else kept.get("unit", "POINTS")}
    )
    made |= _shape_json(one.geometry, one.space, kept)
    asked = classifications_json(one.classifications)
    return merged(made | ({"classifications": asked} if asked else {}), kept)


def _shape_json(shape: Geometry, space: str, kept: Mapping[str, Any]) -> dict[str, Any]:
    check_numbers(shape)
    if space == "geo":
        return _geometry_json(shape, kept)
    if isinstance(shape, Box):
        return {"bbox": _bbox_json(shape, block_of(kept, "bbox"))}
    if isinstance(shape, Polygon):
        if len(shape.ring_offsets) > 2:
            raise NoPlace("a polygon of Labelbox has one ring, without holes and other parts")
        return {"polygon": points_json(open_ring(shape.coords))}
    if isinstance(shape, Line):
        return {"line": points_json(shape.coords)}
    if isinstance(shape, Point):
        return {"point": {"x": shape.x, "y": shape.y}}
    if isinstance(shape, TextSpan) and shape.message_id is None and shape.start < shape.end:
        place = {"start": shape.start, "end": shape.end - 1}
        return {"data": {"location": place}, "format": "text.location", "version": 1}
    if isinstance(shape, MaskReference) and shape.color in (None, (255, 255, 255)):
        return {"instanceURI": shape.uri}
    if isinstance(shape, Mask) and "instanceURI" in kept:
        return {}  # pixels that were read from the image the export points at
    if isinstance(shape, Unknown) and isinstance(shape.payload, dict) and shape.payload:
        return shape.payload
    raise NoPlace(f"a legacy export has no place for this {shape.kind.replace('_', ' ')}")


def _bbox_json(box: Box, found: Mapping[str, Any]) -> dict[str, Any]:
    """A box; one that was drawn upwards on a map as it stood, while it is the same."""
    numbers = [found.get(key) for key in ("left", "top", "width", "height")]
    if all(isinstance(one, int | float) for one in numbers):
        x, y, width, height = (float(one or 0) for one in numbers)
        same = (x + min(width, 0), y + min(height, 0), abs(width), abs(height))
        if same == (box.x, box.y, box.width, box.height):
            return dict(found)
    return {"top": box.y, "left": box.x, "height": box.height, "width": box.width}


def _geometry_json(shape: Geometry, kept: Mapping[str, Any]) -> dict[str, Any]:
    """A shape on a map."""
    if isinstance(shape, Box):
        found = block_of(kept, "geometry").get("coordinates")
        same = found is not None and geo_shape("rectangle", found) == shape
        return {"type": "rectangle", "geometry": {"coordinates": found if same else [corners(shape)]}}
    if isinstance(shape, Polygon) and len(shape.part_offsets) == 2:
        rings = [ring.tolist() for ring in shape.rings()]
        closed = [[*ring, ring[0]] if ring else ring for ring in rings]
        word = "rectangle" if kept.get("type") == "rectangle" else "polygon"  # one that is askew
        return {"type": word, "geometry": {"coordinates": closed}}
    if isinstance(shape, Line):
        return {"type": "polyline", "geometry": {"coordinates": shape.coords.tolist()}}
    if isinstance(shape, Point):
        return {"type": "point", "geometry": {"coordinates": [shape.x, shape.y]}}
    if isinstance(shape, Unknown) and isinstance(shape.payload, dict) and shape.payload:
        return shape.payload
    raise NoPlace(f"a map of a legacy export has no place for this {shape.kind.replace('_', ' ')}")


def classifications_json(questions: Iterable[Classification]) -> list[dict[str, Any]]:
    """Questions with their answers, to any depth.

    Raises
    ------
    NoPlace
        A radio question has several answers.
    """
    return [_classification_json(one) for one in questions]


def _classification_json(one: Classification) -> dict[str, Any]:
    kept = dict(kept_of(one))
    form = kept.pop("answer", None)
    answers = [_answer_json(answer) for answer in one.answers]
    made = known(_head(one))
    if one.kind == "radio":
        if len(answers) > 1:
            raise NoPlace("a radio question has one answer")
        made |= {"answer": answers[0]} if answers else {}
    elif one.kind == "checklist":
        made["answer" if form == "list" else "answers"] = answers
    elif one.kind != "unknown":
        made["answer"] = one.text or ""
    below = classifications_json(one.classifications)
    return merged(made | ({"classifications": below} if below else {}), kept)


def _answer_json(one: Answer) -> dict[str, Any]:
    made = {"featureId": one.id, "schemaId": one.option_id, "title": one.name, "value": one.value}
    below = classifications_json(one.classifications)
    return merged(known(made) | ({"classifications": below} if below else {}), kept_of(one))


def relationship_json(one: Relationship) -> dict[str, Any]:
    """A link; its form is not documented: as it stood, with what the model says of it."""
    return merged(known(_head(one) | {"source": one.source, "target": one.target}), kept_of(one))


def track_frames(track: Track) -> Iterator[tuple[int, dict[str, Any]]]:
    """The frames of a track, each with its object.

    Raises
    ------
    NoPlace
        A legacy export has no such shape, or an answer holds in none of the frames.
    """
    kept = {key: value for key, value in kept_of(track).items() if key != "frames"}
    beside = block_of(kept_of(track), "frames")
    frames = track.frames.tolist()
    if not frames or not all(any(_holds(one, frame) for frame in frames) for one in track.classifications):
        raise NoPlace("a track needs frames, and an answer of it one in which it holds")
    made = []
    for place, (frame, keyframe) in enumerate(zip(frames, track.is_keyframe.tolist(), strict=True)):
        more = block_of(beside, str(frame + 1))
        asked = [one for one in track.classifications if _holds(one, frame)]
        head = known(_head(track)) | {"keyframe": keyframe, "classifications": classifications_json(asked)}
        made.append(
            (frame, merged(merged(head | _shape_json(track.geometry(place), "pixel", more), more), kept))
        )
    return iter(made)


def _holds(one: Classification, frame: int) -> bool:
    return not one.frames or any(part.start <= frame <= part.end for part in one.frames)
