"""One pass over data: what to do with bad records, where they go, and the account of it all."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Literal, Self, TypeAlias

from annokit._version import __version__
from annokit.errors import AnnokitError, InputError, LimitExceeded, UsageError
from annokit.io.limits import Limits
from annokit.report import Report

__all__ = ["Context", "OnError", "Run", "check_on_error"]

OnError: TypeAlias = Literal["raise", "skip", "quarantine"]

Context: TypeAlias = Callable[[], dict[str, Any]]
"""Makes the surroundings of a bad record: the document with nothing but a hole (None) where it stood."""


def check_on_error(on_error: str) -> OnError:
    """The mode, or a UsageError that lists them."""
    if on_error not in ("raise", "skip", "quarantine"):
        raise UsageError(f"expected on_error raise, skip or quarantine, got {on_error!r}")
    return on_error  # type: ignore[return-value]  # mypy does not narrow str to a Literal


class Run:
    """Carries the report and the error policy through readers and writers.

    Parameters
    ----------
    on_error : {"raise", "skip", "quarantine"}
        For the smallest unit that stands alone: an object, else its label, else its data row.
    report : Report, optional
        Where things are counted.
    quarantine : Path, optional
        The file that gets one JSON line for each bad record, with its exact bytes; made when the first
        one comes. Use the run as a context manager to have it closed.
    limits : Limits
        Resource limits of the readers.
    progress : callable, optional
        Called with the number of input bytes just dealt with.
    """

    def __init__(
        self,
        *,
        on_error: OnError = "raise",
        report: Report | None = None,
        quarantine: Path | None = None,
        limits: Limits | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.on_error = check_on_error(on_error)
        self.report = report or Report()
        self.limits = limits or Limits()
        self._quarantine = quarantine
        self._handle: IO[str] | None = None
        self._progress = progress
        self._rejected = 0
        self.finished = False
        """Whether the rows of the source were read to their end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle is not None:
            self._handle.close()

    def advance(self, size: int) -> None:
        """Tell the progress bar that `size` more bytes of input are done."""
        if self._progress is not None:
            self._progress(size)

    def reject(
        self,
        error: AnnokitError,
        kind: str,
        raw: bytes | None = None,
        *,
        format: str = "",
        context: Context | None = None,
    ) -> None:
        """Deal with one bad record: raise, skip, or put it aside; either way it is accounted."""
        if self.on_error == "raise" or not isinstance(error, InputError | LimitExceeded):
            raise error
        self._rejected += 1
        if self._rejected > self.limits.max_errors:
            raise self._too_many(str(error)) from error
        self.report.count("read", kind)
        column: Literal["skipped", "quarantined"] = "skipped"
        if self.on_error == "quarantine":
            column = "quarantined"
            self._put_aside(error, kind, raw, format, context)
        self.report.lose(error.code, kind, error.problem, example=str(error), column=column)

    def add(self, part: Report, put_aside: Path | None = None) -> None:
        """Take in the account of a part of the source, and the file, if any, of what was put aside of it."""
        self.report.add(part)
        self._rejected += part.total("skipped") + part.total("quarantined")
        if self._rejected > self.limits.max_errors:
            examples = [loss.examples[-1] for loss in part.losses if loss.lossy and loss.examples]
            raise self._too_many(examples[-1] if examples else "")
        if put_aside is not None and put_aside.exists() and self._quarantine is not None:
            with put_aside.open(encoding="utf-8", newline="\n") as lines:
                shutil.copyfileobj(lines, self._opened(self._quarantine))

    def _too_many(self, last: str) -> LimitExceeded:
        return LimitExceeded(
            f"more than max_errors={self.limits.max_errors} bad records, the last: {last}",
            hint="is this the right format? name it with --from, or raise --max-errors",
        )

    def _opened(self, quarantine: Path) -> IO[str]:
        if self._handle is None:
            self._handle = quarantine.open("w", encoding="utf-8", errors="backslashreplace", newline="\n")
        return self._handle

    def _put_aside(
        self, error: AnnokitError, kind: str, raw: bytes | None, format: str, context: Context | None
    ) -> None:
        if self._quarantine is None:
            return
        line: dict[str, Any] = {
            "code": error.code,
            "message": str(error),
            "where": error.where.to_dict(),
            "kind": kind,
            "format": format,
            "annokit": __version__,
        }
        if raw:  # a line that was too long to be held comes without its bytes
            line |= _as_text(raw) | {"sha256": hashlib.sha256(raw).hexdigest()}
        if context is not None:
            line["context"] = context()
        self._opened(self._quarantine).write(json.dumps(line, ensure_ascii=False) + "\n")


def _as_text(raw: bytes) -> dict[str, str]:
    """The exact bytes: as text where they are UTF-8, else in base64."""
    try:
        return {"raw": raw.decode("utf-8")}
    except UnicodeDecodeError:
        return {"raw_b64": base64.b64encode(raw).decode("ascii")}
