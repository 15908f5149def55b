"""The cache of machine code: cold, warm, damaged, unwritable, shared; and what an import costs."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import annokit_fast
from annokit_fast import _cache, _jit

ROOT = Path(__file__).parents[2]

KERNEL = """
from annokit_fast._jit import jit

@jit
def double(values):
    total = 0.0
    for value in values:
        total += 2 * value
    return total
"""

CALL = """
import numpy as np
import kernel
assert kernel.double(np.arange(4.0)) == 12.0
stats = kernel.double.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""

compiled = pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled")


def environment(tmp_path, **changes):
    (tmp_path / "kernel.py").write_text(KERNEL)
    kept = {
        name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
    }
    paths = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "ANNOKIT_FAST_CACHE_DIR": str(tmp_path / "cache")}
    return {**kept, **paths, **changes}


def run(script, settings):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env=settings,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def files(tmp_path):
    return sorted((tmp_path / "cache").rglob("kernel.double-*"))


def test_importing_the_package_loads_no_numba():
    script = "import sys, annokit_fast; print('numba' in sys.modules, 'numpy' in sys.modules)"
    assert run(script, {**os.environ, "PYTHONPATH": str(ROOT)}) == ["False", "False"]


LITTLE = """
import sys
import numpy as np
from annokit_fast import _jit, boxes, polygons, rle
rng = np.random.default_rng(0)
coords = np.round(rng.uniform(-9, 70, (300, 2)), 2) * 10.0 ** rng.integers(-60, 60, (300, 1))
shape = coords, np.arange(0, 301, 10), np.arange(0, 31, 3)
counts = rng.integers(0, 70000, (9, 7)).astype(np.uint32)

def results():
    masks = rle.RleBatch(counts.ravel(), np.arange(0, 64, 7), counts.sum(axis=1), 1)
    again = rle.from_strings(*rle.to_strings(masks), masks.heights, masks.widths)
    measures = [measure(*shape) for measure in (polygons.area, polygons.bounds, polygons.perimeter)]
    clipped = polygons.clip_to_box(*shape, [-2.5, 3, 1e9, 40])
    turns = polygons.is_clockwise(*shape[:2])
    runs = [rle.area(masks), rle.bounds(masks), *rle.to_strings(masks), again.counts]
    return [*measures, *clipped, turns, *runs]

little = results()
print("numba" in sys.modules)
_jit.lose_patience()
print(all(a.tobytes() == b.tobytes() for a, b in zip(little, results(), strict=True)), "numba" in sys.modules)
"""


def test_with_little_to_do_the_kernels_run_without_numba_and_give_the_same_bits():
    assert run(LITTLE, {**os.environ, "PYTHONPATH": str(ROOT)}) == ["False", "True", "True"]


TWINS = """
import sys
import numpy as np
from annokit_fast import _checks, _jit, _polygons, _rle_codec
rng = np.random.default_rng(0)

def case(scale):
    sizes = rng.integers(0, 19, 600)
    rings = np.concatenate([[0], np.cumsum(sizes)])
    coords = rng.uniform(-1, 1, (rings[-1], 2)) * 10.0 ** rng.integers(-scale, scale + 1, (rings[-1], 1))
    if scale == 0:
        coords = np.rint(2 * coords)  # zeros of both signs
    counts = rng.integers(0, 2 ** rng.integers(1, 32), rings[-1]).astype(np.uint32)
    polygons = np.concatenate([np.zeros(3, int), np.sort(rng.integers(3, 590, 200))])
    return coords, rings, polygons, counts

def results(coords, rings, polygons, counts):
    found = []
    for kernel, given, shape in (
        (_polygons.area, (coords, rings, polygons), (202,)),
        (_polygons.area, (coords, rings, polygons[9:]), (193,)),
        (_polygons.bounds, (coords, rings, polygons[9:]), (193, 4)),
        (_rle_codec.area, (counts, rings[9:-9]), (582,)),
    ):
        out = np.empty(shape, np.int64 if kernel is _rle_codec.area else np.float64)
        kernel(*given, out)
        found.append(out.tobytes())
    sums = np.array([counts[a:b].sum() % 2**31 for a, b in zip(rings, rings[1:])], np.int32)
    some = np.diff(rings) > 0
    found += [_rle_codec.check_sums(counts, rings, sums, np.ones(600, np.int32))]
    found += [_rle_codec.check_sums(counts, rings[np.append(True, some)], sums[some], np.ones(some.sum(), np.int32))]
    found += [array.tobytes() for array in _rle_codec.to_strings(counts, rings)]
    return [*found, _checks._polygons_good(coords, rings, rings[:1], 1e300), _checks._polygons_good(coords, rings, np.arange(601), 1e9)]

def run(patience):
    _jit._patience = patience
    return [results(*each) for each in cases]

cases = [case(scale) for scale in (0, 0, 2, 9, 150)]
little = run(10**9)
print("numba" in sys.modules)
print(little == run(0), "numba" in sys.modules)
"""


