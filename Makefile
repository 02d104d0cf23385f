# Everything sets itself up in .venv; a second run takes seconds. What a target needs: `make` says when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SANITIZED := .venv-sanitize
NATIVE := pyproject.toml CMakeLists.txt build_ffi.py $(wildcard cmake/* csrc/* csrc/cdef/* java/*/* third_party/*)
NEEDS := apt-get install build-essential python3-venv cargo maven iproute2

.PHONY: help demo test lint format bench soak docs wheel sanitize clean
help:
	@echo 'make demo | test | lint | format | bench | soak | docs | wheel | sanitize | clean'

demo: $(VENV)/installed
	$(BIN)/python examples/demo.py

test: lint
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Options: `make bench BENCH=--quick`. pyaeron needs a Python 3.12 or newer on the PATH, or in BENCH_PYTHON.
bench: $(VENV)/installed
	$(BIN)/python bench/run.py $(BENCH)

# Long runs that are too long for the tests: `make soak SOAK='--minutes 30 --seed 1 recorder_kills'`.
soak: $(VENV)/installed
	$(BIN)/python -m tests.soak $(SOAK)

docs: $(VENV)/docs
	$(BIN)/sphinx-build -q -W --keep-going docs build/docs

wheel: $(VENV)/installed
	PATH="$$PWD/$(BIN):$$PATH" $(BIN)/pip wheel --no-build-isolation --no-deps --wheel-dir dist .

# The interpreter itself is not built with AddressSanitizer, so its runtime is loaded first; and CPython leaks by design.
sanitize: $(SANITIZED)/installed
	LD_PRELOAD=$$(cc -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 \
	    $(SANITIZED)/bin/python -m pytest tests/lifecycle tests/aio/test_driver_lost.py tests/aio/test_closing_meanwhile.py

clean:
	rm -rf build dist $(VENV) $(SANITIZED)

define check_tools
@command -v $(PYTHON) >/dev/null || { echo 'python3 is missing: $(NEEDS)' >&2; exit 1; }
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
    { echo 'python3 is older than 3.11: install a newer one and run `make PYTHON=python3.11 ...`' >&2; exit 1; }
@for tool in cc c++ cargo mvn; do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
    test -z "$$missing" || { echo "missing:$$missing. $(NEEDS)" >&2; exit 1; }
endef

# Tools of the build itself are installed once, so that building again after a change of C takes seconds.
# A ninja that is there stays the one, since another version would build all again.
BUILD_TOOLS := cmake $$(command -v ninja >/dev/null || echo ninja) $$($(PYTHON) -c 'import tomllib; \
    print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])')
INSTALL := install -q --disable-pip-version-check

# An editable install: Python sources are used in place, only the extension has to be built again.
$(VENV)/installed: $(NATIVE)
	$(check_tools)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo '$(NEEDS)' >&2; exit 1; }
	$(BIN)/pip $(INSTALL) $(BUILD_TOOLS)
	PATH="$$PWD/$(BIN):$$PATH" $(BIN)/pip $(INSTALL) --no-build-isolation -e '.[test,lint]'
	@touch $@

$(VENV)/docs: $(VENV)/installed
	PATH="$$PWD/$(BIN):$$PATH" $(BIN)/pip $(INSTALL) --no-build-isolation -e '.[docs]'
	@touch $@

$(SANITIZED)/installed: $(NATIVE)
	$(check_tools)
	@test -x $(SANITIZED)/bin/python || $(PYTHON) -m venv $(SANITIZED) || { echo '$(NEEDS)' >&2; exit 1; }
	$(SANITIZED)/bin/pip $(INSTALL) $(BUILD_TOOLS)
	PATH="$$PWD/$(SANITIZED)/bin:$$PATH" $(SANITIZED)/bin/pip $(INSTALL) --no-build-isolation -Cbuild-dir=build/sanitize \
	    -Ccmake.define.AERON_PY_SANITIZE=ON -e '.[test]'
	@touch $@
