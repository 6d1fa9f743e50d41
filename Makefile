# Bursar: `make run` and `make test` are all a newcomer needs; both install what they lack into .venv.
# The same words work locally and in CI: fix check test bench docs.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3

.PHONY: help install dev run test check fix bench soak docs lock clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

install: $(VENV)/installed ## build .venv with the bursar command in it

run: install ## start gateway, console and a simulated provider on http://127.0.0.1:4100
	@exec $(BIN)/bursar serve

dev: $(VENV)/developed ## install what tests, checks and benchmarks need

test: dev ## run every test
	@scripts/test

check: dev ## lint, types, layers, docs that match the code
	@scripts/check

fix: dev ## format and repair what a machine can
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

bench: dev ## measure speed against a bare relay, nginx and peers
	@scripts/bench

soak: dev ## long runs: ledger against the provider's own record, memory, kill -9
	@scripts/soak

docs: dev ## regenerate the reference pages and the JSON Schema
	$(BIN)/python -m bursar.wiring.reference docs

lock: dev ## pin the newest compatible versions into requirements/
	@scripts/lock

clean: ## remove everything that was built, but no data
	rm -rf $(VENV) .venv-clients .venv-litellm dist build node_modules tests/clients/node/node_modules

$(VENV)/installed: requirements/runtime.txt pyproject.toml scripts/install
	@PYTHON=$(PYTHON) scripts/install $(VENV) requirements/runtime.txt
	@touch $@

$(VENV)/developed: requirements/dev.txt pyproject.toml scripts/install
	@PYTHON=$(PYTHON) scripts/install $(VENV) requirements/dev.txt
	@touch $@ $(VENV)/installed
