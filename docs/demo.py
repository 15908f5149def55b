"""`make demo`: convert the bundled samples to COCO, YOLO and Parquet, draw one row, say what came out."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = Path("docs", "samples")
OUT = Path("demo")
STREET = str(SAMPLES / "street.ndjson")
MASKS = ["--masks", str(SAMPLES / "masks")]

STEPS = [
    ("A Labelbox export: what is in it?", ["info", STREET]),
    (
        "To COCO, the newest of the three labels of each row, masks read from their PNGs",
        ["convert", STREET, str(OUT / "coco.json"), "--to", "coco", *MASKS],
    ),
    (
        "To YOLO segments, split by name",
        ["convert", STREET, str(OUT / "yolo"), "--to", "yolo", "--task", "segment", *MASKS]
        + ["--split", "train=.8,val=.2", "--seed", "1"],
    ),
    (
        "To Parquet, every label of every annotator",
        ["convert", STREET, str(OUT / "labels"), "--to", "parquet", "--labels", "all", *MASKS],
    ),
    (
        "COCO to YOLO boxes, two classes only",
        ["convert", str(SAMPLES / "coco.json"), str(OUT / "people_and_cars"), "--to", "yolo"]
        + ["--classes", "person,car"],
    ),
    (
        "One row drawn, the three annotators side by side",
        ["view", STREET, "--row", "000000106235.jpg", "-o", str(OUT / "row.svg"), "--labels", "all", *MASKS],
    ),
]


def main() -> None:
    """Run every step as a user would type it."""
    shutil.rmtree(ROOT / OUT, ignore_errors=True)
    for title, arguments in STEPS:
        print(f"\n# {title}\n$ annokit {' '.join(arguments)}", flush=True)
        subprocess.run([sys.executable, "-m", "annokit", *arguments], cwd=ROOT, check=True)
    print(f"\nEverything is in {OUT}/: coco.json, yolo/, labels/, people_and_cars/, and the picture row.svg,")
    print("each beside the report of its conversion.")


if __name__ == "__main__":
    main()
