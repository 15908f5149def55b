"""`make demo`: convert the bundled samples to COCO, YOLO and Parquet, draw one row, say what came out."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = Path("docs", "samples")
OUT = Path("demo")
STREET = SAMPLES / "street.ndjson"
MASKS = f"--masks {SAMPLES / 'masks'}"

STEPS = [
    ("A Labelbox export: what is in it?", f"info {STREET}"),
    (
        "To COCO, the newest of the three labels of each row, masks read from their PNGs",
        f"convert {STREET} {OUT}/coco.json --to coco {MASKS}",
    ),
    (
        "To YOLO segments, split by name",
        f"convert {STREET} {OUT}/yolo --to yolo --task segment --split train=.8,val=.2 --seed 1 {MASKS}",
    ),
    (
        "To Parquet, every label of every annotator",
        f"convert {STREET} {OUT}/labels --to parquet --labels all {MASKS}",
    ),
    (
        "COCO to YOLO boxes, two classes only",
        f"convert {SAMPLES / 'coco.json'} {OUT}/people_and_cars --to yolo --classes person,car",
    ),
    (
        "One row drawn, the three annotators side by side",
        f"view {STREET} --row 000000106235.jpg -o {OUT}/row.svg --labels all {MASKS}",
    ),
]


def main() -> None:
    """Run every step as a user would type it."""
    shutil.rmtree(ROOT / OUT, ignore_errors=True)
    for title, command in STEPS:
        print(f"\n# {title}\n$ annokit {command}", flush=True)
        subprocess.run([sys.executable, "-m", "annokit", *command.split()], cwd=ROOT, check=True)
    print(f"\nEverything is in {OUT}/: coco.json, yolo/, labels/, people_and_cars/, and the picture row.svg,")
    print("each beside the report of its conversion.")


if __name__ == "__main__":
    main()
