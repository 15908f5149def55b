"""`make docs`: draw the pictures of docs/consensus.md from the sample."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

import annokit
from annokit import consensus
from annokit.consensus_page import overlaid
from annokit.model import Asset, DataRow, Label, MaskReference
from annokit.view import find_row, render

HERE = Path(__file__).parent
ROW = "000000434204.jpg"


def pictures() -> dict[str, bytes]:
    """File name and content of every picture."""
    dataset = annokit.read(HERE / "samples" / "street.ndjson")
    numbers = {f"annotator{n}@example.com": n + 1 for n in range(3)}
    drawn, colors = overlaid(find_row(dataset, ROW), dataset.ontology, numbers)
    merged = find_row(consensus.merge(dataset), ROW)
    return {
        "consensus-before.svg": render(shapes_of(drawn), ontology=colors),
        "consensus-after.svg": render(shapes_of(merged), ontology=dataset.ontology),
    }


def shapes_of(row: DataRow) -> DataRow:
    """The row without what a picture cannot show."""
    kept = [one for one in row.labels[0].objects if not isinstance(one.geometry, MaskReference)]
    asset = Asset(width=row.asset.width, height=row.asset.height)
    return replace(row, asset=asset, labels=(Label(annotations=tuple(kept)),))


if __name__ == "__main__":
    folder = HERE / "pictures"
    folder.mkdir(exist_ok=True)
    for name, content in pictures().items():
        (folder / name).write_bytes(content)
