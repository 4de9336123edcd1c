# Everything a newcomer needs: `make demo`, `make test`, `make lab`. Each builds .venv first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Processes that share the tests: each begins with a stretch of the files, and takes over from the
# others when it is through; each takes a gigabyte or two.
WORKERS ?= 2

.PHONY: help demo test browser check peers gpu lab lock clean

help:  ## say what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "expected Python 3.11, found $$($(PYTHON) --version 2>&1); install it, or say make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Building $(VENV) from requirements.lock (a minute or two, once) …"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --progress-bar on --requirement requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP)  ## the main job on synthetic scenes: dataset, store, training, report (runs/demo/report.html)
	@$(BIN)/workbench demo --out runs/demo

# Python may keep compiled files, wherever this is called from: hundreds of processes import torch.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(STAMP) browser  ## every test, notebooks included; WORKBENCH_DATA=<folder> adds those on real data
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

# For the tests in a real browser. Only where it may be installed without asking anybody: by root,
# on a Debian, and where it is missing. Without it those tests say so.
browser:
	@if ! command -v chromium >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing chromium for the tests in a browser …"; \
	  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
	    apt-get -qq install -y --no-install-recommends chromium; } >/dev/null 2>&1 || \
	  echo "chromium cannot be installed here (apt-get install chromium says why): no tests in a browser" >&2; \
	fi

check: $(STAMP)  ## linter, formatter's check, type checker
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# Not part of `make test`: it needs a package index, and takes a quarter of an hour.
peers: $(STAMP)  ## peers' own tests against our functions, on record in notebooks/results/peers.md
	@$(BIN)/python -m tests.peers

# With another Python where .venv cannot be built: workbench/bench/gpu.py says how.
GPU_PYTHON ?= $(if $(wildcard $(BIN)/python),$(BIN)/python,python3)
gpu:  ## all CUDA tests and benchmarks of this machine, on record in notebooks/results/gpu; again to go on
	@PYTHONPATH=.$${PYTHONPATH:+:$$PYTHONPATH} $(GPU_PYTHON) -m workbench bench gpu

lab: $(STAMP)  ## JupyterLab with copies of the notebooks (workbench-notebooks/) and the Dask dashboard
	@$(BIN)/workbench lab

lock: $(STAMP)  ## resolve requirements.lock anew
	@$(BIN)/python -m piptools compile --quiet --extra lab --extra cluster --extra kubernetes --extra scattering --extra test --extra dev --strip-extras --allow-unsafe \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header --no-annotate \
	  --output-file requirements.lock pyproject.toml
	@sed -i -E 's/\+cpu$$//' requirements.lock

clean:  ## remove the environment
	@rm -rf $(VENV)
