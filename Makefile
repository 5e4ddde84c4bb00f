# Every target runs in the project's own environment, which the first one makes (see toolchain/).
STACK ?= dev
PYTHON ?= python3
ROUNDS ?= 30
SEED ?= 1
STEPS ?= 1000
in_environment := PYTHONPATH=. $(PYTHON) -m toolchain run
sources := __main__.py bucketsettings.py objectlayout.py settings.py sqldirectives.py sqlfiles.py sqltext.py bench components local ops pg plugin provider tests toolchain

.DEFAULT_GOAL := help
.PHONY: help up preview drift down test check format golden faults bench

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

up: ## provision an environment from whatever is there: make up STACK=dev
	@$(in_environment) -m ops up --stack "$(STACK)"

preview: ## what `make up` would do, and what was changed by hand
	@$(in_environment) -m ops preview --stack "$(STACK)"

drift: ## what was changed by hand, as Markdown; status 2 if something was
	@$(in_environment) -m ops drift --stack "$(STACK)"

down: ## destroy an environment; on local also stop its services and delete their data
	@$(in_environment) -m ops down --stack "$(STACK)"

test: ## all tests
	@$(in_environment) -m pytest -n 2 --dist loadgroup $(TESTS)

check: ## format, lint, types, SQL lint, generated files in date; offline
	@$(in_environment) -m ruff format --check $(sources)
	@$(in_environment) -m ruff check $(sources)
	@$(in_environment) -m mypy
	@$(in_environment) -m pytest -q tests/sql/test_lint.py tests/test_docs.py tests/components tests/test_settings.py tests/test_sqlfiles.py

format: ## format the sources
	@$(in_environment) -m ruff format $(sources)
	@$(in_environment) -m ruff check --fix $(sources)

golden: ## write the generated files anew: pages, provider schema, resource tree, sql/schema.sql
	@$(in_environment) -m ops generate
	@$(in_environment) -W ignore -m tests.components.program
	@$(in_environment) -m tests.sql.golden

faults: ## kill things at random moments and see that the next `up` mends it: ROUNDS, SEED
	@$(in_environment) -m ops faults --rounds "$(ROUNDS)" --seed "$(SEED)"

bench: ## speed of the migration engine beside one psql session, as ratios: STEPS
	@$(in_environment) -m bench.migrations --steps "$(STEPS)"
