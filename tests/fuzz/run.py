"""`make fuzz`: feed targets with atheris; what breaks one becomes a file of tests/regress."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["annokit", "annokit_fast"]):
    from tests.fuzz.seeds import seeds
    from tests.fuzz.targets import TARGETS

REGRESS = ROOT / "tests" / "regress"


def fuzz(name: str, arguments: list[str]) -> None:
    """Run one target until libFuzzer's arguments (`-max_total_time=60`) end it."""
    target = TARGETS[name]

    def once(data: bytes) -> None:
        try:
            target(data)
        except BaseException:
            digest = hashlib.sha256(data).hexdigest()[:12]
            (REGRESS / f"{name}-{digest}").write_bytes(data)
            raise

    corpus = Path(tempfile.mkdtemp(prefix=f"annokit-fuzz-{name}-"))
    for number, data in enumerate(seeds(name, Path(tempfile.mkdtemp()))):
        (corpus / f"seed-{number}").write_bytes(data)
    atheris.Setup([sys.argv[0], "-timeout=5", "-rss_limit_mb=2000", *arguments, str(corpus)], once)
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz(sys.argv[1], sys.argv[2:])
