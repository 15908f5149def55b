"""Every kernel agrees with its peers, on small inputs of the table that the benchmarks run on large ones."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import exact, kernels
from benchmarks.comparisons import COMPARISONS
from benchmarks.peers import NAMED


@pytest.mark.parametrize(("kernel", "kind"), list(COMPARISONS), ids=str)
def test_kernel_agrees_with_its_peers(kernel, kind):
    case = COMPARISONS[kernel, kind](0.02)
    ours = case.ours()
    checked = [peer for peer in case.checks if peer in case.peers]
    for peer in checked:
        case.checks[peer](ours, case.peers[peer]())
    if case.checks and not checked:
        pytest.skip(f"none of {', '.join(case.checks)} is installed")


def test_every_goal_names_a_peer():
    for build in COMPARISONS.values():
        case = build(0.01)
        assert set(case.checks) <= {*case.peers, *NAMED}
        assert all(goal > 0 for goal in case.goals.values())


def test_the_benchmark_prints_and_writes_its_table(tmp_path, capsys):
    file = tmp_path / "table.json"
    arguments = ["--json", str(file), "--only", "rle.area", "--scale", "0.01", "--turns", "1"]
    assert kernels.main(arguments) == 0
    assert "| rle.area | coco |" in capsys.readouterr().out
    assert '"ratio"' in file.read_text()


def test_random_polygons_masks_and_numbers_are_those_of_pycocotools_and_python(capsys):
    assert exact.main(["--polygons", "1000", "--masks", "150", "--numbers", "4000", "--seed", "7"]) == 0
    said = capsys.readouterr().out
    assert "frPyObjects: 1,000 compared, 0 different" in said
    assert "text.yolo_rings: 4,000 compared, 0 different" in said


def test_a_difference_to_pycocotools_is_counted(monkeypatch, capsys):
    monkeypatch.setattr(exact.coco_mask, "area", lambda runs: np.full(len(runs), -1))
    assert exact.main(["--polygons", "0", "--masks", "10", "--numbers", "0"]) == 1
    assert "area: 10 compared, 10 different" in capsys.readouterr().out
