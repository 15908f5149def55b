"""How fast are Labelbox files read? ``python -m benchmarks labelbox [--rows N] [--rounds N]``.

Import and export NDJSON are made in memory, parsed to the model, and timed in CPU seconds, interleaved with `json.loads`
of the same bytes and, for import rows, with the platform's own client (its models validate, then `to_common`). Printed is
the best of the rounds as a ratio to `json.loads`, and the peak of memory as a ratio to the bytes.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import annokit


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks labelbox", description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000, help="lines of each file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--memory", metavar="FILE", help="read this file once and print the peak (used inside)"
    )
    options = parser.parse_args(arguments)
    if options.memory:
        print(peak(Path(options.memory)))
        return 0
    for name, make in FILES.items():
        data = make(options.rows)
        times = measured(runners(name, data), options.rounds)
        base = times.pop("json.loads")
        ratios = ", ".join(f"{who} {seconds / base:.1f} x" for who, seconds in times.items())
        with tempfile.NamedTemporaryFile(suffix=".ndjson") as file:
            file.write(data)
            file.flush()
            again = [sys.executable, "-m", "benchmarks", "labelbox", "--memory", file.name]
            grown = float(subprocess.run(again, check=True, capture_output=True, text=True).stdout)
        print(
            f"{name}, {len(data) / 1e6:.1f} MB: json.loads {base:.2f} s, {ratios}; memory {grown:.1f} x the bytes"
        )
    return 0


def runners(name: str, data: bytes) -> dict[str, Callable[[], object]]:
    lines = data.splitlines()
    format_name = "labelbox" if name.startswith("export") else "labelbox-import"
    found: dict[str, Callable[[], object]] = {
        "json.loads": lambda: [json.loads(line) for line in lines],
        "annokit": lambda: drained(data, format_name),
    }
    if format_name == "labelbox-import":
        found["the client"] = lambda: of_the_client(lines)
    return found


def drained(data: bytes, format_name: str) -> int:
    return sum(1 for _ in annokit.read(data, format=format_name))


def of_the_client(lines: list[bytes]) -> None:
    from labelbox.data.serialization.ndjson import objects
    from labelbox.data.serialization.ndjson.label import AnnotationType
    from pydantic import TypeAdapter

    adapter: Any = TypeAdapter(AnnotationType)
    for line in lines:
        model = adapter.validate_python(json.loads(line))
        if isinstance(model, objects.NDSegments):
            model.to_common(model.name, model.schema_id)
        elif hasattr(model, "to_common"):
            model.to_common()


def measured(candidates: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    best = dict.fromkeys(candidates, float("inf"))
    for _ in range(rounds):
        for name, run in candidates.items():
            begin = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - begin)
    return best


def peak(path: Path) -> float:
    """How far memory rises above what stood there before, in sizes of the file, while all rows are kept."""
    with path.open("rb") as handle:
        list(annokit.read(handle.readline()))  # loads what is loaded once
    before = _highest()
    rows = list(annokit.read(path))
    return (_highest() - before) / path.stat().st_size if rows else 0


def _highest() -> int:
    """The most memory this process ever had, in bytes; getrusage would give that of its parent, too."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def lines_of(make: Callable[[random.Random, int], Any], rows: int) -> bytes:
    rng = random.Random(0)
    return b"\n".join(json.dumps(make(rng, number)).encode() for number in range(rows))


def head(number: int, name: str = "car") -> dict[str, Any]:
    return {
        "uuid": f"00000000-0000-4000-8000-{number:012d}",
        "dataRow": {"id": f"c{number // 10:024d}"},
        "name": name,
    }


def box(rng: random.Random) -> dict[str, float]:
    top, left, height, width = (round(rng.uniform(1, 900), 2) for _ in range(4))
    return {"top": top, "left": left, "height": height, "width": width}


def ring(rng: random.Random, vertices: int) -> list[dict[str, float]]:
    return [{"x": round(rng.uniform(0, 900), 3), "y": round(rng.uniform(0, 900), 3)} for _ in range(vertices)]


def import_mixed(rng: random.Random, number: int) -> dict[str, Any]:
    kinds: list[dict[str, Any]] = [
        {"bbox": box(rng), "confidence": 0.5},
        {"polygon": ring(rng, 6)},
        {"point": ring(rng, 1)[0]},
        {"line": ring(rng, 4)},
        {"answer": {"name": "a", "classifications": [{"name": "b", "answer": "c"}]}},
        {"answer": [{"name": "a"}, {"name": "b"}]},
        {"location": {"start": 3, "end": 9}},
    ]
    return head(number) | kinds[number % len(kinds)]


def import_video(rng: random.Random, number: int) -> dict[str, Any]:
    segments = [
        {"keyframes": [{"frame": start + n, "bbox": box(rng)} for n in (1, 5, 9)]} for start in (0, 20)
    ]
    return head(number) | {"segments": segments}


def export_line(number: int, shape: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    objects = [
        {
            "feature_id": f"c{place:024d}",
            "feature_schema_id": f"c{place % 5:024d}",
            "name": f"class {place % 5}",
        }
        | {"value": f"class_{place % 5}", "classifications": []}
        | shape()
        for place in range(8)
    ]
    said = {"objects": objects, "classifications": [], "relationships": []}
    label = {"label_kind": "Default", "version": "1.0.0", "id": f"l{number}", "annotations": said}
    return {
        "data_row": {"id": f"c{number:024d}", "row_data": f"https://example.com/{number}.jpg"},
        "media_attributes": {"height": 900, "width": 900, "mime_type": "image/jpeg"},
        "projects": {"p": {"name": "streets", "labels": [label]}},
    }


def export_boxes(rng: random.Random, number: int) -> dict[str, Any]:
    return export_line(number, lambda: {"annotation_kind": "ImageBoundingBox", "bounding_box": box(rng)})


def export_polygons(rng: random.Random, number: int) -> dict[str, Any]:
    return export_line(number, lambda: {"annotation_kind": "ImagePolygon", "polygon": ring(rng, 64)})


FILES: dict[str, Callable[[int], bytes]] = {
    "import mixed": lambda rows: lines_of(import_mixed, rows),
    "import boxes": lambda rows: lines_of(lambda rng, n: head(n) | {"bbox": box(rng)}, rows),
    "import polygons of 64": lambda rows: lines_of(lambda rng, n: head(n) | {"polygon": ring(rng, 64)}, rows),
    "import video": lambda rows: lines_of(import_video, rows // 10),
    "export boxes": lambda rows: lines_of(export_boxes, rows // 8),
    "export polygons of 64": lambda rows: lines_of(export_polygons, rows // 8),
}


if __name__ == "__main__":
    sys.exit(main())
