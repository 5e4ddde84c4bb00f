# Every target runs in the project's own environment, which the first one makes (see toolchain/).
STACK ?= dev
CONFIRM =
PYTHON ?= python3
ROUNDS ?= 30
SEED ?= 1
STEPS ?= 1000
SITE =
PAGE =
PROJECTS ?= 100000
in_environment := $(PYTHON) -m toolchain run
sources := __main__.py bench clients/example clients/python components declared generate guardrails harness local ops pg plugin probe provider run targets tests toolchain
offline := tests/sql/test_lint.py tests/sql/test_readme.py tests/toolchain tests/components tests/plugin tests/declared tests/run/test_stackfile.py tests/run/test_output.py \
	tests/everyday/test_env.py tests/everyday/test_logs.py tests/everyday/test_status.py tests/everyday/test_reset.py tests/everyday/test_rotate.py tests/new/test_new_files.py tests/typed/test_fingerprints.py tests/typed/test_corrections.py \
	tests/report/test_forecast.py tests/report/test_words.py tests/guardrails/test_rules.py tests/guardrails/test_exceptions.py tests/guardrails/test_command.py tests/review/test_address.py tests/review/test_migration_lint.py tests/test_ci_page.py tests/test_commands.py tests/test_docs.py tests/test_rooms.py

.DEFAULT_GOAL := help
.PHONY: help up preview drift audit maintain rekey down test lint check format docs site golden types example faults manual-changes mutants bench

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

up: ## provision an environment from whatever is there: make up STACK=dev
	@$(in_environment) -m ops up --stack "$(STACK)"

preview: ## what `make up` would do, and what was changed manually
	@$(in_environment) -m ops preview --stack "$(STACK)" || test $$? -eq 2

drift: ## what was changed manually, as Markdown
	@$(in_environment) -m ops drift --stack "$(STACK)"

maintain: ## partitions created ahead and dropped, what has expired deleted, summaries refreshed: each night
	@$(in_environment) -m ops maintain --stack "$(STACK)"

audit: ## what is open, weak or beyond the declaration: make audit AUDIT=--json
	@$(in_environment) -m ops audit --stack "$(STACK)" $(AUDIT)

down: ## destroy an environment; on local also stop its services and delete their data: make down STACK=dev CONFIRM=dev
	@$(in_environment) -m ops down --stack "$(STACK)" --confirm "$(CONFIRM)"

test: ## all tests
	@$(in_environment) -m pytest -n 2 --dist loadgroup -m "not linter" $(TESTS)

lint: ## format, lint and types
	@$(in_environment) -m ruff format --check $(sources)
	@$(in_environment) -m ruff check $(sources)
	@$(in_environment) -m mypy

check: lint ## format, lint, types, and all tests that need no PostgreSQL, moto or engine; offline
	@$(in_environment) -m pytest -q -n 2 $(offline)

format: ## format the sources
	@$(in_environment) -m ruff format $(sources)
	@$(in_environment) -m ruff check --fix $(sources)

golden: ## write all generated files: docs/schema, docs/resources.md, settings, outputs, the resource tree, sql/schema, types
	@$(in_environment) -W ignore -m generate

types: ## write the clients' types and query patterns alone, as `make golden` does
	@$(in_environment) -W ignore -m generate.clients

docs: golden ## the same

site: ## the docs as a web site with search, in build/site: make site SITE="--serve 8000"
	@$(in_environment) -m generate.site $(SITE)

example: ## the example app's scenario on an environment with an API; its page: make example PAGE=8080
	@$(in_environment) clients/example/start.py --stack "$(STACK)" --page "$(PAGE)"

rekey: ## seal every token with the first of database:encryptionKeys
	@$(in_environment) -m ops rekey --stack "$(STACK)"

faults: ## kill things at random moments, damage backups, see what comes of it: ROUNDS, SEED, FAULTS=--fast or --backups alone
	@$(in_environment) -m tests.faults --rounds "$(ROUNDS)" --seed "$(SEED)" $(FAULTS)
	@test -n "$(FAULTS)" || $(in_environment) -m tests.faults --rounds 100 --seed "$(SEED)" --backups

manual-changes: ## random manual changes while work is pending: is one of them swallowed? ROUNDS, SEED
	@$(in_environment) -m tests.manualchanges --rounds "$(ROUNDS)" --seed "$(SEED)"

mutants: ## take each guard of the row policies away in turn: does the access matrix notice? MUTANTS=--verbose
	@$(in_environment) -m tests.sql.mutants $(MUTANTS)

bench: ## speed as ratios: steps, drift check, row policies, backups beside psql, pg_dump, filters written out: STEPS, PROJECTS
	@$(in_environment) -m bench.migrations --steps "$(STEPS)"
	@$(in_environment) -m bench.engine --steps "$(STEPS)"
	@$(in_environment) -m bench.warm
	@$(in_environment) -m bench.drift
	@$(in_environment) -m bench.plan
	@$(in_environment) -m bench.policies --projects "$(PROJECTS)"
	@$(in_environment) -m bench.sealing
	@$(in_environment) -m bench.caching
	@$(in_environment) -m bench.backups
