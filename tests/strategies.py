"""Hypothesis strategies for the model: every kind of record, with odd names, extras and nesting."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
from hypothesis import strategies as st

from annokit.model import (
    Annotation,
    Answer,
    Asset,
    Attachment,
    Box,
    Classification,
    DataRow,
    FrameRange,
    Geometry,
    Keypoints,
    Label,
    Line,
    Mask,
    MaskReference,
    MetadataField,
    ObjectAnnotation,
    Ontology,
    Option,
    Point,
    Polygon,
    Provenance,
    Relationship,
    Review,
    RotatedBox,
    TextSpan,
    TimeRange,
    TokenGroup,
    TokenSpan,
    Tool,
    Track,
    Unknown,
)

__all__ = [
    "annotations",
    "classifications",
    "data_rows",
    "geometries",
    "labels",
    "objects",
    "ontologies",
    "tracks",
]

names = st.sampled_from(["car", "person", "", "Straße", "a,b/c\\d", "猫 \U0001f408", "e\u0301", "x\x00y"])
ids = st.none() | st.text(string.ascii_lowercase + "é", max_size=4)
numbers = st.floats(-1e6, 1e6) | st.integers(-1000, 1000).map(float)
shares = st.none() | st.floats(0, 1)
times = st.none() | st.datetimes(
    datetime(1990, 1, 1),
    datetime(2100, 1, 1),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7))]),
)
plain = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | numbers | names
json_values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2)
)
extras = st.just({}) | st.dictionaries(st.sampled_from(["coco", "labelbox"]), json_values, max_size=2)


def points(least: int = 0, most: int = 5) -> st.SearchStrategy[list[tuple[float, float]]]:
    return st.lists(st.tuples(numbers, numbers), min_size=least, max_size=most)


def _several(items: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, max_size=most).map(tuple)


boxes = st.builds(Box, x=numbers, y=numbers, width=numbers, height=numbers)
polygons = st.lists(st.lists(points(), max_size=3), max_size=3).map(Polygon.from_parts)
keypoints = st.lists(st.tuples(numbers, numbers, st.sampled_from([0, 1, 2])), max_size=4).map(
    lambda rows: Keypoints(coords=[row[:2] for row in rows], visibility=[row[2] for row in rows])
)


@st.composite
def masks(draw: st.DrawFn) -> Mask:
    height, width = draw(st.integers(0, 6)), draw(st.integers(0, 6))
    cuts = draw(st.lists(st.integers(0, height * width), max_size=6))
    bounds = [0, *sorted(cuts), height * width]
    counts = np.diff(bounds)
    return Mask(counts=counts if height * width or draw(st.booleans()) else [], height=height, width=width)


references = st.builds(MaskReference, uri=names, color=st.none() | st.tuples(*[st.integers(0, 255)] * 3))
spans = st.builds(
    TextSpan, start=st.integers(0, 99), end=st.integers(0, 99), text=st.none() | names, message_id=ids
)
token_groups = st.builds(
    TokenGroup, page=st.integers(0, 9), tokens=_several(names), id=ids, text=st.none() | names
)
geometries: st.SearchStrategy[Geometry] = st.one_of(
    boxes,
    st.builds(RotatedBox, corners=points(4, 4)),
    polygons,
    st.builds(Line, coords=points()),
    st.builds(Point, x=numbers, y=numbers),
    keypoints,
    masks(),
    references,
    spans,
    st.builds(TokenSpan, groups=_several(token_groups)),
    st.builds(TimeRange, start_ms=numbers, end_ms=numbers),
    st.builds(Unknown, what=names, payload=json_values),
)
"""A shape of any kind."""

frame_ranges = _several(st.builds(FrameRange, start=st.integers(0, 99), end=st.integers(0, 99)))


def _questions(inner: st.SearchStrategy[Classification]) -> st.SearchStrategy[Classification]:
    answers = st.builds(
        Answer,
        name=names,
        option_id=ids,
        id=ids,
        value=ids,
        confidence=shares,
        classifications=_several(inner, 1),
        frames=frame_ranges,
        extra=extras,
    )
    return st.builds(
        Classification,
        tool_name=names,
        kind=st.sampled_from(["radio", "checklist", "text", "date", "number", "unknown"]),
        answers=_several(answers | st.builds(Answer, name=names)),
        text=st.none() | names,
        tool_id=ids,
        id=ids,
        value=ids,
        confidence=shares,
        frames=frame_ranges,
        message_id=ids,
        classifications=_several(inner, 1),
        extra=extras,
    )


classifications = st.recursive(
    st.builds(Classification, tool_name=names, kind=st.just("text"), text=names), _questions, max_leaves=4
)
"""A question with its answers, and what is nested in them."""

_class = {"tool_name": names, "tool_id": ids, "value": ids, "id": ids, "confidence": shares, "extra": extras}
objects = st.builds(
    ObjectAnnotation,
    geometry=geometries,
    box=st.none() | boxes,
    classifications=_several(classifications, 1),
    space=st.sampled_from(["pixel", "geo", "page", "normalised"]),
    page=st.none() | st.integers(0, 9),
    frame=st.none() | st.integers(0, 9),
    track_id=ids,
    is_crowd=st.booleans(),
    sources=_several(st.builds(Provenance, label_id=names, annotation_id=names)),
    **_class,
)


@st.composite
def tracks(draw: st.DrawFn) -> Track:
    """A track of any kind of shape; frames may be missing in between."""
    kind = draw(st.sampled_from(["box", "point", "line", "polygon", "mask"]))
    frames = sorted(draw(st.sets(st.integers(0, 50), max_size=4)))
    shapes = [
        draw(points({"box": 2, "point": 1}.get(kind, 0), {"box": 2, "point": 1}.get(kind, 4))) for _ in frames
    ]
    columns: dict[str, Any] = {"masks": tuple(draw(masks() | references) for _ in frames)}
    if kind != "mask":
        columns = {
            "values": [point for shape in shapes for point in shape],
            "offsets": np.cumsum([0, *map(len, shapes)]),
        }
    return Track(
        kind=kind,
        frames=frames,
        is_keyframe=[draw(st.booleans()) for _ in frames],
        segments=draw(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=2)),
        classifications=draw(_several(classifications, 1)),
        **columns,
        **{name: draw(values) for name, values in _class.items()},
    )


relationships = st.builds(
    Relationship,
    tool_name=names,
    source=ids,
    target=ids,
    directed=st.booleans(),
    id=ids,
    tool_id=ids,
    value=ids,
    extra=extras,
)
annotations: st.SearchStrategy[Annotation] = st.one_of(objects, classifications, relationships, tracks())
"""An annotation of any kind."""

labels = st.builds(
    Label,
    id=ids,
    annotator_id=ids,
    started_at=times,
    created_at=times,
    updated_at=times,
    seconds_to_create=shares,
    seconds_to_review=shares,
    status=st.none() | names,
    skipped=st.booleans(),
    is_benchmark=st.booleans(),
    is_selected=st.booleans(),
    consensus_score=shares,
    benchmark_score=shares,
    has_open_issues=st.none() | st.booleans(),
    project_id=ids,
    project_name=st.none() | names,
    url=ids,
    origin=st.sampled_from(["human", "model", "consensus"]),
    reviews=_several(st.builds(Review, score=shares, reviewer_id=ids, created_at=times, id=ids), 1),
    annotations=_several(annotations, 3),
    extra=extras,
)
assets = st.builds(
    Asset,
    uri=ids,
    media_type=st.sampled_from(["image", "video", "text"]),
    width=st.none() | st.integers(0, 9999),
    height=st.none() | st.integers(0, 9999),
    mime_type=ids,
    text=st.none() | names,
    frame_count=st.none() | st.integers(0, 99),
    frame_rate=st.none() | st.floats(1, 60),
    frame=st.none() | st.integers(0, 9),
    extra=extras,
)
data_rows = st.builds(
    DataRow,
    id=names,
    asset=assets,
    global_key=ids,
    external_id=ids,
    source=ids,
    split=st.sampled_from([None, "train", "val"]),
    metadata=_several(st.builds(MetadataField, name=names, value=json_values, id=ids, kind=ids), 1),
    attachments=_several(st.builds(Attachment, kind=names, value=names, name=ids, id=ids), 1),
    labels=_several(labels),
    extra=extras,
)
"""A data row with any number of labels; ids repeat."""


def _tools(inner: st.SearchStrategy[Tool]) -> st.SearchStrategy[Tool]:
    options = st.builds(
        Option, name=names, id=ids, value=ids, classifications=_several(inner, 1), extra=extras
    )
    return st.builds(
        Tool,
        name=names,
        kind=st.sampled_from([None, "box", "polygon", "radio"]),
        id=ids,
        value=ids,
        color=ids,
        required=st.booleans(),
        options=_several(options),
        classifications=_several(inner),
        keypoints=_several(names),
        skeleton=_several(st.tuples(st.integers(0, 9), st.integers(0, 9))),
        extra=extras,
    )


tools = st.recursive(st.builds(Tool, name=names), _tools, max_leaves=5)
ontologies = st.builds(Ontology, tools=_several(tools), classifications=_several(tools), extra=extras)
"""An ontology with nested questions."""
