"""``python -m benchmarks insights``: a job of worker responses, from its files to the dashboard.

The tree is made of single-label answers as Ground Truth writes them, a file for each record. The peer is what the
files cost anybody: scandir and json.loads, and nothing kept.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import annokit
from annokit.insights import dashboard, open_insights


def make_tree(root: Path, records: int, each: int, workers: int) -> None:
    """Records with so many answers each, by a few busy workers and many others, over eight weeks."""
    choose = random.Random(1)
    start = datetime(2024, 3, 1, tzinfo=UTC)
    for record in range(records):
        time = start + timedelta(seconds=record * 56 * 86_400 // records)
        answers = []
        for place in range(each):
            seconds = round(choose.lognormvariate(3, 0.6), 3)
            done = time + timedelta(seconds=60 * place + seconds)
            who = int(workers * choose.random() ** 3)
            answers.append(
                {
                    "acceptanceTime": f"{done - timedelta(seconds=2 * seconds):%Y-%m-%dT%H:%M:%S.000Z}",
                    "answerContent": {
                        "crowd-classifier": {"label": f"class {int(12 * choose.random() ** 2)}"}
                    },
                    "submissionTime": f"{done:%Y-%m-%dT%H:%M:%S.000Z}",
                    "timeSpentInSeconds": seconds,
                    "workerId": f"private.eu-west-1.{who:016x}",
                    "workerMetadata": {
                        "identityData": {"identityProviderType": "Cognito", "issuer": "i", "sub": str(who)}
                    },
                }
            )
        folder = root / "job" / "annotations" / "worker-response" / "iteration-1" / str(record)
        folder.mkdir(parents=True)
        (folder / f"{time:%Y-%m-%d_%H:%M:%S}.json").write_text(json.dumps({"answers": answers}))


def plain(root: Path) -> int:
    """Every file found and decoded by the standard library."""
    count = 0
    for folder, _, names in os.walk(root):
        for name in names:
            with open(os.path.join(folder, name), "rb") as handle:
                count += len(json.loads(handle.read())["answers"])
    return count


def timed(what: str, run: Callable[[], Any]) -> Any:
    """Run, and say wall clock and processor time."""
    wall, cpu = time.perf_counter(), time.process_time()
    made = run()
    print(f"{what:<28} {time.perf_counter() - wall:7.2f} s {time.process_time() - cpu:7.2f} s of CPU")
    return made


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--each", type=int, default=5)
    parser.add_argument("--workers", type=int, default=400)
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        make_tree(root, given.records, given.each, given.workers)
        count = timed("scandir and json", lambda: plain(root))
        insights = timed("read and open_insights", lambda: open_insights(annokit.read(root / "job")))
        page = timed("dashboard", lambda: dashboard(insights))
        found = timed("tables", insights.tables)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{count:,} answers, page of {len(page) / 1e6:.2f} MB, {len(found)} tables, at most {peak:,.0f} MB of memory"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
