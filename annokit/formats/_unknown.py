"""Why a source looks like no format, where that is cheap to know."""

from __future__ import annotations

import re

from annokit.formats._base import Head

__all__ = ["reason"]

_COMMENT = re.compile(rb"^\s*//|/\*", re.MULTILINE)


def reason(head: Head) -> str | None:
    """What stands in the way, and what to do about it.

    >>> reason(Head(".json", b"[]", (), None))
    'an empty list says nothing of what it is'
    """
    if head.is_dir:
        return _of_folder(head)
    text = head.data.removeprefix(b"\xef\xbb\xbf").strip()
    if text.startswith(b"<") or head.suffix == ".xml":
        return _XML
    if re.fullmatch(rb"\[\s*\]", text):
        return "an empty list says nothing of what it is"
    is_json = head.suffix in (".json", ".jsonl", ".ndjson", ".jsonc", ".json5")
    return "JSON with comments is not JSON: take them out" if is_json and _COMMENT.search(text) else None


_XML = "XML is not read (Pascal VOC, CVAT): export COCO or YOLO"


def _of_folder(head: Head) -> str | None:
    if "shards.json" in head.entries:
        return f"a folder of shards: give its parts: {head.path}/part-*"
    if any(name.lower().endswith(".xml") for name in head.entries):
        return _XML
    has_rows = "labels" in head.entries or any(name.lower().endswith(".txt") for name in head.entries)
    if has_rows or any((head.path / name / "labels").is_dir() for name in head.entries if head.path):
        return "for YOLO a data.yaml with the names of the classes is missing"
    return None
