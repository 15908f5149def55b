"""Image sizes and mask pixels, through Pillow but with annokit's limits and errors."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from annokit.errors import InputError, Where
from annokit.io.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

__all__ = ["TURNED", "image_header", "image_size", "read_png_pixels"]

TURNED = "viewers and YOLO's trainers turn this image (EXIF orientation), and its labels are taken for those of the stored pixels"
"""What goes wrong with such an image, whoever finds it."""

_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "AVIF", "PPM")
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
)
_SCALE = {2: 85, 4: 17}
"""By bit depth: what Pillow multiplies grey samples with, so that the brightest is 255."""


def image_size(source: Path | BinaryIO, limits: Limits = DEFAULT_LIMITS) -> tuple[int, int]:
    """Height and width from the header; no pixel is decoded.

    They are those of the pixels as stored. An EXIF orientation is not applied: a viewer that turns the
    image may show it with height and width exchanged.

    Raises
    ------
    InputError
        It is no image of a known format, or its header is broken.
    LimitExceeded
        It has more than `max_pixels`.
    """
    with _header(source) as (image, name):
        return _stored_size(image, name, limits)


def image_header(source: Path | BinaryIO, limits: Limits = DEFAULT_LIMITS) -> tuple[tuple[int, int], int]:
    """`image_size`, and the EXIF orientation, 1 to 8: 1, as stored, where the image does not say."""
    with _header(source) as (image, name):
        size, value = _stored_size(image, name, limits), image.getexif().get(274)
    return size, value if isinstance(value, int) and 1 <= value <= 8 else 1


@contextmanager
def _header(source: Path | BinaryIO) -> Iterator[tuple[ImageFile, str]]:
    """The image with its header read, and what to call it in messages."""
    with _opened(source) as (handle, name), _pillow(name):
        image = _identified(handle)
        if image is None:
            raise InputError("expected an image, got something else", where=Where(name))
        yield image, name


def _stored_size(image: ImageFile, name: str, limits: Limits) -> tuple[int, int]:
    tags = getattr(image, "tag_v2", None)  # TIFF, whose `size` has the orientation applied
    width, height = map(int, (tags[256], tags[257]) if tags else image.size)
    _check_size(height, width, name, limits)
    return height, width


def read_png_pixels(
    source: Path | BinaryIO, limits: Limits = DEFAULT_LIMITS
) -> NDArray[np.uint8 | np.uint16]:
    """The samples of a mask PNG as they are stored.

    Returns
    -------
    ndarray
        (h, w) for grey and palette images: class or instance numbers, not colours; uint16 where the file
        has 16 bits, else uint8, and 0 or 1 where it has one. (h, w, 3) uint8 for colour images. An alpha
        channel is left out.

    Raises
    ------
    InputError
        It is no PNG, or broken, or has 16 bits a colour, which would be cut to 8.
    LimitExceeded
        It has more than `max_pixels`; nothing was allocated.
    """
    import numpy as np

    with _opened(source) as (handle, name), _pillow(name):
        width, height, depth, colour = _png_header(handle, name)
        _check_size(height, width, name, limits)
        pixels = np.array(_plugin("PNG", handle))
    if pixels.ndim == 3:
        pixels = pixels[..., :3] if colour & 2 else pixels[..., 0]
    if colour == 0 and depth in _SCALE:
        pixels //= _SCALE[depth]
    return np.ascontiguousarray(pixels, np.uint16 if depth == 16 else np.uint8)


def _png_header(handle: BinaryIO, name: str) -> tuple[int, int, int, int]:
    """Width, height, bit depth and colour type (1 palette, 2 colour, 4 alpha)."""
    head = handle.read(26)
    if head[:8] != b"\x89PNG\r\n\x1a\n" or head[12:16] != b"IHDR" or len(head) < 26:
        raise InputError("expected a PNG, got something else", where=Where(name))
    width, height, depth, colour = struct.unpack(">IIBB", head[16:])
    if depth == 16 and colour:
        raise InputError(
            "expected 8 bits a colour, got 16", where=Where(name), hint="16 bits are read as grey"
        )
    return width, height, depth, colour


def _check_size(height: int, width: int, name: str, limits: Limits) -> None:
    limits.check("max_pixels", height * width, Where(name))
    if height <= 0 or width <= 0:
        raise InputError(f"expected a positive size, got {height} x {width}", where=Where(name))


def _identified(handle: BinaryIO) -> ImageFile | None:
    """The image with its header read. Not by `Image.open`, which has a limit of its own and warns."""
    from PIL import Image

    Image.init()
    start = handle.read(16)
    for name in _FORMATS:
        accept = Image.OPEN[name][1] if name in Image.OPEN else None
        if accept is not None and accept(start) is True:
            return _plugin(name, handle)
    return None


def _plugin(name: str, handle: BinaryIO) -> ImageFile:
    from PIL import Image

    Image.init()
    handle.seek(0)
    image: Any = Image.OPEN[name][0](handle, "")
    return image  # type: ignore[no-any-return]


@contextmanager
def _opened(source: Path | BinaryIO) -> Iterator[tuple[BinaryIO, str]]:
    """A handle at the start, and what to call it in messages."""
    if not isinstance(source, Path):
        source.seek(0)
        yield source, "<stream>"
        return
    try:
        handle = source.open("rb")
    except OSError as error:
        raise InputError(f"cannot read: {error.strerror}", where=Where(str(source))) from error
    with handle:
        yield handle, str(source)


@contextmanager
def _pillow(name: str) -> Iterator[None]:
    """Turn the many things Pillow raises on broken files into an InputError, and silence its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except _BROKEN as error:
            raise InputError(f"broken image: {error}", where=Where(name)) from error
