"""Payloads for Labelbox's `create_data_rows` out of a table: CSV, Parquet, Arrow, or anything Arrow can take.

Columns: `row_data` (a URL, a text, or a JSON object such as ``{"pdf_url": ..., "text_layer_url": ...}``), `global_key`,
`external_id`, `media_type`; and, as LabelSpark named them, ``metadata///TYPE///NAME`` with the types string, number,
datetime and enum, and ``attachment///TYPE///NAME``. Empty cells are left out; other columns are named in the result.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from annokit.errors import InputError, UsageError, Where, number_of, shown
from annokit.io.faults import BAD_JSON
from annokit.io.output import staged_file

__all__ = ["Payloads", "payloads", "write"]

_PLAIN = ("global_key", "external_id", "media_type")
_ATTACHMENTS = (
    "AUDIO",
    "VIDEO",
    "IMAGE",
    "IMAGE_OVERLAY",
    "HTML",
    "RAW_TEXT",
    "TEXT_URL",
    "PDF_URL",
    "CAMERA_IMAGE",
)
_MEDIA = (
    "AUDIO",
    "CONVERSATIONAL",
    "DOCUMENT",
    "HTML",
    "IMAGE",
    "LLM",
    "PDF",
    "POINT_CLOUD",
    "TEXT",
    "TMS_GEO",
    "TMS_SIMPLE",
    "VIDEO",
)
_MOMENTS = ("%m/%d/%Y %I:%M %p", "%m/%d/%Y %H:%M", "%m/%d/%Y", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d")
_DIVIDER = "///"
_LISTED = 20


_Opened: TypeAlias = tuple[str, list[str], Iterable[tuple[int, Mapping[str, Any] | InputError]]]


class Payloads(msgspec.Struct, frozen=True):
    """What became of a table.

    Attributes
    ----------
    rows : list of dict
        The payloads, in the order of the table.
    problems : list of InputError
        One for each line that gives none.
    ignored : list of str
        Columns that are none of a data row.
    """

    rows: list[dict[str, Any]]
    problems: list[InputError]
    ignored: list[str]


def payloads(table: Any) -> Payloads:
    """The payloads of a table, checked: every row has its data, and no key stands twice.

    Parameters
    ----------
    table : path, pyarrow.Table, or what `pyarrow.table` takes
        A ``.parquet`` file, or a CSV file in UTF-8 with a header.

    Raises
    ------
    InputError
        There is no column `row_data`, or the file cannot be read.
    UsageError
        A column of metadata or attachments is of no type the platform has.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"row_data": ["https://example.com/a.jpg"], "metadata///string///city": ["Bonn"]})
    >>> payloads(table).rows[0]["metadata_fields"]
    [{'name': 'city', 'value': 'Bonn'}]
    >>> payloads(pa.table({"row_data": []})).rows
    []
    """
    name, columns, lines = _opened(table)
    if "row_data" not in columns:
        listed = ", ".join(shown(column, 40) for column in columns[:12]) or "none"
        raise InputError(f"expected a column row_data, got {listed}", where=Where(name))
    fields = {column: kind for column in columns if (kind := _field(column)) is not None}
    known = {"row_data", *_PLAIN, *fields}
    rows, problems, seen = [], list[InputError](), dict[str, int]()
    for number, line in lines:
        try:
            if isinstance(line, InputError):
                raise line
            made = _payload(line, fields)
            key = made.get("global_key")
            if key is not None and key in seen:
                raise InputError(f"the global key {shown(key)} stands in line {seen[key]} already")
            if key is not None:
                seen[key] = number
            rows.append(made)
        except InputError as error:
            error.where = Where(name, line=number)
            problems.append(error)
    return Payloads(rows, problems, [column for column in columns if column not in known])


def write(
    table: Any,
    target: str | os.PathLike[str],
    *,
    on_error: Literal["raise", "skip"] = "raise",
    overwrite: bool = False,
) -> Payloads:
    """Write the payloads of a table as NDJSON, one data row a line.

    ``dataset.create_data_rows([json.loads(line) for line in open(target)])`` takes them.

    Raises
    ------
    InputError
        A line gives no payload, and `on_error` is ``"raise"``; nothing is written.
    """
    found = payloads(table)
    if found.problems and on_error == "raise":
        raise _together(found.problems)
    with staged_file(target, overwrite=overwrite, sources=_paths(table)) as place:
        place.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in found.rows))
    return found


def _together(problems: Sequence[InputError]) -> InputError:
    """The first, with the others line by line."""
    first = problems[0]
    listed = [f"line {one.where.line}: {one.problem}" for one in problems[1:_LISTED]]
    more = len(problems) - _LISTED
    if more > 0:
        listed.append(f"and {more} more lines (--on-error skip names all)")
    first.problem = "; ".join([first.problem, *listed])
    return first


def _paths(table: Any) -> tuple[Path, ...]:
    return (Path(table),) if isinstance(table, str | os.PathLike) else ()


def _opened(table: Any) -> _Opened:
    """The name of a table, its columns, and its lines with their numbers, or what is wrong with one."""
    if not isinstance(table, str | os.PathLike):
        return _arrow("<table>", table)
    path = Path(table)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise InputError(f"expected a table, got {found}", where=Where(str(path)))
    if path.suffix.lower() in (".parquet", ".pq"):
        return _parquet(path)
    lines = _csv(path)
    _, header = next(lines, (1, []))
    repeated = [column for place, column in enumerate(header) if column in header[:place]]
    if repeated:
        raise InputError(f"the column {shown(repeated[0])} stands twice", where=Where(str(path), line=1))
    return str(path), header, ((number, _named(header, cells)) for number, cells in lines if any(cells))


def _named(header: list[str], cells: list[str]) -> Mapping[str, Any] | InputError:
    """The cells by their columns; the last may be missing."""
    if len(cells) > len(header):
        problem = f"expected {number_of(len(header), 'cell')}, got {len(cells)}"
        return InputError(problem, hint="a cell with a comma in it stands in quotes")
    return dict(zip(header, cells, strict=False))


def _csv(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The records, each with the line in which it starts."""
    start = 1
    with path.open(encoding="utf-8-sig", newline="") as handle:
        lines = csv.reader(handle)
        try:
            for cells in lines:
                yield start, cells
                start = lines.line_num + 1
        except (UnicodeDecodeError, csv.Error) as error:
            where = Where(str(path), line=start)
            raise InputError(f"expected a CSV table in UTF-8: {error}", where=where) from error


