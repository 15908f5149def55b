"""What is fuzzed: each target takes any bytes, and only errors that annokit raises on purpose may come out."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import annokit
from annokit.errors import AnnokitError
from annokit.io.archives import open_source
from annokit.io.images import image_header, image_size, read_png_pixels
from annokit.io.limits import Limits
from annokit.run import Run
from annokit.validate import validate
from annokit_fast import rle

SMALL = Limits(max_pixels=1 << 20, max_vertices=10_000, max_unpacked_bytes=1 << 20)


def _read(source: bytes | Path, format: str) -> None:
    """The outline, all rows in both modes, and the account of them."""
    for on_error in ("raise", "skip"):
        try:
            dataset = annokit.read(source, format=format, limits=SMALL)
            run = Run(on_error=on_error, limits=SMALL)  # type: ignore[arg-type]  # one of the modes
            rows = list(dataset.rows(run))
            assert run.report.kinds["data_rows"]["read"] >= len(rows)
            assert dataset.outline is not None
            if on_error == "skip":
                validate(dataset, "yolo", limits=SMALL)
        except AnnokitError as error:
            said = str(error)
            if "\n" in said:
                raise AssertionError(f"more than one line: {said!r}") from error


def coco(data: bytes) -> None:
    """COCO instances."""
    _read(data, "coco")


def labelbox(data: bytes) -> None:
    """Labelbox export v2."""
    _read(data, "labelbox")


def labelbox_v1(data: bytes) -> None:
    """Labelbox legacy export."""
    _read(data, "labelbox-v1")


def ground_truth(data: bytes) -> None:
    """A manifest, a SeqLabel.json or a consolidation response."""
    _read(data, "ground-truth")


def ground_truth_responses(data: bytes) -> None:
    """A file of workers' answers, or a consolidation request."""
    _read(data, "ground-truth-responses")


def _in_folder(name: str, data: bytes, read: Callable[[Path], None]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="annokit-fuzz-"))
    try:
        (folder / name).write_bytes(data)
        read(folder)
    finally:
        shutil.rmtree(folder)


def yolo(data: bytes) -> None:
    """A data.yaml, a line of three hyphens, a label file."""
    document, _, labels = data.partition(b"\n---\n")

    def read(folder: Path) -> None:
        (folder / "labels").mkdir()
        (folder / "images").mkdir()
        (folder / "labels" / "a.txt").write_bytes(labels)
        (folder / "images" / "a.jpg").write_bytes(b"")
        (folder / "sizes.csv").write_text("name,width,height\nimages/a.jpg,64,48\n")
        _read(folder, "yolo")

    _in_folder("data.yaml", document, read)


def parquet(data: bytes) -> None:
    """One table of annotations."""
    _in_folder("a.parquet", data, lambda folder: _read(folder / "a.parquet", "parquet"))


def archive(data: bytes) -> None:
    """A zip, tar or gzip file."""

    def read(folder: Path) -> None:
        try:
            open_source(str(folder / "a"), SMALL)
        except AnnokitError:
            return

    _in_folder("a", data, read)


def image(data: bytes) -> None:
    """An image file."""

    def read(folder: Path) -> None:
        for function in (image_size, read_png_pixels):
            try:
                function(folder / "a", SMALL)
                image_header(folder / "a")
            except AnnokitError:
                continue

    _in_folder("a", data, read)


def rle_strings(data: bytes) -> None:
    """Compressed counts of a mask; the first two bytes are its size."""
    height, width = (data[0], data[1]) if len(data) > 1 else (0, 0)
    text = data[2:]
    try:
        batch = rle.from_strings(text, [0, len(text)], height, width)
    except ValueError:
        return
    assert int(batch.counts.sum()) == height * width
    assert rle.decode(batch).sum() == rle.area(batch)[0]


TARGETS: dict[str, Callable[[bytes], None]] = {
    one.__name__: one
    for one in (
        coco,
        ground_truth,
        ground_truth_responses,
        labelbox,
        labelbox_v1,
        yolo,
        parquet,
        archive,
        image,
        rle_strings,
    )
}
