# Needs Linux, Python >= 3.11 with venv, git and make; everything else is installed into .venv. The tests also need
# Node >= 20 with npm, and Chromium.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := enduser-demo
SDKS := .cache/sdks
SDK := sdk/node_modules

define NODE
node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' && command -v npm >/dev/null || \
	{ echo "the SDK needs Node 20 or later with npm; on Debian 13 run: apt-get install -y nodejs npm"; exit 2; }
endef

# Tests start hundreds of processes: where Python were told to keep no bytecode, each would compile all modules.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test test-full mutants soak bench lint docs constraints clean install sdk sdks

help: ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

install: $(VENV)/.installed ## only install into .venv

$(VENV)/.installed: pyproject.toml constraints.txt
	@test "$$(uname -s)" = Linux || \
		{ echo "enduser runs on Linux only; elsewhere put it into a container or a virtual machine"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "enduser needs Python 3.11 or later; say which: make PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "Python's venv is missing; on Debian run: apt-get install -y python3-venv"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

sdk: $(SDK)/.installed ## build the browser SDK, into the server's sources too
	npm run --prefix sdk --silent build

$(SDK)/.installed: $(addprefix sdk/,package.json package-lock.json .npmrc)
	@$(NODE)
	npm ci --prefix sdk --ignore-scripts --silent
	@touch $@

sdks: $(SDKS)/.installed ## only install the SDKs that tests send events with

$(SDKS)/.installed: $(addprefix tests/e2e/sdks/,package.json package-lock.json .npmrc)
	@$(NODE)
	@command -v chromium >/dev/null || \
		{ echo "the tests need Chromium; on Debian run: apt-get install -y chromium"; exit 2; }
	mkdir -p $(SDKS) && cp $^ $(SDKS)
	npm ci --prefix $(SDKS) --ignore-scripts --silent
	@touch $@

demo: $(VENV)/.installed ## load demo data and print the first End User Objects
	rm -rf $(DEMO)
	$(BIN)/enduser demo --data $(DEMO)
	$(BIN)/enduser users list --limit 10 --data $(DEMO)

lint: $(VENV)/.installed $(SDK)/.installed ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	npm run --prefix sdk --silent check

test: lint sdks ## all that must hold, in at most ten minutes
	$(BIN)/pytest -n 3 --dist worksteal -m "not full"

test-full: lint sdks mutants ## also the large and long tests, and the mutants
	ENDUSER_TEST_PROFILE=full $(BIN)/pytest -n 2 --dist worksteal

mutants: $(VENV)/.installed ## break the core in every small way; some test must notice (seven minutes)
	$(BIN)/python tests/core/mutants.py

soak: $(VENV)/.installed ## an hour of load at ten million users while processes are killed (SOAK="--minutes 2 --users 100000 --kills 10" for a quick one)
	$(BIN)/python bench/soak.py $(SOAK)

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
	rm -rf .venv .venv-bench .venv-pins .cache $(SDK) sdk/dist $(DEMO) build dist
