"""``python -m annokit_fast warmup``: compile every kernel now, so that no later process waits for it."""

from __future__ import annotations

import argparse
import sys
import time

from annokit_fast._cache import cache_folder
from annokit_fast._jit import kernels
from annokit_fast._warm import warm


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m annokit_fast", description=__doc__)
    parser.add_argument("command", choices=["warmup"], help="compile every kernel and keep the machine code")
    parser.parse_args(arguments)
    begin = time.perf_counter()
    warm()
    seconds = time.perf_counter() - begin
    where = cache_folder()
    kept = f"kept in {where}" if where else "not kept: no folder can be written"
    sys.stdout.write(f"{len(kernels())} functions ready in {seconds:.1f} s, {kept}\n")
    return 0 if where else 1


if __name__ == "__main__":
    sys.exit(main())
