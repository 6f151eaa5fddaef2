# One word per habit; `make` alone prints them. Needs Python 3.11 or newer and nothing else.
PYTHON ?= python3
SCALE ?= full
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
PARQUET := $(VENV)/.parquet
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
# Compiling the service and its tests takes longer than importing them; it is done once for all
# the processes that tests and lanes start.
export PYTHONDONTWRITEBYTECODE :=
.PHONY: help demo run worker test check fmt migrate bench beibei laws race kill fuzz carts webhooks restore

help:  ## print these words
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

# Two stamps: the demo needs only what the service itself needs.
$(RUNTIME): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -e . -c constraints.txt
	@touch $@

$(DEV): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -e '.[dev]' -c constraints.txt
	@touch $(RUNTIME) $@

# What reads the recorded group buys is large, and nothing else wants it.
$(PARQUET): $(DEV)
	$(PIP) install -e '.[dev,bench]' -c constraints.txt
	@touch $(RUNTIME) $(DEV) $@

demo: $(RUNTIME)  ## a seeded shop on SQLite with server and worker; prints what to open
	@$(BIN)/quanpu demo $(ARGS)

run: $(RUNTIME)  ## the API server with the settings of the environment
	@$(BIN)/quanpu serve $(ARGS)

worker: $(RUNTIME)  ## one worker process: outbox and due jobs
	@$(BIN)/quanpu worker $(ARGS)

migrate: $(RUNTIME)  ## bring the database of DATABASE_URL to the newest schema
	@$(BIN)/quanpu migrate $(ARGS)

test: $(DEV)  ## all tests, on SQLite and, where one answers, on PostgreSQL
	@$(BIN)/python -m pytest -n auto --dist worksteal --ignore=tests/lanes $(ARGS)

check: $(DEV)  ## everything that must hold: lint, types, imports, tests, migrations, API file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/vulture
	$(BIN)/python -m tests.lanes.migrations
	$(BIN)/quanpu openapi | diff -u docs/openapi.json - && echo "docs/openapi.json is current"
	$(MAKE) --no-print-directory test

fmt: $(DEV)  ## put the code into its one format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

laws: $(DEV)  ## the laws of prices over thousands of random baskets
	@$(BIN)/python -m pytest -n auto --hypothesis-profile=laws tests/promotions/pricing $(ARGS)

race: $(DEV)  ## many clients on the last of everything (SCALE=ci|full)
	@SCALE=$(SCALE) $(BIN)/python -m pytest -n auto --dist loadgroup tests/lanes
	@SCALE=$(SCALE) $(BIN)/python -m tests.lanes.race

carts: $(DEV)  ## random carts: preview, quote and order are one price (SCALE=ci|full)
	@SCALE=$(SCALE) $(BIN)/python -m tests.lanes.carts $(ARGS)

kill: $(DEV)  ## servers, workers and the database killed under load (SCALE=ci|full)
	@SCALE=$(SCALE) $(BIN)/python -m tests.lanes.kill
	@SCALE=$(SCALE) $(BIN)/python -m tests.lanes.kill_paying

webhooks: $(DEV)  ## workers send to receivers that are bad; nothing lost, nobody delayed (SCALE=ci|full)
	@SCALE=$(SCALE) $(BIN)/python -m tests.lanes.webhooks $(ARGS)

restore: $(DEV)  ## a copy made under load, the loss of everything, and the copy put back (SCALE=ci|full)
	@SCALE=$(SCALE) $(BIN)/python -m tests.lanes.restore $(ARGS)

fuzz: $(DEV)  ## schemathesis against a running server (SCALE=ci|full)
	@SCALE=$(SCALE) $(BIN)/python -m tests.lanes.fuzz

bench: $(DEV)  ## SQL statements and CPU per operation, and exports as a shop grows (SCALE=ci|full)
	@SCALE=$(SCALE) $(BIN)/python -m bench
	@SCALE=$(SCALE) $(BIN)/python -m bench.export

beibei: $(PARQUET)  ## recorded group buys lived again and judged; ARGS=--groups=1250,5000 (SCALE=ci|full)
	@SCALE=$(SCALE) $(BIN)/python -m bench.beibei $(ARGS)
