"""Videos on their way to a writer: frames as rows of their own, and tracks with the fewest key frames."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from annokit.dataset import Dataset, Outline, RowKey
from annokit.errors import UsageError
from annokit.geometry.frames import Frame, Which, chosen_frames, frame_name, frames_of
from annokit.geometry.tracks import at_frame, dense_boxes, filled, thinned
from annokit.model import Annotation, DataRow, Track
from annokit.report import Report, census
from annokit.run import Run

__all__ = [
    "Frame",
    "at_frame",
    "chosen_frames",
    "dense_boxes",
    "filled",
    "frames_of",
    "parse_frames",
    "split_frames",
    "thin_keyframes",
    "thinned",
]


def parse_frames(text: str | int) -> Which:
    """``all``, ``keyframes`` or a number, as text; what is none of them is refused where it is used.

    >>> parse_frames("10"), parse_frames("all")
    (10, 'all')
    """
    return int(text) if isinstance(text, int) or text.isdecimal() else text  # type: ignore[return-value]


def split_frames(dataset: Dataset, which: Which) -> Dataset:
    """The dataset with every video as images: all frames, those with key frames, or every n-th.

    Videos and what they held are accounted as merged, frames and what is visible in them as made. What is visible
    in none of the frames that were asked for is lost by name. Other rows stay as they are.
    """

    def step(rows: Iterator[DataRow], run: Run) -> Iterator[DataRow]:
        for row in rows:
            if row.asset.media_type == "video":
                yield from _frame_rows(row, which, run)
            else:
                yield row

    def outline(found: Outline) -> Outline:
        keys = []
        for row in dataset.rows(Run(on_error="skip", limits=dataset.limits)):
            if row.asset.media_type == "video":
                frames = chosen_frames(row, which, dataset.limits)
                keys += [RowKey(frame_name(row, n), f"{row.id}/{n + 1:06d}") for n in frames]
            else:
                keys.append(RowKey(row.name, row.id))
        return replace(found, keys=keys)

    return dataset.through(step, outline)


def _frame_rows(row: DataRow, which: Which, run: Run) -> Iterator[DataRow]:
    frames = chosen_frames(row, which, run.limits)
    report = run.report
    if not frames:
        report.lose_all("no-frames", census(row), "nothing says which frames the video has", example=row.name)
        return
    seen = [[False] * len(label.annotations) for label in row.labels]
    for frame in frames_of(row, frames, run.limits):
        report.count_all("made", census(frame.row))
        for flags, places in zip(seen, frame.places, strict=True):
            for place in places:
                flags[place] = True
        yield frame.row
    report.note("video-frames", "data_rows", "each frame asked for became an image", example=row.name)
    report.count("merged", "data_rows")
    report.count("merged", "labels", len(row.labels))
    wanted = set(frames)
    for label, flags in zip(row.labels, seen, strict=True):
        for one, is_seen in zip(label.annotations, flags, strict=True):
            _account(one, is_seen, wanted, row, report)


def _account(one: Annotation, is_seen: bool, wanted: set[int], row: DataRow, report: Report) -> None:
    """What became of an annotation of a video."""
    counts = census(one)
    why = "it is visible in none of the frames asked for"
    if not is_seen:
        report.lose_all("not-in-frames", counts, why, example=row.name)
        return
    if isinstance(one, Track):
        left_out = len(set(one.frames[one.is_keyframe].tolist()) - wanted)
        counts["keyframes"] -= left_out
        if left_out:
            report.lose("not-in-frames", "keyframes", "the frame is not among those asked for", n=left_out)
    report.count_all("merged", counts)


def thin_keyframes(dataset: Dataset, within: float = 0.5) -> Dataset:
    """The dataset with the fewest key frames in every track that give its shapes within so many pixels.

    See `annokit.geometry.tracks.thinned`. Key frames that go are accounted as merged, frames that become key
    frames as made.

    Raises
    ------
    UsageError
        `within` is no number from 0 on.
    """
    if not within >= 0:
        raise UsageError(f"expected key frames within 0 pixels or more, got {within}")

    def step(rows: Iterator[DataRow], run: Run) -> Iterator[DataRow]:
        for row in rows:
            yield _thinned_row(row, within, run.report)

    return dataset.through(step)


def _thinned_row(row: DataRow, within: float, report: Report) -> DataRow:
    if not any(label.tracks for label in row.labels):
        return row
    labels = [
        replace(
            label,
            annotations=tuple(
                [_thinned(a, within, row, report) if isinstance(a, Track) else a for a in label.annotations]
            ),
        )
        for label in row.labels
    ]
    return replace(row, labels=tuple(labels))


def _thinned(track: Track, within: float, row: DataRow, report: Report) -> Track:
    found = thinned(track, within)
    before = set(track.frames[track.is_keyframe].tolist())
    after = set(found.frames[found.is_keyframe].tolist())
    if before - after:
        why = f"lines between other key frames give it within {within:g} px"
        report.count("merged", "keyframes", len(before - after))
        report.note("keyframe-thinned", "keyframes", why, example=row.name, n=len(before - after))
    if after - before:
        why = "a frame between key frames became one, since no line gives it"
        report.count("made", "keyframes", len(after - before))
        report.note("keyframe-made", "keyframes", why, example=row.name, n=len(after - before))
    return found
