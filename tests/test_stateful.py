"""Converting, being killed, converting again, in any order: what stands there is always one whole output."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import annokit
from annokit.dataset import Outline, RowKey
from annokit.errors import OutputError
from annokit.model import Asset, Box, DataRow, Label, ObjectAnnotation, Ontology, Tool
from annokit.run import Run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork to be killed in the middle")


def row(index: int) -> DataRow:
    box = ObjectAnnotation(tool_name="car", geometry=Box(x=1, y=2, width=3, height=4))
    label = Label(annotations=(box,) * (index % 3))
    return DataRow(id=str(index), external_id=f"{index}.jpg", asset=Asset(width=9, height=9), labels=(label,))


class Conversions(RuleBasedStateMachine):
    """The model is how many rows the output has, or None while there is none."""

    @initialize(format=st.sampled_from(["coco", "yolo", "parquet"]))
    def start(self, format: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="annokit-stateful-"))
        self.format = format
        self.target = self.folder / ("out.json" if format == "coco" else "out")
        self.rows: int | None = None

    def write(self, count: int, *, overwrite: bool, killed_at: int | None = None) -> None:
        def rows(_run: Run) -> Iterator[DataRow]:
            for index in range(count):
                if index == killed_at:
                    os._exit(9)
                yield row(index)

        keys = [RowKey(f"{index}.jpg", str(index)) for index in range(count)]
        outline = Outline(Ontology(tools=(Tool(name="car"),)), keys)  # so that the writing pass is the first
        dataset = annokit.Dataset(rows, outline=lambda: outline)
        annokit.write(dataset, self.target, format=self.format, overwrite=overwrite)

    @rule(count=st.integers(0, 1200), overwrite=st.booleans())
    def convert(self, count: int, overwrite: bool) -> None:
        if self.rows is not None and not overwrite:
            with pytest.raises(OutputError, match="exists"):
                self.write(count, overwrite=False)
            return
        self.write(count, overwrite=overwrite)
        self.rows = count
        strays = [path.name for path in self.folder.iterdir() if "annokit-" in path.name]
        assert not [name for name in strays if "lock" not in name]

    @rule(count=st.integers(1, 1200), share=st.floats(0, 1))
    def killed(self, count: int, share: float) -> None:
        child = os.fork()
        if child == 0:
            self.write(count, overwrite=True, killed_at=int(share * (count - 1)))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 9

    @invariant()
    def what_stands_there_is_whole(self) -> None:
        if self.rows is None:
            assert not self.target.exists()
        else:
            found = list(annokit.read(self.target))
            assert sorted(int(one.id) for one in found) == (
                list(range(self.rows)) if self.format != "coco" else list(range(1, self.rows + 1))
            )

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


Conversions.TestCase.settings = settings(max_examples=12, stateful_step_count=8, deadline=None)
TestConversions = Conversions.TestCase
