"""The images workers painted: PNGs in base64 in which each class, or each object, has a colour."""

from __future__ import annotations

import binascii
import io
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from annokit.errors import DecodeError, GeometryError, shown
from annokit.geometry import masks_of
from annokit.io.images import read_png_pixels
from annokit.model import Mask
from annokit.run import Run

__all__ = ["Pixels", "rgb", "rgb_numbers"]

_WHITE = 0xFFFFFF


def rgb(color: str) -> tuple[int, int, int]:
    """The red, green and blue of ``#rrggbb``.

    >>> rgb("#2ca02c")
    (44, 160, 44)
    """
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", color):
        raise DecodeError(f"expected a colour as #rrggbb, got {shown(color)}")
    red, green, blue = bytes.fromhex(color[1:])
    return red, green, blue


def rgb_numbers(samples: NDArray[np.uint8 | np.uint16]) -> NDArray[np.uint32]:
    """Each pixel's colour as one number; a grey pixel has its value three times."""
    wide = samples.astype(np.uint32)
    return wide @ np.array([1 << 16, 1 << 8, 1], np.uint32) if wide.ndim == 3 else wide * 0x010101


class Pixels:
    """Makes masks of the images in answers."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def masks(self, encoded: str, colors: Sequence[str], size: tuple[int, int] | None) -> list[Mask]:
        """The pixels of each colour; those of none of them that are not white either are counted.

        Raises
        ------
        InputError
            It is not base64, not a PNG, or of another size than the image; or a colour is none.
        LimitExceeded
            It has more than `max_pixels`.
        """
        from annokit_fast import rle

        wanted = [red << 16 | green << 8 | blue for red, green, blue in map(rgb, colors)]
        try:
            png = binascii.a2b_base64(encoded, strict_mode=True)
        except (binascii.Error, ValueError) as error:  # ValueError: a character beyond ASCII
            raise DecodeError(f"expected a PNG in base64: {error}") from error
        numbers = rgb_numbers(read_png_pixels(io.BytesIO(png), self._run.limits))
        if size is not None and numbers.shape != size:
            raise GeometryError(f"expected a PNG of the image's height and width {size}, got {numbers.shape}")
        self._note_others(numbers, wanted)
        return [masks_of(rle.encode(numbers == color))[0] for color in wanted]

    def _note_others(self, numbers: NDArray[np.uint32], wanted: Sequence[int]) -> None:
        others = int((~np.isin(numbers, [*wanted, _WHITE])).sum())
        if others:
            message = "pixels have the colour of no class that is listed, and are left out"
            self._run.report.note("unlisted-pixels", "object:mask", message, n=others, lossy=True)
