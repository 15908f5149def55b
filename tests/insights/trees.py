"""Worker-response trees: written, read by plain Python, and put through Presto's rules by plain Python."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import annokit
from annokit import Dataset


class Given(NamedTuple):
    """One answer to be written."""

    record: int
    worker: str
    label: str | None
    time: datetime
    sub: str | None = None
    seconds: float | None = None
    iteration: int = 1
    element: str = "crowd-classifier"


def identity(number: int) -> str:
    return f"{number:08d}-1111-1111-1111-111111111111"


def write_tree(root: Path, answers: Iterable[Given], *, colon: str = ":") -> Path:
    """The answers as Ground Truth lays them down: a file for each record and iteration."""
    files: dict[Path, list[Any]] = {}
    for one in answers:
        name = f"2020-03-27_10{colon}{one.iteration:02}{colon}00.json"
        folder = root / "annotations" / "worker-response" / f"iteration-{one.iteration}" / str(one.record)
        files.setdefault(folder / name, []).append(_answer(one))
    for path, found in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"answers": found}))
    return root


def _answer(one: Given) -> dict[str, Any]:
    made: dict[str, Any] = {
        "answerContent": {one.element: {"label": one.label}} if one.label is not None else {},
        "submissionTime": f"{one.time:%Y-%m-%dT%H:%M:%S}.{one.time.microsecond // 1000:03}Z",
        "workerId": one.worker,
    }
    if one.seconds is not None:
        made["timeSpentInSeconds"] = one.seconds
        accepted = one.time - timedelta(seconds=2 * one.seconds)
        made["acceptanceTime"] = f"{accepted:%Y-%m-%dT%H:%M:%S.000}Z"
    if one.sub is not None:
        made["workerMetadata"] = {
            "identityData": {
                "identityProviderType": "Cognito",
                "issuer": "https://idp.example",
                "sub": one.sub,
            }
        }
    return made


def private_workforce(counts: Iterable[int] = (0, 1, 24, 25, 49, 50, 75, 99, 100, 130)) -> Iterator[Given]:
    """Workers of a Cognito pool who gave so many answers, over several days, some records twice."""
    start = datetime(2020, 3, 27, 22, 0, tzinfo=UTC)
    for worker, count in enumerate(counts):
        for place in range(count):
            yield Given(
                record=place,
                worker=f"private.eu-west-1.{worker:016d}",
                label=("Compute", "Storage", "Analytics & AI/ML")[(place * (worker + 1)) % 3],
                time=start + timedelta(minutes=37 * place + worker, milliseconds=worker),
                sub=identity(worker) if worker != 3 else None,  # one is no longer in the pool
                seconds=20.0 + place % 7,
                iteration=1 + place % 2,
            )


class Presto:
    """The blog's five views by Presto's rules, from the files."""

    def __init__(self, root: Path, element: str = "crowd-classifier") -> None:
        self.view = [
            row for path in sorted(root.rglob("*.json")) for row in _rows(path, root.parent, element)
        ]

    def annotations_view(self) -> list[tuple[Any, ...]]:
        return self.view

    def annotations_per_user(self) -> list[tuple[Any, ...]]:
        counts = Counter({row[8]: 0 for row in self.view})
        counts.update(row[8] for row in self.view if row[8] is not None)
        return [(n, sub) for sub, n in counts.items()]

    def annotations_per_label(self) -> list[tuple[Any, ...]]:
        counts = Counter({row[2]: 0 for row in self.view})
        counts.update(row[2] for row in self.view if row[1] is not None)
        return [(n, label) for label, n in counts.items()]

    def annotations_per_day(self) -> list[tuple[Any, ...]]:
        counts = Counter({row[4]: 0 for row in self.view})
        counts.update(row[4] for row in self.view if row[1] is not None)
        return [(n, day) for day, n in counts.items()]

    def users_per_bucket_annotations(self) -> list[tuple[Any, ...]]:
        users: Counter[int] = Counter()
        for n, sub in self.annotations_per_user():
            users[width_bucket(n, [0, 25, 50, 75, 100])] += sub is not None
        return [(bucket, n, _bucket_name(bucket)) for bucket, n in users.items()]


def width_bucket(operand: float, bins: list[float]) -> int:
    """As Presto has it: a binary search for the number of bounds that are not above."""
    lower, upper = 0, len(bins)
    while lower < upper:
        middle = (lower + upper) // 2
        if operand < bins[middle]:
            upper = middle
        else:
            lower = middle + 1
    return lower


def _bucket_name(bucket: int) -> str:
    low = (bucket - 1) * 25
    return f"B{bucket}: {low}+" if bucket == 5 else f"B{bucket}: {low}-{bucket * 25}"


def _rows(path: Path, around: Path, element: str) -> Iterator[tuple[Any, ...]]:
    where = str(path.relative_to(around))
    iteration, record = re.search("iteration-[0-9]*", where), re.search("(iteration-[0-9]*/([0-9]*))", where)
    for answer in json.loads(path.read_text())["answers"]:
        time = datetime.fromisoformat(answer["submissionTime"]).replace(tzinfo=None)
        who = answer.get("workerMetadata", {}).get("identityData", {})
        yield (
            iteration.group() if iteration else None,
            record.group(2) if record else None,
            answer["answerContent"].get(element, {}).get("label"),
            time,
            time.date(),
            answer["workerId"],
            who.get("identityProviderType"),
            who.get("issuer"),
            who.get("sub"),
            where,
        )


def as_dataset(root: Path) -> Dataset:
    """The tree as the reader of worker responses gives it."""
    return annokit.read(root, format="ground-truth-responses")
