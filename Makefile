# make demo: see it work.  make test: prove it.  Both build .venv first; only Python >= 3.11 is needed.
PYTHON ?= python3
BIN := .venv/bin
PARALLEL := -n auto --maxprocesses 4 --dist loadgroup

.PHONY: demo test test-nojit test-bounds lint bench fuzz docs clean

$(BIN)/annokit: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/dev: $(BIN)/annokit pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@

demo: $(BIN)/annokit
	@$(BIN)/python docs/demo.py

test: .venv/dev
	$(BIN)/python -m pytest $(PARALLEL)

# The kernels once as plain Python, and once with every index checked. What concerns machine code is left out.
test-nojit: .venv/dev
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest $(PARALLEL) tests/fast --ignore tests/fast/test_jit.py

test-bounds: .venv/dev
	NUMBA_BOUNDSCHECK=1 $(BIN)/python -m pytest $(PARALLEL) tests/fast --ignore tests/fast/test_jit.py

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/dev
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[bench]"
	$(BIN)/python -m benchmarks kernels

FUZZ := coco ground_truth ground_truth_responses labelbox labelbox_v1 yolo parquet archive image rle_strings
SECONDS_EACH ?= 45

fuzz: .venv/dev
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[fuzz]"
	for target in $(FUZZ); do NUMBA_DISABLE_JIT=1 $(BIN)/python tests/fuzz/run.py $$target \
	    -max_total_time=$(SECONDS_EACH) || exit 1; done

docs: .venv/dev
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/pictures.py

clean:
	rm -rf .venv demo
