# Two commands: `make demo` shows what liftune does, `make test` shows that it works. Both fill one .venv.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-all test-faults test-gpu test-load test-quant test-trackers fuzz check check-deps docs site bench bench-quick bench-predict bench-serve bench-gpu wheels clean

demo: .venv/demo
	rm -rf runs/demo
	$(BIN)/liftune tune --out runs/demo
	@echo
	@echo "Now try:  $(BIN)/liftune predict runs/demo \"I never thought they would come all this way\""

# Files whole to a worker: what a file makes once for its tests is not made twice.
test: .venv/dev
	$(BIN)/python -m pytest -n auto --dist loadfile

test-all: .venv/dev
	$(BIN)/python -m pytest -n auto --dist loadfile -m "slow or not slow"

# Kills runs at random moments and compares what they end in with undisturbed ones; damages files in every way.
test-faults: .venv/dev
	$(BIN)/python -m pytest tests/faults -m "slow or not slow"

# What needs a CUDA device; PYTHON names an interpreter with torch for it, liftune, pytest, and bitsandbytes for four bits.
test-gpu:
	PYTHONPATH=src $(PYTHON) -m pytest tests/gpu -m "slow or not slow"

# Weights in four bits. bitsandbytes lies apart: where it is installed, importing PEFT takes four seconds more.
test-quant: .venv-quant/done
	PYTHONPATH=.venv-quant $(BIN)/python -m pytest tests/models/test_quantised.py

.venv-quant/done: .venv/dev
	$(BIN)/python -m pip install --quiet --no-deps --target .venv-quant --constraint constraints.txt bitsandbytes
	touch $@

# Experiment trackers, whose pins clash with the others', in an environment of their own.
test-trackers: .venv-trackers/done
	.venv-trackers/bin/python -m pytest tests/tracking

.venv-trackers/done: pyproject.toml constraints-trackers.txt
	$(PYTHON) -m venv .venv-trackers
	.venv-trackers/bin/python -m pip install --quiet -c constraints-trackers.txt -e '.[demo,mlflow,tensorboard,trackio]' pytest
	touch $@

# The server beyond its limits, some minutes; LOAD="--seconds 10" is shorter.
test-load: .venv/bench
	$(BIN)/python -m tests.load $(LOAD)

# Licences of all dependencies, and known vulnerabilities where there is a network and pip-audit.
check-deps: .venv/dev
	-$(BIN)/python -m pip install --quiet pip-audit || echo "pip-audit cannot be installed: no network?"
	$(BIN)/python tools/check_deps.py

# Broken input for all that reads, for FUZZ_SECONDS; what shows a defect lies in fuzz-found/, made small.
fuzz: .venv/dev
	$(BIN)/python -m fuzz --seconds $(or $(FUZZ_SECONDS),300)

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n auto --dist loadfile

# BENCH="--train FILE --test FILE --model DIR" measures on your own rows; benchmarks/README.md says more.
bench: .venv/bench
	$(BIN)/python -m benchmarks $(BENCH)

# A few ratios in a few minutes, beside those kept in benchmarks/quick.json for this processor; BENCH="--keep" keeps these.
bench-quick: .venv/bench
	$(BIN)/python -m benchmarks quick $(BENCH)

# BENCH="--run RUN --data FILE" answers your own texts with your own run; without, the demo's.
bench-predict: .venv/bench
	test -d runs/demo || $(BIN)/liftune tune --out runs/demo
	$(BIN)/python -m benchmarks predict --run runs/demo $(BENCH)

# Our server against one around a pipeline, then fifty adapters on one base against one merged model.
bench-serve: .venv/bench
	$(BIN)/python -m benchmarks serve $(BENCH)
	$(BIN)/python -m benchmarks many $(BENCH)

# On a machine with a CUDA device: PYTHON names an interpreter with torch for it and what `.[bench]` and test-gpu want.
bench-gpu: test-gpu
	PYTHONPATH=src $(PYTHON) -m benchmarks gpu $(BENCH)

docs: .venv/dev
	$(BIN)/python tools/make_methods_doc.py
	$(BIN)/python tools/make_glossary_doc.py

# The docs site, without a network once .venv/docs is there; then open site/index.html. A broken link or anchor stops it.
site: .venv/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

# In dist/: a wheel for any system, and one for this Linux that brings the kernels, compiled for each kind of processor.
wheels: .venv/wheels
	$(BIN)/python tools/make_wheels.py

.venv/demo: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo]'
	touch $@

.venv/dev: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

.venv/bench: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	touch $@

.venv/wheels: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo,wheels]'
	touch $@

.venv/docs: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "liftune needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv .venv

clean:
	rm -rf .venv runs site build dist .mypy_cache .ruff_cache .pytest_cache
