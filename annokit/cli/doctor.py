"""`annokit doctor`: what this installation consists of."""

from __future__ import annotations

import platform
import time
from importlib import metadata

import click

from annokit.cli._output import say, say_table

__all__ = ["command"]

_PACKAGES = (
    "annokit",
    "click",
    "llvmlite",
    "msgspec",
    "numba",
    "numpy",
    "pillow",
    "pyarrow",
    "PyYAML",
    "rich",
    "shapely",
)


@click.command()
@click.option("--warm", is_flag=True, help="Compile every kernel now, so that no later call has to.")
def command(warm: bool) -> None:
    """Print versions, and where compiled kernels are kept."""
    versions = [("python", f"{platform.python_version()} on {platform.platform()}")]
    for package in _PACKAGES:
        try:
            versions.append((package, metadata.version(package)))
        except metadata.PackageNotFoundError:
            versions.append((package, "not installed"))
    say_table(["package", "version"], versions)
    from annokit_fast._cache import cache_folder

    say(f"compiled kernels: {cache_folder() or 'nowhere, no folder can be written'}")
    if warm:
        from annokit_fast._warm import warm as compile_all

        begin = time.perf_counter()
        compile_all()
        say(f"every kernel is ready, after {time.perf_counter() - begin:.1f} s")
