"""YOLO: one text file of rows for each image, and a data.yaml, as Ultralytics has them.

In shares of the image's width and height a row is

- detect: ``class xc yc w h``
- segment: ``class x1 y1 ... xn yn``
- pose: ``class xc yc w h`` and ``x y v`` of each keypoint, as kpt_shape of data.yaml says
- obb: ``class x1 y1 x2 y2 x3 y3 x4 y4``

and may end with a confidence. A classify dataset is images in folders: ``train/CLASS/image``. Roboflow's and
Darknet's layouts are read, too. A dataset written here has a label file for every image and names.ndjson,
which gives names and sizes back. Source of the format: https://docs.ultralytics.com/datasets/ and the rules
of Ultralytics' loader.
"""

from __future__ import annotations

from annokit.formats._base import Format, Head, Reader, Writer
from annokit.formats._yolo import classify, darknet, read, write
from annokit.formats._yolo.data_yaml import SUFFIXES, is_data_yaml
from annokit.io.source import Source

__all__ = ["FORMAT"]


def _sniff(head: Head) -> bool:
    if head.path is None or not head.is_dir:
        return _is_key_file(head.suffix, head.data)
    if {"images", "labels"} <= set(head.entries) or classify.is_there(head.path):
        return True
    files = [head.path / name for name in head.entries if name.lower().endswith((*SUFFIXES, "obj.data"))]
    return any(_is_key_file(file.suffix.lower(), Source(file).head()) for file in files if file.is_file())


def _is_key_file(suffix: str, data: bytes) -> bool:
    """Whether it is a data.yaml or an obj.data."""
    if suffix == darknet.SUFFIX:
        return darknet.is_obj_data(data)
    return suffix in SUFFIXES and is_data_yaml(data)


FORMAT = Format(
    name="yolo",
    title="YOLO detect, segment, pose, obb and classify, in Ultralytics' layout",
    sniff=_sniff,
    reader=Reader(read=read.read, options=read.ReadOptions, cut=read.cut),
    writer=Writer(
        write=write.write,
        options=write.WriteOptions,
        target="folder",
        pieces=write.PIECES,
    ),
)
