PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SCRIPTS := src/snn_zo/report/dashboard/scripts tests/report/dashboard/scripts

.PHONY: help train test lint bench-peers clean
.DEFAULT_GOAL := help

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s%s\n", $$1, $$2}' Makefile

train: $(VENV)/.installed ## train with the default settings
	$(BIN)/python train.py

test: $(VENV)/.installed ## the default tests, on all cores
	$(BIN)/python -m pytest -n auto

lint: $(VENV)/.installed ## style, types and directions of imports; the dashboard's scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/deno fmt --check $(SCRIPTS)
	$(BIN)/deno lint $(SCRIPTS)
	$(BIN)/deno check --quiet $(SCRIPTS)

# without their dependencies: torchvision or torchaudio beside the CPU build of torch break lightning
bench-peers: $(VENV)/.installed ## install the libraries that snn-zo bench compares with
	$(BIN)/python -m pip install -q -c constraints.txt --no-deps spikingjelly==2.0.0 loguru snntorch==1.0.0

# torch first and pinned: a range would pull several GB of CUDA build where a CPU build is at hand;
# neurobench, for one test, without its torchaudio
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	$(BIN)/python -m pip install -q -c constraints.txt --no-deps neurobench
	touch $@

clean: ## remove the virtual environment, builds and caches
	rm -rf $(VENV) build dist
	find src -name __pycache__ -exec rm -rf {} +
