"""Flags made from what the formats and the limits declare, when a command that takes them is called."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import click

from annokit.cli._mapping import read_mapping
from annokit.errors import UsageError

if TYPE_CHECKING:
    from annokit.dataset import Dataset
    from annokit.formats._describe import OptionInfo
    from annokit.io.limits import Limits
    from annokit.io.source import Source

__all__ = [
    "ReadCommand",
    "WriteCommand",
    "check_options",
    "from_option",
    "labels_option",
    "of_formats",
    "open_dataset",
    "workers_option",
]

_C = TypeVar("_C", bound=Callable[..., Any])
_FORMATS, _LIMITS = "Options of formats", "Limits"
_PLAIN = "annokit.no-options-of-formats"
"""Set where no option of a format was given, so that no format has to be imported to tell its options."""
_TYPES = {"flag": bool, "integer": int, "number": float}


def _formats(_ctx: click.Context, _param: click.Parameter, given: str) -> list[str]:
    from annokit.formats import NAMES

    return [name for name in NAMES if name.startswith(given)]


of_formats: dict[str, Any] = {"metavar": "FORMAT", "shell_complete": _formats}
"""Of an option that names a format: a shell completes it."""


def labels_option(*policies: str, default: str | None = None) -> Callable[[_C], _C]:
    """Of a command that chooses labels by one of these policies; a shell completes them."""

    def completed(_ctx: click.Context, _param: click.Parameter, given: str) -> list[str]:
        return [policy for policy in policies if policy.startswith(given)]

    listed = f"{', '.join(policies[:-1])} or {policies[-1]}".replace("annotator:", "annotator:ID")
    return click.option(
        "--labels",
        metavar="POLICY",
        default=default,
        shell_complete=completed,
        help=f"Which labels of a row: {listed}.",
    )


from_option = click.option("--from", "format", **of_formats, help="What SRC is, when it cannot be told.")
"""Of every command that reads."""

workers_option = click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many processes share the work.",
)
"""Of every command that can be shared."""


class _Made(click.Option):
    """A generated flag; `section` is its heading in the help."""

    section = ""


class ReadCommand(click.Command):
    """A command whose function gets `options`, those of formats that were given, and `limits`."""

    used: tuple[str, ...] = ("reading",)

    def _made(self, ctx: click.Context) -> list[_Made]:
        """The generated flags, less those the command has itself."""
        own = {param.name for param in self.params}
        made = [*([] if ctx.meta.get(_PLAIN) else _format_options(self.used)), *_limit_options()]
        return [option for option in made if option.name not in own]

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), *self._made(ctx)]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        from annokit.io.limits import Limits

        known = {flag for option in (*self.params, *_limit_options()) for flag in option.opts}
        ctx.meta[_PLAIN] = known.issuperset(arg.partition("=")[0] for arg in args if arg.startswith("-"))
        rest = super().parse_args(ctx, args)
        given: dict[str, dict[str, Any]] = {_FORMATS: {}, _LIMITS: {}}
        for option in self._made(ctx):
            value = ctx.params.pop(str(option.name), None)
            if value is not None:
                given[option.section][str(option.name)] = value
        ctx.params |= {"options": given[_FORMATS], "limits": Limits(**given[_LIMITS])}
        return rest

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                sections[getattr(param, "section", "Options")].append(record)
        for section, records in sections.items():
            with formatter.section(section):
                formatter.write_dl(records)


class WriteCommand(ReadCommand):
    """The same for a command that also writes."""

    used = ("reading", "writing")


@cache
def _format_options(used: Sequence[str]) -> list[_Made]:
    from annokit.formats import all_formats
    from annokit.formats._describe import describe_options

    found: dict[str, list[OptionInfo]] = defaultdict(list)
    for one in all_formats():
        for info in describe_options(one):
            if info.used in used:
                found[info.name].append(info)
    return [_format_option(name, infos) for name, infos in found.items()]


def _format_option(name: str, infos: Sequence[OptionInfo]) -> _Made:
    """One flag for an option of one format, or of several that call it the same."""
    kinds = {info.kind for info in infos}
    kind = kinds.pop() if len(kinds) == 1 else "text"
    choices = list(dict.fromkeys(str(choice) for info in infos for choice in info.choices))
    flag = name.replace("_", "-")
    owners: dict[str, list[str]] = defaultdict(list)
    for info in infos:
        default = "" if info.default in (None, (), "") else f" [default: {info.default}]"
        owners[info.help + default].append(f"{info.used} {info.format}")
    made = _Made(
        [f"--{flag}/--no-{flag}" if kind == "flag" else f"--{flag}", name],
        type=click.Choice(choices) if kind == "choice" else _TYPES.get(kind, str),
        default=None,
        metavar={"list": "A,B", "mapping": "FILE"}.get(kind),
        callback=_CALLBACKS.get(kind),
        help="; ".join(f"{', '.join(who)}: {text}" for text, who in owners.items()),
    )
    made.section = _FORMATS
    return made


def _split(_ctx: click.Context, _param: click.Parameter, value: str | None) -> list[str] | None:
    return None if value is None else value.split(",")


def _mapping(_ctx: click.Context, _param: click.Parameter, value: str | None) -> dict[str, int] | None:
    return None if value is None else read_mapping(value)


_CALLBACKS = {"list": _split, "mapping": _mapping}


@cache
def _limit_options() -> list[_Made]:
    from annokit.io.limits import Limits

    helps = dict(re.findall(r"(max_\w+) : int\n\s+(.*)", Limits.__doc__ or ""))
    made = []
    for field in dataclasses.fields(Limits):
        flag = "--" + field.name.replace("_", "-")
        text = f"{helps.get(field.name, '')} [default: {field.default}]"
        made.append(_Made([flag, field.name], type=int, metavar="N", help=text))
        made[-1].section = _LIMITS
    return made


def check_options(
    given: Mapping[str, Any], sources: Sequence[Source], format: str | None, to: str | None = None
) -> None:
    """Raise a UsageError for an option that none of the chosen formats has, naming those that have it."""
    from annokit.formats import all_formats, detect
    from annokit.formats._describe import describe_options

    owners: dict[str, set[str]] = defaultdict(set)
    for one in all_formats() if given else ():
        for info in describe_options(one):
            owners[info.name].add(f"{info.used} {info.format}")
    elsewhere = [name for name in given if f"writing {to}" not in owners[name]]
    for name in elsewhere:
        chosen = {f"reading {format or detect(source).name}" for source in sources}
        if not chosen & owners[name]:
            here = ", ".join([*sorted(chosen), *[f"writing {to}"] * (to is not None)])
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag} is an option of {', '.join(sorted(owners[name]))}; this is {here}")


def open_dataset(
    sources: Sequence[str], format: str | None, options: Mapping[str, Any], limits: Limits
) -> Dataset:
    """The labels a command is to read."""
    from annokit.conversion import read
    from annokit.io.archives import open_source

    opened = [open_source(source, limits) for source in sources]
    check_options(options, opened, format)
    return read(opened, format=format, limits=limits, **options)
