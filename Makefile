# `make` alone prints the targets. It needs only Python 3.11+ and make.
PYTHON ?= python3
BIN := .orgtrail/venv/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help env up test integration lint types format docs lock unit bench bench-emit bench-reads soak chaos browser attack deploy-test clean

help: ## Print the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 10

env: ## Create the environment from the lock file (other targets do this first)
	@$(PYTHON) deploy/bootstrap.py

up: env ## Run the whole stack with a week of events; ARGS=--check tests it and exits
	@exec $(BIN)/orgtrail up $(ARGS)

test: lint types ## Lint, check types, run all tests on real servers and in a browser; ARGS go to pytest
	@$(BIN)/python -m tests.run $(ARGS)

unit: env ## Run the tests that need no servers and no network; ARGS go to pytest
	@$(BIN)/python -m pytest tests/unit tests/contract -n 3 --dist worksteal $(ARGS)

lint: env ## Lint, and check the formatting
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: env ## Check the types
	@$(BIN)/mypy

format: env ## Format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

integration: env ## Test every process model and language, and kills of the relay; ARGS go to pytest
	@$(BIN)/python -m pytest tests/integration tests/unit --rounds 10 $(ARGS)

chaos: env ## Inject faults: ten rounds and a ten-minute outage; ARGS=--migrated starts from old tables
	@$(BIN)/python -m pytest tests/chaos --rounds 10 $(ARGS)

browser: env ## Test the page in Chromium: every view, width and color scheme; ARGS go to pytest
	@$(BIN)/python -m pytest tests/browser --rounds 10 $(ARGS)

attack: env ## Run the security tests of the query service; ARGS go to pytest
	@$(BIN)/python -m pytest tests/attack --rounds 10 $(ARGS)

deploy-test: env ## Check what operators deploy with real tools, on Debian; ARGS go to pytest
	@$(BIN)/python -m pytest tests/deploy --rounds 10 $(ARGS)

bench: env ## Compare the consumer with its peers; ARGS='--events N'
	@$(BIN)/python -m tests.benchmarks.consumer $(ARGS)

bench-emit: env ## Compare the latency of emit with other SDKs; ARGS='--calls N'
	@$(BIN)/python -m tests.benchmarks.emit $(ARGS)

bench-reads: env ## Measure pages, summaries and exports on 10 million rows; ARGS='--rows N'
	@$(BIN)/python -m tests.benchmarks.reads $(ARGS)

soak: env ## Check that memory stays flat in 30 minutes of load; ARGS='--minutes N --rate EVENTS_PER_SECOND'
	@$(BIN)/python -m tests.benchmarks.soak $(ARGS)

docs: env ## Regenerate the generated documents in docs/
	@$(BIN)/python -m orgtrail_deploy.documents
	@$(BIN)/python deploy/monitoring/dashboard.py

COMPILE := uv pip compile -q --universal --python-version 3.11 --generate-hashes \
  --no-annotate --no-header

lock: env ## Resolve the dependencies into the lock files
	@$(BIN)/$(COMPILE) --all-extras -o requirements.lock pyproject.toml
	@$(BIN)/$(COMPILE) --extra producer --extra consumer --extra query --extra migrate \
	  -o deploy/production.lock pyproject.toml

clean: ## Remove the local stack, its data and the environment
	@rm -rf .orgtrail
