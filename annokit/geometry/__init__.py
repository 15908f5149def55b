"""The bridge between model shapes and arrays: text to shapes, shapes to boxes and run-length masks."""

from __future__ import annotations

from annokit.geometry.boxes import bounding_box, bounding_boxes, box_rows, object_boxes
from annokit.geometry.measures import outline_areas, ring_areas, ring_bounds
from annokit.geometry.ragged import Outlines
from annokit.geometry.raster import (
    Areal,
    box_corners,
    drawn,
    mask_batch,
    masks_of,
    outline_of,
    outlined,
    to_rle,
)
from annokit.geometry.text import FARTHEST, Text, flat_points, one_ring, parse_points, parse_rings

__all__ = [
    "FARTHEST",
    "Areal",
    "Outlines",
    "Text",
    "bounding_box",
    "bounding_boxes",
    "box_corners",
    "box_rows",
    "drawn",
    "flat_points",
    "mask_batch",
    "masks_of",
    "object_boxes",
    "one_ring",
    "outline_areas",
    "outline_of",
    "outlined",
    "parse_points",
    "parse_rings",
    "ring_areas",
    "ring_bounds",
    "to_rle",
]