def test_twins_in_numpy_give_the_same_bits():
    assert run(TWINS, {**os.environ, "PYTHONPATH": str(ROOT)}) == ["False", "True", "True"]


def test_with_more_to_do_they_are_compiled():
    script = """
import sys
import numpy as np
from annokit_fast import polygons
for _ in range(5000):
    polygons.area(np.ones((99, 2)), [0, 99], [0, 1])
    print(end="numba" if "numba" in sys.modules else "")
    if "numba" in sys.modules:
        break
"""
    assert run(script, {**os.environ, "PYTHONPATH": str(ROOT)}) == ["numba"]


def test_names_are_listed_and_others_refused():
    assert "rle" in dir(annokit_fast)
    for name in annokit_fast.__all__:
        module = getattr(annokit_fast, name)
        assert set(module.__all__) == set(dir(module))
        assert all(hasattr(module, entry) for entry in module.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = annokit_fast.nothing


@compiled
def test_the_second_process_compiles_nothing(tmp_path):
    settings = environment(tmp_path)
    assert run(CALL, settings) == ["0", "1"]
    assert run(CALL, settings) == ["1", "0"]
    assert len(files(tmp_path)) == 1
    if hasattr(os, "getuid"):
        assert files(tmp_path)[0].parent.stat().st_mode & 0o777 == 0o700


@compiled
def test_a_changed_source_is_compiled_anew(tmp_path):
    settings = environment(tmp_path)
    run(CALL, settings)
    (tmp_path / "kernel.py").write_text(KERNEL.replace("2 *", "3 *"))
    assert run(CALL.replace("12.0", "18.0"), settings) == ["0", "1"]


@compiled
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"x" * 99,
        lambda data: data[:-1] + b"?",
    ],
    ids=["cut short", "empty", "other", "one byte"],
)
def test_a_damaged_file_is_replaced(tmp_path, damage):
    settings = environment(tmp_path)
    run(CALL, settings)
    (file,) = files(tmp_path)
    good = file.read_bytes()
    file.write_bytes(damage(good))
    assert run(CALL, settings) == ["0", "1"]
    assert run(CALL, settings) == ["1", "0"]
    assert files(tmp_path) == [file]


@compiled
def test_a_file_that_cannot_be_unpickled_is_replaced(tmp_path):
    import hashlib
    import pickle

    settings = environment(tmp_path)
    run(CALL, settings)
    (file,) = files(tmp_path)
    for payload in (b"no pickle", pickle.dumps((1, 2, 3)), pickle.dumps(("a",) * 7)):
        file.write_bytes(hashlib.sha256(payload).digest() + payload)
        assert run(CALL, settings) == ["0", "1"]
        assert run(CALL, settings) == ["1", "0"]


@compiled
def test_without_a_writable_folder_everything_works(tmp_path):
    settings = environment(tmp_path)
    nowhere = "from pathlib import Path\nfrom annokit_fast import _cache\n"
    nowhere += f"_cache._base_folders = lambda: [Path({str(tmp_path / 'kernel.py')!r})]\n"
    assert run(nowhere + CALL, settings) == ["0", "1"]
    assert files(tmp_path) == []


@compiled
def test_an_unusable_choice_falls_back_to_the_next(tmp_path):
    settings = environment(
        tmp_path, ANNOKIT_FAST_CACHE_DIR=str(tmp_path / "kernel.py"), NUMBA_CACHE_DIR=str(tmp_path / "cache")
    )
    run(CALL, settings)
    assert len(files(tmp_path)) == 1


