# Every command of the project; `make` alone lists them.
PYTHON ?= $(shell command -v python3.13 || echo python3)
# What the processes of a test run compile once serves them all.
export PYTHONDONTWRITEBYTECODE =
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup demo run test torture kill9 outage bench-budget bench-campaign bench-coldstart bench-cost bench-follow bench-reading bench-reminders bench-remote-content bench-retention bench-throughput check look package privacy sbom lock schemas

help:  ## list the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-21s %s\n", $$1, $$2}'

setup: .venv/.done node_modules/.done  ## virtual environment in .venv, npm parts

.venv/.done: requirements.txt requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.13 or newer is needed: make setup PYTHON=...") if sys.version_info < (3, 13) else 0'
	@echo "setup: Python packages into .venv (about a minute)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install -qq --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --editable .
	@touch $@

node_modules/.done: package.json package-lock.json
	@echo "setup: Azurite, the storage emulator, into node_modules"
	@npm ci --silent --no-audit --no-fund
	@touch $@

demo: setup  ## a sample of requests and a campaign through everything, in under a minute
	@python -m local.demo

run: setup  ## storage, IO simulator and functions host; stays up
	@python -m local.run

test: setup  ## all tests
	@python -m pytest -n 5 --dist worksteal --quiet

torture: setup  ## a million failures at every step of sending, and every mutant of the protocol
	@python -m tests.torture

bench-budget: setup  ## how much of IO's rate limit is used, at how many 429, a quarter of an hour
	@python -m benchmarks.budget

kill9: setup  ## hosts killed with SIGKILL while they work, three seeds, a quarter of an hour
	@python -m tests.kill9

outage: setup  ## what an outage of each kind costs, with one host and with four; half an hour
	@python -m tests.outage

bench-campaign: setup  ## a file of 10,000 rows checked, sent, interrupted and sent again; half a minute
	@python -m benchmarks.campaign

bench-coldstart: setup  ## import of the app, next to its third-party packages alone; half a minute
	@python -m benchmarks.coldstart

bench-cost: setup  ## CPU, storage transactions, calls and euros of a message, next to the same calls alone; two minutes
	@python -m benchmarks.cost

bench-follow: setup  ## cost of a tick from 10^4 to 10^7 messages; calls and lag by schedule; a few minutes
	@python -m benchmarks.follow

bench-reading: setup  ## what there is to read: files, lines, words, parameters, the way to the POST
	@python -m benchmarks.reading

bench-reminders: setup  ## cost of a reminder, sent or not, from 10^4 to 10^5 messages; ten seconds
	@python -m benchmarks.reminders

bench-remote-content: setup  ## memory and time of a served document, streamed and not; a minute
	@python -m benchmarks.remote_content

bench-retention: setup  ## what is kept after two years of 100,000 messages, and the cost of a tick; five minutes
	@python -m benchmarks.retention

bench-throughput: setup  ## messages a second of one and two processes, if IO sets no limit; a quarter of an hour
	@python -m benchmarks.throughput

check: setup  ## format, lint, types
	@ruff format --check .
	@ruff check .
	@mypy .

look: setup  ## the report and the status page in Chromium: pictures in build/look, and their faults; a minute
	@command -v chromium > /dev/null || { [ "$$(id -u)" = 0 ] || \
		{ echo "look: Chromium is missing; as root: apt-get install chromium"; exit 1; }; \
		apt-get update -qq && apt-get install -qq --yes chromium; }
	@python -m tests.look

package: setup  ## what would be published on Azure, as build/postino.zip
	@python -m local.package

privacy: setup  ## write docs/privacy.md, what is stored where, from the code
	@python -m local.privacy

sbom: setup  ## the bill of materials of what is deployed, as build/sbom.json (CycloneDX)
	@mkdir -p build
	@cyclonedx-py requirements --output-reproducible --output-file build/sbom.json requirements.txt
	@echo build/sbom.json

lock: setup  ## compile requirements*.in into requirements*.txt
	@pip-compile $(LOCK) -o requirements.txt requirements.in
	@pip-compile $(LOCK) -o requirements-dev.txt requirements-dev.in
LOCK := --quiet --strip-extras --no-header --annotation-style=line --no-emit-options \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

schemas: setup  ## write docs/schemas from the models
	@python -m contract.schemas
