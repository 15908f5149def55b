from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from annokit.errors import InputError, LimitExceeded
from annokit.io.images import image_size, read_png_pixels
from annokit.io.limits import Limits


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> io.BytesIO:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out


def png(
    width: int, height: int, depth: int, colour: int, data: bytes = b"", extra: bytes = b""
) -> io.BytesIO:
    """A PNG put together by hand, for what Pillow does not write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(data))
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + head + extra + body + chunk(b"IEND", b""))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM"])
def test_sizes(tmp_path, kind):
    data = encoded(Image.new("RGB", (30, 20)), kind).getvalue()
    (tmp_path / "x").write_bytes(data)
    assert image_size(tmp_path / "x") == image_size(io.BytesIO(data)) == (20, 30)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_the_orientation_is_not_applied(kind):
    exif = Image.Exif()
    exif[274] = 6
    assert image_size(encoded(Image.new("RGB", (30, 20)), kind, exif=exif)) == (20, 30)


def test_a_header_that_lies_allocates_nothing():
    huge = png(60_000, 60_000, 8, 0)
    for read in (image_size, read_png_pixels):
        with pytest.raises(LimitExceeded, match="3600000000 is over the limit max_pixels"):
            read(huge)
    assert image_size(huge, Limits(max_pixels=1 << 40)) == (60_000, 60_000)
    with pytest.raises(InputError, match="positive size"):
        read_png_pixels(png(0, 5, 8, 0))


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"<svg/>", b"II*\0" + b"9" * 30]
)
@pytest.mark.parametrize("read", [image_size, read_png_pixels])
def test_what_is_no_image(data, read, tmp_path):
    (tmp_path / "x.png").write_bytes(data)
    with pytest.raises(InputError, match=r"x\.png: (expected|broken)"):
        read(tmp_path / "x.png")


def test_a_file_that_is_not_there():
    for read in (image_size, read_png_pixels):
        with pytest.raises(InputError, match=r"no\.png: cannot read: No such file"):
            read(Path("no.png"))


def test_a_png_that_ends_too_early():
    data = encoded(Image.fromarray(np.arange(10_000, dtype=np.uint8).reshape(100, 100))).getvalue()
    with pytest.raises(InputError, match="<stream>: broken image"):
        read_png_pixels(io.BytesIO(data[:-200]))


GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)


def test_grey_and_colour():
    assert np.array_equal(read_png_pixels(encoded(Image.fromarray(GREY))), GREY)
    wide = GREY.astype(np.uint16) * 1000
    found = read_png_pixels(encoded(Image.fromarray(wide)))
    assert found.dtype == np.uint16
    assert np.array_equal(found, wide)
    colour = np.stack([GREY, GREY + 1, GREY + 2], axis=-1)
    assert np.array_equal(read_png_pixels(encoded(Image.fromarray(colour))), colour)
    assert np.array_equal(read_png_pixels(encoded(Image.fromarray(colour).convert("RGBA"))), colour)
    with_alpha = read_png_pixels(encoded(Image.fromarray(GREY).convert("LA")))
    assert np.array_equal(with_alpha, GREY)
    assert with_alpha.flags.c_contiguous


def test_palette_images_give_their_numbers():
    image = Image.new("P", (8, 6))
    image.putdata((GREY % 5).ravel().tolist())
    image.putpalette([200, 0, 0, 0, 200, 0, 7, 7, 7, 9, 9, 9, 1, 2, 3])
    for bits in (4, 8):
        assert np.array_equal(read_png_pixels(encoded(image, bits=bits)), GREY % 5)


def test_one_bit_is_0_or_1():
    found = read_png_pixels(encoded(Image.fromarray(GREY % 2 == 1)))
    assert found.dtype == np.uint8
    assert np.array_equal(found, GREY % 2)


@pytest.mark.parametrize(
    ("depth", "packed", "values"), [(2, b"\0\x1b", [0, 1, 2, 3]), (4, b"\0\x07\xf1", [0, 7, 15, 1])]
)
def test_two_and_four_bit_grey_is_not_scaled(depth, packed, values):
    assert read_png_pixels(png(4, 1, depth, 0, packed)).tolist() == [values]


@pytest.mark.parametrize("colour", [2, 4, 6])
def test_16_bit_colour_is_refused_rather_than_cut(colour):
    with pytest.raises(InputError, match="expected 8 bits a colour, got 16"):
        read_png_pixels(png(1, 1, 16, colour))


@given(st.integers(8, 90), st.binary(min_size=1, max_size=8))
def test_damaged_images_raise_only_our_errors(place, damage):
    data = bytearray(encoded(Image.fromarray(GREY)).getvalue())
    data[place : place + len(damage)] = damage
    for read in (image_size, read_png_pixels):
        with contextlib.suppress(InputError, LimitExceeded):
            read(io.BytesIO(data))
