PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SCRIPTS := src/snn_zo/report/dashboard/scripts tests/report/dashboard/scripts

.PHONY: help install train test lint bench-peers clean
.DEFAULT_GOAL := help

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s%s\n", $$1, $$2}' Makefile

install: $(VENV)/.trains ## make .venv and install what training needs
	@echo "now:  . $(BIN)/activate  and then, for example,  python train.py --help"

train: $(VENV)/.trains ## train with the default settings, in .venv
	$(BIN)/python train.py
	@echo "to go on:  . $(BIN)/activate  and then, for example,  python train.py strategy=surrogate"

test: $(VENV)/.tests ## the default tests, on all cores
	$(BIN)/python -m pytest -n auto

lint: $(VENV)/.tests ## style, types and directions of imports; the dashboard's scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/deno fmt --check $(SCRIPTS)
	$(BIN)/deno lint $(SCRIPTS)
	$(BIN)/deno check --quiet $(SCRIPTS)

# without their dependencies: torchvision or torchaudio beside the CPU build of torch break lightning
bench-peers: $(VENV)/.trains ## install the libraries that snn-zo bench compares with
	$(BIN)/python -m pip install -q -c constraints.txt --no-deps spikingjelly==2.0.0 loguru snntorch==1.0.0

# torch first and pinned: a range would pull several GB of CUDA build where a CPU build is at hand
$(VENV)/.trains: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[plots]'
	touch $@

# neurobench, for one test, without its torchaudio
$(VENV)/.tests: $(VENV)/.trains
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	$(BIN)/python -m pip install -q -c constraints.txt --no-deps neurobench
	touch $@

clean: ## remove the virtual environment, builds and caches
	rm -rf $(VENV) build dist
	find src -name __pycache__ -exec rm -rf {} +
