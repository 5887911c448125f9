# Everything a fresh clone needs. Each target makes .venv, installs what it needs itself, then does its job.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo
# Most modules of what is installed are never imported; the others are compiled then, and once.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo docs test test-all lint format clean

help:  ## Lists the targets.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# A stamp for the library alone, and one for each extra of setup.cfg, with those that it holds.
HOLDS_docs := .library
HOLDS_test := .library .docs
HOLDS_dev := .library .docs .test
$(VENV)/.library: setup.cfg pyproject.toml | $(BIN)/python
	$(INSTALL) .
	@touch $@

$(VENV)/.docs $(VENV)/.test $(VENV)/.dev: $(VENV)/.%: setup.cfg pyproject.toml | $(BIN)/python
	$(INSTALL) '.[$*]'
	@touch $@ $(addprefix $(VENV)/,$(HOLDS_$*))

demo: $(VENV)/.library  ## Answers questions about new videos with shipped models, then trains four heads from scratch.
	$(BIN)/python recipes/classroom.py --out $(DEMO)

docs: $(VENV)/.docs  ## Builds the site below build/docs; warnings are errors.
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs build/docs

# With a process a core, more threads would only wait for one another.
test: export OMP_NUM_THREADS := 1
test: $(VENV)/.test  ## Runs the tests, without the slow ones, a process a core.
	$(BIN)/python -m pytest -n auto --dist loadscope --max-worker-restart 0 -m "not slow and not real_data" \
		--hypothesis-profile quick $(PYTEST_ARGS)

test-all: $(VENV)/.test  ## Runs every test; set VIDSEQ_DATA to the folder with the real data sets.
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.dev  ## Checks style, formatting and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev  ## Formats the code.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Removes what was installed and made here.
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
