"""What Ultralytics' loader makes of a dataset, written anew from its documented rules (no code of it)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}


class Loaded:
    """What a trainer gets: rows by image, and the images it ignores with the reason."""

    def __init__(self, folder: Path, task: str = "detect") -> None:
        self.task = task
        self.document: dict[str, Any] = yaml.safe_load((folder / "data.yaml").read_text("utf-8"))
        names = self.document["names"]
        assert list(names) == list(range(len(names)))
        assert self.document.get("nc", len(names)) == len(names)
        assert {"train", "val"} <= set(self.document)
        assert "path" not in self.document
        self.classes: list[str] = [str(name) for name in names.values()]
        self.keypoints: tuple[int, int] | None = None
        if task == "pose":
            points, values = self.document["kpt_shape"]
            assert values in (2, 3)
            assert sorted(self.document.get("flip_idx", range(points))) == list(range(points))
            assert all(len(one) == points for one in self.document.get("kpt_names", {}).values())
            self.keypoints = points, values
        self.rows: dict[str, list[list[float]]] = {}
        self.dropped: dict[str, str] = {}
        for split in ("train", "val", "test"):
            if split in self.document:
                self._load(folder, str(self.document[split]))

    def _load(self, folder: Path, images: str) -> None:
        labels = folder / images.replace("images/", "labels/", 1)
        for label in sorted(labels.rglob("*.txt")):
            name = label.relative_to(folder).as_posix()
            try:
                self.rows[name] = accepted(label.read_text("utf-8"), len(self.classes), self.keypoints)
            except ValueError as error:
                self.dropped[name] = str(error)


def accepted(text: str, class_count: int, keypoints: tuple[int, int] | None = None) -> list[list[float]]:
    """The rows of a label file, without repeated ones; ValueError where the whole image would be ignored."""
    words = [line.split() for line in text.strip().splitlines() if line]
    rows = [[float(word) for word in line] for line in words]
    if not rows:
        return []
    if keypoints is not None:
        if any(len(row) != 5 + keypoints[0] * keypoints[1] for row in rows):
            raise ValueError("expected a box and all keypoints")
    elif any(len(row) > 6 for row in rows):
        if any(len(row) < 7 or len(row) % 2 == 0 for row in rows):
            raise ValueError("box and polygon rows mixed, or half a point")
    elif any(len(row) != 5 for row in rows):
        raise ValueError("expected 5 columns")
    for row in rows:
        shares = row[1:] if keypoints is None else shares_of(row, keypoints[1])
        if not np.isfinite(row).all() or max(shares) > 1.01 or min(row) < -0.01:
            raise ValueError("coordinates that are not shares of the image")
        if row[0] != int(row[0]) or row[0] >= class_count:
            raise ValueError("no such class")
    return [list(row) for row in dict.fromkeys(map(tuple, rows))]


def shares_of(row: list[float], values: int) -> list[float]:
    """Box and keypoints of a row, without the visibilities."""
    return row[1:5] + [value for i, value in enumerate(row[5:]) if i % values < 2]


def classified(folder: Path) -> dict[str, dict[str, list[str]]]:
    """The images of each class of each split, as torchvision's ImageFolder finds them."""
    found = {
        split.name: {
            place.name: sorted(
                file.name for file in place.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file()
            )
            for place in sorted(split.iterdir())
        }
        for split in sorted(folder.iterdir())
        if split.is_dir()
    }
    classes = {tuple(places) for places in found.values()}
    assert len(classes) == 1, "splits number their classes differently"
    return found
