# Everything that CI runs is a verb here, and works the same on any machine with Python >= 3.11.

PYTHON ?= python3
BIN := .venv/bin
DATA ?= .medport
OFFSET ?= 0
CASES ?=
ROUNDS ?= 3
EVENTS ?= 1000000
DISCONNECTS ?= 500
REPORT ?= build/soak/report.json
# Whose consumers a contract must not break; unset: what landed before it (protos/check.py). On main
# that is what protos/landed names: git rev-parse HEAD > protos/landed, once main has landed.
BASE ?=

# Where an environment sets it, each of a run's 150 processes would compile the project anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup up down status demo test soak check lint types imports proto contract format \
  migration wheel bench image smoke clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: .venv/.ready build/medport.binpb ## Make .venv from constraints.txt, and the descriptor set

# uv where there is one (seconds), pip otherwise (a minute); hashes are checked by both.
.venv/.ready: constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python >= 3.11 is needed: make PYTHON=python3.12 ..."; exit 1; }
	@if command -v uv >/dev/null; then \
	  set -e; \
	  test -x $(BIN)/python || uv venv --quiet --python "$(PYTHON)" .venv; \
	  uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes \
	    -r constraints.txt; \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
	  set -e; \
	  test -x $(BIN)/python || $(PYTHON) -m venv .venv 2>/dev/null || \
	    $(PYTHON) -m venv --clear --without-pip .venv; \
	  pip="$(PYTHON) -m pip --python $(BIN)/python"; \
	  if $(BIN)/python -m pip --version >/dev/null 2>&1; then pip="$(BIN)/python -m pip"; fi; \
	  $$pip install --quiet --quiet --disable-pip-version-check --require-hashes -r constraints.txt; \
	  $$pip install --quiet --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	fi
	@touch $@

build/medport.binpb: .venv/.ready $(shell find protos/medport -name '*.proto')
	@$(BIN)/python protos/generate.py --image

up: setup ## Start the mesh behind you, and play a day of transfers (OFFSET=100 moves the ports)
	@$(BIN)/medport up --detach --data $(DATA) --port-offset $(OFFSET)

down: setup ## Stop the mesh; its data stays in .medport
	@$(BIN)/medport down --data $(DATA)

status: setup ## Show what runs where
	@$(BIN)/medport status --data $(DATA)

demo: setup ## Play another day of transfers
	@$(BIN)/medport demo --data $(DATA)

test: check ## Every check and every test: all that CI runs
	$(BIN)/python -m pytest

soak: setup ## The event logs for hours: 1,000,000 events, 500 disconnects; again goes on (EVENTS=...)
	$(BIN)/python -m tests.soak --events $(EVENTS) --disconnects $(DISCONNECTS) --report $(REPORT)

check: setup ## Style, types, boundaries, contract: two at a time
	@$(MAKE) --no-print-directory --jobs 2 --output-sync lint types imports contract

lint: setup ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## mypy --strict
	$(BIN)/mypy

imports: setup ## Who may import whom
	PYTHONPATH=.:protos/gen $(BIN)/lint-imports

proto: setup ## Generate protos/gen, the descriptor set and docs/api from the contract
	$(BIN)/python protos/generate.py

# Buf never reaches its registry here: it checks the image that protoc made (docs/decisions).
contract: setup ## buf: format, lint, breaking changes against what landed; protos/gen is fresh
	$(BIN)/buf format protos --diff --exit-code
	$(BIN)/buf lint build/medport.binpb --path medport --config buf.yaml
	$(BIN)/python protos/check.py $(BASE)

format: setup ## Format Python and protos
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(BIN)/buf format -w protos

migration: setup ## New Alembic revision: make migration SILO=ems NAME=add_something
	@test -n "$(SILO)" -a -n "$(NAME)" || { echo "make migration SILO=ems NAME=add_something"; exit 1; }
	$(BIN)/python -m $(SILO)_svc revision "$(NAME)"

# Peers are installed beside, for the bench alone; where they cannot be, it says who is missing.
build/bench/peers/.ready: bench/peers.txt .venv/.ready
	@mkdir -p $(@D)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --target $(@D) --require-hashes \
	  -r bench/peers.txt && touch $@ || echo "the peers cannot be installed here"

bench: setup build/bench/peers/.ready ## Measure beside peers: make bench CASES=latency,replay ROUNDS=3
	@PYTHONPATH=build/bench/peers:.:protos/gen $(BIN)/python -m bench --cases "$(CASES)" --rounds $(ROUNDS)

wheel: setup ## Build the wheel of stubs for other teams, medport-contract, into dist/
	@$(BIN)/python protos/wheel.py dist

image: build/medport.binpb ## Build the one image of all processes
	docker build -t medport .

smoke: setup ## Ask a composed mesh how it is
	$(BIN)/python deploy/smoke.py

clean: ## Remove what can be made again (not .medport, which is data)
	rm -rf build dist .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
