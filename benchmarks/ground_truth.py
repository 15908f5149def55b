"""Reading a tree of workers' answers against a plain scandir and json loop: CPU seconds, and their ratio.

``python -m benchmarks ground_truth --records 100000`` makes a job of one file a record, then reads it by
turns, so that both see the same machine. The files are in the page cache for both.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import annokit
from annokit.run import Run

GENERATOR = Path(__file__).resolve().parents[1] / "tests" / "generators" / "make_worker_responses.py"


def plain(folder: str) -> int:
    """How many answers there are, by the least code there can be."""
    found = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                found += plain(entry.path)
            elif entry.name.endswith(".json"):
                with open(entry.path, "rb") as handle:
                    found += len(json.loads(handle.read())["answers"])
    return found


def ours(folder: str) -> int:
    """The same, as labels with their account."""
    return sum(len(row.labels) for row in annokit.read(folder).rows(Run()))


def seconds(call: Callable[[str], int], folder: str) -> tuple[float, int]:
    """CPU time of a call, and what it found."""
    start = time.process_time()
    found = call(folder)
    return time.process_time() - start, found


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--answers", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        options = ["--records", given.records, "--answers", given.answers, "--workers", 200, "--out", folder]
        subprocess.run([sys.executable, GENERATOR, *map(str, options)], check=True, stderr=subprocess.DEVNULL)
        (job,) = (str(place) for place in Path(folder).iterdir())
        ours(job)  # warm: imports, page cache
        rounds = [
            (seconds(plain, f"{job}/annotations/worker-response"), seconds(ours, job))
            for _ in range(given.rounds)
        ]
    assert all(one[1] == other[1] for one, other in rounds)
    ratios = sorted(other[0] / one[0] for one, other in rounds)
    best_plain, best_ours = (min(pair[side][0] for pair in rounds) for side in (0, 1))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{given.records} files, {rounds[0][0][1]} answers, {given.rounds} rounds by turns")
    print(
        f"plain loop {best_plain:.2f} s, annokit {best_ours:.2f} s of CPU: ratio of the best {best_ours / best_plain:.2f}"
    )
    print(f"ratios of the rounds {', '.join(f'{one:.2f}' for one in ratios)}; most memory {memory} MB")
    return 0
