"""How annotations that were made as a Parquet file become the next version of a Delta table."""

from __future__ import annotations

import tempfile
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from annokit.dataset import Dataset, chained
from annokit.errors import UsageError, shown
from annokit.formats._delta_merge import Coming, Plan, appended, merged
from annokit.formats._delta_table import KEYS, ONTOLOGY, VERSION, is_table, opened, reaching, stated_ontology
from annokit.formats._delta_write import DATA_ROWS
from annokit.formats._parquet_write import ONTOLOGY as PARQUET_ONTOLOGY
from annokit.io.output import Staged
from annokit.io.place import check_place, destination, refused
from annokit.io.remote import is_remote
from annokit.io.swap import clear_leftovers, put_in_place, remove, staging_path
from annokit.model import SCHEMA_VERSION, Ontology, dump, parse
from annokit.report import Report
from annokit.tables import SCHEMAS

if TYPE_CHECKING:
    from deltalake import CommitProperties, DeltaTable

__all__ = ["DeltaPlace"]

_BATCH = 4096
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
    ) -> None:
        if mode is not None and overwrite:
            raise UsageError(f"--overwrite and --mode {mode} do not go together", hint="give one of them")
        if delete_missing is not None and mode != "merge":
            raise UsageError("--delete-missing needs --mode merge")
        self._mode, self._delete_missing, self._report = mode, delete_missing, report
        self._is_remote = is_remote(target)
        self.target = PurePosixPath(target) if self._is_remote else destination(target)
        self._place = target if self._is_remote else str(self.target)
        self._table = self._found(overwrite)
        self._plan: Plan | None = None
        room = Path(tempfile.gettempdir(), "delta") if self._is_remote else Path(self.target)
        self._folder = staging_path(room, "staging-")
        self.path = self._folder / "annotations.parquet"

    def _found(self, overwrite: bool) -> DeltaTable | None:
        """The table that is there, if it may be added to."""
        where = Path(self._place)
        if not self._is_remote:
            check_place(where)
            if where.is_file():
                raise refused(where, "expected the folder of a Delta table, got a file")
            if not where.exists() or not any(where.iterdir()):
                return None
        if not is_table(self._place):
            if self._is_remote:
                return None
            raise refused(where, "something is there, but no Delta table", hint="choose another folder")
        if self._mode is None and not overwrite:
            hint = "--mode append or merge adds to it, --overwrite makes a version of these labels alone"
            raise refused(where, "it exists", hint=hint)
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
        if self._table is None or self._mode is None:
            return
        rows = pq.read_table(self._folder / DATA_ROWS)
        keys = pq.read_table(self.path, columns=[*KEYS, "label_id", "annotator_id", "id", "frame"])
        coming = Coming(list(zip(*(column.to_pylist() for column in rows.columns), strict=True)), keys)
        if self._mode == "append":
            self._plan = appended(self._table, self._place, coming)
        else:
            self._plan = merged(self._table, self._place, coming, self._delete_missing)
            self._note(self._plan)

    def _note(self, plan: Plan) -> None:
        notes = (
            ("merge-found", plan.found, "the table has them: they are there as they come"),
            ("merge-new", plan.new, "the table did not have them"),
            ("merge-gone", len(plan.gone), "they no longer come: taken out of the table"),
            (
                "merge-kept",
                plan.missing - len(plan.gone),
                "they no longer come: kept in the table, --delete-missing takes them out",
            ),
        )
        for code, n, message in notes:
            if n:
                self._report.note(code, "annotations", message, n=n)

    def finish(self) -> None:
        """Commit."""
        with reaching(self._place, writing=True):
            if self._table is None:
                self._create()
            elif self._plan is not None and self._mode == "merge":
                self._merge(self._table, self._plan)
            else:
                mode = self._mode or "overwrite"
                self._write(self._table, mode=mode, schema_mode="merge")

    def _create(self) -> None:
        """Make a table, on disk beside its place, so that half of one is never there."""
        if self._is_remote:
            self._write(self._place, mode="error", configuration=_HISTORY)
            return
        made = self._folder / "table"
        self._write(str(made), mode="error", configuration=_HISTORY)
        put_in_place(made, Path(self.target))

    def _write(self, table: DeltaTable | str, **how: Any) -> None:
        from deltalake import write_deltalake

        reader = pa.RecordBatchReader.from_batches(_SCHEMA, self._batches())
        write_deltalake(table, reader, commit_properties=self._commit(), **how)

    def _merge(self, table: DeltaTable, plan: Plan) -> None:
        schema = _SCHEMA.append(pa.field(_GONE, pa.bool_()))
        batches = chain(
            (_with_column(batch, schema, gone=False) for batch in self._batches()), _gone(plan, schema)
        )
        there = set(pa.schema(table.schema().to_arrow()).names)
        columns = {name: f"s.{name}" for name in _SCHEMA.names}
        on = " AND ".join(f"t.{name} = s.{name}" for name in KEYS)
        merger = table.merge(
            pa.RecordBatchReader.from_batches(schema, batches),
            on,
            source_alias="s",
            target_alias="t",
            merge_schema=True,
            commit_properties=self._commit(),
        )
        merger = merger.when_matched_delete(f"s.{_GONE}")
        merger = merger.when_matched_update(columns, f"NOT s.{_GONE} AND {_differs(_SCHEMA.names, there)}")
        merger.when_not_matched_insert(columns, f"NOT s.{_GONE}").execute()

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
                yield pa.record_batch([columns[name] for name in _SCHEMA.names], _SCHEMA)

    def _commit(self) -> CommitProperties:
        """What the commit says of itself; it fails if another one came first."""
        from deltalake import CommitProperties

        metadata = pq.read_schema(self.path).metadata
        ontology = parse(metadata[PARQUET_ONTOLOGY])
        if self._table is not None and self._mode is not None:
            before = stated_ontology(self._place, self._table.version())
            parts = [Dataset.from_rows([], one) for one in (before, ontology) if isinstance(one, Ontology)]
            ontology = chained(parts).ontology
        said = {
            ONTOLOGY: dump(ontology).decode(),
            VERSION: str(SCHEMA_VERSION),
            "annokit.source": shown(self._report.source, 1000),
        }
        return CommitProperties(custom_metadata=said, max_commit_retries=0)


def _with_column(batch: pa.RecordBatch, schema: pa.Schema, *, gone: bool) -> pa.RecordBatch:
    return pa.record_batch([*batch.columns, pa.array([gone] * len(batch))], schema)


def _gone(plan: Plan, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The places of annotations that are to go; nothing else is said of them."""
    for first in range(0, len(plan.gone), _BATCH):
        places = plan.gone[first : first + _BATCH]
        known: dict[str, pa.Array] = {name: pa.array(places[:, at]) for at, name in enumerate(KEYS)}
        known[_GONE] = pa.array([True] * len(places))
        columns = [known.get(field.name, pa.nulls(len(places), field.type)) for field in schema]
        yield pa.record_batch(columns, schema)


def _differs(names: Sequence[str], there: Container[str]) -> str:
    """The condition that a row is not as it was; halved, since DataFusion's parser goes 50 deep."""
    if len(names) == 1:
        (name,) = names
        return f"(t.{name} IS DISTINCT FROM s.{name})" if name in there else f"(s.{name} IS NOT NULL)"
    middle = len(names) // 2
    return f"({_differs(names[:middle], there)} OR {_differs(names[middle:], there)})"
