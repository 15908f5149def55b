"""What cannot be read, as a table: one row for each bad record, with its bytes."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from annokit.reading import Part
from annokit.run import Run

__all__ = ["PROBLEMS", "problems"]

_TEXT, _INT = pa.string(), pa.int64()
PROBLEMS = pa.schema(
    [
        ("source", _TEXT),
        ("line", _INT),
        ("byte_offset", _INT),
        ("data_row", _TEXT),
        ("path", _TEXT),
        ("kind", _TEXT),
        ("code", _TEXT),
        ("message", _TEXT),
        ("raw", pa.binary()),
    ]
)
"""Where it stands, what it is accounted under, what is wrong with it, and its bytes, where they can be held."""


def problems(part: Part) -> Iterator[pa.RecordBatch]:
    """The records of a part that cannot be read."""
    with tempfile.TemporaryDirectory(prefix="annokit-") as folder:
        aside = Path(folder) / "aside.ndjson"
        with Run(on_error="quarantine", quarantine=aside, limits=part.source.limits) as run:
            for _row in part.dataset().rows(run):
                pass
        if aside.exists():
            with aside.open(encoding="utf-8") as lines:
                found = [_entry(json.loads(line)) for line in lines]
            yield pa.RecordBatch.from_pylist(found, PROBLEMS)


def _entry(line: dict[str, Any]) -> dict[str, Any]:
    where = line["where"]
    raw = line["raw"].encode() if "raw" in line else base64.b64decode(line.get("raw_b64", ""))
    return {
        "source": where.get("file"),
        "line": where.get("line"),
        "byte_offset": where.get("byte_offset"),
        "data_row": where.get("record"),
        "path": where.get("path"),
        "kind": line["kind"],
        "code": line["code"],
        "message": line["message"],
        "raw": raw or None,
    }
