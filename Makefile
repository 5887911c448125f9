# Everything a fresh clone needs. Each target makes .venv and installs what is missing, then does its job.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint format clean

help:  ## Tells what can be made.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(VENV)/.installed  ## Makes a classroom, extracts features, trains four heads, compares them, annotates a video.
	$(BIN)/python recipes/classroom.py --out $(DEMO)

test: $(VENV)/.installed  ## Runs the tests, without the slow ones, a process a core.
	$(BIN)/python -m pytest -n auto --dist loadscope -m "not slow and not real_data" $(PYTEST_ARGS)

test-all: $(VENV)/.installed  ## Runs every test; set VIDSEQ_DATA to the folder with the real data sets.
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.installed  ## Checks style, formatting and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed  ## Formats the code.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Removes what was installed and made here.
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
