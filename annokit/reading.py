"""Parts of labels that can be read apart: by worker processes, by the tasks of a cluster, one after the other.

One kernel carries all of it: a `Part` says what is to be read, and ``part.batches()`` makes record batches of it.
A part can be sent to another process; it holds a path, a range, a format and its options, never labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from annokit.dataset import Dataset, Outline
from annokit.formats import Options, Reader, detect, parse_options, reader_of, writer_of
from annokit.io.archives import open_source
from annokit.io.limits import DEFAULT_LIMITS, Limits
from annokit.io.records import encode_document
from annokit.io.source import Readable, Source, sources
from annokit.model import Ontology
from annokit.run import OnError, Run

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Labels", "Part", "divided_options", "open_labels", "parts", "wholes"]

_Document: TypeAlias = Mapping[str, Any]
Labels: TypeAlias = "Readable | Source | Sequence[Readable | Source] | _Document | Sequence[_Document]"
"""What can be read: a path, bytes, a binary stream, a parsed document, or several of one of these."""

_SIZE = 32 << 20


class Part(msgspec.Struct, frozen=True):
    """A source, or a part of one, and how it is read.

    Attributes
    ----------
    source : Source
        With the range to be read, if it is not all of it.
    format : str
    options : dict
        Read options of the format.
    """

    source: Source
    format: str
    options: dict[str, Any]

    def dataset(self, outline: Callable[[], Outline] | None = None) -> Dataset:
        """The data rows of the part; its outline is its own unless one is given."""
        reader = reader_of(self.format)
        made: Dataset = reader.read(self.source, self._parsed(reader))
        if outline is not None:
            made.set_outline(outline)
        made.limits, made.is_checked = self.source.limits, True
        return made

    def _parsed(self, reader: Reader[Any]) -> Options:
        parsed: Options = parse_options(reader.options, self.options, f"reading {self.source.name}")
        return parsed

    def cut(self, size: int, *, numbered: bool = True) -> list[Part]:
        """Parts of about `size` bytes of it, where the format can be cut; else itself alone.

        Lines are numbered as in the whole file, which reads it once, unless `numbered` is False.
        """
        reader = reader_of(self.format)
        pieces = reader.cut(self.source, self._parsed(reader), size, numbered=numbered)
        return [msgspec.structs.replace(self, source=piece) for piece in pieces]

    def batches(
        self,
        table: str = "annotations",
        *,
        ontology: Ontology | None = None,
        on_error: OnError = "raise",
        run: Run | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """A table of the part, as record batches; the kernel that every engine runs.

        Parameters
        ----------
        table : str
            One of `annokit.tables.NAMED`.
        ontology : Ontology, optional
            Of which `silver` has its columns: that of the whole, so that parts have the same.
        on_error : {"raise", "skip"}
            What to do with a record that cannot be read.
        run : Run, optional
            Takes the account of it; `on_error` is its own then.

        Yields
        ------
        pyarrow.RecordBatch
            `data_row_index` counts on from the first byte (of a folder, the first entry) of the part, so over
            the parts of a source no two rows share one, and they are in order.

        Examples
        --------
        >>> [part] = parts(b'{"data_row": {"id": "r1"}, "projects": {}}', format="labelbox")
        >>> [batch.num_rows for batch in part.batches("data_rows")]
        [1]
        """
        from annokit.tables import named_batches

        account = run or Run(on_error=on_error, limits=self.source.limits)
        first = self.source.span.start if self.source.span else 0
        yield from named_batches(
            self.dataset().rows(account), table, ontology=ontology, first=first, limits=account.limits
        )


def parts(
    source: Labels,
    *,
    format: str | None = None,
    size: int = _SIZE,
    numbered: bool = True,
    limits: Limits = DEFAULT_LIMITS,
    **options: Any,
) -> list[Part]:
    r"""Cut labels into parts that can be read apart, in order.

    Parameters
    ----------
    source, format, limits, **options
        As in `annokit.read`.
    size : int
        About how many bytes make a part, where the format can be cut.
    numbered : bool
        Whether messages give lines of the whole file, which reads it once; else lines of the part.

    Examples
    --------
    >>> line = b'{"data_row": {"id": "r1"}, "projects": {}}\n'
    >>> len(parts(line * 100, size=1000))
    5
    """
    return [
        part
        for whole in wholes(open_labels(source, limits), format, options, limits)
        for part in whole.cut(size, numbered=numbered)
    ]


def wholes(
    opened: Sequence[Source], format: str | None, options: Mapping[str, Any], limits: Limits
) -> list[Part]:
    """Each source as one part; of several formats each takes the options it has."""
    _tell_apart(opened)
    for one in opened:
        one.limits = limits
    names = [format or detect(one).name for one in opened]
    fields = [reader_of(name).options.__struct_fields__ for name in names]
    known = {name for some in fields for name in some}
    found = []
    for one, name, own in zip(opened, names, fields, strict=True):
        # an option that no format has is refused by the first
        taken = {k: v for k, v in options.items() if k in own or k not in known}
        found.append(Part(one, name, taken))
    return found


def divided_options(
    opened: Sequence[Source], format: str | None, to: str, options: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of a conversion as those for reading and those for writing; what both know is in both."""
    names = {format} if format else {detect(one).name for one in opened}
    known = {field for name in names for field in reader_of(name).options.__struct_fields__}
    writing = writer_of(to).options.__struct_fields__
    reading = {name: value for name, value in options.items() if name in known}
    rest = {name: value for name, value in options.items() if name not in known or name in writing}
    return reading, rest


def open_labels(source: Labels, limits: Limits = DEFAULT_LIMITS) -> list[Source]:
    """The sources behind what `annokit.read` was given."""
    opened = sources(_serialised(source), partial(open_source, limits=limits))
    return [open_source(one, limits) for one in opened]  # a Source that was given may be an archive


def _tell_apart(opened: Sequence[Source]) -> None:
    """Give sources of one name names of their own: rows are told apart by the source they come from."""
    seen: dict[str, int] = {}
    for one in opened:
        seen[one.name] = seen.get(one.name, 0) + 1
        if seen[one.name] > 1:
            one.name = f"{one.name} ({seen[one.name]})"


def _serialised(source: Any) -> Any:
    """Parsed documents as the bytes they came from: one as JSON, several as NDJSON."""
    if isinstance(source, Mapping):
        return encode_document(source)
    if isinstance(source, list | tuple) and source and isinstance(source[0], Mapping):
        return b"\n".join(encode_document(document) for document in source)
    return source
