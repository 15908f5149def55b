"""MOTChallenge: a folder for each video, with ``gt/gt.txt`` (a row for each object and frame) and seqinfo.ini.

Source of the format: https://motchallenge.net/instructions and TrackEval. A row of the ground truth is
``frame,id,left,top,width,height,considered,class,visibility``, one of results or detections ``frame,id,left,top,
width,height,confidence,x,y,z``. Frames count from 1; coordinates are kept as they stand. Classes are named by
``gt/labels.txt`` (a name a line, as CVAT has it); without it their numbers are those of the benchmark.
"""

from __future__ import annotations

import re

from annokit.formats._base import Format, Head, NoOptions, Reader, Writer
from annokit.formats._mot import read, write

__all__ = ["FORMAT"]

_ROW = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*\d+(?:\.0*)?\s*,\s*-?\d+(?:\.0*)?\s*(?:,\s*-?[\d.]+(?:e[+-]?\d+)?\s*){4,8}\s"
)


def _sniff(head: Head) -> bool:
    if head.path is not None and head.is_dir:
        return read.is_there(head.path)
    return head.suffix == ".txt" and _ROW.match(head.data) is not None


FORMAT = Format(
    name="mot",
    title="MOTChallenge: gt.txt and seqinfo.ini of each video; results and detections are read",
    sniff=_sniff,
    reader=Reader(read=read.read, options=NoOptions),
    writer=Writer(write=write.write, options=NoOptions, target="folder"),
)
