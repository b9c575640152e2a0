# Needs nothing but Python 3.11 to 3.13 and make. Each target sets up what it needs in .venv on its first run.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# Where PyTorch is taken from: its builds for CPUs, 200 MB instead of 3 GB on Linux. With an NVIDIA GPU:
# make demo TORCH=https://download.pytorch.org/whl/cu130, or TORCH= for what PyPI has.
TORCH ?= https://download.pytorch.org/whl/cpu

.PHONY: demo test lint wheel train-gpu clean

demo: $(VENV)/ready ## set up, then fuse the bundled sample study and say where the pictures are
	$(BIN)/trifuse demo

test: $(VENV)/ready-test ## set up, then run the tests
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

lint: $(VENV)/ready-test ## set up, then check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel: $(VENV)/ready ## build the wheel and the source archive into dist/, and check what PyPI would show of them
	$(PIP) '.[release]'
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

train-gpu: $(VENV)/ready-test ## the dual-modal networks anew on one GPU, in at most 8 minutes; needs TRIFUSE_SHARED
	$(BIN)/python scripts/train_gpu.py

clean: ## remove the environment and everything the tools leave behind
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis trifuse-demo dist

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	@test -z "$(TORCH)" || $(PIP) --no-deps --retries 0 --timeout 15 --index-url $(TORCH) torch 2>/dev/null \
		|| echo "$(TORCH) cannot be reached: PyPI's build of PyTorch is taken, which on Linux brings 3 GB for GPUs"
	$(PIP) --editable '.[plot]'
	touch $@

$(VENV)/ready-test: $(VENV)/ready
	$(PIP) --editable '.[test]'
	touch $@
