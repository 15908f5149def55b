"""Small whole files of every target, to be damaged."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

import annokit
from annokit_fast import rle

ROOT = Path(__file__).resolve().parents[2]
SAMPLES, LABELBOX = ROOT / "docs" / "samples", ROOT / "tests" / "data" / "labelbox"


def _small(path: Path, lines: int = 3) -> bytes:
    return b"\n".join(path.read_bytes().splitlines()[:lines])


def seeds(name: str, folder: Path) -> Iterator[bytes]:
    """Whole files of a target to start from; `folder` is for what has to be written first."""
    document = json.loads((SAMPLES / "coco.json").read_bytes())
    keep = {image["id"] for image in document["images"][:2]}
    document["images"] = document["images"][:2]
    document["annotations"] = [one for one in document["annotations"] if one["image_id"] in keep]
    small = json.dumps(document).encode()
    if name == "coco":
        yield small
    elif name == "labelbox":
        yield _small(SAMPLES / "street.ndjson")
        yield (LABELBOX / "v2_image.json").read_bytes()
    elif name == "labelbox_v1":
        yield (LABELBOX / "v1_image.json").read_bytes()
    elif name == "yolo":
        yield b"path: .\ntrain: images\nnames: [a, b]\n---\n0 .5 .5 .1 .1\n1 .1 .1 .5 .1 .5 .5\n"
    elif name == "parquet":
        annokit.convert(small, folder / "a.parquet", to="parquet", format="coco")
        yield (folder / "a.parquet").read_bytes()
    elif name == "archive":
        yield from _archives(small)
    elif name == "image":
        for kind in ("png", "jpeg"):
            stream = io.BytesIO()
            Image.new("L", (9, 7)).save(stream, kind)
            yield stream.getvalue()
    else:
        text, _ = rle.to_strings(rle.encode(np.tri(9, 7, dtype=np.uint8)))
        yield bytes([9, 7]) + bytes(text)


def _archives(content: bytes) -> Iterator[bytes]:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as zipped:
        zipped.writestr("x.json", content)
    yield stream.getvalue()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tarred:
        entry = tarfile.TarInfo("x.json")
        entry.size = len(content)
        tarred.addfile(entry, io.BytesIO(content))
    yield stream.getvalue()
