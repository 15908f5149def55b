"""COCO's annotations on their way: encoded where they are read, numbered where the file is put together."""

from __future__ import annotations

import shutil
from array import array
from collections.abc import Sequence
from itertools import accumulate, chain
from operator import add
from typing import IO, NamedTuple, TypeAlias

import msgspec
import numpy as np

from annokit.formats._row_names import ID_TAKEN, RowNames
from annokit.model import Tool
from annokit.report import Report

__all__ = ["Batch", "Ids", "Spool", "headless", "identified"]

_COMMA = b",\n"
_ENCODER = msgspec.json.Encoder()
_OwnId: TypeAlias = int | str | None


class Batch(NamedTuple):
    """Some rows and their annotations, encoded but for ids, which are counted over the whole file.

    What is encoded lacks its opening brace, since an id goes before it.

    Attributes
    ----------
    own_images : list of int, str or None
        What each row is called in its source.
    sources : list of str or None
        The source of each row.
    images : list of bytes
        The image of each row; empty where the file has none.
    rows : list of int
        The place of the row of each annotation.
    own : list of int, str or None
        What each annotation is called in its source.
    positions : list of int or None
        Its place in the source's own order.
    entries : list of bytes
        The annotations themselves.
    names : sequence of str
        The file name of each image.
    found : tuple of Tool
        Classes that occurred, but are not in the ontology.
    """

    own_images: list[_OwnId]
    sources: list[str | None]
    images: list[bytes]
    rows: list[int]
    own: list[_OwnId]
    positions: list[int | None]
    entries: list[bytes]
    names: Sequence[str] = ()
    found: tuple[Tool, ...] = ()


class Ids:
    """Ids of one kind, each given once: those of the first source as they are, all others counted on from there.

    Attributes
    ----------
    source : str or None
        The first source.
    renumbered : int
        How many things of it have another id now, since theirs was given before.
    """

    def __init__(self) -> None:
        self.source: str | None = None
        self.renumbered = 0
        self._last = 0
        self._started = False
        self._counted = 0
        """All ids up to this one are given."""
        self._given: set[int | str] = set()

    def give(self, own: _OwnId, source: str | None) -> int | str:
        """The id of the next thing, which comes from `source` and was called `own` there."""
        self._begin(source)
        if own is not None and source == self.source and not self._is_given(own):
            if isinstance(own, int):
                self._last = max(self._last, own)
            self._given.add(own)
            return own
        self.renumbered += own is not None and source == self.source
        self._last += 1
        self._given.add(self._last)
        return self._last

    def give_all(self, own: Sequence[_OwnId], sources: Sequence[str | None]) -> list[int | str]:
        """`give` for several things, in order.

        >>> Ids().give_all([None, 7, None], ["a", "a", "b"]), Ids().give_all([None, None], ["a", "b"])
        ([1, 7, 8], [1, 2])
        >>> Ids().give_all([None, 1, 3, 3], ["a"] * 4)
        [1, 2, 3, 4]
        """
        if not own or own.count(None) < len(own) or self._given:
            return [*map(self.give, own, sources)]
        self._begin(sources[0])
        first, self._last = self._last + 1, self._last + len(own)
        self._counted = self._last
        return [*range(first, self._last + 1)]

    def _is_given(self, own: int | str) -> bool:
        return own in self._given or (isinstance(own, int) and 0 < own <= self._counted)

    def _begin(self, source: str | None) -> None:
        if not self._started:
            self.source, self._started = source, True

    def account(self, kind: str, report: Report) -> None:
        """Tell how many are called otherwise than in their source."""
        if self.renumbered:
            report.note("id-taken", kind, ID_TAKEN, n=self.renumbered, lossy=True)


