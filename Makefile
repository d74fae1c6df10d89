# make demo: the main job on synthetic plates, from nothing.   make test: every check, from nothing.
# make test-ray: archives on Ray and on an S3 server, both of which it installs (moto needs another python-dateutil).
PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo
BIN = $(VENV)/bin

.PHONY: demo test test-ray format install clean

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints/dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints/dev.txt -e '.[dev]'
	@if $(BIN)/python -m pip list --disable-pip-version-check 2>/dev/null | grep -i '^nvidia'; then \
	  echo "error: GPU packages came along with torch; install its CPU build first, see README, 'Installing'" >&2; exit 1; fi
	touch $@

demo: install
	rm -rf $(DEMO)
	$(BIN)/platewatch render $(DEMO)/plates
	$(BIN)/platewatch explore $(DEMO)/plates --out $(DEMO)/explore
	$(BIN)/platewatch train $(DEMO)/plates --out $(DEMO)/model
	$(BIN)/platewatch verify $(DEMO)/model
	$(BIN)/platewatch inspect $(DEMO)/model $(foreach kind,good major_rust scratches total_rust,$(DEMO)/plates/test/$(kind)/000.png) \
	  --out $(DEMO)/overlays || [ $$? -eq 3 ]  # 3: not every plate passed, and rightly so
	$(BIN)/platewatch evaluate $(DEMO)/model $(DEMO)/plates --out $(DEMO)/report
	@echo "open $(DEMO)/report/report.html"

test: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
	  $(BIN)/pytest -n 2 --dist worksteal --cov  # compiled once: hundreds of tests start processes; one thread a worker

test-ray: install
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints/dev.txt -e '.[dev,ray]'
	$(PYTHON) -m venv $(VENV)/moto
	$(VENV)/moto/bin/python -m pip install --disable-pip-version-check 'moto[server]==5.2.5'
	MOTO_SERVER=$(VENV)/moto/bin/moto_server $(BIN)/pytest -p no:randomly tests/test_archive_ray.py tests/test_archive_s3.py

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(DEMO) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
