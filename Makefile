# Needs Python >= 3.11 with venv, git and make; everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := enduser-demo

.PHONY: help demo test test-full mutants bench lint docs constraints clean install

help: ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

install: $(VENV)/.installed ## only install into .venv

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "enduser needs Python 3.11 or later; say which: make PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "Python's venv is missing; on Debian run: apt-get install -y python3-venv"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(VENV)/.installed ## load demo data and print the first End User Objects
	rm -rf $(DEMO)
	$(BIN)/enduser demo --data $(DEMO)
	$(BIN)/enduser users list --limit 10 --data $(DEMO)

lint: $(VENV)/.installed ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint ## all that must hold, in at most ten minutes
	$(BIN)/pytest -n 2 -m "not full"

test-full: lint mutants ## also the large and long tests, and the mutants
	ENDUSER_TEST_PROFILE=full $(BIN)/pytest -n 2

mutants: $(VENV)/.installed ## break the core in every small way; some test must notice (two minutes)
	$(BIN)/python tests/core/mutants.py

bench: $(VENV)/.installed .venv-bench/.installed ## measure beside rivals; writes bench/RESULTS.md (BENCH="--scale 0.01" for a quick check)
	$(BIN)/python bench/run.py $(BENCH)

.venv-bench/.installed: bench/requirements.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --quiet --disable-pip-version-check --requirement bench/requirements.txt
	@touch $@

docs: $(VENV)/.installed ## write the generated pages under docs/
	$(BIN)/python -m enduser.cli.reference docs/cli.md

constraints: ## pin every package anew, from a clean environment
	rm -rf .venv-pins && $(PYTHON) -m venv .venv-pins
	.venv-pins/bin/pip install --quiet --disable-pip-version-check '.[dev]'
	.venv-pins/bin/pip freeze --exclude enduser | grep -v '^enduser' > constraints.txt
	rm -rf .venv-pins

clean: ## remove what was installed and built
	rm -rf .venv .venv-bench .venv-pins .cache $(DEMO) build dist
