"""What is visible in each frame of a video: its data row as one row for each frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

from msgspec.structs import replace

from annokit.errors import UsageError
from annokit.geometry.tracks import filled, pieces
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.model import (
    Annotation,
    Answer,
    Classification,
    DataRow,
    FrameRange,
    Label,
    ObjectAnnotation,
    Relationship,
    Track,
)

__all__ = ["Frame", "Which", "chosen_frames", "frame_name", "frames_of"]

Which: TypeAlias = Literal["all", "keyframes"] | int
"""Every frame, those in which somebody placed a shape, or every n-th from the first on."""


class Frame(NamedTuple):
    """One frame of a video.

    Attributes
    ----------
    row : DataRow
        An image, with what is visible in it.
    places : list of list of int
        For each label of the row, which annotations of that label of the video it shows.
    """

    row: DataRow
    places: list[list[int]]


def chosen_frames(row: DataRow, which: Which, limits: Limits = DEFAULT_LIMITS) -> Sequence[int]:
    """The 0-based frames of a video that are asked for.

    Without a stated number of frames, and where something is said of later ones, the video ends with the last
    frame of which something is said.

    Raises
    ------
    UsageError
        `which` is nothing of the kind.
    LimitExceeded
        More than `max_frames` of them.

    Examples
    --------
    >>> from annokit.model import Asset
    >>> list(chosen_frames(DataRow(id="v", asset=Asset(media_type="video", frame_count=5)), 2))
    [0, 2, 4]
    >>> list(chosen_frames(DataRow(id="v", asset=Asset(media_type="video")), "keyframes"))
    []
    """
    if which == "keyframes":
        return sorted({frame for one in _annotations(row) for frame in _placed(one)})
    if which != "all" and not (type(which) is int and which > 0):
        raise UsageError(f"expected frames all, keyframes or a number from 1 on, got {which!r}")
    count = max([row.asset.frame_count or 0, *[_end(one) for one in _annotations(row)]])
    limits.check("max_frames", count)
    return range(0, count, 1 if which == "all" else which)


def _annotations(row: DataRow) -> Iterator[Annotation]:
    for label in row.labels:
        yield from label.annotations


def _placed(one: Annotation) -> list[int]:
    """The frames in which somebody placed a shape."""
    if isinstance(one, Track):
        return [int(frame) for frame in one.frames[one.is_keyframe].tolist()]
    return [one.frame] if isinstance(one, ObjectAnnotation) and one.frame is not None else []


def _end(one: Annotation) -> int:
    """One after the last frame of which an annotation says something."""
    if isinstance(one, Track):
        shown = pieces(one)
        last = [shown[-1].last] if shown else []
    elif isinstance(one, ObjectAnnotation):
        last = [] if one.frame is None else [one.frame]
    else:
        last = [part.end for part in one.frames] if isinstance(one, Classification) else []
    return max(last, default=-1) + 1


def frame_name(row: DataRow, frame: int) -> str:
    """The file name of a frame as ffmpeg's ``%06d.jpg`` counts them, from 1 on, in a folder called as the video.

    >>> frame_name(DataRow(id="v", external_id="clips/jelly.mp4"), 0)
    'clips/jelly/000001.jpg'
    """
    folder, slash, last = row.name.rpartition("/")
    stem = last.rpartition(".")[0] or last
    return f"{folder}{slash}{stem}/{frame + 1:06d}.jpg"


def frames_of(row: DataRow, frames: Iterable[int], limits: Limits = DEFAULT_LIMITS) -> Iterator[Frame]:
    """The frames of a video, each as an image with everything that is visible in it.

    A track gives an object with its `track_id` in every frame of its segments (see `annokit.geometry.tracks`);
    a classification stands in the frames in which it holds, one without frames in all; a relationship where both
    its ends are.

    Parameters
    ----------
    row : DataRow
    frames : iterable of int
        0-based.

    Raises
    ------
    LimitExceeded
        Tracks that fill more than `max_frames` frames.
    GeometryError
        Numbers that are not finite.

    Examples
    --------
    >>> ends = {"frames": [0, 2], "is_keyframe": [True, True], "values": [(0, 0), (2, 8)]}
    >>> ball = Track(tool_name="ball", kind="point", id="t1", **ends)
    >>> video = DataRow(id="v", external_id="v.mp4", labels=(Label(annotations=(ball,)),))
    >>> [one.geometry for frame in frames_of(video, [1]) for one in frame.row.labels[0].objects]
    [Point(x=1.0, y=4.0)]
    >>> list(frames_of(video, []))
    []
    """
    takes = [
        [_Take(place, one, limits) for place, one in enumerate(label.annotations)] for label in row.labels
    ]
    asset = replace(row.asset, media_type="image", frame_count=None, frame_rate=None)
    for frame in frames:
        shown = [_visible(label, found, frame) for label, found in zip(row.labels, takes, strict=True)]
        image = replace(
            row,
            id=f"{row.id}/{frame + 1:06d}",
            global_key=None,
            external_id=frame_name(row, frame),
            asset=replace(asset, frame=frame),
            labels=tuple([label for label, _ in shown]),
            extra={},
        )
        yield Frame(image, [places for _, places in shown])


def _visible(label: Label, takes: Sequence[_Take], frame: int) -> tuple[Label, list[int]]:
    found = [(take.place, one) for take in takes if (one := take.at(frame)) is not None]
    ids = {one.id for _, one in found if isinstance(one, ObjectAnnotation)}
    kept = [
        (place, one)
        for place, one in found
        if not isinstance(one, Relationship) or {one.source, one.target} <= ids
    ]
    return replace(label, annotations=tuple([one for _, one in kept])), [place for place, _ in kept]


class _Take:
    """One annotation of a video, ready to be asked for any frame."""

    __slots__ = ("_indices", "_one", "place")

    def __init__(self, place: int, one: Annotation, limits: Limits) -> None:
        self.place = place
        self._one = filled(one, limits) if isinstance(one, Track) else one
        frames = self._one.frames.tolist() if isinstance(self._one, Track) else []
        self._indices = {frame: index for index, frame in enumerate(frames)}

    def at(self, frame: int) -> ObjectAnnotation | Classification | Relationship | None:
        one = self._one
        if isinstance(one, Track):
            index = self._indices.get(frame)
            return None if index is None else self._object(one, index, frame)
        if isinstance(one, ObjectAnnotation):
            return one if one.frame == frame else None
        return _holding(one, frame) if isinstance(one, Classification) else one

    def _object(self, track: Track, index: int, frame: int) -> ObjectAnnotation:
        return ObjectAnnotation(
            tool_name=track.tool_name,
            geometry=track.geometry(index),
            id=track.id,
            tool_id=track.tool_id,
            value=track.value,
            classifications=_all_holding(track.classifications, frame),
            confidence=track.confidence,
            frame=frame,
            track_id=str(self.place) if track.id is None else track.id,
        )


def _all_holding(questions: Sequence[Classification], frame: int) -> tuple[Classification, ...]:
    return tuple([held for one in questions if (held := _holding(one, frame)) is not None])


def _holding(question: Classification, frame: int) -> Classification | None:
    """A question as it is answered in a frame; None where it is not."""
    if not _holds(question.frames, frame):
        return None
    answers = [_answer(one, frame) for one in question.answers if _holds(one.frames, frame)]
    if question.answers and not answers:
        return None
    nested = _all_holding(question.classifications, frame)
    return replace(question, answers=tuple(answers), classifications=nested, frames=())


def _answer(answer: Answer, frame: int) -> Answer:
    return replace(answer, classifications=_all_holding(answer.classifications, frame), frames=())


def _holds(frames: Sequence[FrameRange], frame: int) -> bool:
    return not frames or any(part.start <= frame <= part.end for part in frames)
