# README's two commands: `make demo` and `make test`. Both need nothing but Python 3.11 and make.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test bench lint install clean

demo: $(VENV)/installed
	$(BIN)/gzmass demo --out demo

test: $(VENV)/installed
	$(BIN)/python -m pytest -n 2 --dist loadscope

# Ratios on this machine, with their spread: benchmarks/results.md. Ten minutes; benchmarks/README.md says more.
bench: $(VENV)/installed
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python benchmarks/run_all.py

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/numpydoc lint $$(git ls-files 'gzmass/*.py')

install: $(VENV)/installed

# The stamp is newer than setup.cfg as long as what setup.cfg asks for is installed.
$(VENV)/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist demo *.egg-info
