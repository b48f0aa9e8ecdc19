# What people and machines run. `make` lists it.
#
#   PYTHON=python3.12     which Python makes the environments (3.11 or newer)
#   TORCH_INDEX=URL       another index for PyTorch alone, such as that of its CPU or CUDA builds
#   MINUTES=4             training time of the demo
#   TORCH=2.13.0          version of PyTorch that `make pins` keeps; by default the one pinned now

PYTHON ?= python3
TORCH_INDEX ?=
MINUTES ?= 4
TORCH ?= $(patsubst torch==%,%,$(filter torch==%,$(shell cat constraints.txt)))

BIN := .venv/bin
READY := .venv/ready
READY_LIGHT := .venv-light/ready
MADE_FROM := pyproject.toml constraints.txt
PIP := -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup test lint format docs demo bench audit pins clean

help: ## list these commands
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/\1|\2/' | \
	  while IFS='|' read -r name text; do printf '  make %-8s %s\n' "$$name" "$$text"; done

setup: $(READY) $(READY_LIGHT) ## make .venv (everything) and .venv-light (prediction alone), once

test: setup ## run all tests, a process for each core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

lint: setup ## check style, types and generated documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python scripts/cli_docs.py --check
	$(BIN)/python scripts/reliability_tables.py --check
	$(BIN)/python scripts/messages.py --check
	$(BIN)/python scripts/licences.py --check
	$(BIN)/python benchmarks/plot.py --check

format: setup ## put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup ## write docs/cli.md from the commands, and the tables from benchmarks/results
	$(BIN)/python scripts/cli_docs.py
	$(BIN)/python scripts/reliability_tables.py
	$(BIN)/python scripts/messages.py
	$(BIN)/python scripts/licences.py
	$(BIN)/python benchmarks/plot.py

demo: setup ## train, evaluate, predict and explain on text that every machine has
	@PATH="$(CURDIR)/$(BIN):$$PATH" MINUTES=$(MINUTES) sh scripts/demo.sh

bench: setup ## list the measurements that can be run
	$(BIN)/python benchmarks/run.py --help

audit: ## look up known vulnerabilities of the pinned packages (asks pypi.org, then osv.dev)
	@test -x .venv-audit/bin/pip-audit || ($(PYTHON) -m venv .venv-audit && .venv-audit/bin/python -m pip install --quiet pip-audit)
	@.venv-audit/bin/python scripts/audit.py .venv-audit/bin/pip-audit

pins: ## renew constraints.txt (TORCH=2.14.0 renews PyTorch too), then set up again and run lint and tests
	@rm -rf .venv-pins && $(PYTHON) -m venv .venv-pins
	@echo 'Setting up .venv-pins without constraints (some minutes) ...'
	@$(if $(TORCH_INDEX),.venv-pins/bin/python -m pip install --quiet --index-url $(TORCH_INDEX) --no-deps 'torch==$(TORCH)')
	@.venv-pins/bin/python -m pip install --quiet 'torch==$(TORCH)' '.[dev]'
	@.venv-pins/bin/python -m pip freeze | $(BIN)/python scripts/pins.py
	@rm -rf .venv-pins
	@git --no-pager diff --stat constraints.txt
	@$(MAKE) setup docs lint test

clean: ## remove what these commands made, environments included
	rm -rf .venv .venv-light .venv-audit .venv-pins demo build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# One environment each. The stamp is written last, so that a broken installation is begun again.

$(READY): $(MADE_FROM)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "textlattice needs Python 3.11 or newer, \
	this is " + sys.version.split()[0] + "; try make PYTHON=python3.11")'
	@echo 'Setting up .venv (some minutes, once) ...'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(if $(TORCH_INDEX),$(BIN)/python $(PIP) --index-url $(TORCH_INDEX) --no-deps torch)
	@$(BIN)/python $(PIP) --editable '.[dev]'
	@touch $@

$(READY_LIGHT): $(MADE_FROM) | $(READY)
	@echo 'Setting up .venv-light (prediction without PyTorch) ...'
	@test -x .venv-light/bin/python || $(PYTHON) -m venv .venv-light
	@.venv-light/bin/python $(PIP) --editable .
	@touch $@
