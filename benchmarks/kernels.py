"""The kernels beside their peers: ``python -m benchmarks kernels [--json FILE] [--only WORD] [--scale X]``.

Both sides get the same input, prepared outside the timing, in one process on one thread, in turns; the best of the
turns counts. Results are discarded as they come, unless the row says otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from importlib import metadata
from typing import Any

for _variable in ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

from annokit_fast import _jit
from benchmarks.comparisons import COMPARISONS, Case

PACKAGES = [
    "numpy",
    "numba",
    "msgspec",
    "pycocotools",
    "hotcoco",
    "rlemasklib",
    "powerboxes",
    "opencv-python-headless",
    "rasterio",
    "shapely",
    "scipy",
    "crowd-kit",
    "nltk",
    "ensemble-boxes",
    "SimpleITK",
]


def measure(case: Case, turns: int, budget: float) -> dict[str, float]:
    """Best seconds of ours and of every peer, in turns; a slow one gets fewer turns, but at least three."""
    runs = {"annokit_fast": case.ours, **case.peers}
    spent = dict.fromkeys(runs, 0.0)
    best = dict.fromkeys(runs, float("inf"))
    for run in runs.values():
        run()
    for turn in range(turns):
        for name, run in runs.items():
            if turn >= 3 and spent[name] > budget:
                continue
            begin = time.perf_counter()
            run()
            seconds = time.perf_counter() - begin
            spent[name] += seconds
            best[name] = min(best[name], seconds)
    return best


def rows(only: str, scale: float, turns: int, budget: float) -> list[dict[str, Any]]:
    found = []
    _jit.lose_patience()
    for (kernel, kind), build in COMPARISONS.items():
        if only not in kernel:
            continue
        case = build(scale)
        best = measure(case, turns, budget)
        ours = best.pop("annokit_fast")
        for peer, seconds in best.items():
            goal = case.goals.get(peer)
            ratio = seconds / ours
            row = {
                "kernel": kernel,
                "set": kind,
                "ours_us": ours / case.units * 1e6,
                "peer": peer,
                "peer_us": seconds / case.units * 1e6,
                "ratio": ratio,
                "goal": goal,
                "reached": None if goal is None else ratio >= goal,
            }
            found.append(row)
            print(line(row), flush=True)
    return found


def line(row: dict[str, Any]) -> str:
    goal = "" if row["goal"] is None else f"{row['goal']:.2g}"
    reached = {None: "", True: "yes", False: "no"}[row["reached"]]
    cells = [row["kernel"], row["set"], _short(row["ours_us"]), row["peer"], _short(row["peer_us"])]
    return "| " + " | ".join([*cells, f"{row['ratio']:.2f}", goal, reached]) + " |"


def _short(microseconds: float) -> str:
    return f"{microseconds:.4g}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks kernels", description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="write the table and the versions to FILE")
    parser.add_argument("--only", default="", metavar="WORD", help="only kernels with WORD in their name")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the input to use")
    parser.add_argument("--turns", type=int, default=9, help="turns of each side, of which the best counts")
    parser.add_argument(
        "--budget", type=float, default=1.0, help="seconds after which a side gets no more turns"
    )
    options = parser.parse_args(arguments)
    versions = {"python": platform.python_version(), "machine": platform.machine()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    print("  ".join(f"{name} {version}" for name, version in versions.items()))
    print("| kernel | set | ours us | peer | peer us | ratio | goal | reached |")
    print("|---|---|---|---|---|---|---|---|")
    found = rows(options.only, options.scale, options.turns, options.budget)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"versions": versions, "rows": found}, file, indent=1)
    return 0
