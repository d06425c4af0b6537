# `make` alone lists what there is to make.

VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# An index for torch's wheels, such as https://download.pytorch.org/whl/cpu where no GPU is (much smaller); empty: PyPI's.
TORCH_INDEX ?=
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo quick test coverage torture site lint format clean

help:  ## List the targets and variables
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  TORCH_INDEX=https://download.pytorch.org/whl/cpu takes torch without CUDA; VENV=$(VENV); PYTHON=$(PYTHON)"

install: $(INSTALLED)  ## Make the virtual environment, as often as pyproject.toml or constraints.txt change

$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "error: no python3.11 and no python3 here: install Python 3.11 or newer"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is older than 3.11: install Python 3.11, or give PYTHON=/path/to/it"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]' $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	@touch $@

demo: $(INSTALLED)  ## Run the whole chain on the embedded data set and compare its arms (minutes)
	$(BIN)/recbench demo

lint: $(INSTALLED)  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy recbench tests

quick: lint  ## Check style and types, and run the tests that start no process and train nothing (a minute)
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -m 'not slow and not process' -n auto --maxprocesses=4 --dist=loadfile

# A process a core, four at most (each has torch in memory), each with one thread, and a file's tests in one of them.
test: lint  ## Check style and types, then run the tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n auto --maxprocesses=4 --dist=loadfile

coverage: $(INSTALLED)  ## Run the tests, and tell the lines that none of them runs
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n auto --maxprocesses=4 --dist=loadfile --cov=recbench --cov-report=term-missing:skip-covered

torture: $(INSTALLED)  ## Kill runs, and give the commands what is malformed or hostile (minutes)
	$(BIN)/python -m torture

site: $(INSTALLED)  ## Build the documentation site in build/site/html
	$(BIN)/python site/make.py
	$(BIN)/zensical build --strict

format: $(INSTALLED)  ## Bring the code into the one style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove the virtual environments and caches; runs stay
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