class Spool:
    """Annotations on disk, with their ids and places, so that memory does not grow with their number.

    Of `results` only those get an id that had one.
    """

    def __init__(self, handle: IO[bytes], *, results: bool = False) -> None:
        self._handle, self._results = handle, results
        self._image_ids, self._annotation_ids = Ids(), Ids()
        self._names = RowNames()
        self._count = 0
        self._source: str | None = None
        self._positions: array[int] | None = array("q")
        self._ends = array("q", [0])

    def __len__(self) -> int:
        return self._count

    def add(self, batch: Batch) -> bytes:
        """Append the annotations of some rows; the images of these rows, each behind a comma."""
        images = _encoded(self._image_ids.give_all(batch.own_images, batch.sources))
        self._names.update(batch.names)
        sources = [batch.sources[row] for row in batch.rows]
        heads = self._heads(batch.own, sources, [images[row] for row in batch.rows])
        self._note_order(batch, sources, heads)
        self._count += len(heads)
        self._handle.write(_joined(heads, batch.entries))
        if not batch.images:
            return b""
        return _joined([b',\n{"id":%b,' % image for image in images], batch.images)

    def account(self, report: Report) -> None:
        """Tell what is called otherwise than in its source, and which images are called the same."""
        self._image_ids.account("data_rows", report)
        self._annotation_ids.account("annotations", report)
        self._names.account(report)

    def _heads(
        self, own: Sequence[_OwnId], sources: Sequence[str | None], images: list[bytes]
    ) -> list[bytes]:
        """What each annotation begins with: a comma, its id, and that of its image."""
        if not self._results:
            ids = _encoded(self._annotation_ids.give_all(own, sources))
            return [_HEAD % both for both in zip(ids, images, strict=True)]
        heads = [b',\n{"image_id":%b,' % image for image in images]
        for place, (name, source, image) in enumerate(zip(own, sources, images, strict=True)):
            if name is not None:
                heads[place] = _HEAD % (*_encoded([self._annotation_ids.give(name, source)]), image)
        return heads

    def _note_order(self, batch: Batch, sources: Sequence[str | None], heads: Sequence[bytes]) -> None:
        """Remember where the source had each annotation, as long as one source had each."""
        if self._positions is None or not heads:
            return
        if not self._count:
            self._source = sources[0]
        places = [place for place in batch.positions if place is not None]
        if len(places) < len(heads) or sources.count(self._source) < len(heads):
            self._positions = None
            return
        self._positions.extend(places)
        lengths = map(add, map(len, heads), map(len, batch.entries))
        self._ends.extend(accumulate(lengths, initial=self._ends.pop()))

    def copy_to(self, out: IO[bytes]) -> None:
        """Write all annotations, in the source's order if it has one for each."""
        positions = np.frombuffer(self._positions or b"", np.int64)
        if (np.diff(positions) >= 0).all():
            self._handle.seek(len(_COMMA))
            shutil.copyfileobj(self._handle, out, 1 << 20)
            return
        separator = b""
        for index in np.argsort(positions, kind="stable").tolist():
            start = self._ends[index] + len(_COMMA)
            self._handle.seek(start)
            out.write(separator + self._handle.read(self._ends[index + 1] - start))
            separator = _COMMA


_HEAD = b',\n{"id":%b,"image_id":%b,'


def _joined(heads: Sequence[bytes], entries: Sequence[bytes]) -> bytes:
    return b"".join(chain.from_iterable(zip(heads, entries, strict=True)))


def _encoded(ids: Sequence[int | str]) -> list[bytes]:
    return _ENCODER.encode_lines(ids).splitlines()


def headless(objects: Sequence[object]) -> list[bytes]:
    """Encoded objects without their opening braces.

    >>> headless([{"area": 2.0}, {"area": 3.0}]), headless([])
    ([b'"area":2.0}', b'"area":3.0}'], [])
    """
    encode = _ENCODER.encode
    return [encode(one)[1:] for one in objects]


def identified(entry: bytes, key: bytes, id: int | str) -> bytes:
    """An encoded object with an id before all else in it.

    >>> identified(b'{"area":2.0}', b"id", 7)
    b'{"id":7,"area":2.0}'
    """
    return b'{"%b":%b,%b' % (key, _ENCODER.encode(id), entry[1:])
