"""The command line: one small module a command, each of which calls one library function.

Exit codes: 0 good; 1 finished, with records quarantined or skipped; 2 usage; 3 bad input; 4 a limit;
5 unsafe input; 6 lossy under `--strict`; 7 output failed; 70 a bug of ours; 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

import click

from annokit._version import __version__
from annokit.errors import AnnokitError, shown
from annokit.io.gc import collect_rarely

__all__ = ["app", "main"]

_COMMANDS = (
    "convert",
    "info",
    "validate",
    "diff",
    "view",
    "formats",
    "detect",
    "masks",
    "ontology",
    "data-rows",
    "consensus",
    "requeue",
    "versions",
    "insights",
    "doctor",
)
_LONGEST = 2000
_BUG, _INTERRUPTED, _PIPE_CLOSED = 70, 130, 141
_COMPLETION = (
    'Completion of commands and options: eval "$(_ANNOKIT_COMPLETE=bash_source annokit)"; also zsh, fish.'
)


class _App(click.Group):
    """Commands that are imported when they are asked for, and errors as one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        found: click.Command = importlib.import_module(f"annokit.cli.{cmd_name.replace('-', '_')}").command
        return found

    def invoke(self, ctx: click.Context) -> Any:
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:  # whoever read our output has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return _PIPE_CLOSED
        return code

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        run = partial(super().main, args, prog_name, complete_var, False, **extra)
        if not standalone_mode:
            return run()
        sys.exit(_status(run))


def _status(run: Callable[[], Any]) -> int:
    """The exit code of a command; what went wrong is said in one line."""
    try:
        return int(run() or 0)
    except AnnokitError as error:
        return _failed(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        raise
    except OSError as error:  # stdout on a full disk
        return _failed(f"cannot write: {error.strerror or error}", 7)
    except click.UsageError as error:
        hint = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        return _failed(error.format_message() + hint, error.exit_code)
    except click.ClickException as error:
        return _failed(error.format_message(), error.exit_code)
    except click.Abort:
        return _failed("interrupted", _INTERRUPTED)


def _failed(message: str, code: int) -> int:
    click.echo(f"annokit: error: {shown(message, _LONGEST)}", err=True)
    return code


@click.group(
    cls=_App,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_COMPLETION,
)
@click.version_option(__version__, package_name="annokit", message="annokit %(version)s")
def app() -> None:
    """Labels from annotation platforms to training data: nothing lost on the way.

    Exit codes: 0 good, 1 finished with records put aside, 2 usage, 3 bad input, 4 a limit, 5 unsafe input,
    6 lossy under --strict, 7 output failed, 70 a bug of ours, 130 interrupted.
    """


def main() -> NoReturn:
    """The command `annokit`."""
    collect_rarely()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # they are text files
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app(prog_name="annokit")
    except Exception:  # noqa: BLE001 - a bug: shown whole, under a code that no script takes for success
        traceback.print_exc()
        sys.exit(_BUG)
    sys.exit(0)
