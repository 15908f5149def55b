"""What broke a reader once, and damaged files of every sort: nothing but annokit's own errors comes out."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

CRASHES = sorted(path for path in (ROOT / "tests" / "regress").iterdir() if path.name != "README.md")
TIMES = 60


@pytest.mark.parametrize("path", CRASHES, ids=lambda path: path.name)
def test_what_was_found_stays_found(path: Path) -> None:
    TARGETS[path.name.rpartition("-")[0]](path.read_bytes())


WORDS = [
    b"null",
    b"-1",
    b"1e999",
    b"NaN",
    b"{}",
    b"[]",
    b'""',
    b"true",
    b"99999999999999999999",
    b"\x00",
    b"\xff",
]


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, cut out, doubled, or replaced by a word that parsers trip over."""
    found = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(found) or 1)
        length = chance.choice([1, 1, 2, 5, 40])
        how = chance.randrange(5)
        if how == 0 and found:
            found[place % len(found)] ^= 1 << chance.randrange(8)
        elif how == 1:
            del found[place : place + length]
        elif how == 2:
            found[place:place] = found[place : place + length]
        elif how == 3:
            found[place : place + length] = chance.choice(WORDS)
        else:
            del found[place:]
    return bytes(found)


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files(name: str, tmp_path: Path) -> None:
    chance = random.Random(7)
    for seed in seeds(name, tmp_path):
        TARGETS[name](seed)
        for _ in range(TIMES):
            data = damaged(seed, chance)
            try:
                TARGETS[name](data)
            except BaseException:
                (tmp_path / f"{name}-crash").write_bytes(data)  # to be kept in tests/regress
                raise
