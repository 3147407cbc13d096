# Two commands from a clean clone: make demo, make test. Each sets up what it needs and works twice.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install check demo demo-down test acceptance fuzz lock clean

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked packages into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $(STAMP)

check: install
	$(BIN)/ruff format --check engine extract slices api bench tests clients
	$(BIN)/ruff check engine extract slices api bench tests clients
	$(BIN)/mypy engine extract slices api bench
	$(BIN)/mypy clients/python/slicehouse_client
	$(BIN)/lint-imports

test: check
	$(BIN)/python -m pytest -n 2 --dist loadscope tests

demo: install
	$(BIN)/slicehouse demo

demo-down: install
	$(BIN)/slicehouse demo --down

acceptance: install
	$(BIN)/python -m pytest -n 2 --dist loadscope --all-tenants tests/acceptance tests/differential

MINUTES ?= 60
fuzz: install
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES)

lock:
	$(BIN)/uv pip compile --quiet --universal --no-header --no-emit-index-url --no-annotate --extra dev --extra demo pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache dist build
