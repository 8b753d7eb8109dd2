# Slutpris. `make help` lists what there is. Needs make and a Python >= 3.11 with venv.

PYTHON ?= python3
SERVE ?= 1
PORT ?= 5006
# Of the tests; a file's tests stay together, for they share what took long to make.
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# No tool may report home or wait for a network it does not need.
export DO_NOT_TRACK := 1
export DAGSTER_DISABLE_TELEMETRY := 1
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export NO_VERSION_CHECK := 1
# Idle OpenMP threads that spin make two busy processes ten times slower.
export OMP_WAIT_POLICY := PASSIVE
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup demo test check bench clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z]+: .*##|^[a-z]+:  ##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'
	@printf '\n  make demo SERVE=0                 stop after publishing\n'
	@printf '  make demo SALES=sales.parquet     crawl the replica over the sales of a file\n'
	@printf '  SLUTPRIS_DATA=/elsewhere make …   keep all state in another folder\n'

setup: $(READY)  ## make the environment in .venv (every other target does it too)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "error: $(PYTHON) is not Python 3.11, 3.12 or 3.13; run make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "error: $(PYTHON) has no venv; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Setting up .venv (about 2.3 GB; one to three minutes, longer on a slow line) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@# uv installs the lock in seconds; pip, which knows every mirror setting, fetches uv and stands in for it.
	@awk '/^uv==/ {on = 1} on {print} on && !/\\$$/ {exit}' requirements.lock > $(VENV)/uv.lock.txt
	@$(BIN)/python -m pip install -q --require-hashes --retries 2 -r $(VENV)/uv.lock.txt
	@$(BIN)/uv pip sync -q --python $(BIN)/python --compile-bytecode --require-hashes requirements.lock || \
	  $(BIN)/python -m pip install -q --no-deps --require-hashes --retries 2 -r requirements.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation --offline -e . || \
	  $(BIN)/python -m pip install -q --no-deps --no-build-isolation --no-index -e .
	@touch $(READY)

demo: $(READY)  ## serve the replica, crawl it, build, train, publish, then serve the dashboards
	@$(BIN)/python -m dagster_assets.demo --die-with-parent $(if $(SALES),--sales "$(SALES)") --port $(PORT) $(if $(filter 0,$(SERVE)),--no-serve)

test: $(READY)  ## the whole test suite
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile
	@# Apart: importing the Hopsworks client changes the logging of the whole process.
	@$(BIN)/python -m pytest -m "hopsworks and not long"

check: $(READY)  ## linters, types, import contract, dbt parse, Dagster definitions
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/ty check warehouse scrapy_project ml dagster_assets
	@$(BIN)/lint-imports
	@$(BIN)/sqlfluff lint -q dbt_project
	@$(BIN)/dbt --quiet --warn-error parse --project-dir dbt_project
	@$(BIN)/dg check defs

bench: $(READY)  ## measure: crawl, geocoding, publishing, build time and memory by size, training, latency, pages, sixty nights, faults (some hours)
	@$(BIN)/python tests/bench.py
	@$(BIN)/python tests/bench_crawl.py
	@$(BIN)/python tests/bench_geocoding.py
	@$(BIN)/python tests/bench_hopsworks.py
	@$(BIN)/python tests/bench_valuation.py
	@$(BIN)/python tests/bench_dashboards.py
	@$(BIN)/python tests/soak_dashboards.py
	@$(BIN)/python tests/sixty_nights.py
	@$(BIN)/python tests/fault_drills.py

clean:  ## remove the environment and caches; the data folder is kept
	rm -rf $(VENV) .nominatim .pytest_cache .ruff_cache *.egg-info build
	find . -name __pycache__ -not -path './data/*' -prune -exec rm -rf {} +
