# Everything a developer does. Needs only Python 3.11 or later; the environment is made in .venv, once.

PYTHON ?= python3
PORT ?= 8321
ARGS ?=

BIN := .venv/bin
RUNTIME := .venv/.runtime
DEV := .venv/.dev

.DEFAULT_GOAL := help
.PHONY: help install demo test lint types check bench bench-peers chaos kafka web clean

help:
	@echo "make demo [PORT=]   a simulated company on http://127.0.0.1:$(PORT)"
	@echo "make install        the sightline command in $(BIN)"
	@echo "make test [ARGS=]   the whole suite"
	@echo "make check          lint, types and the whole suite"
	@echo "make lint, types    ruff and the import contracts; mypy"
	@echo "make bench [ARGS=]  the measurements of docs/performance.md"
	@echo "make bench-peers    the same question put to other engines too (Java 17, Maven)"
	@echo "make chaos [ARGS=]  the fault suite of docs/reliability.md (Java 17, Maven; PostgreSQL where it is installed)"
	@echo "make kafka          a real Kafka broker in the foreground (Java 17, Maven)"
	@echo "make web            build the page (Node 20)"

.venv/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Sightline needs Python 3.11 or later; name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || \
		{ rm -rf .venv; echo "the venv module is incomplete (Debian: apt-get install python3-venv)" >&2; exit 1; }

$(RUNTIME): .venv/pyvenv.cfg pyproject.toml constraints.txt
	@echo "installing into .venv…"
	@PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install -q --disable-pip-version-check -e .
	@touch $@

$(DEV): $(RUNTIME)
	@echo "installing the development tools into .venv…"
	@PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@

install: $(RUNTIME)
	@echo "installed: $(BIN)/sightline"

demo: $(RUNTIME)
	@exec $(BIN)/sightline demo --port $(PORT) $(ARGS)

test: $(DEV)
	@exec $(BIN)/python -m pytest $(ARGS)

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(DEV)
	$(BIN)/mypy

check: lint types test

bench: $(DEV)
	@exec $(BIN)/python -m bench $(ARGS)

bench-peers: $(DEV)
	@exec $(BIN)/python -m bench.peers $(ARGS)

chaos: $(DEV)
	@exec $(BIN)/python -m chaos $(ARGS)

kafka:
	@exec $(PYTHON) scripts/kafka run $(ARGS)

web:
	npm --prefix api/web ci --no-audit --no-fund
	npm --prefix api/web run build

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