def _parquet(path: Path) -> _Opened:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return _arrow(str(path), pq.read_table(path))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"cannot read it as Parquet: {error}", where=Where(str(path))) from error


def _arrow(name: str, table: Any) -> _Opened:
    import pyarrow as pa

    found = table if isinstance(table, pa.Table) else pa.table(table)
    rows = (row for batch in found.to_batches() for row in batch.to_pylist())
    return name, list(found.column_names), enumerate(rows, 1)


def _field(column: str) -> tuple[str, str, str] | None:
    """What a column holds, of which type, and its name."""
    what, _, rest = column.partition(_DIVIDER)
    kind, _, name = rest.partition(_DIVIDER)
    if what not in ("metadata", "attachment"):
        return None
    types = ("string", "number", "datetime", "enum") if what == "metadata" else _ATTACHMENTS
    wanted = kind.lower() if what == "metadata" else kind.upper()
    if wanted not in types or not name:
        raise UsageError(
            f"expected a column {what}{_DIVIDER}TYPE{_DIVIDER}NAME, got {shown(column)}",
            hint=f"types: {', '.join(types)}",
        )
    return what, wanted, name


def _payload(line: Mapping[str, Any], fields: Mapping[str, tuple[str, str, str]]) -> dict[str, Any]:
    data = _row_data(line.get("row_data"))
    made: dict[str, Any] = {"row_data": data}
    for key in _PLAIN:
        value = line.get(key)
        if value not in (None, ""):
            made[key] = str(value)
    if "media_type" in made:
        made["media_type"] = made["media_type"].upper()
        if made["media_type"] not in _MEDIA:
            problem = f"expected a media type, got {shown(made['media_type'])}"
            raise InputError(problem, hint=", ".join(_MEDIA))
    given = {column: line.get(column) for column in fields if line.get(column) not in (None, "")}
    for column, value in given.items():
        what, kind, name = fields[column]
        if what == "metadata":
            made.setdefault("metadata_fields", []).append(
                {"name": name, "value": _metadata(value, kind, name)}
            )
        else:
            made.setdefault("attachments", []).append({"type": kind, "value": str(value), "name": name})
    return made


def _row_data(value: Any) -> Any:
    """A URL or a text; or the object that JSON text is."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise InputError("expected row_data, got an empty cell", hint="a URL, a text, or a JSON object")
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return value
    try:
        return msgspec.json.decode(value)
    except BAD_JSON:
        return value  # a text that starts with a brace


def _metadata(value: Any, kind: str, name: str) -> Any:
    if kind == "number":
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise InputError(f"expected a number as {name}, got {shown(value)}") from None
        if not math.isfinite(number):
            raise InputError(f"expected a number as {name}, got {shown(value)}")
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    if kind == "datetime":
        return _moment(value, name)
    return str(value)


def _moment(value: Any, name: str) -> str:
    """A time in ISO 8601; one without a time zone is taken for UTC."""
    found = value if isinstance(value, datetime) else None
    if found is None and isinstance(value, date):
        found = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if found is None:
        found = _parsed(str(value).strip())
    if found is None:
        hint = "ISO 8601, such as 2024-05-01T12:00:00Z, or 05/01/2024 12:00 PM"
        raise InputError(f"expected a time as {name}, got {shown(value)}", hint=hint)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()


def _parsed(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for form in _MOMENTS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
