"""The bridge between model shapes and arrays: text to shapes, shapes to boxes and run-length masks."""

from __future__ import annotations

from annokit.geometry.boxes import bounding_box, bounding_boxes, box_rows, object_boxes
from annokit.geometry.measures import outline_areas, ring_areas, ring_bounds
from annokit.geometry.raster import Areal, mask_batch, masks_of, outline_of, to_rle
from annokit.geometry.text import FARTHEST, Text, parse_points, parse_rings

__all__ = [
    "FARTHEST",
    "Areal",
    "Text",
    "bounding_box",
    "bounding_boxes",
    "box_rows",
    "mask_batch",
    "masks_of",
    "object_boxes",
    "outline_areas",
    "outline_of",
    "parse_points",
    "parse_rings",
    "ring_areas",
    "ring_bounds",
    "to_rle",
]
