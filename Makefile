# On a machine with Python 3.11+, make and a shell, nothing else is needed.
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test check format bench chaos lock secrets-baseline
SHELL := /bin/sh
PORT ?= 8000
ARGS ?=
NAMES ?= ledger import run admin
MANAGE = .venv/bin/python manage.py
COMPILE = .venv/bin/python -m piptools compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header

help: ## this list
	@echo "make run      everything in one terminal: admin, API, worker, scheduler (PORT=8000)"
	@echo "make test     the whole test suite (ARGS=\"tests/payouts -k hold\" narrows it)"
	@echo "make setup    only .venv and the locked requirements"
	@echo "make check    format, lint, types, import contracts, migrations, templates, secrets, dependency audit"
	@echo "make format   format the code"
	@echo "make bench    the figures of docs/operations.md (NAMES=\"ledger run\" narrows them)"
	@echo "make chaos    the long chaos run"
	@echo "make lock     compile requirements*.in to the hashed locks (ARGS=--upgrade renews them)"

setup:
	@scripts/environment.sh

setup-dev:
	@scripts/environment.sh dev

run: setup
	@exec $(MANAGE) up --demo --port "$(PORT)"

test: setup-dev
	@scripts/browser.sh
	@scripts/test.sh $(ARGS)

check: setup-dev
	@scripts/check.sh

format: setup-dev
	@.venv/bin/python -m ruff format .
	@.venv/bin/python -m ruff check --fix --quiet .

bench: setup-dev
	@for name in $(NAMES); do $(MANAGE) bench $$name $(ARGS) || exit 1; done

chaos: setup-dev
	@CHAOS=long .venv/bin/python -m pytest -m chaos tests/chaos -s $(ARGS)

lock: setup-dev
	@$(COMPILE) $(ARGS) --output-file requirements.txt requirements.in
	@$(COMPILE) $(ARGS) --output-file requirements-dev.txt requirements-dev.in

secrets-baseline: setup-dev
	@.venv/bin/python -m detect_secrets scan --disable-plugin Base64HighEntropyString --disable-plugin HexHighEntropyString --exclude-files '^tests/|requirements.*\.txt|.*\.xsd' > .secrets.baseline
