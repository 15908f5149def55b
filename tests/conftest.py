"""What all tests share: where the data is, and the two hypothesis profiles."""

from __future__ import annotations

import os
import runpy
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"

hypothesis.settings.register_profile("fast", max_examples=40, deadline=None, derandomize=True)
hypothesis.settings.register_profile("long", max_examples=2000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


@pytest.fixture(scope="session")
def data() -> Path:
    """Small files that are part of the project."""
    return DATA


@pytest.fixture(scope="session")
def samples() -> Path:
    """The files the docs and the demo convert."""
    return ROOT / "docs" / "samples"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The large collection beside the project; tests that need it are skipped where it is not."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the data collection in ../shared/data")
    return folder


@pytest.fixture(scope="session")
def generate() -> Callable[..., None]:
    """Run one of tests/generators: ``generate("make_coco", out, "--scale", 0.01)``."""

    def run(name: str, *arguments: object) -> None:
        before = sys.argv
        sys.argv = [name, *map(str, arguments)]
        try:
            runpy.run_path(str(ROOT / "tests" / "generators" / f"{name}.py"), run_name="__main__")
        finally:
            sys.argv = before

    return run


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The one Spark session; tests that ask for it are marked ``xdist_group("spark")``, so that one worker has them all."""
    if shutil.which("java") is None:
        pytest.skip("needs Java")
    pytest.importorskip("pyspark", reason="needs pyspark")
    from annokit.spark import local_session

    settings = {
        "spark.sql.shuffle.partitions": "2",
        "spark.default.parallelism": "1",
        "spark.sql.session.timeZone": "America/Los_Angeles",  # days must not follow it
        "spark.sql.files.openCostInBytes": "1",
        "spark.sql.sources.parallelPartitionDiscovery.threshold": "10000",
        "spark.sql.codegen.wholeStage": "false",  # compiling costs more than it saves here
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
    }
    session = local_session(2, settings)
    yield session
    session.stop()