@compiled
def test_a_folder_that_vanishes_is_no_error(tmp_path):
    settings = environment(tmp_path)
    vanish = "import shutil\nfrom annokit_fast import _cache\n"
    vanish += "folder = _cache.cache_folder()\nshutil.rmtree(folder)\n"
    assert run(vanish + CALL, settings) == ["0", "1"]


@compiled
def test_eight_processes_on_a_cold_cache(tmp_path):
    settings = environment(tmp_path)
    started = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", CALL], env=settings, stderr=subprocess.PIPE)
        for _ in range(8)
    ]
    for process in started:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert len(files(tmp_path)) == 1
    assert run(CALL, settings) == ["1", "0"]


def test_the_folder_is_closed_to_others(tmp_path):
    folder = tmp_path / "open"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    assert _cache._make_private(folder)
    assert folder.stat().st_mode & 0o077 == 0
    assert not _cache._make_private(Path(__file__) / "below a file")


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="owners are a matter of POSIX")
def test_a_folder_of_somebody_else_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: os.stat(tmp_path).st_uid + 1)
    assert not _cache._make_private(tmp_path)


def test_numba_s_own_cache_folder_stays_unset():
    script = "import os; from annokit_fast import rle; print('NUMBA_CACHE_DIR' in os.environ)"
    settings = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    assert run(script, {**settings, "PYTHONPATH": str(ROOT)}) == ["False"]


@compiled
def test_a_kernel_and_its_helpers_share_one_file():
    for found in pkgutil.iter_modules(annokit_fast.__path__):
        if found.name == "__main__":
            continue
        module = importlib.import_module(f"annokit_fast.{found.name}")
        _jit._compile(vars(module))
        jitted = {name: value for name, value in vars(module).items() if hasattr(value, "py_func")}
        for name, kernel in jitted.items():
            for used in kernel.py_func.__code__.co_names:
                helper = kernel.py_func.__globals__.get(used)
                if hasattr(helper, "py_func"):
                    assert helper.py_func.__module__ == kernel.py_func.__module__, (name, used)


@compiled
def test_warming_compiles_every_kernel():
    script = """
import sys
from annokit_fast import _jit, _warm
_warm.warm()
called = [(module, name) for module, name in _jit.kernels() if not name.startswith("_")]
print(len(called) > 30, [entry for entry in called if not getattr(sys.modules[entry[0]], entry[1]).overloads])
"""
    assert run(script, {**os.environ, "PYTHONPATH": str(ROOT)}) == ["True", "[]"]


@compiled
def test_warming_leaves_nothing_to_compile():
    script = """
import numpy as np
from annokit_fast import _warm, boxes, rle
_warm.warm()
import annokit_fast._rle_codec as codec, annokit_fast._rle_raster as raster, annokit_fast._boxes as kernels
before = [len(k.overloads) for k in (codec.encode, codec.decode, raster.coco_rings, kernels.iou)]
batch = rle.from_polygons(np.ones((3, 2), np.float32), np.array([0, 3], np.int32), [0, 1], np.int64(5), [7])
rle.decode(rle.encode(np.asfortranarray(rle.decode(batch)[0])), np.zeros((1, 5, 7), np.uint8))
boxes.iou([[0, 0, 1, 1]], np.ones((2, 4), np.float32), crowd=[1, 0])
print(before == [len(k.overloads) for k in (codec.encode, codec.decode, raster.coco_rings, kernels.iou)])
"""
    assert run(script, {**os.environ, "PYTHONPATH": str(ROOT)}) == ["True"]


def test_warmup_command(capsys):
    from annokit_fast.__main__ import main

    assert main(["warmup"]) == 0
    assert "functions ready" in capsys.readouterr().out


def test_results_do_not_depend_on_what_memory_held():
    from annokit_fast import rle

    coords, rings = np.random.default_rng(0).uniform(-5, 40, (60, 2)), np.arange(0, 61, 6)
    first = rle.from_polygons(coords, rings, np.arange(11), 30, 30)
    for fill in (0, 255):
        dirty = [np.full(size, fill, np.uint8) for size in (64, 512, 4096, 65536)]
        del dirty
        again = rle.from_polygons(coords, rings, np.arange(11), 30, 30)
        assert again == first
        assert rle.encode(rle.decode(again)) == first
