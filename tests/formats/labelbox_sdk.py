"""The platform's own client as judge of import rows: does it take them, and does it keep all they say?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["refused"]

_NOT_MODELLED = {"isBenchmarkReferenceLabel", "groupKey"}
"""Legal keys that its models have no field for; neither have they for what `_modelled` takes away."""


def refused(path: Path) -> list[tuple[dict[str, Any], str]]:
    """The rows of a file that the client refuses, or of which its models keep less, each with the reason."""
    from labelbox.data.serialization.ndjson import objects
    from labelbox.data.serialization.ndjson.label import AnnotationType
    from labelbox.schema.annotation_import import LabelImport
    from pydantic import TypeAdapter

    adapter: Any = TypeAdapter(AnnotationType)
    rows = [
        json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip() not in ("", "[]")
    ]
    LabelImport._validate_data_rows(rows)
    bad = []
    for row in rows:
        try:
            model = adapter.validate_python(row)
            if isinstance(model, objects.NDSegments):
                model.to_common(model.name, model.schema_id)
            elif "relationship" not in row and hasattr(model, "to_common"):
                model.to_common()
        except (ValueError, TypeError, AttributeError) as error:
            bad.append((row, str(error)[:200]))
            continue
        kept = json.loads(model.model_dump_json(by_alias=True, exclude_none=True))
        if "uuid" not in row:
            kept.pop("uuid", None)
        if _plain(kept) != _plain(_modelled(row)):
            bad.append((row, f"{type(model).__name__} keeps {json.dumps(kept)[:200]}"))
    return bad


def _modelled(row: dict[str, Any]) -> dict[str, Any]:
    """The row without the frames of single options, and with nothing but text and frames of texts over frames."""
    answer = row.get("answer")
    options = answer if isinstance(answer, list) else [answer] if isinstance(answer, dict) else None
    found = {key: value for key, value in row.items() if key not in _NOT_MODELLED}
    if options is None:
        return found
    if any("value" in one for one in options):
        kept = [{key: one[key] for key in ("value", "frames")} for one in options]
        return {key: value for key, value in found.items() if key not in ("uuid", "messageId")} | {
            "answer": kept
        }
    kept = [{key: value for key, value in one.items() if key != "frames"} for one in options]
    return found | {"answer": kept if isinstance(answer, list) else kept[0]}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        members = {"answer" if key == "answers" else key: _plain(one) for key, one in value.items()}
        return {key: one for key, one in members.items() if one not in (None, [])}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return round(float(value), 6) if isinstance(value, int | float) and not isinstance(value, bool) else value
