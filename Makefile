.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
BROKERS ?= 1
WORKERS ?= 3
RUNS ?= 10
INPUTS ?= 4000
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup dev-setup run kafka test test-repeat test-fast coverage test-legacy schemathesis clients floods faults faults-quick faults-mutants fuzz fuzz-quick bench measure bench-quick check format lock docs clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

# Packages come from hash-locked files by pip alone; the project itself is then installed without dependencies.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=…")'
	@echo "Making the virtual environment $(VENV)" >&2
	@$(PYTHON) -m venv $(VENV)

# Pip is silent: a line before each slow step shows the progress.
$(VENV)/.setup: $(BIN)/python requirements/local.txt pyproject.toml
	@echo "Installing the locked packages into $(VENV); the first time they are downloaded, which may take a minute" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/local.txt
	@echo "Installing the command $(BIN)/user-events" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.setup requirements/dev.txt
	@echo "Installing the tools for checks and tests into $(VENV)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

setup: $(VENV)/.setup ## Create .venv with the locked packages and the command user-events
dev-setup: $(VENV)/.dev ## The same with the tools for checks and tests

run: $(VENV)/.setup ## Run everything on this machine; needs nothing but Python (Ctrl-C stops it)
	@exec $(BIN)/user-events dev

kafka: $(VENV)/.setup ## Run a real Apache Kafka on loopback; BROKERS=3 for a cluster, LEGACY=1 for 3.9 with ZooKeeper
	@BROKERS=$(BROKERS) exec $(BIN)/python -m tools.kafka

# Most tests wait for servers: more workers than cores are faster. Each worker has servers of its own.
PARALLEL := --numprocesses=$(WORKERS) --dist=worksteal

test: $(VENV)/.dev ## Run all tests on a real Kafka and a real PostgreSQL, WORKERS=3 side by side
	$(BIN)/pytest $(PARALLEL)

test-repeat: $(VENV)/.dev ## The same again and again until a run fails: RUNS=10, LOAD=1 for runs beside another load
	@$(BIN)/python -m tools.repeat_tests --runs $(RUNS) $(if $(LOAD),--load) -- $(BIN)/pytest $(PARALLEL)

FAST := tests/unit tests/contracts/test_memory.py

test-fast: $(VENV)/.dev ## Run the tests that need no server
	$(BIN)/pytest $(FAST)

# Tests of processor time would measure the tracing.
coverage: $(VENV)/.dev ## The same, then list the lines and branches of src that they do not reach
	@mkdir -p .cache
	$(BIN)/coverage run -m pytest $(FAST) --ignore=tests/unit/http/test_processor_time.py
	$(BIN)/coverage report

test-legacy: $(VENV)/.dev ## Run the tests that touch Kafka on 3.9 with ZooKeeper, as the legacy service has it
	LEGACY=1 $(BIN)/pytest $(PARALLEL) tests/integration tests/contracts/test_kafka.py

schemathesis: $(VENV)/.dev ## Try the API by the OpenAPI document that it serves; a part of all tests
	$(BIN)/pytest tests/integration/test_schemathesis.py

floods: $(VENV)/.dev ## Flood the HTTP server in each state of its parser and measure what it costs; wants a quiet machine
	$(BIN)/pytest -p no:randomly tests/floods

clients: $(VENV)/.dev ## Generate clients from the OpenAPI document (Python, TypeScript, Go if it is here), build and use them
	$(BIN)/pytest tests/clients

faults: $(VENV)/.dev ## Inject faults into real processes and check the promises (SEED=…); continues an interrupted run
	$(BIN)/pytest -p no:randomly tests/faults $(if $(SEED),--seed $(SEED))

faults-quick: $(VENV)/.dev ## The same in a few minutes: some scenarios, fewer events
	$(BIN)/pytest -p no:randomly tests/faults --quick

faults-mutants: $(VENV)/.dev ## Prove the faults' suite: each seeded mistake must turn its scenario red
	$(BIN)/python -m tests.faults.mutants

# A table of its own replaces the captured output of thousands of inputs.
FUZZ := $(BIN)/pytest tests/fuzz -p no:randomly --numprocesses=2 --maxschedchunk=1 --exitfirst --tb=short \
	--show-capture=no --timeout=1800 -W ignore::hypothesis.errors.HypothesisWarning \
	$(if $(SEED),--hypothesis-seed=$(SEED)) $(if $(ONLY),-k $(ONLY))

fuzz: $(VENV)/.dev ## Feed generated inputs to everything that reads input, until one fails (SEED=…, ONLY=a target, INPUTS=4000 for each)
	$(FUZZ) --inputs=$(INPUTS)

fuzz-quick: $(VENV)/.dev ## The same with a fortieth of the inputs
	$(FUZZ) --inputs=100

# Figures come from the Python that the image ships, in a virtual environment of its own, where this machine has that one.
# A version manager's stand-in on the PATH runs it only if PYENV_VERSION names it.
IMAGE_PYTHON := $(shell sed -n 's/^FROM python:\([0-9]*\.[0-9]*\).*/\1/p' Dockerfile)
ifeq ($(origin PYTHON),command line)
BENCH_PYTHON := $(PYTHON)
else
BENCH_PYTHON := PYENV_VERSION=$(IMAGE_PYTHON) python$(IMAGE_PYTHON)
endif

bench: ## Measure the service beside its limits, on the image's Python or PYTHON=… (OPTIONS="--only KEY… --runs N")
	@set -- $$($(BENCH_PYTHON) -c 'import sys; print(sys.executable, "%d.%d" % sys.version_info[:2])' 2>/dev/null); \
	[ $$# -gt 0 ] || echo "There is no $(lastword $(BENCH_PYTHON)) here: measuring with that of $(VENV)" >&2; \
	exec $(MAKE) --no-print-directory measure $${1:+PYTHON="$$1" VENV=".cache/python$$2"}

measure: $(VENV)/.dev
	$(BIN)/python -m benchmarks $(OPTIONS)

bench-quick: $(VENV)/.dev ## The same with tiny counts: shows that each benchmark runs, its figures mean nothing
	@rm -f .cache/benchmarks.json
	$(BIN)/python -m benchmarks --quick --output .cache/benchmarks.json
	$(BIN)/python -m benchmarks.smoke .cache/benchmarks.json

check: $(VENV)/.dev ## Lint, types, rooms, schema drift, generated docs, lock files
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.check_migrations
	$(BIN)/python -m tools.configuration_doc --check
	$(BIN)/python -m benchmarks.document --check
	$(BIN)/python -m tools.lock --check

format: $(VENV)/.dev ## Format the code and apply the linter's fixes
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(VENV)/.dev ## Generate docs/configuration.md, the tables of figures and the list of a trip's functions
	$(BIN)/python -m tools.configuration_doc
	$(BIN)/python -m benchmarks.document
	$(BIN)/python -m tools.trip --write

lock: $(VENV)/.dev ## Compile the lock files anew from pyproject.toml
	$(BIN)/python -m tools.lock

clean: ## Remove everything that was built; data in .data stay
	rm -rf $(VENV) .cache build src/*.egg-info
