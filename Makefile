# What this project can do; each target is one command. A fresh machine needs Python 3.11 or
# newer, make, and a network that reaches the package registries.

PYTHON ?= python3

bin := .venv/bin
install := $(bin)/python -m pip install --quiet --disable-pip-version-check
serving := .venv/.serving
gpu := .venv/.gpu
development := .venv/.development

.DEFAULT_GOAL := help
.PHONY: help serve install install-gpu install-dev test test-all check format lint types imports \
	zoo-check default-bundle lock clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

serve: install ## serve the default bundle on http://127.0.0.1:8000
	$(bin)/seewhy serve

install: $(serving) ## set up .venv with what serving needs

install-gpu: $(gpu) ## add the CUDA libraries to what serving needs

install-dev: $(development) ## set up .venv with everything: training, tests, checks

# Each of the processes takes a file at a time, and up to 3 GB of memory.
parallel := --numprocesses auto --maxprocesses 4 --dist loadfile

# Threads of several libraries would fight over the cores; most of what tests compute is small.
test test-all: export OMP_NUM_THREADS ?= 1

test: $(development) ## run the tests that need nothing but Python packages
	$(bin)/pytest -m "not slow" $(parallel)

test-all: $(development) ## run every test, the slow ones too
	$(bin)/pytest

check: lint types imports ## run every static check

format: $(development) ## format the code
	$(bin)/ruff format
	$(bin)/ruff check --fix

lint: $(development) ## check the formatting and the lint rules
	$(bin)/ruff format --check
	$(bin)/ruff check

types: $(development) ## check the types
	$(bin)/mypy

imports: $(development) ## check that imports point one way
	$(bin)/lint-imports

zoo-check: $(development) ## export every backbone and measure how exact it is
	$(bin)/python -m training.zoo --output docs/zoo.md

default-bundle: $(development) ## make the default bundle again, into build/zoo
	rm -rf build/zoo
	$(bin)/seewhy export --backbone efficientnet_lite0 --weights package \
		--repository build/zoo

# Both locks agree: serving is resolved under the constraints of all.
compile := $(bin)/uv pip compile pyproject.toml --quiet --group build --upgrade --universal \
	--python-version 3.11 --fork-strategy fewest --generate-hashes --no-annotate \
	--custom-compile-command "make lock"

lock: $(development) ## refresh requirements/*.txt
	$(compile) --all-extras --output-file requirements/all.txt
	$(compile) --constraint requirements/all.txt --output-file requirements/serving.txt
	$(compile) --constraint requirements/all.txt --extra gpu --output-file requirements/gpu.txt

clean: ## remove .venv and everything that was built
	rm -rf .venv build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# The stamps stand for an environment that follows its lock, so a second run starts at once.
$(bin)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else \
	"SeeWhy needs Python 3.11 to 3.13; where it has another name: make serve PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

$(serving): requirements/serving.txt pyproject.toml | $(bin)/pip
	@echo "Installing what serving needs into .venv"
	$(install) --require-hashes --requirement $<
	$(install) --no-deps --no-build-isolation --editable .
	@touch $@

$(gpu): requirements/gpu.txt $(serving)
	@echo "Installing the CUDA libraries into .venv (some gigabytes)"
	$(install) --require-hashes --requirement $<
	@touch $@

$(development): requirements/all.txt $(serving)
	@echo "Installing what training and the tests need into .venv (some gigabytes)"
	$(install) --require-hashes --requirement $<
	@touch $@
