"""``python -m benchmarks NAME [options]`` runs ``benchmarks/NAME.py`` or ``bench_NAME.py``; each has its own ``--help``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

MODULES = {
    path.stem.removeprefix("bench_"): path.stem
    for path in sorted(Path(__file__).parent.glob("*.py"))
    if not path.stem.startswith("_") and "\ndef main(" in path.read_text(encoding="utf-8")
}


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in MODULES:
        print(f"usage: python -m benchmarks {{{','.join(MODULES)}}} [options]")
        return 2
    module = importlib.import_module(f"benchmarks.{MODULES[sys.argv[1]]}")
    result: int = module.main(sys.argv[2:])
    return result


if __name__ == "__main__":
    sys.exit(main())
