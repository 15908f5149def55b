"""How annotations that were made as a Parquet file become the next version of a Delta table."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from annokit.dataset import Dataset, chained
from annokit.errors import UsageError, shown
from annokit.formats._delta.changes import changed
from annokit.formats._delta.merge import Coming, Plan, appended, merged
from annokit.formats._delta.table import (
    KEYS,
    ONTOLOGY,
    VERSION,
    check_name,
    is_table,
    opened,
    reaching,
    stated_ontology,
)
from annokit.formats._delta.write import DATA_ROWS
from annokit.formats._parquet.write import ONTOLOGY as PARQUET_ONTOLOGY
from annokit.io.output import Staged
from annokit.io.place import OVERWRITE, address, check_place, destination, refused
from annokit.io.swap import clear_leftovers, put_in_place, remove, staging_path
from annokit.model import SCHEMA_VERSION, Ontology, dump, parse
from annokit.report import Report
from annokit.tables import SCHEMAS

if TYPE_CHECKING:
    from deltalake import CommitProperties, DeltaTable, WriterProperties

__all__ = ["DeltaPlace"]

_BATCH = 16384
_GONE = "_annokit_gone"
_HISTORY = {"delta.logRetentionDuration": "interval 36500 days"}
"""Without it what a commit says, and with that its version, goes away after a month."""

_SCHEMA = pa.schema([field.with_nullable(True) for field in SCHEMAS["annotations"]])
"""Without NOT NULL, which merging in delta-rs does not get on with; readers check it."""


class DeltaPlace(Staged):
    """A table that gets one commit, from which all can be read that is read at all.

    The table is committed to in `finish`: it is the one step that another run can make fail.
    """

    format = "parquet"

    def __init__(
        self,
        target: str,
        mode: Literal["append", "merge"] | None,
        delete_missing: Literal["data-rows", "sources"] | None,
        report: Report,
        *,
        overwrite: bool,
        source_name: str | None = None,
    ) -> None:
        if mode is not None and overwrite:
            raise UsageError(f"--overwrite and --mode {mode} do not go together", hint="give one of them")
        if delete_missing is not None and mode != "merge":
            raise UsageError("--delete-missing needs --mode merge")
        if not target:
            raise UsageError("expected a folder or an address to write to, got an empty name")
        self._mode, self._delete_missing, self._report = mode, delete_missing, report
        self._source_name = source_name
        url = address(target)
        self._is_remote = url is not None
        self.target = PurePosixPath(url) if url else destination(target)
        self._place = url or str(self.target)
        check_name(self._place)
        self._table = self._found(overwrite)
        self._plan: Plan | None = None
        self._changed = np.empty(0, np.bool_)
        self._names: dict[str, str] = {}
        room = Path(tempfile.gettempdir(), "delta") if self._is_remote else Path(self.target)
        self._folder = staging_path(room, "staging-")
        self.path = self._folder / "annotations.parquet"

    def _found(self, overwrite: bool) -> DeltaTable | None:
        """The table that is there, if it may be added to."""
        if not self._is_remote:
            where = Path(self._place)
            check_place(where)
            if where.is_file():
                raise refused(where, "expected the folder of a Delta table, got a file")
            if not where.exists() or not any(where.iterdir()):
                return None
        if not is_table(self._place):
            if self._is_remote:
                return None
            raise refused(self._place, "something is there, but no Delta table", hint="choose another folder")
        if self._mode is None and not overwrite:
            hint = f"--mode append or merge adds to it, {OVERWRITE} makes a version of these labels alone"
            raise refused(self._place, "it exists", hint=hint)
        return opened(self._place)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """As of any output; of an address nobody can be kept away, so a second commit is refused."""
        with nullcontext() if self._is_remote else super().hold():
            yield

    def start(self) -> None:
        """Make the folder for the Parquet file."""
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(self._folder.parent / self.target.name)
        self._folder.mkdir(mode=0o700)

    def discard(self) -> None:
        """Remove that folder."""
        remove(self._folder)

    def settle(self) -> None:
        """Find the annotations in the table and account what will become of those it has."""
        rows = pq.read_table(self._folder / DATA_ROWS)
        self._names = _file_names(rows["source"].unique().to_pylist())
        if self._table is None or self._mode is None:
            return
        rows = rows.set_column(0, "source", _renamed(rows["source"], self._names))
        keys = pq.read_table(self.path, columns=[*KEYS, "label_id", "annotator_id", "id", "frame"])
        coming = Coming(list(zip(*(column.to_pylist() for column in rows.columns), strict=True)), keys)
        if self._mode == "append":
            self._plan = appended(self._table, self._place, coming)
        else:
            self._plan = merged(self._table, self._place, coming, self._delete_missing)
            flags = list(changed(self._table, self._place, self._batches(), self._plan.known))
            self._changed = np.concatenate([np.empty(0, np.bool_), *flags])
            self._note(self._plan, self._changed)

    def _note(self, plan: Plan, changed: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
        kept = plan.missing - len(plan.gone)
        notes = (
            ("merge-new", ~plan.known, "the table did not have them"),
            ("merge-changed", plan.known & changed, "the table had them otherwise"),
            ("merge-equal", ~changed, "the table has them like that"),
            ("merge-gone", [1] * len(plan.gone), "they no longer come: taken out of the table"),
            (
                "merge-kept",
                [1] * kept,
                "they no longer come: kept, --delete-missing takes them out of the table",
            ),
        )
        for code, which, message in notes:
            if n := int(np.sum(which)):
                self._report.note(code, "annotations", message, n=n)
        if plan.elsewhere:
            message = "new here, but the table has their ids, of another source: is --source-name right?"
            self._report.note("merge-other-source", "data_rows", message, n=plan.elsewhere)

    def finish(self) -> None:
        """Commit."""
        with reaching(self._place, writing=True):
            if self._table is None:
                self._create()
            elif self._plan is not None and self._mode == "merge":
                self._merge(self._table, self._plan)
            else:
                mode = self._mode or "overwrite"
                self._write(self._table, self._batches(), mode=mode, schema_mode="merge")

    def _create(self) -> None:
        """Make a table, on disk beside its place, so that half of one is never there."""
        if self._is_remote:
            self._write(self._place, self._batches(), mode="error", configuration=_HISTORY)
            return
        made = self._folder / "table"
        self._write(str(made), self._batches(), mode="error", configuration=_HISTORY)
        target = Path(self.target)
        if target.exists() and any(target.iterdir()):
            raise refused(
                target, "another run made it meanwhile; this one changed nothing", hint="run it again"
            )
        put_in_place(made, target)

    def _write(self, table: DeltaTable | str, batches: Iterable[pa.RecordBatch], **how: Any) -> None:
        from deltalake import write_deltalake

        reader = pa.RecordBatchReader.from_batches(_SCHEMA, batches)
        write_deltalake(
            table, reader, writer_properties=_properties(), commit_properties=self._commit(), **how
        )

    def _merge(self, table: DeltaTable, plan: Plan) -> None:
        if not len(plan.gone) and not self._changed.any():
            before = stated_ontology(self._place, table.version())
            if _count(self._ontology(before)) > _count(before):
                self._write(table, [], mode="append", schema_mode="merge")
            return
        schema = _SCHEMA.append(pa.field(_GONE, pa.bool_()))
        columns = {name: f"s.{name}" for name in _SCHEMA.names}
        merger = table.merge(
            pa.RecordBatchReader.from_batches(schema, chain(self._sent(schema), _gone(plan, schema))),
            " AND ".join(f"t.{name} = s.{name}" for name in KEYS),
            source_alias="s",
            target_alias="t",
            merge_schema=True,
            writer_properties=_properties(),
            commit_properties=self._commit(),
        )
        if len(plan.gone):
            merger = merger.when_matched_delete(f"s.{_GONE}")
        merger.when_matched_update(columns).when_not_matched_insert(columns).execute()

    def _sent(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """The annotations that are new or changed."""
        first = 0
        for batch in self._batches():
            sent = batch.filter(pa.array(self._changed[first : first + len(batch)]))
            first += len(batch)
            if len(sent):
                yield pa.record_batch([*sent.columns, pa.array([False] * len(sent))], schema)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        """The annotations, with their places in the table."""
        first = 0
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(_BATCH):
                columns = dict(zip(batch.schema.names, batch.columns, strict=True))
                if self._plan is not None:
                    places = self._plan.places[first : first + len(batch)]
                    columns |= {name: pa.array(places[:, at]) for at, name in enumerate(KEYS)}
                first += len(batch)
                columns["source"] = _renamed(columns["source"], self._names)
                yield pa.record_batch([columns[name] for name in _SCHEMA.names], _SCHEMA)

    def _commit(self) -> CommitProperties:
        """What the commit says of itself; it fails if another one came first."""
        from deltalake import CommitProperties

        before = None
        if self._table is not None and self._mode is not None:
            before = stated_ontology(self._place, self._table.version())
        said = {
            ONTOLOGY: dump(self._ontology(before)).decode(),
            VERSION: str(SCHEMA_VERSION),
            "annokit.source": shown(self._source_name or self._report.source, 1000),
        }
        return CommitProperties(custom_metadata=said, max_commit_retries=0)

    def _ontology(self, before: Ontology | None) -> Ontology:
        """The classes that come, behind those of the table."""
        coming = parse(pq.read_schema(self.path).metadata[PARQUET_ONTOLOGY])
        known = [Dataset.from_rows([], one) for one in (before, coming) if isinstance(one, Ontology)]
        return chained(known).ontology if len(known) > 1 else known[0].ontology


def _count(ontology: Ontology | None) -> int:
    return len(ontology.tools) + len(ontology.classifications) if ontology else 0


def _file_names(sources: list[str | None]) -> dict[str, str]:
    """For paths, the names of their files, however they were typed; paths stay where two have one name."""
    names = {source: _file_name(source) for source in sources if source}
    several = Counter(names.values())
    return {source: name for source, name in names.items() if several[name] == 1 and name != source}


def _file_name(source: str) -> str:
    with suppress(OSError):  # a name from elsewhere may be too long for a path
        if Path(source).exists():
            return Path(source).absolute().name or source
    return source


def _renamed(sources: pa.Array, names: Mapping[str, str]) -> pa.Array:
    return pa.array([names.get(one, one) for one in sources.to_pylist()], pa.string()) if names else sources


def _properties() -> WriterProperties:
    """Row groups that are small in memory, and of which a range of data rows needs few."""
    from deltalake import WriterProperties

    return WriterProperties(compression="ZSTD", max_row_group_size=_BATCH)


def _gone(plan: Plan, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The places of annotations that are to go; nothing else is said of them."""
    for first in range(0, len(plan.gone), _BATCH):
        places = plan.gone[first : first + _BATCH]
        known: dict[str, pa.Array] = {name: pa.array(places[:, at]) for at, name in enumerate(KEYS)}
        known[_GONE] = pa.array([True] * len(places))
        columns = [known.get(field.name, pa.nulls(len(places), field.type)) for field in schema]
        yield pa.record_batch(columns, schema)
