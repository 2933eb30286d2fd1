# make demo         trains a deep sigmoid and a deep ReLU network side by side (a minute or two)
# make check        lint, types and the fast tests (under three minutes)
# make test         every check and test, as CI runs them
# make format       lets ruff fix and format the code
# make results      runs all experiments and rewrites their results (an hour)
# make docs         renders docs/ as a site, docs/_build/index.html
# make test-lowest  runs the tests on the lowest versions that pyproject.toml allows
# make dist         builds what a release publishes, and checks it
# make clean        removes what the others installed
#
# Each installs what it needs into .venv, the first time.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGE := ".[tensorflow]"
REQUIREMENTS := -r experiments/requirements.txt
REQUIREMENTS_DEV := -r tests/requirements.txt

.PHONY: help demo check test docs test-lowest results lint format dist clean

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' $(MAKEFILE_LIST)

demo: $(VENV)/.installed
	@$(BIN)/python -m experiments sigmoid_vs_relu

check: $(VENV)/.installed-dev lint
	@$(BIN)/python -m pytest -m "not slow"

test: $(VENV)/.installed-dev lint
	@$(BIN)/python -m pytest

docs: $(VENV)/.installed
	@$(BIN)/pip install --quiet --disable-pip-version-check -r docs/requirements.txt
	@$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build
	@echo "Open docs/_build/index.html."

# uv, because pip cannot resolve to the lowest versions.
test-lowest: $(VENV)/.created pyproject.toml
	@$(PYTHON) -m venv $(VENV)-lowest
	@$(VENV)-lowest/bin/pip install --quiet --disable-pip-version-check uv
	@$(VENV)-lowest/bin/uv pip install --quiet --python $(VENV)-lowest/bin/python \
		--resolution lowest-direct --editable $(PACKAGE) $(REQUIREMENTS) $(REQUIREMENTS_DEV)
	@$(VENV)-lowest/bin/python -m pytest

# On all of MNIST, where it can be had, and on the digits that are installed.
results: $(VENV)/.installed
	@$(BIN)/python -m experiments all --output experiments
	@$(BIN)/python -m experiments all --data subset --output logs/subset
	@$(BIN)/python -m experiments pages --subset logs/subset

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.installed-dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

dist: $(VENV)/.created
	@$(BIN)/pip install --quiet --disable-pip-version-check build twine
	@rm -rf dist
	@$(BIN)/python -m build --outdir dist .
	@$(BIN)/twine check --strict dist/*

clean:
	rm -rf $(VENV) $(VENV)-lowest dist docs/_build

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vg_keras needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml experiments/requirements.txt
	@echo "Installing into $(VENV); TensorFlow makes this take a minute or two ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable $(PACKAGE) $(REQUIREMENTS)
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed tests/requirements.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check $(REQUIREMENTS_DEV)
	@touch $@
