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
GROUND_TRUTH = ROOT / "tests" / "data" / "ground_truth"
SAMPLES, LABELBOX = ROOT / "docs" / "samples", ROOT / "tests" / "data" / "labelbox"

_ANSWERS = b"""{"answers":[{"answerContent":{"a":{"polygons":[{"label":"x","vertices":[{"x":1,"y":2},{"x":3,"y":2},
{"x":3,"y":4}]}],"inputImageProperties":{"height":9,"width":9}},"b":{"entities":[{"startOffset":0,"endOffset":3,
"label":"y"}]},"c":{"labels":["u","v"]},"d":{"yes":true},"e":{"labelMappings":{"z":{"color":"#2ca02c"}},"labeledImage":
{"pngImageData":"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGPQWaADAAIiARGJo9OcAAAAAElFTkSuQmCC"}}},
"submissionTime":"2024-01-02T03:04:05Z","workerId":"w","timeSpentInSeconds":4.5}]}"""
_EVERY_TASK = b"""{"source":"so \\ud83d\\ude00 good","ner":{"annotations":{"labels":[],"entities":[{"label":"x","startOffset":0,"endOffset":2}]}},"ner-metadata":{"type":"groundtruth/text-span","entities":[{"confidence":0.5}]},"many":[1],"many-metadata":{"class-map":{"1":"u"},"confidence-map":{"1":0.5},"type":"groundtruth/text-classification-multilabel"}}
{"source-ref":"s3://b/a.jpg","k":"1","k-metadata":{"class-name":"bad","confidence":0.5,"type":"groundtruth/label-verification","worker-feedback":[{"comment":"c"}]},"s-ref":"s3://b/s.png","s-ref-metadata":{"internal-color-map":{"1":{"class-name":"v","hex-color":"#2acf59","confidence":0.9}},"type":"groundtruth/semantic-segmentation"}}
{"source-ref":"s3://b/b.jpg","f-metadata":{"failure-reason":"no","human-annotated":"true"}}
"""
_SEQUENCE = b"""{"tracking-annotations":[{"frame-no":"0","frame":"f0","frame-attributes":{"n":"a"},"annotations":[{"height":4,
"width":3,"top":2,"left":1,"class-id":"0","object-id":"o","object-name":"car:1","label-category-attributes":{"s":"m"}}]},
{"frame-no":1,"polygons":[{"class-id":1,"vertices":[{"x":1,"y":2},{"x":3,"y":2},{"x":3,"y":4}]}]}]}"""


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
    elif name == "ground_truth":
        yield _small(GROUND_TRUTH / "object_detection.manifest")
        yield _EVERY_TASK
        yield _SEQUENCE
    elif name == "ground_truth_responses":
        yield (GROUND_TRUTH / "blog_sample.json").read_bytes()
        yield (GROUND_TRUTH / "consolidation_request.json").read_bytes()
        yield _ANSWERS
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
