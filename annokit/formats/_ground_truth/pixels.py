"""The images workers painted: PNGs in base64 in which each class, or each object, has a colour."""

from __future__ import annotations

import binascii
import io
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from annokit.errors import DecodeError, GeometryError, shown
from annokit.io.images import read_png_pixels
from annokit.model import Mask
from annokit.run import Run

__all__ = ["Pixels", "rgb"]

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


def _rgb_numbers(samples: NDArray[np.uint8 | np.uint16]) -> NDArray[np.uint32]:
    """Each pixel's colour as one number; a grey pixel has its value three times."""
    if samples.ndim == 2:
        return samples.astype(np.uint32) * 0x010101
    numbers = samples[..., 0].astype(np.uint32)
    for channel in (1, 2):  # in place: half the time goes into memory
        numbers <<= 8
        numbers |= samples[..., channel]
    return numbers


class _Runs:
    """An image as stretches of one colour, column by column: found once, however many masks are made of them."""

    def __init__(self, numbers: NDArray[np.uint32]) -> None:
        self._height, self._width = numbers.shape
        pixels = numbers.T.reshape(-1)
        changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
        self._bounds = np.concatenate([[0], changes, [pixels.size]])
        self.colors = pixels[self._bounds[:-1]]
        self.lengths = np.diff(self._bounds)

    def mask(self, color: int) -> Mask:
        """The pixels of one colour."""
        here = np.flatnonzero(self.colors == color)
        edges = np.empty(2 * here.size + 2, np.int64)
        edges[0], edges[1:-1:2], edges[2:-1:2] = 0, self._bounds[here], self._bounds[here + 1]
        edges[-1] = self._bounds[-1]
        counts = edges[1:] - edges[:-1]
        if counts.size > 1 and counts[-1] == 0:
            counts = counts[:-1]
        return Mask(counts=counts.astype(np.uint32), height=self._height, width=self._width)


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
        wanted = [red << 16 | green << 8 | blue for red, green, blue in map(rgb, colors)]
        try:
            png = binascii.a2b_base64(encoded, strict_mode=True)
        except (binascii.Error, ValueError) as error:  # ValueError: a character beyond ASCII
            raise DecodeError(f"expected a PNG in base64: {error}") from error
        numbers = _rgb_numbers(read_png_pixels(io.BytesIO(png), self._run.limits))
        if size is not None and numbers.shape != size:
            raise GeometryError(f"expected a PNG of the image's height and width {size}, got {numbers.shape}")
        runs = _Runs(numbers)
        self._note_others(runs, [*wanted, _WHITE])
        return [runs.mask(color) for color in wanted]

    def _note_others(self, runs: _Runs, known: Sequence[int]) -> None:
        others = int(runs.lengths[~np.isin(runs.colors, known)].sum())
        if others:
            message = "pixels have the colour of no class that is listed, and are left out"
            self._run.report.note("unlisted-pixels", "object:mask", message, n=others, lossy=True)
