"""YOLO detect and segment: one text file of rows for each image, and a data.yaml, as Ultralytics has them.

A row is ``class xc yc w h`` or ``class x1 y1 ... xn yn``, in shares of the image's width and height. A
dataset written here has a label file for every image and names.ndjson, which gives names and sizes back.
Source of the format: https://docs.ultralytics.com/datasets/ and the rules of Ultralytics' loader.
"""

from __future__ import annotations

from annokit.formats import _yolo_read, _yolo_write
from annokit.formats._base import Format, Head, Reader, Writer
from annokit.formats._yolo_yaml import SUFFIXES, is_data_yaml
from annokit.io.source import Source

__all__ = ["FORMAT"]


def _sniff(head: Head) -> bool:
    if head.path is None or not head.is_dir:
        return head.suffix in SUFFIXES and is_data_yaml(head.data)
    if {"images", "labels"} <= set(head.entries):
        return True
    files = [head.path / name for name in head.entries if name.lower().endswith(SUFFIXES)]
    return any(file.is_file() and is_data_yaml(Source(file).head()) for file in files)


FORMAT = Format(
    name="yolo",
    title="YOLO detect and segment, in Ultralytics' layout",
    sniff=_sniff,
    reader=Reader(read=_yolo_read.read, options=_yolo_read.ReadOptions),
    writer=Writer(write=_yolo_write.write, options=_yolo_write.WriteOptions, target="folder"),
)
