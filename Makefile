# One command, the same for a person and for CI. `make help` lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
ARGS ?=
DATA ?=
THRESHOLD ?=
SCORES ?=
BIN := .venv/bin
# In .venv, so that it goes when .venv goes.
SETUP := .venv/.installed

.PHONY: help setup demo test chaos gameday lint bench nab lock clean

help: ## list the commands
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 16

setup: $(SETUP) ## install burnline into .venv (Python 3.11 or newer is all it needs)

$(SETUP): requirements.lock pyproject.toml $(wildcard stream/meter/*.pyx stream/meter/*.pxd) stream/shell/kafka/records.pyx
	@PYTHON="$(PYTHON)" deploy/prepare python
	@touch $@

demo: $(SETUP) ## see a runaway being caught, on this machine, without Kafka (ARGS="--help" lists its options)
	@$(BIN)/burnline demo $(ARGS)

test: $(SETUP) ## run all tests against real Kafka, Prometheus and Alertmanager (ARGS="tests/burn -k name" runs some)
	@deploy/prepare services
	@$(BIN)/python -m pytest $(ARGS)

chaos: $(SETUP) ## kill, freeze, cut and bounce for half an hour, then compare with the input (ARGS="--help" lists its options)
	@deploy/prepare services
	@$(BIN)/python -m tests.chaos $(ARGS)

gameday: $(SETUP) ## play labelled disasters and a quiet month, and score what was told (ARGS="--help" lists its options)
	@$(BIN)/burnline gameday $(ARGS)

lint: $(SETUP) ## check style, types, and that requirements.lock covers pyproject.toml
	@$(BIN)/python -m pip check
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@bash -n deploy/prepare .ci/run

bench: $(SETUP) ## measure speed, memory and detection quality (ARGS="--help" lists what there is)
	@deploy/prepare services
	@$(BIN)/python -m bench $(ARGS)

nab: $(SETUP) ## judge the anomaly scorer on labelled series: DATA=FOLDER, and if you like THRESHOLD=0.5, SCORES=FILE.csv
	@test -n "$(DATA)" || { echo "nab: say where the series are: make nab DATA=FOLDER" >&2; exit 2; }
	@$(BIN)/python -m detectors.evaluation "$(DATA)" $(if $(THRESHOLD),--threshold "$(THRESHOLD)") \
		$(if $(SCORES),--scores "$(SCORES)") $(ARGS)

lock: $(SETUP) ## pin the dependencies of pyproject.toml in requirements.lock (ARGS=--upgrade takes newer ones)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile --quiet pyproject.toml --group dev --no-emit-index-url --no-header -o requirements.lock $(ARGS)

clean: ## remove all that these commands made
	rm -rf .venv .local build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
