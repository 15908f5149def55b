"""The account of a conversion, printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annokit.cli._output import say, say_table
from annokit.errors import shown

if TYPE_CHECKING:
    from annokit.report import Loss, Report

__all__ = ["kind_order", "say_losses", "say_report"]

_FIRST = ("data_rows", "labels")
_LAST = ("classifications", "relationships", "categories")


def say_report(report: Report) -> None:
    """A row for each kind, a column for what happened, and the named losses and notes."""
    from annokit.report import COLUMNS

    columns = [column for column in COLUMNS if report.total(column)]
    kinds = sorted((kind for kind in report.kinds if any(report.kinds[kind].values())), key=kind_order)
    say_table(["", *columns], [[kind, *(report.kinds[kind][column] for column in columns)] for kind in kinds])
    say_losses(report.losses)


def kind_order(kind: str) -> tuple[int, str]:
    """The key by which tables sort kinds: rows and labels, then objects, then the rest."""
    if kind in _FIRST:
        return _FIRST.index(kind), ""
    return (9 + _LAST.index(kind), "") if kind in _LAST else (8, kind)


def say_losses(losses: list[Loss]) -> None:
    """One line each: how often, what, why, its code, an example."""
    for loss in losses:
        style = "yellow" if loss.lossy else "dim"
        example = f", e.g. {shown(loss.examples[0], 120)}" if loss.examples else ""
        message = f"{shown(loss.message, 300)} [{loss.code}]"
        say(f"{loss.level}: {loss.count} {loss.kind}: {message}{example}", style)
