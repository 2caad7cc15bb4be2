# Homeroom. `make help` lists what can be made. Needs git, make and a Python >= 3.12 somewhere on the machine.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
PORT ?= 3000
# Processes that share the tests out among them (tests/conftest.py says how): two need 8 GB. TESTS_AT_ONCE=0 runs one after another.
TESTS_AT_ONCE ?= 2
ARGS ?=

# Set, it would have each process of the tests, and each command they start, compile all of Homeroom anew.
export PYTHONDONTWRITEBYTECODE =

# The first interpreter that runs and is new enough: a name on the PATH may be a shim that does not run.
FIND_PYTHON = for python in $(PYTHON) python3.13 python3.12 python3.14 python3 python \
  "$$HOME"/.pyenv/versions/3.1[2-9]*/bin/python "$$HOME"/.local/share/uv/python/cpython-3.1[2-9]*/bin/python3; do \
  if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1; then \
  echo "$$python"; exit 0; fi; done; \
  echo "Homeroom needs Python 3.12 or newer. Install one, or name it: make PYTHON=/path/to/python" >&2; exit 1

.PHONY: help install install-dev test test-quick lint demo serve pictures bench lock clean

help: ## list what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

install: .venv/installed ## install Homeroom and what it runs on into .venv
install-dev: .venv/installed-dev ## the same, with what the tests need

.venv/uv:
	@python="$$($(FIND_PYTHON))"; echo "Python: $$python"; "$$python" -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@touch $@

.venv/installed: .venv/uv requirements.lock pyproject.toml
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

# The tests of the database run on a real PostgreSQL, Debian's where there is none yet. Without one they are skipped, in CI they fail.
.PHONY: postgresql
postgresql:
	@command -v pg_ctl >/dev/null || ls /usr/lib/postgresql/*/bin/pg_ctl >/dev/null 2>&1 || \
	  { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null; } || \
	  echo "There is no PostgreSQL here: what is tested on it is skipped. Debian's package is called postgresql."

# The pages are tried in a real browser, Debian's, which ships with all that it needs. Without one these tests are skipped, in CI
# they fail.
.PHONY: browser
browser:
	@command -v chromium >/dev/null || \
	  { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || \
	  echo "There is no Chromium here: what is tested in a browser is skipped. Debian's package is called chromium."

test: install-dev postgresql browser lint ## everything: style, types, floors, and every test
	@$(BIN)/python -m pytest -n $(TESTS_AT_ONCE) --no-loadscope-reorder $(ARGS)

test-quick: install-dev ## what needs no running service and no real data
	@$(BIN)/python -m pytest -m "not full" -n $(TESTS_AT_ONCE) --no-loadscope-reorder $(ARGS)

lint: install-dev ## style, types, and the floors' contracts
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

demo: install ## all of it on a simulated district; ARGS=--no-serve stops after scoring
	@$(BIN)/homeroom demo --port $(PORT) $(ARGS)

serve: install ## serve the API at http://127.0.0.1:$(PORT)
	@$(BIN)/homeroom serve --port $(PORT) $(ARGS)

pictures: install-dev browser ## the pictures of docs/pages.md, from the folder of the demonstration
	@$(BIN)/python -m homeroom.pictures $(ARGS)

bench: install-dev ## make bench NAME=request
	@$(BIN)/python -m benchmarks $(NAME) $(ARGS)

lock: .venv/uv ## resolve the lock files anew: names, versions and hashes only
	@compile() { $(BIN)/uv pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-header \
	  --no-annotate --no-emit-index-url --no-emit-find-links "$$@"; }; \
	echo 'uv>=0.5' | compile - --output-file requirements-uv.lock; \
	{ $(BIN)/python -c 'import tomllib; print("\n".join(tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"]))'; } \
	  | compile pyproject.toml - --output-file requirements.lock; \
	$(BIN)/python -c 'import tomllib; print("\n".join(tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"]))' \
	  | compile pyproject.toml - --output-file requirements-dev.lock

clean: ## remove what make made
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
