"""Typed, frozen records for everything a labelling platform exports."""

from __future__ import annotations

from annokit.model.annotation import (
    Annotation,
    Answer,
    Classification,
    FrameRange,
    ObjectAnnotation,
    Provenance,
    Relationship,
    Track,
)
from annokit.model.base import Record
from annokit.model.geometry import (
    Box,
    Geometry,
    Keypoints,
    Line,
    Mask,
    MaskReference,
    Point,
    Polygon,
    RotatedBox,
    TextSpan,
    TimeRange,
    TokenGroup,
    TokenSpan,
    Unknown,
)
from annokit.model.json import SCHEMA_VERSION, dump, parse
from annokit.model.label import Asset, Attachment, DataRow, Label, MetadataField, Review
from annokit.model.ontology import Ontology, Option, Tool

__all__ = [
    "SCHEMA_VERSION",
    "Annotation",
    "Answer",
    "Asset",
    "Attachment",
    "Box",
    "Classification",
    "DataRow",
    "FrameRange",
    "Geometry",
    "Keypoints",
    "Label",
    "Line",
    "Mask",
    "MaskReference",
    "MetadataField",
    "ObjectAnnotation",
    "Ontology",
    "Option",
    "Point",
    "Polygon",
    "Provenance",
    "Record",
    "Relationship",
    "Review",
    "RotatedBox",
    "TextSpan",
    "TimeRange",
    "TokenGroup",
    "TokenSpan",
    "Tool",
    "Track",
    "Unknown",
    "dump",
    "parse",
]
