"""Masks as PNG files, one label map for each image or one file for each object, as segmentation trainers take.

Below the folder stand ``masks/SPLIT/NAME.png``, with ``--images`` also ``images/SPLIT/NAME.jpg`` of the same
stem, ``classes.csv``, and names.ndjson with the original names. In a label map 0 is the background; classes
count from 1 in the ontology's order.
"""

from __future__ import annotations

from annokit.formats._base import Format, Head, Writer
from annokit.formats._masks import write

__all__ = ["FORMAT"]


def _sniff(_head: Head) -> bool:
    return False  # it is not read


FORMAT = Format(
    name="masks",
    title="PNG masks: semantic or instance label maps, or one for each object",
    sniff=_sniff,
    writer=Writer(write=write.write, options=write.WriteOptions, target="folder"),
)
