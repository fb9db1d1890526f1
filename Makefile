PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: train test lint bench-peers clean

train: $(VENV)/.installed
	$(BIN)/python train.py

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n auto

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# without their dependencies: torchvision or torchaudio beside the CPU build of torch break lightning
bench-peers: $(VENV)/.installed
	$(BIN)/python -m pip install -q -c constraints.txt --no-deps spikingjelly==2.0.0 loguru snntorch==1.0.0

# torch first and pinned: a range would pull several GB of CUDA build where a CPU build is at hand;
# neurobench, for one test, without its torchaudio
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	$(BIN)/python -m pip install -q -c constraints.txt --no-deps neurobench
	touch $@

clean:
	rm -rf $(VENV) build dist
	find src -name __pycache__ -exec rm -rf {} +
