"""Whole conversions against whole conversions: ``python -m benchmarks convert [--scale 5] [--rounds 3] [--only WORD]``.

Each run is a process of its own on one core: user and system time from start to exit, and the peak of its memory.
The contenders of a path take turns; the best turn of each counts. Inputs are generated, and outputs written, in
memory where there is `/dev/shm`. Printed beside each time is its ratio to ours, then every goal and whether it was met.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
RUNS = [sys.executable, "-m", "benchmarks._convert_runs"]
ANNOKIT = [sys.executable, "-m", "annokit", "convert", "--quiet", "{source}", "{target}"]
PANLABEL = ["panlabel", "convert", "--input", "{source}", "--output", "{target}", "--allow-lossy"]
LABELFORMAT = ["labelformat", "convert", "--task", "object-detection", "--input-file", "{source}"]


@dataclass(frozen=True)
class Goal:
    """Ours takes at most `ratio` times the peer's time or, `faster`, the peer at least `ratio` times ours; without a peer
    `ratio` is seconds."""

    peer: str | None
    ratio: float
    faster: bool = False

    def judge(self, seconds: dict[str, float]) -> tuple[str, bool]:
        if self.peer is None:
            return f"CPU {seconds['annokit']:.2f} s, at most {self.ratio}", seconds["annokit"] <= self.ratio
        ratio = seconds["annokit"] / seconds[self.peer]
        if self.faster:
            return f"{1 / ratio:.2f}x faster than {self.peer}, at least {self.ratio}", 1 / ratio >= self.ratio
        return f"{ratio:.2f}x {self.peer}, at most {self.ratio}", ratio <= self.ratio


@dataclass(frozen=True)
class Conversion:
    """One conversion: its input, who takes part, what is asked of us. `memory` is MiB, or below 10 sizes of the input."""

    name: str
    source: str
    suffix: str
    contenders: dict[str, list[str]]
    goals: tuple[Goal, ...] = ()
    memory: float | None = None


def decode(limit: float) -> Goal:
    return Goal("full decode", limit)


def coco_paths(scale: float) -> list[Conversion]:
    detect = {
        "annokit": [*ANNOKIT, "--to", "yolo", "--task", "detect"],
        "full decode": [*RUNS, "decode_coco"],
        "hotcoco": [*RUNS, "hotcoco_yolo"],
        "panlabel": [*PANLABEL, "--from", "coco", "--to", "yolo"],
        "labelformat": [
            *(*LABELFORMAT, "--input-format", "coco", "--output-format", "yolov8"),
            *("--output-file", "{target}/data.yaml", "--output-split", "train"),
        ],
        "loop": [*RUNS, "loop_detect"],
    }
    segment = {
        "annokit": [*ANNOKIT, "--to", "yolo", "--task", "segment"],
        "full decode": detect["full decode"],
        "loop": [*RUNS, "loop_segment"],
    }
    parquet = {"annokit": [*ANNOKIT, "--to", "parquet"], "full decode": detect["full decode"]}
    if scale >= 5:
        goals = (Goal("hotcoco", 1.6, True),), (decode(2.8),), ()
        memory = 2.6, 2.6, None
    else:
        goals = (
            (Goal("hotcoco", 1.2, True), Goal("panlabel", 1.5, True), Goal("labelformat", 4.5, True)),
            (decode(3.3), Goal("loop", 2.4, True)),
            (decode(2.9),),
        )
        memory = 220, 350, 480
    return [
        Conversion("COCO -> YOLO detect", "coco.json", "", detect, goals[0], memory[0]),
        Conversion("COCO -> YOLO segment, parts joined", "coco.json", "", segment, goals[1], memory[1]),
        Conversion("COCO -> Parquet", "coco.json", ".parquet", parquet, goals[2], memory[2]),
    ]


def labelbox_paths() -> list[Conversion]:
    coco = {
        "annokit": [*ANNOKIT, "--to", "coco"],
        "full decode": [*RUNS, "decode_labelbox"],
        "panlabel": [*PANLABEL, "--from", "labelbox", "--to", "coco"],
        "labelformat": [
            *(*LABELFORMAT, "--input-format", "labelbox", "--category-names", "{classes}"),
            *("--filename-key", "id", "--output-format", "coco", "--output-file", "{target}"),
        ],
    }
    imports = {
        "annokit": [*RUNS, "import_rows"],
        "json.loads": [*RUNS, "import_loads"],
        "the client": [*RUNS, "import_client"],
    }
    goals = decode(3.9), Goal("panlabel", 1.7, True)
    return [
        Conversion("Labelbox -> COCO", "export.ndjson", ".json", coco, goals, 300),
        Conversion(
            "Labelbox import, polygons of 64 points -> model",
            *("import.ndjson", ".none", imports, (Goal("json.loads", 2),), 5),
        ),
    ]


def small_paths() -> list[Conversion]:
    floor = {"numpy and msgspec": [*RUNS, "imports"]}
    to_yolo = {"annokit": [*ANNOKIT, "--to", "yolo"]} | floor
    to_coco = {"annokit": [*ANNOKIT, "--to", "coco"]} | floor
    return [
        Conversion("10 images, COCO -> YOLO", "small.json", "", to_yolo, (Goal(None, 0.25),)),
        Conversion("10 images, Labelbox -> COCO", "small.ndjson", ".json", to_coco, (Goal(None, 0.25),)),
    ]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks convert", description=__doc__)
    parser.add_argument("--scale", type=float, default=1, help="1 is 78 MB of COCO")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", metavar="WORD", help="paths that have this word in their name")
    parser.add_argument("--skip", default=[], action="append", metavar="WHO", help="leave a contender out")
    parser.add_argument("--coco", metavar="FILE", help="real instances that the Labelbox export is made of")
    parser.add_argument("--folder", type=Path, help="keep the inputs here, and use those that stand here")
    options = parser.parse_args(arguments)
    paths = [*coco_paths(options.scale), *labelbox_paths(), *small_paths()]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(exist_ok=True)
        print(versions())
        for path in paths:
            if options.only.casefold() in path.name.casefold():
                source = generated(folder, path.source, options.scale, options.coco)
                print("\n" + measured(path, source, Path(scratch) / f"out{path.suffix}", options))
    return 0


def measured(path: Conversion, source: Path, target: Path, options: argparse.Namespace) -> str:
    """Run the contenders by turns, and say how they did."""
    best: dict[str, tuple[float, float, float]] = {}
    notes = []
    for turn in range(options.rounds):
        for who, command in path.contenders.items():
            if who in options.skip or (turn and who not in best):
                continue
            try:
                found = *run(filled(command, source, target)), size(target)
                best[who] = min(found, best.get(who, found))
            except (OSError, RuntimeError) as problem:
                notes.append(f"- {who} is left out: {problem}")
            for place in (target, Path(f"{target}.report.json")):
                shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    ours = best["annokit"]
    rows = [
        f"| {who} | {seconds:.2f} | {seconds / ours[0]:.2f} | {memory:.0f} | {written / 1e6:.1f} |"
        for who, (seconds, memory, written) in sorted(best.items(), key=lambda item: item[1])
    ]
    times = {who: one[0] for who, one in best.items()}
    verdicts = [goal.judge(times) for goal in path.goals if goal.peer is None or goal.peer in times]
    if path.memory is not None:
        limit = path.memory if path.memory >= 10 else path.memory * source.stat().st_size / 2**20
        verdicts.append((f"{ours[1]:.0f} MiB, at most {limit:.0f}", ours[1] <= limit))
    title = f"### {path.name}, {source.stat().st_size / 1e6:.1f} MB"
    head = ["| | CPU s | to ours | MiB | MB written |", "|---|---|---|---|---|"]
    said = [f"- {'met' if kept else 'MISSED'}: {text}" for text, kept in verdicts]
    return "\n".join([title, "", *head, *rows, "", *said, *notes])


def filled(command: list[str], source: Path, target: Path) -> list[str]:
    """The command with its places; a script stands beside our Python."""
    words = [word.replace("{source}", str(source)).replace("{target}", str(target)) for word in command]
    if "{classes}" in words:
        words[words.index("{classes}")] = ",".join(class_names(source))
    if words[: len(RUNS)] == RUNS:
        return [*words, str(source), str(target)]
    beside = Path(sys.executable).parent / words[0]
    return [str(beside), *words[1:]] if beside.exists() else words


def run(command: list[str]) -> tuple[float, float]:
    """CPU seconds and MiB of one process, from start to exit; compiled modules are kept, as where it is installed."""
    around = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, cwd=HERE, env=around)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(said.read().decode(errors="replace").strip().splitlines()[-1][:200])
    kilo = 1 if sys.platform == "darwin" else 1024
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * kilo / 2**20


def size(target: Path) -> int:
    if target.is_dir():
        return sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    return target.stat().st_size if target.exists() else 0


def generated(folder: Path, name: str, scale: float, coco: str | None) -> Path:
    """The input of that name and scale, made if it is not there."""
    path = folder / f"{scale:g}x_{name}"
    if path.exists():
        return path
    if name == "coco.json":
        generate("make_coco", path, "--scale", scale)
    elif name == "small.json":
        generate("make_coco", path, "--scale", 0.0005)
    elif name == "import.ndjson":
        write_import(path, round(40_000 * scale))
    else:
        write_export(path, coco, repeat=round(200 * scale), most=10 if name == "small.ndjson" else None)
    return path


def generate(script: str, *arguments: object) -> None:
    program = HERE / "tests" / "generators" / f"{script}.py"
    subprocess.run([sys.executable, program, *map(str, arguments)], check=True)


def write_export(path: Path, coco: str | None, *, repeat: int, most: int | None) -> None:
    """An export with an external id for each row: panlabel refuses files without."""
    drawn, plain = path.with_suffix(".coco"), path.with_suffix(".plain")
    if coco is None:
        generate("make_coco", drawn, "--scale", 0.004)
    generate("make_export", coco or drawn, plain, "--repeat", repeat)
    with plain.open("rb") as lines, path.open("wb") as out:
        for number, line in enumerate(lines):
            if number == most:
                break
            out.write(line.replace(b'"external_id":"', b'"external_id":"%d/' % number, 1))
    plain.unlink()
    drawn.unlink(missing_ok=True)


def write_import(path: Path, rows: int) -> None:
    """Import NDJSON of polygons of 64 points, 3 decimals."""
    rng = random.Random(0)
    with path.open("w", encoding="utf-8") as out:
        for number in range(rows):
            points = [
                {"x": round(rng.uniform(0, 900), 3), "y": round(rng.uniform(0, 900), 3)} for _ in range(64)
            ]
            head = {
                "uuid": f"00000000-0000-4000-8000-{number:012d}",
                "dataRow": {"id": f"c{number // 10:024d}"},
            }
            out.write(json.dumps(head | {"name": "car", "polygon": points}) + "\n")


def class_names(source: Path) -> list[str]:
    """The classes of an export, which labelformat wants to be told."""
    with source.open("rb") as lines:
        rows = [json.loads(line) for _, line in zip(range(1000), lines, strict=False)]
    labels = [label for row in rows for project in row["projects"].values() for label in project["labels"]]
    return sorted({thing["name"] for label in labels for thing in label["annotations"]["objects"]})


def versions() -> str:
    names = (
        "annokit",
        "hotcoco",
        "panlabel",
        "labelformat",
        "labelbox",
        "msgspec",
        "numpy",
        "numba",
        "orjson",
    )
    found = [f"{name} {importlib.metadata.version(name)}" for name in names if importlib.util.find_spec(name)]
    return f"Python {platform.python_version()}, {', '.join(found)}"


if __name__ == "__main__":
    sys.exit(main())
