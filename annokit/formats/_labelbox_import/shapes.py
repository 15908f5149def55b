"""Shapes as Labelbox import NDJSON spells them."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from annokit.formats._labelbox.shapes import NoPlace, block_of, check_numbers, known, open_ring, points_json
from annokit.formats._labelbox_import.evaluations import evaluation_json
from annokit.geometry import mask_batch, masks_of, to_rle
from annokit.io.limits import Limits
from annokit.model import (
    Asset,
    Box,
    Geometry,
    Line,
    Mask,
    MaskReference,
    Point,
    Polygon,
    RotatedBox,
    TextSpan,
    TokenSpan,
    Unknown,
)
from annokit.model.annotation import Space

__all__ = ["check_url", "polygon_as_mask", "shape_json"]

_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/]|data:", re.IGNORECASE)
_WHITE = (255, 255, 255)
_PAYLOADS = ("messageEvaluationTask", "metricValue")


def shape_json(
    shape: Geometry, kept: Mapping[str, Any], *, as_read: bool, limits: Limits, space: Space = "pixel"
) -> dict[str, Any]:
    """The keys of a shape.

    Parameters
    ----------
    kept : mapping
        What the reader of such files kept of the object.
    as_read : bool
        Whether it comes from such a file.

    Raises
    ------
    NoPlace
        The format has no such shape, or the platform refuses it.
    """
    check_numbers(shape)
    if isinstance(shape, Box):
        return {"bbox": _box_json(shape, kept)}
    if isinstance(shape, Polygon | RotatedBox):
        return {"polygon": points_json(_at_least(3, _ring(shape, space)))}
    if isinstance(shape, Line):
        return {"line": points_json(_at_least(2, shape.coords))}
    if isinstance(shape, Point):
        return {"point": {"x": shape.x, "y": shape.y}}
    if isinstance(shape, Mask):
        return {"mask": _mask_json(shape, limits)}
    if isinstance(shape, MaskReference):
        color = shape.color or (None if as_read else _WHITE)
        if not as_read:
            check_url(shape.uri)
        return {"mask": known({"instanceURI": shape.uri, "colorRGB": color})}
    if isinstance(shape, TextSpan):
        return _span_json(shape)
    if isinstance(shape, TokenSpan):
        return {"textSelections": [_selection_json(one) for one in shape.groups]}
    payload = shape.payload if isinstance(shape, Unknown) else None
    if task := evaluation_json(payload):
        return task
    if isinstance(payload, dict) and (as_read or any(key in payload for key in _PAYLOADS)):
        return payload
    raise NoPlace(f"an import file has no place for this shape: {shape.kind.replace('_', ' ')}")


def _box_json(box: Box, kept: Mapping[str, Any]) -> dict[str, Any]:
    """A box; one that was drawn upwards goes back as it stood, while it is the same."""
    found = block_of(kept, "bbox")
    made = {"top": box.y, "left": box.x, "height": box.height, "width": box.width}
    left, top, width, height = (found.get(key) for key in ("left", "top", "width", "height"))
    numbers = [one for one in (left, top, width, height) if isinstance(one, int | float)]
    if len(numbers) == 4:
        x, y, w, h = numbers
        if (x + min(w, 0), y + min(h, 0), abs(w), abs(h)) == (box.x, box.y, box.width, box.height):
            return found
    return made


def _ring(shape: Polygon | RotatedBox, space: Space) -> Any:
    if isinstance(shape, RotatedBox):
        return shape.corners
    if len(shape.ring_offsets) > 2:
        hint = "" if space == "geo" else " (--multipart mask writes holes and parts as pixels)"
        raise NoPlace("a polygon of Labelbox has one ring" + hint)
    return open_ring(shape.coords)


def _at_least(vertices: int, coords: Any) -> Any:
    if len(coords) < vertices:
        raise NoPlace(f"the platform refuses fewer than {vertices} points")
    return coords


def _span_json(shape: TextSpan) -> dict[str, Any]:
    if not 0 <= shape.start < shape.end:
        raise NoPlace("a text entity of Labelbox has at least one character")
    place = {"start": shape.start, "end": shape.end - 1}
    return {"location": place} | known({"messageId": shape.message_id})


def _selection_json(one: Any) -> dict[str, Any]:
    if one.id is None or one.page < 1:
        raise NoPlace("tokens of a document need the id of their group, and a page from 1 on")
    return {"tokenIds": list(one.tokens), "groupId": one.id, "page": one.page}


def check_url(uri: str) -> None:
    """Refuse what the platform cannot fetch."""
    if not _URL.match(uri):
        raise NoPlace("the image of a mask stands under no URL (--masks DIR reads its pixels)")


def _mask_json(mask: Mask, limits: Limits) -> dict[str, Any]:
    """A PNG of one channel with 1 where the object is, as the platform wants it."""
    from PIL import Image

    from annokit_fast import rle

    if not mask.height * mask.width:
        raise NoPlace("a mask without pixels makes no image")
    limits.check("max_pixels", mask.height * mask.width)
    out = io.BytesIO()
    Image.fromarray(np.asarray(rle.decode(mask_batch([mask])))[0]).save(out, "PNG")
    return {"png": base64.b64encode(out.getvalue()).decode()}


def polygon_as_mask(shape: Polygon, asset: Asset) -> Mask:
    """The pixels of a polygon with holes or parts.

    Raises
    ------
    NoPlace
        The size of the image is not known.
    """
    if not asset.height or not asset.width:
        raise NoPlace("a polygon becomes a mask only where the size of the image is known")
    return masks_of(to_rle([shape], np.array([asset.height]), np.array([asset.width])))[0]
